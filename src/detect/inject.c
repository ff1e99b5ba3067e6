/* Scoring texts by a pack (inject.h): sums of weights along the words, the windows over them, the
 * worst window, the stretches above the threshold and what weighed in them. It decides nothing. */
#include "detect/inject.h"

#include "base/utf8.h"
#include "detect/embedded.h"
#include "detect/inject_features.h"
#include "detect/siphash.h"

#define HEADER_BYTES ((size_t)80)
#define FRAME_WEIGHTS ((size_t)1 << SL_INJECT_FRAME_BITS)
#define WORD_BYTES ((size_t)8)
#define BITS_MIN 10U
#define BITS_MAX 24U
#define SMALL_SCALES 4

struct sl_inject {
    size_t owners; /* beyond the first */
    uint64_t check;
    sl_inject_channel channel;
    const int8_t *weights;
    unsigned shift;
    double step; /* thousandths of a logit that one unit of weight stands for */
    int32_t threshold;
    int32_t slope;
    int32_t decoded;
    int32_t biases[8];
    const int8_t *frame;
    double frame_step;  /* what one unit of a frame's weight stands for */
    double frame_bound; /* thousandths of a logit */
    sl_inject_words words;
};

struct sl_inject_work {
    sl_inject_texts texts;
    sl_inject_tokens tokens;
    int32_t *sums;    /* of weights before each token, and of all */
    uint32_t *counts; /* of features, likewise */
    int32_t *frames;  /* of weights as parts of a frame, likewise */
    int32_t *best; /* by token: the worst window above the threshold that covers it, or INT32_MIN */
    size_t cap;
};

/* ---- the pack ------------------------------------------------------------------------------ */

uint64_t sl_inject_pack_check(sl_view pack_without_check)
{
    static const uint8_t KEY[16] = "stoplog inject 1";
    return sl_siphash(KEY, pack_without_check);
}

static int32_t get_i32(const uint8_t *p)
{
    return (int32_t)sl_get_le32(p);
}

static sl_res fill_words(sl_inject *in, const uint8_t *p, uint32_t count)
{
    SL_TRY(sl_inject_words_init(&in->words, count));
    for (uint32_t i = 0; i < count; i++, p += WORD_BYTES) {
        SL_NEED(sl_get_le32(p) != 0 && sl_get_le16(p + 6) < 8, SL_E_RANGE);
        SL_TRY(sl_inject_words_put(&in->words, sl_get_le32(p), (uint8_t)sl_get_le16(p + 6),
                                   sl_get_le16(p + 4)));
    }
    return SL_DONE;
}

static sl_res fill(sl_inject *in, sl_view pack)
{
    SL_NEED(pack.n >= HEADER_BYTES + 8, SL_E_TRUNCATED);
    SL_NEED(memcmp(pack.p, "SLINJCT1", 8) == 0, SL_E_VERSION);
    SL_NEED(sl_get_le32(pack.p + 8) == 2, SL_E_VERSION);
    uint32_t channel = sl_get_le32(pack.p + 12);
    uint32_t bits = sl_get_le32(pack.p + 16);
    uint32_t count = sl_get_le32(pack.p + 20);
    SL_NEED(channel < SL_INJECT_CHANNELS && bits >= BITS_MIN && bits <= BITS_MAX &&
                count <= (1U << 20),
            SL_E_RANGE);
    size_t weights_at = HEADER_BYTES + count * WORD_BYTES;
    SL_NEED(pack.n == weights_at + ((size_t)1 << bits) + FRAME_WEIGHTS + 8, SL_E_TRUNCATED);
    SL_NEED(sl_get_le64(pack.p + pack.n - 8) ==
                sl_inject_pack_check(sl_view_sub(pack, 0, pack.n - 8)),
            SL_E_INTEGRITY);
    in->channel = (sl_inject_channel)channel;
    in->check = sl_get_le64(pack.p + pack.n - 8);
    in->shift = 32 - bits;
    in->step = (double)get_i32(pack.p + 24) / 1000.0;
    in->threshold = get_i32(pack.p + 28);
    in->slope = get_i32(pack.p + 32);
    in->decoded = get_i32(pack.p + 36);
    bool sane = in->step > 0 && in->step < 1000 && in->slope > 0 && in->slope < 100000;
    for (size_t i = 0; i < SL_COUNT_OF(in->biases); i++) {
        in->biases[i] = get_i32(pack.p + 40 + i * 4);
        sane = sane && in->biases[i] > -1000000 && in->biases[i] < 1000000;
    }
    in->frame_step = (double)get_i32(pack.p + 72) / 1e6;
    in->frame_bound = get_i32(pack.p + 76);
    sane = sane && in->frame_step >= 0 && in->frame_step < 1000 && in->frame_bound >= 0 &&
           in->frame_bound < 100000;
    sane = sane && in->threshold > -1000000 && in->threshold < 1000000 && in->decoded > -1000000 &&
           in->decoded < 1000000;
    SL_NEED(sane, SL_E_RANGE);
    in->weights = (const int8_t *)(pack.p + weights_at);
    in->frame = in->weights + ((size_t)1 << bits);
    return fill_words(in, pack.p + HEADER_BYTES, count);
}

