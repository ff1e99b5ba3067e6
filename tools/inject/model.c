/* Learning (model.h): logistic regression on each row's worst window, by AdaGrad. A harmless row is
 * also taught on a window drawn at random, so that no part of it looks like an attack. */
#include <math.h>

#include "model.h"

#define RATE 0.25f
#define DECAY 2e-6f
#define EPOCHS_AVERAGED 3
/* How much more a harmless text counts that looks like an attack. People ask about attacks, play roles and take
 * back what they wrote all day; documents rarely do. */
#define HARD_TYPED 50.0f
#define HARD_DATA 8.0f
/* What the frame of a window may add to its logit or take from it. */
#define BOUND_TYPED 2.0f
#define BOUND_DATA 2.0f

sl_res model_init(model *m, sl_inject_channel channel)
{
    *m = (model){ .w = calloc(BUCKETS, sizeof *m->w),
                  .g = calloc(BUCKETS, sizeof *m->g),
                  .frame = calloc(FRAME_BUCKETS, sizeof *m->frame),
                  .frame_g = calloc(FRAME_BUCKETS, sizeof *m->frame_g),
                  .bound = channel == SL_INJECT_USER ? BOUND_TYPED : BOUND_DATA,
                  .hard = channel == SL_INJECT_USER ? HARD_TYPED : HARD_DATA };
    SL_NEED(m->w != NULL && m->g != NULL && m->frame != NULL && m->frame_g != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < BUCKETS; i++) {
        m->g[i] = 0.02f;
    }
    for (size_t i = 0; i < FRAME_BUCKETS; i++) {
        m->frame_g[i] = 0.02f;
    }
    return SL_DONE;
}

void model_free(model *m)
{
    free(m->w);
    free(m->g);
    free(m->frame);
    free(m->frame_g);
}

/* Sums before each token of the text looked at: of weights, and of weights as parts of a frame. */
typedef struct {
    float *sums;
    float *frames;
    size_t cap;
} prefixes;

/* The k-th of a token's features that count in a frame. */
static uint32_t frame_feature(const cached *t, size_t token, size_t k)
{
    size_t first = token == 0 ? 0 : t->ends[token - 1];
    return t->features[first + k] >> (BITS - SL_INJECT_FRAME_BITS);
}

/* What the frame says before it is bounded. */
static float frame_sum(const cached *t, const prefixes *p, size_t from, size_t to, float *ret_norm)
{
    size_t low = 0;
    size_t high = 0;
    *ret_norm = (float)sl_inject_frame(t->tokens, from, to, &low, &high);
    return (p->frames[from] - p->frames[low] + p->frames[high] - p->frames[to]) / *ret_norm;
}

static float window_logit(const model *m, const cached *t, const prefixes *p, int scale,
                          size_t from, size_t to)
{
    float norm = 0;
    uint32_t count = t->ends[to - 1] - (from == 0 ? 0 : t->ends[from - 1]);
    float sum = p->sums[to] - p->sums[from];
    float frame = m->bound * (float)sl_inject_squash((double)frame_sum(t, p, from, to, &norm));
    return frame + sum / (float)sl_inject_norm(count) + m->biases[scale] +
           (t->decoded ? m->decoded : 0);
}

static const prefixes *sum_up(const model *m, const cached *t)
{
    static prefixes p;
    if (p.cap < t->tokens + 1U) {
        p.cap = (t->tokens + 1U) * 2;
        free(p.sums);
        free(p.frames);
        p.sums = calloc(p.cap, sizeof *p.sums);
        p.frames = calloc(p.cap, sizeof *p.frames);
        if (p.sums == NULL || p.frames == NULL) {
            abort();
        }
    }
    float sum = 0;
    float frame = 0;
    for (size_t i = 0, k = 0; i < t->tokens; i++) {
        for (; k < t->ends[i]; k++) {
            sum += m->w[t->features[k]];
        }
        for (size_t f = 0; f < SL_INJECT_FRAME_FEATURES; f++) {
            frame += m->frame[frame_feature(t, i, f)];
        }
        p.sums[i + 1] = sum;
        p.frames[i + 1] = frame;
    }
    return &p;
}

float model_score(const model *m, const row *r, cached **ret_text, int *ret_scale, size_t *ret_from,
                  size_t *ret_to)
{
    float best = -100;
    for (cached *t = r->texts; t != NULL; t = t->next) {
        const prefixes *sums = sum_up(m, t);
        int scale = -1;
        size_t from = 0;
        size_t to = 0;
        while (sl_inject_next_window(t->tokens, &scale, &from, &to)) {
            float logit = window_logit(m, t, sums, scale, from, to);
            if (logit > best) {
                best = logit;
                if (ret_text != NULL) {
                    *ret_text = t;
                    *ret_scale = scale;
                    *ret_from = from;
                    *ret_to = to;
                }
            }
        }
    }
    return best;
}

static void nudge(float *w, float *g, float gradient)
{
    *g += gradient * gradient;
    *w -= RATE * gradient / sqrtf(*g);
}

