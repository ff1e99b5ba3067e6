/* Load for bench/ask_overhead: requests at a fixed rate, whether or not answers come (open loop). The
 * time of a request runs from the moment it was to be sent by the schedule, so that waiting for a free
 * connection, and our own lateness, count. One thread, connections kept alive. Never installed.
 *   ask_load PORT RATE SECONDS KEY BODIES_FILE OUT
 * A line of BODIES_FILE is a body; requests take them in turn. In place of each "@@@@@@@@" a body gets the
 * request's number in letters, so that no two requests say the same. Writes one line for each answered request to OUT: microseconds, status; prints a line of JSON. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 512,
    ANSWER_MAX = 1 << 20,
    DRAIN_MS = 3000,
    BODIES_MAX = 1024,
    MARK_BYTES = 8
};
static const char MARK[] = "@@@@@@@@";

typedef struct {
    int fd; /* -1: not open */
    bool busy;
    size_t request; /* its number */
    char *out;      /* the request */
    size_t out_n;
    size_t sent;
    size_t have;
    char *in;
} connection;

typedef struct {
    uint64_t due_ns;
    uint64_t took_ns; /* 0: no answer */
    unsigned status;
} shot;

static connection all[CONNECTIONS_MAX];
static size_t all_n;
static connection *idle[CONNECTIONS_MAX];
static size_t idle_n;
static shot *shots;
static size_t shots_n;
static size_t next_shot; /* the first that was not given to a connection */
static size_t answered;
static size_t failed;
/* A request for each body, and where its number goes. */
typedef struct {
    char *text;
    size_t n;
    size_t marks[64];
    size_t marks_n;
} body;
static body *bodies;
static size_t bodies_n;
static size_t body_max; /* of the longest request */
static int poll_fd;
static uint16_t port;

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(3);
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void watch(connection *c, int op, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };
    must(epoll_ctl(poll_fd, op, c->fd, &event) == 0, "epoll");
}

static bool open_connection(connection *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* A connection to loopback is made at once; it is part of the request's time all the same. */
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (c->fd >= 0) {
            (void)close(c->fd);
            c->fd = -1;
        }
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return true;
}

static void finish(connection *c, unsigned status)
{
    shot *s = &shots[c->request];
    s->status = status;
    if (status != 0) {
        s->took_ns = now_ns() - s->due_ns;
        answered++;
    } else {
        failed++;
    }
    c->busy = false;
    c->have = 0;
    idle[idle_n++] = c;
}

static void lose(connection *c)
{
    (void)close(c->fd);
    c->fd = -1;
    if (c->busy) {
        finish(c, 0);
    }
}

static void push(connection *c)
{
    while (c->sent < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->sent, c->out_n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            lose(c);
            return;
        }
        c->sent += (size_t)n;
    }
}

static void write_request(connection *c)
{
    const body *b = &bodies[c->request % bodies_n];
    char number[MARK_BYTES];
    for (size_t i = 0, rest = c->request; i < MARK_BYTES; i++, rest /= 26) {
        number[MARK_BYTES - 1 - i] = (char)('a' + rest % 26);
    }
    memcpy(c->out, b->text, b->n);
    c->out_n = b->n;
    for (size_t i = 0; i < b->marks_n; i++) {
        memcpy(c->out + b->marks[i], number, MARK_BYTES);
    }
}

/* Give what is due to connections that are free. */
static void fire(uint64_t now)
{
    while (next_shot < shots_n && shots[next_shot].due_ns <= now) {
        if (idle_n == 0 && all_n < CONNECTIONS_MAX) {
            all[all_n].fd = -1;
            all[all_n].in = malloc(ANSWER_MAX);
            all[all_n].out = malloc(body_max);
            must(all[all_n].in != NULL && all[all_n].out != NULL, "memory");
            idle[idle_n++] = &all[all_n++];
        }
        if (idle_n == 0) {
            return;
        }
        connection *c = idle[--idle_n];
        c->request = next_shot++;
        c->busy = true;
        c->sent = 0;
        c->have = 0;
        write_request(c);
        if (c->fd < 0 && !open_connection(c)) {
            finish(c, 0);
            continue;
        }
        push(c);
    }
}

/* The answer is whole: by its length, or by the last chunk. */
static bool is_whole(const connection *c)
{
    const char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end - c->in) + 4;
    const char *length = memmem(c->in, head, "\r\nContent-Length: ", 18);
    if (length != NULL) {
        return c->have >= head + strtoul(length + 18, NULL, 10);
    }
    return c->have >= head + 5 && memcmp(c->in + c->have - 5, "0\r\n\r\n", 5) == 0;
}

