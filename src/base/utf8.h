/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SL_BASE_UTF8_H
#define SL_BASE_UTF8_H

#include "base/bytes.h"

#define SL_UTF8_BAD UINT32_MAX

/* Decodes the code point at `at` (< v.n) and sets its length in bytes. On malformed bytes returns
 * SL_UTF8_BAD with length 1. */
uint32_t sl_utf8_next(sl_view v, size_t at, size_t *ret_length);
/* Offset of the first malformed byte, or v.n if all is well. */
size_t sl_utf8_check(sl_view v);
/* Writes 1 to 4 bytes to `out` and returns how many; 0 if `code_point` is not a scalar value. */
size_t sl_utf8_encode(uint32_t code_point, uint8_t out[4]);
/* Offset of the first control character (but tab, line feed, form feed, carriage return and U+0085) or
 * noncharacter, or v.n: what no reader sees and what parts words that belong together. */
size_t sl_utf8_control(sl_view v);
/* Bytes at the end of `v` that begin a sequence still incomplete but so far well formed (0 to 3). */
size_t sl_utf8_open_tail(sl_view v);
/* Is the offset at a character's first byte, or at the end? */
static inline bool sl_utf8_boundary(sl_view v, size_t at)
{
    return at >= v.n || (v.p[at] & 0xC0) != 0x80;
}

#endif
