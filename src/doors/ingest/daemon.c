/* The process `ingest`: its links, its socket, its loop (daemon.h). One request at a time, waiting for
 * ledger and keeper as it goes: data come in rarely and large, and nobody else waits for this process.
 * What a crossing is stands in door.c. Files are parsed in a worker that this process forks. */
#include "doors/ingest/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/yaml.h"
#include "crypto/crypto.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "doors/ingest/door.h"
#include "doors/ingest/known.h"
#include "doors/ingest/protocol.h"
#include "ledger/client.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "vault/canary.h"

enum { CLIENTS_MAX = 16, WAIT_MS_MAX = 10 * 1000, BUNDLE_BYTES_MAX = 256 * 1024 };

#define ROSTER_BYTES_MAX (64 * SL_MIB)

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

typedef struct daemon_state daemon_state;

typedef struct {
    daemon_state *daemon;
    sl_ipc *link; /* NULL: free */
} client;

struct daemon_state {
    sl_proc *self;
    sl_loop *loop;
    sl_ledger_client *ledger; /* NULL: lost */
    sl_ipc *keeper;           /* NULL: lost */
    sl_ingest_known known;
    int vault_fd;
    client clients[CLIENTS_MAX];
    sl_res result;
};

/* ---- the ledger ---- */

/* A link that failed once may be out of step: the supervisor gives a new one with a new process. */
static sl_res ledger_done(daemon_state *d, sl_res r)
{
    if (sl_is(r, SL_E_CLOSED) || sl_is(r, SL_E_TIMEOUT)) {
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
    }
    return r;
}

static sl_res ledger_size(daemon_state *d, uint64_t *ret_size)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    uint64_t time_ms = 0;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    SL_TRY(ledger_done(d, sl_ledger_state_wait(d->ledger, WAIT_MS_MAX, &text, &time_ms)));
    sl_view origin;
    sl_view size;
    sl_view rest;
    (void)sl_view_cut(sl_buf_view(&text), '\n', &origin, &rest);
    (void)sl_view_cut(rest, '\n', &size, &rest);
    return sl_parse_u64(size, INT64_MAX, ret_size);
}

static sl_res fold_bundle(daemon_state *d, sl_view leaves)
{
    for (;;) {
        bool more = false;
        sl_view leaf;
        SL_TRY(sl_bundle_next(&leaves, &more, &leaf));
        if (!more) {
            return SL_DONE;
        }
        SL_TRY(sl_ingest_known_leaf(&d->known, sl_ingest_known_next(&d->known), leaf));
    }
}

/* Folds all that the ledger holds now. */
static sl_res follow(daemon_state *d)
{
    uint64_t size = 0;
    SL_OWN(sl_buf, leaves, sl_buf_free) = { .max = BUNDLE_BYTES_MAX };
    SL_TRY(ledger_size(d, &size));
    while (sl_ingest_known_next(&d->known) < size) {
        uint32_t count = 0;
        sl_buf_clear(&leaves);
        SL_TRY(ledger_done(d, sl_ledger_read_wait(d->ledger, sl_ingest_known_next(&d->known),
                                                  WAIT_MS_MAX, &leaves, &count, &size)));
        SL_TRY(fold_bundle(d, sl_buf_view(&leaves)));
    }
    return SL_DONE;
}

static sl_res world_append(void *context, sl_view event, uint64_t *ret_index)
{
    daemon_state *d = context;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    return ledger_done(d, sl_ledger_append_wait(d->ledger, event, WAIT_MS_MAX, ret_index));
}

/* ---- the keeper ---- */

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_KEY_BYTES + 8, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

/* Asks the keeper; of its answer the first `n` bytes are kept, and it must be `size` long. */
static sl_res ask_keeper(daemon_state *d, uint16_t type, sl_view body, uint8_t *ret, size_t n,
                         size_t size)
{
    sl_ipc_msg answer;
    SL_NEED(d->keeper != NULL, SL_E_UNAVAILABLE);
    sl_res asked = sl_ipc_ask(d->keeper, type, body, WAIT_MS_MAX, &answer);
    if (sl_is(asked, SL_E_CLOSED) || sl_is(asked, SL_E_TIMEOUT)) {
        sl_ipc_close_at(&d->keeper);
    }
    SL_TRY(asked);
    sl_res kept = answer.body.n == size ? SL_DONE : sl_fail(SL_E_SYNTAX);
    if (sl_ok(kept) && n != 0) {
        memcpy(ret, answer.body.p, n);
    }
    sl_ipc_msg_clear(&answer);
    return kept;
}

