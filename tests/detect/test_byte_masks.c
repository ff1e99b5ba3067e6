/* Masks of sixteen bytes against the same questions asked byte by byte. */
#include "test.h"

#include "base/random.h"
#include "detect/byte_masks.h"

static bool is_run(uint8_t b)
{
    return (b < 0x80 && sl_is_word(b)) || b == '+' || b == '/' || b == '-' || b == '_';
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    uint8_t bytes[SL_MASK_BYTES];
    sl_prng prng;
    sl_prng_seed(&prng, 3);
    for (size_t round = 0; round < 256 * SL_MASK_BYTES; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)sl_prng_below(&prng, 256);
        }
        bytes[round % SL_MASK_BYTES] = (uint8_t)(round / SL_MASK_BYTES);
        for (unsigned i = 0; i < sizeof bytes; i++) {
            uint8_t b = bytes[i];
            assert_int_equal(sl_mask_letters(bytes) >> i & 1U, sl_is_letter(b));
            assert_int_equal(sl_mask_words(bytes) >> i & 1U, sl_is_word(b));
            assert_int_equal(sl_mask_runs(bytes) >> i & 1U, is_run(b));
            assert_int_equal(sl_mask_separators(bytes) >> i & 1U, sl_is_separator(b));
            assert_int_equal(sl_mask_bits(bytes) >> i & 1U, b == '0' || b == '1');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_byte_at_every_place) };
    return cmocka_run_group_tests_name("byte masks", tests, NULL, NULL);
}
