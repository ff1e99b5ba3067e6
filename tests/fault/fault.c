/* The replaced calls and the sweep (fault.h). The calls go straight to the C library's inner names or
 * to the kernel, so nothing here allocates. */
#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define POINTS_MAX 100000

#ifdef SL_SANITIZED

bool sl_fault_available(void)
{
    return false;
}

void sl_fault_arm(unsigned kinds, uint64_t nth)
{
    (void)kinds;
    (void)nth;
}

bool sl_fault_met(void)
{
    return false;
}

int64_t sl_fault_blocks_live(void)
{
    return 0;
}

#else

static atomic_uint armed_kinds;
static atomic_ullong countdown;
static atomic_bool met;
static atomic_llong live;

#define REPLACED __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

bool sl_fault_available(void)
{
    return true;
}

void sl_fault_arm(unsigned kinds, uint64_t nth)
{
    armed_kinds = nth > 0 ? kinds : 0;
    countdown = nth;
    met = false;
}

bool sl_fault_met(void)
{
    return met;
}

int64_t sl_fault_blocks_live(void)
{
    return live;
}

static bool fails_now(sl_fault_kind kind, int error)
{
    if ((armed_kinds & (unsigned)kind) == 0 || --countdown != 0) {
        return false;
    }
    armed_kinds = 0;
    met = true;
    errno = error;
    return true;
}

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

REPLACED void *malloc(size_t n)
{
    return fails_now(SL_FAULT_MALLOC, ENOMEM) ? NULL : counted(__libc_malloc(n));
}

REPLACED void *calloc(size_t count, size_t n)
{
    return fails_now(SL_FAULT_MALLOC, ENOMEM) ? NULL : counted(__libc_calloc(count, n));
}

REPLACED void *realloc(void *p, size_t n)
{
    if (fails_now(SL_FAULT_MALLOC, ENOMEM)) {
        return NULL;
    }
    void *q = __libc_realloc(p, n);
    if (p == NULL) {
        return counted(q);
    }
    live -= n == 0 && q == NULL;
    return q;
}

REPLACED void free(void *p)
{
    live -= p != NULL;
    __libc_free(p);
}

REPLACED ssize_t write(int fd, const void *p, size_t n)
{
    return fails_now(SL_FAULT_WRITE, ENOSPC) ? -1 : syscall(SYS_write, fd, p, n);
}

REPLACED ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return fails_now(SL_FAULT_WRITE, ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

REPLACED ssize_t writev(int fd, const struct iovec *parts, int n)
{
    return fails_now(SL_FAULT_WRITE, ENOSPC) ? -1 : syscall(SYS_writev, fd, parts, n);
}

REPLACED int ftruncate(int fd, off_t n)
{
    return fails_now(SL_FAULT_WRITE, ENOSPC) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

REPLACED int fallocate(int fd, int mode, off_t at, off_t n)
{
    return fails_now(SL_FAULT_WRITE, ENOSPC) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, n);
}

REPLACED int fsync(int fd)
{
    return fails_now(SL_FAULT_SYNC, EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}

REPLACED int fdatasync(int fd)
{
    return fails_now(SL_FAULT_SYNC, EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

REPLACED int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return fails_now(SL_FAULT_RENAME, EIO)
               ? -1
               : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

REPLACED int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}

REPLACED int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

REPLACED int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return fails_now(SL_FAULT_RENAME, EIO)
               ? -1
               : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

static int open_mode(int fd, const char *path, int flags, va_list args)
{
    if (fails_now(SL_FAULT_OPEN, EMFILE)) {
        return -1;
    }
    mode_t mode =
        (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
    return (int)syscall(SYS_openat, fd, path, flags, mode);
}

REPLACED int openat(int fd, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int got = open_mode(fd, path, flags, args);
    va_end(args);
    return got;
}

REPLACED int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int got = open_mode(AT_FDCWD, path, flags, args);
    va_end(args);
    return got;
}

REPLACED int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    return fails_now(SL_FAULT_CONNECT, ECONNREFUSED) ? -1
                                                     : (int)syscall(SYS_connect, fd, address, n);
}

#endif

int sl_fault_descriptors_open(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* One attempt with the n-th call failing; false with a message if it broke a promise. */
static bool attempt_once(unsigned kinds, uint64_t nth, sl_fault_attempt *attempt,
                         sl_fault_after *after, void *context, bool *ret_hit)
{
    int64_t blocks = sl_fault_blocks_live();
    int descriptors = sl_fault_descriptors_open();
    sl_fault_arm(kinds, nth);
    sl_res r = attempt(context);
    bool hit = sl_fault_met();
    sl_fault_arm(0, 0);
    *ret_hit = hit;
    const char *complaint = NULL;
    if (sl_fault_blocks_live() != blocks) {
        complaint = "memory was leaked";
    } else if (sl_fault_descriptors_open() != descriptors) {
        complaint = "a descriptor was left open";
    } else if (!hit && !sl_ok(r)) {
        complaint = "it fails without a fault";
    } else if (after != NULL && !after(r, context)) {
        complaint = "what must hold afterwards does not";
    }
    if (complaint != NULL) {
        (void)fprintf(stderr, "fault %u at call %llu (%s): %s; result %s, blocks %+lld\n", kinds,
                      (unsigned long long)nth, hit ? "met" : "not met", complaint, sl_res_name(r),
                      (long long)(sl_fault_blocks_live() - blocks));
    }
    return complaint == NULL;
}

bool sl_fault_sweep(unsigned kinds, sl_fault_attempt *attempt, sl_fault_after *after, void *context,
                    uint64_t *ret_points)
{
    /* The first, undisturbed, warms up what a library allocates once and keeps. */
    sl_res warm = attempt(context);
    if (!sl_ok(warm) || (after != NULL && !after(warm, context))) {
        (void)fprintf(stderr, "the attempt fails undisturbed: %s\n", sl_res_name(warm));
        return false;
    }
    for (uint64_t nth = 1; nth <= POINTS_MAX; nth++) {
        bool hit = false;
        if (!attempt_once(kinds, nth, attempt, after, context, &hit)) {
            return false;
        }
        if (!hit) {
            if (ret_points != NULL) {
                *ret_points = nth - 1;
            }
            return true;
        }
    }
    (void)fprintf(stderr, "more than %d points of failure\n", POINTS_MAX);
    return false;
}
