/* The process `ingest`: its links, its socket, its loop (daemon.h). One request at a time, waiting for
 * ledger and keeper as it goes: data come in rarely and large, and nobody else waits for this process.
 * What a crossing is stands in door.c. Files are parsed in a worker that this process forks. */
#include "doors/ingest/daemon.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "doors/ingest/daemon_internal.h"
#include "ledger/events.gen.h"

static const sl_confine_path PATHS[] = {
    { "vault", "/vault", SL_PATH_READ | SL_PATH_WRITE },
    { "state/roster", "/roster", SL_PATH_READ | SL_PATH_WRITE },
    { "policy", "/policy", SL_PATH_READ },
};

static const sl_confine_profile PROFILE = {
    .name = "ingest",
    .may = SL_MAY_FILES | SL_MAY_ACCEPT | SL_MAY_FORK,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

/* ---- commands ---- */

static sl_res on_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_ingestd *d = ((sl_ingest_client *)context)->daemon;
    sl_ingest_ask ask;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX - SL_IPC_HEADER_BYTES };
    uint16_t type = msg->type;
    uint64_t id = msg->id;
    SL_OWN(int, fd, sl_fd_close) = sl_ipc_take_fd(msg, 0);
    sl_res done = sl_ingest_ask_decode(msg->body, &ask);
    if (sl_ok(done)) {
        done = sl_ingestd_answer(d, type, &ask, fd, &reply);
    }
    if (!sl_ok(done)) {
        return sl_ipc_send_failed(link, id, done);
    }
    return sl_ipc_send_wait(link, SL_IPC_OK, id, sl_buf_view(&reply), SL_INGESTD_WAIT_MS_MAX);
}

#define ASK_BYTES SL_INGEST_ASK_BYTES, SL_INGEST_ASK_BYTES
static const sl_ipc_rule client_rules[] = {
    { SL_INGEST_PUT, SL_IPC_ANY_PHASE, ASK_BYTES, 1, on_request },
    { SL_INGEST_LIST, SL_IPC_ANY_PHASE, ASK_BYTES, 0, on_request },
    { SL_INGEST_SHOW, SL_IPC_ANY_PHASE, ASK_BYTES, 0, on_request },
    { SL_INGEST_VERIFY, SL_IPC_ANY_PHASE, ASK_BYTES, 0, on_request },
    { SL_INGEST_CANARIES, SL_IPC_ANY_PHASE, ASK_BYTES, 0, on_request },
    { SL_INGEST_REBUILD, SL_IPC_ANY_PHASE, ASK_BYTES, 0, on_request },
};
static const sl_ipc_table client_table = { "command", client_rules, SL_COUNT_OF(client_rules) };

static void on_client(void *context, int fd, unsigned events)
{
    sl_ingest_client *c = context;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(c->link, 1, c))) {
        sl_loop_remove(c->daemon->loop, fd);
        sl_ipc_close_at(&c->link);
    }
}

static sl_res seat(sl_ingestd *d, int fd)
{
    for (size_t i = 0; i < SL_INGEST_CLIENTS_MAX; i++) {
        sl_ingest_client *c = &d->clients[i];
        if (c->link == NULL) {
            c->daemon = d;
            SL_TRY(sl_ipc_open(fd, &client_table, &c->link));
            return sl_loop_add(d->loop, sl_ipc_fd(c->link), SL_LOOP_READ, on_client, c);
        }
    }
    sl_fd_close(&fd);
    return sl_fail(SL_E_LIMIT);
}

static void on_accept(void *context, int fd, unsigned events)
{
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted >= 0) {
        sl_res seated = seat(context, accepted);
        if (!sl_ok(seated)) {
            sl_log_res(SL_LOG_WARN, "a command could not be served", seated);
        }
    }
}

/* ---- life ---- */

