/* Attacker code inside each confined process cannot do what ARCHITECTURE section 3 denies it; without
 * confinement the very same attempt succeeds, or the test would prove nothing. Every attempt is a
 * process of its own, executed and confined in the order of the real ones. As root and as nobody. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks.h"
#include "base/confine.h"
#include "base/file.h"
#include "host/host.h"

/* Inherited by every attacker: the world (a memory file) and where to tell the outcome. */
#define WORLD_FD 10
#define TELL_FD 11

/* Beside the profiles of the real processes: each right alone, and none. */
static const sl_confine_profile rights[] = {
    { .name = "nothing" },
    { .name = "files", .may = SL_MAY_FILES },
    { .name = "connect", .may = SL_MAY_CONNECT },
    { .name = "accept", .may = SL_MAY_ACCEPT },
    { .name = "net", .may = SL_MAY_NET },
    { .name = "fork", .may = SL_MAY_FORK },
    { .name = "exec", .may = SL_MAY_EXEC },
};

static const sl_confine_profile *profile_at(size_t index)
{
    if (index < SL_COUNT_OF(rights)) {
        return &rights[index];
    }
    index -= SL_COUNT_OF(rights);
    return index < sl_host_table_count ? sl_host_table[index]->profile : NULL;
}

/* ---- inside the attacker ---- */

static void ignore_pid(void *context, pid_t pid)
{
    (void)context;
    (void)pid;
}

static int attack_main(char **argv)
{
    uint64_t n_profile = 0;
    uint64_t n_attack = 0;
    if (!sl_ok(sl_parse_u64(sl_view_str(argv[2]), 999, &n_profile)) ||
        !sl_ok(sl_parse_u64(sl_view_str(argv[3]), 999, &n_attack))) {
        return 2;
    }
    const attack_world *world = mmap(NULL, sizeof *world, PROT_READ, MAP_PRIVATE, WORLD_FD, 0);
    if (world == MAP_FAILED) {
        return 2;
    }
    sl_confine_report report = { 0 };
    if (argv[4][0] == 'c') {
        sl_confine_profile profile = *profile_at((size_t)n_profile);
        profile.path_count = 0; /* what it may reach is tested where it is served */
        sl_confine_place place = {
            .site = "/", .uid = geteuid() == 0 ? 65533 : 0, .gid = 65533, .report_pid = ignore_pid
        };
        sl_res entered = sl_confine_enter(&profile, &place, &report);
        if (!sl_ok(entered)) {
            (void)dprintf(TELL_FD, "!%s %d", sl_detail_get()->field, sl_detail_get()->os_error);
            return 2;
        }
        (void)dprintf(TELL_FD, "L%x ", report.holds);
    } else {
        (void)dprintf(TELL_FD, "L0 ");
    }
    const attack *a = &attacks[n_attack];
    if (a->execs) {
        (void)dprintf(TELL_FD, "E"); /* success if nothing follows and the program ends well */
    }
    bool done = a->run(world);
    (void)dprintf(TELL_FD, "%s", done ? "S" : "D");
    _exit(done ? 0 : 1);
}

/* ---- inside a process that a neighbour attacks ---- */

static volatile uint64_t kept_secret = ATTACK_SECRET;

static void tell_pid(void *context, pid_t pid)
{
    (void)context;
    (void)dprintf(TELL_FD, "%d\n", (int)pid);
}

/* Tells the address of its secret and its number, confines itself like any process of ours, waits. */
static int prey_main(char **argv)
{
    union {
        volatile uint64_t *p;
        uint64_t number;
    } at = { .p = &kept_secret };
    (void)dprintf(TELL_FD, "%llx ", (unsigned long long)at.number);
    if (argv[2][0] == 'c') {
        sl_confine_place place = { .site = "/", .report_pid = tell_pid };
        sl_confine_report report;
        if (!sl_ok(sl_confine_enter(&rights[0], &place, &report))) {
            return 2;
        }
    } else {
        tell_pid(NULL, getpid());
    }
    (void)dprintf(TELL_FD, "ready\n");
    char byte;
    return read(TELL_FD, &byte, 1) < 0; /* until the test is over */
}

