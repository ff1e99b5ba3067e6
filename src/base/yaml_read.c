/* Reading typed values and whole structs from a YAML tree by a table of fields.
 *
 * It must never guess: a value is what the field says or it is an error with its line. The nearest
 * right key of an unknown one is found by edit distance. Interface and rules are told in yaml.h.
 */
#include <assert.h>

#include "base/limits.h"
#include "base/yaml.h"

/* Sections of one schema, nested or side by side, that may wait to be read. */
#define SECTIONS_MAX 32

static sl_res need_kind(const sl_yaml_node *node, sl_yaml_kind kind, const char *field)
{
    if (node == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, field, SL_NOWHERE);
    }
    return node->kind == kind ? SL_DONE : sl_fail_at(SL_E_TYPE, field, node->line);
}

/* A scalar that stands bare: truths and numbers do, texts in quotes do not count as such. */
static sl_res need_bare(const sl_yaml_node *node, const char *field)
{
    SL_TRY(need_kind(node, SL_YAML_SCALAR, field));
    return node->quoted ? sl_fail_at(SL_E_TYPE, field, node->line) : SL_DONE;
}

static size_t skip_digits(sl_view text, size_t at, const char *digits)
{
    while (at < text.n && strchr(digits, text.p[at]) != NULL) {
        at++;
    }
    return at;
}

/* "12:30:45" and the like, which YAML 1.1 reads as a number to the base of sixty. */
static bool is_sexagesimal(sl_view text, size_t at)
{
    size_t end = skip_digits(text, at, "0123456789_");
    if (end == at || end == text.n || text.p[end] != ':') {
        return false;
    }
    return skip_digits(text, end, "0123456789_:.") == text.n;
}

static bool is_float(sl_view text, size_t at)
{
    size_t whole = skip_digits(text, at, "0123456789_");
    size_t end = whole;
    if (end < text.n && text.p[end] == '.') {
        end = skip_digits(text, end + 1, "0123456789_");
        if (whole == at && end == whole + 1) {
            return false;
        }
    } else if (whole == at) {
        return false;
    }
    if (end < text.n && (text.p[end] == 'e' || text.p[end] == 'E')) {
        size_t power = end + 1;
        if (power < text.n && (text.p[power] == '-' || text.p[power] == '+')) {
            power++;
        }
        end = skip_digits(text, power, "0123456789");
        return end == text.n && end > power;
    }
    return end == text.n;
}

/* Would some YAML reader take this bare scalar for a number? */
static bool looks_like_number(sl_view text)
{
    size_t at = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
    sl_view rest = sl_view_sub(text, at, text.n);
    if (sl_view_eq_nocase(rest, SL_LIT(".inf")) || sl_view_eq_nocase(rest, SL_LIT(".nan"))) {
        return true;
    }
    if (rest.n > 2 && rest.p[0] == '0') {
        const char *digits = rest.p[1] == 'x'   ? "0123456789abcdefABCDEF_"
                             : rest.p[1] == 'o' ? "01234567_"
                             : rest.p[1] == 'b' ? "01_"
                                                : "";
        if (digits[0] != '\0' && skip_digits(rest, 2, digits) == rest.n) {
            return true;
        }
    }
    return is_float(text, at) || is_sexagesimal(text, at);
}

static bool looks_like_a_word_of_yaml(sl_view text)
{
    static const char *const words[] = { "null", "~",  "true", "false", "yes",
                                         "no",   "on", "off",  "y",     "n" };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_view_eq_nocase(text, sl_view_str(words[i]))) {
            return true;
        }
    }
    return false;
}

sl_res sl_yaml_text(const sl_yaml_node *node, const char *field, sl_view *ret_text)
{
    SL_TRY(need_kind(node, SL_YAML_SCALAR, field));
    if (!node->quoted && (looks_like_a_word_of_yaml(node->text) || looks_like_number(node->text))) {
        return sl_fail_at(SL_E_TYPE, field, node->line);
    }
    *ret_text = node->text;
    return SL_DONE;
}

sl_res sl_yaml_bool(const sl_yaml_node *node, const char *field, bool *ret_value)
{
    SL_TRY(need_bare(node, field));
    bool is_true = sl_view_eq_str(node->text, "true");
    if (!is_true && !sl_view_eq_str(node->text, "false")) {
        return sl_fail_at(SL_E_TYPE, field, node->line);
    }
    *ret_value = is_true;
    return SL_DONE;
}

sl_res sl_yaml_int(const sl_yaml_node *node, const char *field, int64_t min, int64_t max,
                   int64_t *ret_value)
{
    SL_TRY(need_bare(node, field));
    int64_t value = 0;
    sl_res r = sl_parse_i64(node->text, &value);
    if (!sl_ok(r)) {
        return sl_fail_at(sl_is(r, SL_E_RANGE) ? SL_E_RANGE : SL_E_TYPE, field, node->line);
    }
    if (value < min || value > max) {
        return sl_fail_at(SL_E_RANGE, field, node->line);
    }
    *ret_value = value;
    return SL_DONE;
}

