/* `courier`: carries the ledger's checkpoints to its witnesses and their cosignatures back.
 *
 * It holds no key, reads no leaf and has no network: it asks ledgerd for checkpoints and proofs, and
 * reaches the witnesses of config.yml through a socket of the egress that leads to nobody else. What it
 * brings back is believed by ledgerd under the witnesses' keys (witnessing.h). The site waits for its
 * first round before it opens, a few seconds at most; nobody else ever waits for it. */
#ifndef SL_LEDGER_COURIER_H
#define SL_LEDGER_COURIER_H

#include "base/proc.h"
#include "ledger/tree.h"

extern const sl_proc_decl sl_courier_decl;

/* An HTTP answer as the egress gives it to HTTP/1.0: a status and the bytes up to the end. */
typedef struct {
    int status;
    sl_view body; /* borrowed */
} sl_courier_answer;

/* Reads one; `whole` is all that came until the other side closed. SL_E_SYNTAX, SL_E_TRUNCATED. */
SL_MUST sl_res sl_courier_answer_read(sl_view whole, sl_courier_answer *ret);

/* What the answer to a question "from `old` to `size`" means. SL_DONE: cosigned, the body has the lines.
 * SL_E_AGAIN: ask again from `*ret_seen`. SL_E_ROLLBACK: it has seen `*ret_seen`, which is more.
 * SL_E_INTEGRITY: it has seen another history. SL_E_DENIED: it does not know this log.
 * SL_E_UNAVAILABLE: nothing was said. */
SL_MUST sl_res sl_courier_judge(const sl_courier_answer *answer, uint64_t old, uint64_t size,
                                uint64_t *ret_seen);

/* Splits what ledgerd answers to GROWTH. The note is borrowed. SL_E_TRUNCATED, SL_E_RANGE. */
SL_MUST sl_res sl_courier_growth_read(sl_view body, sl_proof *ret_proof, sl_view *ret_note,
                                      uint64_t *ret_size);

#endif
