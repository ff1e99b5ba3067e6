/* Files of every format through the engines (inspect_file.h). SAS files are parsed by a large library:
 * that happens in a confined child which hands back findings only. */
#include "cli/inspect_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "artefact/clinical.h"
#include "artefact/record.h"
#include "artefact/record_sas.h"
#include "base/confine_worker.h"
#include "base/file.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/pdf.h"
#include "doors/ingest/classify.h"

#define HEAD_BYTES ((size_t)65536)
#define RECORD_BYTES_MAX ((size_t)1 << 28)
#define COLUMN_BITS 16
#define INSTRUCTION_BYTES_MIN ((size_t)24)
/* Text is looked at in parts that end at a line's end, so that progress can be shown. */
#define PART_BYTES ((size_t)1 << 20)

uint64_t sl_inspect_record(const sl_finding *finding)
{
    return finding->attribution >> COLUMN_BITS;
}

size_t sl_inspect_column(const sl_finding *finding)
{
    return (size_t)(finding->attribution & ((1U << COLUMN_BITS) - 1));
}

static uint64_t place_of(uint64_t record, size_t column)
{
    size_t most = (1U << COLUMN_BITS) - 1;
    return record << COLUMN_BITS | (column < most ? column : most);
}

#define KNOWN_SCORE 950

static bool is_known(const sl_finding *f)
{
    return f->detector == SL_DETECTOR_PHI && f->rule == SL_NO_RULE &&
           f->score_permille == KNOWN_SCORE;
}

/* What a field is by definition says more than what engines see in it. */
static void drop_inside_known(sl_findings *all)
{
    size_t kept = 0;
    size_t k = 0;   /* the known span that ends last among those that begin at or before */
    size_t end = 0; /* where it ends */
    for (size_t i = 0; i < all->n; i++) {
        sl_finding f = all->items[i];
        for (; k < all->n && all->items[k].start <= f.start; k++) {
            bool further = is_known(&all->items[k]) && all->items[k].end > end;
            end = further ? all->items[k].end : end;
        }
        if (f.detector != SL_DETECTOR_PHI || is_known(&f) || f.end > end) {
            all->items[kept++] = f;
        }
    }
    all->n = kept;
}

static sl_finding known(sl_class kind, size_t start, size_t end)
{
    return (sl_finding){ .start = start,
                         .end = end,
                         .attribution = SL_NO_ATTRIBUTION,
                         .rule = SL_NO_RULE,
                         .policy_rule = SL_NO_RULE,
                         .score_permille = KNOWN_SCORE,
                         .detector = SL_DETECTOR_PHI,
                         .kind = (uint8_t)kind,
                         .view = SL_VIEW_PLAIN };
}

/* ---- records ------------------------------------------------------------------------------- */

/* Where a cell's value stands in the record's text. */
typedef struct {
    size_t start;
    size_t end;
    const sl_cell *cell;
} part;

typedef struct {
    const sl_inspect_job *job;
    sl_findings *out;
    sl_buf text; /* "column: value" lines of one record */
    part *parts;
    size_t part_count;
    size_t part_cap;
    sl_findings found;
    uint64_t record;
    uint64_t total;
} lookout;

static void free_lookout(lookout *l)
{
    sl_buf_free(&l->text);
    free(l->parts);
    sl_findings_free(&l->found);
}

