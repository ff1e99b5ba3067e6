/* Sampling from the n-gram model: see run.h. */
#include "run.h"

SL_MUST sl_res ngram_run_start(ngram_run *ret_run, const ngram_model *model,
                               const ngram_sampling *sampling, sl_view prompt)
{
    SL_NEED(sampling->temperature >= 0 && sampling->temperature <= 2, SL_E_RANGE);
    SL_NEED(sampling->top_p > 0 && sampling->top_p <= 1, SL_E_RANGE);
    SL_OWN(ngram_tokens, tokens, ngram_tokens_free) = { .max = NGRAM_CORPUS_TOKENS_MAX };
    SL_TRY(ngram_encode(&model->vocabulary, prompt, &tokens));
    ngram_run run = { .model = model,
                      .sampling = *sampling,
                      .text = { .max = NGRAM_TEXT_BYTES_MAX } };
    run.context_n = tokens.n < NGRAM_ORDER_MAX ? tokens.n : NGRAM_ORDER_MAX;
    if (run.context_n != 0) {
        memcpy(run.context, tokens.p + tokens.n - run.context_n,
               run.context_n * sizeof *run.context);
    }
    run.p = malloc(model->vocabulary.count * sizeof *run.p);
    SL_NEED(run.p != NULL, SL_E_MEMORY);
    sl_prng_seed(&run.prng, sampling->seed);
    *ret_run = run;
    return SL_DONE;
}

void ngram_run_free(ngram_run *run)
{
    free(run->p);
    sl_buf_free(&run->text);
    *run = (ngram_run){ .model = NULL };
}

/* May this token be written? Single bytes only if they are printable on their own. */
static bool writable(uint32_t token)
{
    if (token >= NGRAM_PIECE_FIRST || token == NGRAM_END) {
        return true;
    }
    uint32_t byte = token - NGRAM_BYTE_FIRST;
    return byte == '\n' || (byte >= 0x20 && byte < 0x7F);
}

static uint32_t likeliest(const ngram_run *run)
{
    uint32_t best = NGRAM_END;
    for (size_t token = 1; token < run->model->vocabulary.count; token++) {
        if (writable((uint32_t)token) && run->p[token] > run->p[best]) {
            best = (uint32_t)token;
        }
    }
    return best;
}

typedef struct {
    uint32_t token;
    double weight;
} candidate;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a;
    const candidate *y = b;
    if (x->weight > y->weight || x->weight < y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->token < y->token ? -1 : x->token > y->token;
}

/* Fills `out` (room for the vocabulary) with the tokens that sampling may take; returns how many and
 * the sum of their weights. Tokens so rare that all of them together lie outside top_p are left out
 * before sorting. */
static size_t candidates(const ngram_run *run, candidate *out, double *ret_sum)
{
    size_t vocabulary = run->model->vocabulary.count;
    double inverse = 1.0 / run->sampling.temperature;
    double all = 0;
    for (size_t token = 0; token < vocabulary; token++) {
        double weight = writable((uint32_t)token) ? __builtin_pow(run->p[token], inverse) : 0;
        out[token] = (candidate){ (uint32_t)token, weight };
        all += weight;
    }
    if (run->sampling.top_p >= 1) {
        *ret_sum = all;
        return vocabulary;
    }
    double least = (1 - run->sampling.top_p) * all / (double)vocabulary;
    size_t n = 0;
    for (size_t token = 0; token < vocabulary; token++) {
        if (out[token].weight > least) {
            out[n++] = out[token];
        }
    }
    qsort(out, n, sizeof *out, compare_candidates);
    double sum = 0;
    size_t kept = 0;
    while (kept < n && sum < run->sampling.top_p * all) {
        sum += out[kept++].weight;
    }
    *ret_sum = sum;
    return kept;
}

