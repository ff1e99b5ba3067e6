/* Rules from YAML, and their use (policy.h). Loading is strict and may fail with a line; judging is
 * pure and cannot fail. Conditions are bit masks, so that a rule costs a few instructions. */
#include "detect/policy.h"

#include "base/json.h"
#include "base/yaml.h"
#include "detect/embedded.h"

#define RULES_MAX ((size_t)1024)
#define POLICY_BYTES_MAX ((size_t)4 << 20)

typedef struct {
    const char *id;
    const char *why;
    uint64_t classes;
    uint32_t detectors;
    uint32_t channels;
    uint32_t doors;
    uint32_t views;
    sl_yaml_texts purposes;
    int64_t score_min;
    int64_t at_least;
    uint8_t verdict;
    uint8_t transform;
} rule;

struct sl_policy {
    sl_arena arena;
    rule *rules;
    size_t count;
};

_Static_assert(SL_CLASS_COUNT < 64, "classes are bits of a word");

/* ---- loading ------------------------------------------------------------------------------- */

typedef bool bit_of(sl_view name, uint64_t *ret_bits);

static bool bits_class(sl_view name, uint64_t *ret)
{
    sl_class kind;
    bool known = sl_class_by_name(name, &kind);
    *ret = known ? (uint64_t)1 << kind : 0;
    return known;
}

static bool bits_group(sl_view name, uint64_t *ret)
{
    sl_group group;
    if (!sl_group_by_name(name, &group)) {
        return false;
    }
    *ret = 0;
    for (unsigned kind = 0; kind < SL_CLASS_COUNT; kind++) {
        *ret |= sl_class_group((sl_class)kind) == group ? (uint64_t)1 << kind : 0;
    }
    return true;
}

static bool bits_detector(sl_view name, uint64_t *ret)
{
    sl_detector d;
    bool known = sl_detector_by_name(name, &d);
    *ret = known ? (uint64_t)1 << d : 0;
    return known;
}

static bool bits_channel(sl_view name, uint64_t *ret)
{
    sl_channel c;
    bool known = sl_channel_by_name(name, &c);
    *ret = known ? (uint64_t)1 << c : 0;
    return known;
}

static bool bits_door(sl_view name, uint64_t *ret)
{
    sl_door d;
    bool known = sl_ok(sl_door_parse(name, &d));
    *ret = known ? (uint64_t)1 << d : 0;
    return known;
}

static bool bits_view(sl_view name, uint64_t *ret)
{
    sl_view_kind v;
    bool known = sl_view_kind_by_name(name, &v);
    *ret = known ? (uint64_t)1 << v : 0;
    return known;
}

/* All bits when the member is absent; the names' bits when it is a list. */
static sl_res read_bits(const sl_yaml_node *when, const char *key, bit_of *bit, uint64_t *ret)
{
    const sl_yaml_node *list = when == NULL ? NULL : sl_yaml_get(when, key);
    *ret = UINT64_MAX;
    if (list == NULL) {
        return SL_DONE;
    }
    if (list->kind != SL_YAML_LIST || list->first == NULL) {
        return sl_fail_at(SL_E_TYPE, key, list->line);
    }
    *ret = 0;
    for (const sl_yaml_node *item = list->first; item != NULL; item = item->next) {
        uint64_t one = 0;
        if (item->kind != SL_YAML_SCALAR || !bit(item->text, &one)) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, key, item->line);
        }
        *ret |= one;
    }
    return SL_DONE;
}

