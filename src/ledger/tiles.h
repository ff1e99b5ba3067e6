/* C2SP tlog-tiles: names and contents of tiles and entry bundles, and tree nodes out of tiles.
 *
 * Pure but for the fetch function of the caller. What is fetched is not trusted: whoever needs
 * certainty recomputes a root and compares it with a signed checkpoint.
 */
#ifndef SL_LEDGER_TILES_H
#define SL_LEDGER_TILES_H

#include "base/bytes.h"
#include "base/limits.h"
#include "ledger/tree.h"

enum {
    SL_TILE_WIDTH = 256,
    SL_TILE_BYTES = SL_TILE_WIDTH * SL_DIGEST_BYTES,
    SL_TILE_LEVELS = 8, /* 8 levels of 8 bits hold any tree that we accept */
    SL_TILE_PATH_BYTES = 64,
    SL_TILE_ENTRIES = -1, /* "level" of an entry bundle in a name */
};
#define SL_BUNDLE_BYTES_MAX ((size_t)SL_TILE_WIDTH * (2 + SL_LEAF_BYTES_MAX))

/* `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`; width 256 is a full tile. */
void sl_tile_path(int level, uint64_t index, unsigned width, char ret[SL_TILE_PATH_BYTES]);

/* Width of tile `index` of `level` in a tree of `size` leaves: 0 (absent), 1..255, 256. */
unsigned sl_tile_width(unsigned level, uint64_t index, uint64_t size);

/* Appends the bytes of one tile or bundle to `out`. Errors: SL_E_NOT_FOUND and what else it has. */
typedef sl_res sl_tile_fetch(void *ctx, int level, uint64_t index, unsigned width, sl_buf *out);

/* Reads tree nodes out of tiles of a tree of `size` leaves; keeps one tile per level.
 * Zero-initialise, set size, fetch and ctx. */
typedef struct {
    uint64_t size;
    sl_tile_fetch *fetch;
    void *ctx;
    sl_hasher hasher;
    struct {
        bool loaded;
        uint64_t index;
        sl_buf bytes;
    } kept[SL_TILE_LEVELS];
} sl_tile_reader;

void sl_tile_reader_free(sl_tile_reader *r);

/* An sl_node_source: `ctx` is an sl_tile_reader. Errors: SL_E_INTEGRITY (a tile of another length),
 * SL_E_RANGE (a node that this tree does not have), those of fetch. */
SL_MUST sl_res sl_tile_node(void *reader, unsigned level, uint64_t index, sl_digest *ret);

/* Steps through a bundle: big-endian 16-bit length and entry. `*rest` moves on. False at the end.
 * Errors: SL_E_TRUNCATED. */
SL_MUST sl_res sl_bundle_next(sl_view *rest, bool *ret_more, sl_view *ret_entry);

/* Appends one entry. Errors: SL_E_LIMIT (longer than SL_LEAF_BYTES_MAX). */
SL_MUST sl_res sl_bundle_add(sl_buf *bundle, sl_view entry);

#endif
