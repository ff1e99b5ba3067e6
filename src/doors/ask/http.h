/* The answer of a model server: one HTTP/1.1 response, taken apart byte by byte.
 *
 * The sender is not trusted, also behind egress. Two readings of one response are a way round a
 * door, so every ambiguity is an error: two lengths, length and chunks together, folded or bare
 * lines, chunk extensions, another coding, a switch of protocols. Header values other than the
 * few below are never kept. Source: RFC 9112 (HTTP/1.1), RFC 9110 section 8. */
#ifndef SL_DOORS_ASK_HTTP_H
#define SL_DOORS_ASK_HTTP_H

#include "base/bytes.h"
#include "base/res.h"

typedef enum {
    SL_HTTP_HEAD,   /* status line and header fields */
    SL_HTTP_LENGTH, /* body by Content-Length */
    SL_HTTP_CHUNK_SIZE,
    SL_HTTP_CHUNK,
    SL_HTTP_CHUNK_END,
    SL_HTTP_TRAILER,
    SL_HTTP_CLOSE, /* body until the sender closes */
    SL_HTTP_DONE,
} sl_http_at;

/* What the body claims to be, decided by Content-Type without its parameters. */
typedef enum { SL_HTTP_OTHER, SL_HTTP_JSON, SL_HTTP_EVENTS } sl_http_kind;

typedef struct {
    sl_buf line; /* the unfinished line of head, chunk size or trailer */
    sl_http_at at;
    sl_http_kind kind;
    unsigned status; /* 200..599 once the head is read, 0 before */
    unsigned interim;
    size_t head_bytes;
    size_t trailer_bytes;
    uint64_t left;       /* bytes of the body or chunk still to come */
    uint64_t body_bytes; /* bytes of body handed out so far */
    uint64_t body_max;
    bool has_length;
    bool chunked;
    bool keep_alive; /* the connection may carry another request once at is SL_HTTP_DONE */
    bool ends_in_close;
    bool has_kind;
} sl_http_answer;

/* Prepare to read one response with at most `body_max` bytes of body. */
void sl_http_init(sl_http_answer *h, uint64_t body_max);
void sl_http_free(sl_http_answer *h);

/* Take bytes from the front of `*in`: the head is consumed silently, `*ret_body` (borrowed from
 * `*in`) is the next piece of body and may be empty. Returns at the end of the head, so that it can
 * be judged before the body. Call again until `in->n` is 0 or `h->at` is
 * SL_HTTP_DONE; bytes left in `*in` after that were never asked for and spoil the connection.
 * Fails: SL_E_SYNTAX (not a response we accept), SL_E_LIMIT (head or body beyond its ceiling). */
SL_MUST sl_res sl_http_next(sl_http_answer *h, sl_view *in, sl_view *ret_body);

/* The sender closed. Done for a body that ends so; SL_E_SYNTAX when something is missing. */
SL_MUST sl_res sl_http_closed(sl_http_answer *h);

#endif
