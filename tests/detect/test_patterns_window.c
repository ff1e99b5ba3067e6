/* Where the pattern engine looks at all: triggers sought sixteen bytes at a time are those found byte by byte. */
#include "test.h"

#include "base/random.h"
#include "detect/patterns_set.h"

/* Is there a trigger at `i`? A short text is gone through byte by byte. */
static bool is_trigger_at(sl_view text, size_t i)
{
    size_t from = i > 4 ? i - 4 : 0;
    sl_view part = sl_view_sub(text, from, i + 3);
    return sl_pattern_trigger(part, i - from) == i - from;
}

static void triggers_by_sixteen_and_one_by_one(void **state)
{
    (void)state;
    static const char *const PIECES[] = {
        "nin", "Nin", "ninety", "eyJ", "eyj", "bearer ", "Bearer x", "d is", "Dis", "dxis", "www",
        "wW",  "--",  "-",      "**",  "*",   "://",     ":",        "d:",   "D:",  "_",    "=",
        "@",   "7",   "plain",  " ",   "er ", "is",      "\xC3\xA9", "ni",   "ey",  "\xB0"
    };
    sl_prng prng;
    uint8_t text[300];
    sl_prng_seed(&prng, 17);
    for (size_t round = 0; round < 4000; round++) {
        size_t n = 0;
        while (n < 200) {
            const char *piece = PIECES[sl_prng_below(&prng, SL_COUNT_OF(PIECES))];
            bool plain = sl_prng_below(&prng, 3) != 0;
            size_t length = plain ? 1 + (size_t)sl_prng_below(&prng, 9) : strlen(piece);
            memcpy(text + n, plain ? "of plants" : piece, length);
            n += length;
        }
        sl_view whole = sl_view_of(text, n - (size_t)sl_prng_below(&prng, 60));
        size_t found = sl_pattern_trigger(whole, 0);
        for (size_t i = 0; i < whole.n; i++) {
            assert_int_equal(is_trigger_at(whole, i), i == found);
            found = i == found ? sl_pattern_trigger(whole, i + 1) : found;
        }
        assert_int_equal(found, whole.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(triggers_by_sixteen_and_one_by_one) };
    return cmocka_run_group_tests_name("pattern windows", tests, NULL, NULL);
}
