/* ECDSA over the NIST curves (FIPS 186-5): the signatures of model files (OpenSSF model signing).
 *
 * P-256 goes with SHA-256, P-384 with SHA-384, P-521 with SHA-512; there is no other choice, and
 * signatures are DER. The ledger's own signatures are Ed25519 (sign.h).
 */
#ifndef SL_CRYPTO_ECDSA_H
#define SL_CRYPTO_ECDSA_H

#include "base/bytes.h"
#include "base/res.h"
#include "crypto/hash.h"

/* A key pair or a public key. Zero-initialise; sl_ecdsa_key_free is fit for SL_OWN. */
typedef struct {
    void *pkey;
} sl_ecdsa_key;

void sl_ecdsa_key_free(sl_ecdsa_key *key);

/* `curve` is "P-256", "P-384" or "P-521". Errors: SL_E_RANGE. */
SL_MUST sl_res sl_ecdsa_generate(const char *curve, sl_ecdsa_key *ret);

/* A private key in PEM, as `openssl genpkey` or `openssl ecparam -genkey` writes it, not encrypted.
 * Errors: SL_E_NOT_FOUND, SL_E_DENIED (readable by others than the owner), SL_E_SYNTAX. */
SL_MUST sl_res sl_ecdsa_load(const char *path, sl_ecdsa_key *ret);
/* Writes PEM (PKCS #8) with mode 0600. Errors: SL_E_EXISTS (never overwrites a key), SL_E_IO. */
SL_MUST sl_res sl_ecdsa_save(const sl_ecdsa_key *key, const char *path);

/* A public key in PEM (SubjectPublicKeyInfo). Errors: SL_E_SYNTAX. */
SL_MUST sl_res sl_ecdsa_public_parse(sl_view pem, sl_ecdsa_key *ret);
/* Appends the public half in PEM: 64 columns and a final newline. */
SL_MUST sl_res sl_ecdsa_public_pem(const sl_ecdsa_key *key, sl_buf *out);
/* SHA-256 of that PEM text: how model signatures name their key. */
SL_MUST sl_res sl_ecdsa_hint(const sl_ecdsa_key *key, sl_digest *ret);
/* Do both hold the same public key? */
bool sl_ecdsa_same(const sl_ecdsa_key *a, const sl_ecdsa_key *b);

/* Appends the DER signature of `message`. */
SL_MUST sl_res sl_ecdsa_sign(const sl_ecdsa_key *key, sl_view message, sl_buf *out);
/* Errors: SL_E_SIGNATURE. */
SL_MUST sl_res sl_ecdsa_verify(const sl_ecdsa_key *key, sl_view message, sl_view signature);

#endif
