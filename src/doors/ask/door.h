/* The ask door: one crossing from request to outcome as a state machine without I/O.
 *
 * Inputs are bytes, acknowledgements and time; outputs are bytes, leaves and wishes in sl_ask_out.
 * The process (askd.c), the fuzzer and the replay tool all drive this same core. It must never put
 * a request out before its intent leaf is durable, nor the last bytes of an answer before its
 * outcome leaf is in the ledger's hands (law 1), and every error path ends in a refusal (law 2).
 *
 * The order is the one of every door: identify, inspect, decide, record, act; see sl_door_cross() in
 * door.c. Design: ARCHITECTURE.md section 4, README.md here. */
#ifndef SL_DOORS_ASK_DOOR_H
#define SL_DOORS_ASK_DOOR_H

#include "doors/ask/budget.h"
#include "doors/ask/dialect.h"
#include "doors/ask/health.h"
#include "doors/ask/http.h"
#include "doors/ask/identify.h"
#include "doors/ask/keys.h"
#include "doors/ask/pins.h"
#include "doors/ask/receipts.h"

/* Time as the adapter read it. */
typedef struct {
    uint64_t boot_ms; /* for delays and valves */
    int64_t wall_ms;  /* for grants and budgets */
    uint64_t mono_us; /* for durations in leaves */
} sl_ask_now;

typedef struct {
    size_t body_bytes_max;
    uint64_t answer_bytes_max;
    size_t text_bytes_max;   /* of one channel */
    size_t event_bytes_max;  /* of one server-sent event */
    uint64_t request_ms_max; /* until the request is whole */
    uint64_t record_ms_max;  /* until a leaf is durable */
    uint64_t first_ms_max;   /* until the model server's first byte */
    uint64_t silence_ms_max; /* between its bytes */
    uint64_t answer_ms_max;  /* of a whole answer */
} sl_ask_limits;
/* Ample for long answers, small against an endless one. */
extern const sl_ask_limits sl_ask_limits_default;

/* What all crossings of a process share; read-only to the door but for scratch and budget. */
typedef struct {
    const sl_detect *detect;
    sl_scratch *scratch;
    const sl_policy *policy;
    const sl_ask_inject *inject;     /* or NULL */
    const sl_flow_rules *flow_rules; /* or NULL */
    sl_ask_pins *pins;         /* of tool definitions; NULL: only those of the flow rules bind */
    uint8_t policy_digest[32]; /* SHA-256 of the snapshot in force */
    const sl_ask_roll *roll;
    const sl_ask_valves *valves;
    sl_budget *budget;
    const sl_ask_health *health; /* NULL: every upstream is healthy */
    const sl_ask_keys *keys;     /* of compartments */
    const char *origin;          /* of the ledger, for receipts */
    sl_ask_receipts *receipts;   /* may be NULL: then none can be asked for */
    sl_ask_limits limits;
} sl_ask_site;

/* How a crossing ended, as its outcome leaf says. */
typedef enum {
    SL_OUTCOME_OPEN,
    SL_OUTCOME_DELIVERED,
    SL_OUTCOME_TRANSFORMED,
    SL_OUTCOME_CUT,
    SL_OUTCOME_REFUSED,
    SL_OUTCOME_CLIENT_GONE,
    SL_OUTCOME_UPSTREAM_FAILED,
    SL_OUTCOME_COUNT
} sl_ask_outcome;
const char *sl_ask_outcome_name(sl_ask_outcome outcome);

/* What the adapter is to do; it clears each wish that it has taken up. */
typedef struct {
    sl_buf client;       /* bytes for the client: drop from the front what was sent */
    sl_buf upstream;     /* bytes for the model server, likewise */
    sl_buf leaf;         /* an event to append; take it when n is not 0 */
    bool leaf_soon;      /* nobody waits until it is durable */
    sl_view connect;     /* name of an upstream to connect to when n is not 0; clear it */
    bool upstream_close; /* drop the upstream's connection */
    bool upstream_keep;  /* the upstream's connection may serve another request */
    bool upstream_drain; /* it may, once the rest of the answer has come: sl_ask_door_rest */
    uint64_t minute;     /* the minute since 1970 that `upstream` bears, for the counts */
    bool client_close;   /* end the client's connection once `client` is empty */
    bool knock;          /* a refusal before anybody was identified: count it by `knock_source` */
    char knock_source[64];
    int32_t knock_code;
} sl_ask_out;

typedef struct sl_ask_door sl_ask_door;

/* One crossing begins. `random` is 16 fresh bytes: the crossing's id. `site` must outlive it.
 * Fails: SL_E_MEMORY. */
SL_MUST sl_res sl_ask_door_new(const sl_ask_site *site, const uint8_t random[16], sl_ask_now now,
                               sl_ask_door **ret_door);
void sl_ask_door_free(sl_ask_door *door);

/* Inputs. None fails: what goes wrong shows in the outputs. */
void sl_ask_door_client_bytes(sl_ask_door *door, sl_view bytes, sl_ask_now now);
void sl_ask_door_client_gone(sl_ask_door *door, sl_ask_now now);
/* The leaf taken last is on its way: the ledger's link has taken it. With an outcome that is enough for
 * the last bytes to leave (docs/decisions.md); the crossing is over when it is recorded, or cannot be. */
void sl_ask_door_handed_over(sl_ask_door *door, sl_ask_now now);
/* The leaf taken last is durable and has this index. */
void sl_ask_door_recorded(sl_ask_door *door, uint64_t index, sl_ask_now now);
/* It could not be appended. */
void sl_ask_door_not_recorded(sl_ask_door *door, sl_ask_now now);
void sl_ask_door_upstream_bytes(sl_ask_door *door, sl_view bytes, sl_ask_now now);
/* The upstream's connection ended or could not be made. */
void sl_ask_door_upstream_gone(sl_ask_door *door, sl_ask_now now);
/* The connection that was taken for the request had been closed by egress while it was idle, and
 * nothing was answered: true when the request was put out once more for a fresh connection. */
bool sl_ask_door_upstream_stale(sl_ask_door *door, sl_ask_now now);
/* Time passed: deadlines and valves. At least every 100 ms. */
void sl_ask_door_tick(sl_ask_door *door, sl_ask_now now);

sl_ask_out *sl_ask_door_out(sl_ask_door *door);
/* Takes over the reading of an answer that is complete for the client but for its framing: what may
 * still come is to be read by sl_http_next and dropped. With `upstream_drain` only; to be freed. */
sl_http_answer sl_ask_door_rest(sl_ask_door *door);
/* Does it still take bytes of the model server? */
bool sl_ask_door_wants_upstream(const sl_ask_door *door);
/* Does it wait for the ledger? */
bool sl_ask_door_waits_for_leaf(const sl_ask_door *door);
/* Nothing more will come of it: the adapter sends what is left and frees it. */
bool sl_ask_door_over(const sl_ask_door *door);
/* For receipts and tests. */
sl_ask_outcome sl_ask_door_outcome(const sl_ask_door *door);
const char *sl_ask_door_id(const sl_ask_door *door);

#endif
