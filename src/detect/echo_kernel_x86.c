/* The echo engine's inner loops for x86-64: AVX2 with AES-NI, and AVX-512 with VAES (echo_kernel.h).
 * Chosen at run time by what the processor says it has; each must compute what the portable form
 * does. They read at most SL_ECHO_PAD bytes past a text, which its owner provides. */
#include "detect/echo_kernel.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,aes,sse4.2,popcnt")))
#define WITH_AVX512                                                                                \
    __attribute__((target("avx2,aes,sse4.2,popcnt,avx512f,avx512bw,avx512vl,avx512dq,vaes")))

/* ---- AVX2 and AES-NI ----------------------------------------------------------------------------- */

WITH_AVX2 static size_t lower_avx2(const uint8_t *in, size_t n, uint8_t *out)
{
    const __m256i below = _mm256_set1_epi8('A' - 1);
    const __m256i above = _mm256_set1_epi8('Z' + 1);
    const __m256i lower = _mm256_set1_epi8(32);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(in + i));
        __m256i up = _mm256_and_si256(_mm256_cmpgt_epi8(v, below), _mm256_cmpgt_epi8(above, v));
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_add_epi8(v, _mm256_and_si256(up, lower)));
        unsigned other = (unsigned)_mm256_movemask_epi8(v);
        if (other != 0) {
            return i + (size_t)__builtin_ctz(other);
        }
    }
    for (; i < n && in[i] < 0x80; i++) {
        out[i] = (uint8_t)(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
    }
    return i;
}

WITH_AVX2 static uint32_t word_mask_avx2(const uint8_t *text)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)text);
    __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('0' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('9' + 1), v));
    __m256i letter = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('a' - 1)),
                                      _mm256_cmpgt_epi8(_mm256_set1_epi8('z' + 1), v));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(v, _mm256_or_si256(digit, letter)));
}

static inline size_t take_edges(uint64_t mask, uint64_t before, size_t at, size_t n,
                                uint32_t *edges, size_t count)
{
    uint64_t turns = mask ^ (mask << 1 | before);
    if (at + 64 > n) {
        turns &= ((uint64_t)1 << (n - at)) - 1;
    }
    while (turns != 0) {
        edges[count++] = (uint32_t)(at + (size_t)__builtin_ctzll(turns));
        turns &= turns - 1;
    }
    return count;
}

WITH_AVX2 static size_t edges_avx2(const uint8_t *text, size_t n, uint32_t *edges)
{
    size_t count = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i += 64) {
        uint64_t mask = word_mask_avx2(text + i) | (uint64_t)word_mask_avx2(text + i + 32) << 32;
        count = take_edges(mask, before, i, n, edges, count);
        before = mask >> 63;
    }
    return count;
}

/* Bytes of a 16-byte block that belong to a word of n bytes: PARTS + 16 - n. */
static const uint8_t PARTS[32] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                   255, 255, 255, 255, 255, 255, 255, 255 };

static inline WITH_AVX2 __m128i part_of(const uint8_t *p, size_t n)
{
    size_t have = n < 16 ? n : 16;
    return _mm_and_si128(_mm_loadu_si128((const __m128i *)p),
                         _mm_loadu_si128((const __m128i *)(PARTS + 16 - have)));
}

static inline WITH_AVX2 __m128i two_rounds(__m128i state, __m128i first, __m128i second)
{
    return _mm_aesenc_si128(_mm_aesenc_si128(state, first), second);
}

WITH_AVX2 static void words_avx2(const sl_echo_key *key, const uint8_t *text, const uint32_t *edges,
                                 size_t pairs, sl_echo_tokens *out)
{
    const __m128i first = _mm_loadu_si128((const __m128i *)key->word[0]);
    const __m128i second = _mm_loadu_si128((const __m128i *)key->word[1]);
    const __m128i below = _mm_set1_epi8('0' - 1);
    const __m128i above = _mm_set1_epi8('9' + 1);
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = edges[2 * i];
        while (at < edges[2 * i + 1]) {
            size_t n = edges[2 * i + 1] - at;
            n = n < SL_ECHO_TOKEN_BYTES ? n : SL_ECHO_TOKEN_BYTES;
            __m128i v = part_of(text + at, n);
            unsigned digits = (unsigned)_mm_movemask_epi8(
                _mm_and_si128(_mm_cmpgt_epi8(v, below), _mm_cmpgt_epi8(above, v)));
            bool numeric = (digits & 1) != 0 || (digits & (digits - 1)) != 0;
            __m128i h = two_rounds(_mm_xor_si128(v, _mm_cvtsi32_si128((int)n)), first, second);
            for (size_t more = 16; more < n; more += 16) {
                h = two_rounds(_mm_xor_si128(h, part_of(text + at + more, n - more)), first,
                               second);
            }
            sl_echo_push(out, key->number, (uint64_t)_mm_cvtsi128_si64(h), at, numeric);
            at += (uint32_t)n;
        }
    }
}

