/* A worker's confinement (confine_worker.h). The lists of descriptors and calls are short enough to be
 * read at a glance: that is their purpose. */
#include "base/confine_worker.h"

#include <errno.h>
#include <locale.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void close_others(const int *keep, size_t count)
{
    unsigned from = 0;
    for (;;) {
        int next = -1; /* the smallest kept descriptor from `from` on */
        for (size_t i = 0; i < count; i++) {
            if (keep[i] >= (int)from && (next < 0 || keep[i] < next)) {
                next = keep[i];
            }
        }
        if (next < 0) {
            (void)close_range(from, ~0U, 0);
            return;
        }
        if ((unsigned)next > from) {
            (void)close_range(from, (unsigned)next - 1, 0);
        }
        from = (unsigned)next + 1;
    }
}

/* A confined parent may not even let us lower a limit; then its own hold for us too. */
static void limit(__rlimit_resource_t what, rlim_t most)
{
    const struct rlimit set = { .rlim_cur = most, .rlim_max = most };
    (void)setrlimit(what, &set);
}

#ifndef SL_SANITIZED

static const int allowed_calls[] = {
    SCMP_SYS(read),       SCMP_SYS(write),  SCMP_SYS(pread64),
    SCMP_SYS(lseek),      SCMP_SYS(fstat),  SCMP_SYS(brk),
    SCMP_SYS(munmap),     SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(futex),      SCMP_SYS(close),  SCMP_SYS(clock_gettime),
    SCMP_SYS(getrandom),  SCMP_SYS(exit),   SCMP_SYS(exit_group),
    SCMP_SYS(newfstatat), /* glibc's fstat; without a path there is nothing to look up */
    SCMP_SYS(sysinfo),    /* glibc's qsort asks how much memory there is */
};

static int fill_filter(scmp_filter_ctx filter)
{
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    for (size_t i = 0; i < SL_COUNT_OF(allowed_calls) && failed == 0; i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
    }
    /* Memory may be written or run, never both in turn: no code can be made here. */
    return failed != 0 ? failed
                       : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static sl_res load_filter(void)
{
    /* A confined parent has set it already and lets nobody ask; without it loading fails below. */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int failed = filter == NULL ? -ENOMEM : fill_filter(filter);
    failed = failed == 0 ? seccomp_load(filter) : failed;
    seccomp_release(filter);
    errno = -failed;
    return failed == 0 ? SL_DONE : sl_fail_os(SL_E_DENIED, "filter");
}

#else

static sl_res load_filter(void)
{
    return SL_DONE;
}

#endif

sl_res sl_confine_worker(const int *keep, size_t count)
{
    /* The C library would look for the zone's file at the first use of a calendar. */
    (void)setenv("TZ", "UTC0", 1);
    tzset();
    /* Names in archives are UTF-16 or UTF-8: with this they are converted without the tables of files. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    close_others(keep, count);
#ifndef SL_SANITIZED
    limit(RLIMIT_AS, SL_WORKER_MEMORY_BYTES_MAX);
#endif
    limit(RLIMIT_CPU, SL_WORKER_CPU_SECONDS_MAX);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_NOFILE, 0);
    return load_filter();
}
