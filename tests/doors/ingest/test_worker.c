/* The worker gives what the inspection in our own process gives; what it may not do kills it; what a
 * stranger in its place could send is refused. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine_worker.h"
#include "base/file.h"
#include "doors/ingest/worker.h"

static sl_res collect(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    return sl_buf_addf(ctx, "%s:%.*s@%llu|", sl_class_name(kind), SL_FMT(value),
                       (unsigned long long)record);
}

static int file_of(sl_view content)
{
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, content));
    return fd;
}

static void the_worker_gives_what_the_inspection_gives(void **state)
{
    SL_OWN(sl_buf, content, sl_buf_free) = { .max = 4 * SL_MIB };
    assert_done(sl_buf_add_str(&content, "USUBJID,TERM\n"));
    for (size_t i = 0; i < 20000; i++) {
        assert_done(sl_buf_addf(&content, "01-701-%04zu,Headache\n", i));
    }
    SL_OWN(int, fd, sl_fd_close) = file_of(sl_buf_view(&content));
    SL_OWN(sl_buf, here, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_OWN(sl_buf, there, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_OWN(sl_buf, report_here, sl_buf_free) = { .max = SL_REPORT_BYTES_MAX };
    SL_OWN(sl_buf, report_there, sl_buf_free) = { .max = SL_REPORT_BYTES_MAX };
    sl_inspection a;
    sl_inspection b;
    sl_view name = SL_LIT("ae.csv");
    assert_done(sl_ingest_inspect(fd, name, (sl_view){ 0 },
                                  (sl_ingest_taker){ .ctx = &here, .take = collect }, &a,
                                  &report_here));
    assert_done(sl_ingest_worker(fd, name, (sl_view){ 0 }, true,
                                 (sl_ingest_taker){ .ctx = &there, .take = collect }, &b,
                                 &report_there));
    assert_true(sl_view_eq(sl_buf_view(&here), sl_buf_view(&there)));
    assert_true(sl_view_eq(sl_buf_view(&report_here), sl_buf_view(&report_there)));
    assert_int_equal(a.records, 20000);
    assert_int_equal(b.records, 20000);
    assert_true(sl_digest_eq(&a.digest, &b.digest));
    assert_memory_equal(a.classes, b.classes, sizeof a.classes);
}

static void the_worker_reads_sas_confined(void **state)
{
    SL_OWN(sl_buf, file, sl_buf_free) = { .max = SL_MIB };
    assert_done(sl_file_read(AT_FDCWD, SL_SOURCE_ROOT "/fuzz/corpus/record_sas/xpt5", &file));
    SL_OWN(int, fd, sl_fd_close) = file_of(sl_view_sub(sl_buf_view(&file), 1, file.n));
    SL_OWN(sl_buf, taken, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = SL_REPORT_BYTES_MAX };
    sl_inspection found;
    assert_done(sl_ingest_worker(fd, SL_LIT("dm.xpt"), (sl_view){ 0 }, true,
                                 (sl_ingest_taker){ .ctx = &taken, .take = collect }, &found,
                                 &report));
    assert_int_equal(found.format, SL_FORMAT_XPT);
    assert_view(sl_buf_view(&taken), "subject:01-701-1015@0|subject:01-701-1023@1|");
}

static void its_errors_come_back_with_their_place(void **state)
{
    SL_OWN(int, fd, sl_fd_close) = file_of(SL_LIT("A,B\n1,\"2\n"));
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = SL_REPORT_BYTES_MAX };
    sl_inspection found;
    sl_ingest_taker nobody = { .take = collect };
    assert_code(
        sl_ingest_worker(fd, SL_LIT("x.csv"), (sl_view){ 0 }, true, nobody, &found, &report),
        SL_E_TRUNCATED);
    assert_int_equal(sl_detail_get()->offset, 4);
}

/* What code that took over the parser would try. Each returns only if it was let. */
static void try_open(void)
{
    (void)open("/etc/passwd", O_RDONLY);
}

