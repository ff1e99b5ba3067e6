/* Reading and matching Sigma rules (rule.h). A selection is a run of terms in one array; the
 * condition is a postfix program over the truth of selections. Pure; no recursion. */
#include "watch/rule.h"

#include "ledger/event.h"
#include "watch/sigma_head.h"

typedef enum {
    MATCH_EQUAL,
    MATCH_CONTAINS,
    MATCH_STARTS,
    MATCH_ENDS,
    MATCH_EXISTS,
    MATCH_LESS,
    MATCH_LESS_EQUAL,
    MATCH_GREATER,
    MATCH_GREATER_EQUAL,
} match_kind;

/* One field and its values. A selection is true when, in one of its alternatives, all terms are. */
typedef struct {
    sl_view field;
    match_kind kind;
    bool all; /* every value must match, not any */
    const sl_view *values;
    size_t value_count;
    size_t selection;
    size_t alternative;
} term;

typedef enum { OP_SELECTION, OP_NOT, OP_AND, OP_OR, OP_SOME, OP_EVERY, OP_OPEN } op_kind;

typedef struct {
    op_kind kind;
    uint32_t selections; /* OP_SELECTION, OP_SOME, OP_EVERY: a bit for each */
} op;

enum { OPS_MAX = 48 };

struct sl_rule {
    sl_view id;
    sl_view title;
    sl_level level;
    sl_view names[SL_RULE_SELECTIONS_MAX];
    size_t alternatives[SL_RULE_SELECTIONS_MAX];
    size_t selection_count;
    term terms[SL_RULE_TERMS_MAX];
    size_t term_count;
    op ops[OPS_MAX];
    size_t op_count;
};

const char *const sl_sigma_levels[] = {
    "informational", "low", "medium", "high", "critical", NULL
};

const char *sl_level_name(sl_level level)
{
    return sl_sigma_levels[level];
}

sl_view sl_rule_id(const sl_rule *rule)
{
    return rule->id;
}

sl_view sl_rule_title(const sl_rule *rule)
{
    return rule->title;
}

sl_level sl_rule_level(const sl_rule *rule)
{
    return rule->level;
}

/* ---- reading ---- */

static sl_res bad_line(const char *what, const sl_yaml_node *node)
{
    return sl_fail_at(SL_E_SYNTAX, what, node->line);
}

static sl_res read_modifiers(sl_view modifiers, const sl_yaml_node *node, term *t)
{
    static const struct {
        const char *name;
        match_kind kind;
    } known[] = {
        { "contains", MATCH_CONTAINS }, { "startswith", MATCH_STARTS }, { "endswith", MATCH_ENDS },
        { "exists", MATCH_EXISTS },     { "lt", MATCH_LESS },           { "lte", MATCH_LESS_EQUAL },
        { "gt", MATCH_GREATER },        { "gte", MATCH_GREATER_EQUAL },
    };
    while (modifiers.n > 0) {
        sl_view one;
        (void)sl_view_cut(modifiers, '|', &one, &modifiers);
        if (sl_view_eq(one, SL_LIT("all"))) {
            t->all = true;
            continue;
        }
        size_t i = 0;
        while (i < SL_COUNT_OF(known) && !sl_view_eq_str(one, known[i].name)) {
            i++;
        }
        if (i == SL_COUNT_OF(known) || t->kind != MATCH_EQUAL) {
            return sl_fail_at(SL_E_UNSUPPORTED, "sigma modifier", node->line);
        }
        t->kind = known[i].kind;
    }
    return SL_DONE;
}

static sl_res check_value(const term *t, sl_view value, const sl_yaml_node *node)
{
    int64_t number = 0;
    bool numeric = t->kind >= MATCH_LESS;
    if (numeric && !sl_ok(sl_parse_i64(value, &number))) {
        return bad_line("a whole number", node);
    }
    bool word = sl_view_eq(value, SL_LIT("true")) || sl_view_eq(value, SL_LIT("false"));
    if (t->kind == MATCH_EXISTS && !word) {
        return bad_line("true or false", node);
    }
    return SL_DONE;
}

