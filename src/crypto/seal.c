/* Cobblestone-256 over EVP (seal.h). One cipher context per message keeps the key schedule; each
 * chunk sets only its nonce. No plaintext of a chunk that fails to verify is ever left behind.
 */
#include "crypto/seal.h"

#include <assert.h>

#include <openssl/crypto.h>

#include "crypto/internal.h"
#include "crypto/kdf.h"

enum { KEY_BYTES = 32, NONCE_BYTES = 12 };

/* "c2sp.org/chunked-encryption@v1+" || aead || 0x00; the literal's own NUL is the zero byte. */
static const char INFO_PREFIX[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM";

uint64_t sl_sealed_chunks(uint64_t plain_bytes)
{
    return plain_bytes / SL_SEAL_CHUNK_BYTES + 1;
}

uint64_t sl_sealed_chunk_offset(uint64_t chunk)
{
    return SL_SEAL_HEADER_BYTES + chunk * SL_SEAL_SEALED_CHUNK_BYTES;
}

uint64_t sl_sealed_bytes(uint64_t plain_bytes)
{
    return SL_SEAL_HEADER_BYTES + plain_bytes + sl_sealed_chunks(plain_bytes) * SL_SEAL_TAG_BYTES;
}

sl_res sl_sealed_plain_bytes(uint64_t sealed_bytes, uint64_t *ret_plain_bytes)
{
    SL_NEED(sealed_bytes >= SL_SEAL_HEADER_BYTES + SL_SEAL_TAG_BYTES, SL_E_TRUNCATED);
    uint64_t body = sealed_bytes - SL_SEAL_HEADER_BYTES;
    uint64_t full = body / SL_SEAL_SEALED_CHUNK_BYTES;
    uint64_t last = body % SL_SEAL_SEALED_CHUNK_BYTES;

    SL_NEED(last >= SL_SEAL_TAG_BYTES, SL_E_TRUNCATED);
    SL_NEED(full < SL_SEAL_CHUNKS_MAX, SL_E_LIMIT);
    *ret_plain_bytes = full * SL_SEAL_CHUNK_BYTES + last - SL_SEAL_TAG_BYTES;
    return SL_DONE;
}

void sl_seal_free(sl_seal *s)
{
    EVP_CIPHER_CTX_free(s->ctx);
    if (s->pending.p != NULL) {
        OPENSSL_cleanse(s->pending.p, s->pending.cap);
    }
    sl_buf_free(&s->pending);
    OPENSSL_cleanse(s, sizeof *s);
}

/* Derives key, nonce and commitment and loads the key into a fresh context. */
static sl_res load(sl_seal *s, const uint8_t *key, sl_view salt, sl_view context, bool sealing,
                   uint8_t ret_commitment[SL_SEAL_COMMITMENT_BYTES])
{
    uint8_t derived[KEY_BYTES + NONCE_BYTES + SL_SEAL_COMMITMENT_BYTES];
    uint8_t info[sizeof INFO_PREFIX + SL_SEAL_SALT_BYTES + SL_SEAL_CONTEXT_BYTES_MAX];
    size_t n = sizeof INFO_PREFIX;

    SL_NEED(context.n <= SL_SEAL_CONTEXT_BYTES_MAX, SL_E_LIMIT);
    memcpy(info, INFO_PREFIX, n);
    memcpy(info + n, salt.p, SL_SEAL_SALT_BYTES);
    n += SL_SEAL_SALT_BYTES;
    if (context.n != 0) {
        memcpy(info + n, context.p, context.n);
        n += context.n;
    }
    SL_TRY(sl_hkdf_expand_sha512(sl_view_of(key, KEY_BYTES), sl_view_of(info, n), derived,
                                 sizeof derived));

    sl_seal_free(s);
    *s = (sl_seal){ .sealing = sealing, .pending = { .max = SL_SEAL_CHUNK_BYTES } };
    s->ctx = EVP_CIPHER_CTX_new();
    bool loaded = s->ctx != NULL && EVP_CipherInit_ex2(s->ctx, sl_crypto_get()->aes_256_gcm,
                                                       derived, NULL, sealing ? 1 : 0, NULL) == 1;
    memcpy(s->base_nonce, derived + KEY_BYTES, NONCE_BYTES);
    memcpy(ret_commitment, derived + KEY_BYTES + NONCE_BYTES, SL_SEAL_COMMITMENT_BYTES);
    OPENSSL_cleanse(derived, sizeof derived);
    if (!loaded) {
        sl_seal_free(s);
        return sl_fail(SL_E_CRYPTO);
    }
    return SL_DONE;
}

static bool set_nonce(sl_seal *s, uint64_t chunk)
{
    uint8_t nonce[NONCE_BYTES];

    memcpy(nonce, s->base_nonce, sizeof nonce);
    for (size_t i = 0; i < 5; i++) {
        nonce[NONCE_BYTES - 1 - i] ^= (uint8_t)(chunk >> (8 * i));
    }
    return EVP_CipherInit_ex2(s->ctx, NULL, NULL, nonce, -1, NULL) == 1;
}

/* Appends one sealed chunk; `plain` may be empty. */
static sl_res seal_chunk(sl_seal *s, sl_view plain, sl_buf *out)
{
    int n = 0;
    int tail = 0;

    SL_NEED(s->next_chunk < SL_SEAL_CHUNKS_MAX, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(out, plain.n + SL_SEAL_TAG_BYTES));
    uint8_t *to = out->p + out->n;
    bool sealed =
        set_nonce(s, s->next_chunk) &&
        (plain.n == 0 || EVP_EncryptUpdate(s->ctx, to, &n, plain.p, (int)plain.n) == 1) &&
        EVP_EncryptFinal_ex(s->ctx, to + n, &tail) == 1 &&
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, SL_SEAL_TAG_BYTES, to + plain.n) == 1;
    SL_NEED(sealed && (size_t)(n + tail) == plain.n, SL_E_CRYPTO);
    out->n += plain.n + SL_SEAL_TAG_BYTES;
    s->next_chunk++;
    return SL_DONE;
}

