/* Tokens and features of the tagger (tagger.h): what training and tagging share.
 * A change here makes every pack useless: raise the pack's version with it. */
#include "detect/tagger_features.h"

#include "detect/byte_masks.h"
#include "detect/siphash.h"
#include "detect/tagger_words.h"
#include "detect/words.h"

#define TOKEN_BYTES_MAX ((size_t)64)
#define SEGMENT_TOKENS_MAX ((size_t)160)
#define TOKENS_MAX ((size_t)1 << 20)
#define CASE_AROUND ((size_t)40)
#define RING ((size_t)128) /* more than the tokens on both sides */

static uint32_t hash_bytes(const uint8_t *p, size_t n, uint32_t seed)
{
    uint32_t h = 2166136261U ^ seed;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 16777619U;
    }
    h ^= h >> 15;
    return h * 2246822519U;
}

uint32_t sl_tag_word_hash(sl_view word)
{
    uint32_t h = 2166136261U;
    size_t n = word.n < TOKEN_BYTES_MAX ? word.n : TOKEN_BYTES_MAX;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ sl_lower(word.p[i])) * 16777619U;
    }
    h ^= h >> 15;
    h *= 2246822519U;
    return h == 0 ? 1 : h;
}

static bool is_upper(uint8_t b)
{
    return b >= 'A' && b <= 'Z';
}

static uint8_t capital_of(sl_view word)
{
    size_t upper = 0;
    size_t digits = 0;
    size_t letters = 0;
    for (size_t i = 0; i < word.n; i++) {
        upper += is_upper(word.p[i]);
        digits += sl_is_digit(word.p[i]);
        letters += sl_is_word(word.p[i]) && !sl_is_digit(word.p[i]);
    }
    if (digits != 0) {
        return 5;
    }
    if (letters == 0) {
        return 4;
    }
    if (upper == 0) {
        return 0;
    }
    if (upper == letters) {
        return letters == 1 ? 6 : 3;
    }
    return is_upper(word.p[0]) && upper == 1 ? 1 : 2;
}

/* "Mc-Donald22" is "Xx-Xxdd": runs of letters count once, the first two characters and digits always. */
static uint32_t shape_of(sl_view word)
{
    uint8_t shape[TOKEN_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < word.n && n < sizeof shape; i++) {
        uint8_t b = word.p[i];
        uint8_t kind = b;
        if (is_upper(b)) {
            kind = 'X';
        } else if (sl_is_digit(b)) {
            kind = 'd';
        } else if (sl_is_word(b)) {
            kind = 'x';
        }
        if (n < 2 || kind == 'd' || shape[n - 1] != kind) {
            shape[n++] = kind;
        }
    }
    return hash_bytes(shape, n, 7);
}

static size_t lower_of(sl_view word, uint8_t low[TOKEN_BYTES_MAX])
{
    size_t n = word.n < TOKEN_BYTES_MAX ? word.n : TOKEN_BYTES_MAX;
    for (size_t i = 0; i < n; i++) {
        low[i] = sl_lower(word.p[i]);
    }
    return n;
}

void sl_tag_describe(sl_tag_token *t, sl_view word)
{
    t->lower = sl_tag_word_hash(word);
    t->shape = shape_of(word);
    t->capital = capital_of(word);
}

