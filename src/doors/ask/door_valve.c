/* The crossing's valves: taken when it begins, compared before each step that lets something out and at
 * each sweep. A valve that is shut, or whose word is too old, closes the way. */
#include "doors/ask/door_internal.h"

sl_res sl_door_take_ticket(sl_ask_door *d)
{
    const sl_ask_valves *v = d->site->valves;
    sl_valve_state state = v->take(v->context, d->now.boot_ms, d->who.principal_slot,
                                   d->who.compartments, d->who.compartments_n, &d->ticket);
    if (state != SL_VALVE_OPEN) {
        return sl_fail_at(SL_E_VALVE, sl_valve_state_text(state), SL_NOWHERE);
    }
    return SL_DONE;
}

bool sl_door_way_is_open(const sl_ask_door *d)
{
    const sl_ask_valves *v = d->site->valves;
    return v->holds(v->context, d->now.boot_ms, &d->ticket) == SL_VALVE_OPEN;
}

void sl_door_shut(sl_ask_door *d)
{
    sl_answer_cut_all(&d->answer, SL_CUT_VALVE);
    if (d->head_sent) {
        sl_door_finish_with(d, SL_OUTCOME_CUT);
    } else {
        sl_door_refuse(d, sl_fail_at(SL_E_VALVE, "closed while waiting", SL_NOWHERE));
    }
}

bool sl_door_shut_before_release(sl_ask_door *d)
{
    bool said = d->answering && d->answer.cut_reason == SL_CUT_VALVE;
    if (!d->intended || !sl_ok(d->why) || said || sl_door_way_is_open(d)) {
        return false;
    }
    /* Closed since the leaf: it counts as delivered, and yet nothing more leaves. */
    d->why = sl_fail_at(SL_E_VALVE, "closed before release", SL_NOWHERE);
    d->status = sl_door_status_of(d->why);
    return true;
}
