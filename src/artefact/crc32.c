/* CRC-32 (crc32.h). The folding of 64 bytes at a time and its constants: V. Gopal and others, "Fast CRC
 * computation for generic polynomials using PCLMULQDQ", Intel 2009. What is left over, and processors
 * without the instruction, go through zlib. The test compares both on every length and alignment. */
#include "artefact/crc32.h"

#include <zlib.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define FOLD(a, b) _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x00), _mm_clmulepi64_si128(a, b, 0x11))

static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* `n` is a multiple of 16 and at least 64; `crc` is inverted already. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t fold(uint32_t crc, const uint8_t *p,
                                                              size_t n)
{
    const __m128i by4 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by1 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i last = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low = _mm_set_epi32(0, 0, 0, -1);
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc));
    __m128i b = load(p + 16);
    __m128i c = load(p + 32);
    __m128i d = load(p + 48);
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        a = _mm_xor_si128(FOLD(a, by4), load(p));
        b = _mm_xor_si128(FOLD(b, by4), load(p + 16));
        c = _mm_xor_si128(FOLD(c, by4), load(p + 32));
        d = _mm_xor_si128(FOLD(d, by4), load(p + 48));
    }
    a = _mm_xor_si128(FOLD(a, by1), b);
    a = _mm_xor_si128(FOLD(a, by1), c);
    a = _mm_xor_si128(FOLD(a, by1), d);
    for (; n >= 16; p += 16, n -= 16) {
        a = _mm_xor_si128(FOLD(a, by1), load(p));
    }
    /* 128 bits to 64, 64 to 32 with Barrett's reduction. */
    a = _mm_xor_si128(_mm_clmulepi64_si128(a, by1, 0x10), _mm_srli_si128(a, 8));
    a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), last, 0x00),
                      _mm_srli_si128(a, 4));
    __m128i t = _mm_clmulepi64_si128(_mm_and_si128(a, low), barrett, 0x10);
    t = _mm_clmulepi64_si128(_mm_and_si128(t, low), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, t), 1);
}

uint32_t sl_crc32(uint32_t crc, sl_view bytes)
{
    if (bytes.n >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        size_t n = bytes.n & ~(size_t)15;
        crc = ~fold(~crc, bytes.p, n);
        bytes = sl_view_sub(bytes, n, bytes.n);
    }
    return bytes.n == 0 ? crc : (uint32_t)crc32_z(crc, bytes.p, bytes.n);
}

#else

uint32_t sl_crc32(uint32_t crc, sl_view bytes)
{
    return bytes.n == 0 ? crc : (uint32_t)crc32_z(crc, bytes.p, bytes.n);
}

#endif
