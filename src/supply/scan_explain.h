/* What a pickle would do, as readable pseudo-code, made in a confined worker. */
#ifndef SL_SUPPLY_SCAN_EXPLAIN_H
#define SL_SUPPLY_SCAN_EXPLAIN_H

#include "base/bytes.h"

/* Appends the explanation of the regular file `fd` (borrowed); printable ASCII and newlines alone.
 * SL_E_IO: no worker to be had; SL_E_REFUSED: it died or talked nonsense. */
SL_MUST sl_res sl_scan_explain(int fd, sl_buf *out);

#endif