static sl_res add_part(lookout *l, part one)
{
    if (l->part_count == l->part_cap) {
        size_t cap = l->part_cap == 0 ? 64 : l->part_cap * 2;
        part *more = reallocarray(l->parts, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        l->parts = more;
        l->part_cap = cap;
    }
    l->parts[l->part_count++] = one;
    return SL_DONE;
}

/* A finding in a cell's value, with its place in the file. */
static sl_res take(lookout *l, const sl_cell *cell, sl_finding f, size_t start, size_t end)
{
    f.start = (size_t)sl_cell_origin(cell, start);
    f.end = (size_t)sl_cell_origin(cell, end);
    if (cell->code == SL_CELL_DERIVED) {
        f.start = start;
        f.end = end;
    }
    f.attribution = place_of(l->record, cell->column);
    return f.start < f.end ? sl_findings_add(l->out, f) : SL_DONE;
}

/* "name.given" is read as "given". */
static sl_view leaf_of(sl_view name)
{
    size_t at = name.n;
    while (at > 0 && name.p[at - 1] != '.') {
        at--;
    }
    return sl_view_sub(name, at, name.n);
}

static bool over_89(sl_view value)
{
    uint64_t age = 0;
    return sl_ok(sl_parse_u64(sl_view_trim(value), 150, &age)) && age > 89;
}

static sl_res add_cell(lookout *l, const sl_cell *cell)
{
    sl_column_class is = sl_classify_name(cell->name);
    sl_view value = sl_view_trim(cell->value);
    if (value.n == 0 || sl_view_eq_str(value, "NA") || sl_view_eq_str(value, "null")) {
        return SL_DONE;
    }
    bool named = is.kind != SL_CLASS_COUNT;
    if (named && (is.role != SL_ROLE_AGE || over_89(value))) {
        return take(l, cell, known(is.kind, 0, 0), 0, cell->value.n);
    }
    sl_view leaf = leaf_of(cell->name);
    SL_TRY(sl_buf_add(&l->text, leaf));
    SL_TRY(leaf.n == 0 ? SL_DONE : sl_buf_add_str(&l->text, ": "));
    size_t start = l->text.n;
    SL_TRY(sl_buf_add(&l->text, cell->value));
    SL_TRY(add_part(l, (part){ start, l->text.n, cell }));
    return sl_buf_add_byte(&l->text, '\n');
}

/* Gives each finding to the cell it begins in; what lies in a column's name alone is dropped. */
static sl_res look(lookout *l)
{
    sl_findings_clear(&l->found);
    SL_TRY(sl_detect_inspect(l->job->detect, l->job->scratch, sl_buf_view(&l->text),
                             l->job->channel, &l->found));
    sl_findings_sort(&l->found);
    size_t k = 0;
    for (size_t i = 0; i < l->found.n; i++) {
        const sl_finding *f = &l->found.items[i];
        while (k < l->part_count && l->parts[k].end <= f->start) {
            k++;
        }
        if (k == l->part_count || l->parts[k].start >= f->end) {
            continue;
        }
        const part *p = &l->parts[k];
        bool code = p->end - p->start < INSTRUCTION_BYTES_MIN;
        if (f->detector == SL_DETECTOR_INJECT && code) {
            continue; /* codes beside one another are no request */
        }
        size_t start = f->start > p->start ? f->start - p->start : 0;
        size_t end = (f->end < p->end ? f->end : p->end) - p->start;
        SL_TRY(take(l, p->cell, *f, start, end));
    }
    return SL_DONE;
}

static sl_res look_at_cells(lookout *l, const sl_cell *cells, size_t count)
{
    sl_buf_clear(&l->text);
    l->part_count = 0;
    for (size_t i = 0; i < count; i++) {
        SL_TRY(add_cell(l, &cells[i]));
    }
    return look(l);
}

static sl_res take_record(void *ctx, const sl_record *record)
{
    lookout *l = ctx;
    l->record = record->number;
    if (l->job->progress) {
        sl_cli_progress("inspect", record->offset, l->total);
    }
    return look_at_cells(l, record->cells, record->cell_count);
}

/* Names of columns can identify too, above all those of a table without a header. */
static sl_res take_header(void *ctx, const sl_cell *cells, size_t count)
{
    lookout *l = ctx;
    sl_buf_clear(&l->text);
    l->part_count = 0;
    l->record = 0;
    for (size_t i = 0; i < count; i++) {
        size_t start = l->text.n;
        SL_TRY(sl_buf_add(&l->text, cells[i].value));
        SL_TRY(add_part(l, (part){ start, l->text.n, &cells[i] }));
        SL_TRY(sl_buf_add_byte(&l->text, '\n'));
    }
    return look(l);
}

static sl_res read_records(const sl_inspect_job *job, sl_view bytes,
                           const sl_reader_options *options, sl_findings *findings)
{
    SL_OWN(lookout, l, free_lookout) = { .job = job, .out = findings, .total = bytes.n };
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    l.text.max = RECORD_BYTES_MAX;
    sl_record_sink sink = { .ctx = &l, .header = take_header, .record = take_record };
    SL_TRY(sl_reader_new(options, sink, &reader));
    for (size_t at = 0; at < bytes.n; at += HEAD_BYTES) {
        size_t end = bytes.n - at > HEAD_BYTES ? at + HEAD_BYTES : bytes.n;
        SL_TRY(sl_reader_feed(reader, sl_view_sub(bytes, at, end)));
    }
    return sl_reader_finish(reader, NULL);
}

/* ---- SAS, in a child ----------------------------------------------------------------------- */

static sl_res read_at(void *ctx, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n)
{
    const sl_view *bytes = ctx;
    uint64_t left = offset < bytes->n ? bytes->n - offset : 0;
    *ret_n = left < n ? (size_t)left : n;
    if (*ret_n != 0) {
        memcpy(p, bytes->p + offset, *ret_n);
    }
    return SL_DONE;
}

static sl_res sas_findings(const sl_inspect_job *job, sl_view bytes, sl_format format,
                           sl_findings *findings)
{
    SL_OWN(lookout, l, free_lookout) = { .job = job, .out = findings };
    l.text.max = RECORD_BYTES_MAX;
    sl_record_source source = { .ctx = &bytes, .bytes = bytes.n, .read_at = read_at };
    sl_record_sink sink = { .ctx = &l, .header = NULL, .record = take_record };
    return sl_sas_read(format, &source, sink, NULL);
}

static _Noreturn void run_child(const sl_inspect_job *job, sl_view bytes, sl_format format,
                                int pipe_fd)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    const int keep[] = { pipe_fd };
    sl_res r = sl_confine_worker(keep, SL_COUNT_OF(keep));
    if (sl_ok(r)) {
        r = sas_findings(job, bytes, format, &all);
    }
    uint8_t code[4];
    sl_put_le32(code, (uint32_t)r.code);
    r = sl_fd_write_all(pipe_fd, sl_view_of(code, sizeof code));
    if (sl_ok(r) && all.n != 0) {
        r = sl_fd_write_all(pipe_fd,
                            sl_view_of((const uint8_t *)all.items, all.n * sizeof *all.items));
    }
    _exit(sl_ok(r) ? 0 : 1);
}

