/* JSON beside models: configurations that name code to import, tokenizer files with chat templates,
 * indices that name other files, and the formats that are JSON themselves. What a file means is told by
 * its members, not by its name. Readers in Python accept a little more than RFC 8259 (NaN); that alone
 * is no fault, two values for one name is.
 * Sources: transformers dynamic_module_utils.py, diffusers model_index, sentence-transformers modules.json,
 * peft adapter_config, hydra instantiate (CVE-2025-23304). */
#include <string.h>

#include "artefact/format_parts.h"
#include "artefact/jinja.h"
#include "base/utf8.h"

#define TEXT_BYTES_MAX (64 * ((size_t)1 << 20))

typedef struct {
    sl_scan *scan;
    const sl_json_doc *doc;
    sl_arena *arena;
} walk;

static bool space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool named_json(sl_view name)
{
    static const char *const ends[] = { ".json", ".ipynb", ".jsonl", ".ndjson", ".json5" };
    for (size_t i = 0; i < SL_COUNT_OF(ends); i++) {
        if (sl_view_ends(name, sl_view_str(ends[i]))) {
            return true;
        }
    }
    return false;
}

/* An object is known by its first name; lists open like a footnote does, so they need a name that says
 * what they are. */
sl_identity sl_identify_json(const sl_probe *probe)
{
    sl_view head = probe->head;
    bool named = named_json(probe->name);
    size_t at = sl_view_starts(head, SL_LIT("\xEF\xBB\xBF")) ? 3 : 0;
    while (at < head.n && space(head.p[at])) {
        at++;
    }
    size_t next = at + 1;
    while (next < head.n && space(head.p[next])) {
        next++;
    }
    if (at >= head.n || sl_view_find_byte(head, 0, 0) != SIZE_MAX) {
        return SL_IDENTIFY_NO;
    }
    if (named) {
        return SL_IDENTIFY_YES;
    }
    bool object =
        head.p[at] == '{' && next < head.n && (head.p[next] == '"' || head.p[next] == '}');
    return object ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

/* ---- configurations ---- */

static sl_view text_of(const walk *w, const sl_json_node *node)
{
    sl_view text = { 0 };
    if (node == NULL || !sl_ok(sl_json_text(node, w->arena, &text))) {
        return (sl_view){ 0 };
    }
    return text;
}

static void tell(const walk *w, sl_rule rule, const sl_json_node *at, sl_view evidence)
{
    sl_scan_report(w->scan, rule, at->offset, evidence);
}

/* auto_map: class to "module.Class", or a list of such; "repo--module.Class" fetches from elsewhere. */
static void check_auto_map(const walk *w, const sl_json_node *map)
{
    bool told = false;
    for (const sl_json_node *n = map; n < w->doc->nodes + map->end; n++) {
        if (n->kind != SL_JSON_STRING) {
            continue;
        }
        sl_view text = text_of(w, n);
        bool elsewhere = sl_view_find(text, SL_LIT("--"), 0) != SIZE_MAX;
        tell(w, elsewhere ? SL_RULE_CONFIG_REMOTE_REPO : SL_RULE_CONFIG_REMOTE_CODE, n, text);
        told = true;
    }
    if (!told && map->count > 0) {
        tell(w, SL_RULE_CONFIG_REMOTE_CODE, map, SL_LIT("auto_map"));
    }
}

static sl_res check_template(const walk *w, const sl_json_node *value)
{
    if (value->kind == SL_JSON_STRING) {
        return sl_scan_template_text(w->scan, text_of(w, value), value->offset);
    }
    /* [{"name": ..., "template": ...}] or {"name": "template"} */
    for (const sl_json_node *n = value; n < w->doc->nodes + value->end; n++) {
        if (n->kind == SL_JSON_STRING && n->raw.n > 0 &&
            sl_view_find_byte(n->raw, '{', 0) != SIZE_MAX) {
            SL_TRY(sl_scan_template_text(w->scan, text_of(w, n), n->offset));
        }
    }
    return SL_DONE;
}

/* Hydra imports and calls whatever `_target_` names. */
static void check_target(const walk *w, const sl_json_node *value)
{
    static const char *const known[] = {
        "nemo.",         "torch.nn.",  "torch.optim.",       "transformers.",
        "monai.",        "lightning.", "pytorch_lightning.", "torchvision.",
        "torchmetrics.", "megatron.",  "diffusers.",         "fairseq2."
    };
    sl_view text = text_of(w, value);
    for (size_t i = 0; i < SL_COUNT_OF(known); i++) {
        if (sl_view_starts(text, sl_view_str(known[i])) &&
            sl_view_find(text, SL_LIT("__"), 0) == SIZE_MAX) {
            return;
        }
    }
    tell(w, SL_RULE_CONFIG_TARGET, value, text);
}

static void check_kernel(const walk *w, const sl_json_node *value)
{
    if (sl_view_find_byte(value->raw, '/', 0) != SIZE_MAX) {
        tell(w, SL_RULE_CONFIG_REMOTE_REPO, value, text_of(w, value));
    }
}

static bool key_is(const sl_json_node *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_json_text_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

static sl_res check_member(const walk *w, const sl_json_node *key, const sl_json_node *value)
{
    static const char *const kernels[] = { "attn_implementation", "_attn_implementation",
                                           "attn_implementation_internal",
                                           "_attn_implementation_internal",
                                           "experts_implementation" };
    static const char *const templates[] = { "chat_template", "chat_templates",
                                             "default_chat_template" };
    static const char *const paths[] = { "custom_generate", "custom_pipeline" };
    static const char *const objects[] = { "py/object",  "py/reduce",  "py/function",
                                           "py/type",    "py/class",   "py/repr",
                                           "py/mod",     "py/newargs", "py/newargsex",
                                           "py/initargs" };
    bool string = value->kind == SL_JSON_STRING;
    if (key->raw.n < 4 || key->raw.n > 200) {
        return SL_DONE;
    }
    if (sl_json_text_is(key, "auto_map")) {
        check_auto_map(w, value);
    } else if (sl_json_text_is(key, "trust_remote_code") && value->kind != SL_JSON_FALSE &&
               value->kind != SL_JSON_NULL) {
        tell(w, SL_RULE_CONFIG_TRUST, key, SL_LIT("trust_remote_code"));
    } else if (sl_json_text_is(key, "custom_pipelines") && value->count > 0) {
        tell(w, SL_RULE_CONFIG_REMOTE_CODE, key, sl_json_source(w->doc, value));
    } else if (string && key_is(key, paths, SL_COUNT_OF(paths))) {
        tell(w, SL_RULE_CONFIG_REMOTE_REPO, value, text_of(w, value));
    } else if (string && key_is(key, kernels, SL_COUNT_OF(kernels))) {
        check_kernel(w, value);
    } else if (key_is(key, objects, SL_COUNT_OF(objects))) {
        tell(w, SL_RULE_CONFIG_OBJECT, key, sl_json_source(w->doc, value));
    } else if (string && sl_json_text_is(key, "_target_")) {
        check_target(w, value);
    } else if (key_is(key, templates, SL_COUNT_OF(templates))) {
        return check_template(w, value);
    }
    return SL_DONE;
}

/* Every member of every object, whatever the depth: loaders merge nested configurations. */
static sl_res check_members(const walk *w)
{
    for (size_t i = 0; i + 1 < w->doc->count; i++) {
        if (w->doc->nodes[i].kind == SL_JSON_KEY) {
            SL_TRY(check_member(w, &w->doc->nodes[i], &w->doc->nodes[i + 1]));
        }
    }
    return SL_DONE;
}

/* diffusers: {"_class_name": ..., "unet": ["diffusers", "UNet2DConditionModel"]}; a library that is not
 * one of the known is a Python file beside the index. */
static void check_pipeline(const walk *w, const sl_json_node *root)
{
    static const char known[] =
        " diffusers transformers onnxruntime k_diffusion flax tokenizers peft "
        "optimum sentence_transformers timm controlnet_aux ";
    sl_json_iter it = { 0 };
    while (sl_json_each(w->doc, root, &it)) {
        if (it.value->kind != SL_JSON_ARRAY || it.value->count != 2 ||
            sl_view_starts(it.key->raw, SL_LIT("_class"))) {
            continue;
        }
        const sl_json_node *library = it.value + 1;
        sl_view name = library->kind == SL_JSON_STRING ? text_of(w, library) : (sl_view){ 0 };
        if (name.n > 0 && !sl_word_listed(known, name)) {
            tell(w, SL_RULE_CONFIG_REMOTE_CODE, library, name);
        }
    }
}

/* sentence-transformers: a list of {"type": "module.Class"}, each imported. */
static void check_modules(const walk *w, const sl_json_node *root)
{
    sl_json_iter it = { 0 };
    while (root->kind == SL_JSON_ARRAY && sl_json_each(w->doc, root, &it)) {
        const sl_json_node *type = sl_json_get_kind(w->doc, it.value, "type", SL_JSON_STRING);
        if (type == NULL || sl_json_get(w->doc, it.value, "idx") == NULL) {
            continue;
        }
        sl_view name = text_of(w, type);
        if (!sl_view_starts(name, SL_LIT("sentence_transformers."))) {
            tell(w, SL_RULE_CONFIG_REMOTE_CODE, type, name);
        }
    }
}

/* peft: {"auto_mapping": {"parent_library": "module", "base_model_class": "Class"}}. */
static void check_adapter(const walk *w, const sl_json_node *root)
{
    const sl_json_node *map = sl_json_get_kind(w->doc, root, "auto_mapping", SL_JSON_OBJECT);
    const sl_json_node *library = sl_json_get_kind(w->doc, map, "parent_library", SL_JSON_STRING);
    sl_view name = library == NULL ? (sl_view){ 0 } : text_of(w, library);
    if (name.n > 0 && !sl_view_starts(name, SL_LIT("transformers.")) &&
        !sl_view_starts(name, SL_LIT("diffusers.")) && !sl_view_starts(name, SL_LIT("torch.nn."))) {
        tell(w, SL_RULE_CONFIG_REMOTE_CODE, library, name);
    }
}

/* LangChain: {"lc": 1, "type": "constructor", "id": ["langchain", ..., "Class"], "kwargs": ...}. */
static void check_constructors(const walk *w)
{
    for (size_t i = 0; i < w->doc->count; i++) {
        const sl_json_node *object = &w->doc->nodes[i];
        if (object->kind != SL_JSON_OBJECT || sl_json_get(w->doc, object, "lc") == NULL) {
            continue;
        }
        const sl_json_node *type = sl_json_get_kind(w->doc, object, "type", SL_JSON_STRING);
        const sl_json_node *id = sl_json_get_kind(w->doc, object, "id", SL_JSON_ARRAY);
        bool makes = type != NULL && sl_json_text_is(type, "constructor");
        const sl_json_node *first = id != NULL && id->count != 0 ? id + 1 : NULL;
        if (makes && (first == NULL || first->kind != SL_JSON_STRING ||
                      !sl_view_starts(first->raw, SL_LIT("langchain")))) {
            tell(w, SL_RULE_CONFIG_OBJECT, object,
                 first == NULL ? (sl_view){ 0 } : sl_json_source(w->doc, first));
        }
    }
}

/* {"weight_map": {"tensor": "file"}}: every file is opened. */
static void check_index(const walk *w, const sl_json_node *root)
{
    sl_json_iter it = { 0 };
    const sl_json_node *map = sl_json_get_kind(w->doc, root, "weight_map", SL_JSON_OBJECT);
    while (map != NULL && sl_json_each(w->doc, map, &it)) {
        if (it.value->kind == SL_JSON_STRING) {
            (void)sl_scan_path(w->scan, text_of(w, it.value), it.value->offset);
        }
    }
}

static sl_res check_tree(const walk *w)
{
    const sl_json_node *root = sl_json_root(w->doc);
    if (sl_scan_is_notebook(w->doc)) {
        return sl_scan_notebook_tree(w->scan, w->doc);
    }
    SL_TRY(check_members(w));
    if (sl_scan_is_keras(w->doc)) {
        sl_scan_keras_tree(w->scan, w->doc, w->arena, 0);
    }
    if (sl_json_get(w->doc, root, "_class_name") != NULL) {
        check_pipeline(w, root);
    }
    if (sl_scan_is_skops(w->doc)) {
        sl_scan_skops_tree(w->scan, w->doc, w->arena);
    }
    if (sl_json_get(w->doc, root, "learner") != NULL) {
        sl_scan_xgboost_tree(w->scan, w->doc);
    }
    check_modules(w, root);
    check_adapter(w, root);
    check_constructors(w);
    check_index(w, root);
    return SL_DONE;
}

/* ---- what is no strict JSON ---- */

/* Writes zeros over NaN and Infinity outside of strings: Python's reader and writer know them. */
static void pardon_numbers(sl_buf *text)
{
    bool string = false;
    for (size_t i = 0; i < text->n; i++) {
        uint8_t c = text->p[i];
        if (string) {
            i += c == '\\' ? 1 : 0;
            string = c != '"';
            continue;
        }
        string = c == '"';
        sl_view rest = sl_view_sub(sl_buf_view(text), i, text->n);
        size_t n = sl_view_starts(rest, SL_LIT("NaN"))        ? 3
                   : sl_view_starts(rest, SL_LIT("Infinity")) ? 8
                                                              : 0;
        if (n > 0) {
            memset(text->p + i, ' ', n);
            text->p[i] = '0';
        }
    }
}

/* A tree is not to be had: what matters is looked for in the text. */
static void check_words(sl_scan *scan, sl_view text)
{
    static const struct {
        const char *word;
        sl_rule rule;
    } words[] = {
        { "\"auto_map\"", SL_RULE_CONFIG_REMOTE_CODE },
        { "\"trust_remote_code\"", SL_RULE_CONFIG_TRUST },
        { "\"_target_\"", SL_RULE_CONFIG_TARGET },
        { "\"py/object\"", SL_RULE_CONFIG_OBJECT },
        { "\"py/reduce\"", SL_RULE_CONFIG_OBJECT },
        { "__lambda__", SL_RULE_KERAS_LAMBDA },
        { "\"Lambda\"", SL_RULE_KERAS_LAMBDA },
        { "__globals__", SL_RULE_TEMPLATE_ESCAPE },
        { "__class__", SL_RULE_TEMPLATE_ESCAPE },
        { "lipsum", SL_RULE_TEMPLATE_ESCAPE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        size_t at = sl_view_find(text, sl_view_str(words[i].word), 0);
        if (at != SIZE_MAX) {
            sl_scan_report(scan, words[i].rule, at, sl_view_sub(text, at, at + 80));
        }
    }
}

/* Vocabularies have more values than a tree may: their grammar is checked, and their names are looked at
 * one by one. Whatever names code in a file of this size is told by its name alone. */
static sl_res check_long(sl_scan *scan, sl_view text)
{
    static const struct {
        const char *name;
        sl_rule rule;
    } names[] = {
        { "auto_map", SL_RULE_CONFIG_REMOTE_CODE }, { "trust_remote_code", SL_RULE_CONFIG_TRUST },
        { "_target_", SL_RULE_CONFIG_TARGET },      { "py/object", SL_RULE_CONFIG_OBJECT },
        { "py/reduce", SL_RULE_CONFIG_OBJECT },     { "chat_template", SL_RULE_TEMPLATE_UNKNOWN },
        { "class_name", SL_RULE_JSON_LARGE },       { "__module__", SL_RULE_JSON_LARGE }
    };
    sl_json_lexer lexer;
    sl_json_token token = { .kind = SL_JSON_NULL };
    sl_json_lexer_init(&lexer, text);
    while (token.kind != SL_JSON_END) {
        sl_res r = sl_json_next(&lexer, &token);
        if (!sl_ok(r)) {
            sl_scan_report_str(scan, SL_RULE_JSON_BROKEN, lexer.at, sl_res_text(r));
            return SL_DONE;
        }
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        const sl_json_node key = { .kind = SL_JSON_KEY,
                                   .escaped = token.escaped,
                                   .raw = token.raw };
        for (size_t i = 0; token.kind == SL_JSON_KEY && i < SL_COUNT_OF(names); i++) {
            if (sl_json_text_is(&key, names[i].name)) {
                sl_scan_report_str(scan, names[i].rule, token.offset, names[i].name);
            }
        }
    }
    return SL_DONE;
}

static sl_res check_text(sl_scan *scan, sl_buf *text)
{
    sl_json_doc doc = { 0 };
    sl_res r = sl_json_parse(sl_buf_view(text), &doc);
    if (sl_is(r, SL_E_SYNTAX)) {
        pardon_numbers(text);
        r = sl_json_parse(sl_buf_view(text), &doc);
    }
    if (sl_is(r, SL_E_MEMORY)) {
        return r;
    }
    if (sl_is(r, SL_E_LIMIT)) {
        return check_long(scan, sl_buf_view(text));
    }
    if (!sl_ok(r)) {
        sl_rule rule = sl_is(r, SL_E_DUPLICATE) ? SL_RULE_JSON_DUPLICATE : SL_RULE_JSON_BROKEN;
        sl_scan_report_str(scan, rule, sl_detail_get()->offset, sl_res_text(r));
        check_words(scan, sl_buf_view(text));
        return SL_DONE;
    }
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = text->n + 65536 };
    const walk w = { scan, &doc, &arena };
    r = sl_scan_spend(scan, SL_SPEND_NODES, doc.count);
    if (sl_ok(r)) {
        r = check_tree(&w);
    }
    sl_json_doc_free(&doc);
    return r;
}

/* ---- one document, or one in each line ---- */

/* Whole lines that each parse by themselves: a data set in JSON lines. */
static bool is_lines(sl_view text)
{
    sl_view first = { 0 };
    sl_view rest = { 0 };
    if (!sl_view_cut(text, '\n', &first, &rest) || sl_view_trim(rest).n == 0) {
        return false;
    }
    sl_json_doc doc = { 0 };
    bool whole = sl_ok(sl_json_parse(first, &doc));
    sl_json_doc_free(&doc);
    return whole;
}

static bool good_line(sl_view line)
{
    sl_json_lexer lexer;
    sl_json_token token = { .kind = SL_JSON_NULL };
    bool empty = true;
    for (size_t i = 0; i < line.n && empty; i++) {
        empty = space(line.p[i]);
    }
    sl_json_lexer_init(&lexer, line);
    while (!empty && token.kind != SL_JSON_END) {
        if (!sl_ok(sl_json_next(&lexer, &token))) {
            return false;
        }
    }
    return true;
}

static sl_res scan_lines(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = TEXT_BYTES_MAX };
    uint64_t size = sl_source_size(source);
    for (uint64_t at = 0; at < size;) {
        sl_view rest = { 0 };
        SL_TRY(sl_source_at(source, at, SL_SOURCE_WINDOW_MAX, &rest));
        at += rest.n;
        while (rest.n > 0) {
            sl_view piece = { 0 };
            bool ends = sl_view_cut(rest, '\n', &piece, &rest);
            SL_TRY(sl_buf_add(&line, piece));
            if (!ends && at < size) {
                break;
            }
            if (!good_line(sl_buf_view(&line))) {
                sl_scan_report(scan, SL_RULE_JSON_BROKEN, at - rest.n, sl_buf_view(&line));
                return SL_DONE;
            }
            SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
            sl_buf_clear(&line);
        }
    }
    return SL_DONE;
}

sl_res sl_scan_json(sl_scan *scan, sl_source *source)
{
    sl_view head = { 0 };
    SL_TRY(sl_source_at(source, 0, SL_SOURCE_WINDOW_MAX, &head));
    if (is_lines(head)) {
        return scan_lines(scan, source);
    }
    if (sl_source_size(source) > TEXT_BYTES_MAX) {
        sl_scan_report_str(scan, SL_RULE_JSON_LARGE, 0, "more than 64 MiB in one document");
        return SL_DONE;
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { 0 };
    SL_TRY(sl_scan_load(source, TEXT_BYTES_MAX, &text));
    if (sl_view_starts(sl_buf_view(&text), SL_LIT("\xEF\xBB\xBF"))) {
        memset(text.p, ' ', 3); /* offsets stay */
    }
    return check_text(scan, &text);
}