typedef struct {
    const char *name;
    int64_t scale;
} unit;

static sl_res read_quantity(const sl_yaml_node *node, const char *field, const unit *units,
                            size_t count, const int64_t bounds[2], int64_t *ret_value)
{
    SL_TRY(need_bare(node, field));
    size_t end = skip_digits(node->text, 0, "0123456789");
    sl_view name = sl_view_sub(node->text, end, node->text.n);
    for (size_t i = 0; i < count; i++) {
        if (!sl_view_eq_str(name, units[i].name)) {
            continue;
        }
        uint64_t number = 0;
        uint64_t number_max = (uint64_t)(INT64_MAX / units[i].scale);
        sl_res r = sl_parse_u64(sl_view_sub(node->text, 0, end), number_max, &number);
        if (!sl_ok(r)) {
            return sl_fail_at(sl_is(r, SL_E_RANGE) ? SL_E_RANGE : SL_E_TYPE, field, node->line);
        }
        int64_t value = (int64_t)number * units[i].scale;
        if (value < bounds[0] || value > bounds[1]) {
            return sl_fail_at(SL_E_RANGE, field, node->line);
        }
        *ret_value = value;
        return SL_DONE;
    }
    return sl_fail_at(SL_E_TYPE, field, node->line);
}

sl_res sl_yaml_duration(const sl_yaml_node *node, const char *field, int64_t min_ms, int64_t max_ms,
                        int64_t *ret_ms)
{
    static const unit units[] = {
        { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
    };
    const int64_t bounds[2] = { min_ms, max_ms };
    return read_quantity(node, field, units, SL_COUNT_OF(units), bounds, ret_ms);
}

sl_res sl_yaml_size(const sl_yaml_node *node, const char *field, int64_t min, int64_t max,
                    int64_t *ret_bytes)
{
    static const unit units[] = {
        { "B", 1 },
        { "KiB", 1024 },
        { "MiB", 1048576 },
        { "GiB", 1073741824 },
    };
    const int64_t bounds[2] = { min, max };
    return read_quantity(node, field, units, SL_COUNT_OF(units), bounds, ret_bytes);
}

sl_res sl_yaml_choice(const sl_yaml_node *node, const char *field, const char *const *names,
                      int *ret_index)
{
    SL_TRY(need_kind(node, SL_YAML_SCALAR, field));
    for (int i = 0; names[i] != NULL; i++) {
        if (sl_view_eq_str(node->text, names[i])) {
            *ret_index = i;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_TYPE, field, node->line);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace) from one key to another: Levenshtein's, by one row. */
static size_t edit_distance(sl_view from, const char *to)
{
    size_t row[SL_YAML_KEY_BYTES_MAX + 1];
    size_t to_n = strlen(to);
    assert(to_n <= SL_YAML_KEY_BYTES_MAX);
    for (size_t j = 0; j <= to_n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= from.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= to_n; j++) {
            size_t replace = diagonal + (from.p[i - 1] != (uint8_t)to[j - 1]);
            diagonal = row[j];
            row[j] = least(replace, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[to_n];
}

/* Keeps the nearer of the best key so far and a candidate. */
static void keep_nearer(sl_view key, const char *candidate, const char **best,
                        size_t *best_distance)
{
    size_t distance = edit_distance(key, candidate);
    if (distance < *best_distance) {
        *best = candidate;
        *best_distance = distance;
    }
}

sl_res sl_yaml_keys(const sl_yaml_node *map, const char *const *keys)
{
    SL_TRY(need_kind(map, SL_YAML_MAP, "map"));
    for (const sl_yaml_node *child = map->first; child != NULL; child = child->next) {
        const char *nearest = "";
        size_t distance = SIZE_MAX;
        for (size_t i = 0; keys[i] != NULL && distance > 0; i++) {
            keep_nearer(child->key, keys[i], &nearest, &distance);
        }
        if (distance > 0) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, nearest, child->line);
        }
    }
    return SL_DONE;
}

static sl_res check_keys(const sl_yaml_node *map, const sl_yaml_field *fields)
{
    for (const sl_yaml_node *child = map->first; child != NULL; child = child->next) {
        const char *nearest = "";
        size_t distance = SIZE_MAX;
        for (const sl_yaml_field *field = fields; field->key != NULL && distance > 0; field++) {
            keep_nearer(child->key, field->key, &nearest, &distance);
        }
        if (distance > 0) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, nearest, child->line);
        }
    }
    return SL_DONE;
}

