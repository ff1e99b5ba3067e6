/* Leaves that tell a count of a minute: door.counted and egress.counted. Whoever tells a side reads
 * them back, since the ledger alone says what was told (base/minutes.h). Pure. */
#ifndef SL_LEDGER_COUNTED_H
#define SL_LEDGER_COUNTED_H

#include "base/bytes.h"
#include "base/minutes.h"
#include "base/res.h"

typedef enum {
    SL_COUNTED_NO,
    SL_COUNTED_BY_DOOR,
    SL_COUNTED_BY_EGRESS,
    SL_COUNTED_SETTLED, /* door.counted by the warden: doubt that the egress's count settled */
} sl_counted_side;

/* Which side a leaf tells of this door, with its minute and count; SL_COUNTED_NO for every other leaf,
 * at little cost. */
sl_counted_side sl_counted_read(sl_view leaf, const char *door, uint64_t *ret_minute,
                                sl_minute_count *ret_count);

/* Write the event, appended to `out`; a settled one is written as the door's. Fails as the emitters. */
SL_MUST sl_res sl_counted_write(sl_counted_side side, const char *door, uint64_t minute,
                                sl_minute_count count, sl_buf *out);

#endif
