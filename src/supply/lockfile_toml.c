/* Lock files in TOML: poetry.lock, uv.lock, pdm.lock (lockfile.h). Only what they use is understood: tables,
 * arrays of tables, and keys whose values are strings, arrays or inline tables; every value is skipped by
 * its grammar, so that text inside a string never looks like a table. Source: TOML 1.0.0. */
#include "supply/lockfile_impl.h"

#define VALUE_DEPTH_MAX ((size_t)64)

typedef struct {
    sl_view text;
    size_t at;
    size_t line;
} cursor;

static bool more(const cursor *c)
{
    return c->at < c->text.n;
}

static uint8_t here(const cursor *c)
{
    return more(c) ? c->text.p[c->at] : 0;
}

static void step(cursor *c)
{
    c->line += here(c) == '\n';
    c->at++;
}

static void skip_line(cursor *c)
{
    while (more(c) && here(c) != '\n') {
        c->at++;
    }
}

/* Blanks, and with `lines` line ends and comments too. */
static void skip_blank(cursor *c, bool lines)
{
    while (more(c)) {
        uint8_t b = here(c);
        if (b == ' ' || b == '\t' || (lines && (b == '\n' || b == '\r'))) {
            step(c);
        } else if (lines && b == '#') {
            skip_line(c);
        } else {
            return;
        }
    }
}

/* A string of any of the four kinds; `ret` is what stands between the quotes, escapes as written. */
static sl_res take_string(cursor *c, sl_view *ret)
{
    uint8_t quote = here(c);
    sl_view three = sl_view_sub(c->text, c->at, c->at + 3);
    bool block = three.n == 3 && three.p[1] == quote && three.p[2] == quote;
    size_t width = block ? 3 : 1;
    c->at += width;
    size_t begin = c->at;
    while (more(c)) {
        if (here(c) == '\\' && quote == '"') {
            step(c);
        } else if (here(c) == '\n' && !block) {
            break;
        } else if (here(c) == quote) {
            sl_view end = sl_view_sub(c->text, c->at, c->at + width);
            if (end.n == width && end.p[width - 1] == quote && (!block || end.p[1] == quote)) {
                *ret = sl_view_sub(c->text, begin, c->at);
                c->at += width;
                return SL_DONE;
            }
        }
        step(c);
    }
    return sl_fail_at(SL_E_SYNTAX, "TOML: a string without an end, line", c->line);
}

/* Skips a value; for a string `ret` is its content, else its whole text. */
static sl_res take_value(cursor *c, sl_view *ret)
{
    size_t begin = c->at;
    size_t depth = 0;
    if (here(c) == '"' || here(c) == '\'') {
        return take_string(c, ret);
    }
    while (more(c)) {
        uint8_t b = here(c);
        sl_view ignored;
        if (b == '"' || b == '\'') {
            SL_TRY(take_string(c, &ignored));
            continue;
        }
        if (b == '#' && depth > 0) {
            skip_line(c);
            continue;
        }
        if ((b == '\n' || b == '#') && depth == 0) {
            break;
        }
        depth += b == '[' || b == '{';
        if ((b == ']' || b == '}') && depth == 0) {
            return sl_fail_at(SL_E_SYNTAX, "TOML: a bracket closes nothing, line", c->line);
        }
        depth -= b == ']' || b == '}';
        if (depth > VALUE_DEPTH_MAX) {
            return sl_fail_at(SL_E_DEPTH, "TOML, line", c->line);
        }
        step(c);
    }
    if (depth > 0) {
        return sl_fail_at(SL_E_TRUNCATED, "TOML: a bracket is not closed, line", c->line);
    }
    *ret = sl_view_trim(sl_view_sub(c->text, begin, c->at));
    return SL_DONE;
}

static sl_view take_key(cursor *c)
{
    size_t begin = c->at;
    while (more(c) && here(c) != '=' && here(c) != '\n') {
        c->at++;
    }
    sl_view key = sl_view_trim(sl_view_sub(c->text, begin, c->at));
    if (key.n > 1 && (key.p[0] == '"' || key.p[0] == '\'')) {
        key = sl_view_sub(key, 1, key.n - 1);
    }
    return key;
}

/* "[[package]]", "[package.source]", "[metadata]" */
static sl_res take_header(cursor *c, sl_view *ret_name, bool *ret_array)
{
    sl_view line = sl_view_sub(c->text, c->at, c->text.n);
    sl_view rest;
    (void)sl_view_cut(line, '\n', &line, &rest);
    *ret_array = sl_view_starts(line, SL_LIT("[["));
    size_t open = *ret_array ? 2 : 1;
    size_t close = sl_view_find_byte(line, ']', 0);
    if (close == SIZE_MAX) {
        return sl_fail_at(SL_E_SYNTAX, "TOML: a table's name without ']', line", c->line);
    }
    *ret_name = sl_view_trim(sl_view_sub(line, open, close));
    skip_line(c);
    return SL_DONE;
}

