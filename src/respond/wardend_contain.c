/* What playbooks say, done (wardend_internal.h): the responder decides, this turns valves and kills. It must never
 * open anything. */
#include "base/clock.h"
#include "base/random.h"
#include "base/site_config.h"
#include "respond/playbooks_embedded.h"
#include "respond/wardend_internal.h"

static sl_res contain(void *context, sl_containment kind, sl_view target, uint64_t *ret_epoch)
{
    daemon_state *d = context;
    uint64_t id;
    sl_view why = SL_LIT("incident");
    switch (kind) {
    case SL_CONTAIN_CUT:
        return sl_warden_cut(d->warden, SL_VALVE_OF_PRINCIPAL, target);
    case SL_CONTAIN_CLOSE_PRINCIPAL:
        return sl_warden_close(d->warden, SL_VALVE_OF_PRINCIPAL, target, why, 0, ret_epoch);
    case SL_CONTAIN_REVOKE_LEASE:
        /* A lease holds for one epoch of the valve: the next one voids it. */
        return sl_warden_cut(d->warden, SL_VALVE_OF_COMPARTMENT, target);
    case SL_CONTAIN_CLOSE_COMPARTMENT:
        return sl_warden_close(d->warden, SL_VALVE_OF_COMPARTMENT, target, why, 0, ret_epoch);
    case SL_CONTAIN_CLOSE_DOOR:
        return sl_warden_close(d->warden, SL_VALVE_OF_DOOR, target, why, 0, ret_epoch);
    case SL_CONTAIN_KILL_PROCESS:
        return sl_proc_request(d->self, SL_PROC_KILL, target, &id);
    case SL_CONTAIN_CLOSE_SITE:
    case SL_CONTAIN_COUNT:
    default:
        return sl_warden_close(d->warden, SL_VALVE_OF_SITE, SL_LIT("site"), why, 0, ret_epoch);
    }
}

static sl_res record(void *context, sl_view event)
{
    return sl_warden_record(((daemon_state *)context)->warden, event);
}

static sl_res fresh_id(void *context, char ret_id[17])
{
    (void)context;
    uint8_t random[8];
    SL_TRY(sl_random_bytes(random, sizeof random));
    (void)snprintf(ret_id, 17, "%016llx", (unsigned long long)sl_get_be64(random));
    return SL_DONE;
}

static uint64_t mono_us(void *context)
{
    (void)context;
    return sl_clock_mono_ns() / 1000;
}

static sl_res take_regimes(daemon_state *d)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    static sl_site_config config; /* large */
    sl_view names[SL_CONFIG_REGIMES_MAX];
    SL_TRY(sl_site_config_read(&arena, sl_proc_config(d->self), &config));
    for (size_t i = 0; i < config.assure.regime_count; i++) {
        names[i] = config.assure.regimes[i].name;
    }
    return sl_responder_regimes(d->responder, names, config.assure.regime_count);
}

sl_res sl_wardend_make_responder(daemon_state *d)
{
    sl_responder_ways ways = { contain, record, fresh_id, mono_us, d };
    SL_TRY(sl_responder_new(&ways, &d->responder));
    for (size_t i = 0; i < sl_respond_playbooks_count; i++) {
        const sl_embedded_file *file = &sl_respond_playbooks[i];
        SL_TRY(sl_responder_add_playbook(d->responder, sl_view_of(file->bytes, file->n)));
    }
    return take_regimes(d);
}
