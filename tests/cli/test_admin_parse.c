/* What people type for times, budgets and principals. */
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/file.h"
#include "cli/admin.h"

#define NOW_MS INT64_C(1800000000000)

static void times_are_dates_or_spans(void **state)
{
    static const struct {
        const char *text;
        int64_t want_ms; /* -1: refused */
    } cases[] = {
        { "90m", NOW_MS + 90 * INT64_C(60000) },
        { "12h", NOW_MS + 12 * INT64_C(3600000) },
        { "30d", NOW_MS + 30 * INT64_C(86400000) },
        { "1970-01-01", 0 },
        { "2000-03-01", INT64_C(951868800000) },
        { "2026-12-31", INT64_C(1798675200000) },
        { "2026-12-31T08:30:05Z", INT64_C(1798705805000) },
        { "2028-02-29", INT64_C(1835395200000) },
        { "2027-02-29", -1 },
        { "2100-02-29", -1 },
        { "2026-13-01", -1 },
        { "2026-00-10", -1 },
        { "2026-12-32", -1 },
        { "2026-12-31T24:00:00Z", -1 },
        { "2026-12-31 08:30:05Z", -1 },
        { "2026/12/31", -1 },
        { "1969-12-31", -1 },
        { "30", -1 },
        { "d", -1 },
        { "-3d", -1 },
        { "99999d", -1 },
        { "", -1 },
        { "forever", -1 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        int64_t ms = -1;
        sl_res r = sl_until_parse(cases[i].text, NOW_MS, &ms);
        if (sl_ok(r) != (cases[i].want_ms >= 0) || ms != cases[i].want_ms) {
            print_error("%s: %lld\n", cases[i].text, (long long)ms);
            fail();
        }
    }
}

static void budgets_name_their_unit(void **state)
{
    int64_t value = 0;
    assert_done(sl_budget_parse("100/h", 'h', &value));
    assert_int_equal(value, 100);
    static const char *const bad[] = { "100", "100/d", "/h", "0/h", "x/h", "1/hh", "-1/h", "" };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_code(sl_budget_parse(bad[i], 'h', &value), SL_E_SYNTAX);
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static void a_principal_keeps_its_random_id(void **state)
{
    char directory[] = "/tmp/sl-principal-XXXXXX";
    assert_non_null(mkdtemp(directory));
    sl_cli cli = { .site = directory };
    sl_uid first;
    sl_uid again;
    sl_uid other;
    int top = -1;
    assert_done(sl_dir_open(AT_FDCWD, directory, &top));
    assert_done(sl_dir_make(top, "state", 0700));
    (void)close(top);
    assert_code(sl_principal_id(&cli, "ml-job", false, first), SL_E_NOT_FOUND);
    assert_done(sl_principal_id(&cli, "ml-job", true, first));
    assert_done(sl_principal_id(&cli, "ml-job", true, again));
    assert_done(sl_principal_id(&cli, "ml-job2", true, other));
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_done(sl_principal_id(&cli, first, false, other));
    assert_string_equal(first, other);
    assert_code(sl_principal_id(&cli, "../x", true, other), SL_E_SYNTAX);
    assert_code(sl_principal_id(&cli, "two words", true, other), SL_E_SYNTAX);
    assert_int_equal(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void a_passphrase_is_the_first_line(void **state)
{
    char path[] = "/tmp/sl-passphrase-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, SL_LIT("open sesame\nrest\n")));
    (void)close(fd);
    SL_OWN(sl_buf, text, sl_passphrase_free) = { .max = 64 };
    assert_done(sl_passphrase_read(path, &text));
    assert_view(sl_buf_view(&text), "open sesame");
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_dates_or_spans),
        cmocka_unit_test(budgets_name_their_unit),
        cmocka_unit_test(a_principal_keeps_its_random_id),
        cmocka_unit_test(a_passphrase_is_the_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
