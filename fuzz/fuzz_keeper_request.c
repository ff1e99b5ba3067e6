/* Requests to the keeper: what decodes is encoded again to the same bytes. */
#include <stdlib.h>

#include "vault/confirm.h"
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
    sl_confirm_request confirm;
    sl_buf_clear(&again);
    again.max = SL_CONFIRM_REQUEST_BYTES_MAX;
    if (sl_ok(sl_confirm_request_decode(body, &confirm))) {
        check(sl_confirm_request_encode(&confirm, &again), &again, body);
        sl_object_ref ref;
        sl_buf_clear(&again);
        if (sl_ok(sl_echo_source_read(confirm.source, &ref))) {
            (void)sl_ok(sl_echo_source_name(&ref, &again));
        }
    }
    return 0;
}
