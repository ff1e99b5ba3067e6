/* The release door (door.h). Read `cross` first: it is the five steps; `sl_release_hand_out` is the act behind them. */
#include "doors/release/door_internal.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "ledger/events.gen.h"

typedef struct {
    const sl_release_world *world;
    const sl_release_request *request;
    sl_release_result *result;
    int held_fd;
    int vault_fd;
    int fd;
    sl_object_ref ref;
    sl_object *object; /* a sealed one, opened when the worker first asks for its bytes */
    sl_release_look look;
    bool looking;
    sl_buf report;
    sl_draft *draft;
    bool key_made;
} crossing;

static void end_crossing(crossing *c)
{
    sl_release_look_free(&c->look);
    sl_object_close(&c->object);
    sl_draft_free(&c->draft);
    sl_buf_free(&c->report);
}

void sl_release_ref(const sl_release *release, sl_object_ref *ret)
{
    *ret = (sl_object_ref){ .version = 1 };
    memcpy(ret->compartment, release->compartment, sizeof ret->compartment);
    (void)snprintf(ret->object, sizeof ret->object, "release-%s", release->id);
    memcpy(ret->uid, release->id, sizeof release->id);
}

sl_event_head sl_release_head(const sl_release_request *request)
{
    return (sl_event_head){ .principal = sl_view_str(request->principal),
                            .door = SL_LIT("release"),
                            .compartment = sl_view_str(request->compartment_id),
                            .crossing = sl_view_str(request->asked.id) };
}

/* ---- identify ---- */

static bool is_object(const sl_release *r)
{
    return strcmp(r->kind, "object") == 0;
}

static sl_res identify(const crossing *c)
{
    const sl_release *asked = &c->request->asked;
    int64_t age_ms = c->world->wall_ms(c->world->context) - asked->asked_ms;
    if (asked->state != SL_RELEASE_ASKED || is_object(asked) != (c->fd < 0) ||
        age_ms >= SL_RELEASE_ASK_MS_MAX) {
        return sl_fail_at(SL_E_APPROVAL, "request", asked->asked_leaf);
    }
    return c->world->admit(c->world->context, c->request);
}

/* A sealed object is known by its id; its name stands in its manifest. */
typedef struct {
    int vault_fd;
    const sl_release *asked;
    sl_manifest *ret;
    bool found;
} finding;

static sl_res find_version(void *ctx, const char *compartment, const char *object, uint64_t version)
{
    finding *f = ctx;
    sl_manifest m;
    if (f->found || version != f->asked->version) {
        return SL_DONE;
    }
    SL_TRY(sl_manifest_read(f->vault_fd, compartment, object, version, &m));
    if (strcmp(m.ref.uid, f->asked->object) == 0) {
        f->found = true;
        *f->ret = m;
    }
    return SL_DONE;
}

sl_res sl_release_find_sealed(int at_fd, const sl_release *r, const sl_digest *digest,
                              sl_manifest *ret)
{
    sl_object_ref ref;
    finding f = { .vault_fd = at_fd, .asked = r, .ret = ret };
    if (is_object(r)) {
        SL_TRY(sl_vault_each(at_fd, r->compartment, find_version, &f));
        SL_NEED(f.found, SL_E_NOT_FOUND);
    } else {
        sl_release_ref(r, &ref);
        SL_TRY(sl_manifest_read(at_fd, ref.compartment, ref.object, ref.version, ret));
    }
    return sl_digest_eq(&ret->digest, digest)
               ? SL_DONE
               : sl_fail_at(SL_E_INTEGRITY, "manifest", r->asked_leaf);
}

sl_res sl_release_open_sealed(const sl_release_world *world, int at_fd, const sl_release *r,
                              uint64_t leaf, const sl_manifest *m, sl_object **ret_object)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    sl_key_request q = { .version = r->version, .intent = leaf, .kind = SL_WRAP_OBJECT };
    memcpy(q.compartment, r->compartment, sizeof q.compartment);
    memcpy(q.name, r->object, sizeof r->object);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(world->key(world->context, SL_KEEPER_KEY_OPEN, &q, key.p));
    return sl_object_open(at_fd, m, SL_PART_DATA, key.p, &m->parts[SL_PART_DATA].root, ret_object);
}

