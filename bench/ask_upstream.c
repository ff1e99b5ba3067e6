/* A model server that costs nothing, for bench/ask_overhead: every request gets the same answer, whole
 * or as a stream of events. It reads just enough of HTTP to find where a request ends, serves nginx
 * only, and is never installed.
 *   ask_upstream PORT [EVENTS [WORDS]] */
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
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, REQUEST_MAX = 1 << 20, ANSWER_MAX = 1 << 20 };

typedef struct {
    int fd;
    size_t have;
    uint8_t *in; /* REQUEST_MAX, kept with the slot */
} connection;

static connection all[CONNECTIONS_MAX];
static char whole[ANSWER_MAX];
static size_t whole_n;
static char stream[ANSWER_MAX];
static size_t stream_n;

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(3);
    }
}

static size_t put_words(char *out, size_t max, unsigned from, unsigned words)
{
    static const char *const some[] = { "the ", "visit ",   "went ", "as ",   "planned ",
                                        "and ", "nothing ", "was ",  "found " };
    size_t n = 0;
    for (unsigned i = 0; i < words; i++) {
        n += (size_t)snprintf(out + n, max - n, "%s", some[(from + i) % 9]);
    }
    return n;
}

static void make_answers(unsigned events, unsigned words)
{
    static char text[ANSWER_MAX / 2];
    (void)put_words(text, sizeof text, 0, events * words);
    static char body[sizeof text + 512];
    int n = snprintf(body, sizeof body,
                     "{\"id\":\"x\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\","
                     "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                     "\"%s\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
                     "\"completion_tokens\":9,\"total_tokens\":18}}",
                     text);
    whole_n = (size_t)snprintf(whole, sizeof whole,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               "Content-Length: %d\r\n\r\n%s",
                               n, body);
    char *s = stream;
    size_t max = sizeof stream;
    size_t at = (size_t)snprintf(s, max,
                                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i <= events + 1; i++) {
        char piece[512] = "";
        char event[1024];
        (void)put_words(piece, sizeof piece, i * words, i < events ? words : 0);
        int size = i > events
                       ? snprintf(event, sizeof event, "data: [DONE]\n\n")
                       : snprintf(event, sizeof event,
                                  "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\","
                                  "\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
                                  "\"delta\":{\"content\":\"%s\"},\"finish_reason\":%s}]}\n\n",
                                  piece, i < events ? "null" : "\"stop\"");
        at += (size_t)snprintf(s + at, max - at, "%x\r\n%s\r\n", (unsigned)size, event);
    }
    at += (size_t)snprintf(s + at, max - at, "0\r\n\r\n");
    stream_n = at;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n != 0) { /* nginx takes it; its socket buffer is larger than any answer of ours */
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Bytes of the first request in the buffer, or 0 when it is not whole. */
static size_t request_size(const connection *c)
{
    const uint8_t *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t head = (size_t)(end - c->in) + 4;
    const uint8_t *length = memmem(c->in, head, "Content-Length: ", 16);
    size_t body = length == NULL ? 0 : strtoul((const char *)length + 16, NULL, 10);
    return c->have >= head + body ? head + body : 0;
}

static bool serve(connection *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->have, REQUEST_MAX - c->have, 0);
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n <= 0) {
            return false;
        }
        c->have += (size_t)n;
        size_t size;
        while ((size = request_size(c)) != 0) {
            bool streamed = memmem(c->in, size, "\"stream\":true", 13) != NULL;
            if (!send_all(c->fd, streamed ? stream : whole, streamed ? stream_n : whole_n)) {
                return false;
            }
            memmove(c->in, c->in + size, c->have - size);
            c->have -= size;
        }
        if (c->have == REQUEST_MAX) {
            return false;
        }
    }
}

static void take(int poll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int yes = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        must(fd < CONNECTIONS_MAX, "too many connections");
        connection *c = &all[fd];
        c->fd = fd;
        c->have = 0;
        c->in = c->in == NULL ? malloc(REQUEST_MAX) : c->in;
        must(c->in != NULL, "memory");
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        must(epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    }
}

int main(int argc, char **argv)
{
    must(argc >= 2, "usage: ask_upstream PORT [EVENTS [WORDS]]");
    make_answers(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20,
                 argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 4);
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    (void)setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    must(bind(listen_fd, (const struct sockaddr *)&at, sizeof at) == 0, "bind");
    must(listen(listen_fd, 1024) == 0, "listen");
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listen_fd };
    must(poll_fd >= 0 && epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) == 0, "epoll");
    for (;;) {
        struct epoll_event ready[64];
        int n = epoll_wait(poll_fd, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listen_fd) {
                take(poll_fd, listen_fd);
            } else if (!serve(&all[ready[i].data.fd])) {
                (void)close(ready[i].data.fd);
            }
        }
    }
}
