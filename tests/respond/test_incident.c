/* Playbooks as shipped, incidents folded from leaves, and what is planned when a rule speaks. */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "respond/incident.h"

#define NOW_MS ((int64_t)2000000000000)

static sl_arena arena = { .max = 4 * SL_MIB };
static sl_playbook playbooks[4];

static int load_playbooks(void **state)
{
    static const char *const names[] = { "leak", "stolen_key", "tampered_ledger", "rogue_process" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/data/playbooks/%s.json", SL_SOURCE_ROOT, names[i]);
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 * SL_MIB };
        sl_res r = sl_file_read(AT_FDCWD, path, &text);
        if (sl_ok(r)) {
            r = sl_playbook_read(sl_buf_view(&text), &arena, &playbooks[i]);
        }
        if (!sl_ok(r)) {
            print_error("%s: %s (%s)\n", names[i], sl_res_name(r), sl_detail_get()->field);
            return -1;
        }
    }
    return 0;
}

static int drop_playbooks(void **state)
{
    sl_arena_free(&arena);
    return 0;
}

static uint64_t next_index;

static sl_res fold(sl_incidents *incidents, int64_t age_ms, const char *type, const char *head,
                   const char *fields)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&leaf,
                       "{\"by\":\"warden\",\"event\":{%s\"fields\":{%s},\"type\":\"%s\"},"
                       "\"time\":%lld,\"v\":1}",
                       head, fields, type, (long long)(NOW_MS - age_ms)));
    return sl_incidents_fold(incidents, next_index++, sl_buf_view(&leaf));
}

static sl_alarm alarm_of(const char *rule, const char *principal, const char *compartment)
{
    return (sl_alarm){ .rule = sl_view_str(rule),
                       .principal = sl_view_str(principal),
                       .compartment = sl_view_str(compartment),
                       .door = SL_LIT("ask") };
}

static void a_leak_cuts_closes_and_unloads(void **state)
{
    sl_incidents *incidents = NULL;
    assert_done(sl_incidents_new(&incidents));
    sl_alarm alarm = alarm_of("canary_released", "p1", "c1");
    sl_plan plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_null(plan.incident);
    assert_int_equal(plan.step_count, 3);
    assert_int_equal(plan.steps[0].kind, SL_CONTAIN_CUT);
    assert_view(plan.steps[0].target, "p1");
    assert_int_equal(plan.steps[1].kind, SL_CONTAIN_CLOSE_PRINCIPAL);
    assert_int_equal(plan.steps[2].kind, SL_CONTAIN_REVOKE_LEASE);
    assert_view(plan.steps[2].target, "c1");

    alarm = alarm_of("proof_failed", "", "");
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].kind, SL_CONTAIN_CLOSE_SITE);

    alarm = alarm_of("lease_refused", "", ""); /* names neither a process nor a compartment */
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_non_null(plan.playbook);
    assert_int_equal(plan.step_count, 0);

    alarm = alarm_of("process_died", "", "");
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_null(plan.playbook);
    sl_incidents_free(incidents);
}

#define P1C1 "\"compartment\":\"c1\",\"principal\":\"p1\","
#define OPENED(id)                                                                                 \
    "\"incident\":\"" id                                                                           \
    "\",\"rule\":\"canary_released\",\"severity\":\"critical\",\"signal_index\":7"
#define TAKEN(id, action, kind, target)                                                            \
    "\"action\":\"" action "\",\"action_kind\":\"" kind "\",\"duration_us\":90,\"epoch\":4,"       \
    "\"incident\":\"" id "\",\"target\":\"" target "\""

