/* The process `ingest`: its links, its socket, its loop (daemon.h). One request at a time, waiting for
 * ledger and keeper as it goes: data come in rarely and large, and nobody else waits for this process.
 * What a crossing is stands in door.c. Files are parsed in a worker that this process forks. */
#include "doors/ingest/daemon.h"

#include <fcntl.h>

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

#define ASK_BYTES SL_INGEST_ASK_BYTES, SL_INGEST_ASK_BYTES
static const sl_ipc_rule client_rules[] = {
    { SL_INGEST_PUT, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_INGEST_LIST, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_INGEST_SHOW, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_INGEST_VERIFY, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_INGEST_CANARIES, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_INGEST_REBUILD, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
};
static const sl_ipc_table client_table = { "command", client_rules, SL_COUNT_OF(client_rules) };

/* ---- life ---- */

/* What a crash left: drafts go, crossings without an outcome are told as unknown (law 1). Drafts that stay are out of
 * sight, and none is a reason for nobody to be served. */
static sl_res sweep_one(void *ctx, const char *compartment)
{
    size_t removed = 0;
    sl_res swept = sl_drafts_sweep(((sl_ingestd *)ctx)->vault_fd, compartment, &removed);
    if (!sl_ok(swept)) {
        sl_log_res(SL_LOG_WARN, "unfinished objects could not be removed", swept);
    }
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
    SL_TRY(sl_peers_follow(&d->peers));
    SL_TRY(sl_vault_list(d->vault_fd, NULL, NULL, sweep_one, d));
    for (size_t i = 0; i < d->known.open_count; i++) {
        sl_res told = tell_unknown(d, &d->known.open[i]);
        if (!sl_ok(told)) {
            SL_NEED(d->peers.ledger != NULL, SL_E_UNAVAILABLE); /* then none can be told */
            sl_log_res(SL_LOG_ERROR, "a crossing without an outcome could not be told as unknown",
                       told);
        }
    }
    return sl_peers_follow(&d->peers);
}

static uint64_t next_leaf(const void *known)
{
    return sl_ingest_known_next(known);
}

static sl_res fold_leaf(void *known, uint64_t index, sl_view leaf)
{
    return sl_ingest_known_leaf(known, index, leaf);
}

static sl_res serve(sl_ingestd *d, sl_proc *self)
{
    sl_peers_fold fold = { &d->known, next_leaf, fold_leaf };
    SL_TRY(sl_commands_begin(&d->commands, self, &client_table, sl_ingestd_answer, d));
    SL_TRY(sl_peers_begin(&d->peers, self, fold));
    SL_TRY(sl_dir_open(AT_FDCWD, "/vault", &d->vault_fd));
    SL_TRY(sl_ingest_known_init(&d->known));
    SL_TRY(recover(d));
    SL_TRY(sl_ingestd_sweep_start(d));
    return sl_commands_serve(&d->commands, "ingest");
}

static void drop_all(sl_ingestd *d)
{
    sl_peers_end(&d->peers);
    sl_ingest_known_free(&d->known);
    sl_fd_close(&d->vault_fd);
    sl_buf_free(&d->sweep.queue);
    sl_commands_end(&d->commands);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(sl_ingestd, d, drop_all) = { .vault_fd = -1 };
    return serve(&d, self);
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
