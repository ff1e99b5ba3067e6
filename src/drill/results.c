/* Results of drills from leaves (results.h). What is not exactly as declared is no result. */
#include "drill/results.h"

#include "ledger/event.h"

static const char *const fact_words[] = { "not_asked", "pending", "held", "failed" };

const char *sl_fact_word(sl_fact_state state)
{
    return fact_words[state];
}

static bool read_fact(const sl_leaf *leaf, const char *name, sl_fact_state *ret)
{
    for (int s = SL_FACT_NOT_ASKED; s <= SL_FACT_FAILED; s++) {
        if (sl_view_eq_str(sl_leaf_text(leaf, name), fact_words[s])) {
            *ret = (sl_fact_state)s;
            return true;
        }
    }
    return false;
}

static bool read_result(const sl_leaf *leaf, sl_drill_result *ret)
{
    for (int r = SL_DRILL_PASS; r <= SL_DRILL_NOT_SHOWN; r++) {
        if (sl_view_eq_str(sl_leaf_text(leaf, "result"),
                           sl_drill_result_name((sl_drill_result)r))) {
            *ret = (sl_drill_result)r;
            return true;
        }
    }
    return false;
}

bool sl_drill_record_read(uint64_t index, sl_view text, sl_drill_record *ret)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    if (!sl_ok(sl_leaf_read(text, &leaf)) || !sl_leaf_is(&leaf, "drill.ended")) {
        return false;
    }
    sl_drill_record r = { .time_ms = (int64_t)leaf.time_ms, .index = index };
    sl_view scenario = sl_leaf_text(&leaf, "scenario");
    uint64_t start_ms = 0;
    bool whole =
        scenario.n != 0 && scenario.n < sizeof r.scenario && read_result(&leaf, &r.result) &&
        read_fact(&leaf, "no_effect", &r.no_effect) && read_fact(&leaf, "refused", &r.refused) &&
        read_fact(&leaf, "signalled", &r.signalled) &&
        read_fact(&leaf, "contained", &r.contained) && sl_leaf_count(&leaf, "trials", &r.trials) &&
        sl_leaf_count(&leaf, "hits", &r.hits) &&
        sl_leaf_count(&leaf, "upper95_ppm", &r.upper95_ppm);
    if (!whole) {
        return false;
    }
    memcpy(r.scenario, scenario.p, scenario.n);
    if (leaf.principal.n != 0 && leaf.principal.n < sizeof r.principal) {
        memcpy(r.principal, leaf.principal.p, leaf.principal.n);
    }
    (void)sl_leaf_count(&leaf, "mttd_ms", &r.mttd_ms);
    r.has_mttc = sl_leaf_count(&leaf, "mttc_ms", &r.mttc_ms);
    (void)sl_leaf_count(&leaf, "from_size", &r.from_size);
    (void)sl_leaf_count(&leaf, "start_ms", &start_ms);
    r.start_ms = (int64_t)start_ms;
    *ret = r;
    return true;
}

void sl_drill_results_fold(sl_drill_results *results, uint64_t index, sl_view leaf)
{
    sl_drill_record r;
    if (!sl_drill_record_read(index, leaf, &r)) {
        return;
    }
    for (size_t i = 0; i < results->count; i++) {
        if (strcmp(results->newest[i].scenario, r.scenario) == 0) {
            results->newest[i] = r;
            return;
        }
    }
    if (results->count == SL_DRILL_RESULTS_MAX) {
        results->full = true;
        return;
    }
    results->newest[results->count++] = r;
}

const sl_drill_record *sl_drill_results_of(const sl_drill_results *results, sl_view scenario)
{
    for (size_t i = 0; i < results->count; i++) {
        if (sl_view_eq_str(scenario, results->newest[i].scenario)) {
            return &results->newest[i];
        }
    }
    return NULL;
}

/* A fact that nobody's leaf shows has failed, as at the end of a drill. */
static bool same(sl_fact_state recorded, sl_fact_state found)
{
    return recorded == (found == SL_FACT_PENDING ? SL_FACT_FAILED : found);
}

bool sl_drill_agrees(const sl_drill_record *record, const sl_drill_judge *judge)
{
    return same(record->refused, judge->refused.state) &&
           same(record->signalled, judge->signalled.state) &&
           same(record->contained, judge->contained.state);
}

sl_drill_result sl_drill_gate_one(const sl_drill_gate *gate, const sl_drill_record *record,
                                  const char **ret_why)
{
    if (record == NULL) {
        *ret_why = "it never ran";
        return SL_DRILL_NOT_SHOWN;
    }
    if (record->result == SL_DRILL_FAIL) {
        *ret_why = "its last run failed";
        return SL_DRILL_FAIL;
    }
    if (gate->now_ms - record->time_ms > gate->age_ms_max) {
        *ret_why = "its last run is too old";
        return SL_DRILL_NOT_SHOWN;
    }
    if (record->result == SL_DRILL_NOT_SHOWN) {
        *ret_why = "its last run had too few trials";
        return SL_DRILL_NOT_SHOWN;
    }
    if (gate->mttc_ms_max != 0 && record->contained == SL_FACT_HELD &&
        (!record->has_mttc || record->mttc_ms > gate->mttc_ms_max)) {
        *ret_why = "containment took longer than allowed";
        return SL_DRILL_FAIL;
    }
    *ret_why = "its last run passed";
    return SL_DRILL_PASS;
}