static void standing_steps_are_not_taken_twice_and_undone_ones_are(void **state)
{
    sl_incidents *incidents = NULL;
    assert_done(sl_incidents_new(&incidents));
    assert_done(fold(incidents, 900, "incident.opened", P1C1, OPENED("i1")));
    assert_done(fold(incidents, 890, "action.taken", "", TAKEN("i1", "a1", "cut", "p1")));
    assert_done(
        fold(incidents, 880, "action.taken", "", TAKEN("i1", "a2", "close_principal", "p1")));
    sl_alarm alarm = alarm_of("canary_released", "p1", "c1");
    sl_plan plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_non_null(plan.incident);
    assert_string_equal(plan.incident->id.text, "i1");
    assert_int_equal(plan.step_count, 2); /* cut again, keys; the door is closed already */
    assert_int_equal(plan.steps[1].kind, SL_CONTAIN_REVOKE_LEASE);

    assert_done(fold(incidents, 100, "action.undone", "", "\"action\":\"a2\",\"approvals\":[]"));
    const sl_incident_step *action =
        sl_incident_step_find(sl_incidents_find(incidents, SL_LIT("i1")), SL_LIT("a2"));
    assert_int_equal(action->state, SL_STEP_UNDONE);
    assert_int_equal(action->duration_us, 90);
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_int_equal(plan.step_count, 3);

    assert_done(
        fold(incidents, 50, "incident.closed", "", "\"cause\":\"drill\",\"incident\":\"i1\""));
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_null(plan.incident);
    alarm = alarm_of("canary_released", "p2", "c1");
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_null(plan.incident);
    sl_incidents_free(incidents);
}

static void automation_cannot_close_everybody_out(void **state)
{
    sl_incidents *incidents = NULL;
    assert_done(sl_incidents_new(&incidents));
    for (size_t i = 0; i < SL_BLAST_PRINCIPALS_MAX; i++) {
        char opened[256];
        char taken[256];
        (void)snprintf(opened, sizeof(opened), OPENED("i%zu"), i);
        (void)snprintf(taken, sizeof(taken), TAKEN("i%zu", "a%zu", "close_principal", "p%zu"), i, i,
                       i);
        assert_done(fold(incidents, 1000, "incident.opened", "", opened));
        assert_done(fold(incidents, 1000, "action.taken", "", taken));
    }
    sl_alarm alarm = alarm_of("budget_requests", "p99", "");
    sl_plan plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_int_equal(plan.step_count, 2);
    assert_false(plan.steps[0].withheld); /* one answer may always be cut */
    assert_true(plan.steps[1].withheld);
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS + SL_BLAST_WINDOW_MS);
    assert_false(plan.steps[1].withheld);
    sl_incidents_free(incidents);
}

static void what_people_undid_does_not_count_and_rules_are_cases_of_their_own(void **state)
{
    sl_incidents *incidents = NULL;
    assert_done(sl_incidents_new(&incidents));
    const char *opened = "\"incident\":\"i1\",\"rule\":\"proof_failed\",\"severity\":\"critical\","
                         "\"signal_index\":7";
    assert_done(fold(incidents, 900, "incident.opened", "", opened));
    assert_done(fold(incidents, 900, "action.taken", "", TAKEN("i1", "a1", "close_site", "site")));
    sl_alarm alarm = alarm_of("lease_refused", "", "");
    alarm.process = SL_LIT("probe");
    sl_plan plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_null(plan.incident); /* another rule, and nobody's: another case */
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].kind, SL_CONTAIN_KILL_PROCESS);
    assert_false(plan.steps[0].withheld);
    assert_done(
        fold(incidents, 800, "action.taken", "", TAKEN("i1", "a2", "kill_process", "probe")));
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_int_equal(plan.step_count, 1); /* it was started again: it is killed again */

    alarm = alarm_of("proof_failed", "", "");
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_non_null(plan.incident);
    assert_int_equal(plan.step_count, 0); /* closed already */
    assert_done(fold(incidents, 100, "action.undone", "", "\"action\":\"a1\",\"approvals\":[]"));
    plan = sl_respond_plan(incidents, playbooks, 4, &alarm, NOW_MS);
    assert_int_equal(plan.step_count, 1);
    assert_false(
        plan.steps[0].withheld); /* somebody looked and opened: the budget is whole again */
    sl_incidents_free(incidents);
}

