/* Encoding and decoding of statements from one table of fields and one of actions.
 *
 * Decoding fills the struct from strict JSON, encodes it again and compares: so there is one text
 * for one meaning, and what was signed is what is read. Design: src/vault/statement.h. */
#include "vault/statement.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"

typedef enum {
    KIND_NAME,
    KIND_ITEM,
    KIND_ID,
    KIND_UID,
    KIND_INT,
    KIND_KEY,
    KIND_DIGEST,
    KIND_DOORS,
    KIND_ROLES
} kind;

typedef struct {
    const char *name;
    kind kind;
    size_t offset;
    uint32_t bit;
} field;

enum {
    F_COMPARTMENT = 1 << 0,
    F_DOORS = 1 << 1,
    F_GRANT = 1 << 2,
    F_HASH = 1 << 3,
    F_KEY = 1 << 4,
    F_LINEAGE = 1 << 5,
    F_OPERATOR = 1 << 6,
    F_OPERATOR_KEY = 1 << 7,
    F_PRINCIPAL = 1 << 8,
    F_PURPOSE = 1 << 9,
    F_QUORUM = 1 << 10,
    F_RECORDS = 1 << 11,
    F_REQUESTS = 1 << 12,
    F_ROLES = 1 << 13,
    F_SITE = 1 << 14,
    F_SUBJECT = 1 << 15,
    F_TOKENS = 1 << 16,
    F_UNTIL = 1 << 17,
    F_COMPARTMENT_ID = 1 << 18,
    F_DATA_CAP = 1 << 19,
    F_ITEM = 1 << 20,
    F_KIND = 1 << 21,
    F_SIGNER = 1 << 22,
    F_TIER = 1 << 23,
    F_VENDOR = 1 << 24,
    F_ABOUT = 1 << 25,
    F_SAYS = 1 << 26,
    F_COUNT = 1 << 27,
};

#define AT(member) offsetof(sl_statement, member)

/* Sorted by name, which is the canonical order. "action" is written behind "about", where it belongs. */
static const field fields[] = {
    { "about", KIND_NAME, AT(about), F_ABOUT },
    { "compartment", KIND_NAME, AT(compartment), F_COMPARTMENT },
    { "compartment_id", KIND_UID, AT(compartment_id), F_COMPARTMENT_ID },
    { "count", KIND_INT, AT(count), F_COUNT },
    { "data_cap", KIND_NAME, AT(data_cap), F_DATA_CAP },
    { "doors", KIND_DOORS, AT(doors), F_DOORS },
    { "grant", KIND_ID, AT(grant), F_GRANT },
    { "hash", KIND_DIGEST, AT(hash), F_HASH },
    { "item", KIND_ITEM, AT(item), F_ITEM },
    { "key", KIND_ID, AT(key), F_KEY },
    { "kind", KIND_NAME, AT(kind), F_KIND },
    { "lineage", KIND_UID, AT(lineage), F_LINEAGE },
    { "operator", KIND_NAME, AT(operator_name), F_OPERATOR },
    { "operator_key", KIND_KEY, AT(operator_key), F_OPERATOR_KEY },
    { "principal", KIND_UID, AT(principal), F_PRINCIPAL },
    { "purpose", KIND_NAME, AT(purpose), F_PURPOSE },
    { "quorum", KIND_INT, AT(quorum), F_QUORUM },
    { "records_d", KIND_INT, AT(records_d), F_RECORDS },
    { "requests_h", KIND_INT, AT(requests_h), F_REQUESTS },
    { "roles", KIND_ROLES, AT(roles), F_ROLES },
    { "says", KIND_NAME, AT(says), F_SAYS },
    { "signer", KIND_DIGEST, AT(signer), F_SIGNER },
    { "site", KIND_UID, AT(site), F_SITE },
    { "subject", KIND_NAME, AT(subject), F_SUBJECT },
    { "tier", KIND_NAME, AT(tier), F_TIER },
    { "tokens_d", KIND_INT, AT(tokens_d), F_TOKENS },
    { "until_ms", KIND_INT, AT(until_ms), F_UNTIL },
    { "vendor", KIND_NAME, AT(vendor), F_VENDOR },
};

