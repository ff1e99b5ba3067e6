/* Trying the ways out (egress.h). What the kernel refuses is closed; anything else, an attempt still under way among
 * it, counts as open. */
#include "drill/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int family;
    int type;
    int protocol;
    uint16_t port;
} way_out;

static const way_out ways[SL_EGRESS_WAYS] = {
#define X(name, family, type, protocol, port) { family, type, protocol, port },
#include "respond/egress_ways.def"
#undef X
};

static bool file_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST; /* an earlier try was not cleaned up: it is open all the same */
    }
    (void)close(fd);
    (void)unlink(path);
    return true;
}

static int connect_to(int fd, const way_out *way)
{
    if (way->family == AF_INET6) {
        struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(way->port) };
        (void)inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
        return connect(fd, (const struct sockaddr *)&six, sizeof six);
    }
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(way->port) };
    (void)inet_pton(AF_INET, "192.0.2.1", &four.sin_addr);
    return connect(fd, (const struct sockaddr *)&four, sizeof four);
}

static bool socket_open(const way_out *way)
{
    int fd = socket(way->family, way->type | SOCK_CLOEXEC | SOCK_NONBLOCK, way->protocol);
    if (fd < 0) {
        return false;
    }
    /* A refusal that came over the network is a way out too: the question got there. */
    bool is_open = way->port == 0 || connect_to(fd, way) == 0 || errno == EINPROGRESS ||
                   errno == ECONNREFUSED || errno == ETIMEDOUT;
    (void)close(fd);
    return is_open;
}

bool sl_egress_open(sl_egress_way way)
{
    if (way == SL_EGRESS_file_tmp) {
        return file_open("/tmp/stoplog-probe");
    }
    if (way == SL_EGRESS_file_shm) {
        return file_open("/dev/shm/stoplog-probe");
    }
    return socket_open(&ways[way]);
}
