/* Reading and expanding the grammar (grammar.h). Expansion keeps a stack of what is left to write, so
 * that no text can make it recurse; a grammar that never ends is refused at a limit. */
#include "grammar.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/limits.h"

#define STACK_MAX 256
#define STEPS_MAX 4000

static const grammar_section *section_of(const grammar_language *l, sl_view name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (sl_view_eq(l->sections[i].name, name)) {
            return &l->sections[i];
        }
    }
    return NULL;
}

static sl_res add_section(grammar_language *l, sl_view name)
{
    if (section_of(l, name) != NULL) {
        fprintf(stderr, "%s: [%.*s] twice\n", l->name, SL_FMT(name));
        return sl_fail(SL_E_DUPLICATE);
    }
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        grammar_section *more = realloc(l->sections, l->cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        l->sections = more;
    }
    l->sections[l->n++] = (grammar_section){ .name = name };
    return SL_DONE;
}

/* Chinese and Japanese are written without blanks; in their files blanks only part the places. */
static sl_res join(grammar *g, sl_view line, sl_view *ret)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = line.n + 1 };
    for (size_t i = 0; i < line.n; i++) {
        bool before = i > 0 && (line.p[i - 1] >= 0x80 || line.p[i - 1] == '}');
        bool after = i + 1 < line.n && (line.p[i + 1] >= 0x80 || line.p[i + 1] == '{');
        if (line.p[i] != ' ' || (!before && !after)) {
            SL_TRY(sl_buf_add_byte(&out, line.p[i]));
        }
    }
    return sl_arena_dup(&g->arena, sl_buf_view(&out), ret);
}

static sl_res add_line(grammar_section *s, sl_view line)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 16 : s->cap * 2;
        sl_view *more = realloc(s->lines, s->cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        s->lines = more;
    }
    s->lines[s->n++] = line;
    return SL_DONE;
}

static sl_res read_language(grammar *g, const char *path, grammar_language *l)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 16 * SL_MIB };
    sl_view rest;
    bool begun = false; /* before the first section a line that begins with '#' is a comment */
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    SL_TRY(sl_arena_dup(&g->arena, sl_buf_view(&text), &rest));
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n == 0 || (line.p[0] == '#' && !begun)) {
            continue;
        }
        if (line.p[0] == '[' && line.p[line.n - 1] == ']' && line.n < 40 &&
            sl_view_find_byte(line, ' ', 0) == SIZE_MAX) {
            SL_TRY(add_section(l, sl_view_sub(line, 1, line.n - 1)));
            begun = true;
            continue;
        }
        SL_NEED(begun, SL_E_SYNTAX);
        if (strcmp(l->name, "zh") == 0 || strcmp(l->name, "ja") == 0) {
            SL_TRY(join(g, line, &line));
        }
        SL_TRY(add_line(&l->sections[l->n - 1], line));
    }
    return SL_DONE;
}

static const grammar_section *refer(const grammar *g, const grammar_language *l, sl_view name)
{
    const grammar_section *s = section_of(l, name);
    return s != NULL ? s : section_of(&g->common, name);
}

