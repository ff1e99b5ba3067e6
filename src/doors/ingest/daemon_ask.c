/* What commands ask of the ingest process (daemon_internal.h): bring data in, list, show and verify objects, show
 * canaries. It must never answer with anything of a record but its canaries. */
#include "doors/ingest/daemon_internal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/yaml.h"
#include "crypto/crypto.h"
#include "doors/scan_pack.h"
#include "ledger/events.gen.h"
#include "vault/canary.h"

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

static void fill_request(const sl_ingestd *d, const sl_ingest_ask *ask, sl_ingest_request *ret)
{
    const sl_compartment *compartment =
        sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment));
    /* Who acts when the site's own user brings data: NULL if nobody was granted it. */
    const sl_grant *grant = sl_roll_grant_through(d->known.roll, sl_view_str(ask->compartment),
                                                  SL_DOOR_INGEST, sl_clock_wall_ms());
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

typedef struct {
    int64_t canaries;
    sl_view label;
    sl_view legal_basis;
} stated_policy;

static const sl_yaml_field policy_fields[] = {
    { "canaries", SL_YAML_AS_INT, .offset = offsetof(stated_policy, canaries), .min = 0,
      .max = (int64_t)SL_CANARIES_MAX },
    { "label", SL_YAML_AS_TEXT, .offset = offsetof(stated_policy, label) },
    { "legal_basis", SL_YAML_AS_TEXT, .offset = offsetof(stated_policy, legal_basis) },
    { 0 },
};

/* One word, as it stands in leaves. */
static sl_res take_word(sl_name ret, const char *field, sl_view word)
{
    if (word.n != 0 && !sl_ok(sl_name_set(ret, word))) {
        return sl_fail_at(SL_E_CONFIG, field, SL_NOWHERE);
    }
    return SL_DONE;
}

/* policy/ingest.yml, if there is one: how many canaries each object gets, and what is stated of each. Read at
 * every crossing, so that a change needs no restart; a file that cannot be read refuses the crossing. */
static sl_res read_policy(sl_ingest_request *request)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    const sl_yaml_node *root = NULL;
    stated_policy stated = { 0 };
    sl_res read = sl_file_read(AT_FDCWD, "/policy/ingest.yml", &text);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(read);
    SL_TRY(sl_yaml_parse(&arena, sl_buf_view(&text), &root));
    SL_TRY(sl_yaml_read(&arena, root, policy_fields, &stated));
    SL_TRY(take_word(request->label, "policy/ingest.yml: label", stated.label));
    SL_TRY(take_word(request->legal_basis, "policy/ingest.yml: legal_basis", stated.legal_basis));
    request->canaries = (uint64_t)stated.canaries;
    return SL_DONE;
}

static sl_res do_put(sl_ingestd *d, const sl_ingest_ask *ask, int fd, sl_buf *reply)
{
    sl_ingest_request request;
    sl_ingest_result result;
    sl_json_writer w;
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_OWN(int, policy_fd, sl_fd_close) = -1;
    sl_ingest_world world = sl_ingestd_world(d);
    SL_TRY(sl_peers_follow(&d->peers));
    if (sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment)) == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "compartment", SL_NOWHERE);
    }
    fill_request(d, ask, &request);
    SL_TRY(read_policy(&request));
    SL_TRY(sl_dir_open(AT_FDCWD, "/policy", &policy_fd));
    SL_TRY(sl_scan_pack_read(policy_fd, &allow));
    world.allow = allow;
    sl_res crossed = sl_ingest_cross(&world, d->vault_fd, fd, &request, &result);
    sl_detail where = *sl_detail_get();
    sl_json_writer_init(&w, reply);
    if (sl_ok(crossed)) {
        sl_ingestd_sweep_soon(d, &result.manifest);
        write_put(&w, &result);
    } else {
        write_failure(&w, crossed, &where, &result.inspection);
    }
    return sl_json_finish(&w);
}