/* ---- inspect ---- */

/* Gives the whole file to a digest, after a salt where there is one. */
static sl_res digest_file(int fd, sl_view before, sl_digest *ret_digest)
{
    struct stat st;
    SL_OWN(sl_buf, piece, sl_buf_free) = { .max = SL_READER_PIECE_BYTES };
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "file");
    }
    if (!S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_TYPE, "file", SL_NOWHERE);
    }
    SL_TRY(sl_buf_reserve(&piece, SL_READER_PIECE_BYTES));
    sl_hasher_start(&hasher);
    sl_hasher_add(&hasher, before);
    for (uint64_t at = 0;; at += piece.n) {
        SL_TRY(sl_fd_pread(fd, piece.p, SL_READER_PIECE_BYTES, at, &piece.n));
        sl_hasher_add(&hasher, sl_buf_view(&piece));
        if (piece.n < SL_READER_PIECE_BYTES) {
            break;
        }
    }
    *ret_digest = sl_hasher_end(&hasher);
    return SL_DONE;
}

sl_res sl_release_commit(int fd, const uint8_t salt[SL_RELEASE_SALT_BYTES], sl_digest *ret_digest)
{
    SL_OWN(sl_buf, before, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_add(&before, SL_LIT("stoplog/release/v1\n")));
    SL_TRY(sl_buf_add(&before, sl_view_of(salt, SL_RELEASE_SALT_BYTES)));
    return digest_file(fd, sl_buf_view(&before), ret_digest);
}

/* The keys of roster and records come only with the first text: the worker that sends it was forked before. */
static sl_res begin_look(crossing *c)
{
    if (c->looking) {
        return SL_DONE;
    }
    c->looking = true;
    return sl_release_look_begin(c->request->asked.compartment, sl_view_str(c->request->purpose),
                                 c->world->protect, c->world->context, &c->look);
}

/* What a survey harvests is counted by class; the values are not needed here. */
static sl_res take_identifier(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    (void)ctx;
    (void)kind;
    (void)value;
    (void)record;
    return SL_DONE;
}

/* The names of a table's columns come before its rows, and are none of its bytes' records. */
static void take_row(sl_disclosure *d, const sl_ingest_text *text)
{
    if (text->continues) {
        sl_disclosure_unread(d);
    } else if (!d->table && text->length == 0) {
        sl_disclosure_header(d, text->text);
    } else {
        sl_disclosure_row(d, text->text);
    }
}

static sl_res take_text(void *ctx, const sl_ingest_text *text)
{
    crossing *c = ctx;
    if (!text->keep) {
        return SL_DONE; /* it comes again */
    }
    take_row(&c->result->disclosure, text);
    SL_TRY(begin_look(c));
    return sl_release_look_text(&c->look, text->text, text->continues);
}

static sl_res judge_survey(crossing *c)
{
    const sl_inspection *found = &c->result->inspection;
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (found->classes[i] != 0) {
            SL_TRY(begin_look(c));
            SL_TRY(sl_release_look_class(&c->look, (sl_class)i, found->classes[i]));
        }
    }
    return SL_DONE;
}

/* Are these the bytes that were signed for? */
static sl_res check_request(const crossing *c)
{
    sl_digest signed_for;
    SL_TRY(sl_release_commit(c->fd, c->request->salt, &signed_for));
    return sl_digest_eq(&signed_for, &c->request->asked.asked)
               ? SL_DONE
               : sl_fail_at(SL_E_INTEGRITY, "request", c->request->asked.asked_leaf);
}

/* Bytes of a sealed object for the worker, which was forked before the key came. */
static sl_res read_object(void *ctx, uint64_t offset, uint8_t *p, size_t n)
{
    crossing *c = ctx;
    size_t got = 0;
    SL_TRY(c->world->still(c->world->context));
    if (c->object == NULL) {
        SL_TRY(sl_release_open_sealed(c->world, c->vault_fd, &c->request->asked,
                                      c->request->asked.asked_leaf, &c->result->manifest,
                                      &c->object));
    }
    for (size_t at = 0; at < n; at += got) {
        SL_TRY(sl_object_read(c->object, offset + at, p + at, n - at, &got));
        SL_NEED(got != 0, SL_E_TRUNCATED);
    }
    return SL_DONE;
}

