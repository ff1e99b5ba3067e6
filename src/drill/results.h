/* What drills have shown so far: the newest result of each scenario, folded from the leaves drill.ended. The
 * leaf is the drill's own word; what it claims can be judged again from the leaves of others. Pure. */
#ifndef SL_DRILL_RESULTS_H
#define SL_DRILL_RESULTS_H

#include "drill/scenario.h"

#define SL_DRILL_RESULTS_MAX ((size_t)64)

typedef struct {
    char scenario[SL_NAME_BYTES_MAX + 1];
    char principal[SL_DRILL_ID_MAX + 1]; /* whom the drill was; empty: nobody, or not said */
    sl_drill_result result;
    sl_fact_state no_effect;
    sl_fact_state refused;
    sl_fact_state signalled;
    sl_fact_state contained;
    uint64_t trials;
    uint64_t hits;
    uint64_t upper95_ppm;
    bool has_mttc;
    uint64_t mttd_ms;
    uint64_t mttc_ms;
    uint64_t from_size; /* leaves before it are older than the drill; 0: not said */
    int64_t start_ms;   /* of the attack; 0: not said */
    int64_t time_ms;    /* of the leaf */
    uint64_t index;     /* of the leaf */
} sl_drill_record;

typedef struct {
    sl_drill_record newest[SL_DRILL_RESULTS_MAX];
    size_t count;
    bool full; /* a scenario did not find room: whoever asks must not take silence for good news */
} sl_drill_results;

/* Reads a leaf; false when it is no drill.ended of a form that this program knows. */
bool sl_drill_record_read(uint64_t index, sl_view leaf, sl_drill_record *ret);
/* Takes a leaf in; others than drill.ended are passed over. */
void sl_drill_results_fold(sl_drill_results *results, uint64_t index, sl_view leaf);
/* NULL: it never ran. */
const sl_drill_record *sl_drill_results_of(const sl_drill_results *results, sl_view scenario);

const char *sl_fact_word(sl_fact_state state);

/* Does what `judge` found in the leaves of others agree with the record? */
bool sl_drill_agrees(const sl_drill_record *record, const sl_drill_judge *judge);

/* What a gate asks. */
typedef struct {
    int64_t age_ms_max;   /* an older result shows nothing */
    uint64_t mttc_ms_max; /* 0: not asked */
    int64_t now_ms;
} sl_drill_gate;

/* One scenario: SL_DRILL_PASS, _FAIL, or _NOT_SHOWN when it never ran, is too old or showed nothing. `ret_why` is
 * a literal. */
sl_drill_result sl_drill_gate_one(const sl_drill_gate *gate, const sl_drill_record *record,
                                  const char **ret_why);

#endif