static sl_res read_values(const sl_yaml_node *node, sl_arena *arena, term *t)
{
    bool list = node->kind == SL_YAML_LIST;
    size_t count = list ? node->children : 1;
    if (node->kind == SL_YAML_MAP || count == 0) {
        return bad_line("a value or a list of values", node);
    }
    sl_view *values = sl_arena_array(arena, count, sizeof(*values));
    SL_NEED(values != NULL, SL_E_LIMIT);
    const sl_yaml_node *one = list ? node->first : node;
    for (size_t i = 0; i < count; i++, one = one->next) {
        sl_view text = { 0 };
        SL_TRY(sl_yaml_text(one, "sigma value", &text));
        SL_TRY(sl_arena_dup(arena, text, &values[i]));
        SL_TRY(check_value(t, values[i], one));
    }
    t->values = values;
    t->value_count = count;
    return SL_DONE;
}

static sl_res read_map(sl_rule *rule, const sl_yaml_node *map, sl_arena *arena, size_t alternative)
{
    if (map->kind != SL_YAML_MAP || map->first == NULL) {
        return bad_line("a selection is a map or a list of maps", map);
    }
    for (const sl_yaml_node *field = map->first; field != NULL; field = field->next) {
        SL_NEED(rule->term_count < SL_RULE_TERMS_MAX, SL_E_LIMIT);
        term *t = &rule->terms[rule->term_count];
        *t = (term){ .selection = rule->selection_count, .alternative = alternative };
        sl_view name;
        sl_view modifiers;
        (void)sl_view_cut(field->key, '|', &name, &modifiers);
        SL_TRY(read_modifiers(modifiers, field, t));
        SL_TRY(sl_arena_dup(arena, name, &t->field));
        SL_TRY(read_values(field, arena, t));
        rule->term_count++;
    }
    return SL_DONE;
}

static sl_res read_selection(sl_rule *rule, const sl_yaml_node *node, sl_arena *arena)
{
    SL_NEED(rule->selection_count < SL_RULE_SELECTIONS_MAX, SL_E_LIMIT);
    SL_TRY(sl_arena_dup(arena, node->key, &rule->names[rule->selection_count]));
    size_t alternative = 0;
    if (node->kind == SL_YAML_LIST) {
        for (const sl_yaml_node *one = node->first; one != NULL; one = one->next) {
            SL_TRY(read_map(rule, one, arena, alternative++));
        }
    } else {
        SL_TRY(read_map(rule, node, arena, alternative++));
    }
    if (alternative == 0) {
        return bad_line("an empty selection", node);
    }
    rule->alternatives[rule->selection_count++] = alternative;
    return SL_DONE;
}

/* ---- the condition ---- */

typedef struct {
    sl_rule *rule;
    sl_view text;
    size_t at;
    uint64_t line;
    op stack[OPS_MAX];
    size_t depth;
    bool want_operand;
} condition_parser;

static sl_res bad_condition(const condition_parser *p)
{
    return sl_fail_at(SL_E_SYNTAX, "sigma condition", p->line);
}

static bool next_word(condition_parser *p, sl_view *ret_word)
{
    while (p->at < p->text.n && p->text.p[p->at] == ' ') {
        p->at++;
    }
    if (p->at == p->text.n) {
        return false;
    }
    size_t from = p->at++;
    if (p->text.p[from] != '(' && p->text.p[from] != ')') {
        while (p->at < p->text.n && strchr(" ()", p->text.p[p->at]) == NULL) {
            p->at++;
        }
    }
    *ret_word = sl_view_sub(p->text, from, p->at);
    return true;
}

/* The selections a pattern names: "NAME", "NAME*" or "them" (all whose names do not begin with _). */
static uint32_t selections_named(const sl_rule *rule, sl_view pattern)
{
    bool them = sl_view_eq(pattern, SL_LIT("them"));
    bool wild = sl_view_ends(pattern, SL_LIT("*"));
    sl_view stem = wild ? sl_view_sub(pattern, 0, pattern.n - 1) : pattern;
    uint32_t named = 0;
    for (size_t i = 0; i < rule->selection_count; i++) {
        sl_view name = rule->names[i];
        bool hit = them   ? name.p[0] != '_'
                   : wild ? sl_view_starts(name, stem)
                          : sl_view_eq(name, stem);
        named |= hit ? (uint32_t)1 << i : 0;
    }
    return named;
}

static sl_res emit(condition_parser *p, op one)
{
    SL_NEED(p->rule->op_count < OPS_MAX, SL_E_LIMIT);
    p->rule->ops[p->rule->op_count++] = one;
    return SL_DONE;
}

static sl_res push(condition_parser *p, op one)
{
    SL_NEED(p->depth < OPS_MAX, SL_E_LIMIT);
    p->stack[p->depth++] = one;
    return SL_DONE;
}

