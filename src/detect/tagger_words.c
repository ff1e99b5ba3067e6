/* The tagger's memory of words (tagger_words.h). Entries are never moved or dropped while a text is
 * tagged: tokens point at them. A search tries a few slots and no more, whatever words were chosen. */
#include "detect/tagger_words.h"

#include "detect/tagger_calm.h"

#define KEPT_MAX ((size_t)32768)
#define KEY_BYTES ((size_t)16)
#define TRIES 8U
#define CACHE_LINE ((size_t)64)

_Static_assert(sizeof(sl_tag_word) == 2 * CACHE_LINE && offsetof(sl_tag_word, near) == CACHE_LINE,
               "what is asked most lies in one line");

uint32_t sl_tag_lists_of(const sl_tag_model *model, uint32_t lower)
{
    uint32_t at = lower & model->slot_mask;
    while (model->hashes[at] != 0) {
        if (model->hashes[at] == lower) {
            return model->lists[at];
        }
        at = (at + 1) & model->slot_mask;
    }
    return 0;
}

/* What it needs lies all over the weights: all of it is asked for before any is waited for. */
static void fill(const sl_tag_model *m, const sl_tag_token *t, sl_view word, sl_tag_word *entry)
{
    uint32_t features[SL_TAG_OWN_MAX] __attribute__((uninitialized));
    uint32_t near[SL_TAG_NEAR] __attribute__((uninitialized));
    size_t n = sl_tag_own_features(t, word, m->mask, features);
    sl_tag_near_features(t->lower, m->mask, near);
    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(m->weights + (size_t)features[i] * SL_TAG_LANES);
    }
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        __builtin_prefetch(m->weights + (size_t)near[i] * SL_TAG_LANES);
    }
    entry->lower = t->lower;
    entry->shape = t->shape;
    entry->lists = t->lists;
    entry->capital = t->capital;
    entry->calm = sl_tag_calm(t, word);
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = m->weights + (size_t)features[i] * SL_TAG_LANES;
        for (size_t k = 0; k < SL_TAG_LANES; k++) {
            entry->own[k] = (int16_t)(entry->own[k] + row[k]);
        }
    }
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        memcpy(entry->near[i], m->weights + (size_t)near[i] * SL_TAG_LANES, SL_TAG_LANES);
    }
}

static sl_res add(sl_tag_words *w, uint32_t *ret_at)
{
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 512 : w->cap * 2;
        sl_tag_word *more = aligned_alloc(CACHE_LINE, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        if (w->n != 0) {
            memcpy(more, w->items, w->n * sizeof *more);
        }
        free(w->items);
        w->items = more;
        w->cap = cap;
    }
    w->items[w->n] = (sl_tag_word){ 0 };
    *ret_at = (uint32_t)w->n++;
    return SL_DONE;
}

sl_res sl_tag_words_begin(sl_tag_words *words, const sl_tag_model *model)
{
    words->model = model;
    if (words->n != 0 && words->check == model->check && words->n <= KEPT_MAX) {
        return SL_DONE;
    }
    uint32_t edge = 0;
    words->n = 0;
    words->check = model->check;
    memset(words->slots, 0, sizeof words->slots);
    SL_TRY(add(words, &edge));
    fill(model, &SL_TAG_EDGE_TOKEN, (sl_view){ 0 }, &words->items[edge]);
    return SL_DONE;
}

void sl_tag_words_free(sl_tag_words *words)
{
    free(words->items);
    *words = (sl_tag_words){ 0 };
}

static void take(const sl_tag_words *w, uint32_t at, sl_tag_token *t)
{
    const sl_tag_word *entry = &w->items[at];
    t->lower = entry->lower;
    t->shape = entry->shape;
    t->lists = entry->lists;
    t->capital = entry->capital;
    t->calm = entry->calm;
    t->word = at;
}

