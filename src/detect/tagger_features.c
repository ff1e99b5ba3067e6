/* Tokens and features of the tagger (tagger.h): what training and tagging share.
 * A change here makes every pack useless: raise the pack's version with it. */
#include "detect/siphash.h"
#include "detect/tagger.h"
#include "detect/words.h"

#define TOKEN_BYTES_MAX ((size_t)64)
#define SEGMENT_TOKENS_MAX ((size_t)160)
#define TOKENS_MAX ((size_t)1 << 20)
#define CASE_AROUND ((size_t)40)

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

static void describe(sl_tag_token *t, sl_view word)
{
    t->lower = sl_tag_word_hash(word);
    t->shape = shape_of(word);
    t->capital = capital_of(word);
}

static sl_res add_token(sl_tag_tokens *all, sl_tag_token one)
{
    if (all->n == all->cap) {
        size_t cap = all->cap == 0 ? 256 : all->cap * 2;
        SL_NEED(cap <= TOKENS_MAX, SL_E_LIMIT);
        sl_tag_token *more = realloc(all->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        all->items = more;
        all->cap = cap;
    }
    all->items[all->n++] = one;
    return SL_DONE;
}

/* Letters and digits together; an apostrophe inside a word ("O'Brien"); every other sign alone. */
static size_t token_end(sl_view t, size_t at)
{
    if (!sl_is_word(t.p[at])) {
        return at + 1;
    }
    size_t i = at;
    while (i < t.n && (sl_is_word(t.p[i]) ||
                       (t.p[i] == '\'' && i == at + 1 && i + 1 < t.n && sl_is_word(t.p[i + 1])))) {
        i++;
    }
    return i;
}

/* ---- texts without capitals ------------------------------------------------------------------ */

typedef struct {
    size_t lower;
    size_t capital;
    size_t upper;
} case_count;

static void count_case(case_count *c, const sl_tag_token *t, size_t by)
{
    if (t->end - t->start < 2) {
        return;
    }
    c->lower += t->capital == 0 ? by : 0;
    c->capital += t->capital == 1 || t->capital == 2 ? by : 0;
    c->upper += t->capital == 3 ? by : 0;
}

/* Typed without capitals, or in capitals alone: then case says nothing. */
static bool is_caseless(const case_count *c)
{
    bool lower = c->lower >= 3 && c->capital * 50 < c->lower;
    bool upper = c->upper >= 3 && (c->capital + c->lower) * 5 < c->upper;
    return lower || upper;
}

/* Forgets case: such a token has the same features however it is written. */
static void forget_case(sl_tag_token *t, sl_view text)
{
    uint8_t low[TOKEN_BYTES_MAX];
    if (t->capital == 4 || t->capital == 5) {
        return;
    }
    size_t n = lower_of(sl_view_sub(text, t->start, t->end), low);
    t->shape = shape_of(sl_view_of(low, n));
    t->capital = SL_TAG_NO_CASE;
}

/* A token's case counts where the tokens around it (CASE_AROUND on either side) have both cases. */
static void judge_case(sl_view text, sl_tag_tokens *tokens)
{
    case_count c = { 0 };
    size_t from = 0;
    size_t to = 0;
    uint8_t was[2 * CASE_AROUND + 1];
    for (size_t i = 0; i < tokens->n; i++) {
        for (; to < tokens->n && to <= i + CASE_AROUND; to++) {
            was[to % sizeof was] = tokens->items[to].capital;
            count_case(&c, &tokens->items[to], 1);
        }
        for (; from + CASE_AROUND < i; from++) {
            sl_tag_token old = tokens->items[from];
            old.capital = was[from % sizeof was];
            count_case(&c, &old, (size_t)-1);
        }
        if (is_caseless(&c)) {
            forget_case(&tokens->items[i], text);
        }
    }
}

sl_res sl_tag_tokenise(sl_view text, sl_tag_tokens *tokens)
{
    tokens->n = 0;
    tokens->text = text;
    unsigned lines = 1;
    for (size_t i = 0; i < text.n;) {
        if (sl_is_blank(text.p[i])) {
            lines += text.p[i] == '\n';
            i++;
            continue;
        }
        size_t end = token_end(text, i);
        sl_tag_token one = { .start = (uint32_t)i,
                             .end = (uint32_t)end,
                             .lines = (uint8_t)(lines > 2 ? 2 : lines) };
        describe(&one, sl_view_sub(text, i, end));
        SL_TRY(add_token(tokens, one));
        lines = 0;
        i = end;
    }
    judge_case(text, tokens);
    return SL_DONE;
}

/* A segment ends at a line's end, at a full stop before a capital, or at its limit. */
size_t sl_tag_segment_end(const sl_tag_tokens *tokens, size_t begin)
{
    static const uint8_t STOP[1] = { '.' };
    uint32_t stop = hash_bytes(STOP, 1, 0);
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

/* Lower case and not a sign, or a sign that joins nothing: what stands in running prose. */
static bool is_prose(const sl_tag_token *t)
{
    const uint32_t names = SL_LIST_FIRST_COMMON | SL_LIST_CITY | SL_LIST_TITLE | SL_LIST_RELATION |
                           SL_LIST_HOSPITAL | SL_LIST_STREET;
    return t->capital == 0 && t->end - t->start > 3 && (t->lists & SL_LIST_PLAIN) != 0 &&
           (t->lists & names) == 0;
}

bool sl_tag_is_plain(const sl_tag_tokens *tokens, size_t at)
{
    const sl_tag_token *t = &tokens->items[at];
    return at > 0 && at + 1 < tokens->n && is_prose(t) && t[-1].capital == 0 && t[1].capital == 0 &&
           (t[-1].lists & (SL_LIST_TITLE | SL_LIST_RELATION)) == 0;
}

bool sl_tag_may_follow(unsigned before, unsigned tag)
{
    bool on = tag != SL_TAG_OUTSIDE && tag % 2 == 0; /* goes on with what the tag before it began */
    return !on || before == tag || before == tag - 1;
}

/* ---- features ------------------------------------------------------------------------------ */

typedef struct {
    const sl_tag_tokens *tokens;
    size_t at;
    uint32_t mask;
    uint32_t *out;
    size_t n;
    uint32_t template_id;
} maker;

static const sl_tag_token EDGE = { .lower = 101, .shape = 103, .capital = SL_TAG_EDGE };

static const sl_tag_token *near(const maker *m, int by)
{
    size_t at = m->at + (size_t)by;
    return at < m->tokens->n ? &m->tokens->items[at] : &EDGE; /* before 0 wraps above n */
}

static void put(maker *m, uint32_t value)
{
    uint32_t h = (++m->template_id * 0x9E3779B1U) ^ (value * 0x85EBCA6BU);
    h ^= h >> 15;
    h *= 0xC2B2AE35U;
    h ^= h >> 13;
    if (m->n < SL_TAG_FEATURES_MAX) {
        m->out[m->n++] = h & m->mask;
    }
}

static uint32_t join(uint32_t a, uint32_t b)
{
    return (a * 0x27D4EB2FU) ^ (b + 0x165667B1U + (a << 6));
}

static void put_words(maker *m)
{
    const sl_tag_token *t = near(m, 0);
    sl_view word = sl_view_sub(m->tokens->text, t->start, t->end);
    put(m, 0);
    put(m, t->capital == SL_TAG_NO_CASE
               ? t->lower ^ 0x5BD1E995U
               : hash_bytes(word.p, word.n < TOKEN_BYTES_MAX ? word.n : TOKEN_BYTES_MAX, 3));
    for (int by = -3; by <= 3; by++) {
        put(m, near(m, by)->lower);
    }
    put(m, join(near(m, -1)->lower, t->lower));
    put(m, join(t->lower, near(m, 1)->lower));
    put(m, join(near(m, -2)->lower, near(m, -1)->lower));
    put(m, join(near(m, 1)->lower, near(m, 2)->lower));
    put(m, join(join(near(m, -1)->lower, near(m, 1)->lower), t->capital));
}

static uint32_t case_kind(const sl_tag_token *t)
{
    return t->capital == SL_TAG_NO_CASE ? 2 : t->capital != 0;
}

static void put_shapes(maker *m)
{
    const sl_tag_token *t = near(m, 0);
    put(m, t->shape);
    put(m, join(near(m, -1)->shape, t->shape));
    put(m, join(t->shape, near(m, 1)->shape));
    put(m, join(join(near(m, -1)->shape, t->shape), near(m, 1)->shape));
    uint8_t low[TOKEN_BYTES_MAX];
    size_t n = lower_of(sl_view_sub(m->tokens->text, t->start, t->end), low);
    for (size_t i = 0; i < 3; i++) {
        size_t part = i + 2 < n ? i + 2 : n;
        put(m, join(hash_bytes(low, part, 11), case_kind(t)));
        put(m, join(hash_bytes(low + n - part, part, 13), case_kind(t)));
    }
    put(m, near(m, -2)->capital * 65536U + near(m, -1)->capital * 4096U + t->capital * 256U +
               near(m, 1)->capital * 16U + near(m, 2)->capital);
    put(m, near(m, -1)->capital * 256U + t->capital * 16U + near(m, 1)->capital);
}

static void put_lists(maker *m)
{
    const uint32_t strong = SL_LIST_FIRST_COMMON | SL_LIST_FIRST_RARE | SL_LIST_LAST |
                            SL_LIST_CITY | SL_LIST_PLAIN | SL_LIST_EPONYM | SL_LIST_DRUG;
    const uint32_t around = SL_LIST_TITLE | SL_LIST_RELATION;
    const sl_tag_token *t = near(m, 0);
    const sl_tag_token *b = near(m, -1);
    const sl_tag_token *a = near(m, 1);
    put(m, t->lists);
    put(m, join(t->lists, t->capital));
    put(m, join(b->lists, t->capital));
    put(m, join(a->lists, t->capital));
    put(m, join(b->lists, t->lists));
    put(m, join(t->lists, a->lists));
    put(m, join(join(b->lists & strong, t->lists & strong), join(a->lists & strong, t->capital)));
    put(m, join(b->lower, join(t->lists & strong, t->capital)));
    put(m, join(a->lower, join(t->lists & strong, t->capital)));
    put(m, join(near(m, -2)->lower, join(t->lists & strong, t->capital)));
    put(m, join(near(m, -2)->lists & around, t->capital));
    put(m, join(near(m, 2)->lists & (SL_LIST_HOSPITAL | SL_LIST_STREET | SL_LIST_REGION_SHORT),
                t->capital));
    for (uint32_t bit = 0; bit < 16; bit++) {
        if ((t->lists >> bit & 1) != 0) {
            put(m, bit * 16 + t->capital);
        } else {
            m->template_id++;
        }
    }
}

/* The word before a colon on the same line ("Patient: ..."), the place in the line, and how far a
 * hospital's keyword stands ahead. */
static void put_line(maker *m)
{
    static const uint8_t COLON[1] = { ':' };
    const sl_tag_token *t = near(m, 0);
    uint32_t colon = hash_bytes(COLON, 1, 0);
    uint32_t label = 0;
    uint32_t since = 0;
    size_t begin = m->at;
    while (begin > 0 && m->at - begin < 12 && m->tokens->items[begin].lines == 0) {
        begin--;
        if (label == 0 && m->tokens->items[begin].lower == colon && begin > 0) {
            label = m->tokens->items[begin - 1].lower;
            since = (uint32_t)(m->at - begin);
        }
    }
    uint32_t place = (uint32_t)(m->at - begin);
    uint32_t hospital = 0;
    for (uint32_t by = 1; by <= 4 && m->at + by < m->tokens->n; by++) {
        const sl_tag_token *ahead = &m->tokens->items[m->at + by];
        if (ahead->lines != 0 || ahead->capital == 0 || ahead->capital == 4) {
            break;
        }
        if ((ahead->lists & SL_LIST_HOSPITAL) != 0) {
            hospital = by;
            break;
        }
    }
    put(m, join(label, t->capital));
    put(m, join(label, since));
    put(m, join(label, t->lists));
    put(m, (place > 4 ? 4 : place) * 16 + t->capital);
    put(m, (uint32_t)(t->lines != 0) * 32 + (uint32_t)(near(m, 1)->lines != 0) * 16 + t->capital);
    put(m, hospital * 16 + t->capital);
    put(m, join(hospital, t->lists));
}

size_t sl_tag_features(const sl_tag_tokens *tokens, size_t at, uint32_t mask,
                       uint32_t features[SL_TAG_FEATURES_MAX])
{
    maker m = { .tokens = tokens, .at = at, .mask = mask, .out = features };
    put_words(&m);
    put_shapes(&m);
    put_lists(&m);
    put_line(&m);
    return m.n;
}

uint64_t sl_tag_pack_check(sl_view pack_without_check)
{
    /* A fixed key: this finds damage; who made a pack is shown by its digest in the ledger. */
    static const uint8_t KEY[16] = { 's', 't', 'o', 'p', 'l', 'o', 'g', ' ',
                                     't', 'a', 'g', 'g', 'e', 'r', ' ', '1' };
    return sl_siphash(KEY, pack_without_check);
}
