/* Lists of packages and their names (package.h). */
#include "supply/package.h"

#include <stdlib.h>

#include "base/limits.h"

#define ARENA_BYTES_MAX (256 * SL_MIB)
#define NAME_BYTES_MAX ((size_t)256)

void sl_packages_free(sl_packages *p)
{
    sl_arena_free(&p->arena);
    free(p->items);
    *p = (sl_packages){ 0 };
}

static bool is_joint(uint8_t c)
{
    return c == '-' || c == '_' || c == '.';
}

static bool name_is_right(sl_ecosystem e, sl_view name)
{
    bool npm = e == SL_ECOSYSTEM_NPM;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !is_joint(c) && c != '+' && !(npm && (c == '@' || c == '/' || c == '~'))) {
            return false;
        }
    }
    return name.n > 0 && name.n <= NAME_BYTES_MAX;
}

/* Joins runs of "-_." for PyPI and conda; R's names keep their case. */
static sl_res add_name(sl_buf *out, sl_ecosystem e, sl_view name)
{
    bool python = e == SL_ECOSYSTEM_PYPI || e == SL_ECOSYSTEM_CONDA;
    bool keep_case = e == SL_ECOSYSTEM_CRAN || e == SL_ECOSYSTEM_BIOCONDUCTOR;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (python && is_joint(c)) {
            if (i == 0 || !is_joint(name.p[i - 1])) {
                SL_TRY(sl_buf_add_byte(out, '-'));
            }
            continue;
        }
        SL_TRY(sl_buf_add_byte(out, !keep_case && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c));
    }
    return SL_DONE;
}

static sl_res grow(sl_packages *p)
{
    if (p->n < p->capacity) {
        return SL_DONE;
    }
    if (p->n >= SL_PACKAGES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "packages", SL_PACKAGES_MAX);
    }
    size_t capacity = p->capacity == 0 ? 64 : 2 * p->capacity;
    sl_package *items = reallocarray(p->items, capacity, sizeof *items);
    SL_NEED(items != NULL, SL_E_MEMORY);
    p->items = items;
    p->capacity = capacity;
    return SL_DONE;
}

sl_res sl_packages_add(sl_packages *p, const sl_package *package)
{
    if (!name_is_right(package->ecosystem, package->name)) {
        return sl_fail_at(SL_E_SYNTAX, "name of a package", package->line);
    }
    if (package->version.n > SL_VERSION_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "bytes of a version", package->line);
    }
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = NAME_BYTES_MAX };
    sl_package copy = *package;
    p->arena.max = ARENA_BYTES_MAX;
    SL_TRY(grow(p));
    SL_TRY(add_name(&name, package->ecosystem, package->name));
    SL_TRY(sl_arena_dup(&p->arena, sl_buf_view(&name), &copy.name));
    SL_TRY(sl_arena_dup(&p->arena, package->version, &copy.version));
    p->items[p->n] = copy;
    p->n++;
    p->sorted = false;
    return SL_DONE;
}

static int family(sl_ecosystem e)
{
    return e == SL_ECOSYSTEM_CONDA ? SL_ECOSYSTEM_PYPI : (int)e;
}

static int package_cmp(const void *a, const void *b)
{
    const sl_package *x = a;
    const sl_package *y = b;
    int order = family(x->ecosystem) - family(y->ecosystem);
    return order != 0 ? order : sl_view_cmp(x->name, y->name);
}

void sl_packages_sort(sl_packages *p)
{
    if (p->n > 1) {
        qsort(p->items, p->n, sizeof *p->items, package_cmp);
    }
    p->sorted = true;
}

size_t sl_packages_find(const sl_packages *p, sl_ecosystem ecosystem, sl_view name,
                        const sl_package **ret_first)
{
    SL_OWN(sl_buf, form, sl_buf_free) = { .max = NAME_BYTES_MAX };
    if (p->n == 0 || !p->sorted || name.n > NAME_BYTES_MAX ||
        !sl_ok(add_name(&form, ecosystem, name))) {
        return 0;
    }
    sl_package wanted = { .ecosystem = ecosystem, .name = sl_buf_view(&form) };
    const sl_package *found = bsearch(&wanted, p->items, p->n, sizeof *p->items, package_cmp);
    if (found == NULL) {
        return 0;
    }
    const sl_package *first = found;
    const sl_package *last = found;
    while (first > p->items && package_cmp(first - 1, &wanted) == 0) {
        first--;
    }
    while (last + 1 < p->items + p->n && package_cmp(last + 1, &wanted) == 0) {
        last++;
    }
    *ret_first = first;
    return (size_t)(last - first) + 1;
}

sl_res sl_package_flags_add(sl_buf *out, uint32_t flags)
{
    static const char *const WORDS[] = { "not pinned", "no hash", "from an address",
                                         "from another index", "local" };
    bool first = true;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if ((flags & (1U << i)) != 0) {
            SL_TRY(sl_buf_addf(out, "%s%s", first ? "" : ", ", WORDS[i]));
            first = false;
        }
    }
    return SL_DONE;
}
