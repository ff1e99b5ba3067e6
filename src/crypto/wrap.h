/* Wrapping of keys under keys: AES-256-KWP (RFC 5649, NIST SP 800-38F).
 * The wrap is deterministic and authenticates the key; a changed bit or another
 * wrapping key is an error and never a wrong key.
 */
#ifndef SL_CRYPTO_WRAP_H
#define SL_CRYPTO_WRAP_H

#include "base/bytes.h"
#include "base/res.h"

enum {
    SL_KEY_BYTES = 32,
    SL_WRAPPED_KEY_BYTES = 40, /* 32 bytes of key and 8 of integrity value */
};

/* Errors: SL_E_CRYPTO. */
SL_MUST sl_res sl_wrap_key(const uint8_t wrapping[SL_KEY_BYTES], const uint8_t key[SL_KEY_BYTES],
                           uint8_t ret_wrapped[SL_WRAPPED_KEY_BYTES]);

/* Errors: SL_E_INTEGRITY (wrong wrapping key, or damaged); `ret_key` is wiped then. */
SL_MUST sl_res sl_unwrap_key(const uint8_t wrapping[SL_KEY_BYTES],
                             const uint8_t wrapped[SL_WRAPPED_KEY_BYTES],
                             uint8_t ret_key[SL_KEY_BYTES]);

#endif
