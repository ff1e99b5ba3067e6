/* What writers and readers of objects share: names, paths, contexts, the chunk tree, the manifest
 * (object.h). Pure but for opening a folder. */
#include "vault/object_internal.h"

#include <assert.h>
#include <fcntl.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"

const char *sl_object_part_name(sl_object_part part)
{
    static const char *const names[SL_PART_COUNT] = { "data", "about", "roster", "canary", "echo" };
    assert(part < SL_PART_COUNT);
    return names[part];
}

void sl_object_file_name(sl_object_part part, bool tree, char ret_name[32])
{
    (void)snprintf(ret_name, 32, "%s%s", sl_object_part_name(part), tree ? ".tree" : "");
}

bool sl_object_name_ok(sl_view name)
{
    bool good = name.n != 0 && name.n <= SL_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.n && good; i++) {
        uint8_t c = name.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        good = letter || (i != 0 && (c == '.' || c == '_' || c == '-'));
    }
    return good;
}

static bool uid_ok(const char *uid)
{
    size_t n = strlen(uid);
    return n == SL_OBJECT_UID_CHARS && strspn(uid, "0123456789abcdef") == n;
}

sl_res sl_object_ref_check(const sl_object_ref *ref)
{
    if (!sl_object_name_ok(sl_view_str(ref->compartment))) {
        return sl_fail_at(SL_E_SYNTAX, "compartment", SL_NOWHERE);
    }
    if (!sl_object_name_ok(sl_view_str(ref->object))) {
        return sl_fail_at(SL_E_SYNTAX, "object", SL_NOWHERE);
    }
    if (!uid_ok(ref->uid) || ref->version == 0 || ref->version > INT64_MAX / 1024) {
        return sl_fail_at(SL_E_SYNTAX, "uid or version", SL_NOWHERE);
    }
    return SL_DONE;
}

sl_res sl_object_path(const sl_object_ref *ref, char ret_path[SL_OBJECT_PATH_BYTES_MAX])
{
    int n = snprintf(ret_path, SL_OBJECT_PATH_BYTES_MAX, "%s/%s/%llu", ref->compartment,
                     ref->object, (unsigned long long)ref->version);
    SL_NEED(n > 0 && (size_t)n < SL_OBJECT_PATH_BYTES_MAX, SL_E_LIMIT);
    return SL_DONE;
}

sl_res sl_object_dir(int vault_fd, const sl_object_ref *ref, int *ret_fd)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    SL_TRY(sl_object_path(ref, path));
    return sl_dir_open(vault_fd, path, ret_fd);
}

sl_res sl_object_context(const sl_object_ref *ref, sl_object_part part, sl_buf *out)
{
    const sl_view zero = SL_LIT("\0");
    SL_TRY(sl_buf_add_str(out, "stoplog/v1"));
    SL_TRY(sl_buf_add(out, zero));
    SL_TRY(sl_buf_add_str(out, ref->compartment));
    SL_TRY(sl_buf_add(out, zero));
    SL_TRY(sl_buf_add_str(out, ref->object));
    SL_TRY(sl_buf_add(out, zero));
    SL_TRY(sl_buf_add_str(out, ref->uid));
    SL_TRY(sl_buf_add(out, zero));
    SL_TRY(sl_buf_add_u64(out, ref->version));
    SL_TRY(sl_buf_add(out, zero));
    return sl_buf_add_str(out, sl_object_part_name(part));
}

/* Merges complete subtrees of equal size from the left, then folds the rest from the right: the same
 * tree as RFC 6962's recursion, without it. */
sl_digest sl_object_root(sl_hasher *h, sl_view leaf_hashes)
{
    sl_digest stack[64];
    size_t depth = 0;
    size_t n = leaf_hashes.n / SL_DIGEST_BYTES;
    assert(n != 0 && leaf_hashes.n % SL_DIGEST_BYTES == 0);
    for (size_t i = 0; i < n; i++) {
        memcpy(stack[depth++].b, leaf_hashes.p + i * SL_DIGEST_BYTES, SL_DIGEST_BYTES);
        for (size_t whole = i + 1; whole % 2 == 0; whole /= 2) {
            depth--;
            stack[depth - 1] = sl_merkle_node(h, &stack[depth - 1], &stack[depth]);
        }
    }
    while (depth > 1) {
        depth--;
        stack[depth - 1] = sl_merkle_node(h, &stack[depth - 1], &stack[depth]);
    }
    return stack[0];
}

