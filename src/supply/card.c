/* What a model's files say of it: config.json, the README's front matter, safetensors headers (bom.h). */
#include "supply/bom.h"

#include "base/limits.h"
#include "base/utf8.h"

#define ARENA_BYTES_MAX (4 * SL_MIB)
#define VALUE_BYTES_MAX ((size_t)512)

void sl_card_free(sl_card *card)
{
    sl_arena_free(&card->arena);
    *card = (sl_card){ 0 };
}

static sl_res keep(sl_card *card, sl_view text, sl_view *into)
{
    if (into->n > 0 || text.n == 0 || text.n > VALUE_BYTES_MAX || sl_utf8_check(text) != text.n) {
        return SL_DONE;
    }
    card->arena.max = ARENA_BYTES_MAX;
    return sl_arena_dup(&card->arena, text, into);
}

static sl_res keep_item(sl_card *card, sl_view text, sl_view *list, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        if (sl_view_eq(list[i], text)) {
            return SL_DONE;
        }
    }
    if (*n == SL_CARD_LIST_MAX) {
        return SL_DONE;
    }
    list[*n] = (sl_view){ 0 };
    SL_TRY(keep(card, text, &list[*n]));
    *n += list[*n].n > 0;
    return SL_DONE;
}

static sl_res keep_json(sl_card *card, const sl_json_doc *doc, const char *name, sl_view *into)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    if (node == NULL || !sl_ok(sl_json_add_text(node, &text))) {
        return SL_DONE;
    }
    return keep(card, sl_buf_view(&text), into);
}

sl_res sl_card_add_config(sl_card *card, sl_view config_json)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(config_json, &doc))) {
        return SL_DONE;
    }
    SL_TRY(keep_json(card, &doc, "model_type", &card->family));
    sl_json_iter it = { 0 };
    const sl_json_node *architectures =
        sl_json_get_kind(&doc, sl_json_root(&doc), "architectures", SL_JSON_ARRAY);
    if (sl_json_each(&doc, architectures, &it) && it.value->kind == SL_JSON_STRING &&
        !it.value->escaped) {
        SL_TRY(keep(card, it.value->raw, &card->architecture));
    }
    const sl_json_node *quantised = sl_json_get(&doc, sl_json_root(&doc), "quantization_config");
    const sl_json_node *method = sl_json_get_kind(&doc, quantised, "quant_method", SL_JSON_STRING);
    return method != NULL ? keep(card, method->raw, &card->quantisation) : SL_DONE;
}

/* A scalar as people write it: quotes taken off. */
static sl_view plain(sl_view text)
{
    text = sl_view_trim(text);
    bool quoted =
        text.n > 1 && (text.p[0] == '"' || text.p[0] == '\'') && text.p[text.n - 1] == text.p[0];
    return quoted ? sl_view_sub(text, 1, text.n - 1) : text;
}

/* One value under a key of the front matter, or one item of its list. */
static sl_res take_value(sl_card *card, sl_view key, sl_view value)
{
    value = plain(value);
    if (sl_view_eq_str(key, "license") || sl_view_eq_str(key, "license_name")) {
        return keep_item(card, value, card->licences, &card->licences_n);
    }
    if (sl_view_eq_str(key, "datasets")) {
        return keep_item(card, value, card->datasets, &card->datasets_n);
    }
    if (sl_view_eq_str(key, "base_model")) {
        return keep_item(card, value, card->bases, &card->bases_n);
    }
    if (sl_view_eq_str(key, "pipeline_tag")) {
        return keep(card, value, &card->task);
    }
    return sl_view_eq_str(key, "model_version") ? keep(card, value, &card->version) : SL_DONE;
}

/* "[a, b]" or "a" */
static sl_res take_values(sl_card *card, sl_view key, sl_view value)
{
    if (value.n < 2 || value.p[0] != '[' || value.p[value.n - 1] != ']') {
        return value.n > 0 ? take_value(card, key, value) : SL_DONE;
    }
    sl_view rest = sl_view_sub(value, 1, value.n - 1);
    for (bool more = true; more;) {
        sl_view item;
        more = sl_view_cut(rest, ',', &item, &rest);
        SL_TRY(take_value(card, key, item));
    }
    return SL_DONE;
}

/* People write front matter loosely; only "key: value" and "- item" at the top are read. */
sl_res sl_card_add_readme(sl_card *card, sl_view readme)
{
    sl_view rest = readme;
    sl_view line;
    sl_view key = { 0 };
    bool more = sl_view_cut(rest, '\n', &line, &rest);
    if (!sl_view_eq_str(sl_view_trim(line), "---") && !sl_view_eq_str(line, "---\r")) {
        return SL_DONE;
    }
    while (more) {
        more = sl_view_cut(rest, '\n', &line, &rest);
        line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
        sl_view text = sl_view_trim(line);
        if (sl_view_eq_str(text, "---")) {
            return SL_DONE;
        }
        sl_view value;
        if (text.n > 1 && text.p[0] == '-') {
            SL_TRY(take_value(card, key, sl_view_sub(text, 1, text.n)));
        } else if (text.n > 0 && line.p[0] != ' ' && text.p[0] != '#') {
            key = sl_view_cut(text, ':', &key, &value) ? sl_view_trim(key) : (sl_view){ 0 };
            SL_TRY(key.n > 0 ? take_values(card, key, sl_view_trim(value)) : SL_DONE);
        }
    }
    return SL_DONE;
}

/* Elements of all tensors; 0 when a shape does not multiply. */
static uint64_t count_parameters(const sl_json_doc *doc)
{
    uint64_t total = 0;
    sl_json_iter tensor = { 0 };
    while (sl_json_each(doc, sl_json_root(doc), &tensor)) {
        uint64_t product = 1;
        sl_json_iter dimension = { 0 };
        const sl_json_node *shape = sl_json_get_kind(doc, tensor.value, "shape", SL_JSON_ARRAY);
        while (sl_json_each(doc, shape, &dimension)) {
            uint64_t n = 0;
            if (!sl_ok(sl_json_u64(dimension.value, &n)) ||
                __builtin_mul_overflow(product, n, &product)) {
                return 0;
            }
        }
        if (shape != NULL && __builtin_add_overflow(total, product, &total)) {
            return 0;
        }
    }
    return total;
}

sl_res sl_card_add_safetensors(sl_card *card, sl_view head)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (head.n < 8 || sl_get_le64(head.p) > head.n - 8) {
        return SL_DONE;
    }
    sl_view json = sl_view_sub(head, 8, 8 + (size_t)sl_get_le64(head.p));
    if (!sl_ok(sl_json_parse(json, &doc))) {
        return SL_DONE;
    }
    uint64_t parameters = count_parameters(&doc);
    if (__builtin_add_overflow(card->parameters, parameters, &card->parameters)) {
        card->parameters = 0;
    }
    return SL_DONE;
}
