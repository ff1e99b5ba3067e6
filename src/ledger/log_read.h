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

#endif