static sl_res pop_until(condition_parser *p, op_kind weaker)
{
    /* OP_NOT binds before OP_AND before OP_OR, as their order in the enumeration has it */
    while (p->depth > 0 && p->stack[p->depth - 1].kind != OP_OPEN &&
           p->stack[p->depth - 1].kind <= weaker) {
        SL_TRY(emit(p, p->stack[--p->depth]));
    }
    return SL_DONE;
}

static sl_res read_operand(condition_parser *p, sl_view word)
{
    if (sl_view_eq(word, SL_LIT("("))) {
        return push(p, (op){ .kind = OP_OPEN });
    }
    if (sl_view_eq(word, SL_LIT("not"))) {
        return push(p, (op){ .kind = OP_NOT });
    }
    op one = { .kind = OP_SELECTION };
    bool some = sl_view_eq(word, SL_LIT("1")) || sl_view_eq(word, SL_LIT("any"));
    if (some || sl_view_eq(word, SL_LIT("all"))) {
        sl_view of = { 0 };
        if (!next_word(p, &of) || !sl_view_eq(of, SL_LIT("of")) || !next_word(p, &word)) {
            return bad_condition(p);
        }
        one.kind = some ? OP_SOME : OP_EVERY;
    }
    one.selections = selections_named(p->rule, word);
    bool single = (one.selections & (one.selections - 1)) == 0;
    if (one.selections == 0 || (one.kind == OP_SELECTION && !single)) {
        return bad_condition(p);
    }
    p->want_operand = false;
    return emit(p, one);
}

static sl_res read_operator(condition_parser *p, sl_view word)
{
    if (sl_view_eq(word, SL_LIT(")"))) {
        SL_TRY(pop_until(p, OP_OR));
        if (p->depth == 0) {
            return bad_condition(p);
        }
        p->depth--;
        return SL_DONE;
    }
    bool both = sl_view_eq(word, SL_LIT("and"));
    if (!both && !sl_view_eq(word, SL_LIT("or"))) {
        return bad_condition(p);
    }
    op_kind kind = both ? OP_AND : OP_OR;
    SL_TRY(pop_until(p, kind));
    p->want_operand = true;
    return push(p, (op){ .kind = kind });
}

static sl_res read_condition(sl_rule *rule, const sl_yaml_node *node)
{
    condition_parser p = { .rule = rule, .line = node->line, .want_operand = true };
    SL_TRY(sl_yaml_text(node, "condition", &p.text));
    sl_view word = { 0 };
    while (next_word(&p, &word)) {
        SL_TRY(p.want_operand ? read_operand(&p, word) : read_operator(&p, word));
    }
    SL_TRY(pop_until(&p, OP_OR));
    return p.want_operand || p.depth != 0 ? bad_condition(&p) : SL_DONE;
}

static sl_res read_detection(sl_rule *rule, const sl_yaml_node *detection, sl_arena *arena)
{
    const sl_yaml_node *condition = sl_yaml_get(detection, "condition");
    if (condition == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "condition", detection->line);
    }
    for (const sl_yaml_node *one = detection->first; one != NULL; one = one->next) {
        if (one != condition) {
            SL_TRY(read_selection(rule, one, arena));
        }
    }
    return read_condition(rule, condition);
}

typedef struct {
    sl_sigma_head head;
    const sl_yaml_node *logsource;
    const sl_yaml_node *detection;
} rule_file;

static const sl_yaml_field rule_fields[] = {
    SL_SIGMA_HEAD_FIELDS,
    SL_SIGMA_FIELD(rule_file, logsource, SL_YAML_AS_MAP, true),
    SL_SIGMA_FIELD(rule_file, detection, SL_YAML_AS_MAP, true),
    { .key = NULL },
};

sl_res sl_rule_read(sl_view yaml, sl_arena *arena, const sl_rule **ret_rule)
{
    const sl_yaml_node *root = NULL;
    rule_file file = { 0 };
    SL_TRY(sl_yaml_parse(arena, yaml, &root));
    SL_TRY(sl_yaml_read(arena, root, rule_fields, &file));
    sl_rule *rule = sl_arena_alloc(arena, sizeof(*rule));
    SL_NEED(rule != NULL, SL_E_LIMIT);
    SL_TRY(sl_arena_dup(arena, file.head.id, &rule->id));
    SL_TRY(sl_arena_dup(arena, file.head.title, &rule->title));
    rule->level = (sl_level)file.head.level;
    SL_TRY(read_detection(rule, file.detection, arena));
    *ret_rule = rule;
    return SL_DONE;
}