static sl_res read_when(sl_arena *arena, const sl_yaml_node *when, rule *r)
{
    static const char *const KEYS[] = { "class", "group",   "detector",  "channel",  "door",
                                        "view",  "purpose", "score_min", "at_least", NULL };
    uint64_t bits = 0;
    r->at_least = 1;
    if (when != NULL) {
        SL_TRY(sl_yaml_keys(when, KEYS));
    }
    SL_TRY(read_bits(when, "class", bits_class, &r->classes));
    SL_TRY(read_bits(when, "group", bits_group, &bits));
    r->classes &= bits;
    SL_TRY(read_bits(when, "detector", bits_detector, &bits));
    r->detectors = (uint32_t)bits;
    SL_TRY(read_bits(when, "channel", bits_channel, &bits));
    r->channels = (uint32_t)bits;
    SL_TRY(read_bits(when, "door", bits_door, &bits));
    r->doors = (uint32_t)bits;
    SL_TRY(read_bits(when, "view", bits_view, &bits));
    r->views = (uint32_t)bits;
    if (when == NULL) {
        return SL_DONE;
    }
    struct {
        sl_yaml_texts purpose;
    } texts = { 0 };
    const sl_yaml_node *purpose = sl_yaml_get(when, "purpose");
    if (purpose != NULL) {
        SL_NEED(purpose->kind == SL_YAML_LIST && purpose->children > 0, SL_E_TYPE);
        sl_view *items = sl_arena_array(arena, purpose->children, sizeof *items);
        SL_NEED(items != NULL, SL_E_MEMORY);
        for (const sl_yaml_node *item = purpose->first; item != NULL; item = item->next) {
            SL_TRY(sl_yaml_text(item, "purpose", &items[texts.purpose.n++]));
        }
        texts.purpose.items = items;
        r->purposes = texts.purpose;
    }
    const sl_yaml_node *score = sl_yaml_get(when, "score_min");
    const sl_yaml_node *least = sl_yaml_get(when, "at_least");
    if (score != NULL) {
        SL_TRY(sl_yaml_int(score, "score_min", 0, 1000, &r->score_min));
    }
    return least == NULL ? SL_DONE : sl_yaml_int(least, "at_least", 1, 1000000, &r->at_least);
}

static sl_res read_then(const sl_yaml_node *node, rule *r)
{
    sl_view text;
    sl_verdict verdict;
    const sl_yaml_node *then = sl_yaml_get(node, "then");
    const sl_yaml_node *with = sl_yaml_get(node, "with");
    if (then == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "then", node->line);
    }
    SL_TRY(sl_yaml_text(then, "then", &text));
    if (!sl_verdict_by_name(text, &verdict)) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, "then", then->line);
    }
    r->verdict = (uint8_t)verdict;
    r->transform = SL_TRANSFORM_NONE;
    if ((verdict == SL_VERDICT_TRANSFORM) != (with != NULL)) {
        return sl_fail_at(with == NULL ? SL_E_MISSING_FIELD : SL_E_UNKNOWN_FIELD, "with",
                          node->line);
    }
    if (with != NULL) {
        sl_transform transform;
        SL_TRY(sl_yaml_text(with, "with", &text));
        if (!sl_transform_by_name(text, &transform) || transform == SL_TRANSFORM_NONE ||
            transform == SL_TRANSFORM_RESTORE) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, "with", with->line);
        }
        r->transform = (uint8_t)transform;
    }
    return SL_DONE;
}

static sl_res read_rule(sl_policy *p, const sl_yaml_node *node)
{
    static const char *const KEYS[] = { "id", "why", "when", "then", "with", NULL };
    rule *r = &p->rules[p->count];
    sl_view text;
    if (node->kind != SL_YAML_MAP) {
        return sl_fail_at(SL_E_TYPE, "rules", node->line);
    }
    SL_TRY(sl_yaml_keys(node, KEYS));
    const sl_yaml_node *id = sl_yaml_get(node, "id");
    const sl_yaml_node *why = sl_yaml_get(node, "why");
    if (id == NULL || why == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, id == NULL ? "id" : "why", node->line);
    }
    SL_TRY(sl_yaml_text(id, "id", &text));
    r->id = (const char *)text.p;
    SL_TRY(sl_yaml_text(why, "why", &text));
    r->why = (const char *)text.p;
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->rules[i].id, r->id) == 0) {
            return sl_fail_at(SL_E_DUPLICATE, "id", id->line);
        }
    }
    SL_TRY(read_when(&p->arena, sl_yaml_get(node, "when"), r));
    SL_TRY(read_then(node, r));
    p->count++;
    return SL_DONE;
}

static sl_res load(sl_policy *p, sl_view yaml)
{
    static const char *const KEYS[] = { "version", "name", "rules", NULL };
    const sl_yaml_node *root = NULL;
    int64_t version = 0;
    SL_NEED(yaml.n <= POLICY_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_yaml_parse(&p->arena, yaml, &root));
    SL_TRY(sl_yaml_keys(root, KEYS));
    const sl_yaml_node *number = sl_yaml_get(root, "version");
    const sl_yaml_node *rules = sl_yaml_get(root, "rules");
    if (number == NULL || rules == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, number == NULL ? "version" : "rules", root->line);
    }
    SL_TRY(sl_yaml_int(number, "version", 0, 1000, &version));
    SL_NEED(version == 1, SL_E_VERSION);
    if (rules->kind != SL_YAML_LIST || rules->children == 0 || rules->children > RULES_MAX) {
        return sl_fail_at(SL_E_TYPE, "rules", rules->line);
    }
    p->rules = sl_arena_array(&p->arena, rules->children, sizeof *p->rules);
    SL_NEED(p->rules != NULL, SL_E_MEMORY);
    for (const sl_yaml_node *node = rules->first; node != NULL; node = node->next) {
        SL_TRY(read_rule(p, node));
    }
    return SL_DONE;
}

