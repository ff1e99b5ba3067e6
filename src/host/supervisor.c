/* The life of a site (see host.h): start in the table's order, restart with back-off, and the way down in
 * reverse; what it is started with is made in prepare.c. It must never run a process whose layers it did not check,
 * and never leave one behind: all die with it. */
#include "host/supervisor.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

/* A process that dies at once is tried again after 100 ms, 200 ms, ... at most 10 s; one that ran
 * for a minute begins anew. */
#define BACKOFF_MS 100
#define BACKOFF_MS_MAX 10000
#define HEALTHY_NS (UINT64_C(60) * 1000000000)
/* How long one process may take to end in good order. */
#define END_MS_MAX 5000

void sl_host_say(sl_supervisor *host, sl_host_news news, const char *process, int status)
{
    if (host->options->tell != NULL) {
        host->options->tell(host->options->context, news, process, status);
    }
    sl_instance *warden = sl_host_find(host, SL_LIT("warden"));
    if (warden == NULL || warden->control == NULL || !warden->ready) {
        return;
    }
    uint8_t body[8 + SL_NAME_BYTES_MAX];
    size_t n = strlen(process);
    n = n < SL_NAME_BYTES_MAX ? n : SL_NAME_BYTES_MAX;
    sl_put_le32(body, (uint32_t)news);
    sl_put_le32(body + 4, (uint32_t)status);
    memcpy(body + 8, process, n);
    sl_res sent = sl_ipc_send(warden->control, SL_PROC_NEWS, 0, sl_view_of(body, 8 + n));
    (void)sent.code; /* a warden that does not read is dead soon, and is told anew on its start */
}

sl_instance *sl_host_find(sl_supervisor *host, sl_view name)
{
    for (size_t i = 0; i < host->instance_count; i++) {
        if (sl_view_eq_str(name, host->instances[i].name)) {
            return &host->instances[i];
        }
    }
    return NULL;
}

void sl_host_check_all_up(sl_supervisor *host)
{
    uint32_t missing = 0;
    for (size_t i = 0; i < host->instance_count; i++) {
        if (host->instances[i].state != SL_INSTANCE_SERVING || !host->instances[i].judged) {
            return;
        }
        missing |= host->instances[i].missing;
    }
    /* Told again when the warden came back: it must know. */
    if (!host->going) {
        host->was_up = true;
        sl_host_say(host, SL_HOST_ALL_UP, "", (int)missing);
    }
}

/* ---- the way down: reverse order, each one given END_MS_MAX ---- */

static void stop_next(void *context)
{
    sl_supervisor *host = context;
    sl_loop_cancel(host->loop, host->stop_timer);
    host->stop_timer = 0;
    while (host->stopping > 0) {
        sl_instance *instance = &host->instances[host->stopping - 1];
        if (instance->pid <= 0) {
            host->stopping--;
            continue;
        }
        if (instance->frozen) {
            (void)kill(instance->pid, SIGKILL);
        } else if (instance->decl->external != NULL) {
            (void)kill(instance->pid, SIGTERM);
        } else if (instance->control != NULL) {
            sl_res told = sl_ipc_send(instance->control, SL_PROC_END, 0, (sl_view){ NULL, 0 });
            (void)told.code; /* it is ending already, or the timer ends it */
        }
        return; /* sl_host_instance_lost goes on, or the timer */
    }
    sl_loop_stop(host->loop);
}

static void end_took_too_long(void *context)
{
    sl_supervisor *host = context;
    host->stop_timer = 0;
    if (host->stopping > 0 && host->instances[host->stopping - 1].pid > 0) {
        (void)kill(host->instances[host->stopping - 1].pid, SIGKILL);
    }
}

static void stop_on(sl_supervisor *host)
{
    stop_next(host);
    if (host->stopping > 0) {
        sl_res set =
            sl_loop_after(host->loop, END_MS_MAX, end_took_too_long, host, &host->stop_timer);
        if (!sl_ok(set)) {
            end_took_too_long(host);
        }
    }
}

