/* The process `release`: its links, its socket, its loop (daemon.h). One request at a time, waiting for ledger and
 * keeper as it goes. What a crossing is stands in door.c. It reads the vault and can change nothing in it; what it
 * holds lies sealed in a folder of its own. Files are parsed in a worker that this process forks, and the keys of
 * rosters and records are here only while one crossing lasts. */
#include "doors/release/daemon.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/yaml.h"
#include "crypto/crypto.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "doors/peers.h"
#include "doors/release/known.h"
#include "doors/release/protocol.h"

enum {
    SETTLE_MS = 10 * 1000, /* what is rejected or over is destroyed within this time */
};

#define ROSTER_BYTES_MAX (64 * SL_MIB)
#define HELD_MS_DEFAULT (INT64_C(7) * 24 * 3600 * 1000)
#define HELD_MS_MAX (INT64_C(90) * 24 * 3600 * 1000)

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

typedef struct {
    sl_commands commands;
    sl_peers peers;
    sl_release_known known;
    int held_fd;
    int vault_fd;
    sl_valve_ticket ticket; /* of the crossing that runs */
    sl_buf roster;          /* likewise, what its engines look up */
    sl_buf echo;
} daemon_state;

/* ---- ledger, valves, keeper ---- */

static sl_res follow(daemon_state *d)
{
    return sl_peers_follow(&d->peers);
}

static sl_res world_append(void *context, sl_view event, uint64_t *ret_index)
{
    return sl_peers_append(&((daemon_state *)context)->peers, event, ret_index);
}

static sl_res world_admit(void *context, const sl_release_request *request)
{
    daemon_state *d = context;
    return sl_peers_admit(&d->peers, SL_DOOR_RELEASE, request->compartment_id, request->principal,
                          &d->ticket);
}

static sl_res world_still(void *context)
{
    const daemon_state *d = context;
    return sl_peers_still(&d->peers, &d->ticket);
}

/* Are site, door and compartment open, whoever acts? */
static bool open_for(const daemon_state *d, const char *compartment)
{
    const sl_valve *valve = sl_proc_valve(d->peers.self);
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    sl_valve_id id;
    return c != NULL && c->state == SL_COMPARTMENT_OPEN &&
           sl_ok(sl_valve_id_parse(sl_view_str(c->id), &id)) &&
           sl_epoch_open(sl_valve_site_epoch(valve)) &&
           sl_epoch_open(sl_valve_door_epoch(valve, SL_DOOR_RELEASE)) &&
           sl_epoch_open(sl_valve_compartment_epoch(valve, sl_valve_find_compartment(valve, id)));
}

/* A key that cannot be forgotten now is not asked for: each refusal of the keeper is a signal. */
static sl_res world_key(void *context, uint16_t type, const sl_key_request *request,
                        uint8_t ret_key[SL_KEY_BYTES])
{
    daemon_state *d = context;
    if (type == SL_KEEPER_KEY_FORGET) {
        SL_NEED(open_for(d, request->compartment), SL_E_VALVE);
    }
    return sl_peers_key(&d->peers, type, request, ret_key);
}

static sl_res world_random(void *context, void *p, size_t n)
{
    (void)context;
    return sl_random_bytes(p, n);
}

static int64_t world_wall_ms(void *context)
{
    (void)context;
    return sl_clock_wall_ms();
}

/* ---- what protects a compartment ---- */

static sl_res read_index(const char *name, bool told, sl_buf *out)
{
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    return sl_protection_read(dir_fd, name, told, out);
}

static sl_res add_roster(daemon_state *d, const sl_compartment *c, sl_detect *set)
{
    uint8_t key[SL_KEY_BYTES];
    SL_TRY(read_index(c->name, sl_release_known_rostered(&d->known, c->id), &d->roster));
    if (d->roster.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_peers_lease(&d->peers, c->name, "roster", key));
    sl_res added = sl_detect_add_roster(set, sl_buf_view(&d->roster), key);
    sl_wipe(key, sizeof key);
    return added;
}

static sl_res add_echo(daemon_state *d, const sl_compartment *c, sl_detect *set)
{
    uint8_t key[SL_KEY_BYTES];
    char name[SL_ECHO_FILE_BYTES];
    sl_echo_file_name(c->name, name);
    SL_TRY(read_index(name, sl_release_known_echoed(&d->known, c->id), &d->echo));
    if (d->echo.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_peers_lease(&d->peers, c->name, "echo", key));
    sl_res added = sl_detect_add_echo(set, sl_view_str(c->name), sl_buf_view(&d->echo), key);
    sl_wipe(key, sizeof key);
    return added;
}

static sl_res world_protect(void *context, const char *compartment, sl_detect *set)
{
    daemon_state *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_TRY(add_roster(d, c, set));
    return add_echo(d, c, set);
}

