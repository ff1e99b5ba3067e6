/* Incidents: folded from leaves (law 5), so that the warden after a restart, `incident list` and an
 * auditor all see the same; and the plan: which containment a signal asks for now. Pure.
 *
 * Signals about the same principal and compartment belong to one open incident. A step that was taken
 * and not undone is not taken twice. Automation has a budget, so that an attacker cannot use it to
 * close everybody out: beyond it a step is planned as `withheld` and waits for an operator. */
#ifndef SL_RESPOND_INCIDENT_H
#define SL_RESPOND_INCIDENT_H

#include "respond/playbook.h"

#define SL_INCIDENTS_MAX ((size_t)1024)
#define SL_INCIDENT_STEPS_MAX ((size_t)32)
#define SL_INCIDENT_TEXT_MAX ((size_t)64)
#define SL_INCIDENT_ANSWERED_MAX ((size_t)256)

/* In any ten minutes automation closes at most this many of each scope. What people have undone since does
 * not count: somebody has looked. */
#define SL_BLAST_WINDOW_MS ((int64_t)600000)
#define SL_BLAST_PRINCIPALS_MAX ((size_t)10)
#define SL_BLAST_COMPARTMENTS_MAX ((size_t)2)
#define SL_BLAST_DOORS_MAX ((size_t)1)
#define SL_BLAST_PROCESSES_MAX ((size_t)5)

typedef struct {
    char text[SL_INCIDENT_TEXT_MAX + 1];
} sl_incident_text; /* ids and words of leaves fit (event.h) */

typedef enum { SL_STEP_TAKEN, SL_STEP_UNDONE, SL_STEP_FAILED } sl_step_state;

typedef struct {
    sl_incident_text id;
    sl_containment kind;
    sl_incident_text target;
    sl_step_state state;
    uint64_t index;  /* of the leaf that says so last */
    int64_t time_ms; /* when it was taken */
    uint64_t epoch;
    uint64_t duration_us;
} sl_incident_step;

typedef struct {
    sl_incident_text id;
    sl_incident_text severity;
    sl_incident_text rule;
    sl_incident_text principal;
    sl_incident_text compartment;
    uint64_t index;        /* of the leaf that opened it */
    uint64_t signal_index; /* of the signal's leaf; UINT64_MAX: none */
    int64_t opened_ms;
    int64_t closed_ms; /* 0: open */
    sl_incident_step actions[SL_INCIDENT_STEPS_MAX];
    size_t action_count;
} sl_incident;

typedef struct sl_incidents sl_incidents;

SL_MUST sl_res sl_incidents_new(sl_incidents **ret_incidents);
void sl_incidents_free(sl_incidents *incidents);
/* One leaf in the order of the ledger; leaves of other kinds are passed over. Folding the same leaf
 * again changes nothing but its index (the responder folds before the leaf is durable, with index
 * UINT64_MAX). When all places are taken the oldest closed incident is forgotten; if none is closed, SL_E_LIMIT. */
SL_MUST sl_res sl_incidents_fold(sl_incidents *incidents, uint64_t index, sl_view leaf);
/* Was the signal with this leaf acted on, as the leaves of incidents say? The newest SL_INCIDENT_ANSWERED_MAX are kept. */
bool sl_incidents_answered(const sl_incidents *incidents, uint64_t signal_index);
size_t sl_incidents_count(const sl_incidents *incidents);
/* In the order of their opening. */
const sl_incident *sl_incidents_at(const sl_incidents *incidents, size_t at);
/* NULL if there is none. */
const sl_incident *sl_incidents_find(const sl_incidents *incidents, sl_view id);
const sl_incident_step *sl_incident_step_find(const sl_incident *incident, sl_view action);

/* What the watch said. Views are borrowed; empty ones are absent. */
typedef struct {
    sl_view rule;
    sl_view principal;
    sl_view compartment;
    sl_view door;
    sl_view process;
} sl_alarm;

typedef struct {
    sl_containment kind;
    sl_view target; /* borrowed from the alarm; empty for the site */
    bool withheld;  /* over the budget of automation: an operator decides */
} sl_plan_step;

typedef struct {
    const sl_playbook *playbook; /* NULL: none answers; the incident is opened all the same */
    const sl_incident *incident; /* the open one that it belongs to, or NULL */
    sl_plan_step steps[SL_PLAYBOOK_STEPS_MAX];
    size_t step_count;
} sl_plan;

/* The first playbook that answers the rule decides. Steps whose target the alarm does not name, and
 * steps that stand already, are left out. */
sl_plan sl_respond_plan(const sl_incidents *incidents, const sl_playbook *playbooks, size_t count,
                        const sl_alarm *alarm, int64_t now_ms);

#endif
