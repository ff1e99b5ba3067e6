/* Messages between our processes (see ipc.h). The check of a packet is pure and runs before any
 * handler sees a byte; descriptors that arrive with a refused packet are closed here. */
#include "base/ipc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"

struct sl_ipc {
    int fd;
    bool broken; /* hears and says nothing more; the descriptor stays ours until the close */
    uint32_t phase;
    uint64_t last_id;
    bool secret;
    const sl_ipc_table *table;
    size_t received; /* bytes in `packet` that a message left there */
    uint8_t packet[SL_IPC_HEADER_BYTES + SL_IPC_BYTES_MAX];
};

void sl_ipc_msg_clear(sl_ipc_msg *msg)
{
    for (size_t i = 0; i < msg->fd_count; i++) {
        if (msg->fds[i] >= 0) {
            (void)close(msg->fds[i]);
        }
    }
    *msg = (sl_ipc_msg){ 0 };
}

int sl_ipc_take_fd(sl_ipc_msg *msg, size_t index)
{
    if (index >= msg->fd_count) {
        return -1;
    }
    int fd = msg->fds[index];
    msg->fds[index] = -1;
    return fd;
}

sl_res sl_ipc_pair(int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return sl_fail_os(SL_E_IO, "socketpair");
    }
    /* A larger queue lets a writer coalesce; where the system allows less, less it is. */
    int bytes = (int)(4 * SL_IPC_BYTES_MAX);
    for (int i = 0; i < 2; i++) {
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return SL_DONE;
}

