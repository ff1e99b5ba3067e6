/* The check language: seven forms of question to the ledger, parsed once and asked without end.
 *
 *   LATEST type[filter] [WITHIN d] SATISFIES cond
 *   EACH kind v [WHERE cond] : LAST type[field=v] [WITHIN d] SATISFIES cond
 *   NONE type[filter] [WHERE cond] WITHIN d
 *   RATIO type[filter] [WHERE cond] OVER type[filter] WITHIN d >= n     (counts)
 *   RATIO type.field OVER type.field WITHIN d >= n                      (sums)
 *   QUANTILE q type.field WITHIN d <= n [MIN k]
 *   FOLLOWS type[filter] BY type[filter] ON field[,field] [WITHIN d|field.limit] [BEFORE type] [LOOKBACK d]
 *     (a list "fields" of what is followed stands for one case each; field.limit: the site's limit for its value)
 *   RECON type[filter] = type[filter] PER field EVERY d [TOLERANCE n]
 *
 * A type has one dot ("ask.outcome"); a third word behind it is a field. Design: README.md. */
#ifndef SL_ASSURE_QUERY_H
#define SL_ASSURE_QUERY_H

#include "assure/condition.h"

typedef enum {
    SL_QUERY_LATEST,
    SL_QUERY_EACH,
    SL_QUERY_NONE,
    SL_QUERY_RATIO,
    SL_QUERY_QUANTILE,
    SL_QUERY_FOLLOWS,
    SL_QUERY_RECON,
} sl_query_form;

/* Which leaves a query reads: a type, and what must hold of the leaf (NULL: nothing). */
typedef struct {
    sl_view type;
    sl_view field; /* RATIO (sums) and QUANTILE; else empty */
    const sl_condition *filter;
} sl_query_source;

#define SL_QUERY_KEYS_MAX ((size_t)4)

typedef struct {
    sl_query_form form;
    sl_query_source first;  /* asked about; the numerator; what must be followed; the left count */
    sl_query_source second; /* the denominator; what follows; the right count */
    sl_query_source before; /* FOLLOWS: what must not come first; type empty if absent */
    const sl_condition *where;       /* EACH: of the subject; NONE, RATIO: of the leaf; or NULL */
    const sl_condition *satisfies;   /* LATEST, EACH */
    sl_view subject_kind;            /* EACH */
    sl_view variable;                /* EACH */
    sl_view subject_field;           /* EACH: the leaf's field that names the subject */
    sl_view keys[SL_QUERY_KEYS_MAX]; /* FOLLOWS: ON; RECON: PER (one) */
    size_t key_count;
    size_t limit_key;  /* FOLLOWS WITHIN field.limit: number of the key, from 1; 0: none */
    int64_t within_ms; /* 0: not given */
    int64_t lookback_ms;
    int64_t every_ms;
    double bound; /* RATIO: at least; QUANTILE: at most */
    double quantile;
    uint64_t sample_min;
    uint64_t tolerance;
} sl_query;

/* Parses one query; it lives in `arena` and borrows `text`. SL_E_SYNTAX with the offset;
 * SL_E_UNSUPPORTED for what the language has but this version cannot answer. */
SL_MUST sl_res sl_query_parse(sl_view text, sl_arena *arena, sl_query *ret_query);

#endif
