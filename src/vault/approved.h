/* Approved acts as the events they are. The ledger holds one kind of leaf for all that operators sign,
 * `action.approved`, with the statement in it; who watches or assures wants to know that a grant was
 * issued or a compartment made. This writes such a leaf out as one of the event's own type, for readers
 * within the program: it is never appended to a ledger. Pure. */
#ifndef SL_VAULT_APPROVED_H
#define SL_VAULT_APPROVED_H

#include "vault/statement.h"

/* Appends to `out` the leaf that says the same under its own type (`compartment.created`,
 * `grant.issued`, `grant.revoked`, `apikey.issued`, `apikey.revoked`, `operator.added`,
 * `operator.removed`, `erasure.ordered`, what is said of vendors and of held artefacts), with the fields that the statement has. `*ret_is` is false, and
 * nothing is appended, for every other leaf and act. Errors: those of reading the leaf. */
SL_MUST sl_res sl_approved_unfold(sl_view leaf, sl_buf *out, bool *ret_is);

#endif