static sl_res inspect(crossing *c)
{
    const sl_release *asked = &c->request->asked;
    sl_ingest_taker taker = { .ctx = c,
                              .take = take_identifier,
                              .text = take_text,
                              .headers = true,
                              .allow = c->world->allow };
    if (is_object(asked)) {
        SL_TRY(sl_release_find_sealed(c->vault_fd, asked, &asked->asked, &c->result->manifest));
        taker.read = read_object;
        taker.bytes = c->result->manifest.parts[SL_PART_DATA].plain_bytes;
    } else {
        SL_TRY(check_request(c));
    }
    const char *name = is_object(asked) ? c->result->manifest.ref.object : c->request->file_name;
    SL_TRY(sl_ingest_worker(c->fd, sl_view_str(name), SL_LIT(""), c->world->confined, taker,
                            &c->result->inspection, &c->report));
    return judge_survey(c);
}

/* ---- decide ---- */

/* What runs, hides or is damaged is refused, and what nobody can look into is held like what was found. */
static sl_verdict judge_artefact(const sl_inspection *found)
{
    bool opaque = found->format == SL_FORMAT_BINARY && found->artefact_kind == SL_KIND_NONE;
    return opaque && found->artefact != SL_SCAN_DANGEROUS ? SL_VERDICT_HOLD
                                                          : sl_ingest_judge(found);
}

static sl_res decide(crossing *c)
{
    const sl_inspection *found = &c->result->inspection;
    sl_verdict verdict = judge_artefact(found);
    if (strcmp(c->request->asked.kind, "model") == 0 && !sl_ingest_is_artefact(found)) {
        return sl_fail_at(SL_E_TYPE, "model", SL_NOWHERE);
    }
    verdict = c->look.verdict > verdict ? c->look.verdict : verdict;
    sl_verdict disclosed = sl_disclosure_verdict(&c->result->disclosure);
    verdict = disclosed > verdict ? disclosed : verdict;
    memcpy(c->result->classes, c->look.classes, sizeof c->result->classes);
    /* Nothing is rewritten on its way out, and nothing leaves without a person's word. */
    c->result->verdict = verdict < SL_VERDICT_HOLD ? SL_VERDICT_HOLD : verdict;
    return SL_DONE;
}

/* ---- record ---- */

static sl_res append(const sl_release_world *world, const sl_buf *event, uint64_t *ret_index)
{
    return world->append(world->context, sl_buf_view(event), ret_index);
}

static sl_res record_intent(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    const sl_release *asked = &c->request->asked;
    const sl_inspection *found = &c->result->inspection;
    sl_event_head head = sl_release_head(c->request);
    sl_event_release_intent fields = { .object = sl_view_str(asked->id),
                                       .requester = sl_view_str(asked->asked_by),
                                       .bytes = found->bytes,
                                       .format = sl_view_str(sl_format_name(found->format)),
                                       .kind = sl_view_str(asked->kind),
                                       .purpose = sl_view_str(c->request->purpose),
                                       .request = asked->asked_leaf };
    SL_TRY(sl_emit_release_intent(&head, &fields, &event));
    return append(c->world, &event, &c->result->intent_index);
}

static sl_res record_scan(const crossing *c, const char *engine, const sl_tallies *classes,
                          sl_verdict verdict)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    const sl_inspection *found = &c->result->inspection;
    uint64_t index = 0;
    sl_event_head head = sl_release_head(c->request);
    sl_event_release_scanned fields = { .object = sl_view_str(c->request->asked.id),
                                        .format = sl_view_str(sl_format_name(found->format)),
                                        .unsafe = found->artefact == SL_SCAN_DANGEROUS,
                                        .engine = sl_view_str(engine),
                                        .classes = *classes,
                                        .verdict = sl_view_str(sl_verdict_name(verdict)),
                                        .has_records = true,
                                        .records = found->records };
    SL_TRY(sl_emit_release_scanned(&head, &fields, &event));
    return append(c->world, &event, &index);
}

