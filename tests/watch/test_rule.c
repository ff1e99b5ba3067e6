/* Sigma rules: what they match, and that what we do not read is refused, not guessed. */
#include "test.h"

#include "watch/rule.h"

#define HEAD "title: t\nid: r1\nlevel: high\nlogsource:\n  product: stoplog\ndetection:\n"

static const char leaf_text[] =
    "{\"by\":\"ask\",\"event\":{\"door\":\"ask\",\"fields\":{\"count\":12,\"name\":\"Alpha-7 beta\","
    "\"none\":null,\"ok\":false},\"principal\":\"p1\",\"type\":\"ask.finding\"},\"time\":5,\"v\":1}";

static void rules_match_as_sigma_says(void **state)
{
    static const struct {
        const char *detection;
        bool matches;
    } cases[] = {
        { "  a:\n    type: ask.finding\n  condition: a\n", true },
        { "  a:\n    type: ASK.FINDING\n  condition: a\n", true },
        { "  a:\n    type: ask.*\n    by: a?k\n  condition: a\n", true },
        { "  a:\n    type: ask.find\n  condition: a\n", false },
        { "  a:\n    type:\n      - x.y\n      - ask.finding\n  condition: a\n", true },
        { "  a:\n    type: ask.finding\n    ok: 'true'\n  condition: a\n", false },
        { "  a:\n    - type: x.y\n    - ok: 'false'\n  condition: a\n", true },
        { "  a:\n    name|contains: PHA-7\n  condition: a\n", true },
        { "  a:\n    name|contains|all: [alpha, beta]\n  condition: a\n", true },
        { "  a:\n    name|contains|all: [alpha, gamma]\n  condition: a\n", false },
        { "  a:\n    name|startswith: alpha\n    name|endswith: BETA\n  condition: a\n", true },
        { "  a:\n    count|gte: '12'\n    count|lt: '13'\n  condition: a\n", true },
        { "  a:\n    count|gt: '12'\n  condition: a\n", false },
        { "  a:\n    missing|exists: 'false'\n    name|exists: 'true'\n  condition: a\n", true },
        { "  a:\n    none|exists: 'true'\n  condition: a\n", false },
        { "  a:\n    missing: '*'\n  condition: a\n", false },
        { "  a:\n    by: ask\n  b:\n    by: x\n  condition: a and not b\n", true },
        { "  a:\n    by: ask\n  b:\n    by: x\n  condition: not (a or b)\n", false },
        { "  a:\n    by: x\n  b:\n    by: x\n  c:\n    by: ask\n  condition: a and b or c\n",
          true },
        { "  a:\n    by: x\n  b:\n    by: x\n  c:\n    by: ask\n  condition: a and (b or c)\n",
          false },
        { "  s1:\n    by: x\n  s2:\n    by: ask\n  condition: 1 of s*\n", true },
        { "  s1:\n    by: x\n  s2:\n    by: ask\n  condition: all of s*\n", false },
        { "  s1:\n    by: x\n  s2:\n    by: ask\n  condition: any of them\n", true },
    };
    SL_OWN(sl_json_doc, leaf, sl_json_doc_free) = { 0 };
    assert_done(sl_json_parse(sl_view_str(leaf_text), &leaf));
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 1 * SL_MIB };
        SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 4096 };
        assert_done(sl_buf_add_str(&yaml, HEAD));
        assert_done(sl_buf_add_str(&yaml, cases[i].detection));
        const sl_rule *rule = NULL;
        assert_done(sl_rule_read(sl_buf_view(&yaml), &arena, &rule));
        if (sl_rule_matches(rule, &leaf) != cases[i].matches) {
            print_error("%s", cases[i].detection);
            fail();
        }
        assert_int_equal(sl_rule_level(rule), SL_LEVEL_HIGH);
    }
}

static void what_is_not_read_is_refused(void **state)
{
    static const struct {
        const char *detection;
        sl_code code;
        uint64_t line;
    } cases[] = {
        { "  a:\n    name|re: x.*\n  condition: a\n", SL_E_UNSUPPORTED, 8 },
        { "  a:\n    name|base64: x\n  condition: a\n", SL_E_UNSUPPORTED, 8 },
        { "  a:\n    count|gt: many\n  condition: a\n", SL_E_SYNTAX, 8 },
        { "  a:\n    by: x\n", SL_E_MISSING_FIELD, 7 },
        { "  a:\n    by: x\n  condition: b\n", SL_E_SYNTAX, 9 },
        { "  a:\n    by: x\n  condition: a and\n", SL_E_SYNTAX, 9 },
        { "  a:\n    by: x\n  condition: a a\n", SL_E_SYNTAX, 9 },
        { "  a:\n    by: x\n  condition: (a\n", SL_E_SYNTAX, 9 },
        { "  a:\n    by: x\n  condition: a )\n", SL_E_SYNTAX, 9 },
        { "  a:\n    by: x\n  condition: count() > 5\n", SL_E_SYNTAX, 9 },
        { "  a: text\n  condition: a\n", SL_E_SYNTAX, 7 },
        { "  a:\n    by: x\n  condition: a\nlevels: high\n", SL_E_UNKNOWN_FIELD, 10 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 1 * SL_MIB };
        SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 4096 };
        assert_done(sl_buf_add_str(&yaml, HEAD));
        assert_done(sl_buf_add_str(&yaml, cases[i].detection));
        const sl_rule *rule = NULL;
        sl_res r = sl_rule_read(sl_buf_view(&yaml), &arena, &rule);
        if (r.code != (int32_t)cases[i].code || sl_detail_get()->offset != cases[i].line) {
            print_error("%s: %s line %d\n", cases[i].detection, sl_res_name(r),
                        (int)sl_detail_get()->offset);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_match_as_sigma_says),
        cmocka_unit_test(what_is_not_read_is_refused),
    };
    return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