static sl_res read_texts(sl_arena *arena, const sl_yaml_node *list, const char *field,
                         sl_yaml_texts *ret_texts)
{
    SL_TRY(need_kind(list, SL_YAML_LIST, field));
    sl_view *items = sl_arena_array(arena, list->children, sizeof(*items));
    SL_NEED(items != NULL || list->children == 0, SL_E_LIMIT);
    size_t n = 0;
    for (const sl_yaml_node *child = list->first; child != NULL; child = child->next) {
        SL_TRY(sl_yaml_text(child, field, &items[n]));
        n++;
    }
    *ret_texts = (sl_yaml_texts){ .items = items, .n = n };
    return SL_DONE;
}

/* A part of the struct that waits to be filled from a part of the tree. */
typedef struct {
    const sl_yaml_node *map;
    const sl_yaml_field *fields;
    uint8_t *base;
} section;

typedef struct {
    section waiting[SECTIONS_MAX];
    size_t n;
} sections;

static sl_res read_node(const sl_yaml_node *node, sl_yaml_kind kind, const char *field,
                        const sl_yaml_node **ret_node)
{
    SL_TRY(need_kind(node, kind, field));
    *ret_node = node;
    return SL_DONE;
}

/* The member is written through memory of its own type: `offset` is offsetof of such a member. */
static sl_res read_field(sl_arena *arena, const sl_yaml_node *node, const sl_yaml_field *field,
                         uint8_t *base, sections *ret_sections)
{
    void *to = base + field->offset;
    int64_t max = field->min == 0 && field->max == 0 ? INT64_MAX : field->max;
    switch (field->type) {
    case SL_YAML_AS_TEXT:
        return sl_yaml_text(node, field->key, to);
    case SL_YAML_AS_BOOL:
        return sl_yaml_bool(node, field->key, to);
    case SL_YAML_AS_INT:
        return sl_yaml_int(node, field->key, field->min, max, to);
    case SL_YAML_AS_DURATION:
        return sl_yaml_duration(node, field->key, field->min, max, to);
    case SL_YAML_AS_SIZE:
        return sl_yaml_size(node, field->key, field->min, max, to);
    case SL_YAML_AS_CHOICE:
        return sl_yaml_choice(node, field->key, field->names, to);
    case SL_YAML_AS_TEXTS:
        return read_texts(arena, node, field->key, to);
    case SL_YAML_AS_LIST:
        return read_node(node, SL_YAML_LIST, field->key, to);
    case SL_YAML_AS_MAP:
        return read_node(node, SL_YAML_MAP, field->key, to);
    case SL_YAML_AS_SECTION:
        SL_TRY(need_kind(node, SL_YAML_MAP, field->key));
        assert(ret_sections->n < SECTIONS_MAX);
        ret_sections->waiting[ret_sections->n] = (section){ node, field->fields, to };
        ret_sections->n++;
        return SL_DONE;
    }
    return sl_fail(SL_E_BUG);
}

static sl_res read_section(sl_arena *arena, const section *part, sections *ret_sections)
{
    SL_TRY(check_keys(part->map, part->fields));
    for (const sl_yaml_field *field = part->fields; field->key != NULL; field++) {
        const sl_yaml_node *node = sl_yaml_get(part->map, field->key);
        if (node != NULL) {
            SL_TRY(read_field(arena, node, field, part->base, ret_sections));
        } else if (field->required) {
            return sl_fail_at(SL_E_MISSING_FIELD, field->key, part->map->line);
        }
    }
    return SL_DONE;
}

sl_res sl_yaml_read(sl_arena *arena, const sl_yaml_node *map, const sl_yaml_field *fields,
                    void *ret_struct)
{
    SL_TRY(need_kind(map, SL_YAML_MAP, "map"));
    sections work = { .waiting = { { map, fields, ret_struct } }, .n = 1 };
    for (size_t i = 0; i < work.n; i++) {
        section part = work.waiting[i];
        SL_TRY(read_section(arena, &part, &work));
    }
    return SL_DONE;
}

sl_res sl_yaml_explain(sl_res failure, const char *name, sl_buf *out)
{
    const sl_detail *detail = sl_detail_get();
    SL_TRY(sl_buf_add_str(out, name));
    if (detail->offset != SL_NOWHERE) {
        SL_TRY(sl_buf_addf(out, " line %llu", (unsigned long long)detail->offset));
    }
    SL_TRY(sl_buf_addf(out, ": %s", sl_res_text(failure)));
    if (sl_is(failure, SL_E_UNKNOWN_FIELD)) {
        return sl_buf_addf(out, "; the nearest right key is '%s'", detail->field);
    }
    if (detail->field != NULL && detail->field[0] != '\0') {
        SL_TRY(sl_buf_addf(out, " (%s)", detail->field));
    }
    return sl_buf_addf(out, ": %s", sl_res_remedy(failure));
}
