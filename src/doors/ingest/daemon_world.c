/* What a crossing needs of others (daemon_internal.h): the ledger, the keeper, the compartment's roster and
 * index, the valves and the register. It must never keep a key longer than one call. */
#include "doors/ingest/daemon_internal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "ledger/tiles.h"

enum { BUNDLE_BYTES_MAX = 256 * 1024 };

/* ---- the ledger ---- */

/* A link that failed once may be out of step: the supervisor gives a new one with a new process. */
static sl_res ledger_done(sl_ingestd *d, sl_res r)
{
    if (sl_is(r, SL_E_CLOSED) || sl_is(r, SL_E_TIMEOUT)) {
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
    }
    return r;
}

static sl_res ledger_size(sl_ingestd *d, uint64_t *ret_size)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    uint64_t time_ms = 0;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    SL_TRY(
        ledger_done(d, sl_ledger_state_wait(d->ledger, SL_INGESTD_WAIT_MS_MAX, &text, &time_ms)));
    sl_view origin;
    sl_view size;
    sl_view rest;
    (void)sl_view_cut(sl_buf_view(&text), '\n', &origin, &rest);
    (void)sl_view_cut(rest, '\n', &size, &rest);
    return sl_parse_u64(size, INT64_MAX, ret_size);
}

static sl_res fold_bundle(sl_ingestd *d, sl_view leaves)
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
sl_res sl_ingestd_follow(sl_ingestd *d)
{
    uint64_t size = 0;
    SL_OWN(sl_buf, leaves, sl_buf_free) = { .max = BUNDLE_BYTES_MAX };
    SL_TRY(ledger_size(d, &size));
    while (sl_ingest_known_next(&d->known) < size) {
        uint32_t count = 0;
        sl_buf_clear(&leaves);
        SL_TRY(ledger_done(d, sl_ledger_read_wait(d->ledger, sl_ingest_known_next(&d->known),
                                                  SL_INGESTD_WAIT_MS_MAX, &leaves, &count, &size)));
        SL_TRY(fold_bundle(d, sl_buf_view(&leaves)));
    }
    return SL_DONE;
}

sl_res sl_ingestd_append(void *context, sl_view event, uint64_t *ret_index)
{
    sl_ingestd *d = context;
    SL_NEED(d->ledger != NULL, SL_E_UNAVAILABLE);
    return ledger_done(d,
                       sl_ledger_append_wait(d->ledger, event, SL_INGESTD_WAIT_MS_MAX, ret_index));
}

/* ---- the keeper ---- */

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_KEY_BYTES + 8, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

sl_res sl_ingestd_keeper(sl_ingestd *d, int fd)
{
    sl_ipc_close_at(&d->keeper);
    return sl_ipc_open(fd, &keeper_table, &d->keeper);
}

/* Asks the keeper; of its answer the first `n` bytes are kept, and it must be `size` long. */
static sl_res ask_keeper(sl_ingestd *d, uint16_t type, sl_view body, uint8_t *ret, size_t n,
                         size_t size)
{
    sl_ipc_msg answer;
    SL_NEED(d->keeper != NULL, SL_E_UNAVAILABLE);
    sl_res asked = sl_ipc_ask(d->keeper, type, body, SL_INGESTD_WAIT_MS_MAX, &answer);
    if (sl_is(asked, SL_E_CLOSED) || sl_is(asked, SL_E_TIMEOUT)) {
        sl_ipc_close_at(&d->keeper);
    }
    SL_TRY(asked);
    sl_res kept = answer.body.n == size ? SL_DONE : sl_fail(SL_E_SYNTAX);
    if (sl_ok(kept) && n != 0) {
        memcpy(ret, answer.body.p, n);
    }
    sl_ipc_msg_clear(&answer);
    sl_ipc_forget(d->keeper);
    return kept;
}

sl_res sl_ingestd_key(sl_ingestd *d, uint16_t type, const sl_key_request *request, uint8_t *ret,
                      size_t n)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_KEY_REQUEST_BYTES };
    SL_TRY(sl_key_request_encode(request, &body));
    return ask_keeper(d, type, sl_buf_view(&body), ret, n, n);
}

static sl_res world_key_new(void *context, const sl_key_request *request,
                            uint8_t ret_key[SL_KEY_BYTES])
{
    return sl_ingestd_key(context, SL_KEEPER_KEY_NEW, request, ret_key, SL_KEY_BYTES);
}

static sl_res world_key_forget(void *context, const sl_key_request *request)
{
    return sl_ingestd_key(context, SL_KEEPER_KEY_FORGET, request, NULL, 0);
}

sl_res sl_ingestd_lease(void *context, const char *compartment, const char *purpose,
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
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = SL_INGEST_ROSTER_BYTES_MAX };
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = SL_INGEST_ROSTER_BYTES_MAX };
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
    const sl_ingestd *d = context;
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
    SL_TRY(sl_ingestd_lease(context, compartment, "roster", key));
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
    const sl_ingestd *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    uint8_t key[SL_KEY_BYTES];
    char name[SL_NAME_BYTES_MAX + 8];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    (void)snprintf(name, sizeof name, "%s:echo", compartment);
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    SL_TRY(is_there(c != NULL && sl_ingest_known_echoed(&d->known, c->id), dir_fd, name));
    SL_TRY(sl_ingestd_lease(context, compartment, "echo", key));
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
    sl_ingestd *d = context;
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
    const sl_ingestd *d = context;
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

sl_ingest_world sl_ingestd_world(sl_ingestd *d)
{
    return (sl_ingest_world){ .context = d,
                              .confined = true,
                              .admit = world_admit,
                              .append = sl_ingestd_append,
                              .key_new = world_key_new,
                              .key_forget = world_key_forget,
                              .lease = sl_ingestd_lease,
                              .random = world_random,
                              .publish = world_publish,
                              .publish_echo = world_publish_echo,
                              .standing = world_standing };
}
