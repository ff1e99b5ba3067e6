/* `watchd`: reads every leaf by cursor, judges it (watch.h) and writes its signals into the ledger,
 * from where the warden and everybody else reads them. It holds nothing, opens nothing, and talks to
 * `ledgerd` alone. After a start it goes through the ledger once to find how far it had judged
 * (its last heartbeat), counts what is before and judges what is behind: no leaf is judged by nobody. */
#ifndef SL_WATCH_WATCHD_H
#define SL_WATCH_WATCHD_H

#include "base/proc.h"

/* The process of a site: its declaration for the supervisor. */
extern const sl_proc_decl sl_watchd_decl;

#endif
