/* SCGI: how stock nginx hands a request to our processes (the ask door, the console, the tools).
 * Strict and pure: bytes in, views out; no socket, no clock. A connection's owner reads into its own
 * buffer, calls sl_scgi_head until it no longer says SL_E_AGAIN, then sl_scgi_body likewise.
 * It must never accept what the specification forbids (https://python.ca/scgi/protocol.txt): two
 * readers that disagree about a request are a way round a door. The answer's side writes the CGI
 * head that nginx turns into HTTP (RFC 3875 section 6). */
#ifndef SL_BASE_SCGI_H
#define SL_BASE_SCGI_H

#include "base/bytes.h"
#include "base/limits.h"

typedef struct {
    sl_view name;  /* A-Z, 0-9 and '_' only; never empty */
    sl_view value; /* no control characters except tab; may be empty */
} sl_scgi_header;

typedef struct {
    sl_scgi_header headers[SL_SCGI_HEADERS_MAX];
    size_t header_count;
    size_t body_offset;    /* where the body begins in the connection's bytes */
    size_t content_length; /* bytes of body that must follow, exactly */
} sl_scgi_request;

/* Reads the head at the start of `in`. The views in `*ret_request` point into `in`: if the buffer
 * moves afterwards, call again. `body_bytes_max` bounds CONTENT_LENGTH.
 * SL_E_AGAIN: well formed so far, more bytes are needed. SL_E_LIMIT: head, header count or body too
 * large. SL_E_DUPLICATE: a name twice. SL_E_VERSION: SCGI is not "1". SL_E_MISSING_FIELD:
 * CONTENT_LENGTH does not come first or SCGI is absent. SL_E_SYNTAX: anything else. `*ret_request`
 * is untouched on failure. */
SL_MUST sl_res sl_scgi_head(sl_view in, size_t body_bytes_max, sl_scgi_request *ret_request);

/* The body of a request whose head was read from the same bytes. SL_E_AGAIN: more bytes are needed;
 * SL_E_TRAILING: bytes follow the body, which SCGI does not allow. */
SL_MUST sl_res sl_scgi_body(sl_view in, const sl_scgi_request *request, sl_view *ret_body);

/* The value of a header, or an empty view when it is absent; `name` as in CGI ("REQUEST_URI").
 * Absent and empty are told apart by `.p`, which is NULL only when absent. */
sl_view sl_scgi_get(const sl_scgi_request *request, const char *name);

/* The head of an answer, piece by piece: status, fields, then the blank line. A field with a control
 * character in it is SL_E_SYNTAX: an answer cannot be split by what a caller put into it. */
SL_MUST sl_res sl_scgi_answer_status(sl_buf *out, unsigned http_status);
SL_MUST sl_res sl_scgi_answer_field(sl_buf *out, const char *name, sl_view value);
SL_MUST sl_res sl_scgi_answer_end(sl_buf *out);
/* A whole answer with its Content-Length; never stored by a cache. */
SL_MUST sl_res sl_scgi_answer(sl_buf *out, unsigned http_status, const char *content_type,
                              sl_view body);
/* The reason phrase of a status ("Not Found"); "Status" when it is not one that we send. */
const char *sl_scgi_reason(unsigned http_status);

#endif
