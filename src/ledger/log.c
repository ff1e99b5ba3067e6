/* Adding and committing (log.h); log_publish.c writes tiles, log_recover.c opens. */
#include "ledger/log.h"

#include <assert.h>

#include "ledger/event.h"
#include "ledger/log_internal.h"

static const char RESERVE[] = "wal/reserve";

/* Collects what frontier_add completes: the hashes of tiles stand on levels 0, 8, 16 ... */
static void take_node(void *ctx, unsigned level, uint64_t index, const sl_digest *node)
{
    sl_tlog *log = ctx;
    unsigned tile_level = level / 8;

    if (level % 8 != 0 || tile_level >= SL_TILE_LEVELS) {
        return;
    }
    sl_buf *edge = &log->edge[tile_level];
    if (!sl_ok(sl_buf_add(edge, sl_digest_view(node)))) {
        log->out_of_memory = true;
        return;
    }
    if (edge->n < SL_TILE_BYTES) {
        return;
    }
    sl_pending_tile *tile = calloc(1, sizeof *tile);
    if (tile == NULL) {
        log->out_of_memory = true;
        return;
    }
    tile->level = (int)tile_level;
    tile->index = index / SL_TILE_WIDTH;
    tile->bytes = sl_buf_take(edge);
    *log->pending_end = tile;
    log->pending_end = &tile->next;
    log->pending_bytes += tile->bytes.n;
}

/* Moves a complete bundle to the pending list. */
static sl_res take_bundle(sl_tlog *log)
{
    sl_pending_tile *tile = calloc(1, sizeof *tile);

    SL_NEED(tile != NULL, SL_E_MEMORY);
    tile->level = SL_TILE_ENTRIES;
    tile->index = log->frontier.size / SL_TILE_WIDTH - 1;
    tile->bytes = sl_buf_take(&log->bundle);
    *log->pending_end = tile;
    log->pending_end = &tile->next;
    log->pending_bytes += tile->bytes.n;
    return SL_DONE;
}

sl_res sl_tlog_integrate(sl_tlog *log, sl_view entry)
{
    sl_digest leaf = sl_merkle_leaf(&log->hasher, entry);

    sl_frontier_add(&log->frontier, &log->hasher, &leaf, take_node, log);
    SL_NEED(!log->out_of_memory, SL_E_MEMORY);
    SL_TRY(sl_bundle_add(&log->bundle, entry));
    if (log->frontier.size % SL_TILE_WIDTH == 0) {
        SL_TRY(take_bundle(log));
    }
    return SL_DONE;
}

/* Begins writing the segment that is at `path` already. */
static sl_res use_segment(sl_tlog *log, uint64_t first, uint64_t bytes)
{
    uint8_t header[SL_WAL_SEGMENT_HEADER_BYTES];
    char path[SL_WAL_NAME_BYTES];
    int file = -1;

    sl_wal_name(first, path);
    sl_wal_segment_header(first, header);
    SL_TRY(log->disk->open(log->disk, path, &file));
    sl_res r = log->disk->write(log->disk, file, 0, sl_view_of(header, sizeof header));
    if (sl_ok(r)) {
        r = log->disk->sync(log->disk, file);
    }
    if (!sl_ok(r)) {
        log->disk->close(log->disk, file);
        return r;
    }
    if (log->file >= 0) {
        log->disk->close(log->disk, log->file);
    }
    log->file = file;
    log->file_bytes = bytes;
    log->file_at = sizeof header;
    log->segments[log->segments_n++] = first;
    return SL_DONE;
}

sl_res sl_tlog_new_segment(sl_tlog *log, bool containment)
{
    uint64_t first = log->frontier.size;
    char path[SL_WAL_NAME_BYTES];

    if (log->segments_n == SL_TLOG_SEGMENTS_MAX) {
        SL_TRY(sl_tlog_trim(log));
        SL_NEED(log->segments_n < SL_TLOG_SEGMENTS_MAX, SL_E_DISK_FULL);
    }
    sl_wal_name(first, path);
    sl_res r = log->disk->create(log->disk, path, log->segment_bytes);
    if (sl_ok(r)) {
        log->full = false;
        return use_segment(log, first, log->segment_bytes);
    }
    if (!sl_is(r, SL_E_DISK_FULL)) {
        return r;
    }
    log->full = true;
    if (!containment || !log->reserve_there) {
        return r;
    }
    SL_TRY(log->disk->rename(log->disk, RESERVE, path));
    log->reserve_there = false;
    return use_segment(log, first, log->reserve_bytes);
}

