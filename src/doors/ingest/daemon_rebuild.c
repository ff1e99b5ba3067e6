/* Making anew what the doors protect a compartment by, from the sealed objects (daemon_internal.h). It must never put
 * something in force that lacks an object which the ledger names. */
#include "doors/ingest/daemon_internal.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "ledger/events.gen.h"

/* The roster of a compartment and the index of its records, from what each object was sealed with. */
typedef struct {
    sl_ingestd *daemon;
    const char *compartment;
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

static sl_res read_part(sl_ingestd *d, const sl_manifest *m, sl_object_part part, uint64_t approval,
                        sl_buf *out)
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
    SL_TRY(sl_peers_key(&d->peers, SL_KEEPER_KEY_OPEN, &asked, key.p));
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
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = SL_INGEST_ROSTER_BYTES_MAX };
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

static sl_res rebuild_version(void *ctx, const char *compartment, const char *object,
                              uint64_t version)
{
    rebuilding *b = ctx;
    sl_ingestd *d = b->daemon;
    sl_manifest m;
    SL_TRY(sl_manifest_read(d->vault_fd, compartment, object, version, &m));
    const sl_admitted *admitted = sl_ingest_known_find(&d->known, m.ref.uid, version);
    if (admitted == NULL) {
        return SL_DONE; /* its crossing never ended well: it counts for nobody */
    }
    SL_TRY(sl_ingestd_verify(d, &m, admitted));
    SL_TRY(m.parts[SL_PART_ROSTER].present ? add_roster(b, &m) : SL_DONE);
    return m.parts[SL_PART_ECHO].present ? add_echo(b, &m) : SL_DONE;
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
    return sl_ingestd_append(b->daemon, sl_buf_view(&event), &index);
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
    return sl_ingestd_append(b->daemon, sl_buf_view(&event), &index);
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
    sl_res r = sl_ingestd_lease(b->daemon, b->compartment, "echo", key);
    r = sl_ok(r) ? sl_echo_join(key, parts, b->echo_count, all) : r;
    r = sl_ok(r) ? count_records(sl_buf_view(all), key, &b->echo_records) : r;
    sl_wipe(key, sizeof key);
    free(parts);
    return r;
}

/* Every sealed part of an admitted version goes in, or nothing is written: what lacks one would look whole. */
static sl_res rebuild_all(rebuilding *b, const sl_compartment *c, sl_buf *roster, sl_buf *echo)
{
    sl_ingestd *d = b->daemon;
    SL_TRY(sl_vault_each(d->vault_fd, b->compartment, rebuild_version, b));
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
    char name[SL_ECHO_FILE_BYTES];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    sl_echo_file_name(b->compartment, name);
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

sl_res sl_ingestd_rebuild(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    uint8_t key[SL_KEY_BYTES];
    SL_OWN(rebuilding, b, rebuilding_free) = { .daemon = d, .compartment = ask->compartment };
    SL_OWN(sl_buf, roster, sl_buf_free) = { .max = SL_INGEST_ROSTER_BYTES_MAX };
    SL_OWN(sl_buf, echo, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_TRY(sl_peers_follow(&d->peers));
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment));
    const sl_roster_approval *approval = sl_ingest_known_approval(&d->known, ask->compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_NEED(sl_ingest_known_rostered(&d->known, c->id) || sl_ingest_known_echoed(&d->known, c->id),
            SL_E_NOT_FOUND);
    SL_NEED(approval != NULL, SL_E_APPROVAL);
    b.approval = approval->leaf_index;
    SL_TRY(sl_ingestd_lease(d, ask->compartment, "roster", key));
    sl_res done = sl_roster_builder_new(key, &b.builder);
    sl_wipe(key, sizeof key);
    SL_TRY(done);
    SL_TRY(rebuild_all(&b, c, &roster, &echo));
    SL_TRY(put_in_force(&b, c, sl_buf_view(&roster), sl_buf_view(&echo)));
    return write_rebuilt(&b, reply);
}
