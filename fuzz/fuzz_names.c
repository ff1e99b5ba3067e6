/* Packs of the names tagger on hostile bytes: refused, or opened and then usable on any text. The
 * check at the end is put right, so that what lies behind it is reached. */
#include <assert.h>

#include "detect/tagger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void scan(const sl_tagger *tagger, sl_view text)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    sl_tagger_work *work = NULL;
    sl_res r = sl_tagger_work_new(&work);
    assert(sl_ok(r));
    r = sl_tagger_scan(tagger, work, text, &all);
    assert(sl_ok(r));
    for (size_t i = 0; i < all.n; i++) {
        assert(all.items[i].start < all.items[i].end && all.items[i].end <= text.n);
    }
    sl_tagger_work_free(work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_buf, pack, sl_buf_free) = { .max = size + 1 };
    sl_tagger *tagger = NULL;
    sl_res r = sl_buf_add(&pack, sl_view_of(data, size));
    assert(sl_ok(r));
    if (pack.n >= 8) {
        sl_put_le64(pack.p + pack.n - 8,
                    sl_tag_pack_check(sl_view_sub(sl_buf_view(&pack), 0, pack.n - 8)));
    }
    if (sl_ok(sl_tagger_open(sl_buf_view(&pack), &tagger))) {
        scan(tagger, sl_view_of(data, size));
        scan(tagger, SL_LIT("Dr. Ann Roe, 12345, saw Bo in Paris.\nJANE DOE"));
        sl_tagger_free(tagger);
    }
    return 0;
}
