/* A ledger as anybody reads it: from a directory or a URL, trusting nothing but a verifier key.
 *
 * Works on any C2SP tlog-tiles log. What a function returns has been checked against the signed
 * checkpoint, unless it says otherwise.
 */
#ifndef SL_LEDGER_READER_H
#define SL_LEDGER_READER_H

#include "ledger/checkpoint.h"
#include "ledger/tiles.h"

/* Where the files come from. `path` is relative ("checkpoint", "tile/0/000"). Appends to `out`.
 * Errors: SL_E_NOT_FOUND, SL_E_UNAVAILABLE, SL_E_IO, SL_E_LIMIT. */
typedef struct sl_source sl_source;
struct sl_source {
    sl_res (*fetch)(sl_source *source, const char *path, sl_buf *out);
    void (*close)(sl_source *source);
};

/* A directory, or an http:// or https:// URL (libcurl; redirects are not followed). */
SL_MUST sl_res sl_source_open(const char *place, sl_source **ret);
void sl_source_close(sl_source **source);

typedef struct {
    sl_source *source; /* borrowed */
    sl_vkey key;
    sl_buf note; /* the checkpoint as fetched */
    sl_checkpoint checkpoint;
    sl_tile_reader tiles;
} sl_reader;

/* Fetches the checkpoint and checks it under `key`; where NULL, under the file `vkey` beside it,
 * which shows that the ledger is whole but not whose it is. The reader stays in place: do not move
 * it. Errors: SL_E_SIGNATURE and those of fetching. */
SL_MUST sl_res sl_reader_open(sl_source *source, const sl_vkey *key, sl_reader *ret);
void sl_reader_close(sl_reader *r);

/* Looks for a newer checkpoint and checks that the known tree is its beginning.
 * Errors: SL_E_ROLLBACK (older), SL_E_INTEGRITY (another history). */
SL_MUST sl_res sl_reader_refresh(sl_reader *r);

/* One leaf and the proof that it is in the tree. Appends the leaf. Errors: SL_E_RANGE,
 * SL_E_INTEGRITY. */
SL_MUST sl_res sl_reader_leaf(sl_reader *r, uint64_t index, sl_buf *ret_leaf, sl_proof *ret_proof);

/* A receipt for a leaf, checked. */
SL_MUST sl_res sl_reader_receipt(sl_reader *r, uint64_t index, sl_buf *out);

/* Proof of growth from `size` to the checkpoint; not checked, since that needs the older root. */
SL_MUST sl_res sl_reader_growth(sl_reader *r, uint64_t size, sl_proof *ret);

/* Called for every leaf that was read, after its bundle has agreed with its tile. */
typedef sl_res sl_reader_each(void *ctx, uint64_t index, sl_view leaf);

typedef struct {
    uint64_t size;
    sl_digest root;
    uint64_t first_bad; /* SL_NOWHERE when all is well */
    uint64_t checked;   /* leaves hashed */
} sl_verdict_report;

/* Verifies every leaf from `from` (a checkpoint that the caller trusts) or from genesis (NULL):
 * leaves against tiles, tiles against tiles, the root against the signed checkpoint. Stops at the
 * first thing that is wrong. `each` may be NULL.
 * Errors: SL_E_INTEGRITY, SL_E_ROLLBACK (shorter than `from`), those of fetching. */
SL_MUST sl_res sl_reader_verify(sl_reader *r, const sl_checkpoint *from, sl_reader_each *each,
                                void *ctx, sl_verdict_report *ret_report);

#endif
