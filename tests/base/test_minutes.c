/* Counts by minute: every minute once when it is over, late ones as increments, nothing twice. */
#include "test.h"

#include "base/minutes.h"

#define M UINT64_C(29000000)
#define AT(minute, second) ((int64_t)(((minute)*60 + (second)) * 1000))

static void assert_told(sl_minutes *all, int64_t now_ms, uint64_t minute, uint64_t count)
{
    uint64_t m = 0;
    uint64_t n = 0;
    assert_true(sl_minutes_take(all, now_ms, &m, &n));
    assert_int_equal(m, minute);
    assert_int_equal(n, count);
}

static void assert_silent(sl_minutes *all, int64_t now_ms)
{
    uint64_t m = 0;
    uint64_t n = 0;
    assert_false(sl_minutes_take(all, now_ms, &m, &n));
}

static void a_minute_is_told_once_when_it_is_over(void **state)
{
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 5));
    assert_true(sl_minutes_add(&all, M, 2, AT(M, 6)));
    assert_true(sl_minutes_add(&all, M, 1, AT(M, 50)));
    assert_silent(&all, AT(M + 1, 9));
    assert_told(&all, AT(M + 1, 10), M, 3);
    assert_silent(&all, AT(M + 1, 11));
    assert_told(&all, AT(M + 2, 10), M + 1, 0); /* idle, and says so */
    assert_silent(&all, AT(M + 2, 11));
}

static void what_comes_late_is_an_increment(void **state)
{
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 0));
    assert_told(&all, AT(M + 1, 30), M, 0);
    assert_true(sl_minutes_add(&all, M, 1, AT(M + 1, 30)));
    assert_true(sl_minutes_add(&all, M, 4, AT(M + 1, 35)));
    assert_silent(&all, AT(M + 1, 44));
    assert_told(&all, AT(M + 1, 45), M, 5);
    assert_silent(&all, AT(M + 1, 59));
}

static void a_leap_of_the_clock_makes_no_flood(void **state)
{
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 0));
    assert_true(sl_minutes_add(&all, M, 7, AT(M, 1)));
    assert_told(&all, AT(M + 600, 0), M, 7); /* counted before the leap */
    assert_silent(&all, AT(M + 600, 0));
    assert_silent(&all, AT(M + 20, 0)); /* and back */
    assert_told(&all, AT(M + 21, 10), M + 20, 0);
}

static void too_many_minutes_are_refused(void **state)
{
    sl_minutes all = { 0 };
    for (uint64_t i = 0; i < SL_MINUTES_OPEN_MAX; i++) {
        assert_true(sl_minutes_add(&all, M + i, 1, 0));
    }
    assert_false(sl_minutes_add(&all, M - 1, 1, 0));
    assert_true(sl_minutes_add(&all, M + 3, 1, 0));
    assert_true(sl_minutes_add(&all, M - 1, 0, 0)); /* nothing is always counted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_is_told_once_when_it_is_over),
        cmocka_unit_test(what_comes_late_is_an_increment),
        cmocka_unit_test(a_leap_of_the_clock_makes_no_flood),
        cmocka_unit_test(too_many_minutes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