/* `n` bytes at `p`, of which 16 may be read. */
static void key_of(const uint8_t *p, size_t n, uint64_t key[2])
{
    uint64_t low = 0;
    uint64_t high = 0;
    memcpy(&low, p, 8);
    memcpy(&high, p + 8, 8);
    unsigned bits = (unsigned)(n & 7) * 8;
    uint64_t part = ((uint64_t)1 << bits) - 1;
    key[0] = n >= 8 ? low : low & part;
    key[1] = n >= KEY_BYTES ? high : (n > 8 ? high & part : 0);
}

static size_t slot_of(const uint64_t key[2])
{
    uint64_t h = (key[0] ^ (key[1] << 29 | key[1] >> 35)) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return (size_t)(h >> 40) % SL_TAG_WORD_SLOTS;
}

static sl_res learn(sl_tag_words *w, sl_view word, const uint64_t key[2], uint32_t *slot,
                    sl_tag_token *t)
{
    uint32_t at = 0;
    uint32_t known = sl_tag_word_hash(word) & w->model->slot_mask;
    __builtin_prefetch(&w->model->hashes[known]);
    __builtin_prefetch(&w->model->lists[known]);
    sl_tag_describe(t, word);
    t->lists = sl_tag_lists_of(w->model, t->lower);
    SL_TRY(add(w, &at));
    fill(w->model, t, word, &w->items[at]);
    t->calm = w->items[at].calm;
    t->word = at;
    if (slot != NULL) {
        w->items[at].key[0] = key[0];
        w->items[at].key[1] = key[1];
        w->items[at].length = (uint8_t)word.n;
        *slot = at;
    }
    return SL_DONE;
}

void sl_tag_words_key(const sl_tag_words *words, sl_view text, const sl_tag_token *token,
                      sl_tag_key *ret_key)
{
    size_t n = token->end - token->start;
    const uint8_t *p = text.p + token->start;
    if (text.n - token->start >= KEY_BYTES) {
        key_of(p, n, ret_key->bytes);
    } else {
        uint8_t copy[KEY_BYTES] = { 0 };
        memcpy(copy, p, n);
        key_of(copy, n, ret_key->bytes);
    }
    ret_key->slot = (uint32_t)slot_of(ret_key->bytes);
    __builtin_prefetch(&words->slots[ret_key->slot]);
}

void sl_tag_words_fetch(const sl_tag_words *words, const sl_tag_key *key)
{
    const sl_tag_word *entry = &words->items[words->slots[key->slot]];
    __builtin_prefetch(entry);
    __builtin_prefetch(entry->near);
}

sl_res sl_tag_words_find(sl_tag_words *words, sl_view text, const sl_tag_key *key,
                         sl_tag_token *token)
{
    sl_view word = sl_view_sub(text, token->start, token->end);
    if (word.n > KEY_BYTES) {
        return learn(words, word, NULL, NULL, token);
    }
    size_t slot = key->slot;
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t at = words->slots[slot];
        if (at == 0) {
            return learn(words, word, key->bytes, &words->slots[slot], token);
        }
        const sl_tag_word *entry = &words->items[at];
        if (entry->key[0] == key->bytes[0] && entry->key[1] == key->bytes[1] &&
            entry->length == word.n) {
            take(words, at, token);
            return SL_DONE;
        }
        slot = (slot + 1) % SL_TAG_WORD_SLOTS;
    }
    return learn(words, word, NULL, NULL, token);
}

sl_res sl_tag_words_caseless(sl_tag_words *words, sl_view word, sl_tag_token *token)
{
    uint32_t at = words->items[token->word].caseless;
    if (at == 0) {
        uint32_t with_case = token->word;
        sl_tag_token plain = *token;
        sl_tag_forget_case(&plain, word);
        at = with_case;
        if (plain.capital == SL_TAG_NO_CASE) {
            SL_TRY(add(words, &at));
            fill(words->model, &plain, word, &words->items[at]);
        }
        words->items[with_case].caseless = at;
    }
    take(words, at, token);
    return SL_DONE;
}
