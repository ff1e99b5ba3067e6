/* The Sigstore bundle around a signed statement (oms.h). */
#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "supply/oms.h"

#define BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define PAYLOAD_TYPE "application/vnd.in-toto+json"
#define SIGNATURE_BYTES_MAX ((size_t)1024)
#define TIMESTAMP_BYTES_MAX (64 * SL_KIB)

void sl_oms_bundle_free(sl_oms_bundle *b)
{
    sl_buf_free(&b->payload);
    sl_buf_free(&b->signature);
    sl_certs_free(&b->chain);
    for (size_t i = 0; i < b->timestamp_count; i++) {
        sl_buf_free(&b->timestamps[i]);
    }
    *b = (sl_oms_bundle){ 0 };
}

sl_res sl_oms_signed_bytes(sl_view payload, sl_buf *out)
{
    SL_TRY(
        sl_buf_addf(out, "DSSEv1 %zu %s %zu ", sizeof PAYLOAD_TYPE - 1, PAYLOAD_TYPE, payload.n));
    return sl_buf_add(out, payload);
}

static void put_base64(sl_json_writer *w, const char *name, sl_view bytes)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    sl_res r = sl_base64_add(&text, bytes);
    if (!sl_ok(r)) {
        w->failed = r;
        return;
    }
    sl_json_put_string(w, name, sl_buf_view(&text));
}

static void put_chain(sl_json_writer *w, const sl_certs *chain)
{
    sl_json_key(w, "x509CertificateChain");
    sl_json_object_begin(w);
    sl_json_key(w, "certificates");
    sl_json_array_begin(w);
    for (size_t i = 0; i < sl_certs_count(chain); i++) {
        SL_OWN(sl_buf, der, sl_buf_free) = { .max = SL_MIB };
        sl_res r = sl_certs_der(chain, i, &der);
        if (!sl_ok(r)) {
            w->failed = r;
        }
        sl_json_object_begin(w);
        put_base64(w, "rawBytes", sl_buf_view(&der));
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_material(sl_json_writer *w, const sl_digest *hint, const sl_certs *chain)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_key(w, "verificationMaterial");
    sl_json_object_begin(w);
    if (sl_certs_count(chain) > 0) {
        put_chain(w, chain);
    } else {
        sl_digest_hex(hint, hex);
        sl_json_key(w, "publicKey");
        sl_json_object_begin(w);
        sl_json_put_str(w, "hint", hex);
        sl_json_object_end(w);
    }
    sl_json_key(w, "tlogEntries");
    sl_json_array_begin(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
}

sl_res sl_oms_bundle_write(sl_view payload, sl_view signature, const sl_digest *hint,
                           const sl_certs *chain, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "mediaType", BUNDLE_TYPE);
    put_material(&w, hint, chain);
    sl_json_key(&w, "dsseEnvelope");
    sl_json_object_begin(&w);
    put_base64(&w, "payload", payload);
    sl_json_put_str(&w, "payloadType", PAYLOAD_TYPE);
    sl_json_key(&w, "signatures");
    sl_json_array_begin(&w);
    sl_json_object_begin(&w);
    put_base64(&w, "sig", signature);
    sl_json_put_str(&w, "keyid", "");
    sl_json_object_end(&w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* Reading */

/* Every member must be one of `known`, which ends with NULL. */
static sl_res only(const sl_json_doc *doc, const sl_json_node *object, const char *const *known)
{
    if (!sl_json_is(object, SL_JSON_OBJECT)) {
        return sl_fail_at(SL_E_TYPE, "signature file: an object is missing", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, object, &it)) {
        bool found = false;
        for (size_t i = 0; known[i] != NULL && !found; i++) {
            found = sl_json_text_is(it.key, known[i]);
        }
        if (!found) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, "signature file", it.key->offset);
        }
    }
    return SL_DONE;
}

static sl_res base64_of(const sl_json_node *node, const char *field, size_t bytes_max, sl_buf *ret)
{
    if (!sl_json_is(node, SL_JSON_STRING) || node->escaped) {
        return sl_fail_at(node == NULL ? SL_E_MISSING_FIELD : SL_E_TYPE, field, SL_NOWHERE);
    }
    ret->max = bytes_max;
    sl_res r = sl_base64_decode(node->raw, ret);
    return sl_ok(r) ? r : sl_fail_at(SL_E_SYNTAX, field, node->offset);
}

static sl_res read_envelope(const sl_json_doc *doc, const sl_json_node *envelope, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "payload", "payloadType", "signatures", NULL };
    SL_TRY(only(doc, envelope, KNOWN));
    const sl_json_node *type = sl_json_get_kind(doc, envelope, "payloadType", SL_JSON_STRING);
    if (type == NULL || !sl_json_text_is(type, PAYLOAD_TYPE)) {
        return sl_fail_at(SL_E_VERSION, "payloadType", SL_NOWHERE);
    }
    SL_TRY(base64_of(sl_json_get(doc, envelope, "payload"), "payload", SL_OMS_BUNDLE_BYTES_MAX,
                     &b->payload));
    const sl_json_node *signatures = sl_json_get_kind(doc, envelope, "signatures", SL_JSON_ARRAY);
    /* A second signature would be trusted by its looks alone: nobody verifies it. */
    if (signatures == NULL || signatures->count != 1) {
        return sl_fail_at(SL_E_UNSUPPORTED, "signatures (exactly one)", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    (void)sl_json_each(doc, signatures, &it);
    static const char *const SIGNATURE[] = { "sig", "keyid", NULL };
    SL_TRY(only(doc, it.value, SIGNATURE));
    return base64_of(sl_json_get(doc, it.value, "sig"), "sig", SIGNATURE_BYTES_MAX, &b->signature);
}

static sl_res read_chain(const sl_json_doc *doc, const sl_json_node *holder, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "certificates", NULL };
    static const char *const ITEM[] = { "rawBytes", NULL };
    SL_TRY(only(doc, holder, KNOWN));
    const sl_json_node *list = sl_json_get_kind(doc, holder, "certificates", SL_JSON_ARRAY);
    if (list == NULL || list->count == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "certificates", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, list, &it)) {
        SL_OWN(sl_buf, der, sl_buf_free) = { 0 };
        SL_TRY(only(doc, it.value, ITEM));
        SL_TRY(base64_of(sl_json_get(doc, it.value, "rawBytes"), "rawBytes", SL_MIB, &der));
        SL_TRY(sl_certs_add_der(&b->chain, sl_buf_view(&der)));
    }
    b->by_certificate = true;
    return SL_DONE;
}

