/* Folding leaves: the same leaves give the same roll, and leaves nobody approved change nothing. */
#include "ledger/events.gen.h"
#include "vault_help.h"

typedef struct {
    sl_roll *roll;
    uint64_t index;
} fixture;

static sl_res fold(fixture *f, const char *by, sl_view event, int64_t time_ms, sl_fold *ret)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_leaf_wrap(event, by, (uint64_t)time_ms, &leaf));
    SL_TRY(sl_roll_fold(f->roll, f->index, sl_buf_view(&leaf), ret));
    f->index++;
    return SL_DONE;
}

static sl_buf genesis_event(size_t persons)
{
    sl_genesis_roll g = { .site = SITE, .quorum = 1, .delay_ms = HOUR_MS };
    for (size_t i = 0; i < persons; i++) {
        char person[8] = { 'p', (char)('1' + i), 0 };
        g.operators[g.operators_count++] =
            help_operator(person, (uint8_t)(i + 1), SL_ROLE_OPERATOR);
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 32 * SL_KIB };
    assert_done(sl_genesis_encode(&g, &text));
    sl_event_head head = { 0 };
    sl_view person = SL_LIT("p1");
    sl_event_ledger_genesis event = { .site = SL_LIT(SITE),
                                      .origin = SL_LIT("example.org/site"),
                                      .vkey = SL_LIT("example.org/site+00000000+AA"),
                                      .operators = { &person, 1 },
                                      .statements = sl_buf_view(&text),
                                      .quorum = 1,
                                      .kms = SL_LIT("file"),
                                      .version = 1 };
    sl_buf out = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_ledger_genesis(&head, &event, &out));
    return out;
}

static fixture begin(size_t persons)
{
    fixture f = { 0 };
    assert_done(sl_roll_new(&f.roll));
    SL_OWN(sl_buf, event, sl_buf_free) = genesis_event(persons);
    sl_fold did = SL_FOLD_OTHER;
    assert_done(fold(&f, "host", sl_buf_view(&event), NOW_MS, &did));
    assert_int_equal(did, SL_FOLD_APPLIED);
    return f;
}

/* The leaf of an action signed by keys 1..signers at `epoch`. */
static sl_fold act(fixture *f, const sl_statement *s, uint64_t epoch, size_t signers,
                   int64_t time_ms)
{
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(s);
    sl_approval list[SL_APPROVALS_MAX];
    for (size_t i = 0; i < signers; i++) {
        list[i] = help_approve(sl_buf_view(&text), epoch, (uint8_t)(i + 1));
    }
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_roll_event(sl_buf_view(&text), list, signers, &event));
    sl_fold did = SL_FOLD_OTHER;
    assert_done(fold(f, "warden", sl_buf_view(&event), time_ms, &did));
    return did;
}

static sl_fold state(fixture *f, const char *by, const char *word, int64_t time_ms)
{
    sl_event_head head = { .compartment = SL_LIT("aaaaaaaabbbbbbbbccccccccdddddddd") };
    sl_event_compartment_state event = { .state = sl_view_str(word),
                                         .reason = SL_LIT("test"),
                                         .epoch = 1 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_compartment_state(&head, &event, &out));
    sl_fold did = SL_FOLD_OTHER;
    assert_done(fold(f, by, sl_buf_view(&out), time_ms, &did));
    return did;
}

