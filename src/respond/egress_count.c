/* Egress's count and the settling of doubt (see egress_count.h). It must never tell a request twice,
 * and never settle more than was said to be in doubt. */
#include "respond/egress_count.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    MINUTE_MS = 60 * 1000,
    AHEAD = 5, /* minutes are begun so long before they come */
};

void sl_egress_count_begin(sl_egress_count *count, sl_egress_kept *kept, int dir_fd, int64_t now_ms)
{
    *count = (sl_egress_count){ .kept = kept, .dir_fd = dir_fd, .died_ms = now_ms };
}

void sl_egress_count_death(sl_egress_count *count, int64_t now_ms)
{
    count->died_ms = now_ms;
}

/* Requests in the file of a slot; SL_EGRESS_SLOTS is the one for requests without a minute. */
static uint64_t in_file(const sl_egress_count *count, unsigned slot)
{
    char name[8];
    struct stat st;
    (void)snprintf(name, sizeof name, slot == SL_EGRESS_SLOTS ? "other" : "%03u", slot);
    if (fstatat(count->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_size < 0) {
        return 0;
    }
    return (uint64_t)st.st_size / SL_EGRESS_BYTES;
}

/* The place of a minute, taken from an older one; SL_MINUTES_MAX when it holds a newer one. */
static size_t place_of(sl_egress_count *count, uint64_t minute)
{
    size_t at = (size_t)(minute % SL_MINUTES_MAX);
    if (count->of[at].minute > minute) {
        return SL_MINUTES_MAX;
    }
    if (count->of[at].minute < minute) {
        count->of[at].minute = minute;
        count->of[at].other = 0;
        count->of[at].egress = 0;
        count->of[at].door = 0;
        count->of[at].doubt = 0;
        count->of[at].settled = 0;
        count->of[at].by_egress = false;
        count->of[at].asked = false;
    }
    return at;
}

/* A request without a minute came from nobody we know; it is counted in the minute in which it is seen. */
static void look_at_other(sl_egress_count *count, uint64_t now)
{
    uint64_t size = in_file(count, SL_EGRESS_SLOTS);
    uint64_t seen = atomic_load(&count->kept->other);
    size_t at = place_of(count, now);
    if (size > seen && at != SL_MINUTES_MAX) {
        count->of[at].other += size - seen;
    }
    atomic_store(&count->kept->other, size);
}

/* A minute is begun before anything can be counted in it. Killed between the two stores: the base is
 * new and the minute old, one that is told long since. */
static void begin_minute(sl_egress_count *count, uint64_t minute)
{
    unsigned slot = (unsigned)(minute % SL_EGRESS_SLOTS);
    if (atomic_load(&count->kept->of[slot].minute) < minute) {
        atomic_store(&count->kept->of[slot].base, in_file(count, slot));
        atomic_store(&count->kept->of[slot].minute, minute);
    }
}

void sl_egress_count_look(sl_egress_count *count, int64_t now_ms)
{
    if (now_ms < (int64_t)SL_MINUTES_MAX * MINUTE_MS) {
        return;
    }
    uint64_t now = (uint64_t)now_ms / MINUTE_MS;
    for (uint64_t minute = now; minute <= now + AHEAD; minute++) {
        begin_minute(count, minute);
    }
    look_at_other(count, now);
    for (uint64_t minute = now - (SL_MINUTES_MAX - 1); minute <= now; minute++) {
        unsigned slot = (unsigned)(minute % SL_EGRESS_SLOTS);
        size_t at = place_of(count, minute);
        if (at == SL_MINUTES_MAX || atomic_load(&count->kept->of[slot].minute) != minute) {
            continue;
        }
        uint64_t size = in_file(count, slot);
        uint64_t base = atomic_load(&count->kept->of[slot].base);
        sl_minute_count so_far = { (size > base ? size - base : 0) + count->of[at].other, 0 };
        sl_minutes_set(&count->minutes, minute, so_far, now_ms);
    }
}

void sl_egress_count_leaf(sl_egress_count *count, sl_view leaf)
{
    uint64_t minute = 0;
    sl_minute_count told;
    sl_counted_side side = sl_counted_read(leaf, "ask", &minute, &told);
    size_t at = side == SL_COUNTED_NO ? SL_MINUTES_MAX : place_of(count, minute);
    if (side == SL_COUNTED_BY_EGRESS) {
        sl_minutes_told(&count->minutes, minute, told);
    }
    if (at == SL_MINUTES_MAX) {
        return;
    }
    if (side == SL_COUNTED_BY_EGRESS) {
        count->of[at].egress += told.sure;
        count->of[at].by_egress = true;
    } else if (side == SL_COUNTED_BY_DOOR) {
        count->of[at].door += told.sure;
        count->of[at].doubt += told.doubt;
    } else {
        count->of[at].settled += told.sure;
        count->of[at].asked = false;
    }
}

/* How many of the requests in doubt egress did count. */
static uint64_t to_settle(const sl_egress_count *count, size_t at)
{
    uint64_t known = count->of[at].door + count->of[at].settled;
    uint64_t doubt = count->of[at].doubt > count->of[at].settled
                         ? count->of[at].doubt - count->of[at].settled
                         : 0;
    bool died = count->died_ms / MINUTE_MS >= (int64_t)count->of[at].minute;
    if (!died || !count->of[at].by_egress || count->of[at].egress <= known) {
        return 0;
    }
    uint64_t more = count->of[at].egress - known;
    return more < doubt ? more : doubt;
}

bool sl_egress_count_next(sl_egress_count *count, int64_t now_ms, sl_counted_side *ret_side,
                          uint64_t *ret_minute, sl_minute_count *ret_count)
{
    if (sl_minutes_next(&count->minutes, now_ms, ret_minute, ret_count)) {
        *ret_side = SL_COUNTED_BY_EGRESS;
        return true;
    }
    for (size_t at = 0; at < SL_MINUTES_MAX; at++) {
        uint64_t n = count->of[at].asked ? 0 : to_settle(count, at);
        if (n != 0) {
            count->of[at].asked = true;
            *ret_side = SL_COUNTED_SETTLED;
            *ret_minute = count->of[at].minute;
            *ret_count = (sl_minute_count){ n, 0 };
            return true;
        }
    }
    return false;
}

void sl_egress_count_refused(sl_egress_count *count, sl_counted_side side, uint64_t minute)
{
    size_t at = (size_t)(minute % SL_MINUTES_MAX);
    if (side == SL_COUNTED_BY_EGRESS) {
        sl_minutes_refused(&count->minutes, minute);
    } else if (count->of[at].minute == minute) {
        count->of[at].asked = false;
    }
}

void sl_egress_count_again(sl_egress_count *count)
{
    sl_minutes_again(&count->minutes);
    for (size_t at = 0; at < SL_MINUTES_MAX; at++) {
        count->of[at].asked = false;
    }
}
