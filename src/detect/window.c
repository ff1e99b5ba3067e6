/* All engines over one window (window.h). Order: fold, hidden text, the folded text, the unescaped
 * text where there are escapes, then decoded runs, which are looked at once more inside.
 * It must stay linear in the window and must not remember anything between windows. */
#include "detect/window.h"

#include "base/utf8.h"
#include "detect/words.h"

typedef struct {
    const sl_detect *detect;
    sl_scratch *scratch;
    sl_view window;
    sl_channel channel;
    sl_findings *out;
} look;

/* The engines, one after another, on one folded text. */
static sl_res run_engines(look *l, sl_view folded)
{
    sl_findings *raw = &l->scratch->raw;
    sl_findings_clear(raw);
    SL_TRY(sl_patterns_scan(l->detect->patterns, l->scratch->patterns, folded, raw));
    if (l->detect->tagger != NULL) {
        SL_TRY(sl_tagger_scan(l->detect->tagger, l->scratch->tagger, folded, raw));
    }
    for (size_t i = 0; i < l->detect->roster_count; i++) {
        size_t from = raw->n;
        SL_TRY(sl_roster_scan(l->detect->rosters[i].roster, folded, raw));
        for (size_t k = from; k < raw->n; k++) {
            raw->items[k].rule = (uint16_t)i;
        }
    }
    return sl_exfil_scan(sl_buf_view(&l->detect->allowed_hosts), folded, raw);
}

static bool is_escape_view(sl_view window, const sl_finding *f, sl_view_kind *ret)
{
    for (size_t i = f->start; i < f->end; i++) {
        uint8_t b = window.p[i];
        if (b == '%' || b == '&' || b == '\\') {
            *ret = b == '%' ? SL_VIEW_PERCENT : (b == '&' ? SL_VIEW_ENTITY : SL_VIEW_ESCAPE);
            return true;
        }
    }
    return false;
}

/* Findings of a folded text of the window itself: spans go back to the original. */
static sl_res take_mapped(look *l, const sl_folded *folded, bool escapes)
{
    SL_TRY(run_engines(l, folded->text));
    for (size_t i = 0; i < l->scratch->raw.n; i++) {
        sl_finding f = l->scratch->raw.items[i];
        size_t length = f.end - f.start;
        f.start = sl_folded_start(folded, f.start);
        f.end = sl_folded_end(folded, f.end);
        if (folded->map != NULL && f.view == SL_VIEW_PLAIN && f.end - f.start != length) {
            f.view = SL_VIEW_FOLDED;
        }
        sl_view_kind kind;
        if (escapes && is_escape_view(l->window, &f, &kind)) {
            f.view = (uint8_t)kind;
        }
        SL_TRY(sl_findings_add(l->out, f));
    }
    return SL_DONE;
}

/* Findings of a text that was decoded from [start, end): each stands for the whole run. */
static sl_res take_whole(look *l, sl_view decoded, size_t level, size_t start, size_t end,
                         sl_view_kind kind)
{
    sl_folded folded;
    SL_TRY(
        sl_fold(decoded, sl_fold_has_escapes(decoded), &l->scratch->plain[level], &folded, NULL));
    SL_TRY(run_engines(l, folded.text));
    for (size_t i = 0; i < l->scratch->raw.n; i++) {
        sl_finding f = l->scratch->raw.items[i];
        f.start = start;
        f.end = end;
        f.view = (uint8_t)kind;
        SL_TRY(sl_findings_add(l->out, f));
    }
    return SL_DONE;
}

/* The same inside a decoded run: each finding stands for the whole run. */
static sl_res take_inner_ciphers(look *l, sl_view decoded, size_t start, size_t end)
{
    sl_ciphers *c = &l->scratch->ciphers[1];
    SL_TRY(sl_ciphers_find(decoded, c));
    for (size_t i = 0; i < c->n; i++) {
        const sl_stretch *s = &c->items[i];
        sl_view text = sl_view_sub(sl_buf_view(&c->bytes), s->at, s->at + (s->end - s->start));
        SL_TRY(take_whole(l, text, 2, start, end, (sl_view_kind)s->kind));
    }
    return SL_DONE;
}

