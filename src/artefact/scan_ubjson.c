/* XGBoost's binary JSON (UBJSON, draft 12, as XGBoost writes it): a walk over values with every length
 * compared with the file, and the trees' indices within their tables, as in scan_boost.c. Loading runs
 * nothing; the reader in C++ indexes with what stands here.
 * Source: ubjson.org; XGBoost's model.schema and src/common/json.cc. */
#include <string.h>

#include "artefact/format_parts.h"

#define DEPTH_MAX 64u
#define KEY_BYTES_MAX ((uint64_t)256)

/* A typed array in the file. */
typedef struct {
    uint64_t at;
    uint64_t count;
    uint8_t type;
} array;

/* What one tree has shown so far; its members stand in the order of their names. */
typedef struct {
    array left;
    array right;
    array splits;
    uint64_t nodes;
    bool is_tree;
} tree;

typedef struct {
    bool object;
    bool counted; /* an array that said how many items it has */
    uint64_t left;
    tree tree;
} level;

typedef struct {
    sl_scan *scan;
    sl_cursor at;
    level levels[DEPTH_MAX];
    unsigned depth;
    char key[KEY_BYTES_MAX + 1]; /* of the value that is read */
    uint64_t features;
} reader;

/* The first bytes are `{`, the length of the first name as a long, and a name that XGBoost gives. */
sl_identity sl_identify_ubjson(const sl_probe *probe)
{
    sl_view h = probe->head;
    if (h.n < 17 || h.p[0] != '{' || h.p[1] != 'L' || sl_get_be64(h.p + 2) > 64) {
        return SL_IDENTIFY_NO;
    }
    sl_view name = sl_view_sub(h, 10, 10 + (size_t)sl_get_be64(h.p + 2));
    bool known = sl_word_listed(" learner version Config Model ", name);
    return known ? SL_IDENTIFY_YES : SL_IDENTIFY_MAYBE;
}

static void tell(reader *r, uint64_t at, const char *what)
{
    sl_scan_report_str(r->scan, SL_RULE_BOOST_INDEX, at, what);
}

/* Bytes of a number of this type; 0: it is none. */
static unsigned width_of(uint8_t type)
{
    switch (type) {
    case 'i':
    case 'U':
    case 'C':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static int64_t number_at(sl_view v, size_t at, uint8_t type)
{
    switch (type) {
    case 'i':
        return (int8_t)v.p[at];
    case 'U':
        return v.p[at];
    case 'I':
        return (int16_t)sl_get_be16(v.p + at);
    case 'l':
        return (int32_t)sl_get_be32(v.p + at);
    case 'L':
        return (int64_t)sl_get_be64(v.p + at);
    default:
        return 0;
    }
}

static bool is_integer(uint8_t type)
{
    return type == 'i' || type == 'U' || type == 'I' || type == 'l' || type == 'L';
}

/* A length: its type, then the number. */
static sl_res read_length(reader *r, uint64_t *ret_length)
{
    uint8_t type = 0;
    sl_view v = { 0 };
    uint64_t at = r->at.at;
    SL_TRY(sl_cursor_u8(&r->at, &type));
    if (!is_integer(type)) {
        return sl_fail_at(SL_E_SYNTAX, "ubjson length", at);
    }
    SL_TRY(sl_cursor_take(&r->at, width_of(type), &v));
    int64_t length = number_at(v, 0, type);
    if (length < 0 || (uint64_t)length > sl_cursor_left(&r->at)) {
        return sl_fail_at(SL_E_RANGE, "ubjson length", at);
    }
    *ret_length = (uint64_t)length;
    return SL_DONE;
}

/* Text that names a number, as XGBoost writes its parameters. */
static sl_res read_text(reader *r)
{
    uint64_t length = 0;
    uint64_t value = 0;
    sl_view v = { 0 };
    SL_TRY(read_length(r, &length));
    if (length > 20) {
        return sl_cursor_skip(&r->at, length);
    }
    SL_TRY(sl_cursor_take(&r->at, length, &v));
    if (!sl_ok(sl_parse_u64(v, UINT32_MAX, &value))) {
        return SL_DONE;
    }
    if (strcmp(r->key, "num_nodes") == 0 && r->depth >= 2) {
        r->levels[r->depth - 2].tree.nodes = value; /* tree_param stands inside of the tree */
        r->levels[r->depth - 2].tree.is_tree = true;
    } else if (strcmp(r->key, "num_feature") == 0) {
        r->features = value;
    }
    return SL_DONE;
}

static sl_res push(reader *r, bool object, bool counted, uint64_t count)
{
    if (r->depth == DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "ubjson depth", r->at.at);
    }
    r->levels[r->depth++] = (level){ .object = object, .counted = counted, .left = count };
    return SL_DONE;
}

static void keep_array(reader *r, const array *a)
{
    if (r->depth == 0 || !r->levels[r->depth - 1].object) {
        return;
    }
    tree *t = &r->levels[r->depth - 1].tree;
    if (strcmp(r->key, "left_children") == 0) {
        t->left = *a;
    } else if (strcmp(r->key, "right_children") == 0) {
        t->right = *a;
    } else if (strcmp(r->key, "split_indices") == 0) {
        t->splits = *a;
    }
}

/* An array: typed with a count, with a count alone, or open. */
static sl_res read_array(reader *r)
{
    sl_view v = { 0 };
    array a = { 0 };
    uint8_t sign = 0;
    SL_TRY(sl_source_need(r->at.source, r->at.at, 1, &v));
    if (v.p[0] == '#') {
        SL_TRY(sl_cursor_skip(&r->at, 1));
        SL_TRY(read_length(r, &a.count));
        return push(r, false, true, a.count);
    }
    if (v.p[0] != '$') {
        return push(r, false, false, 0);
    }
    SL_TRY(sl_cursor_skip(&r->at, 1));
    SL_TRY(sl_cursor_u8(&r->at, &a.type));
    SL_TRY(sl_cursor_u8(&r->at, &sign));
    SL_TRY(sign == '#' ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "ubjson count", r->at.at));
    SL_TRY(read_length(r, &a.count));
    unsigned width = width_of(a.type);
    if (width == 0) {
        return sl_fail_at(SL_E_SYNTAX, "ubjson array type", r->at.at);
    }
    a.at = r->at.at;
    keep_array(r, &a);
    return sl_cursor_skip(&r->at, a.count * width);
}