/* What is known of the package whose table is open. */
typedef struct {
    bool open;
    sl_package package;
    bool hashed;
} pending;

static sl_res finish(pending *p, const sl_lockfile_sink *sink)
{
    if (!p->open) {
        return SL_DONE;
    }
    p->open = false;
    if (p->package.name.n == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "name of a package, line", p->package.line);
    }
    bool remote = (p->package.flags & SL_PACKAGE_LOCAL) == 0;
    p->package.flags |= p->hashed || !remote ? 0 : SL_PACKAGE_NO_HASH;
    p->package.flags |= p->package.version.n == 0 ? SL_PACKAGE_UNPINNED : 0;
    return sl_packages_add(sink->packages, &p->package);
}

static bool holds(sl_view v, const char *word)
{
    return sl_view_find(v, sl_view_str(word), 0) != SIZE_MAX;
}

/* uv: source = { registry = "..." } | { git = ...} | { editable = "." } | { virtual = "." } */
static void take_source(sl_package *package, sl_view value)
{
    if (holds(value, "editable") || holds(value, "virtual") || holds(value, "directory")) {
        package->flags |= SL_PACKAGE_LOCAL;
    } else if (holds(value, "git") || holds(value, "url =") || holds(value, "url=")) {
        package->flags |= SL_PACKAGE_DIRECT_URL;
    } else if (holds(value, "registry") && !holds(value, "pypi.org")) {
        package->flags |= SL_PACKAGE_OTHER_INDEX;
    }
}

static void take_pair(pending *p, sl_view table, sl_view key, sl_view value)
{
    if (sl_view_eq_str(table, "package")) {
        if (sl_view_eq_str(key, "name")) {
            p->package.name = value;
        } else if (sl_view_eq_str(key, "version")) {
            p->package.version = value;
        } else if (sl_view_eq_str(key, "source")) {
            take_source(&p->package, value);
        } else if (sl_view_eq_str(key, "files") || sl_view_eq_str(key, "sdist") ||
                   sl_view_eq_str(key, "wheels")) {
            p->hashed = p->hashed || holds(value, "hash");
        } else if (sl_view_eq_str(key, "git") || sl_view_eq_str(key, "url")) {
            p->package.flags |= SL_PACKAGE_DIRECT_URL; /* PDM */
        } else if (sl_view_eq_str(key, "path")) {
            p->package.flags |= SL_PACKAGE_LOCAL;
        }
    } else if (sl_view_eq_str(table, "package.source") && sl_view_eq_str(key, "type")) {
        bool local = sl_view_eq_str(value, "directory") || sl_view_eq_str(value, "file");
        bool address = sl_view_eq_str(value, "git") || sl_view_eq_str(value, "url");
        bool index = sl_view_eq_str(value, "legacy");
        p->package.flags |= local ? SL_PACKAGE_LOCAL : 0;
        p->package.flags |= address ? SL_PACKAGE_DIRECT_URL : 0;
        p->package.flags |= index ? SL_PACKAGE_OTHER_INDEX : 0;
    }
}

sl_res sl_lockfile_toml(sl_view content, const sl_lockfile_sink *sink)
{
    cursor c = { content, 0, 1 };
    pending p = { 0 };
    sl_view table = { 0 };
    for (skip_blank(&c, true); more(&c); skip_blank(&c, true)) {
        if (here(&c) == '[') {
            bool array = false;
            size_t line = c.line;
            SL_TRY(take_header(&c, &table, &array));
            if (sl_view_eq_str(table, "package") || !sl_view_starts(table, SL_LIT("package."))) {
                SL_TRY(finish(&p, sink));
            }
            if (array && sl_view_eq_str(table, "package")) {
                p = (pending){ .open = true,
                               .package = { .ecosystem = SL_ECOSYSTEM_PYPI, .line = line } };
            }
            continue;
        }
        sl_view value = { 0 };
        sl_view key = take_key(&c);
        if (here(&c) != '=') {
            return sl_fail_at(SL_E_SYNTAX, "TOML: a key without '=', line", c.line);
        }
        c.at++;
        skip_blank(&c, false);
        SL_TRY(take_value(&c, &value));
        if (p.open) {
            take_pair(&p, table, key, value);
        }
        skip_blank(&c, false);
        if (more(&c) && here(&c) != '\n' && here(&c) != '\r' && here(&c) != '#') {
            return sl_fail_at(SL_E_SYNTAX, "TOML: something behind a value, line", c.line);
        }
    }
    return finish(&p, sink);
}
