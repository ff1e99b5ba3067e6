/* A small language model: interpolated n-grams with Witten-Bell weights (I. H. Witten, T. C. Bell,
 * IEEE Trans. Inf. Theory 37(4), 1991), each order backing off to the next shorter one and at last to
 * the uniform distribution. Counts are not tabulated but read from a sorted index of all positions of
 * the training text, so training is one sort and the model is its text. It therefore memorises what
 * it was trained on, as large models do in part: that is what it is for. It is nobody's assistant; it
 * continues text. Pure: no files, no clock; randomness is an argument. */
#ifndef NGRAM_MODEL_H
#define NGRAM_MODEL_H

#include "token.h"

#define NGRAM_ORDER_MAX 32u
#define NGRAM_ORDER_DEFAULT 16u
#define NGRAM_CORPUS_TOKENS_MAX ((size_t)1 << 26)

typedef struct {
    ngram_vocabulary vocabulary;
    ngram_tokens corpus; /* every document followed by NGRAM_END */
    uint32_t *sorted;    /* positions in the corpus, by the tokens that follow */
    uint32_t *seen;      /* by token: its count in the corpus */
    size_t seen_types;   /* tokens with a count */
    unsigned order;      /* longest n-gram; the context is one shorter */
    unsigned passes;     /* how often training went over the text; more memorise harder */
} ngram_model;

/* Add documents, then sort once, then ask. Free with ngram_model_free. */
SL_MUST sl_res ngram_model_init(ngram_model *ret_model, unsigned order, unsigned passes);
void ngram_model_free(ngram_model *model);
SL_MUST sl_res ngram_model_document(ngram_model *model, sl_view text);
/* SL_E_RANGE if there is no text. */
SL_MUST sl_res ngram_model_sort(ngram_model *model);

/* The probability of `token` after `context`; greater than 0, and over all tokens it sums to 1. */
double ngram_model_probability(const ngram_model *model, const uint32_t *context, size_t context_n,
                               uint32_t token);
/* The same for all tokens at once: `ret_p` has room for vocabulary.count values. */
void ngram_model_distribution(const ngram_model *model, const uint32_t *context, size_t context_n,
                              double *ret_p);
/* Sum of natural logarithms over a text and the count of its tokens, the end included. */
SL_MUST sl_res ngram_model_score(const ngram_model *model, sl_view text, double *ret_log_sum,
                                 size_t *ret_tokens);

/* The file form: little-endian, versioned; loading checks every number and sorts again. */
SL_MUST sl_res ngram_model_write(const ngram_model *model, sl_buf *out);
SL_MUST sl_res ngram_model_read(sl_view bytes, ngram_model *ret_model);

#endif
