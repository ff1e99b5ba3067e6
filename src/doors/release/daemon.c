/* The process `release`: its place, its life (daemon.h). One request at a time, waiting for ledger and keeper as it goes.
 * What a crossing is stands in door.c. It reads the vault and can change nothing in it; what it holds lies sealed in a
 * folder of its own. Files are parsed in a worker that this process forks. */
#include "doors/release/daemon.h"

#include <fcntl.h>

#include "base/file.h"
#include "crypto/crypto.h"
#include "detect/echo.h"
#include "doors/release/daemon_internal.h"

#define ROSTER_BYTES_MAX (64 * SL_MIB)

static const sl_confine_path PATHS[] = {
    { "state/held", "/held", SL_PATH_READ | SL_PATH_WRITE },
    { "vault", "/vault", SL_PATH_READ },
    { "state/roster", "/roster", SL_PATH_READ },
    { "policy", "/policy", SL_PATH_READ },
};

static const sl_confine_profile PROFILE = {
    .name = "release",
    .may = SL_MAY_FILES | SL_MAY_ACCEPT | SL_MAY_FORK,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

#define ASK_BYTES SL_RELEASE_ASK_BYTES, SL_RELEASE_ASK_BYTES
static const sl_ipc_rule client_rules[] = {
    { SL_RELEASE_FILE, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_RELEASE_OBJECT, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_RELEASE_LIST, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_RELEASE_TAKE, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_RELEASE_REVIEW, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_RELEASE_SETTLE, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
};
static const sl_ipc_table client_table = { "command", client_rules, SL_COUNT_OF(client_rules) };

/* ---- life ---- */

static uint64_t next_leaf(const void *known)
{
    return sl_release_known_next(known);
}

static sl_res fold_leaf(void *known, uint64_t index, sl_view leaf)
{
    return sl_release_known_leaf(known, index, leaf);
}

static sl_res serve(sl_release_daemon *d, sl_proc *self)
{
    sl_peers_fold fold = { &d->known, next_leaf, fold_leaf };
    SL_TRY(sl_commands_begin(&d->commands, self, &client_table, sl_release_daemon_answer, d));
    SL_TRY(sl_peers_begin(&d->peers, self, fold));
    SL_TRY(sl_dir_open(AT_FDCWD, "/held", &d->held_fd));
    SL_TRY(sl_dir_open(AT_FDCWD, "/vault", &d->vault_fd));
    SL_TRY(sl_release_known_init(&d->known));
    SL_TRY(sl_release_daemon_recover(d));
    return sl_commands_serve(&d->commands, "release");
}

static void drop_all(sl_release_daemon *d)
{
    sl_peers_end(&d->peers);
    sl_release_known_free(&d->known);
    sl_buf_free(&d->roster);
    sl_buf_free(&d->echo);
    sl_fd_close(&d->held_fd);
    sl_fd_close(&d->vault_fd);
    sl_commands_end(&d->commands);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(sl_release_daemon, d, drop_all) = { .held_fd = -1,
                                               .vault_fd = -1,
                                               .roster = { .max = ROSTER_BYTES_MAX },
                                               .echo = { .max = SL_ECHO_INDEX_BYTES_MAX } };
    return serve(&d, self);
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

const sl_proc_decl sl_release_decl = {
    .name = "release",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "ledgerd", "keeper" },
    .listens = { { .name = "release", .packets = true } },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
