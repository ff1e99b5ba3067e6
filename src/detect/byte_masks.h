/* Which of sixteen bytes are of a kind, as bits, lowest first: what the passes over plain text skip by. Written for SSE2,
 * which every processor of its family has, and plainly for the others; tests/detect/test_byte_masks.c holds both
 * to the same answers. Internal to src/detect. */
#ifndef SL_DETECT_BYTE_MASKS_H
#define SL_DETECT_BYTE_MASKS_H

#include "detect/words.h"

#define SL_MASK_BYTES ((size_t)16)

/* What separates letters and groups that are written apart. */
static inline bool sl_is_separator(uint8_t b)
{
    return b == ' ' || b == '-' || b == '_' || b == '.' || b == '*' || b == '|' || b == '~' ||
           b == ',' || b == ':' || b == '+';
}

static inline bool sl_is_letter(uint8_t b)
{
    return (uint8_t)((b | 0x20) - 'a') < 26;
}

/* What is put for a letter in leetspeak; not '@', which makes addresses. */
static inline bool sl_is_substitute(uint8_t b)
{
    return (sl_is_digit(b) && b != '2' && b != '6') || b == '!' || b == '|' || b == '$' || b == '+';
}

#ifdef __SSE2__
#include <emmintrin.h>

static inline __m128i sl_bytes_at(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Bytes in [from, from + count). */
static inline __m128i sl_bytes_in(__m128i b, uint8_t from, uint8_t count)
{
    __m128i moved = _mm_sub_epi8(b, _mm_set1_epi8((char)(uint8_t)(from + 128)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(count - 128)));
}

static inline __m128i sl_bytes_letter(__m128i b)
{
    return sl_bytes_in(_mm_or_si128(b, _mm_set1_epi8(0x20)), 'a', 26);
}

static inline __m128i sl_bytes_are(__m128i b, char c)
{
    return _mm_cmpeq_epi8(b, _mm_set1_epi8(c));
}

static inline unsigned sl_mask_letters(const uint8_t *p)
{
    return (unsigned)_mm_movemask_epi8(sl_bytes_letter(sl_bytes_at(p)));
}

/* As sl_is_word. */
static inline unsigned sl_mask_words(const uint8_t *p)
{
    __m128i b = sl_bytes_at(p);
    __m128i word = _mm_or_si128(sl_bytes_letter(b), sl_bytes_in(b, '0', 10));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(word, b));
}

/* ASCII letters and digits, '+', '/', '-', '_'. */
static inline unsigned sl_mask_runs(const uint8_t *p)
{
    __m128i b = sl_bytes_at(p);
    __m128i word = _mm_or_si128(sl_bytes_letter(b), sl_bytes_in(b, '0', 10));
    __m128i sign = _mm_or_si128(_mm_or_si128(sl_bytes_are(b, '+'), sl_bytes_are(b, '/')),
                                _mm_or_si128(sl_bytes_are(b, '-'), sl_bytes_are(b, '_')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(word, sign));
}

static inline unsigned sl_mask_separators(const uint8_t *p)
{
    __m128i b = sl_bytes_at(p);
    __m128i a = sl_bytes_in(b, '*', 5); /* * + , - . */
    a = _mm_or_si128(a, _mm_or_si128(sl_bytes_are(b, ' '), sl_bytes_are(b, ':')));
    a = _mm_or_si128(a, _mm_or_si128(sl_bytes_are(b, '_'), sl_bytes_are(b, '|')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(a, sl_bytes_are(b, '~')));
}

static inline unsigned sl_mask_bits(const uint8_t *p)
{
    return (unsigned)_mm_movemask_epi8(sl_bytes_in(sl_bytes_at(p), '0', 2));
}

static inline unsigned sl_mask_digits(const uint8_t *p)
{
    return (unsigned)_mm_movemask_epi8(sl_bytes_in(sl_bytes_at(p), '0', 10));
}

static inline unsigned sl_mask_byte(const uint8_t *p, uint8_t byte)
{
    return (unsigned)_mm_movemask_epi8(sl_bytes_are(sl_bytes_at(p), (char)byte));
}

/* Where the sixteen bytes at `p` are those at `q`. */
static inline unsigned sl_mask_same(const uint8_t *p, const uint8_t *q)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(sl_bytes_at(p), sl_bytes_at(q)));
}

/* As sl_is_substitute. */
static inline unsigned sl_mask_substitutes(const uint8_t *p)
{
    __m128i b = sl_bytes_at(p);
    __m128i not_leet = _mm_cmpeq_epi8(_mm_and_si128(b, _mm_set1_epi8((char)0xFB)),
                                      _mm_set1_epi8('2')); /* 2 and 6 stand for nothing */
    __m128i a = _mm_andnot_si128(not_leet, sl_bytes_in(b, '0', 10));
    a = _mm_or_si128(a, _mm_or_si128(sl_bytes_are(b, '!'), sl_bytes_are(b, '|')));
    a = _mm_or_si128(a, _mm_or_si128(sl_bytes_are(b, '$'), sl_bytes_are(b, '+')));
    return (unsigned)_mm_movemask_epi8(a);
}

#else

#define SL_MASK_BY(name, condition)                                                                \
    static inline unsigned name(const uint8_t *p)                                                  \
    {                                                                                              \
        unsigned mask = 0;                                                                         \
        for (size_t i = 0; i < SL_MASK_BYTES; i++) {                                               \
            uint8_t b = p[i];                                                                      \
            mask |= (condition) ? 1U << i : 0U;                                                    \
        }                                                                                          \
        return mask;                                                                               \
    }
SL_MASK_BY(sl_mask_letters, sl_is_letter(b))
SL_MASK_BY(sl_mask_words, sl_is_word(b))
SL_MASK_BY(sl_mask_runs,
           (sl_is_word(b) && b < 0x80) || b == '+' || b == '/' || b == '-' || b == '_')
SL_MASK_BY(sl_mask_separators, sl_is_separator(b))
SL_MASK_BY(sl_mask_bits, b == '0' || b == '1')
SL_MASK_BY(sl_mask_digits, sl_is_digit(b))
SL_MASK_BY(sl_mask_substitutes, sl_is_substitute(b))

static inline unsigned sl_mask_byte(const uint8_t *p, uint8_t byte)
{
    unsigned mask = 0;
    for (size_t i = 0; i < SL_MASK_BYTES; i++) {
        mask |= p[i] == byte ? 1U << i : 0U;
    }
    return mask;
}

static inline unsigned sl_mask_same(const uint8_t *p, const uint8_t *q)
{
    unsigned mask = 0;
    for (size_t i = 0; i < SL_MASK_BYTES; i++) {
        mask |= p[i] == q[i] ? 1U << i : 0U;
    }
    return mask;
}

#endif

/* 64 bytes at once. */
#define SL_MASK_64(name, narrow)                                                                   \
    static inline uint64_t name(const uint8_t *p)                                                  \
    {                                                                                              \
        return narrow(p) | (uint64_t)narrow(p + 16) << 16 | (uint64_t)narrow(p + 32) << 32 |       \
               (uint64_t)narrow(p + 48) << 48;                                                     \
    }
SL_MASK_64(sl_mask_runs_64, sl_mask_runs)
SL_MASK_64(sl_mask_letters_64, sl_mask_letters)

#endif
