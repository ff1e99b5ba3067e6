/* Words of folded text: runs of letters and digits, in lower case. Shared by the roster, the
 * pseudonym map and whatever else matches values, so that all agree on what a value is. */
#ifndef SL_DETECT_WORDS_H
#define SL_DETECT_WORDS_H

#include "base/bytes.h"

/* Letters and digits; every byte of a character beyond ASCII counts as a letter. */
static inline bool sl_is_word(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b >= 0x80;
}

static inline uint8_t sl_lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

static inline bool sl_is_digit(uint8_t b)
{
    return b >= '0' && b <= '9';
}

static inline bool sl_is_blank(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == '\f' || b == '\v';
}

/* Is `word`, in whatever case, among `words`, which are in lower case? An empty word is not. */
bool sl_is_one_of(sl_view word, const sl_view *words, size_t count);
/* "Dr", "Mrs", "Herr" ...: what stands before a name and names no one. Without its full stop. */
bool sl_is_title(sl_view word);
/* Where a name begins when the titles at its front are passed over; `start` if nothing else is there. */
size_t sl_after_titles(sl_view text, size_t start, size_t end);
/* A state or a country by itself ("Ohio", "Rhode Island", "Ghana"): it identifies no one (45 CFR 164.514(b)(2)(i)(B)). */
bool sl_is_region(sl_view place);

#endif
