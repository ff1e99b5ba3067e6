/* What a scan worker says: any bytes are read or refused, and what was read can be written. */
#include <stdlib.h>

#include "supply/scan_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_scan_result result = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 2 * SL_SCAN_WIRE_BYTES_MAX };
    if (!sl_ok(sl_scan_wire_get(sl_view_of(data, size), &result))) {
        return 0;
    }
    if (!sl_ok(sl_scan_wire_put(&result, &out)) || out.n != size + 4) {
        abort();
    }
    sl_scan_result_free(&result);
    return 0;
}
