/* The allow-list (allow.h): one hash table of names and of prefixes. A name is looked up whole first
 * and then by its prefixes from long to short, so that an exact entry beats a pattern. */
#include "artefact/allow.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/yaml.h"

#define NAME_BYTES_MAX ((size_t)512)
#define ENTRIES_MAX ((size_t)8192)
#define SLOTS ((size_t)16384)
#define ARENA_BYTES_MAX ((size_t)4 << 20)

typedef struct {
    sl_view name;
    uint8_t exact; /* sl_may of this very name; NOT_KNOWN: no entry */
    uint8_t below; /* of names below it; CALL never */
    bool standard; /* a module of the standard library */
} entry;

struct sl_allow {
    sl_arena arena;
    entry *slots;
    size_t count;
    sl_view version;
    sl_digest digest;
};

static uint64_t hash_of(sl_view v)
{
    uint64_t h = 14695981039346656037U; /* FNV-1a: the names are ours, nobody attacks the table */
    for (size_t i = 0; i < v.n; i++) {
        h = (h ^ v.p[i]) * 1099511628211U;
    }
    return h ^ (h >> 29);
}

static entry *slot_of(const sl_allow *allow, sl_view name)
{
    size_t i = hash_of(name) & (SLOTS - 1);
    while (allow->slots[i].name.p != NULL && !sl_view_eq(allow->slots[i].name, name)) {
        i = (i + 1) & (SLOTS - 1);
    }
    return &allow->slots[i];
}

static sl_res slot_for(sl_allow *allow, sl_view name, entry **ret_entry)
{
    entry *e = slot_of(allow, name);
    if (e->name.p == NULL) {
        SL_NEED(allow->count < ENTRIES_MAX, SL_E_LIMIT);
        SL_TRY(sl_arena_dup(&allow->arena, name, &e->name));
        allow->count++;
    }
    *ret_entry = e;
    return SL_DONE;
}

static sl_res enter(sl_allow *allow, sl_view name, sl_may may)
{
    bool below = sl_view_ends(name, SL_LIT(".*"));
    entry *e = NULL;
    SL_NEED(name.n != 0 && name.n <= NAME_BYTES_MAX && !(below && may == SL_MAY_CALL), SL_E_SYNTAX);
    SL_TRY(slot_for(allow, sl_view_sub(name, 0, below ? name.n - 2 : name.n), &e));
    uint8_t *field = below ? &e->below : &e->exact;
    SL_NEED(*field == SL_MAY_NOT_KNOWN, SL_E_DUPLICATE);
    *field = (uint8_t)may;
    return SL_DONE;
}

static sl_res read_line(sl_allow *allow, sl_view line)
{
    static const struct {
        const char *verb;
        sl_may may;
    } verbs[] = { { "call", SL_MAY_CALL },
                  { "new", SL_MAY_NEW },
                  { "refer", SL_MAY_REFER },
                  { "hold", SL_MAY_HOLD },
                  { "deny", SL_MAY_NOT } };
    sl_view verb = { 0 };
    sl_view name = { 0 };
    if (line.n == 0 || line.p[0] == '#') {
        return SL_DONE;
    }
    SL_NEED(sl_view_cut(line, ' ', &verb, &name), SL_E_SYNTAX);
    if (sl_view_eq_str(verb, "pack")) {
        return sl_arena_dup(&allow->arena, name, &allow->version);
    }
    if (sl_view_eq_str(verb, "std")) {
        entry *e = NULL;
        SL_TRY(slot_for(allow, name, &e));
        e->standard = true;
        return SL_DONE;
    }
    for (size_t i = 0; i < SL_COUNT_OF(verbs); i++) {
        if (sl_view_eq_str(verb, verbs[i].verb)) {
            return enter(allow, name, verbs[i].may);
        }
    }
    return sl_fail(SL_E_SYNTAX);
}

static sl_res read_pack(sl_allow *allow, sl_view pack)
{
    uint64_t number = 0;
    while (pack.n != 0) {
        sl_view line = { 0 };
        number++;
        (void)sl_view_cut(pack, '\n', &line, &pack);
        sl_res r = read_line(allow, sl_view_trim(line));
        if (!sl_ok(r)) {
            return sl_fail_at((sl_code)r.code, "line", number);
        }
    }
    return allow->version.n != 0 ? SL_DONE : sl_fail_at(SL_E_MISSING_FIELD, "pack", number);
}

