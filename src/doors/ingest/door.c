/* The ingest door (door.h). Read `cross` first: it is the five steps. */
#include "doors/ingest/door.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/secret.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "ledger/events.gen.h"
#include "vault/canary.h"
#include "vault/confirm.h"

/* A roster of a large trial: some hundred thousand values of 24 bytes in a half-full table. */
#define ROSTER_BYTES_MAX (64 * SL_MIB)
#define EVENT_BYTES_MAX SL_EVENT_BYTES_MAX

typedef struct {
    const sl_ingest_world *world;
    const sl_ingest_request *request;
    sl_ingest_result *result;
    int vault_fd;
    int fd;
    sl_object_ref ref;
    sl_uid crossing;
    sl_roster_builder *roster; /* made with the first identifier */
    bool named_after_person;   /* the file's name holds an identifier found inside */
    sl_echo_builder *echo;     /* made with the first text */
    bool echo_keeps;           /* the texts come for the second time */
    sl_buf report;
    sl_buf echoes;         /* the finished index of records */
    uint64_t echo_records; /* of the compartment's whole index */
    sl_buf index;          /* the finished roster */
    sl_buf planted;        /* canaries, a line each */
    sl_draft *draft;
    bool key_made;
} crossing;

static void end_crossing(crossing *c)
{
    sl_roster_builder_free(c->roster);
    sl_echo_builder_free(c->echo);
    sl_buf_free(&c->echoes);
    sl_draft_free(&c->draft);
    sl_buf_free(&c->report);
    sl_buf_free(&c->index);
    sl_wipe(c->planted.p, c->planted.n);
    sl_buf_free(&c->planted);
}

static sl_event_head head_of(const crossing *c)
{
    return (sl_event_head){ .principal = sl_view_str(c->request->principal),
                            .door = SL_LIT("ingest"),
                            .compartment = sl_view_str(c->request->compartment_id),
                            .crossing = sl_view_str(c->crossing) };
}

/* ---- identify ---- */

static sl_res draw_uid(const crossing *c, sl_uid ret)
{
    uint8_t random[16];
    SL_TRY(c->world->random(c->world->context, random, sizeof random));
    sl_uid_set(ret, random);
    return SL_DONE;
}

static sl_res identify(crossing *c)
{
    if (!sl_object_name_ok(sl_view_str(c->request->compartment))) {
        return sl_fail_at(SL_E_SYNTAX, "compartment", SL_NOWHERE);
    }
    if (c->request->object[0] != 0 && !sl_object_name_ok(sl_view_str(c->request->object))) {
        return sl_fail_at(SL_E_SYNTAX, "object", SL_NOWHERE);
    }
    memcpy(c->ref.compartment, c->request->compartment, sizeof c->ref.compartment);
    return c->world->admit(c->world->context, c->request);
}

/* ---- inspect ---- */

/* Letters and digits in lower case, so that "Roe, Ann" is in "roe_ann.json". */
static size_t bare(sl_view text, uint8_t *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < room; i++) {
        uint8_t c = text.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            out[n++] = upper ? (uint8_t)(c | 0x20) : c;
        }
    }
    return n;
}

static bool names_file(const crossing *c, sl_view value)
{
    uint8_t name[256];
    uint8_t inside[SL_IDENTIFIER_BYTES_MAX];
    size_t name_n = bare(sl_view_str(c->request->file_name), name, sizeof name);
    size_t inside_n = bare(value, inside, sizeof inside);
    return inside_n >= 4 && memmem(name, name_n, inside, inside_n) != NULL;
}

/* The match key is leased only now: the worker that sends identifiers was forked before, so the key is
 * not in its memory. */
static sl_res begin_roster(crossing *c)
{
    uint8_t key[SL_KEY_BYTES];
    SL_TRY(c->world->lease(c->world->context, c->request->compartment, "roster", key));
    sl_res made = sl_roster_builder_new(key, &c->roster);
    sl_wipe(key, sizeof key);
    return made;
}

/* The record's number below the first bytes of the object's id, so that records of several objects
 * have numbers of their own in one roster. */
