/* The ask door's sockets. What it is for is told in serve.h. It must never hold back a closing or
 * let one slow peer delay another, and every buffer it fills has the core's ceiling. */
#include "doors/ask/serve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/random.h"

enum {
    READ_BYTES = 64 * 1024,
    READS_PER_TURN = 4,       /* so that one busy peer cannot keep the loop */
    CLIENT_HIGH = 256 * 1024, /* bytes waiting for a client: stop reading its model server */
    CLIENT_LOW = 64 * 1024,
    ACCEPTS_PER_TURN = 64,
    SWEEP_MS = 100,
    DRAINS_MAX = 64,     /* connections whose last answer is not quite read */
    DRAIN_MS_MAX = 2000, /* for so long */
    DRAIN_BYTES_MAX = 65536,
    /* Egress reads a request at once; one that it did not live to read is lost within this time, and
     * before the minute is told (SL_MINUTES_QUIET_MS). */
    DOUBT_MS = 9 * 1000,
    /* Crossings that may wait for a comparison at once, beyond which nobody compares for one more. */
    ASIDE_MAX = 32,
    STACK_BYTES = 1 << 20,
};

struct connection;

/* What a model server said, taken in by a crossing on a stack of its own: its text may have to be compared with a
 * record, and the crossing then waits, not the process. */
typedef struct {
    struct connection *connection; /* NULL: free */
    sl_fiber *fiber;
    uint8_t *buffer; /* READ_BYTES */
    size_t n;        /* 0: the model server is gone */
    bool waits;
    uint64_t question; /* number of the question it waits for */
    uint64_t asked_ms;
    sl_echo_answer answer;
} aside;

typedef struct connection {
    sl_ask_server *server;
    sl_ask_door *door;
    const sl_ask_site *site;
    uint64_t token; /* slot in the low half, generation in the high half */
    int client_fd;
    int upstream_fd;
    bool upstream_reused; /* taken from the pool and silent so far */
    bool upstream_paused;
    bool upstream_begun; /* first bytes of the request were sent */
    bool upstream_asked; /* egress was given a request of ours, and was silent since */
    uint64_t upstream_minute;
    uint64_t upstream_asked_ms;
    bool client_gone;
    unsigned client_events; /* as the loop knows them */
    unsigned upstream_events;
    uint64_t stalled_since_ms; /* 0: the client keeps up */
    aside *aside;              /* it waits for a comparison: nothing else is done for it */
    enum { ACK_NONE, ACK_RECORDED, ACK_LOST } ack; /* what the ledger said meanwhile */
    uint64_t ack_index;
} connection;

/* A connection to egress whose answer is complete for its client, and not yet at its end. */
typedef struct {
    sl_ask_server *server;
    int fd; /* -1: free */
    sl_http_answer rest;
    uint64_t since_ms;
    size_t bytes;
} drain;

/* A request whose connection we closed before egress said a word: it stays pending until egress has had
 * time enough. If all of the site is killed meanwhile, nobody knows whether egress had read it. */
typedef struct {
    uint64_t minute;
    uint64_t asked_ms;
} lingering;

struct sl_ask_server {
    sl_loop *loop;
    sl_ask_server_options options;
    uint64_t sweep;
    connection **slots;
    uint32_t *generations;
    uint32_t *free_slots;
    size_t free_n;
    int *pool;
    size_t pool_n;
    drain drains[DRAINS_MAX];
    lingering *lingers; /* a ring of connections_max places, oldest first */
    size_t linger_first;
    size_t linger_n;
    bool accepting;
    bool ending;
    sl_ask_server_counts counts;
    aside asides[ASIDE_MAX];
    uint64_t questions;
    uint8_t buffer[READ_BYTES];
};

static sl_ask_now now_of(void)
{
    return (sl_ask_now){ .boot_ms = sl_clock_boot_ns() / 1000000,
                         .wall_ms = sl_clock_wall_ms(),
                         .mono_us = sl_clock_mono_ns() / 1000 };
}

