/* The register of trusted and revoked signers (signers.h). */
#include "supply/signers.h"

#include <stddef.h>
#include <time.h>

#include "base/limits.h"
#include "base/yaml.h"

#define ARENA_BYTES_MAX (8 * SL_MIB)

void sl_signers_free(sl_signers *s)
{
    for (size_t i = 0; i < s->n; i++) {
        sl_ecdsa_key_free(&s->signers[i].key);
    }
    sl_arena_free(&s->arena);
    *s = (sl_signers){ 0 };
}

static sl_res next_free(sl_signers *s, sl_signer **ret)
{
    if (s->n == SL_SIGNERS_MAX) {
        return sl_fail_at(SL_E_LIMIT, "signers", SL_SIGNERS_MAX);
    }
    *ret = &s->signers[s->n];
    return SL_DONE;
}

sl_res sl_signers_add_key(sl_signers *s, const char *name, sl_view pem)
{
    sl_signer *signer = NULL;
    SL_TRY(next_free(s, &signer));
    SL_TRY(sl_ecdsa_public_parse(pem, &signer->key));
    s->n++;
    signer->name = sl_view_str(name);
    return sl_ecdsa_hint(&signer->key, &signer->id);
}

/* "2027-06-30": the last second of that day. */
static sl_res parse_day(sl_view text, uint32_t line, int64_t *ret_s)
{
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    sl_view digits = text;
    bool form = text.n == 10 && text.p[4] == '-' && text.p[7] == '-';
    /* Leading zeros are right in a date and wrong in a number. */
    for (size_t i = 0; form && i < digits.n; i++) {
        form = i == 4 || i == 7 || (digits.p[i] >= '0' && digits.p[i] <= '9');
    }
    if (form) {
        year = (text.p[0] - '0') * 1000U + (text.p[1] - '0') * 100U + (text.p[2] - '0') * 10U +
               (text.p[3] - '0');
        month = (text.p[5] - '0') * 10U + (text.p[6] - '0');
        day = (text.p[8] - '0') * 10U + (text.p[9] - '0');
    }
    struct tm t = { .tm_year = (int)year - 1900,
                    .tm_mon = (int)month - 1,
                    .tm_mday = (int)day,
                    .tm_hour = 23,
                    .tm_min = 59,
                    .tm_sec = 59 };
    int64_t seconds = form ? (int64_t)timegm(&t) : 0;
    /* timegm turns 31 June into 1 July: a date must come back as it was. */
    if (!form || year < 1970 || t.tm_mon + 1 != (int)month || t.tm_mday != (int)day) {
        return sl_fail_at(SL_E_SYNTAX, "until (a day as 2027-06-30)", line);
    }
    *ret_s = seconds;
    return SL_DONE;
}

static sl_res parse_id(sl_view text, uint32_t line, sl_digest *ret)
{
    return sl_ok(sl_digest_parse(text, ret))
               ? SL_DONE
               : sl_fail_at(SL_E_SYNTAX, "id (64 lower-case hex digits)", line);
}

typedef struct {
    sl_view name;
    sl_view key;
    sl_view certificate;
    sl_view until;
} signer_text;

static const sl_yaml_field SIGNER_FIELDS[] = {
    { "name", SL_YAML_AS_TEXT, true, offsetof(signer_text, name), 0, 0, NULL, NULL },
    { "key", SL_YAML_AS_TEXT, false, offsetof(signer_text, key), 0, 0, NULL, NULL },
    { "certificate_sha256", SL_YAML_AS_TEXT, false, offsetof(signer_text, certificate), 0, 0, NULL,
      NULL },
    { "until", SL_YAML_AS_TEXT, false, offsetof(signer_text, until), 0, 0, NULL, NULL },
    { NULL, SL_YAML_AS_TEXT, false, 0, 0, 0, NULL, NULL },
};

