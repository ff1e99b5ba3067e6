/* The desk: approvals gather until they suffice, and bad ones spoil nothing. */
#include "vault/desk.h"

#include "base/encode.h"
#include "ledger/event.h"
#include "vault_help.h"

static sl_res submit(sl_desk *desk, sl_view text, const sl_approval *list, size_t count,
                     sl_desk_result *ret)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_desk_submit(desk, text, list, count, NOW_MS, &event, ret));
    assert_int_equal(ret->approved, event.n > 0);
    return SL_DONE;
}

static sl_roll *roll_with_compartment(size_t persons)
{
    sl_roll *roll = help_roll(persons, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    return roll;
}

static void two_persons_one_after_the_other(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(3);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&shred);
    sl_approval first = help_approve(sl_buf_view(&text), 1, 1);
    sl_approval again = help_approve(sl_buf_view(&text), 1, 1);
    sl_approval forged = help_approve(sl_buf_view(&text), 1, 2);
    sl_approval second = help_approve(sl_buf_view(&text), 1, 2);
    forged.signature.b[0] ^= 1;
    sl_desk_result r;
    assert_done(submit(desk, sl_buf_view(&text), &first, 1, &r));
    assert_false(r.approved);
    assert_int_equal(r.have, 1);
    assert_int_equal(r.need, 2);
    assert_done(submit(desk, sl_buf_view(&text), &again, 1, &r));
    assert_int_equal(r.have, 1);
    assert_code(submit(desk, sl_buf_view(&text), &forged, 1, &r), SL_E_SIGNATURE);
    assert_done(submit(desk, sl_buf_view(&text), &second, 1, &r));
    assert_true(r.approved);
    assert_int_equal(r.have, 2);
}

static void approvals_of_a_former_state_give_way(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(3);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&shred);
    sl_approval first = help_approve(sl_buf_view(&text), 1, 1);
    sl_desk_result r;
    assert_done(submit(desk, sl_buf_view(&text), &first, 1, &r));
    assert_done(sl_roll_contain(roll, SL_LIT("c"), SL_COMPARTMENT_CLOSED));
    sl_approval second = help_approve(sl_buf_view(&text), 2, 2);
    assert_done(submit(desk, sl_buf_view(&text), &second, 1, &r));
    assert_false(r.approved);
    assert_int_equal(r.have, 1);
}

static void the_desk_does_not_overflow(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(2);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_desk_result r;
    for (size_t i = 0; i <= SL_DESK_PENDING_MAX; i++) {
        sl_statement erase = help_on(SL_ACTION_SUBJECT_ERASE, "c");
        char subject[16];
        (void)snprintf(subject, sizeof subject, "s%zu", i);
        help_name(erase.subject, subject);
        SL_OWN(sl_buf, text, sl_buf_free) = help_text(&erase);
        sl_res done = submit(desk, sl_buf_view(&text), NULL, 0, &r);
        assert_int_equal(done.code, i < SL_DESK_PENDING_MAX ? SL_OK : SL_E_LIMIT);
    }
}

/* One operator may sign as many statements as there are places: others still get theirs. */
static void one_person_does_not_fill_the_desk(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(3);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_desk_result r;
    sl_statement first = help_on(SL_ACTION_SUBJECT_ERASE, "c");
    help_name(first.subject, "first");
    SL_OWN(sl_buf, first_text, sl_buf_free) = help_text(&first);
    sl_approval of_second = help_approve(sl_buf_view(&first_text), 1, 2);
    assert_done(submit(desk, sl_buf_view(&first_text), &of_second, 1, &r));
    for (size_t i = 0; i < 2 * SL_DESK_PENDING_MAX; i++) {
        sl_statement erase = help_on(SL_ACTION_SUBJECT_ERASE, "c");
        char subject[16];
        (void)snprintf(subject, sizeof subject, "s%zu", i);
        help_name(erase.subject, subject);
        SL_OWN(sl_buf, text, sl_buf_free) = help_text(&erase);
        sl_approval greedy = help_approve(sl_buf_view(&text), 1, 1);
        assert_done(submit(desk, sl_buf_view(&text), &greedy, 1, &r));
    }
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&shred);
    sl_approval of_third = help_approve(sl_buf_view(&text), 1, 3);
    assert_done(submit(desk, sl_buf_view(&text), &of_third, 1, &r));
    of_second = help_approve(sl_buf_view(&text), 1, 2);
    assert_done(submit(desk, sl_buf_view(&text), &of_second, 1, &r));
    assert_true(r.approved);
    of_third = help_approve(sl_buf_view(&first_text), 1, 3);
    assert_done(submit(desk, sl_buf_view(&first_text), &of_third, 1, &r));
    assert_true(r.approved); /* what the second person had laid there is there still */
}

