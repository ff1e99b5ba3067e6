/* The outcome leaf: what left before it was known for what it is stands there, and nothing where nothing did. */
#include "test.h"

#include "doors/ask/leaf.h"
#include "ledger/event.h"

static void outcome(uint64_t late_bytes, sl_buf *out)
{
    static const uint32_t by_class[SL_CLASS_COUNT];
    static const sl_ask_identity who = { .grant = "0011223344556677" };
    sl_ask_leaf_head head = { .crossing = "00112233445566778899aabbccddeeff", .who = &who };
    sl_ask_ending ending = { .outcome = SL_OUTCOME_CUT,
                             .verdict = SL_VERDICT_CUT,
                             .by_class = by_class,
                             .released_bytes = 300,
                             .late_bytes = late_bytes,
                             .status = 200 };
    bool containment = false;
    assert_done(sl_ask_leaf_outcome(&head, &ending, out));
    assert_done(sl_event_check(sl_buf_view(out), "ask", &containment));
}

static void what_left_too_early_is_published(void **state)
{
    SL_OWN(sl_buf, some, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, none, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    outcome(77, &some);
    outcome(0, &none);
    assert_true(sl_view_find(sl_buf_view(&some), SL_LIT("\"late_bytes\":77"), 0) != SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&none), SL_LIT("late_bytes"), 0) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_left_too_early_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
