/* Requests to the witness from strangers: an answer of the protocol for every one, and never a
 * cosignature without the log's own. */
#include <assert.h>

#include "ledger/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sl_res no_state(sl_disk *disk, const char *path, sl_buf *out)
{
    (void)disk;
    (void)path;
    (void)out;
    return sl_fail(SL_E_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_disk disk = { .read = no_state };
    sl_witness w = { .name = "w.example/1",
                     .logs = { { .name = "example.com/log", .id = 7, .type = SL_NOTE_ED25519 } },
                     .logs_n = 1,
                     .disk = &disk };
    sl_witness_response response = { 0 };
    sl_view body = sl_view_of(data, size);

    assert(sl_ok(
        sl_witness_answer(&w, SL_LIT("POST"), SL_LIT("/add-checkpoint"), body, 1, &response)));
    assert(response.status == 400 || response.status == 403 || response.status == 404);
    assert(sl_ok(sl_witness_answer(&w, SL_LIT("GET"), body, body, 1, &response)));
    assert(response.status == 404);
    sl_buf_free(&response.body);
    return 0;
}
