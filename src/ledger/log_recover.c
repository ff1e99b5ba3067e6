/* Opening a ledger (log.h): replay of the WAL, and the comparison with everything that was signed.
 *
 * What is allowed: an unfinished batch at the very end, which nobody was told about; it is cut off.
 * What is never mended: a batch that is broken before a whole one, a root that is not the signed
 * one, fewer leaves than a signed checkpoint names. A stranger who copies, truncates or edits files
 * must not be able to make the log sign over it.
 */
#include <inttypes.h>

#include "ledger/event.h"
#include "ledger/log_internal.h"

enum { SEGMENT_READ_BYTES_MAX = 1 << 30 };

/* ---- what was signed before ---- */

enum { SIGNED_MAX = 64 };

typedef struct {
    sl_checkpoint is;
    bool seen;
} was_signed;

typedef struct {
    sl_tlog *log;
    sl_tlog_report *report;
    was_signed before[SIGNED_MAX];
    size_t before_n;
    uint64_t start;
    sl_buf last_note; /* of the last whole batch */
    sl_buf last_leaf;
    /* the last segment, to be continued once everything is found to be right */
    sl_buf tail;
    size_t tail_at;
    bool tail_used; /* it holds a whole batch */
} recovery;

static void recovery_free(recovery *rec)
{
    sl_buf_free(&rec->last_note);
    sl_buf_free(&rec->last_leaf);
    sl_buf_free(&rec->tail);
}

static sl_res remember(recovery *rec, sl_view note)
{
    SL_NEED(rec->before_n < SIGNED_MAX, SL_E_LIMIT);
    was_signed *to = &rec->before[rec->before_n];
    SL_TRY(sl_checkpoint_open(note, &rec->log->vkey, &to->is));
    rec->before_n++;
    return SL_DONE;
}

static sl_res remember_all(recovery *rec, const sl_tlog_options *options)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX };
    sl_res r = rec->log->disk->read(rec->log->disk, "checkpoint", &note);

    if (sl_ok(r)) {
        r = remember(rec, sl_buf_view(&note));
        if (sl_is(r, SL_E_TRUNCATED) || sl_is(r, SL_E_SYNTAX) || sl_is(r, SL_E_UTF8)) {
            /* It is replaced whole or not at all: what does not read was written by somebody else. */
            return sl_fail_at(SL_E_INTEGRITY, "ledger/checkpoint", SL_NOWHERE);
        }
        if (sl_ok(r)) {
            rec->log->published = rec->before[0].is.size;
        }
    }
    if (!sl_ok(r) && !sl_is(r, SL_E_NOT_FOUND)) {
        return r;
    }
    for (size_t i = 0; i < options->outside_n; i++) {
        SL_TRY(remember(rec, options->outside[i]));
    }
    return SL_DONE;
}

/* Compares the tree as it now stands with the checkpoints of this size. */
static sl_res compare_here(recovery *rec, const sl_digest *root)
{
    for (size_t i = 0; i < rec->before_n; i++) {
        if (rec->before[i].is.size == rec->log->frontier.size) {
            if (!sl_digest_eq(&rec->before[i].is.root, root)) {
                return sl_fail_at(SL_E_INTEGRITY, "root of a signed checkpoint",
                                  rec->log->frontier.size);
            }
            rec->before[i].seen = true;
        }
    }
    return SL_DONE;
}

/* ---- tiles of the part before the WAL ---- */

/* The hash of a full tile's row: the entry that stands for it one level up. */
static sl_digest tile_root(sl_hasher *h, const uint8_t *bytes)
{
    sl_digest row[SL_TILE_WIDTH];

    memcpy(row, bytes, SL_TILE_BYTES);
    for (size_t count = SL_TILE_WIDTH; count > 1; count /= 2) {
        for (size_t i = 0; i < count / 2; i++) {
            row[i] = sl_merkle_node(h, &row[2 * i], &row[2 * i + 1]);
        }
    }
    return row[0];
}

static sl_res read_full(sl_tlog *log, int level, uint64_t index, sl_buf *out)
{
    char path[SL_TILE_PATH_BYTES];

    sl_buf_clear(out);
    sl_tile_path(level, index, SL_TILE_WIDTH, path);
    SL_TRY(log->disk->read(log->disk, path, out));
    SL_NEED(level == SL_TILE_ENTRIES || out->n == SL_TILE_BYTES, SL_E_INTEGRITY);
    return SL_DONE;
}