static void actions_apply_in_order_and_once(void **unused)
{
    fixture f = begin(1);
    sl_statement create = help_create("c");
    assert_int_equal(act(&f, &create, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    sl_statement g =
        help_grant("0011223344556677", "c", SL_DOOR_BIT(SL_DOOR_ASK), NOW_MS + HOUR_MS);
    assert_int_equal(act(&f, &g, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    assert_int_equal(act(&f, &g, 1, 1, NOW_MS), SL_FOLD_REFUSED);
    assert_int_equal(sl_roll_refused(f.roll), 1);
    assert_int_equal(sl_roll_next(f.roll), 4);
    assert_non_null(sl_roll_grant_for(f.roll, SL_LIT(PRINCIPAL), SL_LIT("c"), SL_DOOR_ASK, NOW_MS));
    sl_roll_free(f.roll);
}

/* The ledger's time stands when a clock is set back: what expired stays expired, and a used approval whose nonce
 * was forgotten with its expiry stays refused. */
static void a_clock_set_back_makes_nothing_good_again(void **unused)
{
    fixture f = begin(2);
    sl_statement create = help_create("c");
    sl_statement grant =
        help_grant("0011223344556677", "c", SL_DOOR_BIT(SL_DOOR_ASK), NOW_MS + HOUR_MS);
    assert_int_equal(act(&f, &create, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    assert_int_equal(act(&f, &grant, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    sl_statement open = help_statement(SL_ACTION_SITE_OPEN);
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&open);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_approval used = help_approve(sl_buf_view(&text), 1, 1);
    sl_fold did = SL_FOLD_OTHER;
    sl_statement s;
    assert_done(sl_roll_event(sl_buf_view(&text), &used, 1, &event));
    assert_done(fold(&f, "warden", sl_buf_view(&event), NOW_MS, &did));
    assert_int_equal(did, SL_FOLD_APPLIED);
    assert_non_null(sl_roll_grant_for(f.roll, SL_LIT(PRINCIPAL), SL_LIT("c"), SL_DOOR_ASK, NOW_MS));
    /* Two hours later the next action of anybody lets go of the nonces that have expired. */
    int64_t later_ms = NOW_MS + 2 * HOUR_MS;
    assert_int_equal(state(&f, "warden", "open", later_ms), SL_FOLD_OTHER);
    sl_approval fresh = help_approve(sl_buf_view(&text), 1, 2);
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(2);
    fresh.expiry_ms = later_ms + HOUR_MS;
    assert_done(sl_approval_sign(&fresh, &key));
    assert_done(sl_roll_apply(f.roll, &open, &fresh, 1, f.index, later_ms));
    assert_null(sl_roll_grant_for(f.roll, SL_LIT(PRINCIPAL), SL_LIT("c"), SL_DOOR_ASK, NOW_MS));
    assert_code(sl_roll_admit(f.roll, sl_buf_view(&text), &used, 1, NOW_MS, &s), SL_E_APPROVAL);
    sl_roll_free(f.roll);
}

static void unapproved_leaves_change_nothing(void **unused)
{
    fixture f = begin(2);
    sl_statement create = help_create("c");
    assert_int_equal(act(&f, &create, 2, 1, NOW_MS), SL_FOLD_REFUSED);
    assert_null(sl_roll_compartment(f.roll, SL_LIT("c")));
    assert_int_equal(act(&f, &create, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    sl_roll_free(f.roll);
    f = begin(2);
    assert_int_equal(act(&f, &create, 1, 1, NOW_MS + HOUR_MS), SL_FOLD_REFUSED);
    assert_null(sl_roll_compartment(f.roll, SL_LIT("c")));
    sl_roll_free(f.roll);
}

static void containment_closes_and_only_the_keeper_shreds(void **unused)
{
    fixture f = begin(2);
    sl_statement create = help_create("c");
    assert_int_equal(act(&f, &create, 1, 1, NOW_MS), SL_FOLD_APPLIED);
    assert_int_equal(state(&f, "warden", "closed", NOW_MS), SL_FOLD_APPLIED);
    assert_int_equal(state(&f, "warden", "closed", NOW_MS), SL_FOLD_OTHER);
    assert_int_equal(state(&f, "warden", "open", NOW_MS), SL_FOLD_REFUSED);
    assert_int_equal(state(&f, "keeper", "shredded", NOW_MS), SL_FOLD_REFUSED);
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    assert_int_equal(act(&f, &shred, 2, 2, NOW_MS), SL_FOLD_APPLIED);
    assert_int_equal(state(&f, "keeper", "shredded", NOW_MS), SL_FOLD_REFUSED);
    assert_int_equal(state(&f, "warden", "shredded", NOW_MS + HOUR_MS), SL_FOLD_REFUSED);
    assert_int_equal(state(&f, "keeper", "shredded", NOW_MS + HOUR_MS), SL_FOLD_APPLIED);
    sl_roll_free(f.roll);
}

static void a_second_genesis_is_refused(void **unused)
{
    fixture f = begin(2);
    SL_OWN(sl_buf, event, sl_buf_free) = genesis_event(1);
    sl_fold did = SL_FOLD_OTHER;
    assert_done(fold(&f, "host", sl_buf_view(&event), NOW_MS, &did));
    assert_int_equal(did, SL_FOLD_REFUSED);
    assert_int_equal(sl_roll_persons(f.roll, SL_ROLE_OPERATOR), 2);
    sl_roll_free(f.roll);
}

static void leaves_come_in_order_from_the_first(void **unused)
{
    fixture f = begin(1);
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, event, sl_buf_free) = genesis_event(1);
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "host", 1, &leaf));
    sl_fold did = SL_FOLD_OTHER;
    assert_code(sl_roll_fold(f.roll, 0, sl_buf_view(&leaf), &did), SL_E_ROLLBACK);
    assert_code(sl_roll_fold(f.roll, 2, sl_buf_view(&leaf), &did), SL_E_ROLLBACK);
    assert_code(sl_roll_fold(f.roll, 1, SL_LIT("{}"), &did), SL_E_MISSING_FIELD);
    assert_int_equal(sl_roll_next(f.roll), 1);
    sl_roll_free(f.roll);
}

static void genesis_texts_are_strict(void **unused)
{
    static const struct {
        const char *text;
        int32_t code;
    } cases[] = {
        { "{\"delay_ms\":0,\"operators\":[],\"quorum\":1,\"site\":\"" SITE "\"}", SL_E_RANGE },
        { "{\"delay_ms\":0,\"quorum\":1,\"site\":\"" SITE "\"}", SL_E_MISSING_FIELD },
        { "{\"delay_ms\":0,\"operators\":[{\"key\":\"00\",\"person\":\"p\",\"roles\":\"operator\"}"
          "],\"quorum\":1,\"site\":\"" SITE "\"}",
          SL_E_TRUNCATED },
        { "{}", SL_E_TYPE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_genesis_roll g;
        sl_res r = sl_genesis_decode(sl_view_str(cases[i].text), &g);
        if (r.code != cases[i].code) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
            fail();
        }
    }
    sl_genesis_roll twice = { .site = SITE, .quorum = 1, .operators_count = 2 };
    twice.operators[0] = help_operator("p1", 1, SL_ROLE_OPERATOR);
    twice.operators[1] = help_operator("p2", 1, SL_ROLE_OPERATOR);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 32 * SL_KIB };
    assert_done(sl_genesis_encode(&twice, &text));
    sl_genesis_roll g;
    assert_code(sl_genesis_decode(sl_buf_view(&text), &g), SL_E_DUPLICATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_apply_in_order_and_once),
        cmocka_unit_test(a_clock_set_back_makes_nothing_good_again),
        cmocka_unit_test(unapproved_leaves_change_nothing),
        cmocka_unit_test(containment_closes_and_only_the_keeper_shreds),
        cmocka_unit_test(a_second_genesis_is_refused),
        cmocka_unit_test(leaves_come_in_order_from_the_first),
        cmocka_unit_test(genesis_texts_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