static sl_res ask_key(daemon_state *d, uint16_t type, const sl_key_request *request, uint8_t *ret,
                      size_t n)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_KEY_REQUEST_BYTES };
    SL_TRY(sl_key_request_encode(request, &body));
    return ask_keeper(d, type, sl_buf_view(&body), ret, n, n);
}

static sl_res world_key_new(void *context, const sl_key_request *request,
                            uint8_t ret_key[SL_KEY_BYTES])
{
    return ask_key(context, SL_KEEPER_KEY_NEW, request, ret_key, SL_KEY_BYTES);
}

static sl_res world_key_forget(void *context, const sl_key_request *request)
{
    return ask_key(context, SL_KEEPER_KEY_FORGET, request, NULL, 0);
}

static sl_res world_lease(void *context, const char *compartment, const char *purpose,
                          uint8_t ret_key[SL_KEY_BYTES])
{
    sl_lease_request request = { 0 };
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_LEASE_REQUEST_BYTES };
    SL_TRY(sl_name_set(request.compartment, sl_view_str(compartment)));
    SL_TRY(sl_name_set(request.purpose, sl_view_str(purpose)));
    SL_TRY(sl_lease_request_encode(&request, &body));
    return ask_keeper(context, SL_KEEPER_LEASE, sl_buf_view(&body), ret_key, SL_KEY_BYTES,
                      SL_KEY_BYTES + 8);
}

static sl_res world_random(void *context, void *p, size_t n)
{
    (void)context;
    return sl_random_bytes(p, n);
}

/* ---- the compartment's roster ---- */

static sl_res merge_roster(int dir_fd, const char *compartment, sl_view index,
                           sl_roster_builder *builder)
{
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = ROSTER_BYTES_MAX };
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = ROSTER_BYTES_MAX };
    sl_res read = sl_file_read(dir_fd, compartment, &old);
    if (sl_ok(read)) {
        SL_TRY(sl_roster_merge(builder, sl_buf_view(&old)));
    } else if (!sl_is(read, SL_E_NOT_FOUND)) {
        return read;
    }
    SL_TRY(sl_roster_merge(builder, index));
    SL_TRY(sl_roster_finish(builder, &all));
    return sl_file_replace(dir_fd, compartment, sl_buf_view(&all), 0444);
}

/* A new file in the place of a lost one would protect the new people alone, and look whole. */
static sl_res is_there(bool told, int dir_fd, const char *file)
{
    return told && !sl_path_exists(dir_fd, file)
               ? sl_fail_at(SL_E_INTEGRITY,
                            "state/roster: a file is missing that the ledger names; make it anew: "
                            "stoplog object rebuild COMPARTMENT",
                            SL_NOWHERE)
               : SL_DONE;
}

static sl_res roster_is_there(void *context, int dir_fd, const char *compartment)
{
    const daemon_state *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    return is_there(c != NULL && sl_ingest_known_rostered(&d->known, c->id), dir_fd, compartment);
}

/* The ask door reads the file: keyed hashes, which say nothing without the key that it leases. */
static sl_res world_publish(void *context, const char *compartment, sl_view index)
{
    uint8_t key[SL_KEY_BYTES];
    sl_roster_builder *builder = NULL;
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    SL_TRY(roster_is_there(context, dir_fd, compartment));
    SL_TRY(world_lease(context, compartment, "roster", key));
    sl_res done = sl_roster_builder_new(key, &builder);
    sl_wipe(key, sizeof key);
    SL_TRY(done);
    done = merge_roster(dir_fd, compartment, index, builder);
    sl_roster_builder_free(builder);
    return done;
}

/* The index of the records stands beside the roster; a compartment's name holds no colon. */
static sl_res join_echo(int dir_fd, const char *name, sl_view index, const uint8_t key[32],
                        uint64_t *ret_records)
{
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    sl_res read = sl_file_read(dir_fd, name, &old);
    if (!sl_ok(read) && !sl_is(read, SL_E_NOT_FOUND)) {
        return read;
    }
    sl_view parts[] = { index, sl_buf_view(&old) };
    SL_TRY(sl_echo_join(key, parts, sl_ok(read) ? 2 : 1, &all));
    sl_echo_index *whole = NULL;
    sl_echo_stats stats;
    SL_TRY(sl_echo_open(sl_buf_view(&all), key, &whole));
    sl_echo_index_stats(whole, &stats);
    sl_echo_index_free(whole);
    *ret_records = stats.records;
    return sl_file_replace(dir_fd, name, sl_buf_view(&all), 0444);
}