/* The end of what the brace at `at` opens, or SIZE_MAX where it opens nothing. */
static size_t closing(sl_view text, size_t at)
{
    size_t depth = 0;
    for (; at < text.n; at++) {
        depth += text.p[at] == '{';
        if (text.p[at] == '}' && --depth == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* Cuts the first alternative off; false when it was the last. */
static bool next_alternative(sl_view *rest, sl_view *ret_one)
{
    size_t depth = 0;
    for (size_t i = 0; i < rest->n; i++) {
        depth += rest->p[i] == '{';
        depth -= depth > 0 && rest->p[i] == '}';
        if (rest->p[i] == '|' && depth == 0) {
            *ret_one = sl_view_sub(*rest, 0, i);
            *rest = sl_view_sub(*rest, i + 1, rest->n);
            return true;
        }
    }
    *ret_one = *rest;
    *rest = (sl_view){ 0 };
    return false;
}

static size_t alternatives(sl_view inside)
{
    size_t n = 1;
    for (sl_view one; next_alternative(&inside, &one);) {
        n++;
    }
    return n;
}

static bool is_name(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t b = v.p[i];
        if ((b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_') {
            return false;
        }
    }
    return v.n > 0;
}

/* What stands in braces is a reference, a choice, or (as in code) nothing of ours. */
static bool is_ours(sl_view inside)
{
    return alternatives(inside) > 1 || is_name(inside) ||
           (inside.n > 1 && inside.p[0] == '@' && is_name(sl_view_sub(inside, 1, inside.n)));
}

/* Every reference of every line names a section that has lines. */
static sl_res check_line(const grammar *g, const grammar_language *l, sl_view line)
{
    for (size_t at = 0; (at = sl_view_find_byte(line, '{', at)) != SIZE_MAX; at++) {
        size_t end = closing(line, at);
        sl_view rest = end == SIZE_MAX ? (sl_view){ 0 } : sl_view_sub(line, at + 1, end);
        bool choice = alternatives(rest) > 1;
        bool more = end != SIZE_MAX && is_ours(rest);
        while (more) {
            sl_view one;
            more = next_alternative(&rest, &one);
            bool marked = one.n > 0 && one.p[0] == '@';
            sl_view name = marked ? sl_view_sub(one, 1, one.n) : one;
            const grammar_section *s = marked || !choice ? refer(g, l, name) : NULL;
            if ((marked || !choice) && (s == NULL || s->n == 0)) {
                fprintf(stderr, "%s: {%.*s} in: %.*s\n", l->name, SL_FMT(name), SL_FMT(line));
                return sl_fail(SL_E_NOT_FOUND);
            }
        }
    }
    return SL_DONE;
}

static sl_res check(const grammar *g, const grammar_language *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->sections[i].n; k++) {
            SL_TRY(check_line(g, l, l->sections[i].lines[k]));
        }
    }
    return SL_DONE;
}

/* The language that "de.txt" and "de-AUTHOR.txt" speak; a new one when no file before did. */
static sl_res language_of(grammar *g, sl_view file, grammar_language **ret)
{
    size_t n = 0;
    while (n < file.n && file.p[n] != '-' && file.p[n] != '.') {
        n++;
    }
    sl_view name = sl_view_sub(file, 0, n);
    if (sl_view_eq_str(name, "common")) {
        *ret = &g->common;
        return SL_DONE;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (sl_view_eq_str(name, g->languages[i].name)) {
            *ret = &g->languages[i];
            return SL_DONE;
        }
    }
    SL_NEED(g->n < GRAMMAR_LANGUAGES_MAX && n < sizeof g->common.name, SL_E_LIMIT);
    *ret = &g->languages[g->n++];
    memcpy((*ret)->name, name.p, n);
    return SL_DONE;
}

static sl_res read_folder(grammar *g, const char *folder, struct dirent **names, int count)
{
    for (int i = 0; i < count; i++) {
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
        sl_view name = sl_view_str(names[i]->d_name);
        grammar_language *l = NULL;
        if (!sl_view_ends(name, SL_LIT(".txt"))) {
            continue;
        }
        SL_TRY(language_of(g, name, &l));
        SL_TRY(sl_buf_addf(&path, "%s/%s", folder, names[i]->d_name));
        SL_TRY(read_language(g, sl_buf_cstr(&path), l));
    }
    for (size_t i = 0; i < g->n; i++) {
        SL_TRY(check(g, &g->languages[i]));
    }
    return check(g, &g->common);
}

sl_res grammar_load(const char *folder, grammar *ret_grammar)
{
    struct dirent **names = NULL;
    *ret_grammar = (grammar){ .arena = { .max = 64 * SL_MIB } };
    int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0) {
        return sl_fail_os(SL_E_IO, "grammar folder");
    }
    sl_res r = read_folder(ret_grammar, folder, names, count);
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
    return r;
}