static sl_res record_artefact(const crossing *c)
{
    const sl_inspection *found = &c->result->inspection;
    sl_tally tally = { .word = sl_view_str(sl_scan_class_name(found->artefact)),
                       .count = found->artefact_findings };
    sl_tallies classes = { .items = &tally, .n = 1 };
    return record_scan(c, "artefact", &classes, judge_artefact(found));
}

static sl_res record_texts(const crossing *c)
{
    sl_tally tallies[SL_CLASS_COUNT];
    sl_tallies classes = { .items = tallies };
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (c->result->classes[i] != 0) {
            tallies[classes.n++] = (sl_tally){ .word = sl_view_str(sl_class_name((sl_class)i)),
                                               .count = c->result->classes[i] };
        }
    }
    return record_scan(c, "detect", &classes, c->look.verdict);
}

/* Nothing where the site has no rule: a leaf would look as if it had one. */
static sl_res record_disclosure(const crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    const sl_disclosure *d = &c->result->disclosure;
    uint64_t index = 0;
    sl_view rule = d->table ? SL_LIT("min_cell") : SL_LIT("no_table");
    sl_event_head head = sl_release_head(c->request);
    sl_verdict verdict = sl_disclosure_verdict(d);
    sl_event_release_disclosure fields = { .object = sl_view_str(c->request->asked.id),
                                           .min_cell = d->min_cell,
                                           .small = d->small,
                                           .unread = d->unread,
                                           .rules = { &rule, 1 },
                                           .verdict = sl_view_str(sl_verdict_name(verdict)) };
    if (d->min_cell == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_emit_release_disclosure(&head, &fields, &event));
    return append(c->world, &event, &index);
}

static sl_res record_held(const crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    const sl_manifest *m = &c->result->manifest;
    int64_t until_ms = c->world->wall_ms(c->world->context) + c->request->held_ms_max;
    sl_event_head head = sl_release_head(c->request);
    sl_event_release_held fields = { .object = sl_view_str(c->request->asked.id),
                                     .sealed = sl_view_str(m->ref.uid),
                                     .version = m->ref.version,
                                     .digest = &m->digest,
                                     .bytes = m->parts[SL_PART_DATA].plain_bytes,
                                     .until_s = (uint64_t)until_ms / 1000 };
    SL_TRY(sl_emit_release_held(&head, &fields, &event));
    return append(c->world, &event, &c->result->outcome_index);
}

static sl_res record(crossing *c)
{
    SL_TRY(record_intent(c));
    SL_TRY(record_artefact(c));
    SL_TRY(record_texts(c));
    SL_TRY(record_disclosure(c));
    if (c->result->verdict <= SL_VERDICT_HOLD) {
        return SL_DONE;
    }
    bool by_scan = judge_artefact(&c->result->inspection) > SL_VERDICT_HOLD;
    bool small = c->look.verdict <= SL_VERDICT_HOLD && !by_scan;
    return sl_fail_at(by_scan ? SL_E_ARTEFACT : SL_E_REFUSED,
                      small ? "a count below policy/release.yml: min_cell" : "file", SL_NOWHERE);
}

/* ---- act: hold ---- */

static sl_key_request key_request(const crossing *c)
{
    sl_key_request q = { .version = 1, .intent = c->result->intent_index, .kind = SL_WRAP_OBJECT };
    memcpy(q.compartment, c->ref.compartment, sizeof q.compartment);
    memcpy(q.name, c->ref.uid, sizeof c->ref.uid);
    memcpy(q.principal, c->request->principal, sizeof q.principal);
    return q;
}

/* What is sealed must be what was inspected. */
static sl_res seal_file(crossing *c)
{
    uint8_t salt[SL_SEAL_SALT_BYTES];
    const sl_inspection *found = &c->result->inspection;
    SL_TRY(c->world->random(c->world->context, salt, sizeof salt));
    return sl_draft_add_file(c->draft, c->fd, found->bytes, salt, &found->digest);
}

