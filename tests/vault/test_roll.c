/* The roll: who may change what, how many must agree, and what closes without anybody. */
#include "vault_help.h"

static sl_statement add_operator(const char *person, uint8_t n, int64_t quorum)
{
    sl_statement s = help_statement(SL_ACTION_OPERATOR_ADD);
    sl_operator o = help_operator(person, n, SL_ROLE_OPERATOR);
    memcpy(s.operator_name, o.person, sizeof s.operator_name);
    memcpy(s.operator_key, o.key.b, sizeof s.operator_key);
    s.roles = SL_ROLE_OPERATOR;
    s.quorum = quorum;
    return s;
}

static const sl_compartment *compartment(const sl_roll *roll)
{
    return sl_roll_compartment(roll, SL_LIT("c"));
}

static void with_one_operator_two_person_actions_are_unavailable(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    assert_code(help_do(roll, &shred, 1, NOW_MS), SL_E_APPROVAL);
    assert_int_equal(compartment(roll)->state, SL_COMPARTMENT_OPEN);
    sl_statement erase = help_on(SL_ACTION_SUBJECT_ERASE, "c");
    help_name(erase.subject, "r-1");
    assert_code(help_do(roll, &erase, 1, NOW_MS), SL_E_APPROVAL);
}

static void operators_change_by_the_current_quorum(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 2, 0);
    sl_statement add = add_operator("p3", 3, 0);
    assert_code(help_do(roll, &add, 1, NOW_MS), SL_E_APPROVAL);
    assert_done(help_do(roll, &add, 2, NOW_MS));
    assert_int_equal(sl_roll_persons(roll, SL_ROLE_OPERATOR), 3);
    /* A second key of the same person adds nobody; a known key is refused. */
    sl_statement more = add_operator("p3", 4, 0);
    assert_done(help_do(roll, &more, 2, NOW_MS));
    assert_int_equal(sl_roll_persons(roll, SL_ROLE_OPERATOR), 3);
    assert_code(help_do(roll, &more, 2, NOW_MS), SL_E_EXISTS);
    /* Removing a person takes all the keys. */
    sl_statement gone = help_statement(SL_ACTION_OPERATOR_REMOVE);
    help_name(gone.operator_name, "p3");
    assert_done(help_do(roll, &gone, 2, NOW_MS));
    size_t keys = 0;
    (void)sl_roll_operators(roll, &keys);
    assert_int_equal(keys, 2);
}

static void the_quorum_never_exceeds_the_persons(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 2, 0);
    sl_statement gone = help_statement(SL_ACTION_OPERATOR_REMOVE);
    help_name(gone.operator_name, "p2");
    assert_code(help_do(roll, &gone, 2, NOW_MS), SL_E_RANGE);
    sl_statement add = add_operator("p3", 3, 4);
    assert_code(help_do(roll, &add, 2, NOW_MS), SL_E_RANGE);
    gone.quorum = 1;
    assert_done(help_do(roll, &gone, 2, NOW_MS));
    assert_int_equal(sl_roll_quorum(roll), 1);
}

static void states_change_as_the_table_says(void **state)
{
    enum { BAD = -1, OPEN, CLOSED, SEALED };
    static const struct {
        sl_action action;
        int from[3]; /* state afterwards, by state before */
    } table[] = {
        { SL_ACTION_COMPARTMENT_CLOSE, { CLOSED, BAD, BAD } },
        { SL_ACTION_COMPARTMENT_OPEN, { BAD, OPEN, BAD } },
        { SL_ACTION_COMPARTMENT_SEAL, { SEALED, SEALED, BAD } },
        { SL_ACTION_COMPARTMENT_UNSEAL, { BAD, BAD, CLOSED } },
        { SL_ACTION_COMPARTMENT_SHRED, { SEALED, SEALED, SEALED } },
        { SL_ACTION_COMPARTMENT_SHRED_CANCEL, { BAD, BAD, BAD } },
    };
    for (size_t i = 0; i < SL_COUNT_OF(table); i++) {
        for (int before = OPEN; before <= SEALED; before++) {
            SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 2, 0);
            sl_statement create = help_create("c");
            assert_done(help_do(roll, &create, 1, NOW_MS));
            if (before != OPEN) {
                assert_done(sl_roll_contain(roll, SL_LIT("c"), (sl_compartment_state)before));
            }
            uint64_t epoch = compartment(roll)->epoch;
            sl_statement s = help_on(table[i].action, "c");
            sl_res r = help_do(roll, &s, 2, NOW_MS);
            int want = table[i].from[before];
            if (want == BAD) {
                assert_code(r, SL_E_REFUSED);
                assert_int_equal(compartment(roll)->epoch, epoch);
            } else {
                assert_done(r);
                assert_int_equal(compartment(roll)->state, want);
                assert_int_equal(compartment(roll)->epoch, epoch + 1);
            }
        }
    }
}

