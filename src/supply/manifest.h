/* The list of a model's files with their digests, in the order that OpenSSF model signing gives them.
 * Pure. Paths are relative, with '/' between components, valid UTF-8, and never lead out of the tree.
 */
#ifndef SL_SUPPLY_MANIFEST_H
#define SL_SUPPLY_MANIFEST_H

#include "base/arena.h"
#include "crypto/hash.h"

#define SL_MANIFEST_FILES_MAX ((size_t)100000)
#define SL_MANIFEST_PATH_BYTES_MAX ((size_t)4096)

typedef struct {
    sl_view path; /* in the manifest's arena, NUL behind it */
    sl_digest digest;
} sl_manifest_file;

/* Zero-initialise; sl_manifest_free is fit for SL_OWN. */
typedef struct {
    sl_arena arena;
    sl_manifest_file *files;
    size_t n;
    size_t capacity;
} sl_manifest;

void sl_manifest_free(sl_manifest *m);

/* Copies `path`. Errors: SL_E_UTF8, SL_E_SYNTAX (absolute, empty or ".." component), SL_E_LIMIT. */
SL_MUST sl_res sl_manifest_add(sl_manifest *m, sl_view path, const sl_digest *digest);

/* Order of paths by their components: '/' is below every other byte ("a/b" before "a-b"). */
int sl_path_cmp(sl_view a, sl_view b);

/* Sorts the files. Errors: SL_E_DUPLICATE. */
SL_MUST sl_res sl_manifest_sort(sl_manifest *m);

/* The file with this path, or NULL; the manifest must be sorted. */
const sl_manifest_file *sl_manifest_find(const sl_manifest *m, sl_view path);

/* SHA-256 over the digests in the order of the list: the digest of the whole model. */
sl_digest sl_manifest_root(const sl_manifest *m);

#endif
