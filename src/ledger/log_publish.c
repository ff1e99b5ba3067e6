/* Publishing tiles and letting go of old WAL segments (log.h). Nothing here is needed for
 * durability: whatever is lost is written again by recovery.
 */
#include <inttypes.h>

#include "ledger/log_internal.h"

/* Writes a tile unless it stands there already. A tile on which recovery relies was made durable
 * when older segments were let go; writing it again without a sync would put it at risk. */
static sl_res write_tile(sl_tlog *log, const char *path, sl_view bytes)
{
    SL_OWN(sl_buf, there, sl_buf_free) = { .max = bytes.n };
    sl_res r = log->disk->read(log->disk, path, &there);

    if (sl_ok(r) && sl_view_eq(sl_buf_view(&there), bytes)) {
        return SL_DONE;
    }
    return log->disk->replace(log->disk, path, bytes, false);
}

sl_res sl_tlog_flush_tiles(sl_tlog *log)
{
    char path[SL_TILE_PATH_BYTES];

    while (log->pending != NULL) {
        sl_pending_tile *tile = log->pending;
        sl_tile_path(tile->level, tile->index, SL_TILE_WIDTH, path);
        SL_TRY(write_tile(log, path, sl_buf_view(&tile->bytes)));
        log->pending = tile->next;
        if (log->pending == NULL) {
            log->pending_end = &log->pending;
        }
        log->pending_bytes -= tile->bytes.n;
        sl_buf_free(&tile->bytes);
        free(tile);
    }
    return SL_DONE;
}

static sl_res write_partials(sl_tlog *log)
{
    char path[SL_TILE_PATH_BYTES];
    uint64_t size = log->frontier.size;

    for (unsigned level = 0; level < SL_TILE_LEVELS; level++) {
        uint64_t hashes = size >> (8 * level);
        unsigned width = (unsigned)(hashes % SL_TILE_WIDTH);
        if (width != 0) {
            sl_tile_path((int)level, hashes / SL_TILE_WIDTH, width, path);
            SL_TRY(write_tile(log, path, sl_buf_view(&log->edge[level])));
        }
    }
    unsigned width = (unsigned)(size % SL_TILE_WIDTH);
    if (width == 0) {
        return SL_DONE;
    }
    sl_tile_path(SL_TILE_ENTRIES, size / SL_TILE_WIDTH, width, path);
    return write_tile(log, path, sl_buf_view(&log->bundle));
}

sl_res sl_tlog_publish(sl_tlog *log)
{
    SL_NEED(!log->broken, SL_E_CLOSED);
    SL_TRY(sl_tlog_flush_tiles(log));
    if (log->published == log->frontier.size && log->published != 0) {
        return SL_DONE;
    }
    SL_TRY(write_partials(log));
    SL_TRY(log->disk->replace(log->disk, "checkpoint", sl_buf_view(&log->note), true));
    log->published = log->frontier.size;
    return SL_DONE;
}

/* Removes the partial tiles below full ones that are durable by now. */
static sl_res remove_partials(sl_tlog *log, uint64_t full)
{
    char path[SL_TILE_PATH_BYTES + 4];

    for (uint64_t i = log->synced_full; i < full; i++) {
        sl_tile_path(SL_TILE_ENTRIES, i, SL_TILE_WIDTH, path);
        (void)snprintf(path + strlen(path), 4, ".p");
        SL_TRY(log->disk->remove(log->disk, path, false));
        for (unsigned level = 0; level < SL_TILE_LEVELS; level++) {
            /* Tile n of level L is complete together with bundle (n + 1) * 256^L - 1. */
            if ((i + 1) % (UINT64_C(1) << (8 * level)) != 0) {
                break;
            }
            sl_tile_path((int)level, ((i + 1) >> (8 * level)) - 1, SL_TILE_WIDTH, path);
            (void)snprintf(path + strlen(path), 4, ".p");
            SL_TRY(log->disk->remove(log->disk, path, false));
        }
    }
    log->synced_full = full;
    return SL_DONE;
}

sl_res sl_tlog_trim(sl_tlog *log)
{
    uint64_t full = log->published / SL_TILE_WIDTH;
    size_t gone = 0;
    char path[SL_WAL_NAME_BYTES];

    /* The last two stay: the one being written, and one that surely holds a leaf. */
    if (log->segments_n <= 2 || log->segments[1] > full * SL_TILE_WIDTH) {
        return SL_DONE;
    }
    SL_TRY(log->disk->sync_all(log->disk));
    SL_TRY(remove_partials(log, full));
    while (log->segments_n - gone > 2 && log->segments[gone + 1] <= full * SL_TILE_WIDTH) {
        sl_wal_name(log->segments[gone], path);
        /* Oldest first, each for good: a crash must not bring one back behind a gap. */
        SL_TRY(log->disk->remove(log->disk, path, true));
        gone++;
    }
    memmove(log->segments, log->segments + gone,
            (log->segments_n - gone) * sizeof log->segments[0]);
    log->segments_n -= gone;
    return SL_DONE;
}
