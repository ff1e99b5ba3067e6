/* Lists of approvals: what decodes is encoded again to the same bytes, and none of it verifies
 * unless it was signed, which a fuzzer cannot do. */
#include <stdlib.h>

#include "vault/approval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_approval list[SL_APPROVALS_MAX];
    size_t count = 0;
    if (!sl_ok(sl_approvals_decode(sl_view_of(data, size), list, &count))) {
        return 0;
    }
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_APPROVALS_MAX * (SL_APPROVAL_BYTES_MAX + 1) };
    if (!sl_ok(sl_approvals_encode(list, count, &again)) ||
        !sl_view_eq(sl_buf_view(&again), sl_view_of(data, size))) {
        abort();
    }
    return 0;
}
