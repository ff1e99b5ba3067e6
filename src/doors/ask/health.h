/* What is known of the health of upstreams, in memory that all processes of the door share.
 *
 * After SL_HEALTH_FAILURES failures in a row an upstream is sick: it is not asked until a pause is over,
 * and then by one request alone, whose end decides. The pause doubles with each failure, from one second
 * to one minute. A failure is a connection that ends before the head of an answer, silence beyond the
 * limit, or 502, 503 and 504; whatever else a server answers shows that it lives. Pure but for the
 * shared words: time is an argument. Design: README.md. */
#ifndef SL_DOORS_ASK_HEALTH_H
#define SL_DOORS_ASK_HEALTH_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/res.h"
#include "base/site_config.h"

enum { SL_HEALTH_FAILURES = 3, SL_HEALTH_PAUSE_MS = 1000, SL_HEALTH_PAUSE_MS_MAX = 60 * 1000 };

/* All zeros: healthy. */
typedef struct {
    struct {
        _Atomic uint64_t failures; /* in a row */
        _Atomic uint64_t again_ms; /* boot clock: when it may be tried; 0: it is not sick */
        _Atomic int32_t why;       /* code of the latest failure */
    } of[SL_UPSTREAMS_MAX];
} sl_ask_health_memory;

typedef struct {
    sl_ask_health_memory *memory; /* borrowed */
    sl_view names[SL_UPSTREAMS_MAX];
    size_t n;
} sl_ask_health;

/* May this upstream be asked now? A sick one whose pause is over may by whoever asks first. An upstream
 * without a name here may always. `health` may be NULL, in all of these: then every one is healthy. */
bool sl_ask_health_may(const sl_ask_health *health, sl_view upstream, uint64_t now_ms);
/* It answered. */
void sl_ask_health_good(const sl_ask_health *health, sl_view upstream);
/* It did not. */
void sl_ask_health_bad(const sl_ask_health *health, sl_view upstream, uint64_t now_ms, sl_res why);

/* The state of number `at`, for the leaf that tells it; `*ret_why` is the name of a code. */
bool sl_ask_health_is_sick(const sl_ask_health *health, size_t at, const char **ret_why);

#endif
