/* What the processes of the door share. Two pieces of memory that the supervisor makes:
 *
 * `kept` outlives all of them and the site: budgets, which a restart must not refill, and counts, which
 * it must not lose. `shared` lives as long as the site: receipts, and what is known of the health of
 * the upstreams.
 *
 * Whoever holds one process of the door can write here, as it could write into its own memory: a budget
 * may so be widened, which watchd sees in the leaves, and a count falsified, which egress's count shows. */
#ifndef SL_DOORS_ASK_SHARED_H
#define SL_DOORS_ASK_SHARED_H

#include "doors/ask/budget.h"
#include "doors/ask/counts.h"
#include "doors/ask/health.h"
#include "doors/ask/receipts.h"

typedef struct {
    sl_ask_counts counts;
    sl_budget budget;
} sl_ask_kept;

typedef struct {
    sl_ask_receipts receipts;
    sl_ask_health_memory health;
} sl_ask_shared;

/* For the declaration of the process. A name changes with its layout. */
#define SL_ASK_KEPT_NAME "ask-kept-2"
#define SL_ASK_SHARED_NAME "ask-shared"

#endif
