/* Refusals of requests whose sender was not identified: exact counts by source prefix and second,
 * so that a flood costs one leaf per prefix and second and none is lost. Pure. */
#ifndef SL_DOORS_ASK_STRANGERS_H
#define SL_DOORS_ASK_STRANGERS_H

#include "base/bytes.h"
#include "base/res.h"

/* Prefixes told apart within a second; what comes from still more is counted under "other". */
enum { SL_STRANGERS_MAX = 256, SL_PREFIX_BYTES_MAX = 48 };

typedef struct {
    char prefix[SL_PREFIX_BYTES_MAX]; /* "192.0.2.0/24", "2001:db8:1::/48", "local", "other" */
    int32_t code;                     /* sl_code of the refusal */
    uint64_t second;                  /* Unix time */
    uint64_t count;
} sl_stranger;

typedef struct {
    sl_stranger items[SL_STRANGERS_MAX + 1];
    size_t n;
} sl_strangers;

/* Count one refusal. False when there is no room: drain first, nothing was counted. */
bool sl_strangers_add(sl_strangers *all, const char *source, sl_res why, int64_t wall_ms);

/* Take the next count of a second that is over at `wall_ms`; false when there is none. */
bool sl_strangers_take(sl_strangers *all, int64_t wall_ms, sl_stranger *ret_one);

/* The prefix of an address as text: /24 of IPv4, /48 of IPv6, "local" for anything else. */
void sl_strangers_prefix(const char *source, char ret_prefix[SL_PREFIX_BYTES_MAX]);

#endif
