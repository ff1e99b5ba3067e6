/* HMAC-SHA256 through EVP_MAC with a kept key (mac.h). */
#include "crypto/mac.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/internal.h"

void sl_keyed_set(sl_keyed *k, sl_view key)
{
    static char digest_name[] = "SHA256";
    static const uint8_t no_key[1];
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };

    sl_keyed_free(k);
    k->ctx = EVP_MAC_CTX_new(sl_crypto_get()->hmac);
    /* A NULL key would mean "keep the former key" to OpenSSL, so an empty one gets an address. */
    if (k->ctx == NULL || EVP_MAC_init(k->ctx, key.n != 0 ? key.p : no_key, key.n, params) != 1) {
        sl_crypto_die("HMAC key");
    }
}

void sl_keyed_free(sl_keyed *k)
{
    EVP_MAC_CTX_free(k->ctx);
    k->ctx = NULL;
}

void sl_keyed_start(sl_keyed *k)
{
    if (EVP_MAC_init(k->ctx, NULL, 0, NULL) != 1) {
        sl_crypto_die("HMAC start");
    }
}

void sl_keyed_add(sl_keyed *k, sl_view piece)
{
    if (piece.n != 0 && EVP_MAC_update(k->ctx, piece.p, piece.n) != 1) {
        sl_crypto_die("HMAC update");
    }
}

sl_digest sl_keyed_end(sl_keyed *k)
{
    sl_digest d;
    size_t n = 0;

    if (EVP_MAC_final(k->ctx, d.b, &n, sizeof d.b) != 1 || n != sizeof d.b) {
        sl_crypto_die("HMAC final");
    }
    return d;
}

sl_digest sl_keyed_hash(sl_keyed *k, sl_view message)
{
    sl_keyed_start(k);
    sl_keyed_add(k, message);
    return sl_keyed_end(k);
}

sl_digest sl_hmac(sl_view key, sl_view message)
{
    sl_keyed k = { 0 };
    sl_keyed_set(&k, key);
    sl_digest d = sl_keyed_hash(&k, message);
    sl_keyed_free(&k);
    return d;
}
