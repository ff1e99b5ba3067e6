/* What a door process knows of principals, keys and grants: the roll, folded from the ledger's
 * leaves as they come, joined with the configuration and the valves into the tables of identify.h.
 *
 * Nothing is believed but leaves (law 5): a revoked key or grant stops working with its leaf. */
#ifndef SL_DOORS_ASK_KNOWN_H
#define SL_DOORS_ASK_KNOWN_H

#include "doors/ask/config.h"
#include "vault/roll.h"
#include "vault/roll_view.h"

typedef struct sl_ask_known sl_ask_known;

/* `config` and `valve` are borrowed. Fails: SL_E_MEMORY. */
SL_MUST sl_res sl_ask_known_new(const sl_ask_config *config, const sl_valve *valve,
                                sl_ask_known **ret_known);
void sl_ask_known_free(sl_ask_known *known);

/* Fold the next leaf. Fails as sl_roll_fold. */
SL_MUST sl_res sl_ask_known_leaf(sl_ask_known *known, uint64_t index, sl_view leaf);
/* The next index to fold. */
uint64_t sl_ask_known_next(const sl_ask_known *known);

/* The tables for sl_ask_site; they live as long as `known`. */
const sl_ask_roll *sl_ask_known_roll(const sl_ask_known *known);
/* The roll as folded, with all compartments. */
const sl_roll *sl_ask_known_folded(const sl_ask_known *known);
const sl_ask_valves *sl_ask_known_valves(const sl_ask_known *known);

#endif
