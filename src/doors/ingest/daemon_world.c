/* What a crossing needs of others (daemon_internal.h): the ledger, the keeper, the compartment's roster and
 * index, the valves and the register. It must never keep a key longer than one call. */
#include "doors/ingest/daemon_internal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "detect/echo.h"
#include "detect/roster.h"

/* ---- ledger and keeper ---- */

sl_res sl_ingestd_append(void *context, sl_view event, uint64_t *ret_index)
{
    return sl_peers_append(&((sl_ingestd *)context)->peers, event, ret_index);
}

static sl_res world_key_new(void *context, const sl_key_request *request,
                            uint8_t ret_key[SL_KEY_BYTES])
{
    return sl_peers_key(&((sl_ingestd *)context)->peers, SL_KEEPER_KEY_NEW, request, ret_key);
}

static sl_res world_key_forget(void *context, const sl_key_request *request)
{
    return sl_peers_key(&((sl_ingestd *)context)->peers, SL_KEEPER_KEY_FORGET, request, NULL);
}

sl_res sl_ingestd_lease(void *context, const char *compartment, const char *purpose,
                        uint8_t ret_key[SL_KEY_BYTES])
{
    return sl_peers_lease(&((sl_ingestd *)context)->peers, compartment, purpose, ret_key);
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
static sl_res roster_is_there(void *context, int dir_fd, const char *compartment)
{
    const sl_ingestd *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    return sl_protection_check(dir_fd, compartment,
                               c != NULL && sl_ingest_known_rostered(&d->known, c->id));
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

/* The index of the records stands beside the roster. */
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
    char name[SL_ECHO_FILE_BYTES];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    sl_echo_file_name(compartment, name);
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    SL_TRY(
        sl_protection_check(dir_fd, name, c != NULL && sl_ingest_known_echoed(&d->known, c->id)));
    SL_TRY(sl_ingestd_lease(context, compartment, "echo", key));
    sl_res done = join_echo(dir_fd, name, index, key, ret_records);
    sl_wipe(key, sizeof key);
    return done;
}

/* ---- the valves ---- */

static sl_res world_admit(void *context, const sl_ingest_request *request)
{
    const sl_ingestd *d = context;
    sl_valve_ticket ticket;
    return sl_peers_admit(&d->peers, SL_DOOR_INGEST, request->compartment_id, request->principal,
                          &ticket);
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
