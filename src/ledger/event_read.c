/* Checking and reading of events and leaves (event.h). Pure. Canonical form is checked by writing the document again
 * and comparing, so that no second reading of the rules can disagree with the first.
 */
#include "base/encode.h"
#include "ledger/event_internal.h"

void sl_leaf_free(sl_leaf *leaf)
{
    sl_json_doc_free(&leaf->doc);
    *leaf = (sl_leaf){ 0 };
}

static bool plain_string(const sl_json_node *n, sl_view *ret)
{
    if (!sl_json_is(n, SL_JSON_STRING) || n->escaped) {
        return false;
    }
    *ret = n->raw;
    return true;
}

static bool is_hex_digest(sl_view v)
{
    sl_digest d;

    return sl_ok(sl_digest_parse(v, &d));
}

static bool is_base64(sl_view v)
{
    SL_OWN(sl_buf, raw, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };

    return sl_ok(sl_base64_decode(v, &raw));
}

static bool check_text(const sl_field_def *f, const sl_json_node *n)
{
    sl_view v;

    if (f->kind == SL_FIELD_LABEL) {
        return sl_json_is(n, SL_JSON_STRING) && n->raw.n <= 6 * SL_EVENT_LABEL_BYTES_MAX;
    }
    if (!plain_string(n, &v)) {
        return false;
    }
    if (f->kind == SL_FIELD_DIGEST || f->kind == SL_FIELD_COMMITMENT) {
        return is_hex_digest(v);
    }
    if (f->kind == SL_FIELD_BYTES) {
        return is_base64(v);
    }
    return f->kind == SL_FIELD_WORD ? sl_event_is_word(v, f->values) : sl_event_is_id(v);
}

static bool check_list(const sl_json_doc *doc, const sl_json_node *n, bool tallies)
{
    sl_json_iter it = { 0 };
    sl_view v;
    uint64_t count = 0;

    if (!sl_json_is(n, tallies ? SL_JSON_OBJECT : SL_JSON_ARRAY) || n->count > SL_EVENT_LIST_MAX) {
        return false;
    }
    while (sl_json_each(doc, n, &it)) {
        if (tallies && (it.key->escaped || !sl_event_is_id(it.key->raw) ||
                        !sl_ok(sl_json_u64(it.value, &count)))) {
            return false;
        }
        if (!tallies && !(plain_string(it.value, &v) && sl_event_is_id(v))) {
            return false;
        }
    }
    return true;
}

static bool check_value(const sl_json_doc *doc, const sl_field_def *f, const sl_json_node *n)
{
    uint64_t count = 0;
    int64_t integer = 0;
    bool truth = false;

    switch (f->kind) {
    case SL_FIELD_COUNT:
        return sl_ok(sl_json_u64(n, &count)) && count <= (uint64_t)SL_EVENT_INTEGER_MAX;
    case SL_FIELD_INT:
        return sl_ok(sl_json_i64(n, &integer)) && integer <= SL_EVENT_INTEGER_MAX &&
               integer >= -SL_EVENT_INTEGER_MAX;
    case SL_FIELD_BOOL:
        return sl_ok(sl_json_bool(n, &truth));
    case SL_FIELD_IDS:
    case SL_FIELD_WORDS:
        return check_list(doc, n, false);
    case SL_FIELD_COUNTS:
        return check_list(doc, n, true);
    case SL_FIELD_ID:
    case SL_FIELD_WORD:
    case SL_FIELD_LABEL:
    case SL_FIELD_BYTES:
    case SL_FIELD_DIGEST:
    case SL_FIELD_COMMITMENT:
        return check_text(f, n);
    }
    return false;
}

/* Every declared field that must be there is, and every field that is there is declared. */
static sl_res check_fields(const sl_leaf *leaf)
{
    size_t known = 0;

    for (size_t i = 0; i < leaf->def->fields_n; i++) {
        const sl_field_def *f = &leaf->def->fields[i];
        const sl_json_node *n = sl_json_get(&leaf->doc, leaf->fields, f->name);
        if (n == NULL && !f->optional) {
            return sl_event_bad_field(f, SL_E_MISSING_FIELD);
        }
        if (n != NULL && !check_value(&leaf->doc, f, n)) {
            return sl_event_bad_field(f, SL_E_TYPE);
        }
        known += n != NULL;
    }
    if (known != leaf->fields->count) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, leaf->def->type, SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res check_sealed(sl_leaf *leaf)
{
    sl_view body;
    sl_view key;

    if (leaf->sealed == NULL) {
        return SL_DONE;
    }
    bool well_formed =
        sl_json_is(leaf->sealed, SL_JSON_OBJECT) && leaf->sealed->count == 2 &&
        plain_string(sl_json_get(&leaf->doc, leaf->sealed, "body"), &body) && is_base64(body) &&
        plain_string(sl_json_get(&leaf->doc, leaf->sealed, "key"), &key) && sl_event_is_id(key);
    return well_formed ? SL_DONE : sl_fail_at(SL_E_TYPE, "sealed", SL_NOWHERE);
}

static sl_res read_head(sl_leaf *leaf)
{
    const struct {
        const char *name;
        sl_view *to;
    } ids[] = {
        { "actor", &leaf->actor },         { "compartment", &leaf->compartment },
        { "crossing", &leaf->crossing },   { "door", &leaf->door },
        { "principal", &leaf->principal },
    };
    size_t known = 2; /* type and fields */

    for (size_t i = 0; i < SL_COUNT_OF(ids); i++) {
        const sl_json_node *n = sl_json_get(&leaf->doc, leaf->event, ids[i].name);
        if (n != NULL && !(plain_string(n, ids[i].to) && sl_event_is_id(*ids[i].to))) {
            return sl_fail_at(SL_E_TYPE, ids[i].name, SL_NOWHERE);
        }
        known += n != NULL;
    }
    leaf->sealed = sl_json_get(&leaf->doc, leaf->event, "sealed");
    known += leaf->sealed != NULL;
    if (known != leaf->event->count) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, "event", SL_NOWHERE);
    }
    return check_sealed(leaf);
}

