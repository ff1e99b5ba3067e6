/* Flow rules from YAML (flow.h). Strict: unknown members and names are errors at their line. */
#include "detect/flow_rules.h"

#include "detect/embedded.h"
#include "detect/words.h"

#define RULES_MAX 256U
#define YAML_BYTES_MAX ((size_t)1 << 20)

static const char *const ACTIONS[] = { "call", "link", "image" };
static const char *const VALUES[] = { "email", "url", "number", "words", "name", "filled" };

const char *sl_flow_action_name(sl_flow_action action)
{
    return (size_t)action < SL_COUNT_OF(ACTIONS) ? ACTIONS[action] : "unknown";
}

const char *sl_flow_value_name(sl_flow_value value)
{
    return (size_t)value < SL_COUNT_OF(VALUES) ? VALUES[value] : "unknown";
}

/* Linear but for the product with the pattern's stars, of which a loaded pattern has few. */
static bool fits(sl_view pattern, sl_view name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t mark = 0;
    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.n && sl_lower(pattern.p[p]) == sl_lower(name.p[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

bool sl_flow_fits_any(const sl_yaml_texts *patterns, sl_view name)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (fits(patterns->items[i], name)) {
            return true;
        }
    }
    return false;
}

/* ---- loading ------------------------------------------------------------------------------- */

static sl_res read_texts(sl_arena *arena, const sl_yaml_node *map, const char *key,
                         sl_yaml_texts *ret)
{
    const sl_yaml_node *list = sl_yaml_get(map, key);
    if (list == NULL) {
        return SL_DONE;
    }
    if (list->kind != SL_YAML_LIST || list->first == NULL) {
        return sl_fail_at(SL_E_TYPE, key, list->line);
    }
    sl_view *items = sl_arena_array(arena, list->children, sizeof *items);
    SL_NEED(items != NULL, SL_E_MEMORY);
    size_t n = 0;
    for (const sl_yaml_node *item = list->first; item != NULL; item = item->next) {
        SL_TRY(sl_yaml_text(item, key, &items[n]));
        SL_NEED(items[n].n <= 256, SL_E_LIMIT);
        n++;
    }
    *ret = (sl_yaml_texts){ .items = items, .n = n };
    return SL_DONE;
}

static sl_res read_names(const sl_yaml_node *when, const char *key, const char *const *names,
                         size_t count, uint32_t *ret)
{
    const sl_yaml_node *list = sl_yaml_get(when, key);
    *ret = UINT32_MAX;
    if (list == NULL) {
        return SL_DONE;
    }
    if (list->kind != SL_YAML_LIST || list->first == NULL) {
        return sl_fail_at(SL_E_TYPE, key, list->line);
    }
    *ret = 0;
    for (const sl_yaml_node *item = list->first; item != NULL; item = item->next) {
        size_t k = 0;
        while (k < count &&
               !(item->kind == SL_YAML_SCALAR && sl_view_eq_str(item->text, names[k]))) {
            k++;
        }
        if (k == count) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, key, item->line);
        }
        *ret |= 1U << k;
    }
    return SL_DONE;
}

static sl_res read_from(const sl_yaml_node *when, sl_flow_rule *r)
{
    static const char *const FROM[] = { "untrusted", "protected", NULL };
    const sl_yaml_node *node = sl_yaml_get(when, "from");
    int index = 0;
    if (node != NULL) {
        SL_TRY(sl_yaml_choice(node, "from", FROM, &index));
    }
    r->from = index == 0 ? SL_FLOW_UNTRUSTED : SL_FLOW_PROTECTED;
    return SL_DONE;
}

/* "asked" and "confirmed" can only be false: a rule that fits what was asked for would stop everything. */
static sl_res read_false(const sl_yaml_node *when, const char *key, bool *ret)
{
    const sl_yaml_node *node = sl_yaml_get(when, key);
    bool value = false;
    if (node == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_yaml_bool(node, key, &value));
    if (value) {
        return sl_fail_at(SL_E_RANGE, key, node->line);
    }
    *ret = true;
    return SL_DONE;
}

static sl_res read_when(sl_arena *arena, const sl_yaml_node *when, sl_flow_rule *r)
{
    static const char *const KEYS[] = { "action", "tool",  "not_tool",  "value", "words",
                                        "from",   "asked", "confirmed", NULL };
    SL_TRY(sl_yaml_keys(when, KEYS));
    SL_TRY(read_names(when, "action", ACTIONS, SL_COUNT_OF(ACTIONS), &r->actions));
    SL_TRY(read_names(when, "value", VALUES, SL_COUNT_OF(VALUES), &r->values));
    SL_TRY(read_texts(arena, when, "tool", &r->tools));
    SL_TRY(read_texts(arena, when, "not_tool", &r->not_tools));
    SL_TRY(read_from(when, r));
    const sl_yaml_node *words = sl_yaml_get(when, "words");
    if (words != NULL) {
        SL_TRY(sl_yaml_int(words, "words", 3, 1000, &r->words));
    }
    SL_TRY(read_false(when, "asked", &r->only_unasked));
    return read_false(when, "confirmed", &r->only_unconfirmed);
}

