/* The in-toto statement about a model's files: written, read, compared with a tree (oms.h). */
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "supply/oms.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define SIGNATURE_V1 "https://model_signing/signature/v1.0"
#define DIGESTS_V01 "https://model_signing/Digests/v0.1"
#define ARENA_BYTES_MAX (16 * SL_MIB)

void sl_oms_statement_free(sl_oms_statement *s)
{
    sl_manifest_free(&s->files);
    sl_arena_free(&s->arena);
    *s = (sl_oms_statement){ 0 };
}

static void put_subject(sl_json_writer *w, sl_view model, const sl_digest *root)
{
    sl_json_key(w, "subject");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_put_string(w, "name", model);
    sl_json_key(w, "digest");
    sl_json_object_begin(w);
    sl_digest_put(w, "sha256", root);
    sl_json_object_end(w);
    sl_json_object_end(w);
    sl_json_array_end(w);
}

static void put_serialization(sl_json_writer *w, const sl_view *ignored, size_t ignored_count)
{
    sl_json_key(w, "serialization");
    sl_json_object_begin(w);
    sl_json_put_str(w, "method", "files");
    sl_json_put_str(w, "hash_type", "sha256");
    sl_json_put_bool(w, "allow_symlinks", false);
    sl_json_key(w, "ignore_paths");
    sl_json_array_begin(w);
    for (size_t i = 0; i < ignored_count; i++) {
        sl_json_string(w, ignored[i]);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_resources(sl_json_writer *w, const sl_manifest *files)
{
    sl_json_key(w, "resources");
    sl_json_array_begin(w);
    for (size_t i = 0; i < files->n; i++) {
        sl_json_object_begin(w);
        sl_json_put_string(w, "name", files->files[i].path);
        sl_json_put_str(w, "algorithm", "sha256");
        sl_digest_put(w, "digest", &files->files[i].digest);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
}

sl_res sl_oms_statement_write(const sl_manifest *files, sl_view model, const sl_view *ignored,
                              size_t ignored_count, sl_view extension, sl_buf *out)
{
    if (sl_utf8_check(model) != model.n) {
        return sl_fail_at(SL_E_UTF8, "name of the model", sl_utf8_check(model));
    }
    sl_digest root = sl_manifest_root(files);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "_type", STATEMENT_TYPE);
    put_subject(&w, model, &root);
    sl_json_put_str(&w, "predicateType", SIGNATURE_V1);
    sl_json_key(&w, "predicate");
    sl_json_object_begin(&w);
    put_serialization(&w, ignored, ignored_count);
    put_resources(&w, files);
    if (extension.n > 0) {
        sl_json_key(&w, "stoplog");
        sl_json_raw(&w, extension);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* Reading */

static sl_res text_of(const sl_json_node *node, const char *field, sl_arena *arena, sl_view *ret)
{
    if (!sl_json_is(node, SL_JSON_STRING)) {
        return sl_fail_at(node == NULL ? SL_E_MISSING_FIELD : SL_E_TYPE, field,
                          node == NULL ? SL_NOWHERE : node->offset);
    }
    return sl_json_text(node, arena, ret);
}

static sl_res digest_of(const sl_json_node *node, const char *field, sl_digest *ret)
{
    if (!sl_json_is(node, SL_JSON_STRING) || node->escaped ||
        !sl_ok(sl_digest_parse(node->raw, ret))) {
        return sl_fail_at(SL_E_SYNTAX, field, node != NULL ? node->offset : SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res add_file(const sl_json_doc *doc, const sl_json_node *item, const sl_json_node *digest,
                       sl_oms_statement *s)
{
    sl_view path = { 0 };
    sl_digest d = { 0 };
    SL_TRY(text_of(sl_json_get(doc, item, "name"), "name of a file", &s->arena, &path));
    SL_TRY(digest_of(digest, "digest of a file", &d));
    return sl_manifest_add(&s->files, path, &d);
}

/* The root covers the digests in the order listed, so it is taken before the list is sorted. */
static sl_res read_resources(const sl_json_doc *doc, const sl_json_node *list, sl_oms_statement *s)
{
    if (!sl_json_is(list, SL_JSON_ARRAY)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "resources", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, list, &it)) {
        const sl_json_node *algorithm = sl_json_get(doc, it.value, "algorithm");
        if (!sl_json_is(algorithm, SL_JSON_STRING) || !sl_json_text_is(algorithm, "sha256")) {
            return sl_fail_at(SL_E_UNSUPPORTED, "algorithm of a file (only sha256 is verified)",
                              it.value->offset);
        }
        SL_TRY(add_file(doc, it.value, sl_json_get(doc, it.value, "digest"), s));
    }
    return SL_DONE;
}

static sl_res read_ignored(const sl_json_doc *doc, const sl_json_node *list, sl_oms_statement *s)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, list, &it)) {
        if (s->ignored_count == SL_OMS_IGNORED_MAX) {
            return sl_fail_at(SL_E_LIMIT, "ignore_paths", SL_OMS_IGNORED_MAX);
        }
        SL_TRY(text_of(it.value, "ignore_paths", &s->arena, &s->ignored[s->ignored_count]));
        s->ignored_count++;
    }
    return SL_DONE;
}

static sl_res check_serialization(const sl_json_doc *doc, const sl_json_node *how)
{
    const sl_json_node *method = sl_json_get_kind(doc, how, "method", SL_JSON_STRING);
    const sl_json_node *hash = sl_json_get_kind(doc, how, "hash_type", SL_JSON_STRING);
    if (method == NULL || hash == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "serialization", SL_NOWHERE);
    }
    if (!sl_json_text_is(method, "files") || !sl_json_text_is(hash, "sha256")) {
        return sl_fail_at(SL_E_UNSUPPORTED,
                          "serialization: sign again with method files and hash sha256",
                          method->offset);
    }
    if (sl_json_is(sl_json_get(doc, how, "allow_symlinks"), SL_JSON_TRUE)) {
        return sl_fail_at(SL_E_UNSUPPORTED, "allow_symlinks: sign a copy without symbolic links",
                          how->offset);
    }
    return SL_DONE;
}

static sl_res read_v1(const sl_json_doc *doc, sl_oms_statement *s)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *subjects = sl_json_get_kind(doc, root, "subject", SL_JSON_ARRAY);
    const sl_json_node *predicate = sl_json_get_kind(doc, root, "predicate", SL_JSON_OBJECT);
    if (subjects == NULL || subjects->count != 1 || predicate == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "subject and predicate, one of each", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    (void)sl_json_each(doc, subjects, &it);
    SL_TRY(
        text_of(sl_json_get(doc, it.value, "name"), "name of the subject", &s->arena, &s->model));
    SL_TRY(digest_of(sl_json_get(doc, sl_json_get(doc, it.value, "digest"), "sha256"),
                     "digest of the subject", &s->root));
    const sl_json_node *how = sl_json_get_kind(doc, predicate, "serialization", SL_JSON_OBJECT);
    SL_TRY(check_serialization(doc, how));
    SL_TRY(read_ignored(doc, sl_json_get(doc, how, "ignore_paths"), s));
    SL_TRY(read_resources(doc, sl_json_get(doc, predicate, "resources"), s));
    const sl_json_node *ours = sl_json_get(doc, predicate, "stoplog");
    if (ours != NULL) {
        SL_TRY(sl_arena_dup(&s->arena, sl_json_source(doc, ours), &s->extension));
    }
    sl_digest computed = sl_manifest_root(&s->files);
    if (!sl_digest_eq(&computed, &s->root)) {
        return sl_fail_at(SL_E_INTEGRITY, "digest of the subject", SL_NOWHERE);
    }
    return SL_DONE;
}

/* The older form names every file as a subject of its own. */
static sl_res read_v01(const sl_json_doc *doc, sl_oms_statement *s)
{
    const sl_json_node *subjects =
        sl_json_get_kind(doc, sl_json_root(doc), "subject", SL_JSON_ARRAY);
    if (subjects == NULL || subjects->count == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "subject", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, subjects, &it)) {
        const sl_json_node *digest = sl_json_get(doc, it.value, "digest");
        SL_TRY(add_file(doc, it.value, sl_json_get(doc, digest, "sha256"), s));
    }
    s->root = sl_manifest_root(&s->files);
    return SL_DONE;
}

static sl_res read_doc(const sl_json_doc *doc, sl_oms_statement *s)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *type = sl_json_get_kind(doc, root, "_type", SL_JSON_STRING);
    const sl_json_node *predicate = sl_json_get_kind(doc, root, "predicateType", SL_JSON_STRING);
    if (type == NULL || predicate == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "_type and predicateType", SL_NOWHERE);
    }
    s->arena.max = ARENA_BYTES_MAX;
    if (sl_json_text_is(type, STATEMENT_TYPE) && sl_json_text_is(predicate, SIGNATURE_V1)) {
        SL_TRY(read_v1(doc, s));
    } else if (sl_json_text_is(type, STATEMENT_TYPE) && sl_json_text_is(predicate, DIGESTS_V01)) {
        SL_TRY(read_v01(doc, s));
    } else {
        return sl_fail_at(SL_E_VERSION, "predicateType", predicate->offset);
    }
    return sl_manifest_sort(&s->files);
}

