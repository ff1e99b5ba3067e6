/* How one process is started: its descriptors are made, it is forked and executed with its control
 * link alone, and everything else is sent to it by name. The warden is the one exception: forked
 * without exec, so that it keeps the writable mapping of the valves. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "host/supervisor.h"

/* ---- links ---- */

static bool talks_to(const sl_proc_decl *a, const sl_proc_decl *b)
{
    for (size_t i = 0; i < SL_PROC_PEERS_MAX && a->peers[i] != NULL; i++) {
        if (strcmp(a->peers[i], b->name) == 0) {
            return true;
        }
    }
    return false;
}

sl_res sl_host_make_links(sl_supervisor *host)
{
    for (size_t i = 0; i < host->instance_count; i++) {
        for (size_t j = i + 1; j < host->instance_count; j++) {
            sl_instance *a = &host->instances[i];
            sl_instance *b = &host->instances[j];
            if (!talks_to(a->decl, b->decl) && !talks_to(b->decl, a->decl)) {
                continue;
            }
            SL_NEED(host->link_count < SL_HOST_LINKS_MAX, SL_E_LIMIT);
            sl_link *link = &host->links[host->link_count];
            *link = (sl_link){ .side = { a, b }, .fd = { -1, -1 } };
            SL_TRY(sl_ipc_pair(link->fd));
            host->link_count++;
        }
    }
    return SL_DONE;
}

/* Hand `to` its end of the link with `peer`. */
static sl_res give_end(sl_instance *to, const sl_instance *peer, int *fd)
{
    uint8_t body[2 + SL_NAME_BYTES_MAX];
    body[0] = (uint8_t)peer->index;
    body[1] = (uint8_t)peer->count;
    size_t n = strlen(peer->decl->name);
    assert(n < SL_NAME_BYTES_MAX);
    memcpy(body + 2, peer->decl->name, n);
    SL_TRY(sl_ipc_send_fds(to->control, SL_PROC_GIVE_LINK, 0, sl_view_of(body, 2 + n), fd, 1));
    sl_fd_close(fd);
    return SL_DONE;
}

static sl_res give_links(sl_instance *to)
{
    sl_supervisor *host = to->host;
    for (size_t i = 0; i < host->link_count; i++) {
        sl_link *link = &host->links[i];
        for (int side = 0; side < 2; side++) {
            if (link->side[side] == to && link->fd[side] >= 0) {
                SL_TRY(give_end(to, link->side[1 - side], &link->fd[side]));
            }
        }
    }
    return SL_DONE;
}

void sl_host_renew_links(sl_instance *dead)
{
    sl_supervisor *host = dead->host;
    for (size_t i = 0; i < host->link_count; i++) {
        sl_link *link = &host->links[i];
        for (int side = 0; side < 2; side++) {
            if (link->side[side] != dead) {
                continue;
            }
            sl_fd_close(&link->fd[0]);
            sl_fd_close(&link->fd[1]);
            sl_instance *peer = link->side[1 - side];
            sl_res given = sl_ipc_pair(link->fd);
            if (sl_ok(given) && peer->control != NULL) {
                given = give_end(peer, dead, &link->fd[1 - side]);
            }
            if (!sl_ok(given)) {
                /* A peer that cannot be told is as good as dead: its control link will say so. */
                sl_host_say(host, SL_HOST_TROUBLE, peer->name, given.code);
            }
        }
    }
}

/* ---- what a process is given ---- */

static sl_res give_sockets(sl_instance *to)
{
    for (size_t i = 0; i < SL_PROC_LISTENS_MAX && to->decl->listens[i].name != NULL; i++) {
        const char *name = to->decl->listens[i].name;
        for (size_t j = 0; j < to->host->socket_count; j++) {
            sl_socket *s = &to->host->sockets[j];
            if (strcmp(s->declared.name, name) == 0) {
                SL_TRY(sl_ipc_send_fds(to->control, SL_PROC_GIVE_LISTEN, 0, sl_view_str(name),
                                       &s->fd, 1));
            }
        }
    }
    return SL_DONE;
}

