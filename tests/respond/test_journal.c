/* The warden's journal: what was added is found again after a crash at any byte, whole and in order, and nothing
 * else is. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "respond/journal.h"

static char folder[64];
static int dir_fd = -1;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int begin(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sl-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_done(sl_dir_open(AT_FDCWD, folder, &dir_fd));
    return 0;
}

static int end(void **state)
{
    sl_fd_close(&dir_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

typedef struct {
    size_t n;
    char text[8][32];
} found_list;

static sl_res note(void *context, sl_view event)
{
    found_list *f = context;
    assert_true(f->n < SL_COUNT_OF(f->text) && event.n < sizeof f->text[0]);
    memcpy(f->text[f->n], event.p, event.n);
    f->text[f->n++][event.n] = 0;
    return SL_DONE;
}

static const char *const events[] = { "one", "the second", "3" };

static void write_three(sl_journal *j)
{
    found_list none = { 0 };
    (void)unlinkat(dir_fd, "journal", 0);
    assert_done(sl_journal_open(dir_fd, "journal", j, note, &none));
    assert_int_equal(none.n, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_done(sl_journal_add(j, sl_view_str(events[i])));
    }
    assert_int_equal(j->waiting, 3);
}

static void a_crash_at_any_byte_leaves_whole_records_in_order(void **state)
{
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = 4096 };
    sl_journal j = { .fd = -1 };
    write_three(&j);
    sl_journal_close(&j);
    assert_done(sl_file_read(dir_fd, "journal", &all));
    size_t whole[4] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        whole[i + 1] = whole[i] + 8 + strlen(events[i]);
    }
    assert_int_equal(all.n, whole[3]);
    for (size_t n = 0; n <= all.n; n++) {
        found_list found = { 0 };
        assert_done(sl_file_replace(dir_fd, "journal", sl_view_of(all.p, n), 0600));
        assert_done(sl_journal_open(dir_fd, "journal", &j, note, &found));
        size_t expect = n >= whole[3] ? 3 : n >= whole[2] ? 2 : n >= whole[1] ? 1 : 0;
        assert_int_equal(found.n, expect);
        assert_int_equal(j.waiting, expect);
        for (size_t i = 0; i < expect; i++) {
            assert_string_equal(found.text[i], events[i]);
        }
        /* Writing goes on behind the last whole one, and is found again. */
        assert_done(sl_journal_add(&j, SL_LIT("after")));
        sl_journal_close(&j);
        found = (found_list){ 0 };
        assert_done(sl_journal_open(dir_fd, "journal", &j, note, &found));
        assert_int_equal(found.n, expect + 1);
        assert_string_equal(found.text[expect], "after");
        sl_journal_close(&j);
    }
}

static void a_changed_byte_is_never_taken_for_an_event(void **state)
{
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = 4096 };
    sl_journal j = { .fd = -1 };
    write_three(&j);
    sl_journal_close(&j);
    assert_done(sl_file_read(dir_fd, "journal", &all));
    for (size_t at = 0; at < all.n; at++) {
        found_list found = { 0 };
        all.p[at] ^= 1;
        assert_done(sl_file_replace(dir_fd, "journal", sl_buf_view(&all), 0600));
        all.p[at] ^= 1;
        assert_done(sl_journal_open(dir_fd, "journal", &j, note, &found));
        assert_true(found.n < 3);
        for (size_t i = 0; i < found.n; i++) {
            assert_string_equal(found.text[i], events[i]);
        }
        sl_journal_close(&j);
    }
}

static void it_is_emptied_when_nothing_waits(void **state)
{
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = 4096 };
    found_list found = { 0 };
    sl_journal j = { .fd = -1 };
    write_three(&j);
    assert_done(sl_journal_done(&j));
    assert_done(sl_journal_done(&j));
    assert_done(sl_file_read(dir_fd, "journal", &all));
    assert_true(all.n !=
                0); /* which of the three is not in the ledger yet is not known: all are kept */
    assert_done(sl_journal_done(&j));
    assert_int_equal(j.waiting, 0);
    sl_buf_clear(&all);
    assert_done(sl_file_read(dir_fd, "journal", &all));
    assert_int_equal(all.n, 0);
    assert_done(sl_journal_done(&j)); /* once too often does no harm */
    assert_done(sl_journal_add(&j, SL_LIT("new")));
    sl_journal_close(&j);
    assert_done(sl_journal_open(dir_fd, "journal", &j, note, &found));
    assert_int_equal(found.n, 1);
    assert_string_equal(found.text[0], "new");
    assert_code(sl_journal_add(&j, (sl_view){ 0 }), SL_E_LIMIT);
    sl_journal_close(&j);
}

static sl_res refuse(void *context, sl_view event)
{
    (void)context;
    (void)event;
    return sl_fail(SL_E_LIMIT);
}

static void who_cannot_take_what_waits_does_not_start(void **state)
{
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = 4096 };
    sl_journal j = { .fd = -1 };
    write_three(&j);
    sl_journal_close(&j);
    assert_code(sl_journal_open(dir_fd, "journal", &j, refuse, NULL), SL_E_LIMIT);
    assert_done(sl_file_read(dir_fd, "journal", &all));
    assert_int_equal(all.n, 3 * 8 + 3 + 10 + 1); /* nothing was lost by trying */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crash_at_any_byte_leaves_whole_records_in_order, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_never_taken_for_an_event, begin, end),
        cmocka_unit_test_setup_teardown(it_is_emptied_when_nothing_waits, begin, end),
        cmocka_unit_test_setup_teardown(who_cannot_take_what_waits_does_not_start, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
