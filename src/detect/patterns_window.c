/* Windows of the pattern engine (patterns.h): stretches around bytes that every pattern needs (a digit, '@', "://" ...).
 * What is passed over here is scanned by nobody, so a new sort of pattern may need a new trigger. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "detect/patterns_set.h"

/* A window reaches so far around a trigger, and further to the next blank. */
#define WINDOW_BEFORE ((size_t)72)
#define WINDOW_AFTER ((size_t)56)
#define WINDOW_BLANK ((size_t)256)

static bool is_trigger(sl_view t, size_t i)
{
    uint8_t b = t.p[i];
    uint8_t next = i + 1 < t.n ? t.p[i + 1] : 0;
    return (b >= '0' && b <= '9') || b == '@' || b == '=' || (b == ':' && next == '/') ||
           ((b == 'w' || b == 'W') && (next == 'w' || next == 'W')) || (b == '-' && next == '-') ||
           (b == '_') || (b == 'd' && next == ':') || (b == '*' && next == '*') ||
           ((b == 'n' || b == 'N') && (next == 'i' || next == 'I') && i + 2 < t.n &&
            (t.p[i + 2] == 'n' || t.p[i + 2] == 'N')) ||
           (b == 'e' && next == 'y' && i + 2 < t.n && t.p[i + 2] == 'J') ||
           ((b == 'e' || b == 'E') && (next == 'r' || next == 'R') && i + 2 < t.n &&
            t.p[i + 2] == ' ' && i >= 4 && (t.p[i - 4] == 'b' || t.p[i - 4] == 'B')) ||
           ((b == 'i' || b == 'I') && (next == 's' || next == 'S') && i >= 2 &&
            (t.p[i - 2] == 'd' || t.p[i - 2] == 'D'));
}

size_t sl_pattern_trigger(sl_view t, size_t i)
{
    for (; i < t.n; i++) {
#ifdef __SSE2__
        /* Most blocks of prose hold none of the bytes that can begin a trigger. */
        while (i + 16 <= t.n) {
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(t.p + i));
            __m128i low = _mm_or_si128(b, _mm_set1_epi8(0x20));
            __m128i digit = _mm_cmpgt_epi8(_mm_set1_epi8((char)(-128 + 10)),
                                           _mm_add_epi8(b, _mm_set1_epi8((char)(-128 - '0'))));
            __m128i any =
                _mm_or_si128(_mm_or_si128(digit, _mm_cmpeq_epi8(b, _mm_set1_epi8('@'))),
                             _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('=')),
                                                       _mm_cmpeq_epi8(b, _mm_set1_epi8(':'))),
                                          _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('_')),
                                                       _mm_cmpeq_epi8(b, _mm_set1_epi8('*')))));
            __m128i next =
                _mm_loadu_si128((const __m128i *)(const void *)(t.p + (i + 17 <= t.n ? i + 1 : i)));
            __m128i next_low = _mm_or_si128(next, _mm_set1_epi8(0x20));
            __m128i pairs =
                _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('w')),
                                           _mm_cmpeq_epi8(next_low, _mm_set1_epi8('w'))),
                             _mm_and_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('-')),
                                           _mm_cmpeq_epi8(next, _mm_set1_epi8('-'))));
            pairs = _mm_or_si128(
                pairs,
                _mm_or_si128(
                    _mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('n')),
                                  _mm_cmpeq_epi8(next_low, _mm_set1_epi8('i'))),
                    _mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('e')),
                                  _mm_or_si128(_mm_cmpeq_epi8(next, _mm_set1_epi8('y')),
                                               _mm_cmpeq_epi8(next_low, _mm_set1_epi8('r'))))));
            pairs = _mm_or_si128(
                pairs, _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('i')),
                                                  _mm_cmpeq_epi8(next_low, _mm_set1_epi8('s'))),
                                    _mm_and_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('d')),
                                                  _mm_cmpeq_epi8(next, _mm_set1_epi8(':')))));
            unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(any, pairs));
            /* The last byte's pair is not seen in this block when the text ends here. */
            if (i + 17 > t.n) {
                mask |= 0x8000U;
            }
            if (mask == 0) {
                i += 16;
                continue;
            }
            while (mask != 0) {
                size_t at = i + (size_t)__builtin_ctz(mask);
                if (is_trigger(t, at)) {
                    return at;
                }
                mask &= mask - 1;
            }
            i += 16;
        }
        if (i >= t.n) {
            break;
        }
#endif
        if (is_trigger(t, i)) {
            return i;
        }
    }
    return t.n;
}

/* A trigger within the window counts too when its own window ends later: what begins there may end outside. Those that
 * stand further from the end than a window reaches change nothing. */
size_t sl_pattern_trigger_after(sl_view t, size_t trigger, size_t window_end)
{
    size_t from = window_end > WINDOW_AFTER ? window_end - WINDOW_AFTER : 0;
    return sl_pattern_trigger(t, from > trigger ? from : trigger + 1);
}

size_t sl_pattern_window_start(sl_view t, size_t trigger, size_t floor)
{
    size_t at = trigger - floor > WINDOW_BEFORE ? trigger - WINDOW_BEFORE : floor;
    size_t limit = at - floor > WINDOW_BLANK ? at - WINDOW_BLANK : floor;
    while (at > limit && !sl_pattern_is_blank(t.p[at - 1])) {
        at--;
    }
    return at;
}

size_t sl_pattern_window_end(sl_view t, size_t trigger)
{
    size_t at = t.n - trigger > WINDOW_AFTER ? trigger + WINDOW_AFTER : t.n;
    size_t limit = t.n - at > WINDOW_BLANK ? at + WINDOW_BLANK : t.n;
    while (at < limit && !sl_pattern_is_blank(t.p[at])) {
        at++;
    }
    return at;
}
