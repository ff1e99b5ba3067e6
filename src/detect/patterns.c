/* Pattern tables, their automaton, and the proof of each match (patterns.h).
 * Text is first narrowed to windows around bytes that every pattern needs (a digit, '@', "://" ...),
 * then scanned with the start of each match reported; the longest match that proves itself counts.
 * Vectorscan sees folded text only, in block mode: streams bring their own windows. */
#include "detect/patterns.h"

#include <hs/hs.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/arena.h"
#include "detect/check_digits.h"

#define PATTERNS_MAX ((size_t)512)
#define SETS_MAX ((size_t)64)
#define MACROS_MAX ((size_t)16)
#define CONTEXT_PER_PATTERN ((size_t)3)
#define EXPRESSION_BYTES_MAX ((size_t)8192)
#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define MATCHES_MAX ((size_t)1 << 20)
/* How far context words may stand before and after a match. */
#define CONTEXT_BEFORE ((size_t)40)
#define CONTEXT_AFTER ((size_t)16)
/* A window reaches so far around a trigger, and further to the next blank. */
#define WINDOW_BEFORE ((size_t)128)
#define WINDOW_AFTER ((size_t)64)
#define WINDOW_BLANK ((size_t)256)
/* Texts shorter than this are scanned whole. */
#define WHOLE_BYTES ((size_t)256)

typedef enum { VALUE_ALL, VALUE_LAST, VALUE_DIGIT, VALUE_REST } value_mode;

typedef struct {
    const char *name;
    sl_check_digit_fn *check; /* or NULL */
    uint16_t score;
    uint8_t kind;
    uint8_t value;
    bool caseless;
    uint8_t context_count;
    bool negative[CONTEXT_PER_PATTERN];
    uint8_t context[CONTEXT_PER_PATTERN];
    const char *expression;
} pattern;

typedef struct {
    sl_view name;
    sl_view text;
} definition;

struct sl_patterns {
    sl_arena arena;
    sl_buf tables; /* all tables, one after another */
    hs_database_t *db;
    pattern *patterns;
    size_t count;
    definition sets[SETS_MAX];
    size_t set_count;
    definition macros[MACROS_MAX];
    size_t macro_count;
};

typedef struct {
    size_t start;
    size_t end;
    uint32_t id;
} match;

struct sl_pattern_work {
    hs_scratch_t *scratch;
    match *matches;
    size_t n;
    size_t cap;
    size_t base;
    bool failed;
};

/* ---- tables -------------------------------------------------------------------------------- */

static sl_res line_error(const char *field, size_t line)
{
    return sl_fail_at(SL_E_SYNTAX, field, line);
}

static bool find_definition(const definition *all, size_t count, sl_view name, size_t *ret)
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

static sl_res parse_context(sl_patterns *p, sl_view text, size_t line, pattern *out)
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
        if (!sign || out->context_count == CONTEXT_PER_PATTERN ||
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
    static const char *const NAMES[] = { "all", "last", "digit", "rest" };
    for (size_t i = 0; i < SL_COUNT_OF(NAMES); i++) {
        if (sl_view_eq_str(text, NAMES[i])) {
            *ret = (uint8_t)i;
            return SL_DONE;
        }
    }
    return line_error("pattern table: value", line);
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
    SL_NEED(p->count < PATTERNS_MAX, SL_E_LIMIT);
    pattern one = { .caseless = sl_view_eq_str(f[2], "i") };
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

static sl_res parse_definition(definition *all, size_t *count, size_t max, sl_view row, size_t line)
{
    definition d;
    if (!sl_view_cut(row, '\t', &d.name, &d.text) || d.name.n == 0 || d.text.n == 0) {
        return line_error("pattern table: definition", line);
    }
    SL_NEED(*count < max, SL_E_LIMIT);
    all[(*count)++] = d;
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
            SL_TRY(parse_definition(p->sets, &p->set_count, SETS_MAX, sl_view_sub(row, 1, row.n),
                                    line));
        } else if (row.p[0] == '=') {
            SL_TRY(parse_definition(p->macros, &p->macro_count, MACROS_MAX,
                                    sl_view_sub(row, 1, row.n), line));
        } else {
            SL_TRY(parse_pattern(p, row, line));
        }
    }
    return SL_DONE;
}

