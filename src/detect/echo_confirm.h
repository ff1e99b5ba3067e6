/* The second stage of echo: is this text a rendering of that record? The first stage suspects from
 * keyed hashes; here both texts are at hand and are aligned word by word, so that what is confirmed was
 * compared. Runs where the record may be read: in a worker of the vault, or on files of the caller's
 * own. Pure; cost is linear in the record plus 49 cells for each word of the text.
 *
 * The alignment is scored in bits: a pair of neighbouring words that both texts hold in one place
 * counts as much as the second is surprising behind the first in all that was indexed (so that a
 * template says nothing, and what returns says nothing new), a number as much as it is rare; a word
 * that differs counts 4 bits against, a word too few or too many 3. The best stretch decides: the
 * chance that a stretch of as many bits arises by accident is about 2^-bits for each place where it
 * might (Karlin and Altschul 1990). */
#ifndef SL_DETECT_ECHO_CONFIRM_H
#define SL_DETECT_ECHO_CONFIRM_H

#include "detect/echo.h"

/* What a rendering must be worth beyond the logarithm of the words indexed: there are so many places
 * where chance may have its way, in texts of some hundred megabytes asked about. */
#define SL_ECHO_CONFIRM_BITS 25U
/* And never less: a small collection does not teach what is usual. */
#define SL_ECHO_CONFIRM_LEAST 40U
/* Longer texts are asked about in parts. */
#define SL_ECHO_CONFIRM_TEXT_BYTES ((size_t)65536)
#define SL_ECHO_CONFIRM_RECORD_BYTES ((size_t)16 << 20)

/* A stretch that differs; one of the two may be empty. */
typedef struct {
    uint32_t text_start; /* bytes */
    uint32_t text_end;
    uint32_t record_start;
    uint32_t record_end;
} sl_echo_change;

#define SL_ECHO_CHANGES_MAX ((size_t)64)

typedef struct sl_echo_verdict {
    bool confirmed;
    uint32_t bits; /* of the better of the two views */
    uint32_t bits_needed;
    uint32_t words_same; /* tokens of the words' view */
    uint32_t words_changed;
    uint32_t numbers_same;    /* of the numbers' view */
    uint32_t characters_same; /* of a structure, where that says the most */
    size_t text_start;        /* bytes of the text that render the record; empty if nothing does */
    size_t text_end;
    size_t record_start;
    size_t record_end;
    size_t change_count; /* kept; at most SL_ECHO_CHANGES_MAX */
    sl_echo_change changes[SL_ECHO_CHANGES_MAX];
} sl_echo_verdict;

/* Compares. The index gives the key and the counts of the segment that holds the record.
 * SL_E_LIMIT: longer than the limits above. */
SL_MUST sl_res sl_echo_confirm(const sl_echo_index *index, uint32_t segment, sl_view record,
                               sl_view text, sl_echo_verdict *ret);

#endif
