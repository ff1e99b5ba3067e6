/* Echo for streams and whole strings (echo_watch.h). */
#include "detect/echo_watch.h"

/* A question shows so much of the text before and behind the match. */
#define AROUND_BYTES ((uint64_t)512)
#define SHOWN_BYTES_MAX ((uint64_t)8192)
#define KEPT_BYTES_MAX ((size_t)16384)
/* Asked when so much text stands behind what matched first: fifteen words are whole then, and less has
 * passed than a stream holds back. Asked again for every hit more, as often as this. */
#define SETTLE_BYTES ((uint64_t)96)
#define ASKED_EACH_MAX 6U
#define DOUBTS_MAX ((size_t)64)
#define ASKED_MAX 256U

/* What became of one suspicion. */
typedef struct {
    uint64_t due; /* asked when so much of the text was seen */
    size_t index;
    uint32_t segment;
    uint32_t first_block;
    uint32_t hits; /* when it was last asked about; 0: never */
    uint32_t asked;
    uint8_t lane;
    sl_echo_answer answer;
} doubt;

struct sl_echo_watch {
    const sl_detect *detect;
    size_t count;
    sl_echo_scan **scans;
    sl_echo_matches *closed; /* of each index: matches that nothing joins any more */
    sl_echo_matches open;
    sl_echo_ask ask; /* NULL: nobody to ask */
    void *ask_context;
    sl_view whole;    /* a text that came at once */
    sl_buf kept;      /* else its end */
    uint64_t kept_at; /* where that begins */
    uint64_t seen;
    bool ended;
    doubt doubts[DOUBTS_MAX];
    size_t doubt_count;
    size_t doubt_next;
    uint32_t asked;
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
    sl_buf_free(&w->kept);
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

sl_res sl_echo_watch_new(const sl_detect *detect, sl_scratch *scratch, bool asks,
                         sl_echo_watch **ret_watch)
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
    w->detect = detect;
    w->ask = asks ? scratch->ask : NULL;
    w->ask_context = scratch->ask_context;
    w->kept.max = KEPT_BYTES_MAX;
    sl_res r = begin_scans(w, detect, scratch);
    if (!sl_ok(r)) {
        sl_echo_watch_free(w);
        return r;
    }
    *ret_watch = w;
    return SL_DONE;
}

/* What questions may show of the text: all of it, or its end. */
static sl_res keep(sl_echo_watch *w, sl_view text, bool last)
{
    w->whole = last && w->seen == 0 ? text : (sl_view){ 0 };
    w->seen += text.n;
    w->ended = last;
    if (w->ask == NULL || w->whole.n != 0) {
        return SL_DONE;
    }
    text = sl_view_sub(text, text.n > SHOWN_BYTES_MAX ? text.n - SHOWN_BYTES_MAX : 0, text.n);
    if (w->kept.n + text.n > KEPT_BYTES_MAX) {
        sl_buf_drop_front(&w->kept, w->kept.n + text.n - KEPT_BYTES_MAX);
    }
    SL_TRY(sl_buf_add(&w->kept, text));
    w->kept_at = w->seen - w->kept.n;
    return SL_DONE;
}

sl_res sl_echo_watch_feed(sl_echo_watch *w, sl_view text, bool last)
{
    SL_TRY(keep(w, text, last));
    for (size_t i = 0; i < w->count; i++) {
        SL_TRY(sl_echo_scan_feed(w->scans[i], text, &w->closed[i]));
        if (last) {
            SL_TRY(sl_echo_scan_finish(w->scans[i], &w->closed[i]));
        }
    }
    return SL_DONE;
}

/* ---- questions ----------------------------------------------------------------------------------- */

static doubt *doubt_about(sl_echo_watch *w, size_t index, const sl_echo_match *m)
{
    for (size_t i = 0; i < w->doubt_count; i++) {
        doubt *d = &w->doubts[i];
        if (d->index == index && d->segment == m->segment && d->lane == m->lane &&
            d->first_block == m->first_block) {
            return d;
        }
    }
    doubt *d = &w->doubts[w->doubt_next];
    w->doubt_next = (w->doubt_next + 1) % DOUBTS_MAX;
    w->doubt_count += w->doubt_count < DOUBTS_MAX;
    /* A structure that matched is whole, or has said enough. */
    *d = (doubt){ .due = m->end + (m->lane == SL_ECHO_STRUCTURES ? 0 : SETTLE_BYTES),
                  .index = index,
                  .segment = m->segment,
                  .first_block = m->first_block,
                  .lane = m->lane };
    return d;
}