static void pump(connection *c);
static void on_client(void *context, int fd, unsigned events);
static void on_upstream(void *context, int fd, unsigned events);
static void on_accept(void *context, int fd, unsigned events);

/* ---- crossings that wait for a comparison ---- */

static void take_in(void *context)
{
    aside *a = context;
    sl_ask_door *door = a->connection->door;
    if (a->n != 0) {
        sl_ask_door_upstream_bytes(door, sl_view_of(a->buffer, a->n), now_of());
    } else {
        sl_ask_door_upstream_gone(door, now_of());
    }
}

static sl_res make_aside(aside *a)
{
    if (a->buffer == NULL) {
        a->buffer = malloc(READ_BYTES);
        SL_NEED(a->buffer != NULL, SL_E_MEMORY);
    }
    return a->fiber == NULL ? sl_fiber_new(STACK_BYTES, &a->fiber) : SL_DONE;
}

/* A free one, or NULL: then what has to be compared is judged without. */
static aside *free_aside(sl_ask_server *s)
{
    for (size_t i = 0; s->options.comparer.ask != NULL && i < ASIDE_MAX; i++) {
        aside *a = &s->asides[i];
        if (a->connection == NULL) {
            return sl_ok(make_aside(a)) ? a : NULL;
        }
    }
    return NULL;
}

/* While it waits the loop is not to tell of its descriptors: what they say stays where it is. */
static void set_aside(connection *c, aside *a)
{
    c->aside = a;
    if (c->client_fd >= 0) {
        sl_loop_remove(c->server->loop, c->client_fd);
    }
    if (c->upstream_fd >= 0) {
        sl_loop_remove(c->server->loop, c->upstream_fd);
    }
}

/* Gives the crossing what `n` bytes of its model server say (0: it is gone). False: it waits now. */
static bool give_upstream(connection *c, aside *a, size_t n)
{
    if (a == NULL) {
        if (n != 0) {
            sl_ask_door_upstream_bytes(c->door, sl_view_of(c->server->buffer, n), now_of());
        } else {
            sl_ask_door_upstream_gone(c->door, now_of());
        }
        return true;
    }
    a->connection = c;
    a->n = n;
    if (!sl_fiber_run(a->fiber, take_in, a)) {
        set_aside(c, a);
        return false;
    }
    a->connection = NULL;
    return true;
}

/* Watched again, with what the ledger said meanwhile; a descriptor that cannot be watched ends the connection. */
static void take_back(connection *c)
{
    sl_ask_server *s = c->server;
    c->aside = NULL;
    bool watched = c->client_fd < 0 ||
                   sl_ok(sl_loop_add(s->loop, c->client_fd, c->client_events, on_client, c));
    watched &= c->upstream_fd < 0 ||
               sl_ok(sl_loop_add(s->loop, c->upstream_fd, c->upstream_events, on_upstream, c));
    c->stalled_since_ms = watched ? c->stalled_since_ms : 1;
    if (c->ack == ACK_RECORDED) {
        sl_ask_door_recorded(c->door, c->ack_index, now_of());
    } else if (c->ack == ACK_LOST) {
        sl_ask_door_not_recorded(c->door, now_of());
    }
    c->ack = ACK_NONE;
}

static void go_on(aside *a, sl_echo_answer answer)
{
    connection *c = a->connection;
    a->answer = answer;
    a->waits = false;
    if (sl_fiber_resume(a->fiber)) {
        a->connection = NULL;
        take_back(c);
        pump(c);
    }
}

sl_echo_answer sl_ask_server_compare(void *server, const sl_echo_question *question)
{
    sl_ask_server *s = server;
    const sl_ask_comparer *to = &s->options.comparer;
    for (size_t i = 0; i < ASIDE_MAX; i++) {
        aside *a = &s->asides[i];
        if (a->connection == NULL || s->ending || a->fiber != sl_fiber_current()) {
            continue;
        }
        a->question = ++s->questions;
        if (!to->ask(to->context, question, a->question)) {
            return SL_ECHO_UNKNOWN;
        }
        s->counts.compared++;
        a->asked_ms = now_of().boot_ms;
        a->waits = true;
        sl_fiber_pause();
        return a->answer;
    }
    return SL_ECHO_UNKNOWN; /* nobody may wait here */
}