typedef struct {
    const char *name;
    uint32_t need; /* besides the site, which all need */
    uint32_t may;
} shape;

static const shape shapes[SL_ACTION_COUNT] = {
    [SL_ACTION_NONE] = { "", 0, 0 },
    [SL_ACTION_OPERATOR_ADD] = { "operator.add", F_OPERATOR | F_OPERATOR_KEY | F_ROLES, F_QUORUM },
    [SL_ACTION_OPERATOR_REMOVE] = { "operator.remove", F_OPERATOR, F_QUORUM },
    [SL_ACTION_COMPARTMENT_CREATE] = { "compartment.create", F_COMPARTMENT | F_COMPARTMENT_ID, 0 },
    [SL_ACTION_COMPARTMENT_CLOSE] = { "compartment.close", F_COMPARTMENT, 0 },
    [SL_ACTION_COMPARTMENT_OPEN] = { "compartment.open", F_COMPARTMENT, 0 },
    [SL_ACTION_COMPARTMENT_SEAL] = { "compartment.seal", F_COMPARTMENT, 0 },
    [SL_ACTION_COMPARTMENT_UNSEAL] = { "compartment.unseal", F_COMPARTMENT, 0 },
    [SL_ACTION_COMPARTMENT_SHRED] = { "compartment.shred", F_COMPARTMENT, 0 },
    [SL_ACTION_COMPARTMENT_SHRED_CANCEL] = { "compartment.shred_cancel", F_COMPARTMENT, 0 },
    [SL_ACTION_SUBJECT_ERASE] = { "subject.erase", F_COMPARTMENT | F_SUBJECT, 0 },
    [SL_ACTION_SUBJECT_ERASE_CANCEL] = { "subject.erase_cancel", F_COMPARTMENT | F_SUBJECT, 0 },
    [SL_ACTION_GRANT_ISSUE] = { "grant.issue",
                                F_COMPARTMENT | F_DOORS | F_GRANT | F_PRINCIPAL | F_PURPOSE |
                                    F_UNTIL,
                                F_REQUESTS | F_TOKENS | F_RECORDS },
    [SL_ACTION_GRANT_REVOKE] = { "grant.revoke", F_GRANT, 0 },
    [SL_ACTION_KEY_ISSUE] = { "key.issue", F_KEY | F_HASH | F_PRINCIPAL | F_LINEAGE, F_UNTIL },
    [SL_ACTION_KEY_REVOKE] = { "key.revoke", F_KEY, 0 },
    [SL_ACTION_PRINCIPAL_OPEN] = { "principal.open", F_PRINCIPAL, 0 },
    [SL_ACTION_DOOR_OPEN] = { "door.open", F_DOORS, 0 },
    [SL_ACTION_SITE_OPEN] = { "site.open", 0, 0 },
    [SL_ACTION_VENDOR_ADD] = { "vendor.add", F_VENDOR | F_TIER | F_DATA_CAP, 0 },
    [SL_ACTION_VENDOR_ITEM] = { "vendor.item", F_VENDOR | F_KIND | F_ITEM,
                                F_COMPARTMENT | F_HASH | F_OPERATOR | F_SIGNER | F_UNTIL },
    [SL_ACTION_VENDOR_DROP] = { "vendor.drop", F_VENDOR, F_KIND | F_ITEM },
    [SL_ACTION_ARTEFACT_ADMIT] = { "artefact.admit", F_COMPARTMENT | F_HASH | F_UNTIL, F_PURPOSE },
    [SL_ACTION_ARTEFACT_WITHDRAW] = { "artefact.withdraw", F_COMPARTMENT | F_HASH, 0 },
    [SL_ACTION_ROSTER_REBUILD] = { "roster.rebuild", F_COMPARTMENT, 0 },
    [SL_ACTION_ATTEST] = { "attest", F_KIND | F_ABOUT, F_SAYS | F_COUNT | F_HASH | F_UNTIL },
    [SL_ACTION_RELEASE_REQUEST] = { "release.request", F_COMPARTMENT | F_HASH | F_ITEM | F_KIND,
                                    F_ABOUT | F_COUNT | F_SAYS },
    [SL_ACTION_RELEASE_APPROVE] = { "release.approve", F_COMPARTMENT | F_HASH | F_ITEM, 0 },
    [SL_ACTION_RELEASE_REVIEW] = { "release.review", F_COMPARTMENT | F_HASH | F_ITEM, 0 },
    [SL_ACTION_RELEASE_REJECT] = { "release.reject", F_COMPARTMENT | F_ITEM, 0 },
};

