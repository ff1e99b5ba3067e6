/* Calls and their results (calls.h). */
#include "doors/ask/calls.h"

/* The text of a member, or an empty view. */
static sl_view text_of(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                       sl_arena *arena)
{
    sl_view text = { 0 };
    const sl_json_node *node = sl_json_get_kind(doc, object, name, SL_JSON_STRING);
    return node != NULL && sl_ok(sl_json_text(node, arena, &text)) ? text : (sl_view){ 0 };
}

static bool has_type(const sl_json_doc *doc, const sl_json_node *object, const char *type)
{
    const sl_json_node *node = sl_json_get_kind(doc, object, "type", SL_JSON_STRING);
    return node != NULL && sl_json_text_is(node, type);
}

/* The call that an object is, in one of the dialects' forms. */
static bool call_of(const sl_json_doc *doc, const sl_json_node *object, sl_arena *arena,
                    sl_ask_call *ret_call)
{
    const sl_json_node *function = sl_json_get_kind(doc, object, "function", SL_JSON_OBJECT);
    const char *id = "id";
    if (function == NULL && has_type(doc, object, "function_call")) {
        id = "call_id";
        function = object;
    } else if (function == NULL && has_type(doc, object, "tool_use")) {
        function = object;
    }
    if (function == NULL) {
        return false;
    }
    *ret_call = (sl_ask_call){ .id = text_of(doc, object, id, arena),
                               .tool = text_of(doc, function, "name", arena) };
    return ret_call->id.n != 0 && ret_call->tool.n != 0;
}

static sl_ask_call *find(const sl_ask_calls *calls, sl_view id)
{
    for (size_t i = 0; i < calls->n; i++) {
        if (sl_view_eq(calls->items[i].id, id)) {
            return &calls->items[i];
        }
    }
    return NULL;
}

sl_res sl_ask_calls_read(const sl_json_doc *doc, sl_arena *arena, sl_ask_calls *ret_calls)
{
    sl_ask_calls calls = { 0 };
    for (uint32_t i = 0; i < doc->count; i++) {
        sl_ask_call one;
        if (doc->nodes[i].kind != SL_JSON_OBJECT || !call_of(doc, &doc->nodes[i], arena, &one)) {
            continue;
        }
        if (calls.items == NULL) {
            calls.items = sl_arena_array(arena, SL_ASK_CALLS_MAX, sizeof *calls.items);
            SL_NEED(calls.items != NULL, SL_E_MEMORY);
        }
        sl_ask_call *same = find(&calls, one.id);
        if (same != NULL) {
            same->tool = sl_view_eq(same->tool, one.tool) ? same->tool : (sl_view){ 0 };
        } else if (calls.n < SL_ASK_CALLS_MAX) {
            calls.items[calls.n++] = one;
        }
    }
    *ret_calls = calls;
    return SL_DONE;
}

sl_view sl_ask_calls_tool(const sl_ask_calls *calls, const sl_json_doc *doc,
                          const sl_json_node *object, sl_arena *arena)
{
    static const char *const IDS[] = { "tool_call_id", "tool_use_id", "call_id" };
    const sl_json_node *id = NULL;
    for (size_t i = 0; i < SL_COUNT_OF(IDS) && id == NULL && calls->n != 0; i++) {
        id = sl_json_get_kind(doc, object, IDS[i], SL_JSON_STRING);
    }
    sl_view text;
    if (id == NULL || !sl_ok(sl_json_text(id, arena, &text))) {
        return (sl_view){ 0 };
    }
    const sl_ask_call *call = find(calls, text);
    return call == NULL ? (sl_view){ 0 } : call->tool;
}
