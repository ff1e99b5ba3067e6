/* Folding statements into the register, and looking things up in it (register.h). */
#include "supply/register.h"

#include <stdlib.h>

#include "base/encode.h"
#include "ledger/event.h"

enum { HAS_HASH = 1, HAS_SIGNER = 2, HAS_UNTIL = 4, HAS_OWNER = 8, HAS_COMPARTMENT = 16 };

static const struct {
    const char *name;
    unsigned need;
    unsigned may;
} kinds[SL_ITEM_KIND_COUNT] = {
    [SL_ITEM_ARTEFACT] = { "artefact", HAS_HASH, HAS_SIGNER },
    [SL_ITEM_TEMPLATE] = { "template", HAS_HASH, 0 },
    [SL_ITEM_MODEL] = { "model", 0, 0 },
    [SL_ITEM_UPSTREAM] = { "upstream", 0, 0 },
    [SL_ITEM_TOOL] = { "tool", 0, HAS_HASH },
    [SL_ITEM_DATA] = { "data", HAS_COMPARTMENT, 0 },
    [SL_ITEM_EVIDENCE] = { "evidence", HAS_UNTIL, HAS_HASH },
    [SL_ITEM_EXCEPTION] = { "exception", HAS_UNTIL | HAS_OWNER, 0 },
    [SL_ITEM_REVIEW] = { "review", 0, 0 },
};

const char *const sl_register_tiers[] = { "critical", "high", "medium", "low", NULL };
const char *const sl_register_caps[] = { "none",         "public",   "internal",
                                         "confidential", "personal", NULL };

const char *sl_item_kind_name(sl_item_kind kind)
{
    return kind < SL_ITEM_KIND_COUNT ? kinds[kind].name : "";
}

sl_item_kind sl_item_kind_by_name(sl_view name)
{
    unsigned i = 0;
    while (i < SL_ITEM_KIND_COUNT && !sl_view_eq_str(name, kinds[i].name)) {
        i++;
    }
    return (sl_item_kind)i;
}

void sl_register_free(sl_register *r)
{
    free(r->vendors);
    free(r->items);
    free(r->admissions);
    *r = (sl_register){ 0 };
}

static bool given(const sl_digest *d)
{
    static const sl_digest none = { 0 };
    return !sl_digest_eq(d, &none);
}

/* ---- what a statement may say ---- */

static bool listed(const char *word, const char *const *list)
{
    while (*list != NULL && strcmp(word, *list) != 0) {
        list++;
    }
    return *list != NULL;
}

static sl_res check_word(const char *word, const char *const *list, const char *field)
{
    return listed(word, list) ? SL_DONE : sl_fail_at(SL_E_SYNTAX, field, SL_NOWHERE);
}

static sl_res check_item(const sl_statement *s)
{
    static const char *const outcomes[] = { "keep", "conditions", "end", NULL };
    sl_item_kind kind = sl_item_kind_by_name(sl_view_str(s->kind));
    if (kind == SL_ITEM_KIND_COUNT) {
        return sl_fail_at(SL_E_SYNTAX, "kind", SL_NOWHERE);
    }
    const struct {
        unsigned bit;
        bool there;
        const char *field;
    } parts[] = { { HAS_HASH, given(&s->hash), "digest" },
                  { HAS_SIGNER, given(&s->signer), "signer" },
                  { HAS_UNTIL, s->until_ms != 0, "until" },
                  { HAS_OWNER, s->operator_name[0] != 0, "owner" },
                  { HAS_COMPARTMENT, s->compartment[0] != 0, "compartment" } };
    for (size_t i = 0; i < SL_COUNT_OF(parts); i++) {
        if ((kinds[kind].need & parts[i].bit) != 0 && !parts[i].there) {
            return sl_fail_at(SL_E_MISSING_FIELD, parts[i].field, SL_NOWHERE);
        }
        if (((kinds[kind].need | kinds[kind].may) & parts[i].bit) == 0 && parts[i].there) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, parts[i].field, SL_NOWHERE);
        }
    }
    if (strlen(s->vendor) + 1 + strlen(s->item) > SL_EVENT_WORD_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "vendor and item", SL_EVENT_WORD_BYTES_MAX);
    }
    return kind == SL_ITEM_REVIEW ? check_word(s->item, outcomes, "outcome") : SL_DONE;
}

