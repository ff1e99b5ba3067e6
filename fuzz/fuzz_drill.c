/* Scenarios: any bytes are read or refused, and what is read can judge a leaf. */
#include "drill/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    sl_scenario scenario;
    if (!sl_ok(sl_scenario_read(sl_view_of(data, size), &arena, &scenario))) {
        return 0;
    }
    sl_drill_judge judge;
    sl_drill_judge_init(&judge, &scenario, 0);
    sl_drill_judge_leaf(
        &judge, 1,
        SL_LIT("{\"by\":\"ask\",\"event\":{\"fields\":{\"outcome\":\"cut\"},\"type\":"
               "\"ask.outcome\"},\"time\":5,\"v\":1}"));
    sl_drill_judge_trial(&judge, false);
    double upper95 = 0;
    (void)sl_drill_judge_result(&judge, &upper95);
    return 0;
}
