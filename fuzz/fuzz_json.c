/* Our JSON parser against jansson, its opponent: what one accepts the other must accept, with the
 * same values, since two parsers that disagree are a way round a door. Known and wanted differences
 * are listed in `may_differ`; anything else aborts.
 *
 * Also checked: offsets point at what they name, the written form parses back to itself, and the
 * canonical form is a fixed point. */
#include <assert.h>
#include <jansson.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPPONENT_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* Ours alone refuses: depth, long names, counts, and a NUL right behind a number or
 * a word, which jansson drops. Jansson alone refuses: numbers that do not fit its
 * types (ours keeps their text) and NUL in names, which its C strings cannot hold. */
static bool may_differ(sl_res ours, const json_error_t *theirs, sl_view text)
{
    if (!sl_ok(ours)) {
        uint64_t at = sl_detail_get()->offset;
        if (at < text.n && text.p[at] == 0) {
            return true;
        }
        return sl_is(ours, SL_E_DEPTH) || sl_is(ours, SL_E_LIMIT);
    }
    enum json_error_code code = json_error_code(theirs);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key;
}

static void same_text(const sl_json_doc *doc, const sl_json_node *node, const char *text, size_t n)
{
    (void)doc;
    SL_OWN(sl_buf, decoded, sl_buf_free) = { .max = SL_MIB };
    if (sl_ok(sl_json_add_text(node, &decoded))) {
        assert(sl_view_eq(sl_buf_view(&decoded), sl_view_of(text, n)));
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = SL_MIB };
        sl_view view = { 0 };
        assert(sl_ok(sl_json_text(node, &arena, &view)));
        assert(sl_view_eq(view, sl_buf_view(&decoded)));
    } else {
        assert(n > SL_MIB);
    }
}

static void same_number(const sl_json_node *node, const json_t *theirs)
{
    int64_t whole = 0;
    double real = 0;
    if (json_is_integer(theirs) && !sl_view_eq(node->raw, SL_LIT("-0"))) {
        assert(sl_ok(sl_json_i64(node, &whole)) && whole == json_integer_value(theirs));
    } else if (json_is_real(theirs)) {
        assert(!sl_ok(sl_json_i64(node, &whole)));
    }
    if (sl_ok(sl_json_f64(node, &real))) {
        assert(real == json_number_value(theirs) || json_is_integer(theirs));
    }
}

/* A pair that waits to be compared. */
typedef struct {
    const sl_json_node *ours;
    json_t *theirs;
} pair;

static void same_scalar(const sl_json_doc *doc, const pair *p)
{
    switch ((sl_json_kind)p->ours->kind) {
    case SL_JSON_STRING:
        assert(json_is_string(p->theirs));
        same_text(doc, p->ours, json_string_value(p->theirs), json_string_length(p->theirs));
        return;
    case SL_JSON_NUMBER:
        assert(json_is_number(p->theirs));
        same_number(p->ours, p->theirs);
        return;
    case SL_JSON_TRUE:
        assert(json_is_true(p->theirs));
        return;
    case SL_JSON_FALSE:
        assert(json_is_false(p->theirs));
        return;
    case SL_JSON_NULL:
        assert(json_is_null(p->theirs));
        return;
    case SL_JSON_OBJECT:
    case SL_JSON_OBJECT_END:
    case SL_JSON_ARRAY:
    case SL_JSON_ARRAY_END:
    case SL_JSON_KEY:
    case SL_JSON_END:
    default:
        abort();
    }
}

/* The opponent's value for our iterator's place, by decoded name or by index. */
static json_t *counterpart(const sl_json_iter *it, json_t *theirs, size_t index)
{
    if (it->key == NULL) {
        return json_array_get(theirs, index);
    }
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = SL_JSON_KEY_BYTES_MAX + 1 };
    assert(sl_ok(sl_json_add_text(it->key, &name)));
    const char *text = sl_buf_cstr(&name);
    assert(text != NULL);
    return json_object_get(theirs, text);
}

static void same_values(const sl_json_doc *doc, json_t *theirs)
{
    static pair waiting[SL_JSON_NODES_MAX];
    size_t n = 1;
    waiting[0] = (pair){ sl_json_root(doc), theirs };
    while (n > 0) {
        pair p = waiting[--n];
        assert(p.theirs != NULL);
        assert(sl_json_source(doc, p.ours).p == doc->text.p + p.ours->offset);
        bool object = p.ours->kind == SL_JSON_OBJECT;
        if (!object && p.ours->kind != SL_JSON_ARRAY) {
            same_scalar(doc, &p);
            continue;
        }
        assert(object ? json_is_object(p.theirs) : json_is_array(p.theirs));
        assert(p.ours->count == (object ? json_object_size(p.theirs) : json_array_size(p.theirs)));
        sl_json_iter it = { 0 };
        for (size_t i = 0; sl_json_each(doc, p.ours, &it); i++) {
            waiting[n++] = (pair){ it.value, counterpart(&it, p.theirs, i) };
        }
    }
}

/* The canonical form parses, and is its own canonical form. */
static void canonical_is_a_fixed_point(const sl_json_doc *doc)
{
    SL_OWN(sl_buf, once, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_OWN(sl_buf, twice, sl_buf_free) = { .max = 4 * SL_MIB };
    if (!sl_ok(sl_json_canonical(doc, sl_json_root(doc), &once))) {
        return;
    }
    SL_OWN(sl_json_doc, again, sl_json_doc_free) = { 0 };
    assert(sl_ok(sl_json_parse(sl_buf_view(&once), &again)));
    assert(sl_ok(sl_json_canonical(&again, sl_json_root(&again), &twice)));
    assert(sl_view_eq(sl_buf_view(&once), sl_buf_view(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_res ours = sl_json_parse(sl_view_of(data, size), &doc);
    json_error_t error = { 0 };
    json_t *theirs = json_loadb((const char *)data, size, OPPONENT_FLAGS, &error);
    if (sl_ok(ours) != (theirs != NULL)) {
        if (!may_differ(ours, &error, sl_view_of(data, size))) {
            (void)fprintf(stderr, "ours: %s at %llu; jansson: %s\n", sl_res_name(ours),
                          (unsigned long long)sl_detail_get()->offset,
                          theirs != NULL ? "accepts" : error.text);
            abort();
        }
    } else if (theirs != NULL) {
        same_values(&doc, theirs);
    }
    if (sl_ok(ours)) {
        canonical_is_a_fixed_point(&doc);
    }
    json_decref(theirs);
    return 0;
}
