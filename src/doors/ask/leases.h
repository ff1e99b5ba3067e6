/* Leasing the door's compartment keys (keys.h) from the keeper, for the compartments that are open. */
#ifndef SL_DOORS_ASK_LEASES_H
#define SL_DOORS_ASK_LEASES_H

#include "doors/ask/keys.h"
#include "vault/roll.h"

/* The keeper's answer to a lease for a compartment ("roster", "commitment", "pseudonym"). */
typedef sl_res (*sl_ask_lease)(void *context, const char *compartment, const char *purpose,
                               uint8_t ret_key[32]);

/* Leases what is missing and drops what is no longer open. The first failure is returned, the others
 * are tried all the same; a crossing that needs a missing key is refused. */
SL_MUST sl_res sl_ask_leases_refresh(sl_ask_keys *keys, const sl_roll *roll, sl_ask_lease lease,
                                     void *context);

#endif
