/* A small HTTP/1.1 server for the witness (witness.h): one connection at a time, one request each,
 * short limits and times. It serves loopback and Unix sockets; strangers come through nginx.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ledger/witness.h"

enum { WAIT_MS = 2000, POLL_MS = 200, HEAD_BYTES_MAX = 8192 };

static sl_res listen_unix(const char *path, int *ret_fd)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    SL_NEED(strlen(path) < sizeof at.sun_path, SL_E_LIMIT);
    memcpy(at.sun_path, path, strlen(path) + 1);
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0) {
        return sl_fail_os(SL_E_IO, "witness socket");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static sl_res listen_tcp(const char *address, int *ret_fd)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    sl_view host;
    sl_view port_text;
    uint64_t port = 0;
    int on = 1;

    SL_NEED(sl_view_cut(sl_view_str(address), ':', &host, &port_text), SL_E_USAGE);
    SL_NEED(sl_view_eq_str(host, "127.0.0.1"), SL_E_USAGE);
    SL_TRY(sl_parse_u64(port_text, 65535, &port));
    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SL_OWN(int, fd, sl_fd_close) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0) {
        return sl_fail_os(SL_E_IO, "witness address");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

/* Reads until `done(bytes)` says how many bytes the request has. */
static sl_res read_more(int fd, uint64_t until_ns, sl_buf *in)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t now = sl_clock_mono_ns();

    SL_NEED(now < until_ns, SL_E_TIMEOUT);
    SL_NEED(poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) > 0, SL_E_TIMEOUT);
    SL_NEED(in->n < in->max, SL_E_LIMIT);
    size_t room = in->max - in->n < 16384 ? in->max - in->n : 16384;
    SL_TRY(sl_buf_reserve(in, room));
    ssize_t n = recv(fd, in->p + in->n, room, 0);
    SL_NEED(n > 0, SL_E_CLOSED);
    in->n += (size_t)n;
    return SL_DONE;
}

typedef struct {
    sl_view method;
    sl_view path;
    size_t body_at;
    size_t body_n;
} head;

/* Content-Length of the header lines; one at most, and no transfer encoding. */
static sl_res parse_headers(sl_view lines, size_t *ret_length)
{
    sl_view line;
    bool seen = false;
    uint64_t length = 0;

    while (lines.n != 0) {
        sl_view name;
        sl_view value;
        (void)sl_view_cut(lines, '\n', &line, &lines);
        if (line.n != 0 && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        SL_NEED(sl_view_cut(line, ':', &name, &value), SL_E_SYNTAX);
        SL_NEED(!sl_view_eq_nocase(name, SL_LIT("transfer-encoding")), SL_E_SYNTAX);
        if (sl_view_eq_nocase(name, SL_LIT("content-length"))) {
            SL_NEED(!seen, SL_E_SYNTAX);
            SL_TRY(sl_parse_u64(sl_view_trim(value), SL_WITNESS_REQUEST_BYTES_MAX, &length));
            seen = true;
        }
    }
    *ret_length = (size_t)length;
    return SL_DONE;
}

static sl_res parse_head(sl_view in, size_t end, head *ret)
{
    sl_view all = sl_view_sub(in, 0, end);
    sl_view line;
    sl_view rest;
    sl_view version;

    SL_NEED(sl_view_cut(all, '\n', &line, &rest), SL_E_SYNTAX);
    SL_NEED(sl_view_cut(line, ' ', &ret->method, &line), SL_E_SYNTAX);
    SL_NEED(sl_view_cut(line, ' ', &ret->path, &version), SL_E_SYNTAX);
    SL_NEED(sl_view_starts(version, SL_LIT("HTTP/1.")), SL_E_SYNTAX);
    ret->body_at = end + 2;
    return parse_headers(rest, &ret->body_n);
}

static sl_res send_response(int fd, const sl_witness_response *response)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4 * SL_CHECKPOINT_BYTES_MAX };
    const char *word = response->status == 200 ? "OK" : "Refused";

    SL_TRY(sl_buf_addf(&out,
                       "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n",
                       response->status, word, response->content_type, response->body.n));
    SL_TRY(sl_buf_add(&out, sl_buf_view(&response->body)));
    for (sl_view rest = sl_buf_view(&out); rest.n != 0;) {
        ssize_t n = send(fd, rest.p, rest.n, MSG_NOSIGNAL);
        SL_NEED(n > 0, SL_E_CLOSED);
        rest = sl_view_sub(rest, (size_t)n, rest.n);
    }
    return SL_DONE;
}

static sl_res serve_one(sl_witness *w, int fd)
{
    SL_OWN(sl_buf, in, sl_buf_free) = { .max = HEAD_BYTES_MAX + SL_WITNESS_REQUEST_BYTES_MAX };
    sl_witness_response response = { .status = 500, .content_type = "text/plain" };
    uint64_t until_ns = sl_clock_mono_ns() + (uint64_t)WAIT_MS * 1000000;
    size_t end = SIZE_MAX;
    head h;

    while (end == SIZE_MAX) {
        SL_TRY(read_more(fd, until_ns, &in));
        end = sl_view_find(sl_buf_view(&in), SL_LIT("\r\n\r\n"), 0);
        SL_NEED(end != SIZE_MAX || in.n < HEAD_BYTES_MAX, SL_E_LIMIT);
    }
    SL_TRY(parse_head(sl_buf_view(&in), end + 2, &h));
    while (in.n < h.body_at + h.body_n) {
        SL_TRY(read_more(fd, until_ns, &in));
    }
    /* The buffer may have moved: the views of the first line are made again. */
    SL_TRY(parse_head(sl_buf_view(&in), end + 2, &h));
    sl_view body = sl_view_sub(sl_buf_view(&in), h.body_at, h.body_at + h.body_n);
    sl_res r = sl_witness_answer(w, h.method, h.path, body, (uint64_t)(sl_clock_wall_ms() / 1000),
                                 &response);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the witness cannot answer", r);
        sl_buf_clear(&response.body);
        response.status = 500;
        response.content_type = "text/plain";
    }
    r = send_response(fd, &response);
    sl_buf_free(&response.body);
    return r;
}

sl_res sl_witness_serve(sl_witness *w, const char *address, const volatile int *stop,
                        void (*ready)(void *ctx), void *ctx)
{
    SL_OWN(int, listener, sl_fd_close) = -1;

    if (strncmp(address, "unix:", 5) == 0) {
        SL_TRY(listen_unix(address + 5, &listener));
    } else {
        SL_TRY(listen_tcp(address, &listener));
    }
    ready(ctx);
    while (!*stop) {
        struct pollfd p = { .fd = listener, .events = POLLIN };
        if (poll(&p, 1, POLL_MS) <= 0) {
            continue;
        }
        SL_OWN(int, fd, sl_fd_close) = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            sl_res r = serve_one(w, fd);
            if (!sl_ok(r)) {
                sl_log_res(SL_LOG_INFO, "a request to the witness ended early", r);
            }
        }
    }
    return SL_DONE;
}