sl_res sl_register_check(const sl_statement *s)
{
    switch ((int)s->action) {
    case SL_ACTION_VENDOR_ADD:
        SL_TRY(check_word(s->tier, sl_register_tiers, "tier"));
        return check_word(s->data_cap, sl_register_caps, "data cap");
    case SL_ACTION_VENDOR_ITEM:
        return check_item(s);
    case SL_ACTION_VENDOR_DROP:
        if ((s->kind[0] == 0) != (s->item[0] == 0)) {
            return sl_fail_at(SL_E_MISSING_FIELD, "item", SL_NOWHERE);
        }
        return SL_DONE;
    default:
        return SL_DONE;
    }
}

/* ---- looking up ---- */

const sl_register_vendor *sl_register_vendor_find(const sl_register *r, sl_view name)
{
    for (size_t i = 0; i < r->vendor_count; i++) {
        if (sl_view_eq_str(name, r->vendors[i].name)) {
            return &r->vendors[i];
        }
    }
    return NULL;
}

const sl_register_item *sl_register_item_find(const sl_register *r, sl_view vendor,
                                              sl_item_kind kind, sl_view item)
{
    for (size_t i = 0; i < r->item_count; i++) {
        const sl_register_item *one = &r->items[i];
        if (one->kind == kind && sl_view_eq_str(item, one->item) &&
            (vendor.n == 0 || sl_view_eq_str(vendor, one->vendor))) {
            return one;
        }
    }
    return NULL;
}

const sl_register_item *sl_register_item_any(const sl_register *r, sl_item_kind kind, sl_view item)
{
    return sl_register_item_find(r, (sl_view){ 0 }, kind, item);
}

const sl_register_item *sl_register_artefact(const sl_register *r, const sl_digest *hash)
{
    for (size_t i = 0; i < r->item_count; i++) {
        const sl_register_item *one = &r->items[i];
        if (one->kind == SL_ITEM_ARTEFACT && sl_digest_eq(&one->hash, hash)) {
            return one;
        }
    }
    return NULL;
}

const sl_register_admission *sl_register_admitted(const sl_register *r, sl_view compartment,
                                                  const sl_digest *digest, int64_t now_ms)
{
    for (size_t i = 0; i < r->admission_count; i++) {
        const sl_register_admission *one = &r->admissions[i];
        if (now_ms < one->until_ms && sl_digest_eq(&one->digest, digest) &&
            sl_view_eq_str(compartment, one->compartment)) {
            return one;
        }
    }
    return NULL;
}

/* ---- changes ---- */

/* Room for one more in a growing array of at most `max`. */
static sl_res grow(void **items, size_t *cap, size_t count, size_t max, size_t size)
{
    if (count < *cap) {
        return SL_DONE;
    }
    SL_NEED(count < max, SL_E_LIMIT);
    size_t want = *cap == 0 ? 16 : *cap * 2;
    void *more = reallocarray(*items, want, size);
    SL_NEED(more != NULL, SL_E_MEMORY);
    *items = more;
    *cap = want;
    return SL_DONE;
}

static sl_res add_vendor(sl_register *r, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    sl_register_vendor one = { .since_ms = time_ms, .leaf_index = index };
    memcpy(one.name, s->vendor, sizeof one.name);
    memcpy(one.tier, s->tier, sizeof one.tier);
    memcpy(one.data_cap, s->data_cap, sizeof one.data_cap);
    for (size_t i = 0; i < r->vendor_count; i++) {
        if (strcmp(r->vendors[i].name, one.name) == 0) {
            r->vendors[i] = one;
            return SL_DONE;
        }
    }
    SL_TRY(grow((void **)&r->vendors, &r->vendor_cap, r->vendor_count, SL_REGISTER_VENDORS_MAX,
                sizeof *r->vendors));
    r->vendors[r->vendor_count++] = one;
    return SL_DONE;
}

