/* How well detection did on labelled texts: counts by class in three ways, documents covered whole,
 * and what share of text that identifies no one was touched. Pure; offsets are UTF-8 bytes. Used by
 * `stoplog evaluate` and tools/detection-report. */
#ifndef SL_DETECT_EVALUATION_H
#define SL_DETECT_EVALUATION_H

#include "detect/finding.h"

typedef enum {
    SL_LABEL_NAME,
    SL_LABEL_DATE,
    SL_LABEL_LOCATION,
    SL_LABEL_ID,
    SL_LABEL_CONTACT,
    SL_LABEL_AGE,
    SL_LABEL_COUNT,
    SL_LABEL_OTHER = SL_LABEL_COUNT, /* neither required nor counted as wrong */
} sl_label;

/* "NAME", "DATE" ...; a static string. */
const char *sl_label_name(sl_label label);
/* The label of that name in any case; OTHER when there is none. */
sl_label sl_label_by_name(sl_view name);
/* The label that a finding's class stands for; OTHER for secrets, links and forms. */
sl_label sl_label_of_class(sl_class kind);

typedef struct {
    size_t start;
    size_t end; /* exclusive, > start */
    sl_label label;
} sl_gold_span;

/* wanted: in the gold; found: of these; claimed: by detection; right: of these. */
typedef struct {
    uint64_t wanted;
    uint64_t found;
    uint64_t claimed;
    uint64_t right;
} sl_tally;

typedef struct {
    sl_tally overlap[SL_LABEL_COUNT]; /* a span overlapped by a finding of any class */
    sl_tally exact[SL_LABEL_COUNT];   /* the same span and class; titles in or out both fit */
    sl_tally token[SL_LABEL_COUNT];   /* words and numbers, of the same class */
    sl_tally any_token;               /* of any class */
    uint64_t documents;
    uint64_t with_gold; /* documents that name someone, */
    uint64_t covered;   /* and of these those with every letter and digit covered */
    uint64_t clean;     /* documents that name no one, */
    uint64_t touched;   /* and of these those with any finding */
    uint64_t clean_chars;
    uint64_t clean_chars_touched; /* letters and digits outside all gold spans */
} sl_evaluation;

/* What one document adds: `gold` and `findings` in any order; spans beyond the text are SL_E_RANGE. */
typedef struct {
    uint64_t wanted;
    uint64_t missed; /* gold spans that no finding overlaps */
    uint64_t findings;
} sl_evaluation_row;

SL_MUST sl_res sl_evaluation_add(sl_evaluation *evaluation, sl_view text, const sl_gold_span *gold,
                                 size_t gold_n, const sl_findings *findings,
                                 sl_evaluation_row *ret_row);

/* For scores of texts that are attacks or not. */
typedef struct {
    double score;
    bool attack;
} sl_scored;

typedef struct {
    uint64_t attacks;
    uint64_t ordinary;
    double auroc;     /* ties count half; 0.5 when either kind is missing */
    double threshold; /* the lowest score above which at most `fpr` of ordinary texts lie */
    uint64_t caught;  /* attacks above it */
    uint64_t alarms;  /* ordinary texts above it */
} sl_ranking;

/* Sorts `rows`. `fpr` in 0..1. */
void sl_ranking_of(sl_scored *rows, size_t n, double fpr, sl_ranking *ret_ranking);

#endif