sl_res sl_policy_load(sl_view yaml, sl_policy **ret_policy)
{
    sl_policy *p = calloc(1, sizeof *p);
    SL_NEED(p != NULL, SL_E_MEMORY);
    p->arena.max = 16 * POLICY_BYTES_MAX;
    sl_res r = load(p, yaml);
    if (!sl_ok(r)) {
        sl_policy_free(p);
        return r;
    }
    *ret_policy = p;
    return SL_DONE;
}

sl_res sl_policy_load_default(sl_policy **ret_policy)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, "default.yml") == 0) {
            return sl_policy_load(sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n), ret_policy);
        }
    }
    return sl_fail(SL_E_BUG);
}

void sl_policy_free(sl_policy *policy)
{
    if (policy != NULL) {
        sl_arena_free(&policy->arena);
        free(policy);
    }
}

/* ---- judging ------------------------------------------------------------------------------- */

static bool purpose_fits(const rule *r, sl_view purpose)
{
    for (size_t i = 0; i < r->purposes.n; i++) {
        if (sl_view_eq(r->purposes.items[i], purpose)) {
            return true;
        }
    }
    return r->purposes.n == 0;
}

static bool rule_fits(const rule *r, const sl_finding *f)
{
    return (r->classes >> f->kind & 1) != 0 && (r->detectors >> f->detector & 1) != 0 &&
           (r->views >> f->view & 1) != 0 && f->score_permille >= r->score_min;
}

static bool context_fits(const rule *r, const sl_policy_context *c)
{
    return (r->channels >> c->channel & 1) != 0 && (r->doors >> c->door & 1) != 0 &&
           purpose_fits(r, c->purpose);
}

static bool enough(const rule *r, const sl_findings *all, size_t from)
{
    int64_t fit = 0;
    for (size_t i = from; i < all->n && fit < r->at_least; i++) {
        fit += rule_fits(r, &all->items[i]);
    }
    return fit >= r->at_least;
}

sl_verdict sl_policy_judge(const sl_policy *policy, const sl_policy_context *context,
                           sl_findings *findings, size_t from)
{
    sl_verdict strongest = SL_VERDICT_ALLOW;
    for (size_t i = from; i < findings->n; i++) {
        findings->items[i].policy_rule = SL_NO_RULE;
        findings->items[i].verdict = SL_VERDICT_REFUSE;
        findings->items[i].transform = SL_TRANSFORM_NONE;
    }
    size_t undecided = findings->n > from ? findings->n - from : 0;
    for (size_t k = 0; k < policy->count && undecided > 0; k++) {
        const rule *r = &policy->rules[k];
        if (!context_fits(r, context) || !enough(r, findings, from)) {
            continue;
        }
        for (size_t i = from; i < findings->n; i++) {
            sl_finding *f = &findings->items[i];
            if (f->policy_rule == SL_NO_RULE && rule_fits(r, f)) {
                f->policy_rule = (uint16_t)k;
                f->verdict = r->verdict;
                f->transform = r->transform;
                undecided--;
            }
        }
    }
    for (size_t i = from; i < findings->n; i++) {
        sl_verdict v = (sl_verdict)findings->items[i].verdict;
        strongest = v > strongest ? v : strongest;
    }
    return strongest;
}

const char *sl_policy_rule_id(const sl_policy *policy, uint16_t rule_index)
{
    return rule_index < policy->count ? policy->rules[rule_index].id : "default";
}

const char *sl_policy_rule_why(const sl_policy *policy, uint16_t rule_index)
{
    return rule_index < policy->count ? policy->rules[rule_index].why
                                      : "no rule speaks of this finding, so it is refused";
}

size_t sl_policy_rule_count(const sl_policy *policy)
{
    return policy->count;
}

