/* Paths and names of `sign` and `verify` (supply_print.h). */
#include "cli/supply_print.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/utf8.h"

void sl_supply_paths_free(sl_supply_paths *p)
{
    free(p->directory);
    free(p->signature);
    free(p->inside);
    *p = (sl_supply_paths){ 0 };
}

static void skip(sl_supply_paths *p, sl_view path)
{
    p->skip[p->skip_count] = path;
    p->skip_count++;
}

/* The signature's directory resolved, plus its name; it need not exist yet. */
static char *resolved(const char *path)
{
    const char *slash = strrchr(path, '/');
    SL_OWN(sl_buf, parent, sl_buf_free) = { .max = PATH_MAX };
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 2 * (size_t)PATH_MAX };
    sl_view directory =
        slash == NULL ? SL_LIT(".") : sl_view_of(path, slash == path ? 1 : (size_t)(slash - path));
    if (!sl_ok(sl_buf_add(&parent, directory))) {
        return NULL;
    }
    const char *text = sl_buf_cstr(&parent);
    char *real = text != NULL ? realpath(text, NULL) : NULL;
    if (real == NULL || !sl_ok(sl_buf_add_str(&whole, real)) ||
        !sl_ok(sl_buf_add_byte(&whole, '/')) ||
        !sl_ok(sl_buf_add_str(&whole, slash == NULL ? path : slash + 1))) {
        free(real);
        return NULL;
    }
    free(real);
    const char *result = sl_buf_cstr(&whole);
    return result != NULL ? strdup(result) : NULL;
}

static sl_res find_inside(sl_supply_paths *p)
{
    char *tree = realpath(p->directory, NULL);
    char *signature = resolved(p->signature);
    size_t n = tree != NULL ? strlen(tree) : 0;
    if (tree != NULL && signature != NULL && strncmp(tree, signature, n) == 0 &&
        signature[n] == '/') {
        p->inside = strdup(signature + n + 1);
        if (p->inside != NULL) {
            skip(p, sl_view_str(p->inside));
        }
    }
    bool found = tree != NULL;
    free(tree);
    free(signature);
    return found ? SL_DONE : sl_fail_at(SL_E_NOT_FOUND, "model", SL_NOWHERE);
}

sl_res sl_supply_paths_make(const char *model, const char *signature, bool skip_git,
                            sl_supply_paths *ret)
{
    static const char *const GIT[] = { ".git", ".gitattributes", ".github", ".gitignore" };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = PATH_MAX };
    size_t n = strlen(model);
    while (n > 1 && model[n - 1] == '/') {
        n--;
    }
    ret->directory = strndup(model, n);
    SL_NEED(ret->directory != NULL, SL_E_MEMORY);
    const char *slash = strrchr(ret->directory, '/');
    ret->model_name = sl_view_str(slash != NULL ? slash + 1 : ret->directory);
    if (signature == NULL) {
        SL_TRY(sl_buf_addf(&path, "%s.sig", ret->directory));
        signature = sl_buf_cstr(&path);
        SL_NEED(signature != NULL, SL_E_MEMORY);
    }
    ret->signature = strdup(signature);
    SL_NEED(ret->signature != NULL, SL_E_MEMORY);
    for (size_t i = 0; skip_git && i < sizeof GIT / sizeof GIT[0]; i++) {
        skip(ret, sl_view_str(GIT[i]));
    }
    return find_inside(ret);
}

sl_res sl_supply_add_name(sl_buf *out, sl_view name)
{
    for (size_t at = 0; at < name.n;) {
        size_t length = 1;
        uint32_t c = sl_utf8_next(name, at, &length);
        /* Nothing that moves the cursor or turns the direction of writing. */
        bool plain = c != SL_UTF8_BAD && c >= 0x20 && (c < 0x7F || c > 0x9F) &&
                     !(c >= 0x200B && c <= 0x200F) && !(c >= 0x2028 && c <= 0x202E) &&
                     !(c >= 0x2066 && c <= 0x2069) && c != 0xFEFF;
        for (size_t i = 0; i < length; i++) {
            SL_TRY(plain ? sl_buf_add_byte(out, name.p[at + i])
                         : sl_buf_addf(out, "\\x%02x", name.p[at + i]));
        }
        at += length;
    }
    return SL_DONE;
}

void sl_supply_print_problem(void *context, sl_tree_problem problem, sl_view path)
{
    (void)context;
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = (size_t)64 << 10 };
    if (problem == SL_TREE_SKIPPED || !sl_ok(sl_supply_add_name(&name, path))) {
        return;
    }
    const char *text = sl_buf_cstr(&name);
    fprintf(stderr, "%s: %s\n", text != NULL ? text : "?", sl_tree_problem_text(problem));
}
