/* The supervisor starts confined processes, links them, renews the links of one that was killed, names
 * a missing layer and refuses, and leaves nothing running. The processes here are real ones of this
 * test's own table: `echo` answers, `asker` asks it again and again, `warden` opens the site. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_wire.h"
#include "host/host.h"
#include "respond/valve_writer.h"

enum { T_ASK = 40 };

/* ---- a machine short of processes: forks of the supervisor from the n-th on fail, twice ---- */

static int forks_until_failure = -1; /* never */

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (forks_until_failure > 0) {
        forks_until_failure--;
    } else if (forks_until_failure == 0 || forks_until_failure == -2) {
        forks_until_failure = forks_until_failure == 0 ? -2 : -1;
        errno = EAGAIN;
        return -1;
    }
    return __real_fork();
}

/* ---- the processes; what they say on descriptor 1 reaches the test ---- */

static sl_res pump_until(sl_proc *self, int fd, int wait_ms)
{
    struct pollfd ready[2] = { { .fd = sl_proc_control_fd(self), .events = POLLIN },
                               { .fd = fd, .events = POLLIN } };
    if (poll(ready, 2, wait_ms) < 0 && errno != EINTR) {
        return sl_fail_os(SL_E_IO, "poll");
    }
    return ready[0].revents != 0 ? sl_proc_pump(self) : SL_DONE;
}

static sl_res on_ask(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    const sl_valve *valve = context;
    uint8_t open =
        sl_epoch_open(sl_valve_site_epoch(valve)) && sl_valve_fresh(valve, sl_valve_now_ms());
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_view_of(&open, 1));
}

static sl_res echo_main(sl_proc *self)
{
    static const sl_ipc_rule rules[] = { { T_ASK, SL_IPC_ANY_PHASE, 0, 0, 0, on_ask } };
    static const sl_ipc_table table = { "asker", rules, 1 };
    union {
        const sl_valve *from;
        void *to;
    } valve = { .from = sl_proc_valve(self) };
    SL_OWN(sl_ipc *, link, sl_ipc_close_at) = NULL;
    SL_TRY(sl_ipc_open(sl_proc_take_link(self, "asker", 0), &table, &link));
    SL_TRY(sl_proc_serving(self));
    for (;;) {
        SL_TRY(pump_until(self, link == NULL ? -1 : sl_ipc_fd(link), 1000));
        if (link != NULL && !sl_ok(sl_ipc_dispatch(link, 4, valve.to))) {
            sl_ipc_close_at(&link); /* the asker is gone; the supervisor says when to end */
        }
    }
}

static sl_res asker_main(sl_proc *self)
{
    static const sl_ipc_rule rules[] = { { SL_IPC_OK, SL_IPC_ANY_PHASE, 1, 1, 0, NULL } };
    static const sl_ipc_table table = { "echo", rules, 1 };
    sl_ipc *link = NULL;
    unsigned links = 0;
    SL_TRY(sl_proc_serving(self));
    for (;;) {
        SL_TRY(pump_until(self, -1, 20));
        int fd = sl_proc_take_link(self, "echo", 0);
        if (fd >= 0) {
            sl_ipc_close(link);
            SL_TRY(sl_ipc_open(fd, &table, &link));
            links++;
        }
        sl_ipc_msg answer;
        if (link != NULL && sl_ok(sl_ipc_ask(link, T_ASK, (sl_view){ NULL, 0 }, 500, &answer))) {
            (void)dprintf(1, "answer %u %s\n", links, answer.body.p[0] ? "open" : "closed");
        }
    }
}

static sl_res warden_main(sl_proc *self)
{
    sl_valve_memory *valves = sl_proc_valve_memory(self);
    SL_NEED(valves != NULL && sl_proc_valve(self) == NULL, SL_E_BUG);
    SL_TRY(sl_valve_writer_take(valves));
    SL_TRY(sl_proc_serving(self));
    for (;;) {
        (void)sl_valve_open(valves, SL_VALVE_OF_SITE, 0);
        sl_valve_beat(valves, sl_valve_now_ms());
        SL_TRY(pump_until(self, -1, SL_VALVE_BEAT_MS));
    }
}