static uint64_t slot_of(const crossing *c, uint64_t record)
{
    uint8_t id[3] = { 0 };
    sl_res read = sl_hex_decode(sl_view_of(c->ref.uid, 6), id, sizeof id);
    (void)sl_ok(read); /* our own id is hexadecimal */
    uint64_t object = (uint64_t)id[0] << 16 | (uint64_t)id[1] << 8 | id[2];
    return object << 40 | (record & (((uint64_t)1 << 40) - 1));
}

static sl_res take_identifier(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    crossing *c = ctx;
    bool added = false;
    if (c->roster == NULL) {
        SL_TRY(begin_roster(c));
    }
    c->named_after_person = c->named_after_person || names_file(c, value);
    SL_TRY(sl_roster_add(c->roster, kind, value, slot_of(c, record), 0, &added));
    c->result->roster_entries += added ? 1 : 0;
    return SL_DONE;
}

/* As with the roster: only now, so that the worker cannot have the key. */
static sl_res begin_echo(crossing *c)
{
    struct stat st;
    uint8_t key[SL_KEY_BYTES];
    if (fstat(c->fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "file");
    }
    sl_echo_build_options options = { .bytes = (uint64_t)st.st_size };
    SL_TRY(c->world->lease(c->world->context, c->request->compartment, "echo", key));
    sl_res made = sl_echo_builder_new(key, &options, &c->echo);
    sl_wipe(key, sizeof key);
    return made;
}

static sl_res take_text(void *ctx, const sl_ingest_text *text)
{
    crossing *c = ctx;
    if (c->echo == NULL) {
        SL_TRY(begin_echo(c));
    }
    if (!text->keep) {
        return sl_echo_builder_count(c->echo, text->text, text->continues);
    }
    if (!c->echo_keeps) {
        c->echo_keeps = true;
        SL_TRY(sl_echo_builder_settle(c->echo));
        SL_TRY(sl_echo_builder_source(c->echo, sl_view_str(c->ref.uid))); /* for now */
    }
    return sl_echo_builder_add(c->echo, text->text, text->continues, text->offset, text->length);
}

static sl_res inspect(crossing *c)
{
    sl_ingest_taker taker = { .ctx = c,
                              .take = take_identifier,
                              .text = c->world->publish_echo == NULL ? NULL : take_text,
                              .allow = c->world->allow };
    return sl_ingest_worker(c->fd, sl_view_str(c->request->file_name),
                            sl_view_str(c->request->record_id), c->world->confined, taker,
                            &c->result->inspection, &c->report);
}

/* ---- decide ---- */

static bool many_digits(const char *name)
{
    size_t digits = 0;
    for (; *name != 0; name++) {
        digits += *name >= '0' && *name <= '9' ? 1 : 0;
    }
    return digits >= 6; /* a number of a person or a date: nothing for a leaf or a listing */
}

/* The file's name as a name of ours; false if nothing is left of it. */
static bool name_of_file(const char *file_name, sl_name ret)
{
    size_t n = 0;
    for (; *file_name != 0 && n < SL_NAME_BYTES_MAX; file_name++) {
        char one[2] = { *file_name, 0 };
        bool letter = sl_object_name_ok(sl_view_str(one));
        bool inner = n != 0 && (*file_name == '.' || *file_name == '_' || *file_name == '-');
        if (letter || inner) {
            ret[n++] = *file_name;
        } else if (n != 0 && ret[n - 1] != '-') {
            ret[n++] = '-';
        }
    }
    ret[n] = 0;
    return n != 0;
}

static void choose_name(crossing *c)
{
    const char *file = c->request->file_name;
    if (c->request->object[0] != 0) {
        memcpy(c->ref.object, c->request->object, sizeof c->ref.object);
        return;
    }
    if (c->named_after_person || many_digits(file) || !name_of_file(file, c->ref.object)) {
        (void)snprintf(c->ref.object, sizeof c->ref.object, "object-%.8s", c->ref.uid);
    }
}

/* A new version of an object keeps the object's id. */
static sl_res choose_version(crossing *c)
{
    uint64_t newest = 0;
    SL_TRY(sl_object_newest(c->vault_fd, c->ref.compartment, c->ref.object, &newest));
    if (newest != 0) {
        sl_manifest before;
        SL_TRY(sl_manifest_read(c->vault_fd, c->ref.compartment, c->ref.object, newest, &before));
        memcpy(c->ref.uid, before.ref.uid, sizeof c->ref.uid);
    }
    c->ref.version = newest + 1;
    return SL_DONE;
}