static sl_res read_public_key(const sl_json_doc *doc, const sl_json_node *key, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "hint", NULL };
    SL_TRY(only(doc, key, KNOWN));
    const sl_json_node *hint = sl_json_get(doc, key, "hint");
    b->has_hint = sl_json_is(hint, SL_JSON_STRING) && sl_ok(sl_digest_parse(hint->raw, &b->hint));
    return SL_DONE;
}

static sl_res read_timestamps(const sl_json_doc *doc, const sl_json_node *data, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "rfc3161Timestamps", NULL };
    static const char *const ITEM[] = { "signedTimestamp", NULL };
    SL_TRY(only(doc, data, KNOWN));
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, sl_json_get(doc, data, "rfc3161Timestamps"), &it)) {
        if (b->timestamp_count == SL_OMS_TIMESTAMPS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "rfc3161Timestamps", SL_OMS_TIMESTAMPS_MAX);
        }
        SL_TRY(only(doc, it.value, ITEM));
        b->timestamp_count++;
        SL_TRY(base64_of(sl_json_get(doc, it.value, "signedTimestamp"), "signedTimestamp",
                         TIMESTAMP_BYTES_MAX, &b->timestamps[b->timestamp_count - 1]));
    }
    return SL_DONE;
}

static sl_res read_material(const sl_json_doc *doc, const sl_json_node *material, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "publicKey",   "x509CertificateChain",      "certificate",
                                         "tlogEntries", "timestampVerificationData", NULL };
    SL_TRY(only(doc, material, KNOWN));
    const sl_json_node *chain = sl_json_get(doc, material, "x509CertificateChain");
    const sl_json_node *key = sl_json_get(doc, material, "publicKey");
    const sl_json_node *stamps = sl_json_get(doc, material, "timestampVerificationData");
    if (sl_json_get(doc, material, "certificate") != NULL) {
        return sl_fail_at(SL_E_UNSUPPORTED,
                          "keyless signature: its log is online; sign with a key or a certificate",
                          SL_NOWHERE);
    }
    if ((chain == NULL) == (key == NULL)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "publicKey or x509CertificateChain, one of them",
                          SL_NOWHERE);
    }
    if (stamps != NULL) {
        SL_TRY(read_timestamps(doc, stamps, b));
    }
    return chain != NULL ? read_chain(doc, chain, b) : read_public_key(doc, key, b);
}

static sl_res read_bundle(const sl_json_doc *doc, sl_oms_bundle *b)
{
    static const char *const KNOWN[] = { "mediaType", "verificationMaterial", "dsseEnvelope",
                                         NULL };
    const sl_json_node *root = sl_json_root(doc);
    SL_TRY(only(doc, root, KNOWN));
    const sl_json_node *type = sl_json_get_kind(doc, root, "mediaType", SL_JSON_STRING);
    if (type == NULL || !sl_json_text_is(type, BUNDLE_TYPE)) {
        return sl_fail_at(SL_E_VERSION, "mediaType of the signature file", SL_NOWHERE);
    }
    SL_TRY(read_material(doc, sl_json_get(doc, root, "verificationMaterial"), b));
    return read_envelope(doc, sl_json_get(doc, root, "dsseEnvelope"), b);
}

sl_res sl_oms_bundle_read(sl_view json, sl_oms_bundle *ret)
{
    SL_NEED(json.n <= SL_OMS_BUNDLE_BYTES_MAX, SL_E_LIMIT);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_oms_bundle b = { 0 };
    SL_TRY(sl_json_parse(json, &doc));
    sl_res r = read_bundle(&doc, &b);
    if (!sl_ok(r)) {
        sl_oms_bundle_free(&b);
        return r;
    }
    *ret = b;
    return SL_DONE;
}
