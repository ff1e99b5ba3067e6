/* Protocol buffers from a short notation, for tables of cases: `1=8` a number, `2'abc'` bytes, `7{...}` a
 * message, blanks between. Lengths take two bytes, so nothing may be longer than 16383. */
#ifndef SL_TESTS_PROTOBUF_TEXT_H
#define SL_TESTS_PROTOBUF_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "test.h"

static inline size_t protobuf_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    do {
        out[n++] = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    return n;
}

static inline void protobuf_length(uint8_t *out, size_t n)
{
    out[0] = (uint8_t)((n & 0x7F) | 0x80);
    out[1] = (uint8_t)(n >> 7);
}

static inline sl_view protobuf_of(const char *text, uint8_t *out)
{
    size_t open[32];
    size_t depth = 0;
    size_t n = 0;
    for (const char *at = text; *at != 0;) {
        char *end = NULL;
        if (*at == ' ') {
            at++;
            continue;
        }
        if (*at == '}') {
            depth--;
            protobuf_length(out + open[depth], n - open[depth] - 2);
            at++;
            continue;
        }
        uint64_t field = strtoull(at, &end, 10);
        at = end;
        n += protobuf_varint(out + n, field << 3 | (*at == '=' ? 0 : 2));
        if (*at == '=') {
            n += protobuf_varint(out + n, strtoull(at + 1, &end, 10));
            at = end;
        } else if (*at == '{') {
            open[depth++] = n;
            n += 2;
            at++;
        } else {
            const char *close = strchr(at + 1, '\'');
            size_t length = (size_t)(close - at - 1);
            protobuf_length(out + n, length);
            memcpy(out + n + 2, at + 1, length);
            n += 2 + length;
            at = close + 1;
        }
    }
    assert_int_equal(depth, 0);
    return sl_view_of(out, n);
}

#endif
