/* Fetching of the algorithms (see crypto.h). The set is process-wide and read-only after the
 * first call. A missing algorithm is an error at start and the end of the process later on.
 */
#include "crypto/crypto.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/kdf.h>
#include <openssl/provider.h>

#include "crypto/internal.h"

static sl_crypto_set the_set;
static bool the_set_complete;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    the_set.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    the_set.sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    the_set.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    the_set.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    the_set.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    the_set.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    the_set.aes_256_kwp = EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL);
    the_set_complete = the_set.sha256 != NULL && the_set.sha512 != NULL && the_set.hmac != NULL &&
                       the_set.hkdf != NULL && the_set.scrypt != NULL &&
                       the_set.aes_256_gcm != NULL && the_set.aes_256_kwp != NULL;
}

sl_res sl_crypto_init(void)
{
    SL_NEED(pthread_once(&fetch_once, fetch_all) == 0, SL_E_CRYPTO);
    SL_NEED(the_set_complete, SL_E_CRYPTO);
    return SL_DONE;
}

const sl_crypto_set *sl_crypto_get(void)
{
    if (!sl_ok(sl_crypto_init())) {
        sl_crypto_die("fetch of the algorithms");
    }
    return &the_set;
}

void sl_crypto_die(const char *what)
{
    dprintf(STDERR_FILENO, "{\"level\":\"fatal\",\"crypto\":\"%s failed\"}\n", what);
    abort();
}

const char *sl_crypto_provider(void)
{
    static char text[128];
    char *version = NULL;
    OSSL_PARAM ask[] = { OSSL_PARAM_utf8_ptr("version", &version, 0), OSSL_PARAM_END };
    const OSSL_PROVIDER *provider = EVP_MD_get0_provider(sl_crypto_get()->sha256);

    (void)OSSL_PROVIDER_get_params(provider, ask);
    (void)snprintf(text, sizeof text, "%s %s", OSSL_PROVIDER_get0_name(provider),
                   version != NULL ? version : "unknown");
    return text;
}
