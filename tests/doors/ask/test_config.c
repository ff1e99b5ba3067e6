/* The ask door's configuration: models by name, by upstream, and what is wrong. */
#include "test.h"

#include "doors/ask/config.h"

static const char good[] = "front:\n"
                           "  body_max: 1MiB\n"
                           "egress:\n"
                           "  upstreams:\n"
                           "    - name: big\n"
                           "      url: \"https://models.example.org/v1\"\n"
                           "      models: [large, small]\n"
                           "      compartments: [trial]\n"
                           "    - name: any\n"
                           "      url: \"http://127.0.0.1:8000/v1\"\n"
                           "ask:\n"
                           "  silence_max: 5s\n"
                           "  abilities: [logprobs]\n"
                           "  restore_tools: [lookup]\n"
                           "  models:\n"
                           "    - name: house\n"
                           "      served_as: ngram-1\n"
                           "      upstreams: [any]\n"
                           "      compartments: [trial, other]\n";

static void models_are_found_by_name_and_by_upstream(void **state)
{
    sl_ask_config c;
    sl_ask_model m;
    assert_done(sl_ask_config_read(sl_view_str(good), &c));
    assert_int_equal(c.limits.body_bytes_max, 1 << 20);
    assert_int_equal(c.limits.silence_ms_max, 5000);
    assert_int_equal(c.features, 1U << SL_FEATURE_LOGPROBS);
    assert_done(sl_ask_config_model(&c, SL_LIT("house"), &m));
    assert_view(m.route.upstream_model, "ngram-1");
    assert_view(m.route.upstreams[0], "any");
    assert_int_equal(m.compartments_n, 2);
    assert_false(m.all);
    assert_done(sl_ask_config_model(&c, SL_LIT("large"), &m));
    assert_int_equal(m.route.upstreams_n, 2);
    assert_view(m.route.upstreams[0], "big");
    assert_true(m.all); /* the second does not say what it draws on */
    assert_done(sl_ask_config_model(&c, SL_LIT("unheard"), &m));
    assert_view(m.route.upstreams[0], "any");
    sl_ask_config_free(&c);
}

static void without_upstreams_there_is_no_model(void **state)
{
    sl_ask_config c;
    sl_ask_model m;
    assert_done(sl_ask_config_read(SL_LIT("front:\n  body_max: 1MiB\n"), &c));
    assert_code(sl_ask_config_model(&c, SL_LIT("any"), &m), SL_E_NOT_FOUND);
    sl_ask_config_free(&c);
}

static void mistakes_are_refused(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
    } bad[] = {
        { "ask:\n  model: []\n", SL_E_UNKNOWN_FIELD },
        { "ask:\n  abilities: [everything]\n", SL_E_UNKNOWN_FIELD },
        { "ask:\n  silence_max: 5\n", SL_E_TYPE },
        { "ask:\n  models:\n    - name: x\n", SL_E_MISSING_FIELD },
        { "door: ask\n", SL_E_UNKNOWN_FIELD },
    };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        sl_ask_config c;
        assert_code(sl_ask_config_read(sl_view_str(bad[i].text), &c), bad[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_found_by_name_and_by_upstream),
        cmocka_unit_test(without_upstreams_there_is_no_model),
        cmocka_unit_test(mistakes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
