/* Scanning for patterns (patterns.h). Text is narrowed to windows and scanned for the ends of matches; a pattern that
 * ended somewhere is asked alone where it began; the longest match that proves itself counts. The parts
 * are told in patterns_set.h.
 * Vectorscan sees folded text only, in block mode: streams bring their own windows. */
#include "detect/byte_masks.h"
#include "detect/patterns_set.h"

#define MATCHES_MAX ((size_t)1 << 20)
/* Ends that stand no further apart are asked together; a beginning is looked for back to a blank, but no further. */
#define CONFIRM_APART ((size_t)80)
#define CONFIRM_TOKEN ((size_t)4096)
/* Texts shorter than this are scanned whole. */
#define WHOLE_BYTES ((size_t)256)

static bool push(sl_pattern_match **all, size_t *n, size_t *cap, sl_pattern_match one)
{
    if (*n == *cap) {
        size_t more = *cap == 0 ? 256 : *cap * 2;
        sl_pattern_match *items = more > MATCHES_MAX ? NULL : realloc(*all, more * sizeof *items);
        if (items == NULL) {
            return false;
        }
        *all = items;
        *cap = more;
    }
    (*all)[(*n)++] = one;
    return true;
}

static int on_end(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                  void *context)
{
    (void)from;
    (void)flags;
    sl_pattern_work *w = context;
    sl_pattern_match one = { .end = w->base + (size_t)to, .id = id };
    w->failed = !push(&w->ends, &w->ends_n, &w->ends_cap, one);
    return w->failed;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    (void)flags;
    sl_pattern_work *w = context;
    if (id != 0) {
        return 0;
    }
    sl_pattern_match one = { .start = w->base + (size_t)from,
                             .end = w->base + (size_t)to,
                             .id = w->id };
    w->failed = !push(&w->matches, &w->n, &w->cap, one);
    return w->failed;
}

/* By pattern, then start, then the longest first. */
static int match_order(const void *a, const void *b)
{
    const sl_pattern_match *x = a;
    const sl_pattern_match *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->end > y->end ? -1 : (x->end < y->end ? 1 : 0);
}

static sl_res scan_part(const hs_database_t *db, sl_pattern_work *w, sl_view text, size_t from,
                        size_t to, match_event_handler on)
{
    w->base = from;
    hs_error_t e =
        hs_scan(db, (const char *)text.p + from, (unsigned)(to - from), 0, w->scratch, on, w);
    SL_NEED(!w->failed, SL_E_LIMIT);
    SL_NEED(e == HS_SUCCESS, SL_E_BUG);
    return SL_DONE;
}

/* ---- the first pass: where do matches end? --------------------------------------------------- */

/* The main group: windows around anything that it needs. */
static sl_res scan_main(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    const hs_database_t *db = p->groups[GROUP_MAIN];
    size_t done = 0;
    if (db == NULL) {
        return SL_DONE;
    }
    for (size_t at = sl_pattern_trigger(text, 0); at < text.n;) {
        size_t from = text.n <= WHOLE_BYTES ? 0 : sl_pattern_window_start(text, at, done);
        size_t to = text.n <= WHOLE_BYTES ? text.n : sl_pattern_window_end(text, at);
        size_t next = sl_pattern_trigger_after(text, at, to);
        while (next < text.n && (next <= to || sl_pattern_window_start(text, next, to) <= to)) {
            to = sl_pattern_window_end(text, next);
            next = sl_pattern_trigger_after(text, next, to);
        }
        SL_TRY(scan_part(db, w, text, from, to, on_end));
        done = to;
        at = next;
    }
    return SL_DONE;
}

/* A window of a smaller group that still grows. */
typedef struct {
    size_t from;
    size_t to;
} open_window;

static sl_res flush_window(const sl_patterns *p, sl_pattern_work *w, sl_view text,
                           sl_pattern_group group, open_window *open)
{
    if (open->to > open->from && p->groups[group] != NULL) {
        SL_TRY(scan_part(p->groups[group], w, text, open->from, open->to, on_end));
    }
    return SL_DONE;
}