sl_res sl_inject_open(sl_view pack, sl_inject **ret_inject)
{
    sl_inject *in = calloc(1, sizeof *in);
    SL_NEED(in != NULL, SL_E_MEMORY);
    sl_res r = fill(in, pack);
    if (!sl_ok(r)) {
        sl_inject_free(in);
        return r;
    }
    *ret_inject = in;
    return SL_DONE;
}

sl_res sl_inject_open_default(sl_inject_channel channel, sl_inject **ret_inject)
{
    const char *name = channel == SL_INJECT_USER ? "inject_user.pack" : "inject_data.pack";
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, name) == 0) {
            return sl_inject_open(sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n), ret_inject);
        }
    }
    return sl_fail(SL_E_BUG);
}

sl_inject *sl_inject_share(sl_inject *inject)
{
    inject->owners++;
    return inject;
}

void sl_inject_free(sl_inject *inject)
{
    if (inject == NULL) {
        return;
    }
    if (inject->owners > 0) {
        inject->owners--;
        return;
    }
    sl_inject_words_free(&inject->words);
    free(inject);
}

uint64_t sl_inject_check(const sl_inject *inject)
{
    return inject->check;
}

sl_inject_channel sl_inject_channel_of(const sl_inject *inject)
{
    return inject->channel;
}

