/* Policy files on hostile bytes: they load or are refused with a place; what loads judges every
 * finding and describes itself. */
#include <assert.h>

#include "detect/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_policy(const sl_policy *p)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    for (unsigned kind = 0; kind < SL_CLASS_COUNT; kind++) {
        sl_finding f = { .end = 1,
                         .kind = (uint8_t)kind,
                         .score_permille = 500,
                         .detector = (uint8_t)(kind % SL_DETECTOR_COUNT) };
        sl_res r = sl_findings_add(&all, f);
        assert(sl_ok(r));
    }
    sl_policy_context c = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_USER };
    sl_verdict strongest = sl_policy_judge(p, &c, &all, 0);
    for (size_t i = 0; i < all.n; i++) {
        assert(all.items[i].verdict <= strongest);
        assert(all.items[i].policy_rule != SL_NO_RULE || all.items[i].verdict == SL_VERDICT_REFUSE);
    }
    for (size_t i = 0; i < sl_policy_rule_count(p); i++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
        sl_res r = sl_policy_describe(p, (uint16_t)i, i % 2 == 0, &out);
        assert(sl_ok(r));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_policy *p = NULL;
    if (sl_ok(sl_policy_load(sl_view_of(data, size), &p))) {
        check_policy(p);
        sl_policy_free(p);
    }
    return 0;
}
