/* SHA-256 over EVP with a prefetched algorithm and reused contexts (hash.h). */
#include "crypto/hash.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/internal.h"

bool sl_digest_eq(const sl_digest *a, const sl_digest *b)
{
    return CRYPTO_memcmp(a->b, b->b, sizeof a->b) == 0;
}

void sl_digest_hex(const sl_digest *d, char ret_hex[2 * SL_DIGEST_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof d->b; i++) {
        ret_hex[2 * i] = digits[d->b[i] >> 4];
        ret_hex[2 * i + 1] = digits[d->b[i] & 15];
    }
    ret_hex[2 * sizeof d->b] = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sl_digest_put(sl_json_writer *w, const char *name, const sl_digest *d)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(d, hex);
    sl_json_put_str(w, name, hex);
}

sl_res sl_digest_parse(sl_view hex, sl_digest *ret)
{
    sl_digest d;

    SL_NEED(hex.n == 2 * sizeof d.b, SL_E_SYNTAX);
    for (size_t i = 0; i < sizeof d.b; i++) {
        int high = hex_value(hex.p[2 * i]);
        int low = hex_value(hex.p[2 * i + 1]);
        SL_NEED(high >= 0 && low >= 0, SL_E_SYNTAX);
        d.b[i] = (uint8_t)(high * 16 + low);
    }
    *ret = d;
    return SL_DONE;
}

void sl_hasher_start(sl_hasher *h)
{
    if (h->ctx == NULL) {
        h->ctx = EVP_MD_CTX_new();
        if (h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, sl_crypto_get()->sha256, NULL) != 1) {
            sl_crypto_die("SHA-256 start");
        }
        return;
    }
    if (EVP_DigestInit_ex2(h->ctx, NULL, NULL) != 1) {
        sl_crypto_die("SHA-256 restart");
    }
}

void sl_hasher_add(sl_hasher *h, sl_view piece)
{
    if (piece.n != 0 && EVP_DigestUpdate(h->ctx, piece.p, piece.n) != 1) {
        sl_crypto_die("SHA-256 update");
    }
}

sl_digest sl_hasher_end(sl_hasher *h)
{
    sl_digest d;
    unsigned int n = 0;

    if (EVP_DigestFinal_ex(h->ctx, d.b, &n) != 1 || n != sizeof d.b) {
        sl_crypto_die("SHA-256 final");
    }
    return d;
}

void sl_hasher_free(sl_hasher *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

sl_digest sl_sha256(sl_view message)
{
    static _Thread_local sl_hasher h;

    sl_hasher_start(&h);
    sl_hasher_add(&h, message);
    return sl_hasher_end(&h);
}

sl_digest sl_merkle_leaf(sl_hasher *h, sl_view entry)
{
    static const uint8_t prefix = 0x00;

    sl_hasher_start(h);
    sl_hasher_add(h, (sl_view){ &prefix, 1 });
    sl_hasher_add(h, entry);
    return sl_hasher_end(h);
}

sl_digest sl_merkle_node(sl_hasher *h, const sl_digest *left, const sl_digest *right)
{
    uint8_t block[1 + 2 * SL_DIGEST_BYTES];

    block[0] = 0x01;
    memcpy(block + 1, left->b, sizeof left->b);
    memcpy(block + 1 + sizeof left->b, right->b, sizeof right->b);
    sl_hasher_start(h);
    sl_hasher_add(h, (sl_view){ block, sizeof block });
    return sl_hasher_end(h);
}
