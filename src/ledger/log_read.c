/* Leaves and proofs out of the log's memory where they are new, out of its files where they are
 * not (log_read.h). */
#include "ledger/log_read.h"

#include "ledger/log_internal.h"

static const sl_pending_tile *find_pending(const sl_tlog *log, int level, uint64_t index)
{
    for (const sl_pending_tile *t = log->pending; t != NULL; t = t->next) {
        if (t->level == level && t->index == index) {
            return t;
        }
    }
    return NULL;
}

/* An sl_tile_fetch over edge, pending tiles and files. */
static sl_res fetch(void *ctx, int level, uint64_t index, unsigned width, sl_buf *out)
{
    sl_tlog *log = ctx;
    char path[SL_TILE_PATH_BYTES];

    if (width < SL_TILE_WIDTH) {
        return sl_buf_add(out, level == SL_TILE_ENTRIES ? sl_buf_view(&log->bundle)
                                                        : sl_buf_view(&log->edge[level]));
    }
    const sl_pending_tile *pending = find_pending(log, level, index);
    if (pending != NULL) {
        return sl_buf_add(out, sl_buf_view(&pending->bytes));
    }
    sl_tile_path(level, index, width, path);
    return log->disk->read(log->disk, path, out);
}

void sl_tlog_tiles(sl_tlog *log, sl_tile_reader *ret)
{
    *ret = (sl_tile_reader){ .size = log->frontier.size, .fetch = fetch, .ctx = log };
}

static sl_res copy_leaves(sl_view bundle, uint64_t skip, size_t bytes_max, sl_buf *out,
                          uint32_t *ret_count)
{
    sl_view entry;
    size_t used = 0;
    uint32_t count = 0;

    for (uint64_t i = 0;; i++) {
        bool more = false;
        SL_TRY(sl_bundle_next(&bundle, &more, &entry));
        if (!more || (count > 0 && used + 2 + entry.n > bytes_max)) {
            break;
        }
        if (i >= skip) {
            SL_TRY(sl_bundle_add(out, entry));
            used += 2 + entry.n;
            count++;
        }
    }
    SL_NEED(count > 0, SL_E_RANGE);
    *ret_count = count;
    return SL_DONE;
}

sl_res sl_tlog_read(sl_tlog *log, uint64_t from, size_t bytes_max, sl_buf *out, uint32_t *ret_count)
{
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };
    uint64_t index = from / SL_TILE_WIDTH;
    uint64_t size = log->frontier.size;

    SL_NEED(from < size, SL_E_RANGE);
    if (bytes_max > out->max - out->n) {
        bytes_max = out->max - out->n;
    }
    if (index == size / SL_TILE_WIDTH) {
        return copy_leaves(sl_buf_view(&log->bundle), from % SL_TILE_WIDTH, bytes_max, out,
                           ret_count);
    }
    SL_TRY(fetch(log, SL_TILE_ENTRIES, index, SL_TILE_WIDTH, &bundle));
    return copy_leaves(sl_buf_view(&bundle), from % SL_TILE_WIDTH, bytes_max, out, ret_count);
}

sl_res sl_tlog_receipt(sl_tlog *log, uint64_t index, sl_buf *out)
{
    SL_OWN(sl_tile_reader, reader,
           sl_tile_reader_free) = { .size = log->frontier.size, .fetch = fetch, .ctx = log };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 2 + SL_LEAF_BYTES_MAX };
    uint32_t count = 0;
    sl_proof proof;

    SL_TRY(sl_tlog_read(log, index, 1, &leaf, &count));
    SL_TRY(sl_tree_prove(index, log->frontier.size, sl_tile_node, &reader, &proof));
    return sl_receipt_write(sl_view_sub(sl_buf_view(&leaf), 2, leaf.n), index, &proof,
                            sl_buf_view(&log->note), out);
}

sl_res sl_tlog_growth(sl_tlog *log, uint64_t from, sl_proof *ret)
{
    SL_OWN(sl_tile_reader, reader,
           sl_tile_reader_free) = { .size = log->frontier.size, .fetch = fetch, .ctx = log };

    return sl_tree_prove_growth(from, log->frontier.size, sl_tile_node, &reader, ret);
}
