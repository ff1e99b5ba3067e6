/* Statements: what decodes is encoded again to the same bytes. */
#include <stdlib.h>

#include "vault/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_statement s;
    if (!sl_ok(sl_statement_decode(sl_view_of(data, size), &s))) {
        return 0;
    }
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    if (!sl_ok(sl_statement_encode(&s, &again)) ||
        !sl_view_eq(sl_buf_view(&again), sl_view_of(data, size))) {
        abort();
    }
    return 0;
}
