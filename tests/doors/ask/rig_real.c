/* The rig with real detection; see rig.h. */
#include "detect/roster.h"
#include "rig.h"

static const uint8_t match_key[32] = { 0x5A, 1, 2, 3 };

void real_rig_init(real_rig *all)
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = 1 << 20 };
    sl_roster_builder *builder = NULL;
    bool person = false;
    bool canary = false;
    rig_init(&all->r);
    assert_done(sl_roster_builder_new(match_key, &builder));
    assert_done(sl_roster_add(builder, SL_CLASS_NAME, SL_LIT(RIG_PERSON), 1, 0, &person));
    assert_done(
        sl_roster_add(builder, SL_CLASS_CANARY, SL_LIT(RIG_CANARY), 2, SL_ROSTER_CANARY, &canary));
    assert_true(person && canary);
    assert_done(sl_roster_finish(builder, &index));
    sl_roster_builder_free(builder);
    assert_done(sl_detect_build_default(&all->detect));
    assert_done(sl_detect_add_roster(all->detect, sl_buf_view(&index), match_key));
    assert_done(sl_scratch_new(all->detect, &all->scratch));
    assert_done(sl_policy_load_default(&all->policy));
    all->r.site.detect = all->detect;
    all->r.site.scratch = all->scratch;
    all->r.site.policy = all->policy;
    for (sl_inject_channel i = 0; i < SL_INJECT_CHANNELS; i++) {
        assert_done(sl_inject_open_default(i, &all->inject.packs[i]));
    }
    assert_done(sl_inject_work_new(&all->inject.work));
    all->r.site.inject = &all->inject;
    assert_done(sl_flow_rules_load_default(&all->flow_rules));
    all->r.site.flow_rules = all->flow_rules;
}

void real_rig_free(real_rig *all)
{
    rig_free(&all->r);
    sl_policy_free(all->policy);
    sl_scratch_free(all->scratch);
    sl_flow_rules_free(all->flow_rules);
    sl_inject_work_free(all->inject.work);
    sl_inject_free(all->inject.packs[SL_INJECT_USER]);
    sl_inject_free(all->inject.packs[SL_INJECT_DATA]);
    sl_detect_free(all->detect);
}