static sl_res make_room(sl_tag_tokens *all)
{
    if (all->n < all->cap) {
        return SL_DONE;
    }
    size_t cap = all->cap == 0 ? 256 : all->cap * 2;
    SL_NEED(cap <= TOKENS_MAX, SL_E_LIMIT);
    sl_tag_token *more = realloc(all->items, cap * sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    all->items = more;
    all->cap = cap;
    return SL_DONE;
}

/* Where the letters and digits at `at` end. */
static size_t run_end(sl_view t, size_t at)
{
    for (; at + SL_MASK_BYTES <= t.n; at += SL_MASK_BYTES) {
        unsigned other = ~sl_mask_words(t.p + at) & 0xFFFFU;
        if (other != 0) {
            return at + (size_t)__builtin_ctz(other);
        }
    }
    while (at < t.n && sl_is_word(t.p[at])) {
        at++;
    }
    return at;
}

/* "'s" behind a word: what follows it tells a patient's wife from a person's disease. */
static bool is_possessive(sl_view t, size_t at)
{
    return t.p[at] == '\'' && at > 0 && sl_is_word(t.p[at - 1]) && at + 1 < t.n &&
           sl_lower(t.p[at + 1]) == 's' && (at + 2 == t.n || !sl_is_word(t.p[at + 2]));
}

/* Letters and digits together; an apostrophe inside a word ("O'Brien"); every other sign alone. */
static size_t token_end(sl_view t, size_t at)
{
    size_t end = run_end(t, at);
    if (end == at) {
        return is_possessive(t, at) ? at + 2 : at + 1;
    }
    bool apostrophe =
        end == at + 1 && end + 1 < t.n && t.p[end] == '\'' && sl_is_word(t.p[end + 1]);
    return apostrophe ? run_end(t, end + 1) : end;
}

/* ---- texts without capitals ------------------------------------------------------------------ */

/* What a token says about the text's case. */
enum { SAYS_NOTHING, SAYS_LOWER, SAYS_CAPITAL, SAYS_UPPER, SAYS_COUNT };

static uint8_t case_said(const sl_tag_token *t)
{
    static const uint8_t SAID[SL_TAG_NO_CASE] = { SAYS_LOWER, SAYS_CAPITAL, SAYS_CAPITAL,
                                                  SAYS_UPPER };
    return t->end - t->start < 2 ? SAYS_NOTHING : SAID[t->capital];
}

/* Typed without capitals, or in capitals alone: then case says nothing. */
static bool is_caseless(const size_t said[SAYS_COUNT])
{
    bool lower = said[SAYS_LOWER] >= 3 && said[SAYS_CAPITAL] * 50 < said[SAYS_LOWER];
    bool upper =
        said[SAYS_UPPER] >= 3 && (said[SAYS_CAPITAL] + said[SAYS_LOWER]) * 5 < said[SAYS_UPPER];
    return lower || upper;
}

/* Such a token has the same features however it is written. */
void sl_tag_forget_case(sl_tag_token *t, sl_view word)
{
    uint8_t low[TOKEN_BYTES_MAX];
    if (t->capital == 4 || t->capital == 5) {
        return;
    }
    size_t n = lower_of(word, low);
    t->shape = shape_of(sl_view_of(low, n));
    t->capital = SL_TAG_NO_CASE;
}

/* A token's case counts where the tokens around it (CASE_AROUND on either side) have both cases. */
static sl_res judge_case(sl_tag_words *words, sl_tag_tokens *tokens)
{
    size_t said[SAYS_COUNT] = { 0 };
    uint8_t ring[RING] = { 0 };
    size_t to = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        for (; to < tokens->n && to <= i + CASE_AROUND; to++) {
            ring[to % RING] = case_said(&tokens->items[to]);
            said[ring[to % RING]]++;
        }
        if (i > CASE_AROUND) {
            said[ring[(i - CASE_AROUND - 1) % RING]]--;
        }
        if (is_caseless(said)) {
            sl_tag_token *t = &tokens->items[i];
            sl_view word = sl_view_sub(tokens->text, t->start, t->end);
            if (words == NULL) {
                sl_tag_forget_case(t, word);
            } else {
                SL_TRY(sl_tag_words_caseless(words, word, t));
            }
        }
    }
    return SL_DONE;
}

/* Appends the next token, its place alone; false at the text's end. */
static sl_res next_token(sl_tag_tokens *tokens, size_t *at, bool *ret_more)
{
    sl_view text = tokens->text;
    size_t i = *at;
    unsigned lines = i == 0;
    while (i < text.n && sl_is_blank(text.p[i])) {
        lines += text.p[i++] == '\n';
    }
    *ret_more = i < text.n;
    if (!*ret_more) {
        return SL_DONE;
    }
    SL_TRY(make_room(tokens));
    *at = token_end(text, i);
    sl_tag_token *one = &tokens->items[tokens->n++];
    *one = (sl_tag_token){ .start = (uint32_t)i,
                           .end = (uint32_t)*at,
                           .lines = (uint8_t)(lines > 2 ? 2 : lines) };
    return SL_DONE;
}

