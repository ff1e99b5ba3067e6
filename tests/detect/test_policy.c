/* Policies: the first rule that fits decides, the strongest verdict counts, mistakes name a line. */
#include "test.h"

#include "detect/policy.h"

static const char RULES[] = "version: 1\n"
                            "name: test\n"
                            "rules:\n"
                            "  - id: canary\n"
                            "    why: it proves a recitation\n"
                            "    when:\n"
                            "      detector: [canary]\n"
                            "      channel: [answer]\n"
                            "    then: cut\n"
                            "  - id: many-dates\n"
                            "    why: a table of visits\n"
                            "    when:\n"
                            "      class: [date]\n"
                            "      at_least: 3\n"
                            "    then: refuse\n"
                            "  - id: dates\n"
                            "    why: a date or two\n"
                            "    when:\n"
                            "      class: [date]\n"
                            "      score_min: 500\n"
                            "    then: transform\n"
                            "    with: mask\n"
                            "  - id: research\n"
                            "    why: this purpose may see phone numbers\n"
                            "    when:\n"
                            "      group: [contact]\n"
                            "      purpose: [research]\n"
                            "    then: allow\n";

static sl_policy *policy_of(const char *text)
{
    sl_policy *p = NULL;
    assert_done(sl_policy_load(sl_view_str(text), &p));
    return p;
}

static sl_verdict judge(const sl_policy *p, sl_channel channel, const char *purpose,
                        sl_findings *all)
{
    sl_policy_context c = { .door = SL_DOOR_ASK,
                            .channel = channel,
                            .purpose = sl_view_str(purpose) };
    return sl_policy_judge(p, &c, all, 0);
}

static sl_finding finding(sl_detector detector, sl_class kind, uint16_t score)
{
    return (sl_finding){ .start = 0,
                         .end = 4,
                         .detector = (uint8_t)detector,
                         .kind = (uint8_t)kind,
                         .score_permille = score };
}

static void the_first_rule_that_fits_decides(void **state)
{
    sl_policy *p = policy_of(RULES);
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    assert_int_equal(judge(p, SL_CHANNEL_USER, "care", &all), SL_VERDICT_ALLOW);
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, SL_CLASS_DATE, 900)));
    assert_int_equal(judge(p, SL_CHANNEL_USER, "care", &all), SL_VERDICT_TRANSFORM);
    assert_string_equal(sl_policy_rule_id(p, all.items[0].policy_rule), "dates");
    assert_int_equal(all.items[0].transform, SL_TRANSFORM_MASK);
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, SL_CLASS_DATE, 900)));
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, SL_CLASS_DATE, 900)));
    assert_int_equal(judge(p, SL_CHANNEL_USER, "care", &all), SL_VERDICT_REFUSE);
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_CANARY, SL_CLASS_CANARY, 1000)));
    assert_int_equal(judge(p, SL_CHANNEL_ANSWER, "care", &all), SL_VERDICT_CUT);
    sl_policy_free(p);
}

static void what_no_rule_names_is_refused(void **state)
{
    sl_policy *p = policy_of(RULES);
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, SL_CLASS_PHONE, 900)));
    assert_int_equal(judge(p, SL_CHANNEL_USER, "care", &all), SL_VERDICT_REFUSE);
    assert_int_equal(judge(p, SL_CHANNEL_USER, "research", &all), SL_VERDICT_ALLOW);
    all.n = 0;
    assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, SL_CLASS_DATE, 400)));
    assert_int_equal(judge(p, SL_CHANNEL_USER, "research", &all), SL_VERDICT_REFUSE);
    sl_policy_free(p);
}

static void mistakes_name_their_line(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
        uint64_t line;
    } BAD[] = {
        { "version: 1\nrules:\n  - id: a\n    why: b\n    then: maybe\n", SL_E_UNKNOWN_FIELD, 5 },
        { "version: 1\nrules:\n  - id: a\n    why: b\n    when:\n      class: [dates]\n    then: "
          "cut\n",
          SL_E_UNKNOWN_FIELD, 6 },
        { "version: 1\nrules:\n  - id: a\n    why: b\n    whem: date\n    then: cut\n",
          SL_E_UNKNOWN_FIELD, 5 },
        { "version: 1\nrules:\n  - id: a\n    why: b\n    then: transform\n", SL_E_MISSING_FIELD,
          3 },
        { "version: 1\nrules:\n  - id: a\n    why: b\n    then: cut\n  - id: a\n    why: b\n    then: "
          "cut\n",
          SL_E_DUPLICATE, 6 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(BAD); i++) {
        sl_policy *p = NULL;
        assert_code(sl_policy_load(sl_view_str(BAD[i].text), &p), BAD[i].code);
        assert_int_equal(sl_detail_get()->offset, BAD[i].line);
    }
}

static void the_default_policy_decides_for_every_class_everywhere(void **state)
{
    sl_policy *p = NULL;
    assert_done(sl_policy_load_default(&p));
    for (unsigned channel = 0; channel < SL_CHANNEL_COUNT; channel++) {
        for (unsigned kind = 0; kind < SL_CLASS_INSTRUCTION; kind++) {
            if (kind == SL_CLASS_RECORD || kind == SL_CLASS_ROSTER_VALUE ||
                kind == SL_CLASS_CANARY || kind == SL_CLASS_OWN_PSEUDONYM ||
                kind == SL_CLASS_OVERLONG) {
                continue; /* spoken of by their engines */
            }
            SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
            assert_done(sl_findings_add(&all, finding(SL_DETECTOR_PHI, (sl_class)kind, 950)));
            (void)judge(p, (sl_channel)channel, "care", &all);
            if (all.items[0].policy_rule == SL_NO_RULE) {
                fail_msg("no rule for %s in %s", sl_class_name((sl_class)kind),
                         sl_channel_name((sl_channel)channel));
            }
        }
    }
    sl_policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(what_no_rule_names_is_refused),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(the_default_policy_decides_for_every_class_everywhere),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
