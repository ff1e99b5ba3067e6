/* Rows of texts in answers. What it is for is told in row.h. */
#include "doors/ask/row.h"

#include <stdlib.h>
#include <string.h>

#include "doors/ask/dialect.h"
#include "doors/ask/seams.h"

enum { HELD_BYTES_MAX = 64 << 20 };

struct sl_row {
    sl_channel kind;
    bool open;    /* a text of the row is running */
    bool fed;     /* it has been given a piece */
    bool deaf;    /* something is being dropped */
    bool resting; /* a text has ended: events are held */
    sl_buf held;  /* events: u32 length, data */
    /* Texts that were held, or of a whole answer. */
    sl_buf text;
    size_t ends[SL_ROW_TEXTS_MAX];
    size_t n;
    uint32_t first;                  /* number of the first of them among texts of its kind */
    uint32_t told[SL_CHANNEL_COUNT]; /* texts of each kind that a whole answer was said to hold */
};

void sl_row_free(sl_row *row)
{
    if (row != NULL) {
        sl_buf_free(&row->held);
        sl_buf_free(&row->text);
        free(row);
    }
}

static sl_res row_of(sl_answer *a, sl_row **ret_row)
{
    if (a->row == NULL) {
        sl_row *row = calloc(1, sizeof *row);
        SL_NEED(row != NULL, SL_E_MEMORY);
        row->held.max = HELD_BYTES_MAX;
        row->text.max = a->options.text_bytes_max;
        a->row = row;
    }
    *ret_row = a->row;
    return SL_DONE;
}

/* ---- looking at a row ---- */

/* The texts of the row: the end of the one that was streamed, then those that were held. */
typedef struct {
    sl_view texts[SL_ROW_TEXTS_MAX + 1];
    size_t n;
    uint64_t base; /* of texts[0] in its text */
    uint32_t first;
} row_texts;

static void collect(const sl_answer *a, const sl_row *row, row_texts *ret)
{
    size_t from = 0;
    sl_stream *newest = row->resting ? sl_answer_newest(a, row->kind) : NULL;
    *ret = (row_texts){ .first = row->first };
    if (newest != NULL && row->first != 0) {
        ret->first--;
        ret->texts[ret->n++] = sl_stream_tail(newest, &ret->base);
    }
    for (size_t i = 0; i < row->n; i++) {
        ret->texts[ret->n++] = sl_view_sub(sl_buf_view(&row->text), from, row->ends[i]);
        from = row->ends[i];
    }
}

/* Each text's share of a finding in the joined text. */
static sl_res note(sl_answer *a, const sl_row *row, const row_texts *all, const sl_finding *f)
{
    size_t start = 0;
    for (size_t i = 0; i < all->n; i++) {
        size_t end = start + all->texts[i].n;
        if (f->start < end && f->end > start) {
            sl_answer_note one = { row->kind, all->first + (uint32_t)i, *f };
            size_t base = i == 0 ? (size_t)all->base : 0;
            one.finding.start = base + (f->start > start ? f->start - start : 0);
            one.finding.end = base + (f->end < end ? f->end : end) - start;
            SL_TRY(sl_answer_note_finding(a, &one));
        }
        start = end;
    }
    return SL_DONE;
}

/* Links that reach over a seam; what lies in one text its own stream sees. */
static sl_res follow_links(sl_answer *a, const row_texts *all, sl_view joined, sl_findings *found)
{
    sl_flow_findings links = { 0 };
    if (a->options.flow == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_flow_answer(a->options.flow, joined, NULL, &links, NULL));
    for (size_t i = 0; i < links.n; i++) {
        size_t seam = 0;
        bool over = false;
        for (size_t k = 0; k + 1 < all->n; k++) {
            seam += all->texts[k].n;
            over = over || (links.items[i].start < seam && links.items[i].end > seam);
        }
        if (over) {
            SL_TRY(sl_findings_add(found, sl_flow_as_finding(&links.items[i])));
        }
    }
    return SL_DONE;
}

static sl_res look_at_row(sl_answer *a, const sl_row *row)
{
    SL_OWN(sl_buf, joined, sl_buf_free) = { .max = SIZE_MAX / 2 };
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    row_texts all;
    collect(a, row, &all);
    if (all.n < 2) {
        return SL_DONE;
    }
    for (size_t i = 0; i < all.n; i++) {
        SL_TRY(sl_buf_add(&joined, all.texts[i]));
    }
    SL_TRY(sl_seams_inspect(a->options.detect, a->options.scratch, all.texts, all.n,
                            sl_buf_view(&joined), row->kind, &found));
    SL_TRY(follow_links(a, &all, sl_buf_view(&joined), &found));
    sl_findings_drop_nested(&found);
    for (size_t i = 0; i < found.n; i++) {
        SL_TRY(note(a, row, &all, &found.items[i]));
    }
    return SL_DONE;
}

static void clear(sl_row *row)
{
    sl_buf_clear(&row->text);
    row->n = 0;
    row->resting = false;
}

static sl_res add_piece(sl_row *row, bool begins, sl_view piece)
{
    if (piece.n == 0) {
        return SL_DONE;
    }
    if (begins || row->n == 0) {
        SL_NEED(row->n < SL_ROW_TEXTS_MAX, SL_E_LIMIT);
        row->ends[row->n++] = row->text.n;
    }
    SL_TRY(sl_buf_add(&row->text, piece));
    row->ends[row->n - 1] = row->text.n;
    return SL_DONE;
}

