/* Server-sent events from a model server, taken apart byte by byte.
 *
 * The sender is not trusted: every line and every event has a ceiling, and what is not an event
 * stream is an error, never a guess. Nothing here decides what an event means; see dialect.h.
 * Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream", narrowed as noted below.
 * Design: ARCHITECTURE.md section 4, "Streams". */
#ifndef SL_DOORS_ASK_SSE_H
#define SL_DOORS_ASK_SSE_H

#include "base/bytes.h"
#include "base/res.h"

/* One event. The views are borrowed from the parser until its next call. */
typedef struct {
    sl_view name; /* the `event` field, empty when the event had none */
    sl_view data; /* the `data` lines joined by a line feed */
} sl_sse_event;

/* Parser state. `line` and `data` share the ceiling given to sl_sse_init. */
typedef struct {
    sl_buf line;
    sl_buf data;
    sl_buf name;
    bool started;   /* a byte order mark may only be the first three bytes */
    bool after_cr;  /* a line feed now belongs to the line that just ended */
    bool has_data;  /* a `data` field was seen: also an empty one makes an event */
    bool delivered; /* data and name belong to the event handed out last */
} sl_sse;

/* Prepare a parser whose events may hold `event_max` bytes of data. */
void sl_sse_init(sl_sse *s, size_t event_max);
void sl_sse_free(sl_sse *s);

/* Take bytes from the front of `*in` until one event is whole. `*ret_ready` says whether
 * `*ret_event` was set; when it is false all of `*in` was taken. Lines end in CR LF, LF or CR.
 * Comments and the fields `id` and `retry` are skipped. Narrower than the standard: an unknown
 * field, a NUL byte and invalid UTF-8 in the event's name are errors, and an event without data
 * is dropped only when it has no name.
 * Fails: SL_E_SYNTAX (not an event stream), SL_E_LIMIT (a line or an
 * event beyond the ceiling). After a failure the parser must not be used again. */
SL_MUST sl_res sl_sse_next(sl_sse *s, sl_view *in, bool *ret_ready, sl_sse_event *ret_event);

/* The sender has ended. Fails with SL_E_SYNTAX when an event was begun and not finished, so that a
 * stream that died half-way is never taken for a complete one. */
SL_MUST sl_res sl_sse_end(const sl_sse *s);

#endif
