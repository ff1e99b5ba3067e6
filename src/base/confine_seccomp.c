/* The system call filter (see confine.h): what is not listed answers ENOSYS, so that libraries take
 * their fallbacks; calls that only an attacker makes end the process at once. Lists are by name:
 * a name that this kernel's headers do not know is passed over, since ENOSYS is what it gets. */
#include "base/confine_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/confine.h"

#ifndef SL_SANITIZED

/* Memory, time, random, own descriptors, messages on sockets that were given. */
static const char *const common_calls[] = { "read",
                                            "write",
                                            "readv",
                                            "writev",
                                            "pread64",
                                            "pwrite64",
                                            "preadv",
                                            "pwritev",
                                            "close",
                                            "close_range",
                                            "lseek",
                                            "fstat",
                                            "newfstatat",
                                            "statx",
                                            "poll",
                                            "ppoll",
                                            "select",
                                            "pselect6",
                                            "epoll_create1",
                                            "epoll_ctl",
                                            "epoll_wait",
                                            "epoll_pwait",
                                            "epoll_pwait2",
                                            "sendmsg",
                                            "recvmsg",
                                            "sendto",
                                            "recvfrom",
                                            "sendmmsg",
                                            "recvmmsg",
                                            "shutdown",
                                            "getsockopt",
                                            "setsockopt",
                                            "getsockname",
                                            "getpeername",
                                            "munmap",
                                            "mremap",
                                            "madvise",
                                            "brk",
                                            "mlock",
                                            "mlock2",
                                            "munlock",
                                            "mincore",
                                            "memfd_secret",
                                            "memfd_create",
                                            "ftruncate",
                                            "futex",
                                            "set_robust_list",
                                            "rseq",
                                            "sched_yield",
                                            "sched_getaffinity",
                                            "getcpu",
                                            "clock_gettime",
                                            "clock_getres",
                                            "clock_nanosleep",
                                            "nanosleep",
                                            "gettimeofday",
                                            "time",
                                            "times",
                                            "getrandom",
                                            "getpid",
                                            "gettid",
                                            "getppid",
                                            "getuid",
                                            "geteuid",
                                            "getgid",
                                            "getegid",
                                            "rt_sigaction",
                                            "rt_sigprocmask",
                                            "rt_sigreturn",
                                            "rt_sigtimedwait",
                                            "rt_sigsuspend",
                                            "rt_sigpending",
                                            "sigaltstack",
                                            "tgkill",
                                            "restart_syscall",
                                            "exit",
                                            "exit_group",
                                            "fcntl",
                                            "dup",
                                            "dup2",
                                            "dup3",
                                            "pipe2",
                                            "uname",
                                            "sysinfo",
                                            "getrusage",
                                            "timerfd_create",
                                            "timerfd_settime",
                                            "timerfd_gettime",
                                            "eventfd2",
                                            "signalfd4",
                                            "membarrier",
                                            "setitimer",
                                            "getitimer",
                                            NULL };

static const char *const file_calls[] = {
    "open",       "openat",    "openat2",         "stat",       "lstat",
    "access",     "faccessat", "faccessat2",      "getdents64", "fsync",
    "fdatasync",  "syncfs",    "sync_file_range", "fallocate",  "truncate",
    "rename",     "renameat",  "renameat2",       "unlink",     "unlinkat",
    "mkdir",      "mkdirat",   "rmdir",           "link",       "linkat",
    "fchmod",     "fchmodat",  "chmod",           "utimensat",  "flock",
    "fadvise64",  "statfs",    "fstatfs",         "getcwd",     "readlink",
    "readlinkat", "umask",     "copy_file_range", "chdir",      "fchdir",
    "sendfile",   NULL
};

static const char *const fork_calls[] = {
    "vfork",   "wait4",      "waitid",
    "kill",    "setpgid",    "getpgrp",
    "setsid",  "pidfd_open", "pidfd_send_signal",
    "getpgid", "getsid",     "seccomp", /* a worker's own, tighter filter */
    NULL
};

static const char *const exec_calls[] = { "execve",       "arch_prctl",        "set_tid_address",
                                          "getrlimit",    "setrlimit",         "getgroups",
                                          "getresuid",    "getresgid",         "socketpair",
                                          "pipe",         "sched_setaffinity", "capget",
                                          "getpriority",  "setpriority",       "prctl",
                                          "epoll_create", "rt_sigsuspend",     NULL };

