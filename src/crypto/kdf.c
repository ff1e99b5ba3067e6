/* HKDF and scrypt through EVP_KDF (kdf.h). A failed derivation leaves zeros, never old bytes. */
#include "crypto/kdf.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto/internal.h"

static void *octets(sl_view v)
{
    static uint8_t nothing[1];

    /* OSSL_PARAM takes a pointer without const and only reads it. */
    return v.n != 0 ? (void *)(uintptr_t)v.p : nothing;
}

static sl_res derive(EVP_KDF *kdf, const OSSL_PARAM *params, uint8_t *ret, size_t n)
{
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    bool derived = ctx != NULL && EVP_KDF_derive(ctx, ret, n, params) == 1;

    EVP_KDF_CTX_free(ctx);
    if (!derived) {
        OPENSSL_cleanse(ret, n);
        return sl_fail(SL_E_CRYPTO);
    }
    return SL_DONE;
}

sl_res sl_hkdf(sl_view key, sl_view salt, sl_view info, uint8_t *ret, size_t n)
{
    static char digest_name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, octets(key), key.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, octets(salt), salt.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, octets(info), info.n),
        OSSL_PARAM_construct_end(),
    };

    return derive(sl_crypto_get()->hkdf, params, ret, n);
}

sl_res sl_hkdf_expand_sha512(sl_view key, sl_view info, uint8_t *ret, size_t n)
{
    static char digest_name[] = "SHA512";
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, octets(key), key.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, octets(info), info.n),
        OSSL_PARAM_construct_end(),
    };

    return derive(sl_crypto_get()->hkdf, params, ret, n);
}

sl_res sl_scrypt(sl_view passphrase, sl_view salt, sl_scrypt_cost cost, uint8_t *ret, size_t n)
{
    SL_NEED(cost.log2_n >= 10 && cost.log2_n <= 20, SL_E_LIMIT);
    SL_NEED(cost.r >= 1 && cost.r <= 16 && cost.p >= 1 && cost.p <= 4, SL_E_LIMIT);

    uint64_t n_cost = UINT64_C(1) << cost.log2_n;
    uint64_t memory_bytes_max = n_cost * cost.r * 128 + (UINT64_C(1) << 20);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, octets(passphrase),
                                          passphrase.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, octets(salt), salt.n),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n_cost),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &cost.r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &cost.p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_bytes_max),
        OSSL_PARAM_construct_end(),
    };

    return derive(sl_crypto_get()->scrypt, params, ret, n);
}
