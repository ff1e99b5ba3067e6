/* The explanation of a pickle: any bytes give printable lines. */
#include <stdlib.h>

#include "artefact/pickle_explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_source *, source, sl_source_free) = NULL;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 16 };
    if (!sl_ok(sl_source_memory(sl_view_of(data, size), &source)) ||
        !sl_ok(sl_pickle_explain(source, &out))) {
        abort();
    }
    for (size_t i = 0; i < out.n; i++) {
        if (out.p[i] != '\n' && (out.p[i] < 0x20 || out.p[i] > 0x7e)) {
            abort();
        }
    }
    return 0;
}
