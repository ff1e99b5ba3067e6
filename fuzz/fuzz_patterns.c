/* Pattern tables on hostile bytes (an operator's own table is a file like any other): parsed or
 * refused with a line; short tables are compiled and scan a sample. */
#include <assert.h>

#include "detect/patterns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Compiling may take seconds for a long expression; that is the library's own matter. */
    if (size > 160) {
        return 0;
    }
    sl_view table = sl_view_of(data, size);
    sl_patterns *p = NULL;
    sl_pattern_work *work = NULL;
    if (!sl_ok(sl_patterns_compile(&table, 1, &p))) {
        return 0;
    }
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    sl_view sample = SL_LIT("MRN 00483921 and 123-45-6789 on 2024-01-02 at a@b.example, AB12CD");
    sl_res r = sl_pattern_work_new(p, &work);
    assert(sl_ok(r));
    r = sl_patterns_scan(p, work, sample, &found);
    assert(sl_ok(r));
    for (size_t i = 0; i < found.n; i++) {
        assert(found.items[i].start < found.items[i].end && found.items[i].end <= sample.n);
    }
    sl_pattern_work_free(work);
    sl_patterns_free(p);
    return 0;
}
