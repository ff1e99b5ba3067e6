/* What operators signed reads as the event that it is, and nothing else does. */
#include "test.h"

#include "ledger/events.gen.h"
#include "vault/approved.h"

#define SITE "0123456789abcdef0123456789abcdef"

static void leaf_of(const sl_statement *s, const char *by, sl_buf *leaf)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    assert_done(sl_statement_encode(s, &text));
    sl_digest action = sl_statement_digest(sl_buf_view(&text));
    sl_event_head head = { 0 };
    sl_event_action_approved fields = { .action = &action,
                                        .action_kind = sl_view_str(sl_action_name(s->action)),
                                        .statement = sl_buf_view(&text),
                                        .approvals = SL_LIT("x"),
                                        .persons = 1 };
    assert_done(sl_emit_action_approved(&head, &fields, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), by, 5000, leaf));
}

static sl_statement grant(void)
{
    return (sl_statement){ .action = SL_ACTION_GRANT_ISSUE,
                           .site = SITE,
                           .compartment = "trial",
                           .grant = "00112233aabbccdd",
                           .principal = "ffffffffffffffffffffffffffffffff",
                           .purpose = "research",
                           .doors = SL_DOOR_BIT(SL_DOOR_ASK),
                           .until_ms = 9000000,
                           .requests_h = 3 };
}

static void a_grant_is_a_grant(void **state)
{
    sl_statement s = grant();
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    leaf_of(&s, "warden", &leaf);
    bool is = false;
    assert_done(sl_approved_unfold(sl_buf_view(&leaf), &out, &is));
    assert_true(is);
    assert_view(
        sl_buf_view(&out),
        "{\"by\":\"warden\",\"event\":{\"fields\":{\"grant\":\"00112233aabbccdd\",\"purpose\":"
        "\"research\",\"requests_per_h\":3,\"until_s\":9000},\"principal\":"
        "\"ffffffffffffffffffffffffffffffff\",\"type\":\"grant.issued\"},\"time\":5000,\"v\":1}");
}

static void other_leaves_are_left_alone(void **state)
{
    sl_statement s = grant();
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, foreign, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, opened, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    bool is = true;
    leaf_of(&s, "ask", &foreign); /* a leaf by another process is not believed */
    assert_done(sl_approved_unfold(sl_buf_view(&foreign), &out, &is));
    assert_false(is);
    s = (sl_statement){ .action = SL_ACTION_SITE_OPEN, .site = SITE };
    leaf_of(&s, "warden", &opened);
    assert_done(sl_approved_unfold(sl_buf_view(&opened), &out, &is));
    assert_false(is);
    assert_done(sl_approved_unfold(SL_LIT("{\"by\":\"ask\"}"), &out, &is));
    assert_false(is);
    assert_int_equal(out.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_is_a_grant),
        cmocka_unit_test(other_leaves_are_left_alone),
    };
    return cmocka_run_group_tests_name("approved", tests, NULL, NULL);
}
