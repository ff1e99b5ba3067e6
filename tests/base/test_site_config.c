/* The site's configuration: what checks compare with, read strictly. */
#include "test.h"

#include "base/limits.h"
#include "base/site_config.h"

static sl_site_config config; /* large */

static sl_res read_text(sl_arena *arena, const char *text)
{
    return sl_site_config_read(arena, sl_view_str(text), &config);
}

static void regimes_are_read_with_their_time(void **state)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = SL_MIB };
    assert_done(read_text(&arena, "assure:\n  regimes:\n    - name: gdpr\n      within: 72h\n"
                                  "    - name: nis2\n      within: 24h\n"));
    assert_int_equal(config.assure.regime_count, 2);
    assert_view(config.assure.regimes[1].name, "nis2");
    assert_int_equal(config.assure.regimes[0].within_ms, 72 * 3600 * 1000);
}

static void a_regime_that_says_too_little_is_an_error(void **state)
{
    static const struct {
        const char *list;
        sl_code code;
    } cases[] = {
        { "    - name: gdpr\n", SL_E_MISSING_FIELD },
        { "    - within: 72h\n", SL_E_MISSING_FIELD },
        { "    - name: gdpr\n      within: 10ms\n", SL_E_RANGE },
        { "    - name: G DPR\n      within: 72h\n", SL_E_SYNTAX },
        { "    - name: gdpr\n      within: 72h\n      to: us\n", SL_E_UNKNOWN_FIELD },
        { "    - name: a\n      within: 72h\n    - name: a\n      within: 1h\n", SL_E_DUPLICATE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = SL_MIB };
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
        assert_done(sl_buf_addf(&text, "assure:\n  regimes:\n%s", cases[i].list));
        assert_code(read_text(&arena, sl_buf_cstr(&text)), cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regimes_are_read_with_their_time),
        cmocka_unit_test(a_regime_that_says_too_little_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
