/* Leaves and events from strangers: what is read is canonical, and an event that is taken wraps into
 * a leaf that reads back. */
#include <assert.h>

#include "base/limits.h"
#include "ledger/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view input = sl_view_of(data, size);
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    bool containment = false;

    if (sl_ok(sl_leaf_read(input, &leaf))) {
        assert(leaf.by.n != 0 && leaf.type.n != 0 && leaf.fields != NULL);
    }
    if (sl_ok(sl_event_check(input, "warden", &containment))) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        SL_OWN(sl_leaf, back, sl_leaf_free) = { 0 };
        assert(sl_ok(sl_leaf_wrap(input, "warden", 1795266000123, &text)));
        assert(sl_ok(sl_leaf_read(sl_buf_view(&text), &back)));
        assert(back.def != NULL && back.time_ms == 1795266000123);
    }
    return 0;
}
