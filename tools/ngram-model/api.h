/* The OpenAI-shaped face of the n-gram model: chat completions (streamed and not), completions with
 * log-probabilities, models, embeddings. Pure: a request's bytes in, answer bytes out, one event at a
 * time; time and ids are arguments. The model continues the last user message and knows nothing of
 * roles, tools or instructions; fields that ask for such things are read over. */
#ifndef NGRAM_API_H
#define NGRAM_API_H

#include "base/scgi.h"
#include "model.h"

#define NGRAM_BODY_BYTES_MAX (4 * SL_MIB)
#define NGRAM_CHOICES_MAX 8
#define NGRAM_EMBEDDING_SIZE 256

typedef struct {
    const ngram_model *model;
    const char *name;      /* as clients call it */
    uint64_t seed;         /* for requests that bring none */
    size_t tokens_default; /* when the request sets no limit */
} ngram_service;

/* A stream under way. */
typedef struct ngram_stream ngram_stream;

/* Answers one request. Either the whole answer is in `out` and `*ret_stream` is NULL, or `out` holds
 * the head of a stream that ngram_stream_next carries on. What a client did wrong is an answer, not
 * an error of this function. `now_s` is seconds since 1970, `id` any number that tells calls apart. */
SL_MUST sl_res ngram_answer(const ngram_service *service, const sl_scgi_request *request,
                            sl_view body, int64_t now_s, uint64_t id, sl_buf *out,
                            ngram_stream **ret_stream);
/* Appends the next event; `*ret_done` once the last one is written. */
SL_MUST sl_res ngram_stream_next(ngram_stream *stream, sl_buf *out, bool *ret_done);
void ngram_stream_free(ngram_stream *stream);

#endif
