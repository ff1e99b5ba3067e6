/* JSON documents (json.h): a flat tree over the lexer, look-up, decoding, canonical form.
 * Nothing here recurses; the depth is bounded by the lexer. */
#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>
#include <math.h>

/* Above this many names sorting beats comparing each with each. */
#define FEW_NAMES_MAX 12

/* Appends the code point of the escape at `at` and returns its length in the raw text. The lexer has
 * checked it. */
static size_t unescape(sl_view raw, size_t at, uint32_t *ret_code_point)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    uint8_t c = raw.p[at + 1];
    if (c != 'u') {
        const char *hit = memchr(from, c, sizeof(from) - 1);
        assert(hit != NULL);
        *ret_code_point = (uint32_t)(uint8_t)to[hit - from];
        return 2;
    }
    uint32_t units[2] = { 0, 0 };
    for (size_t u = 0; u < 2; u++) {
        for (size_t i = 0; i < 4; i++) {
            uint8_t d = raw.p[at + 6 * u + 2 + i];
            uint32_t digit = d <= '9' ? (uint32_t)(d - '0') : (uint32_t)((d | 32) - 'a' + 10);
            units[u] = units[u] * 16 + digit;
        }
        if (units[0] < 0xD800 || units[0] > 0xDBFF) {
            *ret_code_point = units[0];
            return 6;
        }
    }
    *ret_code_point = 0x10000 + ((units[0] - 0xD800) << 10) + (units[1] - 0xDC00);
    return 12;
}

static sl_res add_decoded(sl_view raw, sl_buf *out)
{
    size_t start = out->n;
    size_t at = 0;
    while (at < raw.n) {
        size_t slash = sl_view_find_byte(raw, '\\', at);
        size_t to = slash == SIZE_MAX ? raw.n : slash;
        sl_res r = sl_buf_add(out, sl_view_sub(raw, at, to));
        at = to;
        if (sl_ok(r) && slash != SIZE_MAX) {
            uint32_t code_point = 0;
            uint8_t bytes[4];
            at += unescape(raw, at, &code_point);
            r = sl_buf_add(out, sl_view_of(bytes, sl_utf8_encode(code_point, bytes)));
        }
        if (!sl_ok(r)) {
            out->n = start;
            return r;
        }
    }
    return SL_DONE;
}

/* A decoded name; borrowed if it has no escapes, else in `space`. */
static sl_view decoded_name(const sl_json_node *key, uint8_t space[SL_JSON_KEY_BYTES_MAX])
{
    if (!key->escaped) {
        return key->raw;
    }
    size_t n = 0;
    size_t at = 0;
    while (at < key->raw.n) {
        if (key->raw.p[at] != '\\') {
            space[n++] = key->raw.p[at++];
            continue;
        }
        uint32_t code_point = 0;
        at += unescape(key->raw, at, &code_point);
        n += sl_utf8_encode(code_point, space + n); /* never longer than its escape */
    }
    return (sl_view){ space, n };
}

/* Apart, because the compiler clears both spaces at every entry. */
static int compare_escaped(const sl_json_node *left, const sl_json_node *right)
{
    uint8_t left_space[SL_JSON_KEY_BYTES_MAX];
    uint8_t right_space[SL_JSON_KEY_BYTES_MAX];
    return sl_view_cmp(decoded_name(left, left_space), decoded_name(right, right_space));
}

static int compare_names(const void *a, const void *b)
{
    const sl_json_node *left = *(const sl_json_node *const *)a;
    const sl_json_node *right = *(const sl_json_node *const *)b;
    if (left->escaped || right->escaped) {
        return compare_escaped(left, right);
    }
    return sl_view_cmp(left->raw, right->raw);
}

/* The object's keys in the order of their decoded names; to be freed with free(). */
static const sl_json_node **sorted_keys(const sl_json_doc *doc, const sl_json_node *object)
{
    const sl_json_node **keys = calloc(object->count + 1, sizeof(const sl_json_node *));
    if (keys == NULL) {
        return NULL;
    }
    sl_json_iter it = { 0 };
    size_t n = 0;
    while (sl_json_each(doc, object, &it)) {
        keys[n++] = it.key;
    }
    qsort(keys, n, sizeof(const sl_json_node *), compare_names);
    return keys;
}

/* Small objects without escaped names, nearly all there are: each name against those before it.
 * False if the object is not such a one; then nothing was checked. */