/* ---- requests ---- */

static sl_release_world world_of(daemon_state *d)
{
    return (sl_release_world){ .context = d,
                               .confined = true,
                               .wall_ms = world_wall_ms,
                               .admit = world_admit,
                               .still = world_still,
                               .append = world_append,
                               .key = world_key,
                               .random = world_random,
                               .protect = world_protect };
}

/* policy/release.yml, if there is one: for how long something is held. Read at every crossing, so that a change
 * needs no restart; a file that cannot be read refuses the crossing. */
static sl_res read_policy(sl_release_request *request)
{
    static const sl_yaml_field fields[] = {
        { "hold", SL_YAML_AS_DURATION, .offset = 0, .min = 60 * 1000, .max = HELD_MS_MAX },
        { 0 },
    };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    const sl_yaml_node *root = NULL;
    request->held_ms_max = HELD_MS_DEFAULT;
    sl_res read = sl_file_read(AT_FDCWD, "/policy/release.yml", &text);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(read);
    SL_TRY(sl_yaml_parse(&arena, sl_buf_view(&text), &root));
    return sl_yaml_read(&arena, root, fields, &request->held_ms_max);
}

static sl_res fill_request(const daemon_state *d, const sl_release_ask *ask,
                           sl_release_request *ret)
{
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(ask->id));
    if (r == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "release", SL_NOWHERE);
    }
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(r->compartment));
    /* NULL: nobody was granted that anything leaves. */
    const sl_grant *grant = sl_roll_grant_through(d->known.roll, sl_view_str(r->compartment),
                                                  SL_DOOR_RELEASE, sl_clock_wall_ms());
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    *ret = (sl_release_request){ .asked = *r };
    memcpy(ret->compartment_id, c->id, sizeof ret->compartment_id);
    memcpy(ret->file_name, ask->file_name, sizeof ret->file_name);
    memcpy(ret->salt, ask->salt, sizeof ret->salt);
    if (grant != NULL) {
        memcpy(ret->principal, grant->principal, sizeof ret->principal);
        memcpy(ret->purpose, grant->purpose, sizeof ret->purpose);
    }
    return SL_DONE;
}

static void write_classes(sl_json_writer *w, const uint64_t classes[SL_CLASS_COUNT])
{
    sl_json_key(w, "classes");
    sl_json_object_begin(w);
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (classes[i] != 0) {
            sl_json_put_uint(w, sl_class_name((sl_class)i), classes[i]);
        }
    }
    sl_json_object_end(w);
}

static void write_signers(sl_json_writer *w, const sl_release *r)
{
    sl_json_key(w, "approved_by");
    sl_json_array_begin(w);
    for (size_t i = 0; i < r->approved_count; i++) {
        sl_json_string(w, sl_view_str(r->approved_by[i]));
    }
    sl_json_array_end(w);
}

static void write_facts(sl_json_writer *w, const sl_release_facts *facts)
{
    static const sl_release_facts NOTHING;
    const sl_release_facts *f = facts == NULL ? &NOTHING : facts;
    sl_json_put_uint(w, "bytes", f->bytes);
    write_classes(w, f->classes);
    sl_json_put_str(w, "format", f->format);
    sl_json_put_str(w, "outcome", f->outcome);
    sl_json_put_str(w, "reason", f->reason);
    sl_json_put_str(w, "scan", f->scan);
    sl_json_put_uint(w, "scan_findings", f->scan_findings);
    sl_json_put_str(w, "verdict", f->verdict);
}

static sl_res write_release(const daemon_state *d, const sl_release *r, sl_buf *reply)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "asked_by", r->person);
    write_signers(&w, r);
    sl_json_put_str(&w, "compartment", r->compartment);
    sl_digest_hex(&r->held, hex);
    sl_json_put_str(&w, "digest", r->held_leaf == 0 ? "" : hex);
    write_facts(&w, sl_release_known_facts(&d->known, r->id));
    sl_json_put_str(&w, "id", r->id);
    sl_json_put_str(&w, "kind", r->kind);
    sl_json_put_str(&w, "label", r->label);
    sl_json_put_uint(&w, "leaf", r->held_leaf == 0 ? r->asked_leaf : r->held_leaf);
    sl_json_put_str(&w, "state", sl_release_state_name(r->state));
    sl_json_put_uint(&w, "times_out", r->times_out);
    sl_json_put_int(&w, "until_ms", r->until_ms);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* A crossing that failed is an answer too: which code, where in the file. */
