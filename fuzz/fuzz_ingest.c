/* Fuzz target of what the ingest process believes of strangers: frames of a worker that was taken
 * over (first byte even) and requests at its socket (odd). Broken is an identifier of no class, a
 * report beyond its ceiling, frames that depend on how they arrive, or a request that is not written
 * again as it was read. */
#include <assert.h>

#include "doors/ingest/protocol.h"
#include "doors/ingest/worker.h"

static sl_res take(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    uint64_t *sum = ctx;
    assert(kind < SL_CLASS_COUNT && value.n <= SL_IDENTIFIER_BYTES_MAX);
    *sum = *sum * 31 + value.n + record + (uint64_t)kind;
    return SL_DONE;
}

/* Takes the frames with the first `cut` bytes arriving before the rest. */
static sl_res take_frames(sl_view bytes, size_t cut, uint64_t *ret_sum)
{
    SL_OWN(sl_buf, pending, sl_buf_free) = { .max = bytes.n };
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = 64 };
    sl_worker_frames frames = { .taker = { .ctx = ret_sum, .take = take }, .report = &report };
    SL_TRY(sl_buf_add(&pending, sl_view_sub(bytes, 0, cut)));
    SL_TRY(sl_worker_take(&frames, &pending));
    SL_TRY(sl_buf_add(&pending, sl_view_sub(bytes, cut, bytes.n)));
    sl_res r = sl_worker_take(&frames, &pending);
    assert(report.n <= 64);
    return r;
}

static void check_request(sl_view body)
{
    sl_ingest_ask ask;
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_INGEST_ASK_BYTES };
    if (sl_ok(sl_ingest_ask_decode(body, &ask))) {
        sl_res written = sl_ingest_ask_encode(&ask, &again);
        assert(sl_ok(written) && sl_view_eq(sl_buf_view(&again), body));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    sl_view bytes = sl_view_of(data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        check_request(bytes);
        return 0;
    }
    uint64_t whole = 0;
    uint64_t parts = 0;
    sl_res a = take_frames(bytes, bytes.n, &whole);
    sl_res b = take_frames(bytes, bytes.n == 0 ? 0 : data[0] % (bytes.n + 1), &parts);
    assert(a.code == b.code && whole == parts);
    return 0;
}
