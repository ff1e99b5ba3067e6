/* Budgets shared by all door processes: requests per hour and tokens per day of each lineage, in
 * one shared mapping. Counters only ever refuse early; what watchd counts from the ledger is the
 * truth. A table that is full refuses new lineages: fail closed.
 * Design: ARCHITECTURE.md section 3, "Budgets". */
#ifndef SL_DOORS_ASK_BUDGET_H
#define SL_DOORS_ASK_BUDGET_H

#include <stdatomic.h>

#include "base/bytes.h"

enum { SL_BUDGET_SLOTS = 4096 };

/* All zeros: nothing was spent. Each word holds a period's number and a count; see budget.c. */
typedef struct {
    _Atomic uint64_t id_high; /* the lineage, 0 while the slot is free */
    _Atomic uint64_t id_low;
    _Atomic uint64_t requests;
    _Atomic uint64_t tokens;
} sl_budget_slot;

typedef struct {
    sl_budget_slot slots[SL_BUDGET_SLOTS];
} sl_budget;

/* Bytes of the shared mapping; it starts as zeros. */
size_t sl_budget_bytes(void);

/* Take one request of `lineage` (16 bytes, not all zero) at `wall_ms`. `requests_h` and `tokens_d`
 * are its caps, 0 for none. Fails: SL_E_BUDGET at a cap (nothing is taken), SL_E_LIMIT when the
 * table is full. */
SL_MUST sl_res sl_budget_take(sl_budget *budget, const uint8_t lineage[16], int64_t wall_ms,
                              uint64_t requests_h, uint64_t tokens_d);

/* Add tokens after an answer; never fails. */
void sl_budget_add_tokens(sl_budget *budget, const uint8_t lineage[16], int64_t wall_ms,
                          uint64_t tokens);

#endif
