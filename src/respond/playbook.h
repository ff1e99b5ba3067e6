/* Playbooks: what is done at once when a rule has spoken. CACAO 2.0 (OASIS) JSON with one declared
 * extension, `stoplog-containment`: on the playbook, which rules it answers; on each action step, which
 * containment it is and on what. A straight line of steps only: start, actions, end. Parallel steps,
 * conditions, loops and commands of other kinds are refused by name, not skipped. Pure. */
#ifndef SL_RESPOND_PLAYBOOK_H
#define SL_RESPOND_PLAYBOOK_H

#include "base/arena.h"
#include "base/json.h"

/* Every containment is reversible (law 6), by the inverse in its row of containments.def. */
typedef enum {
#define X(name, word, inverse, scope) SL_CONTAIN_##name,
#include "respond/containments.def"
#undef X
    SL_CONTAIN_COUNT
} sl_containment;

typedef enum {
    SL_SCOPE_PRINCIPAL,
    SL_SCOPE_COMPARTMENT,
    SL_SCOPE_DOOR,
    SL_SCOPE_PROCESS,
    SL_SCOPE_SITE,
} sl_containment_scope;

const char *sl_containment_word(sl_containment kind);
const char *sl_containment_inverse(sl_containment kind);
sl_containment_scope sl_containment_scope_of(sl_containment kind);
bool sl_containment_by_word(sl_view word, sl_containment *ret_kind);

#define SL_PLAYBOOK_STEPS_MAX ((size_t)8)
#define SL_PLAYBOOK_RULES_MAX ((size_t)16)

typedef struct {
    sl_view id;
    sl_view name;
    sl_view rules
        [SL_PLAYBOOK_RULES_MAX]; /* ids of the watch's rules; "*" at the end: any that begins so */
    size_t rule_count;
    sl_containment steps[SL_PLAYBOOK_STEPS_MAX]; /* in order */
    size_t step_count;
} sl_playbook;

/* Reads one; views live in `arena`. SL_E_UNSUPPORTED names what is not read, SL_E_MISSING_FIELD,
 * SL_E_TYPE; a workflow that loops or points nowhere is SL_E_SYNTAX. */
SL_MUST sl_res sl_playbook_read(sl_view json, sl_arena *arena, sl_playbook *ret_playbook);
bool sl_playbook_answers(const sl_playbook *playbook, sl_view rule);

#endif
