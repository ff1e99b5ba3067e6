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
    sl_scrub_found found;
} scrub;

static void find(scrub *s, const char *what, uint64_t first_bad)
{
    if (s->found.what == NULL) {
        s->found = (sl_scrub_found){ what, first_bad };
    }
}

static sl_res check_entry(scrub *s, uint64_t leaf_index, sl_view entry)
{
    sl_digest have = sl_merkle_leaf(&s->log->hasher, entry);
    sl_digest want;
    if (s->width == SL_TILE_WIDTH) {
        sl_frontier_add(&s->frontier, &s->log->hasher, &have, NULL, NULL);
        return SL_DONE;
    }
    SL_TRY(sl_tile_node(s->reader, 0, leaf_index, &want));
    if (!sl_digest_eq(&have, &want)) {
        find(s, "bundle_changed", leaf_index);
    }
    return SL_DONE;
}

static sl_res check_full(scrub *s)
{
    sl_digest want;
    SL_TRY(sl_tile_node(s->reader, 8, s->index, &want));
    if (!sl_digest_eq(&s->frontier.nodes[8], &want)) {
        find(s, "bundle_changed", s->index * SL_TILE_WIDTH);
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
            find(s, "bundle_short", first + count); /* or something behind the end */
            return SL_DONE;
        }
        if (more) {
            SL_TRY(check_entry(s, first + count, entry));
            count++;
        }
    }
    if (count < s->width) {
        find(s, "bundle_short", first + count);
        return SL_DONE;
    }
    return s->width == SL_TILE_WIDTH ? check_full(s) : SL_DONE;
}

static sl_res scrub_one(sl_tlog *log, sl_tile_reader *reader, uint64_t index, unsigned width,
                        sl_scrub_found *ret)
{
    char path[SL_TILE_PATH_BYTES];
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };
    scrub s = { .log = log, .reader = reader, .index = index, .width = width };
    sl_tile_path(SL_TILE_ENTRIES, index, width, path);
    sl_res r = log->disk->read(log->disk, path, &bundle);
    if (sl_is(r, SL_E_NOT_FOUND) || sl_is(r, SL_E_LIMIT)) {
        find(&s, "bundle_short",
             index * SL_TILE_WIDTH); /* taken away, or grown beyond any bundle */
    } else {
        SL_TRY(r);
        SL_TRY(check_bundle(&s, sl_buf_view(&bundle)));
    }
    *ret = s.found;
    return SL_DONE;
}

/* An older checkpoint in the place of the newest shows readers a ledger that ends earlier. */
static sl_res scrub_checkpoint(sl_tlog *log, sl_scrub_found *ret)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX };
    sl_checkpoint served = { 0 };
    sl_res r = log->disk->read(log->disk, "checkpoint", &note);
    if (sl_ok(r) && sl_view_eq(sl_buf_view(&note), sl_buf_view(&log->note))) {
        return SL_DONE;
    }
    if (sl_ok(r) && !sl_ok(sl_checkpoint_open(sl_buf_view(&note), &log->vkey, &served))) {
        served.size = 0;
    }
    if (sl_ok(r) || sl_is(r, SL_E_NOT_FOUND) || sl_is(r, SL_E_LIMIT)) {
        *ret = (sl_scrub_found){ "checkpoint", served.size };
        return SL_DONE;
    }
    return r;
}

sl_res sl_tlog_scrub(sl_tlog *log, uint64_t *cursor, sl_scrub_found *ret)
{
    uint64_t size = log->published;
    uint64_t full = size / SL_TILE_WIDTH;
    unsigned rest = (unsigned)(size % SL_TILE_WIDTH);
    sl_scrub_found found = { 0 };
    *ret = found;
    if (size == 0 || size != log->frontier.size) {
        return SL_DONE; /* what is not published yet is not served yet */
    }
    SL_OWN(sl_tile_reader, reader, sl_tile_reader_free) = { 0 };
    sl_tlog_tiles(log, &reader);
    SL_TRY(scrub_checkpoint(log, &found));
    if (found.what == NULL && rest != 0) {
        SL_TRY(scrub_one(log, &reader, full, rest, &found));
    }
    if (found.what == NULL && full != 0) {
        *cursor = *cursor + 1 < full ? *cursor + 1 : 0;
        SL_TRY(scrub_one(log, &reader, *cursor, SL_TILE_WIDTH, &found));
    }
    *ret = found;
    return SL_DONE;
}

sl_res sl_tlog_read_oldest(sl_tlog *log, bool *ret_ok)
{
    char path[SL_TILE_PATH_BYTES];
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };
    SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_MIB };
    SL_NEED(log->published != 0, SL_E_RANGE);
    bool full = log->published >= SL_TILE_WIDTH;
    sl_tile_path(SL_TILE_ENTRIES, 0, full ? SL_TILE_WIDTH : (unsigned)log->published, path);
    sl_res r = log->disk->read(log->disk, path, &bundle);
    if (sl_is(r, SL_E_NOT_FOUND) || sl_is(r, SL_E_LIMIT)) {
        *ret_ok = false;
        return SL_DONE;
    }
    SL_TRY(r);
    bool more = false;
    sl_view entry = { 0 };
    sl_view rest = sl_buf_view(&bundle);
    sl_checkpoint under = { 0 };
    uint64_t index = UINT64_MAX;
    SL_TRY(sl_tlog_receipt(log, 0, &receipt));
    *ret_ok = sl_ok(sl_bundle_next(&rest, &more, &entry)) && more &&
              sl_ok(sl_receipt_check(sl_buf_view(&receipt), entry, &log->vkey, &under, &index)) &&
              index == 0;
    return SL_DONE;
}