typedef struct {
    sl_ingestd *daemon;
    sl_buf *reply;
} listing;

static sl_res list_version(void *ctx, const char *compartment, const char *object, uint64_t version)
{
    listing *l = ctx;
    sl_manifest m;
    sl_json_writer w;
    SL_TRY(sl_manifest_read(l->daemon->vault_fd, compartment, object, version, &m));
    sl_json_writer_init(&w, l->reply);
    write_object(&w, &m, sl_ingest_known_find(&l->daemon->known, m.ref.uid, version));
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(l->reply, '\n');
}

static sl_res do_list(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    listing l = { .daemon = d, .reply = reply };
    SL_TRY(sl_peers_follow(&d->peers));
    if (ask->compartment[0] == 0) {
        return sl_vault_each(d->vault_fd, NULL, list_version, &l);
    }
    sl_res listed = sl_vault_each(d->vault_fd, ask->compartment, list_version, &l);
    bool known = sl_roll_compartment(d->known.roll, sl_view_str(ask->compartment)) != NULL;
    return sl_is(listed, SL_E_NOT_FOUND) && known ? SL_DONE : listed;
}

/* The manifest of the version asked for, 0 meaning the newest, and the leaf that admitted it. */
static sl_res find_object(sl_ingestd *d, const sl_ingest_ask *ask, sl_manifest *ret,
                          const sl_admitted **ret_admitted)
{
    uint64_t version = ask->version;
    SL_TRY(sl_peers_follow(&d->peers));
    if (version == 0) {
        SL_TRY(sl_object_newest(d->vault_fd, ask->compartment, ask->object, &version));
        SL_NEED(version != 0, SL_E_NOT_FOUND);
    }
    SL_TRY(sl_manifest_read(d->vault_fd, ask->compartment, ask->object, version, ret));
    *ret_admitted = sl_ingest_known_find(&d->known, ret->ref.uid, version);
    return SL_DONE;
}

static sl_res do_show(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply)
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
sl_res sl_ingestd_verify(sl_ingestd *d, const sl_manifest *m, const sl_admitted *admitted)
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

static sl_res do_verify(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply)
{
    sl_manifest m;
    const sl_admitted *admitted = NULL;
    sl_json_writer w;
    SL_TRY(find_object(d, ask, &m, &admitted));
    sl_res verified = sl_ingestd_verify(d, &m, admitted);
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

static sl_res write_canaries(sl_ingestd *d, const sl_manifest *m, uint64_t count, sl_buf *out)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(sl_ingestd_lease(d, m->ref.compartment, "canary", key.p));
    for (uint64_t i = 0; i < count; i++) {
        sl_canary canary;
        sl_canary_make(key.p, m->ref.uid, m->ref.version * SL_CANARIES_MAX + i, &canary);
        SL_TRY(sl_canary_write(&canary, i, 0, out));
    }
    return SL_DONE;
}

/* Nothing of a person is in a canary, but who knows one can hide from it: the leaf comes first. */
static sl_res do_canaries(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply)
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
    SL_TRY(sl_ingestd_append(d, sl_buf_view(&event), &index));
    return sl_buf_add(reply, sl_buf_view(&told));
}

sl_res sl_ingestd_answer(void *context, uint16_t type, sl_view body, int fd, sl_buf *reply)
{
    sl_ingestd *d = context;
    sl_ingest_ask ask;
    SL_TRY(sl_ingest_ask_decode(body, &ask));
    switch (type) {
    case SL_INGEST_PUT:
        return do_put(d, &ask, fd, reply);
    case SL_INGEST_LIST:
        return do_list(d, &ask, reply);
    case SL_INGEST_SHOW:
        return do_show(d, &ask, reply);
    case SL_INGEST_VERIFY:
        return do_verify(d, &ask, reply);
    case SL_INGEST_REBUILD:
        return sl_ingestd_rebuild(d, &ask, reply);
    default:
        return do_canaries(d, &ask, reply);
    }
}
