/* The KMS: who keeps one half of every compartment key, and can destroy it for good.
 *
 * A driver makes keys that never leave it, wraps 32 bytes under them, and destroys them. What it
 * wraps is only the KMS part; the compartment key is derived from that and the keeper's part, so a
 * driver alone knows no compartment key. Destroying a KMS key is what makes every backup of the
 * keystore useless: it must be tried afterwards and told honestly. Design: src/vault/README.md. */
#ifndef SL_VAULT_KMS_H
#define SL_VAULT_KMS_H

#include "base/bytes.h"
#include "crypto/wrap.h"
#include "vault/statement.h"

enum { SL_KMS_WRAP_BYTES_MAX = 256 };

typedef struct sl_kms sl_kms;

/* `id` is a sl_uid that the keystore chose. */
typedef struct {
    const char *driver; /* "file", "pkcs11": for leaves and status */
    /* A new key. SL_E_EXISTS, SL_E_UNAVAILABLE. */
    sl_res (*create)(sl_kms *kms, const sl_uid id);
    /* Appends the wrap. SL_E_NOT_FOUND. */
    sl_res (*wrap)(sl_kms *kms, const sl_uid id, const uint8_t part[SL_KEY_BYTES], sl_buf *out);
    /* SL_E_NOT_FOUND (destroyed or never made), SL_E_INTEGRITY (damaged, or of another key). */
    sl_res (*unwrap)(sl_kms *kms, const sl_uid id, sl_view wrapped, uint8_t ret_part[SL_KEY_BYTES]);
    /* Destroys; a key that is not there is destroyed already. `*ret_proved` is true if the key was
     * asked for afterwards and was gone. */
    sl_res (*destroy)(sl_kms *kms, const sl_uid id, bool *ret_proved);
    /* SL_OK, or why it cannot work now. */
    sl_res (*health)(sl_kms *kms);
    void (*free)(sl_kms *kms);
} sl_kms_driver;

struct sl_kms {
    const sl_kms_driver *driver;
};

static inline void sl_kms_free_at(sl_kms **kms)
{
    if (*kms != NULL) {
        (*kms)->driver->free(*kms);
        *kms = NULL;
    }
}

/* The file driver: one small file per key in `dir_fd` (borrowed), each wrapped under `root`, which
 * is wiped from the caller's point of view only when the caller wipes its copy. For demos and for
 * sites whose disk is the boundary. What it cannot do: a copy of the directory made before a
 * destruction brings the key back, so backups must leave it out; `up` and `status` say so. */
SL_MUST sl_res sl_kms_file_open(int dir_fd, const uint8_t root[SL_KEY_BYTES], sl_kms **ret_kms);

#endif
