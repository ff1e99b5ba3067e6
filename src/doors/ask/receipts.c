/* The ring of receipts; what it is for is told in receipts.h. It must never wait for another process:
 * a place that is being written is passed over by who reads. */
#include "doors/ask/receipts.h"

#include <string.h>

static void fill(sl_ask_receipts *all, uint64_t number, const sl_ask_receipt *one)
{
    size_t at = (size_t)(number % SL_RECEIPTS_MAX);
    atomic_thread_fence(memory_order_seq_cst);
    all->items[at].receipt = *one;
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(&all->items[at].turn, 2 * number + 2);
}

uint64_t sl_ask_receipts_add(sl_ask_receipts *all, const sl_ask_receipt *one)
{
    uint64_t number = atomic_fetch_add(&all->written, 1);
    atomic_store(&all->items[number % SL_RECEIPTS_MAX].turn, 2 * number + 1);
    fill(all, number, one);
    return number;
}

void sl_ask_receipts_settle(sl_ask_receipts *all, uint64_t number, const sl_ask_receipt *one)
{
    uint64_t turn = 2 * number + 2;
    if (atomic_compare_exchange_strong(&all->items[number % SL_RECEIPTS_MAX].turn, &turn,
                                       2 * number + 1)) {
        fill(all, number, one);
    }
}

/* A copy of a place, unless it is being written or changed meanwhile. */
static bool copy(const sl_ask_receipts *all, size_t at, sl_ask_receipt *ret)
{
    uint64_t turn = atomic_load(&all->items[at].turn);
    atomic_thread_fence(memory_order_seq_cst);
    *ret = all->items[at].receipt;
    atomic_thread_fence(memory_order_seq_cst);
    bool steady = turn % 2 == 0 && turn == atomic_load(&all->items[at].turn);
    ret->crossing[sizeof ret->crossing - 1] = '\0';
    ret->outcome[sizeof ret->outcome - 1] = '\0';
    return steady && ret->outcome[0] != '\0';
}

static bool matches(const sl_ask_receipt *one, sl_view id)
{
    uint64_t index = 0;
    return sl_view_eq_str(id, one->crossing) ||
           (sl_ok(sl_parse_u64(id, UINT64_MAX, &index)) && index == one->intent);
}

bool sl_ask_receipts_find(const sl_ask_receipts *all, sl_view id, sl_valve_id principal,
                          sl_ask_receipt *ret_receipt)
{
    for (size_t i = 0; i < SL_RECEIPTS_MAX; i++) {
        sl_ask_receipt one;
        if (copy(all, i, &one) && matches(&one, id) &&
            memcmp(one.principal.bytes, principal.bytes, sizeof principal.bytes) == 0) {
            *ret_receipt = one;
            return true;
        }
    }
    return false;
}
