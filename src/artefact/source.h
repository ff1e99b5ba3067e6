/* Sources: random access to the bytes of one artefact or of a member inside another.
 * A parser asks for a window and gets a view that it does not own; where the bytes come from (a file
 * that is hashed as it is read, memory, a part of another source, a decompressor) is hidden. Windows
 * are bounded so that no file, however large, makes a parser hold more than one of them. Nothing
 * here opens a file: the edge hands in a function that reads. Design: README.md beside this file. */
#ifndef SL_ARTEFACT_SOURCE_H
#define SL_ARTEFACT_SOURCE_H

#include "base/bytes.h"

/* The most that one window holds. */
#define SL_SOURCE_WINDOW_MAX ((size_t)1 << 20)

typedef struct sl_source sl_source;

/* The size in bytes; constant for a source's life. */
uint64_t sl_source_size(const sl_source *source);

/* The bytes [offset, offset + want) or, at the end of the source, as many as there are: `ret_view->n`
 * is smaller than `want` only there, and 0 at or behind the end. `want` is at most
 * SL_SOURCE_WINDOW_MAX. The view is good until the next call on any source of the same scan.
 * Errors: SL_E_LIMIT (want), SL_E_IO, SL_E_INTEGRITY (the file changed while it was read), and for
 * compressed sources SL_E_SYNTAX, SL_E_TRUNCATED or SL_E_LIMIT (expansion). */
SL_MUST sl_res sl_source_at(sl_source *source, uint64_t offset, size_t want, sl_view *ret_view);

/* What is at hand from `offset` on without copying: at least one byte, at most a window; empty only at
 * or behind the end. For parsers that read everything from front to back. */
SL_MUST sl_res sl_source_some(sl_source *source, uint64_t offset, sl_view *ret_view);

/* As sl_source_at, but fewer than `want` bytes are SL_E_TRUNCATED at `offset`. */
SL_MUST sl_res sl_source_need(sl_source *source, uint64_t offset, size_t want, sl_view *ret_view);

/* Sources are counted: make gives one reference, keep adds one, drop (NULL is fine) takes one. */
sl_source *sl_source_keep(sl_source *source);
void sl_source_drop(sl_source *source);
/* Fit for SL_OWN(sl_source *, s, sl_source_free). */
void sl_source_free(sl_source **source);

/* Borrowed memory, which must outlive the source. */
SL_MUST sl_res sl_source_memory(sl_view bytes, sl_source **ret_source);
/* Memory that the source owns from now on; `bytes` is emptied, on failure too. */
SL_MUST sl_res sl_source_buffer(sl_buf *bytes, sl_source **ret_source);
/* The part [from, from + size) of `parent`, which is kept. SL_E_RANGE if it reaches beyond its end. */
SL_MUST sl_res sl_source_part(sl_source *parent, uint64_t from, uint64_t size,
                              sl_source **ret_source);

/* Reads up to `n` bytes at `offset` into `to`: fewer only at the end. */
typedef sl_res (*sl_source_read)(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got);
/* A source over a function, with a few chunks of cache. `read` is called for whole chunks of
 * SL_SOURCE_CHUNK_BYTES at multiples of that size (the last one shorter). `ctx` must outlive it. */
#define SL_SOURCE_CHUNK_BYTES ((size_t)256 << 10)
SL_MUST sl_res sl_source_reader(sl_source_read read, void *ctx, uint64_t size,
                                sl_source **ret_source);

/* A cursor: reads forward through [at, end) of a source. Every read that does not fit before `end`
 * fails with SL_E_TRUNCATED at the cursor's place and leaves the cursor where it was. */
typedef struct {
    sl_source *source; /* borrowed */
    uint64_t at;
    uint64_t end;
} sl_cursor;

/* The whole of a source. */
sl_cursor sl_cursor_over(sl_source *source);
/* The part [from, to), clipped to the source. */
sl_cursor sl_cursor_part(sl_source *source, uint64_t from, uint64_t to);

static inline uint64_t sl_cursor_left(const sl_cursor *c)
{
    return c->end - c->at;
}

SL_MUST sl_res sl_cursor_u8(sl_cursor *c, uint8_t *ret_value);
SL_MUST sl_res sl_cursor_u16le(sl_cursor *c, uint16_t *ret_value);
SL_MUST sl_res sl_cursor_u32le(sl_cursor *c, uint32_t *ret_value);
SL_MUST sl_res sl_cursor_u64le(sl_cursor *c, uint64_t *ret_value);
SL_MUST sl_res sl_cursor_u16be(sl_cursor *c, uint16_t *ret_value);
SL_MUST sl_res sl_cursor_u32be(sl_cursor *c, uint32_t *ret_value);
SL_MUST sl_res sl_cursor_u64be(sl_cursor *c, uint64_t *ret_value);
/* Protocol buffers' base-128 integer: at most 10 bytes, SL_E_RANGE beyond 64 bits. */
SL_MUST sl_res sl_cursor_varint(sl_cursor *c, uint64_t *ret_value);
/* `n` bytes (at most SL_SOURCE_WINDOW_MAX) as a view, with the lifetime of sl_source_at. */
SL_MUST sl_res sl_cursor_take(sl_cursor *c, uint64_t n, sl_view *ret_view);
SL_MUST sl_res sl_cursor_skip(sl_cursor *c, uint64_t n);
/* `n` bytes copied behind what `out` holds, in windows; `out`'s ceiling bounds it. */
SL_MUST sl_res sl_cursor_copy(sl_cursor *c, uint64_t n, sl_buf *out);

#endif
