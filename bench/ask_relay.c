/* The yardstick of bench/ask_overhead: a door that lets everything pass. It takes the place of the ask
 * door's process in a bench build of the whole program, in the same confinement and between the same
 * nginx, inspects nothing and records nothing. It is never installed; see bench/README.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/scgi.h"
#include "crypto/crypto.h"
#include "doors/ask/daemon.h"
#include "doors/ask/http.h"

enum { READ_BYTES = 65536, POOL_MAX = 64, BODY_MAX = 16 << 20, BUFFER_MAX = 64 << 20 };

static const sl_confine_path PATHS[] = {
    { "run/sock/egress.sock", "/egress.sock", SL_PATH_SOCKET },
};

static const sl_confine_profile PROFILE = {
    .name = "ask",
    .may = SL_MAY_FILES | SL_MAY_CONNECT | SL_MAY_ACCEPT,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
    .files_max = 4096,
};

typedef struct {
    int client;
    int upstream; /* -1: none */
    sl_buf in;
    sl_buf to_client;
    sl_buf to_upstream;
    sl_http_answer http;
    bool answered;
} relay;

static sl_loop *loop;
static sl_proc *self;
static int pool[POOL_MAX];
static size_t pool_n;
static uint8_t buffer[READ_BYTES];

static void drop(int *fd)
{
    if (*fd >= 0) {
        sl_loop_remove(loop, *fd);
        (void)close(*fd);
        *fd = -1;
    }
}

static void end(relay *r)
{
    drop(&r->client);
    drop(&r->upstream);
    sl_buf_free(&r->in);
    sl_buf_free(&r->to_client);
    sl_buf_free(&r->to_upstream);
    sl_http_free(&r->http);
    free(r);
}

static void on_idle(void *context, int fd, unsigned events)
{
    (void)context;
    (void)events;
    for (size_t i = 0; i < pool_n; i++) {
        if (pool[i] == fd) {
            pool[i] = pool[--pool_n];
            break;
        }
    }
    drop(&fd);
}

