/* Counts that survive a kill (see counts.h). Every change of a count is one store of one word; while a
 * request is being sent the word as it was stands in `sending`, so that a successor sees whether the
 * store was reached. It must never wait for another process. */
#include "doors/ask/counts.h"

/* A word: 28 bits of the minute since 1970, 12 of doubt, 24 of what is sure. */
#define SURE_BITS 24
#define DOUBT_BITS 12
#define SURE_MAX ((UINT64_C(1) << SURE_BITS) - 1)
#define DOUBT_MAX ((UINT64_C(1) << DOUBT_BITS) - 1)
#define MINUTE_MASK ((UINT64_C(1) << 28) - 1)

static uint64_t word_of(uint64_t minute, uint64_t doubt, uint64_t sure)
{
    doubt = doubt > DOUBT_MAX ? DOUBT_MAX : doubt;
    sure = sure > SURE_MAX ? SURE_MAX : sure;
    return (minute & MINUTE_MASK) << (SURE_BITS + DOUBT_BITS) | doubt << SURE_BITS | sure;
}

static sl_minute_count count_in(uint64_t word, uint64_t minute)
{
    bool same = word >> (SURE_BITS + DOUBT_BITS) == (minute & MINUTE_MASK);
    return same ? (sl_minute_count){ word & SURE_MAX, word >> SURE_BITS & DOUBT_MAX }
                : (sl_minute_count){ 0, 0 };
}

static uint64_t fresh(uint64_t word, uint64_t minute)
{
    sl_minute_count n = count_in(word, minute);
    return word_of(minute, n.doubt, n.sure);
}

void sl_ask_counts_recover(sl_ask_counts *counts, unsigned by)
{
    uint64_t before = atomic_load(&counts->by[by].sending);
    uint64_t minute = atomic_load(&counts->by[by].sending_minute);
    _Atomic uint64_t *word = &counts->by[by].of[minute % SL_MINUTES_MAX];
    if (before != 0 && fresh(atomic_load(word), minute) == before) {
        sl_minute_count n = count_in(before, minute);
        atomic_store(word, word_of(minute, n.doubt + 1, n.sure));
    }
    atomic_store(&counts->by[by].sending, 0);
}

void sl_ask_counts_sending(sl_ask_counts *counts, unsigned by, uint64_t minute)
{
    uint64_t word = atomic_load(&counts->by[by].of[minute % SL_MINUTES_MAX]);
    atomic_store(&counts->by[by].sending_minute, minute);
    atomic_store(&counts->by[by].sending, fresh(word, minute));
}

void sl_ask_counts_sent(sl_ask_counts *counts, unsigned by, uint64_t minute, bool went_out)
{
    _Atomic uint64_t *word = &counts->by[by].of[minute % SL_MINUTES_MAX];
    sl_minute_count n = count_in(atomic_load(word), minute);
    if (went_out) {
        atomic_store(word, word_of(minute, n.doubt, n.sure + 1));
    }
    atomic_store(&counts->by[by].sending, 0);
}

void sl_ask_counts_doubt(sl_ask_counts *counts, unsigned by, uint64_t minute)
{
    _Atomic uint64_t *word = &counts->by[by].of[minute % SL_MINUTES_MAX];
    sl_minute_count n = count_in(atomic_load(word), minute);
    if (n.sure != 0) {
        atomic_store(word, word_of(minute, n.doubt + 1, n.sure - 1));
    }
}

sl_minute_count sl_ask_counts_of(const sl_ask_counts *counts, uint64_t minute)
{
    sl_minute_count all = { 0, 0 };
    for (unsigned i = 0; i < SL_PROC_INSTANCES_MAX; i++) {
        sl_minute_count n =
            count_in(atomic_load(&counts->by[i].of[minute % SL_MINUTES_MAX]), minute);
        all.sure += n.sure;
        all.doubt += n.doubt;
    }
    return all;
}
