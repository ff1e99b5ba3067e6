/* OpenSSF model signing: the statement about a model's files and the bundle that carries it. Pure.
 *
 * A bundle is a Sigstore bundle v0.3 with one DSSE envelope around an in-toto statement of type
 * https://model_signing/signature/v1.0. Written with method "files" and SHA-256 only; read so too, and
 * the older type https://model_signing/Digests/v0.1. Facts: sigstore/model-transparency, the in-toto
 * statement v1, DSSE v1. Reading is strict: a member that the format does not know is an error.
 */
#ifndef SL_SUPPLY_OMS_H
#define SL_SUPPLY_OMS_H

#include "crypto/certs.h"
#include "supply/manifest.h"

#define SL_OMS_BUNDLE_BYTES_MAX ((size_t)64 << 20)
enum { SL_OMS_TIMESTAMPS_MAX = 4, SL_OMS_IGNORED_MAX = 64 };

/* What a statement says. Zero-initialise; sl_oms_statement_free is fit for SL_OWN. */
typedef struct {
    sl_arena arena;
    sl_view model; /* the directory's name when it was signed */
    sl_digest root;
    sl_manifest files;                   /* sorted */
    sl_view ignored[SL_OMS_IGNORED_MAX]; /* paths that the signer left out */
    size_t ignored_count;
    sl_view extension; /* the JSON of our own member "stoplog", or empty */
} sl_oms_statement;

void sl_oms_statement_free(sl_oms_statement *s);

/* Appends a statement's JSON over sorted `files`. `extension` is JSON for the member "stoplog" of the
 * predicate, which other verifiers ignore, or empty. Errors: SL_E_UTF8 for the name, SL_E_LIMIT. */
SL_MUST sl_res sl_oms_statement_write(const sl_manifest *files, sl_view model,
                                      const sl_view *ignored, size_t ignored_count,
                                      sl_view extension, sl_buf *out);

/* Reads a statement and checks that its root is that of its files. Errors: those of JSON;
 * SL_E_VERSION for another type; SL_E_UNSUPPORTED for another way of hashing, named in the detail;
 * SL_E_INTEGRITY when the root is not that of the list. */
SL_MUST sl_res sl_oms_statement_read(sl_view json, sl_oms_statement *ret);

/* The bytes that are signed: DSSE's pre-authentication encoding of the payload. */
SL_MUST sl_res sl_oms_signed_bytes(sl_view payload, sl_buf *out);

/* What a bundle carries. Zero-initialise; sl_oms_bundle_free is fit for SL_OWN. */
typedef struct {
    sl_buf payload;
    sl_buf signature; /* DER */
    bool by_certificate;
    bool has_hint;
    sl_digest hint;                           /* of the public key, when it is given */
    sl_certs chain;                           /* the signer's certificate first */
    sl_buf timestamps[SL_OMS_TIMESTAMPS_MAX]; /* DER */
    size_t timestamp_count;
} sl_oms_bundle;

void sl_oms_bundle_free(sl_oms_bundle *b);

/* Appends a bundle: with the chain's certificates when there is one, else with the key's hint. */
SL_MUST sl_res sl_oms_bundle_write(sl_view payload, sl_view signature, const sl_digest *hint,
                                   const sl_certs *chain, sl_buf *out);
/* Errors: those of JSON, SL_E_UNKNOWN_FIELD, SL_E_MISSING_FIELD, SL_E_VERSION, SL_E_UNSUPPORTED
 * (keyless Sigstore bundles need an online log). Nothing is verified here. */
SL_MUST sl_res sl_oms_bundle_read(sl_view json, sl_oms_bundle *ret);

/* How a tree differs from what was signed. `path` of SL_OMS_UNSIGNED is in the tree only, of
 * SL_OMS_MISSING in the statement only. */
typedef enum { SL_OMS_CHANGED, SL_OMS_MISSING, SL_OMS_UNSIGNED } sl_oms_difference;
typedef void (*sl_oms_differ)(void *context, sl_oms_difference difference, sl_view path);

/* Tells every difference, in the order of the paths, and returns how many there are. Both sorted. */
size_t sl_oms_compare(const sl_manifest *signed_files, const sl_manifest *tree,
                      sl_oms_differ differ, void *context);

#endif