static void unsealing_takes_the_quorum(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(3, 2, 0);
    sl_statement create = help_create("c");
    sl_statement seal = help_on(SL_ACTION_COMPARTMENT_SEAL, "c");
    sl_statement unseal = help_on(SL_ACTION_COMPARTMENT_UNSEAL, "c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    assert_done(help_do(roll, &seal, 1, NOW_MS));
    assert_code(help_do(roll, &unseal, 1, NOW_MS), SL_E_APPROVAL);
    assert_done(help_do(roll, &unseal, 2, NOW_MS));
}

static void shredding_waits_for_its_delay_and_can_be_cancelled(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 1, HOUR_MS);
    sl_statement create = help_create("c");
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    sl_statement unseal = help_on(SL_ACTION_COMPARTMENT_UNSEAL, "c");
    sl_statement cancel = help_on(SL_ACTION_COMPARTMENT_SHRED_CANCEL, "c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    assert_code(sl_roll_shredded(roll, SL_LIT("c"), NOW_MS), SL_E_REFUSED);
    assert_done(help_do(roll, &shred, 2, NOW_MS));
    assert_int_equal(compartment(roll)->state, SL_COMPARTMENT_SEALED);
    assert_code(help_do(roll, &unseal, 2, NOW_MS), SL_E_REFUSED);
    assert_code(sl_roll_shredded(roll, SL_LIT("c"), NOW_MS + HOUR_MS - 1), SL_E_REFUSED);
    assert_done(help_do(roll, &cancel, 1, NOW_MS));
    assert_code(sl_roll_shredded(roll, SL_LIT("c"), NOW_MS + HOUR_MS), SL_E_REFUSED);
    assert_done(help_do(roll, &shred, 2, NOW_MS));
    assert_done(sl_roll_shredded(roll, SL_LIT("c"), NOW_MS + HOUR_MS));
    assert_int_equal(compartment(roll)->state, SL_COMPARTMENT_SHREDDED);
    /* Nothing brings it back, not even its name. */
    assert_code(help_do(roll, &create, 1, NOW_MS), SL_E_EXISTS);
    assert_code(help_do(roll, &unseal, 2, NOW_MS), SL_E_REFUSED);
    assert_code(sl_roll_contain(roll, SL_LIT("c"), SL_COMPARTMENT_CLOSED), SL_E_REFUSED);
}

static void containment_only_closes(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    assert_done(sl_roll_contain(roll, SL_LIT("c"), SL_COMPARTMENT_SEALED));
    assert_code(sl_roll_contain(roll, SL_LIT("c"), SL_COMPARTMENT_CLOSED), SL_E_REFUSED);
    assert_code(sl_roll_contain(roll, SL_LIT("c"), SL_COMPARTMENT_OPEN), SL_E_REFUSED);
    assert_code(sl_roll_contain(roll, SL_LIT("d"), SL_COMPARTMENT_CLOSED), SL_E_NOT_FOUND);
}

static void approvals_are_void_after_a_change_of_state(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    sl_statement close = help_on(SL_ACTION_COMPARTMENT_CLOSE, "c");
    sl_statement open = help_on(SL_ACTION_COMPARTMENT_OPEN, "c");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&close);
    sl_approval kept = help_approve(sl_buf_view(&text), compartment(roll)->epoch, 1);
    assert_done(help_do(roll, &close, 1, NOW_MS));
    assert_done(help_do(roll, &open, 1, NOW_MS));
    sl_statement s;
    assert_code(sl_roll_admit(roll, sl_buf_view(&text), &kept, 1, NOW_MS, &s), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "epoch");
}

static void a_consumed_nonce_is_never_taken_again(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    sl_statement g =
        help_grant("0011223344556677", "c", SL_DOOR_BIT(SL_DOOR_ASK), NOW_MS + HOUR_MS);
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&g);
    sl_approval a = help_approve(sl_buf_view(&text), 1, 1);
    sl_statement s;
    assert_done(sl_roll_admit(roll, sl_buf_view(&text), &a, 1, NOW_MS, &s));
    assert_done(sl_roll_apply(roll, &s, &a, 1, 2, NOW_MS));
    /* The same nonce under another statement, properly signed. */
    memcpy(g.grant, "0011223344556688", sizeof g.grant);
    SL_OWN(sl_buf, other, sl_buf_free) = help_text(&g);
    a.action = sl_statement_digest(sl_buf_view(&other));
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(1);
    assert_done(sl_approval_sign(&a, &key));
    assert_code(sl_roll_admit(roll, sl_buf_view(&other), &a, 1, NOW_MS, &s), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "nonce");
}

#define OTHER_PRINCIPAL "ff23456789abcdef0123456789abcdef"

