/* Certificate chains and timestamps through OpenSSL (certs.h). */
#include "crypto/certs.h"

#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include "crypto/internal.h"

static STACK_OF(X509) * stack_of(const sl_certs *certs)
{
    return (STACK_OF(X509) *)certs->stack;
}

void sl_certs_free(sl_certs *certs)
{
    sk_X509_pop_free(stack_of(certs), X509_free);
    certs->stack = NULL;
}

size_t sl_certs_count(const sl_certs *certs)
{
    int n = certs->stack != NULL ? sk_X509_num(stack_of(certs)) : 0;
    return n > 0 ? (size_t)n : 0;
}

static X509 *certificate(const sl_certs *certs, size_t i)
{
    return i < sl_certs_count(certs) ? sk_X509_value(stack_of(certs), (int)i) : NULL;
}

/* Takes `x`, also on failure. */
static sl_res push(sl_certs *certs, X509 *x)
{
    sl_res r = SL_DONE;
    if (certs->stack == NULL) {
        certs->stack = sk_X509_new_null();
    }
    if (sl_certs_count(certs) >= SL_CERTS_MAX) {
        r = sl_fail_at(SL_E_LIMIT, "certificates", SL_CERTS_MAX);
    } else if (certs->stack == NULL || sk_X509_push(stack_of(certs), x) <= 0) {
        r = sl_fail(SL_E_MEMORY);
    }
    if (!sl_ok(r)) {
        X509_free(x);
    }
    return r;
}

sl_res sl_certs_add_pem(sl_certs *certs, sl_view pem)
{
    SL_TRY(sl_crypto_init());
    SL_NEED(pem.n <= 1U << 20, SL_E_LIMIT);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    SL_NEED(bio != NULL, SL_E_MEMORY);
    size_t found = 0;
    sl_res r = SL_DONE;
    for (X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL); sl_ok(r) && x != NULL; found++) {
        r = push(certs, x);
        x = sl_ok(r) ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    }
    /* The list ends with "no start line"; anything else is a damaged certificate. */
    unsigned long last = ERR_peek_last_error();
    bool whole = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    SL_TRY(r);
    return found > 0 && whole ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "certificate in PEM", found + 1);
}

sl_res sl_certs_add_der(sl_certs *certs, sl_view der)
{
    SL_TRY(sl_crypto_init());
    SL_NEED(der.n <= 1U << 20, SL_E_LIMIT);
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    if (x == NULL || p != der.p + der.n) {
        X509_free(x);
        ERR_clear_error();
        return sl_fail_at(SL_E_SYNTAX, "certificate in DER", SL_NOWHERE);
    }
    return push(certs, x);
}

sl_res sl_certs_der(const sl_certs *certs, size_t i, sl_buf *out)
{
    X509 *x = certificate(certs, i);
    uint8_t *der = NULL;
    int n = x != NULL ? i2d_X509(x, &der) : -1;
    SL_NEED(n > 0, SL_E_CRYPTO);
    sl_res r = sl_buf_add(out, sl_view_of(der, (size_t)n));
    OPENSSL_free(der);
    return r;
}

sl_res sl_certs_fingerprint(const sl_certs *certs, sl_digest *ret)
{
    SL_NEED(sl_certs_count(certs) > 0, SL_E_MISSING_FIELD);
    SL_OWN(sl_buf, der, sl_buf_free) = { .max = 1U << 20 };
    SL_TRY(sl_certs_der(certs, 0, &der));
    *ret = sl_sha256(sl_buf_view(&der));
    return SL_DONE;
}

sl_res sl_certs_subject(const sl_certs *certs, sl_buf *out)
{
    X509 *x = certificate(certs, 0);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    if (x != NULL && bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) > 0) {
        n = BIO_get_mem_data(bio, &text);
    }
    sl_res r = n > 0 ? sl_buf_add(out, sl_view_of(text, (size_t)n))
                     : sl_fail_at(SL_E_SYNTAX, "certificate subject", SL_NOWHERE);
    BIO_free(bio);
    return r;
}

static sl_res seconds(const ASN1_TIME *t, int64_t *ret_s)
{
    struct tm parts = { 0 };
    if (t == NULL || ASN1_TIME_to_tm(t, &parts) != 1) {
        return sl_fail_at(SL_E_SYNTAX, "certificate validity", SL_NOWHERE);
    }
    *ret_s = (int64_t)timegm(&parts);
    return SL_DONE;
}

sl_res sl_certs_validity(const sl_certs *certs, int64_t *ret_from_s, int64_t *ret_until_s)
{
    X509 *x = certificate(certs, 0);
    int64_t from_s = 0;
    int64_t until_s = 0;
    SL_NEED(x != NULL, SL_E_MISSING_FIELD);
    SL_TRY(seconds(X509_get0_notBefore(x), &from_s));
    SL_TRY(seconds(X509_get0_notAfter(x), &until_s));
    *ret_from_s = from_s;
    *ret_until_s = until_s;
    return SL_DONE;
}