/* An approval that was used up, and who signs many times, spoil nothing of what others signed. */
static void used_and_repeated_approvals_spoil_nothing(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(3);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_desk_result r;
    sl_statement attest = help_statement(SL_ACTION_SITE_OPEN);
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&attest);
    sl_approval used = help_approve(sl_buf_view(&text), 1, 1);
    assert_done(sl_roll_apply(roll, &attest, &used, 1, 9, NOW_MS));
    assert_code(submit(desk, sl_buf_view(&text), &used, 1, &r), SL_E_APPROVAL);
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    SL_OWN(sl_buf, two, sl_buf_free) = help_text(&shred);
    sl_approval many[SL_APPROVALS_MAX];
    for (size_t i = 0; i < SL_APPROVALS_MAX; i++) {
        many[i] = help_approve(sl_buf_view(&two), 1, 1);
    }
    assert_done(submit(desk, sl_buf_view(&two), many, SL_APPROVALS_MAX, &r));
    assert_int_equal(r.have, 1);
    sl_approval second = help_approve(sl_buf_view(&two), 1, 2);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_OWN(sl_buf, text_of_leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_desk_submit(desk, sl_buf_view(&two), &second, 1, NOW_MS, &event, &r));
    assert_true(r.approved);
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", NOW_MS, &text_of_leaf));
    assert_done(sl_leaf_read(sl_buf_view(&text_of_leaf), &leaf));
    assert_done(sl_base64_decode(sl_leaf_text(&leaf, "approvals"), &lines));
    sl_approval list[SL_APPROVALS_MAX];
    size_t count = 0;
    assert_done(sl_approvals_decode(sl_buf_view(&lines), list, &count));
    assert_int_equal(count, 2); /* one for each key */
}

static void answers_commands(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = roll_with_compartment(2);
    SL_OWN(sl_desk *, desk, sl_desk_free_at) = NULL;
    assert_done(sl_desk_new(roll, &desk));
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&shred);
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_desk_answer(desk, SL_ADMIN_SITE, SL_LIT(""), NOW_MS, &reply, &event));
    assert_view(sl_buf_view(&reply), "{\"site\":\"" SITE "\",\"quorum\":1,\"persons\":2,"
                                     "\"delay_ms\":0,\"next_leaf\":0}\n");
    sl_buf_clear(&reply);
    assert_done(sl_desk_answer(desk, SL_ADMIN_NEED, sl_buf_view(&text), NOW_MS, &reply, &event));
    assert_true(sl_view_ends(sl_buf_view(&reply),
                             SL_LIT(",\"epoch\":1,\"persons\":2,\"role\":\"operator\"}\n")));
    sl_approval a = help_approve(sl_buf_view(&text), 1, 1);
    assert_done(sl_buf_add(&body, sl_buf_view(&text)));
    assert_done(sl_buf_add_byte(&body, '\n'));
    assert_done(sl_approvals_encode(&a, 1, &body));
    sl_buf_clear(&reply);
    assert_done(sl_desk_answer(desk, SL_ADMIN_SUBMIT, sl_buf_view(&body), NOW_MS, &reply, &event));
    assert_int_equal(event.n, 0);
    assert_true(sl_view_ends(sl_buf_view(&reply),
                             SL_LIT(",\"state\":\"pending\",\"have\":1,\"need\":2}\n")));
    /* Found again by the first digits of its digest, until it has waited too long. */
    sl_view prefix = sl_view_of(reply.p + strlen("{\"action\":\""), 8);
    SL_OWN(sl_buf, found, sl_buf_free) = { .max = 8192 };
    assert_done(sl_desk_answer(desk, SL_ADMIN_STATEMENT, prefix, NOW_MS, &found, &event));
    assert_true(sl_view_eq(sl_buf_view(&found), sl_buf_view(&text)));
    assert_code(sl_desk_answer(desk, SL_ADMIN_STATEMENT, prefix, NOW_MS + SL_APPROVAL_LIFE_MS_MAX,
                               &found, &event),
                SL_E_NOT_FOUND);
    assert_code(sl_desk_answer(desk, SL_ADMIN_UNLOCK, SL_LIT("x"), NOW_MS, &found, &event),
                SL_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_persons_one_after_the_other),
        cmocka_unit_test(approvals_of_a_former_state_give_way),
        cmocka_unit_test(the_desk_does_not_overflow),
        cmocka_unit_test(one_person_does_not_fill_the_desk),
        cmocka_unit_test(used_and_repeated_approvals_spoil_nothing),
        cmocka_unit_test(answers_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