sl_res sl_ipc_dial(const char *site, const char *name, int *ret_fd)
{
    SL_OWN(int, site_fd, sl_fd_close) = -1;
    SL_OWN(int, run_fd, sl_fd_close) = -1;
    sl_res found = sl_dir_open(AT_FDCWD, site, &site_fd);
    if (sl_is(found, SL_E_NOT_FOUND)) {
        return sl_fail(SL_E_NO_SITE);
    }
    SL_TRY(found);
    found = sl_dir_open(site_fd, "run", &run_fd);
    if (sl_is(found, SL_E_NOT_FOUND)) {
        return sl_fail_at(SL_E_UNAVAILABLE, "the site is not up", SL_NOWHERE);
    }
    SL_TRY(found);
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "socket");
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int n = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s.sock", run_fd,
                     name);
    SL_NEED(n > 0 && (size_t)n < sizeof address.sun_path, SL_E_RANGE);
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } to = { .un = &address };
    if (connect(fd, to.any, sizeof address) != 0) {
        return errno == EACCES ? sl_fail_os(SL_E_DENIED, "a socket of run/")
                               : sl_fail_at(SL_E_UNAVAILABLE, "the site is not up", SL_NOWHERE);
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) { /* only now: a full queue is waited for */
        return sl_fail_os(SL_E_IO, "socket");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

sl_res sl_ipc_open(int fd, const sl_ipc_table *table, sl_ipc **ret_link)
{
    assert(table != NULL);
    sl_ipc *link = malloc(sizeof *link);
    if (link == NULL) {
        (void)close(fd);
        return sl_fail(SL_E_MEMORY);
    }
    link->fd = fd;
    link->broken = false;
    link->phase = 0;
    link->last_id = 0;
    link->table = table;
    link->secret = false;
    link->received = 0;
    *ret_link = link;
    return SL_DONE;
}

void sl_ipc_forget(sl_ipc *link)
{
    sl_wipe(link->packet, link->received);
    link->received = 0;
}

static void forget_secret(sl_ipc *link)
{
    if (link->secret) {
        sl_ipc_forget(link);
    }
}

void sl_ipc_set_secret(sl_ipc *link)
{
    link->secret = true;
}

void sl_ipc_close(sl_ipc *link)
{
    if (link == NULL) {
        return;
    }
    if (link->fd >= 0) {
        (void)close(link->fd);
    }
    forget_secret(link);
    free(link);
}

void sl_ipc_close_at(sl_ipc **link)
{
    sl_ipc_close(*link);
    *link = NULL;
}

int sl_ipc_fd(const sl_ipc *link)
{
    return link->fd;
}

void sl_ipc_phase_set(sl_ipc *link, uint32_t phase)
{
    assert(phase < 32);
    link->phase = phase;
}

uint64_t sl_ipc_next_id(sl_ipc *link)
{
    link->last_id++;
    return link->last_id;
}

/* The peer did what it may not, or is gone: hear nothing more from it. The descriptor is not closed
 * here, or its number could go to another while a loop still watches it. */
static sl_res break_link(sl_ipc *link, sl_res why)
{
    if (!link->broken) {
        (void)shutdown(link->fd, SHUT_RDWR);
        link->broken = true;
    }
    return why;
}

static sl_res send_packet(sl_ipc *link, struct msghdr *packet)
{
    SL_NEED(!link->broken, SL_E_CLOSED);
    ssize_t sent;
    do {
        sent = sendmsg(link->fd, packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return SL_DONE;
    }
    if (errno == EAGAIN || errno == ENOBUFS) {
        return sl_fail(SL_E_AGAIN);
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
        return sl_fail(SL_E_CLOSED);
    }
    return sl_fail_os(SL_E_IO, "send to a link");
}

sl_res sl_ipc_send_fds(sl_ipc *link, uint16_t type, uint64_t id, sl_view body, const int *fds,
                       size_t fd_count)
{
    SL_NEED(body.n <= SL_IPC_BYTES_MAX && fd_count <= SL_IPC_FDS_MAX, SL_E_LIMIT);
    uint8_t header[SL_IPC_HEADER_BYTES];
    sl_put_le16(header, SL_IPC_VERSION);
    sl_put_le16(header + 2, type);
    sl_put_le32(header + 4, (uint32_t)body.n);
    sl_put_le64(header + 8, id);

    /* sendmsg takes plain pointers although it only reads. */
    union {
        const uint8_t *from;
        void *to;
    } bytes = { .from = body.p };
    struct iovec parts[2] = { { header, sizeof header }, { bytes.to, body.n } };
    struct msghdr packet = { .msg_iov = parts, .msg_iovlen = body.n == 0 ? 1 : 2 };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(SL_IPC_FDS_MAX * sizeof(int))];
    } control = { 0 };
    if (fd_count > 0) {
        packet.msg_control = control.space;
        packet.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    return send_packet(link, &packet);
}

sl_res sl_ipc_send(sl_ipc *link, uint16_t type, uint64_t id, sl_view body)
{
    return sl_ipc_send_fds(link, type, id, body, NULL, 0);
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for `events`; SL_E_TIMEOUT when `until_ms` passes first. */
static sl_res wait_for(const sl_ipc *link, short events, int64_t until_ms)
{
    SL_NEED(!link->broken, SL_E_CLOSED);
    for (;;) {
        int64_t left_ms = until_ms - now_ms();
        struct pollfd ready = { .fd = link->fd, .events = events };
        int n = poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0);
        if (n > 0) {
            return SL_DONE;
        }
        if (n < 0 && errno != EINTR) {
            return sl_fail_os(SL_E_IO, "wait for a link");
        }
        if (n == 0 && left_ms <= 0) {
            return sl_fail(SL_E_TIMEOUT);
        }
    }
}

static sl_res send_until(sl_ipc *link, uint16_t type, uint64_t id, sl_view body, int64_t until_ms)
{
    for (;;) {
        sl_res sent = sl_ipc_send(link, type, id, body);
        if (!sl_is(sent, SL_E_AGAIN)) {
            return sent;
        }
        SL_TRY(wait_for(link, POLLOUT, until_ms));
    }
}

sl_res sl_ipc_send_wait(sl_ipc *link, uint16_t type, uint64_t id, sl_view body, int wait_ms_max)
{
    return send_until(link, type, id, body, now_ms() + wait_ms_max);
}

sl_res sl_ipc_send_failed(sl_ipc *link, uint64_t id, sl_res why)
{
    uint8_t code[4];
    sl_put_le32(code, (uint32_t)why.code);
    return sl_ipc_send(link, SL_IPC_FAILED, id, sl_view_of(code, sizeof code));
}

sl_res sl_ipc_failed_res(const sl_ipc_msg *msg)
{
    SL_NEED(msg->type == SL_IPC_FAILED && msg->body.n == 4, SL_E_SYNTAX);
    uint32_t code = sl_get_le32(msg->body.p);
    SL_NEED(code > SL_OK && code < SL_CODE_COUNT, SL_E_SYNTAX);
    return sl_fail((sl_code)code);
}

static const sl_ipc_rule *rule_for(const sl_ipc_table *table, uint16_t type, uint32_t phase)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rules[i].type == type && (table->rules[i].phases & SL_IPC_PHASE(phase)) != 0) {
            return &table->rules[i];
        }
    }
    return NULL;
}

sl_res sl_ipc_check(const sl_ipc_table *table, uint32_t phase, sl_view packet, size_t fd_count,
                    sl_ipc_msg *ret_msg, const sl_ipc_rule **ret_rule)
{
    if (packet.n < SL_IPC_HEADER_BYTES) {
        return sl_fail_at(SL_E_SYNTAX, "packet header", packet.n);
    }
    if (sl_get_le16(packet.p) != SL_IPC_VERSION) {
        return sl_fail_at(SL_E_VERSION, "packet version", sl_get_le16(packet.p));
    }
    uint16_t type = sl_get_le16(packet.p + 2);
    sl_view body = sl_view_sub(packet, SL_IPC_HEADER_BYTES, packet.n);
    if (sl_get_le32(packet.p + 4) != body.n) {
        return sl_fail_at(SL_E_SYNTAX, "packet length", body.n);
    }
    const sl_ipc_rule *rule = rule_for(table, type, phase);
    if (rule == NULL) {
        return sl_fail_at(SL_E_REFUSED, "message type", type);
    }
    if (body.n < rule->bytes_min || body.n > rule->bytes_max) {
        return sl_fail_at(SL_E_LIMIT, "message length", body.n);
    }
    if (fd_count != rule->fd_count) {
        return sl_fail_at(SL_E_LIMIT, "message descriptors", fd_count);
    }
    *ret_msg = (sl_ipc_msg){ .type = type, .id = sl_get_le64(packet.p + 8), .body = body };
    *ret_rule = rule;
    return SL_DONE;
}

