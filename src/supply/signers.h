/* The register of signers a site trusts (YAML), with what was revoked.
 *
 *   signers:
 *     - name: acme models
 *       key: |                     # a public key in PEM, or
 *         -----BEGIN PUBLIC KEY-----
 *       certificate_sha256: "<hex>"  # the signer's certificate, with --roots for its chain
 *       until: 2027-06-30          # optional, the last day (UTC) it is trusted
 *   revoked:
 *     - id: <hex>                  # SHA-256 of the key's PEM or of the certificate's DER
 *       reason: laptop stolen
 *
 * A revoked signer is refused whatever else says yes. Pure.
 */
#ifndef SL_SUPPLY_SIGNERS_H
#define SL_SUPPLY_SIGNERS_H

#include "base/arena.h"
#include "crypto/ecdsa.h"

enum { SL_SIGNERS_MAX = 256, SL_REVOKED_MAX = 4096 };

typedef struct {
    sl_view name;
    sl_digest id;     /* hint of the key, or SHA-256 of the certificate */
    sl_ecdsa_key key; /* empty when pinned by certificate */
    bool by_certificate;
    int64_t until_s; /* 0: no end */
} sl_signer;

typedef struct {
    sl_digest id;
    sl_view reason;
} sl_revoked;

/* Zero-initialise; sl_signers_free is fit for SL_OWN. */
typedef struct {
    sl_arena arena;
    sl_signer signers[SL_SIGNERS_MAX];
    size_t n;
    sl_revoked *revoked;
    size_t revoked_count;
} sl_signers;

void sl_signers_free(sl_signers *s);

/* Reads the YAML. Errors: those of sl_yaml_parse, with the line. */
SL_MUST sl_res sl_signers_read(sl_view yaml, sl_signers *ret);
/* Adds one key given by hand. Errors: SL_E_LIMIT. */
SL_MUST sl_res sl_signers_add_key(sl_signers *s, const char *name, sl_view pem);

const sl_signer *sl_signers_find(const sl_signers *s, const sl_digest *id);
const sl_revoked *sl_signers_revoked(const sl_signers *s, const sl_digest *id);

#endif