static void on_ready(connection *c, uint32_t events)
{
    if ((events & EPOLLOUT) != 0 && c->busy) {
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        push(c);
    }
    while (c->fd >= 0) {
        ssize_t n = recv(c->fd, c->in + c->have, ANSWER_MAX - c->have, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0 || !c->busy) {
            lose(c);
            return;
        }
        c->have += (size_t)n;
        if (is_whole(c)) {
            bool closes = memmem(c->in, c->have, "Connection: close", 17) != NULL;
            finish(c, (unsigned)strtoul(c->in + 9, NULL, 10));
            if (closes) {
                (void)close(c->fd);
                c->fd = -1;
            }
        }
    }
}

static void add_body(const char *key, const char *line, size_t n)
{
    must(bodies_n < BODIES_MAX, "too many bodies");
    body *b = &bodies[bodies_n++];
    int size = asprintf(&b->text,
                        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
                        "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%.*s",
                        key, n, (int)n, line);
    must(size > 0, "memory");
    b->n = (size_t)size;
    body_max = b->n > body_max ? b->n : body_max;
    const char *at = memmem(b->text, b->n, MARK, MARK_BYTES);
    while (at != NULL && b->marks_n < sizeof b->marks / sizeof *b->marks) {
        size_t from = (size_t)(at - b->text);
        b->marks[b->marks_n++] = from;
        from += MARK_BYTES;
        at = memmem(b->text + from, b->n - from, MARK, MARK_BYTES);
    }
}

static void make_requests(const char *key, const char *file)
{
    char *line = NULL;
    size_t size = 0;
    FILE *in = fopen(file, "rb");
    bodies = calloc(BODIES_MAX, sizeof *bodies);
    must(in != NULL && bodies != NULL, file);
    for (ssize_t n = getline(&line, &size, in); n > 0; n = getline(&line, &size, in)) {
        size_t length = (size_t)n - (line[n - 1] == '\n' ? 1U : 0U);
        if (length != 0) {
            add_body(key, line, length);
        }
    }
    free(line);
    (void)fclose(in);
    must(bodies_n != 0, "no bodies");
}

static void run(void)
{
    uint64_t last_ns = shots[shots_n - 1].due_ns + (uint64_t)DRAIN_MS * 1000000U;
    for (;;) {
        struct epoll_event ready[128];
        uint64_t now = now_ns();
        fire(now);
        if (answered + failed == shots_n || now > last_ns) {
            return;
        }
        uint64_t next = next_shot < shots_n ? shots[next_shot].due_ns : now + 50000000U;
        uint64_t wait =
            next > now && idle_n + (CONNECTIONS_MAX - all_n) != 0 ? next - now : 1000000U;
        struct timespec t = { .tv_sec = 0, .tv_nsec = (long)(wait > 50000000U ? 50000000U : wait) };
        int n = epoll_pwait2(poll_fd, ready, 128, &t, NULL);
        for (int i = 0; i < n; i++) {
            on_ready(ready[i].data.ptr, ready[i].events);
        }
    }
}

int main(int argc, char **argv)
{
    must(argc == 7, "usage: ask_load PORT RATE SECONDS KEY BODIES_FILE OUT");
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    double rate = strtod(argv[2], NULL);
    shots_n = (size_t)(rate * strtod(argv[3], NULL));
    must(shots_n != 0, "no requests");
    shots = calloc(shots_n, sizeof *shots);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    must(shots != NULL && poll_fd >= 0, "memory");
    make_requests(argv[4], argv[5]);
    uint64_t begin = now_ns() + 50000000U;
    for (size_t i = 0; i < shots_n; i++) {
        shots[i].due_ns = begin + (uint64_t)((double)i * 1e9 / rate);
    }
    run();
    FILE *out = fopen(argv[6], "w");
    must(out != NULL, argv[6]);
    size_t good = 0;
    for (size_t i = 0; i < shots_n; i++) {
        good += shots[i].status == 200;
        if (shots[i].status != 0) {
            (void)fprintf(out, "%.1f %u\n", (double)shots[i].took_ns / 1000.0, shots[i].status);
        }
    }
    must(fclose(out) == 0, argv[6]);
    printf(
        "{\"requests\":%zu,\"answered\":%zu,\"good\":%zu,\"seconds\":%.3f,\"connections\":%zu}\n",
        shots_n, answered, good, (double)(now_ns() - begin) / 1e9, all_n);
    return 0;
}
