/* AES-256-KWP through EVP (wrap.h). */
#include "crypto/wrap.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/internal.h"

/* One pass of the wrap cipher in either direction; `out` holds 8 bytes more than `in`. */
static bool kwp(const uint8_t *wrapping, bool wrap, sl_view in, uint8_t *out, size_t want)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    int tail = 0;

    if (ctx == NULL) {
        return false;
    }
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool done = EVP_CipherInit_ex2(ctx, sl_crypto_get()->aes_256_kwp, wrapping, NULL, wrap ? 1 : 0,
                                   NULL) == 1 &&
                EVP_CipherUpdate(ctx, out, &n, in.p, (int)in.n) == 1 &&
                EVP_CipherFinal_ex(ctx, out + n, &tail) == 1 && (size_t)n + (size_t)tail == want;
    EVP_CIPHER_CTX_free(ctx);
    return done;
}

sl_res sl_wrap_key(const uint8_t wrapping[SL_KEY_BYTES], const uint8_t key[SL_KEY_BYTES],
                   uint8_t ret_wrapped[SL_WRAPPED_KEY_BYTES])
{
    uint8_t out[SL_WRAPPED_KEY_BYTES + 8];

    SL_NEED(kwp(wrapping, true, (sl_view){ key, SL_KEY_BYTES }, out, SL_WRAPPED_KEY_BYTES),
            SL_E_CRYPTO);
    memcpy(ret_wrapped, out, SL_WRAPPED_KEY_BYTES);
    return SL_DONE;
}

sl_res sl_unwrap_key(const uint8_t wrapping[SL_KEY_BYTES],
                     const uint8_t wrapped[SL_WRAPPED_KEY_BYTES], uint8_t ret_key[SL_KEY_BYTES])
{
    uint8_t out[SL_WRAPPED_KEY_BYTES + 8];
    sl_view in = { wrapped, SL_WRAPPED_KEY_BYTES };

    if (!kwp(wrapping, false, in, out, SL_KEY_BYTES)) {
        OPENSSL_cleanse(out, sizeof out);
        OPENSSL_cleanse(ret_key, SL_KEY_BYTES);
        return sl_fail(SL_E_INTEGRITY);
    }
    memcpy(ret_key, out, SL_KEY_BYTES);
    OPENSSL_cleanse(out, sizeof out);
    return SL_DONE;
}