/* ---- the world outside ---- */

static attack_world world;
static int world_fd = -1;
static pid_t victim_pid;
static char directory[] = "/tmp/stoplog-cannot-XXXXXX";
static volatile uint64_t secret = ATTACK_SECRET;

static int listening(int family, int type, const struct sockaddr *at, socklen_t n)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, at, n), 0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(fd, 4096), 0);
    }
    return fd;
}

static uint16_t loopback(int type)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = listening(AF_INET, type, (struct sockaddr *)&at, sizeof at);
    socklen_t n = sizeof at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    return ntohs(at.sin_port);
}

static void build_world(void)
{
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0777), 0);
    (void)snprintf(world.file, sizeof world.file, "%s/file", directory);
    int fd = open(world.file, O_RDWR | O_CREAT, 0666);
    assert_true(fd >= 0 && fchmod(fd, 0666) == 0);
    assert_int_equal(close(fd), 0);

    struct sockaddr_un at = { .sun_family = AF_UNIX };
    (void)snprintf(world.socket, sizeof world.socket, "%s/sock", directory);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", world.socket);
    (void)listening(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&at, sizeof at);
    assert_int_equal(chmod(world.socket, 0777), 0);

    int n = snprintf(world.abstract, sizeof world.abstract, "stoplog-cannot-%d", (int)getpid());
    struct sockaddr_un hidden = { .sun_family = AF_UNIX };
    memcpy(hidden.sun_path + 1, world.abstract, (size_t)n);
    (void)listening(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&hidden,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
    world.tcp_port = loopback(SOCK_STREAM);
    world.udp_port = loopback(SOCK_DGRAM);
    world.shm = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666);
    assert_true(world.shm >= 0);

    fd = open("/bin/true", O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, world.program, sizeof world.program);
    assert_true(got > 0 && (size_t)got < sizeof world.program);
    world.program_n = (size_t)got;
    assert_int_equal(close(fd), 0);
}

/* Another process of the user that attacks: it keeps a secret and a descriptor, and waits. */
static void start_victim(uid_t uid)
{
    victim_pid = fork();
    assert_true(victim_pid >= 0);
    if (victim_pid == 0) {
        if (uid != 0 && (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
                         setresuid(uid, uid, uid) != 0)) {
            _exit(1);
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_DUMPABLE, 1);
        for (;;) {
            (void)pause();
        }
    }
    if (geteuid() == 0) {
        assert_int_equal(chown(world.file, uid, uid), 0);
    }
    world.victim = victim_pid;
    world.victim_fd = 2;
    union {
        volatile uint64_t *p;
        uint64_t number;
    } at = { .p = &secret };
    world.secret_at = at.number;
    (void)usleep(20000);
    world_fd = memfd_create("world", MFD_CLOEXEC);
    assert_true(world_fd >= 0);
    assert_int_equal(write(world_fd, &world, sizeof world), sizeof world);
}

static void stop_victim(void)
{
    (void)kill(victim_pid, SIGKILL);
    (void)waitpid(victim_pid, NULL, 0);
    (void)close(world_fd);
}

/* ---- one attempt ---- */

typedef struct {
    bool started; /* it got as far as the attack */
    bool succeeded;
    unsigned layers;
    char text[128];
} outcome;

static void become(uid_t uid)
{
    if (uid != 0 && (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
                     setresuid(uid, uid, uid) != 0)) {
        _exit(2);
    }
}