static sl_res world_publish_echo(void *context, const char *compartment, sl_view index,
                                 uint64_t *ret_records)
{
    const daemon_state *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    uint8_t key[SL_KEY_BYTES];
    char name[SL_NAME_BYTES_MAX + 8];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    (void)snprintf(name, sizeof name, "%s:echo", compartment);
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    SL_TRY(is_there(c != NULL && sl_ingest_known_echoed(&d->known, c->id), dir_fd, name));
    SL_TRY(world_lease(context, compartment, "echo", key));
    sl_res done = join_echo(dir_fd, name, index, key, ret_records);
    sl_wipe(key, sizeof key);
    return done;
}

/* ---- the valves ---- */

static bool id_of(const char *uid, sl_valve_id *ret)
{
    return sl_ok(sl_hex_decode(sl_view_str(uid), ret->bytes, sizeof ret->bytes));
}

static sl_res world_admit(void *context, const sl_ingest_request *request)
{
    daemon_state *d = context;
    const sl_valve *valve = sl_proc_valve(d->self);
    sl_valve_id compartment;
    sl_valve_id principal;
    sl_valve_ticket ticket;
    SL_NEED(request->principal[0] != 0, SL_E_NO_GRANT);
    SL_NEED(id_of(request->compartment_id, &compartment) && id_of(request->principal, &principal),
            SL_E_VALVE);
    sl_valve_slot slot = sl_valve_find_compartment(valve, compartment);
    sl_valve_state state =
        sl_valve_take(valve, sl_valve_now_ms(), SL_DOOR_INGEST,
                      sl_valve_find_principal(valve, principal), &slot, 1, &ticket);
    return state == SL_VALVE_OPEN ? SL_DONE
                                  : sl_fail_at(SL_E_VALVE, sl_valve_state_text(state), SL_NOWHERE);
}

/* ---- the register ---- */

static void world_standing(void *context, const char *compartment, const sl_digest *digest,
                           sl_ingest_standing *ret)
{
    const daemon_state *d = context;
    const sl_register_item *item = sl_register_artefact(&d->known.vendors, digest);
    const sl_register_admission *admission = sl_register_admitted(
        &d->known.vendors, sl_view_str(compartment), digest, sl_clock_wall_ms());
    *ret = (sl_ingest_standing){ .admitted = admission != NULL };
    if (item != NULL) {
        memcpy(ret->vendor, item->vendor, sizeof ret->vendor);
    }
    if (admission != NULL) {
        ret->admission_leaf = admission->leaf_index;
    }
}

/* ---- requests ---- */

static void write_object(sl_json_writer *w, const sl_manifest *m, const sl_admitted *admitted)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_object_begin(w);
    sl_json_put_uint(w, "bytes", m->parts[SL_PART_DATA].plain_bytes);
    sl_json_put_uint(w, "chunks", m->parts[SL_PART_DATA].chunks);
    sl_json_put_str(w, "compartment", m->ref.compartment);
    sl_digest_hex(&m->digest, hex);
    sl_json_put_str(w, "digest", hex);
    sl_json_put_str(w, "id", m->ref.uid);
    if (admitted != NULL) {
        sl_json_put_uint(w, "leaf", admitted->leaf_index);
    }
    sl_json_put_str(w, "object", m->ref.object);
    sl_json_put_bool(w, "recorded",
                     admitted != NULL && sl_digest_eq(&admitted->digest, &m->digest));
    sl_digest_hex(&m->parts[SL_PART_DATA].root, hex);
    sl_json_put_str(w, "root", hex);
    sl_json_put_bool(w, "roster", m->parts[SL_PART_ROSTER].present);
    sl_json_put_uint(w, "version", m->ref.version);
    sl_json_object_end(w);
}

static void write_put(sl_json_writer *w, const sl_ingest_result *result)
{
    const sl_inspection *found = &result->inspection;
    sl_json_object_begin(w);
    sl_json_put_uint(w, "bytes", found->bytes);
    sl_json_key(w, "classes");
    sl_json_object_begin(w);
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (found->classes[i] != 0) {
            sl_json_put_uint(w, sl_class_name((sl_class)i), found->classes[i]);
        }
    }
    sl_json_object_end(w);
    sl_json_put_str(w, "encoding", sl_encoding_name(found->encoding));
    sl_json_put_str(w, "format", sl_format_name(found->format));
    sl_json_put_str(w, "id", result->manifest.ref.uid);
    sl_json_put_uint(w, "leaf", result->outcome_index);
    sl_json_put_str(w, "object", result->manifest.ref.object);
    sl_json_put_uint(w, "records", found->records);
    sl_json_put_uint(w, "roster", result->roster_entries);
    sl_json_put_uint(w, "subjects", found->subjects);
    sl_json_put_uint(w, "version", result->manifest.ref.version);
    sl_json_object_end(w);
}

