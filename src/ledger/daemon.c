/* The process `ledgerd` of a site: its place, its peers, its loop. All work is in ledgerd.c. */
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "ledger/ledgerd.h"
#include "ledger/site.h"

static const sl_confine_path PATHS[] = {
    { "ledger", "/ledger", SL_PATH_READ | SL_PATH_WRITE },
    { SL_LEDGER_KEY_PATH, "/ledger.key", SL_PATH_READ },
};

static const sl_confine_profile PROFILE = {
    .name = "ledgerd",
    .may = SL_MAY_FILES,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

static uint64_t wall_ms(void)
{
    return (uint64_t)sl_clock_wall_ms();
}

typedef struct {
    sl_proc *self;
    sl_loop *loop;
    sl_ledgerd *ledgerd;
    sl_res result;
} daemon_state;

static void take_links(daemon_state *s, const char *peer)
{
    for (unsigned i = 0; i < sl_proc_peer_count(s->self, peer); i++) {
        int fd = sl_proc_take_link(s->self, peer, i);
        sl_res r = fd >= 0 ? sl_ledgerd_add_peer(s->ledgerd, peer, fd) : SL_DONE;
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_ERROR, "a link to the ledger could not be taken", r);
        }
    }
}

static void take_all_links(daemon_state *s)
{
    for (size_t i = 0; i < SL_PROC_PEERS_MAX && sl_ledgerd_decl.peers[i] != NULL; i++) {
        take_links(s, sl_ledgerd_decl.peers[i]);
    }
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)index;
    take_links(context, peer);
}

static void on_control(void *context, int fd, unsigned events)
{
    daemon_state *s = context;

    (void)fd;
    (void)events;
    s->result = sl_proc_pump(s->self);
    if (!sl_ok(s->result)) {
        sl_loop_stop(s->loop);
    }
}

static sl_res serve(daemon_state *s)
{
    sl_proc_on_relink(s->self, on_relink, s);
    SL_TRY(sl_loop_add(s->loop, sl_proc_control_fd(s->self), SL_LOOP_READ, on_control, s));
    take_all_links(s);
    SL_TRY(sl_ledgerd_scrub(s->ledgerd));
    SL_TRY(sl_proc_serving(s->self));
    SL_TRY(sl_loop_run(s->loop));
    SL_TRY(sl_ledgerd_result(s->ledgerd));
    return sl_is(s->result, SL_E_CLOSED) ? SL_DONE : s->result;
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(sl_ledger_files, files, sl_ledger_files_close) = { .dir_fd = -1 };
    daemon_state s = { .self = self, .result = SL_DONE };
    sl_tlog_report report;
    sl_tlog *log = NULL;

    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    static sl_site_config config; /* large */
    SL_TRY(sl_site_config_read(&arena, sl_proc_config(self), &config));
    SL_TRY(sl_ledger_files_open("/ledger", "/ledger.key", &files));
    SL_TRY(sl_ledger_open(&files, &log, &report));
    sl_res r = sl_loop_new(&s.loop);
    if (!sl_ok(r)) {
        sl_tlog_free(log);
        return r;
    }
    r = sl_ledgerd_new(log, s.loop, wall_ms, &s.ledgerd);
    if (sl_ok(r)) {
        r = sl_ledgerd_witnesses(s.ledgerd, config.ledger.witnesses, config.ledger.witness_count,
                                 &files.disk.disk);
        r = sl_ok(r) ? sl_ledgerd_note_start(s.ledgerd, &report) : r;
        r = sl_ok(r) ? serve(&s) : r;
        sl_ledgerd_free(s.ledgerd);
    }
    sl_loop_free(s.loop);
    return r;
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

const sl_proc_decl sl_ledgerd_decl = {
    .name = "ledgerd",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "ask", "keeper", "warden", "watchd", "ingest", "release", "courier" },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