/* The child's word is a stranger's: findings are taken only when whole and possible. */
static sl_res take_child(sl_view answer, size_t bytes, sl_findings *findings)
{
    SL_NEED(answer.n >= 4, SL_E_CLOSED);
    uint32_t code = sl_get_le32(answer.p);
    SL_NEED(code < SL_CODE_COUNT, SL_E_CLOSED);
    SL_NEED(code == SL_OK, (sl_code)code);
    sl_view rest = sl_view_sub(answer, 4, answer.n);
    SL_NEED(rest.n % sizeof(sl_finding) == 0, SL_E_CLOSED);
    for (size_t at = 0; at < rest.n; at += sizeof(sl_finding)) {
        sl_finding f;
        memcpy(&f, rest.p + at, sizeof f);
        SL_NEED(f.start < f.end && f.end <= bytes && f.kind < SL_CLASS_COUNT &&
                    f.detector < SL_DETECTOR_COUNT && f.view < SL_VIEW_COUNT,
                SL_E_CLOSED);
        SL_TRY(sl_findings_add(findings, f));
    }
    return SL_DONE;
}

static sl_res read_sas(const sl_inspect_job *job, sl_view bytes, sl_format format,
                       sl_findings *findings)
{
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = (size_t)1 << 30 };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return sl_fail_os(SL_E_IO, "pipe");
    }
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_child(job, bytes, format, ends[1]);
    }
    (void)close(ends[1]);
    sl_res r = child < 0 ? sl_fail_os(SL_E_IO, "fork") : sl_fd_read_all(ends[0], &answer);
    (void)close(ends[0]);
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    SL_TRY(r);
    return take_child(sl_buf_view(&answer), bytes.n, findings);
}

/* ---- text ---------------------------------------------------------------------------------- */

