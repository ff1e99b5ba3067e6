/* Files of state/roster: one that the ledger names and that is lost is never taken for a compartment without people. */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "doors/protection.h"

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "ff23456789abcdef0123456789abcdef"

static void a_lost_file_says_what_to_do(void **state)
{
    char folder[] = "/tmp/sl-protection-XXXXXX";
    int dir_fd = -1;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 64 };
    assert_non_null(mkdtemp(folder));
    assert_done(sl_dir_open(AT_FDCWD, folder, &dir_fd));
    assert_done(sl_buf_add_str(&bytes, "of another compartment"));
    assert_done(sl_protection_read(dir_fd, "c", false, &bytes));
    assert_int_equal(bytes.n, 0);
    assert_done(sl_protection_check(dir_fd, "c", false));
    assert_code(sl_protection_check(dir_fd, "c", true), SL_E_INTEGRITY);
    assert_code(sl_protection_read(dir_fd, "c", true, &bytes), SL_E_INTEGRITY);
    assert_non_null(strstr(sl_detail_get()->field, "stoplog object rebuild"));
    assert_done(sl_file_replace(dir_fd, "c", SL_LIT("index"), 0444));
    assert_done(sl_protection_check(dir_fd, "c", true));
    assert_done(sl_protection_read(dir_fd, "c", true, &bytes));
    assert_true(sl_view_eq(sl_buf_view(&bytes), SL_LIT("index")));
    assert_int_equal(unlinkat(dir_fd, "c", 0), 0);
    sl_fd_close(&dir_fd);
    assert_int_equal(rmdir(folder), 0);
}

static void compartments_are_noted_once_and_counted(void **state)
{
    SL_OWN(sl_protected, list, sl_protected_free) = { 0 };
    sl_protected_count(&list, SL_LIT(ONE)); /* nothing is known of it */
    assert_done(sl_protected_note(&list, SL_LIT("short")));
    assert_int_equal(list.count, 0);
    for (int i = 0; i < 3; i++) {
        assert_done(sl_protected_note(&list, SL_LIT(ONE)));
        sl_protected_count(&list, SL_LIT(ONE));
    }
    assert_done(sl_protected_note(&list, SL_LIT(TWO)));
    assert_int_equal(list.count, 2);
    assert_true(sl_protected_has(&list, ONE));
    assert_true(sl_protected_has(&list, TWO));
    assert_false(sl_protected_has(&list, ""));
    assert_int_equal(sl_protected_sealed(&list, ONE), 3);
    assert_int_equal(sl_protected_sealed(&list, TWO), 0);
    assert_int_equal(sl_protected_sealed(&list, "none"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_file_says_what_to_do),
        cmocka_unit_test(compartments_are_noted_once_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
