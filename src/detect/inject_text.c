/* Which texts of a document the injection engine looks at: chunks of its folded self, the same with
 * escapes undone, hidden text, and decoded runs one inside another (inject_features.h). Chunks overlap
 * by more than the widest window, so that nothing falls between two; cost is linear. */
#include "base/utf8.h"
#include "detect/inject_features.h"
#include "detect/words.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define OVERLAP_BYTES ((size_t)8 << 10)
#define DECODED_MIN ((size_t)8)

typedef struct {
    sl_inject_texts *work;
    sl_view window;
    size_t base;
    sl_inject_take *take;
    void *context;
} walk;

void sl_inject_texts_free(sl_inject_texts *texts)
{
    for (size_t i = 0; i < SL_COUNT_OF(texts->plain); i++) {
        sl_fold_work_free(&texts->plain[i]);
    }
    for (size_t i = 0; i < SL_COUNT_OF(texts->views); i++) {
        sl_views_free(&texts->views[i]);
    }
    sl_fold_work_free(&texts->unescaped);
    sl_findings_free(&texts->hidden);
    sl_buf_free(&texts->turned);
}

static sl_res take_mapped(walk *w, const sl_folded *folded, sl_view_kind view)
{
    sl_inject_text one = {
        .folded = folded->text, .map = folded, .base = w->base, .view = (uint8_t)view
    };
    return w->take(w->context, &one);
}

static sl_res take_decoded(walk *w, sl_view bytes, size_t level, sl_inject_text span)
{
    sl_folded folded;
    if (bytes.n < DECODED_MIN) {
        return SL_DONE;
    }
    SL_TRY(sl_fold(bytes, sl_fold_has_escapes(bytes), &w->work->plain[level], &folded, NULL));
    span.folded = folded.text;
    span.base = w->base;
    return w->take(w->context, &span);
}

/* Hidden text stands for the span from its first to its last carrier. */
static sl_res take_payload(walk *w)
{
    sl_inject_text span = { .start = w->window.n, .view = SL_VIEW_HIDDEN };
    for (size_t i = 0; i < w->work->hidden.n; i++) {
        const sl_finding *f = &w->work->hidden.items[i];
        if (f->kind == SL_CLASS_INVISIBLE_TEXT) {
            span.start = f->start < span.start ? f->start : span.start;
            span.end = f->end > span.end ? f->end : span.end;
        }
    }
    sl_view payload = sl_buf_view(&w->work->plain[0].payload);
    return span.start < span.end ? take_decoded(w, payload, 1, span) : SL_DONE;
}

static sl_res take_views(walk *w, const sl_folded *folded)
{
    sl_views *views = &w->work->views[0];
    sl_views *inner = &w->work->views[1];
    SL_TRY(sl_views_find(folded->text, views));
    for (size_t i = 0; i < views->n; i++) {
        const sl_segment *s = &views->items[i];
        sl_view decoded = sl_view_sub(sl_buf_view(&views->bytes), s->at, s->at + s->n);
        sl_inject_text span = { .start = sl_folded_start(folded, s->start),
                                .end = sl_folded_end(folded, s->end),
                                .view = s->kind };
        SL_TRY(take_decoded(w, decoded, 1, span));
        SL_TRY(sl_views_find(decoded, inner));
        for (size_t k = 0; k < inner->n; k++) {
            const sl_segment *in = &inner->items[k];
            span.view = in->kind;
            SL_TRY(take_decoded(w, sl_view_sub(sl_buf_view(&inner->bytes), in->at, in->at + in->n),
                                2, span));
        }
    }
    return SL_DONE;
}

typedef struct {
    walk *w;
    const sl_folded *folded;
} turning;

static sl_res take_turned(void *context, sl_view turned, size_t start, size_t end, uint8_t view)
{
    turning *t = context;
    sl_inject_text span = { .start = sl_folded_start(t->folded, start),
                            .end = sl_folded_end(t->folded, end),
                            .view = view };
    return take_decoded(t->w, turned, 1, span);
}

static sl_res take_chunk(walk *w)
{
    sl_folded plain;
    sl_folded unescaped;
    sl_inject_texts *work = w->work;
    sl_findings_clear(&work->hidden);
    SL_TRY(sl_fold(w->window, false, &work->plain[0], &plain, &work->hidden));
    SL_TRY(take_mapped(w, &plain, SL_VIEW_PLAIN));
    if (work->plain[0].payload.n != 0) {
        SL_TRY(take_payload(w));
    }
    turning t = { w, &plain };
    SL_TRY(sl_inject_each_turned(plain.text, &work->turned, take_turned, &t));
    if (!sl_fold_has_escapes(w->window)) {
        return take_views(w, &plain);
    }
    SL_TRY(sl_fold(w->window, true, &work->unescaped, &unescaped, NULL));
    if (!sl_view_eq(plain.text, unescaped.text)) {
        SL_TRY(take_mapped(w, &unescaped, SL_VIEW_ESCAPE));
    }
    return take_views(w, &unescaped);
}

/* Where the next chunk begins: at a word, or within a long run at a multiple of eight characters
 * from its beginning, so that every encoding decodes on. */
static size_t next_from(sl_view text, size_t from, size_t to)
{
    size_t at = to - OVERLAP_BYTES;
    for (size_t k = 0; k < OVERLAP_BYTES; k++) {
        if (sl_is_blank(text.p[at - k - 1])) {
            return at - k;
        }
    }
    size_t run = at - OVERLAP_BYTES;
    while (run > from && !sl_is_blank(text.p[run - 1])) {
        run--;
    }
    at = run + (at - run) / 8 * 8;
    while (at > run + 4 && !sl_utf8_boundary(text, at)) {
        at--;
    }
    return at;
}

sl_res sl_inject_each_text(sl_inject_texts *texts, sl_view document, sl_inject_take *take,
                           void *context)
{
    walk w = { .work = texts, .take = take, .context = context };
    for (size_t from = 0; from < document.n;) {
        size_t to = document.n - from > CHUNK_BYTES ? from + CHUNK_BYTES : document.n;
        while (to < document.n && !sl_utf8_boundary(document, to) && to - from > CHUNK_BYTES - 4) {
            to--;
        }
        w.window = sl_view_sub(document, from, to);
        w.base = from;
        SL_TRY(take_chunk(&w));
        from = to == document.n ? to : next_from(document, from, to);
    }
    return SL_DONE;
}
