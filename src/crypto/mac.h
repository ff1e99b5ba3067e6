/* HMAC-SHA256 (RFC 2104): one-shot, and a keyed hash that is set up once and used often.
 * Cannot fail; a broken provider ends the process (crypto.h). Keys stay the caller's.
 */
#ifndef SL_CRYPTO_MAC_H
#define SL_CRYPTO_MAC_H

#include "crypto/hash.h"

/* HMAC-SHA256 of one message under a key of any length. */
sl_digest sl_hmac(sl_view key, sl_view message);

/* A keyed hash with its key loaded. Zero-initialise; free wipes the key schedule. */
typedef struct {
    void *ctx;
} sl_keyed;

void sl_keyed_set(sl_keyed *k, sl_view key);
void sl_keyed_free(sl_keyed *k);

/* One message at a time: start, add pieces, end; the key is kept for the next one. */
void sl_keyed_start(sl_keyed *k);
void sl_keyed_add(sl_keyed *k, sl_view piece);
sl_digest sl_keyed_end(sl_keyed *k);
sl_digest sl_keyed_hash(sl_keyed *k, sl_view message);

#endif