/* A crossing that failed is an answer too: which code, where in the file. */
static void write_failure(sl_json_writer *w, sl_res why, const sl_detail *where,
                          const sl_inspection *found)
{
    sl_json_object_begin(w);
    sl_json_put_int(w, "code", why.code);
    if (found != NULL && sl_is(why, SL_E_HELD)) {
        char hex[2 * SL_DIGEST_BYTES + 1];
        sl_digest_hex(&found->digest, hex);
        sl_json_put_str(w, "held", hex); /* what operators would let in */
    }
    if (where->offset != SL_NOWHERE && where->offset < (uint64_t)1 << 52) {
        sl_json_put_uint(w, "offset", where->offset);
    }
    sl_json_put_str(w, "where", where->field == NULL ? "" : where->field);
    sl_json_object_end(w);
}

static void fill_request(const daemon_state *d, const sl_ingest_ask *ask, sl_ingest_request *ret)
{
    const sl_compartment *compartment =
        sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment));
    const sl_grant *grant = sl_ingest_known_grant(&d->known, ask->compartment, sl_clock_wall_ms());
    *ret = (sl_ingest_request){ 0 };
    memcpy(ret->compartment, ask->compartment, sizeof ret->compartment);
    memcpy(ret->object, ask->object, sizeof ret->object);
    memcpy(ret->record_id, ask->record_id, sizeof ret->record_id);
    memcpy(ret->file_name, ask->file_name, sizeof ret->file_name);
    if (compartment != NULL) {
        memcpy(ret->compartment_id, compartment->id, sizeof ret->compartment_id);
    }
    if (grant != NULL) {
        memcpy(ret->principal, grant->principal, sizeof ret->principal);
        memcpy(ret->purpose, grant->purpose, sizeof ret->purpose);
    }
}

/* policy/ingest.yml, if there is one: how many canaries each object gets. Read at every crossing, so
 * that a change needs no restart; a file that cannot be read refuses the crossing. */
static sl_res read_policy(sl_ingest_request *request)
{
    static const sl_yaml_field fields[] = {
        { "canaries", SL_YAML_AS_INT, .offset = 0, .min = 0, .max = (int64_t)SL_CANARIES_MAX },
        { 0 },
    };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    const sl_yaml_node *root = NULL;
    int64_t canaries = 0;
    sl_res read = sl_file_read(AT_FDCWD, "/policy/ingest.yml", &text);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(read);
    SL_TRY(sl_yaml_parse(&arena, sl_buf_view(&text), &root));
    SL_TRY(sl_yaml_read(&arena, root, fields, &canaries));
    request->canaries = (uint64_t)canaries;
    return SL_DONE;
}

/* policy/scan.pack, if there is one: a signed pack of reviewed names in place of the carried one;
 * policy/scan.keys: who may sign it, beside the keys that the program carries. Read at every crossing; a
 * pack that does not open refuses it. */
static sl_res read_names(sl_allow **ret_allow)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    sl_allow_keys keys = { 0 };
    sl_res read = sl_file_read(AT_FDCWD, "/policy/scan.pack", &note);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return sl_allow_own(ret_allow);
    }
    SL_TRY(read);
    SL_TRY(sl_allow_keys_own(&keys));
    read = sl_file_read(AT_FDCWD, "/policy/scan.keys", &text);
    if (!sl_is(read, SL_E_NOT_FOUND)) {
        SL_TRY(read);
        SL_TRY(sl_allow_keys_read(sl_buf_view(&text), &keys));
    }
    return sl_allow_open(sl_buf_view(&note), &keys, (sl_view){ 0 }, ret_allow);
}

static sl_res do_put(daemon_state *d, const sl_ingest_ask *ask, int fd, sl_buf *reply)
{
    sl_ingest_request request;
    sl_ingest_result result;
    sl_json_writer w;
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    sl_ingest_world world = { .context = d,
                              .confined = true,
                              .admit = world_admit,
                              .append = world_append,
                              .key_new = world_key_new,
                              .key_forget = world_key_forget,
                              .lease = world_lease,
                              .random = world_random,
                              .publish = world_publish,
                              .publish_echo = world_publish_echo,
                              .standing = world_standing };
    SL_TRY(follow(d));
    if (sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment)) == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "compartment", SL_NOWHERE);
    }
    fill_request(d, ask, &request);
    SL_TRY(read_policy(&request));
    SL_TRY(read_names(&allow));
    world.allow = allow;
    sl_res crossed = sl_ingest_cross(&world, d->vault_fd, fd, &request, &result);
    sl_detail where = *sl_detail_get();
    sl_json_writer_init(&w, reply);
    if (sl_ok(crossed)) {
        write_put(&w, &result);
    } else {
        write_failure(&w, crossed, &where, &result.inspection);
    }
    return sl_json_finish(&w);
}

