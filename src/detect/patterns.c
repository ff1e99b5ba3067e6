/* Pattern tables, their automaton, and the proof of each match (patterns.h).
 * Text is narrowed to windows around bytes that every pattern needs (a digit, '@', "://" ...) and
 * scanned for the ends of matches; a pattern that ended somewhere is asked alone where it began; the
 * longest match that proves itself counts.
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
#define WINDOW_BEFORE ((size_t)72)
#define WINDOW_AFTER ((size_t)56)
#define WINDOW_BLANK ((size_t)256)
/* From the end of a match back so far, and further to a blank, its beginning is looked for. */
#define CONFIRM_BACK ((size_t)160)
#define CONFIRM_TOKEN ((size_t)4096)
/* Texts shorter than this are scanned whole. */
#define WHOLE_BYTES ((size_t)256)

typedef enum { VALUE_ALL, VALUE_LAST, VALUE_DIGIT, VALUE_REST } value_mode;

typedef struct {
    const char *name;
    sl_check_digit_fn *check; /* or NULL */
    uint16_t score;
    uint8_t kind;
    uint8_t value;
    uint8_t group; /* group_kind */
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

/* A set's words by a 32-bit hash: a chance hit costs nothing but a context that is too kind. */
#define SET_SLOTS ((size_t)512)
typedef struct {
    uint32_t slots[SET_SLOTS]; /* 0 is empty */
} word_set;

/* Patterns are asked only where their own sort of trigger stands; most are in the first group. */
typedef enum {
    GROUP_MAIN,
    GROUP_WORD,   /* a word that mixes letters and digits */
    GROUP_STREET, /* digits, a blank, a letter */
    GROUP_STATE,  /* two capitals, blanks, a digit */
    GROUP_MAIL,   /* '@' */
    GROUP_COUNT
} group_kind;

struct sl_patterns {
    size_t owners; /* beyond the first */
    sl_arena arena;
    sl_buf tables; /* all tables, one after another */
    /* A group's patterns together say quickly where something ends; a pattern alone then says where
     * it begins. Reporting starts for all at once would cost three times as much. */
    hs_database_t *groups[GROUP_COUNT]; /* or NULL: the group is empty */
    hs_database_t **single;
    pattern *patterns;
    size_t count;
    definition sets[SETS_MAX];
    word_set *set_words;
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
    match *ends; /* of the first pass: `start` is not set */
    size_t ends_n;
    size_t ends_cap;
    uint32_t id; /* of the pattern that is asked alone */
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

static sl_res parse_flags(sl_view flags, size_t line, pattern *out)
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
    SL_NEED(p->count < PATTERNS_MAX, SL_E_LIMIT);
    pattern one = { 0 };
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

static uint8_t lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

/* FNV-1a of the word in lower case; never 0. */
static uint32_t hash_word(sl_view word)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < word.n; i++) {
        h = (h ^ lower(word.p[i])) * 16777619U;
    }
    return h == 0 ? 1 : h;
}

