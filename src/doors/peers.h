/* What a door's process asks of others, and waits for: the ledger, which it follows and appends to; the keeper, who gives
 * keys and leases; the valves, which admit. For doors that do one thing at a time; the ask door has links of its own.
 * It must never keep a key longer than the call that brought it. Design: src/doors/README.md. */
#ifndef SL_DOORS_PEERS_H
#define SL_DOORS_PEERS_H

#include "base/proc.h"
#include "ledger/client.h"
#include "vault/keeper.h"

enum { SL_PEERS_WAIT_MS_MAX = 10 * 1000 };

/* How the leaves that are followed reach what the process knows: the index of the next one, and one leaf. */
typedef struct {
    void *known;
    uint64_t (*next)(const void *known);
    sl_res (*fold)(void *known, uint64_t index, sl_view leaf);
} sl_peers_fold;

typedef struct {
    sl_proc *self;            /* NULL in tests, which give links with sl_peers_link */
    sl_ledger_client *ledger; /* NULL: lost */
    sl_ipc *keeper;           /* NULL: lost */
    sl_peers_fold fold;
} sl_peers;

/* Takes the links to `ledgerd` and `keeper`, and takes them anew whenever one of those was started again.
 * `peers` must stay where it is until sl_peers_end. */
SL_MUST sl_res sl_peers_begin(sl_peers *peers, sl_proc *self, sl_peers_fold fold);
/* One link, anew; takes over `fd`. `peer`: "ledgerd" or "keeper". */
SL_MUST sl_res sl_peers_link(sl_peers *peers, const char *peer, int fd);
void sl_peers_end(sl_peers *peers);

/* All that follow: SL_E_UNAVAILABLE where the link is lost. A link that failed once may be out of step and is lost from
 * then on: the supervisor gives a new one with a new process. */

/* Folds all that the ledger holds now. */
SL_MUST sl_res sl_peers_follow(sl_peers *peers);
/* Appends and waits until durable. */
SL_MUST sl_res sl_peers_append(sl_peers *peers, sl_view event, uint64_t *ret_index);

/* SL_KEEPER_KEY_NEW, _OPEN, _FORGET; `ret_key` is NULL for the last. Errors: those of the keeper, SL_E_SYNTAX (an answer
 * of another size). */
SL_MUST sl_res sl_peers_key(sl_peers *peers, uint16_t type, const sl_key_request *request,
                            uint8_t *ret_key);
/* A key of the compartment for one purpose ("roster"). */
SL_MUST sl_res sl_peers_lease(sl_peers *peers, const char *compartment, const char *purpose,
                              uint8_t ret_key[SL_KEY_BYTES]);

/* Is this door open to the principal and the compartment (their ids)? SL_E_NO_GRANT: there is no principal;
 * SL_E_VALVE: which one is shut stands in the detail, and the ticket is not written. */
SL_MUST sl_res sl_peers_admit(const sl_peers *peers, sl_door door, const char *compartment_id,
                              const char *principal, sl_valve_ticket *ret_ticket);
/* Does what was seen then still hold? SL_E_VALVE. */
SL_MUST sl_res sl_peers_still(const sl_peers *peers, const sl_valve_ticket *ticket);

#endif