static sl_res read_value(reader *r)
{
    uint8_t type = 0;
    uint64_t at = r->at.at;
    SL_TRY(sl_cursor_u8(&r->at, &type));
    SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
    switch (type) {
    case '{':
        return push(r, true, false, 0);
    case '[':
        return read_array(r);
    case 'S':
        return read_text(r);
    case 'T':
    case 'F':
    case 'Z':
    case 'N':
        return SL_DONE;
    default:
        break;
    }
    if (width_of(type) == 0) {
        return sl_fail_at(SL_E_SYNTAX, "ubjson value", at);
    }
    return sl_cursor_skip(&r->at, width_of(type));
}

/* ---- trees ---- */

/* Item `index` of an array; a type that is no integer gives the lowest number. */
static sl_res item_of(reader *r, const array *a, uint64_t index, int64_t *ret_value)
{
    sl_view v = { 0 };
    unsigned width = width_of(a->type);
    SL_TRY(sl_source_need(r->at.source, a->at + index * width, width, &v));
    *ret_value = is_integer(a->type) ? number_at(v, 0, a->type) : INT64_MIN;
    return SL_DONE;
}

/* Children lie within the tree and behind their parents, so that no walk down ever comes back. */
static sl_res check_children(reader *r, const tree *t, const array *a)
{
    if (a->count != t->nodes) {
        tell(r, a->at, "a list of children is not as long as the tree has nodes");
        return SL_DONE;
    }
    for (uint64_t i = 0; i < a->count; i++) {
        int64_t child = 0;
        SL_TRY(item_of(r, a, i, &child));
        if (child < -1 || child >= (int64_t)t->nodes || (child >= 0 && (uint64_t)child == i) ||
            child == 0) {
            tell(r, a->at, "a child that is no node of the tree");
            return SL_DONE;
        }
    }
    return SL_DONE;
}

static sl_res check_tree(reader *r, const tree *t)
{
    SL_TRY(
        sl_scan_spend(r->scan, SL_SPEND_NODES, t->left.count + t->right.count + t->splits.count));
    SL_TRY(check_children(r, t, &t->left));
    SL_TRY(check_children(r, t, &t->right));
    for (uint64_t i = 0; i < t->splits.count; i++) {
        int64_t feature = 0;
        SL_TRY(item_of(r, &t->splits, i, &feature));
        if (feature < 0 || (r->features > 0 && (uint64_t)feature >= r->features)) {
            tell(r, t->splits.at, "a feature that the model does not have");
            break;
        }
    }
    return SL_DONE;
}

static sl_res pop(reader *r)
{
    const level *l = &r->levels[--r->depth];
    return l->object && l->tree.is_tree ? check_tree(r, &l->tree) : SL_DONE;
}

static sl_res read_key(reader *r)
{
    uint64_t length = 0;
    sl_view v = { 0 };
    uint64_t at = r->at.at;
    SL_TRY(read_length(r, &length));
    if (length > KEY_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "ubjson name", at);
    }
    SL_TRY(sl_cursor_take(&r->at, length, &v));
    if (v.n > 0) {
        memcpy(r->key, v.p, v.n);
    }
    r->key[v.n] = 0;
    return SL_DONE;
}

/* One step inside of the innermost level. */
static sl_res step(reader *r)
{
    level *l = &r->levels[r->depth - 1];
    sl_view v = { 0 };
    if (l->counted) {
        return l->left-- == 0 ? pop(r) : read_value(r);
    }
    SL_TRY(sl_source_need(r->at.source, r->at.at, 1, &v));
    if (v.p[0] == (l->object ? '}' : ']')) {
        SL_TRY(sl_cursor_skip(&r->at, 1));
        return pop(r);
    }
    if (l->object) {
        SL_TRY(read_key(r));
    }
    return read_value(r);
}

sl_res sl_scan_ubjson(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan, .at = sl_cursor_over(source) };
    SL_TRY(read_value(&r));
    while (r.depth > 0) {
        SL_TRY(step(&r));
    }
    if (sl_cursor_left(&r.at) > 0) {
        return sl_fail_at(SL_E_TRAILING, "ubjson", r.at.at);
    }
    return SL_DONE;
}
