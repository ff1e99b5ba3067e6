/* HL7 v2 and XML on hostile bytes: the copy has the length of the file, fields lie inside it. */
#include <assert.h>

#include "artefact/clinical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sl_res take(void *ctx, sl_class kind, size_t start, size_t end)
{
    const size_t *size = ctx;
    assert(kind < SL_CLASS_COUNT && start < end && end <= *size);
    return SL_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view bytes = sl_view_of(data, size);
    sl_clinical_sink sink = { .ctx = &size, .field = take };
    (void)sl_clinical_detect(bytes);
    for (unsigned kind = SL_CLINICAL_HL7; kind <= SL_CLINICAL_XML; kind++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = size + 1 };
        sl_res r = sl_clinical_read((sl_clinical)kind, bytes, sink, &out);
        assert(sl_ok(r) && out.n == size);
    }
    return 0;
}