/* Between the steps of looking a word up (tagger_words.h) lie so many tokens. */
#define STEP ((size_t)6)
#define KEYS ((size_t)16)

static sl_res tokenise_fast(sl_tag_words *words, sl_tag_tokens *tokens)
{
    sl_tag_key keys[KEYS] __attribute__((uninitialized));
    bool more = true;
    for (size_t i = 0, at = 0; more || i < tokens->n + 2 * STEP; i++) {
        if (more) {
            SL_TRY(next_token(tokens, &at, &more));
        }
        if (i < tokens->n) {
            sl_tag_words_key(words, tokens->text, &tokens->items[i], &keys[i % KEYS]);
        }
        if (i >= STEP && i - STEP < tokens->n) {
            sl_tag_words_fetch(words, &keys[(i - STEP) % KEYS]);
        }
        if (i >= 2 * STEP && i - 2 * STEP < tokens->n) {
            size_t done = i - 2 * STEP;
            SL_TRY(
                sl_tag_words_find(words, tokens->text, &keys[done % KEYS], &tokens->items[done]));
        }
    }
    return SL_DONE;
}

sl_res sl_tag_tokenise_known(sl_tag_words *words, sl_view text, sl_tag_tokens *tokens)
{
    bool more = true;
    tokens->n = 0;
    tokens->text = text;
    if (words != NULL) {
        SL_TRY(tokenise_fast(words, tokens));
    } else {
        for (size_t at = 0; more;) {
            size_t n = tokens->n;
            SL_TRY(next_token(tokens, &at, &more));
            if (more) {
                sl_tag_token *one = &tokens->items[n];
                sl_tag_describe(one, sl_view_sub(text, one->start, one->end));
            }
        }
    }
    return judge_case(words, tokens);
}

sl_res sl_tag_tokenise(sl_view text, sl_tag_tokens *tokens)
{
    return sl_tag_tokenise_known(NULL, text, tokens);
}

/* A segment ends at a line's end, at a full stop before a capital, or at its limit. */
size_t sl_tag_segment_end(const sl_tag_tokens *tokens, size_t begin)
{
    const uint32_t stop = sl_tag_sign_hash('.');
    size_t i = begin + 1;
    while (i < tokens->n && i - begin < SEGMENT_TOKENS_MAX) {
        const sl_tag_token *t = &tokens->items[i];
        bool sentence = i - begin > 12 && tokens->items[i - 1].lower == stop && t->capital == 1 &&
                        tokens->items[i - 2].capital == 0 &&
                        tokens->items[i - 2].end - tokens->items[i - 2].start > 3;
        if (t->lines != 0 || sentence) {
            break;
        }
        i++;
    }
    return i;
}

bool sl_tag_may_follow(unsigned before, unsigned tag)
{
    bool on = tag != SL_TAG_OUTSIDE && tag % 2 == 0; /* goes on with what the tag before it began */
    return !on || before == tag || before == tag - 1;
}

/* ---- features ------------------------------------------------------------------------------ */

