/* The write-ahead log's bytes: segments of batches. Pure.
 *
 *     segment  "SLWAL001" | first index, le64 | batch | batch | ... | zeros
 *     batch    "SLWB" | le32 entries bytes | le64 first index | le32 count | le32 note bytes |
 *              8 zero bytes | SHA-256 of these 32 bytes, the entries and the note |
 *              entries as in a bundle | the signed checkpoint behind them | zeros up to 8 bytes
 *
 * Entries and the checkpoint that covers them are one write and one sync: after a crash a batch is
 * there whole, or it is not there. Whether a batch that is broken was torn by a crash or changed by
 * somebody is decided in log.c: only the very last one can be torn.
 */
#ifndef SL_LEDGER_WAL_H
#define SL_LEDGER_WAL_H

#include "base/bytes.h"
#include "ledger/tiles.h"

enum {
    SL_WAL_SEGMENT_HEADER_BYTES = 16,
    SL_WAL_BATCH_HEADER_BYTES = 64,
    SL_WAL_ENTRIES_BYTES_MAX = 4 << 20,
    SL_WAL_COUNT_MAX = 16384,
    SL_WAL_NAME_BYTES = 32,
};

typedef struct {
    uint64_t first;
    uint32_t count;
    sl_view entries;
    sl_view note;
    size_t bytes; /* in the segment, with padding */
} sl_wal_batch;

/* Appends a batch. */
SL_MUST sl_res sl_wal_batch_write(uint64_t first, uint32_t count, sl_view entries, sl_view note,
                                  sl_buf *out);

/* Room that a batch takes. */
size_t sl_wal_batch_bytes(size_t entries_bytes, size_t note_bytes);

/* Reads the batch at the start of `at`. Errors: SL_E_NOT_FOUND (zeros as far as a header goes),
 * SL_E_INTEGRITY (anything else that is not a whole batch). */
SL_MUST sl_res sl_wal_batch_read(sl_view at, sl_wal_batch *ret);

void sl_wal_segment_header(uint64_t first, uint8_t ret[SL_WAL_SEGMENT_HEADER_BYTES]);
/* Errors: SL_E_NOT_FOUND (all zero: never begun), SL_E_VERSION, SL_E_INTEGRITY. */
SL_MUST sl_res sl_wal_segment_first(sl_view segment, uint64_t *ret_first);

/* "wal/<20 digits>": sorts by first index. */
void sl_wal_name(uint64_t first, char ret[SL_WAL_NAME_BYTES]);
SL_MUST sl_res sl_wal_name_parse(const char *name, uint64_t *ret_first);

#endif