/* ---- whole answers ---- */

sl_res sl_row_add(sl_answer *a, sl_channel kind, sl_view text)
{
    sl_row *row = NULL;
    SL_TRY(row_of(a, &row));
    if (row->n != 0 && row->kind != kind) {
        SL_TRY(sl_row_end(a));
    }
    if (row->n == 0) {
        row->kind = kind;
        row->first = row->told[kind];
    }
    row->told[kind] += text.n != 0;
    SL_TRY(add_piece(row, true, text));
    sl_arena_free(&a->event);
    return SL_DONE;
}

sl_res sl_row_end(sl_answer *a)
{
    sl_row *row = NULL;
    SL_TRY(row_of(a, &row));
    SL_TRY(look_at_row(a, row));
    clear(row);
    return SL_DONE;
}

/* ---- streams ---- */

static sl_res take(sl_answer *a, const sl_ask_dialect *dialect, const sl_json_doc *doc, sl_buf *out)
{
    sl_res r = dialect->event(a, doc, out);
    sl_arena_free(&a->event);
    return r;
}

static sl_res hold(sl_row *row, sl_view data)
{
    uint8_t length[4];
    sl_put_le32(length, (uint32_t)data.n);
    SL_TRY(sl_buf_add(&row->held, sl_view_of(length, sizeof length)));
    return sl_buf_add(&row->held, data);
}

sl_res sl_row_flush(sl_answer *a, const sl_ask_dialect *dialect, sl_buf *out)
{
    sl_row *row = a->row;
    if (row == NULL || !row->resting || sl_answer_over(a)) {
        return SL_DONE;
    }
    SL_TRY(look_at_row(a, row));
    clear(row);
    SL_OWN(sl_buf, held, sl_buf_free) = sl_buf_take(&row->held);
    for (size_t at = 0; at < held.n && !sl_answer_over(a);) {
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        size_t n = sl_get_le32(held.p + at);
        SL_TRY(sl_json_parse(sl_view_sub(sl_buf_view(&held), at + 4, at + 4 + n), &doc));
        SL_TRY(take(a, dialect, &doc, out));
        at += 4 + n;
    }
    return SL_DONE;
}

/* Follow the running text of the row; true when the event is to be held. */
static sl_res follow(sl_answer *a, sl_row *row, const sl_ask_heard *heard, bool *ret_hold)
{
    bool ends = row->open && (heard->what == SL_HEARD_END || heard->what == SL_HEARD_OVER ||
                              heard->what == SL_HEARD_BEGIN);
    bool begins = heard->what == SL_HEARD_BEGIN || (heard->what == SL_HEARD_TEXT && !row->open);
    bool piece =
        heard->what == SL_HEARD_TEXT || (heard->what == SL_HEARD_REPEAT && row->open && !row->fed);
    if (ends && !row->resting) {
        row->resting = true;
        row->first = a->texts_n[row->kind];
    }
    if (ends || begins) {
        row->open = begins;
        row->fed = false;
    }
    if (begins && !row->resting) {
        row->kind = heard->kind;
    }
    if (piece && row->resting) {
        SL_TRY(add_piece(row, !row->fed, heard->text));
    }
    row->fed = row->fed || (piece && heard->text.n != 0);
    *ret_hold = row->resting;
    return SL_DONE;
}

/* What is heard of another kind may not be looked at after a flush: its text is gone with the arena. */
static bool goes_on(const sl_row *row, const sl_ask_heard *heard)
{
    bool speaks = heard->what == SL_HEARD_BEGIN || heard->what == SL_HEARD_TEXT ||
                  heard->what == SL_HEARD_REPEAT;
    return heard->what != SL_HEARD_OTHER && (!speaks || heard->kind == row->kind);
}

sl_res sl_row_event(sl_answer *a, const sl_ask_dialect *dialect, sl_view data, sl_buf *out)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_row *row = NULL;
    sl_ask_heard heard = { .what = SL_HEARD_OTHER };
    if (sl_view_eq_str(data, "[DONE]")) {
        SL_TRY(sl_row_flush(a, dialect, out));
        return take(a, dialect, NULL, out);
    }
    SL_TRY(sl_json_parse(data, &doc));
    SL_NEED(sl_json_is(sl_json_root(&doc), SL_JSON_OBJECT), SL_E_TYPE);
    if (dialect->hear == NULL) {
        return take(a, dialect, &doc, out);
    }
    bool held = false;
    SL_TRY(row_of(a, &row));
    SL_TRY(dialect->hear(a, &doc, &heard));
    row->deaf = heard.what == SL_HEARD_DROPPED || (row->deaf && heard.what != SL_HEARD_OVER);
    if (row->deaf && heard.what != SL_HEARD_OTHER) {
        heard.what = SL_HEARD_PASSING;
    }
    if (heard.what == SL_HEARD_BEGIN && row->open && !dialect->begin_ends) {
        heard.what = SL_HEARD_OTHER; /* the dialect will not have it */
    }
    if (!goes_on(row, &heard)) {
        SL_TRY(sl_row_flush(a, dialect, out));
        row->open = false;
    }
    if (heard.what != SL_HEARD_OTHER) {
        SL_TRY(follow(a, row, &heard, &held));
    }
    if (held) {
        sl_arena_free(&a->event);
        return hold(row, data);
    }
    return take(a, dialect, &doc, out);
}