sl_res sl_allow_read(sl_view pack, sl_allow **ret_allow)
{
    SL_OWN(sl_allow *, made, sl_allow_free) = calloc(1, sizeof *made);
    SL_NEED(made != NULL, SL_E_MEMORY);
    made->arena.max = ARENA_BYTES_MAX;
    made->slots = calloc(SLOTS, sizeof *made->slots);
    SL_NEED(made->slots != NULL, SL_E_MEMORY);
    made->digest = sl_sha256(pack);
    SL_TRY(read_pack(made, pack));
    *ret_allow = made;
    made = NULL;
    return SL_DONE;
}

void sl_allow_free(sl_allow **allow)
{
    if (*allow != NULL) {
        free((*allow)->slots);
        sl_arena_free(&(*allow)->arena);
        free(*allow);
        *allow = NULL;
    }
}

sl_view sl_allow_version(const sl_allow *allow)
{
    return allow->version;
}

const sl_digest *sl_allow_digest(const sl_allow *allow)
{
    return &allow->digest;
}

/* ---- looking up ---- */

/* Does the last component look like a class: an upper-case letter behind any underscores? */
static bool class_like(sl_view name)
{
    size_t i = 0;
    while (i < name.n && name.p[i] == '_') {
        i++;
    }
    return i < name.n && name.p[i] >= 'A' && name.p[i] <= 'Z';
}

/* A pattern covers what a module holds, not what hangs below that as an attribute: of a name with dots
 * of its own only the very name can be allowed. */
static sl_may by_prefix(const sl_allow *allow, sl_view full, size_t module_n)
{
    const bool dotted = sl_view_find_byte(full, '.', module_n + 1) != SIZE_MAX;
    sl_may found = SL_MAY_NOT_KNOWN;
    for (size_t n = full.n; n-- > 1;) {
        if (full.p[n] != '.') {
            continue;
        }
        const entry *e = slot_of(allow, sl_view_sub(full, 0, n));
        if (e->standard || e->below == SL_MAY_NOT) {
            return SL_MAY_NOT;
        }
        bool fits = e->below != SL_MAY_NEW || class_like(sl_view_sub(full, module_n + 1, full.n));
        if (found == SL_MAY_NOT_KNOWN && fits && !dotted) {
            found = (sl_may)e->below;
        }
    }
    return found;
}

static sl_may find_full(const sl_allow *allow, sl_view module, sl_view name)
{
    uint8_t text[NAME_BYTES_MAX];
    if (module.n + name.n + 1 > sizeof text) {
        return SL_MAY_NOT; /* nothing reviewed is that long */
    }
    memcpy(text, module.p == NULL ? text : module.p, module.n);
    text[module.n] = '.';
    memcpy(text + module.n + 1, name.p == NULL ? text : name.p, name.n);
    sl_view full = { text, module.n + 1 + name.n };
    const entry *e = slot_of(allow, full);
    if (e->exact != SL_MAY_NOT_KNOWN) {
        return (sl_may)e->exact;
    }
    return by_prefix(allow, full, module.n);
}

