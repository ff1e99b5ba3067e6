/* The KMS over a link: the driver that the keeper uses, and what the `kms` process answers with.
 *
 * Vendor code runs in the `kms` process alone, which sees KMS parts and wraps and never a compartment
 * key, since that takes the keeper's half as well. Bodies: id (32 hex digits), then what the act
 * needs. Design: src/vault/kms.h. */
#ifndef SL_VAULT_KMS_LINK_H
#define SL_VAULT_KMS_LINK_H

#include "base/ipc.h"
#include "vault/kms.h"

typedef enum {
    SL_KMS_OPEN = SL_IPC_TYPE_FIRST_FREE, /* PIN, 1..256 bytes: log in */
    SL_KMS_CREATE,                        /* id */
    SL_KMS_WRAP,                          /* id, 32 bytes; answer: the wrap */
    SL_KMS_UNWRAP,                        /* id, wrap; answer: 32 bytes */
    SL_KMS_DESTROY,                       /* id; answer: one byte, 1 when proved */
    SL_KMS_HEALTH,                        /* nothing */
} sl_kms_type;

enum { SL_KMS_PIN_BYTES_MAX = 256 };

/* The keeper's side. Opens the token behind the link (borrowed) with the PIN. */
SL_MUST sl_res sl_kms_link_open(sl_ipc *link, sl_view pin, sl_kms **ret_kms);
/* The `kms` process was started again: use its new link (NULL: there is none now). */
SL_MUST sl_res sl_kms_link_renew(sl_kms *kms, sl_ipc *link);

/* The other side: one request, answered by `kms`. `*kms` is made by `open` at SL_KMS_OPEN. */
typedef sl_res (*sl_kms_opener)(void *context, sl_view pin, sl_kms **ret_kms);
SL_MUST sl_res sl_kms_serve(sl_kms **kms, sl_kms_opener open, void *context, uint16_t type,
                            sl_view body, sl_buf *reply);

/* What the keeper takes from its KMS: answers alone. */
extern const sl_ipc_table sl_kms_keeper_table;

#endif
