/* What object.c and object_read.c share. Not for others. */
#ifndef SL_VAULT_OBJECT_INTERNAL_H
#define SL_VAULT_OBJECT_INTERNAL_H

#include "vault/object.h"

#define SL_OBJECT_PATH_BYTES_MAX ((size_t)512)

SL_MUST sl_res sl_object_ref_check(const sl_object_ref *ref);
/* "COMPARTMENT/OBJECT/VERSION" */
SL_MUST sl_res sl_object_path(const sl_object_ref *ref, char ret_path[SL_OBJECT_PATH_BYTES_MAX]);
/* Opens the version's folder. */
SL_MUST sl_res sl_object_dir(int vault_fd, const sl_object_ref *ref, int *ret_fd);
/* The context under which a part is sealed. */
SL_MUST sl_res sl_object_context(const sl_object_ref *ref, sl_object_part part, sl_buf *out);
/* "data" and "data.tree" of a part. */
void sl_object_file_name(sl_object_part part, bool tree, char ret_name[32]);
/* RFC 6962 root over leaf hashes stored end to end; `n` > 0. */
sl_digest sl_object_root(sl_hasher *h, sl_view leaf_hashes);
/* The manifest as canonical JSON, and back (fills everything but nothing else). */
SL_MUST sl_res sl_manifest_write(const sl_manifest *manifest, sl_buf *out);
SL_MUST sl_res sl_manifest_parse(sl_view text, sl_manifest *ret_manifest);

#endif
