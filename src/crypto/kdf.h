/* Key derivation: HKDF (RFC 5869) from strong keys, scrypt (RFC 7914) from passphrases. */
#ifndef SL_CRYPTO_KDF_H
#define SL_CRYPTO_KDF_H

#include "base/bytes.h"
#include "base/res.h"

/* HKDF-SHA256, extract and expand, `n` bytes into `ret` (at most 255 * 32).
 * Errors: SL_E_CRYPTO; `ret` is wiped then. */
SL_MUST sl_res sl_hkdf(sl_view key, sl_view salt, sl_view info, uint8_t *ret, size_t n);

/* HKDF-Expand alone with SHA-512, for Cobblestone (seal.h). */
SL_MUST sl_res sl_hkdf_expand_sha512(sl_view key, sl_view info, uint8_t *ret, size_t n);

/* Cost of scrypt: N = 2^log2_n. The default takes 128 MiB and about half a second. */
typedef struct {
    uint32_t log2_n; /* 10..20 */
    uint32_t r;      /* 1..16 */
    uint32_t p;      /* 1..4 */
} sl_scrypt_cost;

#define SL_SCRYPT_COST_DEFAULT ((sl_scrypt_cost){ .log2_n = 17, .r = 8, .p = 1 })

/* Errors: SL_E_LIMIT (cost outside the ranges above), SL_E_CRYPTO. */
SL_MUST sl_res sl_scrypt(sl_view passphrase, sl_view salt, sl_scrypt_cost cost, uint8_t *ret,
                         size_t n);

#endif