/* The first `width` hashes of a tile, out of full tiles alone: those were durable before older
 * segments were let go, while a partial tile may be left from a crash, torn. On level 0 the tile in
 * which the WAL begins is full itself; above, each hash is the root of a full tile below. */
static sl_res fetch_prefix(void *ctx, int level, uint64_t index, unsigned width, sl_buf *out)
{
    sl_tlog *log = ctx;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_TILE_BYTES };

    if (level == 0 || width == SL_TILE_WIDTH) {
        SL_TRY(read_full(log, level, index, &bytes));
        return sl_buf_add(out,
                          sl_view_sub(sl_buf_view(&bytes), 0, (size_t)width * SL_DIGEST_BYTES));
    }
    for (unsigned i = 0; i < width; i++) {
        SL_TRY(read_full(log, level - 1, index * SL_TILE_WIDTH + i, &bytes));
        sl_digest root = tile_root(&log->hasher, bytes.p);
        SL_TRY(sl_buf_add(out, sl_digest_view(&root)));
    }
    return SL_DONE;
}

static sl_res load_bundle_prefix(sl_tlog *log, uint64_t size)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };

    if (size % SL_TILE_WIDTH == 0) {
        return SL_DONE;
    }
    SL_TRY(read_full(log, SL_TILE_ENTRIES, size / SL_TILE_WIDTH, &bytes));
    sl_view rest = sl_buf_view(&bytes);
    for (uint64_t i = 0; i < size % SL_TILE_WIDTH; i++) {
        sl_view entry;
        bool more = false;
        SL_TRY(sl_bundle_next(&rest, &more, &entry));
        SL_NEED(more, SL_E_INTEGRITY);
        SL_TRY(sl_bundle_add(&log->bundle, entry));
    }
    return SL_DONE;
}

/* Tree, edges and bundle of the first `size` leaves from tiles; believed only once the root of the
 * first batch behind them is the signed one. */
static sl_res load_from_tiles(recovery *rec, uint64_t size)
{
    sl_tlog *log = rec->log;
    SL_OWN(sl_tile_reader, reader,
           sl_tile_reader_free) = { .size = size, .fetch = fetch_prefix, .ctx = log };

    SL_TRY(sl_tree_frontier(size, sl_tile_node, &reader, &log->frontier));
    for (unsigned level = 0; level < SL_TILE_LEVELS; level++) {
        uint64_t hashes = size >> (8 * level);
        unsigned width = (unsigned)(hashes % SL_TILE_WIDTH);
        if (width != 0) {
            SL_TRY(fetch_prefix(log, (int)level, hashes / SL_TILE_WIDTH, width, &log->edge[level]));
        }
    }
    SL_TRY(load_bundle_prefix(log, size));
    log->synced_full = size / SL_TILE_WIDTH;
    for (size_t i = 0; i < rec->before_n; i++) {
        sl_digest root;
        if (rec->before[i].is.size > size) {
            continue;
        }
        SL_TRY(sl_tree_root(rec->before[i].is.size, sl_tile_node, &reader, &root));
        if (!sl_digest_eq(&root, &rec->before[i].is.root)) {
            return sl_fail_at(SL_E_INTEGRITY, "root of a signed checkpoint",
                              rec->before[i].is.size);
        }
        rec->before[i].seen = true;
    }
    return SL_DONE;
}

/* ---- replay ---- */

static sl_res replay_entries(recovery *rec, const sl_wal_batch *batch)
{
    sl_view rest = batch->entries;
    sl_view entry = { 0 };
    uint32_t count = 0;

    for (bool more = true;;) {
        SL_TRY(sl_bundle_next(&rest, &more, &entry));
        if (!more) {
            break;
        }
        SL_TRY(sl_tlog_integrate(rec->log, entry));
        count++;
        if (rest.n == 0) {
            sl_buf_clear(&rec->last_leaf);
            SL_TRY(sl_buf_add(&rec->last_leaf, entry));
        }
    }
    SL_NEED(count == batch->count, SL_E_INTEGRITY);
    rec->report->replayed += count;
    return SL_DONE;
}