/* Letters and digits, and behind the first of them the marks. */
static bool made_of(sl_view name, const char *marks)
{
    if (name.n == 0 || name.n > SL_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || c == 0 || strchr(marks, c) == NULL)) {
            return false;
        }
    }
    return true;
}

bool sl_name_ok(sl_view name)
{
    return made_of(name, "._-");
}

bool sl_item_ok(sl_view item)
{
    return made_of(item, "._:/@-");
}

static sl_res set_checked(sl_name ret_name, sl_view name, bool good)
{
    SL_NEED(name.n <= SL_NAME_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(good, SL_E_SYNTAX);
    memset(ret_name, 0, sizeof(sl_name));
    memcpy(ret_name, name.p, name.n);
    return SL_DONE;
}

sl_res sl_name_set(sl_name ret_name, sl_view name)
{
    return set_checked(ret_name, name, sl_name_ok(name));
}

sl_res sl_item_set(sl_name ret_item, sl_view item)
{
    return set_checked(ret_item, item, sl_item_ok(item));
}

static void hex_set(char *ret_text, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * n] = 0;
}

void sl_id_set(sl_id ret_id, const uint8_t random[8])
{
    hex_set(ret_id, random, 8);
}

void sl_uid_set(sl_uid ret_uid, const uint8_t random[16])
{
    hex_set(ret_uid, random, 16);
}

const char *sl_action_name(sl_action action)
{
    return action < SL_ACTION_COUNT ? shapes[action].name : "";
}

sl_action sl_action_by_name(sl_view name)
{
    for (int a = SL_ACTION_NONE + 1; a < SL_ACTION_COUNT; a++) {
        if (sl_view_eq_str(name, shapes[a].name)) {
            return (sl_action)a;
        }
    }
    return SL_ACTION_NONE;
}

typedef struct {
    const char *word;
    int64_t bit;
} word_bit;

static const word_bit door_words[] = { { "ask", SL_DOOR_BIT(SL_DOOR_ASK) },
                                       { "ingest", SL_DOOR_BIT(SL_DOOR_INGEST) },
                                       { "release", SL_DOOR_BIT(SL_DOOR_RELEASE) },
                                       { "run", SL_DOOR_BIT(SL_DOOR_RUN) } };
static const word_bit role_words[] = { { "checker", SL_ROLE_CHECKER },
                                       { "operator", SL_ROLE_OPERATOR } };

static sl_res words_add(sl_buf *out, int64_t bits, const word_bit *words, size_t count)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if ((bits & words[i].bit) == 0) {
            continue;
        }
        if (!first) {
            SL_TRY(sl_buf_add_byte(out, ','));
        }
        SL_TRY(sl_buf_add_str(out, words[i].word));
        first = false;
    }
    return SL_DONE;
}

static sl_res words_parse(sl_view text, const word_bit *words, size_t count, int64_t *ret_bits)
{
    int64_t bits = 0;
    sl_view rest = text;
    bool more = true;
    while (more) {
        sl_view word;
        more = sl_view_cut(rest, ',', &word, &rest);
        int64_t bit = 0;
        for (size_t i = 0; i < count; i++) {
            bit |= sl_view_eq_str(word, words[i].word) ? words[i].bit : 0;
        }
        SL_NEED(bit != 0 && (bits & bit) == 0, SL_E_SYNTAX);
        bits |= bit;
    }
    *ret_bits = bits;
    return SL_DONE;
}

sl_res sl_doors_add(sl_buf *out, int64_t doors)
{
    return words_add(out, doors, door_words, SL_COUNT_OF(door_words));
}

sl_res sl_doors_parse(sl_view words, int64_t *ret_doors)
{
    return words_parse(words, door_words, SL_COUNT_OF(door_words), ret_doors);
}

sl_res sl_roles_add(sl_buf *out, int64_t roles)
{
    return words_add(out, roles, role_words, SL_COUNT_OF(role_words));
}

