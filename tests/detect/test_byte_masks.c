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
    uint8_t other[SL_MASK_BYTES];
    sl_prng prng;
    sl_prng_seed(&prng, 3);
    for (size_t round = 0; round < 256 * SL_MASK_BYTES; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)sl_prng_below(&prng, 256);
        }
        for (size_t i = 0; i < sizeof bytes; i++) {
            other[i] = sl_prng_below(&prng, 2) == 0 ? bytes[i] : (uint8_t)(bytes[i] ^ 0x40);
        }
        bytes[round % SL_MASK_BYTES] = (uint8_t)(round / SL_MASK_BYTES);
        for (unsigned i = 0; i < sizeof bytes; i++) {
            uint8_t b = bytes[i];
            assert_int_equal(sl_mask_letters(bytes) >> i & 1U, sl_is_letter(b));
            assert_int_equal(sl_mask_words(bytes) >> i & 1U, sl_is_word(b));
            assert_int_equal(sl_mask_runs(bytes) >> i & 1U, is_run(b));
            assert_int_equal(sl_mask_separators(bytes) >> i & 1U, sl_is_separator(b));
            assert_int_equal(sl_mask_bits(bytes) >> i & 1U, b == '0' || b == '1');
            assert_int_equal(sl_mask_digits(bytes) >> i & 1U, sl_is_digit(b));
            assert_int_equal(sl_mask_substitutes(bytes) >> i & 1U, sl_is_substitute(b));
            assert_int_equal(sl_mask_byte(bytes, bytes[3]) >> i & 1U, b == bytes[3]);
            assert_int_equal(sl_mask_same(bytes, other) >> i & 1U, b == other[i]);
        }
    }
}

static void sixty_four_are_four_times_sixteen(void **state)
{
    (void)state;
    uint8_t bytes[64];
    sl_prng prng;
    sl_prng_seed(&prng, 5);
    for (size_t round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)sl_prng_below(&prng, 128);
        }
        uint64_t letters = sl_mask_letters_64(bytes);
        uint64_t runs = sl_mask_runs_64(bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
            assert_int_equal(letters >> i & 1, sl_is_letter(bytes[i]));
            assert_int_equal(runs >> i & 1, is_run(bytes[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_byte_at_every_place),
                                        cmocka_unit_test(sixty_four_are_four_times_sixteen) };
    return cmocka_run_group_tests_name("byte masks", tests, NULL, NULL);
}