static sl_res patterns_new(const sl_view *tables, size_t count, sl_patterns **ret)
{
    sl_patterns *p = calloc(1, sizeof *p);
    SL_NEED(p != NULL, SL_E_MEMORY);
    p->arena.max = 4 * TABLE_BYTES_MAX;
    p->tables.max = TABLE_BYTES_MAX;
    p->patterns = calloc(PATTERNS_MAX, sizeof *p->patterns);
    sl_res r = p->patterns == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
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
    *ret = p;
    return SL_DONE;
}

static sl_res compile(sl_patterns *p)
{
    const char *expressions[PATTERNS_MAX];
    unsigned flags[PATTERNS_MAX];
    unsigned ids[PATTERNS_MAX];
    for (size_t i = 0; i < p->count; i++) {
        expressions[i] = p->patterns[i].expression;
        flags[i] =
            HS_FLAG_SOM_LEFTMOST | (p->patterns[i].caseless ? (unsigned)HS_FLAG_CASELESS : 0U);
        ids[i] = (unsigned)i;
    }
    hs_compile_error_t *error = NULL;
    if (hs_compile_multi(expressions, flags, ids, (unsigned)p->count, HS_MODE_BLOCK, NULL, &p->db,
                         &error) != HS_SUCCESS) {
        int at = error != NULL ? error->expression : -1;
        hs_free_compile_error(error);
        return sl_fail_at(SL_E_SYNTAX, "pattern (counted from 0)",
                          at < 0 ? SL_NOWHERE : (uint64_t)at);
    }
    return SL_DONE;
}

sl_res sl_patterns_compile(const sl_view *tables, size_t count, sl_patterns **ret_patterns)
{
    sl_patterns *p = NULL;
    SL_TRY(patterns_new(tables, count, &p));
    sl_res r = p->count == 0 ? sl_fail_at(SL_E_MISSING_FIELD, "patterns", 0) : compile(p);
    if (!sl_ok(r)) {
        sl_patterns_free(p);
        return r;
    }
    *ret_patterns = p;
    return SL_DONE;
}

/* Layout: u32 length of tables, tables, u32 length of automaton, automaton. */
sl_res sl_patterns_save(const sl_patterns *patterns, sl_buf *out)
{
    char *bytes = NULL;
    size_t n = 0;
    SL_NEED(hs_serialize_database(patterns->db, &bytes, &n) == HS_SUCCESS, SL_E_MEMORY);
    uint8_t length[4];
    sl_put_le32(length, (uint32_t)patterns->tables.n);
    sl_res r = sl_buf_add(out, sl_view_of(length, 4));
    if (sl_ok(r)) {
        r = sl_buf_add(out, sl_buf_view(&patterns->tables));
    }
    sl_put_le32(length, (uint32_t)n);
    if (sl_ok(r)) {
        r = sl_buf_add(out, sl_view_of(length, 4));
    }
    if (sl_ok(r)) {
        r = sl_buf_add(out, sl_view_of(bytes, n));
    }
    free(bytes);
    return r;
}

sl_res sl_patterns_open(sl_view saved, sl_patterns **ret_patterns)
{
    SL_NEED(saved.n >= 8, SL_E_TRUNCATED);
    size_t tables = sl_get_le32(saved.p);
    SL_NEED(tables <= saved.n - 8, SL_E_TRUNCATED);
    sl_view table = sl_view_sub(saved, 4, 4 + tables);
    size_t automaton = sl_get_le32(saved.p + 4 + tables);
    SL_NEED(automaton == saved.n - 8 - tables, SL_E_TRUNCATED);
    sl_patterns *p = NULL;
    SL_TRY(patterns_new(&table, 1, &p));
    if (hs_deserialize_database((const char *)saved.p + 8 + tables, automaton, &p->db) !=
        HS_SUCCESS) {
        sl_patterns_free(p);
        return sl_fail_at(SL_E_VERSION, "pattern automaton", 0);
    }
    *ret_patterns = p;
    return SL_DONE;
}

void sl_patterns_free(sl_patterns *patterns)
{
    if (patterns == NULL) {
        return;
    }
    hs_free_database(patterns->db);
    sl_buf_free(&patterns->tables);
    sl_arena_free(&patterns->arena);
    free(patterns->patterns);
    free(patterns);
}

size_t sl_patterns_count(const sl_patterns *patterns)
{
    return patterns->count;
}

