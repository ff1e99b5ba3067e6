/* Roster indexes on hostile bytes, and roster values on hostile text. The first byte says which: an
 * index is opened and scanned with; a value is added, found again, and not found under another key. */
#include <assert.h>

#include "detect/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t KEY[32] = { 11 };

static void open_index(sl_view index)
{
    sl_roster *r = NULL;
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    if (sl_ok(sl_roster_open(index, KEY, &r))) {
        sl_res scanned = sl_roster_scan(r, index, &found);
        assert(sl_ok(scanned));
        sl_roster_free(r);
    }
}

static void add_value(sl_view value)
{
    sl_roster_builder *b = NULL;
    sl_roster *r = NULL;
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = (size_t)1 << 20 };
    bool added = false;
    sl_class kind = SL_CLASS_NAME;
    uint64_t who = 0;
    uint16_t flags = 0;
    bool ready = sl_ok(sl_roster_builder_new(KEY, &b)) &&
                 sl_ok(sl_roster_add(b, SL_CLASS_MRN, value, 5, 0, &added)) &&
                 sl_ok(sl_roster_finish(b, &index)) &&
                 sl_ok(sl_roster_open(sl_buf_view(&index), KEY, &r));
    assert(ready);
    assert(added == sl_roster_lookup(r, value, &kind, &who, &flags));
    assert(!added || (kind == SL_CLASS_MRN && who == 5));
    sl_roster_free(r);
    sl_roster_builder_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    sl_view rest = sl_view_of(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        open_index(rest);
    } else {
        add_value(rest);
    }
    return 0;
}
