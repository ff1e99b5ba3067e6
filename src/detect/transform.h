/* Rewriting: masks, class names, pseudonyms and their restoration.
 * Pseudonyms come from a keyed hash and nothing is stored: the same key over the same history gives
 * the same surrogates, so a client that resends its conversation rebuilds the map by itself. */
#ifndef SL_DETECT_TRANSFORM_H
#define SL_DETECT_TRANSFORM_H

#include "detect/inspect.h"

/* The two-way map of one crossing. Holds originals: lives and dies with the crossing's memory and
 * is wiped when freed. */
typedef struct sl_pseudonyms sl_pseudonyms;

/* `key`: keyed hash of principal and conversation, 32 bytes, made by the caller. `detect` answers
 * whether a surrogate would hit the roster (may be NULL). `bytes_max` bounds the map. */
SL_MUST sl_res sl_pseudonyms_new(const uint8_t key[32], const sl_detect *detect, size_t bytes_max,
                                 sl_pseudonyms **ret_map);
void sl_pseudonyms_free(sl_pseudonyms *map);

/* The surrogate of `original` (made on first use) of the same form: separators, letters for
 * letters, digits for digits; dates shifted by one offset for the whole map; names word by word in
 * syllables of no language. Never equal to an original or another's surrogate in this map, never in
 * the roster. Appended to `out`. */
SL_MUST sl_res sl_pseudonyms_get(sl_pseudonyms *map, sl_class kind, sl_view original, sl_buf *out);
size_t sl_pseudonyms_count(const sl_pseudonyms *map);
/* Appends a finding (detector `pseudonym`, transform RESTORE) for every surrogate in `text` that
 * stands between word boundaries. */
SL_MUST sl_res sl_pseudonyms_find(const sl_pseudonyms *map, sl_view text, sl_findings *findings);
/* Drops findings that lie inside a surrogate: a stand-in looks like what it stands for. Canaries and
 * secrets stay. The list must be sorted and stays so. */
void sl_pseudonyms_shadow(sl_view text, sl_findings *findings);
/* Appends what `surrogate`, a span that sl_pseudonyms_find gave, stands for; SL_E_NOT_FOUND if it is none. */
SL_MUST sl_res sl_pseudonyms_restore(const sl_pseudonyms *map, sl_view surrogate, sl_buf *out);

/* Appends `text` with every judged finding's transform applied to `out`. Overlapping findings are
 * rewritten as one: the union is masked, or takes the transform of the strongest, and the counts
 * say how often. `map` may be NULL where no finding needs it (else SL_E_BUG). */
SL_MUST sl_res sl_transform_apply(sl_view text, const sl_findings *findings, sl_pseudonyms *map,
                                  sl_buf *out, size_t *ret_applied);

/* The whole of a surrogate map back to the originals in one finished string. */
SL_MUST sl_res sl_transform_restore(sl_view text, const sl_pseudonyms *map, sl_buf *out);

#endif
