/* Making the review copy (review.h): a worker parses what is held, as when it was inspected; this process looks at its
 * texts and notes where it found what. All is in memory until the leaf is durable. */
#include "doors/release/review.h"

#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "doors/release/door_internal.h"
#include "ledger/events.gen.h"

enum { IDENTIFIERS_BYTES_MAX = 65536 }; /* of one record, by its columns */

/* A part of the copy as it came: [start, end) of its text. */
typedef struct {
    size_t start;
    size_t end;
    bool continues;
} part;

typedef struct {
    const sl_release_world *world;
    const sl_release_request *request;
    int at_fd;
    sl_manifest manifest;
    sl_object *object;
    sl_release_look look;
    bool looking;
    sl_buf text;
    part *parts;
    size_t part_count;
    size_t part_cap;
    sl_findings marks;  /* by their place in `text` */
    sl_buf identifiers; /* of the record that comes next: class, length, bytes */
    uint64_t record;
    bool cut; /* there is more than is shown */
    sl_inspection inspection;
    sl_buf report;
    sl_buf out;
} reviewing;

static void end_reviewing(reviewing *v)
{
    sl_buf *const secrets[] = { &v->text, &v->identifiers, &v->report, &v->out };
    for (size_t i = 0; i < SL_COUNT_OF(secrets); i++) {
        if (secrets[i]->p != NULL) {
            sl_wipe(secrets[i]->p, secrets[i]->cap);
        }
        sl_buf_free(secrets[i]);
    }
    sl_release_look_free(&v->look);
    sl_object_close(&v->object);
    sl_findings_free(&v->marks);
    free(v->parts);
}

/* ---- what the worker sends ---- */

/* The key comes when the worker first asks for bytes: it was forked before. */
static sl_res read_held(void *ctx, uint64_t offset, uint8_t *p, size_t n)
{
    reviewing *v = ctx;
    const sl_release *r = &v->request->asked;
    size_t got = 0;
    SL_TRY(v->world->still(v->world->context));
    if (v->object == NULL) {
        SL_TRY(sl_release_open_sealed(v->world, v->at_fd, r, r->review_leaf, &v->manifest,
                                      &v->object));
    }
    for (size_t at = 0; at < n; at += got) {
        SL_TRY(sl_object_read(v->object, offset + at, p + at, n - at, &got));
        SL_NEED(got != 0, SL_E_TRUNCATED);
    }
    return SL_DONE;
}

/* Identifiers that a column tells come before the text of their record. What does not fit is not marked by its column;
 * engines see it still. */
static sl_res take_identifier(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    reviewing *v = ctx;
    uint8_t head[5] = { (uint8_t)kind };
    if (record != v->record) {
        sl_buf_clear(&v->identifiers);
        v->record = record;
    }
    sl_put_le32(head + 1, (uint32_t)value.n);
    if (v->identifiers.n + sizeof head + value.n > IDENTIFIERS_BYTES_MAX || value.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add(&v->identifiers, sl_view_of(head, sizeof head)));
    return sl_buf_add(&v->identifiers, value);
}

static sl_res mark(reviewing *v, sl_finding one)
{
    if (v->marks.n >= SL_REVIEW_MARKS_MAX) {
        v->cut = true;
        return SL_DONE;
    }
    return sl_findings_add(&v->marks, one);
}

/* What lies before `overlap` was marked with the text before. */
static sl_res mark_findings(reviewing *v, size_t start, size_t overlap)
{
    for (size_t i = 0; i < v->look.findings.n; i++) {
        sl_finding one = v->look.findings.items[i];
        if (one.end > overlap && one.verdict > SL_VERDICT_ALLOW) {
            one.start += start - overlap;
            one.end += start - overlap;
            SL_TRY(mark(v, one));
        }
    }
    return SL_DONE;
}