/* Sums of products modulo 2^64, from 32-bit halves: four shingles side by side. */
typedef struct {
    __m256i low;
    __m256i low_shifted;
    __m256i high;
    __m256i high_shifted;
} sums_avx2;

static inline WITH_AVX2 void add_products(sums_avx2 *s, __m256i h, uint64_t low, uint64_t high)
{
    const __m256i top = _mm256_srli_epi64(h, 32);
    const __m256i l = _mm256_set1_epi64x((long long)low);
    const __m256i m = _mm256_set1_epi64x((long long)high);
    const __m256i cross =
        _mm256_add_epi64(_mm256_mul_epu32(top, l), _mm256_mul_epu32(h, _mm256_srli_epi64(l, 32)));
    s->low = _mm256_add_epi64(s->low, _mm256_mul_epu32(h, l));
    s->low_shifted = _mm256_add_epi64(s->low_shifted, cross);
    s->high = _mm256_add_epi64(s->high, _mm256_mul_epu32(top, m));
    s->high_shifted =
        _mm256_add_epi64(s->high_shifted, _mm256_mul_epu32(top, _mm256_srli_epi64(m, 32)));
}

static inline WITH_AVX2 void sum_shingles(const sl_echo_key *key, const uint64_t *hash, size_t k,
                                          __m128i block[4])
{
    sums_avx2 s = { _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256() };
    for (size_t j = 0; j < k; j++) {
        add_products(&s, _mm256_loadu_si256((const __m256i *)(hash + j)), key->low[j],
                     key->high[j]);
    }
    __m256i low = _mm256_add_epi64(s.low, _mm256_slli_epi64(s.low_shifted, 32));
    __m256i high = _mm256_add_epi64(s.high, _mm256_slli_epi64(s.high_shifted, 32));
    __m256i even = _mm256_unpacklo_epi64(low, high);
    __m256i odd = _mm256_unpackhi_epi64(low, high);
    block[0] = _mm256_castsi256_si128(even);
    block[1] = _mm256_castsi256_si128(odd);
    block[2] = _mm256_extracti128_si256(even, 1);
    block[3] = _mm256_extracti128_si256(odd, 1);
}

/* `k` is a constant where this is inlined, so that the sums stay in registers. */
static inline WITH_AVX2 void shingles_of(const sl_echo_key *key, const uint64_t *hash, size_t count,
                                         size_t k, uint64_t *tag, uint64_t *check)
{
    for (size_t i = 0; i < count; i += 8) { /* as many blocks as hide one another's latency */
        __m128i block[8];
        sum_shingles(key, hash + i, k, block);
        sum_shingles(key, hash + i + 4, k, block + 4);
        __m128i round = _mm_loadu_si128((const __m128i *)key->round[0]);
        for (size_t l = 0; l < 8; l++) {
            block[l] = _mm_xor_si128(block[l], round);
        }
        for (size_t r = 1; r < 10; r++) {
            round = _mm_loadu_si128((const __m128i *)key->round[r]);
            for (size_t l = 0; l < 8; l++) {
                block[l] = _mm_aesenc_si128(block[l], round);
            }
        }
        round = _mm_loadu_si128((const __m128i *)key->round[10]);
        for (size_t l = 0; l < 8; l++) {
            block[l] = _mm_aesenclast_si128(block[l], round);
            tag[i + l] = (uint64_t)_mm_cvtsi128_si64(block[l]);
            check[i + l] = (uint64_t)_mm_extract_epi64(block[l], 1);
        }
    }
}

WITH_AVX2 static void shingles_avx2(const sl_echo_key *key, const uint64_t *hash, size_t count,
                                    size_t k, uint64_t *tag, uint64_t *check)
{
    if (k == 5) {
        shingles_of(key, hash, count, 5, tag, check);
    } else {
        shingles_of(key, hash, count, k, tag, check);
    }
}

/* How far ahead of its use a filter word is fetched: about a memory access's worth of probes. */
#define AHEAD ((size_t)48)

static size_t probe_ahead(const uint8_t *filter, uint32_t words, const uint64_t *tag, size_t count,
                          uint32_t *ret_positions)
{
    size_t found = 0;
    for (size_t i = 0; i < count && i < AHEAD; i++) {
        __builtin_prefetch(filter + 8 * (size_t)sl_echo_filter_at(tag[i], words));
    }
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            __builtin_prefetch(filter + 8 * (size_t)sl_echo_filter_at(tag[i + AHEAD], words));
        }
        uint64_t bits = sl_echo_filter_bits(tag[i]);
        uint64_t word = sl_get_le64(filter + 8 * (size_t)sl_echo_filter_at(tag[i], words));
        ret_positions[found] = (uint32_t)i;
        found += (word & bits) == bits;
    }
    return found;
}

