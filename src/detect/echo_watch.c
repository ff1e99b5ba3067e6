/* Echo for streams and whole strings (echo_watch.h). */
#include "detect/echo_watch.h"

struct sl_echo_watch {
    size_t count;
    sl_echo_scan **scans;
    sl_echo_matches *closed; /* of each index: matches that nothing joins any more */
    sl_echo_matches open;
};

/* Bits a point of the score: a match of 125 bits and more is certain. */
#define PERMILLE_A_BIT 8U

void sl_echo_watch_free(sl_echo_watch *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        sl_echo_scan_free(w->scans[i]);
        sl_echo_matches_free(&w->closed[i]);
    }
    sl_echo_matches_free(&w->open);
    free(w->scans);
    free(w->closed);
    free(w);
}

static sl_res begin_scans(sl_echo_watch *w, const sl_detect *detect, sl_scratch *scratch)
{
    w->scans = calloc(detect->echo_count, sizeof *w->scans);
    w->closed = calloc(detect->echo_count, sizeof *w->closed);
    SL_NEED(w->scans != NULL && w->closed != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < detect->echo_count; i++) {
        SL_TRY(sl_echo_scan_new(detect->echoes[i].index, scratch->echo, &w->scans[i]));
        w->count++;
    }
    return SL_DONE;
}

sl_res sl_echo_watch_new(const sl_detect *detect, sl_scratch *scratch, sl_echo_watch **ret_watch)
{
    *ret_watch = NULL;
    if (detect->echo_count == 0) {
        return SL_DONE;
    }
    /* Scratch is often made before the first index is there. */
    if (scratch->echo == NULL) {
        SL_TRY(sl_echo_scratch_new(NULL, &scratch->echo));
    }
    sl_echo_watch *w = calloc(1, sizeof *w);
    SL_NEED(w != NULL, SL_E_MEMORY);
    sl_res r = begin_scans(w, detect, scratch);
    if (!sl_ok(r)) {
        sl_echo_watch_free(w);
        return r;
    }
    *ret_watch = w;
    return SL_DONE;
}

sl_res sl_echo_watch_feed(sl_echo_watch *w, sl_view text, bool last)
{
    for (size_t i = 0; i < w->count; i++) {
        SL_TRY(sl_echo_scan_feed(w->scans[i], text, &w->closed[i]));
        if (last) {
            SL_TRY(sl_echo_scan_finish(w->scans[i], &w->closed[i]));
        }
    }
    return SL_DONE;
}

static sl_res take(const sl_echo_match *m, size_t index, uint64_t base, sl_findings *findings,
                   uint64_t *early)
{
    uint64_t before = m->start < base ? base - m->start : 0;
    uint64_t score = (uint64_t)m->bits * PERMILLE_A_BIT;
    *early = before > *early ? before : *early;
    return sl_findings_add(findings,
                           (sl_finding){ .start = (size_t)(before != 0 ? 0 : m->start - base),
                                         .end = (size_t)(m->end - base),
                                         .attribution = (uint64_t)m->segment << 32 | m->record,
                                         .rule = (uint16_t)index,
                                         .policy_rule = SL_NO_RULE,
                                         .score_permille = (uint16_t)(score > 1000 ? 1000 : score),
                                         .detector = SL_DETECTOR_ECHO,
                                         .kind = SL_CLASS_RECORD,
                                         .view = SL_VIEW_FOLDED });
}

/* Of a list of matches; those that are settled and behind are dropped from it. */
static sl_res take_list(sl_echo_matches *list, size_t index, uint64_t base, uint64_t decided,
                        sl_findings *findings, uint64_t *early)
{
    size_t kept = 0;
    for (size_t k = 0; k < list->n; k++) {
        const sl_echo_match *m = &list->items[k];
        if (!sl_echo_is_strong(m) || m->end <= decided) {
            continue;
        }
        SL_TRY(take(m, index, base, findings, early));
        list->items[kept++] = *m;
    }
    list->n = kept;
    return SL_DONE;
}

sl_res sl_echo_watch_findings(sl_echo_watch *w, uint64_t base, uint64_t decided,
                              sl_findings *findings, uint64_t *ret_early)
{
    *ret_early = 0;
    for (size_t i = 0; i < w->count; i++) {
        SL_TRY(take_list(&w->closed[i], i, base, decided, findings, ret_early));
        w->open.n = 0;
        SL_TRY(sl_echo_scan_open(w->scans[i], &w->open));
        SL_TRY(take_list(&w->open, i, base, decided, findings, ret_early));
    }
    return SL_DONE;
}