static sl_res parse_set(sl_patterns *p, sl_view row, size_t line)
{
    size_t words = 0;
    size_t index = p->set_count;
    SL_TRY(parse_definition(p->sets, &p->set_count, SETS_MAX, row, line));
    word_set *set = &p->set_words[index];
    for (sl_view rest = p->sets[index].text; rest.n != 0;) {
        sl_view word;
        (void)sl_view_cut(rest, '|', &word, &rest);
        SL_NEED(++words < SET_SLOTS / 2, SL_E_LIMIT);
        size_t at = hash_word(word) % SET_SLOTS;
        while (set->slots[at] != 0) {
            at = (at + 1) % SET_SLOTS;
        }
        set->slots[at] = hash_word(word);
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
    p->single = calloc(PATTERNS_MAX, sizeof *p->single);
    p->set_words = calloc(SETS_MAX, sizeof *p->set_words);
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
    *ret = p;
    return SL_DONE;
}

static unsigned flags_of(const pattern *one)
{
    return one->caseless ? (unsigned)HS_FLAG_CASELESS : 0U;
}

static sl_res compile_failed(hs_compile_error_t *error, size_t pattern_index)
{
    hs_free_compile_error(error);
    return sl_fail_at(SL_E_SYNTAX, "pattern (counted from 0)", pattern_index);
}

/* Vectorscan 5.4.9 may miss matches of an automaton with one short literal, depending on where in
 * memory the text lies. Companions that never match keep it on the engine for several literals
 * (tests/detect/test_inspect.c holds it to the same matches at every address). */
static sl_res compile_single(sl_patterns *p, const hs_platform_info_t *machine)
{
    static const unsigned IDS[4] = { 0, 1, 2, 3 };
    for (size_t i = 0; i < p->count; i++) {
        const char *expressions[4] = { p->patterns[i].expression, "\\x01\\x02zq\\x03",
                                       "\\x04\\x05\\x06jx", "\\x02vq\\x01\\x07" };
        unsigned flags[4] = { flags_of(&p->patterns[i]) | HS_FLAG_SOM_LEFTMOST, 0, 0, 0 };
        hs_compile_error_t *error = NULL;
        if (hs_compile_multi(expressions, flags, IDS, 4, HS_MODE_BLOCK, machine, &p->single[i],
                             &error) != HS_SUCCESS) {
            return compile_failed(error, i);
        }
    }
    return SL_DONE;
}

static sl_res compile_group(sl_patterns *p, group_kind group, const hs_platform_info_t *machine)
{
    const char *expressions[PATTERNS_MAX];
    unsigned flags[PATTERNS_MAX];
    unsigned ids[PATTERNS_MAX];
    unsigned n = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->patterns[i].group == group) {
            expressions[n] = p->patterns[i].expression;
            flags[n] = flags_of(&p->patterns[i]);
            ids[n++] = (unsigned)i;
        }
    }
    hs_compile_error_t *error = NULL;
    if (n != 0 && hs_compile_multi(expressions, flags, ids, n, HS_MODE_BLOCK, machine,
                                   &p->groups[group], &error) != HS_SUCCESS) {
        return compile_failed(error, 0);
    }
    return SL_DONE;
}

static sl_res compile(sl_patterns *p, const hs_platform_info_t *machine)
{
    SL_TRY(compile_single(p, machine));
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        SL_TRY(compile_group(p, (group_kind)group, machine));
    }
    return SL_DONE;
}

/* `machine` NULL: the one that runs this. */
static sl_res compile_tables(const sl_view *tables, size_t count, const hs_platform_info_t *machine,
                             sl_patterns **ret_patterns)
{
    sl_patterns *p = NULL;
    SL_TRY(patterns_new(tables, count, &p));
    sl_res r = p->count == 0 ? sl_fail_at(SL_E_MISSING_FIELD, "patterns", 0) : compile(p, machine);
    if (!sl_ok(r)) {
        sl_patterns_free(p);
        return r;
    }
    *ret_patterns = p;
    return SL_DONE;
}

sl_res sl_patterns_compile(const sl_view *tables, size_t count, sl_patterns **ret_patterns)
{
    return compile_tables(tables, count, NULL, ret_patterns);
}

static sl_res save_bytes(sl_view v, sl_buf *out)
{
    uint8_t length[4];
    sl_put_le32(length, (uint32_t)v.n);
    SL_TRY(sl_buf_add(out, sl_view_of(length, 4)));
    return sl_buf_add(out, v);
}

/* An empty group is saved as no bytes. */
static sl_res save_automaton(const hs_database_t *db, sl_buf *out)
{
    char *bytes = NULL;
    size_t n = 0;
    if (db == NULL) {
        return save_bytes((sl_view){ 0 }, out);
    }
    SL_NEED(hs_serialize_database(db, &bytes, &n) == HS_SUCCESS, SL_E_MEMORY);
    sl_res r = save_bytes(sl_view_of(bytes, n), out);
    free(bytes);
    return r;
}

/* Layout: tables, the groups' automata, each pattern's automaton; each with its length in 32 bits. */
sl_res sl_patterns_save(const sl_patterns *patterns, sl_buf *out)
{
    SL_TRY(save_bytes(sl_buf_view(&patterns->tables), out));
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        SL_TRY(save_automaton(patterns->groups[i], out));
    }
    for (size_t i = 0; i < patterns->count; i++) {
        SL_TRY(save_automaton(patterns->single[i], out));
    }
    return SL_DONE;
}

static sl_res open_bytes(sl_view *rest, sl_view *ret)
{
    SL_NEED(rest->n >= 4, SL_E_TRUNCATED);
    size_t n = sl_get_le32(rest->p);
    SL_NEED(n <= rest->n - 4, SL_E_TRUNCATED);
    *ret = sl_view_sub(*rest, 4, 4 + n);
    *rest = sl_view_sub(*rest, 4 + n, rest->n);
    return SL_DONE;
}

