/* Sealed bodies and the commitments that they explain (body.h). */
#include "ledger/body.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/secret.h"
#include "crypto/mac.h"

sl_digest sl_commit(const uint8_t salt[SL_SALT_BYTES], const char *name, sl_view value)
{
    SL_OWN(sl_keyed, k, sl_keyed_free) = { 0 };

    sl_keyed_set(&k, sl_view_of(salt, SL_SALT_BYTES));
    sl_keyed_start(&k);
    /* With its NUL, so that no name and value can be read as another name and value. */
    sl_keyed_add(&k, sl_view_of(name, strlen(name) + 1));
    sl_keyed_add(&k, value);
    return sl_keyed_end(&k);
}

void sl_body_free(sl_body *body)
{
    if (body->json.p != NULL) {
        sl_wipe(body->json.p, body->json.cap);
    }
    sl_buf_free(&body->json);
}

static sl_res add_base64_member(sl_buf *out, const char *name, sl_view bytes)
{
    SL_TRY(sl_buf_addf(out, "\"%s\":\"", name));
    SL_TRY(sl_base64_add(out, bytes));
    return sl_buf_add_byte(out, '"');
}

sl_res sl_body_commit(sl_body *body, const char *name, sl_view value, bool keep,
                      const uint8_t salt[SL_SALT_BYTES], sl_digest *ret)
{
    sl_buf *out = &body->json;

    if (out->p == NULL) {
        out->max = SL_BODY_BYTES_MAX;
        /* All at once: growing would leave copies of plaintext in the heap. */
        SL_TRY(sl_buf_reserve(out, SL_BODY_BYTES_MAX));
    }
    size_t before = out->n;
    sl_res r = sl_buf_addf(out, "%c\"%s\":{", before == 0 ? '{' : ',', name);
    if (sl_ok(r)) {
        r = add_base64_member(out, "salt", sl_view_of(salt, SL_SALT_BYTES));
    }
    if (sl_ok(r) && keep) {
        r = sl_buf_add_byte(out, ',');
        r = sl_ok(r) ? add_base64_member(out, "value", value) : r;
    }
    if (sl_ok(r)) {
        r = sl_buf_add_byte(out, '}');
    }
    if (!sl_ok(r)) {
        out->n = before;
        return r;
    }
    *ret = sl_commit(salt, name, value);
    return SL_DONE;
}

static sl_res context_of(sl_view key_id, sl_buf *ret)
{
    static const char prefix[] = "stoplog/v1\0leaf-body";

    SL_TRY(sl_buf_add(ret, sl_view_of(prefix, sizeof prefix)));
    return sl_buf_add(ret, key_id);
}

sl_res sl_body_seal(sl_body *body, const uint8_t key[SL_SEAL_KEY_BYTES],
                    const uint8_t seal_salt[SL_SEAL_SALT_BYTES], sl_view key_id, sl_buf *ret_sealed)
{
    SL_OWN(sl_buf, context, sl_buf_free) = { .max = SL_SEAL_CONTEXT_BYTES_MAX };

    SL_NEED(body->json.n != 0, SL_E_MISSING_FIELD);
    SL_TRY(context_of(key_id, &context));
    SL_TRY(sl_buf_add_byte(&body->json, '}'));
    sl_res r =
        sl_seal_all(key, seal_salt, sl_buf_view(&context), sl_buf_view(&body->json), ret_sealed);
    sl_body_free(body);
    return r;
}

sl_res sl_body_open(sl_view sealed, const uint8_t key[SL_SEAL_KEY_BYTES], sl_view key_id,
                    sl_buf *ret_json)
{
    SL_OWN(sl_buf, context, sl_buf_free) = { .max = SL_SEAL_CONTEXT_BYTES_MAX };

    SL_TRY(context_of(key_id, &context));
    return sl_open_all(key, sl_buf_view(&context), sealed, ret_json);
}

sl_res sl_body_show(sl_view json, const char *name, sl_view value, const sl_digest *commitment)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, salt, sl_buf_free) = { .max = 2 * SL_SALT_BYTES };

    SL_TRY(sl_json_parse(json, &doc));
    const sl_json_node *entry = sl_json_get(&doc, sl_json_root(&doc), name);
    const sl_json_node *text = sl_json_get_kind(&doc, entry, "salt", SL_JSON_STRING);
    SL_NEED(text != NULL, SL_E_NOT_FOUND);
    SL_TRY(sl_base64_decode(text->raw, &salt));
    SL_NEED(salt.n == SL_SALT_BYTES, SL_E_SYNTAX);
    sl_digest got = sl_commit(salt.p, name, value);
    SL_NEED(sl_digest_eq(&got, commitment), SL_E_INTEGRITY);
    return SL_DONE;
}
