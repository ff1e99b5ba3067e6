/* Files are replaced whole, created once, and read up to a ceiling; secrets are guarded. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"

static int make_dir(void **state)
{
    static char path[] = "/tmp/stoplog-test-XXXXXX";
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    if (mkdtemp(path) == NULL) {
        return -1;
    }
    *state = path;
    return 0;
}

static int drop_dir(void **state)
{
    return rmdir(*state);
}

static void files_are_replaced_and_created(void **state)
{
    SL_OWN(int, dir, sl_fd_close) = -1;
    assert_done(sl_dir_open(AT_FDCWD, *state, &dir));
    assert_done(sl_file_replace(dir, "a", SL_LIT("one"), 0600));
    assert_done(sl_file_replace(dir, "a", SL_LIT("two!"), 0640));
    assert_code(sl_file_create(dir, "a", SL_LIT("three"), 0600), SL_E_EXISTS);
    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 4 };
    assert_done(sl_file_read(dir, "a", &b));
    assert_view(sl_buf_view(&b), "two!");
    struct stat st;
    assert_int_equal(fstatat(dir, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    SL_OWN(sl_buf, small, sl_buf_free) = { .max = 3 };
    assert_code(sl_file_read(dir, "a", &small), SL_E_LIMIT);
    assert_int_equal(small.n, 0);
    assert_code(sl_file_read(dir, "none", &small), SL_E_NOT_FOUND);
    assert_int_equal(unlinkat(dir, "a", 0), 0);
}

static void a_full_disk_is_told_as_such(void **state)
{
    SL_OWN(int, full, sl_fd_close) = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    assert_code(sl_fd_write_all(full, SL_LIT("x")), SL_E_DISK_FULL);
    assert_code(sl_fd_pwrite_all(full, SL_LIT("x"), 0), SL_E_DISK_FULL);
}

static void directories_and_odd_files(void **state)
{
    SL_OWN(int, dir, sl_fd_close) = -1;
    assert_done(sl_dir_open(AT_FDCWD, *state, &dir));
    assert_done(sl_dir_make(dir, "x/y", 0700));
    assert_done(sl_dir_make(dir, "x/y", 0700));
    assert_done(sl_file_create(dir, "x/y/f", SL_LIT(""), 0600));
    assert_code(sl_dir_make(dir, "x/y/f", 0700), SL_E_EXISTS);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 10 };
    assert_code(sl_file_read(dir, "fifo", &b), SL_E_TYPE);
    assert_true(sl_path_exists(dir, "fifo"));
    assert_int_equal(unlinkat(dir, "fifo", 0), 0);
    assert_int_equal(unlinkat(dir, "x/y/f", 0), 0);
    assert_int_equal(unlinkat(dir, "x/y", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, "x", AT_REMOVEDIR), 0);
}

static void secrets_sit_at_the_guard_page(void **state)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    assert_done(sl_secret_alloc(32, &key));
    assert_int_equal(((uintptr_t)key.p + 32) % 4096, 0);
    assert_done(sl_random_bytes(key.p, key.n));
    uint8_t copy[32];
    memcpy(copy, key.p, 32);
    assert_true(sl_equal_constant_time(copy, key.p, 32));
    copy[31] ^= 1;
    assert_false(sl_equal_constant_time(copy, key.p, 32));
}

static void seeded_numbers_repeat(void **state)
{
    sl_prng a;
    sl_prng b;
    sl_prng_seed(&a, 7);
    sl_prng_seed(&b, 7);
    for (int i = 0; i < 100; i++) {
        assert_true(sl_prng_next(&a) == sl_prng_next(&b));
    }
    for (int i = 0; i < 1000; i++) {
        assert_true(sl_prng_below(&a, 7) < 7);
        double u = sl_prng_unit(&a);
        assert_true(u >= 0 && u < 1);
    }
}

static void times_are_written_in_utc(void **state)
{
    char text[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(1795264200123, text);
    assert_string_equal(text, "2026-11-21T12:30:00.123Z");
    sl_clock_text(-5, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_replaced_and_created, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(directories_and_odd_files, make_dir, drop_dir),
        cmocka_unit_test(a_full_disk_is_told_as_such),
        cmocka_unit_test(secrets_sit_at_the_guard_page),
        cmocka_unit_test(seeded_numbers_repeat),
        cmocka_unit_test(times_are_written_in_utc),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
