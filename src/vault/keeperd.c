/* The process `keeper`: links, loop and confinement. All decisions are in keeper.c.
 * It must never open another file than its keystore and its KMS keys. Design: src/vault/keeper.h. */
#include "vault/keeperd.h"

#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "crypto/crypto.h"
#include "ledger/client.h"
#include "ledger/tiles.h"
#include "vault/confirm.h"
#include "vault/keeper.h"
#include "vault/kms_link.h"

enum {
    LINKS_MAX = 2 * SL_PROC_INSTANCES_MAX + 4,
    LEDGER_WAIT_MS = 5000,
    CONFIRM_WAIT_MS = 200, /* a stream waits; who is late is no help to it */
    TICK_MS = 200,         /* a sealed compartment's keys are gone within this time */
    BATCH_MESSAGES = 16,
    UNLOCK_AGAIN_MS = 5000,
};

static const char keeper_dir[] = "/keeper";

static const sl_confine_path PATHS[] = {
    { "state/keeper", "/keeper", SL_PATH_READ | SL_PATH_WRITE },
};

static const sl_confine_profile PROFILE = {
    .name = "keeper",
    .may = SL_MAY_FILES,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

typedef struct daemon_state daemon_state;

typedef struct {
    daemon_state *daemon;
    sl_keeper_peer peer;
    sl_ipc *link; /* NULL: free */
} peer_link;

struct daemon_state {
    sl_proc *self;
    sl_loop *loop;
    sl_keeper *keeper;
    sl_ledger_client *ledger; /* NULL: lost */
    uint64_t ledger_size;     /* as last told */
    sl_buf bundle;            /* leaves from bundle_first on, not yet taken */
    uint64_t bundle_next;
    sl_view bundle_rest;
    peer_link links[LINKS_MAX];
    sl_ipc *kms_link; /* NULL: this site has no token, or it is being started again */
    sl_ipc *confirm;  /* NULL: being started again */
    sl_kms *token;    /* owned by the keeper's core once it is open */
    sl_res result;
    bool told_key_file;
    int32_t locked_why;       /* the code told last; 0: none */
    uint64_t unlock_again_ms; /* on the boot clock: a key file that failed is not tried before */
};

/* ---- the world ---- */

static void ledger_drop(daemon_state *d)
{
    sl_ledger_client_free(d->ledger);
    d->ledger = NULL;
    d->bundle_rest = (sl_view){ 0 };
}

/* A link that failed once is not trusted to be in step again: the supervisor gives a new one. */
static sl_res ledger_done(daemon_state *d, sl_res r)
{
    if (sl_is(r, SL_E_CLOSED) || sl_is(r, SL_E_TIMEOUT)) {
        ledger_drop(d);
    }
    return r;
}

static sl_res world_append(void *context, sl_view event)
{
    daemon_state *d = context;
    uint64_t index = 0;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    return ledger_done(d, sl_ledger_append_wait(d->ledger, event, LEDGER_WAIT_MS, &index));
}

static sl_res fill_bundle(daemon_state *d, uint64_t index)
{
    uint32_t count = 0;
    sl_buf_clear(&d->bundle);
    d->bundle_rest = (sl_view){ 0 };
    SL_TRY(ledger_done(d, sl_ledger_read_wait(d->ledger, index, LEDGER_WAIT_MS, &d->bundle, &count,
                                              &d->ledger_size)));
    d->bundle_next = index;
    d->bundle_rest = sl_buf_view(&d->bundle);
    return SL_DONE;
}

static sl_res world_leaf(void *context, uint64_t index, sl_buf *out)
{
    daemon_state *d = context;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    if (d->bundle_rest.n == 0 || d->bundle_next != index) {
        if (index >= d->ledger_size) {
            SL_TRY(ledger_done(d, sl_ledger_size_wait(d->ledger, LEDGER_WAIT_MS, &d->ledger_size)));
        }
        SL_NEED(index < d->ledger_size, SL_E_NOT_FOUND);
        SL_TRY(fill_bundle(d, index));
    }
    bool more = false;
    sl_view leaf;
    SL_TRY(sl_bundle_next(&d->bundle_rest, &more, &leaf));
    SL_NEED(more, SL_E_TRUNCATED);
    d->bundle_next = index + 1;
    return sl_buf_add(out, leaf);
}

static bool id_of(const char *hex, sl_valve_id *ret)
{
    return sl_ok(sl_valve_id_parse(sl_view_str(hex), ret));
}

static bool world_open(void *context, sl_door door, const char *principal,
                       const char *compartment_id, uint64_t *ret_epoch)
{
    daemon_state *d = context;
    const sl_valve *valve = sl_proc_valve(d->self);
    sl_valve_id id;
    if (valve == NULL || !sl_valve_fresh(valve, sl_valve_now_ms()) || !id_of(compartment_id, &id)) {
        return false;
    }
    uint64_t epoch = sl_valve_compartment_epoch(valve, sl_valve_find_compartment(valve, id));
    /* In a new life of the site nobody has turned a valve yet: a door must have its match keys before anything
     * opens, or it would never open. What was closed before is closed by its leaf, which the keeper has
     * folded; data keys always wait for the valves. */
    if (principal == NULL && sl_valve_site_epoch(valve) == 0 && epoch == 0) {
        *ret_epoch = 0;
        return true;
    }
    bool open = sl_epoch_open(sl_valve_site_epoch(valve)) &&
                sl_epoch_open(sl_valve_door_epoch(valve, door)) && sl_epoch_open(epoch);
    if (open && principal != NULL) {
        open = id_of(principal, &id) &&
               sl_epoch_open(sl_valve_principal_epoch(valve, sl_valve_find_principal(valve, id)));
    }
    *ret_epoch = epoch;
    return open;
}

static uint64_t world_boot_ms(void *context)
{
    (void)context;
    return sl_clock_boot_ns() / 1000000;
}

static int64_t world_wall_ms(void *context)
{
    (void)context;
    return sl_clock_wall_ms();
}

static sl_res world_token(void *context, sl_view pin, sl_kms **ret_kms)
{
    daemon_state *d = context;
    if (d->kms_link == NULL) {
        return sl_fail_at(SL_E_UNAVAILABLE, "kms", SL_NOWHERE);
    }
    SL_TRY(sl_kms_link_open(d->kms_link, pin, ret_kms));
    d->token = *ret_kms;
    return SL_DONE;
}

static const sl_ipc_rule confirm_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, SL_CONFIRM_ANSWER_BYTES, SL_CONFIRM_ANSWER_BYTES, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table confirm_table = { "confirm", confirm_rules, SL_COUNT_OF(confirm_rules) };

static sl_res world_compare(void *context, sl_view body, sl_confirm_answer *ret_answer)
{
    daemon_state *d = context;
    sl_ipc_msg answer;
    SL_NEED(d->confirm != NULL, SL_E_UNAVAILABLE);
    sl_res asked = sl_ipc_ask(d->confirm, SL_CONFIRM_COMPARE, body, CONFIRM_WAIT_MS, &answer);
    if (sl_is(asked, SL_E_CLOSED)) {
        sl_ipc_close_at(&d->confirm);
    }
    SL_TRY(asked);
    sl_res r = sl_confirm_answer_decode(answer.body, ret_answer);
    sl_ipc_msg_clear(&answer);
    return r;
}

/* ---- work ---- */

/* Told once for each reason, and tried again after a while: it fails for what somebody has to mend. */
static void stays_locked(daemon_state *d, sl_res why)
{
    if (why.code != d->locked_why) {
        sl_log_res(SL_LOG_ERROR, "the vault stays locked", why);
    }
    d->locked_why = why.code;
    d->unlock_again_ms = world_boot_ms(d) + UNLOCK_AGAIN_MS;
}

/* With a key file beside it the vault protects nothing from who holds the disk: say so every time. */
static void unlock_with_key_file(daemon_state *d)
{
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = SL_UNLOCK_BYTES_MAX };
    if (world_boot_ms(d) < d->unlock_again_ms) {
        return;
    }
    sl_res r = sl_vault_key_file(keeper_dir, &key);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return;
    }
    if (!d->told_key_file) {
        sl_log(SL_LOG_WARN, "the vault opens by a key file on the same disk: for demos only");
    }
    d->told_key_file = true;
    r = sl_ok(r) ? sl_keeper_unlock(d->keeper, sl_buf_view(&key)) : r;
    if (key.p != NULL) {
        sl_wipe(key.p, key.n);
    }
    if (!sl_ok(r)) {
        stays_locked(d, r);
    }
}