static void try_socket(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void try_fork(void)
{
    (void)fork();
}

static void try_exec(void)
{
    char *const argv[] = { NULL };
    (void)execv("/bin/true", argv);
}

static void try_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The status of a child that tries it: 0 if nothing stopped it. */
static int status_of(void (*attempt)(void), bool confined)
{
    pid_t child = fork();
    if (child == 0) {
        bool ready = !confined || sl_ok(sl_confine_worker(NULL, 0));
        attempt();
        _exit(ready ? 0 : 9);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_confined_worker_cannot(void **state)
{
#ifdef SL_SANITIZED
    print_message("sanitizer builds leave the filter out\n");
    skip();
#endif
    void (*const attempts[])(void) = { try_open, try_socket, try_fork, try_exec, try_code };
    for (size_t i = 0; i < SL_COUNT_OF(attempts); i++) {
        int confined = status_of(attempts[i], true);
        assert_true(WIFSIGNALED(confined) && WTERMSIG(confined) == SIGSYS);
        assert_int_equal(status_of(attempts[i], false), 0);
    }
}

static void a_confined_worker_keeps_only_its_descriptors(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ready = sl_ok(sl_confine_worker(&ends[1], 1));
        bool mine = write(ends[1], "x", 1) == 1;
        bool gone = write(ends[0], "x", 1) < 0 && write(2, "", 0) < 0;
        _exit(ready && mine && gone ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(close(ends[0]) + close(ends[1]), 0);
}

static sl_res take_frames(sl_view bytes)
{
    SL_OWN(sl_buf, pending, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, taken, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = 16 };
    assert_done(sl_buf_add(&pending, bytes));
    sl_worker_frames frames = { .taker = { .ctx = &taken, .take = collect }, .report = &report };
    return sl_worker_take(&frames, &pending);
}

static void frames_of_a_stranger_are_refused(void **state)
{
    static const sl_view bad[] = {
        SL_LIT("X\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),   /* no such kind */
        SL_LIT("I\xFF\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), /* no such class */
        SL_LIT("I\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0"),   /* reserved bytes */
        SL_LIT("I\0\0\0\0\0\1\1\0\0\0\0\0\0\0\0"),   /* too long */
        SL_LIT("D\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),   /* an end without numbers */
        SL_LIT("E\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0"
               "\0\0\0\0\0\0\0\0"), /* success is no error */
    };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_code(take_frames(bad[i]), SL_E_SYNTAX);
    }
    assert_code(take_frames(SL_LIT("R\0\0\0\x11\0\0\0\0\0\0\0\0\0\0\0"
                                   "12345678901234567")),
                SL_E_LIMIT);
    assert_done(take_frames(SL_LIT("I\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"
                                   "x")));
    assert_done(take_frames(SL_LIT("I\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0"
                                   "x"))); /* not whole yet */
}

static sl_res give_twos(void *ctx, uint64_t offset, uint8_t *p, size_t n)
{
    ++*(size_t *)ctx;
    memset(p, '2', n);
    return SL_DONE;
}

/* Asks `times` for `n` bytes at `offset` of 100,000, and reads none of them. */
static sl_res ask_bytes(size_t times, uint64_t offset, uint32_t n, size_t *ret_given)
{
    int ends[2];
    SL_OWN(sl_buf, pending, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = 16 };
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    for (size_t i = 0; i < times; i++) {
        uint8_t frame[20] = { 'Q', 0, 0, 0, 4 };
        sl_put_le64(frame + 8, offset);
        sl_put_le32(frame + 16, n);
        assert_done(sl_buf_add(&pending, sl_view_of(frame, sizeof frame)));
    }
    *ret_given = 0;
    sl_worker_frames frames = { .taker = { .ctx = ret_given, .read = give_twos, .bytes = 100000 },
                                .report = &report,
                                .give_fd = ends[1] };
    sl_res r = sl_worker_take(&frames, &pending);
    assert_int_equal(close(ends[0]) + close(ends[1]), 0);
    return r;
}

static void bytes_are_given_inside_of_the_object_and_never_waited_for(void **state)
{
    size_t given = 0;
    assert_done(ask_bytes(2, 99000, 1000, &given));
    assert_int_equal(given, 2);
    assert_code(ask_bytes(1, 99001, 1000, &given), SL_E_SYNTAX);
    assert_code(ask_bytes(1, UINT64_MAX, 2, &given), SL_E_SYNTAX);
    assert_code(ask_bytes(1, 0, 32769, &given), SL_E_SYNTAX);
    assert_int_equal(given, 0);
    assert_code(ask_bytes(1000, 0, 32768, &given), SL_E_SYNTAX); /* a full pipe is not waited for */
    assert_true(given < 100);
    assert_code(take_frames(SL_LIT("Q\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0")), SL_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worker_gives_what_the_inspection_gives),
        cmocka_unit_test(the_worker_reads_sas_confined),
        cmocka_unit_test(its_errors_come_back_with_their_place),
        cmocka_unit_test(a_confined_worker_cannot),
        cmocka_unit_test(a_confined_worker_keeps_only_its_descriptors),
        cmocka_unit_test(frames_of_a_stranger_are_refused),
        cmocka_unit_test(bytes_are_given_inside_of_the_object_and_never_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
