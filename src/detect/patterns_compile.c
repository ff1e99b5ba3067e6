/* Automata of the pattern tables (patterns.h): compiled, saved, opened, shared. A group's automaton says quickly where
 * something ends; a pattern's own says where it begins. */
#include "detect/patterns_set.h"

static unsigned flags_of(const sl_pattern *one)
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

static sl_res compile_group(sl_patterns *p, sl_pattern_group group,
                            const hs_platform_info_t *machine)
{
    const char *expressions[SL_PATTERNS_MAX];
    unsigned flags[SL_PATTERNS_MAX];
    unsigned ids[SL_PATTERNS_MAX];
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

/* How wide a match can be, where the pattern bounds it, and one byte more for the word's boundary. */
static sl_res measure(sl_patterns *p)
{
    for (size_t i = 0; i < p->count; i++) {
        hs_expr_info_t *info = NULL;
        hs_compile_error_t *error = NULL;
        if (hs_expression_info(p->patterns[i].expression, flags_of(&p->patterns[i]), &info,
                               &error) != HS_SUCCESS) {
            return compile_failed(error, i);
        }
        unsigned width = info->max_width;
        free(info);
        p->patterns[i].back =
            width < SL_PATTERN_BACK_MAX ? (uint16_t)(width + 1) : SL_PATTERN_BACK_MAX;
    }
    return SL_DONE;
}

static sl_res compile(sl_patterns *p, const hs_platform_info_t *machine)
{
    SL_TRY(measure(p));
    SL_TRY(compile_single(p, machine));
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        SL_TRY(compile_group(p, (sl_pattern_group)group, machine));
    }
    return SL_DONE;
}

/* `machine` NULL: the one that runs this. */
static sl_res compile_tables(const sl_view *tables, size_t count, const hs_platform_info_t *machine,
                             sl_patterns **ret_patterns)
{
    sl_patterns *p = NULL;
    SL_TRY(sl_patterns_read(tables, count, &p));
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

/* Layout: tables, the groups' automata, each pattern's automaton, how far back each looks (16 bits); each with its
 * length in 32 bits. */
sl_res sl_patterns_save(const sl_patterns *patterns, sl_buf *out)
{
    SL_TRY(save_bytes(sl_buf_view(&patterns->tables), out));
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        SL_TRY(save_automaton(patterns->groups[i], out));
    }
    for (size_t i = 0; i < patterns->count; i++) {
        SL_TRY(save_automaton(patterns->single[i], out));
    }
    uint8_t back[2 * SL_PATTERNS_MAX];
    for (size_t i = 0; i < patterns->count; i++) {
        sl_put_le16(back + 2 * i, patterns->patterns[i].back);
    }
    return save_bytes(sl_view_of(back, 2 * patterns->count), out);
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
    sl_view back;
    SL_TRY(open_bytes(&rest, &back));
    SL_NEED(back.n == 2 * p->count && rest.n == 0, SL_E_TRAILING);
    for (size_t i = 0; i < p->count; i++) {
        p->patterns[i].back = sl_get_le16(back.p + 2 * i);
    }
    return SL_DONE;
}

sl_res sl_patterns_open(sl_view saved, sl_patterns **ret_patterns)
{
    sl_view table;
    sl_patterns *p = NULL;
    SL_TRY(open_bytes(&saved, &table));
    SL_TRY(sl_patterns_read(&table, 1, &p));
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
        sl_buf_free(&work->copy);
        free(work);
    }
}
