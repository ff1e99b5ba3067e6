/* Interpolated n-grams over a sorted text: see model.h. */
#include "model.h"

#include "base/utf8.h"

#define MAGIC "SLNGRAM1"

SL_MUST sl_res ngram_model_init(ngram_model *ret_model, unsigned order, unsigned passes)
{
    SL_NEED(order >= 1 && order <= NGRAM_ORDER_MAX, SL_E_RANGE);
    SL_NEED(passes >= 1 && passes <= 1000, SL_E_RANGE);
    ngram_model model = { .order = order,
                          .passes = passes,
                          .corpus = { .max = NGRAM_CORPUS_TOKENS_MAX } };
    SL_TRY(ngram_vocabulary_init(&model.vocabulary));
    *ret_model = model;
    return SL_DONE;
}

void ngram_model_free(ngram_model *model)
{
    ngram_vocabulary_free(&model->vocabulary);
    ngram_tokens_free(&model->corpus);
    free(model->sorted);
    free(model->seen);
    *model = (ngram_model){ .order = 0 };
}

SL_MUST sl_res ngram_model_document(ngram_model *model, sl_view text)
{
    SL_TRY(ngram_learn(&model->vocabulary, text, &model->corpus));
    return ngram_tokens_add(&model->corpus, NGRAM_END);
}

/* Orders two positions by what follows, up to the order; a document's end ends the comparison. */
static int compare_positions(const void *a, const void *b, void *argument)
{
    const ngram_model *model = argument;
    uint32_t i = *(const uint32_t *)a;
    uint32_t j = *(const uint32_t *)b;
    const uint32_t *p = model->corpus.p + i;
    const uint32_t *q = model->corpus.p + j;
    for (unsigned k = 0; k < model->order; k++) {
        if (p[k] != q[k]) {
            return p[k] < q[k] ? -1 : 1;
        }
        if (p[k] == NGRAM_END) {
            break;
        }
    }
    return i < j ? -1 : i > j;
}

SL_MUST sl_res ngram_model_sort(ngram_model *model)
{
    size_t n = model->corpus.n;
    SL_NEED(n != 0, SL_E_RANGE);
    free(model->sorted);
    free(model->seen);
    model->seen = NULL;
    model->sorted = malloc(n * sizeof *model->sorted);
    SL_NEED(model->sorted != NULL, SL_E_MEMORY);
    model->seen = calloc(model->vocabulary.count, sizeof *model->seen);
    SL_NEED(model->seen != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < n; i++) {
        model->sorted[i] = (uint32_t)i;
        model->seen[model->corpus.p[i]]++;
    }
    qsort_r(model->sorted, n, sizeof *model->sorted, compare_positions, model);
    model->seen_types = 0;
    for (size_t token = 0; token < model->vocabulary.count; token++) {
        model->seen_types += model->seen[token] != 0;
    }
    return SL_DONE;
}

/* -1, 0 or 1: where the text at `position` lies against `context`. */
static int compare_context(const ngram_model *model, uint32_t position, const uint32_t *context,
                           size_t n)
{
    for (size_t k = 0; k < n; k++) {
        uint32_t token = model->corpus.p[position + k];
        if (token != context[k]) {
            return token < context[k] ? -1 : 1;
        }
        if (token == NGRAM_END) {
            break; /* a context never holds an end, so this cannot be reached with k < n - 1 */
        }
    }
    return 0;
}

/* The first index in [from, count) whose text compares greater than `floor` against the context. */
static size_t bound(const ngram_model *model, const uint32_t *context, size_t n, int floor)
{
    size_t low = 0;
    size_t high = model->corpus.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_context(model, model->sorted[middle], context, n) > floor) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

typedef struct {
    size_t from, to;
} range;

static range find_context(const ngram_model *model, const uint32_t *context, size_t n)
{
    return (range){ bound(model, context, n, -1), bound(model, context, n, 0) };
}

static size_t next_group(const ngram_model *model, range r, size_t at, size_t depth)
{
    uint32_t token = model->corpus.p[model->sorted[at] + depth];
    while (at < r.to && model->corpus.p[model->sorted[at] + depth] == token) {
        at++;
    }
    return at;
}

static size_t count_types(const ngram_model *model, range r, size_t depth)
{
    size_t types = 0;
    for (size_t at = r.from; at < r.to; at = next_group(model, r, at, depth)) {
        types++;
    }
    return types;
}

/* The longest tail of the context that can be looked up: no document end inside, within the order. */
static size_t usable(const ngram_model *model, const uint32_t *context, size_t n)
{
    size_t most = n < model->order - 1 ? n : model->order - 1;
    for (size_t k = 0; k < most; k++) {
        if (context[n - 1 - k] == NGRAM_END) {
            return k;
        }
    }
    return most;
}

/* Order one, with the uniform distribution below it. */
static double single(const ngram_model *model, uint32_t token)
{
    double n = (double)model->corpus.n;
    double types = (double)model->seen_types;
    double uniform = 1.0 / (double)model->vocabulary.count;
    return (model->seen[token] + types * uniform) / (n + types);
}

double ngram_model_probability(const ngram_model *model, const uint32_t *context, size_t context_n,
                               uint32_t token)
{
    double p = single(model, token);
    size_t most = usable(model, context, context_n);
    for (size_t n = 1; n <= most; n++) {
        const uint32_t *tail = context + (context_n - n);
        range r = find_context(model, tail, n);
        if (r.from == r.to) {
            break;
        }
        uint32_t gram[NGRAM_ORDER_MAX];
        memcpy(gram, tail, n * sizeof *gram);
        gram[n] = token;
        range whole = find_context(model, gram, n + 1);
        double types = (double)count_types(model, r, n);
        double total = (double)(r.to - r.from) * model->passes;
        p = ((double)(whole.to - whole.from) * model->passes + types * p) / (total + types);
    }
    return p;
}