static sl_res widen_window(const sl_patterns *p, sl_pattern_work *w, sl_view text,
                           sl_pattern_group group, open_window *open, size_t at)
{
    size_t from = sl_pattern_window_start(text, at, 0);
    if (from <= open->to || open->to == 0) {
        open->from = open->to == 0 ? from : open->from;
        open->to = sl_pattern_window_end(text, at);
        return SL_DONE;
    }
    SL_TRY(flush_window(p, w, text, group, open));
    *open = (open_window){ .from = from, .to = sl_pattern_window_end(text, at) };
    return SL_DONE;
}

static bool is_letter(uint8_t b)
{
    return (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

static bool is_capital(uint8_t b)
{
    return b >= 'A' && b <= 'Z';
}

static bool is_digit_byte(uint8_t b)
{
    return b >= '0' && b <= '9';
}

/* Two capitals, an optional comma, one or more blanks, and here the digits. */
static bool state_before(sl_view t, size_t at)
{
    size_t i = at;
    while (i > 0 && at - i < 4 && t.p[i - 1] == ' ') {
        i--;
    }
    if (i == at) {
        return false;
    }
    i -= i > 0 && t.p[i - 1] == ',' ? 1U : 0U;
    return i >= 2 && is_capital(t.p[i - 1]) && is_capital(t.p[i - 2]);
}

/* The first digit or '@' at or behind `i`, or the text's end. */
static size_t next_digit_or_at(sl_view t, size_t i)
{
    for (; i + SL_MASK_BYTES <= t.n; i += SL_MASK_BYTES) {
        unsigned mask = sl_mask_digits(t.p + i) | sl_mask_byte(t.p + i, '@');
        if (mask != 0) {
            return i + (size_t)__builtin_ctz(mask);
        }
    }
    while (i < t.n && !is_digit_byte(t.p[i]) && t.p[i] != '@') {
        i++;
    }
    return i;
}

/* The smaller groups: all but one need a run of digits with the right neighbours. */
static sl_res scan_small(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    open_window open[GROUP_COUNT] = { 0 };
    for (size_t i = next_digit_or_at(text, 0); i < text.n; i = next_digit_or_at(text, i)) {
        if (text.p[i] == '@') {
            SL_TRY(widen_window(p, w, text, GROUP_MAIL, &open[GROUP_MAIL], i));
            i++;
            continue;
        }
        size_t start = i;
        while (i < text.n && is_digit_byte(text.p[i])) {
            i++;
        }
        bool dashed = i + 1 < text.n && text.p[i] == '-' && is_digit_byte(text.p[i + 1]);
        bool before =
            start > 0 && (is_letter(text.p[start - 1]) ||
                          (text.p[start - 1] == '-' && start > 1 && is_letter(text.p[start - 2])));
        if (before || (i < text.n && is_letter(text.p[i])) || (dashed && before) ||
            (i + 1 < text.n && text.p[i] == '-' && is_letter(text.p[i + 1]))) {
            SL_TRY(widen_window(p, w, text, GROUP_WORD, &open[GROUP_WORD], start));
        }
        size_t next = i < text.n && is_letter(text.p[i]) ? i + 1 : i; /* 12a Main Street */
        if (next + 1 < text.n && text.p[next] == ' ' && sl_pattern_is_word(text.p[next + 1])) {
            SL_TRY(widen_window(p, w, text, GROUP_STREET, &open[GROUP_STREET], start));
        }
        if (state_before(text, start)) {
            SL_TRY(widen_window(p, w, text, GROUP_STATE, &open[GROUP_STATE], start));
        }
    }
    for (unsigned group = GROUP_MAIN + 1; group < GROUP_COUNT; group++) {
        SL_TRY(flush_window(p, w, text, (sl_pattern_group)group, &open[group]));
    }
    return SL_DONE;
}

/* ---- the second pass: where do they begin? --------------------------------------------------- */

static int end_order(const void *a, const void *b)
{
    const sl_pattern_match *x = a;
    const sl_pattern_match *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return x->end < y->end ? -1 : (x->end > y->end ? 1 : 0);
}

static size_t confirm_start(sl_view t, size_t end, size_t back)
{
    size_t at = end > back ? end - back : 0;
    size_t limit = at > CONFIRM_TOKEN ? at - CONFIRM_TOKEN : 0;
    while (at > limit && !sl_pattern_is_blank(t.p[at - 1])) {
        at--;
    }
    return at;
}

/* Are all ends of the first pass among the matches from number `from` on? Both rise. */
static bool has_ends(const sl_pattern_work *w, size_t from, const sl_pattern_match *ends, size_t n)
{
    size_t at = from;
    for (size_t i = 0; i < n; i++) {
        while (at < w->n && w->matches[at].end < ends[i].end) {
            at++;
        }
        if (at == w->n || w->matches[at].end != ends[i].end) {
            return false;
        }
    }
    return true;
}

/* Vectorscan 5.4.9 may miss a match for the place in memory where the text lies (seen with states that it
 * skips through in blocks of 64 bytes). So the part is copied to a place of its own, that the same text gives
 * the same matches; what the first pass saw end must be found, or the part is scanned at other places. */
static sl_res confirm_part(const sl_patterns *p, sl_pattern_work *w, sl_view part, size_t base,
                           const sl_pattern_match *ends, size_t n)
{
    static const uint8_t PLACES[] = { 0, 32, 16, 48 };
    SL_TRY(sl_buf_reserve(&w->copy, part.n + 128));
    uint8_t *aligned = w->copy.p + (64 - (uintptr_t)w->copy.p % 64);
    for (size_t i = 0; i < SL_COUNT_OF(PLACES); i++) {
        size_t from = w->n;
        memcpy(aligned + PLACES[i], part.p, part.n);
        w->base = base;
        hs_error_t e = hs_scan(p->single[w->id], (const char *)aligned + PLACES[i],
                               (unsigned)part.n, 0, w->scratch, on_match, w);
        SL_NEED(!w->failed, SL_E_LIMIT);
        SL_NEED(e == HS_SUCCESS, SL_E_BUG);
        if (has_ends(w, from, ends, n)) {
            return SL_DONE;
        }
    }
    return SL_DONE;
}

/* Ends of one pattern that stand close together are asked at once. */
static sl_res confirm_all(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    for (size_t i = 0; i < w->ends_n;) {
        size_t first = i;
        uint32_t id = w->ends[i].id;
        size_t from = confirm_start(text, w->ends[i].end, p->patterns[id].back);
        size_t to = w->ends[i].end;
        for (i++; i < w->ends_n && w->ends[i].id == id && w->ends[i].end - to <= CONFIRM_APART;
             i++) {
            to = w->ends[i].end;
        }
        w->id = id;
        to += to < text.n ? 1 : 0; /* the byte behind decides about the word's boundary */
        SL_TRY(confirm_part(p, w, sl_view_sub(text, from, to), from, w->ends + first, i - first));
    }
    return SL_DONE;
}

sl_res sl_patterns_scan(const sl_patterns *patterns, sl_pattern_work *work, sl_view text,
                        sl_findings *findings)
{
    SL_NEED(text.n < UINT32_MAX, SL_E_LIMIT);
    work->n = 0;
    work->ends_n = 0;
    work->failed = false;
    work->copy.max = text.n + 256;
    SL_TRY(scan_main(patterns, work, text));
    SL_TRY(scan_small(patterns, work, text));
    if (work->ends_n == 0) {
        return SL_DONE;
    }
    qsort(work->ends, work->ends_n, sizeof *work->ends, end_order);
    SL_TRY(confirm_all(patterns, work, text));
    if (work->n > 1) {
        qsort(work->matches, work->n, sizeof *work->matches, match_order);
    }
    return sl_patterns_prove(patterns, work, text, findings);
}