static sl_res write_failure(const sl_release_ask *ask, sl_res why, sl_buf *reply)
{
    const sl_detail where = *sl_detail_get();
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_int(&w, "code", why.code);
    sl_json_put_str(&w, "id", ask->id);
    if (where.offset != SL_NOWHERE && where.offset < (uint64_t)1 << 52) {
        sl_json_put_uint(&w, "offset", where.offset);
    }
    sl_json_put_str(&w, "where", where.field == NULL ? "" : where.field);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res do_file(daemon_state *d, const sl_release_ask *ask, int fd, sl_buf *reply)
{
    sl_release_request request;
    sl_release_result result;
    sl_release_world world = world_of(d);
    SL_TRY(follow(d));
    SL_TRY(fill_request(d, ask, &request));
    SL_TRY(read_policy(&request));
    sl_res crossed = sl_release_cross(&world, d->held_fd, d->vault_fd, fd, &request, &result);
    sl_buf_free(&d->roster);
    sl_buf_free(&d->echo);
    if (!sl_ok(crossed)) {
        return write_failure(ask, crossed, reply);
    }
    SL_TRY(follow(d));
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(ask->id));
    SL_NEED(r != NULL, SL_E_BUG);
    return write_release(d, r, reply);
}

static sl_res do_list(daemon_state *d, const sl_release_ask *ask, sl_buf *reply)
{
    size_t count = 0;
    SL_TRY(follow(d));
    const sl_release *list = sl_roll_releases(d->known.roll, &count);
    for (size_t i = 0; i < count; i++) {
        const sl_release *r = &list[i];
        bool here = ask->compartment[0] == 0 || strcmp(ask->compartment, r->compartment) == 0;
        if (here && strncmp(r->id, ask->id, strlen(ask->id)) == 0) {
            SL_TRY(write_release(d, r, reply));
            SL_TRY(sl_buf_add_byte(reply, '\n'));
        }
    }
    return SL_DONE;
}

/* Bytes go to a file and nowhere else: a pipe that nobody reads would hold the door up. */
static sl_res is_empty_file(int fd)
{
    struct stat st;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
    return good ? SL_DONE : sl_fail_at(SL_E_TYPE, "file to write to", SL_NOWHERE);
}

static sl_res do_take(daemon_state *d, const sl_release_ask *ask, int fd, sl_buf *reply)
{
    sl_release_request request;
    sl_release_world world = world_of(d);
    sl_digest digest;
    uint64_t bytes = 0;
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_writer w;
    SL_TRY(is_empty_file(fd));
    SL_TRY(follow(d));
    SL_TRY(fill_request(d, ask, &request));
    int at_fd = strcmp(request.asked.kind, "object") == 0 ? d->vault_fd : d->held_fd;
    sl_res out = sl_release_hand_out(&world, at_fd, fd, d->known.roll, &request, &digest, &bytes);
    if (!sl_ok(out)) {
        return write_failure(ask, out, reply);
    }
    sl_digest_hex(&digest, hex);
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "bytes", bytes);
    sl_json_put_str(&w, "digest", hex);
    sl_json_put_str(&w, "id", request.asked.id);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* ---- the end of what is held ---- */

/* How a release is over that the ledger does not call ended; NULL: it is not. */
static const char *over(const daemon_state *d, const sl_release *r, int64_t now_ms, bool starting)
{
    const sl_release_facts *facts = sl_release_known_facts(&d->known, r->id);
    switch (r->state) {
    case SL_RELEASE_REJECTED:
        return "rejected";
    case SL_RELEASE_HELD:
    case SL_RELEASE_APPROVED:
        return now_ms >= r->until_ms ? "expired" : NULL;
    case SL_RELEASE_ASKED:
        if (starting && facts != NULL) {
            return "unknown"; /* a crash cut its crossing off */
        }
        return now_ms - r->asked_ms >= SL_RELEASE_ASK_MS_MAX ? "expired" : NULL;
    case SL_RELEASE_ENDED:
    default:
        return NULL;
    }
}

