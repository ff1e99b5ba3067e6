/* What the parts of the ask door's crossing share: door.c (life, inputs, endings), door_request.c,
 * door_answer.c, door_leaf.c and door_valve.c; nobody else includes it. */
#ifndef SL_DOORS_ASK_DOOR_INTERNAL_H
#define SL_DOORS_ASK_DOOR_INTERNAL_H

#include "base/scgi.h"
#include "crypto/mac.h"
#include "doors/ask/door.h"
#include "doors/ask/leaf.h"
#include "doors/ask/sse.h"

typedef enum {
    STEP_READ,
    STEP_IDENTIFY,
    STEP_INSPECT,
    STEP_DECIDE,
    STEP_RECORD,
    STEP_ACT,
    STEP_ANSWER,
    STEP_RECORD_OUTCOME,
    STEP_RELEASE,
    STEP_SETTLE, /* all was said; the outcome's acknowledgement is due */
    STEP_OVER,
} step;

typedef enum { LEAF_NONE, LEAF_INTENT, LEAF_REFUSAL, LEAF_OUTCOME } leaf_kind;

struct sl_ask_door {
    const sl_ask_site *site;
    sl_ask_out out;
    step step;
    sl_ask_now now;
    sl_ask_now began;
    uint64_t deadline_ms; /* of the present step, boot clock */
    char id[SL_ASK_ID_CHARS + 1];
    /* the request */
    sl_buf request;
    sl_scgi_request head;
    sl_view body;
    const sl_ask_dialect *dialect;
    sl_view receipt_id; /* of GET /stoplog/receipts/ID, which has no dialect */
    bool lists_models;  /* GET /v1/models, likewise */
    sl_json_doc doc;
    sl_arena arena;
    sl_view model;
    sl_ask_facts facts;
    sl_ask_look look;
    sl_flow *flow;
    sl_ask_pin *tools; /* definitions to learn; in the arena */
    size_t tools_n;
    sl_buf forward;
    /* who and what */
    bool known; /* somebody was identified: refusals become leaves of their own */
    sl_ask_identity who;
    sl_ask_route route;
    sl_valve_ticket ticket;
    sl_pseudonyms *pseudonyms;
    /* the ledger */
    leaf_kind waiting; /* the leaf whose acknowledgement is due */
    bool intended;     /* the intent is durable */
    uint64_t intent_index;
    uint64_t receipt_at; /* where it stands among the receipts */
    char receipt[320];
    /* the answer */
    size_t attempt;
    sl_view asked; /* the upstream that was given the request last */
    bool connected;
    bool got_bytes;
    bool stale_once; /* one idle connection turned out to be closed */
    sl_http_answer http;
    sl_sse sse;
    sl_buf whole;
    sl_answer answer;
    bool answering; /* `answer` is set up */
    bool head_sent;
    bool closed; /* the stream's ending is in `last` */
    sl_buf last; /* held until the outcome is durable */
    uint64_t events;
    sl_ask_outcome outcome;
    sl_res why;
    unsigned status;
    const char *rule;
    sl_digest request_commitment;
    sl_keyed commit; /* of the answer's body so far */
};

/* Life and endings: door.c. */
void sl_door_set_deadline(sl_ask_door *d, uint64_t after_ms);
unsigned sl_door_status_of(sl_res r);
SL_MUST sl_res sl_door_put_client_head(sl_ask_door *d, unsigned status, const char *type);
sl_ask_error sl_door_error_of(const sl_ask_door *d);
void sl_door_drop_upstream(sl_ask_door *d);
void sl_door_end_crossing(sl_ask_door *d);
void sl_door_answer_error(sl_ask_door *d);
void sl_door_refuse(sl_ask_door *d, sl_res why);
void sl_door_release(sl_ask_door *d);
void sl_door_cross(sl_ask_door *d);

/* The request: door_request.c. */
SL_MUST sl_res sl_door_read_request(sl_ask_door *d);
SL_MUST sl_res sl_door_identify(sl_ask_door *d);
SL_MUST sl_res sl_door_inspect(sl_ask_door *d);
bool sl_door_choose_upstream(sl_ask_door *d, size_t from);
SL_MUST sl_res sl_door_decide(sl_ask_door *d);

/* The answer: door_answer.c. */
SL_MUST sl_res sl_door_act(sl_ask_door *d);
SL_MUST sl_res sl_door_close_stream(sl_ask_door *d);
void sl_door_upstream_failed(sl_ask_door *d, sl_res why);

/* Leaves: door_leaf.c. */
void sl_door_record_refusal(sl_ask_door *d);
SL_MUST sl_res sl_door_record(sl_ask_door *d);
void sl_door_finish_with(sl_ask_door *d, sl_ask_outcome outcome);

/* Valves: door_valve.c. */
SL_MUST sl_res sl_door_take_ticket(sl_ask_door *d);
bool sl_door_way_is_open(const sl_ask_door *d);
/* The way was shut under a running crossing: what is on its way to the client ends here. */
void sl_door_shut(sl_ask_door *d);
/* Was it shut between the outcome's leaf and the release of the last bytes? Then they never leave. */
bool sl_door_shut_before_release(sl_ask_door *d);

#endif
