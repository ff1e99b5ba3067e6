/* The rosters in force at the ask door: one index per compartment, written by the ingest process at
 * /roster/COMPARTMENT and opened with the match key that the keeper leases. Without its index a
 * compartment that is open has nobody to protect it, so that a failure here is the end of the process
 * (the supervisor starts it again and it waits until the indexes can be had). An index says nothing
 * without its key; see ARCHITECTURE section 3. */
#ifndef SL_DOORS_ASK_ROSTERS_H
#define SL_DOORS_ASK_ROSTERS_H

#include "base/ipc.h"
#include "crypto/hash.h"
#include "detect/inspect.h"
#include "doors/ask/leases.h"

typedef struct sl_ask_rosters sl_ask_rosters;

/* Borrows `base`, the engine set without rosters, for its life. `dir_fd` (borrowed): /roster. */
SL_MUST sl_res sl_ask_rosters_new(const sl_detect *base, int dir_fd, sl_ask_rosters **ret);
void sl_ask_rosters_free(sl_ask_rosters *rosters);

/* Every leaf: remembers which compartments have a roster (roster.built), and how many records their index of
 * records holds (echo.built). SL_E_MEMORY. */
SL_MUST sl_res sl_ask_rosters_leaf(sl_ask_rosters *rosters, sl_view leaf);

/* Loads what is new on disk for the roll's open compartments. `*ret_detect` is the set to use from now
 * on (also when nothing changed); sets given out before stay valid until rosters_free, since streams
 * may still run on them. Errors: those of the lease, SL_E_KEY and SL_E_INTEGRITY (another key, a
 * changed index), SL_E_INTEGRITY too where the ledger says that a compartment has a roster or an index of its
 * records, and it is not there, or an older one that holds fewer records (it was lost, and nobody would be
 * protected). */
SL_MUST sl_res sl_ask_rosters_refresh(sl_ask_rosters *rosters, const sl_roll *roll,
                                      sl_ask_lease lease, void *context,
                                      const sl_detect **ret_detect);
/* SHA-256 over all that decides besides leaves: `config` (config.yml), `policy` and `flow` (the site's own,
 * empty where the program's serve), the data that the program carries, and the rosters in force. Grants and
 * keys are leaves that stand before the crossing's in the same ledger. */
sl_digest sl_ask_snapshot_digest(const sl_ask_rosters *rosters, sl_view config, sl_view policy,
                                 sl_view flow);
/* Values in force, over all compartments. */
size_t sl_ask_rosters_count(const sl_ask_rosters *rosters);

#endif