void sl_ask_server_compared(sl_ask_server *s, uint64_t token, sl_echo_answer answer)
{
    for (size_t i = 0; i < ASIDE_MAX; i++) {
        aside *a = &s->asides[i];
        if (a->connection != NULL && a->waits && a->question == token) {
            go_on(a, answer);
            return;
        }
    }
}

/* Who waited long enough is judged by the match alone. */
static void end_waiting(sl_ask_server *s, uint64_t now_ms, bool all)
{
    const sl_ask_comparer *to = &s->options.comparer;
    for (size_t i = 0; i < ASIDE_MAX; i++) {
        aside *a = &s->asides[i];
        if (a->connection == NULL || !a->waits ||
            (!all && now_ms - a->asked_ms < s->options.compare_ms_max)) {
            continue;
        }
        s->counts.late++;
        if (to->late != NULL) {
            to->late(to->context, a->question);
        }
        go_on(a, SL_ECHO_UNKNOWN);
    }
}

static void free_asides(sl_ask_server *s)
{
    end_waiting(s, 0, true);
    for (size_t i = 0; i < ASIDE_MAX; i++) {
        assert(s->asides[i].connection == NULL);
        sl_fiber_free(s->asides[i].fiber);
        free(s->asides[i].buffer);
    }
}

/* ---- the pool of idle connections to egress ---- */

static void close_watched(sl_ask_server *s, int *fd)
{
    if (*fd >= 0) {
        sl_loop_remove(s->loop, *fd);
        (void)close(*fd);
        *fd = -1;
    }
}

static void pool_drop(sl_ask_server *s, int fd)
{
    for (size_t i = 0; i < s->pool_n; i++) {
        if (s->pool[i] == fd) {
            s->pool[i] = s->pool[--s->pool_n];
            break;
        }
    }
    close_watched(s, &fd);
}

/* Egress has read the request, or nobody knows: it went away before it said anything. */
static void settle_crossing(connection *c, bool counts)
{
    const sl_ask_recorder *to = &c->server->options.recorder;
    if (c->upstream_asked && to->counted != NULL) {
        (counts ? to->counted : to->doubted)(to->context, c->upstream_minute);
    }
    c->upstream_asked = false;
}

static void end_linger(sl_ask_server *s)
{
    const sl_ask_recorder *to = &s->options.recorder;
    if (to->counted != NULL) {
        to->counted(to->context, s->lingers[s->linger_first].minute);
    }
    assert(s->options.connections_max != 0);
    s->linger_first = (s->linger_first + 1) % s->options.connections_max;
    s->linger_n--;
}

static void linger(connection *c)
{
    sl_ask_server *s = c->server;
    if (!c->upstream_asked) {
        return;
    }
    if (s->linger_n == s->options.connections_max) {
        end_linger(s);
    }
    size_t at = (s->linger_first + s->linger_n++) % s->options.connections_max;
    s->lingers[at] = (lingering){ c->upstream_minute, c->upstream_asked_ms };
    c->upstream_asked = false;
}

static void close_upstream(connection *c)
{
    linger(c);
    close_watched(c->server, &c->upstream_fd);
}

/* An idle connection that says anything is of no use: it was not asked. */
static void on_idle(void *context, int fd, unsigned events)
{
    (void)events;
    pool_drop(context, fd);
}

/* For the next request; `fd` is not watched. */
static void pool_add(sl_ask_server *s, int fd)
{
    if (s->pool_n < s->options.pool_max && !s->ending &&
        sl_ok(sl_loop_add(s->loop, fd, SL_LOOP_READ, on_idle, s))) {
        s->pool[s->pool_n++] = fd;
        return;
    }
    (void)close(fd);
}