const char *sl_pattern_name(const sl_patterns *patterns, uint16_t rule)
{
    return rule < patterns->count ? patterns->patterns[rule].name : "none";
}

sl_res sl_pattern_work_new(const sl_patterns *patterns, sl_pattern_work **ret_work)
{
    sl_pattern_work *w = calloc(1, sizeof *w);
    SL_NEED(w != NULL, SL_E_MEMORY);
    if (hs_alloc_scratch(patterns->db, &w->scratch) != HS_SUCCESS) {
        free(w);
        return sl_fail(SL_E_MEMORY);
    }
    *ret_work = w;
    return SL_DONE;
}

void sl_pattern_work_free(sl_pattern_work *work)
{
    if (work != NULL) {
        hs_free_scratch(work->scratch);
        free(work->matches);
        free(work);
    }
}

/* ---- windows ------------------------------------------------------------------------------- */

static bool is_trigger(sl_view t, size_t i)
{
    uint8_t b = t.p[i];
    uint8_t next = i + 1 < t.n ? t.p[i + 1] : 0;
    return (b >= '0' && b <= '9') || b == '@' || b == '=' || (b == ':' && next == '/') ||
           ((b == 'w' || b == 'W') && (next == 'w' || next == 'W')) || (b == '-' && next == '-') ||
           (b == '_') || (b == 'd' && next == ':') || (b == '*' && next == '*') ||
           ((b == 'n' || b == 'N') && (next == 'i' || next == 'I') && i + 2 < t.n &&
            (t.p[i + 2] == 'n' || t.p[i + 2] == 'N')) ||
           (b == 'e' && next == 'y' && i + 2 < t.n && t.p[i + 2] == 'J') ||
           ((b == 'e' || b == 'E') && (next == 'r' || next == 'R') && i + 2 < t.n &&
            t.p[i + 2] == ' ' && i >= 4 && (t.p[i - 4] == 'b' || t.p[i - 4] == 'B')) ||
           ((b == 'i' || b == 'I') && (next == 's' || next == 'S') && i >= 2 &&
            (t.p[i - 2] == 'd' || t.p[i - 2] == 'D'));
}

/* The first trigger at or after `i`, or t.n. */
static size_t next_trigger(sl_view t, size_t i)
{
    for (; i < t.n; i++) {
#ifdef __SSE2__
        /* Most blocks of prose hold none of the bytes that can begin a trigger. */
        while (i + 16 <= t.n) {
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(t.p + i));
            __m128i low = _mm_or_si128(b, _mm_set1_epi8(0x20));
            __m128i digit = _mm_cmpgt_epi8(_mm_set1_epi8((char)(-128 + 10)),
                                           _mm_add_epi8(b, _mm_set1_epi8((char)(-128 - '0'))));
            __m128i any =
                _mm_or_si128(_mm_or_si128(digit, _mm_cmpeq_epi8(b, _mm_set1_epi8('@'))),
                             _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('=')),
                                                       _mm_cmpeq_epi8(b, _mm_set1_epi8(':'))),
                                          _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('_')),
                                                       _mm_cmpeq_epi8(b, _mm_set1_epi8('*')))));
            __m128i next =
                _mm_loadu_si128((const __m128i *)(const void *)(t.p + (i + 17 <= t.n ? i + 1 : i)));
            __m128i next_low = _mm_or_si128(next, _mm_set1_epi8(0x20));
            __m128i pairs =
                _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('w')),
                                           _mm_cmpeq_epi8(next_low, _mm_set1_epi8('w'))),
                             _mm_and_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('-')),
                                           _mm_cmpeq_epi8(next, _mm_set1_epi8('-'))));
            pairs = _mm_or_si128(
                pairs,
                _mm_or_si128(
                    _mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('n')),
                                  _mm_cmpeq_epi8(next_low, _mm_set1_epi8('i'))),
                    _mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('e')),
                                  _mm_or_si128(_mm_cmpeq_epi8(next, _mm_set1_epi8('y')),
                                               _mm_cmpeq_epi8(next_low, _mm_set1_epi8('r'))))));
            pairs = _mm_or_si128(
                pairs, _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('i')),
                                                  _mm_cmpeq_epi8(next_low, _mm_set1_epi8('s'))),
                                    _mm_and_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('d')),
                                                  _mm_cmpeq_epi8(next, _mm_set1_epi8(':')))));
            unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(any, pairs));
            /* The last byte's pair is not seen in this block when the text ends here. */
            if (i + 17 > t.n) {
                mask |= 0x8000U;
            }
            if (mask == 0) {
                i += 16;
                continue;
            }
            while (mask != 0) {
                size_t at = i + (size_t)__builtin_ctz(mask);
                if (is_trigger(t, at)) {
                    return at;
                }
                mask &= mask - 1;
            }
            i += 16;
        }
        if (i >= t.n) {
            break;
        }