/* Strikes off what the statement names; all of the vendor where it names no item. */
static void drop_items(sl_register *r, const sl_statement *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->item_count; i++) {
        const sl_register_item *one = &r->items[i];
        bool same = strcmp(one->vendor, s->vendor) == 0 &&
                    (s->kind[0] == 0 || (strcmp(kinds[one->kind].name, s->kind) == 0 &&
                                         (one->kind == SL_ITEM_REVIEW || /* the newest counts */
                                          strcmp(one->item, s->item) == 0)));
        if (!same) {
            r->items[kept++] = r->items[i];
        }
    }
    r->item_count = kept;
}

static void drop_vendor(sl_register *r, const sl_statement *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->vendor_count; i++) {
        if (strcmp(r->vendors[i].name, s->vendor) != 0) {
            r->vendors[kept++] = r->vendors[i];
        }
    }
    r->vendor_count = kept;
}

static sl_res add_item(sl_register *r, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    sl_register_item one = { .kind = sl_item_kind_by_name(sl_view_str(s->kind)),
                             .hash = s->hash,
                             .signer = s->signer,
                             .until_ms = s->until_ms,
                             .since_ms = time_ms,
                             .leaf_index = index };
    if (sl_register_vendor_find(r, sl_view_str(s->vendor)) == NULL) {
        return SL_DONE;
    }
    memcpy(one.vendor, s->vendor, sizeof one.vendor);
    memcpy(one.item, s->item, sizeof one.item);
    memcpy(one.compartment, s->compartment, sizeof one.compartment);
    memcpy(one.owner, s->operator_name, sizeof one.owner);
    drop_items(r, s);
    SL_TRY(grow((void **)&r->items, &r->item_cap, r->item_count, SL_REGISTER_ITEMS_MAX,
                sizeof *r->items));
    r->items[r->item_count++] = one;
    return SL_DONE;
}

/* Drops the permissions for these bytes in this compartment, and all that are past their end. */
static void drop_admissions(sl_register *r, const sl_statement *s, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->admission_count; i++) {
        const sl_register_admission *one = &r->admissions[i];
        bool same =
            sl_digest_eq(&one->digest, &s->hash) && strcmp(one->compartment, s->compartment) == 0;
        if (!same && now_ms < one->until_ms) {
            r->admissions[kept++] = r->admissions[i];
        }
    }
    r->admission_count = kept;
}

static sl_res add_admission(sl_register *r, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    sl_register_admission one = { .digest = s->hash, .until_ms = s->until_ms, .leaf_index = index };
    memcpy(one.compartment, s->compartment, sizeof one.compartment);
    memcpy(one.reason, s->purpose, sizeof one.reason);
    drop_admissions(r, s, time_ms);
    SL_TRY(grow((void **)&r->admissions, &r->admission_cap, r->admission_count,
                SL_REGISTER_ADMISSIONS_MAX, sizeof *r->admissions));
    r->admissions[r->admission_count++] = one;
    return SL_DONE;
}

sl_res sl_register_apply(sl_register *r, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    if (!sl_ok(sl_register_check(s))) {
        return SL_DONE; /* operators signed something that says nothing to us */
    }
    switch ((int)s->action) {
    case SL_ACTION_VENDOR_ADD:
        return add_vendor(r, s, index, time_ms);
    case SL_ACTION_VENDOR_ITEM:
        return add_item(r, s, index, time_ms);
    case SL_ACTION_VENDOR_DROP:
        drop_items(r, s);
        if (s->kind[0] == 0) {
            drop_vendor(r, s);
        }
        return SL_DONE;
    case SL_ACTION_ARTEFACT_ADMIT:
        return add_admission(r, s, index, time_ms);
    case SL_ACTION_ARTEFACT_WITHDRAW:
        drop_admissions(r, s, time_ms);
        return SL_DONE;
    default:
        return SL_DONE;
    }
}

sl_res sl_register_leaf(sl_register *r, uint64_t index, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_OWN(sl_buf, statement_text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_statement s;
    SL_TRY(sl_leaf_read(text, &leaf));
    if (!sl_leaf_is(&leaf, "action.approved")) {
        return SL_DONE;
    }
    SL_TRY(sl_base64_decode(sl_leaf_text(&leaf, "statement"), &statement_text));
    SL_TRY(sl_statement_decode(sl_buf_view(&statement_text), &s));
    return sl_register_apply(r, &s, index, (int64_t)leaf.time_ms);
}
