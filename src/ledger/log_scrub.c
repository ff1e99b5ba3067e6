/* Reading published bundles back and comparing them with the tree (log_read.h). What others are served
 * is checked by who signed it, all the time, not only when somebody verifies. */
#include "ledger/log_internal.h"
#include "ledger/log_read.h"

/* The tree's own hash of what a bundle must hold: a leaf where the bundle is still growing (its hashes
 * are in memory), the subtree of all 256 where it is full. */
typedef struct {
    sl_tlog *log;
    sl_tile_reader *reader;
    uint64_t index; /* of the bundle */
    unsigned width;
    sl_frontier frontier;
    uint64_t first_bad;
} scrub;

static sl_res check_entry(scrub *s, uint64_t leaf_index, sl_view entry)
{
    sl_digest have = sl_merkle_leaf(&s->log->hasher, entry);
    sl_digest want;
    if (s->width == SL_TILE_WIDTH) {
        sl_frontier_add(&s->frontier, &s->log->hasher, &have, NULL, NULL);
        return SL_DONE;
    }
    SL_TRY(sl_tile_node(s->reader, 0, leaf_index, &want));
    if (s->first_bad == SL_NOWHERE && !sl_digest_eq(&have, &want)) {
        s->first_bad = leaf_index;
    }
    return SL_DONE;
}

static sl_res check_full(scrub *s)
{
    sl_digest want;
    SL_TRY(sl_tile_node(s->reader, 8, s->index, &want));
    if (!sl_digest_eq(&s->frontier.nodes[8], &want)) {
        s->first_bad = s->index * SL_TILE_WIDTH;
    }
    return SL_DONE;
}

static sl_res check_bundle(scrub *s, sl_view bundle)
{
    uint64_t first = s->index * SL_TILE_WIDTH;
    uint64_t count = 0;
    bool more = true;
    while (more) {
        sl_view entry = { 0 };
        sl_res r = sl_bundle_next(&bundle, &more, &entry);
        if (!sl_ok(r) || (more && count == s->width)) {
            s->first_bad = first + count; /* cut short, or something behind the end */
            return SL_DONE;
        }
        if (more) {
            SL_TRY(check_entry(s, first + count, entry));
            count++;
        }
    }
    if (count < s->width) {
        s->first_bad = first + count;
        return SL_DONE;
    }
    return s->width == SL_TILE_WIDTH ? check_full(s) : SL_DONE;
}

static sl_res scrub_one(sl_tlog *log, sl_tile_reader *reader, uint64_t index, unsigned width,
                        uint64_t *ret_first_bad)
{
    char path[SL_TILE_PATH_BYTES];
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };
    scrub s = {
        .log = log, .reader = reader, .index = index, .width = width, .first_bad = SL_NOWHERE
    };
    sl_tile_path(SL_TILE_ENTRIES, index, width, path);
    sl_res r = log->disk->read(log->disk, path, &bundle);
    if (sl_is(r, SL_E_NOT_FOUND) || sl_is(r, SL_E_LIMIT)) {
        s.first_bad = index * SL_TILE_WIDTH; /* taken away, or grown beyond any bundle */
    } else {
        SL_TRY(r);
        SL_TRY(check_bundle(&s, sl_buf_view(&bundle)));
    }
    *ret_first_bad = s.first_bad;
    return SL_DONE;
}

sl_res sl_tlog_scrub(sl_tlog *log, uint64_t *cursor, uint64_t *ret_first_bad)
{
    uint64_t size = log->published;
    uint64_t full = size / SL_TILE_WIDTH;
    unsigned rest = (unsigned)(size % SL_TILE_WIDTH);
    uint64_t first_bad = SL_NOWHERE;
    *ret_first_bad = SL_NOWHERE;
    if (size == 0 || size != log->frontier.size) {
        return SL_DONE; /* what is not published yet is not served yet */
    }
    SL_OWN(sl_tile_reader, reader, sl_tile_reader_free) = { 0 };
    sl_tlog_tiles(log, &reader);
    if (rest != 0) {
        SL_TRY(scrub_one(log, &reader, full, rest, &first_bad));
    }
    if (first_bad == SL_NOWHERE && full != 0) {
        *cursor = *cursor + 1 < full ? *cursor + 1 : 0;
        SL_TRY(scrub_one(log, &reader, *cursor, SL_TILE_WIDTH, &first_bad));
    }
    *ret_first_bad = first_bad;
    return SL_DONE;
}