#endif
        if (is_trigger(t, i)) {
            return i;
        }
    }
    return t.n;
}

static bool is_blank(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

static size_t window_start(sl_view t, size_t trigger, size_t floor)
{
    size_t at = trigger - floor > WINDOW_BEFORE ? trigger - WINDOW_BEFORE : floor;
    size_t limit = at - floor > WINDOW_BLANK ? at - WINDOW_BLANK : floor;
    while (at > limit && !is_blank(t.p[at - 1])) {
        at--;
    }
    return at;
}

static size_t window_end(sl_view t, size_t trigger)
{
    size_t at = t.n - trigger > WINDOW_AFTER ? trigger + WINDOW_AFTER : t.n;
    size_t limit = t.n - at > WINDOW_BLANK ? at + WINDOW_BLANK : t.n;
    while (at < limit && !is_blank(t.p[at])) {
        at++;
    }
    return at;
}

/* ---- matches ------------------------------------------------------------------------------- */

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    (void)flags;
    sl_pattern_work *w = context;
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 256 : w->cap * 2;
        match *more = cap > MATCHES_MAX ? NULL : realloc(w->matches, cap * sizeof *more);
        if (more == NULL) {
            w->failed = true;
            return 1;
        }
        w->matches = more;
        w->cap = cap;
    }
    w->matches[w->n++] =
        (match){ .start = w->base + (size_t)from, .end = w->base + (size_t)to, .id = id };
    return 0;
}

/* By pattern, then start, then the longest first. */
static int match_order(const void *a, const void *b)
{
    const match *x = a;
    const match *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->end > y->end ? -1 : (x->end < y->end ? 1 : 0);
}

static uint8_t lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

static bool is_word_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

/* Is `word` (of text, any case) one of "a|b|c"? */
static bool in_set(sl_view set, sl_view word)
{
    while (set.n != 0) {
        sl_view one;
        (void)sl_view_cut(set, '|', &one, &set);
        if (one.n != word.n) {
            continue;
        }
        size_t i = 0;
        while (i < one.n && one.p[i] == lower(word.p[i])) {
            i++;
        }
        if (i == one.n) {
            return true;
        }
    }
    return false;
}

static bool set_within(sl_view set, sl_view text, size_t from, size_t to)
{
    for (size_t i = from; i < to;) {
        if (!is_word_byte(text.p[i])) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < to && (is_word_byte(text.p[end]) || text.p[end] == '-')) {
            end++;
        }
        sl_view whole = sl_view_sub(text, i, end);
        sl_view head;
        sl_view rest;
        (void)sl_view_cut(whole, '-', &head, &rest);
        bool cut_off = i == from && from > 0 && is_word_byte(text.p[from - 1]);
        if (!cut_off && (in_set(set, whole) || in_set(set, head))) {
            return true;
        }
        i = end;
    }
    return false;
}

static bool context_holds(const sl_patterns *p, const pattern *one, sl_view text, const match *m)
{
    for (size_t i = 0; i < one->context_count; i++) {
        sl_view set = p->sets[one->context[i]].text;
        size_t from = m->start > CONTEXT_BEFORE ? m->start - CONTEXT_BEFORE : 0;
        bool found = set_within(set, text, from, m->start);
        if (one->negative[i]) {
            size_t to = text.n - m->end > CONTEXT_AFTER ? m->end + CONTEXT_AFTER : text.n;
            if (found || set_within(set, text, m->end, to)) {
                return false;
            }
        } else if (!found) {
            return false;
        }
    }
    return true;
}