static void work(daemon_state *d)
{
    sl_res r = sl_keeper_follow(d->keeper);
    if (sl_ok(r) && !sl_keeper_unlocked(d->keeper)) {
        unlock_with_key_file(d);
    }
    if (sl_ok(r) && sl_keeper_unlocked(d->keeper)) {
        r = sl_keeper_work(d->keeper);
    }
    if (!sl_ok(r) && !sl_is(r, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_ERROR, "the keeper could not follow the ledger", r);
    }
}

static void on_tick(void *context)
{
    work(context);
}

/* ---- links ---- */

static sl_res on_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    const peer_link *p = context;
    sl_buf reply = { .max = SL_IPC_BYTES_MAX };
    sl_res r = sl_keeper_answer(p->daemon->keeper, p->peer, msg->type, msg->body, &reply);
    if (sl_ok(r)) {
        r = sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&reply));
    } else {
        r = sl_ipc_send_failed(link, msg->id, r);
    }
    if (reply.p != NULL) {
        sl_wipe(reply.p, reply.n);
    }
    sl_buf_free(&reply);
    return r;
}

#define RULE(type, least, most)                                                                    \
    {                                                                                              \
        type, SL_IPC_ANY_PHASE, least, most, 0, on_request                                         \
    }
#define KEY_RULE(type) RULE(type, SL_KEY_REQUEST_BYTES, SL_KEY_REQUEST_BYTES)
#define LEASE_RULE RULE(SL_KEEPER_LEASE, SL_LEASE_REQUEST_BYTES, SL_LEASE_REQUEST_BYTES)

