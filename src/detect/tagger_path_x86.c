/* The trellis' step with AVX2 (tagger_path.h): eight tags in one register, eight features hashed at once. Chosen at run
 * time by what the processor says it has; it must compute what the portable form does. */
#include "detect/tagger_path.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2")))

WITH_AVX2 static inline __m128i row_at(const int8_t *row)
{
    return _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)row));
}

/* The rows' places in bytes from the weights' beginning. */
WITH_AVX2 static void find_rows_avx2(const sl_tag_model *model,
                                     const uint32_t values[SL_TAG_CONTEXT_LANES],
                                     uint32_t rows[SL_TAG_CONTEXT_LANES])
{
    const __m256i mask = _mm256_set1_epi32((int)model->mask);
    for (size_t i = 0; i < SL_TAG_CONTEXT_LANES; i += 8) {
        __m256i t = _mm256_loadu_si256((const __m256i *)(const void *)(SL_TAG_TEMPLATES + i));
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(values + i));
        t = _mm256_mullo_epi32(t, _mm256_set1_epi32((int)0x9E3779B1U));
        v = _mm256_mullo_epi32(v, _mm256_set1_epi32((int)0x85EBCA6BU));
        __m256i h = _mm256_xor_si256(t, v);
        h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
        h = _mm256_mullo_epi32(h, _mm256_set1_epi32((int)0xC2B2AE35U));
        h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 13));
        h = _mm256_slli_epi32(_mm256_and_si256(h, mask), 3);
        _mm256_storeu_si256((__m256i *)(void *)(rows + i), h);
    }
}

/* The tags' own scores, in 32 bits. */
WITH_AVX2 static inline __m256i add_up(const sl_tag_model *model, const sl_tag_evidence *e)
{
    const uint32_t *rows = e->rows;
    __m128i sum = _mm_loadu_si128((const __m128i *)(const void *)e->own);
    __m128i more = _mm_setzero_si128();
    for (size_t i = 0; i < SL_TAG_NEAR; i += 2) {
        sum = _mm_add_epi16(sum, row_at(e->near[i]));
        more = _mm_add_epi16(more, row_at(e->near[i + 1]));
    }
    for (size_t i = 0; i < SL_TAG_CONTEXT; i += 2) {
        sum = _mm_add_epi16(sum, row_at(model->weights + rows[i]));
        more = _mm_add_epi16(more, row_at(model->weights + rows[i + 1]));
    }
    const __m256i bias = _mm256_set_epi32(0, 0, 0, 0, 0, 0, 0, model->bias);
    return _mm256_sub_epi32(_mm256_cvtepi16_epi32(_mm_add_epi16(sum, more)), bias);
}

WITH_AVX2 static void step_avx2(const sl_tag_model *model, const sl_tag_evidence *evidence,
                                const int32_t *before, int32_t now[SL_TAG_LANES],
                                uint8_t from[SL_TAG_LANES])
{
    const __m256i *rows = (const __m256i *)(const void *)model->transitions;
    __m256i own = add_up(model, evidence);
    __m256i best = _mm256_loadu_si256(rows + SL_TAG_BEGIN);
    __m256i last = _mm256_setzero_si256();
    if (before != NULL) {
        best = _mm256_set1_epi32(SL_TAG_IMPOSSIBLE);
        for (int i = 0; i < SL_TAG_LANES; i++) {
            __m256i score =
                _mm256_add_epi32(_mm256_set1_epi32(before[i]), _mm256_loadu_si256(rows + i));
            __m256i better = _mm256_cmpgt_epi32(score, best);
            best = _mm256_max_epi32(best, score);
            last = _mm256_blendv_epi8(last, _mm256_set1_epi32(i), better);
        }
    }
    _mm256_storeu_si256((__m256i *)(void *)now, _mm256_add_epi32(best, own));
    __m128i narrow =
        _mm_packs_epi32(_mm256_castsi256_si128(last), _mm256_extracti128_si256(last, 1));
    _mm_storel_epi64((__m128i *)(void *)from, _mm_packus_epi16(narrow, narrow));
}

static const sl_tag_kernel AVX2 = { .name = "avx2",
                                    .find_rows = find_rows_avx2,
                                    .step = step_avx2 };

const sl_tag_kernel *sl_tag_kernel_x86(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? &AVX2 : NULL;
}

#else

const sl_tag_kernel *sl_tag_kernel_x86(void)
{
    return NULL;
}

#endif