static void attacker(int tell, uid_t uid, size_t profile, size_t n, bool confined)
{
    if (dup2(world_fd, WORLD_FD) < 0 || dup2(tell, TELL_FD) < 0) {
        _exit(2);
    }
    become(uid);
    char profile_text[16];
    char attack_text[16];
    (void)snprintf(profile_text, sizeof profile_text, "%zu", profile);
    (void)snprintf(attack_text, sizeof attack_text, "%zu", n);
    (void)execl("/proc/self/exe", "cannot", "@attack", profile_text, attack_text,
                confined ? "c" : "u", (char *)NULL);
    _exit(2);
}

/* Waits for the attacker and, in a pid namespace, for the process that it became (which is a child of
 * ours too); ends well only if all of them did. */
static void runner(int tell, uid_t uid, size_t profile, size_t n, bool confined)
{
    pid_t pid = fork();
    if (pid == 0) {
        attacker(tell, uid, profile, n, confined);
    }
    (void)close(tell);
    int worst = 0; /* in whichever order they end */
    int status = 0;
    while (waitpid(-1, &status, 0) > 0) {
        worst = status != 0 ? status : worst;
    }
    _exit(WIFEXITED(worst) ? WEXITSTATUS(worst) : 100);
}

static outcome attempt(uid_t uid, size_t profile, size_t n, bool confined)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        runner(ends[1], uid, profile, n, confined);
    }
    assert_int_equal(close(ends[1]), 0);
    outcome o = { 0 };
    size_t at = 0;
    ssize_t got;
    while ((got = read(ends[0], o.text + at, sizeof o.text - 1 - at)) > 0) {
        at += (size_t)got;
    }
    assert_int_equal(close(ends[0]), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    o.started = o.text[0] == 'L';
    char end = at > 0 ? o.text[at - 1] : '?';
    o.succeeded = end == 'S' || (end == 'E' && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    o.layers = o.started ? (unsigned)strtoul(o.text + 1, NULL, 16) : 0;
    return o;
}

/* ---- the tests ---- */

#define NOBODY 65534

/* Without these an attempt may well succeed: `up` would name them and refuse. */
static const uint32_t needed = SL_LAYER_BIT(SL_LAYER_USER_NS) | SL_LAYER_BIT(SL_LAYER_ROOT) |
                               SL_LAYER_BIT(SL_LAYER_PID_NS) | SL_LAYER_BIT(SL_LAYER_NET_NS) |
                               SL_LAYER_BIT(SL_LAYER_IPC_NS) | SL_LAYER_BIT(SL_LAYER_NO_NEW_PRIVS) |
                               SL_LAYER_BIT(SL_LAYER_CAPABILITIES) |
                               SL_LAYER_BIT(SL_LAYER_NOT_DUMPABLE) | SL_LAYER_BIT(SL_LAYER_SECCOMP);

static bool system_confines(uid_t uid)
{
    outcome o = attempt(uid, 0, 0, true);
    if (!o.started) {
        print_message("confinement fails here: %s\n", o.text);
        return false;
    }
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if ((needed & ~o.layers & SL_LAYER_BIT(i)) != 0) {
            print_message("this system lacks the layer %s\n", sl_layer_name((sl_layer)i));
        }
    }
    return (needed & ~o.layers) == 0;
}

static void all_attacks_fail(uid_t uid, bool superuser)
{
    start_victim(uid);
    if (!system_confines(uid)) {
        stop_victim();
        skip();
    }
    size_t wrong = 0;
    for (size_t n = 0; n < attack_count; n++) {
        if (attacks[n].root_only && !superuser) {
            continue;
        }
        outcome open = attempt(uid, 0, n, false);
        if (!open.succeeded) {
            print_error("unconfined, this fails and so proves nothing: %s (%s)\n", attacks[n].name,
                        open.text);
            wrong++;
        }
    }
    for (size_t p = 0; profile_at(p) != NULL; p++) {
        for (size_t n = 0; n < attack_count; n++) {
            if ((profile_at(p)->may & attacks[n].allowed_by) != 0) {
                continue;
            }
            outcome shut = attempt(uid, p, n, true);
            if (!shut.started || shut.succeeded) {
                print_error("inside '%s' this %s: %s (%s)\n", profile_at(p)->name,
                            shut.started ? "succeeds" : "was not tried", attacks[n].name,
                            shut.text);
                wrong++;
            }
        }
    }
    stop_victim();
    assert_int_equal(wrong, 0);
}

