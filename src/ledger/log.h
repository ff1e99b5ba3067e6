/* The log: appends leaves durably, keeps the tree, publishes tiles. The single writer of a ledger.
 *
 * A leaf is accepted with sl_tlog_add and is durable, sequenced, integrated and signed when the next
 * sl_tlog_commit returns: batch and signed checkpoint are one write and one sync (wal.h). Tiles are
 * written behind, without syncs; whatever a crash takes from them is made again from the WAL.
 * Opening compares what is there with the last signed checkpoint and with checkpoints from outside;
 * less than was signed, or something else, is refused and never mended. Cores take time as an
 * argument. After any failed write or sync the log is broken for good: the process ends and
 * recovery decides.
 */
#ifndef SL_LEDGER_LOG_H
#define SL_LEDGER_LOG_H

#include "ledger/checkpoint.h"
#include "ledger/disk.h"
#include "ledger/wal.h"

typedef struct sl_tlog sl_tlog;

typedef struct {
    sl_disk *disk;          /* borrowed */
    const char *origin;     /* copied */
    const sl_sign_key *key; /* borrowed */
    uint64_t segment_bytes; /* of a WAL segment; 0: 16 MiB */
    uint64_t reserve_bytes; /* kept for containment leaves; 0: 1 MiB */
    const sl_view *outside; /* checkpoint notes kept elsewhere, signed by the log's key */
    size_t outside_n;
} sl_tlog_options;

/* What opening found. */
typedef struct {
    uint64_t size;
    uint64_t replayed;  /* leaves read from the WAL */
    bool torn;          /* an unfinished batch, never acknowledged, was cut off */
    uint64_t first_bad; /* on failure: the first index that is not what was signed, or SL_NOWHERE */
} sl_tlog_report;

/* Opens a ledger, or begins one where there is nothing yet. `ret_report` is set on failure too.
 * Errors: SL_E_ROLLBACK (behind a signed checkpoint), SL_E_INTEGRITY (not what was signed),
 * SL_E_SIGNATURE, SL_E_VERSION, SL_E_DISK_FULL, SL_E_IO. */
SL_MUST sl_res sl_tlog_open(const sl_tlog_options *options, sl_tlog **ret,
                            sl_tlog_report *ret_report);

/* Frees; commits nothing. */
void sl_tlog_free(sl_tlog *log);

/* Adds an event of process `by` to the batch: checks it, wraps it with the ledger's time (`now_ms`,
 * or the last leaf's time if that is later), gives its index.
 * Errors: those of sl_event_check; SL_E_AGAIN (the batch is full: commit, then add again);
 * SL_E_DISK_FULL (refused; containment events still fit); SL_E_CLOSED (the log is broken). */
SL_MUST sl_res sl_tlog_add(sl_tlog *log, sl_view event, const char *by, uint64_t now_ms,
                           uint64_t *ret_index);

/* Adds a leaf as it stands. For tests, benchmarks and restores. */
SL_MUST sl_res sl_tlog_add_leaf(sl_tlog *log, sl_view leaf, bool containment, uint64_t *ret_index);

/* Makes the batch durable; nothing to do for an empty one. Errors: SL_E_IO, SL_E_CLOSED. */
SL_MUST sl_res sl_tlog_commit(sl_tlog *log);

/* Writes full and partial tiles and the checkpoint for the committed size. May be called at any
 * time; needs no haste. A full disk here costs readers freshness and nothing else. */
SL_MUST sl_res sl_tlog_publish(sl_tlog *log);

/* Tries to take back the space of the reserve; true when ordinary leaves are taken (again). */
bool sl_tlog_has_room(sl_tlog *log);

/* Free bytes of the disk, at most 2^53 - 1. */
uint64_t sl_tlog_room(const sl_tlog *log);

uint64_t sl_tlog_size(const sl_tlog *log);      /* committed leaves */
uint64_t sl_tlog_next(const sl_tlog *log);      /* index of the next leaf added */
uint64_t sl_tlog_published(const sl_tlog *log); /* size of the published checkpoint */
uint64_t sl_tlog_time_ms(const sl_tlog *log);   /* of the last leaf added */
sl_digest sl_tlog_root(sl_tlog *log);
sl_view sl_tlog_checkpoint(const sl_tlog *log); /* the signed note of the committed size */
const sl_vkey *sl_tlog_vkey(const sl_tlog *log);

#endif
