/* skops archives: schema.json names, for every object, the Python class it becomes and the loader that makes
 * it. What the classes do is known by the allow-list that the pickle machine has; a loader that does not
 * belong to its class makes another object than the one shown.
 * Source: skops/io; CVE-2025-54412, CVE-2025-54413, CVE-2025-54886. */
#include "artefact/format_parts.h"

typedef struct {
    sl_scan *scan;
    const sl_json_doc *doc;
    sl_arena *arena;
} walk;

static sl_view text_at(const walk *w, const sl_json_node *object, const char *name)
{
    return sl_json_member_text(w->doc, object, name, w->arena);
}

/* Loaders whose class the file must not choose freely. */
static bool odd_loader(sl_view loader, sl_view module, sl_view class)
{
    if (sl_view_eq_str(loader, "OperatorFuncNode")) {
        return !sl_view_eq_str(module, "operator") ||
               !sl_word_listed(" attrgetter itemgetter methodcaller ", class);
    }
    if (sl_view_eq_str(loader, "MethodNode")) {
        return true;
    }
    if (sl_view_eq_str(loader, "PartialNode")) {
        return !sl_view_eq_str(module, "functools");
    }
    if (sl_view_eq_str(loader, "NdArrayNode") || sl_view_eq_str(loader, "DTypeNode")) {
        return !sl_view_starts(module, SL_LIT("numpy"));
    }
    return false;
}

static void check_name(const walk *w, const sl_json_node *at, sl_view module, sl_view name)
{
    if (!sl_scan_global_known(w->scan, module, name)) {
        sl_scan_reportf(w->scan, SL_RULE_SKOPS_CLASS, at->offset, "%.*s.%.*s",
                        SL_FMT(sl_view_sub(module, 0, 60)), SL_FMT(sl_view_sub(name, 0, 50)));
    }
}

static void check_object(const walk *w, const sl_json_node *object)
{
    static const char plain[] =
        " dict list tuple set frozenset str int float bool complex bytes bytearray"
        " NoneType slice range type function method builtin_function_or_method"
        " property mappingproxy ";
    sl_view module = text_at(w, object, "__module__");
    sl_view class = text_at(w, object, "__class__");
    sl_view loader = text_at(w, object, "__loader__");
    if (module.n == 0 || class.n == 0) {
        return;
    }
    bool builtin = sl_view_eq_str(module, "builtins") && sl_word_listed(plain, class);
    if (odd_loader(loader, module, class)) {
        sl_scan_report(w->scan, SL_RULE_SKOPS_LOADER, object->offset, loader);
    } else if (!builtin) {
        check_name(w, object, module, class);
    }
    /* A function or a type is named by its content. */
    const sl_json_node *content = sl_json_get_kind(w->doc, object, "content", SL_JSON_OBJECT);
    sl_view path = text_at(w, content, "module_path");
    sl_view function = text_at(w, content, "function");
    if (path.n > 0 && function.n > 0) {
        check_name(w, object, path, function);
    }
}

bool sl_scan_is_skops(const sl_json_doc *doc)
{
    const sl_json_node *root = sl_json_root(doc);
    return sl_json_get(doc, root, "__loader__") != NULL ||
           sl_json_get(doc, root, "_skops_version") != NULL;
}

void sl_scan_skops_tree(sl_scan *scan, const sl_json_doc *doc, sl_arena *arena)
{
    const walk w = { scan, doc, arena };
    for (size_t i = 0; i < doc->count; i++) {
        if (doc->nodes[i].kind == SL_JSON_OBJECT) {
            check_object(&w, &doc->nodes[i]);
        }
    }
}