static sl_res give_memories(sl_instance *to)
{
    for (size_t i = 0; i < SL_PROC_MEMORIES_MAX && to->decl->memories[i].name != NULL; i++) {
        const char *name = to->decl->memories[i].name;
        for (size_t j = 0; j < to->host->memory_count; j++) {
            if (strcmp(to->host->memories[j].name, name) == 0) {
                SL_TRY(sl_ipc_send_fds(to->control, SL_PROC_GIVE_MEMORY, 0, sl_view_str(name),
                                       &to->host->memories[j].fd, 1));
            }
        }
    }
    return SL_DONE;
}

static sl_res give_config(sl_instance *to)
{
    sl_view config = to->host->options->config;
    for (size_t at = 0; at < config.n; at += 32 * SL_KIB) {
        SL_TRY(sl_ipc_send_wait(to->control, SL_PROC_GIVE_CONFIG, 0,
                                sl_view_sub(config, at, at + 32 * SL_KIB), 2000));
    }
    return SL_DONE;
}

static sl_res give_go(sl_instance *to)
{
    const sl_host_options *options = to->host->options;
    uint8_t body[SL_PROC_GO_BYTES + 4096];
    size_t n = strlen(options->site);
    SL_NEED(n < 4096, SL_E_LIMIT);
    sl_put_le32(body, to->index);
    sl_put_le32(body + 4, to->uid);
    sl_put_le32(body + 8, to->uid);
    sl_put_le32(body + 12, options->skip_layers);
    sl_put_le32(body + 16, options->unconfined ? SL_PROC_GO_NOT_CONFINED : 0);
    sl_put_le32(body + 20, to->count);
    memcpy(body + SL_PROC_GO_BYTES, options->site, n);
    return sl_ipc_send_wait(to->control, SL_PROC_GO, 0, sl_view_of(body, SL_PROC_GO_BYTES + n),
                            2000);
}

static sl_res give_all(sl_instance *to)
{
    if (!to->decl->no_exec) {
        SL_TRY(sl_ipc_send_fds(to->control, SL_PROC_GIVE_VALVE, 0, (sl_view){ NULL, 0 },
                               &to->host->valve_fd, 1));
    }
    SL_TRY(give_sockets(to));
    SL_TRY(give_memories(to));
    SL_TRY(give_links(to));
    SL_TRY(give_config(to));
    return give_go(to);
}

/* ---- fork ---- */

/* In the child, after fork: nothing of the supervisor but the control descriptor remains. */
static void keep_control_only(int control_fd)
{
    if (dup2(control_fd, SL_PROC_CONTROL_FD) < 0 ||
        close_range(SL_PROC_CONTROL_FD + 1, ~0U, 0) != 0) {
        _exit(3);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L);
}

static void child(const sl_instance *instance, int control_fd)
{
    if (control_fd == SL_PROC_CONTROL_FD) { /* dup2 onto itself would keep close-on-exec */
        control_fd = dup(control_fd);
    }
    keep_control_only(control_fd);
    if (instance->decl->no_exec) {
        _exit(sl_proc_run(instance->decl, SL_PROC_CONTROL_FD, instance->host->valves));
    }
    char program[] = "stoplog";
    char argument[] = SL_PROC_ARGUMENT;
    char name[SL_NAME_BYTES_MAX];
    (void)snprintf(name, sizeof name, "%s", instance->decl->name);
    char *arguments[] = { program, argument, name, NULL };
    char *environment[] = { NULL };
    (void)execve("/proc/self/exe", arguments, environment);
    _exit(3);
}

sl_res sl_host_spawn(sl_instance *instance)
{
    int ends[2];
    SL_TRY(sl_ipc_pair(ends));
    pid_t pid = fork();
    if (pid < 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return sl_fail_os(SL_E_IO, "fork");
    }
    if (pid == 0) {
        child(instance, ends[1]);
    }
    (void)close(ends[1]);
    instance->first_pid = pid;
    instance->pid = pid;
    instance->ready = false;
    instance->judged = false;
    instance->frozen = false;
    instance->missing = 0;
    instance->state = SL_INSTANCE_STARTING;
    instance->started_ns = sl_clock_mono_ns();
    SL_TRY(sl_host_watch(instance, ends[0]));
    sl_host_say(instance->host, SL_HOST_STARTED, instance->name, (int)pid);
    return give_all(instance);
}
