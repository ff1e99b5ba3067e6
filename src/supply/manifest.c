/* Files and their digests, in order (manifest.h). */
#include "supply/manifest.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/utf8.h"

#define ARENA_BYTES_MAX (128 * SL_MIB)

void sl_manifest_free(sl_manifest *m)
{
    sl_arena_free(&m->arena);
    free(m->files);
    *m = (sl_manifest){ 0 };
}

/* "." alone names a model that is one file. */
static sl_res check_path(sl_view path)
{
    if (path.n == 0 || path.n > SL_MANIFEST_PATH_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "bytes of a path", SL_MANIFEST_PATH_BYTES_MAX);
    }
    if (sl_utf8_check(path) != path.n) {
        return sl_fail_at(SL_E_UTF8, "path of a file", sl_utf8_check(path));
    }
    if (sl_view_find_byte(path, 0, 0) != SIZE_MAX) {
        return sl_fail_at(SL_E_SYNTAX, "path of a file holds a zero byte", SL_NOWHERE);
    }
    sl_view rest = path;
    sl_view part;
    bool more = !sl_view_eq_str(path, ".");
    while (more) {
        more = sl_view_cut(rest, '/', &part, &rest);
        if (part.n == 0 || sl_view_eq_str(part, ".") || sl_view_eq_str(part, "..")) {
            return sl_fail_at(SL_E_SYNTAX,
                              "path of a file (absolute, or with an empty, '.' or '..' part)",
                              SL_NOWHERE);
        }
    }
    return SL_DONE;
}

static sl_res grow(sl_manifest *m)
{
    if (m->n < m->capacity) {
        return SL_DONE;
    }
    if (m->n >= SL_MANIFEST_FILES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "files of a model", SL_MANIFEST_FILES_MAX);
    }
    size_t capacity = m->capacity == 0 ? 64 : 2 * m->capacity;
    sl_manifest_file *files = reallocarray(m->files, capacity, sizeof *files);
    SL_NEED(files != NULL, SL_E_MEMORY);
    m->files = files;
    m->capacity = capacity;
    return SL_DONE;
}

sl_res sl_manifest_add(sl_manifest *m, sl_view path, const sl_digest *digest)
{
    SL_TRY(check_path(path));
    SL_TRY(grow(m));
    if (m->arena.max == 0) {
        m->arena.max = ARENA_BYTES_MAX;
    }
    sl_view copy = { 0 };
    SL_TRY(sl_arena_dup(&m->arena, path, &copy));
    m->files[m->n] = (sl_manifest_file){ copy, *digest };
    m->n++;
    return SL_DONE;
}

/* The end of a path is below '/', and '/' below every byte that a name may hold. */
static unsigned rank(sl_view path, size_t at)
{
    if (at >= path.n) {
        return 0;
    }
    return path.p[at] == '/' ? 1U : path.p[at] + 2U;
}

int sl_path_cmp(sl_view a, sl_view b)
{
    size_t n = a.n > b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        unsigned x = rank(a, i);
        unsigned y = rank(b, i);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return 0;
}

static int file_cmp(const void *a, const void *b)
{
    return sl_path_cmp(((const sl_manifest_file *)a)->path, ((const sl_manifest_file *)b)->path);
}

sl_res sl_manifest_sort(sl_manifest *m)
{
    if (m->n > 1) {
        qsort(m->files, m->n, sizeof *m->files, file_cmp);
    }
    for (size_t i = 1; i < m->n; i++) {
        if (sl_view_eq(m->files[i - 1].path, m->files[i].path)) {
            return sl_fail_at(SL_E_DUPLICATE, "path of a file", i);
        }
    }
    return SL_DONE;
}

const sl_manifest_file *sl_manifest_find(const sl_manifest *m, sl_view path)
{
    sl_manifest_file wanted = { .path = path };
    return m->n == 0 ? NULL : bsearch(&wanted, m->files, m->n, sizeof *m->files, file_cmp);
}

sl_digest sl_manifest_root(const sl_manifest *m)
{
    sl_hasher h = { 0 };
    sl_hasher_start(&h);
    for (size_t i = 0; i < m->n; i++) {
        sl_hasher_add(&h, sl_digest_view(&m->files[i].digest));
    }
    sl_digest root = sl_hasher_end(&h);
    sl_hasher_free(&h);
    return root;
}