/* Narrows a match to the identifier itself. */
static match value_of(const pattern *one, sl_view text, match m)
{
    switch ((value_mode)one->value) {
    case VALUE_LAST: {
        size_t at = m.end;
        while (at > m.start && !is_blank(text.p[at - 1]) && text.p[at - 1] != ':' &&
               text.p[at - 1] != '#' && text.p[at - 1] != '=') {
            at--;
        }
        m.start = at;
        break;
    }
    case VALUE_DIGIT:
        while (m.start < m.end && !(text.p[m.start] >= '0' && text.p[m.start] <= '9') &&
               text.p[m.start] != '+' && text.p[m.start] != '(') {
            m.start++;
        }
        break;
    case VALUE_REST:
        while (m.start < m.end && text.p[m.start] != ':' && text.p[m.start] != '=') {
            m.start++;
        }
        while (m.start < m.end &&
               (is_blank(text.p[m.start]) || text.p[m.start] == ':' || text.p[m.start] == '=' ||
                text.p[m.start] == '"' || text.p[m.start] == '\'')) {
            m.start++;
        }
        break;
    case VALUE_ALL:
    default:
        break;
    }
    return m;
}

static bool prove(const sl_patterns *p, sl_view text, const match *m, match *ret_value)
{
    const pattern *one = &p->patterns[m->id];
    match value = value_of(one, text, *m);
    if (value.start >= value.end) {
        return false;
    }
    if (one->check != NULL && !one->check(sl_view_sub(text, value.start, value.end))) {
        return false;
    }
    if (!context_holds(p, one, text, m)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static sl_res report(const sl_patterns *p, sl_view text, match value, uint32_t id,
                     sl_findings *findings)
{
    const pattern *one = &p->patterns[id];
    if (one->kind == SL_CLASS_PRIVATE_KEY && text.p[value.start] == '-') {
        value.end = sl_private_key_end(text, value.start);
    }
    bool secret = sl_class_group((sl_class)one->kind) == SL_GROUP_SECRET;
    return sl_findings_add(findings,
                           (sl_finding){ .start = value.start,
                                         .end = value.end,
                                         .attribution = SL_NO_ATTRIBUTION,
                                         .rule = (uint16_t)id,
                                         .policy_rule = SL_NO_RULE,
                                         .score_permille = one->score,
                                         .detector = secret ? SL_DETECTOR_SECRET : SL_DETECTOR_PHI,
                                         .kind = one->kind,
                                         .view = SL_VIEW_PLAIN });
}

/* Of each pattern's matches that share a start, the longest that proves itself; of overlapping ones
 * of one pattern, the first. */
static sl_res report_all(const sl_patterns *p, sl_pattern_work *w, sl_view text,
                         sl_findings *findings)
{
    uint32_t id = UINT32_MAX;
    size_t covered = 0;
    for (size_t i = 0; i < w->n; i++) {
        const match *m = &w->matches[i];
        if (m->id != id) {
            id = m->id;
            covered = 0;
        }
        match value;
        if (m->start >= covered && prove(p, text, m, &value)) {
            SL_TRY(report(p, text, value, id, findings));
            covered = m->end;
        }
    }
    return SL_DONE;
}

static sl_res scan_window(const sl_patterns *p, sl_pattern_work *w, sl_view text, size_t from,
                          size_t to)
{
    w->base = from;
    hs_error_t e = hs_scan(p->db, (const char *)text.p + from, (unsigned)(to - from), 0, w->scratch,
                           on_match, w);
    SL_NEED(!w->failed, SL_E_LIMIT);
    SL_NEED(e == HS_SUCCESS, SL_E_BUG);
    return SL_DONE;
}

sl_res sl_patterns_scan(const sl_patterns *patterns, sl_pattern_work *work, sl_view text,
                        sl_findings *findings)
{
    SL_NEED(text.n < UINT32_MAX, SL_E_LIMIT);
    work->n = 0;
    work->failed = false;
    size_t done = 0;
    for (size_t at = next_trigger(text, 0); at < text.n;) {
        size_t from = text.n <= WHOLE_BYTES ? 0 : window_start(text, at, done);
        size_t to = text.n <= WHOLE_BYTES ? text.n : window_end(text, at);
        size_t next = next_trigger(text, to);
        while (next < text.n && window_start(text, next, to) <= to) {
            to = window_end(text, next);
            next = next_trigger(text, to);
        }
        SL_TRY(scan_window(patterns, work, text, from, to));
        done = to;
        at = next;
    }
    if (work->n > 1) {
        qsort(work->matches, work->n, sizeof *work->matches, match_order);
    }
    return report_all(patterns, work, text, findings);
}
