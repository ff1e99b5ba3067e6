/* The leaves of an ask crossing, from plain facts. Nothing in them is text of a request or answer:
 * only counts, ids and words of ours. The fields are declared in data/events/ask.json. */
#ifndef SL_DOORS_ASK_LEAF_H
#define SL_DOORS_ASK_LEAF_H

#include "doors/ask/door.h"

/* What every leaf of a crossing names. */
typedef struct {
    const char *crossing; /* hex */
    const sl_ask_identity *who;
} sl_ask_leaf_head;

typedef struct {
    const char *dialect;
    sl_view upstream;
    sl_view model;
    const uint8_t *policy_digest;
    sl_verdict verdict;
    const uint32_t *by_class; /* SL_CLASS_COUNT counts */
    const sl_digest *request; /* commitment */
    uint64_t bytes;
    bool streamed;
    uint64_t latency_us;
    uint64_t epoch;
    const sl_view *tools; /* definitions that are new (pins.h) */
    size_t tools_n;
    sl_view source; /* prefix of the address */
} sl_ask_intent;

typedef struct {
    sl_ask_outcome outcome;
    sl_verdict verdict;
    const uint32_t *by_class;
    const sl_digest *answer; /* commitment, or NULL */
    sl_view upstream;        /* asked last; none when nobody was */
    uint64_t released_bytes;
    uint64_t late_bytes; /* of what was found that had left before it was found */
    uint64_t events;
    bool has_tokens;
    uint64_t input_tokens;
    uint64_t output_tokens;
    const char *rule; /* id of the policy's rule or our word for why; NULL when none decided */
    bool has_cut;
    uint64_t cut_at;
    unsigned status;
    uint64_t latency_us;
    uint64_t restored; /* stand-ins */
} sl_ask_ending;

typedef struct {
    const char *reason; /* name of the result code */
    const uint32_t *by_class;
    uint64_t bytes;
    unsigned status;
    const char *rule;
    const char *detector;
} sl_ask_refusal;

SL_MUST sl_res sl_ask_leaf_intent(const sl_ask_leaf_head *head, const sl_ask_intent *intent,
                                  sl_buf *out);
SL_MUST sl_res sl_ask_leaf_outcome(const sl_ask_leaf_head *head, const sl_ask_ending *ending,
                                   sl_buf *out);
SL_MUST sl_res sl_ask_leaf_refused(const sl_ask_leaf_head *head, const sl_ask_refusal *refusal,
                                   sl_buf *out);

#endif
