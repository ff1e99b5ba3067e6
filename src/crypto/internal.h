/* What the files of src/crypto share; nobody outside includes it. */
#ifndef SL_CRYPTO_INTERNAL_H
#define SL_CRYPTO_INTERNAL_H

#include <openssl/evp.h>

#include "crypto/crypto.h"

/* The prefetched algorithms; owned by the process and never freed. */
typedef struct {
    EVP_MD *sha256;
    EVP_MD *sha512;
    EVP_MAC *hmac;
    EVP_KDF *hkdf;
    EVP_KDF *scrypt;
    EVP_CIPHER *aes_256_gcm;
    EVP_CIPHER *aes_256_kwp;
} sl_crypto_set;

/* The set, fetched on first use. Ends the process when a provider cannot serve it: a part
 * that cannot hash or authenticate must not go on. */
const sl_crypto_set *sl_crypto_get(void);

/* Ends the process, naming the primitive that failed; never prints data. */
_Noreturn void sl_crypto_die(const char *what);

#endif