/* What the unpickler does to streams of Python 2 before it looks a name up. */
static void rename_old(sl_view *module, sl_view *name)
{
    static const struct {
        const char *old_module;
        const char *old_name; /* NULL: every name */
        const char *module;
        const char *name;
    } renamed[] = {
        { "__builtin__", "xrange", "builtins", "range" },
        { "__builtin__", "unicode", "builtins", "str" },
        { "__builtin__", "long", "builtins", "int" },
        { "__builtin__", "unichr", "builtins", "chr" },
        { "__builtin__", NULL, "builtins", NULL },
        { "copy_reg", NULL, "copyreg", NULL },
        { "exceptions", NULL, "builtins", NULL },
        { "UserDict", "UserDict", "collections", "UserDict" },
        { "UserList", "UserList", "collections", "UserList" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(renamed); i++) {
        if (sl_view_eq_str(*module, renamed[i].old_module) &&
            (renamed[i].old_name == NULL || sl_view_eq_str(*name, renamed[i].old_name))) {
            *module = sl_view_str(renamed[i].module);
            *name = renamed[i].name == NULL ? *name : sl_view_str(renamed[i].name);
            return;
        }
    }
}

sl_may sl_allow_find(const sl_allow *allow, sl_view module, sl_view name)
{
    rename_old(&module, &name);
    return find_full(allow, module, name);
}

/* ---- a site's own names ---- */

static sl_res may_of(const sl_yaml_node *item, sl_may *ret_may)
{
    static const char *const names[] = { "refer", "new", "call", NULL };
    int index = 0;
    SL_TRY(sl_yaml_choice(sl_yaml_get(item, "may"), "may", names, &index));
    *ret_may = (sl_may)(SL_MAY_REFER + index);
    return SL_DONE;
}

static sl_res stated(const sl_yaml_node *item, const char *field)
{
    sl_view text = { 0 };
    SL_TRY(sl_yaml_text(sl_yaml_get(item, field), field, &text));
    return text.n != 0 ? SL_DONE : sl_fail_at(SL_E_MISSING_FIELD, field, item->line);
}

static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static sl_res day_of(const sl_yaml_node *item, int64_t *ret_day)
{
    sl_view text = { 0 };
    SL_TRY(sl_yaml_text(sl_yaml_get(item, "expires"), "expires", &text));
    int parts[3] = { 0 };
    for (size_t i = 0; i < 10; i++) {
        bool dash = i == 4 || i == 7;
        if (text.n != 10 || (dash ? text.p[i] != '-' : text.p[i] < '0' || text.p[i] > '9')) {
            return sl_fail_at(SL_E_SYNTAX, "expires", item->line);
        }
        int *part = &parts[(i > 4) + (i > 7)];
        *part = dash ? *part : *part * 10 + (text.p[i] - '0');
    }
    if (parts[0] < 1970 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31) {
        return sl_fail_at(SL_E_RANGE, "expires", item->line);
    }
    *ret_day = days_of(parts[0], parts[1], parts[2]);
    return SL_DONE;
}

static bool split(sl_view full, sl_view *ret_module, sl_view *ret_name)
{
    size_t dot = full.n;
    while (dot > 0 && full.p[dot - 1] != '.') {
        dot--;
    }
    *ret_module = sl_view_sub(full, 0, dot == 0 ? 0 : dot - 1);
    *ret_name = sl_view_sub(full, dot, full.n);
    return ret_module->n != 0 && ret_name->n != 0;
}

static sl_res add_one(sl_allow *allow, const sl_yaml_node *item, int64_t today, size_t *expired)
{
    sl_view name = { 0 };
    sl_view module = { 0 };
    sl_view last = { 0 };
    sl_may may = SL_MAY_NOT_KNOWN;
    int64_t until = 0;
    entry *e = NULL;
    SL_TRY(sl_yaml_text(sl_yaml_get(item, "name"), "name", &name));
    SL_TRY(may_of(item, &may));
    SL_TRY(stated(item, "reason"));
    SL_TRY(stated(item, "approver"));
    SL_TRY(day_of(item, &until));
    if (!split(name, &module, &last) || name.n > NAME_BYTES_MAX || sl_view_eq_str(last, "*")) {
        return sl_fail_at(SL_E_SYNTAX, "name", item->line);
    }
    if (sl_allow_find(allow, module, last) == SL_MAY_NOT) {
        return sl_fail_at(SL_E_REFUSED, "name", item->line);
    }
    if (until < today) {
        ++*expired;
        return SL_DONE;
    }
    SL_TRY(slot_for(allow, name, &e));
    e->exact = (uint8_t)may;
    return SL_DONE;
}

sl_res sl_allow_add(sl_allow *allow, sl_view yaml, int64_t today, size_t *ret_expired)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = ARENA_BYTES_MAX };
    const sl_yaml_node *root = NULL;
    size_t expired = 0;
    SL_TRY(sl_yaml_parse(&arena, yaml, &root));
    const sl_yaml_node *list = sl_yaml_get(root, "allow");
    if (list == NULL || list->kind != SL_YAML_LIST || root->children != 1) {
        return sl_fail_at(SL_E_MISSING_FIELD, "allow", root->line);
    }
    for (const sl_yaml_node *item = list->first; item != NULL; item = item->next) {
        if (item->kind != SL_YAML_MAP || item->children != 5) {
            return sl_fail_at(SL_E_TYPE, "name, may, reason, approver, expires", item->line);
        }
        SL_TRY(add_one(allow, item, today, &expired));
    }
    *ret_expired = expired;
    return SL_DONE;
}
