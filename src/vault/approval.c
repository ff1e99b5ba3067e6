/* Signing, encoding and counting approvals. Design: src/vault/approval.h. */
#include "vault/approval.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"

static const char *role_word(int64_t role)
{
    return role == SL_ROLE_OPERATOR ? "operator" : role == SL_ROLE_CHECKER ? "checker" : NULL;
}

static sl_res put_hex(sl_json_writer *w, const char *name, sl_view bytes)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 2 * SL_SIGNATURE_BYTES };
    SL_TRY(sl_hex_add(&text, bytes));
    sl_json_put_string(w, name, sl_buf_view(&text));
    return SL_DONE;
}

/* The canonical object; `whole` adds key and signature, without them it is what is signed. */
static sl_res write_fields(const sl_approval *a, bool whole, sl_buf *out)
{
    const char *role = role_word(a->role);
    if (role == NULL) {
        return sl_fail_at(SL_E_RANGE, "role", SL_NOWHERE);
    }
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    SL_TRY(put_hex(&w, "action", sl_digest_view(&a->action)));
    sl_json_put_uint(&w, "epoch", a->epoch);
    sl_json_put_int(&w, "expiry_ms", a->expiry_ms);
    if (whole) {
        SL_TRY(put_hex(&w, "key", sl_view_of(a->key.b, sizeof a->key.b)));
    }
    SL_TRY(put_hex(&w, "nonce", sl_view_of(a->nonce, sizeof a->nonce)));
    sl_json_put_str(&w, "role", role);
    if (whole) {
        SL_TRY(put_hex(&w, "signature", sl_view_of(a->signature.b, sizeof a->signature.b)));
    }
    sl_json_put_str(&w, "site", a->site);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res message(const sl_approval *a, sl_buf *out)
{
    SL_TRY(sl_buf_add(out, SL_LIT("stoplog/approval/v1\n")));
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_APPROVAL_BYTES_MAX };
    SL_TRY(write_fields(a, false, &body));
    return sl_buf_add(out, sl_buf_view(&body));
}

sl_res sl_approval_sign(sl_approval *approval, const sl_sign_key *key)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_APPROVAL_BYTES_MAX };
    SL_TRY(message(approval, &text));
    SL_TRY(sl_sign(key, sl_buf_view(&text), &approval->signature));
    approval->key = key->public_key;
    return SL_DONE;
}

sl_res sl_approval_verify(const sl_approval *approval)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_APPROVAL_BYTES_MAX };
    SL_TRY(message(approval, &text));
    return sl_verify(&approval->key, sl_buf_view(&text), &approval->signature);
}

sl_res sl_approval_encode(const sl_approval *approval, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_APPROVAL_BYTES_MAX };
    SL_TRY(write_fields(approval, true, &text));
    return sl_buf_add(out, sl_buf_view(&text));
}

static sl_res read_hex(const sl_json_doc *doc, const char *name, uint8_t *ret, size_t n)
{
    const sl_json_node *value = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    if (value == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "approval", SL_NOWHERE);
    }
    return sl_hex_decode(value->raw, ret, n);
}

static sl_res read_fields(const sl_json_doc *doc, sl_approval *a)
{
    const sl_json_node *root = sl_json_root(doc);
    SL_NEED(root->kind == SL_JSON_OBJECT, SL_E_TYPE);
    SL_TRY(read_hex(doc, "action", a->action.b, sizeof a->action.b));
    SL_TRY(read_hex(doc, "key", a->key.b, sizeof a->key.b));
    SL_TRY(read_hex(doc, "nonce", a->nonce, sizeof a->nonce));
    SL_TRY(read_hex(doc, "signature", a->signature.b, sizeof a->signature.b));
    SL_TRY(sl_json_u64(sl_json_get(doc, root, "epoch"), &a->epoch));
    SL_TRY(sl_json_i64(sl_json_get(doc, root, "expiry_ms"), &a->expiry_ms));
    const sl_json_node *role = sl_json_get_kind(doc, root, "role", SL_JSON_STRING);
    const sl_json_node *site = sl_json_get_kind(doc, root, "site", SL_JSON_STRING);
    SL_NEED(role != NULL && site != NULL, SL_E_MISSING_FIELD);
    SL_TRY(sl_roles_parse(role->raw, &a->role));
    SL_NEED(site->raw.n == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    memcpy(a->site, site->raw.p, SL_SITE_ID_CHARS);
    return SL_DONE;
}

sl_res sl_approval_decode(sl_view text, sl_approval *ret)
{
    SL_NEED(text.n <= SL_APPROVAL_BYTES_MAX, SL_E_LIMIT);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    sl_approval a = { 0 };
    SL_TRY(read_fields(&doc, &a));
    /* Written again it must be the same: that refuses unknown members, upper-case hex, escapes and
     * every other second spelling in one comparison. */
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_APPROVAL_BYTES_MAX };
    SL_TRY(sl_approval_encode(&a, &again));
    SL_NEED(sl_view_eq(sl_buf_view(&again), text), SL_E_SYNTAX);
    *ret = a;
    return SL_DONE;
}