sl_res sl_seal_begin(sl_seal *s, const uint8_t key[SL_SEAL_KEY_BYTES],
                     const uint8_t salt[SL_SEAL_SALT_BYTES], sl_view context, sl_buf *out)
{
    uint8_t commitment[SL_SEAL_COMMITMENT_BYTES];

    SL_TRY(sl_buf_reserve(out, SL_SEAL_HEADER_BYTES));
    SL_TRY(load(s, key, sl_view_of(salt, SL_SEAL_SALT_BYTES), context, true, commitment));
    SL_TRY(sl_buf_add(out, sl_view_of(salt, SL_SEAL_SALT_BYTES)));
    return sl_buf_add(out, sl_view_of(commitment, sizeof commitment));
}

sl_res sl_seal_add(sl_seal *s, sl_view plain, sl_buf *out)
{
    assert(s->sealing && !s->ended);
    while (plain.n != 0) {
        if (s->pending.n == 0 && plain.n >= SL_SEAL_CHUNK_BYTES) {
            SL_TRY(seal_chunk(s, sl_view_sub(plain, 0, SL_SEAL_CHUNK_BYTES), out));
            plain = sl_view_sub(plain, SL_SEAL_CHUNK_BYTES, plain.n);
            continue;
        }
        size_t room = SL_SEAL_CHUNK_BYTES - s->pending.n;
        size_t take = plain.n < room ? plain.n : room;
        /* Reserved whole at once, so that no smaller copy of plaintext is left in the heap. */
        SL_TRY(sl_buf_reserve(&s->pending, room));
        SL_TRY(sl_buf_add(&s->pending, sl_view_sub(plain, 0, take)));
        plain = sl_view_sub(plain, take, plain.n);
        if (s->pending.n == SL_SEAL_CHUNK_BYTES) {
            SL_TRY(seal_chunk(s, sl_buf_view(&s->pending), out));
            sl_buf_clear(&s->pending);
        }
    }
    return SL_DONE;
}

sl_res sl_seal_end(sl_seal *s, sl_buf *out)
{
    assert(s->sealing && !s->ended);
    SL_TRY(seal_chunk(s, sl_buf_view(&s->pending), out));
    s->ended = true;
    return SL_DONE;
}

