/* Digesting chat templates (template.h). */
#include "supply/template.h"

#include "base/json.h"

static sl_res add_text(sl_hasher *h, const sl_json_node *node)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4 * (size_t)1024 * 1024 };
    if (!sl_json_is(node, SL_JSON_STRING)) {
        return sl_fail_at(SL_E_TYPE, "chat_template", node == NULL ? SL_NOWHERE : node->offset);
    }
    SL_TRY(sl_json_add_text(node, &text));
    sl_hasher_add(h, sl_buf_view(&text));
    return SL_DONE;
}

/* Names and texts in the order of the file, each with a zero byte behind, so that none runs into the next. */
static sl_res add_named(sl_hasher *h, const sl_json_doc *doc, const sl_json_node *list)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, list, &it)) {
        SL_TRY(add_text(h, sl_json_get(doc, it.value, "name")));
        sl_hasher_add(h, sl_view_of("", 1));
        SL_TRY(add_text(h, sl_json_get(doc, it.value, "template")));
        sl_hasher_add(h, sl_view_of("", 1));
    }
    return SL_DONE;
}

sl_res sl_template_digest(sl_view json, bool *ret_found, sl_digest *ret)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    SL_TRY(sl_json_parse(json, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *node =
        root->kind == SL_JSON_OBJECT ? sl_json_get(&doc, root, "chat_template") : NULL;
    if (node == NULL || node->kind == SL_JSON_NULL) {
        *ret_found = false;
        return SL_DONE;
    }
    sl_hasher_start(&h);
    SL_TRY(node->kind == SL_JSON_ARRAY ? add_named(&h, &doc, node) : add_text(&h, node));
    *ret = sl_hasher_end(&h);
    *ret_found = true;
    return SL_DONE;
}
