/* Confirming an echo hit (detect/echo_confirm.h) inside a site: what is asked, what is answered, and the
 * comparison itself. The ask door names a place of a compartment's index and shows its own text; the keeper
 * records the question, opens the one version's key and hands both to the process `confirm`, which reads that
 * one record, compares, and says yes or no and how much of it: never a byte of the record.
 * Design: ARCHITECTURE section 3 (workers), src/vault/README.md. */
#ifndef SL_VAULT_CONFIRM_H
#define SL_VAULT_CONFIRM_H

#include "vault/object.h"

/* How an index of records names a version of an object: "OBJECT/VERSION/UID". */
SL_MUST sl_res sl_echo_source_name(const sl_object_ref *ref, sl_buf *out);
/* Everything but the compartment, which the caller knows. SL_E_SYNTAX. */
SL_MUST sl_res sl_echo_source_read(sl_view name, sl_object_ref *ret);

#endif
