/* UTF-8 decoding and checking (utf8.h). Pure. */
#include "base/utf8.h"

static size_t sequence_length(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        return 4;
    }
    return 0;
}

/* The second byte carries the rules against overlong forms, surrogates and too large values. */
static bool second_ok(uint8_t first, uint8_t second)
{
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (first == 0xE0) {
        low = 0xA0;
    } else if (first == 0xED) {
        high = 0x9F;
    } else if (first == 0xF0) {
        low = 0x90;
    } else if (first == 0xF4) {
        high = 0x8F;
    }
    return second >= low && second <= high;
}

uint32_t sl_utf8_next(sl_view v, size_t at, size_t *ret_length)
{
    *ret_length = 1;
    uint8_t first = v.p[at];
    if (first < 0x80) {
        return first;
    }
    size_t n = sequence_length(first);
    if (n == 0 || v.n - at < n || !second_ok(first, v.p[at + 1])) {
        return SL_UTF8_BAD;
    }
    uint32_t code_point = first & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((v.p[at + i] & 0xC0) != 0x80) {
            return SL_UTF8_BAD;
        }
        code_point = (code_point << 6) | (v.p[at + i] & 0x3Fu);
    }
    *ret_length = n;
    return code_point;
}

size_t sl_utf8_check(sl_view v)
{
    size_t at = 0;
    while (at < v.n) {
        while (v.n - at >= 8) { /* eight ASCII bytes at a time */
            uint64_t word;
            memcpy(&word, v.p + at, 8);
            if ((word & 0x8080808080808080u) != 0) {
                break;
            }
            at += 8;
        }
        if (at == v.n) {
            break;
        }
        size_t n = 0;
        if (sl_utf8_next(v, at, &n) == SL_UTF8_BAD) {
            return at;
        }
        at += n;
    }
    return v.n;
}

size_t sl_utf8_encode(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | (c >> 6));
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        if (c >= 0xD800 && c <= 0xDFFF) {
            return 0;
        }
        out[0] = (uint8_t)(0xE0 | (c >> 12));
        out[1] = (uint8_t)(0x80 | ((c >> 6) & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    if (c > 0x10FFFF) {
        return 0;
    }
    out[0] = (uint8_t)(0xF0 | (c >> 18));
    out[1] = (uint8_t)(0x80 | ((c >> 12) & 0x3F));
    out[2] = (uint8_t)(0x80 | ((c >> 6) & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

/* U+0080..U+009F but U+0085; U+FDD0..U+FDEF; U+xxFFFE and U+xxFFFF. */
static bool rare_control(sl_view v, size_t at)
{
    size_t length = 0;
    if (v.p[at] == 0xC2) {
        return at + 1 < v.n && v.p[at + 1] < 0xA0 && v.p[at + 1] != 0x85;
    }
    uint32_t c = sl_utf8_next(v, at, &length);
    return c != SL_UTF8_BAD && ((c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE);
}

/* Has one of eight bytes its highest bit set, is it below 0x20, or 0x7F? */
static bool has_other_than_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = ones << 7;
    /* Where no byte has its highest bit, neither sum carries into the next byte. */
    return ((word | (word + ones) | ~(word + ones * 0x60)) & high) != 0;
}

size_t sl_utf8_control(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint64_t word;
        for (; v.n - i >= sizeof word && v.p[i] < 0x80; i += sizeof word) {
            memcpy(&word, v.p + i, sizeof word);
            if (has_other_than_plain(word)) {
                break;
            }
        }
        if (i == v.n) {
            break;
        }
        uint8_t c = v.p[i];
        if (c >= 0x20 && c < 0x7F) {
            continue;
        }
        bool low = c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r';
        if (low || c == 0x7F || ((c == 0xC2 || c >= 0xEF) && rare_control(v, i))) {
            return i;
        }
    }
    return v.n;
}

size_t sl_utf8_open_tail(sl_view v)
{
    for (size_t back = 1; back <= 3 && back <= v.n; back++) {
        uint8_t first = v.p[v.n - back];
        if ((first & 0xC0) == 0x80) {
            continue;
        }
        size_t n = sequence_length(first);
        bool open = n > back && (back == 1 || second_ok(first, v.p[v.n - back + 1]));
        return open ? back : 0;
    }
    return 0;
}