static sl_res replay_batch(recovery *rec, const sl_wal_batch *batch)
{
    sl_tlog *log = rec->log;
    sl_note note;
    sl_checkpoint c;

    rec->report->first_bad = log->frontier.size;
    SL_NEED(batch->first == log->frontier.size && batch->count != 0, SL_E_INTEGRITY);
    SL_TRY(replay_entries(rec, batch));
    SL_TRY(sl_note_split(batch->note, &note));
    SL_TRY(sl_checkpoint_parse(note.text, &c));
    sl_digest root = sl_frontier_root(&log->frontier, &log->hasher);
    if (strcmp(c.origin, log->origin) != 0 || c.size != log->frontier.size ||
        !sl_digest_eq(&c.root, &root)) {
        return sl_fail_at(SL_E_INTEGRITY, "root of a batch", batch->first);
    }
    SL_TRY(compare_here(rec, &root));
    sl_buf_clear(&rec->last_note);
    SL_TRY(sl_buf_add(&rec->last_note, batch->note));
    if (log->pending_bytes > SL_TLOG_PENDING_BYTES_MAX / 2) {
        SL_TRY(sl_tlog_flush_tiles(log));
    }
    rec->report->first_bad = SL_NOWHERE;
    return SL_DONE;
}

/* Is there a whole batch at or behind `at`? Batches begin on multiples of 8. */
static bool whole_batch_behind(sl_view segment, size_t at)
{
    sl_wal_batch batch;

    for (; at + SL_WAL_BATCH_HEADER_BYTES <= segment.n; at += 8) {
        if (segment.p[at] == 'S' &&
            sl_ok(sl_wal_batch_read(sl_view_sub(segment, at, segment.n), &batch))) {
            return true;
        }
    }
    return false;
}

static bool zero_behind(sl_view segment, size_t at)
{
    for (; at < segment.n; at++) {
        if (segment.p[at] != 0) {
            return false;
        }
    }
    return true;
}

/* Replays whole batches; `*at` stops at the first place without one. */
static sl_res replay_segment(recovery *rec, sl_view segment, size_t *at)
{
    sl_wal_batch batch;

    for (;;) {
        if (!sl_ok(sl_wal_batch_read(sl_view_sub(segment, *at, segment.n), &batch))) {
            return SL_DONE;
        }
        SL_TRY(replay_batch(rec, &batch));
        *at += batch.bytes;
    }
}

static sl_res broken_here(recovery *rec)
{
    rec->report->first_bad = rec->log->frontier.size;
    return sl_fail_at(SL_E_INTEGRITY, "write-ahead log", rec->log->frontier.size);
}

/* Makes the last segment ready for writing: a torn batch is overwritten with zeros, and a segment
 * that a crash left before its first commit is removed. Only after all comparisons, so that a
 * refused ledger stays as it was found. */
static sl_res continue_tail(recovery *rec)
{
    sl_tlog *log = rec->log;
    size_t torn_n = rec->tail.n - rec->tail_at;
    char path[SL_WAL_NAME_BYTES];

    if (rec->tail.n == 0) {
        return SL_DONE;
    }
    rec->report->torn = !zero_behind(sl_buf_view(&rec->tail), rec->tail_at);
    sl_wal_name(log->segments[log->segments_n - 1], path);
    if (!rec->tail_used) {
        log->segments_n--;
        return log->disk->remove(log->disk, path, true);
    }
    SL_TRY(log->disk->open(log->disk, path, &log->file));
    log->file_bytes = rec->tail.n;
    log->file_at = rec->tail_at;
    if (!rec->report->torn) {
        return SL_DONE;
    }
    memset(rec->tail.p + rec->tail_at, 0, torn_n);
    SL_TRY(log->disk->write(log->disk, log->file, rec->tail_at,
                            sl_view_of(rec->tail.p + rec->tail_at, torn_n)));
    return log->disk->sync(log->disk, log->file);
}

