/* What the warden knows and auditors ask for, told now and then as leaves (wardend_internal.h): how far grants reach.
 * It tells what the roll says and judges nothing; limits stand in config.yml and are compared by
 * `assure`. */
#include "base/clock.h"
#include "base/log.h"
#include "ledger/events.gen.h"
#include "respond/wardend_internal.h"

#define LOOK_EVERY_MS 10000
#define SAY_AGAIN_MS ((uint64_t)6 * 60 * 60 * 1000)
/* Leaves hold integers that every reader of JSON holds exactly: "no limit" is the largest of them. */
#define NO_LIMIT ((uint64_t)9007199254740991)

static uint64_t compartments_of(const sl_grant *grants, size_t count, const char *principal,
                                int64_t now_ms)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool counts = !grants[i].revoked && grants[i].until_ms > now_ms &&
                      strcmp(grants[i].principal, principal) == 0;
        for (size_t j = 0; j < i && counts; j++) {
            counts = grants[j].revoked || grants[j].until_ms <= now_ms ||
                     strcmp(grants[j].principal, principal) != 0 ||
                     strcmp(grants[j].compartment, grants[i].compartment) != 0;
        }
        n += counts;
    }
    return n;
}

/* The worst reach of one principal's live grants: records a day, and compartments. NULL: nobody reaches
 * anything. */
static const sl_grant *widest(const sl_grant *grants, size_t count, int64_t now_ms,
                              uint64_t *ret_records, uint64_t *ret_compartments)
{
    const sl_grant *found = NULL;
    *ret_records = 0;
    *ret_compartments = 0;
    for (size_t i = 0; i < count; i++) {
        const sl_grant *g = &grants[i];
        if (g->revoked || g->until_ms <= now_ms) {
            continue;
        }
        uint64_t records = g->records_d > 0 ? (uint64_t)g->records_d : NO_LIMIT;
        uint64_t compartments = compartments_of(grants, count, g->principal, now_ms);
        if (found == NULL || records > *ret_records) {
            found = g;
            *ret_records = records;
        }
        *ret_compartments = compartments > *ret_compartments ? compartments : *ret_compartments;
    }
    return found;
}

static void say_reach(daemon_state *d)
{
    size_t count = 0;
    uint64_t records = 0;
    uint64_t compartments = 0;
    const sl_grant *grants = sl_roll_grants(sl_warden_roll(d->warden), &count);
    const sl_grant *g = widest(grants, count, sl_clock_wall_ms(), &records, &compartments);
    uint64_t now_ms = sl_clock_boot_ns() / 1000000;
    bool news = records != d->said_records || compartments != d->said_compartments ||
                d->said_reach_ms == 0 || now_ms > d->said_reach_ms + SAY_AGAIN_MS;
    if (g == NULL || !news) {
        return;
    }
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_event_head head = { 0 };
    sl_event_grant_reach fields = { .grant = sl_view_str(g->id),
                                    .max_records = records,
                                    .max_compartments = compartments };
    sl_res r = sl_emit_grant_reach(&head, &fields, &event);
    r = sl_ok(r) ? sl_warden_append(d->warden, sl_buf_view(&event), 0) : r;
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "how far grants reach could not be recorded", r);
        return;
    }
    d->said_records = records;
    d->said_compartments = compartments;
    d->said_reach_ms = now_ms;
}

static void on_look(void *context)
{
    daemon_state *d = context;
    if (d->serving && d->all_up && !d->going && d->ledger != NULL) {
        say_reach(d);
        sl_wardend_look(d);
        sl_wardend_ask_probe(d);
    }
}

sl_res sl_wardend_begin_attesting(daemon_state *d)
{
    uint64_t timer;
    return sl_loop_every(d->loop, LOOK_EVERY_MS, on_look, d, &timer);
}
