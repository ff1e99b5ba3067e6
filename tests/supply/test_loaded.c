/* The files of a process: a child of ours maps one, and is looked at from outside. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "supply/loaded.h"

static char folder[] = "/tmp/sl-loaded-XXXXXX";
static char path[128];

enum { MAPPED, OPENED, WRITTEN, CLOSED };

/* A child that holds the file in this way until it is told to end; returns when it holds it. */
static pid_t holder(int way, int *ret_release)
{
    int ready[2];
    int release[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(release), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(path, O_RDONLY);
        char *p = MAP_FAILED;
        if (way == MAPPED || way == WRITTEN) {
            p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        }
        if (way != OPENED) {
            close(fd);
        }
        if (way == WRITTEN && p != MAP_FAILED) {
            p[5000] = 'x'; /* its own page from now on */
        }
        close(release[1]);
        (void)!write(ready[1], &byte, 1);
        (void)!read(release[0], &byte, 1); /* the end of the pipe, also if the test dies */
        _exit(0);
    }
    close(ready[1]);
    close(release[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret_release = release[1];
    return child;
}

static void let_go(pid_t child, int release)
{
    int status = 0;
    close(release);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static int make_file(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 8192 };
    if (mkdtemp(folder) == NULL || !sl_ok(sl_buf_reserve(&bytes, 8192))) {
        return -1;
    }
    memset(bytes.p, 'w', 8192);
    bytes.n = 8192;
    (void)snprintf(path, sizeof path, "%s/w.safetensors", folder);
    return sl_ok(sl_file_replace(AT_FDCWD, path, sl_buf_view(&bytes), 0644)) ? 0 : -1;
}

static int drop_file(void **state)
{
    (void)unlink(path);
    (void)rmdir(folder);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return 0;
}

typedef struct {
    size_t count;
    sl_loaded last;
} found;

static sl_res note(void *context, const sl_loaded *f)
{
    found *one = context;
    if (sl_view_ends(f->path, SL_LIT("/w.safetensors"))) {
        one->count++;
        one->last = *f;
        one->last.path = (sl_view){ 0 };
    }
    return SL_DONE;
}

static found look(pid_t child, bool all)
{
    found seen = { 0 };
    assert_done(sl_loaded_files(child, all, note, &seen));
    return seen;
}

static sl_digest digest_of_file(void)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 8192 };
    assert_done(sl_file_read(AT_FDCWD, path, &bytes));
    return sl_sha256(sl_buf_view(&bytes));
}

static void mapped_or_open_it_is_found_and_hashed(void **state)
{
    sl_digest want = digest_of_file();
    for (int way = MAPPED; way <= OPENED; way++) {
        int release = -1;
        pid_t child = holder(way, &release);
        found seen = look(child, false);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.last.state, SL_LOADED_READ);
        assert_int_equal(seen.last.mapped, way == MAPPED);
        assert_int_equal(seen.last.bytes, 8192);
        assert_int_equal(seen.last.changed_kb, 0);
        assert_true(sl_digest_eq(&seen.last.digest, &want));
        let_go(child, release);
    }
}

static void what_was_copied_and_closed_cannot_be_seen(void **state)
{
    int release = -1;
    pid_t child = holder(CLOSED, &release);
    assert_int_equal(look(child, true).count, 0);
    let_go(child, release);
}

static void pages_changed_in_memory_are_told(void **state)
{
    int release = -1;
    pid_t child = holder(WRITTEN, &release);
    found seen = look(child, false);
    assert_int_equal(seen.count, 1);
    assert_true(seen.last.changed_kb >= 4);
    let_go(child, release);
}

/* Another file under the same name deceives nobody: what the process holds is read, or nothing is. */
static void a_replaced_file_is_read_as_the_process_holds_it(void **state)
{
    sl_digest want = digest_of_file();
    int release = -1;
    pid_t child = holder(OPENED, &release);
    assert_done(sl_file_replace(AT_FDCWD, path, SL_LIT("other bytes"), 0644));
    found seen = look(child, false);
    let_go(child, release);
    assert_int_equal(seen.count, 1);
    assert_true(seen.last.deleted);
    assert_int_equal(seen.last.state, SL_LOADED_READ); /* an open file needs no right but our own */
    assert_true(sl_digest_eq(&seen.last.digest, &want));

    child = holder(MAPPED, &release);
    assert_done(sl_file_replace(AT_FDCWD, path, SL_LIT("yet other bytes"), 0644));
    seen = look(child, false);
    let_go(child, release);
    assert_int_equal(seen.count, 1);
    assert_true(seen.last.deleted);
    sl_digest now = digest_of_file();
    assert_false(seen.last.state == SL_LOADED_READ && sl_digest_eq(&seen.last.digest, &now));
}

static void nobody_there(void **state)
{
    found seen = { 0 };
    int release = -1;
    pid_t child = holder(MAPPED, &release);
    let_go(child, release);
    assert_code(sl_loaded_files(child, false, note, &seen), SL_E_NOT_FOUND);
}

static void models_by_name_or_first_bytes(void **state)
{
    static const struct {
        const char *name;
        sl_view head;
        bool is;
    } cases[] = {
        { "/m/w.safetensors", { 0 }, true },
        { "/m/pytorch_model.bin", { 0 }, true },
        { "/m/blob", SL_LIT("GGUF\3\0\0\0"), true },
        { "/m/blob", SL_LIT("\x80\x04\x95"), true },
        { "/m/blob",
          SL_LIT("\x7F"
                 "ELF"),
          false },
        { "/usr/lib/libc.so.6", { 0 }, false },
        { "/var/lib/x.sqlite", SL_LIT("SQLite format 3"), false },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(sl_loaded_is_model(sl_view_str(cases[i].name), cases[i].head),
                         cases[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mapped_or_open_it_is_found_and_hashed, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(what_was_copied_and_closed_cannot_be_seen, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(pages_changed_in_memory_are_told, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_replaced_file_is_read_as_the_process_holds_it, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(nobody_there, make_file, drop_file),
        cmocka_unit_test(models_by_name_or_first_bytes),
    };
    return cmocka_run_group_tests_name("loaded", tests, NULL, NULL);
}
