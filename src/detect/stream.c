/* Streams (stream.h): a text in pieces, decided at fixed positions of the text.
 * Nothing here depends on how the text was split: pieces are only gathered until the next position.
 * The positions themselves follow from the text and its findings. Design: README.md here. */
#include "detect/stream.h"

#include "detect/echo_watch.h"
#include "detect/scan_frontier.h"
#include "detect/window.h"

/* Decisions are this far apart while little is held, an eighth of what is held otherwise, so that a
 * long token costs no more than linear time. */
#define STEP_BYTES ((size_t)64)
#define HELD_BYTES_MAX ((size_t)16384)
#define TAIL_BYTES_MAX (4 * HELD_BYTES_MAX)

struct sl_stream {
    sl_stream_options options;
    sl_stream_report report;
    sl_buf tail; /* of the channel's text, from `base` on */
    uint64_t base;
    uint64_t decided; /* absolute; everything before is released or cut */
    uint64_t next;    /* absolute; where the next decision falls */
    sl_findings found;
    sl_findings final;
    sl_echo_watch *echo; /* or NULL; takes every byte once */
    uint64_t echoed;     /* absolute; what it has taken */
    uint64_t early;      /* bytes of the longest echo before the window */
    sl_findings noted;   /* offsets in the channel's text */
    bool ended;
};

sl_res sl_stream_new(const sl_stream_options *options, sl_stream **ret_stream)
{
    sl_stream *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->options = *options;
    s->tail.max = TAIL_BYTES_MAX;
    s->next = STEP_BYTES;
    s->report.verdict = SL_VERDICT_ALLOW;
    s->report.cut_offset = UINT64_MAX;
    s->report.rewritten_at = UINT64_MAX;
    sl_res r = sl_echo_watch_new(options->detect, options->scratch, true, &s->echo);
    if (!sl_ok(r)) {
        free(s);
        return r;
    }
    *ret_stream = s;
    return SL_DONE;
}

void sl_stream_free(sl_stream *stream)
{
    if (stream != NULL) {
        sl_echo_watch_free(stream->echo);
        sl_buf_free(&stream->tail);
        sl_findings_free(&stream->found);
        sl_findings_free(&stream->final);
        sl_findings_free(&stream->noted);
        free(stream);
    }
}

const sl_stream_report *sl_stream_report_get(const sl_stream *stream)
{
    return &stream->report;
}

static void cut(sl_stream *s, const sl_finding *cause, uint64_t base)
{
    s->report.verdict = SL_VERDICT_CUT;
    s->report.cut_offset = s->decided;
    s->report.cause = *cause;
    s->report.cause.start += (size_t)base;
    s->report.cause.end += (size_t)base;
    s->ended = true;
    sl_buf_free(&s->tail);
}

static void cut_overlong(sl_stream *s)
{
    sl_finding f = { .start = 0,
                     .end = (size_t)(s->report.bytes_seen - s->decided),
                     .attribution = SL_NO_ATTRIBUTION,
                     .rule = SL_NO_RULE,
                     .policy_rule = SL_NO_RULE,
                     .score_permille = 1000,
                     .detector = SL_DETECTOR_FOLD,
                     .kind = SL_CLASS_OVERLONG,
                     .verdict = SL_VERDICT_CUT };
    s->report.by_class[SL_CLASS_OVERLONG]++;
    cut(s, &f, s->decided);
}

static void count(sl_stream *s, const sl_finding *f, size_t decided)
{
    s->report.by_class[f->kind]++;
    if (f->verdict == SL_VERDICT_ALLOW) {
        return;
    }
    if (f->transform == SL_TRANSFORM_RESTORE) {
        s->report.restored++;
    } else if (f->verdict == SL_VERDICT_TRANSFORM) {
        s->report.transforms++;
        s->report.verdict = SL_VERDICT_TRANSFORM;
    }
    if (f->start < decided && f->transform != SL_TRANSFORM_RESTORE) {
        s->report.bytes_too_late += decided - f->start;
    }
}