static sl_res mark_identifiers(reviewing *v, size_t start, sl_view text)
{
    sl_view rest = sl_buf_view(&v->identifiers);
    while (rest.n != 0) {
        size_t n = sl_get_le32(rest.p + 1);
        sl_view value = sl_view_sub(rest, 5, 5 + n);
        sl_finding one = { .detector = SL_DETECTOR_PHI, .kind = rest.p[0] };
        for (size_t at = sl_view_find(text, value, 0); at != SIZE_MAX;
             at = sl_view_find(text, value, at + n)) {
            one.start = start + at;
            one.end = start + at + n;
            SL_TRY(mark(v, one));
        }
        rest = sl_view_sub(rest, 5 + n, rest.n);
    }
    return SL_DONE;
}

static sl_res add_part(reviewing *v, const sl_ingest_text *text)
{
    if (v->part_count == v->part_cap) {
        size_t cap = v->part_cap == 0 ? 64 : 2 * v->part_cap;
        part *more = reallocarray(v->parts, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        v->parts = more;
        v->part_cap = cap;
    }
    v->parts[v->part_count++] =
        (part){ .start = v->text.n, .end = v->text.n + text->text.n, .continues = text->continues };
    return sl_buf_add(&v->text, text->text);
}

static sl_res take_text(void *ctx, const sl_ingest_text *text)
{
    reviewing *v = ctx;
    if (!text->keep || text->text.n == 0) {
        return SL_DONE; /* it comes again */
    }
    if (v->cut || v->text.n + text->text.n > SL_REVIEW_TEXT_BYTES_MAX) {
        v->cut = true;
        return SL_DONE;
    }
    if (!v->looking) {
        v->looking = true;
        SL_TRY(sl_release_look_begin(v->request->asked.compartment,
                                     sl_view_str(v->request->purpose), v->world->protect,
                                     v->world->context, &v->look));
    }
    if (!text->continues && sl_view_eq(text->text, SL_LIT("\n"))) {
        return SL_DONE; /* names of what has none */
    }
    size_t overlap = text->continues ? v->look.overlap : 0;
    SL_TRY(sl_release_look_text(&v->look, text->text, text->continues));
    SL_TRY(mark_findings(v, v->text.n, overlap));
    SL_TRY(mark_identifiers(v, v->text.n, text->text));
    return add_part(v, text);
}

static sl_res read_all(reviewing *v, const char *format)
{
    char name[sizeof(sl_name) + 8];
    sl_ingest_taker taker = { .ctx = v,
                              .take = take_identifier,
                              .text = take_text,
                              .headers = true,
                              .allow = v->world->allow,
                              .read = read_held,
                              .bytes = v->manifest.parts[SL_PART_DATA].plain_bytes };
    (void)snprintf(name, sizeof name, "held.%s", format); /* so that it is read as it was */
    return sl_ingest_worker(-1, sl_view_str(name), SL_LIT(""), v->world->confined, taker,
                            &v->inspection, &v->report);
}

/* ---- the copy ---- */

/* A text that is no UTF-8 is shown with a mark of interrogation for each byte that is none. */
static void make_utf8(sl_buf *text)
{
    for (size_t at = 0; at < text->n;) {
        size_t bad = sl_utf8_check(sl_view_sub(sl_buf_view(text), at, text->n));
        if (bad >= text->n - at) {
            return;
        }
        text->p[at + bad] = '?';
        at += bad + 1;
    }
}

static void write_marks(const reviewing *v, const part *p, size_t *first, sl_json_writer *w)
{
    while (*first < v->marks.n && v->marks.items[*first].end <= p->start) {
        (*first)++;
    }
    sl_json_key(w, "marks");
    sl_json_array_begin(w);
    for (size_t i = *first; i < v->marks.n && v->marks.items[i].start < p->end; i++) {
        const sl_finding *f = &v->marks.items[i];
        size_t end = f->end < p->end ? f->end : p->end;
        size_t start = f->start > p->start ? f->start : p->start;
        if (end > start) {
            sl_json_object_begin(w);
            sl_json_put_str(w, "class", sl_class_name((sl_class)f->kind));
            sl_json_put_uint(w, "end", end - p->start);
            sl_json_put_uint(w, "start", start - p->start);
            sl_json_object_end(w);
        }
    }
    sl_json_array_end(w);
}

/* A text was cut into parts by its bytes: a character stays with the part where it begins. */
static void keep_characters_whole(reviewing *v)
{
    for (size_t i = 1; i < v->part_count; i++) {
        part *p = &v->parts[i];
        while (p->start < p->end && !sl_utf8_boundary(sl_buf_view(&v->text), p->start)) {
            p->start++;
        }
        v->parts[i - 1].end = p->start;
    }
}

static sl_res write_copy(reviewing *v)
{
    size_t first = 0;
    sl_findings_sort(&v->marks);
    make_utf8(&v->text);
    keep_characters_whole(v);
    for (size_t i = 0; i < v->part_count; i++) {
        const part *p = &v->parts[i];
        sl_json_writer w;
        sl_json_writer_init(&w, &v->out);
        sl_json_object_begin(&w);
        sl_json_put_bool(&w, "continues", p->continues);
        write_marks(v, p, &first, &w);
        sl_json_put_string(&w, "text", sl_view_sub(sl_buf_view(&v->text), p->start, p->end));
        sl_json_object_end(&w);
        SL_TRY(sl_json_finish(&w));
        SL_TRY(sl_buf_add_byte(&v->out, '\n'));
    }
    return SL_DONE;
}

/* ---- record, act ---- */

static sl_res record_shown(const reviewing *v, sl_release_shown *shown)
{
    sl_uid crossing;
    uint8_t random[16];
    const sl_release *r = &v->request->asked;
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(v->world->random(v->world->context, random, sizeof random));
    sl_uid_set(crossing, random);
    sl_event_head head = sl_release_head(v->request);
    head.crossing = sl_view_str(crossing);
    sl_event_release_shown fields = { .object = sl_view_str(r->id),
                                      .reviewer = sl_view_str(r->reviewer),
                                      .bytes = shown->bytes,
                                      .marks = shown->marks,
                                      .complete = shown->complete,
                                      .review = r->review_leaf };
    SL_TRY(sl_emit_release_shown(&head, &fields, &event));
    return v->world->append(v->world->context, sl_buf_view(&event), &shown->index);
}

sl_res sl_release_review(const sl_release_world *world, int at_fd, int out_fd, const sl_roll *roll,
                         const sl_release_request *request, const char *format,
                         sl_release_shown *ret)
{
    const sl_release *r = &request->asked;
    SL_OWN(reviewing, v, end_reviewing) = {
        .world = world,
        .request = request,
        .at_fd = at_fd,
        .text = { .max = SL_REVIEW_TEXT_BYTES_MAX },
        .identifiers = { .max = IDENTIFIERS_BYTES_MAX },
        .record = UINT64_MAX,
        .report = { .max = SL_REPORT_BYTES_MAX },
        .out = { .max = 16 * SL_REVIEW_TEXT_BYTES_MAX },
    };
    SL_TRY(sl_roll_release_readable(roll, r, world->wall_ms(world->context)));
    SL_TRY(world->admit(world->context, request));
    SL_TRY(sl_release_find_sealed(at_fd, r, &r->held, &v.manifest));
    SL_TRY(read_all(&v, format));
    SL_TRY(write_copy(&v));
    sl_release_shown shown = {
        .bytes = v.text.n, .marks = v.marks.n, .texts = v.part_count, .complete = !v.cut
    };
    SL_TRY(record_shown(&v, &shown));
    SL_TRY(world->still(world->context));
    SL_TRY(sl_fd_write_all(out_fd, sl_buf_view(&v.out)));
    *ret = shown;
    return SL_DONE;
}
