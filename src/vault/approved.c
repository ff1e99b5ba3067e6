/* Approved acts written out (approved.h). */
#include "vault/approved.h"

#include "base/encode.h"
#include "base/json.h"
#include "ledger/event.h"
#include "vault/approval.h"
#include "vault/attestation.h"

/* What is said of a vendor has an event by its kind; kinds that nobody asks the ledger about have none. */
static const struct {
    const char *kind;
    const char *said;
    const char *struck;
    const char *name; /* of the field that names VENDOR/ITEM, or the item alone for a review */
} vendor_kinds[] = {
    { "artefact", "vendor.pinned", "vendor.unpinned", "artefact" },
    { "evidence", "vendor.evidence", "vendor.evidence_ended", "evidence" },
    { "exception", "waiver.granted", "waiver.ended", "waiver" },
    { "review", "vendor.reviewed", NULL, "outcome" },
};

/* SIZE_MAX: none. */
static size_t vendor_kind(const sl_statement *s)
{
    for (size_t i = 0; i < SL_COUNT_OF(vendor_kinds); i++) {
        if (strcmp(s->kind, vendor_kinds[i].kind) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static const char *vendor_type(const sl_statement *s)
{
    size_t kind = vendor_kind(s);
    if (s->action == SL_ACTION_VENDOR_DROP && s->kind[0] == 0) {
        return "vendor.removed";
    }
    if (kind == SIZE_MAX) {
        return NULL;
    }
    return s->action == SL_ACTION_VENDOR_ITEM ? vendor_kinds[kind].said : vendor_kinds[kind].struck;
}

static const char *type_of(const sl_statement *s)
{
    const sl_attestation *attested = NULL;
    switch ((int)s->action) {
    case SL_ACTION_VENDOR_ADD:
        return "vendor.registered";
    case SL_ACTION_VENDOR_ITEM:
    case SL_ACTION_VENDOR_DROP:
        return vendor_type(s);
    case SL_ACTION_ARTEFACT_ADMIT:
        return "artefact.admitted";
    case SL_ACTION_ARTEFACT_WITHDRAW:
        return "artefact.withdrawn";
    case SL_ACTION_ATTEST:
        attested = sl_attestation_find(sl_view_str(s->kind));
        return attested == NULL ? NULL : attested->kind;
    case SL_ACTION_COMPARTMENT_CREATE:
        return "compartment.created";
    case SL_ACTION_GRANT_ISSUE:
        return "grant.issued";
    case SL_ACTION_GRANT_REVOKE:
        return "grant.revoked";
    case SL_ACTION_KEY_ISSUE:
        return "apikey.issued";
    case SL_ACTION_KEY_REVOKE:
        return "apikey.revoked";
    case SL_ACTION_OPERATOR_ADD:
        return "operator.added";
    case SL_ACTION_OPERATOR_REMOVE:
        return "operator.removed";
    case SL_ACTION_SUBJECT_ERASE:
        return "erasure.ordered";
    case SL_ACTION_RELEASE_REQUEST:
        return "release.requested";
    case SL_ACTION_RELEASE_APPROVE:
        return "release.approved";
    case SL_ACTION_RELEASE_REJECT:
        return "release.rejected";
    default:
        return NULL;
    }
}

static void put_text(sl_json_writer *w, const char *name, const char *text)
{
    if (text[0] != 0) {
        sl_json_put_str(w, name, text);
    }
}

static void put_count(sl_json_writer *w, const char *name, int64_t count)
{
    if (count > 0) {
        sl_json_put_int(w, name, count);
    }
}

static void put_digest(sl_json_writer *w, const char *name, const sl_digest *digest)
{
    static const sl_digest none = { 0 };
    char hex[2 * SL_DIGEST_BYTES + 1];
    if (!sl_digest_eq(digest, &none)) {
        sl_digest_hex(digest, hex);
        sl_json_put_str(w, name, hex);
    }
}

static void put_item(sl_json_writer *w, const sl_statement *s)
{
    char whole[2 * sizeof(sl_name)];
    size_t kind = vendor_kind(s);
    if (s->item[0] == 0 || kind == SIZE_MAX) {
        return;
    }
    bool alone = strcmp(s->kind, "review") == 0;
    (void)snprintf(whole, sizeof whole, "%s%s%s", alone ? "" : s->vendor, alone ? "" : "/",
                   s->item);
    sl_json_put_str(w, vendor_kinds[kind].name, whole);
}

/* Members in any order: these lines are read by name and never hashed. */
static void put_supply(sl_json_writer *w, const sl_statement *s)
{
    put_text(w, "data_cap", s->data_cap);
    put_text(w, "tier", s->tier);
    put_text(w, "vendor", s->vendor);
    put_item(w, s);
    put_digest(w, "signer", &s->signer);
    if (s->action >= SL_ACTION_VENDOR_ADD) { /* an API key's hash stays where it is */
        put_digest(w, "digest", &s->hash);
    }
}

static bool is_release(const sl_statement *s)
{
    return s->action >= SL_ACTION_RELEASE_REQUEST && s->action <= SL_ACTION_RELEASE_REJECT;
}

static void put_fields(sl_json_writer *w, const sl_statement *s)
{
    sl_json_object_begin(w);
    if (is_release(s)) {
        put_text(w, "kind", s->kind);
        put_text(w, "object", s->item);
    }
    put_supply(w, s);
    put_text(w, "grant", s->grant);
    put_text(w, "key", s->key);
    put_text(w, "lineage", s->lineage);
    put_text(w, "operator", s->operator_name);
    put_text(w, "purpose", s->purpose);
    put_text(w, "subject", s->subject);
    put_count(w, "records_per_d", s->records_d);
    put_count(w, "requests_per_h", s->requests_h);
    put_count(w, "tokens_per_d", s->tokens_d);
    put_count(w, "until_s", s->until_ms / 1000);
    sl_json_object_end(w);
}

/* Who signed, by the beginning of their keys: as much of a name as a leaf may hold. */
enum { SIGNER_BYTES = 8, SIGNER_CHARS = 2 * SIGNER_BYTES };
typedef struct {
    char ids[SL_APPROVALS_MAX][SIGNER_CHARS + 1];
    size_t count;
} signers;

static sl_res signers_of(const sl_leaf *leaf, signers *ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_approval list[SL_APPROVALS_MAX];
    SL_TRY(sl_base64_decode(sl_leaf_text(leaf, "approvals"), &text));
    SL_TRY(sl_approvals_decode(sl_buf_view(&text), list, &ret->count));
    for (size_t i = 0; i < ret->count; i++) {
        SL_OWN(sl_buf, hex, sl_buf_free) = { .max = 64 };
        SL_TRY(sl_hex_add(&hex, sl_view_of(list[i].key.b, SIGNER_BYTES)));
        memcpy(ret->ids[i], hex.p, SIGNER_CHARS);
        ret->ids[i][SIGNER_CHARS] = '\0';
    }
    return SL_DONE;
}

static void put_attested(sl_json_writer *w, const sl_statement *s, const signers *by)
{
    const sl_attestation *a = sl_attestation_find(sl_view_str(s->kind));
    sl_json_object_begin(w);
    sl_json_put_str(w, a->about, s->about);
    sl_json_key(w, "approvals");
    sl_json_array_begin(w);
    for (size_t i = 0; i < by->count; i++) {
        sl_json_string(w, sl_view_str(by->ids[i]));
    }
    sl_json_array_end(w);
    if (a->says != NULL) {
        sl_json_put_str(w, a->says, s->says);
    }
    if (a->count != NULL) {
        sl_json_put_int(w, a->count, s->count);
    }
    if (a->digest != NULL) {
        sl_digest_put(w, a->digest, &s->hash);
    }
    if (a->who != NULL && by->count > 0) {
        sl_json_put_str(w, a->who, by->ids[0]);
    }
    put_count(w, "until_s", s->until_ms / 1000);
    sl_json_object_end(w);
}

static sl_res write_leaf(const sl_leaf *leaf, const sl_statement *s, const char *type, sl_buf *out)
{
    signers by = { .count = 0 };
    bool attested = s->action == SL_ACTION_ATTEST;
    SL_TRY(attested || is_release(s) ? signers_of(leaf, &by) : SL_DONE);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "by", leaf->by);
    sl_json_key(&w, "event");
    sl_json_object_begin(&w);
    if (by.count > 0) {
        sl_json_put_str(&w, "actor", by.ids[0]);
    }
    put_text(&w, "compartment", s->compartment_id);
    sl_json_key(&w, "fields");
    if (attested) {
        put_attested(&w, s, &by);
    } else {
        put_fields(&w, s);
    }
    put_text(&w, "principal",
             attested && strcmp(s->kind, "leaver.notified") == 0 ? s->about : s->principal);
    sl_json_put_str(&w, "type", type);
    sl_json_object_end(&w);
    sl_json_put_uint(&w, "time", leaf->time_ms);
    sl_json_put_uint(&w, "v", 1);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

sl_res sl_approved_unfold(sl_view text, sl_buf *out, bool *ret_is)
{
    *ret_is = false;
    if (sl_view_find(text, SL_LIT("\"action.approved\""), 0) == SIZE_MAX) {
        return SL_DONE; /* almost all leaves are another's */
    }
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_OWN(sl_buf, statement_text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_statement statement;
    SL_TRY(sl_leaf_read(text, &leaf));
    if (!sl_leaf_is(&leaf, "action.approved") || !sl_view_eq_str(leaf.by, "warden")) {
        return SL_DONE;
    }
    SL_TRY(sl_base64_decode(sl_leaf_text(&leaf, "statement"), &statement_text));
    SL_TRY(sl_statement_decode(sl_buf_view(&statement_text), &statement));
    const char *type = type_of(&statement);
    if (type == NULL) {
        return SL_DONE;
    }
    SL_TRY(write_leaf(&leaf, &statement, type, out));
    *ret_is = true;
    return SL_DONE;
}