static sl_res open_automaton(sl_view *rest, hs_database_t **ret)
{
    sl_view bytes;
    SL_TRY(open_bytes(rest, &bytes));
    if (bytes.n != 0 &&
        hs_deserialize_database((const char *)bytes.p, bytes.n, ret) != HS_SUCCESS) {
        return sl_fail_at(SL_E_VERSION, "pattern automaton", 0);
    }
    return SL_DONE;
}

static sl_res open_automata(sl_patterns *p, sl_view rest)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        SL_TRY(open_automaton(&rest, &p->groups[i]));
    }
    for (size_t i = 0; i < p->count; i++) {
        SL_TRY(open_automaton(&rest, &p->single[i]));
        SL_NEED(p->single[i] != NULL, SL_E_TRUNCATED);
    }
    SL_NEED(rest.n == 0, SL_E_TRAILING);
    return SL_DONE;
}

sl_res sl_patterns_open(sl_view saved, sl_patterns **ret_patterns)
{
    sl_view table;
    sl_patterns *p = NULL;
    SL_TRY(open_bytes(&saved, &table));
    SL_TRY(patterns_new(&table, 1, &p));
    sl_res r = open_automata(p, saved);
    if (!sl_ok(r)) {
        sl_patterns_free(p);
        return r;
    }
    *ret_patterns = p;
    return SL_DONE;
}

/* The most able processors first; older ones compile at each start. */
static const unsigned long long MACHINES[] = { HS_CPU_FEATURES_AVX2 | HS_CPU_FEATURES_AVX512,
                                               HS_CPU_FEATURES_AVX2 };

sl_res sl_patterns_save_for_all(const sl_view *tables, size_t count, sl_buf *out)
{
    for (size_t i = 0; i < SL_COUNT_OF(MACHINES); i++) {
        SL_OWN(sl_buf, saved, sl_buf_free) = { .max = out->max };
        hs_platform_info_t machine = { .tune = HS_TUNE_FAMILY_GENERIC,
                                       .cpu_features = MACHINES[i] };
        sl_patterns *p = NULL;
        SL_TRY(compile_tables(tables, count, &machine, &p));
        sl_res r = sl_patterns_save(p, &saved);
        sl_patterns_free(p);
        SL_TRY(r);
        SL_TRY(save_bytes(sl_buf_view(&saved), out));
    }
    return SL_DONE;
}

sl_res sl_patterns_open_for_this(sl_view saved, sl_patterns **ret_patterns)
{
    hs_platform_info_t here = { 0 };
    SL_NEED(hs_populate_platform(&here) == HS_SUCCESS, SL_E_VERSION);
    for (size_t i = 0; i < SL_COUNT_OF(MACHINES); i++) {
        sl_view one;
        SL_TRY(open_bytes(&saved, &one));
        if ((MACHINES[i] & ~here.cpu_features) == 0) {
            return sl_patterns_open(one, ret_patterns);
        }
    }
    return sl_fail(SL_E_VERSION);
}

sl_patterns *sl_patterns_share(sl_patterns *patterns)
{
    patterns->owners++;
    return patterns;
}