/* Reads the event whose object is leaf->event. */
static sl_res read_event(sl_leaf *leaf)
{
    if (!sl_json_is(leaf->event, SL_JSON_OBJECT)) {
        return sl_fail_at(SL_E_TYPE, "event", SL_NOWHERE);
    }
    if (!plain_string(sl_json_get(&leaf->doc, leaf->event, "type"), &leaf->type) ||
        !sl_event_is_id(leaf->type)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "type", SL_NOWHERE);
    }
    leaf->fields = sl_json_get_kind(&leaf->doc, leaf->event, "fields", SL_JSON_OBJECT);
    if (leaf->fields == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "fields", SL_NOWHERE);
    }
    leaf->def = sl_event_find(leaf->type);
    SL_TRY(read_head(leaf));
    return leaf->def != NULL ? check_fields(leaf) : SL_DONE;
}

static sl_res check_canonical(const sl_json_doc *doc)
{
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };

    SL_TRY(sl_json_canonical(doc, sl_json_root(doc), &again));
    if (!sl_view_eq(sl_buf_view(&again), doc->text)) {
        return sl_fail_at(SL_E_SYNTAX, "canonical form", SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res read_envelope(sl_leaf *leaf)
{
    const sl_json_node *root = sl_json_root(&leaf->doc);
    uint64_t version = 0;

    if (!sl_json_is(root, SL_JSON_OBJECT) ||
        !sl_ok(sl_json_u64(sl_json_get(&leaf->doc, root, "v"), &version))) {
        return sl_fail_at(SL_E_MISSING_FIELD, "v", SL_NOWHERE);
    }
    SL_NEED(version == SL_LEAF_VERSION, SL_E_VERSION);
    if (!plain_string(sl_json_get(&leaf->doc, root, "by"), &leaf->by) ||
        !sl_event_is_id(leaf->by)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "by", SL_NOWHERE);
    }
    if (!sl_ok(sl_json_u64(sl_json_get(&leaf->doc, root, "time"), &leaf->time_ms))) {
        return sl_fail_at(SL_E_MISSING_FIELD, "time", SL_NOWHERE);
    }
    leaf->event = sl_json_get(&leaf->doc, root, "event");
    if (root->count != 4) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, "leaf", SL_NOWHERE);
    }
    return read_event(leaf);
}

sl_res sl_leaf_read(sl_view text, sl_leaf *ret)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };

    SL_NEED(text.n <= SL_LEAF_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_json_parse(text, &leaf.doc));
    SL_TRY(check_canonical(&leaf.doc));
    SL_TRY(read_envelope(&leaf));
    *ret = leaf;
    leaf = (sl_leaf){ 0 };
    return SL_DONE;
}

sl_res sl_event_check(sl_view event, const char *by, bool *ret_containment)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };

    if (event.n > SL_EVENT_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "event", SL_EVENT_BYTES_MAX);
    }
    SL_TRY(sl_json_parse(event, &leaf.doc));
    SL_TRY(check_canonical(&leaf.doc));
    leaf.event = sl_json_root(&leaf.doc);
    SL_TRY(read_event(&leaf));
    SL_NEED(leaf.def != NULL, SL_E_UNSUPPORTED);
    for (size_t i = 0; leaf.def->by[i] != NULL; i++) {
        if (strcmp(leaf.def->by[i], by) == 0) {
            *ret_containment = leaf.def->containment;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_DENIED, leaf.def->type, SL_NOWHERE);
}

sl_view sl_leaf_text(const sl_leaf *leaf, const char *name)
{
    sl_view v = { 0 };
    const sl_json_node *n = sl_json_get_kind(&leaf->doc, leaf->fields, name, SL_JSON_STRING);

    if (n != NULL) {
        v = n->raw;
    }
    return v;
}

bool sl_leaf_count(const sl_leaf *leaf, const char *name, uint64_t *ret)
{
    const sl_json_node *n = sl_json_get_kind(&leaf->doc, leaf->fields, name, SL_JSON_NUMBER);

    return n != NULL && sl_ok(sl_json_u64(n, ret));
}

bool sl_leaf_bool(const sl_leaf *leaf, const char *name)
{
    return sl_json_get_kind(&leaf->doc, leaf->fields, name, SL_JSON_TRUE) != NULL;
}

bool sl_leaf_is(const sl_leaf *leaf, const char *type)
{
    return sl_view_eq_str(leaf->type, type);
}

static const sl_json_node *member(const sl_json_doc *doc, const sl_json_node *object, sl_view name)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, object, &it)) {
        if (!it.key->escaped && sl_view_eq(it.key->raw, name)) {
            return it.value;
        }
    }
    return NULL;
}

const sl_json_node *sl_leaf_field(const sl_json_doc *leaf, sl_view whole)
{
    const sl_json_node *root = sl_json_root(leaf);
    const sl_json_node *event = sl_json_get(leaf, root, "event");
    sl_view name;
    sl_view part;
    bool nested = sl_view_cut(whole, '.', &name, &part);
    const sl_json_node *found = member(leaf, sl_json_get(leaf, event, "fields"), name);
    found = found != NULL ? found : member(leaf, event, name);
    found = found != NULL ? found : member(leaf, root, name);
    return nested ? member(leaf, found, part) : found;
}