/* What a decoded run says, and what a run inside of it says. */
static sl_res take_segment(look *l, const sl_folded *folded, const sl_segment *s)
{
    sl_view decoded = sl_view_sub(sl_buf_view(&l->scratch->views[0].bytes), s->at, s->at + s->n);
    size_t start = sl_folded_start(folded, s->start);
    size_t end = sl_folded_end(folded, s->end);
    SL_TRY(take_whole(l, decoded, 1, start, end, (sl_view_kind)s->kind));
    SL_TRY(take_inner_ciphers(l, decoded, start, end));
    sl_views *inner = &l->scratch->views[1];
    SL_TRY(sl_views_find(decoded, inner));
    for (size_t i = 0; i < inner->n; i++) {
        const sl_segment *in = &inner->items[i];
        sl_view text = sl_view_sub(sl_buf_view(&inner->bytes), in->at, in->at + in->n);
        SL_TRY(take_whole(l, text, 2, start, end, (sl_view_kind)in->kind));
    }
    return SL_DONE;
}

/* What stands in a stretch as it is has been seen: the same span of the same class says nothing new. */
static bool is_known(const sl_findings *all, const sl_finding *f)
{
    for (size_t i = all->n; i > 0; i--) {
        const sl_finding *k = &all->items[i - 1];
        if (k->start == f->start && k->end == f->end && k->kind == f->kind) {
            return true;
        }
    }
    return false;
}

/* A word with more digits than letters is a measure ("500mg"), not a name written in leet. */
static bool has_measure(sl_view words)
{
    size_t digits = 0;
    size_t letters = 0;
    for (size_t i = 0; i <= words.n; i++) {
        bool inside = i < words.n && sl_is_word(words.p[i]);
        if (inside) {
            digits += sl_is_digit(words.p[i]);
            letters += !sl_is_digit(words.p[i]);
        } else if (digits > letters) {
            return true;
        } else {
            digits = 0;
            letters = 0;
        }
    }
    return false;
}

/* Shifted, mirrored, backward and leet stretches of the folded window. */
static sl_res take_ciphers(look *l, const sl_folded *folded)
{
    sl_ciphers *c = &l->scratch->ciphers[0];
    SL_TRY(sl_ciphers_find(folded->text, c));
    for (size_t i = 0; i < c->n; i++) {
        const sl_stretch *s = &c->items[i];
        sl_view text = sl_view_sub(sl_buf_view(&c->bytes), s->at, s->at + (s->end - s->start));
        SL_TRY(run_engines(l, text));
        for (size_t k = 0; k < l->scratch->raw.n; k++) {
            sl_finding f = l->scratch->raw.items[k];
            size_t start = 0;
            size_t end = 0;
            sl_stretch_origin(s, f.start, f.end, &start, &end);
            if (s->kind == SL_VIEW_LEET && f.kind == SL_CLASS_NAME &&
                has_measure(sl_view_sub(folded->text, start, end))) {
                continue;
            }
            f.start = sl_folded_start(folded, start);
            f.end = sl_folded_end(folded, end);
            f.view = s->kind;
            SL_TRY(is_known(l->out, &f) ? SL_DONE : sl_findings_add(l->out, f));
        }
    }
    return SL_DONE;
}

static sl_res take_views(look *l, const sl_folded *folded, size_t *ret_open)
{
    sl_views *views = &l->scratch->views[0];
    SL_TRY(sl_views_find(folded->text, views));
    if (views->open_from < folded->text.n) {
        *ret_open = sl_folded_start(folded, views->open_from);
    }
    for (size_t i = 0; i < views->n; i++) {
        SL_TRY(take_segment(l, folded, &views->items[i]));
    }
    return SL_DONE;
}

/* Hidden text stands for the span from its first to its last carrier. */
static sl_res take_payload(look *l, sl_view payload)
{
    size_t start = l->window.n;
    size_t end = 0;
    for (size_t i = 0; i < l->out->n; i++) {
        const sl_finding *f = &l->out->items[i];
        if (f->kind == SL_CLASS_INVISIBLE_TEXT) {
            start = f->start < start ? f->start : start;
            end = f->end > end ? f->end : end;
        }
    }
    return start < end ? take_whole(l, payload, 1, start, end, SL_VIEW_HIDDEN) : SL_DONE;
}

/* All that a decoded run says stands for the run: each class of it counts. */
static bool is_another_class(const sl_findings *kept, size_t n, const sl_finding *f)
{
    bool beside = false;
    for (size_t i = n; i > 0 && kept->items[i - 1].start == f->start; i--) {
        const sl_finding *k = &kept->items[i - 1];
        bool same = k->end == f->end && k->detector == f->detector;
        if (same && k->kind == f->kind) {
            return false;
        }
        beside = beside || same;
    }
    return beside && f->view != SL_VIEW_PLAIN;
}