static void teach_frame(model *m, const cached *t, const prefixes *p, size_t from, size_t to,
                        float gradient)
{
    size_t low = 0;
    size_t high = 0;
    float norm = 0;
    float s = 1 + fabsf(frame_sum(t, p, from, to, &norm));
    (void)sl_inject_frame(t->tokens, from, to, &low, &high);
    for (size_t i = low; i < high; i++) {
        for (size_t k = 0; k < SL_INJECT_FRAME_FEATURES && (i < from || i >= to); k++) {
            uint32_t f = frame_feature(t, i, k);
            nudge(&m->frame[f], &m->frame_g[f], gradient * m->bound / (s * s) / norm);
            m->frame[f] -= m->frame[f] * DECAY;
        }
    }
}

/* `p` holds the sums of `t` by the weights of now. */
static void update(model *m, const cached *t, const prefixes *p, int scale, size_t from, size_t to,
                   float logit, int label, float weight)
{
    float gradient = (1.0f / (1.0f + expf(-logit)) - (float)label) * weight;
    if (fabsf(gradient) < 0.002f) {
        return;
    }
    size_t first = from == 0 ? 0 : t->ends[from - 1];
    size_t last = t->ends[to - 1];
    float x = 1.0f / (float)sl_inject_norm((uint32_t)(last - first));
    for (size_t k = first; k < last; k++) {
        uint32_t f = t->features[k];
        nudge(&m->w[f], &m->g[f], gradient * x);
        m->w[f] -= m->w[f] * DECAY;
    }
    teach_frame(m, t, p, from, to, gradient);
    nudge(&m->biases[scale], &m->bias_g[scale], gradient * 0.3f);
    if (t->decoded) {
        nudge(&m->decoded, &m->decoded_g, gradient * 0.3f);
    }
}

static void learn_random_window(model *m, const row *r, sl_prng *prng, float weight)
{
    const cached *t = r->texts;
    if (t == NULL || t->tokens < 8) {
        return;
    }
    int scale = (int)sl_prng_below(prng, 4);
    size_t words = SL_INJECT_SCALE_WORDS(scale);
    size_t from = t->tokens > words ? (size_t)sl_prng_below(prng, t->tokens - words) : 0;
    size_t to = from + words < t->tokens ? from + words : t->tokens;
    const prefixes *p = sum_up(m, t);
    update(m, t, p, scale, from, to, window_logit(m, t, p, scale, from, to), r->label, weight);
}

static void learn_row(model *m, const row *r, sl_prng *prng)
{
    cached *t = NULL;
    int scale = 0;
    size_t from = 0;
    size_t to = 0;
    float logit = model_score(m, r, &t, &scale, &from, &to);
    if (t != NULL) {
        update(m, t, sum_up(m, t), scale, from, to, logit, r->label, r->weight);
    }
    if (r->label == 0) {
        learn_random_window(m, r, prng, r->weight * 0.5f);
    }
}

/* Small sources speak louder a row, so that breadth counts more than volume; both labels weigh the
 * same in all. */
