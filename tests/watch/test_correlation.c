/* Correlations: tables of leaves in their order, and what is said. Also what cannot be read, and that memory has a
 * bound: crowds of groups push the quiet ones out, and it is told. */
#include "test.h"

#include "watch/correlation.h"
#include "watch/rules_embedded.h"
#include "watch/watch.h"

typedef struct {
    char text[256];
    size_t n; /* signals */
} heard;

static void on_signal(void *context, const sl_signal *s)
{
    heard *h = context;
    size_t at = strlen(h->text);
    h->n++;
    (void)snprintf(h->text + at, sizeof h->text - at, "%s%.*s(%s %.*s/%.*s/%.*s)",
                   at > 0 ? " " : "", SL_FMT(s->rule), sl_level_name(s->severity),
                   SL_FMT(s->principal), SL_FMT(s->compartment), SL_FMT(s->target));
}

#define RULE(id, type, level)                                                                      \
    "title: t\nid: " id "\nlogsource:\n  product: stoplog\ndetection:\n  s:\n    type: " type      \
    "\n  condition: s\nlevel: " level "\n"
#define CORRELATION(id, body) "title: t\nid: " id "\ncorrelation:\n" body "level: high\n"

static const char A[] = RULE("a", "x.a", "low");
static const char QUIET[] = RULE("a", "x.a", "informational");
static const char B[] = RULE("b", "x.b", "low");
static const char COUNT[] =
    CORRELATION("count", "  type: event_count\n  rules: [a]\n  group-by: [principal]\n"
                         "  timespan: 10s\n  condition:\n    gte: 3\n");
static const char MORE[] =
    CORRELATION("more", "  type: event_count\n  rules: [a]\n  group-by: [principal]\n"
                        "  timespan: 10s\n  condition:\n    gt: 2\n  generate: true\n");
static const char VALUES[] =
    CORRELATION("values", "  type: value_count\n  rules: [a]\n  group-by: [principal]\n"
                          "  timespan: 10s\n  condition:\n    field: v\n    gte: 3\n");
static const char BOTH[] =
    CORRELATION("both", "  type: temporal\n  rules: [a, b]\n  group-by: [principal]\n"
                        "  timespan: 10s\n");
static const char ROW[] =
    CORRELATION("row", "  type: temporal_ordered\n  rules: [a, b]\n  group-by: [principal]\n"
                       "  timespan: 10s\n");
static const char CHAIN[] =
    CORRELATION("chain", "  type: temporal_ordered\n  rules: [count, b]\n  group-by: [principal]\n"
                         "  timespan: 10s\n  generate: true\n");
static const char SITE[] =
    CORRELATION("site", "  type: event_count\n  rules: [a]\n  timespan: 10s\n"
                        "  condition:\n    gte: 2\n");

/* A leaf in short: "3 a p1 v" is type x.a at second 3 of principal p1 with field v; "-" is none. */
static void feed(sl_watch *watch, const char *spec, bool history)
{
    sl_view word[4];
    sl_view rest = sl_view_str(spec);
    for (size_t i = 0; i < 4; i++) {
        (void)sl_view_cut(rest, ' ', &word[i], &rest);
    }
    uint64_t second = 0;
    assert_done(sl_parse_u64(word[0], 1000000, &second));
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
    assert_done(
        sl_buf_addf(&leaf, "{\"by\":\"ask\",\"event\":{\"compartment\":\"c\",\"fields\":{"));
    if (word[3].n > 0) {
        assert_done(sl_buf_addf(&leaf, "\"v\":\"%.*s\"", SL_FMT(word[3])));
    }
    assert_done(sl_buf_add_str(&leaf, "}"));
    if (!sl_view_eq_str(word[2], "-")) {
        assert_done(sl_buf_addf(&leaf, ",\"principal\":\"%.*s\"", SL_FMT(word[2])));
    }
    assert_done(sl_buf_addf(&leaf, ",\"type\":\"x.%.*s\"},\"time\":%llu,\"v\":1}", SL_FMT(word[1]),
                            (unsigned long long)second * 1000));
    assert_done(sl_watch_feed(watch, second, sl_buf_view(&leaf), history));
}