sl_res sl_approvals_encode(const sl_approval *list, size_t count, sl_buf *out)
{
    SL_NEED(count <= SL_APPROVALS_MAX, SL_E_LIMIT);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_APPROVALS_MAX * (SL_APPROVAL_BYTES_MAX + 1) };
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            SL_TRY(sl_buf_add_byte(&text, '\n'));
        }
        SL_TRY(sl_approval_encode(&list[i], &text));
    }
    return sl_buf_add(out, sl_buf_view(&text));
}

sl_res sl_approvals_decode(sl_view text, sl_approval ret_list[SL_APPROVALS_MAX], size_t *ret_count)
{
    size_t count = 0;
    sl_view rest = text;
    bool more = text.n > 0;
    while (more) {
        sl_view line;
        more = sl_view_cut(rest, '\n', &line, &rest);
        SL_NEED(count < SL_APPROVALS_MAX, SL_E_LIMIT);
        SL_TRY(sl_approval_decode(line, &ret_list[count]));
        count++;
    }
    *ret_count = count;
    return SL_DONE;
}

static const sl_operator *operator_of(const sl_operator *operators, size_t count,
                                      const sl_public_key *key)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(operators[i].key.b, key->b, sizeof key->b) == 0) {
            return &operators[i];
        }
    }
    return NULL;
}

/* NULL if this approval counts, else what is wrong with it. */
static const char *fault_of(const sl_approval *a, const sl_digest *action, const char *site,
                            const sl_operator *who, const sl_approval_need *need, int64_t now_ms)
{
    if (strcmp(a->site, site) != 0) {
        return "site";
    }
    if (!sl_digest_eq(&a->action, action)) {
        return "action";
    }
    if (a->epoch != need->epoch) {
        return "epoch";
    }
    if (a->role != need->role) {
        return "role";
    }
    if (now_ms >= a->expiry_ms || a->expiry_ms - now_ms > SL_APPROVAL_LIFE_MS_MAX) {
        return "expiry";
    }
    if (who == NULL) {
        return "operator";
    }
    if (need->but != NULL && strcmp(who->person, need->but) == 0) {
        return "requester";
    }
    return (who->roles & need->role) == 0 ? "role" : NULL;
}

static bool nonce_repeats(const sl_approval *list, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (memcmp(list[i].nonce, list[at].nonce, SL_APPROVAL_NONCE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static bool person_counted(const sl_operator *const *persons, size_t count, const sl_operator *who)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(persons[i]->person, who->person) == 0) {
            return true;
        }
    }
    return false;
}

sl_res sl_approvals_check(sl_view statement_text, const char *site, const sl_approval *list,
                          size_t count, const sl_operator *operators, size_t operators_count,
                          const sl_approval_need *need, int64_t now_ms, sl_nonce_seen seen,
                          const void *seen_context)
{
    SL_NEED(count <= SL_APPROVALS_MAX, SL_E_LIMIT);
    sl_digest action = sl_statement_digest(statement_text);
    const sl_operator *persons[SL_APPROVALS_MAX];
    size_t persons_count = 0;
    for (size_t i = 0; i < count; i++) {
        const sl_operator *who = operator_of(operators, operators_count, &list[i].key);
        const char *fault = fault_of(&list[i], &action, site, who, need, now_ms);
        if (fault == NULL && (nonce_repeats(list, i) || seen(seen_context, list[i].nonce))) {
            fault = "nonce";
        }
        if (fault != NULL) {
            return sl_fail_at(SL_E_APPROVAL, fault, i);
        }
        SL_TRY(sl_approval_verify(&list[i]));
        if (!person_counted(persons, persons_count, who)) {
            persons[persons_count++] = who;
        }
    }
    /* A need of nobody would be a mistake of ours; it must not read as satisfied. */
    if (need->persons == 0 || persons_count < need->persons) {
        return sl_fail_at(SL_E_APPROVAL, "persons", persons_count);
    }
    return SL_DONE;
}
