/* The attacks (see attacks.h). Raw calls where libc would hide the attempt. */
#include "attacks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static bool read_file(const attack_world *w)
{
    return opens(w->file, O_RDONLY);
}

static bool write_file(const attack_world *w)
{
    return opens(w->file, O_WRONLY);
}

static bool read_shadow(const attack_world *w)
{
    (void)w;
    return opens("/etc/shadow", O_RDONLY);
}

static bool create_file(const attack_world *w)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s.new", w->file);
    bool made = opens(path, O_WRONLY | O_CREAT);
    (void)unlink(path);
    return made;
}

static bool change_mode(const attack_world *w)
{
    return chmod(w->file, 0666) == 0;
}

static bool see_file(const attack_world *w)
{
    struct stat st;
    return stat(w->file, &st) == 0;
}

static bool connect_unix(const char *name, bool is_abstract)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n = strlen(name);
    memcpy(at.sun_path + (is_abstract ? 1 : 0), name, n);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } to = { .un = &at };
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return fd >= 0 && connect(fd, to.any, size) == 0;
}

static bool connect_path(const attack_world *w)
{
    return connect_unix(w->socket, false);
}

static bool connect_abstract(const attack_world *w)
{
    return connect_unix(w->abstract, true);
}

static bool reach(int type, uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } to = { .in = &at };
    int fd = socket(AF_INET, type, 0);
    return fd >= 0 && connect(fd, to.any, sizeof at) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool tcp(const attack_world *w)
{
    return reach(SOCK_STREAM, w->tcp_port);
}

static bool udp(const attack_world *w)
{
    return reach(SOCK_DGRAM, w->udp_port);
}

static bool listen_tcp(const attack_world *w)
{
    (void)w;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } to = { .in = &at };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && bind(fd, to.any, sizeof at) == 0 && listen(fd, 1) == 0;
}

static bool netlink(const attack_world *w)
{
    (void)w;
    return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool trace(const attack_world *w)
{
    bool done = ptrace(PTRACE_SEIZE, w->victim, NULL, NULL) == 0;
    if (done) {
        (void)ptrace(PTRACE_INTERRUPT, w->victim, NULL, NULL);
        (void)waitpid(w->victim, NULL, __WALL);
        (void)ptrace(PTRACE_DETACH, w->victim, NULL, NULL);
    }
    return done;
}

static bool read_memory(const attack_world *w)
{
    uint64_t secret = 0;
    struct iovec here = { &secret, sizeof secret };
    union {
        uint64_t number;
        void *p;
    } at = { .number = w->secret_at };
    struct iovec there = { at.p, sizeof secret };
    return process_vm_readv(w->victim, &here, 1, &there, 1, 0) == 8 && secret == ATTACK_SECRET;
}

static bool read_proc_memory(const attack_world *w)
{
    char path[64];
    uint64_t secret = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)w->victim);
    int fd = open(path, O_RDONLY);
    return fd >= 0 && pread(fd, &secret, sizeof secret, (off_t)w->secret_at) == 8 &&
           secret == ATTACK_SECRET;
}

static bool signal_victim(const attack_world *w)
{
    return kill(w->victim, SIGCONT) == 0;
}

static bool steal_descriptor(const attack_world *w)
{
    long pidfd = syscall(SYS_pidfd_open, w->victim, 0);
    return pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, w->victim_fd, 0) >= 0;
}

static bool make_process(const attack_world *w)
{
    (void)w;
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L);
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}

static bool run_program(const attack_world *w)
{
    (void)w;
    char name[] = "/bin/true";
    char *arguments[] = { name, NULL };
    char *environment[] = { NULL };
    (void)execve(name, arguments, environment);
    return false;
}

static bool run_from_memory(const attack_world *w)
{
    int fd = memfd_create("x", 0);
    if (fd < 0 || write(fd, w->program, w->program_n) != (ssize_t)w->program_n) {
        return false;
    }
    char name[] = "x";
    char *arguments[] = { name, NULL };
    char *environment[] = { NULL };
    (void)syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH);
    return false;
}

static bool inject_code(const attack_world *w)
{
    (void)w;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool new_user_ns(const attack_world *w)
{
    (void)w;
    return unshare(CLONE_NEWUSER) == 0;
}

static bool clone_user_ns(const attack_world *w)
{
    (void)w;
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0L);
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}

