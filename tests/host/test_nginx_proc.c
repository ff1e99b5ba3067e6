/* Stock nginx runs as a confined process of a site: the front takes a client's request on the socket it
 * inherited and hands it to the ask door by SCGI; the egress answers on its Unix socket and knows no
 * path that no upstream has. The door here is a stand-in that says who asked what. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/scgi.h"
#include "host/host.h"
#include "host/nginx_proc.h"
#include "respond/valve_writer.h"

static sl_res pump_until(sl_proc *self, int fd, int wait_ms)
{
    struct pollfd ready[2] = { { .fd = sl_proc_control_fd(self), .events = POLLIN },
                               { .fd = fd, .events = POLLIN } };
    if (poll(ready, 2, wait_ms) < 0 && errno != EINTR) {
        return sl_fail_os(SL_E_IO, "poll");
    }
    return ready[0].revents != 0 ? sl_proc_pump(self) : SL_DONE;
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

/* Answers every SCGI request with its method and path. */
static sl_res answer_one(int client)
{
    SL_OWN(sl_buf, in, sl_buf_free) = { .max = 256 * SL_KIB };
    static sl_scgi_request request;
    sl_view body;
    sl_res r = sl_fail(SL_E_AGAIN);
    while (sl_is(r, SL_E_AGAIN)) {
        SL_TRY(sl_buf_reserve(&in, 4096));
        ssize_t n = recv(client, in.p + in.n, 4096, 0);
        SL_NEED(n > 0, SL_E_CLOSED);
        in.n += (size_t)n;
        r = sl_scgi_head(sl_buf_view(&in), 4096, &request);
        r = sl_ok(r) ? sl_scgi_body(sl_buf_view(&in), &request, &body) : r;
    }
    SL_TRY(r);
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&text, "door saw %.*s %.*s %.*s\n",
                       SL_FMT(sl_scgi_get(&request, "REQUEST_METHOD")),
                       SL_FMT(sl_scgi_get(&request, "REQUEST_URI")), SL_FMT(body)));
    SL_TRY(sl_scgi_answer(&out, 200, "text/plain", sl_buf_view(&text)));
    return sl_fd_write_all(client, sl_buf_view(&out));
}

static sl_res ask_main(sl_proc *self)
{
    int listener = sl_proc_listening(self, "ask");
    SL_NEED(listener >= 0, SL_E_BUG);
    SL_TRY(sl_proc_serving(self));
    for (;;) {
        SL_TRY(pump_until(self, listener, 1000));
        SL_OWN(int, client, sl_fd_close) = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0) {
            sl_res answered = answer_one(client);
            (void)answered; /* a client that goes away is no matter of this test */
        }
    }
}

static const sl_confine_profile plain = { .name = "plain", .files_max = 64 };
static const sl_confine_profile accepting = { .name = "accepting",
                                              .files_max = 64,
                                              .may = SL_MAY_ACCEPT };
static const sl_proc_decl warden = {
    .name = "warden", .entry = warden_main, .profile = &plain, .no_exec = true
};
static const sl_proc_decl ask = {
    .name = "ask", .entry = ask_main, .profile = &accepting, .listens = { { .name = "ask" } }
};
static const sl_proc_decl *const table[] = { &warden, &ask, &sl_egress_decl, &sl_front_decl };

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

static char directory[] = "/tmp/stoplog-nginx-XXXXXX";
static char address[32];
static unsigned port;

static sl_res give_address(void *context, const char *key, char *ret_text, size_t size)
{
    (void)context;
    SL_NEED(strcmp(key, "front.listen") == 0, SL_E_NOT_FOUND);
    (void)snprintf(ret_text, size, "%s", address);
    return SL_DONE;
}

static site start_site(uint32_t accept)
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
        (void)dup2(ends[1], 2);
        static char config[512];
        (void)snprintf(config, sizeof config,
                       "front:\n  listen: \"%s\"\negress:\n  upstreams:\n"
                       "    - name: local\n      url: \"http://127.0.0.1:9/v1\"\n"
                       "    - name: host\n      url: \"http://localhost:9/v1\"\n"
                       "    - name: nowhere\n      url: \"http://models.invalid/v1\"\n",
                       address);
        sl_host_options options = { .site = directory,
                                    .config = sl_view_str(config),
                                    .table = table,
                                    .count = SL_COUNT_OF(table),
                                    .accept_missing = accept,
                                    .uid_base = geteuid() == 0 ? 461000 : 0,
                                    .tell = tell,
                                    .address = give_address };
        sl_res done = sl_host_run(&options);
        (void)dprintf(1, "result %s %s\n", sl_res_name(done), sl_detail_get()->field);
        _exit(sl_res_exit(done));
    }
    assert_int_equal(close(ends[1]), 0);
    s.from = ends[0];
    return s;
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

/* One HTTP request on a connected socket; the whole answer as text. */
static void exchange(int fd, const char *request, char *answer, size_t size)
{
    size_t n = 0;
    struct timeval wait = { .tv_sec = 10 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_done(sl_fd_write_all(fd, sl_view_str(request)));
    for (ssize_t got = 1; got > 0 && n<size - 1; n += got> 0 ? (size_t)got : 0) {
        got = recv(fd, answer + n, size - 1 - n, 0);
    }
    answer[n] = '\0';
    assert_int_equal(close(fd), 0);
}

static int connect_front(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } at = { .in = &to };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, at.any, sizeof to), 0);
    return fd;
}

static int connect_egress(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s/run/sock/egress.sock", directory);
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } at = { .un = &to };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, at.any, sizeof to), 0);
    return fd;
}

static void nginx_serves_confined_on_both_sides(void **state)
{
    site s = start_site(usual_gaps());
    assert_non_null(await(&s, 0, "allup"));
    static char answer[8192];
    exchange(connect_front(),
             "POST /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
             answer, sizeof answer);
    if (strstr(answer, "door saw POST /v1/x abc") == NULL) {
        print_error("front: %s\n%s", answer, s.text);
        fail();
    }
    exchange(connect_egress(), "GET /elsewhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             answer, sizeof answer);
    assert_non_null(strstr(answer, "404"));
    /* A way there is, but nobody listens on port 9; and a name that nobody knows stops no site. */
    static const char *const ways[] = { "local", "host", "nowhere" };
    for (size_t i = 0; i < SL_COUNT_OF(ways); i++) {
        char request[256];
        (void)snprintf(request, sizeof request,
                       "POST /%s/v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                       "Content-Length: 0\r\n\r\n",
                       ways[i]);
        exchange(connect_egress(), request, answer, sizeof answer);
        assert_non_null(strstr(answer, "502"));
    }
    assert_int_equal(end_site(&s), 0);
    assert_null(strstr(s.text, "missing"));
}

/* A port that is free now. */
static int set_up(void **state)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } at = { .in = &any };
    socklen_t size = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, at.any, size) != 0 || getsockname(fd, at.any, &size) != 0) {
        return -1;
    }
    port = ntohs(any.sin_port);
    (void)close(fd);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    return mkdtemp(directory) == NULL || chmod(directory, 0755) != 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

static int tear_down(void **state)
{
    return nftw(directory, remove_one, 16, FTW_PHYS | FTW_DEPTH | FTW_MOUNT);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "@process") == 0) {
        return sl_host_process(table, SL_COUNT_OF(table), argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nginx_serves_confined_on_both_sides),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
