/* Shared counters without locks: each word holds a period's number and a count, and a word of an
 * older period counts as zero. What it is for is told in budget.h. It must never wait for another
 * process and never count below the truth within a period. */
#include "doors/ask/budget.h"

enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

/* The upper 24 bits are the period's number, the lower 40 the count. */
#define COUNT_BITS 40
#define COUNT_MAX (((uint64_t)1 << COUNT_BITS) - 1)

size_t sl_budget_bytes(void)
{
    return sizeof(sl_budget);
}

/* Lineage ids are random, so their first bytes are a hash already. The low word is written last
 * before use: a slot is ours when both words are. */
static sl_budget_slot *slot_of(sl_budget *budget, const uint8_t lineage[16])
{
    uint64_t high = sl_get_le64(lineage) | 1U;
    uint64_t low = sl_get_le64(lineage + 8) | 1U;
    for (size_t i = 0; i < SL_BUDGET_SLOTS; i++) {
        sl_budget_slot *slot = &budget->slots[(high + i) % SL_BUDGET_SLOTS];
        uint64_t seen = 0;
        if (!atomic_compare_exchange_strong(&slot->id_high, &seen, high) && seen != high) {
            continue;
        }
        seen = 0;
        if (atomic_compare_exchange_strong(&slot->id_low, &seen, low) || seen == low) {
            return slot;
        }
    }
    return NULL;
}

static uint64_t count_in(uint64_t word, uint64_t period)
{
    return word >> COUNT_BITS == period ? word & COUNT_MAX : 0;
}

/* Add unless that would pass the cap; a cap of 0 is none. */
static bool add(_Atomic uint64_t *word, uint64_t period, uint64_t more, uint64_t cap)
{
    uint64_t seen = atomic_load(word);
    for (;;) {
        uint64_t count = count_in(seen, period);
        uint64_t next = more > COUNT_MAX - count ? COUNT_MAX : count + more;
        if (cap != 0 && next > cap) {
            return false;
        }
        if (atomic_compare_exchange_weak(word, &seen, period << COUNT_BITS | next)) {
            return true;
        }
    }
}

static uint64_t period_of(int64_t wall_ms, int64_t length_ms)
{
    return wall_ms < 0 ? 0 : (uint64_t)(wall_ms / length_ms) & 0xFFFFFFU;
}

sl_res sl_budget_take(sl_budget *budget, const uint8_t lineage[16], int64_t wall_ms,
                      uint64_t requests_h, uint64_t tokens_d)
{
    if (requests_h == 0 && tokens_d == 0) {
        return SL_DONE;
    }
    sl_budget_slot *slot = slot_of(budget, lineage);
    SL_NEED(slot != NULL, SL_E_LIMIT);
    uint64_t tokens = count_in(atomic_load(&slot->tokens), period_of(wall_ms, DAY_MS));
    if (tokens_d != 0 && tokens >= tokens_d) {
        return sl_fail_at(SL_E_BUDGET, "tokens", tokens_d);
    }
    if (!add(&slot->requests, period_of(wall_ms, HOUR_MS), 1, requests_h)) {
        return sl_fail_at(SL_E_BUDGET, "requests", requests_h);
    }
    return SL_DONE;
}

void sl_budget_add_tokens(sl_budget *budget, const uint8_t lineage[16], int64_t wall_ms,
                          uint64_t tokens)
{
    sl_budget_slot *slot = slot_of(budget, lineage);
    if (slot != NULL) {
        (void)add(&slot->tokens, period_of(wall_ms, DAY_MS), tokens, 0);
    }
}
