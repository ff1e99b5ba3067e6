/* Pattern tables (patterns.h): rows, definitions and sets of context words from data/patterns. A row that is not
 * understood refuses the table; nothing is guessed. */
#include "detect/patterns_set.h"
#include "detect/words.h"

#define EXPRESSION_BYTES_MAX ((size_t)8192)

static sl_res line_error(const char *field, size_t line)
{
    return sl_fail_at(SL_E_SYNTAX, field, line);
}

static bool find_definition(const sl_pattern_text *all, size_t count, sl_view name, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_eq(all[i].name, name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* The expression with {{NAME}} replaced, as a C string in the arena. */
static sl_res expand(sl_patterns *p, sl_view text, size_t line, const char **ret)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = EXPRESSION_BYTES_MAX };
    for (size_t round = 0; round < 3; round++) {
        sl_buf_clear(&out);
        size_t at = 0;
        bool changed = false;
        while (at < text.n) {
            size_t open = sl_view_find(text, SL_LIT("{{"), at);
            size_t close = open == SIZE_MAX ? SIZE_MAX : sl_view_find(text, SL_LIT("}}"), open);
            if (close == SIZE_MAX) {
                break;
            }
            size_t k = 0;
            if (!find_definition(p->macros, p->macro_count, sl_view_sub(text, open + 2, close),
                                 &k)) {
                return line_error("pattern table: unknown {{NAME}}", line);
            }
            SL_TRY(sl_buf_add(&out, sl_view_sub(text, at, open)));
            SL_TRY(sl_buf_add(&out, p->macros[k].text));
            at = close + 2;
            changed = true;
        }
        SL_TRY(sl_buf_add(&out, sl_view_sub(text, at, text.n)));
        SL_TRY(sl_buf_add_byte(&out, 0));
        sl_view copy;
        SL_TRY(sl_arena_dup(&p->arena, sl_buf_view(&out), &copy));
        *ret = (const char *)copy.p;
        if (!changed) {
            return SL_DONE;
        }
        text = sl_view_sub(copy, 0, copy.n - 1);
    }
    return SL_DONE;
}

static sl_res parse_context(sl_patterns *p, sl_view text, size_t line, sl_pattern *out)
{
    if (sl_view_eq_str(text, "-")) {
        return SL_DONE;
    }
    while (text.n != 0) {
        sl_view one;
        sl_view rest;
        (void)sl_view_cut(text, ',', &one, &rest);
        size_t k = 0;
        bool sign = one.n > 1 && (one.p[0] == '+' || one.p[0] == '-');
        if (!sign || out->context_count == SL_PATTERN_CONTEXTS ||
            !find_definition(p->sets, p->set_count, sl_view_sub(one, 1, one.n), &k)) {
            return line_error("pattern table: context", line);
        }
        out->negative[out->context_count] = one.p[0] == '-';
        out->context[out->context_count++] = (uint8_t)k;
        text = rest;
    }
    return SL_DONE;
}

static sl_res parse_value(sl_view text, size_t line, uint8_t *ret)
{
    static const char *const NAMES[] = { "all", "last", "digit", "rest", "number" };
    for (size_t i = 0; i < SL_COUNT_OF(NAMES); i++) {
        if (sl_view_eq_str(text, NAMES[i])) {
            *ret = (uint8_t)i;
            return SL_DONE;
        }
    }
    return line_error("pattern table: value", line);
}

static sl_res parse_flags(sl_view flags, size_t line, sl_pattern *out)
{
    static const char GROUPS[] = "-wsz@";
    for (size_t i = 0; i < flags.n; i++) {
        const char *group = strchr(GROUPS, flags.p[i]);
        if (flags.p[i] == 'i') {
            out->caseless = true;
        } else if (group != NULL && *group != 0) {
            out->group = (uint8_t)(group - GROUPS);
        } else {
            return line_error("pattern table: flags", line);
        }
    }
    return SL_DONE;
}

