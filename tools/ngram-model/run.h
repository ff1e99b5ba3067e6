/* One continuation: a context, a sampler, and the text so far. Pure; the same seed gives the same
 * text. Bytes that cannot stand alone (halves of characters, controls) are never sampled, so what is
 * written is always valid UTF-8. */
#ifndef NGRAM_RUN_H
#define NGRAM_RUN_H

#include "base/limits.h"
#include "base/random.h"
#include "model.h"

#define NGRAM_STOPS_MAX 4
#define NGRAM_TOP_MAX 20
#define NGRAM_TEXT_BYTES_MAX (256 * SL_KIB)

typedef struct {
    double temperature; /* 0: always the likeliest; at most 2 */
    double top_p;       /* in (0, 1] */
    uint64_t seed;
    size_t tokens_max;
    sl_view stops[NGRAM_STOPS_MAX]; /* borrowed for as long as the run lives */
    size_t stop_count;
} ngram_sampling;

typedef struct {
    uint32_t token;
    double log_p; /* natural logarithm under the model, before temperature and top_p */
} ngram_choice;

typedef struct {
    const ngram_model *model;
    ngram_sampling sampling;
    sl_prng prng;
    uint32_t context[NGRAM_ORDER_MAX];
    size_t context_n;
    double *p; /* scratch: the distribution of the last step, over the vocabulary */
    sl_buf text;
    size_t released;    /* bytes of text handed out by ngram_run_release */
    size_t tokens;      /* written so far, the end not counted */
    const char *finish; /* NULL while it goes on; then "stop" or "length" */
} ngram_run;

/* Starts behind `prompt`. Free with ngram_run_free. */
SL_MUST sl_res ngram_run_start(ngram_run *ret_run, const ngram_model *model,
                               const ngram_sampling *sampling, sl_view prompt);
void ngram_run_free(ngram_run *run);
/* Writes one token, or sets `finish`. Not to be called once `finish` is set.
 * `ret_choice->token` is NGRAM_END if nothing was written. */
SL_MUST sl_res ngram_run_step(ngram_run *run, ngram_choice *ret_choice);
/* The `k` likeliest of the last step's distribution, the likeliest first; returns how many. */
size_t ngram_run_top(const ngram_run *run, size_t k, ngram_choice *ret_top);
/* New text that no stop string can still take back; the view lives until the next step. */
sl_view ngram_run_release(ngram_run *run);

#endif
