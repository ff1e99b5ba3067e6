/* Words, signs and concepts of folded text as hashed features (inject_features.h). Integer arithmetic
 * only; linear in the text. It keeps nothing between texts. Design: src/detect/README.md. */
#include "detect/inject_features.h"

#include <math.h>

#include "base/utf8.h"
#include "detect/words.h"

enum { WORD, SINGLE, NUMBER, SIGN, LINE };

#define GRAM_UNITS_MAX ((size_t)24)
#define NEAR_TOKENS 10U
#define TRAIL_TOKENS 16U
#define RUN_CHARS_MAX ((size_t)8)
#define LINE_HASH UINT32_C(0x51ED270B)

static uint32_t mix(uint32_t h, uint32_t v)
{
    h = (h ^ v) * UINT32_C(0x9E3779B1);
    return h ^ h >> 15;
}

static uint32_t unit_mix(uint32_t h, uint16_t unit)
{
    return (h ^ unit) * UINT32_C(0x01000193) + UINT32_C(0x7F4A7C15);
}

static uint32_t last_mix(uint32_t h)
{
    h ^= h >> 16;
    h *= UINT32_C(0x85EBCA6B);
    h ^= h >> 13;
    return h == 0 ? 1 : h;
}

/* ---- characters ---------------------------------------------------------------------------- */

/* Joiners, the Arabic stretch and vowel signs say nothing about which word it is. */
static bool is_silent(uint32_t cp)
{
    return cp == 0x200C || cp == 0x200D || cp == 0x0640 || (cp >= 0x064B && cp <= 0x0652) ||
           (cp >= 0xFE00 && cp <= 0xFE0F);
}

static bool is_sign(uint32_t cp)
{
    return (cp >= 0x80 && cp <= 0xBF) || cp == 0xD7 || cp == 0xF7 || cp == 0x060C || cp == 0x061B ||
           cp == 0x061F || cp == 0x06D4 || cp == 0x0964 || cp == 0x0965 ||
           (cp >= 0x2000 && cp <= 0x2BFF) || (cp >= 0x3000 && cp <= 0x303F) ||
           (cp >= 0x1F000 && cp <= 0x1FAFF) || cp == 0xFFFD;
}

/* Scripts without blanks, and Hangul, whose particles stick to words: each character is a token. */
static bool stands_alone(uint32_t cp)
{
    return (cp >= 0x0E00 && cp <= 0x0EFF) || (cp >= 0x1000 && cp <= 0x109F) ||
           (cp >= 0x1780 && cp <= 0x17FF) || (cp >= 0x2E80 && cp <= 0x9FFF) ||
           (cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0xF900 && cp <= 0xFAFF) ||
           (cp >= 0x20000 && cp <= 0x3FFFF);
}

static uint32_t arabic(uint32_t cp)
{
    switch (cp) {
    case 0x0622:
    case 0x0623:
    case 0x0625:
        return 0x0627;
    case 0x0649:
    case 0x06CC:
        return 0x064A;
    case 0x0629:
        return 0x0647;
    case 0x06A9:
        return 0x0643;
    default:
        return cp;
    }
}

static uint32_t lower(uint32_t cp)
{
    if (cp >= 0x0600 && cp <= 0x06FF) {
        return arabic(cp);
    }
    if ((cp >= 0xC0 && cp <= 0xDE) || (cp >= 0x0391 && cp <= 0x03A9) ||
        (cp >= 0x0410 && cp <= 0x042F)) {
        return cp + 32;
    }
    if (cp == 0x0130 || cp == 0x0131) {
        return 'i';
    }
    if (cp >= 0x0400 && cp <= 0x040F) {
        cp += 80;
    }
    if (cp >= 0x0139 && cp <= 0x0148) {
        return cp + (cp & 1);
    }
    return cp == 0x0451 ? 0x0435 : (cp >= 0x0100 && cp <= 0x0177 ? cp | 1 : cp);
}

static uint16_t unit_of(uint32_t cp)
{
    cp = cp < 0x80 ? sl_lower((uint8_t)cp) : lower(cp);
    return (uint16_t)(cp <= 0xFFFF ? cp : cp * 40503U);
}

/* ---- the word list ------------------------------------------------------------------------- */

void sl_inject_words_free(sl_inject_words *words)
{
    free(words->hashes);
    free(words->concepts);
    free(words->forms);
    *words = (sl_inject_words){ 0 };
}

