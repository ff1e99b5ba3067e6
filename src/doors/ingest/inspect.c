/* The three passes over a file (inspect.h): which encoding, what columns, which identifiers. */
#include "doors/ingest/inspect.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artefact/record_sas.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"

typedef struct {
    int fd;
    const sl_ingest_taker *taker; /* gives the bytes if it can */
    uint64_t bytes;
    sl_buf piece;
} source;

static void free_source(source *s)
{
    sl_buf_free(&s->piece);
}

static sl_res size_of(int fd, uint64_t *ret_bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "file");
    }
    if (!S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_TYPE, "file", SL_NOWHERE);
    }
    *ret_bytes = (uint64_t)st.st_size;
    return SL_DONE;
}

static sl_res open_source(int fd, const sl_ingest_taker *taker, source *ret)
{
    uint64_t bytes = taker->bytes;
    SL_TRY(taker->read == NULL ? size_of(fd, &bytes) : SL_DONE);
    if (bytes > SL_OBJECT_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "file", SL_OBJECT_BYTES_MAX);
    }
    ret->fd = fd;
    ret->taker = taker;
    ret->bytes = bytes;
    ret->piece.max = SL_READER_PIECE_BYTES;
    return sl_buf_reserve(&ret->piece, SL_READER_PIECE_BYTES);
}

static sl_res read_at(void *ctx, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n)
{
    source *s = ctx;
    uint64_t left = offset < s->bytes ? s->bytes - offset : 0;
    *ret_n = left < n ? (size_t)left : n;
    if (s->taker->read != NULL) {
        return s->taker->read(s->taker->ctx, offset, p, *ret_n);
    }
    sl_res read = sl_fd_pread_all(s->fd, p, *ret_n, offset);
    return sl_is(read, SL_E_TRUNCATED) ? sl_fail_at(SL_E_AGAIN, "file", offset) : read;
}

/* Gives the whole file to `each`, piece by piece, and its digest. */
static sl_res read_all(source *s, sl_res (*each)(void *ctx, sl_view piece), void *ctx,
                       sl_digest *ret_digest)
{
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    sl_hasher_start(&hasher);
    for (uint64_t at = 0; at < s->bytes; at += s->piece.n) {
        SL_TRY(read_at(s, at, s->piece.p, s->piece.cap, &s->piece.n));
        sl_hasher_add(&hasher, sl_buf_view(&s->piece));
        SL_TRY(each(ctx, sl_buf_view(&s->piece)));
    }
    *ret_digest = sl_hasher_end(&hasher);
    return SL_DONE;
}

static sl_res feed_encoding(void *ctx, sl_view piece)
{
    sl_encoding_feed(ctx, piece);
    return SL_DONE;
}

static sl_res feed_reader(void *ctx, sl_view piece)
{
    return sl_reader_feed(ctx, piece);
}

static sl_res feed_nobody(void *ctx, sl_view piece)
{
    (void)ctx;
    (void)piece;
    return SL_DONE;
}

static bool is_sas(sl_format format)
{
    return format == SL_FORMAT_XPT || format == SL_FORMAT_SAS7BDAT;
}

