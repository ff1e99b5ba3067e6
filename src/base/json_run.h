/* Finding the end of a run of plain characters in a JSON string: neither quote, backslash, control
 * character nor beyond ASCII. Most bytes of a prompt are plain, so the lexer's speed is this loop's.
 * Internal to the lexer and the writer. */
#ifndef SL_BASE_JSON_RUN_H
#define SL_BASE_JSON_RUN_H

#include "base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool sl_json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* How many bytes from `at` (at most v.n) on are plain. Never looks at a byte beyond the view. */
static inline size_t sl_json_plain_run(sl_view v, size_t at)
{
    size_t start = at;
#ifdef __SSE2__
    /* Sixteen at a time; every x86-64 has this, so there is nothing to choose at run time. As signed
     * bytes, those below 0x20 are the control characters and all beyond ASCII. */
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);
    while (v.n - at >= sizeof(__m128i)) {
        __m128i block;
        memcpy(&block, v.p + at, sizeof(block));
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash));
        stop = _mm_or_si128(stop, _mm_cmplt_epi8(block, space));
        unsigned found = (unsigned)_mm_movemask_epi8(stop);
        if (found != 0) {
            return at - start + (size_t)__builtin_ctz(found);
        }
        at += sizeof(block);
    }
#else
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t highs = 0x8080808080808080u;
    while (v.n - at >= sizeof(uint64_t)) {
        uint64_t w;
        memcpy(&w, v.p + at, sizeof(w));
        uint64_t quote = w ^ (ones * '"');
        uint64_t slash = w ^ (ones * '\\');
        uint64_t hit = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        hit |= (w - ones * 0x20) & ~w;
        if (((hit | w) & highs) != 0) {
            break;
        }
        at += sizeof(w);
    }
#endif
    while (at < v.n && sl_json_is_plain(v.p[at])) {
        at++;
    }
    return at - start;
}

#endif
