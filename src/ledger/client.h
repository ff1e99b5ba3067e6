/* The ledger as every other process sees it: append and be told when it is durable; read leaves by
 * cursor; fetch receipts. Over the inherited link to `ledgerd`.
 *
 * Nothing here waits unless its name says so. Law 1: an act waits for its acknowledgement; when the
 * link is lost, every outstanding append is answered with SL_E_UNAVAILABLE, which means "not known
 * to be durable": the act must not happen.
 */
#ifndef SL_LEDGER_CLIENT_H
#define SL_LEDGER_CLIENT_H

#include "base/ipc.h"
#include "ledger/event.h"

typedef struct sl_ledger_client sl_ledger_client;

/* Appends that may be outstanding at once; more is SL_E_AGAIN, which a door treats as busy. */
#define SL_LEDGER_OUTSTANDING_MAX ((size_t)8192)

/* Told once for each append: done with the leaf's index, or why not (index 0). */
typedef void sl_ledger_acked(void *context, sl_res result, uint64_t index);

/* Leaves from the cursor: `leaves` as in an entry bundle (sl_bundle_next), borrowed for the call;
 * `size` is the ledger's. On failure count is 0. */
typedef void sl_ledger_leaves(void *context, sl_res result, uint64_t first, uint32_t count,
                              sl_view leaves, uint64_t size);

/* Takes the link's descriptor (also on failure). */
SL_MUST sl_res sl_ledger_client_new(int fd, sl_ledger_client **ret);
/* Outstanding calls are answered with SL_E_UNAVAILABLE first. */
void sl_ledger_client_free(sl_ledger_client *c);

int sl_ledger_client_fd(const sl_ledger_client *c);

/* Sends an event (sl_emit_*). `call` comes from sl_ledger_client_pump, or at once if the link is
 * lost. Errors (nothing was sent, `call` is not called): SL_E_AGAIN, SL_E_CLOSED, SL_E_LIMIT. */
SL_MUST sl_res sl_ledger_client_append(sl_ledger_client *c, sl_view event, sl_ledger_acked *call,
                                       void *context);

/* The same for what nobody waits for: within SL_LEDGER_SOON_MS it shares a sync with what somebody does
 * wait for, or gets its own. */
SL_MUST sl_res sl_ledger_client_append_soon(sl_ledger_client *c, sl_view event,
                                            sl_ledger_acked *call, void *context);

/* Asks for leaves from `cursor` on; answered when there is one at least. One question at a time:
 * SL_E_AGAIN. */
SL_MUST sl_res sl_ledger_client_read(sl_ledger_client *c, uint64_t cursor, uint32_t bytes_max,
                                     sl_ledger_leaves *call, void *context);

/* Takes in what has arrived and calls back. To be called when the descriptor is readable.
 * Errors: SL_E_CLOSED (the ledger is gone; everything outstanding has been answered). */
SL_MUST sl_res sl_ledger_client_pump(sl_ledger_client *c);

size_t sl_ledger_client_outstanding(const sl_ledger_client *c);

/* ---- waiting, for commands, the keeper and the warden ---- */

/* Appends and waits. SL_E_TIMEOUT: not known to be durable. */
SL_MUST sl_res sl_ledger_append_wait(sl_ledger_client *c, sl_view event, int wait_ms_max,
                                     uint64_t *ret_index);

/* Leaves from the cursor, SL_E_TIMEOUT when none came. Appended to `out` in bundle form. */
SL_MUST sl_res sl_ledger_read_wait(sl_ledger_client *c, uint64_t cursor, int wait_ms_max,
                                   sl_buf *out, uint32_t *ret_count, uint64_t *ret_size);

/* A receipt (tlog-proof@v1), appended. */
SL_MUST sl_res sl_ledger_receipt_wait(sl_ledger_client *c, uint64_t index, int wait_ms_max,
                                      sl_buf *out);

/* The newest signed checkpoint (appended) and the ledger's time. */
SL_MUST sl_res sl_ledger_state_wait(sl_ledger_client *c, int wait_ms_max, sl_buf *out,
                                    uint64_t *ret_time_ms);

/* How many leaves that checkpoint covers. */
SL_MUST sl_res sl_ledger_size_wait(sl_ledger_client *c, int wait_ms_max, uint64_t *ret_size);

#endif
