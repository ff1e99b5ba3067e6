/* SCGI adapter of the n-gram model: see serve.h. Sockets and clocks only; answers come from api.c. */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"

#define CONNECTIONS_MAX 256
#define OUT_BYTES_MAX (16 * SL_MIB)

typedef struct state state;
typedef struct {
    state *owner;
    int fd; /* -1: free */
    sl_buf in;
    sl_buf out;
    size_t written; /* of out */
    bool answered;
    bool done; /* nothing more will be added to out */
    ngram_stream *stream;
    uint64_t timer;
} connection;

struct state {
    const ngram_server *server;
    sl_loop *loop;
    int listener;
    int signals;
    uint64_t calls;
    connection connections[CONNECTIONS_MAX];
};

static void drop(connection *c)
{
    sl_loop_cancel(c->owner->loop, c->timer);
    sl_loop_remove(c->owner->loop, c->fd);
    sl_fd_close(&c->fd);
    ngram_stream_free(c->stream);
    sl_buf_free(&c->in);
    sl_buf_free(&c->out);
    *c = (connection){ .owner = c->owner, .fd = -1 };
}

static SL_MUST sl_res flush(connection *c)
{
    while (c->written < c->out.n) {
        ssize_t n = write(c->fd, c->out.p + c->written, c->out.n - c->written);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? SL_DONE : sl_fail_os(SL_E_CLOSED, "client");
        }
        c->written += (size_t)n;
    }
    sl_buf_clear(&c->out);
    c->written = 0;
    return SL_DONE;
}

static void pump(connection *c);

static void on_timer(void *context)
{
    connection *c = context;
    c->timer = 0;
    pump(c);
}

/* Adds what the stream has next; at most one event, so that a cut is felt at once. */
static SL_MUST sl_res next_event(connection *c)
{
    bool done = false;
    SL_TRY(ngram_stream_next(c->stream, &c->out, &done));
    c->done = done;
    uint64_t delay = c->owner->server->event_delay_ms;
    if (!done && delay != 0) {
        return sl_loop_after(c->owner->loop, delay, on_timer, c, &c->timer);
    }
    return SL_DONE;
}

/* Writes, and makes more to write, until the socket is full, a timer runs, or all is said. */
static void pump(connection *c)
{
    sl_res r = flush(c);
    for (unsigned events = 0; sl_ok(r) && events < 64; events++) {
        if (c->out.n != 0 || c->timer != 0 || c->done) {
            break;
        }
        r = next_event(c);
        r = sl_ok(r) ? flush(c) : r;
    }
    if (!sl_ok(r) || (c->done && c->out.n == 0)) {
        drop(c);
        return;
    }
    bool want_write = c->out.n != 0 || c->timer == 0;
    if (!sl_ok(sl_loop_change(c->owner->loop, c->fd,
                              want_write ? SL_LOOP_READ | SL_LOOP_WRITE : SL_LOOP_READ))) {
        drop(c);
    }
}

/* SL_E_AGAIN until the request is whole. */
static SL_MUST sl_res answer(connection *c)
{
    sl_scgi_request request;
    sl_view body;
    sl_view in = sl_buf_view(&c->in);
    SL_TRY(sl_scgi_head(in, NGRAM_BODY_BYTES_MAX, &request));
    SL_TRY(sl_scgi_body(in, &request, &body));
    SL_TRY(ngram_answer(c->owner->server->service, &request, body, sl_clock_wall_ms() / 1000,
                        c->owner->calls++, &c->out, &c->stream));
    c->answered = true;
    c->done = c->stream == NULL;
    return SL_DONE;
}

static void on_client(void *context, int fd, unsigned events)
{
    connection *c = context;
    if ((events & SL_LOOP_READ) != 0) {
        sl_res r = sl_buf_reserve(&c->in, 64 * SL_KIB);
        ssize_t n = sl_ok(r) ? read(fd, c->in.p + c->in.n, 64 * SL_KIB) : -1;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->answered) {
            drop(c);
            return;
        }
        c->in.n += n > 0 ? (size_t)n : 0;
        r = answer(c);
        if (!sl_ok(r) && !sl_is(r, SL_E_AGAIN)) {
            sl_log_res(SL_LOG_WARN, "a request was refused", r);
            drop(c);
            return;
        }
    } else if ((events & SL_LOOP_HANGUP) != 0) {
        drop(c);
        return;
    }
    if (c->answered) {
        pump(c);
    }
}

static void on_listener(void *context, int fd, unsigned events)
{
    state *s = context;
    (void)events;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        connection *c = &s->connections[i];
        if (c->fd < 0) {
            c->fd = client;
            c->in.max = NGRAM_BODY_BYTES_MAX + SL_SCGI_HEAD_BYTES_MAX + 64 * SL_KIB;
            c->out.max = OUT_BYTES_MAX;
            if (!sl_ok(sl_loop_add(s->loop, client, SL_LOOP_READ, on_client, c))) {
                drop(c);
            }
            return;
        }
    }
    sl_fd_close(&client);
}

static void on_signal(void *context, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    sl_loop_stop(((state *)context)->loop);
}

static SL_MUST sl_res listen_at(const char *path, int *ret_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        return sl_fail_at(SL_E_LIMIT, "socket path", strlen(path));
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "socket");
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return sl_fail_os(SL_E_EXISTS, "socket path");
    }
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0666) != 0 || listen(fd, 128) != 0) {
        return sl_fail_os(SL_E_IO, "socket path");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static SL_MUST sl_res watch_signals(int *ret_fd)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return sl_fail_os(SL_E_IO, "signals");
    }
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? sl_fail_os(SL_E_IO, "signals") : SL_DONE;
}

static SL_MUST sl_res run(state *s)
{
    SL_TRY(sl_loop_new(&s->loop));
    SL_TRY(watch_signals(&s->signals));
    SL_TRY(listen_at(s->server->socket_path, &s->listener));
    SL_TRY(sl_loop_add(s->loop, s->signals, SL_LOOP_READ, on_signal, s));
    SL_TRY(sl_loop_add(s->loop, s->listener, SL_LOOP_READ, on_listener, s));
    return sl_loop_run(s->loop);
}

SL_MUST sl_res ngram_serve(const ngram_server *server)
{
    state *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->server = server;
    s->listener = -1;
    s->signals = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        s->connections[i] = (connection){ .owner = s, .fd = -1 };
    }
    sl_res r = run(s);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (s->connections[i].fd >= 0) {
            drop(&s->connections[i]);
        }
    }
    sl_fd_close(&s->listener);
    sl_fd_close(&s->signals);
    sl_loop_free(s->loop);
    free(s);
    return r;
}