void sl_patterns_free(sl_patterns *patterns)
{
    if (patterns == NULL) {
        return;
    }
    if (patterns->owners > 0) {
        patterns->owners--;
        return;
    }
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        hs_free_database(patterns->groups[i]);
    }
    for (size_t i = 0; patterns->single != NULL && i < patterns->count; i++) {
        hs_free_database(patterns->single[i]);
    }
    free(patterns->single);
    free(patterns->set_words);
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
    bool all = true;
    for (size_t i = 0; i < GROUP_COUNT && all; i++) {
        all = patterns->groups[i] == NULL ||
              hs_alloc_scratch(patterns->groups[i], &w->scratch) == HS_SUCCESS;
    }
    for (size_t i = 0; i < patterns->count && all; i++) {
        all = hs_alloc_scratch(patterns->single[i], &w->scratch) == HS_SUCCESS;
    }
    if (!all) {
        sl_pattern_work_free(w);
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
        free(work->ends);
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

static bool push(match **all, size_t *n, size_t *cap, match one)
{
    if (*n == *cap) {
        size_t more = *cap == 0 ? 256 : *cap * 2;
        match *items = more > MATCHES_MAX ? NULL : realloc(*all, more * sizeof *items);
        if (items == NULL) {
            return false;
        }
        *all = items;
        *cap = more;
    }
    (*all)[(*n)++] = one;
    return true;
}

static int on_end(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                  void *context)
{
    (void)from;
    (void)flags;
    sl_pattern_work *w = context;
    match one = { .end = w->base + (size_t)to, .id = id };
    w->failed = !push(&w->ends, &w->ends_n, &w->ends_cap, one);
    return w->failed;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    (void)flags;
    sl_pattern_work *w = context;
    if (id != 0) {
        return 0;
    }
    match one = { .start = w->base + (size_t)from, .end = w->base + (size_t)to, .id = w->id };
    w->failed = !push(&w->matches, &w->n, &w->cap, one);
    return w->failed;
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

static bool is_word_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

static bool in_set(const word_set *set, sl_view word)
{
    uint32_t hash = hash_word(word);
    for (size_t at = hash % SET_SLOTS; set->slots[at] != 0; at = (at + 1) % SET_SLOTS) {
        if (set->slots[at] == hash) {
            return true;
        }
    }
    return false;
}

static bool set_within(const word_set *set, sl_view text, size_t from, size_t to)
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
        size_t dash = i;
        while (dash < end && text.p[dash] != '-') {
            dash++;
        }
        sl_view head = sl_view_sub(text, i, dash);
        bool cut_off = i == from && from > 0 && is_word_byte(text.p[from - 1]);
        if (!cut_off && (in_set(set, whole) || (head.n < whole.n && in_set(set, head)))) {
            return true;
        }
        i = end;
    }
    return false;
}