sl_res sl_open_begin(sl_seal *s, const uint8_t key[SL_SEAL_KEY_BYTES], sl_view context,
                     sl_view header)
{
    uint8_t commitment[SL_SEAL_COMMITMENT_BYTES];

    SL_NEED(header.n >= SL_SEAL_HEADER_BYTES, SL_E_TRUNCATED);
    SL_TRY(load(s, key, sl_view_sub(header, 0, SL_SEAL_SALT_BYTES), context, false, commitment));
    if (CRYPTO_memcmp(commitment, header.p + SL_SEAL_SALT_BYTES, sizeof commitment) != 0) {
        sl_seal_free(s);
        return sl_fail_at(SL_E_INTEGRITY, "sealed header", 0);
    }
    return SL_DONE;
}

sl_res sl_open_chunk(sl_seal *s, uint64_t chunk, sl_view sealed, uint8_t *ret_plain, size_t *ret_n)
{
    uint8_t tag[SL_SEAL_TAG_BYTES];
    int n = 0;
    int tail = 0;

    assert(!s->sealing && s->ctx != NULL);
    SL_NEED(chunk < SL_SEAL_CHUNKS_MAX, SL_E_LIMIT);
    SL_NEED(sealed.n >= SL_SEAL_TAG_BYTES, SL_E_TRUNCATED);
    SL_NEED(sealed.n <= SL_SEAL_SEALED_CHUNK_BYTES, SL_E_TRAILING);
    size_t plain_n = sealed.n - SL_SEAL_TAG_BYTES;
    memcpy(tag, sealed.p + plain_n, sizeof tag);
    bool opened =
        set_nonce(s, chunk) &&
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, SL_SEAL_TAG_BYTES, tag) == 1 &&
        (plain_n == 0 || EVP_DecryptUpdate(s->ctx, ret_plain, &n, sealed.p, (int)plain_n) == 1) &&
        EVP_DecryptFinal_ex(s->ctx, ret_plain + n, &tail) == 1;
    if (!opened) {
        OPENSSL_cleanse(ret_plain, plain_n);
        return sl_fail_at(SL_E_INTEGRITY, "sealed chunk", chunk);
    }
    *ret_n = plain_n;
    return SL_DONE;
}

sl_res sl_seal_all(const uint8_t key[SL_SEAL_KEY_BYTES], const uint8_t salt[SL_SEAL_SALT_BYTES],
                   sl_view context, sl_view plain, sl_buf *out)
{
    SL_OWN(sl_seal, s, sl_seal_free) = { 0 };
    size_t before = out->n;
    sl_res r = sl_seal_begin(&s, key, salt, context, out);

    if (sl_ok(r)) {
        r = sl_seal_add(&s, plain, out);
    }
    if (sl_ok(r)) {
        r = sl_seal_end(&s, out);
    }
    if (!sl_ok(r)) {
        out->n = before;
    }
    return r;
}

static sl_res open_chunks(sl_seal *s, sl_view sealed, uint64_t plain_bytes, sl_buf *out)
{
    uint64_t chunks = sl_sealed_chunks(plain_bytes);
    uint8_t nothing[1];

    SL_NEED(plain_bytes <= out->max - out->n, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(out, (size_t)plain_bytes));
    for (uint64_t k = 0; k < chunks; k++) {
        size_t at = (size_t)sl_sealed_chunk_offset(k);
        size_t n = 0;
        sl_view chunk = sl_view_sub(sealed, at, at + SL_SEAL_SEALED_CHUNK_BYTES);
        /* A message may be empty, and then there is no memory to point to. */
        SL_TRY(sl_open_chunk(s, k, chunk, out->p != NULL ? out->p + out->n : nothing, &n));
        out->n += n;
    }
    return SL_DONE;
}

sl_res sl_open_all(const uint8_t key[SL_SEAL_KEY_BYTES], sl_view context, sl_view sealed,
                   sl_buf *out)
{
    SL_OWN(sl_seal, s, sl_seal_free) = { 0 };
    uint64_t plain_bytes = 0;
    size_t before = out->n;

    SL_TRY(sl_open_begin(&s, key, context, sealed));
    SL_TRY(sl_sealed_plain_bytes(sealed.n, &plain_bytes));
    sl_res r = open_chunks(&s, sealed, plain_bytes, out);
    if (!sl_ok(r) && out->p != NULL) {
        OPENSSL_cleanse(out->p + before, out->n - before);
        out->n = before;
    }
    return r;
}
