/* What became of the latest crossings, for the client that asks: GET /stoplog/receipts/ID, where ID
 * is the crossing's id (X-Request-Id) or the index of its intent leaf. A ring in memory that all
 * processes of the door share: the oldest is forgotten first, and the ledger has it for ever. */
#ifndef SL_DOORS_ASK_RECEIPTS_H
#define SL_DOORS_ASK_RECEIPTS_H

#include <stdatomic.h>

#include "base/valve.h"

enum { SL_RECEIPTS_MAX = 4096 };

typedef struct {
    char crossing[33];
    char outcome[20]; /* as the outcome leaf says it; empty in a free place */
    sl_valve_id principal;
    uint64_t intent;     /* index of the intent leaf */
    uint64_t outcome_at; /* index of the outcome leaf; 0: not durable yet */
    unsigned status;
} sl_ask_receipt;

/* All zeros: empty. A place whose `turn` is odd is being written. */
typedef struct {
    _Atomic uint64_t written;
    struct {
        _Atomic uint64_t turn;
        sl_ask_receipt receipt;
    } items[SL_RECEIPTS_MAX];
} sl_ask_receipts;

/* Returns its number, by which it can be changed as long as no other has its place. */
uint64_t sl_ask_receipts_add(sl_ask_receipts *all, const sl_ask_receipt *one);
void sl_ask_receipts_settle(sl_ask_receipts *all, uint64_t number, const sl_ask_receipt *one);
/* The receipt of this id that belongs to this principal; false when there is none here. */
bool sl_ask_receipts_find(const sl_ask_receipts *all, sl_view id, sl_valve_id principal,
                          sl_ask_receipt *ret_receipt);

#endif
