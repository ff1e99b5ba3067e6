/* The check language: what parses, what is refused, and how conditions come out. */
#include "test.h"

#include "assure/query.h"
#include "base/limits.h"

static void every_form_parses(void **state)
{
    static const char *const good[] = {
        "LATEST a.b WITHIN 1h SATISFIES ok=true",
        "LATEST a.b SATISFIES abs(x)<100 AND y>=2",
        "EACH door x : LAST a.b[door=x] WITHIN 7d SATISFIES result='pass'",
        "EACH model m WHERE m.state IN (released,candidate) : LAST a.b[model=m] SATISFIES v=m.v",
        "NONE a.b WITHIN 1d",
        "NONE a.b[door='ask'] WHERE x=null OR (y=true AND NOT z='q') WITHIN 24h",
        "RATIO a.b WHERE ok=true OVER a.b WITHIN 24h >= 1.0",
        "RATIO a.b.part OVER a.b.whole WITHIN 1h >= 0.99",
        "QUANTILE 0.95 a.b.ms WITHIN 30d <= 5000 MIN 20",
        "FOLLOWS a.b BY c.d ON k WITHIN 72h LOOKBACK 90d",
        "FOLLOWS a.b[s='x' OR s='y'] BY c.d ON k,l BEFORE e.f",
        "RECON a.b = c.d[door='ask'] PER door EVERY 1h TOLERANCE 0",
    };
    for (size_t i = 0; i < SL_COUNT_OF(good); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
        sl_query query;
        sl_res r = sl_query_parse(sl_view_str(good[i]), &arena, &query);
        if (!sl_ok(r)) {
            print_error("%s: %s at %d\n", good[i], sl_detail_get()->field,
                        (int)sl_detail_get()->offset);
        }
        assert_true(sl_ok(r));
    }
}

static void what_is_not_the_language_is_refused(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
    } cases[] = {
        { "", SL_E_SYNTAX },
        { "LAST a.b SATISFIES ok=true", SL_E_SYNTAX },
        { "LATEST ab SATISFIES ok=true", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES ok=", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES (ok=true", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES ok=true)", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES ok true", SL_E_SYNTAX },
        { "LATEST a.b SATISFIES ok='true", SL_E_SYNTAX },
        { "LATEST a.b WITHIN 1y SATISFIES ok=true", SL_E_SYNTAX },
        { "NONE a.b WITHIN 1h extra", SL_E_TRAILING },
        { "NONE a.b", SL_E_SYNTAX },
        { "EACH door x : LAST a.b[door=y] SATISFIES true=true", SL_E_SYNTAX },
        { "RATIO a.b.c OVER a.b WITHIN 1h >= 1", SL_E_SYNTAX },
        { "QUANTILE 1.5 a.b.c WITHIN 1h <= 1", SL_E_SYNTAX },
        { "FOLLOWS a.b BY c.d ON k", SL_E_SYNTAX },
        { "FOLLOWS a.b BY c.d ON k WITHIN regime.limit", SL_E_UNSUPPORTED }, /* no key of it */
        { "NONE a.b WHERE x NOT IN list WITHIN 1h", SL_E_SYNTAX },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
        sl_query query;
        sl_res r = sl_query_parse(sl_view_str(cases[i].text), &arena, &query);
        if (r.code != (int32_t)cases[i].code) {
            print_error("%s: %s\n", cases[i].text, sl_res_name(r));
        }
        assert_int_equal(r.code, cases[i].code);
    }
}