/* A canary's values join the roster under a flag of their own. */
static sl_res protect_canary(crossing *c, const sl_canary *canary, uint64_t number)
{
    const struct {
        sl_class kind;
        const char *value;
    } values[] = { { SL_CLASS_NAME, canary->name },
                   { SL_CLASS_MRN, canary->mrn },
                   { SL_CLASS_OTHER_ID, canary->compound } };
    for (size_t i = 0; i < SL_COUNT_OF(values); i++) {
        bool added = false;
        SL_TRY(sl_roster_add(c->roster, values[i].kind, sl_view_str(values[i].value),
                             slot_of(c, number), SL_ROSTER_CANARY, &added));
    }
    return SL_DONE;
}

/* Spread evenly over the records of the object, so that no part of it goes without. */
static sl_res plant_all(crossing *c, const uint8_t key[SL_KEY_BYTES])
{
    uint64_t count = c->request->canaries;
    for (uint64_t i = 0; i < count; i++) {
        sl_canary canary;
        uint64_t after = (c->result->inspection.records * (2 * i + 1)) / (2 * count);
        sl_canary_make(key, c->ref.uid, c->ref.version * SL_CANARIES_MAX + i, &canary);
        SL_TRY(sl_canary_write(&canary, i, after, &c->planted));
        SL_TRY(protect_canary(c, &canary, i));
    }
    return SL_DONE;
}

static sl_res plant(crossing *c)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    if (c->request->canaries == 0 || c->result->inspection.format == SL_FORMAT_BINARY) {
        return SL_DONE;
    }
    SL_NEED(c->request->canaries <= SL_CANARIES_MAX, SL_E_LIMIT);
    if (c->roster == NULL) {
        SL_TRY(begin_roster(c));
    }
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(c->world->lease(c->world->context, c->request->compartment, "canary", key.p));
    return plant_all(c, key.p);
}

/* Under the version's full name, so that a record can be found again in the vault. */
static sl_res finish_echo(crossing *c)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = SL_ECHO_NAME_BYTES_MAX };
    SL_TRY(sl_echo_source_name(&c->ref, &name));
    SL_TRY(sl_echo_builder_rename(c->echo, sl_buf_view(&name)));
    return sl_echo_builder_finish(c->echo, &c->echoes);
}

static sl_res decide(crossing *c)
{
    choose_name(c);
    SL_TRY(choose_version(c));
    SL_TRY(plant(c));
    if (c->echo_keeps) {
        SL_TRY(finish_echo(c));
    }
    return c->roster == NULL ? SL_DONE : sl_roster_finish(c->roster, &c->index);
}

/* ---- record ---- */

