/* The public C API: what a program outside the project sees, through the shared library. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "stoplog/inspect.h"

static void a_text_is_inspected_and_redacted(void **state)
{
    static const char TEXT[] = "Subject 01-701-1083, SSN 123-45-6789.";
    stoplog_inspector *i = stoplog_inspector_new(NULL, 0, NULL);
    assert_non_null(i);
    stoplog_inspection *r = stoplog_inspect(i, TEXT, strlen(TEXT));
    assert_non_null(r);
    assert_string_equal(stoplog_verdict(r), "transform");
    assert_int_equal(stoplog_finding_count(r), 2);
    stoplog_finding f = stoplog_finding_get(r, 1);
    assert_string_equal(f.kind, "ssn");
    assert_string_equal(f.rule, "documents");
    assert_int_equal(f.start, 25);
    assert_null(stoplog_finding_get(r, 2).kind);
    stoplog_inspection_free(r);
    size_t n = 0;
    char *redacted = stoplog_redact(i, TEXT, strlen(TEXT), &n);
    assert_string_equal(redacted, "Subject [SUBJECT], SSN [SSN].");
    assert_int_equal(n, strlen(redacted));
    free(redacted);
    stoplog_inspector_free(i);
}

static void a_wrong_policy_says_why(void **state)
{
    const char *why = NULL;
    assert_null(stoplog_inspector_new("rules: 1", 8, &why));
    assert_non_null(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_inspected_and_redacted),
        cmocka_unit_test(a_wrong_policy_says_why),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
