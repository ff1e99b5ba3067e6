/* Reading correlations and counting their groups (correlation.h). A group is found by the hash of its fields' values; it
 * holds moments: the last matches, the last sight of each value, or the last match of each rule. */
#include "watch/correlation.h"

#include <stdlib.h>

#include "ledger/event.h"
#include "watch/sigma_head.h"

/* ---- reading ---- */

typedef struct {
    sl_sigma_head head;
    const sl_yaml_node *correlation;
} correlation_file;

typedef struct {
    int kind;
    sl_yaml_texts rules;
    sl_yaml_texts group_by;
    sl_view timespan;
    bool generate;
    const sl_yaml_node *condition;
} correlation_part;

typedef struct {
    sl_view field;
    int64_t gt;
    int64_t gte;
} condition_part;

static const char *const kind_names[] = { "event_count", "value_count", "temporal",
                                          "temporal_ordered", NULL };

static const sl_yaml_field file_fields[] = {
    SL_SIGMA_HEAD_FIELDS,
    SL_SIGMA_FIELD(correlation_file, correlation, SL_YAML_AS_MAP, true),
    { .key = NULL },
};
static const sl_yaml_field part_fields[] = {
    { .key = "type",
      .type = SL_YAML_AS_CHOICE,
      .required = true,
      .offset = offsetof(correlation_part, kind),
      .names = kind_names },
    SL_SIGMA_FIELD(correlation_part, rules, SL_YAML_AS_TEXTS, true),
    { .key = "group-by", .type = SL_YAML_AS_TEXTS, .offset = offsetof(correlation_part, group_by) },
    SL_SIGMA_FIELD(correlation_part, timespan, SL_YAML_AS_TEXT, true),
    SL_SIGMA_FIELD(correlation_part, generate, SL_YAML_AS_BOOL, false),
    SL_SIGMA_FIELD(correlation_part, condition, SL_YAML_AS_MAP, false),
    { .key = NULL },
};
static const sl_yaml_field condition_fields[] = {
    SL_SIGMA_FIELD(condition_part, field, SL_YAML_AS_TEXT, false),
    SL_SIGMA_FIELD(condition_part, gt, SL_YAML_AS_INT, false),
    SL_SIGMA_FIELD(condition_part, gte, SL_YAML_AS_INT, false),
    { .key = NULL },
};

bool sl_correlation_is(sl_view yaml)
{
    sl_view word = SL_LIT("correlation:");
    return sl_view_starts(yaml, word) ||
           sl_view_find(yaml, SL_LIT("\ncorrelation:"), 0) != SIZE_MAX;
}

static sl_res copy_texts(const sl_yaml_texts *texts, sl_arena *arena, sl_view *all, size_t max,
                         size_t *ret_count, uint64_t line)
{
    if (texts->n > max) {
        return sl_fail_at(SL_E_LIMIT, "correlation", line);
    }
    for (size_t i = 0; i < texts->n; i++) {
        SL_TRY(sl_arena_dup(arena, texts->items[i], &all[i]));
    }
    *ret_count = texts->n;
    return SL_DONE;
}

/* Sigma's own: a number and one of s, m (minutes), h, d. */
static sl_res read_timespan(sl_view text, uint64_t line, int64_t *ret_ms)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = { 1, 60, 3600, 86400 };
    uint64_t n = 0;
    const char *unit = text.n < 2 ? NULL : memchr(units, text.p[text.n - 1], sizeof units - 1);
    if (unit == NULL || !sl_ok(sl_parse_u64(sl_view_sub(text, 0, text.n - 1), 100000, &n)) ||
        n == 0) {
        return sl_fail_at(SL_E_SYNTAX, "timespan", line);
    }
    *ret_ms = (int64_t)n * seconds[unit - units] * 1000;
    return SL_DONE;
}

/* Counting takes a number, and value_count a field; the temporal ones take neither. */
static sl_res read_condition(const sl_yaml_node *node, sl_arena *arena, sl_correlation *c,
                             uint64_t line)
{
    bool counts = c->kind == SL_CORRELATE_EVENTS || c->kind == SL_CORRELATE_VALUES;
    condition_part part = { .gt = -1, .gte = -1 };
    if (counts != (node != NULL)) {
        return sl_fail_at(counts ? SL_E_MISSING_FIELD : SL_E_UNSUPPORTED, "condition", line);
    }
    if (!counts) {
        return SL_DONE;
    }
    SL_TRY(sl_yaml_read(arena, node, condition_fields, &part));
    int64_t least = part.gt >= 0 ? part.gt + 1 : part.gte;
    bool one = (part.gt >= 0) != (part.gte >= 0);
    if (!one || least < 2 || (uint64_t)least > SL_CORRELATION_COUNT_MAX) {
        return sl_fail_at(SL_E_RANGE, "condition", node->line);
    }
    if ((c->kind == SL_CORRELATE_VALUES) != (part.field.n > 0)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "field", node->line);
    }
    c->least = (uint64_t)least;
    return sl_arena_dup(arena, part.field, &c->field);
}

