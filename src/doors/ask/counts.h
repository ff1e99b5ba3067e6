/* The door's count of requests that egress was given, by the minute that each bears, in memory that all
 * processes of the door share and that outlives them. Each process writes its own part; kill it between
 * any two instructions and its successor finds out what was counted and what is in doubt.
 *
 * A request is pending from its first bytes on, and counts when egress was heard or has had time enough
 * to read it. It is in doubt when nobody can say whether egress did: the process died meanwhile, or egress
 * went away at once without a word. What egress counted by itself settles that, in the ledger
 * (respond/egress_count.h). */
#ifndef SL_DOORS_ASK_COUNTS_H
#define SL_DOORS_ASK_COUNTS_H

#include <stdatomic.h>

#include "base/minutes.h"
#include "base/proc.h"

typedef struct {
    struct {
        _Atomic uint64_t sending; /* 0, or the minute's word before a request that is being sent */
        _Atomic uint64_t sending_minute;
        _Atomic uint64_t of[SL_MINUTES_MAX]; /* minute, pending, doubt, sure; see counts.c */
    } by[SL_PROC_INSTANCES_MAX];
} sl_ask_counts;

/* At the start of process `by`: what its predecessor was sending or had pending is in doubt. */
void sl_ask_counts_recover(sl_ask_counts *counts, unsigned by);

/* Before and after the first bytes of a request. */
void sl_ask_counts_sending(sl_ask_counts *counts, unsigned by, uint64_t minute);
void sl_ask_counts_sent(sl_ask_counts *counts, unsigned by, uint64_t minute, bool went_out);

/* One that is pending counts, or is in doubt. */
void sl_ask_counts_sure(sl_ask_counts *counts, unsigned by, uint64_t minute);
void sl_ask_counts_doubt(sl_ask_counts *counts, unsigned by, uint64_t minute);

/* Of all processes, without what is pending. */
sl_minute_count sl_ask_counts_of(const sl_ask_counts *counts, uint64_t minute);

#endif