static int give_up_upstream(connection *c)
{
    int fd = c->upstream_fd;
    settle_crossing(c, true);
    c->upstream_fd = -1;
    sl_loop_remove(c->server->loop, fd);
    return fd;
}

static void drain_end(drain *r, bool good)
{
    int fd = r->fd;
    r->fd = -1;
    sl_http_free(&r->rest);
    sl_loop_remove(r->server->loop, fd);
    if (good) {
        pool_add(r->server, fd);
    } else {
        (void)close(fd);
    }
}

/* The rest is read and dropped; what follows it was not asked for and spoils the connection. */
static void on_drain(void *context, int fd, unsigned events)
{
    drain *r = context;
    (void)events;
    ssize_t n = recv(fd, r->server->buffer, sizeof r->server->buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    sl_view in = sl_view_of(r->server->buffer, n > 0 ? (size_t)n : 0);
    sl_view dropped;
    bool good = n > 0;
    r->bytes += in.n;
    while (good && in.n != 0 && r->rest.at != SL_HTTP_DONE) {
        good = sl_ok(sl_http_next(&r->rest, &in, &dropped));
    }
    bool done = r->rest.at == SL_HTTP_DONE;
    if (done || !good || r->bytes > DRAIN_BYTES_MAX) {
        drain_end(r, done && good && in.n == 0);
    }
}

static void drain_upstream(connection *c)
{
    sl_ask_server *s = c->server;
    int fd = give_up_upstream(c);
    size_t i = 0;
    while (i < DRAINS_MAX && s->drains[i].fd >= 0) {
        i++;
    }
    if (i == DRAINS_MAX ||
        !sl_ok(sl_loop_add(s->loop, fd, SL_LOOP_READ, on_drain, &s->drains[i]))) {
        (void)close(fd);
        return;
    }
    s->drains[i] = (drain){
        .server = s, .fd = fd, .rest = sl_ask_door_rest(c->door), .since_ms = now_of().boot_ms
    };
}

static int connect_egress(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    if (n >= sizeof at.sun_path) {
        return -1;
    }
    memcpy(at.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A connection for the request in hand: an idle one, else a new one. */
static bool open_upstream(connection *c, bool fresh)
{
    sl_ask_server *s = c->server;
    c->upstream_reused = !fresh && s->pool_n != 0;
    if (c->upstream_reused) {
        c->upstream_fd = s->pool[--s->pool_n];
        sl_loop_remove(s->loop, c->upstream_fd);
    } else {
        c->upstream_fd = connect_egress(s->options.egress_path);
    }
    if (c->upstream_fd < 0) {
        return false;
    }
    c->upstream_paused = false;
    c->upstream_begun = false;
    c->upstream_events = SL_LOOP_READ;
    s->counts.forwarded++;
    if (!sl_ok(sl_loop_add(s->loop, c->upstream_fd, SL_LOOP_READ, on_upstream, c))) {
        (void)close(c->upstream_fd);
        c->upstream_fd = -1;
        return false;
    }
    return true;
}

/* ---- connections ---- */

static void free_connection(connection *c)
{
    sl_ask_server *s = c->server;
    uint32_t slot = (uint32_t)c->token;
    close_watched(s, &c->client_fd);
    close_upstream(c);
    sl_ask_door_free(c->door);
    free(c);
    s->slots[slot] = NULL;
    s->free_slots[s->free_n++] = slot;
    s->counts.open--;
    if (!s->accepting && !s->ending &&
        sl_ok(sl_loop_add(s->loop, s->options.listen_fd, SL_LOOP_READ, on_accept, s))) {
        s->accepting = true;
    }
}

/* Write what waits; false when the peer is gone. `*ret_moved` says that something was taken. */
static bool flush(int fd, sl_buf *out, bool *ret_moved)
{
    size_t sent = 0;
    while (sent < out->n) {
        ssize_t n = send(fd, out->p + sent, out->n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            if (errno == EAGAIN) {
                break;
            }
            *ret_moved = sent != 0;
            return false;
        }
        sent += (size_t)n;
    }
    *ret_moved = sent != 0;
    sl_buf_drop_front(out, sent);
    return true;
}

static void hand_over_leaf(connection *c, sl_ask_out *out)
{
    const sl_ask_recorder *to = &c->server->options.recorder;
    sl_res r = to->append(to->context, sl_buf_view(&out->leaf), c->token, out->leaf_soon);
    sl_buf_clear(&out->leaf);
    out->leaf_soon = false;
    if (sl_ok(r)) {
        sl_ask_door_handed_over(c->door, now_of());
    } else {
        sl_ask_door_not_recorded(c->door, now_of());
    }
}

static void hand_over_knock(connection *c, sl_ask_out *out)
{
    const sl_ask_recorder *to = &c->server->options.recorder;
    out->knock = false;
    if (to->knock != NULL) {
        to->knock(to->context, out->knock_source, (sl_res){ out->knock_code });
    }
}

static void make_upstream(connection *c, sl_ask_out *out, bool fresh)
{
    out->connect = sl_view_of(NULL, 0);
    close_upstream(c); /* the one before, which this wish may be about, and not the new one */
    out->upstream_close = false;
    out->upstream_keep = false;
    out->upstream_drain = false;
    if (!open_upstream(c, fresh)) {
        sl_ask_door_upstream_gone(c->door, now_of());
    }
}

static void let_upstream_go(connection *c, sl_ask_out *out)
{
    if (c->upstream_fd >= 0) {
        if (out->upstream_drain) {
            drain_upstream(c);
        } else if (out->upstream_keep && !out->upstream_close) {
            pool_add(c->server, give_up_upstream(c));
        } else {
            close_upstream(c);
        }
    }
    out->upstream_keep = false;
    out->upstream_close = false;
    out->upstream_drain = false;
}

static void upstream_lost(connection *c)
{
    bool stale = c->upstream_reused;
    settle_crossing(c, now_of().boot_ms - c->upstream_asked_ms >= DOUBT_MS);
    close_upstream(c);
    if (stale) {
        /* Egress closed an idle connection as we took it: nothing was answered, ask again. */
        c->upstream_reused = false;
        if (sl_ask_door_upstream_stale(c->door, now_of())) {
            make_upstream(c, sl_ask_door_out(c->door), true);
            return;
        }
    }
    (void)give_upstream(c, free_aside(c->server), 0);
}

static void lose_client(connection *c)
{
    c->client_gone = true;
    close_watched(c->server, &c->client_fd);
    sl_ask_door_client_gone(c->door, now_of());
}

static void flush_client(connection *c, sl_ask_out *out)
{
    bool moved = false;
    if (c->client_gone) {
        sl_buf_clear(&out->client);
        return;
    }
    if (out->client.n != 0 && !flush(c->client_fd, &out->client, &moved)) {
        lose_client(c);
        return;
    }
    if (out->client.n == 0 || moved) {
        c->stalled_since_ms = out->client.n == 0 ? 0 : now_of().boot_ms;
    } else if (c->stalled_since_ms == 0) {
        c->stalled_since_ms = now_of().boot_ms;
    }
}

/* Tell the loop only what changed. A descriptor that cannot be watched ends its connection at the
 * next sweep. */
static void watch(connection *c, int fd, unsigned *known, unsigned events)
{
    if (fd >= 0 && *known != events) {
        *known = events;
        if (!sl_ok(sl_loop_change(c->server->loop, fd, events))) {
            c->stalled_since_ms = 1;
        }
    }
}

/* Watch for what can now be used: no reading from a model server whose client lags behind. */
static void set_interests(connection *c, const sl_ask_out *out)
{
    watch(c, c->client_fd, &c->client_events,
          SL_LOOP_READ | (out->client.n == 0 ? 0U : (unsigned)SL_LOOP_WRITE));
    c->upstream_paused = out->client.n > (c->upstream_paused ? CLIENT_LOW : CLIENT_HIGH);
    watch(c, c->upstream_fd, &c->upstream_events,
          (c->upstream_paused ? 0U : (unsigned)SL_LOOP_READ) |
              (out->upstream.n == 0 ? 0U : (unsigned)SL_LOOP_WRITE));
}

/* Send what waits for egress; the first bytes of a request hold its head, and with it egress counts. */
static bool flush_upstream(connection *c, sl_ask_out *out)
{
    const sl_ask_recorder *to = &c->server->options.recorder;
    bool first = !c->upstream_begun && to->sending != NULL;
    bool moved = false;
    if (first) {
        to->sending(to->context, out->minute);
    }
    bool there = flush(c->upstream_fd, &out->upstream, &moved);
    if (first) {
        to->sent(to->context, out->minute, moved);
    }
    if (moved && !c->upstream_begun) {
        c->upstream_begun = true;
        c->upstream_asked = true;
        c->upstream_minute = out->minute;
        c->upstream_asked_ms = now_of().boot_ms;
    }
    return there;
}

/* Carry out what the core wishes until it wishes nothing more. Frees the connection when it is
 * over and everything is sent. */
static void pump(connection *c)
{
    sl_ask_out *out = sl_ask_door_out(c->door);
    for (;;) {
        if (c->aside != NULL) {
            return;
        }
        if (out->knock) {
            hand_over_knock(c, out);
        }
        if (out->leaf.n != 0) {
            hand_over_leaf(c, out);
            continue;
        }
        if (out->connect.n != 0) {
            make_upstream(c, out, false);
            continue;
        }
        if (out->upstream_close || out->upstream_drain ||
            (out->upstream_keep && out->upstream.n == 0)) {
            let_upstream_go(c, out);
            continue;
        }
        if (out->upstream.n != 0 && c->upstream_fd >= 0) {
            if (!flush_upstream(c, out)) {
                sl_buf_clear(&out->upstream);
                upstream_lost(c);
                continue;
            }
        }
        bool was_gone = c->client_gone;
        flush_client(c, out);
        if (was_gone == c->client_gone) {
            break;
        }
    }
    if (sl_ask_door_over(c->door) && out->client.n == 0) {
        free_connection(c);
        return;
    }
    if (out->client_close && out->client.n == 0) {
        close_watched(c->server,
                      &c->client_fd); /* the client has all; the ledger has not said so yet */
    }
    set_interests(c, out);
}

static void on_client(void *context, int fd, unsigned events)
{
    connection *c = context;
    sl_ask_server *s = c->server;
    for (int i = 0; i < READS_PER_TURN && (events & (SL_LOOP_READ | SL_LOOP_HANGUP)) != 0; i++) {
        ssize_t n = recv(fd, s->buffer, sizeof s->buffer, MSG_DONTWAIT);
        if (n > 0) {
            sl_ask_door_client_bytes(c->door, sl_view_of(s->buffer, (size_t)n), now_of());
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        lose_client(c);
        break;
    }
    pump(c);
}

static void on_upstream(void *context, int fd, unsigned events)
{
    connection *c = context;
    sl_ask_server *s = c->server;
    if (c->upstream_paused && (events & SL_LOOP_HANGUP) == 0) {
        pump(c);
        return;
    }
    for (int i = 0; i < READS_PER_TURN && (events & (SL_LOOP_READ | SL_LOOP_HANGUP)) != 0; i++) {
        aside *a = free_aside(s);
        ssize_t n = recv(fd, a != NULL ? a->buffer : s->buffer, READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (n <= 0) {
            upstream_lost(c);
            break;
        }
        c->upstream_reused = false;
        settle_crossing(c, true);
        if (!give_upstream(c, a, (size_t)n)) {
            return;
        }
        if (sl_ask_door_out(c->door)->client.n > CLIENT_HIGH ||
            !sl_ask_door_wants_upstream(c->door)) {
            break;
        }
    }
    pump(c);
}

static connection *new_connection(sl_ask_server *s, int fd)
{
    uint8_t random[16];
    connection *c = calloc(1, sizeof *c);
    sl_res drawn = sl_random_bytes(random, sizeof random);
    random[0] = s->options.process;
    if (c == NULL || !sl_ok(drawn) ||
        !sl_ok(sl_ask_door_new(s->options.site, random, now_of(), &c->door))) {
        free(c);
        return NULL;
    }
    uint32_t slot = s->free_slots[--s->free_n];
    c->server = s;
    c->site = s->options.site;
    c->client_fd = fd;
    c->client_events = SL_LOOP_READ;
    c->upstream_fd = -1;
    c->token = (uint64_t)++s->generations[slot] << 32 | slot;
    if (!sl_ok(sl_loop_add(s->loop, fd, SL_LOOP_READ, on_client, c))) {
        s->free_n++;
        sl_ask_door_free(c->door);
        free(c);
        return NULL;
    }
    s->slots[slot] = c;
    s->counts.open++;
    s->counts.accepted++;
    return c;
}

static void on_accept(void *context, int fd, unsigned events)
{
    sl_ask_server *s = context;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (s->free_n == 0) {
            /* Full: what waits stays in the listening queue until a crossing ends. */
            sl_loop_remove(s->loop, fd);
            s->accepting = false;
            return;
        }
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            return;
        }
        connection *c = new_connection(s, client);
        if (c == NULL) {
            (void)close(client);
            continue;
        }
        /* The front has usually written the whole request by now. */
        on_client(c, client, SL_LOOP_READ);
    }
}

static void sweep(void *context)
{
    sl_ask_server *s = context;
    sl_ask_now now = now_of();
    end_waiting(s, now.boot_ms, false);
    for (size_t i = 0; i < s->options.connections_max; i++) {
        connection *c = s->slots[i];
        if (c == NULL || c->aside != NULL) {
            continue;
        }
        bool stalled = c->stalled_since_ms != 0 &&
                       now.boot_ms - c->stalled_since_ms >= s->options.stall_ms_max;
        if (stalled && !c->client_gone) {
            lose_client(c);
        }
        if (c->upstream_asked && now.boot_ms - c->upstream_asked_ms >= DOUBT_MS) {
            settle_crossing(c, true);
        }
        sl_ask_door_tick(c->door, now);
        pump(c);
    }
    while (s->linger_n != 0 && now.boot_ms - s->lingers[s->linger_first].asked_ms >= DOUBT_MS) {
        end_linger(s);
    }
    for (size_t i = 0; i < DRAINS_MAX; i++) {
        if (s->drains[i].fd >= 0 && now.boot_ms - s->drains[i].since_ms >= DRAIN_MS_MAX) {
            drain_end(&s->drains[i], false);
        }
    }
}

/* ---- life ---- */

static sl_res allocate(sl_ask_server *s)
{
    size_t n = s->options.connections_max;
    s->slots = calloc(n, sizeof(connection *));
    s->generations = calloc(n, sizeof *s->generations);
    s->free_slots = calloc(n, sizeof *s->free_slots);
    s->pool = calloc(s->options.pool_max + 1, sizeof *s->pool);
    s->lingers = calloc(n, sizeof *s->lingers);
    SL_NEED(s->lingers != NULL, SL_E_MEMORY);
    SL_NEED(s->slots != NULL && s->generations != NULL && s->free_slots != NULL && s->pool != NULL,
            SL_E_MEMORY);
    for (size_t i = 0; i < n; i++) {
        s->free_slots[i] = (uint32_t)(n - 1 - i);
    }
    s->free_n = n;
    return SL_DONE;
}

static sl_res begin(sl_ask_server *s)
{
    SL_TRY(allocate(s));
    SL_TRY(sl_loop_every(s->loop, SWEEP_MS, sweep, s, &s->sweep));
    SL_TRY(sl_loop_add(s->loop, s->options.listen_fd, SL_LOOP_READ, on_accept, s));
    s->accepting = true;
    return SL_DONE;
}

sl_res sl_ask_server_new(sl_loop *loop, const sl_ask_server_options *options,
                         sl_ask_server **ret_server)
{
    SL_NEED(options->connections_max >= 1 && options->connections_max <= SL_ASK_CONNECTIONS_MAX,
            SL_E_RANGE);
    sl_ask_server *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->loop = loop;
    s->options = *options;
    for (size_t i = 0; i < DRAINS_MAX; i++) {
        s->drains[i].fd = -1;
    }
    sl_res r = begin(s);
    if (!sl_ok(r)) {
        sl_ask_server_free(s);
        return r;
    }
    *ret_server = s;
    return SL_DONE;
}

void sl_ask_server_free(sl_ask_server *s)
{
    if (s == NULL) {
        return;
    }
    s->ending = true;
    if (s->sweep != 0) {
        sl_loop_cancel(s->loop, s->sweep);
    }
    if (s->accepting) {
        sl_loop_remove(s->loop, s->options.listen_fd);
    }
    free_asides(s);
    for (size_t i = 0; s->slots != NULL && i < s->options.connections_max; i++) {
        if (s->slots[i] != NULL) {
            free_connection(s->slots[i]);
        }
    }
    for (size_t i = 0; i < DRAINS_MAX; i++) {
        if (s->drains[i].fd >= 0) {
            drain_end(&s->drains[i], false);
        }
    }
    while (s->pool_n != 0) {
        close_watched(s, &s->pool[--s->pool_n]);
    }
    free(s->slots);
    free(s->generations);
    free(s->free_slots);
    free(s->pool);
    free(s->lingers);
    free(s);
}

static connection *of_token(const sl_ask_server *s, uint64_t token)
{
    uint32_t slot = (uint32_t)token;
    connection *c = slot < s->options.connections_max ? s->slots[slot] : NULL;
    return c != NULL && c->token == token ? c : NULL;
}

bool sl_ask_server_recorded(sl_ask_server *s, uint64_t token, bool ok, uint64_t index)
{
    connection *c = of_token(s, token);
    if (c == NULL) {
        return false;
    }
    if (c->aside != NULL) {
        c->ack = ok ? ACK_RECORDED : ACK_LOST;
        c->ack_index = index;
        return true;
    }
    if (ok) {
        sl_ask_door_recorded(c->door, index, now_of());
    } else {
        sl_ask_door_not_recorded(c->door, now_of());
    }
    pump(c);
    return true;
}

void sl_ask_server_ledger_lost(sl_ask_server *s)
{
    for (size_t i = 0; i < s->options.connections_max; i++) {
        connection *c = s->slots[i];
        if (c != NULL && c->aside != NULL && sl_ask_door_waits_for_leaf(c->door)) {
            c->ack = ACK_LOST;
        } else if (c != NULL && sl_ask_door_waits_for_leaf(c->door)) {
            sl_ask_door_not_recorded(c->door, now_of());
            pump(c);
        }
    }
}

bool sl_ask_server_serves(const sl_ask_server *s, sl_view crossing)
{
    for (size_t i = 0; i < s->options.connections_max; i++) {
        const connection *c = s->slots[i];
        if (c != NULL && !sl_ask_door_over(c->door) &&
            sl_view_eq_str(crossing, sl_ask_door_id(c->door))) {
            return true;
        }
    }
    return false;
}

void sl_ask_server_set_site(sl_ask_server *s, const sl_ask_site *site)
{
    s->options.site = site;
}

bool sl_ask_server_uses(const sl_ask_server *s, const sl_ask_site *site)
{
    for (size_t i = 0; i < s->options.connections_max; i++) {
        if (s->slots[i] != NULL && s->slots[i]->site == site) {
            return true;
        }
    }
    return s->options.site == site;
}

sl_ask_server_counts sl_ask_server_count(const sl_ask_server *s)
{
    return s->counts;
}