static sl_res read_text(const sl_inspect_job *job, sl_view text, sl_findings *findings)
{
    for (size_t at = 0; at < text.n;) {
        size_t end = text.n;
        if (text.n - at > PART_BYTES) {
            const uint8_t *line = memchr(text.p + at + PART_BYTES, '\n', text.n - at - PART_BYTES);
            end = line == NULL ? text.n : (size_t)(line - text.p) + 1;
        }
        size_t from = findings->n;
        SL_TRY(sl_detect_inspect(job->detect, job->scratch, sl_view_sub(text, at, end),
                                 job->channel, findings));
        for (size_t i = from; i < findings->n; i++) {
            findings->items[i].start += at;
            findings->items[i].end += at;
        }
        at = end;
        if (job->progress) {
            sl_cli_progress("inspect", at, text.n);
        }
    }
    return SL_DONE;
}

static sl_res take_field(void *ctx, sl_class kind, size_t start, size_t end)
{
    return sl_findings_add(ctx, known(kind, start, end));
}

static sl_res read_clinical(const sl_inspect_job *job, sl_clinical kind, sl_view bytes,
                            sl_findings *findings)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = bytes.n + 1 };
    sl_clinical_sink sink = { .ctx = findings, .field = take_field };
    SL_TRY(sl_clinical_read(kind, bytes, sink, &text));
    return read_text(job, sl_buf_view(&text), findings);
}

/* ---- files --------------------------------------------------------------------------------- */

static bool has_records(sl_format format)
{
    return format == SL_FORMAT_CSV || format == SL_FORMAT_TSV || format == SL_FORMAT_NDJSON ||
           format == SL_FORMAT_JSON;
}

/* A file that its own reader refuses is still looked at, as text: nothing is skipped. */
static sl_res read_table(const sl_inspect_job *job, sl_view bytes, sl_reader_options options,
                         sl_findings *findings, sl_inspect_seen *seen)
{
    SL_OWN(sl_findings, rows, sl_findings_free) = { 0 };
    sl_res r = read_records(job, bytes, &options, &rows);
    if (!sl_ok(r) && !sl_is(r, SL_E_MEMORY)) {
        seen->as_text = true;
        return read_text(job, bytes, findings);
    }
    SL_TRY(r);
    seen->records = true;
    for (size_t i = 0; i < rows.n; i++) {
        SL_TRY(sl_findings_add(findings, rows.items[i]));
    }
    return SL_DONE;
}

static sl_res read_by_format(const sl_inspect_job *job, sl_view bytes, sl_findings *findings,
                             sl_inspect_seen *seen)
{
    sl_view head = sl_view_sub(bytes, 0, bytes.n < HEAD_BYTES ? bytes.n : HEAD_BYTES);
    sl_clinical clinical = sl_clinical_detect(head);
    sl_encoding_scan scan = { 0 };
    sl_encoding_feed(&scan, bytes);
    sl_encoding encoding = sl_encoding_decide(&scan);
    sl_format format = sl_format_detect(head, sl_view_str(job->name), encoding);
    seen->format = sl_format_name(format);
    if (sl_view_starts(head, SL_LIT("%PDF-"))) {
        seen->format = "pdf";
        seen->unit = SL_UNIT_TEXT;
        seen->rewritten = true;
        SL_TRY(sl_pdf_text(bytes, &seen->text));
        return read_text(job, sl_buf_view(&seen->text), findings);
    }
    if (clinical != SL_CLINICAL_NONE) {
        seen->format = sl_clinical_name(clinical);
        return read_clinical(job, clinical, bytes, findings);
    }
    if (format == SL_FORMAT_XPT || format == SL_FORMAT_SAS7BDAT) {
        seen->records = true;
        seen->unit = SL_UNIT_VALUE;
        return read_sas(job, bytes, format, findings);
    }
    if (has_records(format)) {
        sl_reader_options options = { .format = format, .encoding = encoding };
        return read_table(job, bytes, options, findings, seen);
    }
    return read_text(job, bytes, findings);
}

sl_res sl_inspect_file(const sl_inspect_job *job, sl_view bytes, sl_findings *findings,
                       sl_inspect_seen *ret_seen)
{
    *ret_seen = (sl_inspect_seen){ .text = { .max = (size_t)1 << 31 } };
    sl_res r = read_by_format(job, bytes, findings, ret_seen);
    if (job->progress) {
        sl_cli_progress_end();
    }
    SL_TRY(r);
    if (ret_seen->unit == SL_UNIT_VALUE) {
        return SL_DONE; /* in order of records already */
    }
    sl_findings_sort(findings);
    drop_inside_known(findings);
    return SL_DONE;
}