/* No honest part of ours calls these: the process ends at once and the supervisor tells. */
static const char *const danger_calls[] = { "ptrace",
                                            "process_vm_readv",
                                            "process_vm_writev",
                                            "process_madvise",
                                            "kcmp",
                                            "pidfd_getfd",
                                            "bpf",
                                            "perf_event_open",
                                            "io_uring_setup",
                                            "io_uring_enter",
                                            "io_uring_register",
                                            "userfaultfd",
                                            "keyctl",
                                            "add_key",
                                            "request_key",
                                            "mount",
                                            "umount2",
                                            "pivot_root",
                                            "move_mount",
                                            "open_tree",
                                            "fsopen",
                                            "fsmount",
                                            "fspick",
                                            "fsconfig",
                                            "mount_setattr",
                                            "setns",
                                            "unshare",
                                            "chroot",
                                            "kexec_load",
                                            "kexec_file_load",
                                            "init_module",
                                            "finit_module",
                                            "delete_module",
                                            "open_by_handle_at",
                                            "name_to_handle_at",
                                            "swapon",
                                            "swapoff",
                                            "reboot",
                                            "syslog",
                                            "acct",
                                            "quotactl",
                                            "quotactl_fd",
                                            "personality",
                                            "modify_ldt",
                                            "iopl",
                                            "ioperm",
                                            "mknod",
                                            "mknodat",
                                            "execveat",
                                            "fanotify_init",
                                            "lookup_dcookie",
                                            "vmsplice",
                                            "clock_settime",
                                            "clock_adjtime",
                                            "settimeofday",
                                            "adjtimex",
                                            "sethostname",
                                            "setdomainname",
                                            NULL };

#define NEW_NAMESPACES                                                                             \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |  \
     CLONE_NEWIPC)

static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR) {
            continue;
        }
        int added = seccomp_rule_add(filter, action, number, 0);
        if (added != 0) {
            return -added;
        }
    }
    return 0;
}

static int add_memory(scmp_filter_ctx filter, uint32_t may)
{
    const scmp_datum_t exec = PROT_EXEC;
    const scmp_datum_t write = PROT_WRITE;
    int bad = 0;
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    if ((may & SL_MAY_EXEC) != 0) {
        /* The loader of the program maps code; still never writable and executable at once. */
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, exec | write, exec));
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, exec | write, exec));
    }
    return bad;
}

static int add_sockets(scmp_filter_ctx filter, uint32_t may)
{
    int bad = 0;
    if ((may & (SL_MAY_CONNECT | SL_MAY_NET)) != 0) {
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
    }
    if ((may & SL_MAY_NET) != 0) {
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                SCMP_A0(SCMP_CMP_EQ, AF_INET));
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                SCMP_A0(SCMP_CMP_EQ, AF_INET6));
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(listen), 0);
    }
    if ((may & SL_MAY_ACCEPT) != 0) {
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(accept), 0);
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 0);
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(listen), 0);
    }
    return bad;
}

static int add_processes(scmp_filter_ctx filter, uint32_t may)
{
    int bad = 0;
    if ((may & SL_MAY_FORK) != 0) {
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0));
        bad |= add_all(filter, SCMP_ACT_ALLOW, fork_calls);
    }
    if ((may & SL_MAY_EXEC) != 0) {
        bad |= add_all(filter, SCMP_ACT_ALLOW, exec_calls);
        /* Stock nginx wants a signal from the channel to its workers, and does not start without. */
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_EQ, FIOASYNC));
    } else {
        bad |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execve), 0);
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    }
    /* Limits may be read, never set, and only our own. */
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
                            SCMP_A2(SCMP_CMP_EQ, 0));
    bad |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, FIONBIO));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, FIONREAD));
    return bad;
}

static int fill(scmp_filter_ctx filter, uint32_t may)
{
    int bad = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    bad |= seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    bad |= add_all(filter, SCMP_ACT_ALLOW, common_calls);
    bad |= add_all(filter, SCMP_ACT_KILL_PROCESS, danger_calls);
    if ((may & SL_MAY_FILES) != 0) {
        bad |= add_all(filter, SCMP_ACT_ALLOW, file_calls);
    }
    bad |= add_memory(filter, may);
    bad |= add_sockets(filter, may);
    bad |= add_processes(filter, may);
    return bad;
}

int sl_seccomp_enter(uint32_t may)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL) {
        return ENOMEM;
    }
    int bad = fill(filter, may);
    int loaded = bad == 0 ? seccomp_load(filter) : -EINVAL;
    seccomp_release(filter);
    return loaded < 0 ? -loaded : 0;
}

#else

int sl_seccomp_enter(uint32_t may)
{
    (void)may;
    return ENOTSUP;
}

#endif
