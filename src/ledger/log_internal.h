/* What log.c, log_publish.c and log_recover.c share; nobody else includes it. */
#ifndef SL_LEDGER_LOG_INTERNAL_H
#define SL_LEDGER_LOG_INTERNAL_H

#include "ledger/log.h"

enum { SL_TLOG_SEGMENTS_MAX = 4096, SL_TLOG_PENDING_BYTES_MAX = 64 << 20 };

/* A full tile or bundle that is complete but not written yet. */
typedef struct sl_pending_tile {
    struct sl_pending_tile *next;
    int level;
    uint64_t index;
    sl_buf bytes;
} sl_pending_tile;

struct sl_tlog {
    sl_disk *disk;
    char origin[SL_ORIGIN_BYTES_MAX + 1];
    const sl_sign_key *key;
    sl_vkey vkey;
    uint64_t segment_bytes;
    uint64_t reserve_bytes;
    sl_hasher hasher;

    /* the tree up to the committed size */
    sl_frontier frontier;
    sl_buf edge[SL_TILE_LEVELS]; /* hashes of the last, incomplete tile of each level */
    sl_buf bundle;               /* entries of the last, incomplete bundle */
    sl_pending_tile *pending;
    sl_pending_tile **pending_end;
    size_t pending_bytes;
    bool out_of_memory; /* while integrating: the sink cannot return it */

    /* the batch that is being collected */
    sl_buf batch;
    uint32_t batch_count;
    uint64_t time_ms;

    /* the WAL */
    uint64_t segments[SL_TLOG_SEGMENTS_MAX]; /* first indexes, rising; the last is being written */
    size_t segments_n;
    int file;
    uint64_t file_bytes;
    uint64_t file_at;
    bool reserve_there;
    bool full;
    bool broken;

    sl_buf note; /* the signed checkpoint of the committed size */
    uint64_t published;
    uint64_t synced_full; /* full bundles below this one are durable and their partials removed */
};

/* Adds one entry to tree, edges and bundle; complete tiles go to the pending list. */
SL_MUST sl_res sl_tlog_integrate(sl_tlog *log, sl_view entry);

/* Opens the next segment, which must not exist. */
SL_MUST sl_res sl_tlog_new_segment(sl_tlog *log, bool containment);

/* Writes pending full tiles, keeping those that could not be written. */
SL_MUST sl_res sl_tlog_flush_tiles(sl_tlog *log);

/* Removes segments whose leaves all are in durable full bundles. */
SL_MUST sl_res sl_tlog_trim(sl_tlog *log);

SL_MUST sl_res sl_tlog_recover(sl_tlog *log, const sl_tlog_options *options,
                               sl_tlog_report *report);

/* A reader of the committed tree's nodes, from memory where they are new, from files where not. */
void sl_tlog_tiles(sl_tlog *log, sl_tile_reader *ret);

#endif
