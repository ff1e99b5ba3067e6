/* Incidents and plans (incident.h). Fixed places, no allocation after the start. */
#include "respond/incident.h"

#include "vault/approved.h"

struct sl_incidents {
    sl_incident all[SL_INCIDENTS_MAX];
    size_t count;
    uint64_t answered[SL_INCIDENT_ANSWERED_MAX]; /* a ring of signals that were acted on */
    size_t answered_count;
};

sl_res sl_incidents_new(sl_incidents **ret_incidents)
{
    sl_incidents *incidents = calloc(1, sizeof(*incidents));
    SL_NEED(incidents != NULL, SL_E_MEMORY);
    *ret_incidents = incidents;
    return SL_DONE;
}

void sl_incidents_free(sl_incidents *incidents)
{
    free(incidents);
}

bool sl_incidents_answered(const sl_incidents *incidents, uint64_t signal_index)
{
    size_t n = incidents->answered_count < SL_INCIDENT_ANSWERED_MAX ? incidents->answered_count
                                                                    : SL_INCIDENT_ANSWERED_MAX;
    for (size_t i = 0; i < n; i++) {
        if (incidents->answered[i] == signal_index) {
            return true;
        }
    }
    return false;
}

size_t sl_incidents_count(const sl_incidents *incidents)
{
    return incidents->count;
}

const sl_incident *sl_incidents_at(const sl_incidents *incidents, size_t at)
{
    return &incidents->all[at];
}

static bool is(const sl_incident_text *have, sl_view want)
{
    return sl_view_eq_str(want, have->text);
}

const sl_incident *sl_incidents_find(const sl_incidents *incidents, sl_view id)
{
    for (size_t i = 0; i < incidents->count; i++) {
        if (is(&incidents->all[i].id, id)) {
            return &incidents->all[i];
        }
    }
    return NULL;
}

const sl_incident_step *sl_incident_step_find(const sl_incident *incident, sl_view action)
{
    for (size_t i = 0; i < incident->action_count; i++) {
        if (is(&incident->actions[i].id, action)) {
            return &incident->actions[i];
        }
    }
    return NULL;
}

/* ---- folding ---- */

typedef struct {
    const sl_json_doc *doc;
    const sl_json_node *event;
    const sl_json_node *fields;
    uint64_t index;
    int64_t time_ms;
} leaf_view;

static sl_view text_in(const leaf_view *leaf, const sl_json_node *object, const char *name)
{
    const sl_json_node *node = sl_json_get_kind(leaf->doc, object, name, SL_JSON_STRING);
    return node == NULL || node->escaped ? (sl_view){ 0 } : node->raw;
}

static sl_view field(const leaf_view *leaf, const char *name)
{
    return text_in(leaf, leaf->fields, name);
}

static uint64_t number(const leaf_view *leaf, const char *name, uint64_t absent)
{
    uint64_t value = absent;
    const sl_json_node *node = sl_json_get(leaf->doc, leaf->fields, name);
    return node != NULL && sl_ok(sl_json_u64(node, &value)) ? value : absent;
}

static sl_incident_text copy_of(sl_view text)
{
    sl_incident_text copy = { { 0 } };
    size_t n = text.n > SL_INCIDENT_TEXT_MAX ? SL_INCIDENT_TEXT_MAX : text.n;
    if (n > 0) {
        memcpy(copy.text, text.p, n);
    }
    return copy;
}

static sl_res make_place(sl_incidents *incidents, sl_incident **ret_place)
{
    if (incidents->count == SL_INCIDENTS_MAX) {
        size_t old = 0;
        while (old < incidents->count && incidents->all[old].closed_ms == 0) {
            old++;
        }
        SL_NEED(old < incidents->count, SL_E_LIMIT);
        incidents->count--;
        memmove(&incidents->all[old], &incidents->all[old + 1],
                (incidents->count - old) * sizeof(incidents->all[0]));
    }
    *ret_place = &incidents->all[incidents->count++];
    return SL_DONE;
}

static sl_incident *incident_of(sl_incidents *incidents, const leaf_view *leaf)
{
    sl_view id = field(leaf, "incident");
    for (size_t i = 0; i < incidents->count; i++) {
        if (id.n > 0 && is(&incidents->all[i].id, id)) {
            return &incidents->all[i];
        }
    }
    return NULL;
}