static void correlations_hold_when_they_should(void **state)
{
    (void)state;
    static const struct {
        const char *rules[4];
        const char *leaves[8];
        const char *said;
    } cases[] = {
        { { A, COUNT }, { "1 a p", "2 a p", "3 a p" }, "count(high p//)" },
        { { A, COUNT }, { "1 a p", "2 a p" }, "" },
        { { A, COUNT }, { "1 a p", "2 a q", "3 a p" }, "" },
        { { A, COUNT }, { "1 a -", "2 a -", "3 a -" }, "" }, /* of no group */
        { { A, COUNT }, { "1 a p", "2 a p", "11 a p" }, "count(high p//)" },
        { { A, COUNT }, { "1 a p", "2 a p", "12 a p" }, "" },
        { { A, COUNT }, { "1 a p", "5 a p", "12 a p", "13 a p" }, "count(high p//)" },
        { { A, COUNT }, /* its group begins anew */
          { "1 a p", "2 a p", "3 a p", "4 a p", "5 a p" },
          "count(high p//)" },
        { { A, MORE }, { "1 a p", "2 a p", "3 a p" }, "a(low p/c/) more(high p//)" },
        { { A, VALUES }, { "1 a p u", "2 a p v", "3 a p w" }, "values(high p//)" },
        { { A, VALUES }, { "1 a p u", "2 a p v", "3 a p u", "4 a p v" }, "" },
        { { A, VALUES }, { "1 a p u", "2 a p v", "12 a p w" }, "" },
        { { A, VALUES }, { "1 a p u", "2 a p v", "9 a p u", "12 a p w" }, "values(high p//)" },
        { { A, VALUES }, { "1 a p", "2 a p", "3 a p" }, "" },
        { { A, B, BOTH }, { "1 b p", "2 a p" }, "both(high p//)" },
        { { A, B, BOTH }, { "1 a p", "2 b q" }, "" },
        { { A, B, BOTH }, { "1 a p", "12 b p" }, "" },
        { { A, B, ROW }, { "1 a p", "2 b p" }, "row(high p//)" },
        { { A, B, ROW }, { "1 b p", "2 a p" }, "" },
        { { A, B, ROW }, { "1 b p", "2 a p", "3 b p" }, "row(high p//)" },
        { { A, B, ROW }, { "1 a p", "9 a p", "12 b p" }, "row(high p//)" },
        { { A, B, ROW }, { "1 a p", "12 b p" }, "" },
        { { CHAIN, COUNT, A, B }, /* parts may come behind their wholes */
          { "1 a p", "2 a p", "3 a p", "4 b p" },
          "count(high p//) b(low p/c/) chain(high p//)" },
        { { CHAIN, COUNT, A, B }, { "1 a p", "2 a p", "4 b p" }, "b(low p/c/)" },
        { { MORE, QUIET }, { "1 a p", "2 a p", "3 a p" }, "more(high p//)" },
        { { A, SITE }, { "1 a p", "2 a q" }, "site(high //)" }, /* nobody is named */
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        heard h = { { 0 }, 0 };
        sl_watch *watch = NULL;
        assert_done(sl_watch_new(on_signal, &h, &watch));
        for (size_t r = 0; r < 4 && cases[i].rules[r] != NULL; r++) {
            assert_done(sl_watch_add_rule(watch, sl_view_str(cases[i].rules[r])));
        }
        assert_done(sl_watch_bind(watch));
        for (size_t l = 0; l < 8 && cases[i].leaves[l] != NULL; l++) {
            feed(watch, cases[i].leaves[l], false);
        }
        if (strcmp(h.text, cases[i].said) != 0) {
            print_error("case %zu: %s\n", i, h.text);
        }
        assert_string_equal(h.text, cases[i].said);
        sl_watch_free(watch);
    }
}