static bool check_few_names(const sl_json_doc *doc, const sl_json_node *object, sl_res *ret_result)
{
    const sl_json_node *names[FEW_NAMES_MAX];
    size_t n = 0;
    if (object->count > FEW_NAMES_MAX) {
        return false;
    }
    *ret_result = SL_DONE;
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, object, &it)) {
        assert(it.key != NULL);
        if (it.key->escaped) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            if (sl_view_eq(names[i]->raw, it.key->raw)) {
                *ret_result = sl_fail_at(SL_E_DUPLICATE, "json member name", it.key->offset);
            }
        }
        names[n++] = it.key;
    }
    return true;
}

static sl_res check_duplicates(const sl_json_doc *doc, const sl_json_node *object)
{
    sl_res few = SL_DONE;
    if (object->count < 2 || check_few_names(doc, object, &few)) {
        return few;
    }
    const sl_json_node **keys = sorted_keys(doc, object);
    SL_NEED(keys != NULL, SL_E_MEMORY);
    sl_res r = SL_DONE;
    for (size_t i = 1; i < object->count && sl_ok(r); i++) {
        if (compare_names(&keys[i - 1], &keys[i]) == 0) {
            size_t a = keys[i - 1]->offset;
            size_t b = keys[i]->offset;
            r = sl_fail_at(SL_E_DUPLICATE, "json member name", a > b ? a : b);
        }
    }
    free(keys);
    return r;
}

static sl_res add_node(sl_json_doc *doc, const sl_json_token *token)
{
    if (doc->count == SL_JSON_NODES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "json values", SL_JSON_NODES_MAX);
    }
    if (doc->count == doc->capacity) {
        size_t capacity = doc->capacity == 0 ? 64 : doc->capacity * 2;
        sl_json_node *nodes = realloc(doc->nodes, capacity * sizeof(*nodes));
        SL_NEED(nodes != NULL, SL_E_MEMORY);
        doc->nodes = nodes;
        doc->capacity = capacity;
    }
    doc->nodes[doc->count] = (sl_json_node){
        .kind = (uint8_t)token->kind,
        .escaped = token->escaped,
        .end = (uint32_t)doc->count + 1,
        .offset = (uint32_t)token->offset,
        .raw = token->raw,
    };
    doc->count++;
    return SL_DONE;
}

static sl_res parse_into(sl_json_doc *doc)
{
    sl_json_lexer lexer;
    sl_json_lexer_init(&lexer, doc->text);
    size_t open[SL_JSON_DEPTH_MAX];
    for (;;) {
        size_t depth = lexer.depth;
        sl_json_token token;
        SL_TRY(sl_json_next(&lexer, &token));
        if (token.kind == SL_JSON_END) {
            return SL_DONE;
        }
        if (token.kind == SL_JSON_OBJECT_END || token.kind == SL_JSON_ARRAY_END) {
            sl_json_node *node = &doc->nodes[open[depth - 1]];
            node->end = (uint32_t)doc->count;
            /* the source of a container runs to its closing bracket */
            node->raw = sl_view_sub(doc->text, node->offset, token.offset + 1);
            if (token.kind == SL_JSON_OBJECT_END) {
                SL_TRY(check_duplicates(doc, node));
            }
            continue;
        }
        if (depth > 0 &&
            (doc->nodes[open[depth - 1]].kind == SL_JSON_ARRAY || token.kind == SL_JSON_KEY)) {
            doc->nodes[open[depth - 1]].count++;
        }
        SL_TRY(add_node(doc, &token));
        if (token.kind == SL_JSON_OBJECT || token.kind == SL_JSON_ARRAY) {
            open[depth] = doc->count - 1;
        }
    }
}

sl_res sl_json_parse(sl_view text, sl_json_doc *ret_doc)
{
    SL_NEED(text.n < UINT32_MAX, SL_E_LIMIT);
    sl_json_doc doc = { .text = text };
    sl_res r = parse_into(&doc);
    if (!sl_ok(r)) {
        free(doc.nodes);
        *ret_doc = (sl_json_doc){ 0 };
        return r;
    }
    *ret_doc = doc;
    return SL_DONE;
}

void sl_json_doc_free(sl_json_doc *doc)
{
    free(doc->nodes);
    *doc = (sl_json_doc){ 0 };
}

bool sl_json_each(const sl_json_doc *doc, const sl_json_node *parent, sl_json_iter *iter)
{
    if (parent == NULL || (parent->kind != SL_JSON_OBJECT && parent->kind != SL_JSON_ARRAY)) {
        return false;
    }
    if (iter->next == 0) {
        iter->next = (size_t)(parent - doc->nodes) + 1;
    }
    if (iter->next >= parent->end) {
        return false;
    }
    const sl_json_node *node = &doc->nodes[iter->next];
    iter->key = NULL;
    if (parent->kind == SL_JSON_OBJECT) {
        iter->key = node;
        node++;
    }
    iter->value = node;
    iter->next = node->end;
    return true;
}

