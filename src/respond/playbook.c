/* Reading playbooks (playbook.h). */
#include "respond/playbook.h"

/* The extension's id, as the standard asks for one; it names this meaning and no other. */
#define EXTENSION "extension-definition--7d0f1a52-3c41-4c5e-9d6b-51c7b5a10c01"

static const struct {
    const char *word;
    const char *inverse;
    sl_containment_scope scope;
} actions[] = {
#define X(name, word, inverse, scope) { word, inverse, scope },
#include "respond/containments.def"
#undef X
};

const char *sl_containment_word(sl_containment kind)
{
    return actions[kind].word;
}

const char *sl_containment_inverse(sl_containment kind)
{
    return actions[kind].inverse;
}

sl_containment_scope sl_containment_scope_of(sl_containment kind)
{
    return actions[kind].scope;
}

bool sl_containment_by_word(sl_view word, sl_containment *ret_kind)
{
    for (size_t i = 0; i < SL_COUNT_OF(actions); i++) {
        if (sl_view_eq_str(word, actions[i].word)) {
            *ret_kind = (sl_containment)i;
            return true;
        }
    }
    return false;
}

static sl_res text_of(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                      sl_arena *arena, sl_view *ret_text)
{
    const sl_json_node *node = sl_json_get(doc, object, name);
    if (node == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, name, object == NULL ? 0 : object->offset);
    }
    sl_view text = { 0 };
    SL_TRY(sl_json_text(node, arena, &text));
    return sl_arena_dup(arena, text, ret_text);
}

static sl_res must_be(const sl_json_doc *doc, const char *name, const char *wanted)
{
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), name);
    if (node == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, name, 0);
    }
    return sl_json_text_is(node, wanted) ? SL_DONE
                                         : sl_fail_at(SL_E_UNSUPPORTED, name, node->offset);
}

static sl_res read_rules(const sl_json_doc *doc, sl_arena *arena, sl_playbook *playbook)
{
    const sl_json_node *all = sl_json_get(doc, sl_json_root(doc), "playbook_extensions");
    const sl_json_node *ours = sl_json_get(doc, all, EXTENSION);
    const sl_json_node *rules = sl_json_get_kind(doc, ours, "rules", SL_JSON_ARRAY);
    if (rules == NULL || rules->count == 0 || rules->count > SL_PLAYBOOK_RULES_MAX) {
        return sl_fail_at(SL_E_MISSING_FIELD, "playbook_extensions: rules", 0);
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, rules, &it)) {
        sl_view text = { 0 };
        SL_TRY(sl_json_text(it.value, arena, &text));
        SL_TRY(sl_arena_dup(arena, text, &playbook->rules[playbook->rule_count++]));
    }
    return SL_DONE;
}

static sl_res read_action(const sl_json_doc *doc, const sl_json_node *step, sl_arena *arena,
                          sl_playbook *playbook)
{
    const sl_json_node *all = sl_json_get(doc, step, "step_extensions");
    const sl_json_node *ours = sl_json_get(doc, all, EXTENSION);
    sl_view word = { 0 };
    SL_TRY(text_of(doc, ours, "action", arena, &word));
    sl_containment kind = SL_CONTAIN_CUT;
    if (!sl_containment_by_word(word, &kind)) {
        return sl_fail_at(SL_E_UNSUPPORTED, "action", ours->offset);
    }
    sl_view inverse = { 0 };
    SL_TRY(text_of(doc, ours, "inverse", arena, &inverse));
    if (!sl_view_eq_str(inverse, sl_containment_inverse(kind))) {
        return sl_fail_at(SL_E_CONFIG, "inverse", ours->offset);
    }
    SL_NEED(playbook->step_count < SL_PLAYBOOK_STEPS_MAX, SL_E_LIMIT);
    playbook->steps[playbook->step_count++] = kind;
    return SL_DONE;
}

/* Follows the line from workflow_start to an end step. */
static sl_res read_workflow(const sl_json_doc *doc, sl_arena *arena, sl_playbook *playbook)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *workflow = sl_json_get_kind(doc, root, "workflow", SL_JSON_OBJECT);
    sl_view at = { 0 };
    SL_TRY(text_of(doc, root, "workflow_start", arena, &at));
    for (size_t steps = 0; steps <= SL_PLAYBOOK_STEPS_MAX + 2; steps++) {
        char name[256];
        SL_NEED(at.n < sizeof(name), SL_E_LIMIT);
        memcpy(name, at.p, at.n);
        name[at.n] = 0;
        const sl_json_node *step = sl_json_get_kind(doc, workflow, name, SL_JSON_OBJECT);
        const sl_json_node *type = sl_json_get(doc, step, "type");
        if (step == NULL || type == NULL) {
            return sl_fail_at(SL_E_SYNTAX, "workflow: a step that is not there", steps);
        }
        if (sl_json_text_is(type, "end")) {
            return SL_DONE;
        }
        if (sl_json_text_is(type, "action")) {
            SL_TRY(read_action(doc, step, arena, playbook));
        } else if (!sl_json_text_is(type, "start")) {
            return sl_fail_at(SL_E_UNSUPPORTED, "workflow step type", step->offset);
        }
        if (sl_json_get(doc, step, "on_success") != NULL ||
            sl_json_get(doc, step, "on_failure") != NULL) {
            return sl_fail_at(SL_E_UNSUPPORTED, "on_success or on_failure", step->offset);
        }
        SL_TRY(text_of(doc, step, "on_completion", arena, &at));
    }
    return sl_fail_at(SL_E_SYNTAX, "workflow: it does not end", 0);
}

sl_res sl_playbook_read(sl_view json, sl_arena *arena, sl_playbook *ret_playbook)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(json, &doc));
    SL_TRY(must_be(&doc, "type", "playbook"));
    SL_TRY(must_be(&doc, "spec_version", "cacao-2.0"));
    sl_playbook playbook = { 0 };
    SL_TRY(text_of(&doc, sl_json_root(&doc), "id", arena, &playbook.id));
    SL_TRY(text_of(&doc, sl_json_root(&doc), "name", arena, &playbook.name));
    SL_TRY(read_rules(&doc, arena, &playbook));
    SL_TRY(read_workflow(&doc, arena, &playbook));
    SL_NEED(playbook.step_count > 0, SL_E_MISSING_FIELD);
    *ret_playbook = playbook;
    return SL_DONE;
}

bool sl_playbook_answers(const sl_playbook *playbook, sl_view rule)
{
    for (size_t i = 0; i < playbook->rule_count; i++) {
        sl_view wanted = playbook->rules[i];
        bool prefix = sl_view_ends(wanted, SL_LIT("*"));
        if (prefix ? sl_view_starts(rule, sl_view_sub(wanted, 0, wanted.n - 1))
                   : sl_view_eq(rule, wanted)) {
            return true;
        }
    }
    return false;
}
