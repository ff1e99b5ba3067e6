/* Reading from the log that is being written: leaves by index, proofs, receipts. For the process
 * that holds the log; all others read tiles (reader.h).
 */
#ifndef SL_LEDGER_LOG_READ_H
#define SL_LEDGER_LOG_READ_H

#include "ledger/log.h"

/* Appends committed leaves from index `from` on in bundle form, as many as fit into `out` up to
 * `bytes_max` (one at least) and stand in one bundle. Errors: SL_E_RANGE, those of reading. */
SL_MUST sl_res sl_tlog_read(sl_tlog *log, uint64_t from, size_t bytes_max, sl_buf *out,
                            uint32_t *ret_count);

/* Appends a receipt for a committed leaf under the newest checkpoint. Errors: SL_E_RANGE. */
SL_MUST sl_res sl_tlog_receipt(sl_tlog *log, uint64_t index, sl_buf *out);

/* The proof that the tree of `from` leaves is the beginning of the committed one. */
SL_MUST sl_res sl_tlog_growth(sl_tlog *log, uint64_t from, sl_proof *ret);

/* What a scrub found. `what` is NULL when all is well: "bundle_changed", "bundle_short" (cut off, taken
 * away, or longer than it may be) or "checkpoint" (another than was published last, an older one above
 * all). `first_bad` is the first leaf that is not served as it was written. */
typedef struct {
    const char *what;
    uint64_t first_bad;
} sl_scrub_found;

/* Reads back what others are served: the published checkpoint, the newest, still growing bundle and, of
 * the full ones, the next behind `*cursor` (start with 0). Nothing is checked while leaves wait to be
 * published. A full bundle is compared with its node in the tile above it: to be undetected a change
 * would have to reach the tiles of every level up to the edge that is kept in memory. */
SL_MUST sl_res sl_tlog_scrub(sl_tlog *log, uint64_t *cursor, sl_scrub_found *ret);

/* Reads the oldest leaf back as others are served it, and proves it into the newest checkpoint. `*ret_ok`: both
 * went well. Errors: SL_E_RANGE (nothing is published yet), those of reading. */
SL_MUST sl_res sl_tlog_read_oldest(sl_tlog *log, bool *ret_ok);

#endif