/* What a crash left: drafts go, crossings without an outcome are told as unknown (law 1). */
static sl_res sweep_one(void *ctx, const char *compartment)
{
    size_t removed = 0;
    SL_TRY(sl_drafts_sweep(((sl_ingestd *)ctx)->vault_fd, compartment, &removed));
    if (removed != 0) {
        sl_log(SL_LOG_WARN, "%zu unfinished objects removed", removed);
    }
    return SL_DONE;
}

static sl_res tell_unknown(sl_ingestd *d, const sl_open_crossing *open)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_event_head head = { .door = SL_LIT("ingest"),
                           .compartment = sl_view_str(open->compartment),
                           .crossing = sl_view_str(open->crossing) };
    sl_event_ingest_outcome fields = { .object = sl_view_str(open->object),
                                       .outcome = SL_LIT("unknown"),
                                       .reason = SL_LIT("restart") };
    SL_TRY(sl_emit_ingest_outcome(&head, &fields, &event));
    return sl_ingestd_append(d, sl_buf_view(&event), &index);
}

static sl_res recover(sl_ingestd *d)
{
    SL_TRY(sl_ingestd_follow(d));
    SL_TRY(sl_vault_list(d->vault_fd, NULL, NULL, sweep_one, d));
    for (size_t i = 0; i < d->known.open_count; i++) {
        SL_TRY(tell_unknown(d, &d->known.open[i]));
    }
    return sl_ingestd_follow(d);
}

static sl_res take_link(sl_ingestd *d, const char *peer)
{
    int fd = sl_proc_take_link(d->self, peer, 0);
    if (fd < 0) {
        return SL_DONE;
    }
    if (strcmp(peer, "ledgerd") == 0) {
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
        return sl_ledger_client_new(fd, &d->ledger);
    }
    return sl_ingestd_keeper(d, fd);
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)index;
    sl_res taken = take_link(context, peer);
    if (!sl_ok(taken)) {
        sl_log_res(SL_LOG_ERROR, "a link could not be taken", taken);
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    sl_ingestd *d = context;
    (void)fd;
    (void)events;
    d->result = sl_proc_pump(d->self);
    if (!sl_ok(d->result)) {
        sl_loop_stop(d->loop);
    }
}

static sl_res serve(sl_ingestd *d)
{
    int listening = sl_proc_listening(d->self, "ingest");
    SL_NEED(listening >= 0, SL_E_UNAVAILABLE);
    sl_proc_on_relink(d->self, on_relink, d);
    SL_TRY(sl_loop_new(&d->loop));
    SL_TRY(sl_loop_add(d->loop, sl_proc_control_fd(d->self), SL_LOOP_READ, on_control, d));
    SL_TRY(take_link(d, "ledgerd"));
    SL_TRY(take_link(d, "keeper"));
    SL_TRY(sl_dir_open(AT_FDCWD, "/vault", &d->vault_fd));
    SL_TRY(sl_ingest_known_init(&d->known));
    SL_TRY(recover(d));
    SL_TRY(sl_ingestd_sweep_start(d));
    SL_TRY(sl_loop_add(d->loop, listening, SL_LOOP_READ, on_accept, d));
    SL_TRY(sl_proc_serving(d->self));
    SL_TRY(sl_loop_run(d->loop));
    return sl_is(d->result, SL_E_CLOSED) ? SL_DONE : d->result;
}

static void drop_all(sl_ingestd *d)
{
    for (size_t i = 0; i < SL_INGEST_CLIENTS_MAX; i++) {
        sl_ipc_close_at(&d->clients[i].link);
    }
    sl_ledger_client_free(d->ledger);
    sl_ipc_close_at(&d->keeper);
    sl_ingest_known_free(&d->known);
    sl_fd_close(&d->vault_fd);
    sl_buf_free(&d->sweep.queue);
    sl_loop_free(d->loop);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(sl_ingestd, d, drop_all) = { .self = self, .vault_fd = -1, .result = SL_DONE };
    return serve(&d);
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

const sl_proc_decl sl_ingest_decl = {
    .name = "ingest",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "ledgerd", "keeper" },
    .listens = { { .name = "ingest", .packets = true } },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