/* Rewrites and releases the window's bytes [from, to) by the findings that end in it. */
static sl_res release(sl_stream *s, sl_view window, size_t from, size_t to, sl_buf *released)
{
    sl_findings_clear(&s->final);
    for (size_t i = 0; i < s->found.n; i++) {
        sl_finding f = s->found.items[i];
        if (f.end <= from || f.end > to) {
            continue;
        }
        count(s, &f, from);
        f.start = f.start > from ? f.start - from : 0;
        f.end -= from;
        bool rewrites = f.verdict == SL_VERDICT_TRANSFORM || f.transform == SL_TRANSFORM_RESTORE;
        if (rewrites && s->report.bytes_released + f.start < s->report.rewritten_at) {
            s->report.rewritten_at = s->report.bytes_released + f.start;
        }
        SL_TRY(sl_findings_add(&s->final, f));
    }
    sl_findings_sort(&s->final);
    size_t applied = 0;
    SL_TRY(sl_transform_apply(sl_view_sub(window, from, to), &s->final, s->options.pseudonyms,
                              released, &applied));
    s->report.bytes_released += to - from;
    return SL_DONE;
}

/* Findings that are settled (not past `limit`) get their verdict; the others are dropped from the
 * list. Returns the one that cuts, or NULL. */
static const sl_finding *judge(sl_stream *s, size_t decided, size_t limit)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->found.n; i++) {
        if (s->found.items[i].end <= limit) {
            s->found.items[kept++] = s->found.items[i];
        }
    }
    s->found.n = kept;
    (void)sl_policy_judge(s->options.policy, &s->options.context, &s->found, 0);
    const sl_finding *worst = NULL;
    for (size_t i = 0; i < s->found.n; i++) {
        sl_finding *f = &s->found.items[i];
        if (f->detector == SL_DETECTOR_PSEUDONYM) {
            f->verdict = s->options.restore ? SL_VERDICT_TRANSFORM : SL_VERDICT_ALLOW;
            f->transform = s->options.restore ? SL_TRANSFORM_RESTORE : SL_TRANSFORM_NONE;
        }
        if (f->detector == SL_DETECTOR_FLOW) {
            f->verdict = (uint8_t)sl_flow_verdict_of(s->options.flow, f->rule);
            f->transform = SL_TRANSFORM_NONE;
        }
        /* There is nobody to hold a stream for: hold and refuse are a cut. */
        if (f->verdict >= SL_VERDICT_HOLD && f->end > decided && worst == NULL) {
            worst = f;
        }
    }
    return worst;
}

sl_res sl_stream_note(sl_stream *stream, sl_finding finding)
{
    return sl_findings_add(&stream->noted, finding);
}

sl_view sl_stream_tail(const sl_stream *stream, uint64_t *ret_base)
{
    *ret_base = stream->base;
    return sl_buf_view(&stream->tail);
}

/* What was noted joins what was found; what reaches past the window is still open. */
static sl_res add_noted(sl_stream *s, sl_view window, size_t *io_open)
{
    for (size_t i = 0; i < s->noted.n; i++) {
        sl_finding f = s->noted.items[i];
        if (f.end <= s->base || f.start >= s->base + window.n) {
            continue;
        }
        f.start = f.start > s->base ? (size_t)(f.start - s->base) : 0;
        f.end = (size_t)(f.end - s->base);
        if (f.end > window.n) {
            *io_open = f.start < *io_open ? f.start : *io_open;
            continue;
        }
        SL_TRY(sl_findings_add(&s->found, f));
    }
    if (s->noted.n != 0) {
        sl_findings_drop_nested(&s->found);
    }
    return SL_DONE;
}

/* Gives the echo engine what is new since the last decision, and takes what it says. */
static sl_res listen(sl_stream *s, sl_view window, bool last)
{
    if (s->echo == NULL) {
        return SL_DONE;
    }
    sl_view fresh = sl_view_sub(window, (size_t)(s->echoed - s->base), window.n);
    SL_TRY(sl_echo_watch_feed(s->echo, fresh, last));
    s->echoed = s->base + window.n;
    SL_TRY(sl_echo_watch_findings(s->echo, s->base, s->decided, &s->found, &s->early));
    sl_findings_sort(&s->found);
    return SL_DONE;
}

