/* Model signatures as files: what is written reads back, what is not right is refused by name. */
#include "test.h"

#include "base/encode.h"
#include "supply/oms.h"

#define HEX_1                                                                                      \
    "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" /* SHA-256 of "1" */

static void make_files(sl_manifest *m)
{
    sl_digest one = sl_sha256(SL_LIT("1"));
    sl_digest two = sl_sha256(SL_LIT("2"));
    assert_done(sl_manifest_add(m, SL_LIT("a\"\\\xC3\xBC"), &two));
    assert_done(sl_manifest_add(m, SL_LIT("a/b"), &one));
    assert_done(sl_manifest_sort(m));
}

static void a_statement_reads_back(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_oms_statement, s, sl_oms_statement_free) = { 0 };
    sl_view ignored[] = { SL_LIT(".git"), SL_LIT("m.sig") };
    sl_digest root;
    make_files(&m);
    assert_done(
        sl_oms_statement_write(&m, SL_LIT("model"), ignored, 2, SL_LIT("{\"scan\":1}"), &json));
    assert_done(sl_oms_statement_read(sl_buf_view(&json), &s));
    root = sl_manifest_root(&m);
    assert_view(s.model, "model");
    assert_true(sl_digest_eq(&s.root, &root));
    assert_int_equal(s.files.n, 2);
    assert_view(s.files.files[1].path, "a\"\\\xC3\xBC");
    assert_int_equal(s.ignored_count, 2);
    assert_view(s.ignored[1], "m.sig");
    assert_view(s.extension, "{\"scan\":1}");
}

static void damaged_statements_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        int32_t code;
    } CASES[] = {
        { "/Statement/v1\"", "/Statement/v2\"", SL_E_VERSION },
        { "signature/v1.0", "signature/v9.0", SL_E_VERSION },
        { "\"files\",", "\"shards\",", SL_E_UNSUPPORTED },
        { "\"hash_type\":\"sha256\"", "\"hash_type\":\"blake3\"", SL_E_UNSUPPORTED },
        { "\"allow_symlinks\":false", "\"allow_symlinks\":true", SL_E_UNSUPPORTED },
        { "\"algorithm\":\"sha256\"", "\"algorithm\":\"sha512\"", SL_E_UNSUPPORTED },
        { "\"a/b\"", "\"../b\"", SL_E_SYNTAX },
        { "\"a/b\"", "\"a\\u0000b\"", SL_E_SYNTAX },
        { "\"digest\":\"6b86", "\"digest\":\"0b86", SL_E_INTEGRITY },
        { "\"digest\":\"6b86", "\"digest\":\"6B86", SL_E_SYNTAX },
        { "\"resources\"", "\"sources\"", SL_E_MISSING_FIELD },
        { "\"predicate\":", "\"predicat\":", SL_E_MISSING_FIELD },
        { "\"_type\"", "\"type\"", SL_E_MISSING_FIELD },
    };
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 20 };
    make_files(&m);
    assert_done(sl_oms_statement_write(&m, SL_LIT("model"), NULL, 0, SL_LIT(""), &json));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SL_OWN(sl_buf, bad, sl_buf_free) = { .max = 1 << 20 };
        SL_OWN(sl_oms_statement, s, sl_oms_statement_free) = { 0 };
        sl_view whole = sl_buf_view(&json);
        size_t at = sl_view_find(whole, sl_view_str(CASES[i].from), 0);
        assert_int_not_equal(at, SIZE_MAX);
        assert_done(sl_buf_add(&bad, sl_view_sub(whole, 0, at)));
        assert_done(sl_buf_add_str(&bad, CASES[i].to));
        assert_done(sl_buf_add(&bad, sl_view_sub(whole, at + strlen(CASES[i].from), whole.n)));
        assert_code(sl_oms_statement_read(sl_buf_view(&bad), &s), CASES[i].code);
        assert_int_equal(s.files.n, 0);
    }
}

static void the_same_file_twice_is_refused(void **state)
{
    (void)state;
    SL_OWN(sl_oms_statement, s, sl_oms_statement_free) = { 0 };
    sl_view twice = SL_LIT("{\"_type\":\"https://in-toto.io/Statement/v1\","
                           "\"predicateType\":\"https://model_signing/Digests/v0.1\",\"subject\":["
                           "{\"name\":\"a\",\"digest\":{\"sha256\":\"" HEX_1 "\"}},"
                           "{\"name\":\"a\",\"digest\":{\"sha256\":\"" HEX_1 "\"}}]}");
    assert_code(sl_oms_statement_read(twice, &s), SL_E_DUPLICATE);
}

static void the_older_form_is_read(void **state)
{
    (void)state;
    SL_OWN(sl_oms_statement, s, sl_oms_statement_free) = { 0 };
    sl_view old = SL_LIT("{\"_type\":\"https://in-toto.io/Statement/v1\","
                         "\"predicateType\":\"https://model_signing/Digests/v0.1\",\"subject\":["
                         "{\"name\":\"b\",\"digest\":{\"sha256\":\"" HEX_1 "\"}},"
                         "{\"name\":\"a\",\"digest\":{\"sha256\":\"" HEX_1 "\"}}]}");
    assert_done(sl_oms_statement_read(old, &s));
    assert_int_equal(s.files.n, 2);
    assert_view(s.files.files[0].path, "a");
}

