/* The frame of a process that only answers one peer: it takes the link, answers by a table, takes the new
 * link when either side was restarted, and ends when the supervisor says so. Not for processes that ask
 * others or keep time themselves. */
#ifndef SL_BASE_SERVE_PEER_H
#define SL_BASE_SERVE_PEER_H

#include "base/ipc.h"
#include "base/proc.h"

/* Serves `peer` until the supervisor ends this process. `context` reaches the handlers of `table`;
 * `gone` (or NULL) is called with it whenever a link ends, also at the end. Everything is borrowed. */
SL_MUST sl_res sl_serve_peer(sl_proc *self, const char *peer, const sl_ipc_table *table,
                             void *context, void (*gone)(void *context));

#endif
