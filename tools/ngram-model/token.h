/* Tokens of the n-gram model: text to numbers and back.
 * Number 0 ends a document, 1 to 256 are the single bytes (so that every text can be written), the
 * rest are pieces seen in training: a run of letters or up to three digits with at most one blank
 * before it, or one character. Training text must be valid UTF-8; pieces never split a character. */
#ifndef NGRAM_TOKEN_H
#define NGRAM_TOKEN_H

#include "base/arena.h"
#include "base/limits.h"

#define NGRAM_END 0u
#define NGRAM_BYTE_FIRST 1u
#define NGRAM_PIECE_FIRST 257u
#define NGRAM_PIECE_BYTES_MAX 32
#define NGRAM_VOCABULARY_MAX ((size_t)1 << 20)

typedef struct {
    sl_arena arena;
    sl_view *pieces; /* by token number */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* open addressing; 0 is empty */
    size_t slot_count;
} ngram_vocabulary;

/* With the bytes and the end in it. SL_E_MEMORY. Free it with ngram_vocabulary_free. */
SL_MUST sl_res ngram_vocabulary_init(ngram_vocabulary *ret_vocabulary);
void ngram_vocabulary_free(ngram_vocabulary *vocabulary);
/* The piece's number; a new one is learned. */
SL_MUST sl_res ngram_vocabulary_add(ngram_vocabulary *vocabulary, sl_view piece,
                                    uint32_t *ret_token);
/* False if the piece was never seen. */
bool ngram_vocabulary_find(const ngram_vocabulary *vocabulary, sl_view piece, uint32_t *ret_token);

/* The piece that starts at `at` (< text.n). */
sl_view ngram_piece(sl_view text, size_t at);

/* A growing list of tokens. */
typedef struct {
    uint32_t *p;
    size_t n;
    size_t capacity;
    size_t max;
} ngram_tokens;

SL_MUST sl_res ngram_tokens_add(ngram_tokens *tokens, uint32_t token);
void ngram_tokens_free(ngram_tokens *tokens);

/* Appends the tokens of `text`; pieces never seen become bytes. */
SL_MUST sl_res ngram_encode(const ngram_vocabulary *vocabulary, sl_view text, ngram_tokens *out);
/* As above, but learns new pieces. SL_E_UTF8 with the offset for malformed text. */
SL_MUST sl_res ngram_learn(ngram_vocabulary *vocabulary, sl_view text, ngram_tokens *out);

#endif