sl_res sl_policy_explain(const sl_policy *policy, const sl_finding *finding, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "rule", sl_policy_rule_id(policy, finding->policy_rule));
    sl_json_put_str(&w, "verdict", sl_verdict_name((sl_verdict)finding->verdict));
    if (finding->transform != SL_TRANSFORM_NONE) {
        sl_json_put_str(&w, "with", sl_transform_name((sl_transform)finding->transform));
    }
    sl_json_put_str(&w, "detector", sl_detector_name((sl_detector)finding->detector));
    sl_json_put_str(&w, "class", sl_class_name((sl_class)finding->kind));
    sl_json_put_str(&w, "view", sl_view_kind_name((sl_view_kind)finding->view));
    sl_json_put_uint(&w, "start", finding->start);
    sl_json_put_uint(&w, "end", finding->end);
    sl_json_put_str(&w, "unit", "bytes");
    sl_json_put_uint(&w, "score", finding->score_permille);
    sl_json_put_str(&w, "why", sl_policy_rule_why(policy, finding->policy_rule));
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* ---- describing ---------------------------------------------------------------------------- */

typedef const char *name_of(unsigned value);

static const char *name_class(unsigned v)
{
    return sl_class_name((sl_class)v);
}

static const char *name_detector(unsigned v)
{
    return sl_detector_name((sl_detector)v);
}

static const char *name_channel(unsigned v)
{
    return sl_channel_name((sl_channel)v);
}

static const char *name_door(unsigned v)
{
    return sl_door_name((sl_door)v);
}

static const char *name_view(unsigned v)
{
    return sl_view_kind_name((sl_view_kind)v);
}

typedef struct {
    const char *key;
    uint64_t bits;
    unsigned count;
    name_of *name;
} condition;

static bool is_any(const condition *c)
{
    uint64_t all = ((uint64_t)1 << c->count) - 1;
    return (c->bits & all) == all;
}

static sl_res words(const condition *c, sl_buf *out)
{
    const char *before = " ";
    SL_TRY(sl_buf_add_str(out, c->key));
    for (unsigned i = 0; i < c->count; i++) {
        if ((c->bits >> i & 1) != 0) {
            SL_TRY(sl_buf_addf(out, "%s%s", before, c->name(i)));
            before = ", ";
        }
    }
    return sl_buf_add_str(out, "; ");
}

static void names(const condition *c, sl_json_writer *w)
{
    sl_json_key(w, c->key);
    sl_json_array_begin(w);
    for (unsigned i = 0; i < c->count; i++) {
        if ((c->bits >> i & 1) != 0) {
            sl_json_string(w, sl_view_str(c->name(i)));
        }
    }
    sl_json_array_end(w);
}

sl_res sl_policy_describe(const sl_policy *policy, uint16_t rule_index, bool json, sl_buf *out)
{
    SL_NEED(rule_index < policy->count, SL_E_RANGE);
    const rule *r = &policy->rules[rule_index];
    const condition all[] = {
        { "class", r->classes, SL_CLASS_COUNT, name_class },
        { "detector", r->detectors, SL_DETECTOR_COUNT, name_detector },
        { "channel", r->channels, SL_CHANNEL_COUNT, name_channel },
        { "door", r->doors, SL_DOOR_COUNT, name_door },
        { "view", r->views, SL_VIEW_COUNT, name_view },
    };
    const char *verdict = sl_verdict_name((sl_verdict)r->verdict);
    const char *with = sl_transform_name((sl_transform)r->transform);
    if (!json) {
        for (size_t i = 0; i < SL_COUNT_OF(all); i++) {
            if (!is_any(&all[i])) {
                SL_TRY(words(&all[i], out));
            }
        }
        return r->transform == SL_TRANSFORM_NONE
                   ? sl_buf_addf(out, "then %s", verdict)
                   : sl_buf_addf(out, "then %s with %s", verdict, with);
    }
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "rule", r->id);
    sl_json_put_str(&w, "why", r->why);
    for (size_t i = 0; i < SL_COUNT_OF(all); i++) {
        if (!is_any(&all[i])) {
            names(&all[i], &w);
        }
    }
    sl_json_put_int(&w, "score_min", r->score_min);
    sl_json_put_int(&w, "at_least", r->at_least);
    sl_json_put_str(&w, "then", verdict);
    if (r->transform != SL_TRANSFORM_NONE) {
        sl_json_put_str(&w, "with", with);
    }
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
