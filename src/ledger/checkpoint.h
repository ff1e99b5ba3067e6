/* Checkpoints (C2SP tlog-checkpoint) and receipts (C2SP tlog-proof@v1). Pure. */
#ifndef SL_LEDGER_CHECKPOINT_H
#define SL_LEDGER_CHECKPOINT_H

#include "crypto/note.h"
#include "ledger/tree.h"

enum {
    SL_ORIGIN_BYTES_MAX = 128,
    SL_CHECKPOINT_BYTES_MAX = 64 * 1024,
    SL_RECEIPT_BYTES_MAX = 128 * 1024
};

/* What a checkpoint says. */
typedef struct {
    char origin[SL_ORIGIN_BYTES_MAX + 1];
    uint64_t size;
    sl_digest root;
} sl_checkpoint;

/* Appends the text that is signed. */
SL_MUST sl_res sl_checkpoint_text(const sl_checkpoint *c, sl_buf *out);

/* Appends the whole note, signed with the log's key under the origin's name. */
SL_MUST sl_res sl_checkpoint_sign(const sl_checkpoint *c, const sl_sign_key *key, sl_buf *out);

/* Reads the text of a note; extension lines are allowed and ignored. Trusts nothing. */
SL_MUST sl_res sl_checkpoint_parse(sl_view text, sl_checkpoint *ret);

/* Opens a note under the log's key, which must be of the origin's name.
 * Errors: those of sl_note_open; SL_E_SIGNATURE where the origin is another's. */
SL_MUST sl_res sl_checkpoint_open(sl_view note, const sl_vkey *log_key, sl_checkpoint *ret);

/* Appends a receipt: the leaf itself in the line for extra data (or nothing, if empty), its index,
 * the inclusion proof, the checkpoint note. */
SL_MUST sl_res sl_receipt_write(sl_view leaf, uint64_t index, const sl_proof *proof,
                                sl_view checkpoint_note, sl_buf *out);

typedef struct {
    uint64_t index;
    sl_proof proof;
    sl_view checkpoint_note; /* into the receipt */
    sl_view extra;           /* base64 of the leaf, into the receipt; empty if there is none */
} sl_receipt;

/* Errors: SL_E_SYNTAX, SL_E_LIMIT, SL_E_TRUNCATED. */
SL_MUST sl_res sl_receipt_parse(sl_view text, sl_receipt *ret);

/* Appends the leaf that a receipt carries. Errors: SL_E_NOT_FOUND. */
SL_MUST sl_res sl_receipt_leaf(sl_view receipt, sl_buf *ret_leaf);

/* Checks a receipt for `entry` offline: the signature of the log over the checkpoint, and the proof.
 * Errors: SL_E_SIGNATURE, SL_E_INTEGRITY, those of parsing. */
SL_MUST sl_res sl_receipt_check(sl_view receipt, sl_view entry, const sl_vkey *log_key,
                                sl_checkpoint *ret_checkpoint, uint64_t *ret_index);

/* Adds proof lines in base64, one a line; reads them up to an empty line, which is consumed. */
SL_MUST sl_res sl_proof_add_lines(const sl_proof *proof, sl_buf *out);
SL_MUST sl_res sl_proof_parse_lines(sl_view *rest, sl_proof *ret);

#endif
