/* Findings of texts that were inspected before. Conversations send their whole history again with every question; what
 * inspection finds in a text follows from the engine set, the channel and its bytes alone, so the same text need not
 * be inspected twice. Findings are kept, never verdicts: policy, grants and surrogates are asked afresh.
 *
 * A text is known by SipHash-128 under a key of this process and by the scope (whose text it is: nobody can
 * learn from the time it takes what others have sent). Kept are offsets and classes, no text; in memory alone. */
#ifndef SL_DETECT_RECALL_H
#define SL_DETECT_RECALL_H

#include "detect/finding.h"

typedef struct sl_recall sl_recall;

/* What stands for one inspection: by which engines (a number that no other set of engines has), of what
 * kind (channel), of which text. */
typedef struct {
    uint64_t tag[2];
    uint64_t engines;
    uint32_t kind;
    uint32_t length;
} sl_recall_key;

typedef struct {
    uint64_t known;
    uint64_t fresh;
} sl_recall_counts;

/* Keeps at most `bytes_max` bytes of findings beside a table of fixed size (half a megabyte). */
SL_MUST sl_res sl_recall_new(const uint8_t key[32], size_t bytes_max, sl_recall **ret_recall);
void sl_recall_free(sl_recall *recall);
/* Whose texts come from now on; any bytes. */
void sl_recall_scope(sl_recall *recall, sl_view who);

/* Shorter texts are not worth it, longer ones than 4 GiB are not told apart: false. */
bool sl_recall_key_of(const sl_recall *recall, uint64_t engines, uint32_t kind, sl_view text,
                      sl_recall_key *ret_key);
/* Appends what was found before; `*ret_known` says whether it was. */
SL_MUST sl_res sl_recall_find(sl_recall *recall, const sl_recall_key *key, sl_findings *findings,
                              bool *ret_known);
/* Remembers if there is room, else forgets something older. */
void sl_recall_keep(sl_recall *recall, const sl_recall_key *key, const sl_finding *items, size_t n);
sl_recall_counts sl_recall_count(const sl_recall *recall);

#endif
