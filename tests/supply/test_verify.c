/* Who may have signed: the register decides, a flipped bit or another key never passes. */
#include "test.h"

#include "supply/verify.h"

static sl_ecdsa_key key;
static sl_oms_bundle bundle;

static void make_bundle(const char *curve)
{
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    SL_OWN(sl_buf, message, sl_buf_free) = { .max = 1 << 20 };
    sl_digest one = sl_sha256(SL_LIT("1"));
    sl_ecdsa_key_free(&key);
    sl_oms_bundle_free(&bundle);
    bundle.payload.max = 1 << 20;
    bundle.signature.max = 1024;
    assert_done(sl_ecdsa_generate(curve, &key));
    assert_done(sl_manifest_add(&files, SL_LIT("a"), &one));
    assert_done(sl_oms_statement_write(&files, SL_LIT("m"), NULL, 0, SL_LIT(""), &bundle.payload));
    assert_done(sl_oms_signed_bytes(sl_buf_view(&bundle.payload), &message));
    assert_done(sl_ecdsa_sign(&key, sl_buf_view(&message), &bundle.signature));
    assert_done(sl_ecdsa_hint(&key, &bundle.hint));
    bundle.has_hint = true;
}

static void trust_key(const sl_ecdsa_key *k, sl_signers *ret)
{
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 8192 };
    assert_done(sl_ecdsa_public_pem(k, &pem));
    assert_done(sl_signers_add_key(ret, "test", sl_buf_view(&pem)));
}

static sl_res verify(const sl_signers *signers, int64_t now_s, sl_verified *who)
{
    sl_certs none = { 0 };
    sl_verify_trust trust = {
        .signers = signers, .roots = &none, .timestamp_roots = &none, .now_s = now_s
    };
    return sl_verify_bundle(&bundle, &trust, who);
}

static void each_curve_verifies(void **state)
{
    (void)state;
    static const char *const CURVES[] = { "P-256", "P-384", "P-521" };
    for (size_t i = 0; i < 3; i++) {
        SL_OWN(sl_signers, signers, sl_signers_free) = { 0 };
        sl_verified who;
        make_bundle(CURVES[i]);
        trust_key(&key, &signers);
        assert_done(verify(&signers, 0, &who));
        assert_string_equal(who.name, "test");
        bundle.has_hint = false; /* a hint is only a hint */
        assert_done(verify(&signers, 0, &who));
        assert_true(sl_digest_eq(&who.id, &signers.signers[0].id));
    }
}

static void a_flipped_bit_anywhere_fails(void **state)
{
    (void)state;
    SL_OWN(sl_signers, signers, sl_signers_free) = { 0 };
    sl_verified who;
    make_bundle("P-256");
    trust_key(&key, &signers);
    for (size_t i = 0; i < bundle.payload.n; i++) {
        bundle.payload.p[i] ^= 1;
        assert_code(verify(&signers, 0, &who), SL_E_SIGNATURE);
        bundle.payload.p[i] ^= 1;
    }
    for (size_t i = 0; i < bundle.signature.n; i++) {
        bundle.signature.p[i] ^= 1;
        assert_code(verify(&signers, 0, &who), SL_E_SIGNATURE);
        bundle.signature.p[i] ^= 1;
    }
    assert_done(verify(&signers, 0, &who));
}

static void a_stranger_is_not_trusted(void **state)
{
    (void)state;
    SL_OWN(sl_signers, signers, sl_signers_free) = { 0 };
    SL_OWN(sl_ecdsa_key, other, sl_ecdsa_key_free) = { 0 };
    sl_verified who;
    make_bundle("P-256");
    assert_code(verify(&signers, 0, &who), SL_E_SIGNER);
    assert_done(sl_ecdsa_generate("P-256", &other));
    trust_key(&other, &signers);
    assert_code(verify(&signers, 0, &who), SL_E_SIGNER);
    bundle.has_hint = false;
    assert_code(verify(&signers, 0, &who), SL_E_SIGNER);
    /* The hint of a trusted key over another's signature. */
    bundle.has_hint = true;
    bundle.hint = signers.signers[0].id;
    assert_code(verify(&signers, 0, &who), SL_E_SIGNATURE);
}

static void a_revoked_signer_is_refused_with_the_reason(void **state)
{
    (void)state;
    SL_OWN(sl_signers, signers, sl_signers_free) = { 0 };
    sl_verified who;
    make_bundle("P-256");
    trust_key(&key, &signers);
    sl_revoked revoked = { bundle.hint, SL_LIT("laptop stolen") };
    signers.revoked = &revoked;
    signers.revoked_count = 1;
    assert_code(verify(&signers, 0, &who), SL_E_SIGNER);
    assert_string_equal(who.reason, "laptop stolen");
    bundle.has_hint = false; /* leaving the hint out is no way round */
    assert_code(verify(&signers, 0, &who), SL_E_SIGNER);
}

static void trust_ends_on_its_day(void **state)
{
    (void)state;
    SL_OWN(sl_signers, signers, sl_signers_free) = { 0 };
    sl_verified who;
    make_bundle("P-256");
    trust_key(&key, &signers);
    signers.signers[0].until_s = 1000;
    assert_done(verify(&signers, 1000, &who));
    assert_code(verify(&signers, 1001, &who), SL_E_SIGNER);
}

static int tear_down(void **state)
{
    (void)state;
    sl_ecdsa_key_free(&key);
    sl_oms_bundle_free(&bundle);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_curve_verifies),
        cmocka_unit_test(a_flipped_bit_anywhere_fails),
        cmocka_unit_test(a_stranger_is_not_trusted),
        cmocka_unit_test(a_revoked_signer_is_refused_with_the_reason),
        cmocka_unit_test(trust_ends_on_its_day),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