static sl_res begin_draft(crossing *c)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    sl_key_request q = key_request(c);
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(c->world->key(c->world->context, SL_KEEPER_KEY_NEW, &q, key.p));
    c->key_made = true;
    return sl_draft_begin(c->held_fd, &c->ref, key.p, &c->draft);
}

static sl_res hold(crossing *c)
{
    SL_TRY(c->world->still(c->world->context));
    if (is_object(&c->request->asked)) {
        return record_held(c); /* it lies sealed already */
    }
    SL_TRY(begin_draft(c));
    SL_TRY(seal_file(c));
    SL_TRY(sl_draft_settle(c->draft, &c->result->manifest));
    SL_TRY(sl_draft_commit(c->draft));
    return record_held(c);
}

static sl_res record_outcome(const sl_release_world *world, const sl_release_request *request,
                             sl_event_release_outcome *fields, uint64_t *ret_index)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_event_head head = sl_release_head(request);
    fields->object = sl_view_str(request->asked.id);
    SL_TRY(sl_emit_release_outcome(&head, fields, &event));
    return append(world, &event, ret_index);
}

/* Undoes what was done and says so; the reason is the code's name. A request that was used stays used: who asks
 * again signs again. */
static void take_back(crossing *c, sl_res why)
{
    sl_draft_retract(c->draft);
    sl_draft_free(&c->draft);
    if (c->key_made) {
        sl_key_request q = key_request(c);
        sl_res forgotten = c->world->key(c->world->context, SL_KEEPER_KEY_FORGET, &q, NULL);
        (void)sl_ok(forgotten); /* a key without an object opens nothing */
    }
    bool refused = sl_res_exit(why) == 1;
    sl_event_release_outcome fields = { .outcome = refused ? SL_LIT("refused") : SL_LIT("failed"),
                                        .persons = 1,
                                        .reason = sl_view_str(sl_res_name(why)) };
    sl_res told = record_outcome(c->world, c->request, &fields, &c->result->outcome_index);
    (void)sl_ok(told); /* without an outcome the crossing counts as unknown */
}

static sl_res cross(crossing *c)
{
    SL_TRY(identify(c));
    SL_TRY(inspect(c));
    SL_TRY(decide(c));
    SL_TRY(record(c));
    return hold(c);
}

sl_res sl_release_cross(const sl_release_world *world, int held_fd, int vault_fd, int fd,
                        const sl_release_request *request, sl_release_result *ret_result)
{
    *ret_result = (sl_release_result){ .intent_index = UINT64_MAX, .outcome_index = UINT64_MAX };
    SL_OWN(crossing, c, end_crossing) = { .world = world,
                                          .request = request,
                                          .result = ret_result,
                                          .held_fd = held_fd,
                                          .vault_fd = vault_fd,
                                          .fd = fd,
                                          .report = { .max = SL_REPORT_BYTES_MAX } };
    ret_result->disclosure.min_cell = (uint64_t)request->min_cell;
    sl_release_ref(&request->asked, &c.ref);
    sl_res done = cross(&c);
    if (!sl_ok(done)) {
        sl_detail where = *sl_detail_get();
        take_back(&c, done);
        return sl_fail_at((sl_code)done.code, where.field, where.offset);
    }
    return SL_DONE;
}

/* ---- act: hand out ---- */

typedef struct {
    const sl_release_world *world;
    sl_object *object;
    sl_buf piece;
    sl_hasher hasher;
    int out_fd; /* -1: only to see that it is whole */
} handing;

static void end_handing(handing *h)
{
    sl_object_close(&h->object);
    if (h->piece.p != NULL) {
        sl_wipe(h->piece.p, h->piece.cap);
    }
    sl_buf_free(&h->piece);
    sl_hasher_free(&h->hasher);
}