static const sl_ipc_rule warden_rules[] = {
    RULE(SL_KEEPER_UNLOCK, 1, SL_UNLOCK_BYTES_MAX),
    RULE(SL_KEEPER_STATUS, 0, 0),
};
static const sl_ipc_rule data_rules[] = {
    KEY_RULE(SL_KEEPER_KEY_NEW),
    KEY_RULE(SL_KEEPER_KEY_OPEN),
    KEY_RULE(SL_KEEPER_KEY_FORGET),
    LEASE_RULE,
};
static const sl_ipc_rule ask_rules[] = {
    LEASE_RULE,
    RULE(SL_KEEPER_ECHO_CONFIRM, SL_CONFIRM_REQUEST_BYTES_MIN, SL_CONFIRM_REQUEST_BYTES_MAX),
};

static const sl_ipc_table tables[SL_KEEPER_PEER_COUNT] = {
    [SL_KEEPER_WARDEN] = { "warden", warden_rules, SL_COUNT_OF(warden_rules) },
    [SL_KEEPER_INGEST] = { "ingest", data_rules, SL_COUNT_OF(data_rules) },
    [SL_KEEPER_RELEASE] = { "release", data_rules, SL_COUNT_OF(data_rules) },
    [SL_KEEPER_ASK] = { "ask", ask_rules, SL_COUNT_OF(ask_rules) },
    [SL_KEEPER_PROBE] = { "probe", NULL, 0 },
};

static void link_drop(peer_link *p)
{
    sl_loop_remove(p->daemon->loop, sl_ipc_fd(p->link));
    sl_ipc_close_at(&p->link);
}

static void on_link(void *context, int fd, unsigned events)
{
    peer_link *p = context;
    (void)fd;
    (void)events;
    sl_res r = sl_ipc_dispatch(p->link, BATCH_MESSAGES, p);
    if (!sl_ok(r)) {
        if (!sl_is(r, SL_E_CLOSED)) {
            sl_log_res(SL_LOG_WARN, "a peer of the keeper sent what it may not", r);
            sl_keeper_tell_broken(p->daemon->keeper, p->peer, r);
        }
        link_drop(p);
    }
}

static sl_res link_add(daemon_state *d, sl_keeper_peer peer, int fd)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        peer_link *p = &d->links[i];
        if (p->link == NULL) {
            *p = (peer_link){ .daemon = d, .peer = peer };
            SL_TRY(sl_ipc_open(fd, &tables[peer], &p->link));
            sl_ipc_set_secret(p->link);
            sl_res r = sl_loop_add(d->loop, sl_ipc_fd(p->link), SL_LOOP_READ, on_link, p);
            if (!sl_ok(r)) {
                sl_ipc_close_at(&p->link);
            }
            return r;
        }
    }
    (void)close(fd);
    return sl_fail(SL_E_LIMIT);
}