static bool load_bpf(const attack_world *w)
{
    (void)w;
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = 8;
    attr.max_entries = 1;
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr) >= 0;
}

static bool io_uring(const attack_world *w)
{
    (void)w;
    uint8_t parameters[256] = { 0 };
    return syscall(SYS_io_uring_setup, 4, parameters) >= 0;
}

static bool fault_handler(const attack_world *w)
{
    (void)w;
    return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) >= 0;
}

static bool performance_counter(const attack_world *w)
{
    (void)w;
    struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
                                    .size = sizeof attr,
                                    .config = PERF_COUNT_SW_TASK_CLOCK,
                                    .exclude_kernel = 1 };
    return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) >= 0;
}

static bool keyring(const attack_world *w)
{
    (void)w;
    return syscall(SYS_add_key, "user", "stoplog-probe", "x", (size_t)1, -2) >=
           0; /* process's own */
}

static bool shared_segment(const attack_world *w)
{
    union {
        long number;
        void *p;
    } at = { .number = syscall(SYS_shmat, w->shm, NULL, SHM_RDONLY) };
    return at.number != -1;
}

static bool mount_something(const attack_world *w)
{
    (void)w;
    return mount("x", "/mnt", "tmpfs", 0, NULL) == 0 && umount2("/mnt", MNT_DETACH) == 0;
}

static bool change_root(const attack_world *w)
{
    (void)w;
    return chroot("/") == 0;
}

static bool become_root(const attack_world *w)
{
    (void)w;
    return setresuid(0, 0, 0) == 0 && geteuid() == 0 && opens("/etc/shadow", O_RDONLY);
}

static bool make_device(const attack_world *w)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s.dev", w->file);
    bool made = mknod(path, S_IFCHR | 0600, makedev(1, 3)) == 0;
    (void)unlink(path);
    return made;
}

static bool allow_core(const attack_world *w)
{
    (void)w;
    struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
    return setrlimit(RLIMIT_CORE, &most) == 0;
}

static bool leave_by_descriptor(const attack_world *w)
{
    (void)w;
    int fd = open("/", O_PATH | O_DIRECTORY);
    return fd >= 0 && openat(fd, "../../../../../../etc/passwd", O_RDONLY) >= 0;
}

const attack attacks[] = {
    { "read a file of the user", read_file, false, 0, false },
    { "write a file of the user", write_file, false, 0, false },
    { "read /etc/shadow", read_shadow, true, 0, false },
    { "create a file", create_file, false, 0, false },
    { "change a file's mode", change_mode, false, 0, false },
    { "see whether a file exists", see_file, false, 0, false },
    { "climb out of the root", leave_by_descriptor, false, 0, false },
    { "connect to a Unix socket", connect_path, false, 0, false },
    { "connect to an abstract socket", connect_abstract, false, SL_MAY_NET, false },
    { "TCP", tcp, false, SL_MAY_NET, false },
    { "UDP", udp, false, SL_MAY_NET, false },
    { "listen on TCP", listen_tcp, false, SL_MAY_NET, false },
    { "netlink", netlink, false, 0, false },
    { "trace another process", trace, false, 0, false },
    { "read another's memory", read_memory, false, 0, false },
    { "read another's /proc memory", read_proc_memory, false, 0, false },
    { "signal another process", signal_victim, false, 0, false },
    { "steal a descriptor", steal_descriptor, false, 0, false },
    { "make a process", make_process, false, SL_MAY_FORK, false },
    { "run a program", run_program, false, 0, true },
    { "run a program from memory", run_from_memory, false, 0, true },
    { "map memory writable and executable", inject_code, false, 0, false },
    { "a new user namespace", new_user_ns, false, 0, false },
    { "a process in a new user namespace", clone_user_ns, false, 0, false },
    { "bpf", load_bpf, true, 0, false },
    { "io_uring", io_uring, false, 0, false },
    { "userfaultfd", fault_handler, false, 0, false },
    { "performance counters", performance_counter, true, 0, false },
    { "kernel keyring", keyring, false, 0, false },
    { "System V shared memory", shared_segment, false, 0, false },
    { "mount", mount_something, true, 0, false },
    { "change the root", change_root, true, 0, false },
    { "become root", become_root, true, 0, false },
    { "make a device", make_device, true, 0, false },
    { "allow a core dump", allow_core, true, 0, false },
};
const size_t attack_count = sizeof attacks / sizeof attacks[0];
