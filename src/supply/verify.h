/* Is this bundle a good signature of a signer that the site trusts? Pure: keys, roots, the register and
 * the time are arguments. That the files are those signed is for sl_oms_compare to say.
 */
#ifndef SL_SUPPLY_VERIFY_H
#define SL_SUPPLY_VERIFY_H

#include "supply/oms.h"
#include "supply/signers.h"

typedef struct {
    const sl_signers *signers; /* trusted keys and pins, and what was revoked */
    const sl_certs *roots;     /* that certificates must chain to */
    const sl_certs
        *timestamp_roots; /* that timestamps must chain to; none: timestamps are not read */
    bool any_certificate; /* a certificate need not be pinned: its chain suffices */
    int64_t now_s;        /* seconds since 1970 */
} sl_verify_trust;

typedef struct {
    sl_digest id;        /* SHA-256 of the key's PEM or of the certificate */
    char name[64];       /* in the register, or empty */
    char subject[256];   /* of the certificate, or empty */
    bool timestamped;    /* by an authority under timestamp_roots */
    int64_t signed_at_s; /* the timestamp's; only if timestamped */
    char reason[128];    /* why a revoked signer was revoked */
} sl_verified;

/* Errors, each with its place in the detail:
 * SL_E_SIGNATURE  the signature, the chain or the timestamp is not right; or the certificate was not
 *                 valid at the time that counts (the timestamp's, else now);
 * SL_E_SIGNER        nobody trusted made it, the register's time for the signer is over, or it is revoked.
 * `ret` is filled as far as it is known also on failure, for the message. */
SL_MUST sl_res sl_verify_bundle(const sl_oms_bundle *bundle, const sl_verify_trust *trust,
                                sl_verified *ret);

#endif
