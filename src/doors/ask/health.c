/* Health of upstreams (see health.h). It must never wait for another process, and never keep an upstream
 * that answers from being asked. */
#include "doors/ask/health.h"

static size_t number_of(const sl_ask_health *health, sl_view upstream)
{
    size_t i = 0;
    while (health != NULL && i < health->n && !sl_view_eq(health->names[i], upstream)) {
        i++;
    }
    return health == NULL || i == health->n ? SL_UPSTREAMS_MAX : i;
}

static uint64_t pause_ms(uint64_t failures)
{
    uint64_t pause = SL_HEALTH_PAUSE_MS;
    for (uint64_t i = SL_HEALTH_FAILURES; i < failures && pause < SL_HEALTH_PAUSE_MS_MAX; i++) {
        pause *= 2;
    }
    return pause < SL_HEALTH_PAUSE_MS_MAX ? pause : SL_HEALTH_PAUSE_MS_MAX;
}

bool sl_ask_health_may(const sl_ask_health *health, sl_view upstream, uint64_t now_ms)
{
    size_t at = number_of(health, upstream);
    if (at == SL_UPSTREAMS_MAX) {
        return true;
    }
    uint64_t again = atomic_load(&health->memory->of[at].again_ms);
    if (again == 0) {
        return true;
    }
    uint64_t failures = atomic_load(&health->memory->of[at].failures);
    /* The first who comes moves the time on, for the case that its request never ends. */
    return now_ms >= again && atomic_compare_exchange_strong(&health->memory->of[at].again_ms,
                                                             &again, now_ms + pause_ms(failures));
}

void sl_ask_health_good(const sl_ask_health *health, sl_view upstream)
{
    size_t at = number_of(health, upstream);
    if (at != SL_UPSTREAMS_MAX) {
        atomic_store(&health->memory->of[at].failures, 0);
        atomic_store(&health->memory->of[at].again_ms, 0);
    }
}

void sl_ask_health_bad(const sl_ask_health *health, sl_view upstream, uint64_t now_ms, sl_res why)
{
    size_t at = number_of(health, upstream);
    if (at == SL_UPSTREAMS_MAX) {
        return;
    }
    uint64_t failures = atomic_fetch_add(&health->memory->of[at].failures, 1) + 1;
    atomic_store(&health->memory->of[at].why, why.code);
    if (failures >= SL_HEALTH_FAILURES) {
        atomic_store(&health->memory->of[at].again_ms, now_ms + pause_ms(failures));
    }
}

bool sl_ask_health_is_sick(const sl_ask_health *health, size_t at, const char **ret_why)
{
    *ret_why = sl_res_name((sl_res){ atomic_load(&health->memory->of[at].why) });
    return atomic_load(&health->memory->of[at].again_ms) != 0;
}
