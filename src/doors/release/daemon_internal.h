/* What the parts of the release process share: daemon.c (life, the commands' socket), daemon_world.c (what a crossing
 * needs of others), daemon_ask.c (what commands ask), daemon_end.c (what is over); nobody else includes it. */
#ifndef SL_DOORS_RELEASE_DAEMON_INTERNAL_H
#define SL_DOORS_RELEASE_DAEMON_INTERNAL_H

#include "doors/commands.h"
#include "doors/peers.h"
#include "doors/release/door.h"
#include "doors/release/end.h"
#include "doors/release/known.h"
#include "doors/release/protocol.h"

typedef struct {
    sl_commands commands;
    sl_peers peers;
    sl_release_known known;
    int held_fd;
    int vault_fd;
    sl_res end_failed;      /* what was told last of an end that failed; SL_DONE: none does */
    sl_valve_ticket ticket; /* of the crossing that runs */
    sl_buf roster;          /* likewise, what its engines look up */
    sl_buf echo;
} sl_release_daemon;

/* ---- others: daemon_world.c ---- */

/* All that a crossing asks of others. */
sl_release_world sl_release_daemon_world(sl_release_daemon *d);

/* ---- commands: daemon_ask.c ---- */

/* An sl_commands_answer; `context` is the daemon. */
SL_MUST sl_res sl_release_daemon_answer(void *context, uint16_t type, sl_view body, int fd,
                                        sl_buf *reply);

/* ---- the end of what is held: daemon_end.c ---- */

/* Ends what was turned down or whose time is over; one that cannot be ended now is tried again. */
SL_MUST sl_res sl_release_daemon_settle(sl_release_daemon *d, sl_release_ends *ret);
/* What a crash left: crossings without an end are told as unknown, drafts and bytes of what is over go. Then the same
 * every few seconds. */
SL_MUST sl_res sl_release_daemon_recover(sl_release_daemon *d);

#endif