static bool name_is(const sl_json_node *string, sl_view text)
{
    if (!string->escaped) {
        return sl_view_eq(string->raw, text);
    }
    if (string->raw.n > SL_JSON_KEY_BYTES_MAX) {
        return false;
    }
    uint8_t space[SL_JSON_KEY_BYTES_MAX];
    return sl_view_eq(decoded_name(string, space), text);
}

bool sl_json_text_is(const sl_json_node *string, const char *text)
{
    bool textual = sl_json_is(string, SL_JSON_STRING) || sl_json_is(string, SL_JSON_KEY);
    return textual && name_is(string, sl_view_str(text));
}

const sl_json_node *sl_json_get(const sl_json_doc *doc, const sl_json_node *object,
                                const char *name)
{
    if (!sl_json_is(object, SL_JSON_OBJECT)) {
        return NULL;
    }
    sl_view wanted = sl_view_str(name);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, object, &it)) {
        if (name_is(it.key, wanted)) {
            return it.value;
        }
    }
    return NULL;
}

const sl_json_node *sl_json_get_kind(const sl_json_doc *doc, const sl_json_node *object,
                                     const char *name, sl_json_kind kind)
{
    const sl_json_node *value = sl_json_get(doc, object, name);
    return sl_json_is(value, kind) ? value : NULL;
}

static bool is_textual(const sl_json_node *node)
{
    return sl_json_is(node, SL_JSON_STRING) || sl_json_is(node, SL_JSON_KEY);
}

sl_res sl_json_add_text(const sl_json_node *string, sl_buf *out)
{
    SL_NEED(is_textual(string), SL_E_TYPE);
    return add_decoded(string->raw, out);
}

sl_res sl_json_text(const sl_json_node *string, sl_arena *arena, sl_view *ret_text)
{
    SL_NEED(is_textual(string), SL_E_TYPE);
    if (!string->escaped) {
        *ret_text = string->raw;
        return SL_DONE;
    }
    uint8_t *space = sl_arena_alloc(arena, string->raw.n); /* decoding never lengthens */
    SL_NEED(space != NULL, SL_E_LIMIT);
    sl_buf out = { .p = space, .cap = string->raw.n, .max = string->raw.n };
    SL_TRY(add_decoded(string->raw, &out));
    *ret_text = sl_buf_view(&out);
    return SL_DONE;
}

sl_view sl_json_member_text(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                            sl_arena *arena)
{
    const sl_json_node *node = sl_json_get_kind(doc, object, name, SL_JSON_STRING);
    sl_view text = { 0 };
    bool read = node != NULL && sl_ok(sl_json_text(node, arena, &text));
    return read ? text : (sl_view){ 0 };
}

static sl_res number_of(const sl_json_node *number)
{
    if (!sl_json_is(number, SL_JSON_NUMBER)) {
        return sl_fail_at(SL_E_TYPE, "json number", number == NULL ? SL_NOWHERE : number->offset);
    }
    return SL_DONE;
}

sl_res sl_json_i64(const sl_json_node *number, int64_t *ret_value)
{
    SL_TRY(number_of(number));
    sl_res r = sl_parse_i64(number->raw, ret_value);
    return sl_ok(r) ? r : sl_fail_at((sl_code)r.code, "json integer", number->offset);
}

sl_res sl_json_u64(const sl_json_node *number, uint64_t *ret_value)
{
    SL_TRY(number_of(number));
    sl_res r = sl_parse_u64(number->raw, UINT64_MAX, ret_value);
    return sl_ok(r) ? r : sl_fail_at((sl_code)r.code, "json integer", number->offset);
}

sl_res sl_json_f64(const sl_json_node *number, double *ret_value)
{
    SL_TRY(number_of(number));
    char text[64];
    if (number->raw.n >= sizeof(text)) {
        return sl_fail_at(SL_E_RANGE, "json number", number->offset);
    }
    memcpy(text, number->raw.p, number->raw.n);
    text[number->raw.n] = 0;
    double value = strtod(text, NULL);
    if (!isfinite(value)) {
        return sl_fail_at(SL_E_RANGE, "json number", number->offset);
    }
    *ret_value = value;
    return SL_DONE;
}

sl_res sl_json_bool(const sl_json_node *value, bool *ret_value)
{
    SL_NEED(sl_json_is(value, SL_JSON_TRUE) || sl_json_is(value, SL_JSON_FALSE), SL_E_TYPE);
    *ret_value = value->kind == SL_JSON_TRUE;
    return SL_DONE;
}