sl_res sl_roles_parse(sl_view words, int64_t *ret_roles)
{
    return words_parse(words, role_words, SL_COUNT_OF(role_words), ret_roles);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any == 0;
}

static bool hex_ok(const char *text, size_t n)
{
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

static size_t field_bytes(kind k)
{
    switch (k) {
    case KIND_NAME:
    case KIND_ITEM:
        return sizeof(sl_name);
    case KIND_ID:
        return sizeof(sl_id);
    case KIND_UID:
        return sizeof(sl_uid);
    case KIND_INT:
    case KIND_DOORS:
    case KIND_ROLES:
        return sizeof(int64_t);
    case KIND_KEY:
        return SL_PUBLIC_KEY_BYTES;
    case KIND_DIGEST:
        return sizeof(sl_digest);
    }
    return 0;
}

static bool field_set(const sl_statement *s, const field *f)
{
    return !all_zero((const uint8_t *)s + f->offset, field_bytes(f->kind));
}

static int64_t field_int(const sl_statement *s, const field *f)
{
    int64_t value;
    memcpy(&value, (const uint8_t *)s + f->offset, sizeof value);
    return value;
}

/* Is the value one that its kind allows? */
static sl_res field_check(const sl_statement *s, const field *f)
{
    const uint8_t *at = (const uint8_t *)s + f->offset;
    const char *text = (const char *)at;
    switch (f->kind) {
    case KIND_NAME:
        if (memchr(at, 0, sizeof(sl_name)) == NULL || !sl_name_ok(sl_view_str(text))) {
            return sl_fail_at(SL_E_SYNTAX, f->name, SL_NOWHERE);
        }
        return SL_DONE;
    case KIND_ITEM:
        if (memchr(at, 0, sizeof(sl_name)) == NULL || !sl_item_ok(sl_view_str(text))) {
            return sl_fail_at(SL_E_SYNTAX, f->name, SL_NOWHERE);
        }
        return SL_DONE;
    case KIND_ID:
    case KIND_UID:
        if (!hex_ok(text, field_bytes(f->kind) - 1)) {
            return sl_fail_at(SL_E_SYNTAX, f->name, SL_NOWHERE);
        }
        return SL_DONE;
    case KIND_INT: {
        int64_t value = field_int(s, f);
        if (value < 0 || value > (INT64_C(1) << 53) - 1) {
            return sl_fail_at(SL_E_RANGE, f->name, SL_NOWHERE);
        }
        return SL_DONE;
    }
    case KIND_DOORS:
        return (field_int(s, f) & ~SL_DOORS_ALL) == 0 ? SL_DONE
                                                      : sl_fail_at(SL_E_RANGE, f->name, SL_NOWHERE);
    case KIND_ROLES:
        return (field_int(s, f) & ~(int64_t)SL_ROLE_ALL) == 0
                   ? SL_DONE
                   : sl_fail_at(SL_E_RANGE, f->name, SL_NOWHERE);
    case KIND_KEY:
    case KIND_DIGEST:
        return SL_DONE;
    }
    return sl_fail(SL_E_BUG);
}

static sl_res statement_check(const sl_statement *s)
{
    SL_NEED(s->action > SL_ACTION_NONE && s->action < SL_ACTION_COUNT, SL_E_USAGE);
    uint32_t need = shapes[s->action].need | F_SITE;
    uint32_t may = need | shapes[s->action].may;
    for (size_t i = 0; i < SL_COUNT_OF(fields); i++) {
        const field *f = &fields[i];
        bool set = field_set(s, f);
        if (set && (may & f->bit) == 0) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, f->name, SL_NOWHERE);
        }
        if (!set && (need & f->bit) != 0) {
            return sl_fail_at(SL_E_MISSING_FIELD, f->name, SL_NOWHERE);
        }
        if (set) {
            SL_TRY(field_check(s, f));
        }
    }
    return SL_DONE;
}

