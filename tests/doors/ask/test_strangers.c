/* Counts of strangers are exact, by prefix and second, and bounded. */
#include "test.h"

#include "doors/ask/strangers.h"

static void prefixes_hide_the_single_address(void **state)
{
    static const char *const cases[][2] = {
        { "192.0.2.77", "192.0.2.0/24" },
        { "2001:db8:1:2::3", "2001:db8:1::/48" },
        { "::1", "::/48" },
        { "unix:", "local" },
        { "", "local" },
        { "192.0.2.777", "local" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        char prefix[SL_PREFIX_BYTES_MAX];
        sl_strangers_prefix(cases[i][0], prefix);
        assert_string_equal(prefix, cases[i][1]);
    }
}

static void counts_are_exact_and_leave_with_their_second(void **state)
{
    static sl_strangers all;
    sl_stranger one;
    all.n = 0;
    sl_res key = { SL_E_KEY };
    for (int i = 0; i < 5; i++) {
        assert_true(sl_strangers_add(&all, "192.0.2.1", key, 5000 + i));
    }
    assert_true(sl_strangers_add(&all, "192.0.2.2", (sl_res){ SL_E_LIMIT }, 5000));
    assert_false(sl_strangers_take(&all, 5999, &one));
    assert_true(sl_strangers_take(&all, 6000, &one));
    assert_int_equal(one.count, 5);
    assert_int_equal(one.second, 5);
    assert_true(sl_strangers_take(&all, 6000, &one));
    assert_int_equal(one.count, 1);
    assert_false(sl_strangers_take(&all, 6000, &one));
}

static void a_flood_of_prefixes_is_counted_as_other(void **state)
{
    static sl_strangers all;
    sl_stranger one;
    uint64_t total = 0;
    all.n = 0;
    for (int i = 0; i < 2000; i++) {
        char source[32];
        (void)snprintf(source, sizeof source, "10.%d.%d.1", i / 256, i % 256);
        assert_true(sl_strangers_add(&all, source, (sl_res){ SL_E_KEY }, 1000));
    }
    assert_true(all.n <= SL_STRANGERS_MAX + 1);
    while (sl_strangers_take(&all, 2000, &one)) {
        total += one.count;
    }
    assert_int_equal(total, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_hide_the_single_address),
        cmocka_unit_test(counts_are_exact_and_leave_with_their_second),
        cmocka_unit_test(a_flood_of_prefixes_is_counted_as_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
