/* Asking one query of a stream of leaves: feed every leaf once, ask for the answer at any time.
 * State is small (last values, counters per second, open cases) and bounded; nothing is re-read.
 * Pure: time is an argument. What cannot be shown is `unknown`, never `pass` (law 9). */
#ifndef SL_ASSURE_EVALUATE_H
#define SL_ASSURE_EVALUATE_H

#include "assure/query.h"
#include "base/json.h"

typedef enum {
    SL_STATE_PASS,
    SL_STATE_FAIL,
    SL_STATE_UNKNOWN,
    SL_STATE_OUTSIDE, /* the register is there and has no such subject */
} sl_state;

const char *sl_state_name(sl_state state);

/* A leaf as evidence. */
typedef struct {
    sl_view type;
    int64_t time_ms; /* ledger time */
    uint64_t index;
    const sl_json_doc *doc; /* of the whole leaf; fields are looked up by sl_leaf_field */
} sl_evidence;

#define SL_ANSWER_EVIDENCE_MAX ((size_t)8)

typedef struct {
    sl_state state;
    const char *why;        /* static text */
    int64_t fresh_until_ms; /* after this the state is unknown; 0 if nothing was ever seen */
    uint64_t evidence[SL_ANSWER_EVIDENCE_MAX]; /* indices of leaves that show it, newest first */
    size_t evidence_count;
    uint64_t population; /* subjects, events or cases looked at */
    bool
        gated; /* its own evidence holds; what is missing is that the ledger is shown to be whole */
} sl_answer;

/* What a check asks for besides its query. */
typedef struct {
    int64_t ttl_ms;       /* evidence older than this shows nothing */
    uint64_t sample_min;  /* fewer trials show nothing; 0: none asked */
    sl_view sample_field; /* LATEST, EACH: the field that counts trials; empty: none */
    bool whole; /* the ledger records every such event: where there is none, there was none */
} sl_asked;

/* Answers "policy.x" and "self": SL_VALUE_UNKNOWN where it has none. */
typedef sl_value (*sl_parameter)(void *context, sl_view scope, sl_view name);

/* Subjects of EACH: who exists is told by the caller's register (catalogue.h). */
typedef struct {
    sl_view name;
    sl_view state;
    sl_view leaf; /* the raw leaf that registered it: attributes are its fields */
} sl_subject;

typedef struct sl_evaluator sl_evaluator;

/* `query` is borrowed. */
SL_MUST sl_res sl_evaluator_new(const sl_query *query, const sl_asked *asked,
                                sl_parameter parameter, void *context,
                                sl_evaluator **ret_evaluator);
void sl_evaluator_free(sl_evaluator *evaluator);
/* Leaves come in the order of the ledger. SL_E_LIMIT when its tables are full: then its answer is
 * unknown for good. */
SL_MUST sl_res sl_evaluator_feed(sl_evaluator *evaluator, const sl_evidence *leaf);
/* `subjects` matter to EACH only; `registered`: the register was read whole, so that an empty one
 * means `outside`. */
sl_answer sl_evaluator_answer(const sl_evaluator *evaluator, int64_t now_ms,
                              const sl_subject *subjects, size_t subject_count, bool registered);

#endif