static sl_res pass(handing *h, sl_digest *ret_digest)
{
    uint64_t bytes = sl_object_bytes(h->object);
    sl_hasher_start(&h->hasher);
    for (uint64_t at = 0; at < bytes; at += h->piece.n) {
        SL_TRY(h->world->still(h->world->context));
        SL_TRY(sl_object_read(h->object, at, h->piece.p, SL_READER_PIECE_BYTES, &h->piece.n));
        SL_NEED(h->piece.n != 0, SL_E_TRUNCATED);
        sl_hasher_add(&h->hasher, sl_buf_view(&h->piece));
        if (h->out_fd >= 0) {
            SL_TRY(sl_fd_write_all(h->out_fd, sl_buf_view(&h->piece)));
        }
    }
    *ret_digest = sl_hasher_end(&h->hasher);
    return SL_DONE;
}

static sl_res record_released(const sl_release_world *world, const sl_release_request *request,
                              const sl_digest *digest, uint64_t bytes)
{
    sl_view ids[SL_RELEASE_SIGNERS_MAX];
    const sl_release *r = &request->asked;
    uint64_t index = 0;
    for (size_t i = 0; i < r->approved_count; i++) {
        ids[i] = sl_view_str(r->approved_by[i]);
    }
    /* Who asked is none of those who approved: the roll refused that. */
    sl_event_release_outcome fields = { .outcome = SL_LIT("released"),
                                        .approvals = { ids, r->approved_count },
                                        .persons = 1 + r->approved_persons,
                                        .digest = digest,
                                        .has_bytes = true,
                                        .bytes = bytes,
                                        .has_approval = true,
                                        .approval = r->approved_leaf };
    return record_outcome(world, request, &fields, &index);
}

sl_res sl_release_hand_out(const sl_release_world *world, int at_fd, int out_fd,
                           const sl_roll *roll, const sl_release_request *request,
                           sl_digest *ret_digest, uint64_t *ret_bytes)
{
    sl_manifest m;
    sl_digest digest;
    const sl_release *r = &request->asked;
    SL_OWN(handing, h, end_handing) = { .world = world,
                                        .piece = { .max = SL_READER_PIECE_BYTES },
                                        .out_fd = -1 };
    SL_TRY(sl_roll_release_ready(roll, r, world->wall_ms(world->context)));
    SL_TRY(world->admit(world->context, request));
    SL_TRY(sl_release_find_sealed(at_fd, r, &r->held, &m));
    SL_TRY(sl_buf_reserve(&h.piece, SL_READER_PIECE_BYTES));
    SL_TRY(sl_release_open_sealed(world, at_fd, r, r->approved_leaf, &m, &h.object));
    SL_TRY(pass(&h, &digest)); /* whole, before anything says that it left */
    SL_TRY(record_released(world, request, &digest, sl_object_bytes(h.object)));
    h.out_fd = out_fd;
    SL_TRY(pass(&h, ret_digest));
    *ret_bytes = sl_object_bytes(h.object);
    return SL_DONE;
}

/* ---- act: destroy ---- */

sl_res sl_release_clear(const sl_release_world *world, int held_fd, const sl_release *release,
                        uint64_t leaf_index)
{
    sl_object_ref ref;
    sl_key_request q = { .version = 1, .intent = leaf_index, .kind = SL_WRAP_OBJECT };
    sl_release_ref(release, &ref);
    memcpy(q.compartment, ref.compartment, sizeof q.compartment);
    memcpy(q.name, ref.uid, sizeof ref.uid);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    if (leaf_index != 0) {
        sl_res forgotten = world->key(world->context, SL_KEEPER_KEY_FORGET, &q, NULL);
        (void)sl_ok(
            forgotten); /* a closed compartment keeps it; without the bytes it opens nothing */
    }
    return sl_object_remove(held_fd, &ref);
}

sl_res sl_release_end(const sl_release_world *world, int held_fd, const sl_release *release,
                      const char *compartment_id, const char *outcome)
{
    uint64_t index = 0;
    sl_release_request request = { .asked = *release };
    sl_event_release_outcome fields = { .outcome = sl_view_str(outcome), .persons = 1 };
    (void)snprintf(request.compartment_id, sizeof request.compartment_id, "%s", compartment_id);
    SL_TRY(record_outcome(world, &request, &fields, &index));
    return strcmp(release->kind, "object") == 0 ? SL_DONE
                                                : sl_release_clear(world, held_fd, release, index);
}
