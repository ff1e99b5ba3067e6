/* The object store: one folder per version of an object, sealed, and there whole or not at all.
 *
 *   vault/COMPARTMENT/OBJECT/VERSION/   manifest  data data.tree  about about.tree  ...
 *   vault/COMPARTMENT/.incoming/UID.VERSION/      the same while it is being written
 *
 * Each part is Cobblestone-256 (crypto/seal.h) under the version's data key, its context naming
 * compartment, object, uid, version and part, so that no part can stand in for another. The tree
 * file holds the RFC 6962 leaf hash of each ciphertext chunk; its root is in the ingest leaf, and
 * every read checks its chunk against it: a stranger is stopped by the cipher, a holder of the key
 * or of an old copy by the ledger. The manifest holds nothing secret: names, sizes, roots.
 * It must never write plaintext, nor leave a draft behind that looks like an object. The data key is
 * the caller's; a draft or reader holds what it derived until freed, then wipes it.
 * Design: ARCHITECTURE section 5 "sealed object"; src/vault/README.md. */
#ifndef SL_VAULT_OBJECT_H
#define SL_VAULT_OBJECT_H

#include "base/limits.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

enum { SL_OBJECT_UID_CHARS = 32 };

/* Parts of an object. The original is always DATA and comes back bit for bit. */
typedef enum {
    SL_PART_DATA,
    SL_PART_ABOUT,  /* JSON: columns, classes, records (doors/ingest/report.h) */
    SL_PART_ROSTER, /* keyed index of the object's own identifiers (detect/roster.h) */
    SL_PART_CANARY, /* what to insert into views of DATA, and where (vault/canary.h) */
    SL_PART_ECHO,   /* keyed index of the object's own records (detect/echo.h) */
    SL_PART_COUNT
} sl_object_part;

const char *sl_object_part_name(sl_object_part part);

/* Which version of which object. All texts end in NUL. */
typedef struct {
    char compartment[SL_NAME_BYTES_MAX + 1];
    char object[SL_NAME_BYTES_MAX + 1];
    char uid[SL_OBJECT_UID_CHARS + 1]; /* 16 random bytes in hex: how leaves call it */
    uint64_t version;                  /* from 1 */
} sl_object_ref;

/* Names of compartments and objects: 1..64 of [A-Za-z0-9._-], first a letter or a digit. */
bool sl_object_name_ok(sl_view name);

typedef struct {
    bool present;
    uint64_t plain_bytes;
    uint64_t chunks;
    sl_digest root; /* RFC 6962 over the ciphertext chunks */
} sl_part_facts;

typedef struct {
    sl_object_ref ref;
    sl_part_facts parts[SL_PART_COUNT];
    sl_digest digest; /* SHA-256 of the manifest's text: it stands for all parts */
} sl_manifest;

/* ---- writing ---- */

typedef struct sl_draft sl_draft;

/* Begins a version below `vault_fd` (the site's vault folder). Errors: SL_E_SYNTAX (names),
 * SL_E_EXISTS (this version is there), SL_E_IO, SL_E_DISK_FULL. */
SL_MUST sl_res sl_draft_begin(int vault_fd, const sl_object_ref *ref,
                              const uint8_t key[SL_SEAL_KEY_BYTES], sl_draft **ret_draft);
/* One part at a time: begin with 24 fresh random bytes, add plaintext in any pieces, end. */
SL_MUST sl_res sl_draft_part(sl_draft *draft, sl_object_part part,
                             const uint8_t salt[SL_SEAL_SALT_BYTES]);
SL_MUST sl_res sl_draft_add(sl_draft *draft, sl_view plain);
SL_MUST sl_res sl_draft_end_part(sl_draft *draft);
/* The whole part DATA from the first `bytes` of a file that was read before: SL_E_AGAIN with "file" if it is no longer
 * what had this SHA-256. */