sl_res sl_inject_words_init(sl_inject_words *words, uint32_t count)
{
    uint32_t slots = 256;
    while (slots / 2 < count) {
        slots *= 2;
    }
    *words = (sl_inject_words){ .mask = slots - 1 };
    words->hashes = calloc(slots, sizeof *words->hashes);
    words->concepts = calloc(slots, sizeof *words->concepts);
    words->forms = calloc(slots, 1);
    if (words->hashes == NULL || words->concepts == NULL || words->forms == NULL) {
        sl_inject_words_free(words);
        return sl_fail(SL_E_MEMORY);
    }
    return SL_DONE;
}

sl_res sl_inject_words_put(sl_inject_words *words, uint32_t hash, uint8_t form, uint16_t concepts)
{
    uint32_t at = hash & words->mask;
    while (words->hashes[at] != 0 && words->hashes[at] != hash) {
        at = (at + 1) & words->mask;
    }
    if (words->hashes[at] == 0) {
        SL_NEED(words->count < words->mask, SL_E_LIMIT);
        words->hashes[at] = hash;
        words->count++;
    }
    words->concepts[at] |= concepts;
    words->forms[at] |= form;
    if ((form & SL_INJECT_FORM_PREFIX) != 0) {
        words->prefixes[hash >> 22] = 1;
    }
    return SL_DONE;
}

sl_res sl_inject_words_add(sl_inject_words *words, sl_view text, uint8_t form, uint16_t concepts)
{
    uint32_t h = 0;
    size_t units = 0;
    for (size_t i = 0, n = 1; i < text.n; i += n) {
        uint32_t cp = sl_utf8_next(text, i, &n);
        if (is_silent(cp) || cp == '\'') {
            continue;
        }
        h = unit_mix(h, unit_of(cp));
        units++;
        form = stands_alone(cp) ? SL_INJECT_FORM_RUN : form;
    }
    SL_NEED(units > 0 && (form != SL_INJECT_FORM_RUN || units <= RUN_CHARS_MAX), SL_E_RANGE);
    return sl_inject_words_put(words, last_mix(h), form, concepts);
}

static uint16_t concepts_of(const sl_inject_words *words, uint32_t hash, uint8_t form)
{
    uint32_t at = hash & words->mask;
    while (words->hashes[at] != 0) {
        if (words->hashes[at] == hash) {
            return (words->forms[at] & form) != 0 ? words->concepts[at] : 0;
        }
        at = (at + 1) & words->mask;
    }
    return 0;
}

/* ---- tokens -------------------------------------------------------------------------------- */

void sl_inject_tokens_free(sl_inject_tokens *tokens)
{
    free(tokens->items);
    free(tokens->units);
    *tokens = (sl_inject_tokens){ 0 };
}

static sl_res make_room(sl_inject_tokens *t, size_t bytes)
{
    if (t->units_cap < bytes) {
        uint16_t *units = realloc(t->units, bytes * sizeof *units);
        SL_NEED(units != NULL, SL_E_MEMORY);
        t->units = units;
        t->units_cap = bytes;
    }
    return SL_DONE;
}

static sl_res add_token(sl_inject_tokens *t, sl_inject_token one)
{
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 256 : t->cap * 2;
        sl_inject_token *items = realloc(t->items, cap * sizeof *items);
        SL_NEED(items != NULL, SL_E_MEMORY);
        t->items = items;
        t->cap = cap;
    }
    t->items[t->n++] = one;
    return SL_DONE;
}

/* A word: its letters until something that is none; apostrophes inside are left out. */
static size_t read_word(const sl_inject_words *words, sl_view v, size_t at, sl_inject_tokens *t,
                        sl_inject_token *one)
{
    uint32_t h = 0;
    size_t capitals = 0;
    size_t letters = 0;
    while (at < v.n) {
        size_t n = 1;
        uint32_t cp = v.p[at] < 0x80 ? v.p[at] : sl_utf8_next(v, at, &n);
        if (cp == '\'' && letters > 0 && at + 1 < v.n && sl_is_word(v.p[at + 1])) {
            at++;
            continue;
        }
        bool ends = cp < 0x80 ? !sl_is_word((uint8_t)cp)
                              : is_sign(cp) || stands_alone(cp) || cp == SL_UTF8_BAD;
        if (!is_silent(cp) && ends) {
            break;
        }
        at += n;
        if (is_silent(cp)) {
            continue;
        }
        uint16_t unit = unit_of(cp);
        capitals += cp >= 'A' && cp <= 'Z';
        letters++;
        t->units[t->units_n++] = unit;
        h = unit_mix(h, unit);
        if (letters >= 3) {
            uint32_t hash = last_mix(h);
            if (words->prefixes[hash >> 22] != 0) {
                one->concepts |= concepts_of(words, hash, SL_INJECT_FORM_PREFIX);
            }
        }
    }
    one->hash = last_mix(h);
    one->concepts |= concepts_of(words, one->hash, SL_INJECT_FORM_WORD);
    one->shouted = letters >= 3 && capitals == letters;
    return at;
}