/* Collects the descriptors of a packet; all are either returned or closed. */
static size_t take_rights(struct msghdr *packet, int ret_fds[SL_IPC_FDS_MAX])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c != NULL; c = CMSG_NXTHDR(packet, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < SL_IPC_FDS_MAX) {
                ret_fds[count++] = fd;
            } else {
                (void)close(fd);
            }
        }
    }
    return count;
}

static sl_res receive_with_rule(sl_ipc *link, sl_ipc_msg *ret_msg, const sl_ipc_rule **ret_rule)
{
    SL_NEED(!link->broken, SL_E_CLOSED);
    struct iovec part = { link->packet, sizeof link->packet };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(SL_IPC_FDS_MAX * sizeof(int))];
    } control;
    struct msghdr packet = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space };
    forget_secret(link);
    ssize_t n;
    do {
        n = recvmsg(link->fd, &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return sl_fail(SL_E_AGAIN);
    }
    if (n <= 0) {
        return break_link(link, sl_fail(SL_E_CLOSED));
    }
    link->received = (size_t)n;
    int fds[SL_IPC_FDS_MAX];
    size_t fd_count = take_rights(&packet, fds);
    sl_res checked = sl_fail(SL_E_LIMIT);
    sl_ipc_msg msg = { 0 };
    if ((packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
        checked = sl_ipc_check(link->table, link->phase, sl_view_of(link->packet, (size_t)n),
                               fd_count, &msg, ret_rule);
    }
    memcpy(msg.fds, fds, fd_count * sizeof fds[0]);
    msg.fd_count = fd_count;
    if (!sl_ok(checked)) {
        sl_ipc_msg_clear(&msg);
        return break_link(link, checked);
    }
    *ret_msg = msg;
    return SL_DONE;
}

sl_res sl_ipc_receive(sl_ipc *link, sl_ipc_msg *ret_msg)
{
    const sl_ipc_rule *rule = NULL;
    return receive_with_rule(link, ret_msg, &rule);
}

static sl_res receive_until(sl_ipc *link, int64_t until_ms, sl_ipc_msg *ret_msg)
{
    for (;;) {
        sl_res got = sl_ipc_receive(link, ret_msg);
        if (!sl_is(got, SL_E_AGAIN)) {
            return got;
        }
        SL_TRY(wait_for(link, POLLIN, until_ms));
    }
}

sl_res sl_ipc_receive_wait(sl_ipc *link, int wait_ms_max, sl_ipc_msg *ret_msg)
{
    return receive_until(link, now_ms() + wait_ms_max, ret_msg);
}

/* The answer to `id`, past those that come late to requests that were given up. One end for all of it: a
 * peer that keeps sending late answers must not keep us waiting. */
static sl_res receive_answer(sl_ipc *link, uint64_t id, int64_t until_ms, sl_ipc_msg *ret_answer)
{
    for (;;) {
        sl_ipc_msg answer;
        SL_TRY(receive_until(link, until_ms, &answer));
        if (answer.id == id) {
            *ret_answer = answer;
            return SL_DONE;
        }
        bool late = answer.id != 0 && answer.id < id;
        uint64_t other = answer.id;
        sl_ipc_msg_clear(&answer);
        if (!late) {
            return break_link(link, sl_fail_at(SL_E_REFUSED, "answer to another request", other));
        }
        SL_NEED(now_ms() < until_ms, SL_E_TIMEOUT);
    }
}

sl_res sl_ipc_ask(sl_ipc *link, uint16_t type, sl_view body, int wait_ms_max,
                  sl_ipc_msg *ret_answer)
{
    int64_t until_ms = now_ms() + wait_ms_max;
    uint64_t id = sl_ipc_next_id(link);
    sl_ipc_msg answer;
    SL_TRY(send_until(link, type, id, body, until_ms));
    SL_TRY(receive_answer(link, id, until_ms, &answer));
    if (answer.type == SL_IPC_FAILED) {
        sl_res why = sl_ipc_failed_res(&answer);
        sl_ipc_msg_clear(&answer);
        return why;
    }
    *ret_answer = answer;
    return SL_DONE;
}

sl_res sl_ipc_dispatch(sl_ipc *link, size_t count_max, void *context)
{
    for (size_t i = 0; i < count_max; i++) {
        sl_ipc_msg msg;
        const sl_ipc_rule *rule = NULL;
        sl_res got = receive_with_rule(link, &msg, &rule);
        if (sl_is(got, SL_E_AGAIN)) {
            return SL_DONE;
        }
        SL_TRY(got);
        assert(rule->handler != NULL);
        sl_res handled = rule->handler(link, &msg, context);
        sl_ipc_msg_clear(&msg);
        forget_secret(link);
        if (!sl_ok(handled)) {
            return break_link(link, handled);
        }
    }
    return SL_DONE;
}