static void as_root_no_attack_succeeds(void **state)
{
    if (geteuid() != 0) {
        print_message("not root: skipped\n");
        skip();
    }
    all_attacks_fail(0, true);
}

static void as_an_ordinary_user_no_attack_succeeds(void **state)
{
    all_attacks_fail(geteuid() == 0 ? NOBODY : 0, false);
}

/* Does a neighbour of the same user, outside of all namespaces, read the secret of `prey`? */
static bool neighbour_reads(uid_t uid, const attack_world *prey)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        become(uid);
        bool got = false;
        for (size_t n = 0; n < attack_count; n++) {
            bool reads = strcmp(attacks[n].name, "read another's memory") == 0 ||
                         strcmp(attacks[n].name, "read another's /proc memory") == 0 ||
                         strcmp(attacks[n].name, "trace another process") == 0;
            got = got || (reads && attacks[n].run(prey));
        }
        _exit(got ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

static bool prey_is_read(uid_t uid, const char *how)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(ends[1], TELL_FD) < 0) {
            _exit(2);
        }
        become(uid);
        (void)execl("/proc/self/exe", "cannot", "@prey", how, (char *)NULL);
        _exit(2);
    }
    assert_int_equal(close(ends[1]), 0);
    char text[128] = { 0 };
    size_t at = 0;
    ssize_t got = 1;
    while (got > 0 &&
           (strstr(text, "ready") == NULL || strchr(text, '\n') == strrchr(text, '\n'))) {
        got = read(ends[0], text + at, sizeof text - 1 - at);
        at += got > 0 ? (size_t)got : 0;
    }
    char *rest = NULL;
    static attack_world prey; /* large */
    prey = world;
    prey.secret_at = strtoull(text, &rest, 16);
    /* The number and "ready" come from two processes, in any order. */
    char *number = strstr(text, "ready\n") == rest + 1 ? rest + 7 : rest + 1;
    prey.victim = (pid_t)strtol(number, NULL, 10);
    assert_true(prey.victim > 1);
    bool read_it = neighbour_reads(uid, &prey);
    (void)kill(prey.victim, SIGKILL);
    assert_int_equal(close(ends[0]), 0);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    if (prey.victim != pid) {
        (void)waitpid(prey.victim, NULL, 0);
    }
    return read_it;
}

static void a_neighbour_of_the_same_user_cannot_read_a_confined_process(void **state)
{
    uid_t uid = geteuid() == 0 ? NOBODY : 0;
    start_victim(uid);
    bool can_confine = system_confines(uid);
    stop_victim();
    if (!can_confine) {
        skip();
    }
    assert_true(prey_is_read(uid, "u"));
    assert_false(prey_is_read(uid, "c"));
}

static int set_up_world(void **state)
{
    build_world();
    return 0;
}

static int tear_down_world(void **state)
{
    (void)shmctl(world.shm, IPC_RMID, NULL);
    (void)unlink(world.file);
    (void)unlink(world.socket);
    (void)rmdir(directory);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "@attack") == 0) {
        return attack_main(argv);
    }
    if (argc == 3 && strcmp(argv[1], "@prey") == 0) {
        return prey_main(argv);
    }
#ifdef SL_SANITIZED
    print_message("a sanitizer build leaves the system call filter out: skipped\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_root_no_attack_succeeds),
        cmocka_unit_test(as_an_ordinary_user_no_attack_succeeds),
        cmocka_unit_test(a_neighbour_of_the_same_user_cannot_read_a_confined_process),
    };
    return cmocka_run_group_tests(tests, set_up_world, tear_down_world);
}
