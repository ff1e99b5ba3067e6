/* The responder (responder.h). One signal is one pass: plan, act, record. */
#include "respond/responder.h"

#include "base/encode.h"
#include "base/site_config.h"
#include "ledger/events.gen.h"
#include "vault/statement.h"

/* A signal as kept between leaf and act. */
typedef struct {
    sl_incident_text id;
    sl_incident_text rule;
    sl_incident_text severity;
    sl_incident_text principal;
    sl_incident_text compartment;
    sl_incident_text target;
    uint64_t index;
    int64_t time_ms;
} kept_signal;

struct sl_responder {
    sl_responder_ways ways;
    sl_arena arena;
    sl_playbook playbooks[SL_RESPONDER_PLAYBOOKS_MAX];
    size_t playbook_count;
    sl_view regimes[SL_CONFIG_REGIMES_MAX];
    size_t regime_count;
    sl_incidents *incidents;
    bool live;
    kept_signal late[SL_RESPONDER_LATE_MAX]; /* the newest signals of the past, as a ring */
    size_t late_count;
};

sl_res sl_responder_new(const sl_responder_ways *ways, sl_responder **ret_responder)
{
    sl_responder *r = calloc(1, sizeof(*r));
    SL_NEED(r != NULL, SL_E_MEMORY);
    r->ways = *ways;
    r->arena.max = 4 * SL_MIB;
    sl_res made = sl_incidents_new(&r->incidents);
    if (!sl_ok(made)) {
        free(r);
        return made;
    }
    *ret_responder = r;
    return SL_DONE;
}

void sl_responder_free(sl_responder *responder)
{
    if (responder != NULL) {
        sl_incidents_free(responder->incidents);
        sl_arena_free(&responder->arena);
        free(responder);
    }
}

sl_res sl_responder_add_playbook(sl_responder *responder, sl_view json)
{
    SL_NEED(responder->playbook_count < SL_RESPONDER_PLAYBOOKS_MAX, SL_E_LIMIT);
    sl_playbook *place = &responder->playbooks[responder->playbook_count];
    SL_TRY(sl_playbook_read(json, &responder->arena, place));
    responder->playbook_count++;
    return SL_DONE;
}

sl_res sl_responder_regimes(sl_responder *responder, const sl_view *names, size_t count)
{
    SL_NEED(count <= SL_CONFIG_REGIMES_MAX, SL_E_LIMIT);
    for (size_t i = 0; i < count; i++) {
        SL_TRY(sl_arena_dup(&responder->arena, names[i], &responder->regimes[i]));
    }
    responder->regime_count = count;
    return SL_DONE;
}

const sl_incidents *sl_responder_incidents(const sl_responder *responder)
{
    return responder->incidents;
}

static sl_incident_text kept(sl_view text)
{
    sl_incident_text copy = { { 0 } };
    size_t n = text.n > SL_INCIDENT_TEXT_MAX ? SL_INCIDENT_TEXT_MAX : text.n;
    if (n > 0) {
        memcpy(copy.text, text.p, n);
    }
    return copy;
}

static kept_signal signal_of(const sl_leaf *leaf, uint64_t index)
{
    return (kept_signal){
        .id = kept(sl_leaf_text(leaf, "signal")),
        .rule = kept(sl_leaf_text(leaf, "rule")),
        .severity = kept(sl_leaf_text(leaf, "severity")),
        .principal = kept(leaf->principal),
        .compartment = kept(leaf->compartment),
        .target = kept(sl_leaf_text(leaf, "target")),
        .index = index,
        .time_ms = (int64_t)leaf->time_ms,
    };
}

typedef struct {
    sl_res done;
    uint64_t epoch;
    uint64_t duration_us;
    char id[17];
} step_outcome;

/* The event is recorded and folded at once, so that the next plan sees it; when its leaf comes by,
 * folding it again changes nothing but its index. */
static sl_res record(sl_responder *r, const sl_buf *event, int64_t now_ms)
{
    SL_TRY(r->ways.record(r->ways.context, sl_buf_view(event)));
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_leaf_wrap(sl_buf_view(event), "warden", (uint64_t)now_ms, &leaf));
    return sl_incidents_fold(r->incidents, UINT64_MAX, sl_buf_view(&leaf));
}

