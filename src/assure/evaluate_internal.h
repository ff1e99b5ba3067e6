/* What the two halves of the evaluator share: evaluate.c feeds it, evaluate_answer.c answers; nobody else includes it. */
#ifndef SL_ASSURE_EVALUATE_INTERNAL_H
#define SL_ASSURE_EVALUATE_INTERNAL_H

#include "assure/evaluate.h"
#include "assure/table.h"

typedef struct {
    int64_t time_ms;
    double part;  /* RATIO: what counts for it; QUANTILE: the value */
    double whole; /* RATIO: what counts at all */
} sl_evaluator_sample;

struct sl_evaluator {
    const sl_query *query;
    sl_asked asked;
    sl_parameter parameter;
    void *context;
    bool overflowed;
    int64_t last_ms; /* newest leaf of `first` or `second`; 0: none */
    uint64_t recent[SL_ANSWER_EVIDENCE_MAX];
    size_t recent_count;
    uint64_t seen;
    sl_table_entry latest; /* LATEST; NONE: the counter-example */
    bool has_latest;
    int64_t unsure_ms; /* NONE: when a leaf could not be judged */
    sl_evaluator_sample *samples;
    size_t sample_count;
    size_t sample_capacity;
    size_t sample_start; /* those before it have left the window */
    sl_table table;
};

/* Where names of a condition are looked up: a leaf, a subject, the site. */
typedef struct {
    const sl_evaluator *evaluator;
    const sl_evidence *leaf;
    const sl_subject *subject; /* EACH */
    const sl_json_doc *subject_doc;
} sl_evaluator_names;

/* A field's value; what is not there is null. */
sl_value sl_evaluator_value(const sl_json_node *node);
/* Answers names for a condition; `context` is a sl_evaluator_names. */
sl_value sl_evaluator_look_up(void *context, sl_view scope, sl_view name);

#endif
