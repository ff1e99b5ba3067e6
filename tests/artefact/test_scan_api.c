/* The public C API: what a program outside the project sees of a scan, through the shared library. */
#include "test.h"

#include <string.h>

#include "stoplog/scan.h"

typedef struct {
    const char *what;
    const char *bytes;
    size_t length;
    const char *name;
    const char *class;
    const char *kind;
    const char *rule; /* NULL: no finding */
} row;

#define BYTES(text) text, sizeof text - 1
static const row ROWS[] = {
    { "plain data", BYTES("\x80\x02}q\0U\1aq\1K\1s."), "a.pkl", "clean", "pickle", NULL },
    { "a command", BYTES("cos\nsystem\n(U\012echo inerttR."), "m.pkl", "dangerous", "pickle",
      "pickle.call_denied" },
    { "a stranger's class",
      BYTES("\x80\x02"
            "cacme.models\nNet\n."),
      "m.pkl", "unknown", "pickle", "pickle.global_unknown" },
};

static void bytes_get_their_class(void **state)
{
    stoplog_scanner *scanner = stoplog_scanner_new(NULL);
    assert_non_null(scanner);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const row *w = &ROWS[i];
        stoplog_scan *s = stoplog_scan_bytes(scanner, w->bytes, w->length, w->name);
        assert_non_null(s);
        assert_string_equal(stoplog_scan_class(s), w->class);
        assert_string_equal(stoplog_scan_kind(s), w->kind);
        assert_true(stoplog_scan_complete(s));
        assert_false(stoplog_scan_names_others(s));
        bool seen = w->rule == NULL && stoplog_scan_finding_count(s) == 0;
        for (size_t k = 0; w->rule != NULL && k < stoplog_scan_finding_count(s); k++) {
            stoplog_scan_finding f = stoplog_scan_finding_get(s, k);
            seen = seen || (strcmp(f.rule, w->rule) == 0 && strcmp(f.verdict, w->class) == 0 &&
                            *f.title != 0 && *f.remedy != 0 && *f.evidence != 0);
        }
        if (!seen) {
            fail_msg("%s: not told as expected", w->what);
        }
        assert_null(stoplog_scan_finding_get(s, stoplog_scan_finding_count(s)).rule);
        stoplog_scan_free(s);
    }
    stoplog_scanner_free(scanner);
}

/* A zip whose directory is cut off: never clean. */
static void what_is_cut_short_is_not_clean(void **state)
{
    static const char HEAD[] = "PK\3\4\24\0\0\0\0\0";
    stoplog_scanner *scanner = stoplog_scanner_new(NULL);
    stoplog_scan *s = stoplog_scan_bytes(scanner, HEAD, sizeof HEAD - 1, "m.zip");
    assert_non_null(s);
    assert_string_not_equal(stoplog_scan_class(s), "clean");
    stoplog_scan_free(s);
    s = stoplog_scan_bytes(scanner, NULL, 0, "");
    assert_non_null(s);
    assert_int_equal(stoplog_scan_finding_count(s) == 0,
                     strcmp(stoplog_scan_class(s), "clean") == 0);
    stoplog_scan_free(s);
    stoplog_scanner_free(scanner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_get_their_class),
        cmocka_unit_test(what_is_cut_short_is_not_clean),
    };
    return cmocka_run_group_tests_name("scan_api", tests, NULL, NULL);
}