static void set_weights(rows *all, const size_t *order, size_t n, float hard)
{
    double mass[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++) {
        row *r = &all->items[order[i]];
        size_t same = 0;
        bool grammar_row = strcmp(r->source, "grammar") == 0;
        for (size_t k = 0; k < n && !grammar_row; k++) {
            const row *o = &all->items[order[k]];
            same += o->source == r->source && o->label == r->label;
        }
        r->weight = grammar_row ? 1.0f : (float)pow(400.0 / (double)(same + 40), 0.4);
        mass[r->label] += (double)r->weight;
        if (!grammar_row) {
            /* Rows of one source stand together: the next ones take the same weight. */
            while (i + 1 < n && all->items[order[i + 1]].source == r->source &&
                   all->items[order[i + 1]].label == r->label) {
                i++;
                all->items[order[i]].weight = r->weight;
                mass[r->label] += (double)r->weight;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        row *r = &all->items[order[i]];
        r->weight *= (float)((double)n / 2 / (mass[r->label] + 1));
        r->weight *= r->kind == KIND_HARD ? hard : 1;
    }
}

/* The mean of the weights after each of the last epochs depends less on the order of the rows. */
static sl_res add_share(model *sum, const model *m)
{
    if (sum->w == NULL) {
        sum->w = calloc(BUCKETS, sizeof *sum->w);
        sum->frame = calloc(FRAME_BUCKETS, sizeof *sum->frame);
        SL_NEED(sum->w != NULL && sum->frame != NULL, SL_E_MEMORY);
    }
    for (size_t i = 0; i < FRAME_BUCKETS; i++) {
        sum->frame[i] += m->frame[i] / (float)EPOCHS_AVERAGED;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        sum->w[i] += m->w[i] / (float)EPOCHS_AVERAGED;
    }
    for (size_t i = 0; i < SL_COUNT_OF(sum->biases); i++) {
        sum->biases[i] += m->biases[i] / (float)EPOCHS_AVERAGED;
    }
    sum->decoded += m->decoded / (float)EPOCHS_AVERAGED;
    return SL_DONE;
}

static void take_mean(model *m, model *sum)
{
    memcpy(m->w, sum->w, BUCKETS * sizeof *m->w);
    memcpy(m->biases, sum->biases, sizeof m->biases);
    m->decoded = sum->decoded;
    memcpy(m->frame, sum->frame, FRAME_BUCKETS * sizeof *m->frame);
    free(sum->w);
    free(sum->frame);
}

sl_res model_learn(model *m, rows *all, row_filter *use, const void *context, uint64_t seed)
{
    sl_prng prng;
    size_t *order = calloc(all->n, sizeof *order);
    size_t n = 0;
    SL_NEED(order != NULL, SL_E_MEMORY);
    sl_prng_seed(&prng, seed);
    for (size_t i = 0; i < all->n; i++) {
        if (use(&all->items[i], context)) {
            SL_TRY(rows_cache(all, &all->items[i]));
            order[n++] = i;
        }
    }
    set_weights(all, order, n, m->hard);
    model sum = { 0 };
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (size_t i = n; i > 1; i--) {
            size_t k = (size_t)sl_prng_below(&prng, i);
            size_t swap = order[i - 1];
            order[i - 1] = order[k];
            order[k] = swap;
        }
        for (size_t i = 0; i < n; i++) {
            learn_row(m, &all->items[order[i]], &prng);
        }
        SL_TRY(epoch < EPOCHS - EPOCHS_AVERAGED ? SL_DONE : add_share(&sum, m));
    }
    take_mean(m, &sum);
    free(order);
    return SL_DONE;
}

/* ---- the pack ------------------------------------------------------------------------------ */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* One in ten thousand weights is cut off, so that the others keep more of their digits. */
static sl_res unit_of(const float *weights, size_t n, double *ret)
{
    float *sizes = calloc(n, sizeof *sizes);
    SL_NEED(sizes != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < n; i++) {
        sizes[i] = fabsf(weights[i]);
    }
    qsort(sizes, n, sizeof *sizes, compare_floats);
    *ret = (double)sizes[n - n / 10000] / 127;
    free(sizes);
    return SL_DONE;
}

static sl_res add_i32(sl_buf *out, double value)
{
    uint8_t four[4];
    sl_put_le32(four, (uint32_t)(int32_t)lround(value));
    return sl_buf_add(out, sl_view_of(four, 4));
}

static sl_res add_weights(sl_buf *out, const float *weights, size_t n, double unit)
{
    for (size_t i = 0; i < n; i++) {
        double v = unit == 0 ? 0 : (double)weights[i] / unit;
        v = v > 127 ? 127 : (v < -127 ? -127 : v);
        SL_TRY(sl_buf_add_byte(out, (uint8_t)(int8_t)lround(v)));
    }
    return SL_DONE;
}

static sl_res add_header(const model *m, const rows *all, sl_inject_channel channel, double unit,
                         double frame_unit, double threshold, sl_buf *out)
{
    uint8_t head[24];
    memcpy(head, "SLINJCT1", 8);
    sl_put_le32(head + 8, 2);
    sl_put_le32(head + 12, (uint32_t)channel);
    sl_put_le32(head + 16, BITS);
    sl_put_le32(head + 20, all->words.count);
    SL_TRY(sl_buf_add(out, sl_view_of(head, sizeof head)));
    SL_TRY(add_i32(out, unit * 1e6));
    SL_TRY(add_i32(out, threshold * 1000));
    SL_TRY(add_i32(out, MODEL_SLOPE * 1000));
    SL_TRY(add_i32(out, (double)m->decoded * 1000));
    for (size_t i = 0; i < 8; i++) {
        SL_TRY(add_i32(out, (double)m->biases[i] * 1000));
    }
    SL_TRY(add_i32(out, frame_unit * 1e6));
    return add_i32(out, (double)m->bound * 1000);
}

sl_res model_pack(const model *m, const rows *all, sl_inject_channel channel, double threshold,
                  sl_buf *out)
{
    double unit = 0;
    double frame_unit = 0;
    SL_TRY(unit_of(m->w, BUCKETS, &unit));
    SL_TRY(unit_of(m->frame, FRAME_BUCKETS, &frame_unit));
    SL_TRY(add_header(m, all, channel, unit, frame_unit, threshold, out));
    const sl_inject_words *words = &all->words;
    for (uint32_t i = 0; i <= words->mask; i++) {
        uint8_t eight[8];
        sl_put_le32(eight, words->hashes[i]);
        sl_put_le16(eight + 4, words->concepts[i]);
        sl_put_le16(eight + 6, words->forms[i]);
        if (words->hashes[i] != 0) {
            SL_TRY(sl_buf_add(out, sl_view_of(eight, 8)));
        }
    }
    SL_TRY(add_weights(out, m->w, BUCKETS, unit));
    SL_TRY(add_weights(out, m->frame, FRAME_BUCKETS, frame_unit));
    uint8_t check[8];
    sl_put_le64(check, sl_inject_pack_check(sl_buf_view(out)));
    return sl_buf_add(out, sl_view_of(check, 8));
}
