/* Lock files and bills of materials in JSON: Pipfile.lock, package-lock.json, renv.lock, CycloneDX
 * (lockfile.h). */
#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "supply/lockfile_impl.h"

static sl_res key_of(const sl_json_iter *it, sl_arena *arena, sl_view *ret)
{
    return sl_json_text(it->key, arena, ret);
}

/* Pipfile.lock: default and develop, name -> { version: "==1.0", hashes: [...] } */

static sl_res pipfile_package(const sl_json_doc *doc, const sl_json_iter *it, sl_arena *arena,
                              const sl_lockfile_sink *sink)
{
    sl_package package = { .ecosystem = SL_ECOSYSTEM_PYPI };
    const sl_json_node *hashes = sl_json_get_kind(doc, it->value, "hashes", SL_JSON_ARRAY);
    sl_view version = sl_json_member_text(doc, it->value, "version", arena);
    bool address =
        sl_json_get(doc, it->value, "git") != NULL || sl_json_get(doc, it->value, "file") != NULL;
    SL_TRY(key_of(it, arena, &package.name));
    package.version =
        sl_view_starts(version, SL_LIT("==")) ? sl_view_sub(version, 2, version.n) : (sl_view){ 0 };
    package.flags = address                  ? SL_PACKAGE_DIRECT_URL
                    : package.version.n == 0 ? SL_PACKAGE_UNPINNED
                                             : 0;
    package.flags |= sl_json_get(doc, it->value, "path") != NULL ? SL_PACKAGE_LOCAL : 0;
    package.flags |= hashes == NULL || hashes->count == 0 ? SL_PACKAGE_NO_HASH : 0;
    return sl_packages_add(sink->packages, &package);
}

static sl_res read_pipfile(const sl_json_doc *doc, sl_arena *arena, const sl_lockfile_sink *sink)
{
    static const char *const SECTIONS[] = { "default", "develop" };
    for (size_t i = 0; i < 2; i++) {
        sl_json_iter it = { 0 };
        while (sl_json_each(doc, sl_json_get(doc, sl_json_root(doc), SECTIONS[i]), &it)) {
            SL_TRY(pipfile_package(doc, &it, arena, sink));
        }
    }
    const sl_json_node *meta = sl_json_get(doc, sl_json_root(doc), "_meta");
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, sl_json_get(doc, meta, "sources"), &it)) {
        sl_view url = sl_json_member_text(doc, it.value, "url", arena);
        if (url.n > 0 && sl_view_find(url, SL_LIT("://pypi.org/"), 0) == SIZE_MAX) {
            sl_lockfile_say(sink, SL_LOCKFILE_OTHER_INDEX, url, 0);
        }
    }
    return SL_DONE;
}

/* package-lock.json: packages, "node_modules/a/node_modules/b" -> { version, resolved, integrity } */

static sl_res npm_package(const sl_json_doc *doc, const sl_json_node *value, sl_view name,
                          sl_arena *arena, const sl_lockfile_sink *sink)
{
    sl_package package = { .ecosystem = SL_ECOSYSTEM_NPM, .name = name };
    sl_view resolved = sl_json_member_text(doc, value, "resolved", arena);
    sl_view own =
        sl_json_member_text(doc, value, "name", arena); /* an alias keeps its true name here */
    if (sl_json_is(sl_json_get(doc, value, "link"), SL_JSON_TRUE)) {
        return SL_DONE; /* a directory of the same project; it has an entry of its own */
    }
    package.name = own.n > 0 ? own : name;
    package.version = sl_json_member_text(doc, value, "version", arena);
    bool hashed = sl_json_get(doc, value, "integrity") != NULL;
    bool address =
        sl_view_starts(resolved, SL_LIT("git")) || sl_view_starts(resolved, SL_LIT("file:"));
    bool npm = resolved.n == 0 || sl_view_starts(resolved, SL_LIT("https://registry.npmjs.org/"));
    package.flags = (hashed ? 0 : SL_PACKAGE_NO_HASH) | (address ? SL_PACKAGE_DIRECT_URL : 0) |
                    (npm || address ? 0 : SL_PACKAGE_OTHER_INDEX) |
                    (package.version.n == 0 ? SL_PACKAGE_UNPINNED : 0);
    return sl_packages_add(sink->packages, &package);
}

static sl_view behind_last(sl_view path, sl_view word)
{
    size_t found = SIZE_MAX;
    for (size_t at = sl_view_find(path, word, 0); at != SIZE_MAX;
         at = sl_view_find(path, word, at + 1)) {
        found = at;
    }
    return found == SIZE_MAX ? (sl_view){ 0 } : sl_view_sub(path, found + word.n, path.n);
}

static sl_res read_npm(const sl_json_doc *doc, sl_arena *arena, const sl_lockfile_sink *sink)
{
    const sl_json_node *packages =
        sl_json_get_kind(doc, sl_json_root(doc), "packages", SL_JSON_OBJECT);
    if (packages == NULL) {
        return sl_fail_at(SL_E_VERSION, "package-lock.json without 'packages': run npm 7 or newer",
                          SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, packages, &it)) {
        sl_view path = { 0 };
        SL_TRY(key_of(&it, arena, &path));
        sl_view name = behind_last(path, SL_LIT("node_modules/"));
        if (name.n > 0) {
            SL_TRY(npm_package(doc, it.value, name, arena, sink));
        }
    }
    return SL_DONE;
}

/* renv.lock: Packages, name -> { Package, Version, Source, Repository, Hash } */

