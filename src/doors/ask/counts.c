/* Counts that survive a kill (see counts.h). Every change of a count is one store of one word; while a
 * request is being sent the word as it was stands in `sending`, so that a successor sees whether the
 * store was reached. It must never wait for another process. */
#include "doors/ask/counts.h"

/* A word: 20 bits of the minute since 1970, 12 of pending, 12 of doubt, 20 of what is sure. */
#define SURE_BITS 20
#define DOUBT_BITS 12
#define PENDING_BITS 12
#define MASK(bits) ((UINT64_C(1) << (bits)) - 1)
#define MINUTE_SHIFT (SURE_BITS + DOUBT_BITS + PENDING_BITS)

typedef struct {
    uint64_t pending;
    uint64_t doubt;
    uint64_t sure;
} parts;

static uint64_t at_most(uint64_t value, unsigned bits)
{
    return value < MASK(bits) ? value : MASK(bits);
}

static uint64_t word_of(uint64_t minute, parts p)
{
    return (minute & MASK(64 - MINUTE_SHIFT)) << MINUTE_SHIFT |
           at_most(p.pending, PENDING_BITS) << (SURE_BITS + DOUBT_BITS) |
           at_most(p.doubt, DOUBT_BITS) << SURE_BITS | at_most(p.sure, SURE_BITS);
}

/* What a word says of this minute; of another one nothing. */
static parts parts_of(uint64_t word, uint64_t minute)
{
    bool same = word >> MINUTE_SHIFT == (minute & MASK(64 - MINUTE_SHIFT));
    return same ? (parts){ .pending = word >> (SURE_BITS + DOUBT_BITS) & MASK(PENDING_BITS),
                           .doubt = word >> SURE_BITS & MASK(DOUBT_BITS),
                           .sure = word & MASK(SURE_BITS) }
                : (parts){ 0, 0, 0 };
}

static uint64_t fresh(uint64_t word, uint64_t minute)
{
    return word_of(minute, parts_of(word, minute));
}

/* One more in doubt, unless the store behind the sending was reached. */
static void recover_sending(sl_ask_counts *counts, unsigned by)
{
    uint64_t before = atomic_load(&counts->by[by].sending);
    uint64_t minute = atomic_load(&counts->by[by].sending_minute);
    _Atomic uint64_t *word = &counts->by[by].of[minute % SL_MINUTES_MAX];
    if (before != 0 && fresh(atomic_load(word), minute) == before) {
        parts p = parts_of(before, minute);
        p.doubt++;
        atomic_store(word, word_of(minute, p));
    }
    atomic_store(&counts->by[by].sending, 0);
}

void sl_ask_counts_recover(sl_ask_counts *counts, unsigned by)
{
    recover_sending(counts, by);
    for (size_t i = 0; i < SL_MINUTES_MAX; i++) {
        uint64_t word = atomic_load(&counts->by[by].of[i]);
        uint64_t minute = word >> MINUTE_SHIFT;
        parts p = parts_of(word, minute);
        p.doubt += p.pending;
        p.pending = 0;
        atomic_store(&counts->by[by].of[i], word_of(minute, p));
    }
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
    parts p = parts_of(atomic_load(word), minute);
    if (went_out) {
        p.pending++;
        atomic_store(word, word_of(minute, p));
    }
    atomic_store(&counts->by[by].sending, 0);
}

static void settle(sl_ask_counts *counts, unsigned by, uint64_t minute, bool sure)
{
    _Atomic uint64_t *word = &counts->by[by].of[minute % SL_MINUTES_MAX];
    parts p = parts_of(atomic_load(word), minute);
    if (p.pending != 0) {
        p.pending--;
        p.sure += sure;
        p.doubt += !sure;
        atomic_store(word, word_of(minute, p));
    }
}

void sl_ask_counts_sure(sl_ask_counts *counts, unsigned by, uint64_t minute)
{
    settle(counts, by, minute, true);
}

void sl_ask_counts_doubt(sl_ask_counts *counts, unsigned by, uint64_t minute)
{
    settle(counts, by, minute, false);
}

sl_minute_count sl_ask_counts_of(const sl_ask_counts *counts, uint64_t minute)
{
    sl_minute_count all = { 0, 0 };
    for (unsigned i = 0; i < SL_PROC_INSTANCES_MAX; i++) {
        parts p = parts_of(atomic_load(&counts->by[i].of[minute % SL_MINUTES_MAX]), minute);
        all.sure += p.sure;
        all.doubt += p.doubt;
    }
    return all;
}
