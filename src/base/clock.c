/* Clocks (clock.h). */
#include "base/clock.h"

static uint64_t read_ns(clockid_t id)
{
    struct timespec now = { 0 };
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t sl_clock_wall_ms(void)
{
    return (int64_t)(read_ns(CLOCK_REALTIME) / 1000000u);
}

uint64_t sl_clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t sl_clock_boot_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

void sl_clock_text(int64_t wall_ms, char ret_text[SL_CLOCK_TEXT_BYTES])
{
    const int64_t max = 253402300799999; /* the last millisecond of 9999 */
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > max ? max : wall_ms;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = { 0 };
    (void)gmtime_r(&seconds, &tm);
    char text[SL_CLOCK_TEXT_BYTES * 2];
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
    memcpy(ret_text, text, SL_CLOCK_TEXT_BYTES - 1);
    ret_text[SL_CLOCK_TEXT_BYTES - 1] = 0;
}