sl_res sl_inject_work_new(sl_inject_work **ret_work)
{
    *ret_work = calloc(1, sizeof **ret_work);
    return *ret_work == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_inject_work_free(sl_inject_work *work)
{
    if (work != NULL) {
        sl_inject_texts_free(&work->texts);
        sl_inject_tokens_free(&work->tokens);
        free(work->sums);
        free(work->counts);
        free(work->frames);
        free(work->best);
        free(work);
    }
}

bool sl_inject_channel_for(sl_channel channel, sl_inject_channel *ret_channel)
{
    switch (channel) {
    case SL_CHANNEL_USER:
    case SL_CHANNEL_METADATA:
        *ret_channel = SL_INJECT_USER;
        return true;
    case SL_CHANNEL_TOOL_RESULT:
    case SL_CHANNEL_TOOL_DEFINITION:
    case SL_CHANNEL_DOCUMENT:
        *ret_channel = SL_INJECT_DATA;
        return true;
    case SL_CHANNEL_SYSTEM: /* the operator's own words, full of instructions by right */
    case SL_CHANNEL_ASSISTANT:
    case SL_CHANNEL_ANSWER:
    case SL_CHANNEL_TOOL_ARGUMENTS:
    case SL_CHANNEL_REASONING:
    case SL_CHANNEL_REFUSAL:
    case SL_CHANNEL_COUNT:
    default:
        return false;
    }
}

/* ---- sums and windows ---------------------------------------------------------------------- */

static sl_res make_room(sl_inject_work *w)
{
    size_t need = w->tokens.n + 1;
    if (w->cap >= need) {
        return SL_DONE;
    }
    int32_t *sums = realloc(w->sums, need * sizeof *sums);
    w->sums = sums == NULL ? w->sums : sums;
    uint32_t *counts = realloc(w->counts, need * sizeof *counts);
    w->counts = counts == NULL ? w->counts : counts;
    int32_t *frames = realloc(w->frames, need * sizeof *frames);
    w->frames = frames == NULL ? w->frames : frames;
    int32_t *best = realloc(w->best, need * sizeof *best);
    w->best = best == NULL ? w->best : best;
    SL_NEED(sums != NULL && counts != NULL && frames != NULL && best != NULL, SL_E_MEMORY);
    w->cap = need;
    return SL_DONE;
}

static sl_res add_up(const sl_inject *in, sl_inject_work *w, sl_view folded)
{
    SL_TRY(sl_inject_tokenise(&in->words, folded, &w->tokens));
    SL_TRY(make_room(w));
    int32_t sum = 0;
    uint32_t count = 0;
    int32_t frame = 0;
    w->sums[0] = 0;
    w->counts[0] = 0;
    w->frames[0] = 0;
    for (size_t i = 0; i < w->tokens.n; i++) {
        uint32_t features[SL_INJECT_FEATURES_MAX];
        size_t n = sl_inject_features(&w->tokens, i, features);
        for (size_t k = 0; k < n; k++) {
            sum += in->weights[features[k] * UINT32_C(0x9E3779B1) >> in->shift];
        }
        for (size_t k = 0; k < SL_INJECT_FRAME_FEATURES; k++) {
            frame += in->frame[features[k] * UINT32_C(0x9E3779B1) >> (32 - SL_INJECT_FRAME_BITS)];
        }
        count += (uint32_t)n;
        w->frames[i + 1] = frame;
        w->sums[i + 1] = sum;
        w->counts[i + 1] = count;
    }
    return SL_DONE;
}

/* What stands around a window says for or against it, bounded. */
static double frame_logit(const sl_inject *in, const sl_inject_work *w, size_t from, size_t to)
{
    size_t low = 0;
    size_t high = 0;
    double norm = sl_inject_frame(w->tokens.n, from, to, &low, &high);
    int32_t sum = w->frames[from] - w->frames[low] + w->frames[high] - w->frames[to];
    return in->frame_bound * sl_inject_squash((double)sum * in->frame_step / norm);
}

static int32_t window_logit(const sl_inject *in, const sl_inject_work *w, int scale, size_t from,
                            size_t to, bool decoded)
{
    double sum = (double)(w->sums[to] - w->sums[from]) * in->step;
    double logit = sum / sl_inject_norm(w->counts[to] - w->counts[from]);
    logit += frame_logit(in, w, from, to);
    return (int32_t)logit + in->biases[scale] + (decoded ? in->decoded : 0);
}

/* ---- where in the original ----------------------------------------------------------------- */

static void place(const sl_inject_text *text, size_t from, size_t to, size_t *ret_start,
                  size_t *ret_end)
{
    if (text->map == NULL) {
        *ret_start = text->base + text->start;
        *ret_end = text->base + text->end;
        return;
    }
    *ret_start = text->base + sl_folded_start(text->map, from);
    *ret_end = text->base + sl_folded_end(text->map, to);
}

static void place_tokens(const sl_inject_work *w, const sl_inject_text *text, size_t from,
                         size_t to, size_t *ret_start, size_t *ret_end)
{
    place(text, w->tokens.items[from].start, w->tokens.items[to - 1].end, ret_start, ret_end);
}

/* The tokens that weighed most in a window, each with the word before it, heaviest first. */
static void give_reasons(const sl_inject *in, const sl_inject_work *w, const sl_inject_text *text,
                         size_t from, size_t to, sl_inject_hit *hit)
{
    double unit = in->step / sl_inject_norm(w->counts[to] - w->counts[from]);
    for (size_t i = from; i < to; i++) {
        int32_t weight = (int32_t)((double)(w->sums[i + 1] - w->sums[i]) * unit);
        size_t at = hit->reasons_n;
        while (at > 0 && hit->reasons[at - 1].weight < weight) {
            at--;
        }
        if (weight <= 0 || at >= SL_INJECT_REASONS_MAX) {
            continue;
        }
        if (hit->reasons_n < SL_INJECT_REASONS_MAX) {
            hit->reasons_n++;
        }
        for (size_t k = hit->reasons_n - 1U; k > at; k--) {
            hit->reasons[k] = hit->reasons[k - 1];
        }
        sl_inject_reason one = { .weight = weight };
        place_tokens(w, text, i > from ? i - 1 : i, i + 1, &one.start, &one.end);
        hit->reasons[at] = one;
    }
}

/* ---- a text's score ------------------------------------------------------------------------ */

typedef struct {
    const sl_inject *in;
    sl_inject_work *work;
    sl_view document;
    sl_inject_result *result;
    sl_findings *findings;
} scoring;

static sl_res score_text(void *context, const sl_inject_text *text)
{
    scoring *s = context;
    sl_inject_work *w = s->work;
    int scale = -1;
    size_t from = 0;
    size_t to = 0;
    size_t worst_from = 0;
    size_t worst_to = 0;
    bool decoded = sl_inject_is_decoded(text->view);
    SL_TRY(add_up(s->in, w, text->folded));
    while (sl_inject_next_window(w->tokens.n, &scale, &from, &to)) {
        int32_t logit = window_logit(s->in, w, scale, from, to, decoded);
        if (logit > s->result->logit) {
            s->result->logit = logit;
            worst_from = from;
            worst_to = to;
        }
    }
    if (worst_to > 0) {
        sl_inject_hit *hit = &s->result->worst;
        *hit = (sl_inject_hit){ .logit = s->result->logit, .view = text->view };
        place_tokens(w, text, worst_from, worst_to, &hit->start, &hit->end);
        give_reasons(s->in, w, text, worst_from, worst_to, hit);
    }
    return SL_DONE;
}

/* x / (1 + |x|) about the threshold: the same on every machine, unlike exp. */
static uint16_t permille(const sl_inject *in, int32_t logit)
{
    double x = (double)(logit - in->threshold) * (double)in->slope / 1e6;
    return (uint16_t)(500.0 + 499.0 * sl_inject_squash(x));
}

sl_res sl_inject_score(const sl_inject *inject, sl_inject_work *work, sl_view text,
                       sl_inject_result *ret_result)
{
    sl_inject_result result = { .logit = INT32_MIN };
    scoring s = { .in = inject, .work = work, .document = text, .result = &result };
    SL_TRY(sl_inject_each_text(&work->texts, text, score_text, &s));
    if (result.logit == INT32_MIN) {
        result.logit = -100000;
    }
    result.score_permille = permille(inject, result.logit);
    *ret_result = result;
    return SL_DONE;
}

/* ---- findings ------------------------------------------------------------------------------ */

static void to_boundaries(sl_view v, size_t *start, size_t *end)
{
    for (size_t k = 0; k < 3 && *start > 0 && !sl_utf8_boundary(v, *start); k++) {
        --*start;
    }
    for (size_t k = 0; k < 3 && *end < v.n && !sl_utf8_boundary(v, *end); k++) {
        ++*end;
    }
}

static sl_res add_finding(scoring *s, const sl_inject_text *text, size_t from, size_t to,
                          int32_t logit)
{
    sl_finding f = { .attribution = SL_NO_ATTRIBUTION,
                     .rule = SL_NO_RULE,
                     .policy_rule = SL_NO_RULE,
                     .score_permille = permille(s->in, logit),
                     .detector = SL_DETECTOR_INJECT,
                     .kind = SL_CLASS_INSTRUCTION,
                     .view = text->view };
    place_tokens(s->work, text, from, to, &f.start, &f.end);
    to_boundaries(s->document, &f.start, &f.end);
    /* The same stretch of two overlapping chunks, or of the text and its unescaped self, is one. */
    for (size_t i = s->findings->n; i > 0 && i + 8 > s->findings->n; i--) {
        sl_finding *last = &s->findings->items[i - 1];
        bool same =
            last->detector == SL_DETECTOR_INJECT && last->start < f.end && f.start < last->end;
        if (same) {
            last->start = f.start < last->start ? f.start : last->start;
            last->end = f.end > last->end ? f.end : last->end;
            last->view = f.score_permille > last->score_permille ? f.view : last->view;
            last->score_permille =
                f.score_permille > last->score_permille ? f.score_permille : last->score_permille;
            return SL_DONE;
        }
    }
    return f.start < f.end ? sl_findings_add(s->findings, f) : SL_DONE;
}

/* Marks the tokens of every window above the threshold; a window is marked by its best end only as
 * far as it adds, so that the work stays linear: windows of one scale overlap four times at most. */
static bool mark(const scoring *s, bool decoded, int scales)
{
    sl_inject_work *w = s->work;
    int scale = -1;
    size_t from = 0;
    size_t to = 0;
    bool any = false;
    for (size_t i = 0; i < w->tokens.n; i++) {
        w->best[i] = INT32_MIN;
    }
    while (sl_inject_next_window(w->tokens.n, &scale, &from, &to) && scale < scales) {
        int32_t logit = window_logit(s->in, w, scale, from, to, decoded);
        if (logit < s->in->threshold) {
            continue;
        }
        any = true;
        for (size_t i = from; i < to; i++) {
            w->best[i] = logit > w->best[i] ? logit : w->best[i];
        }
    }
    return any;
}

static sl_res scan_text(void *context, const sl_inject_text *text)
{
    scoring *s = context;
    sl_inject_work *w = s->work;
    bool decoded = sl_inject_is_decoded(text->view);
    SL_TRY(add_up(s->in, w, text->folded));
    /* Small windows say where; large ones are asked only when those are silent. */
    if (!mark(s, decoded, SMALL_SCALES) && !mark(s, decoded, SL_INJECT_SCALES)) {
        return SL_DONE;
    }
    for (size_t i = 0; i < w->tokens.n;) {
        size_t from = i;
        int32_t logit = INT32_MIN;
        while (i < w->tokens.n && w->best[i] != INT32_MIN) {
            logit = w->best[i] > logit ? w->best[i] : logit;
            i++;
        }
        if (i > from) {
            SL_TRY(add_finding(s, text, from, i, logit));
        } else {
            i++;
        }
    }
    return SL_DONE;
}

sl_res sl_inject_scan(const sl_inject *inject, sl_inject_work *work, sl_view text,
                      sl_findings *findings)
{
    scoring s = { .in = inject, .work = work, .document = text, .findings = findings };
    return sl_inject_each_text(&work->texts, text, scan_text, &s);
}
