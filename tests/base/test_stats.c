/* Exact intervals against published values, against the binomial sum itself, and (where the shared
 * data is at hand) against a table made by another program. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "base/stats.h"

static void assert_near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance)) {
        print_error("%.12f, wanted %.12f\n", value, wanted);
        fail();
    }
}

typedef struct {
    uint64_t hits, trials;
    double confidence, low, high;
} row;

static void intervals_are_those_of_the_textbooks(void **state)
{
    static const row rows[] = {
        { 0, 10, 0.95, 0.0, 0.3084971078 },
        { 1, 10, 0.95, 0.0025285785, 0.4450161174 },
        { 5, 10, 0.95, 0.1870860284, 0.8129139716 },
        { 10, 10, 0.95, 0.6915028922, 1.0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        sl_interval got = { 0 };
        assert_done(sl_stats_interval(rows[i].hits, rows[i].trials, rows[i].confidence, &got));
        assert_near(got.low, rows[i].low, 1e-9);
        assert_near(got.high, rows[i].high, 1e-9);
    }
}

static void one_sided_bounds_put_all_the_error_on_one_side(void **state)
{
    double bound = 0;
    assert_done(sl_stats_upper(0, 59, 0.95, &bound));
    assert_near(bound, 1.0 - pow(0.05, 1.0 / 59.0), 1e-12);
    assert_done(sl_stats_lower(59, 59, 0.95, &bound));
    assert_near(bound, pow(0.05, 1.0 / 59.0), 1e-12);
    assert_done(sl_stats_upper(7, 7, 0.95, &bound));
    assert_near(bound, 1.0, 0.0);
    assert_done(sl_stats_lower(0, 7, 0.95, &bound));
    assert_near(bound, 0.0, 0.0);
}

/* P(at most `hits` in `trials`) at share p, summed term by term: another way to the same number. */
static double at_most(uint64_t hits, uint64_t trials, double p)
{
    double sum = 0.0;
    for (uint64_t k = 0; k <= hits; k++) {
        double ways =
            lgamma((double)trials + 1) - lgamma((double)k + 1) - lgamma((double)(trials - k) + 1);
        sum += exp(ways + (double)k * log(p) + (double)(trials - k) * log1p(-p));
    }
    return sum;
}

static void bounds_are_where_the_binomial_tail_is_the_error(void **state)
{
    for (uint64_t trials = 1; trials <= 150; trials += 7) {
        for (uint64_t hits = 0; hits <= trials; hits++) {
            double low = 0;
            double high = 0;
            assert_done(sl_stats_lower(hits, trials, 0.975, &low));
            assert_done(sl_stats_upper(hits, trials, 0.975, &high));
            assert_true(low < high);
            if (hits > 0) {
                assert_near(1.0 - at_most(hits - 1, trials, low), 0.025, 1e-9);
            }
            if (hits < trials) {
                assert_near(at_most(hits, trials, high), 0.025, 1e-9);
            }
        }
    }
}

static void many_trials_stay_exact(void **state)
{
    sl_interval got = { 0 };
    assert_done(sl_stats_interval(0, SL_STATS_TRIALS_MAX, 0.95, &got));
    assert_near(got.high * 1e9, 3.6888794, 1e-6);
    assert_done(sl_stats_interval(500000, 1000000, 0.95, &got));
    assert_near(got.low, 0.4990195, 1e-6);
    assert_near(got.low + got.high, 1.0, 1e-12);
}

static void nonsense_is_refused_and_leaves_the_result_alone(void **state)
{
    sl_interval got = { .low = 7, .high = 8 };
    assert_code(sl_stats_interval(0, 0, 0.95, &got), SL_E_RANGE);
    assert_code(sl_stats_interval(2, 1, 0.95, &got), SL_E_RANGE);
    assert_code(sl_stats_interval(1, 2, 0.0, &got), SL_E_RANGE);
    assert_code(sl_stats_interval(1, 2, 1.0, &got), SL_E_RANGE);
    assert_code(sl_stats_interval(1, 2, (double)NAN, &got), SL_E_RANGE);
    assert_code(sl_stats_interval(1, SL_STATS_TRIALS_MAX + 1, 0.95, &got), SL_E_RANGE);
    assert_near(got.low, 7, 0);
    assert_near(got.high, 8, 0);
}

static void intervals_agree_with_another_programs_table(void **state)
{
    char path[4096];
    const char *shared = getenv("SL_SHARED");
    int n = snprintf(path, sizeof(path), "%s/data/memorisation/intervals/%s",
                     shared != NULL ? shared : SL_SOURCE_ROOT "/../shared",
                     "clopper_pearson_wilson.csv");
    FILE *table = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
    if (table == NULL) {
        print_message("skipped: no shared data; point SL_SHARED at it\n");
        skip();
    }
    char line[256];
    size_t rows = 0;
    assert_non_null(fgets(line, sizeof(line), table));
    while (fgets(line, sizeof(line), table) != NULL) {
        char *at = line;
        double value[5];
        for (size_t i = 0; i < SL_COUNT_OF(value); i++) {
            value[i] = strtod(at, &at);
            at++;
        }
        sl_interval got = { 0 };
        assert_done(sl_stats_interval((uint64_t)value[1], (uint64_t)value[0], value[2], &got));
        assert_near(got.low, value[3], 1e-10);
        assert_near(got.high, value[4], 1e-10);
        rows++;
    }
    assert_int_equal(fclose(table), 0);
    assert_true(rows > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_those_of_the_textbooks),
        cmocka_unit_test(one_sided_bounds_put_all_the_error_on_one_side),
        cmocka_unit_test(bounds_are_where_the_binomial_tail_is_the_error),
        cmocka_unit_test(many_trials_stay_exact),
        cmocka_unit_test(nonsense_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(intervals_agree_with_another_programs_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
