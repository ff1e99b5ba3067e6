/* Tokens that nobody need ask about: plain words, small words and signs of running text whose neighbours cannot be part
 * of a name either. They are outside every name, so tagging spends nothing on them. Where a text has no case, no word
 * is calm. What is said of a token follows from its word alone; sl_tag_is_plain then looks at the neighbours.
 * Internal to src/detect; training asks about every token all the same (docs/detection.md, Speed). */
#ifndef SL_DETECT_TAGGER_CALM_H
#define SL_DETECT_TAGGER_CALM_H

#include "detect/tagger.h"

enum {
    SL_CALM_WORD = 1 << 0,  /* in lower case, known as a plain word and on no list of names */
    SL_CALM_SMALL = 1 << 1, /* "The", "She" with their capital: begin sentences, not names */
    SL_CALM_SIGN = 1 << 2,  /* of punctuation */
    SL_CALM_STOP = 1 << 3,  /* such a sign, and a sentence may begin behind it */
    SL_CALM_QUIET = 1 << 4, /* in lower case, on no list of names but towns, and announces none */
    SL_CALM_LOWER = 1 << 5, /* in lower case */
    SL_CALM_PROSE = 1 << 6, /* a plain word that is rarely a name, or an initial */
    SL_CALM_OPEN = 1 << 7,  /* a title or a relation: a name may follow */
};

/* `lower`, `lists` and `capital` of the token are set. */
uint8_t sl_tag_calm(const sl_tag_token *token, sl_view word);

/* Is the token outside whatever the model says? */
static inline bool sl_tag_is_plain(const sl_tag_tokens *tokens, size_t at)
{
    const unsigned before = SL_CALM_QUIET | SL_CALM_SMALL;
    const sl_tag_token *t = &tokens->items[at];
    if (at == 0 || at + 1 >= tokens->n ||
        (t->calm & (SL_CALM_WORD | SL_CALM_PROSE | SL_CALM_SIGN | SL_CALM_SMALL)) == 0) {
        return false;
    }
    const unsigned b = t[-1].calm;
    const unsigned a = t[1].calm;
    const unsigned bb = at >= 2 ? t[-2].calm : before;
    if ((t->calm & SL_CALM_PROSE) != 0 && (a & b & SL_CALM_LOWER) != 0 && (b & SL_CALM_OPEN) == 0) {
        return true;
    }
    if (t[1].lines == 0 && (a & (SL_CALM_QUIET | SL_CALM_SIGN | SL_CALM_SMALL)) == 0) {
        return false;
    }
    if ((t->calm & SL_CALM_WORD) != 0) {
        return (b & before) != 0 ||
               ((b & SL_CALM_SIGN) != 0 && (bb & (before | SL_CALM_SIGN)) != 0);
    }
    if ((t->calm & SL_CALM_SIGN) != 0) {
        return (b & (SL_CALM_WORD | SL_CALM_SMALL | SL_CALM_SIGN)) != 0;
    }
    bool begins = t->lines != 0 || (b & SL_CALM_WORD) != 0 ||
                  ((b & SL_CALM_STOP) != 0 && (bb & SL_CALM_QUIET) != 0);
    return (t->calm & SL_CALM_SMALL) != 0 && begins && (a & (SL_CALM_WORD | SL_CALM_SMALL)) != 0;
}

#endif