static void a_bundle_reads_back(void **state)
{
    (void)state;
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_oms_bundle, b, sl_oms_bundle_free) = { 0 };
    sl_certs none = { 0 };
    sl_digest hint = sl_sha256(SL_LIT("key"));
    assert_done(sl_oms_bundle_write(SL_LIT("payload"), SL_LIT("signature"), &hint, &none, &json));
    assert_done(sl_oms_bundle_read(sl_buf_view(&json), &b));
    assert_view(sl_buf_view(&b.payload), "payload");
    assert_view(sl_buf_view(&b.signature), "signature");
    assert_true(b.has_hint && sl_digest_eq(&b.hint, &hint));
    assert_false(b.by_certificate);
}

static void unknown_or_missing_members_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int32_t code;
    } CASES[] = {
        { "[]", SL_E_TYPE },
        { "{}", SL_E_VERSION },
        { "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"x\":1}",
          SL_E_UNKNOWN_FIELD },
        { "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}", SL_E_TYPE },
#define BUNDLE(material, envelope)                                                                 \
    "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMaterial\":"   \
    "{" material "},\"dsseEnvelope\":{" envelope "}}"
#define TYPE "\"payloadType\":\"application/vnd.in-toto+json\","
        { BUNDLE("", ""), SL_E_MISSING_FIELD },
        { BUNDLE("\"certificate\":{}", ""), SL_E_UNSUPPORTED },
        { BUNDLE("\"publicKey\":{}", "\"payloadType\":\"text/plain\""), SL_E_VERSION },
        { BUNDLE("\"publicKey\":{}", TYPE "\"payload\":\"!\",\"signatures\":[]"), SL_E_SYNTAX },
        { BUNDLE("\"publicKey\":{}", TYPE "\"payload\":\"YQ==\",\"signatures\":[]"),
          SL_E_UNSUPPORTED },
        { BUNDLE("\"publicKey\":{}", TYPE "\"payload\":\"YQ==\",\"signatures\":[{\"sig\":\"YQ==\"},"
                                          "{\"sig\":\"YQ==\"}]"),
          SL_E_UNSUPPORTED },
        { BUNDLE("\"publicKey\":{}", TYPE "\"payload\":\"YQ==\",\"signatures\":[{}]"),
          SL_E_MISSING_FIELD },
        { BUNDLE("\"publicKey\":{},\"x509CertificateChain\":{}", ""), SL_E_MISSING_FIELD },
        { BUNDLE("\"x509CertificateChain\":{\"certificates\":[]}", ""), SL_E_MISSING_FIELD },
        { BUNDLE("\"x509CertificateChain\":{\"certificates\":[{\"rawBytes\":\"YQ==\"}]}", ""),
          SL_E_SYNTAX },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SL_OWN(sl_oms_bundle, b, sl_oms_bundle_free) = { 0 };
        assert_code(sl_oms_bundle_read(sl_view_str(CASES[i].json), &b), CASES[i].code);
    }
}

static void what_is_signed_is_dsse(void **state)
{
    (void)state;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 100 };
    assert_done(sl_oms_signed_bytes(SL_LIT("{ }"), &out));
    assert_view(sl_buf_view(&out), "DSSEv1 28 application/vnd.in-toto+json 3 { }");
}

typedef struct {
    size_t changed;
    size_t missing;
    size_t added;
} counts;

static void count(void *context, sl_oms_difference difference, sl_view path)
{
    (void)path;
    counts *c = context;
    c->changed += difference == SL_OMS_CHANGED;
    c->missing += difference == SL_OMS_MISSING;
    c->added += difference == SL_OMS_UNSIGNED;
}

static void differences_are_told(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, signed_files, sl_manifest_free) = { 0 };
    SL_OWN(sl_manifest, tree, sl_manifest_free) = { 0 };
    sl_digest one = sl_sha256(SL_LIT("1"));
    sl_digest two = sl_sha256(SL_LIT("2"));
    counts c = { 0 };
    assert_done(sl_manifest_add(&signed_files, SL_LIT("a"), &one));
    assert_done(sl_manifest_add(&signed_files, SL_LIT("b"), &one));
    assert_done(sl_manifest_add(&signed_files, SL_LIT("c"), &one));
    assert_done(sl_manifest_add(&tree, SL_LIT("b"), &two));
    assert_done(sl_manifest_add(&tree, SL_LIT("c"), &one));
    assert_done(sl_manifest_add(&tree, SL_LIT("d"), &one));
    assert_int_equal(sl_oms_compare(&signed_files, &signed_files, count, &c), 0);
    assert_int_equal(sl_oms_compare(&signed_files, &tree, count, &c), 3);
    assert_int_equal(c.missing, 1);
    assert_int_equal(c.changed, 1);
    assert_int_equal(c.added, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_reads_back),
        cmocka_unit_test(damaged_statements_are_refused),
        cmocka_unit_test(the_same_file_twice_is_refused),
        cmocka_unit_test(the_older_form_is_read),
        cmocka_unit_test(a_bundle_reads_back),
        cmocka_unit_test(unknown_or_missing_members_are_refused),
        cmocka_unit_test(what_is_signed_is_dsse),
        cmocka_unit_test(differences_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
