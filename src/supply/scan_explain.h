/* What a pickle would do, as readable pseudo-code, made in a confined worker. */
#ifndef SL_SUPPLY_SCAN_EXPLAIN_H
#define SL_SUPPLY_SCAN_EXPLAIN_H

#include "base/bytes.h"

/* Appends the explanation of the pickles in the regular file `fd` (borrowed), which is called `name`: of all, or of
 * the one at `member` as findings name it (empty: all). A file in which no pickle is known is read as one.
 * Printable ASCII and newlines alone. SL_E_IO: no worker to be had; SL_E_NOT_FOUND: no such pickle;
 * SL_E_REFUSED: the worker died or talked nonsense. */
SL_MUST sl_res sl_scan_explain(int fd, sl_view name, sl_view member, sl_buf *out);

#endif
