/* Advisories against packages: listed versions, ranges, what cannot be told. */
#include "test.h"

#include "supply/advisory.h"

typedef struct {
    size_t found;
    size_t unknown;
    char fixed[64];
    char id[64];
} result;

static sl_res count(void *context, const sl_package *package, const sl_advisory *a)
{
    (void)package;
    result *r = context;
    r->found += !a->unknown;
    r->unknown += a->unknown;
    (void)snprintf(r->fixed, sizeof r->fixed, "%.*s", SL_FMT(a->fixed));
    (void)snprintf(r->id, sizeof r->id, "%.*s", SL_FMT(a->id));
    return SL_DONE;
}

static result match(const char *json, sl_ecosystem e, const char *name, const char *version)
{
    SL_OWN(sl_packages, packages, sl_packages_free) = { 0 };
    char modified[32];
    result r = { 0 };
    sl_package p = { .ecosystem = e, .name = sl_view_str(name), .version = sl_view_str(version) };
    assert_done(sl_packages_add(&packages, &p));
    sl_packages_sort(&packages);
    assert_done(sl_advisory_match(sl_view_str(json), &packages, count, &r, modified));
    return r;
}

#define RECORD(ecosystem, name, body)                                                              \
    "{\"id\":\"T-1\",\"modified\":\"2026-01-01T00:00:00Z\",\"affected\":[{\"package\":{"           \
    "\"ecosystem\":\"" ecosystem "\",\"name\":\"" name "\"}," body "}]}"
#define RANGE(events) "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" events "]}]"

static void ranges_and_lists(void **state)
{
    (void)state;
    static const char *const TWO = RECORD(
        "PyPI", "Key_ras",
        RANGE(
            "{\"introduced\":\"3.0\"},{\"fixed\":\"3.2\"},{\"introduced\":\"0\"},{\"fixed\":\"1.5\"}"));
    static const char *const LAST =
        RECORD("npm", "x", RANGE("{\"introduced\":\"1.0.0\"},{\"last_affected\":\"1.5.0\"}"));
    static const char *const LIST = RECORD("PyPI", "key-ras", "\"versions\":[\"7.0\"]");
    static const char *const COMMITS = RECORD(
        "PyPI", "key-ras", "\"ranges\":[{\"type\":\"GIT\",\"events\":[{\"introduced\":\"0\"}]}]");
    static const struct {
        const char *const *json;
        sl_ecosystem e;
        const char *name;
        const char *version;
        size_t found;
        size_t unknown;
        const char *fixed;
    } CASES[] = {
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "0.9", 1, 0, "1.5" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "1.5rc1", 1, 0, "1.5" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "1.5", 0, 0, "" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "2.9", 0, 0, "" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "3.0", 1, 0, "3.2" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "3.2.0", 0, 0, "" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "newest", 0, 1, "" },
        { &TWO, SL_ECOSYSTEM_PYPI, "key.ras", "", 0, 1, "" },
        { &TWO, SL_ECOSYSTEM_CONDA, "key-ras", "3.1", 1, 0, "3.2" },
        { &TWO, SL_ECOSYSTEM_NPM, "key-ras", "3.1", 0, 0, "" },
        { &LAST, SL_ECOSYSTEM_NPM, "x", "1.5.0", 1, 0, "" },
        { &LAST, SL_ECOSYSTEM_NPM, "x", "1.5.1", 0, 0, "" },
        { &LAST, SL_ECOSYSTEM_NPM, "x", "1.0.0-rc.1", 0, 0, "" },
        { &LIST, SL_ECOSYSTEM_PYPI, "key-ras", "7.0", 1, 0, "" },
        { &LIST, SL_ECOSYSTEM_PYPI, "key-ras", "7.1", 0, 0, "" },
        { &COMMITS, SL_ECOSYSTEM_PYPI, "key-ras", "7.1", 0, 0, "" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        result r = match(*CASES[i].json, CASES[i].e, CASES[i].name, CASES[i].version);
        if (r.found != CASES[i].found || r.unknown != CASES[i].unknown ||
            (r.found > 0 && strcmp(r.fixed, CASES[i].fixed) != 0)) {
            print_error("case %zu: %zu found, %zu unknown, fixed in \"%s\"\n", i, r.found,
                        r.unknown, r.fixed);
            fail();
        }
    }
}

static void a_withdrawn_record_says_nothing(void **state)
{
    (void)state;
    result r = match("{\"id\":\"T-1\",\"withdrawn\":\"2026-01-01T00:00:00Z\",\"affected\":[{"
                     "\"package\":{\"ecosystem\":\"PyPI\",\"name\":\"a\"},\"versions\":[\"1\"]}]}",
                     SL_ECOSYSTEM_PYPI, "a", "1");
    assert_int_equal(r.found + r.unknown, 0);
}

static void what_is_no_record_is_an_error(void **state)
{
    (void)state;
    sl_packages none = { 0 };
    char modified[32];
    assert_code(sl_advisory_match(SL_LIT("{}"), &none, count, NULL, modified), SL_E_MISSING_FIELD);
    assert_code(sl_advisory_match(SL_LIT("{\"id\":"), &none, count, NULL, modified),
                SL_E_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_and_lists),
        cmocka_unit_test(a_withdrawn_record_says_nothing),
        cmocka_unit_test(what_is_no_record_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