static sl_res recover_segment(recovery *rec, size_t number)
{
    sl_tlog *log = rec->log;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SEGMENT_READ_BYTES_MAX };
    bool last = number + 1 == log->segments_n;
    char path[SL_WAL_NAME_BYTES];
    uint64_t first = 0;
    size_t at = SL_WAL_SEGMENT_HEADER_BYTES;

    sl_wal_name(log->segments[number], path);
    SL_TRY(log->disk->read(log->disk, path, &bytes));
    sl_view segment = sl_buf_view(&bytes);
    if (log->segments[number] != log->frontier.size) {
        return broken_here(rec);
    }
    sl_res header = sl_wal_segment_first(segment, &first);
    if (sl_is(header, SL_E_VERSION)) {
        return header;
    }
    if (sl_ok(header) && first == log->segments[number]) {
        SL_TRY(replay_segment(rec, segment, &at));
    }
    if (whole_batch_behind(segment, at) || (!last && !zero_behind(segment, at))) {
        return broken_here(rec);
    }
    if (!last) {
        return at == SL_WAL_SEGMENT_HEADER_BYTES ? broken_here(rec) : SL_DONE;
    }
    rec->tail_at = at;
    rec->tail_used = at != SL_WAL_SEGMENT_HEADER_BYTES;
    rec->tail = sl_buf_take(&bytes);
    return SL_DONE;
}

/* ---- the whole ---- */

static sl_res note_segment(void *ctx, const char *name)
{
    sl_tlog *log = ctx;
    uint64_t first = 0;

    if (strcmp(name, "reserve") == 0) {
        log->reserve_there = true;
        return SL_DONE;
    }
    if (!sl_ok(sl_wal_name_parse(name, &first))) {
        return SL_DONE;
    }
    SL_NEED(log->segments_n < SL_TLOG_SEGMENTS_MAX, SL_E_LIMIT);
    size_t at = log->segments_n++;
    for (; at > 0 && log->segments[at - 1] > first; at--) {
        log->segments[at] = log->segments[at - 1];
    }
    log->segments[at] = first;
    return SL_DONE;
}

/* Everything that was ever signed must be part of what is here. */
static sl_res compare_end(recovery *rec)
{
    for (size_t i = 0; i < rec->before_n; i++) {
        const was_signed *was = &rec->before[i];
        if (was->is.size > rec->log->frontier.size) {
            rec->report->first_bad = rec->log->frontier.size;
            return sl_fail_at(SL_E_ROLLBACK, "leaves fewer than a signed checkpoint", was->is.size);
        }
        if (!was->seen) {
            rec->report->first_bad = rec->start;
            return sl_fail_at(SL_E_INTEGRITY, "a signed checkpoint of another history",
                              was->is.size);
        }
    }
    return SL_DONE;
}

static sl_res check_last_signature(recovery *rec)
{
    sl_checkpoint c;
    sl_leaf leaf;

    if (rec->last_note.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_checkpoint_open(sl_buf_view(&rec->last_note), &rec->log->vkey, &c));
    if (sl_ok(sl_leaf_read(sl_buf_view(&rec->last_leaf), &leaf))) {
        rec->log->time_ms = leaf.time_ms;
        sl_leaf_free(&leaf);
    }
    return SL_DONE;
}

sl_res sl_tlog_recover(sl_tlog *log, const sl_tlog_options *options, sl_tlog_report *report)
{
    SL_OWN(recovery, rec, recovery_free) = {
        .log = log,
        .report = report,
        .last_note = { .max = SL_CHECKPOINT_BYTES_MAX },
        .last_leaf = { .max = SL_LEAF_BYTES_MAX },
    };

    SL_TRY(log->disk->list(log->disk, "wal", note_segment, log));
    SL_TRY(remember_all(&rec, options));
    rec.start = log->segments_n != 0 ? log->segments[0] : 0;
    if (rec.start != 0) {
        report->first_bad = 0;
        SL_TRY(load_from_tiles(&rec, rec.start));
        report->first_bad = SL_NOWHERE;
    } else {
        sl_digest empty = sl_tree_empty_root();
        SL_TRY(compare_here(&rec, &empty));
    }
    size_t segments_n = log->segments_n;
    for (size_t i = 0; i < segments_n; i++) {
        SL_TRY(recover_segment(&rec, i));
    }
    report->size = log->frontier.size;
    SL_TRY(compare_end(&rec));
    SL_TRY(check_last_signature(&rec));
    return continue_tail(&rec);
}