/* Drops what lies inside a finding of the same engine; of equal spans the better score stays. A
 * pattern's finding inside one of the tagger (a postal code in an address) stays as well. */
static void resolve(sl_findings *all)
{
    size_t covered[SL_DETECTOR_COUNT + 1] = { 0 };
    size_t kept = 0;
    sl_findings_sort(all);
    for (size_t i = 0; i < all->n; i++) {
        sl_finding f = all->items[i];
        bool tagged = f.detector == SL_DETECTOR_PHI && f.rule == SL_NO_RULE;
        size_t engine = tagged ? SL_DETECTOR_COUNT : f.detector;
        bool inside = f.end <= covered[engine] || (tagged && f.end <= covered[SL_DETECTOR_PHI]);
        if (inside && !is_another_class(all, kept, &f)) {
            continue;
        }
        covered[engine] = f.end;
        all->items[kept++] = f;
    }
    all->n = kept;
}

/* A window may begin or end inside a character of the text around it; findings do not. */
static void to_boundaries(sl_view window, sl_findings *all)
{
    for (size_t i = 0; i < all->n; i++) {
        sl_finding *f = &all->items[i];
        for (size_t k = 0; k < 3 && f->start > 0 && !sl_utf8_boundary(window, f->start); k++) {
            f->start--;
        }
        for (size_t k = 0; k < 3 && f->end < window.n && !sl_utf8_boundary(window, f->end); k++) {
            f->end++;
        }
    }
}

sl_res sl_window_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view window,
                         sl_channel channel, sl_findings *findings, size_t *ret_open)
{
    look l = { detect, scratch, window, channel, &scratch->found };
    sl_folded plain;
    sl_folded unescaped;
    sl_findings_clear(&scratch->found);
    *ret_open = window.n;
    SL_TRY(sl_fold(window, false, &scratch->plain[0], &plain, &scratch->found));
    if (scratch->plain[0].payload.n != 0) {
        SL_TRY(take_payload(&l, sl_buf_view(&scratch->plain[0].payload)));
    }
    SL_TRY(take_mapped(&l, &plain, false));
    const sl_folded *seen = &plain;
    if (sl_fold_has_escapes(window)) {
        SL_TRY(sl_fold(window, true, &scratch->unescaped, &unescaped, NULL));
        SL_TRY(take_mapped(&l, &unescaped, true));
        seen = &unescaped;
    }
    SL_TRY(take_ciphers(&l, seen));
    SL_TRY(take_views(&l, seen, ret_open));
    to_boundaries(window, &scratch->found);
    resolve(&scratch->found);
    for (size_t i = 0; i < scratch->found.n; i++) {
        SL_TRY(sl_findings_add(findings, scratch->found.items[i]));
    }
    return SL_DONE;
}

/* Letters of scripts that are written without blanks end a token each. */
static bool stands_alone(uint32_t cp)
{
    return (cp >= 0x0E00 && cp <= 0x0EFF) || (cp >= 0x1000 && cp <= 0x109F) ||
           (cp >= 0x1780 && cp <= 0x17FF) || (cp >= 0x2E80 && cp <= 0x9FFF) ||
           (cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0xF900 && cp <= 0xFAFF) ||
           (cp >= 0x20000 && cp <= 0x3FFFF);
}

static bool ends_token(uint8_t b)
{
    return sl_is_blank(b) || b == '"' || b == '[' || b == ']' || b == '{' || b == '}' || b == '(' ||
           b == ')' || b == '<' || b == '>' || b == ',' || b == ';';
}

size_t sl_window_token(sl_view window)
{
    size_t at = window.n;
    while (at > 0) {
        uint8_t b = window.p[at - 1];
        if (ends_token(b)) {
            return at;
        }
        size_t start = at - 1;
        while (b >= 0x80 && start > 0 && at - start < 4 && (window.p[start] & 0xC0) == 0x80) {
            start--;
        }
        size_t length = 1;
        uint32_t cp = sl_utf8_next(window, start, &length);
        if (cp != SL_UTF8_BAD && start + length == at && stands_alone(cp)) {
            return at;
        }
        at--;
    }
    return 0;
}
