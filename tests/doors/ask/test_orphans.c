/* Crossings that a crash left without an end are ended as unknown: ours, once, and never one that is
 * being served. */
#include "test.h"

#include "doors/ask/orphans.h"
#include "ledger/events.gen.h"

static sl_ask_orphans orphans;
static const char *served;

static bool serving(void *context, sl_view crossing)
{
    (void)context;
    return served != NULL && sl_view_eq_str(crossing, served);
}

static const char OURS[] = "01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char ALSO[] = "01bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const char OTHER[] = "00cccccccccccccccccccccccccccccc";
static const char GONE[] = "07dddddddddddddddddddddddddddddd";

static int setup(void **state)
{
    (void)state;
    memset(&orphans, 0, sizeof orphans);
    orphans.process = 1;
    orphans.processes = 2;
    orphans.serving = serving;
    served = NULL;
    sl_ask_orphans_begin(&orphans);
    return 0;
}

static void leaf_of(sl_view event)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 65536 };
    assert_done(sl_leaf_wrap(event, "ask", 1, &leaf));
    sl_ask_orphans_leaf(&orphans, sl_buf_view(&leaf));
}

static sl_event_head head_of(const char *crossing)
{
    return (sl_event_head){ .principal = SL_LIT("00112233445566778899aabbccddeeff"),
                            .door = SL_LIT("ask"),
                            .compartment = SL_LIT("ffeeddccbbaa99887766554433221100"),
                            .crossing = sl_view_str(crossing) };
}

static void intent(const char *crossing)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 65536 };
    sl_event_head head = head_of(crossing);
    static const sl_digest policy;
    sl_event_ask_intent fields = { .dialect = SL_LIT("openai_chat"),
                                   .upstream = SL_LIT("main"),
                                   .grant = SL_LIT("0011223344556677"),
                                   .policy = &policy,
                                   .verdict = SL_LIT("allow") };
    assert_done(sl_emit_ask_intent(&head, &fields, &event));
    leaf_of(sl_buf_view(&event));
}

static void outcome(const char *crossing)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 65536 };
    sl_event_head head = head_of(crossing);
    sl_event_ask_outcome fields = { .outcome = SL_LIT("delivered"), .verdict = SL_LIT("allow") };
    assert_done(sl_emit_ask_outcome(&head, &fields, &event));
    leaf_of(sl_buf_view(&event));
}

static void assert_ends(const char *crossing)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_leaf, read, sl_leaf_free) = { 0 };
    bool any = false;
    assert_done(sl_ask_orphans_next(&orphans, &event, &any));
    assert_true(any);
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "ask", 1, &leaf));
    assert_done(sl_leaf_read(sl_buf_view(&leaf), &read));
    assert_true(sl_view_eq_str(read.crossing, crossing));
    assert_true(sl_view_eq_str(sl_leaf_text(&read, "outcome"), "unknown"));
    assert_true(sl_view_eq_str(sl_leaf_text(&read, "grant"), "0011223344556677"));
    assert_true(sl_view_eq_str(read.principal, "00112233445566778899aabbccddeeff"));
}

static void assert_none(void)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 65536 };
    bool any = true;
    assert_done(sl_ask_orphans_next(&orphans, &event, &any));
    assert_false(any);
}

static void what_a_dead_process_left_open_is_ended_once(void **state)
{
    (void)state;
    intent(OURS);
    intent(ALSO);
    outcome(ALSO);
    sl_ask_orphans_caught_up(&orphans);
    assert_ends(OURS);
    assert_none();
}

static void another_process_ends_its_own(void **state)
{
    (void)state;
    intent(OTHER);
    intent(GONE); /* of a process that is configured no more: the first one's */
    sl_ask_orphans_caught_up(&orphans);
    assert_none();
    setup(NULL);
    orphans.process = 0;
    intent(OTHER);
    intent(GONE);
    intent(OURS);
    sl_ask_orphans_caught_up(&orphans);
    assert_ends(OTHER);
    assert_ends(GONE);
    assert_none();
}

static void what_is_served_goes_on_through_the_loss_of_the_ledger(void **state)
{
    (void)state;
    sl_ask_orphans_caught_up(&orphans);
    intent(OURS);
    intent(ALSO);
    assert_none(); /* both are at work */
    served = OURS;
    sl_ask_orphans_begin(&orphans); /* the ledger was lost, and one crossing with it */
    sl_ask_orphans_caught_up(&orphans);
    assert_ends(ALSO);
    assert_none();
    outcome(ALSO);
    outcome(OURS);
    served = NULL;
    sl_ask_orphans_begin(&orphans);
    sl_ask_orphans_caught_up(&orphans);
    assert_none();
}

static void one_that_ends_while_the_ledger_is_read_is_no_orphan(void **state)
{
    (void)state;
    intent(
        OURS); /* its connection is closed already, its outcome was acknowledged and not yet read */
    sl_ask_orphans_caught_up(&orphans);
    outcome(OURS);
    assert_none();
}

static void an_end_that_the_ledger_refused_is_told_again(void **state)
{
    (void)state;
    intent(OURS);
    sl_ask_orphans_caught_up(&orphans);
    assert_ends(OURS);
    assert_none();
    sl_ask_orphans_look(&orphans); /* the leaf did not come */
    assert_ends(OURS);
    outcome(OURS);
    sl_ask_orphans_look(&orphans);
    assert_none();
}

static void a_crossing_that_ended_without_a_leaf_is_ended(void **state)
{
    (void)state;
    sl_ask_orphans_caught_up(&orphans);
    intent(OURS);
    intent(ALSO);
    served = ALSO;
    sl_ask_orphans_look(&orphans);
    assert_ends(OURS);
    assert_none();
    served = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_dead_process_left_open_is_ended_once, setup),
        cmocka_unit_test_setup(another_process_ends_its_own, setup),
        cmocka_unit_test_setup(what_is_served_goes_on_through_the_loss_of_the_ledger, setup),
        cmocka_unit_test_setup(one_that_ends_while_the_ledger_is_read_is_no_orphan, setup),
        cmocka_unit_test_setup(an_end_that_the_ledger_refused_is_told_again, setup),
        cmocka_unit_test_setup(a_crossing_that_ended_without_a_leaf_is_ended, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
