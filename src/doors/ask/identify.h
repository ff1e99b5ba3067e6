/* Who asks, what they may, and whether the way is open: what the door needs to know of the site,
 * and nothing more. The process fills these tables from the policy snapshot and the valves
 * (snapshot.c); tests and the fuzzer fill them by hand. All functions are pure reads.
 * Design: ARCHITECTURE.md section 4, the step "identify". */
#ifndef SL_DOORS_ASK_IDENTIFY_H
#define SL_DOORS_ASK_IDENTIFY_H

#include "base/valve.h"
#include "doors/ask/shape.h"

enum {
    SL_ASK_UPSTREAMS_MAX = 8, /* tried in order for one model */
    SL_ASK_RESTORE_TOOLS_MAX = 16,
    SL_ASK_MODELS_MAX = 64,
};

/* A model that clients may name. */
typedef struct {
    sl_view name;                            /* as clients say it */
    sl_view upstream_model;                  /* as the model server knows it */
    sl_view upstreams[SL_ASK_UPSTREAMS_MAX]; /* names known to egress */
    size_t upstreams_n;
} sl_ask_route;

/* The one who asks. The tools' names live as long as the configuration. */
typedef struct {
    sl_valve_id principal;
    sl_valve_id lineage;
    sl_valve_slot principal_slot;
    sl_valve_slot compartments[SL_TICKET_COMPARTMENTS_MAX]; /* that the model draws on */
    sl_valve_id compartment_ids[SL_TICKET_COMPARTMENTS_MAX];
    size_t compartments_n;
    char grant[17]; /* id in hex */
    char purpose[SL_NAME_BYTES_MAX + 1];
    uint32_t features;   /* granted, bit by sl_ask_feature */
    uint64_t requests_h; /* budgets of the lineage; 0: none of this kind */
    uint64_t tokens_d;
    sl_view restore_tools[SL_ASK_RESTORE_TOOLS_MAX];
    size_t restore_tools_n;
} sl_ask_identity;

typedef struct {
    const void *context;
    /* The model's route. SL_E_NOT_FOUND when there is no such model. */
    sl_res (*route)(const void *context, sl_view model, sl_ask_route *ret_route);
    /* Whose key is this? Fills principal, lineage, their slots. SL_E_KEY. */
    sl_res (*key)(const void *context, sl_view key, int64_t wall_ms, sl_ask_identity *ret_identity);
    /* The holder's live ask grant for every compartment that the model draws on; fills the rest of
     * the identity. SL_E_NO_GRANT. */
    sl_res (*grant)(const void *context, const sl_ask_route *route, int64_t wall_ms,
                    sl_ask_identity *identity);
    /* The model number `at`, for lists; false behind the last. */
    bool (*model)(const void *context, size_t at, sl_ask_route *ret_route);
} sl_ask_roll;

/* The valves as the door sees them; see base/valve.h for what each answer means. */
typedef struct {
    const void *context;
    sl_valve_state (*take)(const void *context, uint64_t now_ms, sl_valve_slot principal,
                           const sl_valve_slot *compartments, size_t compartments_n,
                           sl_valve_ticket *ret_ticket);
    sl_valve_state (*holds)(const void *context, uint64_t now_ms, const sl_valve_ticket *ticket);
} sl_ask_valves;

#endif