static sl_res field_write(const sl_statement *s, const field *f, sl_json_writer *w)
{
    const uint8_t *at = (const uint8_t *)s + f->offset;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 256 };
    switch (f->kind) {
    case KIND_NAME:
    case KIND_ITEM:
    case KIND_ID:
    case KIND_UID:
        sl_json_put_str(w, f->name, (const char *)at);
        return SL_DONE;
    case KIND_INT:
        sl_json_put_int(w, f->name, field_int(s, f));
        return SL_DONE;
    case KIND_DOORS:
        SL_TRY(sl_doors_add(&text, field_int(s, f)));
        break;
    case KIND_ROLES:
        SL_TRY(sl_roles_add(&text, field_int(s, f)));
        break;
    case KIND_KEY:
    case KIND_DIGEST:
        SL_TRY(sl_hex_add(&text, sl_view_of(at, field_bytes(f->kind))));
        break;
    }
    sl_json_put_string(w, f->name, sl_buf_view(&text));
    return SL_DONE;
}

sl_res sl_statement_encode(const sl_statement *s, sl_buf *out)
{
    SL_TRY(statement_check(s));
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    sl_json_writer w;
    sl_json_writer_init(&w, &text);
    sl_json_object_begin(&w);
    for (size_t i = 0; i < SL_COUNT_OF(fields); i++) {
        if (fields[i].bit == F_COMPARTMENT) {
            sl_json_put_str(&w, "action", shapes[s->action].name);
        }
        if (field_set(s, &fields[i])) {
            SL_TRY(field_write(s, &fields[i], &w));
        }
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(out, sl_buf_view(&text));
}

static sl_res field_read(sl_statement *s, const field *f, const sl_json_node *value)
{
    uint8_t *at = (uint8_t *)s + f->offset;
    int64_t number = 0;
    if (f->kind == KIND_INT) {
        SL_TRY(sl_json_i64(value, &number));
        memcpy(at, &number, sizeof number);
        return SL_DONE;
    }
    /* Our values need no escapes, so a canonical text has none. */
    if (value->kind != SL_JSON_STRING || value->escaped) {
        return sl_fail_at(SL_E_TYPE, f->name, value->offset);
    }
    size_t n = field_bytes(f->kind);
    switch (f->kind) {
    case KIND_NAME:
    case KIND_ITEM:
    case KIND_ID:
    case KIND_UID:
        if (value->raw.n >= n) {
            return sl_fail_at(SL_E_LIMIT, f->name, value->offset);
        }
        memcpy(at, value->raw.p, value->raw.n);
        return SL_DONE;
    case KIND_KEY:
    case KIND_DIGEST:
        return sl_hex_decode(value->raw, at, n);
    case KIND_DOORS:
        SL_TRY(sl_doors_parse(value->raw, &number));
        break;
    case KIND_ROLES:
        SL_TRY(sl_roles_parse(value->raw, &number));
        break;
    case KIND_INT:
        break;
    }
    memcpy(at, &number, sizeof number);
    return SL_DONE;
}

static const field *field_by_name(const sl_json_node *key)
{
    for (size_t i = 0; i < SL_COUNT_OF(fields); i++) {
        if (sl_json_text_is(key, fields[i].name)) {
            return &fields[i];
        }
    }
    return NULL;
}

sl_res sl_statement_decode(sl_view text, sl_statement *ret)
{
    SL_NEED(text.n <= SL_STATEMENT_BYTES_MAX, SL_E_LIMIT);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    SL_NEED(root->kind == SL_JSON_OBJECT, SL_E_TYPE);

    sl_statement s = { 0 };
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, root, &it)) {
        if (sl_json_text_is(it.key, "action")) {
            SL_NEED(it.value->kind == SL_JSON_STRING, SL_E_TYPE);
            s.action = sl_action_by_name(it.value->raw);
            continue;
        }
        const field *f = field_by_name(it.key);
        if (f == NULL) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, "statement", it.key->offset);
        }
        SL_TRY(field_read(&s, f, it.value));
    }
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    SL_TRY(sl_statement_encode(&s, &again));
    SL_NEED(sl_view_eq(sl_buf_view(&again), text), SL_E_SYNTAX);
    *ret = s;
    return SL_DONE;
}

sl_digest sl_statement_digest(sl_view text)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_hasher_start(&h);
    sl_hasher_add(&h, SL_LIT("stoplog/statement/v1\n"));
    sl_hasher_add(&h, text);
    return sl_hasher_end(&h);
}
