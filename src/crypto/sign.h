/* Ed25519 signatures (RFC 8032) and the keys that make them.
 *
 * A private key lives in a sl_sign_key and leaves it only into a file of mode 0600. Loading
 * refuses a key file that others may read.
 */
#ifndef SL_CRYPTO_SIGN_H
#define SL_CRYPTO_SIGN_H

#include "base/bytes.h"
#include "base/res.h"

enum { SL_PUBLIC_KEY_BYTES = 32, SL_SIGNATURE_BYTES = 64, SL_SEED_BYTES = 32 };

typedef struct {
    uint8_t b[SL_PUBLIC_KEY_BYTES];
} sl_public_key;

typedef struct {
    uint8_t b[SL_SIGNATURE_BYTES];
} sl_signature;

/* A private key. Zero-initialise; sl_sign_key_free is fit for SL_OWN. */
typedef struct {
    void *pkey;
    sl_public_key public_key;
} sl_sign_key;

void sl_sign_key_free(sl_sign_key *key);

SL_MUST sl_res sl_sign_key_generate(sl_sign_key *ret);

/* From the 32 bytes of RFC 8032. Errors: SL_E_CRYPTO. */
SL_MUST sl_res sl_sign_key_from_seed(const uint8_t seed[SL_SEED_BYTES], sl_sign_key *ret);

/* From a file: PEM (PKCS #8, as `openssl genpkey -algorithm ed25519` writes it) or 32 raw bytes.
 * Errors: SL_E_NOT_FOUND, SL_E_DENIED (readable by others than the owner), SL_E_SYNTAX. */
SL_MUST sl_res sl_sign_key_load(const char *path, sl_sign_key *ret);

/* Writes PEM with mode 0600. Errors: SL_E_EXISTS (never overwrites a key), SL_E_IO. */
SL_MUST sl_res sl_sign_key_save(const sl_sign_key *key, const char *path);

SL_MUST sl_res sl_sign(const sl_sign_key *key, sl_view message, sl_signature *ret);

/* Errors: SL_E_SIGNATURE. */
SL_MUST sl_res sl_verify(const sl_public_key *key, sl_view message, const sl_signature *signature);

/* Reads a public key as people hand it over: base64 of 32 bytes, 64 hex digits, a vkey of type
 * 1 (note.h), or PEM (SPKI). White space around it is allowed. Errors: SL_E_SYNTAX. */
SL_MUST sl_res sl_public_key_parse(sl_view text, sl_public_key *ret);

/* Base64, 44 characters, appended. */
SL_MUST sl_res sl_public_key_add(sl_buf *out, const sl_public_key *key);

#endif