static void take_peer(daemon_state *d, sl_keeper_peer peer)
{
    const char *name = tables[peer].peer;
    for (unsigned i = 0; i < sl_proc_peer_count(d->self, name); i++) {
        int fd = sl_proc_take_link(d->self, name, i);
        sl_res r = fd >= 0 ? link_add(d, peer, fd) : SL_DONE;
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_ERROR, "a link to the keeper could not be taken", r);
        }
    }
}

static void take_ledger(daemon_state *d)
{
    int fd = sl_proc_take_link(d->self, "ledgerd", 0);
    if (fd < 0) {
        return;
    }
    ledger_drop(d);
    sl_res r = sl_ledger_client_new(fd, &d->ledger);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the link to the ledger could not be taken", r);
    }
}

/* A KMS process that was started again has to be logged in to again. */
static void take_kms(daemon_state *d)
{
    int fd = sl_proc_take_link(d->self, "kms", 0);
    if (fd < 0) {
        return;
    }
    sl_ipc *old = d->kms_link;
    d->kms_link = NULL;
    sl_res r = sl_ipc_open(fd, &sl_kms_keeper_table, &d->kms_link);
    if (d->token != NULL && sl_keeper_unlocked(d->keeper)) {
        sl_res renewed = sl_kms_link_renew(d->token, d->kms_link);
        r = sl_ok(r) ? renewed : r;
    }
    sl_ipc_close(old);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the token could not be reached", r);
    }
}

static void take_confirm(daemon_state *d)
{
    int fd = sl_proc_take_link(d->self, "confirm", 0);
    if (fd < 0) {
        return;
    }
    sl_ipc_close_at(&d->confirm);
    sl_res r = sl_ipc_open(fd, &confirm_table, &d->confirm);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the link to who compares records could not be taken", r);
    }
}

static void take_all(daemon_state *d)
{
    take_confirm(d);
    take_ledger(d);
    take_kms(d);
    for (int peer = 0; peer < SL_KEEPER_PEER_COUNT; peer++) {
        take_peer(d, (sl_keeper_peer)peer);
    }
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_all(context);
}

static void on_control(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)fd;
    (void)events;
    d->result = sl_proc_pump(d->self);
    if (!sl_ok(d->result)) {
        sl_loop_stop(d->loop);
    }
}

static sl_res serve(daemon_state *d)
{
    uint64_t tick = 0;
    sl_proc_on_relink(d->self, on_relink, d);
    SL_TRY(sl_loop_add(d->loop, sl_proc_control_fd(d->self), SL_LOOP_READ, on_control, d));
    SL_TRY(sl_loop_every(d->loop, TICK_MS, on_tick, d, &tick));
    take_all(d);
    work(d);
    SL_TRY(sl_proc_serving(d->self));
    SL_TRY(sl_loop_run(d->loop));
    return sl_is(d->result, SL_E_CLOSED) ? SL_DONE : d->result;
}

static void drop_all(daemon_state *d)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (d->links[i].link != NULL) {
            link_drop(&d->links[i]);
        }
    }
    ledger_drop(d);
    sl_buf_free(&d->bundle);
    sl_keeper_free_at(&d->keeper);
    sl_ipc_close_at(&d->kms_link);
    sl_ipc_close_at(&d->confirm);
    sl_loop_free(d->loop);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(daemon_state, d, drop_all) = { .self = self, .bundle = { .max = 2 * SL_IPC_BYTES_MAX } };
    sl_keeper_world world = { .context = &d,
                              .append = world_append,
                              .leaf = world_leaf,
                              .open = world_open,
                              .boot_ms = world_boot_ms,
                              .wall_ms = world_wall_ms,
                              .token = world_token,
                              .compare = world_compare };
    SL_TRY(sl_loop_new(&d.loop));
    SL_TRY(sl_keeper_new(keeper_dir, &world, &d.keeper));
    return serve(&d);
}

/* SQLite reads its seed once, from a file that the confined process does not have. */
static sl_res warm(sl_proc *self)
{
    (void)self;
    uint8_t seed[4];
    SL_NEED(sqlite3_initialize() == SQLITE_OK, SL_E_MEMORY);
    sqlite3_randomness(sizeof seed, seed);
    return sl_crypto_init();
}

const sl_proc_decl sl_keeperd_decl = {
    .name = "keeper",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "ledgerd", "warden", "ask", "ingest", "kms", "confirm", "release", "probe" },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