/* What a word says by itself. */
size_t sl_tag_own_features(const sl_tag_token *t, sl_view word, uint32_t mask,
                           uint32_t features[SL_TAG_OWN_MAX])
{
    uint8_t low[TOKEN_BYTES_MAX];
    size_t length = lower_of(word, low);
    uint32_t kind = t->capital == SL_TAG_NO_CASE ? 2 : t->capital != 0;
    size_t n = 0;
    features[n++] = sl_tag_feature(1, 0) & mask;
    features[n++] =
        sl_tag_feature(2, t->capital == SL_TAG_NO_CASE ? t->lower ^ 0x5BD1E995U
                                                       : hash_bytes(word.p, length, 3)) &
        mask;
    features[n++] = sl_tag_feature(6, t->lower) & mask;
    features[n++] = sl_tag_feature(15, t->shape) & mask;
    for (uint32_t i = 0; i < 3; i++) {
        size_t part = i + 2 < length ? i + 2 : length;
        uint32_t head = sl_tag_join(hash_bytes(low, part, 11), kind);
        uint32_t tail = sl_tag_join(hash_bytes(low + length - part, part, 13), kind);
        features[n++] = sl_tag_feature(19 + 2 * i, head) & mask;
        features[n++] = sl_tag_feature(20 + 2 * i, tail) & mask;
    }
    const uint32_t lists = t->lists & SL_LIST_NAMED;
    const uint32_t sense = sl_tag_sense_of(t) * 16 + t->capital;
    features[n++] = sl_tag_feature(27, lists) & mask;
    features[n++] = sl_tag_feature(28, sl_tag_join(lists, t->capital)) & mask;
    features[n++] = sl_tag_feature(67, sense) & mask;
    features[n++] = sl_tag_feature(68, sl_tag_join(lists, sense)) & mask;
    for (uint32_t bit = 0; bit < 16; bit++) {
        if ((t->lists >> bit & 1) != 0) {
            features[n++] = sl_tag_feature(39 + bit, bit * 16 + t->capital) & mask;
        }
    }
    return n;
}

void sl_tag_near_features(uint32_t lower, uint32_t mask, uint32_t features[SL_TAG_NEAR])
{
    static const uint32_t TEMPLATES[SL_TAG_NEAR] = { 3, 4, 5, 7, 8, 9 };
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        features[i] = sl_tag_feature(TEMPLATES[i], lower) & mask;
    }
}

const sl_tag_token SL_TAG_EDGE_TOKEN = { .lower = 101, .shape = 103, .capital = SL_TAG_EDGE };

/* The line up to the token, walked backwards; tagging keeps count of it instead. */
static sl_tag_line line_before(const sl_tag_tokens *tokens, size_t at)
{
    sl_tag_line line = { 0 };
    size_t begin = at;
    while (begin > 0 && at - begin < SL_TAG_LINE_BACK && tokens->items[begin].lines == 0) {
        begin--;
        if (line.label == 0 && tokens->items[begin].lower == sl_tag_colon() && begin > 0) {
            line.label = tokens->items[begin - 1].lower;
            line.since = (uint32_t)(at - begin);
        }
    }
    line.place = (uint32_t)(at - begin);
    return line;
}

size_t sl_tag_features(const sl_tag_tokens *tokens, size_t at, uint32_t mask,
                       uint32_t features[SL_TAG_FEATURES_MAX])
{
    const sl_tag_token *t = &tokens->items[at];
    uint32_t values[SL_TAG_CONTEXT_LANES];
    uint32_t near[SL_TAG_NEAR];
    size_t n = sl_tag_own_features(t, sl_view_sub(tokens->text, t->start, t->end), mask, features);
    for (size_t i = 0; i < SL_TAG_NEAR; i++) {
        const sl_tag_token *other = sl_tag_at(tokens, at + i - (i < 3 ? 3U : 2U));
        sl_tag_near_features(other->lower, mask, near);
        features[n++] = near[i];
    }
    sl_tag_line line = line_before(tokens, at);
    sl_tag_context(tokens, at, &line, values);
    for (size_t i = 0; i < SL_TAG_CONTEXT; i++) {
        features[n++] = sl_tag_feature(SL_TAG_TEMPLATES[i], values[i]) & mask;
    }
    return n;
}

uint64_t sl_tag_pack_check(sl_view pack_without_check)
{
    /* A fixed key: this finds damage; who made a pack is shown by its digest in the ledger. */
    static const uint8_t KEY[16] = { 's', 't', 'o', 'p', 'l', 'o', 'g', ' ',
                                     't', 'a', 'g', 'g', 'e', 'r', ' ', '1' };
    return sl_siphash(KEY, pack_without_check);
}
