/* Requests to the release door: what decodes is encoded again to the same bytes. */
#include <stdlib.h>

#include "doors/release/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view body = sl_view_of(data, size);
    sl_release_ask ask;
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_RELEASE_ASK_BYTES };
    if (sl_ok(sl_release_ask_decode(body, &ask)) &&
        (!sl_ok(sl_release_ask_encode(&ask, &again)) || !sl_view_eq(sl_buf_view(&again), body))) {
        abort();
    }
    return 0;
}
