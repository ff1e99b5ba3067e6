/* What door.c and review.c share: finding and opening what is held. Nobody else includes it. */
#ifndef SL_DOORS_RELEASE_DOOR_INTERNAL_H
#define SL_DOORS_RELEASE_DOOR_INTERNAL_H

#include "doors/release/door.h"
#include "ledger/event.h"

/* The manifest of what the release is about, below `at_fd` (the vault's folder, or the held one), and whether it is the
 * one that was signed for or told as held. SL_E_NOT_FOUND, SL_E_INTEGRITY. */
SL_MUST sl_res sl_release_find_sealed(int at_fd, const sl_release *r, const sl_digest *digest,
                                      sl_manifest *ret);
/* Opens its bytes. `leaf` is why the keeper gives the key: a request to look at it, an approval to hand it out, a
 * request to read it. */
SL_MUST sl_res sl_release_open_sealed(const sl_release_world *world, int at_fd, const sl_release *r,
                                      uint64_t leaf, const sl_manifest *m, sl_object **ret_object);
/* The head of this release's leaves; borrows the request. */
sl_event_head sl_release_head(const sl_release_request *request);

#endif
