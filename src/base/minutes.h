/* Counts by minute, for two sides that count the same things and compare afterwards in the ledger. Its
 * owner knows two numbers of each minute: what was counted, which it keeps where it survives a crash,
 * and what the ledger says was told, which it reads from the ledger's leaves. What is to be told next is
 * their difference. So a count is told once and none is lost, whoever dies at whatever moment.
 *
 * A minute is told when it is over, also when nothing was counted in it; what comes to it later is told
 * once it has been quiet. `doubt` counts apart what cannot be known, for whoever can settle it. Pure. */
#ifndef SL_BASE_MINUTES_H
#define SL_BASE_MINUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_MINUTES_MAX = 64, SL_MINUTES_QUIET_MS = 10 * 1000 };

typedef struct {
    uint64_t sure;
    uint64_t doubt;
} sl_minute_count;

typedef struct {
    uint64_t first; /* minutes before it are not told as empty; 0: not begun */
    uint64_t last;  /* the newest minute that was asked for */
    struct {
        uint64_t minute; /* minutes since 1970; 0: free */
        sl_minute_count counted;
        sl_minute_count told;
        int64_t changed_ms;
        bool was_told;
        bool asked; /* handed out, and no leaf came back yet */
    } of[SL_MINUTES_MAX];
} sl_minutes;

/* So much was counted in a minute so far, by the wall clock's `now_ms`. A minute that is older than
 * SL_MINUTES_MAX is forgotten. */
void sl_minutes_set(sl_minutes *all, uint64_t minute, sl_minute_count counted, int64_t now_ms);

/* A leaf of the ledger tells a count of this minute. */
void sl_minutes_told(sl_minutes *all, uint64_t minute, sl_minute_count count);

/* What is to be told next; false: nothing now. It is not handed out again until its leaf came back by
 * sl_minutes_told, or one of the two below. */
bool sl_minutes_next(sl_minutes *all, int64_t now_ms, uint64_t *ret_minute,
                     sl_minute_count *ret_count);
/* The ledger refused it. */
void sl_minutes_refused(sl_minutes *all, uint64_t minute);
/* The ledger was lost and found, and all that it holds was read: what did not come back is not there. */
void sl_minutes_again(sl_minutes *all);

#endif
