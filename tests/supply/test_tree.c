/* Reading a tree from the disk: links, devices and files in motion never pass unseen. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "supply/tree.h"

static char root[] = "/tmp/stoplog-tree-XXXXXX";
static int root_fd = -1;
static unsigned seen;

static void note(void *context, sl_tree_problem problem, sl_view path)
{
    (void)context;
    (void)path;
    seen |= 1U << (unsigned)problem;
}

static int set_up(void **state)
{
    (void)state;
    seen = 0;
    memcpy(root, "/tmp/stoplog-tree-XXXXXX", sizeof root);
    assert_non_null(mkdtemp(root));
    assert_done(sl_dir_open(AT_FDCWD, root, &root_fd));
    assert_int_equal(mkdirat(root_fd, "sub", 0755), 0);
    assert_done(sl_file_create(root_fd, "a", SL_LIT("1"), 0644));
    assert_done(sl_file_create(root_fd, "sub/empty", SL_LIT(""), 0644));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const NAMES[] = { "a", "sub/empty", "link", "fifo", "bad\xFF", "dir-link" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        (void)unlinkat(root_fd, NAMES[i], 0);
    }
    (void)unlinkat(root_fd, "sub", AT_REMOVEDIR);
    (void)rmdir(root);
    sl_fd_close(&root_fd);
    return 0;
}

static size_t read_tree(const sl_view *skip, size_t skip_count, sl_manifest *m)
{
    sl_tree_options options = { .skip = skip, .skip_count = skip_count, .report = note };
    size_t problems = 99;
    assert_done(sl_tree_read(root, &options, m, &problems));
    return problems;
}

static void every_file_is_read(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    sl_digest one = sl_sha256(SL_LIT("1"));
    sl_digest empty = sl_sha256(SL_LIT(""));
    assert_int_equal(read_tree(NULL, 0, &m), 0);
    assert_int_equal(m.n, 2);
    assert_view(m.files[0].path, "a");
    assert_true(sl_digest_eq(&m.files[0].digest, &one));
    assert_view(m.files[1].path, "sub/empty");
    assert_true(sl_digest_eq(&m.files[1].digest, &empty));
}

static void a_single_file_is_a_model(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 100 };
    sl_tree_options options = { .report = note };
    size_t problems = 99;
    assert_done(sl_buf_addf(&path, "%s/a", root));
    assert_done(sl_tree_read(sl_buf_cstr(&path), &options, &m, &problems));
    assert_int_equal(problems, 0);
    assert_int_equal(m.n, 1);
    assert_view(m.files[0].path, ".");
}

static void what_is_skipped_is_said_and_not_read(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    sl_view skip[] = { SL_LIT("sub") };
    assert_int_equal(read_tree(skip, 1, &m), 0);
    assert_int_equal(m.n, 1);
    assert_int_equal(seen, 1U << SL_TREE_SKIPPED);
}

static void links_and_fifos_are_problems(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    assert_int_equal(symlinkat("/etc/passwd", root_fd, "link"), 0);
    assert_int_equal(symlinkat("/etc", root_fd, "dir-link"), 0);
    assert_int_equal(mkfifoat(root_fd, "fifo", 0644), 0);
    assert_int_equal(read_tree(NULL, 0, &m), 3);
    assert_int_equal(m.n, 2);
    assert_int_equal(seen, (1U << SL_TREE_LINK) | (1U << SL_TREE_SPECIAL));
}

static void a_name_that_is_not_utf8_is_a_problem(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    assert_done(sl_file_create(root_fd, "bad\xFF", SL_LIT("x"), 0644));
    assert_int_equal(read_tree(NULL, 0, &m), 1);
    assert_int_equal(seen, 1U << SL_TREE_NAME);
}

static void a_device_or_nothing_is_no_model(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    sl_tree_options options = { 0 };
    size_t problems = 0;
    assert_code(sl_tree_read("/dev/null", &options, &m, &problems), SL_E_UNSUPPORTED);
    assert_code(sl_tree_read("/nowhere/at/all", &options, &m, &problems), SL_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_file_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_single_file_is_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_skipped_is_said_and_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_and_fifos_are_problems, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_not_utf8_is_a_problem, set_up, tear_down),
        cmocka_unit_test(a_device_or_nothing_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