sl_view sl_json_source(const sl_json_doc *doc, const sl_json_node *value)
{
    if (is_textual(value)) {
        return sl_view_sub(doc->text, value->offset, value->offset + value->raw.n + 2);
    }
    return value->raw;
}

/* ---- canonical form ---- */

typedef struct {
    const sl_json_node *node;
    const sl_json_node **keys; /* sorted; NULL for an array */
    size_t done;               /* members or items written */
    sl_json_iter iter;         /* where an array stands */
} canonical_level;

static sl_res write_scalar(sl_json_writer *w, const sl_json_node *node)
{
    if (node->kind == SL_JSON_NUMBER) {
        int64_t value = 0;
        const int64_t max = ((int64_t)1 << 53) - 1;
        sl_res r = sl_parse_i64(node->raw, &value);
        bool fits =
            sl_ok(r) && value >= -max && value <= max && !sl_view_eq(node->raw, SL_LIT("-0"));
        if (!fits) {
            return sl_fail_at(SL_E_RANGE, "canonical integer", node->offset);
        }
    }
    if (node->kind != SL_JSON_STRING) {
        sl_json_raw(w, node->raw);
        return SL_DONE;
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = node->raw.n };
    SL_TRY(add_decoded(node->raw, &text));
    sl_json_string(w, sl_buf_view(&text));
    return SL_DONE;
}

static sl_res write_name(sl_json_writer *w, const sl_json_node *key)
{
    uint8_t space[SL_JSON_KEY_BYTES_MAX];
    sl_view name = decoded_name(key, space);
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] >= 0x80) {
            return sl_fail_at(SL_E_TYPE, "canonical name is not ASCII", key->offset);
        }
    }
    sl_json_key_view(w, name);
    return SL_DONE;
}

/* The next value to write at this level, or NULL when the level is complete. */
static sl_res next_value(const sl_json_doc *doc, sl_json_writer *w, canonical_level *level,
                         const sl_json_node **ret_value)
{
    *ret_value = NULL;
    if (level->done == level->node->count) {
        return SL_DONE;
    }
    if (level->keys != NULL) {
        const sl_json_node *key = level->keys[level->done++];
        SL_TRY(write_name(w, key));
        *ret_value = key + 1;
        return SL_DONE;
    }
    level->done++;
    (void)sl_json_each(doc, level->node, &level->iter);
    *ret_value = level->iter.value;
    return SL_DONE;
}

static sl_res enter(const sl_json_doc *doc, sl_json_writer *w, const sl_json_node *node,
                    canonical_level *levels, size_t *depth)
{
    if (node->kind != SL_JSON_OBJECT && node->kind != SL_JSON_ARRAY) {
        return write_scalar(w, node);
    }
    canonical_level level = { .node = node };
    if (node->kind == SL_JSON_OBJECT) {
        level.keys = sorted_keys(doc, node);
        SL_NEED(level.keys != NULL, SL_E_MEMORY);
        sl_json_object_begin(w);
    } else {
        sl_json_array_begin(w);
    }
    levels[(*depth)++] = level;
    return SL_DONE;
}

static sl_res canonical_walk(const sl_json_doc *doc, sl_json_writer *w, canonical_level *levels,
                             size_t *depth)
{
    while (*depth > 0) {
        canonical_level *level = &levels[*depth - 1];
        const sl_json_node *value = NULL;
        SL_TRY(next_value(doc, w, level, &value));
        if (value != NULL) {
            SL_TRY(enter(doc, w, value, levels, depth));
            continue;
        }
        if (level->keys != NULL) {
            free(level->keys);
            level->keys = NULL;
            sl_json_object_end(w);
        } else {
            sl_json_array_end(w);
        }
        (*depth)--;
    }
    return SL_DONE;
}

sl_res sl_json_canonical(const sl_json_doc *doc, const sl_json_node *node, sl_buf *out)
{
    size_t start = out->n;
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    canonical_level levels[SL_JSON_DEPTH_MAX];
    size_t depth = 0;
    sl_res r = enter(doc, &w, node, levels, &depth);
    if (sl_ok(r)) {
        r = canonical_walk(doc, &w, levels, &depth);
    }
    for (size_t i = 0; i < depth; i++) {
        free(levels[i].keys);
    }
    if (sl_ok(r)) {
        r = sl_json_finish(&w);
    }
    if (!sl_ok(r)) {
        out->n = start;
    }
    return r;
}
