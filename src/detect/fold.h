/* One folding step shared by all engines: text as a reader means it, with the way back.
 * Undone: compatibility forms (full width, mathematical, enclosed, ligatures, super- and
 * subscripts), diacritics on Latin letters, lookalike letters inside Latin words, invisible and tag
 * characters, soft hyphens, typographic dashes, quotes and blanks, digits of other scripts; on
 * request also percent, entity and backslash escapes. Case is kept. Never undone: letters of other
 * scripts in words of that script, emoji, the joiners of Persian and Hindi. Pure, linear. */
#ifndef SL_DETECT_FOLD_H
#define SL_DETECT_FOLD_H

#include "detect/finding.h"

typedef struct {
    sl_view text;        /* folded; the original itself when nothing had to change */
    const uint32_t *map; /* text.n + 1 origins, or NULL: every byte is its own origin */
} sl_folded;

/* Working memory, reused from call to call. `payload` collects hidden text (tag characters,
 * variation selectors, zero-width bits); its spans are those of the findings of detector `fold`. */
typedef struct {
    sl_buf text;
    uint32_t *map;
    size_t map_cap;
    sl_buf payload;
} sl_fold_work;

void sl_fold_work_free(sl_fold_work *work);

/* Texts of up to 4 GiB. `escapes`: also decode %41, &#65; &amp; \u0041 \x41. Malformed UTF-8 is
 * read as Windows-1252. `hidden` takes the findings about the form itself; may be NULL. */
SL_MUST sl_res sl_fold(sl_view text, bool escapes, sl_fold_work *work, sl_folded *ret_folded,
                       sl_findings *hidden);
/* Does `text` hold anything that an escape decoder would change? */
bool sl_fold_has_escapes(sl_view text);

/* Where the folded byte `at` begins, and where the folded bytes before `end` end, in the original. */
size_t sl_folded_start(const sl_folded *folded, size_t at);
size_t sl_folded_end(const sl_folded *folded, size_t end);
/* The offset in the original before the last `chars` folded characters of the text (0 if fewer). */
size_t sl_fold_back(sl_view text, size_t end, size_t chars);

#endif
