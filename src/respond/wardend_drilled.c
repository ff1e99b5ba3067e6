/* What drills and the standing probe show, told as leaves (wardend_internal.h): which containment was tried and held,
 * which weakness was found, which ways out were closed. The drill's own word counts for the weakness alone; that a
 * containment was taken is read from the warden's own leaves. */
#include "base/clock.h"
#include "base/log.h"
#include "ledger/events.gen.h"
#include "respond/probe_link.h"
#include "respond/wardend_internal.h"

/* Evidence of a day; the check wants it within six hours. */
#define PROBE_EVERY_MS ((uint64_t)5 * 3600 * 1000)
/* Numbers of commands' tickets are small. */
#define PROBE_ID (UINT64_C(1) << 62)

static void append(daemon_state *d, sl_res emitted, const sl_buf *event)
{
    sl_res r = sl_ok(emitted) ? sl_warden_append(d->warden, sl_buf_view(event), 0) : emitted;
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "what a drill showed could not be recorded", r);
    }
}

static void say_tested(daemon_state *d, const sl_incident_step *step, sl_view door, bool held)
{
    sl_event_head head = { 0 };
    sl_event_respond_tested fields = { .action_kind = sl_view_str(sl_containment_word(step->kind)),
                                       .door = door,
                                       .ok = held && step->state != SL_STEP_FAILED,
                                       .duration_ms = step->duration_us / 1000 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    append(d, sl_emit_respond_tested(&head, &fields, &event), &event);
}

static void say_finding(daemon_state *d, const sl_leaf *leaf)
{
    sl_event_head head = { 0 };
    sl_event_finding_opened fields = { .finding = sl_leaf_text(leaf, "drill"),
                                       .severity = SL_LIT("high"),
                                       .scenario = sl_leaf_text(leaf, "scenario") };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    append(d, sl_emit_finding_opened(&head, &fields, &event), &event);
}

/* Every step that the warden took while the drill ran was tried by it. */
void sl_wardend_drilled(daemon_state *d, uint64_t index, const sl_leaf *leaf)
{
    uint64_t from = 0;
    if (!d->serving || !sl_leaf_is(leaf, "drill.ended") || !sl_view_eq_str(leaf->by, "warden")) {
        return;
    }
    if (sl_view_eq_str(sl_leaf_text(leaf, "result"), "fail")) {
        say_finding(d, leaf);
    }
    if (!sl_leaf_count(leaf, "from_size", &from)) {
        return;
    }
    bool held = sl_view_eq_str(sl_leaf_text(leaf, "contained"), "held");
    const sl_incidents *incidents = sl_responder_incidents(d->responder);
    for (size_t i = 0; i < sl_incidents_count(incidents); i++) {
        const sl_incident *incident = sl_incidents_at(incidents, i);
        for (size_t s = 0; s < incident->action_count; s++) {
            const sl_incident_step *step = &incident->actions[s];
            if (step->index >= from && step->index < index && step->state != SL_STEP_UNDONE) {
                say_tested(d, step, leaf->door, held);
            }
        }
    }
}

/* ---- the probe ---- */

static const char *const way_names[SL_EGRESS_WAYS] = {
#define X(name, ...) #name,
#include "respond/egress_ways.def"
#undef X
};

void sl_wardend_ask_probe(daemon_state *d)
{
    uint64_t now = sl_clock_boot_ns() / 1000000;
    if (d->probe == NULL || (d->probed_ms != 0 && now - d->probed_ms < PROBE_EVERY_MS)) {
        return;
    }
    sl_res sent = sl_ipc_send(d->probe, SL_PROBE_EGRESS, PROBE_ID, (sl_view){ NULL, 0 });
    d->probed_ms = sl_ok(sent) ? now : d->probed_ms;
}

bool sl_wardend_probed(daemon_state *d, const sl_ipc_msg *msg)
{
    if (msg->id != PROBE_ID) {
        return false;
    }
    for (size_t i = 0; msg->type == SL_IPC_OK && i < SL_EGRESS_WAYS && i < msg->body.n; i++) {
        sl_event_head head = { 0 };
        sl_event_probe_egress fields = { .method = sl_view_str(way_names[i]),
                                         .blocked = msg->body.p[i] == 0 };
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        append(d, sl_emit_probe_egress(&head, &fields, &event), &event);
    }
    return true;
}