static size_t read_number(sl_view v, size_t at, sl_inject_token *one)
{
    size_t begin = at;
    while (at < v.n && sl_is_digit(v.p[at])) {
        at++;
    }
    one->kind = NUMBER;
    one->hash = mix(17, (uint32_t)(at - begin < 5 ? at - begin : 5));
    return at;
}

static size_t read_sign(sl_view v, size_t at, uint32_t cp, size_t n, sl_inject_token *one)
{
    size_t run = 0;
    while (at + n <= v.n && memcmp(v.p + at, v.p + one->start, n) == 0) {
        at += n;
        run++;
    }
    one->kind = SIGN;
    one->hash = mix(mix(31, cp), (uint32_t)(run < 3 ? run : 3));
    return at;
}

/* Characters of a script without blanks: what the last one to eight of them are known as. */
static uint16_t run_concepts(const sl_inject_words *words, const sl_inject_tokens *t)
{
    uint16_t found = 0;
    for (size_t k = 1; k <= RUN_CHARS_MAX && k <= t->n; k++) {
        if (k > 1 && t->items[t->n - k + 1].start != t->items[t->n - k].end) {
            break;
        }
        if (t->items[t->n - k].kind != SINGLE) {
            break;
        }
        uint32_t h = 0;
        for (size_t i = t->n - k; i < t->n; i++) {
            h = unit_mix(h, t->units[t->items[i].unit]);
        }
        found |= concepts_of(words, last_mix(h), SL_INJECT_FORM_RUN);
    }
    return found;
}

static size_t read_blank(sl_view v, size_t at, bool *ret_line)
{
    while (at < v.n && (v.p[at] <= ' ' || v.p[at] == 0x7F)) {
        *ret_line = *ret_line || v.p[at] == '\n' || v.p[at] == '\r';
        at++;
    }
    return at;
}

static sl_res read_token(const sl_inject_words *words, sl_view v, size_t *at, sl_inject_tokens *t)
{
    size_t n = 1;
    uint8_t b = v.p[*at];
    uint32_t cp = b < 0x80 ? b : sl_utf8_next(v, *at, &n);
    sl_inject_token one = { .start = (uint32_t)*at, .unit = (uint32_t)t->units_n };
    bool single = false;
    if (sl_is_digit(b)) {
        *at = read_number(v, *at, &one);
    } else if (cp < 0x80 ? !sl_is_word(b) : (is_sign(cp) || cp == SL_UTF8_BAD) && !is_silent(cp)) {
        *at = read_sign(v, *at, cp, n, &one);
    } else if (cp >= 0x80 && stands_alone(cp)) {
        one.kind = SINGLE;
        one.hash = last_mix(unit_mix(0, unit_of(cp)));
        t->units[t->units_n++] = unit_of(cp);
        *at += n;
        single = true;
    } else {
        *at = read_word(words, v, *at, t, &one);
    }
    one.end = (uint32_t)*at;
    size_t units = t->units_n - one.unit;
    one.units_n = (uint16_t)(units < GRAM_UNITS_MAX ? units : GRAM_UNITS_MAX);
    SL_TRY(add_token(t, one));
    if (single) {
        t->items[t->n - 1].concepts = run_concepts(words, t);
    }
    return SL_DONE;
}

sl_res sl_inject_tokenise(const sl_inject_words *words, sl_view folded, sl_inject_tokens *tokens)
{
    SL_NEED(folded.n <= (size_t)1 << 30, SL_E_LIMIT);
    tokens->n = 0;
    tokens->units_n = 0;
    memset(tokens->seen, 0, sizeof tokens->seen);
    memset(tokens->trail_at, 0, sizeof tokens->trail_at);
    SL_TRY(make_room(tokens, folded.n + 1));
    for (size_t at = 0; at < folded.n;) {
        bool line = false;
        size_t after = read_blank(folded, at, &line);
        if (line && tokens->n > 0) {
            SL_TRY(add_token(tokens, (sl_inject_token){ .start = (uint32_t)at,
                                                        .end = (uint32_t)after,
                                                        .hash = LINE_HASH,
                                                        .kind = LINE }));
        }
        at = after;
        if (at < folded.n) {
            SL_TRY(read_token(words, folded, &at, tokens));
        }
    }
    return SL_DONE;
}

/* ---- features ------------------------------------------------------------------------------ */

typedef struct {
    uint32_t *out;
    size_t n;
} bag;

static void put(bag *b, uint32_t feature)
{
    if (b->n < SL_INJECT_FEATURES_MAX) {
        b->out[b->n++] = feature;
    }
}

