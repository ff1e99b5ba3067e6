/* Requests of strangers and clients against the whole door. The first byte chooses: raw SCGI bytes,
 * or a JSON body in a right request for one of the dialects. For any input the door ends in a
 * refusal or forwards a request that it wrote itself, and its own writing parses strictly. */
#include "ask_fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Compiling the patterns takes longer than one input may. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return fuzz_site() == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536) {
        return 0;
    }
    size_t count = 0;
    const sl_ask_dialect *const *dialects = sl_ask_dialects(&count);
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 1 << 20 };
    sl_view body = sl_view_of(data + 1, size - 1);
    fuzz_run r;
    fuzz_begin(&r);
    if ((data[0] & 1) != 0) {
        fuzz_client(&r, body, 1 + (size_t)(data[0] >> 1));
    } else {
        fuzz_wrap(&request, dialects[(data[0] >> 1) % count]->path, body);
        fuzz_client(&r, sl_buf_view(&request), request.n);
    }
    assert(r.connected || sl_ask_door_over(r.door) || r.client.n == 0);
    sl_ask_door_client_gone(r.door, FUZZ_NOW);
    fuzz_pump(&r);
    assert(sl_ask_door_over(r.door));
    fuzz_end(&r);
    return 0;
}
