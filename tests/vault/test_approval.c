/* Approvals: what hostile ones look like, and that none of them counts. */
#include "vault_help.h"

static uint8_t seen_nonce;

static bool seen(const void *context, const uint8_t nonce[SL_APPROVAL_NONCE_BYTES])
{
    return seen_nonce != 0 && nonce[0] == seen_nonce;
}

typedef struct {
    sl_operator operators[4];
    sl_buf text;
    sl_approval list[3];
    sl_approval_need need;
} fixture;

/* alice has two keys (1 and 2), bob one (3); 4 only checks. Two persons are needed. */
static fixture make(void)
{
    fixture f = { .operators = { help_operator("alice", 1, SL_ROLE_OPERATOR),
                                 help_operator("alice", 2, SL_ROLE_OPERATOR),
                                 help_operator("bob", 3, SL_ROLE_ALL),
                                 help_operator("carol", 4, SL_ROLE_CHECKER) },
                  .need = { .role = SL_ROLE_OPERATOR, .persons = 2, .epoch = 7 } };
    sl_statement s = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    f.text = help_text(&s);
    f.list[0] = help_approve(sl_buf_view(&f.text), 7, 1);
    f.list[1] = help_approve(sl_buf_view(&f.text), 7, 3);
    seen_nonce = 0;
    return f;
}

static sl_res check(const fixture *f, size_t count)
{
    return sl_approvals_check(sl_buf_view(&f->text), SITE, f->list, count, f->operators, 4,
                              &f->need, NOW_MS, seen, NULL);
}

static void sign_again(sl_approval *a, uint8_t n)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(n);
    assert_done(sl_approval_sign(a, &key));
}

static void two_persons_suffice(void **state)
{
    fixture f = make();
    assert_done(check(&f, 2));
    sl_buf_free(&f.text);
}

static void one_person_with_two_keys_is_one(void **state)
{
    fixture f = make();
    f.list[1] = help_approve(sl_buf_view(&f.text), 7, 2);
    assert_code(check(&f, 2), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "persons");
    assert_int_equal(sl_detail_get()->offset, 1);
    sl_buf_free(&f.text);
}

static void one_person_twice_is_one(void **state)
{
    fixture f = make();
    f.list[1] = help_approve(sl_buf_view(&f.text), 7, 1);
    assert_code(check(&f, 2), SL_E_APPROVAL);
    assert_code(check(&f, 1), SL_E_APPROVAL);
    assert_code(check(&f, 0), SL_E_APPROVAL);
    sl_buf_free(&f.text);
}

static void nobody_needed_is_not_satisfied(void **state)
{
    fixture f = make();
    f.need.persons = 0;
    assert_code(check(&f, 2), SL_E_APPROVAL);
    sl_buf_free(&f.text);
}

static void wrong_site(fixture *f)
{
    f->list[1].site[0] = 'f';
    sign_again(&f->list[1], 3);
}
static void wrong_action(fixture *f)
{
    f->list[1].action.b[5] ^= 1;
    sign_again(&f->list[1], 3);
}
static void wrong_epoch(fixture *f)
{
    f->list[1].epoch = 6;
    sign_again(&f->list[1], 3);
}
static void wrong_role(fixture *f)
{
    f->list[1].role = SL_ROLE_CHECKER;
    sign_again(&f->list[1], 3);
}
static void role_not_held(fixture *f)
{
    sign_again(&f->list[1], 4);
}
static void expired(fixture *f)
{
    f->list[1].expiry_ms = NOW_MS;
    sign_again(&f->list[1], 3);
}
static void lives_too_long(fixture *f)
{
    f->list[1].expiry_ms = NOW_MS + SL_APPROVAL_LIFE_MS_MAX + 1;
    sign_again(&f->list[1], 3);
}
static void stranger(fixture *f)
{
    sign_again(&f->list[1], 9);
}
static void replayed(fixture *f)
{
    seen_nonce = f->list[1].nonce[0];
}
static void nonce_shared(fixture *f)
{
    memcpy(f->list[1].nonce, f->list[0].nonce, sizeof f->list[1].nonce);
    sign_again(&f->list[1], 3);
}
static void forged(fixture *f)
{
    f->list[1].signature.b[10] ^= 4;
}
static void signature_of_another_key(fixture *f)
{
    f->list[1].key = f->operators[1].key;
}
static void field_changed_after_signing(fixture *f)
{
    f->list[1].expiry_ms += 1;
}

