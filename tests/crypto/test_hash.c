/* SHA-256, HMAC, HKDF, scrypt and key wrap against published and independently computed values. */
#include "test.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/mac.h"
#include "crypto/wrap.h"

static void assert_hex(sl_view got, const char *want)
{
    SL_OWN(sl_buf, hex, sl_buf_free) = { .max = 4096 };

    assert_true(sl_ok(sl_hex_add(&hex, got)));
    assert_true(sl_view_eq_str(sl_buf_view(&hex), want));
}

static void sha256_gives_the_published_values(void **state)
{
    (void)state;
    sl_digest empty = sl_sha256(SL_LIT(""));
    sl_digest abc = sl_sha256(SL_LIT("abc"));
    assert_hex(sl_digest_view(&empty),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hex(sl_digest_view(&abc),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_hasher_is_reused_without_memory_of_the_last_message(void **state)
{
    (void)state;
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };

    for (int round = 0; round < 3; round++) {
        sl_hasher_start(&h);
        sl_hasher_add(&h, SL_LIT("a"));
        sl_hasher_add(&h, SL_LIT(""));
        sl_hasher_add(&h, SL_LIT("bc"));
        sl_digest got = sl_hasher_end(&h);
        sl_digest want = sl_sha256(SL_LIT("abc"));
        assert_true(sl_digest_eq(&got, &want));
    }
}

static void merkle_hashes_are_those_of_rfc_6962(void **state)
{
    (void)state;
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_digest leaf = sl_merkle_leaf(&h, SL_LIT(""));
    assert_hex(sl_digest_view(&leaf),
               "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    sl_digest second = sl_merkle_leaf(&h, sl_view_of("\0", 1));
    sl_digest node = sl_merkle_node(&h, &leaf, &second);
    assert_hex(sl_digest_view(&node),
               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
}

static void digest_parse_accepts_only_lower_case_hex_of_full_length(void **state)
{
    (void)state;
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest d = sl_sha256(SL_LIT("abc"));
    sl_digest back;

    sl_digest_hex(&d, hex);
    assert_true(sl_ok(sl_digest_parse(sl_view_str(hex), &back)));
    assert_true(sl_digest_eq(&d, &back));
    assert_false(sl_ok(sl_digest_parse(sl_view_of(hex, 63), &back)));
    hex[0] = 'B';
    assert_false(sl_ok(sl_digest_parse(sl_view_str(hex), &back)));
}

static void hmac_gives_rfc_4231(void **state)
{
    (void)state;
    const char *want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    sl_view text = SL_LIT("what do ya want for nothing?");
    sl_digest once = sl_hmac(SL_LIT("Jefe"), text);
    SL_OWN(sl_keyed, k, sl_keyed_free) = { 0 };

    assert_hex(sl_digest_view(&once), want);
    sl_keyed_set(&k, SL_LIT("Jefe"));
    for (int round = 0; round < 3; round++) {
        sl_digest other = sl_keyed_hash(&k, SL_LIT("something else"));
        sl_digest again = sl_keyed_hash(&k, text);
        assert_hex(sl_digest_view(&again), want);
        assert_false(sl_digest_eq(&other, &again));
    }
}

static void an_empty_hmac_key_is_a_key(void **state)
{
    (void)state;
    sl_digest d = sl_hmac(SL_LIT(""), SL_LIT(""));
    assert_hex(sl_digest_view(&d),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hkdf_gives_rfc_5869(void **state)
{
    (void)state;
    uint8_t key[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t out[42];

    memset(key, 0x0b, sizeof key);
    for (uint8_t i = 0; i < 13; i++) {
        salt[i] = i;
    }
    for (uint8_t i = 0; i < 10; i++) {
        info[i] = (uint8_t)(0xf0 + i);
    }
    assert_true(sl_ok(
        sl_hkdf(sl_view_of(key, 22), sl_view_of(salt, 13), sl_view_of(info, 10), out, sizeof out)));
    assert_hex(sl_view_of(out, sizeof out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db0"
                                            "2d56ecc4c5bf34007208d5b887185865");
}

static void scrypt_gives_rfc_7914_and_refuses_mad_costs(void **state)
{
    (void)state;
    uint8_t out[64];
    sl_view pass = SL_LIT("pleaseletmein");
    sl_view salt = SL_LIT("SodiumChloride");

    assert_true(sl_ok(sl_scrypt(pass, salt, (sl_scrypt_cost){ 14, 8, 1 }, out, sizeof out)));
    assert_hex(sl_view_of(out, sizeof out),
               "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62"
               "d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
    assert_true(
        sl_is(sl_scrypt(pass, salt, (sl_scrypt_cost){ 30, 8, 1 }, out, sizeof out), SL_E_LIMIT));
    assert_true(
        sl_is(sl_scrypt(pass, salt, (sl_scrypt_cost){ 14, 0, 1 }, out, sizeof out), SL_E_LIMIT));
}

static void key_wrap_agrees_with_another_implementation_and_refuses_changes(void **state)
{
    (void)state;
    uint8_t wrapping[32];
    uint8_t key[32];
    uint8_t wrapped[SL_WRAPPED_KEY_BYTES];
    uint8_t back[32];

    for (uint8_t i = 0; i < 32; i++) {
        wrapping[i] = i;
        key[i] = (uint8_t)(200 + i);
    }
    assert_true(sl_ok(sl_wrap_key(wrapping, key, wrapped)));
    assert_hex(sl_view_of(wrapped, sizeof wrapped),
               "f8cb474436695ea4363695cd5e99abb35c470f0c724780aec3ed6fd9081f70e9d612b9517baf70f1");
    assert_true(sl_ok(sl_unwrap_key(wrapping, wrapped, back)));
    assert_memory_equal(back, key, sizeof key);
    for (size_t bit = 0; bit < 8 * sizeof wrapped; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(sl_is(sl_unwrap_key(wrapping, wrapped, back), SL_E_INTEGRITY));
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    wrapping[31] ^= 1;
    assert_true(sl_is(sl_unwrap_key(wrapping, wrapped, back), SL_E_INTEGRITY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(a_hasher_is_reused_without_memory_of_the_last_message),
        cmocka_unit_test(merkle_hashes_are_those_of_rfc_6962),
        cmocka_unit_test(digest_parse_accepts_only_lower_case_hex_of_full_length),
        cmocka_unit_test(hmac_gives_rfc_4231),
        cmocka_unit_test(an_empty_hmac_key_is_a_key),
        cmocka_unit_test(hkdf_gives_rfc_5869),
        cmocka_unit_test(scrypt_gives_rfc_7914_and_refuses_mad_costs),
        cmocka_unit_test(key_wrap_agrees_with_another_implementation_and_refuses_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