static sl_view shown(const sl_echo_watch *w, const sl_echo_match *m)
{
    sl_view text = w->whole.n != 0 ? w->whole : sl_buf_view(&w->kept);
    uint64_t base = w->whole.n != 0 ? 0 : w->kept_at;
    uint64_t to = m->end + AROUND_BYTES;
    uint64_t from = m->start > AROUND_BYTES ? m->start - AROUND_BYTES : 0;
    from = to - from > SHOWN_BYTES_MAX ? to - SHOWN_BYTES_MAX : from;
    from = from > base ? from - base : 0;
    return sl_view_sub(text, (size_t)from, to > base ? (size_t)(to - base) : 0);
}

static void ask(sl_echo_watch *w, const sl_echo_match *m, doubt *d)
{
    const sl_detect_echo *echo = &w->detect->echoes[d->index];
    sl_echo_place place;
    d->due = w->seen + SETTLE_BYTES;
    d->hits = m->hits;
    d->asked++;
    w->asked++;
    if (!sl_echo_place_of(echo->index, m, &place)) {
        d->answer = SL_ECHO_UNKNOWN;
        return;
    }
    sl_echo_question q = { .index = sl_view_of(echo->name, echo->name_n),
                           .place = &place,
                           .text = shown(w, m) };
    d->answer = w->ask(w->ask_context, &q);
}

typedef enum { WAITS, COUNTS, NOTHING } standing;

static standing by_itself(const sl_echo_match *m)
{
    return sl_echo_is_strong(m) ? COUNTS : NOTHING;
}

/* Whether a match counts, as far as is known now. */
static standing stand(sl_echo_watch *w, size_t index, const sl_echo_match *m, doubt **ret)
{
    *ret = NULL;
    if (w->ask == NULL || m->bits < SL_ECHO_ASK_BITS) {
        return by_itself(m);
    }
    doubt *d = doubt_about(w, index, m);
    *ret = d;
    bool more = m->hits > d->hits && d->answer != SL_ECHO_SAME;
    if (more && d->asked < ASKED_EACH_MAX && w->asked < ASKED_MAX) {
        if (w->seen < d->due && !w->ended) {
            return d->asked == 0 ? WAITS : (d->answer == SL_ECHO_OTHER ? NOTHING : by_itself(m));
        }
        ask(w, m, d);
    }
    switch (d->answer) {
    case SL_ECHO_SAME:
        return COUNTS;
    case SL_ECHO_OTHER:
        return NOTHING; /* another text that shares some phrases */
    case SL_ECHO_UNKNOWN:
        break;
    }
    return by_itself(m);
}

/* ---- findings ------------------------------------------------------------------------------------ */

static uint64_t score_of(const sl_echo_match *m, const doubt *d)
{
    uint64_t score = (uint64_t)m->bits * PERMILLE_A_BIT;
    bool certain = score > 1000 || (d != NULL && d->answer == SL_ECHO_SAME);
    return certain ? 1000 : score;
}

static sl_res take(const sl_echo_match *m, size_t index, uint64_t score, uint64_t base,
                   sl_findings *findings, uint64_t *early)
{
    uint64_t before = m->start < base ? base - m->start : 0;
    *early = before > *early ? before : *early;
    return sl_findings_add(findings,
                           (sl_finding){ .start = (size_t)(before != 0 ? 0 : m->start - base),
                                         .end = (size_t)(m->end - base),
                                         .attribution = (uint64_t)m->segment << 32 | m->record,
                                         .rule = (uint16_t)index,
                                         .policy_rule = SL_NO_RULE,
                                         .score_permille = (uint16_t)score,
                                         .detector = SL_DETECTOR_ECHO,
                                         .kind = SL_CLASS_RECORD,
                                         .view = SL_VIEW_FOLDED });
}

/* Of a list of matches; those that are settled and behind are dropped from it. */
static sl_res take_list(sl_echo_watch *w, sl_echo_matches *list, size_t index, uint64_t base,
                        uint64_t decided, sl_findings *findings, uint64_t *early)
{
    size_t kept = 0;
    for (size_t k = 0; k < list->n; k++) {
        const sl_echo_match *m = &list->items[k];
        doubt *d = NULL;
        standing how = m->end <= decided ? NOTHING : stand(w, index, m, &d);
        if (how == COUNTS) {
            SL_TRY(take(m, index, score_of(m, d), base, findings, early));
        }
        if (how == COUNTS || how == WAITS) {
            list->items[kept++] = *m;
        }
    }
    list->n = kept;
    return SL_DONE;
}

sl_res sl_echo_watch_findings(sl_echo_watch *w, uint64_t base, uint64_t decided,
                              sl_findings *findings, uint64_t *ret_early)
{
    *ret_early = 0;
    for (size_t i = 0; i < w->count; i++) {
        SL_TRY(take_list(w, &w->closed[i], i, base, decided, findings, ret_early));
        w->open.n = 0;
        SL_TRY(sl_echo_scan_open(w->scans[i], &w->open));
        SL_TRY(take_list(w, &w->open, i, base, decided, findings, ret_early));
    }
    return SL_DONE;
}
