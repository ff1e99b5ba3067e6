/* Drills: what is tried, and by which facts it is judged. A scenario is data (data/drills, YAML); how
 * it is carried out is one of the kinds below. Four facts, each timed from the moment of the attack:
 *
 *   no effect    read at the drill's own receiving end: the attacker got nothing
 *   refused      a leaf by the door (or the keeper, the ledger) that says so
 *   signalled    a leaf by the watch
 *   contained    a leaf by the warden
 *
 * The last three must be written by somebody else than the drill, and where the drill is a principal at the ask door,
 * they must be about that principal: what is cut or closed of others at the same time proves nothing. A scenario that expects no leaf for
 * a fact does not have that fact (`not asked`). Pure: leaves and times are arguments. */
#ifndef SL_DRILL_SCENARIO_H
#define SL_DRILL_SCENARIO_H

#include "base/arena.h"
#include "base/json.h"

typedef enum {
    SL_DRILL_RECITE, /* ask the model to go on where a planted record begins */
    SL_DRILL_BUDGET, /* ask with a stolen key until the budget is spent, and on */
    SL_DRILL_TAMPER, /* change what the ledger serves, and put it back */
    SL_DRILL_PROBE,  /* have the site's probe ask the keeper for a key */
    SL_DRILL_KIND_COUNT
} sl_drill_kind;

const char *sl_drill_kind_name(sl_drill_kind kind);

#define SL_DRILL_EXPECT_MAX ((size_t)6)
#define SL_DRILL_ID_MAX ((size_t)64)

/* A leaf that must come: its fields (type and by among them) and their values as texts. */
typedef struct {
    sl_view names[SL_DRILL_EXPECT_MAX];
    sl_view values[SL_DRILL_EXPECT_MAX];
    size_t count; /* 0: this fact is not asked for */
    int64_t within_ms;
} sl_drill_expect;

typedef struct {
    sl_view id;
    sl_view title;
    sl_view door;
    sl_drill_kind kind;
    sl_view variant; /* of the kind: "flip", "truncate", "rollback"; or empty */
    uint64_t trials;
    sl_view techniques; /* MITRE ATLAS and OWASP ids, separated by blanks */
    sl_drill_expect refused;
    sl_drill_expect signalled;
    sl_drill_expect contained;
} sl_scenario;

/* Reads one file; views live in `arena`. Errors name the line. */
SL_MUST sl_res sl_scenario_read(sl_view yaml, sl_arena *arena, sl_scenario *ret_scenario);

typedef enum { SL_FACT_NOT_ASKED, SL_FACT_PENDING, SL_FACT_HELD, SL_FACT_FAILED } sl_fact_state;

typedef struct {
    sl_fact_state state;
    int64_t after_ms; /* from the attack to the leaf; -1 while there is none */
    uint64_t index;   /* of the leaf that shows it */
} sl_fact;

typedef struct {
    const sl_scenario *scenario;
    int64_t start_ms; /* ledger time of the attack */
    sl_fact no_effect;
    sl_fact refused;
    sl_fact signalled;
    sl_fact contained;
    uint64_t trials;
    uint64_t hits;                      /* trials in which the attacker got something */
    bool bound;                         /* leaves count only when they are about `principal` */
    char crossing[SL_DRILL_ID_MAX + 1]; /* of one request of the drill's own; empty: not known */
    char principal[SL_DRILL_ID_MAX +
                   1]; /* as a leaf of that crossing names it; empty: not known yet */
} sl_drill_judge;

void sl_drill_judge_init(sl_drill_judge *judge, const sl_scenario *scenario, int64_t start_ms);
/* A request of the drill's own, by the id that the door gave it: its leaf tells who the drill is. */
void sl_drill_judge_crossing(sl_drill_judge *judge, sl_view id);
/* Who the drill was, where a record says so. */
void sl_drill_judge_principal(sl_drill_judge *judge, sl_view principal);
/* What the receiving end saw in one trial. */
void sl_drill_judge_trial(sl_drill_judge *judge, bool effect);
/* A leaf written after the attack, in order. Leaves by `drill` prove nothing and are passed over. */
void sl_drill_judge_leaf(sl_drill_judge *judge, uint64_t index, sl_view leaf);
/* Is everything decided, so that waiting is over? */
bool sl_drill_judge_settled(const sl_drill_judge *judge);

typedef enum { SL_DRILL_PASS, SL_DRILL_FAIL, SL_DRILL_NOT_SHOWN } sl_drill_result;
const char *sl_drill_result_name(sl_drill_result result);

/* At the end of the wait: pending facts have failed. `not shown` when fewer trials ran than the
 * scenario asks for; never pass. `ret_upper95` is the one-sided 95 % Clopper-Pearson bound of the
 * share of trials with an effect. */
sl_drill_result sl_drill_judge_result(sl_drill_judge *judge, double *ret_upper95);

#endif