sl_res sl_correlation_read(sl_view yaml, sl_arena *arena, sl_correlation *ret)
{
    const sl_yaml_node *root = NULL;
    correlation_file file = { 0 };
    correlation_part part = { 0 };
    sl_correlation c = { 0 };
    SL_TRY(sl_yaml_parse(arena, yaml, &root));
    SL_TRY(sl_yaml_read(arena, root, file_fields, &file));
    SL_TRY(sl_yaml_read(arena, file.correlation, part_fields, &part));
    SL_TRY(sl_arena_dup(arena, file.head.id, &c.id));
    SL_TRY(sl_arena_dup(arena, file.head.title, &c.title));
    c.level = (sl_level)file.head.level;
    c.kind = (sl_correlation_kind)part.kind;
    c.generate = part.generate;
    uint64_t line = file.correlation->line;
    SL_TRY(read_timespan(part.timespan, line, &c.timespan_ms));
    SL_TRY(copy_texts(&part.rules, arena, c.rules, SL_CORRELATION_RULES_MAX, &c.rule_count, line));
    SL_TRY(copy_texts(&part.group_by, arena, c.group_by, SL_CORRELATION_FIELDS_MAX, &c.group_count,
                      line));
    bool temporal = c.kind == SL_CORRELATE_ALL || c.kind == SL_CORRELATE_ORDER;
    if (c.rule_count == 0 || (temporal && c.rule_count < 2)) {
        return sl_fail_at(SL_E_RANGE, "correlation", line);
    }
    SL_TRY(read_condition(part.condition, arena, &c, line));
    *ret = c;
    return SL_DONE;
}

bool sl_correlation_groups_by(const sl_correlation *c, const char *field)
{
    for (size_t i = 0; i < c->group_count; i++) {
        if (sl_view_eq_str(c->group_by[i], field)) {
            return true;
        }
    }
    return false;
}

/* ---- groups ---- */

typedef struct {
    uint64_t value; /* hash of a value; else the rule's number, or nothing */
    int64_t time_ms;
} moment;

typedef struct {
    uint64_t key; /* 0: free */
    int64_t touched_ms;
    int64_t timespan_ms;
    size_t n;
    moment *moments; /* `least` of them, or one a rule */
} group;

struct sl_correlator {
    group groups[SL_CORRELATION_GROUPS_MAX];
};

sl_res sl_correlator_new(sl_correlator **ret_correlator)
{
    sl_correlator *made = calloc(1, sizeof *made);
    SL_NEED(made != NULL, SL_E_MEMORY);
    *ret_correlator = made;
    return SL_DONE;
}

void sl_correlator_free(sl_correlator *correlator)
{
    for (size_t i = 0; correlator != NULL && i < SL_CORRELATION_GROUPS_MAX; i++) {
        free(correlator->groups[i].moments);
    }
    free(correlator);
}

static uint64_t mix(uint64_t h, sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        h = (h ^ v.p[i]) * 0x100000001B3u;
    }
    return (h ^ 0xFF) * 0x100000001B3u;
}

/* The raw text of a scalar field; empty when the leaf has none. */
static sl_view value_text(const sl_json_doc *leaf, sl_view field)
{
    const sl_json_node *node = sl_leaf_field(leaf, field);
    bool scalar = node != NULL && node->kind != SL_JSON_NULL && node->kind != SL_JSON_OBJECT &&
                  node->kind != SL_JSON_ARRAY;
    return scalar ? node->raw : (sl_view){ 0 };
}

/* 0: a field that tells groups apart is missing, and the leaf belongs to none. */
static uint64_t group_key(size_t number, const sl_correlation *c, const sl_json_doc *leaf)
{
    uint64_t h = 0xCBF29CE484222325u + (uint64_t)number * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < c->group_count; i++) {
        sl_view value = value_text(leaf, c->group_by[i]);
        if (value.n == 0) {
            return 0;
        }
        h = mix(h, value);
    }
    return h | 1;
}

