/* Entry bundles and tile nodes made of anything: no read beyond the bytes, and what is a bundle is
 * the same again when written. */
#include <assert.h>

#include "ledger/tiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sl_res give(void *ctx, int level, uint64_t index, unsigned width, sl_buf *out)
{
    const sl_view *input = ctx;

    (void)level;
    (void)index;
    (void)width;
    return sl_buf_add(out, *input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = 1 << 20 };
    sl_view input = sl_view_of(data, size);
    sl_view rest = input;
    sl_view entry;
    bool more = true;
    sl_res r = SL_DONE;

    while (more && sl_ok(r)) {
        r = sl_bundle_next(&rest, &more, &entry);
        if (more && sl_ok(r)) {
            assert(sl_ok(sl_bundle_add(&again, entry)));
        }
    }
    assert(!sl_ok(r) || sl_view_eq(sl_buf_view(&again), input));
    if (size >= 10) {
        SL_OWN(sl_tile_reader, reader, sl_tile_reader_free) = { .size = sl_get_le64(data) >> 2,
                                                                .fetch = give,
                                                                .ctx = &input };
        sl_digest node;
        sl_proof proof;
        sl_res ignored = sl_tile_node(&reader, data[8] % 70, data[9], &node);
        ignored = sl_tree_prove(data[9], reader.size, sl_tile_node, &reader, &proof);
        (void)ignored.code;
    }
    return 0;
}
