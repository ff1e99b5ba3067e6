/* Features in three parts, so that tagging need not make anew what does not change: what a word says by itself and to
 * its neighbours (kept by tagger_words.h), and what depends on the words around it. Training takes them all at once
 * (sl_tag_features). Internal to src/detect; the parts and their template numbers are the pack's version. */
#ifndef SL_DETECT_TAGGER_FEATURES_H
#define SL_DETECT_TAGGER_FEATURES_H

#include "detect/tagger.h"

typedef struct sl_tag_words sl_tag_words;

enum {
    SL_TAG_OWN_MAX = 32,
    SL_TAG_NEAR = 6, /* a word seen from three tokens behind it to three before it, itself aside */
    SL_TAG_CONTEXT = 32, /* features of the words around */
    SL_TAG_CONTEXT_LANES = 32,
};
#define SL_TAG_LINE_BACK ((size_t)12)

/* The place in a line: the word before the last colon (0: none) and how far that colon is, how many
 * tokens stand before on the line, at most 12. */
typedef struct {
    uint32_t label;
    uint32_t since;
    uint32_t place;
} sl_tag_line;

/* Outside the text. */
extern const sl_tag_token SL_TAG_EDGE_TOKEN;

static const uint32_t SL_TAG_TEMPLATES[SL_TAG_CONTEXT_LANES] = {
    10, 11, 12, 13, 14, 16, 17, 18, 25, 26, 29, 30, 31, 32, 33, 34,
    35, 36, 37, 38, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66,
};

static inline uint32_t sl_tag_feature(uint32_t template_id, uint32_t value)
{
    uint32_t h = (template_id * 0x9E3779B1U) ^ (value * 0x85EBCA6BU);
    h ^= h >> 15;
    h *= 0xC2B2AE35U;
    return h ^ h >> 13;
}

static inline uint32_t sl_tag_join(uint32_t a, uint32_t b)
{
    return (a * 0x27D4EB2FU) ^ (b + 0x165667B1U + (a << 6));
}

/* What a sign's `lower` is. */
static inline uint32_t sl_tag_sign_hash(uint8_t sign)
{
    uint32_t h = (2166136261U ^ sign) * 16777619U;
    h ^= h >> 15;
    return h * 2246822519U;
}

static inline uint32_t sl_tag_colon(void)
{
    return sl_tag_sign_hash(':');
}

/* A place before the text wraps around and is an edge as well. */
static inline const sl_tag_token *sl_tag_at(const sl_tag_tokens *tokens, size_t at)
{
    return at < tokens->n ? &tokens->items[at] : &SL_TAG_EDGE_TOKEN;
}

/* How far a hospital's keyword stands ahead in the same run of capitals; 0: there is none. */
static inline uint32_t sl_tag_hospital_ahead(const sl_tag_tokens *tokens, size_t at)
{
    for (uint32_t by = 1; by <= 4 && at + by < tokens->n; by++) {
        const sl_tag_token *ahead = &tokens->items[at + by];
        if (ahead->lines != 0 || ahead->capital == 0 || ahead->capital == 4) {
            return 0;
        }
        if ((ahead->lists & SL_LIST_HOSPITAL) != 0) {
            return by;
        }
    }
    return 0;
}

/* The hash of "'s", which is one token. */
static inline uint32_t sl_tag_possessive(void)
{
    uint32_t h = ((2166136261U ^ '\'') * 16777619U ^ 's') * 16777619U;
    h ^= h >> 15;
    return h * 2246822519U;
}

/* How far a noun of things stands ahead, over names and what joins them: "Guillain-Barre syndrome",
 * "Crohn's disease"; 0: there is none. */
static inline uint32_t sl_tag_thing_ahead(const sl_tag_tokens *tokens, size_t at)
{
    const uint32_t dash = sl_tag_sign_hash('-');
    for (uint32_t by = 1; by <= 4 && at + by < tokens->n; by++) {
        const sl_tag_token *ahead = &tokens->items[at + by];
        if (ahead->lines != 0) {
            return 0;
        }
        if ((ahead->lists & SL_LIST_THING) != 0) {
            return by;
        }
        bool joint = ahead->lower == dash || ahead->lower == sl_tag_possessive();
        bool name = ahead->capital == 1 || ahead->capital == 2 || ahead->capital == SL_TAG_NO_CASE;
        if (!joint && (!name || (ahead->capital == SL_TAG_NO_CASE && by > 2))) {
            return 0;
        }
    }
    return 0;
}

static inline uint32_t sl_tag_sense_of(const sl_tag_token *t)
{
    return t->lists >> SL_TAG_SENSE_SHIFT;
}