/* The group's place; else a free one, one whose time is over, or the one that was quiet longest. */
static group *place_of(sl_correlator *correlator, uint64_t key, int64_t time_ms, bool *ret_crowded)
{
    enum { PROBES = 32 };
    group *found = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        group *g = &correlator->groups[(key + i) % SL_CORRELATION_GROUPS_MAX];
        if (g->key == key) {
            return g;
        }
        if (found == NULL ||
            (found->key != 0 && (g->key == 0 || g->touched_ms < found->touched_ms))) {
            found = g;
        }
    }
    if (found->key != 0 && time_ms - found->touched_ms <= found->timespan_ms) {
        *ret_crowded = true;
    }
    free(found->moments);
    *found = (group){ .key = 0 };
    return found;
}

static bool begin(group *g, uint64_t key, const sl_correlation *c)
{
    size_t size = c->least > 0 ? (size_t)c->least : c->rule_count;
    if (g->key == key) {
        return true;
    }
    g->moments = calloc(size, sizeof *g->moments);
    g->key = g->moments == NULL ? 0 : key;
    g->timespan_ms = c->timespan_ms;
    return g->moments != NULL;
}

/* The last `least` matches are kept: the oldest of them must be young enough. */
static bool count_event(group *g, const sl_correlation *c, int64_t time_ms)
{
    size_t size = (size_t)c->least;
    if (g->n == size) {
        memmove(g->moments, g->moments + 1, (size - 1) * sizeof *g->moments);
        g->n--;
    }
    g->moments[g->n++] = (moment){ 0, time_ms };
    return g->n == size && time_ms - g->moments[0].time_ms <= c->timespan_ms;
}

static bool count_value(group *g, const sl_correlation *c, const sl_json_doc *leaf, int64_t time_ms)
{
    sl_view text = value_text(leaf, c->field);
    if (text.n == 0) {
        return false;
    }
    uint64_t value = mix(0xCBF29CE484222325u, text);
    size_t at = SIZE_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < g->n; i++) { /* what is too old goes */
        if (time_ms - g->moments[i].time_ms <= c->timespan_ms) {
            g->moments[kept] = g->moments[i];
            at = g->moments[kept].value == value ? kept : at;
            kept++;
        }
    }
    g->n = kept;
    if (at == SIZE_MAX) {
        at = g->n++; /* fewer than `least` were there, or the group had begun anew */
    }
    g->moments[at] = (moment){ value, time_ms };
    return g->n >= c->least;
}

static bool match_any_order(group *g, const sl_correlation *c, size_t rule, int64_t time_ms)
{
    bool all = true;
    g->n = c->rule_count;
    g->moments[rule] = (moment){ 1, time_ms };
    for (size_t i = 0; i < c->rule_count; i++) {
        all = all && g->moments[i].value == 1 && time_ms - g->moments[i].time_ms <= c->timespan_ms;
    }
    return all;
}

/* For each rule the latest beginning of a row that has come as far as it. */
static bool match_in_order(group *g, const sl_correlation *c, size_t rule, int64_t time_ms)
{
    moment *m = g->moments;
    g->n = c->rule_count;
    if (rule == 0) {
        m[0] = (moment){ 1, time_ms };
        return false;
    }
    if (m[rule - 1].value == 1 && time_ms - m[rule - 1].time_ms <= c->timespan_ms) {
        m[rule] = m[rule - 1];
        return rule + 1 == c->rule_count;
    }
    return false;
}

bool sl_correlator_match(sl_correlator *correlator, size_t number, const sl_correlation *c,
                         size_t rule, const sl_json_doc *leaf, int64_t time_ms, bool *ret_crowded)
{
    uint64_t key = group_key(number, c, leaf);
    if (key == 0) {
        return false;
    }
    group *g = place_of(correlator, key, time_ms, ret_crowded);
    if (!begin(g, key, c)) {
        *ret_crowded = true;
        return false;
    }
    g->touched_ms = time_ms;
    bool holds = false;
    switch (c->kind) {
    case SL_CORRELATE_EVENTS:
        holds = count_event(g, c, time_ms);
        break;
    case SL_CORRELATE_VALUES:
        holds = count_value(g, c, leaf, time_ms);
        break;
    case SL_CORRELATE_ALL:
        holds = match_any_order(g, c, rule, time_ms);
        break;
    case SL_CORRELATE_ORDER:
    default:
        holds = match_in_order(g, c, rule, time_ms);
        break;
    }
    if (holds) {
        memset(g->moments, 0, g->n * sizeof *g->moments);
        g->n = 0;
    }
    return holds;
}