bool sl_tlog_has_room(sl_tlog *log)
{
    if (!log->reserve_there) {
        sl_res r = log->disk->create(log->disk, RESERVE, log->reserve_bytes);
        log->reserve_there = sl_ok(r) || sl_is(r, SL_E_EXISTS);
    }
    if (log->full && log->reserve_there) {
        uint64_t room = log->disk->room(log->disk);
        log->full = room < 2 * log->segment_bytes;
    }
    return !log->full && log->reserve_there;
}

uint64_t sl_tlog_room(const sl_tlog *log)
{
    uint64_t most = (UINT64_C(1) << 53) - 1;
    uint64_t room = log->disk->room(log->disk);

    return room < most ? room : most;
}

/* Room for `n` bytes of entries in the current segment behind the batch so far. */
static bool fits(const sl_tlog *log, size_t n)
{
    size_t note_bytes = SL_NOTE_NAME_BYTES_MAX * 2 + 512;

    return log->file >= 0 &&
           log->file_at + sl_wal_batch_bytes(log->batch.n + n, note_bytes) <= log->file_bytes;
}

static sl_res make_room(sl_tlog *log, size_t n, bool containment)
{
    if (log->batch_count == SL_WAL_COUNT_MAX || log->batch.n + n > SL_WAL_ENTRIES_BYTES_MAX) {
        return sl_fail(SL_E_AGAIN);
    }
    if (fits(log, n)) {
        return SL_DONE;
    }
    if (log->batch_count != 0) {
        return sl_fail(SL_E_AGAIN);
    }
    SL_TRY(sl_tlog_new_segment(log, containment));
    SL_NEED(fits(log, n), SL_E_LIMIT);
    /* A turn of segments is the moment to let go of the oldest; failing that is no harm. */
    sl_res trimmed = sl_tlog_publish(log);
    if (sl_ok(trimmed)) {
        trimmed = sl_tlog_trim(log);
    }
    (void)trimmed.code;
    return SL_DONE;
}

sl_res sl_tlog_add_leaf(sl_tlog *log, sl_view leaf, bool containment, uint64_t *ret_index)
{
    SL_NEED(!log->broken, SL_E_CLOSED);
    SL_NEED(leaf.n <= SL_LEAF_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(containment || !log->full, SL_E_DISK_FULL);
    SL_TRY(make_room(log, 2 + leaf.n, containment));
    uint64_t index = log->frontier.size + log->batch_count;
    SL_TRY(sl_bundle_add(&log->batch, leaf));
    log->batch_count++;
    *ret_index = index;
    return SL_DONE;
}

sl_res sl_tlog_add(sl_tlog *log, sl_view event, const char *by, uint64_t now_ms,
                   uint64_t *ret_index)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    uint64_t time_ms = now_ms > log->time_ms ? now_ms : log->time_ms;
    bool containment = false;

    SL_TRY(sl_event_check(event, by, &containment));
    SL_TRY(sl_leaf_wrap(event, by, time_ms, &leaf));
    SL_TRY(sl_tlog_add_leaf(log, sl_buf_view(&leaf), containment, ret_index));
    log->time_ms = time_ms;
    return SL_DONE;
}

/* Grows the tree by the batch. */
static sl_res integrate_batch(sl_tlog *log)
{
    sl_view rest = sl_buf_view(&log->batch);
    sl_view entry;

    for (bool more = true;;) {
        SL_TRY(sl_bundle_next(&rest, &more, &entry));
        if (!more) {
            return SL_DONE;
        }
        SL_TRY(sl_tlog_integrate(log, entry));
    }
}

static sl_res sign_note(sl_tlog *log)
{
    sl_checkpoint c = { .size = log->frontier.size,
                        .root = sl_frontier_root(&log->frontier, &log->hasher) };

    memcpy(c.origin, log->origin, sizeof c.origin);
    sl_buf_clear(&log->note);
    return sl_checkpoint_sign(&c, log->key, &log->note);
}

static sl_res write_batch(sl_tlog *log, uint64_t first)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_WAL_ENTRIES_BYTES_MAX + SL_MIB };

    SL_TRY(sl_wal_batch_write(first, log->batch_count, sl_buf_view(&log->batch),
                              sl_buf_view(&log->note), &bytes));
    assert(log->file_at + bytes.n <= log->file_bytes);
    SL_TRY(log->disk->write(log->disk, log->file, log->file_at, sl_buf_view(&bytes)));
    SL_TRY(log->disk->sync(log->disk, log->file));
    log->file_at += bytes.n;
    return SL_DONE;
}