static void note_answered(sl_incidents *incidents, const leaf_view *leaf)
{
    uint64_t signal = number(leaf, "signal_index", UINT64_MAX);
    if (signal != UINT64_MAX && !sl_incidents_answered(incidents, signal)) {
        incidents->answered[incidents->answered_count++ % SL_INCIDENT_ANSWERED_MAX] = signal;
    }
}

static sl_res fold_opened(sl_incidents *incidents, const leaf_view *leaf)
{
    sl_incident *place = incident_of(incidents, leaf);
    note_answered(incidents, leaf);
    if (place != NULL) { /* folded when it was recorded; now it has its index */
        place->index = leaf->index;
        return SL_DONE;
    }
    SL_TRY(make_place(incidents, &place));
    *place = (sl_incident){
        .id = copy_of(field(leaf, "incident")),
        .severity = copy_of(field(leaf, "severity")),
        .rule = copy_of(field(leaf, "rule")),
        .principal = copy_of(text_in(leaf, leaf->event, "principal")),
        .compartment = copy_of(text_in(leaf, leaf->event, "compartment")),
        .index = leaf->index,
        .signal_index = number(leaf, "signal_index", UINT64_MAX),
        .opened_ms = leaf->time_ms,
    };
    return SL_DONE;
}

static sl_res fold_action(sl_incidents *incidents, const leaf_view *leaf, sl_step_state state)
{
    sl_incident *incident = incident_of(incidents, leaf);
    sl_containment kind = SL_CONTAIN_CUT;
    if (incident == NULL || !sl_containment_by_word(field(leaf, "action_kind"), &kind)) {
        return SL_DONE; /* an operator's own act outside any incident, or one of a later version */
    }
    for (size_t i = 0; i < incident->action_count; i++) {
        if (is(&incident->actions[i].id, field(leaf, "action"))) {
            incident->actions[i].index = leaf->index;
            return SL_DONE;
        }
    }
    SL_NEED(incident->action_count < SL_INCIDENT_STEPS_MAX, SL_E_LIMIT);
    incident->actions[incident->action_count++] = (sl_incident_step){
        .id = copy_of(field(leaf, "action")),
        .kind = kind,
        .target = copy_of(field(leaf, "target")),
        .state = state,
        .index = leaf->index,
        .time_ms = leaf->time_ms,
        .epoch = number(leaf, "epoch", 0),
        .duration_us = number(leaf, "duration_us", 0),
    };
    return SL_DONE;
}

static void fold_undone(sl_incidents *incidents, const leaf_view *leaf)
{
    sl_view id = field(leaf, "action");
    for (size_t i = 0; i < incidents->count; i++) {
        for (size_t a = 0; a < incidents->all[i].action_count; a++) {
            sl_incident_step *action = &incidents->all[i].actions[a];
            if (id.n > 0 && is(&action->id, id)) {
                action->state = SL_STEP_UNDONE;
                action->index = leaf->index;
            }
        }
    }
}

static sl_res fold_one(sl_incidents *incidents, uint64_t index, sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    leaf_view leaf = { .doc = &doc, .index = index };
    leaf.event = sl_json_get(&doc, sl_json_root(&doc), "event");
    leaf.fields = sl_json_get(&doc, leaf.event, "fields");
    SL_TRY(sl_json_i64(sl_json_get(&doc, sl_json_root(&doc), "time"), &leaf.time_ms));
    sl_view type = text_in(&leaf, leaf.event, "type");
    if (sl_view_eq(type, SL_LIT("incident.opened"))) {
        return fold_opened(incidents, &leaf);
    }
    if (sl_view_eq(type, SL_LIT("action.taken"))) {
        return fold_action(incidents, &leaf, SL_STEP_TAKEN);
    }
    if (sl_view_eq(type, SL_LIT("action.failed"))) {
        return fold_action(incidents, &leaf, SL_STEP_FAILED);
    }
    if (sl_view_eq(type, SL_LIT("incident.joined"))) {
        note_answered(incidents, &leaf);
    } else if (sl_view_eq(type, SL_LIT("action.undone"))) {
        fold_undone(incidents, &leaf);
    } else if (sl_view_eq(type, SL_LIT("incident.closed"))) {
        sl_incident *incident = incident_of(incidents, &leaf);
        if (incident != NULL) {
            incident->closed_ms = leaf.time_ms;
        }
    }
    return SL_DONE;
}

