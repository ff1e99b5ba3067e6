/* The register of signers: what it takes, what it names a mistake. */
#include "test.h"

#include "supply/signers.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void a_register_is_read(void **state)
{
    (void)state;
    SL_OWN(sl_signers, s, sl_signers_free) = { 0 };
    SL_OWN(sl_ecdsa_key, key, sl_ecdsa_key_free) = { 0 };
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 8192 };
    sl_digest hint;
    sl_digest b;
    assert_done(sl_ecdsa_generate("P-256", &key));
    assert_done(sl_ecdsa_public_pem(&key, &pem));
    assert_done(sl_ecdsa_hint(&key, &hint));
    assert_done(sl_buf_add_str(&yaml, "signers:\n  - name: acme\n    key: |\n"));
    sl_view rest = sl_buf_view(&pem);
    sl_view line;
    while (sl_view_cut(rest, '\n', &line, &rest)) {
        assert_done(sl_buf_addf(&yaml, "      %.*s\n", SL_FMT(line)));
    }
    assert_done(sl_buf_add_str(&yaml, "    until: \"1970-01-02\"\n"
                                      "  - name: vendor\n    certificate_sha256: " ID_A "\n"
                                      "revoked:\n  - id: " ID_B "\n    reason: laptop stolen\n"));
    assert_done(sl_signers_read(sl_buf_view(&yaml), &s));
    assert_int_equal(s.n, 2);
    const sl_signer *found = sl_signers_find(&s, &hint);
    assert_non_null(found);
    assert_view(found->name, "acme");
    assert_int_equal(found->until_s, 2 * 86400 - 1);
    assert_true(sl_ecdsa_same(&found->key, &key));
    assert_done(sl_digest_parse(SL_LIT(ID_B), &b));
    assert_null(sl_signers_find(&s, &b));
    assert_view(sl_signers_revoked(&s, &b)->reason, "laptop stolen");
    assert_null(sl_signers_revoked(&s, &hint));
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        int32_t code;
        uint64_t line;
    } CASES[] = {
        { "signer: x\n", SL_E_UNKNOWN_FIELD, 1 },
        { "signers: yes\n", SL_E_TYPE, 1 },
        { "signers:\n  - name: a\n", SL_E_MISSING_FIELD, 2 },
        { "signers:\n  - name: a\n    key: x\n", SL_E_SYNTAX, 2 },
        { "signers:\n  - name: a\n    key: x\n    certificate_sha256: " ID_A "\n",
          SL_E_MISSING_FIELD, 2 },
        { "signers:\n  - name: a\n    certificate_sha256: abc\n", SL_E_SYNTAX, 2 },
        { "signers:\n  - name: a\n    certificate_sha256: " ID_A "\n    until: tomorrow\n",
          SL_E_SYNTAX, 2 },
        { "signers:\n  - name: a\n    certificate_sha256: " ID_A "\n    until: \"2027-02-30\"\n",
          SL_E_SYNTAX, 2 },
        { "revoked:\n  - id: " ID_A "\n", SL_E_MISSING_FIELD, 2 },
        { "revoked:\n  - id: zz\n    reason: r\n", SL_E_SYNTAX, 2 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SL_OWN(sl_signers, s, sl_signers_free) = { 0 };
        assert_code(sl_signers_read(sl_view_str(CASES[i].yaml), &s), CASES[i].code);
        assert_int_equal(sl_detail_get()->offset, CASES[i].line);
        assert_int_equal(s.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_register_is_read),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