static void language_free(grammar_language *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->sections[i].lines);
    }
    free(l->sections);
}

void grammar_free(grammar *g)
{
    for (size_t i = 0; i < g->n; i++) {
        language_free(&g->languages[i]);
    }
    language_free(&g->common);
    sl_arena_free(&g->arena);
}

const grammar_language *grammar_find(const grammar *g, const char *language)
{
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->languages[i].name, language) == 0) {
            return &g->languages[i];
        }
    }
    return NULL;
}

size_t grammar_family(const grammar_language *l, const char *family, size_t *ret_sections,
                      size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n && n < max; i++) {
        if (sl_view_starts(l->sections[i].name, sl_view_str(family))) {
            ret_sections[n++] = i;
        }
    }
    return n;
}

/* ---- expansion ----------------------------------------------------------------------------- */

static bool is_held_out(sl_view line)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < line.n; i++) {
        h = (h ^ line.p[i]) * 16777619U;
    }
    return (h >> 7) % 5 == 0;
}

static sl_view pick(const grammar_section *s, grammar_lines lines, sl_prng *prng)
{
    size_t at = (size_t)sl_prng_below(prng, s->n);
    for (size_t i = 0; i < s->n && lines != LINES_ALL; i++) {
        sl_view line = s->lines[(at + i) % s->n];
        if (is_held_out(line) == (lines == LINES_HELD_OUT)) {
            return line;
        }
    }
    return s->lines[at];
}

/* What the inside of a pair of braces stands for this time; may hold braces itself. */
static sl_res resolve(const grammar *g, const grammar_language *l, sl_view inside, sl_prng *prng,
                      sl_view *ret)
{
    size_t n = alternatives(inside);
    size_t k = (size_t)sl_prng_below(prng, n);
    sl_view one = inside;
    for (size_t i = 0; i <= k && n > 1; i++) {
        (void)next_alternative(&inside, &one);
    }
    bool marked = one.n > 0 && one.p[0] == '@';
    if (n > 1 && !marked) {
        *ret = one;
        return SL_DONE;
    }
    const grammar_section *s = refer(g, l, marked ? sl_view_sub(one, 1, one.n) : one);
    SL_NEED(s != NULL && s->n > 0, SL_E_NOT_FOUND);
    *ret = pick(s, LINES_ALL, prng);
    return SL_DONE;
}

/* Writes the text before the next reference; pushes what follows it and what it stands for. */
static sl_res step(const grammar *g, const grammar_language *l, sl_view *stack, size_t *depth,
                   sl_prng *prng, sl_buf *out)
{
    sl_view text = stack[--*depth];
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n') {
            SL_TRY(sl_buf_add_byte(out, '\n'));
            i++;
            continue;
        }
        size_t end = text.p[i] == '{' ? closing(text, i) : SIZE_MAX;
        if (end == SIZE_MAX || !is_ours(sl_view_sub(text, i + 1, end))) {
            SL_TRY(sl_buf_add_byte(out, text.p[i]));
            continue;
        }
        SL_NEED(*depth + 2 <= STACK_MAX, SL_E_LIMIT);
        stack[(*depth)++] = sl_view_sub(text, end + 1, text.n);
        return resolve(g, l, sl_view_sub(text, i + 1, end), prng, &stack[(*depth)++]);
    }
    return SL_DONE;
}

sl_res grammar_make(const grammar *g, const grammar_language *l, size_t section,
                    grammar_lines lines, sl_prng *prng, sl_buf *out)
{
    sl_view stack[STACK_MAX];
    size_t depth = 1;
    SL_NEED(section < l->n && l->sections[section].n > 0, SL_E_NOT_FOUND);
    stack[0] = pick(&l->sections[section], lines, prng);
    for (size_t steps = 0; depth > 0; steps++) {
        SL_NEED(steps < STEPS_MAX, SL_E_LIMIT);
        SL_TRY(step(g, l, stack, &depth, prng, out));
    }
    return SL_DONE;
}
