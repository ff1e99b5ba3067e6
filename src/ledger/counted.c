/* Counts in leaves (see counted.h). */
#include "ledger/counted.h"

#include <string.h>

#include "ledger/events.gen.h"

enum { MINUTE_S = 60 };

sl_counted_side sl_counted_read(sl_view text, const char *door, uint64_t *ret_minute,
                                sl_minute_count *ret_count)
{
    static const char mark[] = ".counted\"";
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    uint64_t from_s = 0;
    sl_minute_count count = { 0, 0 };
    if (memmem(text.p, text.n, mark, sizeof mark - 1) == NULL ||
        !sl_ok(sl_leaf_read(text, &leaf)) || !sl_view_eq_str(sl_leaf_text(&leaf, "door"), door) ||
        !sl_leaf_count(&leaf, "from_s", &from_s) || !sl_leaf_count(&leaf, "count", &count.sure)) {
        return SL_COUNTED_NO;
    }
    (void)sl_leaf_count(&leaf, "doubt", &count.doubt); /* optional */
    sl_counted_side side = SL_COUNTED_NO;
    if (sl_leaf_is(&leaf, "egress.counted")) {
        side = SL_COUNTED_BY_EGRESS;
    } else if (sl_leaf_is(&leaf, "door.counted")) {
        side = sl_view_eq_str(leaf.by, "warden") ? SL_COUNTED_SETTLED : SL_COUNTED_BY_DOOR;
    }
    *ret_minute = from_s / MINUTE_S;
    *ret_count = count;
    return side;
}

sl_res sl_counted_write(sl_counted_side side, const char *door, uint64_t minute,
                        sl_minute_count count, sl_buf *out)
{
    sl_event_head head = { .door = sl_view_str(door) };
    if (side == SL_COUNTED_BY_EGRESS) {
        sl_event_egress_counted fields = { .door = sl_view_str(door),
                                           .from_s = minute * MINUTE_S,
                                           .to_s = (minute + 1) * MINUTE_S,
                                           .count = count.sure };
        return sl_emit_egress_counted(&head, &fields, out);
    }
    sl_event_door_counted fields = { .door = sl_view_str(door),
                                     .from_s = minute * MINUTE_S,
                                     .to_s = (minute + 1) * MINUTE_S,
                                     .count = count.sure,
                                     .has_doubt = count.doubt != 0,
                                     .doubt = count.doubt };
    return sl_emit_door_counted(&head, &fields, out);
}
