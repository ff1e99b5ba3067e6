/* The keyed index of a compartment's own values and canaries.
 * It holds 64-bit keyed hashes, never a value. With its match key it is as sensitive as a
 * pseudonymised copy; without the key it says only how many values of which lengths there are.
 * Normal form: the folded text's letters and digits in lower case, everything else dropped, so that
 * "O'Brien, Anna" and "obrien anna" are one value. Matches begin and end at word boundaries and
 * span at most SL_ROSTER_WORDS_MAX words. A canary, and a value of at least 8 normal bytes, is also
 * indexed reversed, in ROT13 and in Atbash, so that these cost nothing when text is matched.
 *
 * File, little endian:
 *   "SLROSTR1"  u32 version (1)  u32 slot_count (power of two)  u32 entry_count  u32 reserved (0)
 *   key check 16 bytes (keyed hash of "stoplog roster v1": tells a wrong key)
 *   u64 lengths[SL_ROSTER_WORDS_MAX]   (bit n: a value of that many words has n normal bytes, 63: more)
 *   slots: { u64 tag (0 = empty), u64 attribution, u16 class, u16 flags, u32 view } linear probing
 *   16 bytes keyed hash of all that precedes */
#ifndef SL_DETECT_ROSTER_H
#define SL_DETECT_ROSTER_H

#include "detect/finding.h"

#define SL_ROSTER_WORDS_MAX ((size_t)8)
#define SL_ROSTER_VALUE_BYTES_MAX ((size_t)96) /* normal bytes; longer values match on nothing */
#define SL_ROSTER_CANARY 1U                    /* flag: reported by detector `canary` */

typedef struct sl_roster_builder sl_roster_builder;

/* The builder keeps no value, only hashes. */
SL_MUST sl_res sl_roster_builder_new(const uint8_t match_key[32], sl_roster_builder **ret_builder);
void sl_roster_builder_free(sl_roster_builder *builder);
/* `attribution`: the record's slot number. `ret_added` false: the value says too little to match on
 * (fewer than 3 letters or 5 digits, a plain dictionary word or a year) and was left out; canaries
 * are never left out silently: SL_E_RANGE. */
SL_MUST sl_res sl_roster_add(sl_roster_builder *builder, sl_class kind, sl_view value,
                             uint64_t attribution, uint16_t flags, bool *ret_added);
/* Adds all entries of a finished index of the same key, so that a compartment's index grows with each
 * object without its values being known again. Errors as sl_roster_open. */
SL_MUST sl_res sl_roster_merge(sl_roster_builder *builder, sl_view index);
SL_MUST sl_res sl_roster_finish(sl_roster_builder *builder, sl_buf *out);

typedef struct sl_roster sl_roster;

/* Borrows `index` for its life. SL_E_KEY for another key, SL_E_INTEGRITY when it was changed. */
SL_MUST sl_res sl_roster_open(sl_view index, const uint8_t match_key[32], sl_roster **ret_roster);
void sl_roster_free(sl_roster *roster);
size_t sl_roster_count(const sl_roster *roster);
/* Appends every match in `folded` text; offsets are those of that text. */
SL_MUST sl_res sl_roster_scan(const sl_roster *roster, sl_view folded, sl_findings *findings);
/* Looks one value up; true and the entry if it is there. */
bool sl_roster_lookup(const sl_roster *roster, sl_view value, sl_class *ret_kind,
                      uint64_t *ret_attribution, uint16_t *ret_flags);

#endif
