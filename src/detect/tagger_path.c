/* The best path (tagger_path.h): portable form, and the walk over segments that all forms share. */
#include "detect/tagger_path.h"

#include "detect/tagger_calm.h"

_Static_assert(SL_TAG_LANES == SL_TAG_COUNT, "every lane is a tag");
_Static_assert(SL_TAG_FEATURES_MAX * 128 <= INT16_MAX, "sums of rows fit 16 bits");

static void find_rows_portable(const sl_tag_model *model,
                               const uint32_t values[SL_TAG_CONTEXT_LANES],
                               uint32_t rows[SL_TAG_CONTEXT_LANES])
{
    for (size_t i = 0; i < SL_TAG_CONTEXT_LANES; i++) {
        rows[i] = (sl_tag_feature(SL_TAG_TEMPLATES[i], values[i]) & model->mask) * SL_TAG_LANES;
    }
}

static void step_portable(const sl_tag_model *model, const sl_tag_evidence *evidence,
                          const int32_t *before, int32_t now[SL_TAG_LANES],
                          uint8_t from[SL_TAG_LANES])
{
    int32_t own[SL_TAG_LANES];
    int32_t best[SL_TAG_LANES];
    for (size_t k = 0; k < SL_TAG_LANES; k++) {
        own[k] = evidence->own[k];
        best[k] = before == NULL ? model->transitions[SL_TAG_BEGIN][k] : SL_TAG_IMPOSSIBLE;
        from[k] = 0;
    }
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        for (size_t k = 0; k < SL_TAG_LANES; k++) {
            own[k] += evidence->near[i][k];
        }
    }
    for (size_t i = 0; i < SL_TAG_CONTEXT; i++) {
        const int8_t *row = model->weights + evidence->rows[i];
        for (size_t k = 0; k < SL_TAG_LANES; k++) {
            own[k] += row[k];
        }
    }
    own[SL_TAG_OUTSIDE] -= model->bias;
    for (size_t last = 0; before != NULL && last < SL_TAG_LANES; last++) {
        for (size_t k = 0; k < SL_TAG_LANES; k++) {
            int32_t score = before[last] + model->transitions[last][k];
            from[k] = score > best[k] ? (uint8_t)last : from[k];
            best[k] = score > best[k] ? score : best[k];
        }
    }
    for (size_t k = 0; k < SL_TAG_LANES; k++) {
        now[k] = best[k] + own[k];
    }
}

const sl_tag_kernel SL_TAG_KERNEL_PORTABLE = { .name = "portable",
                                               .find_rows = find_rows_portable,
                                               .step = step_portable };

static uint8_t best_of(const int32_t score[SL_TAG_LANES])
{
    size_t best = 0;
    for (size_t k = 1; k < SL_TAG_LANES; k++) {
        best = score[k] > score[best] ? k : best;
    }
    return (uint8_t)best;
}

/* Where the walk is: the token at which the line began, and the last colon (0: none). */
typedef struct {
    const sl_tag_words *words;
    sl_tag_tokens *tokens;
    size_t line;
    size_t colon;
    uint32_t colon_hash;
} walk;

static sl_tag_line line_at(const walk *w, size_t at)
{
    sl_tag_line line = { 0 };
    size_t place = at - w->line;
    line.place = (uint32_t)(place < SL_TAG_LINE_BACK ? place : SL_TAG_LINE_BACK);
    if (w->colon != 0 && w->colon >= w->line && at - w->colon <= SL_TAG_LINE_BACK) {
        line.label = w->tokens->items[w->colon - 1].lower;
        line.since = (uint32_t)(at - w->colon);
    }
    return line;
}

/* A token that waits for its turn while the rows that it needs come from memory. */
typedef struct {
    sl_tag_evidence evidence;
    bool plain;
} waiting;

/* Tokens are made ready so far ahead: the rows lie all over two megabytes. */
#define AHEAD ((size_t)6)
#define WAITING ((size_t)8)

