/* The command's side of the admin socket (see admin.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "respond/admin.h"

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table answer_table = { "warden", answer_rules, SL_COUNT_OF(answer_rules) };

/* A socket's address holds 107 bytes, a site's path may be longer: through the directory, then. */
static sl_res connect_below(int run_fd, int fd)
{
    SL_OWN(int, back, sl_fd_close) = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (back < 0 || fchdir(run_fd) != 0) {
        return sl_fail_os(SL_E_IO, "run directory");
    }
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "admin.sock" };
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } to = { .un = &at };
    int connected = connect(fd, to.any, sizeof at);
    int saved = errno;
    if (fchdir(back) != 0) {
        return sl_fail_os(SL_E_IO, "working directory");
    }
    errno = saved;
    if (connected == 0) {
        return SL_DONE;
    }
    return saved == EACCES ? sl_fail_os(SL_E_DENIED, "run/admin.sock")
                           : sl_fail_at(SL_E_UNAVAILABLE, "the site is not up", SL_NOWHERE);
}

sl_res sl_warden_connect(const char *site, sl_ipc **ret_link)
{
    SL_OWN(int, site_fd, sl_fd_close) = -1;
    SL_OWN(int, run_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, site, &site_fd));
    SL_TRY(sl_dir_open(site_fd, "run", &run_fd));
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "socket");
    }
    SL_TRY(connect_below(run_fd, fd));
    int owned = fd;
    fd = -1;
    return sl_ipc_open(owned, &answer_table, ret_link);
}

sl_res sl_warden_ask(const char *site, uint16_t type, sl_view body, sl_buf *reply)
{
    SL_OWN(sl_ipc *, link, sl_ipc_close_at) = NULL;
    SL_TRY(sl_warden_connect(site, &link));
    sl_ipc_msg answer;
    SL_TRY(sl_ipc_ask(link, type, body, SL_ADMIN_WAIT_MS_MAX, &answer));
    sl_res kept = sl_buf_add(reply, answer.body);
    sl_ipc_msg_clear(&answer);
    return kept;
}
