/* Workers that fail: whatever becomes of one, its file is not clean and the others are answered. */
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "artefact/scan.h"
#include "supply/scan_pool.h"

typedef struct {
    unsigned files;
    unsigned clean;
    unsigned crashed;
} answers;

static void take(void *ctx, sl_view path, const sl_scan_result *result)
{
    answers *a = ctx;
    (void)path;
    a->files++;
    a->clean += result->class == SL_SCAN_CLEAN;
    for (size_t i = 0; i < result->finding_count; i++) {
        a->crashed += result->findings[i].rule == SL_RULE_SCAN_CRASHED;
    }
}

static int file_of(sl_view bytes)
{
    int fd = memfd_create("artefact", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
    return fd;
}

static answers scan_some(bool alone)
{
    static const char good[] = "\x80\4K\1.";
    answers a = { 0 };
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_OWN(sl_scan_pool *, pool, sl_scan_pool_free) = NULL;
    assert_done(sl_allow_read(sl_allow_pack(), &allow));
    const sl_scan_pool_options options = {
        .allow = allow, .done = take, .ctx = &a, .alone = alone
    };
    assert_done(sl_scan_pool_make(&options, &pool));
    for (unsigned i = 0; i < 5; i++) {
        assert_done(sl_scan_pool_add(pool, file_of(sl_view_of(good, sizeof good - 1)),
                                     SL_LIT("folder/good.pkl")));
    }
    assert_done(sl_scan_pool_finish(pool));
    return a;
}

static void workers_answer(void **state)
{
    for (unsigned alone = 0; alone <= 1; alone++) {
        answers a = scan_some(alone == 1);
        assert_int_equal(a.files, 5);
        assert_int_equal(a.clean, 5);
    }
}

static sl_res no_memory(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    (void)ctx;
    (void)offset;
    (void)to;
    (void)n;
    (void)ret_got;
    return sl_fail(SL_E_MEMORY);
}

static void memory_that_is_not_to_be_had_is_told(void **state)
{
    SL_OWN(sl_scan_result, result, sl_scan_result_free) = { 0 };
    const sl_scan_input input = { .read = no_memory, .size = 100, .name = SL_LIT("a.pkl") };
    assert_done(sl_scan_run(&input, &result));
    assert_false(result.complete);
    assert_true(result.class != SL_SCAN_CLEAN && result.finding_count != 0);
    assert_int_equal(result.findings[0].rule, SL_RULE_SCAN_MEMORY);
}

/* From here on no process of this test can give up its rights: the kernel denies the filter, and a worker
 * that cannot confine itself ends before it reads a byte. Last, since it cannot be undone. */
static void deny_confinement(void)
{
    struct sock_filter deny[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = SL_COUNT_OF(deny), .filter = deny };
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void a_worker_that_ends_leaves_nothing_clean(void **state)
{
#ifdef SL_SANITIZED
    skip(); /* nothing is confined under sanitizers */
#endif
    deny_confinement();
    for (unsigned alone = 0; alone <= 1; alone++) {
        answers a = scan_some(alone == 1);
        assert_int_equal(a.files, 5);
        assert_int_equal(a.clean, 0);
        assert_int_equal(a.crashed, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_answer),
        cmocka_unit_test(memory_that_is_not_to_be_had_is_told),
        cmocka_unit_test(a_worker_that_ends_leaves_nothing_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