static void write_part(sl_json_writer *w, const sl_part_facts *facts)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&facts->root, hex);
    sl_json_object_begin(w);
    sl_json_put_uint(w, "bytes", facts->plain_bytes);
    sl_json_put_uint(w, "chunks", facts->chunks);
    sl_json_put_str(w, "root", hex);
    sl_json_object_end(w);
}

sl_res sl_manifest_write(const sl_manifest *manifest, sl_buf *out)
{
    static const sl_object_part sorted[] = { SL_PART_ABOUT, SL_PART_CANARY, SL_PART_DATA,
                                             SL_PART_ECHO, SL_PART_ROSTER };
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "compartment", manifest->ref.compartment);
    sl_json_put_str(&w, "format", "stoplog object v1");
    sl_json_put_str(&w, "object", manifest->ref.object);
    sl_json_key(&w, "parts");
    sl_json_object_begin(&w);
    for (size_t i = 0; i < SL_COUNT_OF(sorted); i++) {
        const sl_part_facts *facts = &manifest->parts[sorted[i]];
        if (facts->present) {
            sl_json_key(&w, sl_object_part_name(sorted[i]));
            write_part(&w, facts);
        }
    }
    sl_json_object_end(&w);
    sl_json_put_str(&w, "seal", "Cobblestone-256");
    sl_json_put_str(&w, "uid", manifest->ref.uid);
    sl_json_put_uint(&w, "version", manifest->ref.version);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res parse_text(const sl_json_doc *doc, const char *name, char *ret_text, size_t room)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    SL_NEED(node != NULL && !node->escaped && node->raw.n < room, SL_E_INTEGRITY);
    memcpy(ret_text, node->raw.p, node->raw.n);
    ret_text[node->raw.n] = 0;
    return SL_DONE;
}

static sl_res parse_part(const sl_json_doc *doc, const sl_json_node *node, sl_part_facts *ret_facts)
{
    uint64_t chunks = 0;
    const sl_json_node *root = sl_json_get_kind(doc, node, "root", SL_JSON_STRING);
    SL_NEED(root != NULL, SL_E_INTEGRITY);
    SL_TRY(sl_json_u64(sl_json_get(doc, node, "bytes"), &ret_facts->plain_bytes));
    SL_TRY(sl_json_u64(sl_json_get(doc, node, "chunks"), &chunks));
    SL_TRY(sl_digest_parse(root->raw, &ret_facts->root));
    SL_NEED(ret_facts->plain_bytes <= SL_OBJECT_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(chunks == sl_sealed_chunks(ret_facts->plain_bytes), SL_E_INTEGRITY);
    ret_facts->chunks = chunks;
    ret_facts->present = true;
    return SL_DONE;
}

static sl_res parse_fields(const sl_json_doc *doc, sl_manifest *ret)
{
    SL_TRY(parse_text(doc, "compartment", ret->ref.compartment, sizeof ret->ref.compartment));
    SL_TRY(parse_text(doc, "object", ret->ref.object, sizeof ret->ref.object));
    SL_TRY(parse_text(doc, "uid", ret->ref.uid, sizeof ret->ref.uid));
    SL_TRY(sl_json_u64(sl_json_get(doc, sl_json_root(doc), "version"), &ret->ref.version));
    SL_TRY(sl_object_ref_check(&ret->ref));
    const sl_json_node *parts = sl_json_get(doc, sl_json_root(doc), "parts");
    for (size_t i = 0; i < SL_PART_COUNT; i++) {
        const sl_json_node *node = sl_json_get(doc, parts, sl_object_part_name((sl_object_part)i));
        if (node != NULL) {
            SL_TRY(parse_part(doc, node, &ret->parts[i]));
        }
    }
    SL_NEED(ret->parts[SL_PART_DATA].present, SL_E_INTEGRITY);
    return SL_DONE;
}

sl_res sl_manifest_parse(sl_view text, sl_manifest *ret_manifest)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = SL_MANIFEST_BYTES_MAX };
    sl_manifest manifest = { 0 };
    if (!sl_ok(sl_json_parse(text, &doc)) || !sl_ok(parse_fields(&doc, &manifest))) {
        return sl_fail_at(SL_E_INTEGRITY, "manifest", SL_NOWHERE);
    }
    SL_TRY(sl_manifest_write(&manifest, &again));
    if (!sl_view_eq(text, sl_buf_view(&again))) {
        return sl_fail_at(SL_E_INTEGRITY, "manifest", SL_NOWHERE); /* one meaning, one text */
    }
    manifest.digest = sl_sha256(text);
    *ret_manifest = manifest;
    return SL_DONE;
}
