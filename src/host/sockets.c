/* Listening sockets (see sockets.h). */
#include "host/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define BACKLOG 1024

static sl_res bind_here(int fd, const char *name, unsigned mode)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t n = strlen(name);
    SL_NEED(n < sizeof address.sun_path, SL_E_LIMIT);
    memcpy(address.sun_path, name, n);
    if (unlink(name) != 0 && errno != ENOENT) {
        return sl_fail_os(SL_E_IO, "old socket");
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } to = { .un = &address };
    /* The mode of a socket file decides who connects: it must be right from its first moment. */
    mode_t old = umask(0777);
    int bound = bind(fd, to.any, size);
    (void)umask(old);
    if (bound != 0 || chmod(name, mode) != 0 || listen(fd, BACKLOG) != 0) {
        return sl_fail_os(SL_E_IO, "listen on a socket");
    }
    return SL_DONE;
}

sl_res sl_listen_unix(int site_fd, const char *directory, const char *name, bool packets,
                      unsigned mode, int *ret_fd)
{
    char file[96];
    int n = snprintf(file, sizeof file, "%s.sock", name);
    SL_NEED(n > 0 && (size_t)n < sizeof file, SL_E_LIMIT);
    int type = packets ? SOCK_SEQPACKET : SOCK_STREAM;
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "socket");
    }
    /* Bound by its name alone: the path of a site may be longer than a socket's address. */
    SL_OWN(int, back, sl_fd_close) = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    SL_OWN(int, into, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(site_fd, directory, &into));
    if (back < 0 || fchdir(into) != 0) {
        return sl_fail_os(SL_E_IO, "socket directory");
    }
    sl_res bound = bind_here(fd, file, mode);
    if (fchdir(back) != 0) {
        return sl_fail_os(SL_E_IO, "socket directory");
    }
    SL_TRY(bound);
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static sl_res parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    sl_view all = sl_view_str(text);
    size_t colon = all.n;
    while (colon > 0 && all.p[colon - 1] != ':') {
        colon--;
    }
    uint64_t port = 0;
    char host[64] = { 0 };
    bool six = all.n > 0 && all.p[0] == '[';
    sl_view name = six ? sl_view_sub(all, 1, colon >= 2 ? colon - 2 : 0)
                       : sl_view_sub(all, 0, colon > 0 ? colon - 1 : 0);
    if (colon == 0 || name.n == 0 || name.n >= sizeof host ||
        !sl_ok(sl_parse_u64(sl_view_sub(all, colon, all.n), 65535, &port))) {
        return sl_fail_at(SL_E_CONFIG, "listening address", SL_NOWHERE);
    }
    memcpy(host, name.p, name.n);
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    int good =
        six ? inet_pton(AF_INET6, host, &v6.sin6_addr) : inet_pton(AF_INET, host, &v4.sin_addr);
    if (good != 1) {
        return sl_fail_at(SL_E_CONFIG, "listening address", SL_NOWHERE);
    }
    memset(ret, 0, sizeof *ret);
    if (six) {
        memcpy(ret, &v6, sizeof v6);
    } else {
        memcpy(ret, &v4, sizeof v4);
    }
    *ret_size = six ? sizeof v6 : sizeof v4;
    return SL_DONE;
}

sl_res sl_listen_tcp(const char *address, int *ret_fd)
{
    struct sockaddr_storage to;
    socklen_t size = 0;
    SL_TRY(parse_address(address, &to, &size));
    SL_OWN(int, fd, sl_fd_close) =
        socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "socket");
    }
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (to.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    union {
        const struct sockaddr_storage *storage;
        const struct sockaddr *any;
    } at = { .storage = &to };
    if (bind(fd, at.any, size) != 0 || listen(fd, BACKLOG) != 0) {
        return sl_fail_os(errno == EADDRINUSE ? SL_E_EXISTS : SL_E_IO, "listening address");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}