typedef struct {
    daemon_state *daemon;
    const char *compartment;
    const char *object;
    sl_buf *reply;
} listing;

static sl_res list_version(void *ctx, const char *name)
{
    listing *l = ctx;
    sl_manifest m;
    sl_json_writer w;
    uint64_t version = 0;
    SL_TRY(sl_parse_u64(sl_view_str(name), INT64_MAX, &version));
    SL_TRY(sl_manifest_read(l->daemon->vault_fd, l->compartment, l->object, version, &m));
    sl_json_writer_init(&w, l->reply);
    write_object(&w, &m, sl_ingest_known_find(&l->daemon->known, m.ref.uid, version));
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(l->reply, '\n');
}

static sl_res list_object(void *ctx, const char *name)
{
    listing *l = ctx;
    l->object = name;
    return sl_vault_list(l->daemon->vault_fd, l->compartment, name, list_version, l);
}

static sl_res list_compartment(void *ctx, const char *name)
{
    listing *l = ctx;
    l->compartment = name;
    return sl_vault_list(l->daemon->vault_fd, name, NULL, list_object, l);
}

static sl_res do_list(daemon_state *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    listing l = { .daemon = d, .reply = reply };
    SL_TRY(follow(d));
    if (ask->compartment[0] == 0) {
        return sl_vault_list(d->vault_fd, NULL, NULL, list_compartment, &l);
    }
    sl_res listed = list_compartment(&l, ask->compartment);
    bool known = sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment)) != NULL;
    return sl_is(listed, SL_E_NOT_FOUND) && known ? SL_DONE : listed;
}

/* The manifest of the version asked for, 0 meaning the newest, and the leaf that admitted it. */
static sl_res find_object(daemon_state *d, const sl_ingest_ask *ask, sl_manifest *ret,
                          const sl_admitted **ret_admitted)
{
    uint64_t version = ask->version;
    SL_TRY(follow(d));
    if (version == 0) {
        SL_TRY(sl_object_newest(d->vault_fd, ask->compartment, ask->object, &version));
        SL_NEED(version != 0, SL_E_NOT_FOUND);
    }
    SL_TRY(sl_manifest_read(d->vault_fd, ask->compartment, ask->object, version, ret));
    *ret_admitted = sl_ingest_known_find(&d->known, ret->ref.uid, version);
    return SL_DONE;
}

static sl_res do_show(daemon_state *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    sl_manifest m;
    const sl_admitted *admitted = NULL;
    sl_json_writer w;
    SL_TRY(find_object(d, ask, &m, &admitted));
    sl_json_writer_init(&w, reply);
    write_object(&w, &m, admitted);
    return sl_json_finish(&w);
}

/* The ledger holds the manifest's digest, the manifest the roots of all parts. */
static sl_res verify_object(daemon_state *d, const sl_manifest *m, const sl_admitted *admitted)
{
    if (admitted == NULL || !sl_digest_eq(&admitted->digest, &m->digest)) {
        return sl_fail_at(SL_E_INTEGRITY, "manifest", SL_NOWHERE);
    }
    for (size_t part = 0; part < SL_PART_COUNT; part++) {
        if (m->parts[part].present) {
            SL_TRY(sl_object_verify(d->vault_fd, m, (sl_object_part)part, &m->parts[part].root));
        }
    }
    return SL_DONE;
}

static sl_res do_verify(daemon_state *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    sl_manifest m;
    const sl_admitted *admitted = NULL;
    sl_json_writer w;
    SL_TRY(find_object(d, ask, &m, &admitted));
    sl_res verified = verify_object(d, &m, admitted);
    sl_detail where = *sl_detail_get();
    sl_json_writer_init(&w, reply);
    if (sl_ok(verified)) {
        write_object(&w, &m, admitted);
    } else {
        write_failure(&w, verified, &where, NULL);
    }
    return sl_json_finish(&w);
}

/* ---- canaries ---- */

static sl_res write_canaries(daemon_state *d, const sl_manifest *m, uint64_t count, sl_buf *out)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(world_lease(d, m->ref.compartment, "canary", key.p));
    for (uint64_t i = 0; i < count; i++) {
        sl_canary canary;
        sl_canary_make(key.p, m->ref.uid, m->ref.version * SL_CANARIES_MAX + i, &canary);
        SL_TRY(sl_canary_write(&canary, i, 0, out));
    }
    return SL_DONE;
}

