/* `ledgerd`: the process that writes the ledger. It appends, signs and proves; it connects to
 * nobody, rewrites nothing, and waits for no reader.
 *
 * The core here works on any descriptors: one link for each peer, whose name decides which events
 * it may write. Whatever arrives within one turn of the loop becomes one batch, one sync, one
 * signature; acknowledgements follow. Design: src/ledger/README.md.
 */
#ifndef SL_LEDGER_LEDGERD_H
#define SL_LEDGER_LEDGERD_H

#include "base/loop.h"
#include "base/proc.h"
#include "base/site_config.h"
#include "ledger/log.h"

typedef struct sl_ledgerd sl_ledgerd;

typedef uint64_t sl_wall_ms(void);

/* Serves `log` (owned from now on, also on failure) in `loop` (borrowed). */
SL_MUST sl_res sl_ledgerd_new(sl_tlog *log, sl_loop *loop, sl_wall_ms *now_ms, sl_ledgerd **ret);
void sl_ledgerd_free(sl_ledgerd *d);

/* From now on, every second, published bundles are read back and compared with the tree. What is found
 * becomes a leaf `ledger.verified`: at once when it changes, bad news again every minute, good news
 * every hour. */
SL_MUST sl_res sl_ledgerd_scrub(sl_ledgerd *d);

/* Gives `fd` (owned from now on) to peer `by`: the name under which its events are written,
 * without the number of an instance. */
SL_MUST sl_res sl_ledgerd_add_peer(sl_ledgerd *d, const char *by, int fd);

/* Its witnesses, as config.yml names them; `disk` (borrowed) gets what they cosign: "outside/KEYID", with
 * which opening compares, and "checkpoint.cosigned" for readers. Before the courier is a peer. */
SL_MUST sl_res sl_ledgerd_witnesses(sl_ledgerd *d, const sl_config_witness *witnesses, size_t count,
                                    sl_disk *disk);

/* Writes the leaf of this start, `ledger.started`: what opening the log found. Durable on return. */
SL_MUST sl_res sl_ledgerd_note_start(sl_ledgerd *d, const sl_tlog_report *report);

/* Why the loop was stopped: SL_E_IO and the like after a failed commit; otherwise done. */
sl_res sl_ledgerd_result(const sl_ledgerd *d);

/* The process of a site: its declaration for the supervisor. It reads /ledger and /ledger.key. */
extern const sl_proc_decl sl_ledgerd_decl;

#endif