/* One pass of records; the digest must be that of the first pass. */
static sl_res read_records(source *s, const sl_inspection *known, sl_record_sink sink,
                           sl_reader_stats *ret_stats)
{
    sl_digest digest;
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    if (is_sas(known->format)) {
        sl_record_source file = { .ctx = s, .bytes = s->bytes, .read_at = read_at };
        SL_TRY(sl_sas_read(known->format, &file, sink, ret_stats));
        SL_TRY(read_all(s, feed_nobody, NULL, &digest));
    } else {
        sl_reader_options options = { .format = known->format, .encoding = known->encoding };
        SL_TRY(sl_reader_new(&options, sink, &reader));
        SL_TRY(read_all(s, feed_reader, reader, &digest));
        SL_TRY(sl_reader_finish(reader, ret_stats));
    }
    if (!sl_digest_eq(&digest, &known->digest)) {
        return sl_fail_at(SL_E_AGAIN, "file", SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res identify_file(source *s, sl_view name, sl_inspection *found)
{
    sl_encoding_scan scan = { 0 };
    size_t head = 0;
    SL_TRY(read_all(s, feed_encoding, &scan, &found->digest));
    found->encoding = sl_encoding_decide(&scan);
    SL_TRY(read_at(s, 0, s->piece.p, 65536, &head));
    found->format = sl_format_detect(sl_view_of(s->piece.p, head), name, found->encoding);
    found->bytes = s->bytes;
    return SL_DONE;
}

static sl_res read_for_scan(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    return read_at(ctx, offset, to, n, ret_got);
}

/* Rules of the class that decided come first, then by how often; a handful says enough. */
static void count_rule(sl_inspection *found, const sl_scan_result *result, sl_rule rule)
{
    size_t last = SL_INSPECTION_RULES - 1;
    for (size_t i = 0; i < SL_INSPECTION_RULES; i++) {
        if (found->artefact_rules[i].count == 0 || found->artefact_rules[i].rule == rule) {
            found->artefact_rules[i].rule = rule;
            found->artefact_rules[i].count++;
            return;
        }
    }
    if (sl_rule_get(rule)->class == result->class &&
        sl_rule_get(found->artefact_rules[last].rule)->class != result->class) {
        found->artefact_rules[last].rule = rule;
        found->artefact_rules[last].count = 1;
    }
}

/* Scans the file as an artefact: a pickle is a program whatever its name says, and a text can be one. */
static sl_res scan_file(source *s, sl_view name, const sl_allow *allow, sl_inspection *found)
{
    sl_scan_result result = { 0 };
    sl_scan_input input = {
        .read = read_for_scan, .ctx = s, .size = s->bytes, .name = name, .allow = allow
    };
    SL_TRY(sl_random_bytes(input.key, sizeof input.key));
    SL_TRY(sl_scan_run(&input, &result));
    found->artefact = result.class;
    found->artefact_complete = result.complete;
    found->artefact_kind = result.kind;
    found->artefact_findings = result.finding_count + result.suppressed;
    for (size_t i = 0; i < result.finding_count; i++) {
        count_rule(found, &result, result.findings[i].rule);
    }
    bool same = !result.hashed || sl_digest_eq(&result.sha256, &found->digest);
    sl_scan_result_free(&result);
    return same ? SL_DONE : sl_fail_at(SL_E_AGAIN, "file", SL_NOWHERE);
}

/* A rule that is not about rows and columns: text that somebody loads, runs or renders. */
static bool acts(sl_rule rule)
{
    static const char *const families[] = { "code.", "notebook.", "template.", "keras.", "config.",
                                            "xml.",  "skops.",    "boost.",    "pickle." };
    sl_view name = sl_view_str(sl_rule_get(rule)->name);
    for (size_t i = 0; i < SL_COUNT_OF(families); i++) {
        if (sl_view_starts(name, sl_view_str(families[i]))) {
            return sl_rule_get(rule)->class != SL_SCAN_CLEAN;
        }
    }
    return false;
}

bool sl_ingest_is_artefact(const sl_inspection *inspection)
{
    bool artefact =
        inspection->format == SL_FORMAT_BINARY || inspection->artefact_kind == SL_KIND_CODE;
    for (size_t i = 0; i < SL_INSPECTION_RULES && !artefact; i++) {
        artefact =
            inspection->artefact_rules[i].count != 0 && acts(inspection->artefact_rules[i].rule);
    }
    return artefact;
}

sl_verdict sl_ingest_judge(const sl_inspection *inspection)
{
    if (inspection->artefact == SL_SCAN_DANGEROUS) {
        return SL_VERDICT_REFUSE;
    }
    if (!sl_ingest_is_artefact(inspection)) {
        return SL_VERDICT_ALLOW;
    }
    if (inspection->artefact == SL_SCAN_MALFORMED) {
        return SL_VERDICT_REFUSE;
    }
    bool cleared = inspection->artefact == SL_SCAN_CLEAN && inspection->artefact_complete;
    return cleared ? SL_VERDICT_ALLOW : SL_VERDICT_HOLD;
}

/* A record goes to the survey, and its values as text to whoever wants texts. */
typedef struct {
    sl_record_sink survey;
    const sl_ingest_taker *taker;
    bool keep;
    bool headed;   /* the names of columns came by themselves */
    uint64_t next; /* the number of the document read last, plus one */
    sl_buf text;
} tee;

static void free_tee(tee *t)
{
    sl_buf_free(&t->text);
}

static sl_res give_text(tee *t, sl_ingest_text part)
{
    for (size_t at = 0; at < t->text.n; at += SL_INGEST_TEXT_BYTES) {
        part.text = sl_view_sub(sl_buf_view(&t->text), at, at + SL_INGEST_TEXT_BYTES);
        SL_TRY(t->taker->text(t->taker->ctx, &part));
        part.continues = true;
    }
    return SL_DONE;
}

/* The names in a record without columns: a member of JSON can be called anything. */
static sl_res give_names(tee *t, const sl_record *record)
{
    sl_buf_clear(&t->text);
    for (size_t i = 0; i < record->cell_count; i++) {
        SL_TRY(sl_buf_add(&t->text, record->cells[i].name));
        SL_TRY(sl_buf_add_byte(&t->text, '\n'));
    }
    return give_text(
        t, (sl_ingest_text){ .keep = t->keep, .offset = record->offset, .length = record->length });
}

static sl_res tee_header(void *ctx, const sl_cell *cells, size_t count)
{
    tee *t = ctx;
    t->headed = true;
    SL_TRY(t->survey.header == NULL ? SL_DONE : t->survey.header(t->survey.ctx, cells, count));
    if (t->taker->text == NULL || !t->taker->headers) {
        return SL_DONE;
    }
    sl_buf_clear(&t->text);
    for (size_t i = 0; i < count; i++) {
        SL_TRY(sl_buf_add(&t->text, cells[i].value));
        SL_TRY(sl_buf_add_byte(&t->text, '\n'));
    }
    return give_text(t, (sl_ingest_text){ .keep = t->keep });
}

static sl_res tee_record(void *ctx, const sl_record *record)
{
    tee *t = ctx;
    SL_TRY(t->survey.record(t->survey.ctx, record));
    if (t->taker->text == NULL) {
        return SL_DONE;
    }
    sl_buf_clear(&t->text);
    for (size_t i = 0; i < record->cell_count; i++) {
        SL_TRY(sl_buf_add(&t->text, record->cells[i].value));
        SL_TRY(sl_buf_add_byte(&t->text, '\n'));
    }
    sl_ingest_text part = { .keep = t->keep,
                            .continues = record->part > 0 && t->next == record->number + 1,
                            .offset = record->offset,
                            .length = record->length };
    t->next = record->number + 1;
    SL_TRY(give_text(t, part));
    return t->taker->headers && !t->headed ? give_names(t, record) : SL_DONE;
}

static sl_res read_twice(source *s, const sl_inspection *found, sl_record_sink survey,
                         const sl_ingest_taker *taker, bool keep, sl_reader_stats *ret_stats)
{
    SL_OWN(tee, t, free_tee) = {
        .survey = survey, .taker = taker, .keep = keep, .text.max = 2 * SL_DOCUMENT_BYTES_MAX
    };
    sl_record_sink sink = { .ctx = &t, .header = tee_header, .record = tee_record };
    return read_records(s, found, sink, ret_stats);
}

static sl_res survey_file(source *s, sl_view record_id, sl_survey *survey,
                          const sl_ingest_taker *taker, sl_inspection *found, sl_buf *report)
{
    sl_reader_stats stats = { 0 };
    SL_TRY(read_twice(s, found, sl_survey_profile(survey), taker, false, &stats));
    SL_TRY(sl_survey_settle(survey, record_id));
    SL_TRY(read_twice(s, found, sl_survey_harvest(survey), taker, true, &stats));
    found->records = stats.records;
    found->subjects = survey->subjects;
    found->identifiers = survey->identifiers;
    memcpy(found->classes, survey->classes, sizeof found->classes);
    return sl_survey_report(survey, found->format, found->encoding, &stats, report);
}

static void free_tagger(sl_tagger **tagger)
{
    sl_tagger_free(*tagger);
}

sl_res sl_ingest_inspect(int fd, sl_view name, sl_view record_id, sl_ingest_taker taker,
                         sl_inspection *ret_inspection, sl_buf *report)
{
    SL_OWN(source, s, free_source) = { 0 };
    SL_OWN(sl_tagger *, tagger, free_tagger) = NULL;
    SL_OWN(sl_survey, survey, sl_survey_free) = { 0 };
    sl_inspection found = { 0 };
    SL_TRY(open_source(fd, &taker, &s));
    SL_TRY(identify_file(&s, name, &found));
    SL_TRY(scan_file(&s, name, taker.allow, &found));
    if (sl_ingest_judge(&found) == SL_VERDICT_REFUSE) {
        *ret_inspection = found;
        return SL_DONE;
    }
    SL_TRY(sl_survey_init(&survey, found.format, taker.take, taker.ctx));
    SL_TRY(sl_tagger_open_default(&tagger));
    SL_TRY(sl_survey_names(&survey, tagger));
    SL_TRY(survey_file(&s, record_id, &survey, &taker, &found, report));
    *ret_inspection = found;
    return SL_DONE;
}