/* ---- matching ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* '*' any bytes, '?' one; without case. Linear with one back-track point. */
static bool wildcard(sl_view text, sl_view pattern)
{
    size_t t = 0;
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t resume = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.n &&
                   (pattern.p[p] == '?' || lower(pattern.p[p]) == lower(text.p[t]))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

static bool contains(sl_view text, sl_view part)
{
    for (size_t i = 0; i + part.n <= text.n; i++) {
        if (sl_view_eq_nocase(sl_view_sub(text, i, i + part.n), part)) {
            return true;
        }
    }
    return false;
}

static bool compare(match_kind kind, sl_view text, sl_view value)
{
    int64_t have = 0;
    int64_t want = 0;
    if (!sl_ok(sl_parse_i64(text, &have)) || !sl_ok(sl_parse_i64(value, &want))) {
        return false;
    }
    switch (kind) {
    case MATCH_LESS:
        return have < want;
    case MATCH_LESS_EQUAL:
        return have <= want;
    case MATCH_GREATER:
        return have > want;
    case MATCH_EQUAL:
    case MATCH_CONTAINS:
    case MATCH_STARTS:
    case MATCH_ENDS:
    case MATCH_EXISTS:
    case MATCH_GREATER_EQUAL:
    default:
        return have >= want;
    }
}

static bool value_matches(match_kind kind, sl_view text, sl_view value)
{
    switch (kind) {
    case MATCH_EQUAL:
        return wildcard(text, value);
    case MATCH_CONTAINS:
        return contains(text, value);
    case MATCH_STARTS:
        return text.n >= value.n && sl_view_eq_nocase(sl_view_sub(text, 0, value.n), value);
    case MATCH_ENDS:
        return text.n >= value.n &&
               sl_view_eq_nocase(sl_view_sub(text, text.n - value.n, text.n), value);
    case MATCH_EXISTS:
    case MATCH_LESS:
    case MATCH_LESS_EQUAL:
    case MATCH_GREATER:
    case MATCH_GREATER_EQUAL:
    default:
        return compare(kind, text, value);
    }
}

static bool term_matches(const term *t, const sl_json_doc *leaf)
{
    const sl_json_node *node = sl_leaf_field(leaf, t->field);
    bool there = node != NULL && node->kind != SL_JSON_NULL;
    if (t->kind == MATCH_EXISTS) {
        return there == sl_view_eq(t->values[0], SL_LIT("true"));
    }
    bool scalar = there && node->kind != SL_JSON_OBJECT && node->kind != SL_JSON_ARRAY;
    if (!scalar || node->escaped) {
        return false;
    }
    size_t hits = 0;
    for (size_t i = 0; i < t->value_count; i++) {
        hits += value_matches(t->kind, node->raw, t->values[i]);
    }
    return t->all ? hits == t->value_count : hits > 0;
}

static bool selection_matches(const sl_rule *rule, size_t selection, const sl_json_doc *leaf)
{
    for (size_t a = 0; a < rule->alternatives[selection]; a++) {
        bool whole = true;
        for (size_t i = 0; i < rule->term_count && whole; i++) {
            const term *t = &rule->terms[i];
            bool ours = t->selection == selection && t->alternative == a;
            whole = !ours || term_matches(t, leaf);
        }
        if (whole) {
            return true;
        }
    }
    return false;
}

bool sl_rule_matches(const sl_rule *rule, const sl_json_doc *leaf)
{
    uint32_t truths = 0;
    for (size_t i = 0; i < rule->selection_count; i++) {
        truths |= selection_matches(rule, i, leaf) ? (uint32_t)1 << i : 0;
    }
    bool stack[OPS_MAX + 1] = { false };
    size_t n = 0;
    for (size_t i = 0; i < rule->op_count; i++) {
        op one = rule->ops[i];
        switch (one.kind) {
        case OP_NOT:
            stack[n - 1] = !stack[n - 1];
            break;
        case OP_AND:
            n--;
            stack[n - 1] = stack[n - 1] && stack[n];
            break;
        case OP_OR:
            n--;
            stack[n - 1] = stack[n - 1] || stack[n];
            break;
        case OP_EVERY:
            stack[n++] = (truths & one.selections) == one.selections;
            break;
        case OP_SELECTION:
        case OP_SOME:
        case OP_OPEN:
        default:
            stack[n++] = (truths & one.selections) != 0;
            break;
        }
    }
    return n == 1 && stack[0];
}
