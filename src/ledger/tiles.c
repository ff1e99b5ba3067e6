/* Names, widths and contents of tiles (tiles.h). */
#include "ledger/tiles.h"

#include <inttypes.h>

void sl_tile_path(int level, uint64_t index, unsigned width, char ret[SL_TILE_PATH_BYTES])
{
    unsigned groups[8];
    size_t n = 0;
    size_t at = 0;

    do {
        groups[n++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index != 0 && n < SL_COUNT_OF(groups));
    if (level == SL_TILE_ENTRIES) {
        at += (size_t)snprintf(ret, SL_TILE_PATH_BYTES, "tile/entries");
    } else {
        at += (size_t)snprintf(ret, SL_TILE_PATH_BYTES, "tile/%d", level);
    }
    while (n-- > 0) {
        at += (size_t)snprintf(ret + at, SL_TILE_PATH_BYTES - at, "/%s%03u", n > 0 ? "x" : "",
                               groups[n]);
    }
    if (width < SL_TILE_WIDTH) {
        (void)snprintf(ret + at, SL_TILE_PATH_BYTES - at, ".p/%u", width);
    }
}

unsigned sl_tile_width(unsigned level, uint64_t index, uint64_t size)
{
    uint64_t hashes = level < 8 ? size >> (8 * level) : 0;
    uint64_t full = hashes / SL_TILE_WIDTH;

    if (index < full) {
        return SL_TILE_WIDTH;
    }
    return index == full ? (unsigned)(hashes % SL_TILE_WIDTH) : 0;
}

void sl_tile_reader_free(sl_tile_reader *r)
{
    for (size_t i = 0; i < SL_TILE_LEVELS; i++) {
        sl_buf_free(&r->kept[i].bytes);
    }
    sl_hasher_free(&r->hasher);
}

static sl_res load_tile(sl_tile_reader *r, unsigned tile_level, uint64_t index)
{
    unsigned width = sl_tile_width(tile_level, index, r->size);
    sl_buf *bytes = &r->kept[tile_level].bytes;

    SL_NEED(width != 0, SL_E_RANGE);
    if (r->kept[tile_level].loaded && r->kept[tile_level].index == index) {
        return SL_DONE;
    }
    r->kept[tile_level].loaded = false;
    bytes->max = SL_TILE_BYTES;
    sl_buf_clear(bytes);
    SL_TRY(r->fetch(r->ctx, (int)tile_level, index, width, bytes));
    SL_NEED(bytes->n == (size_t)width * SL_DIGEST_BYTES, SL_E_INTEGRITY);
    r->kept[tile_level].loaded = true;
    r->kept[tile_level].index = index;
    return SL_DONE;
}

sl_res sl_tile_node(void *reader, unsigned level, uint64_t index, sl_digest *ret)
{
    sl_tile_reader *r = reader;
    unsigned tile_level = level / 8;
    unsigned below = level % 8; /* levels between the node and the hashes of its tile */
    sl_digest row[SL_TILE_WIDTH / 2];

    SL_NEED(tile_level < SL_TILE_LEVELS && index <= (SL_TREE_SIZE_MAX >> level), SL_E_RANGE);
    uint64_t first = index << below;
    size_t count = (size_t)1 << below;
    SL_TRY(load_tile(r, tile_level, first / SL_TILE_WIDTH));
    const sl_buf *bytes = &r->kept[tile_level].bytes;
    size_t at = (size_t)(first % SL_TILE_WIDTH) * SL_DIGEST_BYTES;
    SL_NEED(at + count * SL_DIGEST_BYTES <= bytes->n, SL_E_RANGE);
    memcpy(row, bytes->p + at, count * SL_DIGEST_BYTES);
    for (; count > 1; count /= 2) {
        for (size_t i = 0; i < count / 2; i++) {
            row[i] = sl_merkle_node(&r->hasher, &row[2 * i], &row[2 * i + 1]);
        }
    }
    *ret = row[0];
    return SL_DONE;
}

sl_res sl_bundle_next(sl_view *rest, bool *ret_more, sl_view *ret_entry)
{
    if (rest->n == 0) {
        *ret_more = false;
        return SL_DONE;
    }
    SL_NEED(rest->n >= 2, SL_E_TRUNCATED);
    size_t n = sl_get_be16(rest->p);
    SL_NEED(rest->n - 2 >= n, SL_E_TRUNCATED);
    *ret_entry = sl_view_sub(*rest, 2, 2 + n);
    *rest = sl_view_sub(*rest, 2 + n, rest->n);
    *ret_more = true;
    return SL_DONE;
}

sl_res sl_bundle_add(sl_buf *bundle, sl_view entry)
{
    uint8_t length[2];

    SL_NEED(entry.n <= SL_LEAF_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(bundle, 2 + entry.n));
    sl_put_be16(length, (uint16_t)entry.n);
    SL_TRY(sl_buf_add(bundle, sl_view_of(length, sizeof length)));
    return sl_buf_add(bundle, entry);
}