static sl_res open_incident(sl_responder *r, const kept_signal *signal, const char *id,
                            int64_t now_ms)
{
    sl_event_head head = { .principal = sl_view_str(signal->principal.text),
                           .compartment = sl_view_str(signal->compartment.text) };
    bool grave = strcmp(signal->severity.text, "high") == 0 ||
                 strcmp(signal->severity.text, "critical") == 0;
    sl_event_incident_opened fields = {
        .incident = sl_view_str(id),
        .severity = sl_view_str(signal->severity.text),
        .rule = sl_view_str(signal->rule.text),
        .signal = sl_view_str(signal->id.text),
        .has_signal_index = true,
        .signal_index = signal->index,
        .regimes = { r->regimes, grave ? r->regime_count : 0 },
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_incident_opened(&head, &fields, &event));
    return record(r, &event, now_ms);
}

/* Without this leaf the next warden would take the signal for one that nobody answered. */
static sl_res join_incident(sl_responder *r, const kept_signal *signal, const char *id,
                            int64_t now_ms)
{
    sl_event_head head = { .principal = sl_view_str(signal->principal.text),
                           .compartment = sl_view_str(signal->compartment.text) };
    sl_event_incident_joined fields = { .incident = sl_view_str(id),
                                        .rule = sl_view_str(signal->rule.text),
                                        .signal = sl_view_str(signal->id.text),
                                        .signal_index = signal->index };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_incident_joined(&head, &fields, &event));
    return record(r, &event, now_ms);
}

static sl_res record_taken(sl_responder *r, const sl_plan_step *step, const char *incident,
                           const step_outcome *outcome, int64_t now_ms)
{
    sl_event_action_taken fields = {
        .action = sl_view_str(outcome->id),
        .action_kind = sl_view_str(sl_containment_word(step->kind)),
        .incident = sl_view_str(incident),
        .target = step->target,
        .has_epoch = outcome->epoch != 0,
        .epoch = outcome->epoch,
        .inverse = sl_view_str(sl_containment_inverse(step->kind)),
        .duration_us = outcome->duration_us,
    };
    sl_event_head head = { 0 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_action_taken(&head, &fields, &event));
    return record(r, &event, now_ms);
}

static sl_res record_failed(sl_responder *r, const sl_plan_step *step, const char *incident,
                            const char *action, const char *reason, int64_t now_ms)
{
    sl_event_action_failed fields = {
        .action = sl_view_str(action),
        .action_kind = sl_view_str(sl_containment_word(step->kind)),
        .incident = sl_view_str(incident),
        .reason = sl_view_str(reason),
    };
    sl_event_head head = { 0 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_action_failed(&head, &fields, &event));
    return record(r, &event, now_ms);
}

/* First every step is taken, then everything is written: closing never waits for a leaf. */
static void take_steps(sl_responder *r, const sl_plan *plan, step_outcome *outcomes)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const sl_plan_step *step = &plan->steps[i];
        outcomes[i] = (step_outcome){ .done = SL_DONE };
        if (!step->withheld) {
            uint64_t start_us = r->ways.mono_us(r->ways.context);
            outcomes[i].done =
                r->ways.contain(r->ways.context, step->kind, step->target, &outcomes[i].epoch);
            outcomes[i].duration_us = r->ways.mono_us(r->ways.context) - start_us;
        }
    }
}

static sl_res act(sl_responder *r, const kept_signal *signal, int64_t now_ms)
{
    sl_alarm alarm = { .rule = sl_view_str(signal->rule.text),
                       .principal = sl_view_str(signal->principal.text),
                       .compartment = sl_view_str(signal->compartment.text),
                       .door = sl_view_str(signal->target.text),
                       .process = sl_view_str(signal->target.text) };
    sl_plan plan = sl_respond_plan(r->incidents, r->playbooks, r->playbook_count, &alarm, now_ms);
    sl_view severity = sl_view_str(signal->severity.text);
    bool grave = sl_view_eq(severity, SL_LIT("high")) || sl_view_eq(severity, SL_LIT("critical"));
    if (plan.playbook == NULL && !grave) {
        return SL_DONE; /* it stands in the ledger as a signal; nothing is to be done at once */
    }
    step_outcome outcomes[SL_PLAYBOOK_STEPS_MAX];
    take_steps(r, &plan, outcomes);
    char incident[SL_INCIDENT_TEXT_MAX + 1];
    if (plan.incident != NULL) {
        memcpy(incident, plan.incident->id.text, sizeof(incident));
        SL_TRY(join_incident(r, signal, incident, now_ms));
    } else {
        char id[17];
        SL_TRY(r->ways.fresh_id(r->ways.context, id));
        memcpy(incident, id, sizeof(id));
        SL_TRY(open_incident(r, signal, incident, now_ms));
    }
    for (size_t i = 0; i < plan.step_count; i++) {
        const sl_plan_step *step = &plan.steps[i];
        step_outcome *o = &outcomes[i];
        SL_TRY(r->ways.fresh_id(r->ways.context, o->id));
        if (step->withheld || !sl_ok(o->done)) {
            const char *reason = step->withheld ? "blast_budget" : sl_res_name(o->done);
            SL_TRY(record_failed(r, step, incident, o->id, reason, now_ms));
        } else {
            SL_TRY(record_taken(r, step, incident, o, now_ms));
        }
    }
    return SL_DONE;
}

