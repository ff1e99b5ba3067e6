/* The sealed body of a leaf: the salts and, where wanted, the values behind its commitments.
 *
 * A commitment in a leaf is HMAC-SHA256(salt, name || 0x00 || value). The salt, 32 random bytes,
 * stands only in the body, and the body is sealed under a key of the subject. When that key is
 * destroyed nobody can try values against the commitment any more, while every hash and proof of
 * the ledger still verifies, because they cover the sealed bytes.
 *
 * The body is a Cobblestone-256 message (crypto/seal.h) with the context "stoplog/v1" 0x00
 * "leaf-body" 0x00 and the key's id; inside is JSON: {"NAME":{"salt":"...","value":"..."},...} in
 * base64.
 */
#ifndef SL_LEDGER_BODY_H
#define SL_LEDGER_BODY_H

#include "crypto/hash.h"
#include "crypto/seal.h"

enum { SL_SALT_BYTES = 32, SL_BODY_BYTES_MAX = 32 * 1024 };

/* The commitment to a value under a salt. `name` keeps commitments of two fields apart. */
sl_digest sl_commit(const uint8_t salt[SL_SALT_BYTES], const char *name, sl_view value);

/* A body under construction. Zero-initialise; holds plaintext until it is freed (wiped). */
typedef struct {
    sl_buf json;
} sl_body;

void sl_body_free(sl_body *body);

/* Commits to `value`, puts the salt (and the value, if `keep`) into the body, returns the
 * commitment. `salt` is 32 fresh random bytes. Errors: SL_E_LIMIT. */
SL_MUST sl_res sl_body_commit(sl_body *body, const char *name, sl_view value, bool keep,
                              const uint8_t salt[SL_SALT_BYTES], sl_digest *ret);

/* Seals the body under the subject's key; appended to `ret_sealed`. */
SL_MUST sl_res sl_body_seal(sl_body *body, const uint8_t key[SL_SEAL_KEY_BYTES],
                            const uint8_t seal_salt[SL_SEAL_SALT_BYTES], sl_view key_id,
                            sl_buf *ret_sealed);

/* Opens a sealed body: its JSON, appended. Errors: SL_E_INTEGRITY (wrong key, changed bytes). */
SL_MUST sl_res sl_body_open(sl_view sealed, const uint8_t key[SL_SEAL_KEY_BYTES], sl_view key_id,
                            sl_buf *ret_json);

/* Does the opened body show that `commitment` is to `value`? Errors: SL_E_NOT_FOUND (no such
 * name), SL_E_INTEGRITY (it is to something else), those of sl_json_parse. */
SL_MUST sl_res sl_body_show(sl_view json, const char *name, sl_view value,
                            const sl_digest *commitment);

#endif