static void make_ready(const sl_tag_kernel *kernel, const walk *w, size_t at, sl_tag_evidence *out)
{
    uint32_t values[SL_TAG_CONTEXT_LANES] __attribute__((uninitialized));
    const sl_tag_model *model = w->words->model;
    sl_tag_line line = line_at(w, at);
    sl_tag_context(w->tokens, at, &line, values);
    kernel->find_rows(model, values, out->rows);
    for (size_t i = 0; i < SL_TAG_CONTEXT; i++) {
        __builtin_prefetch(model->weights + out->rows[i]);
    }
    out->own = w->words->items[w->tokens->items[at].word].own;
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        const sl_tag_token *other = sl_tag_at(w->tokens, at + i - (i < 3 ? 3U : 2U));
        out->near[i] = w->words->items[other->word].near[i];
        __builtin_prefetch(out->near[i]);
    }
}

/* The next token of the walk. */
static void walk_on(const sl_tag_kernel *kernel, walk *w, size_t at, waiting *one)
{
    const sl_tag_token *t = &w->tokens->items[at];
    w->line = t->lines != 0 ? at : w->line;
    one->plain = sl_tag_is_plain(w->tokens, at);
    if (!one->plain) {
        make_ready(kernel, w, at, &one->evidence);
    }
    w->colon = t->lower == w->colon_hash ? at : w->colon;
}

/* `leave`: what it counts to go on from a tag; NULL at a segment's end. */
static void label_back(sl_tag_tokens *tokens, size_t begin, size_t end, const int32_t *leave,
                       int32_t score[SL_TAG_LANES], uint8_t (*from)[SL_TAG_LANES])
{
    if (begin == end) {
        return;
    }
    for (size_t k = 0; leave != NULL && k < SL_TAG_LANES; k++) {
        score[k] += leave[k];
    }
    uint8_t tag = best_of(score);
    for (size_t i = end; i > begin; i--) {
        tokens->items[i - 1].label = tag;
        tag = from[i - 1][tag];
    }
}

/* A token that nobody need ask is outside, so the paths before and behind it are found apart. */
static void walk_segment(const sl_tag_kernel *kernel, walk *w, size_t begin, size_t end,
                         uint8_t (*from)[SL_TAG_LANES])
{
    waiting queue[WAITING] __attribute__((uninitialized));
    const sl_tag_model *model = w->words->model;
    int32_t leave[SL_TAG_LANES];
    int32_t score[SL_TAG_LANES] = { 0 };
    size_t stretch = begin; /* of tokens that are asked */
    size_t ready = begin;
    for (size_t k = 0; k < SL_TAG_LANES; k++) {
        leave[k] = model->transitions[k][SL_TAG_OUTSIDE];
    }
    for (size_t i = begin; i < end; i++) {
        for (; ready < end && ready <= i + AHEAD; ready++) {
            walk_on(kernel, w, ready, &queue[ready % WAITING]);
        }
        const waiting *one = &queue[i % WAITING];
        if (one->plain) {
            label_back(w->tokens, stretch, i, leave, score, from);
            w->tokens->items[i].label = SL_TAG_OUTSIDE;
            stretch = i + 1;
            continue;
        }
        if (stretch == i) {
            for (size_t k = 0; k < SL_TAG_LANES; k++) {
                score[k] = k == SL_TAG_OUTSIDE ? 0 : SL_TAG_IMPOSSIBLE;
            }
        }
        kernel->step(model, &one->evidence, i == begin ? NULL : score, score, from[i]);
    }
    label_back(w->tokens, stretch, end, NULL, score, from);
}

sl_res sl_tag_path_find(const sl_tag_kernel *kernel, const sl_tag_words *words,
                        sl_tag_tokens *tokens, sl_tag_path *path)
{
    if (path->cap < tokens->n) {
        uint8_t(*from)[SL_TAG_LANES] = realloc(path->from, tokens->cap * sizeof *from);
        SL_NEED(from != NULL, SL_E_MEMORY);
        path->from = from;
        path->cap = tokens->cap;
    }
    walk w = { .words = words, .tokens = tokens, .colon_hash = sl_tag_colon() };
    for (size_t begin = 0; begin < tokens->n;) {
        size_t end = sl_tag_segment_end(tokens, begin);
        walk_segment(kernel, &w, begin, end, path->from);
        begin = end;
    }
    return SL_DONE;
}

void sl_tag_path_free(sl_tag_path *path)
{
    free(path->from);
    *path = (sl_tag_path){ 0 };
}