static int connect_egress(void)
{
    static const struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/egress.sock" };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static sl_res flush(int fd, sl_buf *out)
{
    while (out->n != 0) {
        ssize_t n = send(fd, out->p, out->n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return sl_loop_change(loop, fd, SL_LOOP_READ | SL_LOOP_WRITE);
        }
        SL_NEED(n > 0, SL_E_CLOSED);
        sl_buf_drop_front(out, (size_t)n);
    }
    return sl_loop_change(loop, fd, SL_LOOP_READ);
}

static void on_upstream(void *context, int fd, unsigned events);

/* The request as it came, for the one upstream of the bench. */
static sl_res forward(relay *r, const sl_scgi_request *head, sl_view body)
{
    sl_view uri = sl_scgi_get(head, "REQUEST_URI");
    sl_view method = sl_scgi_get(head, "REQUEST_METHOD");
    SL_TRY(
        sl_buf_addf(&r->to_upstream,
                    "%.*s /main%.*s HTTP/1.1\r\nHost: egress\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    SL_FMT(method), SL_FMT(uri), body.n));
    SL_TRY(sl_buf_add(&r->to_upstream, body));
    if (pool_n != 0) {
        r->upstream = pool[--pool_n];
        sl_loop_remove(loop, r->upstream);
    } else {
        r->upstream = connect_egress();
    }
    SL_NEED(r->upstream >= 0, SL_E_UNAVAILABLE);
    SL_TRY(sl_loop_add(loop, r->upstream, SL_LOOP_READ, on_upstream, r));
    return flush(r->upstream, &r->to_upstream);
}

static sl_res read_request(relay *r)
{
    sl_scgi_request head;
    sl_view body;
    sl_res got = sl_scgi_head(sl_buf_view(&r->in), BODY_MAX, &head);
    if (sl_ok(got)) {
        got = sl_scgi_body(sl_buf_view(&r->in), &head, &body);
    }
    if (sl_is(got, SL_E_AGAIN) || r->upstream >= 0) {
        return SL_DONE;
    }
    SL_TRY(got);
    return forward(r, &head, body);
}

static sl_res take_answer(relay *r, sl_view in)
{
    while (in.n != 0 && r->http.at != SL_HTTP_DONE) {
        sl_view piece;
        SL_TRY(sl_http_next(&r->http, &in, &piece));
        if (!r->answered && r->http.at != SL_HTTP_HEAD) {
            bool events = r->http.kind == SL_HTTP_EVENTS;
            SL_TRY(sl_scgi_answer_status(&r->to_client, r->http.status));
            SL_TRY(sl_scgi_answer_field(&r->to_client, "Content-Type",
                                        events ? SL_LIT("text/event-stream")
                                               : SL_LIT("application/json")));
            SL_TRY(sl_scgi_answer_end(&r->to_client));
            r->answered = true;
        }
        SL_TRY(sl_buf_add(&r->to_client, piece));
    }
    return flush(r->client, &r->to_client);
}

static void keep_upstream(relay *r)
{
    int fd = r->upstream;
    if (r->http.keep_alive && pool_n < POOL_MAX) {
        sl_loop_remove(loop, fd);
        r->upstream = -1;
        if (sl_ok(sl_loop_add(loop, fd, SL_LOOP_READ, on_idle, NULL))) {
            pool[pool_n++] = fd;
            return;
        }
        (void)close(fd);
    }
    drop(&r->upstream);
}

static void on_upstream(void *context, int fd, unsigned events)
{
    relay *r = context;
    sl_res done = SL_DONE;
    if ((events & SL_LOOP_WRITE) != 0) {
        done = flush(fd, &r->to_upstream);
    }
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN && sl_ok(done)) {
        return;
    }
    if (n > 0 && sl_ok(done)) {
        done = take_answer(r, sl_view_of(buffer, (size_t)n));
    }
    if (n <= 0 || !sl_ok(done)) {
        end(r);
        return;
    }
    if (r->http.at == SL_HTTP_DONE) {
        keep_upstream(r);
        if (r->to_client.n == 0) {
            end(r);
        }
    }
}

static void on_client(void *context, int fd, unsigned events)
{
    relay *r = context;
    sl_res done = SL_DONE;
    if ((events & SL_LOOP_WRITE) != 0) {
        done = flush(fd, &r->to_client);
    }
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0 && sl_ok(done)) {
        done = sl_buf_add(&r->in, sl_view_of(buffer, (size_t)n));
        done = sl_ok(done) ? read_request(r) : done;
    }
    bool gone = n == 0 || (n < 0 && errno != EAGAIN);
    if (gone || !sl_ok(done) || (r->http.at == SL_HTTP_DONE && r->to_client.n == 0)) {
        end(r);
    }
}

static void on_accept(void *context, int fd, unsigned events)
{
    (void)context;
    (void)events;
    int client;
    while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        relay *r = calloc(1, sizeof *r);
        if (r == NULL || !sl_ok(sl_loop_add(loop, client, SL_LOOP_READ, on_client, r))) {
            (void)close(client);
            free(r);
            continue;
        }
        r->client = client;
        r->upstream = -1;
        r->in.max = r->to_client.max = r->to_upstream.max = BUFFER_MAX;
        sl_http_init(&r->http, BUFFER_MAX);
        on_client(r, client, SL_LOOP_READ);
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    (void)context;
    (void)fd;
    (void)events;
    if (!sl_ok(sl_proc_pump(self))) {
        sl_loop_stop(loop);
    }
}

static sl_res entry(sl_proc *me)
{
    self = me;
    SL_TRY(sl_loop_new(&loop));
    SL_TRY(sl_loop_add(loop, sl_proc_control_fd(self), SL_LOOP_READ, on_control, NULL));
    SL_TRY(sl_loop_add(loop, sl_proc_listening(self, "ask"), SL_LOOP_READ, on_accept, NULL));
    SL_TRY(sl_proc_serving(self));
    return sl_loop_run(loop);
}

static sl_res warm(sl_proc *me)
{
    (void)me;
    return sl_crypto_init();
}

/* In the place of the one in src/doors/ask/daemon.c, which the linker therefore leaves out. */
const sl_proc_decl sl_ask_decl = {
    .name = "ask",
    .entry = entry,
    .profile = &PROFILE,
    .listens = { { .name = "ask" } },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
