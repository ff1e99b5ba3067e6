/* The PKCS#11 KMS driver: keys live in a token and never leave it; destroying one is C_DestroyObject,
 * tried afterwards. Wraps are AES-256-GCM (nonce[12] ciphertext[32] tag[16]) with the id as
 * additional data, so that a wrap opens under its own key and id alone.
 * The module is loaded with dlopen and runs in the `kms` process only: vendor code must never share a
 * process with compartment keys. Source: PKCS#11 v2.40 (OASIS), section 2.12 for AES-GCM. */
#ifndef SL_VAULT_KMS_PKCS11_H
#define SL_VAULT_KMS_PKCS11_H

#include "vault/kms.h"

/* A loaded module; it is initialised at the first login. One per process. */
typedef struct sl_pkcs11 sl_pkcs11;

/* Loads `module` (absolute path). Before confinement: it reads its own files.
 * Errors: SL_E_NOT_FOUND, SL_E_UNSUPPORTED (not a PKCS#11 module), SL_E_UNAVAILABLE. */
SL_MUST sl_res sl_pkcs11_load(const char *module, sl_pkcs11 **ret_module);
void sl_pkcs11_free(sl_pkcs11 *module);

/* Logs in to the token with this label. The driver borrows the module.
 * Errors: SL_E_NOT_FOUND (token), SL_E_PASSPHRASE (PIN), SL_E_UNAVAILABLE. */
SL_MUST sl_res sl_kms_pkcs11_open(sl_pkcs11 *module, const char *token_label, sl_view pin,
                                  sl_kms **ret_kms);

#endif