static void grants_cover_what_they_name_until_they_end(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    sl_statement g =
        help_grant("0011223344556677", "c", SL_DOOR_BIT(SL_DOOR_ASK), NOW_MS + HOUR_MS);
    assert_done(help_do(roll, &g, 1, NOW_MS));
    assert_code(help_do(roll, &g, 1, NOW_MS), SL_E_EXISTS);
    sl_view who = SL_LIT(PRINCIPAL);
    sl_view c = SL_LIT("c");
    assert_non_null(sl_roll_grant_for(roll, who, c, SL_DOOR_ASK, NOW_MS));
    assert_null(sl_roll_grant_for(roll, who, c, SL_DOOR_INGEST, NOW_MS));
    assert_null(sl_roll_grant_for(roll, who, SL_LIT("d"), SL_DOOR_ASK, NOW_MS));
    assert_null(sl_roll_grant_for(roll, SL_LIT("f"), c, SL_DOOR_ASK, NOW_MS));
    assert_null(sl_roll_grant_for(roll, who, c, SL_DOOR_ASK, NOW_MS + HOUR_MS));
    /* Another's comes after it: of any principal the first that lives. */
    sl_statement longer =
        help_grant("0011223344556699", "c", SL_DOOR_BIT(SL_DOOR_ASK), NOW_MS + 2 * HOUR_MS);
    memcpy(longer.principal, OTHER_PRINCIPAL, sizeof longer.principal);
    assert_done(help_do(roll, &longer, 1, NOW_MS));
    assert_string_equal(sl_roll_grant_through(roll, c, SL_DOOR_ASK, NOW_MS)->principal, PRINCIPAL);
    assert_string_equal(sl_roll_grant_through(roll, c, SL_DOOR_ASK, NOW_MS + HOUR_MS)->principal,
                        OTHER_PRINCIPAL);
    assert_string_equal(
        sl_roll_grant_for(roll, SL_LIT(OTHER_PRINCIPAL), c, SL_DOOR_ASK, NOW_MS)->id, longer.grant);
    assert_null(sl_roll_grant_through(roll, c, SL_DOOR_INGEST, NOW_MS));
    assert_null(sl_roll_grant_through(roll, SL_LIT("d"), SL_DOOR_ASK, NOW_MS));
    assert_null(sl_roll_grant_through(roll, c, SL_DOOR_ASK, NOW_MS + 2 * HOUR_MS));
    assert_done(sl_roll_contain(roll, c, SL_COMPARTMENT_CLOSED));
    assert_null(sl_roll_grant_for(roll, who, c, SL_DOOR_ASK, NOW_MS));
    assert_null(sl_roll_grant_through(roll, c, SL_DOOR_ASK, NOW_MS));
    sl_statement open = help_on(SL_ACTION_COMPARTMENT_OPEN, "c");
    assert_done(help_do(roll, &open, 1, NOW_MS));
    sl_statement revoke = help_statement(SL_ACTION_GRANT_REVOKE);
    memcpy(revoke.grant, g.grant, sizeof revoke.grant);
    assert_done(help_do(roll, &revoke, 1, NOW_MS));
    assert_null(sl_roll_grant_for(roll, who, c, SL_DOOR_ASK, NOW_MS));
    /* Already over when it is signed. */
    sl_statement late = help_grant("0011223344556688", "c", 1, NOW_MS - 1);
    assert_code(help_do(roll, &late, 1, NOW_MS), SL_E_RANGE);
}

static void erasure_is_ordered_cancelled_and_done(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 1, HOUR_MS);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    sl_statement erase = help_on(SL_ACTION_SUBJECT_ERASE, "c");
    help_name(erase.subject, "r-1");
    sl_statement cancel = erase;
    cancel.action = SL_ACTION_SUBJECT_ERASE_CANCEL;
    assert_code(help_do(roll, &cancel, 1, NOW_MS), SL_E_NOT_FOUND);
    assert_done(help_do(roll, &erase, 2, NOW_MS));
    assert_code(help_do(roll, &erase, 2, NOW_MS), SL_E_EXISTS);
    assert_code(sl_roll_erased(roll, SL_LIT("c"), SL_LIT("r-1"), NOW_MS), SL_E_REFUSED);
    assert_done(help_do(roll, &cancel, 1, NOW_MS));
    assert_code(sl_roll_erased(roll, SL_LIT("c"), SL_LIT("r-1"), NOW_MS + HOUR_MS), SL_E_NOT_FOUND);
    assert_done(help_do(roll, &erase, 2, NOW_MS));
    assert_done(sl_roll_erased(roll, SL_LIT("c"), SL_LIT("r-1"), NOW_MS + HOUR_MS));
    assert_code(help_do(roll, &erase, 2, NOW_MS), SL_E_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_one_operator_two_person_actions_are_unavailable),
        cmocka_unit_test(operators_change_by_the_current_quorum),
        cmocka_unit_test(the_quorum_never_exceeds_the_persons),
        cmocka_unit_test(states_change_as_the_table_says),
        cmocka_unit_test(unsealing_takes_the_quorum),
        cmocka_unit_test(shredding_waits_for_its_delay_and_can_be_cancelled),
        cmocka_unit_test(containment_only_closes),
        cmocka_unit_test(approvals_are_void_after_a_change_of_state),
        cmocka_unit_test(a_consumed_nonce_is_never_taken_again),
        cmocka_unit_test(grants_cover_what_they_name_until_they_end),
        cmocka_unit_test(erasure_is_ordered_cancelled_and_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