SL_MUST sl_res sl_draft_add_file(sl_draft *draft, int fd, uint64_t bytes,
                                 const uint8_t salt[SL_SEAL_SALT_BYTES], const sl_digest *expected);
/* Makes the draft durable, still out of sight, and says what it will be. Forgets the key. */
SL_MUST sl_res sl_draft_settle(sl_draft *draft, sl_manifest *ret_manifest);
/* Puts the settled draft in its place: there whole after this, after a crash there or not. */
SL_MUST sl_res sl_draft_commit(sl_draft *draft);
/* Takes a committed draft out of sight again, where what should follow it failed: the version is gone
 * and its folder removed by sl_draft_free. Nothing for one that was not committed, or NULL. */
void sl_draft_retract(sl_draft *draft);
/* Frees; a draft that was not committed is removed from the disk. Fit for SL_OWN. */
void sl_draft_free(sl_draft **draft);

/* At the start of the process that writes: removes the drafts a crash left in this compartment and
 * tells how many. */
SL_MUST sl_res sl_drafts_sweep(int vault_fd, const char *compartment, size_t *ret_removed);

/* Takes a version out of sight and removes its files; what lies there under it in part goes too. That none is there
 * is no failure. Errors: SL_E_SYNTAX (names), SL_E_IO (it is still there). */
SL_MUST sl_res sl_object_remove(int vault_fd, const sl_object_ref *ref);

/* ---- reading ---- */

/* Errors: SL_E_NOT_FOUND, SL_E_INTEGRITY (its text is not ours), SL_E_SYNTAX (names). */
SL_MUST sl_res sl_manifest_read(int vault_fd, const char *compartment, const char *object,
                                uint64_t version, sl_manifest *ret_manifest);
/* The newest version that is there, 0 when there is none. */
SL_MUST sl_res sl_object_newest(int vault_fd, const char *compartment, const char *object,
                                uint64_t *ret_version);

typedef struct sl_object sl_object;

/* Opens a part for reading at random. `root` is the ledger's, not the manifest's.
 * Errors: SL_E_NOT_FOUND, SL_E_INTEGRITY (the tree has another root, or key and header disagree). */
SL_MUST sl_res sl_object_open(int vault_fd, const sl_manifest *manifest, sl_object_part part,
                              const uint8_t key[SL_SEAL_KEY_BYTES], const sl_digest *root,
                              sl_object **ret_object);
void sl_object_close(sl_object **object);
uint64_t sl_object_bytes(const sl_object *object);
/* Plaintext from `offset`, at most `n` bytes, 0 at the end. Every chunk is checked against the root
 * and by its tag before a byte of it is given. SL_E_INTEGRITY with field "chunk" and its number;
 * `p` is then wiped. */
SL_MUST sl_res sl_object_read(sl_object *object, uint64_t offset, uint8_t *p, size_t n,
                              size_t *ret_n);

/* Without any key: do the ciphertext chunks still have this root? SL_E_INTEGRITY with the number of
 * the first bad chunk ("chunk"), or of the tree when it is the tree that differs ("tree"). */
SL_MUST sl_res sl_object_verify(int vault_fd, const sl_manifest *manifest, sl_object_part part,
                                const sl_digest *root);

/* Steps through what is there: names of compartments (compartment NULL), of objects (object NULL) or
 * of versions, in the order of the bytes. `each` borrows the name. */
SL_MUST sl_res sl_vault_list(int vault_fd, const char *compartment, const char *object,
                             sl_res (*each)(void *ctx, const char *name), void *ctx);
/* Every version of every object, of one compartment or of all (NULL), compartments and objects in the order of the
 * bytes, versions likewise. What is called as no version is passed over. The first failure of `each` ends it.
 * SL_E_NOT_FOUND: there is no such compartment. */
SL_MUST sl_res sl_vault_each(int vault_fd, const char *compartment,
                             sl_res (*each)(void *ctx, const char *compartment, const char *object,
                                            uint64_t version),
                             void *ctx);

#endif
