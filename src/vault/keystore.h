/* The keystore: every key of the vault, wrapped, in one SQLite database that only the keeper opens.
 *
 *   passphrase or key file --scrypt--> master --HKDF--> keeper root, file-KMS root
 *   KMS part (wrapped in the KMS) + keeper's part (wrapped under the keeper root)
 *        --HKDF--> compartment key (for derived keys), erasure key (for wraps), one generation each
 *   erasure key --AES-KWP--> data key per object version, subject key per subject
 *
 * Erasing a subject or an object makes a new erasure key, wraps the survivors again, and destroys the
 * old one in the KMS: the wraps in an older backup then open under nothing. Every transition is one
 * transaction between two KMS acts, journalled so that recovery finishes or undoes it.
 *
 * A database of a later schema is refused, as is one older than the ledger says (law 5).
 * Must never hold an unwrapped key on disk or hand one out without the caller asking for it by name. */
#ifndef SL_VAULT_KEYSTORE_H
#define SL_VAULT_KEYSTORE_H

#include "base/secret.h"
#include "crypto/kdf.h"
#include "vault/kms.h"

enum { SL_KEYSTORE_SCHEMA = 1 };

typedef struct sl_keystore sl_keystore;

/* How the master comes about. */
typedef struct {
    sl_view secret;      /* passphrase, or the content of a key file */
    sl_scrypt_cost cost; /* for new keystores */
} sl_unlock;

/* Makes `path` (absolute or below the working directory). `driver` names the KMS for good.
 * Errors: SL_E_EXISTS, SL_E_LIMIT (secret shorter than 8 bytes), SL_E_IO. */
SL_MUST sl_res sl_keystore_create(const char *path, const char *site, const char *driver,
                                  const sl_unlock *unlock);

/* Opens without unlocking. Errors: SL_E_NOT_FOUND, SL_E_VERSION (schema), SL_E_INTEGRITY (not ours
 * or damaged), SL_E_REFUSED with "site" (of another site). */
SL_MUST sl_res sl_keystore_open(const char *path, const char *site, sl_keystore **ret_keystore);
void sl_keystore_free(sl_keystore *keystore);
void sl_keystore_free_at(sl_keystore **keystore); /* for SL_OWN */

const char *sl_keystore_driver(const sl_keystore *keystore);
bool sl_keystore_unlocked(const sl_keystore *keystore);
/* Errors: SL_E_PASSPHRASE. */
SL_MUST sl_res sl_keystore_unlock(sl_keystore *keystore, sl_view secret);
/* The root of the file KMS; SL_E_LOCKED before unlock. */
SL_MUST sl_res sl_keystore_kms_root(const sl_keystore *keystore, uint8_t ret_root[SL_KEY_BYTES]);
/* Gives it the KMS (borrowed) and finishes what a crash interrupted. */
SL_MUST sl_res sl_keystore_attach(sl_keystore *keystore, sl_kms *kms);

/* Number of transitions so far; the keeper's leaves carry it. SL_E_ROLLBACK from check if the ledger
 * has seen a higher one: this database is older than the ledger. */
uint64_t sl_keystore_sequence(const sl_keystore *keystore);
SL_MUST sl_res sl_keystore_check(const sl_keystore *keystore, uint64_t ledger_sequence);

/* Compartments. Create: SL_E_EXISTS. Load derives the keys into guarded memory: SL_E_NOT_FOUND,
 * SL_E_INTEGRITY. Unload wipes them. Everything below needs the compartment loaded: SL_E_LOCKED otherwise. */
SL_MUST sl_res sl_keystore_compartment_create(sl_keystore *keystore, const char *compartment);
bool sl_keystore_compartment_exists(const sl_keystore *keystore, const char *compartment);
SL_MUST sl_res sl_keystore_load(sl_keystore *keystore, const char *compartment);
void sl_keystore_unload(sl_keystore *keystore, const char *compartment);
bool sl_keystore_loaded(const sl_keystore *keystore, const char *compartment);

/* A key derived from the compartment key for one purpose ("roster", "canary", "pseudonym"). */
SL_MUST sl_res sl_keystore_derive(sl_keystore *keystore, const char *compartment,
                                  const char *purpose, uint8_t ret_key[SL_KEY_BYTES]);

typedef enum {
    SL_WRAP_OBJECT = 0,  /* `name` is the object's id, `version` counts from 1 */
    SL_WRAP_SUBJECT = 1, /* `name` is the subject's random id, `version` is 0 */
} sl_wrap_kind;

/* A new random key, wrapped and stored before it is returned. SL_E_EXISTS. */
SL_MUST sl_res sl_keystore_key_new(sl_keystore *keystore, const char *compartment,
                                   sl_wrap_kind kind, const char *name, int64_t version,
                                   uint8_t ret_key[SL_KEY_BYTES]);
/* SL_E_NOT_FOUND (never made, or erased), SL_E_INTEGRITY (damaged). */
SL_MUST sl_res sl_keystore_key_open(sl_keystore *keystore, const char *compartment,
                                    sl_wrap_kind kind, const char *name, int64_t version,
                                    uint8_t ret_key[SL_KEY_BYTES]);
/* Removes keys that were just made, when their crossing failed: no erasure, the wrap is deleted. */
SL_MUST sl_res sl_keystore_key_forget(sl_keystore *keystore, const char *compartment,
                                      sl_wrap_kind kind, const char *name, int64_t version);

typedef struct {
    uint64_t rewrapped;
    uint64_t destroyed; /* keys that no longer open */
    bool proved;        /* the KMS was asked for its part afterwards and had none */
} sl_erased;

/* Erases one key as told above. SL_E_NOT_FOUND. */
SL_MUST sl_res sl_keystore_erase(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                                 const char *name, int64_t version, sl_erased *ret_erased);
/* Destroys all keys of a compartment, loaded or not. SL_E_NOT_FOUND. */
SL_MUST sl_res sl_keystore_shred(sl_keystore *keystore, const char *compartment,
                                 sl_erased *ret_erased);

/* When the order of a destruction (by its leaf's index) was first seen on the boot clock: stores
 * `now_ms` the first time, returns what was stored. */
SL_MUST sl_res sl_keystore_order_seen(sl_keystore *keystore, uint64_t order, uint64_t now_ms,
                                      uint64_t *ret_seen_ms);

/* The token's PIN, sealed under the keeper root: 1..256 bytes. Get appends to `out`, which the caller
 * wipes. SL_E_NOT_FOUND when none was put. Both need the keystore unlocked. */
SL_MUST sl_res sl_keystore_pin_put(sl_keystore *keystore, sl_view pin);
SL_MUST sl_res sl_keystore_pin_get(sl_keystore *keystore, sl_buf *out);

#endif