/* Nothing of a person is in a canary, but who knows one can hide from it: the leaf comes first. */
static sl_res do_canaries(daemon_state *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    sl_manifest m;
    const sl_admitted *admitted = NULL;
    sl_ingest_request policy = { 0 };
    SL_TRY(find_object(d, ask, &m, &admitted));
    SL_TRY(read_policy(&policy));
    SL_NEED(m.parts[SL_PART_CANARY].present && policy.canaries > 0, SL_E_NOT_FOUND);
    SL_OWN(sl_buf, told, sl_buf_free) = { .max = SL_IPC_BYTES_MAX - SL_IPC_HEADER_BYTES };
    SL_TRY(write_canaries(d, &m, policy.canaries, &told));
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(m.ref.compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    sl_digest digest = sl_sha256(sl_buf_view(&told));
    sl_event_head head = { .door = SL_LIT("ingest"), .compartment = sl_view_str(c->id) };
    sl_event_canary_shown fields = { .object = sl_view_str(m.ref.uid),
                                     .count = policy.canaries,
                                     .digest = &digest };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    uint64_t index = 0;
    SL_TRY(sl_emit_canary_shown(&head, &fields, &event));
    SL_TRY(world_append(d, sl_buf_view(&event), &index));
    return sl_buf_add(reply, sl_buf_view(&told));
}

/* ---- rebuilding what the doors protect by ---- */

/* The roster of a compartment and the index of its records, from what each object was sealed with. */
typedef struct {
    daemon_state *daemon;
    const char *compartment;
    const char *object;
    uint64_t approval;
    uint64_t objects;
    sl_roster_builder *builder;
    sl_buf *echoes; /* indexes of records, one for each version that has one */
    size_t echo_count;
    uint64_t echo_records;
} rebuilding;

static void rebuilding_free(rebuilding *b)
{
    sl_roster_builder_free(b->builder);
    for (size_t i = 0; i < b->echo_count; i++) {
        sl_buf_free(&b->echoes[i]);
    }
    free(b->echoes);
}

static sl_res read_part(daemon_state *d, const sl_manifest *m, sl_object_part part,
                        uint64_t approval, sl_buf *out)
{
    sl_object *object = NULL;
    size_t got = 0;
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    sl_key_request asked = { .version = m->ref.version,
                             .intent = approval,
                             .kind = SL_WRAP_OBJECT };
    memcpy(asked.compartment, m->ref.compartment, sizeof asked.compartment);
    memcpy(asked.name, m->ref.uid, sizeof m->ref.uid);
    memcpy(asked.principal, SL_KEY_REQUEST_NOBODY, sizeof asked.principal);
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(ask_key(d, SL_KEEPER_KEY_OPEN, &asked, key.p, SL_KEY_BYTES));
    SL_TRY(sl_object_open(d->vault_fd, m, part, key.p, &m->parts[part].root, &object));
    uint64_t bytes = sl_object_bytes(object);
    sl_res r = bytes <= out->max ? sl_buf_reserve(out, (size_t)bytes) : sl_fail(SL_E_LIMIT);
    while (sl_ok(r) && out->n < bytes) {
        r = sl_object_read(object, out->n, out->p + out->n, (size_t)bytes - out->n, &got);
        r = sl_ok(r) && got == 0 ? sl_fail(SL_E_TRUNCATED) : r;
        out->n += got;
    }
    sl_object_close(&object);
    return r;
}

static sl_res add_roster(rebuilding *b, const sl_manifest *m)
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = ROSTER_BYTES_MAX };
    SL_TRY(read_part(b->daemon, m, SL_PART_ROSTER, b->approval, &index));
    SL_TRY(sl_roster_merge(b->builder, sl_buf_view(&index)));
    b->objects++;
    return SL_DONE;
}

static sl_res add_echo(rebuilding *b, const sl_manifest *m)
{
    SL_NEED(b->echo_count < SL_ECHO_SEGMENTS_MAX, SL_E_LIMIT);
    sl_buf *more = reallocarray(b->echoes, b->echo_count + 1, sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    b->echoes = more;
    more[b->echo_count] = (sl_buf){ .max = SL_ECHO_INDEX_BYTES_MAX };
    return read_part(b->daemon, m, SL_PART_ECHO, b->approval, &more[b->echo_count++]);
}

static sl_res rebuild_version(void *ctx, const char *name)
{
    rebuilding *b = ctx;
    daemon_state *d = b->daemon;
    sl_manifest m;
    uint64_t version = 0;
    SL_TRY(sl_parse_u64(sl_view_str(name), INT64_MAX, &version));
    SL_TRY(sl_manifest_read(d->vault_fd, b->compartment, b->object, version, &m));
    const sl_admitted *admitted = sl_ingest_known_find(&d->known, m.ref.uid, version);
    if (admitted == NULL) {
        return SL_DONE; /* its crossing never ended well: it counts for nobody */
    }
    SL_TRY(verify_object(d, &m, admitted));
    SL_TRY(m.parts[SL_PART_ROSTER].present ? add_roster(b, &m) : SL_DONE);
    return m.parts[SL_PART_ECHO].present ? add_echo(b, &m) : SL_DONE;
}

static sl_res rebuild_object(void *ctx, const char *name)
{
    rebuilding *b = ctx;
    b->object = name;
    return sl_vault_list(b->daemon->vault_fd, b->compartment, name, rebuild_version, b);
}

static sl_res record_roster_rebuilt(const rebuilding *b, const sl_compartment *c, sl_view roster)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_digest digest = sl_sha256(roster);
    sl_event_head head = { .door = SL_LIT("ingest"), .compartment = sl_view_str(c->id) };
    sl_event_roster_rebuilt fields = { .objects = b->objects,
                                       .digest = &digest,
                                       .approval = b->approval };
    SL_TRY(sl_emit_roster_rebuilt(&head, &fields, &event));
    return world_append(b->daemon, sl_buf_view(&event), &index);
}

