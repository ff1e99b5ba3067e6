/* What the fuzz targets of formats share: any bytes under a name of the format are scanned to the end,
 * and a failure of the scan itself is a mistake of ours. */
#ifndef SL_FUZZ_FORMAT_FUZZ_H
#define SL_FUZZ_FORMAT_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "artefact/scan.h"

static sl_res fuzz_read(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    const sl_view *bytes = ctx;
    size_t from = offset > bytes->n ? bytes->n : (size_t)offset;
    *ret_got = bytes->n - from < n ? bytes->n - from : n;
    if (*ret_got > 0) {
        memcpy(to, bytes->p + from, *ret_got);
    }
    return SL_DONE;
}

static void fuzz_format(const uint8_t *data, size_t size, const char *name)
{
    static sl_allow *allow; /* read once: a run must cost little */
    sl_view bytes = sl_view_of(data, size);
    sl_scan_budget budget = sl_scan_budget_default;
    budget.spend[SL_SPEND_EXPANDED] = (uint64_t)1 << 24;
    budget.spend[SL_SPEND_NODES] = 1000000;
    budget.spend[SL_SPEND_OPCODES] = 1000000;
    budget.spend[SL_SPEND_MEMBERS] = 1000;
    if (allow == NULL && !sl_ok(sl_allow_read(sl_allow_pack(), &allow))) {
        abort();
    }
    const sl_scan_input input = { .read = fuzz_read,
                                  .ctx = &bytes,
                                  .size = size,
                                  .name = sl_view_str(name),
                                  .allow = allow,
                                  .budget = &budget };
    sl_scan_result result = { 0 };
    sl_res r = sl_scan_run(&input, &result);
    if (!sl_ok(r) && !sl_is(r, SL_E_MEMORY)) {
        abort();
    }
    sl_scan_result_free(&result);
}

#endif
