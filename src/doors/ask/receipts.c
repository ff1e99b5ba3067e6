/* The ring of receipts; what it is for is told in receipts.h. */
#include "doors/ask/receipts.h"

#include <string.h>

void sl_ask_receipts_add(sl_ask_receipts *all, const sl_ask_receipt *one)
{
    all->items[all->written++ % SL_RECEIPTS_MAX] = *one;
}

static bool matches(const sl_ask_receipt *one, sl_view id)
{
    uint64_t index = 0;
    return sl_view_eq_str(id, one->crossing) ||
           (sl_ok(sl_parse_u64(id, UINT64_MAX, &index)) && index == one->intent);
}

const sl_ask_receipt *sl_ask_receipts_find(const sl_ask_receipts *all, sl_view id,
                                           sl_valve_id principal)
{
    for (size_t i = 0; i < SL_RECEIPTS_MAX; i++) {
        const sl_ask_receipt *one = &all->items[i];
        if (one->outcome != NULL && matches(one, id) &&
            memcmp(one->principal.bytes, principal.bytes, sizeof principal.bytes) == 0) {
            return one;
        }
    }
    return NULL;
}