void sl_host_go_down(sl_supervisor *host, sl_res why)
{
    if (host->going) {
        return;
    }
    sl_host_say(host, SL_HOST_GOING, "", why.code);
    host->going = true;
    host->result = why;
    host->stopping = host->instance_count;
    for (size_t i = 0; i < host->instance_count; i++) {
        sl_loop_cancel(host->loop, host->instances[i].timer);
        host->instances[i].timer = 0;
    }
    stop_on(host);
}

/* ---- life and death of one process ---- */

static void start_later(sl_instance *instance);

static void start_again(void *context)
{
    sl_instance *instance = context;
    instance->timer = 0;
    sl_res started = sl_host_spawn(instance);
    if (sl_ok(started)) {
        return;
    }
    /* A machine that is short of memory or processes for a moment is no reason to end a site that is up. */
    sl_log_res(SL_LOG_ERROR, "a process could not be started again", started);
    if (instance->pid > 0) {
        (void)kill(instance->pid,
                   SIGKILL); /* it was forked and not told everything: lost, and tried again */
    } else {
        start_later(instance);
    }
}

/* After a wait that doubles with each death. */
static void start_later(sl_instance *instance)
{
    sl_supervisor *host = instance->host;
    instance->state = SL_INSTANCE_WAITING;
    uint64_t wait_ms = (uint64_t)BACKOFF_MS << (instance->deaths < 7 ? instance->deaths : 7);
    wait_ms = wait_ms < BACKOFF_MS_MAX ? wait_ms : BACKOFF_MS_MAX;
    instance->deaths++;
    sl_res set = sl_loop_after(host->loop, wait_ms, start_again, instance, &instance->timer);
    if (!sl_ok(set)) {
        sl_host_go_down(host, set);
    }
}

/* The ledger's process found that its files are not what was signed. */
static bool ended_for_integrity(const sl_instance *instance, int status)
{
    return strcmp(instance->decl->name, "ledgerd") == 0 && WIFEXITED(status) &&
           WEXITSTATUS(status) == 4 && sl_res_exit((sl_res){ instance->trouble }) == 4;
}

void sl_host_instance_lost(sl_instance *instance, int status)
{
    sl_supervisor *host = instance->host;
    sl_host_unwatch(instance);
    instance->pid = 0;
    instance->first_pid = 0;
    instance->state = SL_INSTANCE_ENDED;
    sl_cgroup_leave(&host->cgroup, instance->name);
    sl_host_say(host, SL_HOST_ENDED, instance->name, status);
    bool integrity = ended_for_integrity(instance, status);
    sl_res why = integrity ? sl_fail_at((sl_code)instance->trouble, "ledger", SL_NOWHERE) : SL_DONE;
    if (host->going) {
        host->result = integrity ? why : host->result; /* others fell over it before it was heard */
        stop_on(host);
        return;
    }
    if (instance->decl->when_dead == SL_PROC_FATAL || !host->was_up || integrity) {
        /* What does not come up the first time will not by trying again; and what was changed behind
         * its back must not be written on. */
        sl_host_go_down(
            host, integrity ? why : sl_fail_at(SL_E_UNAVAILABLE, "a process ended", SL_NOWHERE));
        return;
    }
    instance->trouble = 0;
    if (sl_clock_mono_ns() - instance->started_ns > HEALTHY_NS) {
        instance->deaths = 0;
    }
    sl_host_renew_links(instance);
    start_later(instance);
}

void sl_host_claim(sl_supervisor *host)
{
    for (size_t i = 0; i < host->unclaimed_count; i++) {
        for (size_t j = 0; j < host->instance_count; j++) {
            if (host->instances[j].pid == (pid_t)host->unclaimed[i][0]) {
                int status = host->unclaimed[i][1];
                host->unclaimed_count--;
                memmove(host->unclaimed[i], host->unclaimed[i + 1],
                        (host->unclaimed_count - i) * sizeof host->unclaimed[0]);
                sl_host_instance_lost(&host->instances[j], status);
                i = SIZE_MAX; /* the list changed: from its beginning */
                break;
            }
        }
    }
}

/* The outer process of a pid namespace ends well once it has told the inner one's number; that
 * message may still wait to be read. */
