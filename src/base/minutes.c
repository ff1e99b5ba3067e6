/* Counts by minute (see minutes.h). It must never tell the same count twice. */
#include "base/minutes.h"

enum { MINUTE_MS = 60 * 1000, LEAP_MINUTES = 5 };

/* The place of a minute, taken from an older one; SL_MINUTES_MAX when it holds a newer one. */
static size_t place_of(sl_minutes *all, uint64_t minute)
{
    size_t at = (size_t)(minute % SL_MINUTES_MAX);
    if (all->of[at].minute > minute) {
        return SL_MINUTES_MAX;
    }
    if (all->of[at].minute < minute) {
        all->of[at].minute = minute;
        all->of[at].counted = (sl_minute_count){ 0, 0 };
        all->of[at].told = (sl_minute_count){ 0, 0 };
        all->of[at].changed_ms = 0;
        all->of[at].was_told = false;
        all->of[at].asked = false;
    }
    return at;
}

void sl_minutes_set(sl_minutes *all, uint64_t minute, sl_minute_count counted, int64_t now_ms)
{
    size_t at = place_of(all, minute);
    if (at == SL_MINUTES_MAX ||
        (all->of[at].counted.sure == counted.sure && all->of[at].counted.doubt == counted.doubt)) {
        return;
    }
    all->of[at].counted = counted;
    all->of[at].changed_ms = now_ms;
}

void sl_minutes_told(sl_minutes *all, uint64_t minute, sl_minute_count count)
{
    size_t at = place_of(all, minute);
    if (at != SL_MINUTES_MAX) {
        all->of[at].told.sure += count.sure;
        all->of[at].told.doubt += count.doubt;
        all->of[at].was_told = true;
        all->of[at].asked = false;
    }
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static bool take(sl_minutes *all, size_t at, int64_t now_ms, sl_minute_count *ret_count)
{
    sl_minute_count more = { above(all->of[at].counted.sure, all->of[at].told.sure),
                             above(all->of[at].counted.doubt, all->of[at].told.doubt) };
    bool news = more.sure != 0 || more.doubt != 0;
    bool quiet = now_ms - all->of[at].changed_ms >= SL_MINUTES_QUIET_MS;
    bool empty = !all->of[at].was_told && all->of[at].minute >= all->first;
    if (all->of[at].asked || !(empty || (news && quiet))) {
        return false;
    }
    all->of[at].asked = true;
    *ret_count = more;
    return true;
}

/* After a leap of the clock the minutes that nobody lived through are not told as empty, and those of a
 * future that is none make room. */
static void follow_clock(sl_minutes *all, uint64_t now)
{
    for (size_t i = 0; now + LEAP_MINUTES < all->last && i < SL_MINUTES_MAX; i++) {
        all->of[i].minute = all->of[i].minute > now ? 0 : all->of[i].minute;
    }
    if (all->first == 0 || now > all->last + LEAP_MINUTES || now + LEAP_MINUTES < all->last) {
        all->first = now;
    }
    all->last = now;
}

bool sl_minutes_next(sl_minutes *all, int64_t now_ms, uint64_t *ret_minute,
                     sl_minute_count *ret_count)
{
    if (now_ms < (int64_t)SL_MINUTES_MAX * MINUTE_MS) {
        return false;
    }
    follow_clock(all, (uint64_t)now_ms / MINUTE_MS);
    uint64_t over = (uint64_t)(now_ms - SL_MINUTES_QUIET_MS) / MINUTE_MS;
    for (uint64_t minute = over - (SL_MINUTES_MAX - 2); minute < over; minute++) {
        size_t at = place_of(all, minute);
        if (at != SL_MINUTES_MAX && take(all, at, now_ms, ret_count)) {
            *ret_minute = minute;
            return true;
        }
    }
    return false;
}

void sl_minutes_refused(sl_minutes *all, uint64_t minute)
{
    size_t at = (size_t)(minute % SL_MINUTES_MAX);
    if (all->of[at].minute == minute) {
        all->of[at].asked = false;
    }
}

void sl_minutes_again(sl_minutes *all)
{
    for (size_t i = 0; i < SL_MINUTES_MAX; i++) {
        all->of[i].asked = false;
    }
}
