/* Orders of versions. Each list is sorted; every pair of it is compared both ways. The PyPI list follows
 * the examples of PEP 440, the npm one those of Semantic Versioning 2.0.0, section 11. */
#include "test.h"

#include "supply/version.h"

static int order_of(sl_ecosystem e, const char *a, const char *b)
{
    int order = 99;
    assert_done(sl_version_cmp(e, sl_view_str(a), sl_view_str(b), &order));
    return order;
}

static void check_sorted(sl_ecosystem e, const char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        for (size_t j = 0; list[j] != NULL; j++) {
            int order = order_of(e, list[i], list[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j)) {
                print_error("%s against %s gave %d\n", list[i], list[j], order);
                fail();
            }
        }
    }
}

static void each_order_is_its_own(void **state)
{
    (void)state;
    static const char *const PYPI[] = { "0.9",
                                        "1.0.dev1",
                                        "1.0.dev456",
                                        "1.0a1",
                                        "1.0a2.dev456",
                                        "1.0a12.dev456",
                                        "1.0a12",
                                        "1.0b1.dev456",
                                        "1.0b2",
                                        "1.0b2.post345.dev456",
                                        "1.0b2.post345",
                                        "1.0rc1.dev456",
                                        "1.0rc1",
                                        "1.0",
                                        "1.0+abc.5",
                                        "1.0+abc.7",
                                        "1.0+5",
                                        "1.0.post456.dev34",
                                        "1.0.post456",
                                        "1.1.dev1",
                                        "1.9",
                                        "1.10",
                                        "18446744073709551616.0",
                                        "1!0.1",
                                        NULL };
    static const char *const NPM[] = { "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                       "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                       "1.0.0-rc.1",  "1.0.0",         "1.2.0",
                                       "1.10.0",      "2.0.0",         NULL };
    static const char *const R[] = {
        "0.9", "0.9.1", "1.0", "1.0-1", "1.0-12", "1.1", "1.10", NULL
    };
    static const char *const DEBIAN[] = { "0.9~rc1-1", "0.9-1",  "0.9-1+deb12u1", "0.9a-1",
                                          "0.9.1-1",   "0.10-1", "1.0~~",         "1.0~",
                                          "1.0",       "1.0-1",  "1:0.1",         NULL };
    check_sorted(SL_ECOSYSTEM_PYPI, PYPI);
    check_sorted(SL_ECOSYSTEM_NPM, NPM);
    check_sorted(SL_ECOSYSTEM_CRAN, R);
    check_sorted(SL_ECOSYSTEM_DEBIAN, DEBIAN);
}

static void other_spellings_are_the_same(void **state)
{
    (void)state;
    static const struct {
        sl_ecosystem e;
        const char *a;
        const char *b;
    } SAME[] = {
        { SL_ECOSYSTEM_PYPI, "1.0", "1.0.0" },
        { SL_ECOSYSTEM_PYPI, "v1.0", "1" },
        { SL_ECOSYSTEM_PYPI, "1.0-alpha-1", "1.0a1" },
        { SL_ECOSYSTEM_PYPI, "1.0C1", "1.0rc1" },
        { SL_ECOSYSTEM_PYPI, "1.0preview2", "1.0rc2" },
        { SL_ECOSYSTEM_PYPI, "1.0-1", "1.0.post1" },
        { SL_ECOSYSTEM_PYPI, "1.0r3", "1.0.post3" },
        { SL_ECOSYSTEM_PYPI, "1.0.post", "1.0.post0" },
        { SL_ECOSYSTEM_PYPI, "1.0+a_B", "1.0+A.b" },
        { SL_ECOSYSTEM_PYPI, "01.002", "1.2" },
        { SL_ECOSYSTEM_NPM, "1.0.0+build", "1.0.0" },
        { SL_ECOSYSTEM_NPM, "v1.2", "1.2.0" },
        { SL_ECOSYSTEM_CRAN, "1.2-3", "1.2.3" },
        { SL_ECOSYSTEM_DEBIAN, "0:1.0", "1.0" },
    };
    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++) {
        assert_int_equal(order_of(SAME[i].e, SAME[i].a, SAME[i].b), 0);
    }
}

static void what_is_no_version_is_an_error(void **state)
{
    (void)state;
    static const struct {
        sl_ecosystem e;
        const char *text;
    } BAD[] = {
        { SL_ECOSYSTEM_PYPI, "" },         { SL_ECOSYSTEM_PYPI, "latest" },
        { SL_ECOSYSTEM_PYPI, "1.0 beta" }, { SL_ECOSYSTEM_PYPI, "1.0+" },
        { SL_ECOSYSTEM_PYPI, "1..0" },     { SL_ECOSYSTEM_PYPI, "1.0a1b2" },
        { SL_ECOSYSTEM_NPM, "1.x.0" },     { SL_ECOSYSTEM_NPM, "1.2.3.4" },
        { SL_ECOSYSTEM_NPM, "^1.2.3" },    { SL_ECOSYSTEM_CRAN, "1.0-beta" },
        { SL_ECOSYSTEM_CRAN, "1." },       { SL_ECOSYSTEM_DEBIAN, "a1" },
        { SL_ECOSYSTEM_DEBIAN, "x:1" },
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        int order = 0;
        assert_code(sl_version_cmp(BAD[i].e, sl_view_str(BAD[i].text), SL_LIT("1.0"), &order),
                    SL_E_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_order_is_its_own),
        cmocka_unit_test(other_spellings_are_the_same),
        cmocka_unit_test(what_is_no_version_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
