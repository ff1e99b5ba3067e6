/* Requests to the keeper: what decodes is encoded again to the same bytes. */
#include <stdlib.h>

#include "vault/keeper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(sl_res encoded, const sl_buf *again, sl_view body)
{
    if (!sl_ok(encoded) || !sl_view_eq(sl_buf_view(again), body)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view body = sl_view_of(data, size);
    sl_key_request key;
    sl_lease_request lease;
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = 1024 };
    if (sl_ok(sl_key_request_decode(body, &key))) {
        check(sl_key_request_encode(&key, &again), &again, body);
    }
    sl_buf_clear(&again);
    if (sl_ok(sl_lease_request_decode(body, &lease))) {
        check(sl_lease_request_encode(&lease, &again), &again, body);
    }
    return 0;
}