static sl_res parse_pattern(sl_patterns *p, sl_view row, size_t line)
{
    sl_view f[8];
    for (size_t i = 0; i < 8; i++) {
        bool more = sl_view_cut(row, '\t', &f[i], &row);
        if (more != (i < 7) || f[i].n == 0) {
            return line_error("pattern table: eight columns", line);
        }
    }
    SL_NEED(p->count < SL_PATTERNS_MAX, SL_E_LIMIT);
    sl_pattern one = { 0 };
    SL_TRY(parse_flags(f[2], line, &one));
    sl_class kind;
    if (!sl_class_by_name(f[1], &kind)) {
        return line_error("pattern table: class", line);
    }
    one.kind = (uint8_t)kind;
    SL_TRY(parse_value(f[3], line, &one.value));
    if (!sl_view_eq_str(f[4], "-")) {
        one.check = sl_check_digit_by_name(f[4]);
        if (one.check == NULL) {
            one.check = sl_secret_check_by_name(f[4]);
        }
        if (one.check == NULL) {
            return line_error("pattern table: check", line);
        }
    }
    SL_TRY(parse_context(p, f[5], line, &one));
    uint64_t score = 0;
    if (!sl_ok(sl_parse_u64(f[6], 1000, &score))) {
        return line_error("pattern table: score", line);
    }
    one.score = (uint16_t)score;
    SL_TRY(expand(p, f[7], line, &one.expression));
    SL_TRY(expand(p, f[0], line, &one.name));
    p->patterns[p->count++] = one;
    return SL_DONE;
}

static sl_res parse_definition(sl_pattern_text *all, size_t *count, size_t max, sl_view row,
                               size_t line)
{
    sl_pattern_text d;
    if (!sl_view_cut(row, '\t', &d.name, &d.text) || d.name.n == 0 || d.text.n == 0) {
        return line_error("pattern table: definition", line);
    }
    SL_NEED(*count < max, SL_E_LIMIT);
    all[(*count)++] = d;
    return SL_DONE;
}

uint32_t sl_word_set_hash(sl_view word)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < word.n; i++) {
        h = (h ^ sl_lower(word.p[i])) * 16777619U;
    }
    return h == 0 ? 1 : h;
}

static sl_res parse_set(sl_patterns *p, sl_view row, size_t line)
{
    size_t words = 0;
    size_t index = p->set_count;
    SL_TRY(parse_definition(p->sets, &p->set_count, SL_PATTERN_SETS_MAX, row, line));
    sl_word_set *set = &p->set_words[index];
    for (sl_view rest = p->sets[index].text; rest.n != 0;) {
        sl_view word;
        (void)sl_view_cut(rest, '|', &word, &rest);
        SL_NEED(++words < SET_SLOTS / 2, SL_E_LIMIT);
        size_t at = sl_word_set_hash(word) % SET_SLOTS;
        while (set->slots[at] != 0) {
            at = (at + 1) % SET_SLOTS;
        }
        set->slots[at] = sl_word_set_hash(word);
    }
    return SL_DONE;
}

static sl_res parse_tables(sl_patterns *p)
{
    sl_view rest = sl_buf_view(&p->tables);
    for (size_t line = 1; rest.n != 0; line++) {
        sl_view row;
        (void)sl_view_cut(rest, '\n', &row, &rest);
        if (row.n == 0 || row.p[0] == '#') {
            continue;
        }
        if (row.p[0] == '@') {
            SL_TRY(parse_set(p, sl_view_sub(row, 1, row.n), line));
        } else if (row.p[0] == '=') {
            SL_TRY(parse_definition(p->macros, &p->macro_count, SL_PATTERN_MACROS_MAX,
                                    sl_view_sub(row, 1, row.n), line));
        } else {
            SL_TRY(parse_pattern(p, row, line));
        }
    }
    return SL_DONE;
}

sl_res sl_patterns_read(const sl_view *tables, size_t count, sl_patterns **ret_patterns)
{
    sl_patterns *p = calloc(1, sizeof *p);
    SL_NEED(p != NULL, SL_E_MEMORY);
    p->arena.max = 4 * SL_PATTERN_TABLE_BYTES_MAX;
    p->tables.max = SL_PATTERN_TABLE_BYTES_MAX;
    p->patterns = calloc(SL_PATTERNS_MAX, sizeof *p->patterns);
    p->single = calloc(SL_PATTERNS_MAX, sizeof *p->single);
    p->set_words = calloc(SL_PATTERN_SETS_MAX, sizeof *p->set_words);
    sl_res r = p->patterns == NULL || p->single == NULL || p->set_words == NULL
                   ? sl_fail(SL_E_MEMORY)
                   : SL_DONE;
    for (size_t i = 0; sl_ok(r) && i < count; i++) {
        r = sl_buf_add(&p->tables, tables[i]);
        if (sl_ok(r)) {
            r = sl_buf_add_byte(&p->tables, '\n');
        }
    }
    if (sl_ok(r)) {
        r = parse_tables(p);
    }
    if (!sl_ok(r)) {
        sl_patterns_free(p);
        return r;
    }
    *ret_patterns = p;
    return SL_DONE;
}