static sl_res record_echo_rebuilt(const rebuilding *b, const sl_compartment *c, sl_view echo)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_digest digest = sl_sha256(echo);
    sl_event_head head = { .door = SL_LIT("ingest"), .compartment = sl_view_str(c->id) };
    sl_event_echo_rebuilt fields = { .objects = b->echo_count,
                                     .records = b->echo_records,
                                     .digest = &digest,
                                     .approval = b->approval };
    SL_TRY(sl_emit_echo_rebuilt(&head, &fields, &event));
    return world_append(b->daemon, sl_buf_view(&event), &index);
}

static sl_res count_records(sl_view all, const uint8_t key[32], uint64_t *ret_records)
{
    sl_echo_index *index = NULL;
    sl_echo_stats stats;
    SL_TRY(sl_echo_open(all, key, &index));
    sl_echo_index_stats(index, &stats);
    sl_echo_index_free(index);
    *ret_records = stats.records;
    return SL_DONE;
}

static sl_res join_echoes(rebuilding *b, sl_buf *all)
{
    uint8_t key[SL_KEY_BYTES];
    sl_view *parts = calloc(b->echo_count + 1, sizeof *parts);
    SL_NEED(parts != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < b->echo_count; i++) {
        parts[i] = sl_buf_view(&b->echoes[i]);
    }
    sl_res r = world_lease(b->daemon, b->compartment, "echo", key);
    r = sl_ok(r) ? sl_echo_join(key, parts, b->echo_count, all) : r;
    r = sl_ok(r) ? count_records(sl_buf_view(all), key, &b->echo_records) : r;
    sl_wipe(key, sizeof key);
    free(parts);
    return r;
}

/* Every sealed part of an admitted version goes in, or nothing is written: what lacks one would look whole. */
static sl_res rebuild_all(rebuilding *b, const sl_compartment *c, sl_buf *roster, sl_buf *echo)
{
    daemon_state *d = b->daemon;
    SL_TRY(sl_vault_list(d->vault_fd, b->compartment, NULL, rebuild_object, b));
    if (b->objects < sl_ingest_known_rosters(&d->known, c->id)) {
        return sl_fail_at(SL_E_INTEGRITY, "vault: a sealed object is missing that the ledger names",
                          SL_NOWHERE);
    }
    if (b->echo_count < sl_ingest_known_echoes(&d->known, c->id)) {
        return sl_fail_at(SL_E_INTEGRITY,
                          "vault: an object was sealed without its index of records (by an older "
                          "program); bring it in again",
                          SL_NOWHERE);
    }
    SL_TRY(sl_roster_finish(b->builder, roster));
    return b->echo_count != 0 ? join_echoes(b, echo) : SL_DONE;
}

/* The index first: with the roster's leaf the approval is spent. */
static sl_res put_in_force(const rebuilding *b, const sl_compartment *c, sl_view roster,
                           sl_view echo)
{
    char name[SL_NAME_BYTES_MAX + 8];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    (void)snprintf(name, sizeof name, "%s:echo", b->compartment);
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    if (echo.n != 0) {
        SL_TRY(sl_file_replace(dir_fd, name, echo, 0444));
    }
    if (sl_ingest_known_rostered(&b->daemon->known, c->id)) {
        SL_TRY(sl_file_replace(dir_fd, b->compartment, roster, 0444));
    }
    SL_TRY(echo.n != 0 ? record_echo_rebuilt(b, c, echo) : SL_DONE);
    return sl_ingest_known_rostered(&b->daemon->known, c->id) ? record_roster_rebuilt(b, c, roster)
                                                              : SL_DONE;
}