static SL_MUST sl_res choose(ngram_run *run, uint32_t *ret_token)
{
    if (run->sampling.temperature < 0.01) {
        *ret_token = likeliest(run);
        return SL_DONE;
    }
    candidate *out = malloc(run->model->vocabulary.count * sizeof *out);
    SL_NEED(out != NULL, SL_E_MEMORY);
    double sum = 0;
    size_t n = candidates(run, out, &sum);
    double at = sl_prng_unit(&run->prng) * sum;
    uint32_t token = out[0].token;
    for (size_t i = 0; i < n; i++) {
        if (out[i].weight > 0) {
            token = out[i].token;
            at -= out[i].weight;
            if (at < 0) {
                break;
            }
        }
    }
    free(out);
    *ret_token = token;
    return SL_DONE;
}

static void push_context(ngram_run *run, uint32_t token)
{
    if (run->context_n == NGRAM_ORDER_MAX) {
        memmove(run->context, run->context + 1, (NGRAM_ORDER_MAX - 1) * sizeof *run->context);
        run->context_n--;
    }
    run->context[run->context_n++] = token;
}

/* Cuts the text at the first stop string, looking only where the new piece can have made one. */
static void look_for_stop(ngram_run *run, size_t piece_n)
{
    size_t cut = SIZE_MAX;
    for (size_t i = 0; i < run->sampling.stop_count; i++) {
        sl_view stop = run->sampling.stops[i];
        size_t back = piece_n + stop.n;
        size_t from = run->text.n > back ? run->text.n - back : 0;
        size_t at = sl_view_find(sl_buf_view(&run->text), stop, from);
        cut = at < cut ? at : cut;
    }
    if (cut != SIZE_MAX) {
        run->text.n = cut;
        run->finish = "stop";
    }
}

SL_MUST sl_res ngram_run_step(ngram_run *run, ngram_choice *ret_choice)
{
    if (run->tokens >= run->sampling.tokens_max) {
        run->finish = "length";
        *ret_choice = (ngram_choice){ NGRAM_END, 0 };
        return SL_DONE;
    }
    ngram_model_distribution(run->model, run->context, run->context_n, run->p);
    uint32_t token = NGRAM_END;
    SL_TRY(choose(run, &token));
    *ret_choice = (ngram_choice){ token, __builtin_log(run->p[token]) };
    if (token == NGRAM_END) {
        run->finish = "stop";
        return SL_DONE;
    }
    sl_view piece = run->model->vocabulary.pieces[token];
    SL_TRY(sl_buf_add(&run->text, piece));
    push_context(run, token);
    run->tokens++;
    look_for_stop(run, piece.n);
    if (run->finish == NULL && run->tokens == run->sampling.tokens_max) {
        run->finish = "length";
    }
    return SL_DONE;
}

size_t ngram_run_top(const ngram_run *run, size_t k, ngram_choice *ret_top)
{
    size_t n = 0;
    for (size_t token = 0; token < run->model->vocabulary.count; token++) {
        double p = run->p[token];
        size_t at = n;
        while (at > 0 && ret_top[at - 1].log_p < p) {
            at--;
        }
        if (at >= k) {
            continue;
        }
        size_t last = n < k ? n++ : k - 1;
        memmove(ret_top + at + 1, ret_top + at, (last - at) * sizeof *ret_top);
        ret_top[at] = (ngram_choice){ (uint32_t)token, p };
    }
    for (size_t i = 0; i < n; i++) {
        ret_top[i].log_p = __builtin_log(ret_top[i].log_p);
    }
    return n;
}

/* Bytes at the end of the text that may be the beginning of a stop string. */
static size_t held(const ngram_run *run)
{
    size_t most = 0;
    for (size_t i = 0; i < run->sampling.stop_count; i++) {
        sl_view stop = run->sampling.stops[i];
        size_t n = stop.n == 0 ? 0 : stop.n - 1;
        n = n < run->text.n ? n : run->text.n;
        while (n > most && !sl_view_starts(stop, sl_view_of(run->text.p + run->text.n - n, n))) {
            n--;
        }
        most = n > most ? n : most;
    }
    return most;
}

sl_view ngram_run_release(ngram_run *run)
{
    size_t end = run->text.n - (run->finish == NULL ? held(run) : 0);
    while (end > run->released && end < run->text.n && (run->text.p[end] & 0xC0) == 0x80) {
        end--;
    }
    sl_view part = sl_view_sub(sl_buf_view(&run->text), run->released, end);
    run->released = end > run->released ? end : run->released;
    return part;
}