/* The shipped ones: a head, fields with a number in them, how often, a second between; and what is said of it. */
static void shipped_correlations_speak(void **state)
{
    (void)state;
    static const struct {
        struct {
            const char *type;
            const char *head;
            const char *fields; /* %d: the number of the leaf */
            int times;
        } rows[2];
        const char *said;  /* a signal that must be among them */
        const char *never; /* one that must not */
    } cases[] = {
        { { { "ask.refused", "\"principal\":\"p\",", "\"reason\":\"e_refused\"", 19 } },
          "",
          "refusals_many" },
        { { { "ask.refused", "\"principal\":\"p\",", "\"reason\":\"e_refused\"", 20 } },
          "refusals_many(medium p//)",
          "refusals_then_success" },
        { { { "ask.refused", "\"principal\":\"p\",", "\"reason\":\"E_VALVE\"", 40 } },
          "",
          "refusals_many" },
        { { { "ask.refused", "\"principal\":\"p\",", "\"reason\":\"e_refused\"", 20 },
            { "ask.outcome", "\"principal\":\"p\",", "\"outcome\":\"delivered\"", 1 } },
          "refusals_then_success(high p//)",
          "part_" },
        { { { "ask.refused", "\"principal\":\"p\",", "\"reason\":\"e_refused\"", 20 },
            { "ask.outcome", "\"principal\":\"q\",", "\"outcome\":\"delivered\"", 1 } },
          "",
          "refusals_then_success" },
        { { { "ask.intent", "\"principal\":\"p\",", "\"source\":\"192.0.%d.0/24\"", 5 } },
          "key_from_many_sources(high p//)",
          "part_" },
        { { { "ask.intent", "\"principal\":\"p\",", "\"source\":\"192.0.2.0/24\"", 50 } },
          "",
          "key_from_many_sources" },
        { { { "ledger.refused", "", "\"prefix\":\"198.51.%d.0/24\"", 20 } },
          "strangers_from_many_places(medium //)",
          "part_" },
        { { { "ask.outcome", "\"principal\":\"p\",", "\"restored\":2", 200 } },
          "slow_drip(medium p//)",
          "part_" },
        { { { "ask.outcome", "\"principal\":\"p\",", "\"outcome\":\"delivered\"", 300 } },
          "",
          "slow_drip" },
        { { { "host.process", "", "\"process\":\"ask\",\"state\":\"killed\",\"exit\":9", 4 } },
          "process_dies_again(high //ask)",
          "part_" },
        { { { "ask.outcome", "\"principal\":\"p\",\"compartment\":\"c\",",
              "\"classes\":{\"canary\":1}", 1 },
            { "ask.outcome", "\"principal\":\"q\",\"compartment\":\"c\",",
              "\"classes\":{\"canary\":1}", 1 } },
          "canary_spread(high /c/)",
          "canary_and_values" },
        { { { "ask.outcome", "\"principal\":\"p\",\"compartment\":\"c\",",
              "\"classes\":{\"canary\":1}", 2 } },
          "canary_released(critical p/c/)",
          "canary_spread" },
        { { { "ask.outcome", "\"principal\":\"p\",", "\"classes\":{\"canary\":1}", 1 },
            { "ask.outcome", "\"principal\":\"p\",", "\"classes\":{\"roster_value\":1}", 1 } },
          "canary_and_values(critical p//)",
          "canary_spread" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        heard h = { { 0 }, 0 };
        sl_watch *watch = NULL;
        uint64_t index = 0;
        assert_done(sl_watch_new(on_signal, &h, &watch));
        for (size_t r = 0; r < sl_watch_rules_count; r++) {
            assert_done(
                sl_watch_add_rule(watch, sl_view_of(sl_watch_rules[r].bytes, sl_watch_rules[r].n)));
        }
        for (size_t r = 0; r < 2 && cases[i].rows[r].type != NULL; r++) {
            for (int n = 0; n < cases[i].rows[r].times; n++) {
                char fields[128];
                SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
                const char *number = strstr(cases[i].rows[r].fields, "%d");
                int before = number == NULL ? (int)strlen(cases[i].rows[r].fields)
                                            : (int)(number - cases[i].rows[r].fields);
                (void)snprintf(fields, sizeof fields, "%.*s", before, cases[i].rows[r].fields);
                if (number != NULL) {
                    (void)snprintf(fields + before, sizeof fields - (size_t)before, "%d%s", n,
                                   number + 2);
                }
                assert_done(
                    sl_buf_addf(&leaf,
                                "{\"by\":\"ask\",\"event\":{%s\"fields\":{%s},\"type\":\"%s\"},"
                                "\"time\":%llu,\"v\":1}",
                                cases[i].rows[r].head, fields, cases[i].rows[r].type,
                                (unsigned long long)(1000 + index) * 1000));
                assert_done(sl_watch_feed(watch, index++, sl_buf_view(&leaf), false));
            }
        }
        if (strstr(h.text, cases[i].said) == NULL || strstr(h.text, cases[i].never) != NULL) {
            print_error("case %zu: %s\n", i, h.text);
            fail();
        }
        sl_watch_free(watch);
    }
}

/* What came before the start counts, and is not said again. */
static void the_past_counts_and_is_silent(void **state)
{
    (void)state;
    heard h = { { 0 }, 0 };
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    assert_done(sl_watch_add_rule(watch, sl_view_str(A)));
    assert_done(sl_watch_add_rule(watch, sl_view_str(COUNT)));
    feed(watch, "1 a p", true);
    feed(watch, "2 a p", true);
    feed(watch, "3 a p", true);
    assert_int_equal(h.n, 0);
    feed(watch, "4 a p", true);
    feed(watch, "5 a p", true);
    feed(watch, "6 a p", false);
    assert_string_equal(h.text, "count(high p//)");
    sl_watch_free(watch);
}

static void crowds_are_told_and_bounded(void **state)
{
    (void)state;
    heard h = { { 0 }, 0 };
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    assert_done(sl_watch_add_rule(watch, sl_view_str(A)));
    assert_done(sl_watch_add_rule(watch, sl_view_str(COUNT)));
    for (int i = 0; i < 6000; i++) {
        char spec[64];
        (void)snprintf(spec, sizeof spec, "5 a p%d", i);
        feed(watch, spec, false);
    }
    assert_string_equal(h.text, "watch_table_full(medium //count)");
    for (int i = 0; i < 3; i++) { /* and it still works */
        feed(watch, "6 a fresh", false);
    }
    assert_non_null(strstr(h.text, "count(high fresh//)"));
    sl_watch_free(watch);
}

static void what_is_not_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sl_code code;
    } cases[] = {
        { CORRELATION("x", "  type: value_sum\n  rules: [a]\n  timespan: 1m\n"), SL_E_TYPE },
        { CORRELATION("x", "  type: event_count\n  rules: [a]\n  timespan: 1m\n"),
          SL_E_MISSING_FIELD },
        { CORRELATION(
              "x", "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition:\n    lt: 3\n"),
          SL_E_UNKNOWN_FIELD },
        { CORRELATION(
              "x",
              "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition:\n    gte: 257\n"),
          SL_E_RANGE },
        { CORRELATION(
              "x", "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition:\n    gte: 1\n"),
          SL_E_RANGE },
        { CORRELATION(
              "x", "  type: value_count\n  rules: [a]\n  timespan: 1m\n  condition:\n    gte: 3\n"),
          SL_E_MISSING_FIELD },
        { CORRELATION("x", "  type: temporal\n  rules: [a]\n  timespan: 1m\n"), SL_E_RANGE },
        { CORRELATION("x", "  type: temporal\n  rules: [a, b]\n  timespan: 1w\n"), SL_E_SYNTAX },
        { CORRELATION("x", "  type: temporal\n  rules: [a, b]\n  timespan: m\n"), SL_E_SYNTAX },
        { CORRELATION(
              "x", "  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition:\n    gte: 2\n"),
          SL_E_UNSUPPORTED },
        { CORRELATION("x",
                      "  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  aliases:\n    u: v\n"),
          SL_E_UNKNOWN_FIELD },
        { CORRELATION("x",
                      "  type: temporal\n  rules: [a, b, c, d, e, f, g, h, i]\n  timespan: 1m\n"),
          SL_E_LIMIT },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = SL_MIB };
        sl_correlation c;
        sl_res r = sl_correlation_read(sl_view_str(cases[i].text), &arena, &c);
        if (r.code != (int32_t)cases[i].code) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
        }
        assert_int_equal(r.code, cases[i].code);
    }
}

static void rings_and_strangers_are_refused(void **state)
{
    (void)state;
    static const char one[] =
        CORRELATION("one", "  type: temporal\n  rules: [a, two]\n  timespan: 1m\n");
    static const char two[] =
        CORRELATION("two", "  type: temporal\n  rules: [a, one]\n  timespan: 1m\n");
    heard h = { { 0 }, 0 };
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    assert_done(sl_watch_add_rule(watch, sl_view_str(A)));
    assert_done(sl_watch_add_rule(watch, sl_view_str(one)));
    assert_code(sl_watch_bind(watch), SL_E_NOT_FOUND);
    assert_done(sl_watch_add_rule(watch, sl_view_str(two)));
    assert_code(sl_watch_bind(watch), SL_E_SYNTAX);
    assert_code(sl_watch_add_rule(watch, sl_view_str(two)), SL_E_DUPLICATE);
    sl_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlations_hold_when_they_should),
        cmocka_unit_test(shipped_correlations_speak),
        cmocka_unit_test(the_past_counts_and_is_silent),
        cmocka_unit_test(crowds_are_told_and_bounded),
        cmocka_unit_test(what_is_not_read_is_refused),
        cmocka_unit_test(rings_and_strangers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