static sl_res record_intent(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    const sl_inspection *found = &c->result->inspection;
    sl_event_head head = head_of(c);
    sl_event_ingest_intent fields = { .object = sl_view_str(c->ref.uid),
                                      .bytes = found->bytes,
                                      .kind = SL_LIT("dataset"),
                                      .media = sl_view_str(sl_format_name(found->format)),
                                      .purpose = sl_view_str(c->request->purpose) };
    SL_TRY(sl_emit_ingest_intent(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &c->result->intent_index);
}

static sl_res record_scanned(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    sl_tally tallies[SL_CLASS_COUNT];
    sl_tallies classes = { .items = tallies };
    const sl_inspection *found = &c->result->inspection;
    uint64_t index = 0;
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (found->classes[i] != 0) {
            tallies[classes.n++] = (sl_tally){ .word = sl_view_str(sl_class_name((sl_class)i)),
                                               .count = found->classes[i] };
        }
    }
    sl_event_head head = head_of(c);
    sl_event_ingest_scanned fields = { .object = sl_view_str(c->ref.uid),
                                       .engine = SL_LIT("survey"),
                                       .verdict = SL_LIT("allow"),
                                       .classes = classes,
                                       .records = found->records };
    SL_TRY(sl_emit_ingest_scanned(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

/* "xz, lzma, zstd or lz4" as the one word that a leaf takes. */
static void word_of(const char *name, char *ret, size_t room)
{
    size_t n = 0;
    for (; *name != 0 && n + 1 < room; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9');
        if (plain || (n > 0 && ret[n - 1] != '_')) {
            ret[n++] = plain ? *name : '_';
        }
    }
    ret[n] = 0;
}

/* The leaf about an artefact's bytes: who asks later which models came in, and why one was held, reads it
 * here. A data set's digest is in no leaf (it would tell whether somebody has the same file); a model's is
 * how its vendor and everybody else calls it. */
static sl_res record_bytes(crossing *c, sl_verdict verdict, const sl_ingest_standing *standing)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    const sl_inspection *found = &c->result->inspection;
    uint64_t index = 0;
    sl_tally tallies[SL_INSPECTION_RULES];
    sl_tallies rules = { .items = tallies };
    for (size_t i = 0; i < SL_INSPECTION_RULES; i++) {
        if (found->artefact_rules[i].count != 0) {
            tallies[rules.n++] =
                (sl_tally){ .word = sl_view_str(sl_rule_get(found->artefact_rules[i].rule)->name),
                            .count = found->artefact_rules[i].count };
        }
    }
    char format[SL_EVENT_WORD_BYTES_MAX + 1];
    word_of(sl_kind_name(found->artefact_kind), format, sizeof format);
    sl_event_head head = head_of(c);
    sl_event_artefact_scanned fields = {
        .artefact = sl_view_str(c->ref.uid),
        .engine = SL_LIT("artefact"),
        .format = sl_view_str(format),
        .unsafe = found->artefact == SL_SCAN_DANGEROUS,
        .complete = found->artefact_complete,
        .rules = rules,
        .class = sl_view_str(sl_scan_class_name(found->artefact)),
        .verdict = sl_view_str(sl_verdict_name(verdict)),
        .digest = &found->digest,
        .has_registered = true,
        .registered = standing->vendor[0] != 0,
        .vendor = sl_view_str(standing->vendor),
        .has_admission = standing->admitted && verdict == SL_VERDICT_ALLOW,
        .admission = standing->admission_leaf,
    };
    SL_TRY(sl_emit_artefact_scanned(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

/* What is held comes in when operators let in these very bytes; what is refused never does. */
static sl_res judge(crossing *c, sl_verdict *ret_verdict)
{
    sl_ingest_standing standing = { 0 };
    const sl_inspection *found = &c->result->inspection;
    sl_verdict verdict = sl_ingest_judge(found);
    *ret_verdict = verdict;
    if (!sl_ingest_is_artefact(found)) {
        return SL_DONE;
    }
    if (c->world->standing != NULL) {
        c->world->standing(c->world->context, c->ref.compartment, &found->digest, &standing);
    }
    bool let_in = verdict == SL_VERDICT_HOLD && standing.admitted;
    standing.admitted = let_in;
    *ret_verdict = let_in ? SL_VERDICT_ALLOW : verdict;
    return record_bytes(c, *ret_verdict, &standing);
}

/* What the scan for artefacts said; the door's verdict on it is final. */
static sl_res record_artefact(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    const sl_inspection *found = &c->result->inspection;
    sl_verdict verdict = SL_VERDICT_REFUSE;
    uint64_t index = 0;
    SL_TRY(judge(c, &verdict));
    sl_tally tally = { .word = sl_view_str(sl_scan_class_name(found->artefact)),
                       .count = found->artefact_findings };
    sl_event_head head = head_of(c);
    sl_event_ingest_scanned fields = { .object = sl_view_str(c->ref.uid),
                                       .engine = SL_LIT("artefact"),
                                       .verdict = sl_view_str(sl_verdict_name(verdict)),
                                       .classes = { .items = &tally, .n = 1 },
                                       .records = 0 };
    SL_TRY(sl_emit_ingest_scanned(&head, &fields, &event));
    SL_TRY(c->world->append(c->world->context, sl_buf_view(&event), &index));
    if (verdict == SL_VERDICT_ALLOW) {
        return SL_DONE;
    }
    return sl_fail_at(verdict == SL_VERDICT_HOLD ? SL_E_HELD : SL_E_ARTEFACT, "file", SL_NOWHERE);
}

static sl_res record_admitted(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    const sl_manifest *m = &c->result->manifest;
    sl_event_head head = head_of(c);
    sl_event_ingest_outcome fields = { .object = sl_view_str(c->ref.uid),
                                       .outcome = SL_LIT("admitted"),
                                       .has_version = true,
                                       .version = c->ref.version,
                                       .digest = &m->digest,
                                       .chunks_root = &m->parts[SL_PART_DATA].root,
                                       .has_bytes = true,
                                       .bytes = c->result->inspection.bytes,
                                       .has_records = true,
                                       .records = c->result->inspection.records };
    SL_TRY(sl_emit_ingest_outcome(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &c->result->outcome_index);
}

/* What the site states about its data, once for every version; the register of objects is made of these. */
static sl_res record_registered(crossing *c)
{
    static const sl_view none[1];
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    const sl_manifest *m = &c->result->manifest;
    const sl_ingest_request *request = c->request;
    uint64_t index = 0;
    if (request->label[0] == 0 && request->legal_basis[0] == 0) {
        return SL_DONE;
    }
    sl_event_head head = head_of(c);
    sl_event_object_registered fields = { .object = sl_view_str(c->ref.uid),
                                          .version = c->ref.version,
                                          .kind = SL_LIT("dataset"),
                                          .digest = &m->digest,
                                          .chunks_root = &m->parts[SL_PART_DATA].root,
                                          .bytes = c->result->inspection.bytes,
                                          .label = sl_view_str(request->label),
                                          .parents = { none, 0 },
                                          .legal_basis = sl_view_str(request->legal_basis),
                                          .purpose = sl_view_str(request->purpose) };
    SL_TRY(sl_emit_object_registered(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

static sl_res record_roster(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_digest digest = sl_sha256(sl_buf_view(&c->index));
    sl_event_head head = head_of(c);
    sl_event_roster_built fields = { .records = c->result->inspection.records,
                                     .entries = c->result->roster_entries,
                                     .digest = &digest };
    SL_TRY(sl_emit_roster_built(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

static sl_res record_echo(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_digest digest = sl_sha256(sl_buf_view(&c->echoes));
    sl_event_head head = head_of(c);
    sl_event_echo_built fields = { .object = sl_view_str(c->ref.uid),
                                   .records = c->echo_records,
                                   .digest = &digest };
    SL_TRY(sl_emit_echo_built(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

static sl_res record_planted(crossing *c)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    uint64_t index = 0;
    sl_event_head head = head_of(c);
    sl_event_canary_planted fields = {
        .object = sl_view_str(c->ref.uid),
        .count = c->request->canaries,
        .digest = &c->result->manifest.parts[SL_PART_CANARY].root, /* of the sealed part */
    };
    SL_TRY(sl_emit_canary_planted(&head, &fields, &event));
    return c->world->append(c->world->context, sl_buf_view(&event), &index);
}

/* ---- act ---- */

static sl_res seal_part(crossing *c, sl_object_part part, sl_view plain)
{
    uint8_t salt[SL_SEAL_SALT_BYTES];
    SL_TRY(c->world->random(c->world->context, salt, sizeof salt));
    SL_TRY(sl_draft_part(c->draft, part, salt));
    SL_TRY(sl_draft_add(c->draft, plain));
    return sl_draft_end_part(c->draft);
}

/* What is sealed must be what was inspected. */
static sl_res seal_file(crossing *c)
{
    uint8_t salt[SL_SEAL_SALT_BYTES];
    const sl_inspection *found = &c->result->inspection;
    SL_TRY(c->world->random(c->world->context, salt, sizeof salt));
    return sl_draft_add_file(c->draft, c->fd, found->bytes, salt, &found->digest);
}

static sl_res begin_draft(crossing *c, const sl_key_request *asked)
{
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(c->world->key_new(c->world->context, asked, key.p));
    c->key_made = true;
    return sl_draft_begin(c->vault_fd, &c->ref, key.p, &c->draft);
}

static sl_res act(crossing *c, const sl_key_request *asked)
{
    SL_TRY(begin_draft(c, asked));
    SL_TRY(seal_file(c));
    SL_TRY(seal_part(c, SL_PART_ABOUT, sl_buf_view(&c->report)));
    if (c->index.n != 0) {
        SL_TRY(seal_part(c, SL_PART_ROSTER, sl_buf_view(&c->index)));
        SL_TRY(c->world->publish(c->world->context, c->ref.compartment, sl_buf_view(&c->index)));
    }
    if (c->echoes.n != 0) {
        SL_TRY(seal_part(c, SL_PART_ECHO, sl_buf_view(&c->echoes)));
        SL_TRY(c->world->publish_echo(c->world->context, c->ref.compartment,
                                      sl_buf_view(&c->echoes), &c->echo_records));
    }
    if (c->planted.n != 0) {
        SL_TRY(seal_part(c, SL_PART_CANARY, sl_buf_view(&c->planted)));
    }
    SL_TRY(sl_draft_settle(c->draft, &c->result->manifest));
    SL_TRY(sl_draft_commit(c->draft));
    if (c->index.n != 0) {
        SL_TRY(record_roster(c));
    }
    if (c->echoes.n != 0) {
        SL_TRY(record_echo(c));
    }
    if (c->planted.n != 0) {
        SL_TRY(record_planted(c));
    }
    SL_TRY(record_registered(c));
    return record_admitted(c);
}

/* Undoes what was done and says so; the reason is the code's name. */
static void take_back(crossing *c, const sl_key_request *asked, sl_res why)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = EVENT_BYTES_MAX };
    sl_draft_retract(c->draft);
    sl_draft_free(&c->draft);
    if (c->key_made) {
        sl_res forgotten = c->world->key_forget(c->world->context, asked);
        (void)sl_ok(forgotten); /* a key without an object opens nothing */
    }
    bool refused = sl_res_exit(why) == 1;
    sl_event_head head = head_of(c);
    sl_event_ingest_outcome fields = { .object = sl_view_str(c->ref.uid),
                                       .outcome = refused ? SL_LIT("refused") : SL_LIT("failed"),
                                       .reason = sl_view_str(sl_res_name(why)) };
    if (sl_ok(sl_emit_ingest_outcome(&head, &fields, &event))) {
        sl_res told =
            c->world->append(c->world->context, sl_buf_view(&event), &c->result->outcome_index);
        (void)sl_ok(told); /* without an outcome the crossing counts as unknown */
    }
}

static sl_res cross(crossing *c, sl_key_request *asked)
{
    SL_TRY(identify(c));
    SL_TRY(inspect(c));
    SL_TRY(decide(c));
    SL_TRY(record_intent(c));
    SL_TRY(record_artefact(c));
    SL_TRY(record_scanned(c));
    *asked = (sl_key_request){ .version = c->ref.version,
                               .intent = c->result->intent_index,
                               .kind = SL_WRAP_OBJECT };
    memcpy(asked->compartment, c->ref.compartment, sizeof asked->compartment);
    memcpy(asked->name, c->ref.uid, sizeof c->ref.uid);
    memcpy(asked->principal, c->request->principal, sizeof asked->principal);
    return act(c, asked);
}

sl_res sl_ingest_cross(const sl_ingest_world *world, int vault_fd, int fd,
                       const sl_ingest_request *request, sl_ingest_result *ret_result)
{
    sl_key_request asked = { 0 };
    *ret_result = (sl_ingest_result){ .intent_index = UINT64_MAX, .outcome_index = UINT64_MAX };
    SL_OWN(crossing, c, end_crossing) = { .world = world,
                                          .request = request,
                                          .result = ret_result,
                                          .vault_fd = vault_fd,
                                          .fd = fd,
                                          .report = { .max = SL_REPORT_BYTES_MAX },
                                          .index = { .max = ROSTER_BYTES_MAX },
                                          .echoes = { .max = SL_ECHO_INDEX_BYTES_MAX },
                                          .planted = { .max = SL_MIB } };
    SL_TRY(draw_uid(&c, c.crossing));
    SL_TRY(draw_uid(&c, c.ref.uid));
    sl_res done = cross(&c, &asked);
    if (!sl_ok(done)) {
        sl_detail where = *sl_detail_get();
        take_back(&c, &asked, done);
        return sl_fail_at((sl_code)done.code, where.field, where.offset);
    }
    return SL_DONE;
}