static void hear_number(sl_instance *instance, pid_t pid, int status)
{
    if (pid == instance->first_pid && pid == instance->pid && instance->control != NULL &&
        WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        sl_res heard = sl_ipc_dispatch(instance->control, 32, instance);
        (void)heard.code;
    }
}

static void reaped(sl_supervisor *host, pid_t pid, int status)
{
    for (size_t i = 0; i < host->instance_count; i++) {
        sl_instance *instance = &host->instances[i];
        hear_number(instance, pid, status);
        if (pid == instance->pid) {
            sl_host_instance_lost(instance, status);
            return;
        }
        if (pid == instance->first_pid) {
            return;
        }
    }
    /* Faster dead than named: its number comes from the outer process, which is still on its way. */
    if (host->unclaimed_count == SL_HOST_INSTANCES_MAX) {
        host->unclaimed_count--;
        memmove(host->unclaimed[0], host->unclaimed[1],
                host->unclaimed_count * sizeof host->unclaimed[0]);
    }
    host->unclaimed[host->unclaimed_count][0] = (int)pid;
    host->unclaimed[host->unclaimed_count][1] = status;
    host->unclaimed_count++;
}

static void reap(sl_supervisor *host)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        reaped(host, pid, status);
    }
    sl_host_claim(host);
}

static void on_signal(void *context, int fd, unsigned events)
{
    (void)events;
    sl_supervisor *host = context;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(host);
        } else {
            sl_host_go_down(host, SL_DONE);
        }
    }
}

/* ---- beginning and end ---- */

static sl_res watch_signals(sl_supervisor *host)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    host->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (host->signal_fd < 0) {
        return sl_fail_os(SL_E_IO, "signals");
    }
    return sl_loop_add(host->loop, host->signal_fd, SL_LOOP_READ, on_signal, host);
}

static sl_res start_all(sl_supervisor *host)
{
    for (size_t i = 0; i < host->instance_count; i++) {
        SL_TRY(sl_host_spawn(&host->instances[i]));
    }
    return SL_DONE;
}

static void put_down(sl_supervisor *host)
{
    for (size_t i = 0; i < host->instance_count; i++) {
        sl_instance *instance = &host->instances[i];
        if (instance->pid > 0) { /* only after a failure half-way through the start */
            (void)kill(instance->pid, SIGKILL);
            (void)waitpid(instance->pid, NULL, 0);
        }
        sl_host_unwatch(instance);
        sl_cgroup_leave(&host->cgroup, instance->name);
    }
    for (size_t i = 0; i < host->link_count; i++) {
        sl_fd_close(&host->links[i].fd[0]);
        sl_fd_close(&host->links[i].fd[1]);
    }
    for (size_t i = 0; i < host->socket_count; i++) {
        sl_fd_close(&host->sockets[i].fd);
    }
    for (size_t i = 0; i < host->memory_count; i++) {
        sl_fd_close(&host->memories[i].fd);
    }
    sl_cgroup_remove(&host->cgroup);
    sl_valve_unmap(host->valves);
    sl_fd_close(&host->valve_fd);
    sl_fd_close(&host->signal_fd);
    sl_fd_close(&host->lock_fd);
    sl_fd_close(&host->site_fd);
    sl_loop_free(host->loop);
}

sl_res sl_host_run(const sl_host_options *options)
{
    static sl_supervisor host; /* one for each process; too large for a stack */
    host = (sl_supervisor){
        .options = options, .site_fd = -1, .lock_fd = -1, .signal_fd = -1, .valve_fd = -1
    };
    sl_res done = sl_loop_new(&host.loop);
    if (sl_ok(done)) {
        done = sl_host_prepare(&host);
    }
    if (sl_ok(done)) {
        done = watch_signals(&host);
    }
    if (sl_ok(done)) {
        done = start_all(&host);
    }
    if (sl_ok(done)) {
        done = sl_loop_run(host.loop);
    }
    if (sl_ok(done)) {
        done = host.result;
    }
    put_down(&host);
    return done;
}

int sl_host_process(const sl_proc_decl *const *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return sl_proc_run(table[i], SL_PROC_CONTROL_FD, NULL);
        }
    }
    return 2;
}