/* ---- AVX-512 and VAES ---------------------------------------------------------------------------- */

WITH_AVX512 static size_t lower_avx512(const uint8_t *in, size_t n, uint8_t *out)
{
    const __m512i first = _mm512_set1_epi8('A');
    const __m512i letters = _mm512_set1_epi8(26);
    const __m512i lower = _mm512_set1_epi8(32);
    for (size_t i = 0; i < n; i += 64) {
        __mmask64 here = n - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (n - i)) - 1;
        __m512i v = _mm512_maskz_loadu_epi8(here, in + i);
        __mmask64 up = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, first), letters);
        _mm512_storeu_si512(out + i, _mm512_mask_add_epi8(v, up, v, lower));
        uint64_t other = _mm512_movepi8_mask(v);
        if (other != 0) {
            return i + (size_t)__builtin_ctzll(other);
        }
    }
    return n;
}

WITH_AVX512 static size_t edges_avx512(const uint8_t *text, size_t n, uint32_t *edges)
{
    const __m512i digit = _mm512_set1_epi8('0');
    const __m512i letter = _mm512_set1_epi8('a');
    const __m512i ten = _mm512_set1_epi8(10);
    const __m512i letters = _mm512_set1_epi8(26);
    size_t count = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i += 64) {
        __m512i v = _mm512_loadu_si512(text + i);
        uint64_t mask = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, digit), ten) |
                        _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, letter), letters) |
                        _mm512_movepi8_mask(v);
        count = take_edges(mask, before, i, n, edges, count);
        before = mask >> 63;
    }
    return count;
}

/* Eight shingles at a time: the sums in 64-bit lanes, then four AES blocks to a register. */
WITH_AVX512 static void shingles_avx512(const sl_echo_key *key, const uint64_t *hash, size_t count,
                                        size_t k, uint64_t *tag, uint64_t *check)
{
    __m512i round[11];
    for (size_t r = 0; r < 11; r++) {
        round[r] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)key->round[r]));
    }
    for (size_t i = 0; i < count; i += 8) {
        __m512i low = _mm512_setzero_si512();
        __m512i high = low;
        for (size_t j = 0; j < k; j++) {
            __m512i h = _mm512_loadu_si512(hash + i + j);
            low = _mm512_add_epi64(
                low, _mm512_mullo_epi64(h, _mm512_set1_epi64((long long)key->low[j])));
            high = _mm512_add_epi64(high,
                                    _mm512_mullo_epi64(_mm512_srli_epi64(h, 32),
                                                       _mm512_set1_epi64((long long)key->high[j])));
        }
        __m512i x = _mm512_xor_si512(_mm512_unpacklo_epi64(low, high), round[0]);
        __m512i y = _mm512_xor_si512(_mm512_unpackhi_epi64(low, high), round[0]);
        for (size_t r = 1; r < 10; r++) {
            x = _mm512_aesenc_epi128(x, round[r]);
            y = _mm512_aesenc_epi128(y, round[r]);
        }
        x = _mm512_aesenclast_epi128(x, round[10]);
        y = _mm512_aesenclast_epi128(y, round[10]);
        _mm512_storeu_si512(tag + i, _mm512_unpacklo_epi64(x, y));
        _mm512_storeu_si512(check + i, _mm512_unpackhi_epi64(x, y));
    }
}

static const sl_echo_kernel AVX2 = { "avx2",     lower_avx2,    edges_avx2,
                                     words_avx2, shingles_avx2, probe_ahead };
static const sl_echo_kernel AVX512 = { "avx512",   lower_avx512,    edges_avx512,
                                       words_avx2, shingles_avx512, probe_ahead };

/* Leaf 7, ECX bit 9: not every compiler knows this one by name. */
static bool has_vaes(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c >> 9 & 1) != 0;
}

const sl_echo_kernel *sl_echo_kernel_x86(sl_echo_speed speed)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") &&
                __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    if (speed == SL_ECHO_AVX2) {
        return avx2 ? &AVX2 : NULL;
    }
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                  has_vaes();
    return speed == SL_ECHO_AVX512 && avx512 ? &AVX512 : NULL;
}

#else

const sl_echo_kernel *sl_echo_kernel_x86(sl_echo_speed speed)
{
    (void)speed;
    return NULL;
}

#endif