static sl_res end_one(daemon_state *d, const sl_release *r, const char *outcome)
{
    sl_release_world world = world_of(d);
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(r->compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    return sl_release_end(&world, d->held_fd, r, c->id, outcome);
}

/* Every leaf moves the list: one at a time, from its beginning. */
static sl_res settle(daemon_state *d, bool starting, size_t *ret_ended)
{
    *ret_ended = 0;
    for (bool again = true; again;) {
        size_t count = 0;
        SL_TRY(follow(d));
        const sl_release *list = sl_roll_releases(d->known.roll, &count);
        again = false;
        for (size_t i = 0; i < count && !again; i++) {
            sl_release r = list[i];
            const char *outcome = over(d, &r, sl_clock_wall_ms(), starting);
            if (outcome != NULL) {
                SL_TRY(end_one(d, &r, outcome));
                (*ret_ended)++;
                again = true;
            }
        }
    }
    return SL_DONE;
}

static sl_res do_settle(daemon_state *d, sl_buf *reply)
{
    size_t ended = 0;
    sl_json_writer w;
    SL_TRY(settle(d, false, &ended));
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "ended", ended);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static void on_tick(void *context)
{
    size_t ended = 0;
    sl_res r = settle(context, false, &ended);
    if (!sl_ok(r) && !sl_is(r, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "what is over could not be destroyed yet", r);
    }
}

/* ---- commands ---- */

static sl_res answer(void *context, uint16_t type, sl_view body, int fd, sl_buf *reply)
{
    daemon_state *d = context;
    sl_release_ask ask;
    SL_TRY(sl_release_ask_decode(body, &ask));
    switch (type) {
    case SL_RELEASE_FILE:
    case SL_RELEASE_OBJECT:
        return do_file(d, &ask, fd, reply);
    case SL_RELEASE_LIST:
        return do_list(d, &ask, reply);
    case SL_RELEASE_TAKE:
        return do_take(d, &ask, fd, reply);
    default:
        return do_settle(d, reply);
    }
}

#define ASK_BYTES SL_RELEASE_ASK_BYTES, SL_RELEASE_ASK_BYTES
static const sl_ipc_rule client_rules[] = {
    { SL_RELEASE_FILE, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_RELEASE_OBJECT, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_RELEASE_LIST, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
    { SL_RELEASE_TAKE, SL_IPC_ANY_PHASE, ASK_BYTES, 1, sl_commands_on_request },
    { SL_RELEASE_SETTLE, SL_IPC_ANY_PHASE, ASK_BYTES, 0, sl_commands_on_request },
};
static const sl_ipc_table client_table = { "command", client_rules, SL_COUNT_OF(client_rules) };

/* ---- life ---- */

typedef struct {
    daemon_state *daemon;
    const char *compartment;
} sweeping;

/* What lies there although its release is over: a crash came between the leaf and the destruction. */
static sl_res sweep_held(void *ctx, const char *name)
{
    sweeping *s = ctx;
    daemon_state *d = s->daemon;
    sl_release_world world = world_of(d);
    sl_release gone = { .state = SL_RELEASE_ENDED };
    static const char prefix[] = "release-";
    size_t n = sizeof prefix - 1;
    if (strncmp(name, prefix, n) != 0 || strlen(name + n) != SL_UID_CHARS) {
        return SL_DONE; /* not ours */
    }
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(name + n));
    if (r != NULL && r->state != SL_RELEASE_ENDED) {
        return SL_DONE;
    }
    memcpy(gone.id, name + n, sizeof gone.id);
    (void)snprintf(gone.compartment, sizeof gone.compartment, "%s", s->compartment);
    sl_log(SL_LOG_WARN, "held bytes of a release that is over are removed");
    return sl_release_clear(&world, d->held_fd, &gone, r == NULL ? 0 : r->ended_leaf);
}

static sl_res sweep_compartment(void *ctx, const char *name)
{
    sweeping s = { .daemon = ctx, .compartment = name };
    size_t removed = 0;
    SL_TRY(sl_drafts_sweep(s.daemon->held_fd, name, &removed));
    return sl_vault_list(s.daemon->held_fd, name, NULL, sweep_held, &s);
}

/* What a crash left: drafts go, crossings without an end are told as unknown (law 1). */
static sl_res recover(daemon_state *d)
{
    size_t ended = 0;
    SL_TRY(settle(d, true, &ended));
    return sl_vault_list(d->held_fd, NULL, NULL, sweep_compartment, d);
}

static uint64_t next_leaf(const void *known)
{
    return sl_release_known_next(known);
}

static sl_res fold_leaf(void *known, uint64_t index, sl_view leaf)
{
    return sl_release_known_leaf(known, index, leaf);
}

static sl_res serve(daemon_state *d, sl_proc *self)
{
    uint64_t tick = 0;
    sl_peers_fold fold = { &d->known, next_leaf, fold_leaf };
    SL_TRY(sl_commands_begin(&d->commands, self, &client_table, answer, d));
    SL_TRY(sl_loop_every(d->commands.loop, SETTLE_MS, on_tick, d, &tick));
    SL_TRY(sl_peers_begin(&d->peers, self, fold));
    SL_TRY(sl_dir_open(AT_FDCWD, "/held", &d->held_fd));
    SL_TRY(sl_dir_open(AT_FDCWD, "/vault", &d->vault_fd));
    SL_TRY(sl_release_known_init(&d->known));
    SL_TRY(recover(d));
    return sl_commands_serve(&d->commands, "release");
}

static void drop_all(daemon_state *d)
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
    SL_OWN(daemon_state, d, drop_all) = { .held_fd = -1,
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
