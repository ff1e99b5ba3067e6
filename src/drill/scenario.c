/* Reading scenarios and judging facts (scenario.h). */
#include "drill/scenario.h"

#include "base/stats.h"
#include "base/yaml.h"
#include "ledger/event.h"

static const char *const kind_names[] = { "recite", "budget", "tamper", "probe", NULL };

const char *sl_drill_kind_name(sl_drill_kind kind)
{
    return kind_names[kind];
}

const char *sl_drill_result_name(sl_drill_result result)
{
    static const char *const names[] = { "pass", "fail", "not_shown" };
    return names[result];
}

typedef struct {
    sl_view id;
    sl_view title;
    sl_view door;
    sl_view variant;
    sl_view techniques;
    int kind;
    int64_t trials;
    const sl_yaml_node *refused;
    const sl_yaml_node *signalled;
    const sl_yaml_node *contained;
} scenario_file;

#define FIELD(name, how, must)                                                                     \
    {                                                                                              \
        .key = #name, .type = how, .required = must, .offset = offsetof(scenario_file, name)       \
    }
static const sl_yaml_field fields[] = {
    FIELD(id, SL_YAML_AS_TEXT, true),
    FIELD(title, SL_YAML_AS_TEXT, true),
    FIELD(door, SL_YAML_AS_TEXT, true),
    FIELD(variant, SL_YAML_AS_TEXT, false),
    FIELD(techniques, SL_YAML_AS_TEXT, false),
    FIELD(refused, SL_YAML_AS_MAP, false),
    FIELD(signalled, SL_YAML_AS_MAP, false),
    FIELD(contained, SL_YAML_AS_MAP, false),
    { .key = "kind",
      .type = SL_YAML_AS_CHOICE,
      .required = true,
      .offset = offsetof(scenario_file, kind),
      .names = kind_names },
    { .key = "trials",
      .type = SL_YAML_AS_INT,
      .required = true,
      .offset = offsetof(scenario_file, trials),
      .min = 1,
      .max = 100000 },
    { .key = NULL },
};

static sl_res read_expect(const sl_yaml_node *map, sl_arena *arena, sl_drill_expect *ret_expect)
{
    if (map == NULL) {
        return SL_DONE;
    }
    sl_drill_expect expect = { .within_ms = 5000 };
    for (const sl_yaml_node *one = map->first; one != NULL; one = one->next) {
        if (sl_view_eq(one->key, SL_LIT("within"))) {
            SL_TRY(sl_yaml_duration(one, "within", 1, 600000, &expect.within_ms));
            continue;
        }
        if (expect.count == SL_DRILL_EXPECT_MAX) {
            return sl_fail_at(SL_E_LIMIT, "expected fields", one->line);
        }
        sl_view value = { 0 };
        SL_TRY(sl_yaml_text(one, "expected value", &value));
        SL_TRY(sl_arena_dup(arena, one->key, &expect.names[expect.count]));
        SL_TRY(sl_arena_dup(arena, value, &expect.values[expect.count]));
        expect.count++;
    }
    if (expect.count == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "type", map->line);
    }
    *ret_expect = expect;
    return SL_DONE;
}

sl_res sl_scenario_read(sl_view yaml, sl_arena *arena, sl_scenario *ret_scenario)
{
    sl_view copy = { 0 };
    SL_TRY(sl_arena_dup(arena, yaml, &copy));
    const sl_yaml_node *root = NULL;
    scenario_file file = { 0 };
    SL_TRY(sl_yaml_parse(arena, copy, &root));
    SL_TRY(sl_yaml_read(arena, root, fields, &file));
    sl_scenario scenario = {
        .id = file.id,
        .title = file.title,
        .door = file.door,
        .kind = (sl_drill_kind)file.kind,
        .variant = file.variant,
        .trials = (uint64_t)file.trials,
        .techniques = file.techniques,
    };
    SL_TRY(read_expect(file.refused, arena, &scenario.refused));
    SL_TRY(read_expect(file.signalled, arena, &scenario.signalled));
    SL_TRY(read_expect(file.contained, arena, &scenario.contained));
    *ret_scenario = scenario;
    return SL_DONE;
}

/* ---- judging ---- */

void sl_drill_judge_init(sl_drill_judge *judge, const sl_scenario *scenario, int64_t start_ms)
{
    bool asks = scenario->kind == SL_DRILL_RECITE || scenario->kind == SL_DRILL_BUDGET;
    *judge = (sl_drill_judge){ .scenario = scenario, .start_ms = start_ms, .bound = asks };
    sl_fact *facts[] = { &judge->no_effect, &judge->refused, &judge->signalled, &judge->contained };
    const sl_drill_expect *expects[] = { NULL, &scenario->refused, &scenario->signalled,
                                         &scenario->contained };
    for (size_t i = 0; i < SL_COUNT_OF(facts); i++) {
        bool asked = expects[i] == NULL || expects[i]->count > 0;
        *facts[i] =
            (sl_fact){ .state = asked ? SL_FACT_PENDING : SL_FACT_NOT_ASKED, .after_ms = -1 };
    }
}