sl_res sl_incidents_fold(sl_incidents *incidents, uint64_t index, sl_view text)
{
    SL_OWN(sl_buf, unfolded, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    bool approved = false;
    SL_TRY(sl_approved_unfold(text, &unfolded, &approved)); /* a person closed one */
    return fold_one(incidents, index, approved ? sl_buf_view(&unfolded) : text);
}

/* ---- planning ---- */

/* Alarms of one principal or compartment are one case; those of neither are one only by the same rule. */
static const sl_incident *open_incident(const sl_incidents *incidents, const sl_alarm *alarm)
{
    for (size_t i = incidents->count; i-- > 0;) {
        const sl_incident *one = &incidents->all[i];
        bool somebodys = alarm->principal.n != 0 || alarm->compartment.n != 0;
        if (one->closed_ms == 0 && is(&one->principal, alarm->principal) &&
            is(&one->compartment, alarm->compartment) &&
            (somebodys || is(&one->rule, alarm->rule))) {
            return one;
        }
    }
    return NULL;
}

static sl_view target_of(sl_containment kind, const sl_alarm *alarm)
{
    switch (sl_containment_scope_of(kind)) {
    case SL_SCOPE_PRINCIPAL:
        return alarm->principal;
    case SL_SCOPE_COMPARTMENT:
        return alarm->compartment;
    case SL_SCOPE_DOOR:
        return alarm->door;
    case SL_SCOPE_PROCESS:
        return alarm->process;
    case SL_SCOPE_SITE:
    default:
        return SL_LIT("site");
    }
}

/* A cut is over at once, and a killed process is started again: both may be taken again. */
static bool is_over_at_once(sl_containment kind)
{
    return kind == SL_CONTAIN_CUT || kind == SL_CONTAIN_KILL_PROCESS;
}

/* Does this step stand: taken in any incident and not undone? */
static bool stands(const sl_incidents *incidents, sl_containment kind, sl_view target)
{
    for (size_t i = 0; !is_over_at_once(kind) && i < incidents->count; i++) {
        for (size_t a = 0; a < incidents->all[i].action_count; a++) {
            const sl_incident_step *action = &incidents->all[i].actions[a];
            if (action->kind == kind && action->state == SL_STEP_TAKEN &&
                is(&action->target, target)) {
                return true;
            }
        }
    }
    return false;
}

/* Targets of this scope that automation has closed within the window; the same target counts once. */
static size_t closed_lately(const sl_incidents *incidents, sl_containment_scope scope,
                            int64_t now_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < incidents->count; i++) {
        for (size_t a = 0; a < incidents->all[i].action_count; a++) {
            const sl_incident_step *action = &incidents->all[i].actions[a];
            bool counts = action->state == SL_STEP_TAKEN && action->kind != SL_CONTAIN_CUT &&
                          sl_containment_scope_of(action->kind) == scope &&
                          now_ms - action->time_ms < SL_BLAST_WINDOW_MS;
            n += counts;
        }
    }
    return n;
}

static bool over_blast(const sl_incidents *incidents, sl_containment kind, int64_t now_ms)
{
    if (kind == SL_CONTAIN_CUT) {
        return false; /* harms one answer and is over */
    }
    sl_containment_scope scope = sl_containment_scope_of(kind);
    size_t most = SL_BLAST_DOORS_MAX;
    if (scope == SL_SCOPE_PRINCIPAL) {
        most = SL_BLAST_PRINCIPALS_MAX;
    } else if (scope == SL_SCOPE_COMPARTMENT) {
        most = SL_BLAST_COMPARTMENTS_MAX * 2; /* its valve and its keys are two steps */
    } else if (scope == SL_SCOPE_PROCESS) {
        most = SL_BLAST_PROCESSES_MAX;
    }
    return closed_lately(incidents, scope, now_ms) >= most;
}

sl_plan sl_respond_plan(const sl_incidents *incidents, const sl_playbook *playbooks, size_t count,
                        const sl_alarm *alarm, int64_t now_ms)
{
    sl_plan plan = { .incident = open_incident(incidents, alarm) };
    for (size_t i = 0; i < count && plan.playbook == NULL; i++) {
        if (sl_playbook_answers(&playbooks[i], alarm->rule)) {
            plan.playbook = &playbooks[i];
        }
    }
    for (size_t s = 0; plan.playbook != NULL && s < plan.playbook->step_count; s++) {
        sl_containment kind = plan.playbook->steps[s];
        sl_view target = target_of(kind, alarm);
        if (target.n == 0 || stands(incidents, kind, target)) {
            continue;
        }
        plan.steps[plan.step_count++] = (sl_plan_step){
            .kind = kind, .target = target, .withheld = over_blast(incidents, kind, now_ms)
        };
    }
    return plan;
}