/* Two of them share memory; each says what it found there after its own one was added. */
static sl_res pair_main(sl_proc *self)
{
    _Atomic unsigned *kept = sl_proc_shared(self, "kept");
    _Atomic unsigned *gone = sl_proc_shared(self, "gone");
    SL_NEED(kept != NULL && gone != NULL && sl_proc_shared(self, "other") == NULL, SL_E_BUG);
    unsigned a = ++kept[1023];
    unsigned b = ++*gone;
    (void)dprintf(1, "pair %u of %u: kept %u gone %u;\n", sl_proc_index(self), sl_proc_count(self),
                  a, b);
    SL_TRY(sl_proc_serving(self));
    for (;;) {
        SL_TRY(pump_until(self, -1, 1000));
    }
}

static void say(int fd, uint16_t type, uint32_t number)
{
    uint8_t packet[SL_IPC_HEADER_BYTES + 4] = { 0 };
    sl_put_le16(packet, SL_IPC_VERSION);
    sl_put_le16(packet + 2, type);
    sl_put_le32(packet + 4, 4);
    sl_put_le32(packet + SL_IPC_HEADER_BYTES, number);
    struct iovec part = { packet, sizeof packet };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Taken over, it says that it is the process whose number is its configuration, and then something that
 * costs it its life. */
static sl_res liar_main(sl_proc *self)
{
    uint64_t number = 0;
    SL_TRY(sl_parse_u64(sl_proc_config(self), INT32_MAX, &number));
    SL_TRY(sl_proc_serving(self));
    while (!sl_epoch_open(sl_valve_site_epoch(sl_proc_valve(self)))) {
        SL_TRY(pump_until(self, -1, 20));
    }
    say(sl_proc_control_fd(self), SL_PROC_PID, (uint32_t)number);
    say(sl_proc_control_fd(self), 999, 0);
    for (;;) {
        (void)poll(NULL, 0, 1000);
    }
}

static unsigned two(sl_view config)
{
    (void)config;
    return 2;
}

static const sl_confine_profile plain = { .name = "plain", .files_max = 64 };
static const sl_proc_decl warden = {
    .name = "warden", .entry = warden_main, .profile = &plain, .no_exec = true
};
static const sl_proc_decl echo = { .name = "echo", .entry = echo_main, .profile = &plain };
static const sl_proc_decl asker = {
    .name = "asker", .entry = asker_main, .profile = &plain, .peers = { "echo" }
};
static const sl_proc_decl pair = { .name = "pair",
                                   .entry = pair_main,
                                   .profile = &plain,
                                   .instances = two,
                                   .memories = { { "kept", 4096, true }, { "gone", 64, false } } };
static const sl_proc_decl liar = { .name = "liar", .entry = liar_main, .profile = &plain };
static const sl_proc_decl *const table[] = { &warden, &echo, &asker, &pair };
static const sl_proc_decl *const liars[] = { &warden, &liar };
static const sl_proc_decl *const all[] = { &warden, &echo, &asker, &pair, &liar };

/* ---- running a site ---- */

static const char *const news_names[] = { "started", "serving", "ended", "missing",
                                          "trouble", "allup",   "going" };

static void tell(void *context, sl_host_news news, const char *process, int status)
{
    (void)context;
    (void)dprintf(1, "%s %s %d\n", news_names[news], process, status);
}

typedef struct {
    pid_t pid;
    int from;
    char text[16384];
    size_t n;
} site;

static char directory[] = "/tmp/stoplog-supervisor-XXXXXX";

static site start_table(const sl_proc_decl *const *processes, size_t count, const char *config,
                        uint32_t skip, uint32_t accept)
{
    if (!sl_confine_root_possible()) {
        print_message("skipped: this is a plain chroot, where no root can be built\n");
        skip();
    }
    site s = { 0 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        (void)dup2(ends[1], 1);
        sl_host_options options = { .site = directory,
                                    .config = sl_view_str(config),
                                    .table = processes,
                                    .count = count,
                                    .accept_missing = accept,
                                    .skip_layers = skip,
                                    .uid_base = geteuid() == 0 ? 460000 : 0,
                                    .tell = tell };
        sl_res done = sl_host_run(&options);
        (void)dprintf(1, "result %s %s\n", sl_res_name(done), sl_detail_get()->field);
        _exit(sl_res_exit(done));
    }
    assert_int_equal(close(ends[1]), 0);
    s.from = ends[0];
    return s;
}

static site start_site(uint32_t skip, uint32_t accept)
{
    return start_table(table, SL_COUNT_OF(table), "name: test\n", skip, accept);
}

/* The text that follows the next occurrence of `wanted`, waited for; NULL when it does not come. */
static const char *await(site *s, size_t from, const char *wanted)
{
    for (;;) {
        const char *found = strstr(s->text + from, wanted);
        if (found != NULL) {
            return found;
        }
        struct pollfd ready = { .fd = s->from, .events = POLLIN };
        if (poll(&ready, 1, 15000) <= 0) {
            print_error("'%s' did not come; so far:\n%s", wanted, s->text);
            return NULL;
        }
        ssize_t n = read(s->from, s->text + s->n, sizeof s->text - 1 - s->n);
        if (n <= 0) {
            print_error("ended before '%s':\n%s", wanted, s->text);
            return NULL;
        }
        s->n += (size_t)n;
        s->text[s->n] = '\0';
    }
}

static int wait_site(site *s)
{
    assert_non_null(await(s, 0, "result "));
    int status = 0;
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    (void)close(s->from);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int end_site(site *s)
{
    (void)kill(s->pid, SIGTERM);
    return wait_site(s);
}

static uint32_t usual_gaps(void)
{
    uint32_t gaps = SL_LAYER_BIT(SL_LAYER_CGROUP) | SL_LAYER_BIT(SL_LAYER_LANDLOCK);
#ifdef SL_SANITIZED
    gaps |= SL_LAYER_BIT(SL_LAYER_SECCOMP);
#endif
    return geteuid() == 0 ? gaps : gaps | SL_LAYER_BIT(SL_LAYER_UID);
}

static void processes_start_confined_linked_and_end_in_order(void **state)
{
    site s = start_site(0, usual_gaps());
    assert_non_null(await(&s, 0, "allup"));
    assert_non_null(await(&s, 0, "answer 1 open"));
    assert_int_equal(end_site(&s), 0);
    assert_null(strstr(s.text, "missing"));
    const char *asker_end = strstr(s.text, "ended asker 0");
    const char *echo_end = strstr(s.text, "ended echo 0");
    const char *warden_end = strstr(s.text, "ended warden 0");
    if (asker_end == NULL || echo_end == NULL || warden_end == NULL) {
        print_error("%s", s.text);
    }
    assert_true(asker_end != NULL && echo_end != NULL && warden_end != NULL);
    assert_true(asker_end < echo_end && echo_end < warden_end);
}

static pid_t pid_in_ns_of(site *s, const char *process)
{
    /* Process 1 of the namespace is the only child of the supervisor with this command line. */
    char command[64];
    (void)snprintf(command, sizeof command, "@process%c%s", 0, process);
    for (pid_t pid = s->pid + 1; pid < s->pid + 5000; pid++) {
        char path[64];
        char text[256] = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0) {
            (void)close(fd);
        }
        size_t size = strlen(process) + 9;
        if (n > 0 && memmem(text, (size_t)n, command, size) != NULL) {
            (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
            return pid;
        }
    }
    return -1;
}

static void a_killed_process_comes_back_with_new_links(void **state)
{
    site s = start_site(0, usual_gaps());
    assert_non_null(await(&s, 0, "answer 1 open"));
    assert_non_null(await(&s, 0, "allup")); /* who dies before it ends the start */
    pid_t pid = pid_in_ns_of(&s, "echo");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_non_null(await(&s, 0, "ended echo 9"));
    assert_non_null(await(&s, 0, "answer 2 open"));
    assert_int_equal(end_site(&s), 0);
}

static void a_start_that_fails_for_a_moment_is_tried_again(void **state)
{
    forks_until_failure = 1 + 5; /* the site, and each of its processes once */
    site s = start_site(0, usual_gaps());
    forks_until_failure = -1;
    assert_non_null(await(&s, 0, "answer 1 open"));
    assert_non_null(await(&s, 0, "allup"));
    pid_t pid = pid_in_ns_of(&s, "echo");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_non_null(await(&s, 0, "answer 2 open"));
    assert_int_equal(end_site(&s), 0);
}

static void a_missing_layer_is_named_and_refused_unless_accepted(void **state)
{
    uint32_t skip = SL_LAYER_BIT(SL_LAYER_NET_NS);
    site s = start_site(skip, usual_gaps());
    assert_non_null(await(&s, 0, "missing warden 4"));
    assert_non_null(await(&s, 0, "result E_UNSUPPORTED"));
    assert_int_equal(wait_site(&s), 3);
    assert_null(strstr(s.text, "allup"));

    s = start_site(skip, usual_gaps() | skip);
    assert_non_null(await(&s, 0, "allup"));
    assert_int_equal(end_site(&s), 0);
}

/* Both instances said what they found; between one's two counts the other's may have come. */
static void await_counts(site *s, const char *kept, const char *gone)
{
    assert_non_null(await(s, 0, kept));
    assert_non_null(await(s, 0, gone));
}

static void instances_share_memory_that_outlives_them(void **state)
{
    site s = start_site(0, usual_gaps());
    await_counts(&s, "kept 2 ", "gone 2;");
    assert_non_null(await(&s, 0, "allup"));
    assert_true(strstr(s.text, "pair 0 of 2") != NULL && strstr(s.text, "pair 1 of 2") != NULL);
    pid_t pid = pid_in_ns_of(&s, "pair");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_non_null(await(&s, 0, "kept 3 gone 3;"));
    assert_int_equal(end_site(&s), 0);
    s = start_site(0, usual_gaps()); /* another life of the site */
    await_counts(&s, "kept 5 ", "gone 2;");
    assert_int_equal(end_site(&s), 0);

    char boot[64];
    (void)snprintf(boot, sizeof boot, "%s/run/boot", directory);
    assert_int_equal(truncate(boot, 3), 0); /* as if the machine had started anew */
    s = start_site(0, usual_gaps());
    await_counts(&s, "kept 2 ", "gone 2;");
    assert_int_equal(end_site(&s), 0);
}

/* Where there are no pid namespaces a process has no other number than the one it was forked with. Who took it
 * over cannot have the supervisor kill somebody else in its place. */
static void a_process_cannot_name_another_as_itself(void **state)
{
    char config[16];
    uint32_t skip = SL_LAYER_BIT(SL_LAYER_PID_NS);
    pid_t innocent = fork();
    assert_true(innocent >= 0);
    if (innocent == 0) {
        for (;;) {
            (void)pause();
        }
    }
    (void)snprintf(config, sizeof config, "%d", (int)innocent);
    site s = start_table(liars, SL_COUNT_OF(liars), config, skip, usual_gaps() | skip);
    const char *ended = await(&s, 0, "ended liar 9");
    (void)kill(s.pid, ended != NULL ? SIGTERM : SIGKILL);
    assert_int_equal(waitpid(s.pid, NULL, 0), s.pid);
    (void)close(s.from);
    pid_t died = waitpid(innocent, NULL, WNOHANG);
    (void)kill(innocent, SIGKILL);
    assert_int_equal(died, 0);
    assert_int_equal(waitpid(innocent, NULL, 0), innocent);
    assert_non_null(ended);
}

static void a_second_supervisor_is_refused(void **state)
{
    site s = start_site(0, usual_gaps());
    assert_non_null(await(&s, 0, "allup"));
    site second = start_site(0, usual_gaps());
    assert_non_null(await(&second, 0, "result E_EXISTS"));
    assert_int_equal(wait_site(&second), 3);
    assert_int_equal(end_site(&s), 0);
}

static void a_killed_supervisor_leaves_nothing_running(void **state)
{
    site s = start_site(0, usual_gaps());
    assert_non_null(await(&s, 0, "answer 1 open"));
    pid_t pid = pid_in_ns_of(&s, "asker");
    assert_true(pid > 0);
    assert_int_equal(kill(s.pid, SIGKILL), 0);
    assert_int_equal(waitpid(s.pid, NULL, 0), s.pid);
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(kill(pid, 0), -1);
    (void)close(s.from);
}

static int set_up(void **state)
{
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_site(void **state)
{
    static const char *const left[] = { "run/up.lock", "run/boot", "run/kept.memory", NULL };
    char path[128];
    for (size_t i = 0; left[i] != NULL; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, left[i]);
        (void)unlink(path);
    }
    static const char *const directories[] = { "run/counted", "run/sock", "run/conf", "run", "" };
    for (size_t i = 0; i < SL_COUNT_OF(directories); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, directories[i]);
        (void)rmdir(path);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "@process") == 0) {
        return sl_host_process(all, SL_COUNT_OF(all), argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_share_memory_that_outlives_them),
        cmocka_unit_test(processes_start_confined_linked_and_end_in_order),
        cmocka_unit_test(a_killed_process_comes_back_with_new_links),
        cmocka_unit_test(a_start_that_fails_for_a_moment_is_tried_again),
        cmocka_unit_test(a_missing_layer_is_named_and_refused_unless_accepted),
        cmocka_unit_test(a_process_cannot_name_another_as_itself),
        cmocka_unit_test(a_second_supervisor_is_refused),
        cmocka_unit_test(a_killed_supervisor_leaves_nothing_running),
    };
    return cmocka_run_group_tests(tests, set_up, remove_site);
}