static void set_id(char ret[SL_DRILL_ID_MAX + 1], sl_view id)
{
    size_t n = id.n <= SL_DRILL_ID_MAX ? id.n : 0;
    if (n != 0) {
        memcpy(ret, id.p, n);
    }
    ret[n] = '\0';
}

void sl_drill_judge_crossing(sl_drill_judge *judge, sl_view id)
{
    set_id(judge->crossing, id);
}

void sl_drill_judge_principal(sl_drill_judge *judge, sl_view principal)
{
    set_id(judge->principal, principal);
}

void sl_drill_judge_trial(sl_drill_judge *judge, bool effect)
{
    judge->trials++;
    judge->hits += effect;
    bool held = judge->hits == 0 && judge->trials >= judge->scenario->trials;
    judge->no_effect.state = judge->hits > 0 ? SL_FACT_FAILED
                             : held          ? SL_FACT_HELD
                                             : SL_FACT_PENDING;
}

static bool meets(const sl_drill_expect *expect, const sl_json_doc *doc)
{
    for (size_t i = 0; i < expect->count; i++) {
        const sl_json_node *node = sl_leaf_field(doc, expect->names[i]);
        if (node == NULL || node->escaped || !sl_view_eq(node->raw, expect->values[i])) {
            return false;
        }
    }
    return expect->count > 0;
}

static bool field_is(const sl_json_doc *doc, const char *name, const char *text)
{
    const sl_json_node *node = sl_leaf_field(doc, sl_view_str(name));
    return node != NULL && sl_json_is(node, SL_JSON_STRING) && text[0] != '\0' &&
           sl_json_text_is(node, text);
}

/* Is the leaf about the drill's own principal? An action names it as its target. */
static bool about_us(sl_drill_judge *judge, const sl_json_doc *doc)
{
    const sl_json_node *principal = sl_leaf_field(doc, SL_LIT("principal"));
    if (!judge->bound) {
        return true;
    }
    if (judge->principal[0] == '\0' && sl_json_is(principal, SL_JSON_STRING) &&
        field_is(doc, "crossing", judge->crossing)) {
        set_id(judge->principal, principal->raw);
    }
    return field_is(doc, "target", judge->principal) ||
           (sl_leaf_field(doc, SL_LIT("action_kind")) == NULL &&
            field_is(doc, "principal", judge->principal));
}

static void look(sl_drill_judge *judge, sl_fact *fact, const sl_drill_expect *expect,
                 const sl_json_doc *doc, uint64_t index, int64_t time_ms)
{
    if (fact->state != SL_FACT_PENDING || !meets(expect, doc)) {
        return;
    }
    fact->after_ms = time_ms - judge->start_ms;
    fact->index = index;
    fact->state = fact->after_ms <= expect->within_ms ? SL_FACT_HELD : SL_FACT_FAILED;
}

void sl_drill_judge_leaf(sl_drill_judge *judge, uint64_t index, sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(text, &doc))) {
        return;
    }
    int64_t time_ms = 0;
    const sl_json_node *by = sl_json_get(&doc, sl_json_root(&doc), "by");
    bool dated = sl_ok(sl_json_i64(sl_json_get(&doc, sl_json_root(&doc), "time"), &time_ms));
    if (!dated || by == NULL || sl_json_text_is(by, "drill") || time_ms < judge->start_ms) {
        return;
    }
    if (!about_us(judge, &doc)) {
        return;
    }
    const sl_scenario *s = judge->scenario;
    look(judge, &judge->refused, &s->refused, &doc, index, time_ms);
    look(judge, &judge->signalled, &s->signalled, &doc, index, time_ms);
    look(judge, &judge->contained, &s->contained, &doc, index, time_ms);
}

bool sl_drill_judge_settled(const sl_drill_judge *judge)
{
    return judge->no_effect.state != SL_FACT_PENDING && judge->refused.state != SL_FACT_PENDING &&
           judge->signalled.state != SL_FACT_PENDING && judge->contained.state != SL_FACT_PENDING;
}

sl_drill_result sl_drill_judge_result(sl_drill_judge *judge, double *ret_upper95)
{
    *ret_upper95 = 1; /* with no trial at all nothing is excluded */
    sl_res bounded = sl_stats_upper(judge->hits, judge->trials, 0.95, ret_upper95);
    (void)bounded.code;
    sl_fact *facts[] = { &judge->no_effect, &judge->refused, &judge->signalled, &judge->contained };
    bool failed = false;
    for (size_t i = 0; i < SL_COUNT_OF(facts); i++) {
        bool too_few = i == 0 && judge->hits == 0 && judge->trials < judge->scenario->trials;
        if (facts[i]->state == SL_FACT_PENDING && !too_few) {
            facts[i]->state = SL_FACT_FAILED;
        }
        failed = failed || facts[i]->state == SL_FACT_FAILED;
    }
    if (failed) {
        return SL_DRILL_FAIL;
    }
    return judge->trials < judge->scenario->trials ? SL_DRILL_NOT_SHOWN : SL_DRILL_PASS;
}