static sl_res read_signer(const sl_yaml_node *node, sl_signers *s)
{
    sl_signer *signer = NULL;
    signer_text text = { 0 };
    SL_TRY(next_free(s, &signer));
    SL_TRY(sl_yaml_read(&s->arena, node, SIGNER_FIELDS, &text));
    if ((text.key.n == 0) == (text.certificate.n == 0)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "key or certificate_sha256, one of them", node->line);
    }
    s->n++;
    signer->name = text.name;
    signer->by_certificate = text.certificate.n > 0;
    if (signer->by_certificate) {
        SL_TRY(parse_id(text.certificate, node->line, &signer->id));
    } else if (!sl_ok(sl_ecdsa_public_parse(text.key, &signer->key))) {
        return sl_fail_at(SL_E_SYNTAX, "key (a public key in PEM)", node->line);
    } else {
        SL_TRY(sl_ecdsa_hint(&signer->key, &signer->id));
    }
    return text.until.n == 0 ? SL_DONE : parse_day(text.until, node->line, &signer->until_s);
}

typedef struct {
    sl_view id;
    sl_view reason;
} revoked_text;

static const sl_yaml_field REVOKED_FIELDS[] = {
    { "id", SL_YAML_AS_TEXT, true, offsetof(revoked_text, id), 0, 0, NULL, NULL },
    { "reason", SL_YAML_AS_TEXT, true, offsetof(revoked_text, reason), 0, 0, NULL, NULL },
    { NULL, SL_YAML_AS_TEXT, false, 0, 0, 0, NULL, NULL },
};

static sl_res read_revoked(const sl_yaml_node *list, sl_signers *s)
{
    if (list->children > SL_REVOKED_MAX) {
        return sl_fail_at(SL_E_LIMIT, "revoked", SL_REVOKED_MAX);
    }
    s->revoked = sl_arena_array(&s->arena, list->children, sizeof *s->revoked);
    SL_NEED(s->revoked != NULL || list->children == 0, SL_E_MEMORY);
    for (const sl_yaml_node *item = list->first; item != NULL; item = item->next) {
        revoked_text text = { 0 };
        SL_TRY(sl_yaml_read(&s->arena, item, REVOKED_FIELDS, &text));
        SL_TRY(parse_id(text.id, item->line, &s->revoked[s->revoked_count].id));
        s->revoked[s->revoked_count].reason = text.reason;
        s->revoked_count++;
    }
    return SL_DONE;
}

typedef struct {
    const sl_yaml_node *signers;
    const sl_yaml_node *revoked;
} register_lists;

static const sl_yaml_field REGISTER_FIELDS[] = {
    { "signers", SL_YAML_AS_LIST, false, offsetof(register_lists, signers), 0, 0, NULL, NULL },
    { "revoked", SL_YAML_AS_LIST, false, offsetof(register_lists, revoked), 0, 0, NULL, NULL },
    { NULL, SL_YAML_AS_TEXT, false, 0, 0, 0, NULL, NULL },
};

static sl_res read_all(sl_view yaml, sl_signers *s)
{
    const sl_yaml_node *root = NULL;
    register_lists lists = { 0 };
    s->arena.max = ARENA_BYTES_MAX;
    SL_TRY(sl_yaml_parse(&s->arena, yaml, &root));
    SL_TRY(sl_yaml_read(&s->arena, root, REGISTER_FIELDS, &lists));
    const sl_yaml_node *n = lists.signers != NULL ? lists.signers->first : NULL;
    for (; n != NULL; n = n->next) {
        SL_TRY(read_signer(n, s));
    }
    return lists.revoked != NULL ? read_revoked(lists.revoked, s) : SL_DONE;
}

sl_res sl_signers_read(sl_view yaml, sl_signers *ret)
{
    sl_res r = read_all(yaml, ret);
    if (!sl_ok(r)) {
        sl_signers_free(ret);
    }
    return r;
}

const sl_signer *sl_signers_find(const sl_signers *s, const sl_digest *id)
{
    for (size_t i = 0; i < s->n; i++) {
        if (sl_digest_eq(&s->signers[i].id, id)) {
            return &s->signers[i];
        }
    }
    return NULL;
}

const sl_revoked *sl_signers_revoked(const sl_signers *s, const sl_digest *id)
{
    for (size_t i = 0; i < s->revoked_count; i++) {
        if (sl_digest_eq(&s->revoked[i].id, id)) {
            return &s->revoked[i];
        }
    }
    return NULL;
}
