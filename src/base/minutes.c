/* Counts by minute (see minutes.h). It must never tell the same count twice. */
#include "base/minutes.h"

enum { MINUTE_MS = 60 * 1000, LEAP_MINUTES = 5 };

bool sl_minutes_add(sl_minutes *all, uint64_t minute, uint64_t count, int64_t now_ms)
{
    size_t at = SL_MINUTES_OPEN_MAX;
    if (count == 0) {
        return true;
    }
    for (size_t i = 0; i < SL_MINUTES_OPEN_MAX; i++) {
        if (all->open[i].count != 0 && all->open[i].minute == minute) {
            at = i;
            break;
        }
        if (all->open[i].count == 0 && at == SL_MINUTES_OPEN_MAX) {
            at = i;
        }
    }
    if (at == SL_MINUTES_OPEN_MAX) {
        return false;
    }
    all->open[at].minute = minute;
    all->open[at].count += count;
    all->open[at].changed_ms = now_ms;
    return true;
}

static uint64_t take_count(sl_minutes *all, uint64_t minute)
{
    uint64_t count = 0;
    for (size_t i = 0; i < SL_MINUTES_OPEN_MAX; i++) {
        if (all->open[i].minute == minute) {
            count += all->open[i].count;
            all->open[i].count = 0;
        }
    }
    return count;
}

bool sl_minutes_take(sl_minutes *all, int64_t now_ms, uint64_t *ret_minute, uint64_t *ret_count)
{
    uint64_t now = now_ms < 0 ? 0 : (uint64_t)now_ms / MINUTE_MS;
    uint64_t over =
        now_ms < SL_MINUTES_QUIET_MS ? 0 : (uint64_t)(now_ms - SL_MINUTES_QUIET_MS) / MINUTE_MS;
    if (all->next == 0 || now > all->next + LEAP_MINUTES || now + LEAP_MINUTES < all->next) {
        all->next = now;
    }
    if (all->next < over) {
        *ret_minute = all->next++;
        *ret_count = take_count(all, *ret_minute);
        return true;
    }
    for (size_t i = 0; i < SL_MINUTES_OPEN_MAX; i++) {
        if (all->open[i].count != 0 && all->open[i].minute < all->next &&
            now_ms - all->open[i].changed_ms >= SL_MINUTES_QUIET_MS) {
            *ret_minute = all->open[i].minute;
            *ret_count = take_count(all, *ret_minute);
            return true;
        }
    }
    return false;
}