static void keep_late(sl_responder *r, const kept_signal *signal)
{
    r->late[r->late_count % SL_RESPONDER_LATE_MAX] = *signal;
    r->late_count++;
}

/* ---- undoing ---- */

/* Which containment an approved statement takes back, and on what. */
static bool takes_back(const sl_statement *s, sl_containment *ret_kind, sl_view *ret_target)
{
    switch ((int)s->action) {
    case SL_ACTION_PRINCIPAL_OPEN:
        *ret_kind = SL_CONTAIN_CLOSE_PRINCIPAL;
        *ret_target = sl_view_str(s->principal);
        return true;
    case SL_ACTION_COMPARTMENT_OPEN:
        *ret_kind = SL_CONTAIN_CLOSE_COMPARTMENT;
        *ret_target = sl_view_str(s->compartment);
        return true;
    case SL_ACTION_SITE_OPEN:
        *ret_kind = SL_CONTAIN_CLOSE_SITE;
        *ret_target = SL_LIT("site");
        return true;
    case SL_ACTION_DOOR_OPEN:
        for (unsigned d = 0; d < SL_DOOR_COUNT; d++) {
            if (s->doors == SL_DOOR_BIT(d)) {
                *ret_kind = SL_CONTAIN_CLOSE_DOOR;
                *ret_target = sl_view_str(sl_door_name((sl_door)d));
                return true;
            }
        }
        return false;
    default:
        return false;
    }
}

static sl_res record_undone(sl_responder *r, const sl_incident *incident,
                            const sl_incident_step *step, int64_t now_ms)
{
    static const sl_view none[1];
    sl_event_action_undone fields = { .action = sl_view_str(step->id.text),
                                      .incident = sl_view_str(incident->id.text),
                                      .approvals = { none, 0 } };
    sl_event_head head = { 0 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_action_undone(&head, &fields, &event));
    return record(r, &event, now_ms);
}

static sl_res take_back(sl_responder *r, const sl_leaf *leaf)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_statement s;
    sl_containment kind = SL_CONTAIN_CUT;
    sl_view target = { 0 };
    SL_TRY(sl_base64_decode(sl_leaf_text(leaf, "statement"), &text));
    SL_TRY(sl_statement_decode(sl_buf_view(&text), &s));
    if (!takes_back(&s, &kind, &target)) {
        return SL_DONE;
    }
    for (size_t i = 0; i < sl_incidents_count(r->incidents); i++) {
        const sl_incident *incident = sl_incidents_at(r->incidents, i);
        for (size_t a = 0; a < incident->action_count; a++) {
            const sl_incident_step *step = &incident->actions[a];
            if (step->kind == kind && step->state == SL_STEP_TAKEN &&
                sl_view_eq_str(target, step->target.text)) {
                SL_TRY(record_undone(r, incident, step, (int64_t)leaf->time_ms));
            }
        }
    }
    return SL_DONE;
}

sl_res sl_responder_leaf(sl_responder *r, uint64_t index, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_leaf_read(text, &leaf));
    if (r->live && sl_leaf_is(&leaf, "action.approved")) {
        SL_TRY(take_back(r, &leaf));
    }
    if (!sl_leaf_is(&leaf, "watch.signal")) {
        return sl_incidents_fold(r->incidents, index, text);
    }
    kept_signal signal = signal_of(&leaf, index);
    if (!r->live) {
        keep_late(r, &signal);
        return SL_DONE;
    }
    return act(r, &signal, signal.time_ms);
}

sl_res sl_responder_live(sl_responder *r, int64_t now_ms)
{
    r->live = true;
    size_t n = r->late_count < SL_RESPONDER_LATE_MAX ? r->late_count : SL_RESPONDER_LATE_MAX;
    for (size_t i = r->late_count - n; i < r->late_count; i++) {
        const kept_signal *signal = &r->late[i % SL_RESPONDER_LATE_MAX];
        bool answered = sl_incidents_answered(r->incidents, signal->index);
        if (now_ms - signal->time_ms <= SL_RESPONDER_LATE_MS && !answered) {
            SL_TRY(act(r, signal, now_ms));
        }
    }
    r->late_count = 0;
    return SL_DONE;
}
