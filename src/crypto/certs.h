/* X.509 certificate chains of signers, and RFC 3161 timestamps.
 *
 * A chain is judged at a time that the caller names, against roots that the caller gives; the
 * system's own trust store is never used, and nothing is fetched. Source: RFC 5280, RFC 3161.
 */
#ifndef SL_CRYPTO_CERTS_H
#define SL_CRYPTO_CERTS_H

#include "crypto/ecdsa.h"

enum { SL_CERTS_MAX = 16 };

/* Certificates in the order given. Zero-initialise; sl_certs_free is fit for SL_OWN. */
typedef struct {
    void *stack;
} sl_certs;

void sl_certs_free(sl_certs *certs);
size_t sl_certs_count(const sl_certs *certs);

/* Adds every certificate of a PEM text. Errors: SL_E_SYNTAX, SL_E_LIMIT. */
SL_MUST sl_res sl_certs_add_pem(sl_certs *certs, sl_view pem);
/* Adds one in DER; nothing may follow it. Errors: SL_E_SYNTAX, SL_E_LIMIT. */
SL_MUST sl_res sl_certs_add_der(sl_certs *certs, sl_view der);
/* Appends certificate `i` in DER. */
SL_MUST sl_res sl_certs_der(const sl_certs *certs, size_t i, sl_buf *out);
/* SHA-256 over the first certificate's DER. Errors: SL_E_MISSING_FIELD when there is none. */
SL_MUST sl_res sl_certs_fingerprint(const sl_certs *certs, sl_digest *ret);
/* Appends the first certificate's subject (RFC 2253, ASCII with escapes). */
SL_MUST sl_res sl_certs_subject(const sl_certs *certs, sl_buf *out);
/* From when and until when the first certificate is valid, in seconds since 1970. */
SL_MUST sl_res sl_certs_validity(const sl_certs *certs, int64_t *ret_from_s, int64_t *ret_until_s);

/* The first certificate's public key. Errors: SL_E_SYNTAX where it is none of ecdsa.h. */
SL_MUST sl_res sl_certs_key(const sl_certs *certs, sl_ecdsa_key *ret);

/* Checks that the first certificate may sign (digitalSignature, or extended usage code signing) and
 * chains through the others to one of `roots` at `at_s`; its key goes to `ret_key`.
 * Errors: SL_E_SIGNATURE with the place: "certificate chain", "certificate usage". */
SL_MUST sl_res sl_certs_verify(const sl_certs *chain, const sl_certs *roots, int64_t at_s,
                               sl_ecdsa_key *ret_key);

/* An RFC 3161 timestamp (a TimeStampResp, or a bare token) over `message`, made by an authority that
 * chains to `roots`. Errors: SL_E_SIGNATURE, SL_E_SYNTAX. */
SL_MUST sl_res sl_timestamp_verify(sl_view der, sl_view message, const sl_certs *roots,
                                   int64_t *ret_time_s);

#endif
