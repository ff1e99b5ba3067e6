/* Writing, checking and reading of events and leaves (event.h). Pure: the declarations come from
 * the generated table, bytes in, bytes out. Canonical form is checked by writing the document
 * again and comparing, so that no second reading of the rules can disagree with the first.
 */
#include "ledger/event.h"

#include <assert.h>

#include "base/encode.h"

/* 2^53 - 1: integers beyond it are not exact in every reader of JSON (RFC 8785). */
static const int64_t INTEGER_MAX = INT64_C(9007199254740991);

const sl_event_def *sl_event_find(sl_view type)
{
    size_t low = 0;
    size_t high = sl_event_defs_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sl_view_cmp(type, sl_view_str(sl_event_defs[middle].type));
        if (order == 0) {
            return &sl_event_defs[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* Ids and words: letters, digits and a few marks that need no escape anywhere. */
static bool is_id(sl_view v)
{
    if (v.n == 0 || v.n > SL_EVENT_WORD_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (i == 0 || memchr("._:/@-", c, 6) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_word(sl_view v, const char *const *values)
{
    if (!is_id(v)) {
        return false;
    }
    for (size_t i = 0; values != NULL; i++) {
        if (values[i] == NULL) {
            return false;
        }
        if (sl_view_eq_str(v, values[i])) {
            return true;
        }
    }
    return true;
}

/* ---- writing ---- */

static sl_res bad_field(const sl_field_def *f, sl_code code)
{
    return sl_fail_at(code, f->name, SL_NOWHERE);
}

static sl_res write_digest(sl_json_writer *w, const sl_digest *d)
{
    char hex[2 * SL_DIGEST_BYTES + 1];

    sl_digest_hex(d, hex);
    sl_json_string(w, sl_view_of(hex, sizeof hex - 1));
    return SL_DONE;
}

static sl_res write_bytes(sl_json_writer *w, sl_view bytes)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };

    SL_TRY(sl_base64_add(&text, bytes));
    sl_json_string(w, sl_buf_view(&text));
    return SL_DONE;
}

static sl_res write_list(sl_json_writer *w, const sl_field_def *f, const sl_views *list)
{
    if (list->n > SL_EVENT_LIST_MAX) {
        return bad_field(f, SL_E_LIMIT);
    }
    sl_json_array_begin(w);
    for (size_t i = 0; i < list->n; i++) {
        if (!is_id(list->items[i])) {
            return bad_field(f, SL_E_TYPE);
        }
        sl_json_string(w, list->items[i]);
    }
    sl_json_array_end(w);
    return SL_DONE;
}

static sl_res write_tallies(sl_json_writer *w, const sl_field_def *f, const sl_tallies *list)
{
    const sl_tally *order[SL_EVENT_LIST_MAX];

    if (list->n > SL_EVENT_LIST_MAX) {
        return bad_field(f, SL_E_LIMIT);
    }
    for (size_t i = 0; i < list->n; i++) {
        size_t at = i;
        while (at > 0 && sl_view_cmp(list->items[i].word, order[at - 1]->word) < 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = &list->items[i];
    }
    sl_json_object_begin(w);
    for (size_t i = 0; i < list->n; i++) {
        bool twice = i > 0 && sl_view_eq(order[i]->word, order[i - 1]->word);
        if (twice || !is_id(order[i]->word) || order[i]->count > (uint64_t)INTEGER_MAX) {
            return bad_field(f, SL_E_TYPE);
        }
        sl_json_key_view(w, order[i]->word);
        sl_json_uint(w, order[i]->count);
    }
    sl_json_object_end(w);
    return SL_DONE;
}

/* Is the field there, and if not, may it be absent? */
static sl_res find_field(const sl_field_def *f, const uint8_t *base, bool *ret_there)
{
    const uint8_t *at = base + f->offset;
    bool there = true;

    switch (f->kind) {
    case SL_FIELD_ID:
    case SL_FIELD_WORD:
    case SL_FIELD_LABEL:
    case SL_FIELD_BYTES:
        there = ((const sl_view *)(const void *)at)->n != 0;
        break;
    case SL_FIELD_DIGEST:
    case SL_FIELD_COMMITMENT:
        there = *(const sl_digest *const *)(const void *)at != NULL;
        break;
    case SL_FIELD_COUNT:
    case SL_FIELD_INT:
    case SL_FIELD_BOOL:
        there = f->has_offset == SIZE_MAX || *(const bool *)(base + f->has_offset);
        break;
    case SL_FIELD_IDS:
    case SL_FIELD_WORDS:
        there = !f->optional || ((const sl_views *)(const void *)at)->items != NULL;
        break;
    case SL_FIELD_COUNTS:
        there = !f->optional || ((const sl_tallies *)(const void *)at)->items != NULL;
        break;
    }
    if (!there && !f->optional) {
        return bad_field(f, SL_E_MISSING_FIELD);
    }
    *ret_there = there;
    return SL_DONE;
}

static sl_res write_text(sl_json_writer *w, const sl_field_def *f, sl_view v)
{
    bool fits = f->kind == SL_FIELD_LABEL  ? v.n <= SL_EVENT_LABEL_BYTES_MAX
                : f->kind == SL_FIELD_WORD ? is_word(v, f->values)
                                           : is_id(v);
    if (!fits) {
        return bad_field(f, SL_E_TYPE);
    }
    sl_json_string(w, v);
    return SL_DONE;
}

static sl_res write_value(sl_json_writer *w, const sl_field_def *f, const void *at)
{
    switch (f->kind) {
    case SL_FIELD_ID:
    case SL_FIELD_WORD:
    case SL_FIELD_LABEL:
        return write_text(w, f, *(const sl_view *)at);
    case SL_FIELD_BYTES:
        return write_bytes(w, *(const sl_view *)at);
    case SL_FIELD_DIGEST:
    case SL_FIELD_COMMITMENT:
        return write_digest(w, *(const sl_digest *const *)at);
    case SL_FIELD_COUNT:
        if (*(const uint64_t *)at > (uint64_t)INTEGER_MAX) {
            return bad_field(f, SL_E_RANGE);
        }
        sl_json_uint(w, *(const uint64_t *)at);
        return SL_DONE;
    case SL_FIELD_INT:
        if (*(const int64_t *)at > INTEGER_MAX || *(const int64_t *)at < -INTEGER_MAX) {
            return bad_field(f, SL_E_RANGE);
        }
        sl_json_int(w, *(const int64_t *)at);
        return SL_DONE;
    case SL_FIELD_BOOL:
        sl_json_true_false(w, *(const bool *)at);
        return SL_DONE;
    case SL_FIELD_IDS:
    case SL_FIELD_WORDS:
        return write_list(w, f, at);
    case SL_FIELD_COUNTS:
        return write_tallies(w, f, at);
    }
    return bad_field(f, SL_E_BUG);
}

static sl_res write_head_id(sl_json_writer *w, const char *name, sl_view v)
{
    if (v.n == 0) {
        return SL_DONE;
    }
    if (!is_id(v)) {
        return sl_fail_at(SL_E_TYPE, name, SL_NOWHERE);
    }
    sl_json_put_string(w, name, v);
    return SL_DONE;
}

static sl_res write_fields(sl_json_writer *w, const sl_event_def *def, const void *fields)
{
    const uint8_t *base = fields;

    sl_json_key(w, "fields");
    sl_json_object_begin(w);
    for (size_t i = 0; i < def->fields_n; i++) {
        const sl_field_def *f = &def->fields[i];
        bool there = false;
        SL_TRY(find_field(f, base, &there));
        if (there) {
            sl_json_key(w, f->name);
            SL_TRY(write_value(w, f, base + f->offset));
        }
    }
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res write_sealed(sl_json_writer *w, const sl_event_head *head)
{
    if (head->body.n == 0) {
        return SL_DONE;
    }
    if (!is_id(head->body_key)) {
        return sl_fail_at(SL_E_TYPE, "body_key", SL_NOWHERE);
    }
    sl_json_key(w, "sealed");
    sl_json_object_begin(w);
    sl_json_key(w, "body");
    SL_TRY(write_bytes(w, head->body));
    sl_json_put_string(w, "key", head->body_key);
    sl_json_object_end(w);
    return SL_DONE;
}

sl_res sl_event_write(const sl_event_def *def, const sl_event_head *head, const void *fields,
                      sl_buf *ret_event)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_json_writer w;

    /* Names in the order of their bytes: canonical form. */
    sl_json_writer_init(&w, &text);
    sl_json_object_begin(&w);
    SL_TRY(write_head_id(&w, "actor", head->actor));
    SL_TRY(write_head_id(&w, "compartment", head->compartment));
    SL_TRY(write_head_id(&w, "crossing", head->crossing));
    SL_TRY(write_head_id(&w, "door", head->door));
    SL_TRY(write_fields(&w, def, fields));
    SL_TRY(write_head_id(&w, "principal", head->principal));
    SL_TRY(write_sealed(&w, head));
    sl_json_put_str(&w, "type", def->type);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(ret_event, sl_buf_view(&text));
}

/* ---- reading ---- */

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
    return f->kind == SL_FIELD_WORD ? is_word(v, f->values) : is_id(v);
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
        if (tallies &&
            (it.key->escaped || !is_id(it.key->raw) || !sl_ok(sl_json_u64(it.value, &count)))) {
            return false;
        }
        if (!tallies && !(plain_string(it.value, &v) && is_id(v))) {
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
        return sl_ok(sl_json_u64(n, &count)) && count <= (uint64_t)INTEGER_MAX;
    case SL_FIELD_INT:
        return sl_ok(sl_json_i64(n, &integer)) && integer <= INTEGER_MAX && integer >= -INTEGER_MAX;
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
            return bad_field(f, SL_E_MISSING_FIELD);
        }
        if (n != NULL && !check_value(&leaf->doc, f, n)) {
            return bad_field(f, SL_E_TYPE);
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
        plain_string(sl_json_get(&leaf->doc, leaf->sealed, "key"), &key) && is_id(key);
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
        if (n != NULL && !(plain_string(n, ids[i].to) && is_id(*ids[i].to))) {
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
        !is_id(leaf->type)) {
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
    if (!plain_string(sl_json_get(&leaf->doc, root, "by"), &leaf->by) || !is_id(leaf->by)) {
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

sl_res sl_leaf_wrap(sl_view event, const char *by, uint64_t time_ms, sl_buf *ret_leaf)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_json_writer w;

    assert(is_id(sl_view_str(by)));
    sl_json_writer_init(&w, &leaf);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "by", by);
    sl_json_key(&w, "event");
    sl_json_raw(&w, event);
    sl_json_put_uint(&w, "time", time_ms);
    sl_json_put_uint(&w, "v", SL_LEAF_VERSION);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(ret_leaf, sl_buf_view(&leaf));
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