static sl_value answer(void *context, sl_view scope, sl_view name)
{
    if (sl_view_eq(name, SL_LIT("n"))) {
        return (sl_value){ .kind = SL_VALUE_NUMBER, .number = 5 };
    }
    if (sl_view_eq(name, SL_LIT("t"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = SL_LIT("live") };
    }
    if (sl_view_eq(name, SL_LIT("yes"))) {
        return (sl_value){ .kind = SL_VALUE_BOOL, .boolean = true };
    }
    if (sl_view_eq(name, SL_LIT("gone"))) {
        return (sl_value){ .kind = SL_VALUE_NULL };
    }
    return (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

static void conditions_have_three_truth_values(void **state)
{
    static const struct {
        const char *text;
        sl_truth truth;
    } cases[] = {
        { "n=5", SL_TRUTH_TRUE },
        { "n!=5", SL_TRUTH_FALSE },
        { "n<6 AND n>4 AND n>=5 AND n<=5", SL_TRUTH_TRUE },
        { "n+1=6 AND n-1=4 AND n*2=10 AND n/2=2.5", SL_TRUTH_TRUE },
        { "1+2*3=7 AND 10-2-3=5", SL_TRUTH_TRUE },
        { "abs(n-9)=4 AND -n<0", SL_TRUTH_TRUE },
        { "t='live'", SL_TRUTH_TRUE },
        { "t IN ('dead',live)", SL_TRUTH_TRUE },
        { "t NOT IN ('dead','gone')", SL_TRUTH_TRUE },
        { "NOT yes=true OR n=5", SL_TRUTH_TRUE },
        { "NOT (yes=true OR n=5)", SL_TRUTH_FALSE },
        { "gone=null", SL_TRUTH_TRUE },
        { "gone!=null", SL_TRUTH_FALSE },
        { "gone='x'", SL_TRUTH_UNKNOWN },
        { "n=null", SL_TRUTH_FALSE },
        { "gone>3", SL_TRUTH_UNKNOWN },
        { "what=3", SL_TRUTH_UNKNOWN },
        { "what=3 AND n=6", SL_TRUTH_FALSE },
        { "what=3 AND n=5", SL_TRUTH_UNKNOWN },
        { "what=3 OR n=5", SL_TRUTH_TRUE },
        { "NOT what=3", SL_TRUTH_UNKNOWN },
        { "n='5'", SL_TRUTH_UNKNOWN },
        { "n/0=1", SL_TRUTH_UNKNOWN },
        { "now>=90", SL_TRUTH_TRUE },
        { "8h=28800", SL_TRUTH_TRUE },
        { "n", SL_TRUTH_UNKNOWN },
        { "yes", SL_TRUTH_TRUE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
        const sl_condition *condition = NULL;
        size_t at = 0;
        assert_done(sl_condition_parse(sl_view_str(cases[i].text), &at, NULL, 0, false, &arena,
                                       &condition));
        sl_names names = { answer, NULL, 100 };
        sl_truth truth = sl_condition_test(condition, &names);
        if (truth != cases[i].truth) {
            print_error("%s: %d\n", cases[i].text, (int)truth);
        }
        assert_int_equal(truth, cases[i].truth);
    }
}

static void long_conditions_meet_their_limit(void **state)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    for (int i = 0; i < 500; i++) {
        assert_done(sl_buf_add_str(&text, "("));
    }
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
    const sl_condition *condition = NULL;
    size_t at = 0;
    assert_code(sl_condition_parse(sl_buf_view(&text), &at, NULL, 0, false, &arena, &condition),
                SL_E_LIMIT);
    sl_buf_clear(&text);
    for (int i = 0; i < 20; i++) { /* deeper than the stack that runs it */
        assert_done(sl_buf_add_str(&text, "1+("));
    }
    assert_done(sl_buf_add_str(&text, "1"));
    for (int i = 0; i < 20; i++) {
        assert_done(sl_buf_add_str(&text, ")"));
    }
    at = 0;
    assert_code(sl_condition_parse(sl_buf_view(&text), &at, NULL, 0, false, &arena, &condition),
                SL_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_parses),
        cmocka_unit_test(what_is_not_the_language_is_refused),
        cmocka_unit_test(conditions_have_three_truth_values),
        cmocka_unit_test(long_conditions_meet_their_limit),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
