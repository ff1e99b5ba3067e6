/* What became of the latest crossings, for the client that asks: GET /stoplog/receipts/ID, where ID
 * is the crossing's id (X-Request-Id) or the index of its intent leaf. A ring: the oldest is
 * forgotten first, and the ledger has it for ever. Pure. */
#ifndef SL_DOORS_ASK_RECEIPTS_H
#define SL_DOORS_ASK_RECEIPTS_H

#include "base/valve.h"

enum { SL_RECEIPTS_MAX = 4096 };

typedef struct {
    char crossing[33];
    sl_valve_id principal;
    uint64_t intent;     /* index of the intent leaf */
    uint64_t outcome_at; /* index of the outcome leaf */
    const char *outcome; /* a literal; NULL in a free place */
    unsigned status;
} sl_ask_receipt;

typedef struct {
    sl_ask_receipt items[SL_RECEIPTS_MAX];
    uint64_t written;
} sl_ask_receipts;

void sl_ask_receipts_add(sl_ask_receipts *all, const sl_ask_receipt *one);
/* The receipt of this id that belongs to this principal; NULL when there is none here. */
const sl_ask_receipt *sl_ask_receipts_find(const sl_ask_receipts *all, sl_view id,
                                           sl_valve_id principal);

#endif
