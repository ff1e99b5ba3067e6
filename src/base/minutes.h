/* Counts by minute, for two sides that count the same things and compare afterwards. A minute is told
 * once when it is over, also when nothing was counted in it; what comes to it later is told as an
 * increment once it has been quiet. Pure: the caller gives the time and writes what is told. */
#ifndef SL_BASE_MINUTES_H
#define SL_BASE_MINUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_MINUTES_OPEN_MAX = 64, SL_MINUTES_QUIET_MS = 10 * 1000 };

typedef struct {
    uint64_t next; /* the first minute that was not told; 0: not begun */
    struct {
        uint64_t minute; /* minutes since 1970 */
        uint64_t count;  /* 0: free */
        int64_t changed_ms;
    } open[SL_MINUTES_OPEN_MAX];
} sl_minutes;

/* Add to a minute, which may be long over. False: too many minutes are open, nothing was counted. */
bool sl_minutes_add(sl_minutes *all, uint64_t minute, uint64_t count, int64_t now_ms);

/* The next thing to tell, taken out; false: nothing now. The first call begins with its own minute.
 * After a leap of the clock the minutes that nobody lived through are not told. */
bool sl_minutes_take(sl_minutes *all, int64_t now_ms, uint64_t *ret_minute, uint64_t *ret_count);

#endif