/* The values of the templates SL_TAG_TEMPLATES at token `at`. */
static inline void sl_tag_context(const sl_tag_tokens *tokens, size_t at, const sl_tag_line *line,
                                  uint32_t values[SL_TAG_CONTEXT_LANES])
{
    const uint32_t strong = SL_LIST_FIRST_COMMON | SL_LIST_FIRST_RARE | SL_LIST_LAST |
                            SL_LIST_CITY | SL_LIST_PLAIN | SL_LIST_EPONYM | SL_LIST_DRUG;
    const uint32_t around = SL_LIST_TITLE | SL_LIST_RELATION;
    const uint32_t place = SL_LIST_HOSPITAL | SL_LIST_STREET | SL_LIST_REGION_SHORT;
    const sl_tag_token *bb = sl_tag_at(tokens, at - 2);
    const sl_tag_token *b = sl_tag_at(tokens, at - 1);
    const sl_tag_token *t = &tokens->items[at];
    const sl_tag_token *a = sl_tag_at(tokens, at + 1);
    const sl_tag_token *aa = sl_tag_at(tokens, at + 2);
    const uint32_t capital = t->capital;
    const uint32_t shapes = sl_tag_join(b->shape, t->shape);
    const uint32_t mine = sl_tag_join(t->lists & strong, capital);
    const uint32_t hospital = sl_tag_hospital_ahead(tokens, at);
    const uint32_t thing = sl_tag_thing_ahead(tokens, at);
    const uint32_t lists = t->lists & SL_LIST_NAMED;
    const uint32_t lists_b = b->lists & SL_LIST_NAMED;
    const uint32_t lists_a = a->lists & SL_LIST_NAMED;
    const uint32_t sense_b = sl_tag_sense_of(b) * 16 + b->capital;
    const uint32_t sense_a = sl_tag_sense_of(a) * 16 + a->capital;
    values[0] = sl_tag_join(b->lower, t->lower);
    values[1] = sl_tag_join(t->lower, a->lower);
    values[2] = sl_tag_join(bb->lower, b->lower);
    values[3] = sl_tag_join(a->lower, aa->lower);
    values[4] = sl_tag_join(sl_tag_join(b->lower, a->lower), capital);
    values[5] = shapes;
    values[6] = sl_tag_join(t->shape, a->shape);
    values[7] = sl_tag_join(shapes, a->shape);
    values[8] =
        bb->capital * 65536U + b->capital * 4096U + capital * 256U + a->capital * 16U + aa->capital;
    values[9] = b->capital * 256U + capital * 16U + a->capital;
    values[10] = sl_tag_join(lists_b, capital);
    values[11] = sl_tag_join(lists_a, capital);
    values[12] = sl_tag_join(lists_b, lists);
    values[13] = sl_tag_join(lists, lists_a);
    values[14] = sl_tag_join(sl_tag_join(b->lists & strong, t->lists & strong),
                             sl_tag_join(a->lists & strong, capital));
    values[15] = sl_tag_join(b->lower, mine);
    values[16] = sl_tag_join(a->lower, mine);
    values[17] = sl_tag_join(bb->lower, mine);
    values[18] = sl_tag_join(bb->lists & around, capital);
    values[19] = sl_tag_join(aa->lists & place, capital);
    values[20] = sl_tag_join(line->label, capital);
    values[21] = sl_tag_join(line->label, line->since);
    values[22] = sl_tag_join(line->label, lists);
    values[23] = (line->place > 4 ? 4 : line->place) * 16 + capital;
    values[24] = (uint32_t)(t->lines != 0) * 32 + (uint32_t)(a->lines != 0) * 16 + capital;
    values[25] = hospital * 16 + capital;
    values[26] = sl_tag_join(hospital, lists);
    values[27] = thing * 16 + capital;
    values[28] = sl_tag_join(thing, mine);
    values[29] = sl_tag_join(sense_b * 256 + sense_a, capital);
    values[30] = sl_tag_join(sense_b, mine);
    values[31] = sl_tag_join(sense_a, mine);
}

/* `lower`, `shape` and `capital` of a token, from its bytes; then without case. */
void sl_tag_describe(sl_tag_token *token, sl_view word);
void sl_tag_forget_case(sl_tag_token *token, sl_view word);
/* What a word says by itself; returns how many. */
size_t sl_tag_own_features(const sl_tag_token *token, sl_view word, uint32_t mask,
                           uint32_t features[SL_TAG_OWN_MAX]);
/* What a word says about the token three places behind it, two, one, and one to three before it. */
void sl_tag_near_features(uint32_t lower, uint32_t mask, uint32_t features[SL_TAG_NEAR]);
/* As sl_tag_tokenise, with lists and entries of known words. */
SL_MUST sl_res sl_tag_tokenise_known(sl_tag_words *words, sl_view text, sl_tag_tokens *tokens);

#endif
