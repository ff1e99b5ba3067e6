/* Windows of the pattern engine (patterns.h): stretches around bytes that every pattern needs (a digit, '@', "://" ...).
 * What is passed over here is scanned by nobody, so a new sort of pattern may need a new trigger. */
#include "detect/byte_masks.h"
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

#ifdef __SSE2__

static inline __m128i lower_at(const uint8_t *p)
{
    return _mm_or_si128(sl_bytes_at(p), _mm_set1_epi8(0x20));
}

/* is_trigger of the sixteen bytes at `p`; four before and two behind them are looked at as well. */
static inline unsigned triggers_of(const uint8_t *p)
{
    const __m128i b = sl_bytes_at(p);
    const __m128i next = sl_bytes_at(p + 1);
    const __m128i low = lower_at(p);
    const __m128i next_low = lower_at(p + 1);
    __m128i alone = _mm_or_si128(sl_bytes_in(b, '0', 10), sl_bytes_are(b, '@'));
    alone = _mm_or_si128(alone, _mm_or_si128(sl_bytes_are(b, '='), sl_bytes_are(b, '_')));
    /* "--" and "**"; "ww"; ":/" and "d:". */
    __m128i twice = _mm_and_si128(_mm_cmpeq_epi8(b, next),
                                  _mm_or_si128(sl_bytes_are(b, '-'), sl_bytes_are(b, '*')));
    twice = _mm_or_si128(twice, _mm_and_si128(sl_bytes_are(low, 'w'), sl_bytes_are(next_low, 'w')));
    __m128i colon = _mm_or_si128(_mm_and_si128(sl_bytes_are(b, ':'), sl_bytes_are(next, '/')),
                                 _mm_and_si128(sl_bytes_are(b, 'd'), sl_bytes_are(next, ':')));
    __m128i nin = _mm_and_si128(sl_bytes_are(low, 'n'), sl_bytes_are(next_low, 'i'));
    __m128i eyj = _mm_and_si128(sl_bytes_are(b, 'e'), sl_bytes_are(next, 'y'));
    __m128i bearer = _mm_and_si128(sl_bytes_are(low, 'e'), sl_bytes_are(next_low, 'r'));
    __m128i is = _mm_and_si128(sl_bytes_are(low, 'i'), sl_bytes_are(next_low, 's'));
    nin = _mm_and_si128(nin, sl_bytes_are(lower_at(p + 2), 'n'));
    eyj = _mm_and_si128(eyj, sl_bytes_are(sl_bytes_at(p + 2), 'J'));
    bearer = _mm_and_si128(bearer, _mm_and_si128(sl_bytes_are(sl_bytes_at(p + 2), ' '),
                                                 sl_bytes_are(lower_at(p - 4), 'b')));
    is = _mm_and_si128(is, sl_bytes_are(lower_at(p - 2), 'd'));
    __m128i words = _mm_or_si128(_mm_or_si128(nin, eyj), _mm_or_si128(bearer, is));
    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(alone, words), _mm_or_si128(twice, colon)));
}

#endif

size_t sl_pattern_trigger(sl_view t, size_t i)
{
    for (; i < t.n; i++) {
#ifdef __SSE2__
        for (; i >= 4 && i + SL_MASK_BYTES + 2 <= t.n; i += SL_MASK_BYTES) {
            unsigned mask = triggers_of(t.p + i);
            if (mask != 0) {
                return i + (size_t)__builtin_ctz(mask);
            }
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