/* Links and images that may need leave. Their verdict is the flow rules' and is set by judge(). */
static sl_res follow_links(sl_stream *s, sl_view window, size_t *io_open)
{
    sl_flow_findings links = { 0 };
    if (s->options.flow == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_flow_answer(s->options.flow, window, &s->found, &links, io_open));
    for (size_t i = 0; i < links.n; i++) {
        const sl_flow_finding *f = &links.items[i];
        if (s->base + f->end > s->decided && f->start < f->end) {
            SL_TRY(sl_findings_add(&s->found, sl_flow_as_finding(f)));
        }
    }
    sl_findings_sort(&s->found);
    return SL_DONE;
}

static sl_res look(sl_stream *s, sl_view window, bool last, size_t *ret_open)
{
    sl_findings_clear(&s->found);
    SL_TRY(sl_window_inspect(s->options.detect, s->options.scratch, window,
                             s->options.context.channel, &s->found, ret_open));
    SL_TRY(add_noted(s, window, ret_open));
    if (s->options.pseudonyms != NULL) {
        SL_TRY(sl_pseudonyms_find(s->options.pseudonyms, window, &s->found));
        sl_findings_sort(&s->found);
        sl_pseudonyms_shadow(window, &s->found);
    }
    SL_TRY(follow_links(s, window, ret_open));
    return listen(s, window, last);
}

/* Forgets text that no later decision needs. */
static void forget(sl_stream *s)
{
    size_t from = sl_scan_context(sl_buf_view(&s->tail), (size_t)(s->decided - s->base));
    sl_buf_drop_front(&s->tail, from);
    s->base += from;
}

static sl_res decide(sl_stream *s, bool last, sl_buf *released)
{
    sl_view window = sl_buf_view(&s->tail);
    size_t decided = (size_t)(s->decided - s->base);
    size_t open = window.n;
    SL_TRY(look(s, window, last, &open));
    size_t frontier = window.n;
    size_t limit = window.n;
    if (!last) {
        size_t token = sl_window_token(window);
        limit = open < token ? open : token;
        frontier = sl_scan_frontier(window, &s->found, open);
        frontier = frontier > decided ? frontier : decided;
    }
    const sl_finding *worst = judge(s, decided, limit);
    sl_finding cause = { 0 };
    if (worst != NULL) {
        cause = *worst;
        frontier = cause.start < frontier ? cause.start : frontier;
        frontier = frontier > decided ? frontier : decided;
    }
    SL_TRY(release(s, window, decided, frontier, released));
    s->decided = s->base + frontier;
    if (worst != NULL) {
        count(s, &cause, decided);
        s->report.bytes_too_late += cause.detector == SL_DETECTOR_ECHO ? s->early : 0;
        cut(s, &cause, s->base);
        return SL_DONE;
    }
    size_t held = window.n - frontier;
    if (!last && held > HELD_BYTES_MAX) {
        cut_overlong(s);
        return SL_DONE;
    }
    s->next = s->base + window.n + (held / 8 > STEP_BYTES ? held / 8 : STEP_BYTES);
    forget(s);
    return SL_DONE;
}

sl_res sl_stream_feed(sl_stream *stream, sl_view piece, sl_buf *released)
{
    size_t at = 0;
    while (at < piece.n && !stream->ended) {
        uint64_t end = stream->base + stream->tail.n;
        uint64_t room = stream->next - end;
        size_t n = room < piece.n - at ? (size_t)room : piece.n - at;
        SL_TRY(sl_buf_add(&stream->tail, sl_view_sub(piece, at, at + n)));
        at += n;
        stream->report.bytes_seen = end + n;
        if (stream->options.bytes_max != 0 && end + n > stream->options.bytes_max) {
            cut_overlong(stream);
        } else if (end + n == stream->next) {
            SL_TRY(decide(stream, false, released));
        }
    }
    return SL_DONE;
}

sl_res sl_stream_finish(sl_stream *stream, sl_buf *released)
{
    if (stream->ended) {
        return SL_DONE;
    }
    SL_TRY(decide(stream, true, released));
    stream->ended = true;
    return SL_DONE;
}