static sl_res read_rule(sl_flow_rules *rules, const sl_yaml_node *node)
{
    static const char *const KEYS[] = { "id", "why", "when", "then", NULL };
    sl_flow_rule *r = &rules->items[rules->n];
    sl_view text;
    sl_verdict verdict;
    if (node->kind != SL_YAML_MAP) {
        return sl_fail_at(SL_E_TYPE, "rules", node->line);
    }
    SL_TRY(sl_yaml_keys(node, KEYS));
    for (size_t i = 0; KEYS[i] != NULL; i++) {
        if (sl_yaml_get(node, KEYS[i]) == NULL) {
            return sl_fail_at(SL_E_MISSING_FIELD, KEYS[i], node->line);
        }
    }
    SL_TRY(sl_yaml_text(sl_yaml_get(node, "id"), "id", &text));
    r->id = (const char *)text.p;
    SL_TRY(sl_yaml_text(sl_yaml_get(node, "why"), "why", &text));
    r->why = (const char *)text.p;
    for (size_t i = 0; i < rules->n; i++) {
        if (strcmp(rules->items[i].id, r->id) == 0) {
            return sl_fail_at(SL_E_DUPLICATE, "id", node->line);
        }
    }
    r->words = SL_FLOW_WORDS_DEFAULT;
    SL_TRY(read_when(&rules->arena, sl_yaml_get(node, "when"), r));
    const sl_yaml_node *then = sl_yaml_get(node, "then");
    SL_TRY(sl_yaml_text(then, "then", &text));
    /* A call is done or not done: it cannot be rewritten into another. */
    if (!sl_verdict_by_name(text, &verdict) || verdict == SL_VERDICT_TRANSFORM) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, "then", then->line);
    }
    r->verdict = (uint8_t)verdict;
    rules->n++;
    return SL_DONE;
}

/* "NAME HEX", 64 digits: a pin that cannot fit would refuse its tool without telling why. */
static sl_res check_pins(const sl_yaml_texts *pins, const sl_yaml_node *list)
{
    for (size_t i = 0; i < pins->n; i++) {
        sl_view name;
        sl_view digest;
        bool right =
            sl_view_cut(pins->items[i], ' ', &name, &digest) && name.n > 0 && digest.n == 64;
        for (size_t k = 0; right && k < digest.n; k++) {
            right = (digest.p[k] >= '0' && digest.p[k] <= '9') ||
                    (digest.p[k] >= 'a' && digest.p[k] <= 'f');
        }
        if (!right) {
            return sl_fail_at(SL_E_SYNTAX, "tool_pins", list->line);
        }
    }
    return SL_DONE;
}

static sl_res load(sl_flow_rules *rules, sl_view yaml)
{
    static const char *const KEYS[] = { "version",   "name",  "trusted_tools",
                                        "tool_pins", "rules", NULL };
    const sl_yaml_node *root = NULL;
    int64_t version = 0;
    SL_NEED(yaml.n <= YAML_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_yaml_parse(&rules->arena, yaml, &root));
    SL_TRY(sl_yaml_keys(root, KEYS));
    const sl_yaml_node *number = sl_yaml_get(root, "version");
    const sl_yaml_node *list = sl_yaml_get(root, "rules");
    if (number == NULL || list == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, number == NULL ? "version" : "rules", root->line);
    }
    SL_TRY(sl_yaml_int(number, "version", 0, 1000, &version));
    SL_NEED(version == 1, SL_E_VERSION);
    SL_TRY(read_texts(&rules->arena, root, "trusted_tools", &rules->trusted_tools));
    SL_TRY(read_texts(&rules->arena, root, "tool_pins", &rules->tool_pins));
    SL_TRY(check_pins(&rules->tool_pins, sl_yaml_get(root, "tool_pins")));
    if (list->kind != SL_YAML_LIST || list->children == 0 || list->children > RULES_MAX) {
        return sl_fail_at(SL_E_TYPE, "rules", list->line);
    }
    rules->items = sl_arena_array(&rules->arena, list->children, sizeof *rules->items);
    SL_NEED(rules->items != NULL, SL_E_MEMORY);
    for (const sl_yaml_node *node = list->first; node != NULL; node = node->next) {
        SL_TRY(read_rule(rules, node));
    }
    return SL_DONE;
}

sl_res sl_flow_rules_load(sl_view yaml, sl_flow_rules **ret_rules)
{
    sl_flow_rules *rules = calloc(1, sizeof *rules);
    SL_NEED(rules != NULL, SL_E_MEMORY);
    rules->arena.max = 16 * YAML_BYTES_MAX;
    sl_res r = load(rules, yaml);
    if (!sl_ok(r)) {
        sl_flow_rules_free(rules);
        return r;
    }
    *ret_rules = rules;
    return SL_DONE;
}

sl_res sl_flow_rules_load_default(sl_flow_rules **ret_rules)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, "flow.yml") == 0) {
            return sl_flow_rules_load(sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n),
                                      ret_rules);
        }
    }
    return sl_fail(SL_E_BUG);
}

void sl_flow_rules_free(sl_flow_rules *rules)
{
    if (rules != NULL) {
        sl_arena_free(&rules->arena);
        free(rules);
    }
}

size_t sl_flow_rule_count(const sl_flow_rules *rules)
{
    return rules->n;
}

const char *sl_flow_rule_id(const sl_flow_rules *rules, uint16_t rule)
{
    return rule < rules->n ? rules->items[rule].id : "none";
}

const char *sl_flow_rule_why(const sl_flow_rules *rules, uint16_t rule)
{
    return rule < rules->n ? rules->items[rule].why : "no rule fits";
}

size_t sl_flow_tool_pin_count(const sl_flow_rules *rules)
{
    return rules->tool_pins.n;
}

sl_view sl_flow_tool_pin(const sl_flow_rules *rules, size_t i)
{
    return rules->tool_pins.items[i];
}
