/* Counts by minute: every minute once when it is over, late ones as increments, nothing twice and
 * nothing lost, whatever dies between counting, telling and reading the leaf back. */
#include "test.h"

#include "base/minutes.h"

#define M UINT64_C(29000000)
#define AT(minute, second) ((int64_t)(((minute)*60 + (second)) * 1000))
#define SURE(n) ((sl_minute_count){ (n), 0 })

static void assert_next(sl_minutes *all, int64_t now_ms, uint64_t minute, uint64_t sure,
                        uint64_t doubt)
{
    uint64_t m = 0;
    sl_minute_count n = { 99, 99 };
    assert_true(sl_minutes_next(all, now_ms, &m, &n));
    assert_int_equal(m, minute);
    assert_int_equal(n.sure, sure);
    assert_int_equal(n.doubt, doubt);
}

static void assert_silent(sl_minutes *all, int64_t now_ms)
{
    uint64_t m = 0;
    sl_minute_count n;
    assert_false(sl_minutes_next(all, now_ms, &m, &n));
}

static void every_minute_is_told_once_when_it_is_over(void **state)
{
    (void)state;
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 5));
    sl_minutes_set(&all, M, SURE(3), AT(M, 20));
    assert_silent(&all, AT(M + 1, 9));
    assert_next(&all, AT(M + 1, 10), M, 3, 0);
    assert_silent(&all, AT(M + 1, 11)); /* its leaf is on its way */
    sl_minutes_told(&all, M, SURE(3));
    assert_silent(&all, AT(M + 1, 30));
    assert_next(&all, AT(M + 2, 10), M + 1, 0, 0); /* an empty one too */
    sl_minutes_told(&all, M + 1, SURE(0));
    assert_silent(&all, AT(M + 2, 59));
}

static void what_comes_late_is_told_apart_once_it_is_quiet(void **state)
{
    (void)state;
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 5));
    sl_minutes_set(&all, M, SURE(1), AT(M, 20));
    assert_next(&all, AT(M + 1, 10), M, 1, 0);
    sl_minutes_told(&all, M, SURE(1));
    sl_minutes_set(&all, M, (sl_minute_count){ 3, 1 }, AT(M + 1, 20));
    assert_silent(&all, AT(M + 1, 29));
    assert_next(&all, AT(M + 1, 30), M, 2, 1);
    sl_minutes_told(&all, M, (sl_minute_count){ 2, 1 });
    assert_silent(&all, AT(M + 1, 59));
}

/* The one that tells died with its leaf appended, or not: the ledger says which. */
static void a_successor_tells_what_the_ledger_lacks(void **state)
{
    (void)state;
    for (int appended = 0; appended <= 1; appended++) {
        sl_minutes all = { 0 };
        if (appended) {
            sl_minutes_told(&all, M, SURE(4));
        }
        sl_minutes_set(&all, M, SURE(4), AT(M + 1, 30)); /* from memory that outlived it */
        if (!appended) {
            assert_next(&all, AT(M + 1, 40), M, 4, 0);
            sl_minutes_told(&all, M, SURE(4));
        }
        assert_silent(&all, AT(M + 1, 41));
        assert_next(&all, AT(M + 2, 10), M + 1, 0, 0);
    }
}

static void a_lost_ledger_is_asked_again_after_it_was_read(void **state)
{
    (void)state;
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 5));
    sl_minutes_set(&all, M, SURE(1), AT(M, 20));
    assert_next(&all, AT(M + 1, 10), M, 1, 0);
    sl_minutes_again(&all); /* its leaf was not there */
    assert_next(&all, AT(M + 1, 12), M, 1, 0);
    sl_minutes_refused(&all, M);
    assert_next(&all, AT(M + 1, 13), M, 1, 0);
    sl_minutes_told(&all, M, SURE(1)); /* and now it is */
    sl_minutes_again(&all);
    assert_silent(&all, AT(M + 1, 14));
}

static void a_leap_of_the_clock_tells_no_empty_minutes(void **state)
{
    (void)state;
    sl_minutes all = { 0 };
    assert_silent(&all, AT(M, 5));
    assert_silent(&all, AT(M + 50, 5));
    assert_next(&all, AT(M + 51, 10), M + 50, 0, 0);
    assert_silent(&all, AT(M + 51, 10));
    assert_silent(&all, AT(M - 100, 10)); /* and backwards */
    sl_minutes_set(&all, M - 100, SURE(2), AT(M - 100, 20));
    assert_next(&all, AT(M - 99, 10), M - 100, 2, 0);
}

static void a_minute_of_long_ago_gives_way(void **state)
{
    (void)state;
    sl_minutes all = { 0 };
    sl_minutes_set(&all, M, SURE(1), AT(M, 1));
    sl_minutes_set(&all, M - SL_MINUTES_MAX, SURE(7), AT(M, 1));
    sl_minutes_told(&all, M - SL_MINUTES_MAX, SURE(7));
    assert_next(&all, AT(M + 1, 10), M, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_minute_is_told_once_when_it_is_over),
        cmocka_unit_test(what_comes_late_is_told_apart_once_it_is_quiet),
        cmocka_unit_test(a_successor_tells_what_the_ledger_lacks),
        cmocka_unit_test(a_lost_ledger_is_asked_again_after_it_was_read),
        cmocka_unit_test(a_leap_of_the_clock_tells_no_empty_minutes),
        cmocka_unit_test(a_minute_of_long_ago_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