static sl_res write_rebuilt(const rebuilding *b, sl_buf *reply)
{
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "compartment", b->compartment);
    sl_json_put_uint(&w, "objects", b->objects);
    sl_json_put_uint(&w, "indexes", b->echo_count);
    sl_json_put_uint(&w, "records", b->echo_records);
    sl_json_put_uint(&w, "approval", b->approval);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res do_rebuild(daemon_state *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    uint8_t key[SL_KEY_BYTES];
    SL_OWN(rebuilding, b, rebuilding_free) = { .daemon = d, .compartment = ask->compartment };
    SL_OWN(sl_buf, roster, sl_buf_free) = { .max = ROSTER_BYTES_MAX };
    SL_OWN(sl_buf, echo, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_TRY(follow(d));
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment));
    const sl_roster_approval *approval = sl_ingest_known_approval(&d->known, ask->compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_NEED(sl_ingest_known_rostered(&d->known, c->id) || sl_ingest_known_echoed(&d->known, c->id),
            SL_E_NOT_FOUND);
    SL_NEED(approval != NULL, SL_E_APPROVAL);
    b.approval = approval->leaf_index;
    SL_TRY(world_lease(d, ask->compartment, "roster", key));
    sl_res done = sl_roster_builder_new(key, &b.builder);
    sl_wipe(key, sizeof key);
    SL_TRY(done);
    SL_TRY(rebuild_all(&b, c, &roster, &echo));
    SL_TRY(put_in_force(&b, c, sl_buf_view(&roster), sl_buf_view(&echo)));
    return write_rebuilt(&b, reply);
}

static sl_res on_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    daemon_state *d = ((client *)context)->daemon;
    sl_ingest_ask ask;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX - SL_IPC_HEADER_BYTES };
    uint16_t type = msg->type;
    uint64_t id = msg->id;
    SL_OWN(int, fd, sl_fd_close) = sl_ipc_take_fd(msg, 0);
    sl_res done = sl_ingest_ask_decode(msg->body, &ask);
    if (sl_ok(done)) {
        done = type == SL_INGEST_PUT       ? do_put(d, &ask, fd, &reply)
               : type == SL_INGEST_LIST    ? do_list(d, &ask, &reply)
               : type == SL_INGEST_SHOW    ? do_show(d, &ask, &reply)
               : type == SL_INGEST_VERIFY  ? do_verify(d, &ask, &reply)
               : type == SL_INGEST_REBUILD ? do_rebuild(d, &ask, &reply)
                                           : do_canaries(d, &ask, &reply);
    }
    if (!sl_ok(done)) {
        return sl_ipc_send_failed(link, id, done);
    }
    return sl_ipc_send_wait(link, SL_IPC_OK, id, sl_buf_view(&reply), WAIT_MS_MAX);
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
    client *c = context;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(c->link, 1, c))) {
        sl_loop_remove(c->daemon->loop, fd);
        sl_ipc_close_at(&c->link);
    }
}

static sl_res seat(daemon_state *d, int fd)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        client *c = &d->clients[i];
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
    SL_TRY(sl_drafts_sweep(((daemon_state *)ctx)->vault_fd, compartment, &removed));
    if (removed != 0) {
        sl_log(SL_LOG_WARN, "%zu unfinished objects removed", removed);
    }
    return SL_DONE;
}

static sl_res tell_unknown(daemon_state *d, const sl_open_crossing *open)
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
    return world_append(d, sl_buf_view(&event), &index);
}

static sl_res recover(daemon_state *d)
{
    SL_TRY(follow(d));
    SL_TRY(sl_vault_list(d->vault_fd, NULL, NULL, sweep_one, d));
    for (size_t i = 0; i < d->known.open_count; i++) {
        SL_TRY(tell_unknown(d, &d->known.open[i]));
    }
    return follow(d);
}

static sl_res take_link(daemon_state *d, const char *peer)
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
    sl_ipc_close_at(&d->keeper);
    return sl_ipc_open(fd, &keeper_table, &d->keeper);
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
    SL_TRY(sl_loop_add(d->loop, listening, SL_LOOP_READ, on_accept, d));
    SL_TRY(sl_proc_serving(d->self));
    SL_TRY(sl_loop_run(d->loop));
    return sl_is(d->result, SL_E_CLOSED) ? SL_DONE : d->result;
}

static void drop_all(daemon_state *d)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        sl_ipc_close_at(&d->clients[i].link);
    }
    sl_ledger_client_free(d->ledger);
    sl_ipc_close_at(&d->keeper);
    sl_ingest_known_free(&d->known);
    sl_fd_close(&d->vault_fd);
    sl_loop_free(d->loop);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(daemon_state, d, drop_all) = { .self = self, .vault_fd = -1, .result = SL_DONE };
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