sl_res sl_tlog_commit(sl_tlog *log)
{
    uint64_t first = log->frontier.size;

    SL_NEED(!log->broken, SL_E_CLOSED);
    if (log->batch_count == 0) {
        return SL_DONE;
    }
    sl_res r = integrate_batch(log);
    if (sl_ok(r)) {
        r = sign_note(log);
    }
    if (sl_ok(r)) {
        r = write_batch(log, first);
    }
    /* A sync that failed once says nothing true afterwards; only recovery can tell. */
    log->broken = !sl_ok(r);
    SL_TRY(r);
    sl_buf_clear(&log->batch);
    log->batch_count = 0;
    if (log->pending_bytes > SL_TLOG_PENDING_BYTES_MAX / 2) {
        sl_res flushed = sl_tlog_flush_tiles(log);
        log->broken = !sl_ok(flushed) && log->pending_bytes > SL_TLOG_PENDING_BYTES_MAX;
    }
    return SL_DONE;
}

static sl_res prepare(sl_tlog *log, const sl_tlog_options *options)
{
    size_t n = strlen(options->origin);

    SL_NEED(n <= SL_ORIGIN_BYTES_MAX, SL_E_LIMIT);
    memcpy(log->origin, options->origin, n);
    log->disk = options->disk;
    log->key = options->key;
    log->file = -1;
    log->pending_end = &log->pending;
    log->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : 16 * SL_MIB;
    log->reserve_bytes = options->reserve_bytes != 0 ? options->reserve_bytes : SL_MIB;
    log->batch.max = SL_WAL_ENTRIES_BYTES_MAX;
    log->bundle.max = SL_BUNDLE_BYTES_MAX;
    log->note.max = SL_CHECKPOINT_BYTES_MAX;
    for (size_t i = 0; i < SL_TILE_LEVELS; i++) {
        log->edge[i].max = SL_TILE_BYTES;
    }
    return sl_vkey_make(sl_view_str(log->origin), SL_NOTE_ED25519, &log->key->public_key,
                        &log->vkey);
}

sl_res sl_tlog_open(const sl_tlog_options *options, sl_tlog **ret, sl_tlog_report *ret_report)
{
    sl_tlog *log = calloc(1, sizeof *log);

    *ret_report = (sl_tlog_report){ .first_bad = SL_NOWHERE };
    SL_NEED(log != NULL, SL_E_MEMORY);
    sl_res r = prepare(log, options);
    if (sl_ok(r)) {
        r = sl_tlog_recover(log, options, ret_report);
    }
    if (sl_ok(r)) {
        r = sign_note(log);
    }
    if (!sl_ok(r)) {
        sl_tlog_free(log);
        return r;
    }
    (void)sl_tlog_has_room(log);
    *ret = log;
    return SL_DONE;
}

void sl_tlog_free(sl_tlog *log)
{
    if (log == NULL) {
        return;
    }
    while (log->pending != NULL) {
        sl_pending_tile *next = log->pending->next;
        sl_buf_free(&log->pending->bytes);
        free(log->pending);
        log->pending = next;
    }
    for (size_t i = 0; i < SL_TILE_LEVELS; i++) {
        sl_buf_free(&log->edge[i]);
    }
    if (log->file >= 0) {
        log->disk->close(log->disk, log->file);
    }
    sl_buf_free(&log->bundle);
    sl_buf_free(&log->batch);
    sl_buf_free(&log->note);
    sl_hasher_free(&log->hasher);
    free(log);
}

uint64_t sl_tlog_size(const sl_tlog *log)
{
    return log->frontier.size;
}

uint64_t sl_tlog_next(const sl_tlog *log)
{
    return log->frontier.size + log->batch_count;
}

uint64_t sl_tlog_published(const sl_tlog *log)
{
    return log->published;
}

uint64_t sl_tlog_time_ms(const sl_tlog *log)
{
    return log->time_ms;
}

sl_digest sl_tlog_root(sl_tlog *log)
{
    return sl_frontier_root(&log->frontier, &log->hasher);
}

sl_view sl_tlog_checkpoint(const sl_tlog *log)
{
    return sl_buf_view(&log->note);
}

const sl_vkey *sl_tlog_vkey(const sl_tlog *log)
{
    return &log->vkey;
}
