/* Results of drills as a gate reads them: old, missing and unclear ones are never a pass. */
#include "test.h"

#include "drill/results.h"
#include "ledger/event.h"
#include "ledger/events.gen.h"

#define NOW_MS ((int64_t)2000000000000)

static void leaf_of(const char *scenario, const char *result, const char *contained,
                    uint64_t mttc_ms, int64_t age_ms, sl_buf *leaf)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 65536 };
    sl_event_head head = { .door = SL_LIT("ask") };
    sl_event_drill_ended fields = {
        .drill = SL_LIT("00112233"),
        .scenario = sl_view_str(scenario),
        .result = sl_view_str(result),
        .no_effect = SL_LIT("held"),
        .refused = SL_LIT("held"),
        .signalled = SL_LIT("held"),
        .contained = sl_view_str(contained),
        .trials = 5,
        .upper95_ppm = 450000,
        .has_mttc_ms = mttc_ms != 0,
        .mttc_ms = mttc_ms,
        .has_from_size = true,
        .from_size = 7,
        .has_start_ms = true,
        .start_ms = 1000,
    };
    sl_buf_clear(leaf);
    assert_done(sl_emit_drill_ended(&head, &fields, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", (uint64_t)(NOW_MS - age_ms), leaf));
}

static void the_newest_result_of_each_scenario_counts(void **state)
{
    static sl_drill_results results;
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 65536 };
    results = (sl_drill_results){ 0 };
    leaf_of("canary", "fail", "failed", 0, 5000, &leaf);
    sl_drill_results_fold(&results, 1, sl_buf_view(&leaf));
    leaf_of("stolen_key", "pass", "held", 20, 4000, &leaf);
    sl_drill_results_fold(&results, 2, sl_buf_view(&leaf));
    leaf_of("canary", "pass", "held", 30, 3000, &leaf);
    sl_drill_results_fold(&results, 3, sl_buf_view(&leaf));
    sl_drill_results_fold(&results, 4, SL_LIT("{\"no\":\"leaf\"}"));
    leaf_of("canary", "pass", "maybe", 30, 2000, &leaf);
    sl_drill_results_fold(&results, 5, sl_buf_view(&leaf)); /* a word nobody declared */
    assert_int_equal(results.count, 2);
    const sl_drill_record *r = sl_drill_results_of(&results, SL_LIT("canary"));
    assert_int_equal(r->index, 3);
    assert_int_equal(r->result, SL_DRILL_PASS);
    assert_int_equal(r->from_size, 7);
    assert_int_equal(r->start_ms, 1000);
    assert_null(sl_drill_results_of(&results, SL_LIT("tamper_flip")));
}

static void a_gate_passes_nothing_that_was_not_shown(void **state)
{
    static const struct {
        const char *result;
        const char *contained;
        uint64_t mttc_ms;
        int64_t age_ms;
        uint64_t mttc_ms_max;
        sl_drill_result wanted;
    } cases[] = {
        { "pass", "held", 20, 1000, 0, SL_DRILL_PASS },
        { "pass", "held", 20, 1000, 20, SL_DRILL_PASS },
        { "pass", "held", 21, 1000, 20, SL_DRILL_FAIL },
        { "pass", "held", 0, 1000, 20, SL_DRILL_FAIL }, /* nobody said how long it took */
        { "pass", "not_asked", 0, 1000, 20, SL_DRILL_PASS },
        { "pass", "held", 20, 86400001, 0, SL_DRILL_NOT_SHOWN },
        { "fail", "failed", 0, 86400001, 0, SL_DRILL_FAIL }, /* a failure does not age */
        { "not_shown", "held", 20, 1000, 0, SL_DRILL_NOT_SHOWN },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 65536 };
        sl_drill_gate gate = { .age_ms_max = 86400000,
                               .mttc_ms_max = cases[i].mttc_ms_max,
                               .now_ms = NOW_MS };
        sl_drill_record record;
        const char *why = NULL;
        leaf_of("canary", cases[i].result, cases[i].contained, cases[i].mttc_ms, cases[i].age_ms,
                &leaf);
        assert_true(sl_drill_record_read(9, sl_buf_view(&leaf), &record));
        if (sl_drill_gate_one(&gate, &record, &why) != cases[i].wanted) {
            print_error("case %zu: %s\n", i, why);
            fail();
        }
        assert_int_equal(sl_drill_gate_one(&gate, NULL, &why), SL_DRILL_NOT_SHOWN);
    }
}

static void a_record_that_others_do_not_bear_out_is_found(void **state)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 65536 };
    sl_drill_record record;
    sl_drill_judge judge = { 0 };
    leaf_of("canary", "pass", "held", 20, 0, &leaf);
    assert_true(sl_drill_record_read(9, sl_buf_view(&leaf), &record));
    judge.refused.state = judge.signalled.state = judge.contained.state = SL_FACT_HELD;
    assert_true(sl_drill_agrees(&record, &judge));
    judge.contained.state = SL_FACT_PENDING; /* nobody wrote it */
    assert_false(sl_drill_agrees(&record, &judge));
    leaf_of("canary", "fail", "failed", 0, 0, &leaf);
    assert_true(sl_drill_record_read(9, sl_buf_view(&leaf), &record));
    assert_true(sl_drill_agrees(&record, &judge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_result_of_each_scenario_counts),
        cmocka_unit_test(a_gate_passes_nothing_that_was_not_shown),
        cmocka_unit_test(a_record_that_others_do_not_bear_out_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
