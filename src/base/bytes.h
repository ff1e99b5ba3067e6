/* Bytes: the borrowed view and the owned buffer that all modules share.
 * A view never frees and never ends in a NUL by promise; a buffer declares the most it may ever
 * hold, so that no hostile length can make it grow without bound. Also fixed-width integers on the
 * wire: structs are never written to disk or wire. */
#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdarg.h>

#include "base/res.h"

typedef struct {
    const uint8_t *p;
    size_t n;
} sl_view;

typedef struct {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max; /* it refuses to grow beyond this: SL_E_LIMIT */
} sl_buf;

/* A view of a string literal, without its NUL. */
#define SL_LIT(literal) ((sl_view){ (const uint8_t *)("" literal), sizeof(literal) - 1 })
/* For printf's "%.*s": only for text of ours or already validated text. */
#define SL_FMT(view) (int)(view).n, (const char *)(view).p

static inline sl_view sl_view_of(const void *p, size_t n)
{
    return (sl_view){ (const uint8_t *)p, n };
}

sl_view sl_view_str(const char *text);
bool sl_view_eq(sl_view a, sl_view b);
bool sl_view_eq_str(sl_view a, const char *text);
/* ASCII letters without case; for protocol names, never for secrets. */
bool sl_view_eq_nocase(sl_view a, sl_view b);
bool sl_view_starts(sl_view a, sl_view prefix);
bool sl_view_ends(sl_view a, sl_view suffix);
/* Bytewise order, the shorter first where one begins the other: <0, 0 or >0. */
int sl_view_cmp(sl_view a, sl_view b);
/* The part [from, to) clipped to the view; never fails. */
sl_view sl_view_sub(sl_view a, size_t from, size_t to);
/* Offset of the first `byte` / `needle` at or after `from`, or SIZE_MAX. */
size_t sl_view_find_byte(sl_view a, uint8_t byte, size_t from);
size_t sl_view_find(sl_view a, sl_view needle, size_t from);
/* Cuts at the first `byte`: `*head` before it, `*ret_rest` after it. False (head = whole, rest empty)
 * if it does not occur. */
bool sl_view_cut(sl_view a, uint8_t byte, sl_view *ret_head, sl_view *ret_rest);
/* Without blanks and tabs at both ends. */
sl_view sl_view_trim(sl_view a);

/* Decimal digits only, no sign, no leading zero (but "0"), within [0, max]. */
SL_MUST sl_res sl_parse_u64(sl_view text, uint64_t max, uint64_t *ret_value);
/* As above with an optional '-'. */
SL_MUST sl_res sl_parse_i64(sl_view text, int64_t *ret_value);

static inline sl_view sl_buf_view(const sl_buf *b)
{
    return (sl_view){ b->p, b->n };
}

/* Ownership moves to the caller; the old buffer is left empty with its ceiling. */
static inline sl_buf sl_buf_take(sl_buf *b)
{
    sl_buf taken = *b;
    *b = (sl_buf){ .max = taken.max };
    return taken;
}

/* Adding past the ceiling: SL_E_LIMIT; no memory: SL_E_MEMORY; then the buffer is as before.
 * The added view must not point into the buffer itself. */
SL_MUST sl_res sl_buf_add(sl_buf *b, sl_view v);
SL_MUST sl_res sl_buf_add_str(sl_buf *b, const char *text);
SL_MUST sl_res sl_buf_add_byte(sl_buf *b, uint8_t byte);
SL_MUST sl_res sl_buf_add_u64(sl_buf *b, uint64_t value); /* in decimal */
SL_MUST sl_res sl_buf_addf(sl_buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A text in a field of fixed size, zeroes behind it. SL_E_LIMIT also when it does not fit. */
SL_MUST sl_res sl_buf_add_padded(sl_buf *b, sl_view text, size_t room);
/* Room for `n` more bytes at b->p + b->n without changing b->n. */
SL_MUST sl_res sl_buf_reserve(sl_buf *b, size_t n);
/* Removes the first `n` bytes (at most all). */
void sl_buf_drop_front(sl_buf *b, size_t n);
/* Empties, keeps the memory. */
static inline void sl_buf_clear(sl_buf *b)
{
    b->n = 0;
}
/* Frees; the buffer is empty with its ceiling afterwards. For secrets use sl_secret. */
void sl_buf_free(sl_buf *b);
/* Adds a NUL behind the content (not counted in n) and returns it as a C string, or NULL. */
SL_MUST const char *sl_buf_cstr(sl_buf *b);

/* Reads such a field of `room` bytes into `ret`, which holds `room` + 1. SL_E_SYNTAX: something stands behind the
 * first zero. */
SL_MUST sl_res sl_padded_read(const uint8_t *field, size_t room, char *ret);

static inline void sl_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void sl_put_be32(uint8_t *p, uint32_t v)
{
    sl_put_be16(p, (uint16_t)(v >> 16));
    sl_put_be16(p + 2, (uint16_t)v);
}

static inline void sl_put_be64(uint8_t *p, uint64_t v)
{
    sl_put_be32(p, (uint32_t)(v >> 32));
    sl_put_be32(p + 4, (uint32_t)v);
}

static inline uint16_t sl_get_be16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t sl_get_be32(const uint8_t *p)
{
    return ((uint32_t)sl_get_be16(p) << 16) | sl_get_be16(p + 2);
}

static inline uint64_t sl_get_be64(const uint8_t *p)
{
    return ((uint64_t)sl_get_be32(p) << 32) | sl_get_be32(p + 4);
}

static inline void sl_put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void sl_put_le32(uint8_t *p, uint32_t v)
{
    sl_put_le16(p, (uint16_t)v);
    sl_put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void sl_put_le64(uint8_t *p, uint64_t v)
{
    sl_put_le32(p, (uint32_t)v);
    sl_put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t sl_get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t sl_get_le32(const uint8_t *p)
{
    return sl_get_le16(p) | ((uint32_t)sl_get_le16(p + 2) << 16);
}

static inline uint64_t sl_get_le64(const uint8_t *p)
{
    return sl_get_le32(p) | ((uint64_t)sl_get_le32(p + 4) << 32);
}

#endif