/* Four and five characters of a word with its edges. */
static void grams(const sl_inject_tokens *t, const sl_inject_token *token, bag *b)
{
    uint16_t edged[GRAM_UNITS_MAX + 2];
    size_t n = token->units_n;
    edged[0] = 1;
    memcpy(edged + 1, t->units + token->unit, n * sizeof *edged);
    edged[n + 1] = 2;
    for (size_t i = 0; i + 4 <= n + 2; i++) {
        uint32_t h = mix(mix(41, (uint32_t)edged[i] << 16 | edged[i + 1]),
                         (uint32_t)edged[i + 2] << 16 | edged[i + 3]);
        put(b, h);
        if (i + 5 <= n + 2) {
            put(b, mix(h, edged[i + 4]));
        }
    }
}

/* Pairs of concepts that stand near each other, and the last three in order: "ignore the previous
 * instructions" in any wording and language that the word list knows. */
static void concept_features(sl_inject_tokens *t, size_t at, uint32_t concepts, bag *b)
{
    uint32_t now = (uint32_t)at + 1;
    for (uint32_t c = 0; c < SL_INJECT_CONCEPTS; c++) {
        if ((concepts >> c & 1) == 0) {
            continue;
        }
        put(b, mix(61, c));
        for (uint32_t d = 0; d < SL_INJECT_CONCEPTS; d++) {
            if (t->seen[d] != 0 && now - t->seen[d] <= NEAR_TOKENS) {
                put(b, mix(67, c * SL_INJECT_CONCEPTS + d));
            }
        }
    }
    uint32_t first = (uint32_t)__builtin_ctz(concepts);
    if (t->trail_at[0] != 0 && now - t->trail_at[0] <= TRAIL_TOKENS) {
        put(b, mix(mix(71, (uint32_t)t->trail[0] << 16 | t->trail[1]), first));
    }
    for (uint32_t c = 0; c < SL_INJECT_CONCEPTS; c++) {
        t->seen[c] = (concepts >> c & 1) != 0 ? now : t->seen[c];
    }
    t->trail[0] = t->trail[1];
    t->trail_at[0] = t->trail_at[1];
    t->trail[1] = (uint16_t)first;
    t->trail_at[1] = now;
}

size_t sl_inject_features(sl_inject_tokens *tokens, size_t at,
                          uint32_t ret_features[SL_INJECT_FEATURES_MAX])
{
    bag b = { .out = ret_features };
    const sl_inject_token *t = &tokens->items[at];
    uint32_t before = at > 0 ? t[-1].hash : LINE_HASH;
    uint32_t before_that = at > 1 ? t[-2].hash : LINE_HASH;
    put(&b, mix(3, t->hash));
    put(&b, mix(mix(5, before), t->hash));
    put(&b, mix(mix(mix(7, before_that), before), t->hash));
    if (t->shouted) {
        put(&b, mix(11, t->hash));
        put(&b, mix(13, at > 0 && t[-1].shouted));
    }
    if (t->kind == WORD && t->units_n >= 3) {
        grams(tokens, t, &b);
    }
    if (t->concepts != 0) {
        concept_features(tokens, at, t->concepts, &b);
    }
    return b.n;
}

bool sl_inject_next_window(size_t n, int *scale, size_t *at, size_t *ret_end)
{
    size_t words = *scale < 0 ? 0 : SL_INJECT_SCALE_WORDS(*scale);
    if (*scale >= 0 && *at + words < n) {
        *at += words / 4;
        *at = *at + words > n ? n - words : *at;
        *ret_end = *at + words;
        return true;
    }
    if (n == 0 || *scale + 1 >= SL_INJECT_SCALES || (*scale >= 0 && words >= n)) {
        return false;
    }
    ++*scale;
    words = SL_INJECT_SCALE_WORDS(*scale);
    *at = 0;
    *ret_end = words < n ? words : n;
    return true;
}

double sl_inject_frame(size_t tokens, size_t from, size_t to, size_t *ret_low, size_t *ret_high)
{
    *ret_low = from > SL_INJECT_FRAME_TOKENS ? from - SL_INJECT_FRAME_TOKENS : 0;
    *ret_high = tokens - to > SL_INJECT_FRAME_TOKENS ? to + SL_INJECT_FRAME_TOKENS : tokens;
    size_t n = from - *ret_low + *ret_high - to;
    return sqrt((double)((n < 8 ? 8 : n) * SL_INJECT_FRAME_FEATURES));
}

double sl_inject_norm(uint32_t features)
{
    return sqrt((double)(features < 48 ? 48 : features));
}