static sl_res store_of(const sl_certs *roots, X509_STORE **ret)
{
    X509_STORE *store = X509_STORE_new();
    SL_NEED(store != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < sl_certs_count(roots); i++) {
        if (X509_STORE_add_cert(store, certificate(roots, i)) != 1) {
            X509_STORE_free(store);
            return sl_fail(SL_E_CRYPTO);
        }
    }
    *ret = store;
    return SL_DONE;
}

static bool may_sign(X509 *leaf)
{
    uint32_t usage = X509_get_key_usage(leaf);
    uint32_t extended = X509_get_extended_key_usage(leaf);
    bool has_usage = usage != UINT32_MAX && (usage & KU_DIGITAL_SIGNATURE) != 0;
    bool code_signing = extended != UINT32_MAX && (extended & XKU_CODE_SIGN) != 0;
    return has_usage || code_signing;
}

sl_res sl_certs_key(const sl_certs *certs, sl_ecdsa_key *ret)
{
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 8192 };
    X509 *leaf = certificate(certs, 0);
    sl_ecdsa_key key = { leaf != NULL ? X509_get_pubkey(leaf) : NULL };
    SL_NEED(key.pkey != NULL, SL_E_CRYPTO);
    /* Through PEM, so that only the curves of ecdsa.h come out. */
    sl_res r = sl_ecdsa_public_pem(&key, &pem);
    sl_ecdsa_key_free(&key);
    SL_TRY(r);
    return sl_ecdsa_public_parse(sl_buf_view(&pem), ret);
}

sl_res sl_certs_verify(const sl_certs *chain, const sl_certs *roots, int64_t at_s,
                       sl_ecdsa_key *ret_key)
{
    X509 *leaf = certificate(chain, 0);
    X509_STORE *store = NULL;
    SL_NEED(leaf != NULL, SL_E_MISSING_FIELD);
    if (!may_sign(leaf)) {
        return sl_fail_at(SL_E_SIGNATURE, "certificate usage", SL_NOWHERE);
    }
    SL_TRY(store_of(roots, &store));
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool valid = false;
    if (ctx != NULL && X509_STORE_CTX_init(ctx, store, leaf, stack_of(chain)) == 1) {
        X509_STORE_CTX_set_time(ctx, 0, (time_t)at_s);
        valid = X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    if (!valid) {
        return sl_fail_at(SL_E_SIGNATURE, "certificate chain", SL_NOWHERE);
    }
    return sl_certs_key(chain, ret_key);
}

/* The token of a response, or the bytes as a bare token; NULL when they are neither. */
static PKCS7 *timestamp_token(sl_view der)
{
    const uint8_t *p = der.p;
    PKCS7 *token = NULL;
    TS_RESP *response = d2i_TS_RESP(NULL, &p, (long)der.n);
    if (response != NULL) {
        PKCS7 *inside = TS_RESP_get_token(response);
        token = inside != NULL && p == der.p + der.n ? PKCS7_dup(inside) : NULL;
        TS_RESP_free(response);
        return token;
    }
    p = der.p;
    token = d2i_PKCS7(NULL, &p, (long)der.n);
    if (token != NULL && p != der.p + der.n) {
        PKCS7_free(token);
        token = NULL;
    }
    return token;
}

/* The verification context owns store and data; it is told so by the setters. */
static bool token_verifies(PKCS7 *token, sl_view message, X509_STORE *store)
{
    TS_VERIFY_CTX *ctx = TS_VERIFY_CTX_new();
    BIO *data = BIO_new_mem_buf(message.p, (int)message.n);
    if (ctx == NULL || data == NULL) {
        TS_VERIFY_CTX_free(ctx);
        BIO_free(data);
        X509_STORE_free(store);
        return false;
    }
    (void)TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
    (void)TS_VERIFY_CTX_set_data(ctx, data);
    (void)TS_VERIFY_CTX_set_store(ctx, store);
    bool valid = TS_RESP_verify_token(ctx, token) == 1;
    TS_VERIFY_CTX_free(ctx);
    return valid;
}

sl_res sl_timestamp_verify(sl_view der, sl_view message, const sl_certs *roots, int64_t *ret_time_s)
{
    SL_TRY(sl_crypto_init());
    SL_NEED(der.n <= 1U << 20 && message.n <= 1U << 30, SL_E_LIMIT);
    PKCS7 *token = timestamp_token(der);
    if (token == NULL) {
        ERR_clear_error();
        return sl_fail_at(SL_E_SYNTAX, "timestamp", SL_NOWHERE);
    }
    X509_STORE *store = NULL;
    sl_res r = store_of(roots, &store);
    if (sl_ok(r) && !token_verifies(token, message, store)) {
        r = sl_fail_at(SL_E_SIGNATURE, "timestamp", SL_NOWHERE);
    }
    TS_TST_INFO *info = sl_ok(r) ? PKCS7_to_TS_TST_INFO(token) : NULL;
    if (sl_ok(r)) {
        r = seconds(info != NULL ? TS_TST_INFO_get_time(info) : NULL, ret_time_s);
    }
    TS_TST_INFO_free(info);
    PKCS7_free(token);
    ERR_clear_error();
    return r;
}
