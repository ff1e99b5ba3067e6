/* The names by which a door judges pickles: a site may give a newer signed pack than the one that the program carries.
 * A pack that does not open must never be passed over in favour of the carried one: the site meant to be stricter.
 * Design: data/allow/README.md. */
#ifndef SL_DOORS_SCAN_PACK_H
#define SL_DOORS_SCAN_PACK_H

#include "artefact/allow.h"

/* Below `policy_fd`, if they are there: scan.pack, signed, in place of the carried one; scan.keys, who may sign it beside
 * the keys that the program carries. Read at every crossing, so that a change needs no restart. SL_E_CONFIG with
 * "policy/scan.pack": it does not open; the crossing is to be refused. */
SL_MUST sl_res sl_scan_pack_read(int policy_fd, sl_allow **ret_allow);

#endif