static sl_res read_renv(const sl_json_doc *doc, sl_arena *arena, const sl_lockfile_sink *sink)
{
    const sl_json_node *packages =
        sl_json_get_kind(doc, sl_json_root(doc), "Packages", SL_JSON_OBJECT);
    if (packages == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "Packages of renv.lock", SL_NOWHERE);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, packages, &it)) {
        sl_package package = { .ecosystem = SL_ECOSYSTEM_CRAN };
        sl_view source = sl_json_member_text(doc, it.value, "Source", arena);
        SL_TRY(key_of(&it, arena, &package.name));
        package.version = sl_json_member_text(doc, it.value, "Version", arena);
        if (sl_view_eq_str(source, "Bioconductor")) {
            package.ecosystem = SL_ECOSYSTEM_BIOCONDUCTOR;
        } else if (!sl_view_eq_str(source, "Repository")) {
            package.flags |= SL_PACKAGE_DIRECT_URL;
        }
        package.flags |= sl_json_get(doc, it.value, "Hash") == NULL ? SL_PACKAGE_NO_HASH : 0;
        package.flags |= package.version.n == 0 ? SL_PACKAGE_UNPINNED : 0;
        SL_TRY(sl_packages_add(sink->packages, &package));
    }
    return SL_DONE;
}

/* CycloneDX: components with a package URL, "pkg:pypi/name@1.0?..." */

static sl_res add_decoded(sl_buf *out, sl_view text)
{
    for (size_t i = 0; i < text.n; i++) {
        int high = i + 2 < text.n && text.p[i] == '%' ? sl_hex_digit(text.p[i + 1]) : -1;
        int low = high >= 0 ? sl_hex_digit(text.p[i + 2]) : -1;
        SL_TRY(sl_buf_add_byte(out, low >= 0 ? (uint8_t)(high * 16 + low) : text.p[i]));
        i += low >= 0 ? 2 : 0;
    }
    return SL_DONE;
}

static sl_res add_purl(sl_view purl, size_t offset, const sl_lockfile_sink *sink)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 1024 };
    SL_OWN(sl_buf, number, sl_buf_free) = { .max = 1024 };
    sl_package package = { .line = 0 };
    sl_view rest = purl;
    sl_view type;
    sl_view version = { 0 };
    sl_view extra;
    (void)sl_view_cut(rest, '#', &rest, &extra);
    (void)sl_view_cut(rest, '?', &rest, &extra);
    if (!sl_view_starts(rest, SL_LIT("pkg:")) ||
        !sl_view_cut(sl_view_sub(rest, 4, rest.n), '/', &type, &rest) ||
        !sl_ecosystem_by_purl(type, &package.ecosystem)) {
        sl_lockfile_say(sink, SL_LOCKFILE_UNREAD, purl, offset);
        return SL_DONE;
    }
    size_t at = rest.n;
    while (at > 0 && rest.p[at - 1] != '@') {
        at--;
    }
    /* "@scope/name" begins with '@', which is no version */
    if (at > 1) {
        version = sl_view_sub(rest, at, rest.n);
        rest = sl_view_sub(rest, 0, at - 1);
    }
    if (package.ecosystem == SL_ECOSYSTEM_DEBIAN) {
        sl_view namespace;
        sl_view behind;
        rest = sl_view_cut(rest, '/', &namespace, &behind) ? behind : rest;
    }
    SL_TRY(add_decoded(&name, rest));
    SL_TRY(add_decoded(&number, version));
    package.name = sl_buf_view(&name);
    package.version = sl_buf_view(&number);
    package.flags = version.n == 0 ? SL_PACKAGE_UNPINNED : 0;
    return sl_packages_add(sink->packages, &package);
}

/* Components may hold components: every "purl" member of an object that is a component counts, wherever
 * it stands, so the nodes are walked in their order and not by depth. */
static sl_res read_cyclonedx(const sl_json_doc *doc, sl_arena *arena, const sl_lockfile_sink *sink)
{
    const sl_json_node *form =
        sl_json_get_kind(doc, sl_json_root(doc), "bomFormat", SL_JSON_STRING);
    if (form == NULL || !sl_json_text_is(form, "CycloneDX")) {
        return sl_fail_at(SL_E_VERSION, "bomFormat", SL_NOWHERE);
    }
    for (size_t i = 0; i + 1 < doc->count; i++) {
        const sl_json_node *key = &doc->nodes[i];
        const sl_json_node *value = &doc->nodes[i + 1];
        if (key->kind == SL_JSON_KEY && sl_json_text_is(key, "purl") &&
            value->kind == SL_JSON_STRING) {
            sl_view purl = { 0 };
            SL_TRY(sl_json_text(value, arena, &purl));
            SL_TRY(add_purl(purl, value->offset, sink));
        }
    }
    return SL_DONE;
}

typedef sl_res (*reader)(const sl_json_doc *doc, sl_arena *arena, const sl_lockfile_sink *sink);

static sl_res read_json(sl_view content, reader read, const sl_lockfile_sink *sink)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_LOCKFILE_BYTES_MAX };
    SL_TRY(sl_json_parse(content, &doc));
    if (!sl_json_is(sl_json_root(&doc), SL_JSON_OBJECT)) {
        return sl_fail_at(SL_E_TYPE, "file of dependencies (an object)", 0);
    }
    return read(&doc, &arena, sink);
}

sl_res sl_lockfile_pipfile(sl_view content, const sl_lockfile_sink *sink)
{
    return read_json(content, read_pipfile, sink);
}

sl_res sl_lockfile_npm(sl_view content, const sl_lockfile_sink *sink)
{
    return read_json(content, read_npm, sink);
}

sl_res sl_lockfile_renv(sl_view content, const sl_lockfile_sink *sink)
{
    return read_json(content, read_renv, sink);
}

sl_res sl_lockfile_cyclonedx(sl_view content, const sl_lockfile_sink *sink)
{
    return read_json(content, read_cyclonedx, sink);
}
