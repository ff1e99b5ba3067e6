/* Egress's own count of requests, told to the ledger minute by minute beside the door's, so that the
 * check `ledger.complete` can compare them; and the settling of what a dead process left in doubt.
 *
 * Stock nginx adds two bytes to a file for each request, before it passes the request on; the file is
 * named by the last digits of the minute that the door stamped on it (host/nginx_conf.h). A minute's
 * count is its file's size less the size before the minute began; that is kept in memory which outlives
 * the warden and the site, and what was told stands in the ledger: whoever is killed, nothing is lost
 * and nothing told twice.
 *
 * The door says how many requests were just being sent when one of its processes or egress died. If
 * egress counted more than the door is sure of, at most so many more, and such a death was seen, the
 * warden writes the difference as a door.counted of its own. Without a death nothing is settled: then
 * a difference is a difference. Design: ARCHITECTURE.md section 3. */
#ifndef SL_RESPOND_EGRESS_COUNT_H
#define SL_RESPOND_EGRESS_COUNT_H

#include <stdatomic.h>

#include "base/minutes.h"
#include "ledger/counted.h"

/* As egress writes them: host/nginx_conf.h. */
enum { SL_EGRESS_SLOTS = 1000, SL_EGRESS_BYTES = 2 };

/* All zeros: nothing was begun. */
typedef struct {
    struct {
        _Atomic uint64_t minute; /* the newest one that this file was begun for */
        _Atomic uint64_t base;   /* requests in it before that */
    } of[SL_EGRESS_SLOTS];
    _Atomic uint64_t other; /* requests without a minute that were seen */
} sl_egress_kept;
#define SL_EGRESS_KEPT_NAME "egress-count-1"

typedef struct {
    sl_egress_kept *kept;
    int dir_fd; /* borrowed */
    sl_minutes minutes;
    int64_t died_ms; /* the latest death that may have left doubt */
    struct {
        uint64_t minute;
        uint64_t other; /* requests without a minute, seen in it */
        uint64_t egress;
        uint64_t door;
        uint64_t doubt;
        uint64_t settled;
        bool by_egress; /* told */
        bool asked;     /* a settlement is on its way */
    } of[SL_MINUTES_MAX];
} sl_egress_count;

/* `kept` and `dir_fd` are borrowed. The start counts as a death: nobody knows who died before. */
void sl_egress_count_begin(sl_egress_count *count, sl_egress_kept *kept, int dir_fd,
                           int64_t now_ms);
/* Every second: reads the sizes of the files. */
void sl_egress_count_look(sl_egress_count *count, int64_t now_ms);
/* Every leaf of the ledger, in order. */
void sl_egress_count_leaf(sl_egress_count *count, sl_view leaf);
/* A process of the door, or egress, ended. */
void sl_egress_count_death(sl_egress_count *count, int64_t now_ms);

/* What is to be written next, by the wall clock's `now_ms`: SL_COUNTED_BY_EGRESS or SL_COUNTED_SETTLED.
 * It is not handed out again until its leaf was seen, or one of the two below. */
bool sl_egress_count_next(sl_egress_count *count, int64_t now_ms, sl_counted_side *ret_side,
                          uint64_t *ret_minute, sl_minute_count *ret_count);
void sl_egress_count_refused(sl_egress_count *count, sl_counted_side side, uint64_t minute);
/* The ledger was lost and found, and all that it holds was read. */
void sl_egress_count_again(sl_egress_count *count);

#endif
