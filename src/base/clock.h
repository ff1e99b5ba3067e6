/* Clocks. Cores take time as an argument; only adapters call these. */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970 (UTC); may jump. */
int64_t sl_clock_wall_ms(void);
/* Nanoseconds of the monotonic clock; for intervals. */
uint64_t sl_clock_mono_ns(void);
/* Nanoseconds since boot, suspended time included; for delays that must really pass. */
uint64_t sl_clock_boot_ns(void);

/* "2026-11-21T13:00:00.123Z" of a wall time: 24 characters and a NUL. Times before 1970 or after 9999
 * are clamped. */
#define SL_CLOCK_TEXT_BYTES 25
void sl_clock_text(int64_t wall_ms, char ret_text[SL_CLOCK_TEXT_BYTES]);

#endif