void ngram_model_distribution(const ngram_model *model, const uint32_t *context, size_t context_n,
                              double *ret_p)
{
    size_t vocabulary = model->vocabulary.count;
    for (size_t token = 0; token < vocabulary; token++) {
        ret_p[token] = single(model, (uint32_t)token);
    }
    size_t most = usable(model, context, context_n);
    for (size_t n = 1; n <= most; n++) {
        range r = find_context(model, context + (context_n - n), n);
        if (r.from == r.to) {
            break;
        }
        double types = (double)count_types(model, r, n);
        double total = (double)(r.to - r.from) * model->passes;
        double keep = types / (total + types);
        for (size_t token = 0; token < vocabulary; token++) {
            ret_p[token] *= keep;
        }
        for (size_t at = r.from; at < r.to;) {
            uint32_t token = model->corpus.p[model->sorted[at] + n];
            size_t end = next_group(model, r, at, n);
            ret_p[token] += (double)(end - at) * model->passes / (total + types);
            at = end;
        }
    }
}

SL_MUST sl_res ngram_model_score(const ngram_model *model, sl_view text, double *ret_log_sum,
                                 size_t *ret_tokens)
{
    SL_OWN(ngram_tokens, tokens, ngram_tokens_free) = { .max = NGRAM_CORPUS_TOKENS_MAX };
    SL_TRY(ngram_encode(&model->vocabulary, text, &tokens));
    SL_TRY(ngram_tokens_add(&tokens, NGRAM_END));
    double sum = 0;
    for (size_t i = 0; i < tokens.n; i++) {
        sum += __builtin_log(ngram_model_probability(model, tokens.p, i, tokens.p[i]));
    }
    *ret_log_sum = sum;
    *ret_tokens = tokens.n;
    return SL_DONE;
}

static SL_MUST sl_res add_u32(sl_buf *out, size_t value)
{
    uint8_t bytes[4];
    sl_put_le32(bytes, (uint32_t)value);
    return sl_buf_add(out, sl_view_of(bytes, sizeof bytes));
}

SL_MUST sl_res ngram_model_write(const ngram_model *model, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, MAGIC));
    SL_TRY(add_u32(out, model->order));
    SL_TRY(add_u32(out, model->passes));
    SL_TRY(add_u32(out, model->vocabulary.count - NGRAM_PIECE_FIRST));
    SL_TRY(add_u32(out, model->corpus.n));
    for (size_t i = NGRAM_PIECE_FIRST; i < model->vocabulary.count; i++) {
        SL_TRY(sl_buf_add_byte(out, (uint8_t)model->vocabulary.pieces[i].n));
        SL_TRY(sl_buf_add(out, model->vocabulary.pieces[i]));
    }
    for (size_t i = 0; i < model->corpus.n; i++) {
        SL_TRY(add_u32(out, model->corpus.p[i]));
    }
    return SL_DONE;
}

/* Cuts `n` bytes off the front. */
static SL_MUST sl_res take(sl_view *rest, size_t n, sl_view *ret_part)
{
    SL_NEED(n <= rest->n, SL_E_TRUNCATED);
    *ret_part = sl_view_sub(*rest, 0, n);
    *rest = sl_view_sub(*rest, n, rest->n);
    return SL_DONE;
}

static SL_MUST sl_res read_pieces(sl_view *rest, size_t count, ngram_model *model)
{
    for (size_t i = 0; i < count; i++) {
        sl_view part;
        SL_TRY(take(rest, 1, &part));
        SL_TRY(take(rest, part.p[0], &part));
        SL_NEED(sl_utf8_check(part) == part.n, SL_E_UTF8);
        uint32_t token;
        SL_TRY(ngram_vocabulary_add(&model->vocabulary, part, &token));
        SL_NEED(token == NGRAM_PIECE_FIRST + i, SL_E_DUPLICATE);
    }
    return SL_DONE;
}

static SL_MUST sl_res read_corpus(sl_view *rest, size_t count, ngram_model *model)
{
    sl_view part;
    SL_NEED(count <= NGRAM_CORPUS_TOKENS_MAX, SL_E_LIMIT);
    SL_TRY(take(rest, count * 4, &part));
    for (size_t i = 0; i < count; i++) {
        uint32_t token = sl_get_le32(part.p + i * 4);
        SL_NEED(token < model->vocabulary.count, SL_E_RANGE);
        SL_TRY(ngram_tokens_add(&model->corpus, token));
    }
    SL_NEED(count != 0 && model->corpus.p[count - 1] == NGRAM_END, SL_E_SYNTAX);
    SL_NEED(rest->n == 0, SL_E_TRAILING);
    return SL_DONE;
}

SL_MUST sl_res ngram_model_read(sl_view bytes, ngram_model *ret_model)
{
    sl_view head;
    SL_TRY(take(&bytes, 8, &head));
    SL_NEED(sl_view_eq_str(head, MAGIC), SL_E_VERSION);
    SL_TRY(take(&bytes, 16, &head));
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    SL_TRY(ngram_model_init(&model, sl_get_le32(head.p), sl_get_le32(head.p + 4)));
    SL_TRY(read_pieces(&bytes, sl_get_le32(head.p + 8), &model));
    SL_TRY(read_corpus(&bytes, sl_get_le32(head.p + 12), &model));
    SL_TRY(ngram_model_sort(&model));
    *ret_model = model;
    model = (ngram_model){ .order = 0 };
    return SL_DONE;
}
