/* SHA-256: one-shot, streaming, and the two Merkle hashes of RFC 6962.
 *
 * A hasher is created once and used for any number of messages; reuse costs about a third of
 * a fresh one. Hashing cannot fail: when the provider breaks, the process ends (crypto.h).
 */
#ifndef SL_CRYPTO_HASH_H
#define SL_CRYPTO_HASH_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/res.h"

enum { SL_DIGEST_BYTES = 32 };

/* A SHA-256 value. A struct, so that it is copied and compared as one thing. */
typedef struct {
    uint8_t b[SL_DIGEST_BYTES];
} sl_digest;

static inline sl_view sl_digest_view(const sl_digest *d)
{
    return (sl_view){ d->b, sizeof d->b };
}

/* Constant-time comparison. */
bool sl_digest_eq(const sl_digest *a, const sl_digest *b);

/* Lower-case hex with a final NUL. */
void sl_digest_hex(const sl_digest *d, char ret_hex[2 * SL_DIGEST_BYTES + 1]);

/* As a JSON member: its name and the hex. */
void sl_digest_put(sl_json_writer *w, const char *name, const sl_digest *d);

/* Exactly 64 lower-case hex digits. Errors: SL_E_SYNTAX. */
SL_MUST sl_res sl_digest_parse(sl_view hex, sl_digest *ret);

/* SHA-256 of one message. */
sl_digest sl_sha256(sl_view message);

/* A reusable hashing context. Zero-initialise; the first start allocates it. */
typedef struct {
    void *ctx;
} sl_hasher;

void sl_hasher_start(sl_hasher *h);
void sl_hasher_add(sl_hasher *h, sl_view piece);
sl_digest sl_hasher_end(sl_hasher *h);
void sl_hasher_free(sl_hasher *h);

/* RFC 6962 section 2.1: SHA-256(0x00 || entry) and SHA-256(0x01 || left || right). */
sl_digest sl_merkle_leaf(sl_hasher *h, sl_view entry);
sl_digest sl_merkle_node(sl_hasher *h, const sl_digest *left, const sl_digest *right);

#endif
