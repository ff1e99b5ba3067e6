/* Who signed, and is that signer trusted (verify.h). */
#include "supply/verify.h"

#include "base/limits.h"

static void keep_text(char *ret, size_t size, sl_view text)
{
    size_t n = text.n < size - 1 ? text.n : size - 1;
    memcpy(ret, text.p, n);
    ret[n] = 0;
}

static sl_res signature_verifies(const sl_oms_bundle *bundle, const sl_ecdsa_key *key)
{
    SL_OWN(sl_buf, message, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX + 64 };
    SL_TRY(sl_oms_signed_bytes(sl_buf_view(&bundle->payload), &message));
    sl_res r = sl_ecdsa_verify(key, sl_buf_view(&message), sl_buf_view(&bundle->signature));
    return sl_ok(r) ? r
                    : sl_fail_at(SL_E_SIGNATURE, "signature over the list of files", SL_NOWHERE);
}

/* The register has the last word: revoked, then expired there. */
static sl_res register_allows(const sl_verify_trust *trust, sl_verified *v)
{
    const sl_revoked *revoked = sl_signers_revoked(trust->signers, &v->id);
    if (revoked != NULL) {
        keep_text(v->reason, sizeof v->reason, revoked->reason);
        return sl_fail_at(SL_E_SIGNER, "signer: revoked", SL_NOWHERE);
    }
    const sl_signer *signer = sl_signers_find(trust->signers, &v->id);
    if (signer == NULL) {
        return SL_DONE;
    }
    keep_text(v->name, sizeof v->name, signer->name);
    int64_t at_s = v->timestamped ? v->signed_at_s : trust->now_s;
    if (signer->until_s != 0 && at_s > signer->until_s) {
        return sl_fail_at(SL_E_SIGNER, "signer: trusted only until an earlier day", SL_NOWHERE);
    }
    return SL_DONE;
}

/* The key of the hint; without a hint every trusted key is tried. A hint is a name, no proof: a wrong
 * one only fails to find a key that would have verified. */
static sl_res verify_by_key(const sl_oms_bundle *bundle, const sl_verify_trust *trust,
                            sl_verified *v)
{
    v->id = bundle->hint;
    if (bundle->has_hint && sl_signers_revoked(trust->signers, &v->id) != NULL) {
        return register_allows(trust, v);
    }
    for (size_t i = 0; i < trust->signers->n; i++) {
        const sl_signer *signer = &trust->signers->signers[i];
        bool wanted = !signer->by_certificate &&
                      (!bundle->has_hint || sl_digest_eq(&signer->id, &bundle->hint));
        if (wanted && sl_ok(signature_verifies(bundle, &signer->key))) {
            v->id = signer->id;
            return register_allows(trust, v);
        }
        if (wanted && bundle->has_hint) {
            return sl_fail_at(SL_E_SIGNATURE, "signature over the list of files", SL_NOWHERE);
        }
    }
    return sl_fail_at(SL_E_SIGNER, "signer: not a trusted key", SL_NOWHERE);
}

static sl_res verify_by_certificate(const sl_oms_bundle *bundle, const sl_verify_trust *trust,
                                    sl_verified *v)
{
    SL_OWN(sl_ecdsa_key, key, sl_ecdsa_key_free) = { 0 };
    SL_OWN(sl_buf, subject, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_TRY(sl_certs_fingerprint(&bundle->chain, &v->id));
    SL_TRY(sl_certs_subject(&bundle->chain, &subject));
    keep_text(v->subject, sizeof v->subject, sl_buf_view(&subject));
    SL_TRY(register_allows(trust, v));
    if (!trust->any_certificate && sl_signers_find(trust->signers, &v->id) == NULL) {
        return sl_fail_at(SL_E_SIGNER, "signer: certificate is not pinned", SL_NOWHERE);
    }
    if (sl_certs_count(trust->roots) == 0) {
        return sl_fail_at(SL_E_SIGNER, "signer: no roots were given for certificates", SL_NOWHERE);
    }
    int64_t at_s = v->timestamped ? v->signed_at_s : trust->now_s;
    SL_TRY(sl_certs_verify(&bundle->chain, trust->roots, at_s, &key));
    return signature_verifies(bundle, &key);
}

/* One good timestamp suffices; a bad one beside it is an error all the same. */
static sl_res read_timestamps(const sl_oms_bundle *bundle, const sl_verify_trust *trust,
                              sl_verified *v)
{
    if (sl_certs_count(trust->timestamp_roots) == 0) {
        return SL_DONE;
    }
    for (size_t i = 0; i < bundle->timestamp_count; i++) {
        int64_t at_s = 0;
        SL_TRY(sl_timestamp_verify(sl_buf_view(&bundle->timestamps[i]),
                                   sl_buf_view(&bundle->signature), trust->timestamp_roots, &at_s));
        v->signed_at_s = !v->timestamped || at_s < v->signed_at_s ? at_s : v->signed_at_s;
        v->timestamped = true;
    }
    return SL_DONE;
}

sl_res sl_verify_bundle(const sl_oms_bundle *bundle, const sl_verify_trust *trust, sl_verified *ret)
{
    *ret = (sl_verified){ 0 };
    SL_TRY(read_timestamps(bundle, trust, ret));
    return bundle->by_certificate ? verify_by_certificate(bundle, trust, ret)
                                  : verify_by_key(bundle, trust, ret);
}
