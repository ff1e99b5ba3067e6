/* Attestations: what each kind may say, who must sign, and what readers see of it. */
#include "ledger/event.h"
#include "vault/approved.h"
#include "vault/attestation.h"
#include "vault_help.h"

static sl_statement attest(const char *kind, const char *about, const char *says)
{
    sl_statement s = help_statement(SL_ACTION_ATTEST);
    help_name(s.kind, kind);
    help_name(s.about, about);
    if (says != NULL) {
        help_name(s.says, says);
    }
    return s;
}

static void a_kind_says_what_it_may_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        const char *about;
        const char *says;
        int64_t count;
        bool digest;
        int64_t until_ms;
        sl_code code;
    } cases[] = {
        { "grant.reviewed", "0011223344556677", "keep", 0, false, 0, SL_OK },
        { "grant.reviewed", "0011223344556677", "perhaps", 0, false, 0, SL_E_RANGE },
        { "grant.reviewed", "0011223344556677", NULL, 0, false, 0, SL_E_MISSING_FIELD },
        { "trail.reviewed", "c", NULL, 3, false, 0, SL_OK },
        { "trail.reviewed", "c", "fine", 3, false, 0, SL_E_UNKNOWN_FIELD },
        { "grant.reviewed", "0011223344556677", "keep", 1, false, 0, SL_E_UNKNOWN_FIELD },
        { "config.changed", "program", NULL, 0, true, 0, SL_OK },
        { "config.changed", "program", NULL, 0, false, 0, SL_E_MISSING_FIELD },
        { "config.changed", "everything", NULL, 0, true, 0, SL_E_RANGE },
        { "waiver.granted", "w", "control", 0, false, NOW_MS, SL_OK },
        { "waiver.granted", "w", "control", 0, false, 0, SL_E_MISSING_FIELD },
        { "board.signed", "r", NULL, 0, true, NOW_MS, SL_E_UNKNOWN_FIELD },
        { "ask.outcome", "x", NULL, 0, false, 0,
          SL_E_NOT_FOUND }, /* nobody attests what doors write */
        { "action.taken", "x", NULL, 0, false, 0, SL_E_NOT_FOUND },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_statement s = attest(cases[i].kind, cases[i].about, cases[i].says);
        s.count = cases[i].count;
        s.hash.b[0] = cases[i].digest;
        s.until_ms = cases[i].until_ms;
        sl_res r = sl_attestation_check(&s);
        if (r.code != (int32_t)cases[i].code) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
        }
        assert_int_equal(r.code, cases[i].code);
    }
}

static sl_approval approve_as(sl_view text, uint64_t epoch, uint8_t n)
{
    sl_approval a = help_approve(text, epoch, n);
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(n);
    assert_done(sl_approval_sign(&a, &key));
    return a;
}

/* Two keys of one person are one person; a key of nobody, or of one who left, is none. */
static void what_is_in_force_takes_a_quorum_of_persons(void **state)
{
    (void)state;
    sl_genesis_roll genesis = { .site = SITE, .quorum = 2, .delay_ms = HOUR_MS };
    genesis.operators[0] = help_operator("alice", 1, SL_ROLE_ALL);
    genesis.operators[1] = help_operator("alice", 2, SL_ROLE_ALL);
    genesis.operators[2] = help_operator("bob", 3, SL_ROLE_ALL);
    genesis.operators_count = 3;
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = NULL;
    assert_done(sl_roll_new(&roll));
    assert_done(sl_roll_begin(roll, &genesis));
    sl_statement s = attest("config.changed", "program", NULL);
    s.hash.b[0] = 7;
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    sl_approval_need need;
    sl_statement admitted;
    assert_done(sl_roll_need(roll, &s, &need));
    assert_int_equal(need.persons, 2);
    sl_approval list[2] = { approve_as(sl_buf_view(&text), need.epoch, 1),
                            approve_as(sl_buf_view(&text), need.epoch, 2) };
    assert_code(sl_roll_admit(roll, sl_buf_view(&text), list, 2, NOW_MS, &admitted), SL_E_APPROVAL);
    list[1] = approve_as(sl_buf_view(&text), need.epoch, 9);
    assert_code(sl_roll_admit(roll, sl_buf_view(&text), list, 2, NOW_MS, &admitted), SL_E_APPROVAL);
    list[1] = approve_as(sl_buf_view(&text), need.epoch, 3);
    list[1].signature.b[0] ^= 1;
    assert_false(sl_ok(sl_roll_admit(roll, sl_buf_view(&text), list, 2, NOW_MS, &admitted)));
    list[1] = approve_as(sl_buf_view(&text), need.epoch, 3);
    assert_done(sl_roll_admit(roll, sl_buf_view(&text), list, 2, NOW_MS, &admitted));
    assert_done(sl_roll_apply(roll, &admitted, list, 2, 1, NOW_MS));
    /* the same signatures again */
    assert_code(sl_roll_admit(roll, sl_buf_view(&text), list, 2, NOW_MS, &admitted), SL_E_APPROVAL);
    /* signed for this site, brought to another */
    memset(genesis.site, 'a', SL_SITE_ID_CHARS);
    SL_OWN(sl_roll *, other, sl_roll_free_at) = NULL;
    assert_done(sl_roll_new(&other));
    assert_done(sl_roll_begin(other, &genesis));
    assert_false(sl_ok(sl_roll_admit(other, sl_buf_view(&text), list, 2, NOW_MS, &admitted)));
    sl_statement unknown = attest("grant.reviewed", "0011223344556677", "keep");
    assert_code(sl_roll_need(roll, &unknown, &need), SL_E_NOT_FOUND);
}

static void readers_see_the_event_with_who_signed(void **state)
{
    (void)state;
    sl_statement s = attest("watch.triaged", "a1b2", "benign");
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    sl_approval one = approve_as(sl_buf_view(&text), 1, 1);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, seen, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    bool is = false;
    assert_done(sl_roll_event(sl_buf_view(&text), &one, 1, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", 5, &leaf));
    assert_done(sl_approved_unfold(sl_buf_view(&leaf), &seen, &is));
    assert_true(is);
    sl_view out = sl_buf_view(&seen);
    assert_int_not_equal(sl_view_find(out, SL_LIT("\"type\":\"watch.triaged\""), 0), SIZE_MAX);
    assert_int_not_equal(sl_view_find(out, SL_LIT("\"signal\":\"a1b2\""), 0), SIZE_MAX);
    assert_int_not_equal(sl_view_find(out, SL_LIT("\"outcome\":\"benign\""), 0), SIZE_MAX);
    assert_int_not_equal(sl_view_find(out, SL_LIT("\"actor\":\""), 0), SIZE_MAX);
    sl_buf_clear(&leaf);
    sl_buf_clear(&seen);
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "ask", 5, &leaf)); /* not the warden's word */
    sl_res r = sl_approved_unfold(sl_buf_view(&leaf), &seen, &is);
    assert_true(!sl_ok(r) || !is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_says_what_it_may_and_nothing_else),
        cmocka_unit_test(what_is_in_force_takes_a_quorum_of_persons),
        cmocka_unit_test(readers_see_the_event_with_who_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