static bool context_holds(const sl_patterns *p, const pattern *one, sl_view text, const match *m)
{
    for (size_t i = 0; i < one->context_count; i++) {
        const word_set *set = &p->set_words[one->context[i]];
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

static sl_res scan_part(const hs_database_t *db, sl_pattern_work *w, sl_view text, size_t from,
                        size_t to, match_event_handler on)
{
    w->base = from;
    hs_error_t e =
        hs_scan(db, (const char *)text.p + from, (unsigned)(to - from), 0, w->scratch, on, w);
    SL_NEED(!w->failed, SL_E_LIMIT);
    SL_NEED(e == HS_SUCCESS, SL_E_BUG);
    return SL_DONE;
}

/* ---- the first pass: where do matches end? --------------------------------------------------- */

/* The main group: windows around anything that it needs. */
static sl_res scan_main(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    const hs_database_t *db = p->groups[GROUP_MAIN];
    size_t done = 0;
    if (db == NULL) {
        return SL_DONE;
    }
    for (size_t at = next_trigger(text, 0); at < text.n;) {
        size_t from = text.n <= WHOLE_BYTES ? 0 : window_start(text, at, done);
        size_t to = text.n <= WHOLE_BYTES ? text.n : window_end(text, at);
        size_t next = next_trigger(text, to);
        while (next < text.n && window_start(text, next, to) <= to) {
            to = window_end(text, next);
            next = next_trigger(text, to);
        }
        SL_TRY(scan_part(db, w, text, from, to, on_end));
        done = to;
        at = next;
    }
    return SL_DONE;
}

/* A window of a smaller group that still grows. */
typedef struct {
    size_t from;
    size_t to;
} open_window;

static sl_res flush_window(const sl_patterns *p, sl_pattern_work *w, sl_view text, group_kind group,
                           open_window *open)
{
    if (open->to > open->from && p->groups[group] != NULL) {
        SL_TRY(scan_part(p->groups[group], w, text, open->from, open->to, on_end));
    }
    return SL_DONE;
}

static sl_res widen_window(const sl_patterns *p, sl_pattern_work *w, sl_view text, group_kind group,
                           open_window *open, size_t at)
{
    size_t from = window_start(text, at, 0);
    if (from <= open->to || open->to == 0) {
        open->from = open->to == 0 ? from : open->from;
        open->to = window_end(text, at);
        return SL_DONE;
    }
    SL_TRY(flush_window(p, w, text, group, open));
    *open = (open_window){ .from = from, .to = window_end(text, at) };
    return SL_DONE;
}

static bool is_letter(uint8_t b)
{
    return (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

static bool is_capital(uint8_t b)
{
    return b >= 'A' && b <= 'Z';
}

static bool is_digit_byte(uint8_t b)
{
    return b >= '0' && b <= '9';
}

/* Two capitals, an optional comma, one or more blanks, and here the digits. */
static bool state_before(sl_view t, size_t at)
{
    size_t i = at;
    while (i > 0 && at - i < 4 && t.p[i - 1] == ' ') {
        i--;
    }
    if (i == at) {
        return false;
    }
    i -= i > 0 && t.p[i - 1] == ',' ? 1U : 0U;
    return i >= 2 && is_capital(t.p[i - 1]) && is_capital(t.p[i - 2]);
}

/* The smaller groups: all but one need a run of digits with the right neighbours. */
static sl_res scan_small(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    open_window open[GROUP_COUNT] = { 0 };
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == '@') {
            SL_TRY(widen_window(p, w, text, GROUP_MAIL, &open[GROUP_MAIL], i));
        }
        if (!is_digit_byte(text.p[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < text.n && is_digit_byte(text.p[i])) {
            i++;
        }
        bool dashed = i + 1 < text.n && text.p[i] == '-' && is_digit_byte(text.p[i + 1]);
        bool before =
            start > 0 && (is_letter(text.p[start - 1]) ||
                          (text.p[start - 1] == '-' && start > 1 && is_letter(text.p[start - 2])));
        if (before || (i < text.n && is_letter(text.p[i])) || (dashed && before) ||
            (i + 1 < text.n && text.p[i] == '-' && is_letter(text.p[i + 1]))) {
            SL_TRY(widen_window(p, w, text, GROUP_WORD, &open[GROUP_WORD], start));
        }
        size_t next = i < text.n && is_letter(text.p[i]) ? i + 1 : i; /* 12a Main Street */
        if (next + 1 < text.n && text.p[next] == ' ' && is_word_byte(text.p[next + 1])) {
            SL_TRY(widen_window(p, w, text, GROUP_STREET, &open[GROUP_STREET], start));
        }
        if (state_before(text, start)) {
            SL_TRY(widen_window(p, w, text, GROUP_STATE, &open[GROUP_STATE], start));
        }
    }
    for (unsigned group = GROUP_MAIN + 1; group < GROUP_COUNT; group++) {
        SL_TRY(flush_window(p, w, text, (group_kind)group, &open[group]));
    }
    return SL_DONE;
}

/* ---- the second pass: where do they begin? --------------------------------------------------- */

static int end_order(const void *a, const void *b)
{
    const match *x = a;
    const match *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return x->end < y->end ? -1 : (x->end > y->end ? 1 : 0);
}

static size_t confirm_start(sl_view t, size_t end)
{
    size_t at = end > CONFIRM_BACK ? end - CONFIRM_BACK : 0;
    size_t limit = at > CONFIRM_TOKEN ? at - CONFIRM_TOKEN : 0;
    while (at > limit && !is_blank(t.p[at - 1])) {
        at--;
    }
    return at;
}

/* Ends of one pattern that stand close together are asked at once. */
static sl_res confirm_all(const sl_patterns *p, sl_pattern_work *w, sl_view text)
{
    for (size_t i = 0; i < w->ends_n;) {
        uint32_t id = w->ends[i].id;
        size_t from = confirm_start(text, w->ends[i].end);
        size_t to = w->ends[i].end;
        for (i++; i < w->ends_n && w->ends[i].id == id && w->ends[i].end - to <= CONFIRM_BACK / 2;
             i++) {
            to = w->ends[i].end;
        }
        w->id = id;
        to += to < text.n ? 1 : 0; /* the byte behind decides about the word's boundary */
        SL_TRY(scan_part(p->single[id], w, text, from, to, on_match));
    }
    return SL_DONE;
}

sl_res sl_patterns_scan(const sl_patterns *patterns, sl_pattern_work *work, sl_view text,
                        sl_findings *findings)
{
    SL_NEED(text.n < UINT32_MAX, SL_E_LIMIT);
    work->n = 0;
    work->ends_n = 0;
    work->failed = false;
    SL_TRY(scan_main(patterns, work, text));
    SL_TRY(scan_small(patterns, work, text));
    if (work->ends_n == 0) {
        return SL_DONE;
    }
    qsort(work->ends, work->ends_n, sizeof *work->ends, end_order);
    SL_TRY(confirm_all(patterns, work, text));
    if (work->n > 1) {
        qsort(work->matches, work->n, sizeof *work->matches, match_order);
    }
    return report_all(patterns, work, text, findings);
}