static void refuses_hostile_approvals(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(fixture *f);
        int32_t code;
        const char *field;
    } cases[] = {
        { "wrong site", wrong_site, SL_E_APPROVAL, "site" },
        { "wrong action", wrong_action, SL_E_APPROVAL, "action" },
        { "wrong epoch", wrong_epoch, SL_E_APPROVAL, "epoch" },
        { "wrong role", wrong_role, SL_E_APPROVAL, "role" },
        { "role not held", role_not_held, SL_E_APPROVAL, "role" },
        { "expired", expired, SL_E_APPROVAL, "expiry" },
        { "lives too long", lives_too_long, SL_E_APPROVAL, "expiry" },
        { "stranger", stranger, SL_E_APPROVAL, "operator" },
        { "replayed", replayed, SL_E_APPROVAL, "nonce" },
        { "nonce shared", nonce_shared, SL_E_APPROVAL, "nonce" },
        { "forged", forged, SL_E_SIGNATURE, NULL },
        { "signature of another key", signature_of_another_key, SL_E_SIGNATURE, NULL },
        { "field changed after signing", field_changed_after_signing, SL_E_SIGNATURE, NULL },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        fixture f = make();
        cases[i].spoil(&f);
        sl_res r = check(&f, 2);
        if (r.code != cases[i].code ||
            (cases[i].field != NULL && strcmp(sl_detail_get()->field, cases[i].field) != 0)) {
            print_error("%s: %s (%s)\n", cases[i].name, sl_res_name(r), sl_detail_get()->field);
            fail();
        }
        sl_buf_free(&f.text);
    }
}

static void text_goes_round_and_nothing_else_does(void **state)
{
    fixture f = make();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    assert_done(sl_approvals_encode(f.list, 2, &text));
    sl_approval back[SL_APPROVALS_MAX];
    size_t count = 0;
    assert_done(sl_approvals_decode(sl_buf_view(&text), back, &count));
    assert_int_equal(count, 2);
    assert_done(sl_approval_verify(&back[1]));
    memcpy(f.list, back, 2 * sizeof back[0]);
    assert_done(check(&f, 2));

    /* Any changed byte is refused, by the parser or by the signature. */
    size_t line = 0;
    while (text.p[line] != '\n') {
        line++;
    }
    for (size_t i = 0; i < line; i++) {
        text.p[i] ^= 1;
        sl_approval a;
        sl_res r = sl_approval_decode(sl_view_of(text.p, line), &a);
        assert_true(!sl_ok(r) || !sl_ok(sl_approval_verify(&a)));
        text.p[i] ^= 1;
    }
    sl_buf_free(&f.text);
}

static void more_than_the_limit_is_refused(void **state)
{
    fixture f = make();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    for (size_t i = 0; i <= SL_APPROVALS_MAX; i++) {
        assert_done(sl_approval_encode(&f.list[0], &text));
        assert_done(sl_buf_add_byte(&text, '\n'));
    }
    sl_approval back[SL_APPROVALS_MAX];
    size_t count = 0;
    assert_code(sl_approvals_decode(sl_buf_view(&text), back, &count), SL_E_LIMIT);
    sl_buf_free(&f.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_persons_suffice),
        cmocka_unit_test(one_person_with_two_keys_is_one),
        cmocka_unit_test(one_person_twice_is_one),
        cmocka_unit_test(nobody_needed_is_not_satisfied),
        cmocka_unit_test(refuses_hostile_approvals),
        cmocka_unit_test(text_goes_round_and_nothing_else_does),
        cmocka_unit_test(more_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