static void the_oldest_closed_incident_makes_room(void **state)
{
    sl_incidents *incidents = NULL;
    assert_done(sl_incidents_new(&incidents));
    for (size_t i = 0; i < SL_INCIDENTS_MAX; i++) {
        char opened[256];
        (void)snprintf(opened, sizeof(opened), OPENED("i%zu"), i);
        assert_done(fold(incidents, 0, "incident.opened", "", opened));
    }
    assert_code(fold(incidents, 0, "incident.opened", "", OPENED("more")), SL_E_LIMIT);
    assert_done(fold(incidents, 0, "incident.closed", "", "\"cause\":\"x\",\"incident\":\"i3\""));
    assert_done(fold(incidents, 0, "incident.opened", "", OPENED("more")));
    assert_null(sl_incidents_find(incidents, SL_LIT("i3")));
    assert_non_null(sl_incidents_find(incidents, SL_LIT("i4")));
    assert_non_null(sl_incidents_find(incidents, SL_LIT("more")));
    sl_incidents_free(incidents);
}

#define EXT "\"extension-definition--7d0f1a52-3c41-4c5e-9d6b-51c7b5a10c01\""
#define PLAYBOOK(workflow)                                                                         \
    "{\"type\":\"playbook\",\"spec_version\":\"cacao-2.0\",\"id\":\"playbook--1\",\"name\":\"n\"," \
    "\"playbook_extensions\":{" EXT ":{\"rules\":[\"r\"]}},\"workflow_start\":\"start--1\","       \
    "\"workflow\":{" workflow "}}"
#define STEP(action, inverse, next)                                                                \
    "{\"type\":\"action\",\"on_completion\":\"" next "\",\"step_extensions\":{" EXT                \
    ":{\"action\":\"" action "\",\"inverse\":\"" inverse "\"}}}"

static void playbooks_we_do_not_read_are_refused(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
    } cases[] = {
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"a\"},"
                   "\"a\":" STEP("cut", "ask_again", "e") ",\"e\":{\"type\":\"end\"}"),
          SL_OK },
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"a\"},"
                   "\"a\":" STEP("shred", "none", "e") ",\"e\":{\"type\":\"end\"}"),
          SL_E_UNSUPPORTED },
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"a\"},"
                   "\"a\":" STEP("cut", "none", "e") ",\"e\":{\"type\":\"end\"}"),
          SL_E_CONFIG },
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"a\"},"
                   "\"a\":" STEP("cut", "ask_again", "a")),
          SL_E_LIMIT }, /* goes round and round */
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"start--1\"}"),
          SL_E_SYNTAX },
        { PLAYBOOK("\"start--1\":{\"type\":\"start\",\"on_completion\":\"gone\"}"), SL_E_SYNTAX },
        { PLAYBOOK("\"start--1\":{\"type\":\"parallel\",\"next_steps\":[]}"), SL_E_UNSUPPORTED },
        { PLAYBOOK(
              "\"start--1\":{\"type\":\"start\",\"on_completion\":\"e\"},\"e\":{\"type\":\"end\"}"),
          SL_E_MISSING_FIELD },
        { "{\"type\":\"playbook\",\"spec_version\":\"1.1\"}", SL_E_UNSUPPORTED },
        { "{\"type\":\"playbook\"}", SL_E_MISSING_FIELD },
        { "[]", SL_E_MISSING_FIELD },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_playbook playbook;
        sl_res r = sl_playbook_read(sl_view_str(cases[i].text), &arena, &playbook);
        if (r.code != (int32_t)cases[i].code) {
            print_error("case %zu: %s (%s)\n", i, sl_res_name(r), sl_detail_get()->field);
        }
        assert_int_equal(r.code, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_cuts_closes_and_unloads),
        cmocka_unit_test(standing_steps_are_not_taken_twice_and_undone_ones_are),
        cmocka_unit_test(automation_cannot_close_everybody_out),
        cmocka_unit_test(what_people_undid_does_not_count_and_rules_are_cases_of_their_own),
        cmocka_unit_test(the_oldest_closed_incident_makes_room),
        cmocka_unit_test(playbooks_we_do_not_read_are_refused),
    };
    return cmocka_run_group_tests_name("incident", tests, load_playbooks, drop_playbooks);
}