sl_res sl_oms_statement_read(sl_view json, sl_oms_statement *ret)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_oms_statement s = { 0 };
    SL_TRY(sl_json_parse(json, &doc));
    sl_res r = read_doc(&doc, &s);
    if (!sl_ok(r)) {
        sl_oms_statement_free(&s);
        return r;
    }
    *ret = s;
    return SL_DONE;
}

size_t sl_oms_compare(const sl_manifest *signed_files, const sl_manifest *tree,
                      sl_oms_differ differ, void *context)
{
    size_t differences = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < signed_files->n || j < tree->n) {
        const sl_manifest_file *a = i < signed_files->n ? &signed_files->files[i] : NULL;
        const sl_manifest_file *b = j < tree->n ? &tree->files[j] : NULL;
        int order = a != NULL && b != NULL ? sl_path_cmp(a->path, b->path) : a != NULL ? -1 : 1;
        if (order < 0 && a != NULL) {
            differ(context, SL_OMS_MISSING, a->path);
            differences++;
        } else if (order > 0 && b != NULL) {
            differ(context, SL_OMS_UNSIGNED, b->path);
            differences++;
        } else if (a != NULL && b != NULL && !sl_digest_eq(&a->digest, &b->digest)) {
            differ(context, SL_OMS_CHANGED, a->path);
            differences++;
        }
        i += order <= 0;
        j += order >= 0;
    }
    return differences;
}
