/* Start-up of the cryptography: every algorithm is fetched once from the OpenSSL providers.
 *
 * All cryptography of Stoplog goes through EVP with the algorithms named here, so that a site
 * may configure another provider (FIPS) in openssl.cnf. A confined process calls
 * sl_crypto_init() before it gives up its file system; later calls need no file.
 * This module must never use a low-level OpenSSL function that goes around the providers.
 * Design: src/crypto/README.md.
 */
#ifndef SL_CRYPTO_CRYPTO_H
#define SL_CRYPTO_CRYPTO_H

#include "base/res.h"

/* Fetches all algorithms; may be called again. Errors: SL_E_CRYPTO (a provider lacks one). */
SL_MUST sl_res sl_crypto_init(void);

/* Name and version of the provider that serves SHA-256, for the leaf of a start. Static text. */
const char *sl_crypto_provider(void);

#endif
