/* The evaluator (evaluate.h): what each form remembers and how it answers.
 * EACH, FOLLOWS and RECON keep a table by key; LATEST one leaf; NONE its last counter-example; RATIO
 * and QUANTILE the samples of their window. It must never answer `pass` from absence. */
#include "assure/evaluate_internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "ledger/event.h"

#define SAMPLES_MAX ((size_t)1 << 20)

const char *sl_state_name(sl_state state)
{
    static const char *const names[] = { "pass", "fail", "unknown", "outside" };
    return names[state];
}

sl_res sl_evaluator_new(const sl_query *query, const sl_asked *asked, sl_parameter parameter,
                        void *context, sl_evaluator **ret_evaluator)
{
    sl_evaluator *e = calloc(1, sizeof(*e));
    SL_NEED(e != NULL, SL_E_MEMORY);
    e->query = query;
    e->asked = *asked;
    e->parameter = parameter;
    e->context = context;
    *ret_evaluator = e;
    return SL_DONE;
}

void sl_evaluator_free(sl_evaluator *e)
{
    if (e == NULL) {
        return;
    }
    sl_table kept = { 0 };
    kept.entries = calloc(1, sizeof(*kept.entries));
    if (kept.entries != NULL) {
        kept.entries[0] = e->latest; /* the table knows how to free a kept leaf */
        kept.count = 1;
        sl_table_free(&kept);
    }
    sl_table_free(&e->table);
    free(e->samples);
    free(e);
}

/* ---- names and fields ---- */

sl_value sl_evaluator_value(const sl_json_node *node)
{
    if (node == NULL || node->kind == SL_JSON_NULL) {
        return (sl_value){ .kind = SL_VALUE_NULL };
    }
    if (node->kind == SL_JSON_STRING && !node->escaped) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = node->raw };
    }
    if (node->kind == SL_JSON_ARRAY) { /* a list is there or, when it is empty, is not */
        return node->count == 0 ? (sl_value){ .kind = SL_VALUE_NULL }
                                : (sl_value){ .kind = SL_VALUE_TEXT, .text = node->raw };
    }
    if (node->kind == SL_JSON_TRUE || node->kind == SL_JSON_FALSE) {
        return (sl_value){ .kind = SL_VALUE_BOOL, .boolean = node->kind == SL_JSON_TRUE };
    }
    double number = 0;
    if (node->kind == SL_JSON_NUMBER && sl_ok(sl_json_f64(node, &number))) {
        return (sl_value){ .kind = SL_VALUE_NUMBER, .number = number };
    }
    return (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

static sl_value subject_attribute(const sl_evaluator_names *c, sl_view name)
{
    if (sl_view_eq(name, SL_LIT("state"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = c->subject->state };
    }
    if (c->subject_doc == NULL) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    return sl_evaluator_value(sl_leaf_field(c->subject_doc, name));
}

sl_value sl_evaluator_look_up(void *context, sl_view scope, sl_view name)
{
    const sl_evaluator_names *c = context;
    const sl_evaluator *e = c->evaluator;
    if (scope.n == 0 && !sl_view_eq(name, SL_LIT("self"))) {
        return c->leaf == NULL ? (sl_value){ .kind = SL_VALUE_UNKNOWN }
                               : sl_evaluator_value(sl_leaf_field(c->leaf->doc, name));
    }
    if (c->subject != NULL && sl_view_eq(scope, e->query->variable)) {
        return subject_attribute(c, name);
    }
    if (e->parameter == NULL) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    return e->parameter(e->context, scope, name);
}

static sl_truth test(const sl_evaluator *e, const sl_condition *condition, const sl_evidence *leaf,
                     int64_t now_ms)
{
    if (condition == NULL) {
        return SL_TRUTH_TRUE;
    }
    sl_evaluator_names c = { .evaluator = e, .leaf = leaf };
    sl_names names = { sl_evaluator_look_up, &c, (double)now_ms / 1000.0 };
    return sl_condition_test(condition, &names);
}

/* Does the leaf belong to the source? A filter that cannot be judged lets it in: it then has to be
 * explained by the query, which is the careful side. */
static bool belongs(const sl_evaluator *e, const sl_query_source *source, const sl_evidence *leaf)
{
    return sl_view_eq(leaf->type, source->type) &&
           test(e, source->filter, leaf, leaf->time_ms) != SL_TRUTH_FALSE;
}

static void remember(sl_evaluator *e, const sl_evidence *leaf)
{
    memmove(e->recent + 1, e->recent, sizeof(e->recent) - sizeof(e->recent[0]));
    e->recent[0] = leaf->index;
    if (e->recent_count < SL_ANSWER_EVIDENCE_MAX) {
        e->recent_count++;
    }
    e->last_ms = leaf->time_ms;
    e->seen++;
}

/* ---- feeding ---- */

static sl_res keep_latest(sl_evaluator *e, const sl_evidence *leaf)
{
    SL_TRY(sl_table_keep(&e->latest, leaf->doc->text));
    e->latest.time_ms = leaf->time_ms;
    e->latest.index = leaf->index;
    e->has_latest = true;
    return SL_DONE;
}

static sl_res feed_none(sl_evaluator *e, const sl_evidence *leaf)
{
    sl_truth found = test(e, e->query->where, leaf, leaf->time_ms);
    if (found == SL_TRUTH_UNKNOWN) {
        e->unsure_ms = leaf->time_ms;
    }
    return found == SL_TRUTH_TRUE ? keep_latest(e, leaf) : SL_DONE;
}

static sl_res add_sample(sl_evaluator *e, sl_evaluator_sample one)
{
    while (e->sample_start < e->sample_count &&
           e->samples[e->sample_start].time_ms < one.time_ms - e->query->within_ms) {
        e->sample_start++;
    }
    if (e->sample_start > e->sample_count / 2 && e->sample_start > 1024) {
        e->sample_count -= e->sample_start;
        memmove(e->samples, e->samples + e->sample_start,
                e->sample_count * sizeof(sl_evaluator_sample));
        e->sample_start = 0;
    }
    sl_evaluator_sample *last =
        e->sample_count == e->sample_start ? NULL : &e->samples[e->sample_count - 1];
    if (e->query->form == SL_QUERY_RATIO && last != NULL &&
        last->time_ms / 1000 == one.time_ms / 1000) {
        last->part += one.part; /* one sample a second is enough for a ratio */
        last->whole += one.whole;
        return SL_DONE;
    }
    if (e->sample_count == e->sample_capacity) {
        size_t capacity = e->sample_capacity == 0 ? 64 : e->sample_capacity * 2;
        SL_NEED(capacity <= SAMPLES_MAX, SL_E_LIMIT);
        sl_evaluator_sample *samples = realloc(e->samples, capacity * sizeof(sl_evaluator_sample));
        SL_NEED(samples != NULL, SL_E_MEMORY);
        e->samples = samples;
        e->sample_capacity = capacity;
    }
    assert(e->samples != NULL);
    e->samples[e->sample_count++] = one;
    return SL_DONE;
}

static double amount(const sl_evidence *leaf, sl_view field)
{
    if (field.n == 0) {
        return 1;
    }
    sl_value v = sl_evaluator_value(sl_leaf_field(leaf->doc, field));
    return v.kind == SL_VALUE_NUMBER ? v.number : 0;
}

static sl_res feed_ratio(sl_evaluator *e, const sl_evidence *leaf)
{
    sl_evaluator_sample one = { .time_ms = leaf->time_ms };
    if (belongs(e, &e->query->first, leaf) &&
        test(e, e->query->where, leaf, leaf->time_ms) == SL_TRUTH_TRUE) {
        one.part = amount(leaf, e->query->first.field);
    }
    if (belongs(e, &e->query->second, leaf)) {
        one.whole = amount(leaf, e->query->second.field);
        remember(e, leaf);
    }
    return add_sample(e, one);
}

static sl_res feed_quantile(sl_evaluator *e, const sl_evidence *leaf)
{
    sl_value v = sl_evaluator_value(sl_leaf_field(leaf->doc, e->query->first.field));
    /* What was never reached has no time, and is not faster for that. */
    double reached = v.kind == SL_VALUE_NUMBER ? v.number : HUGE_VAL;
    return add_sample(e, (sl_evaluator_sample){ leaf->time_ms, reached, 1 });
}

/* The leaf's key: its key fields, each ended by a NUL; `instead` stands for those that the leaf has not. False if
 * one of them is missing. */
static bool key_of(const sl_query *q, const sl_evidence *leaf, const sl_json_node *instead,
                   sl_buf *out)
{
    for (size_t i = 0; i < q->key_count; i++) {
        const sl_json_node *node = sl_leaf_field(leaf->doc, q->keys[i]);
        node = node == NULL ? instead : node;
        if (node == NULL || node->kind == SL_JSON_NULL) {
            return false;
        }
        if (!sl_ok(sl_buf_add(out, node->raw)) || !sl_ok(sl_buf_add_byte(out, 0))) {
            return false;
        }
    }
    return true;
}

static sl_res feed_each(sl_evaluator *e, const sl_evidence *leaf)
{
    const sl_json_node *name = sl_leaf_field(leaf->doc, e->query->subject_field);
    if (!sl_json_is(name, SL_JSON_STRING)) {
        return SL_DONE;
    }
    sl_table_entry *entry = NULL;
    SL_TRY(sl_table_put(&e->table, name->raw, &entry));
    entry->time_ms = leaf->time_ms;
    entry->index = leaf->index;
    return sl_table_keep(entry, leaf->doc->text);
}

static sl_res feed_case(sl_evaluator *e, const sl_evidence *leaf, sl_view key)
{
    const sl_query *q = e->query;
    sl_table_entry *entry = sl_table_find(&e->table, key);
    if (belongs(e, &q->first, leaf)) {
        SL_TRY(sl_table_put(&e->table, key, &entry));
        bool overdue = entry->has_left && entry->done_ms == 0; /* asked again, never answered */
        if (!overdue) {
            entry->time_ms = leaf->time_ms;
            entry->done_ms = 0;
        }
        entry->has_left = true;
        entry->index = leaf->index;
        remember(e, leaf);
    }
    if (entry == NULL || !entry->has_left) {
        return SL_DONE;
    }
    if (belongs(e, &q->second, leaf) && entry->done_ms == 0) {
        entry->done_ms = leaf->time_ms;
        bool late = q->within_ms > 0 && leaf->time_ms - entry->time_ms > q->within_ms;
        entry->broken = entry->broken || late;
        entry->index = late ? leaf->index : entry->index;
        remember(e, leaf);
    }
    if (q->before.type.n > 0 && belongs(e, &q->before, leaf) && entry->done_ms == 0) {
        entry->broken = true;
        entry->index = leaf->index;
    }
    return SL_DONE;
}

/* The list that stands for a key of several cases: "regimes" where the query says "regime". */
static const sl_json_node *cases_of(const sl_query *q, const sl_evidence *leaf)
{
    char name[SL_NAME_BYTES_MAX + 2];
    for (size_t i = 0; i < q->key_count; i++) {
        int n = snprintf(name, sizeof name, "%.*ss", SL_FMT(q->keys[i]));
        const sl_json_node *list =
            n > 0 && (size_t)n < sizeof name ? sl_leaf_field(leaf->doc, sl_view_str(name)) : NULL;
        if (sl_json_is(list, SL_JSON_ARRAY)) {
            return list;
        }
    }
    return NULL;
}

static sl_res feed_follows(sl_evaluator *e, const sl_evidence *leaf)
{
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = SL_TABLE_KEY_BYTES_MAX };
    sl_json_iter it = { 0 };
    if (key_of(e->query, leaf, NULL, &key)) {
        return feed_case(e, leaf, sl_buf_view(&key));
    }
    const sl_json_node *cases = cases_of(e->query, leaf);
    while (cases != NULL && sl_json_each(leaf->doc, cases, &it)) {
        sl_buf_clear(&key);
        if (key_of(e->query, leaf, it.value, &key)) {
            SL_TRY(feed_case(e, leaf, sl_buf_view(&key)));
        }
    }
    return SL_DONE;
}

static sl_res feed_recon(sl_evaluator *e, const sl_evidence *leaf)
{
    const sl_query *q = e->query;
    bool left = belongs(e, &q->first, leaf);
    bool right = belongs(e, &q->second, leaf);
    static const char *const span[] = { "from_s", "to_s" };
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = SL_TABLE_KEY_BYTES_MAX };
    if (!(left || right) || !key_of(q, leaf, NULL, &key)) {
        return SL_DONE;
    }
    for (size_t i = 0; i < SL_COUNT_OF(span); i++) {
        const sl_json_node *node = sl_leaf_field(leaf->doc, sl_view_str(span[i]));
        if (sl_json_is(node, SL_JSON_NUMBER)) {
            SL_TRY(sl_buf_add(&key, node->raw));
        }
        SL_TRY(sl_buf_add_byte(&key, 0));
    }
    sl_value count = sl_evaluator_value(sl_leaf_field(leaf->doc, SL_LIT("count")));
    if (count.kind != SL_VALUE_NUMBER) {
        return SL_DONE;
    }
    sl_table_entry *entry = NULL;
    SL_TRY(sl_table_put(&e->table, sl_buf_view(&key), &entry));
    entry->time_ms = leaf->time_ms;
    entry->index = leaf->index;
    if (left) {
        entry->left += (uint64_t)count.number;
        entry->has_left = true;
    }
    if (right) {
        entry->right += (uint64_t)count.number;
        entry->has_right = true;
    }
    remember(e, leaf);
    return SL_DONE;
}

static sl_res feed_form(sl_evaluator *e, const sl_evidence *leaf)
{
    const sl_query *q = e->query;
    switch (q->form) {
    case SL_QUERY_RATIO:
        return feed_ratio(e, leaf);
    case SL_QUERY_FOLLOWS:
        return feed_follows(e, leaf);
    case SL_QUERY_RECON:
        return feed_recon(e, leaf);
    case SL_QUERY_LATEST:
    case SL_QUERY_EACH:
    case SL_QUERY_NONE:
    case SL_QUERY_QUANTILE:
    default:
        break;
    }
    if (!belongs(e, &q->first, leaf)) {
        return SL_DONE;
    }
    remember(e, leaf);
    if (q->form == SL_QUERY_LATEST) {
        return keep_latest(e, leaf);
    }
    if (q->form == SL_QUERY_EACH) {
        return feed_each(e, leaf);
    }
    return q->form == SL_QUERY_NONE ? feed_none(e, leaf) : feed_quantile(e, leaf);
}

static bool concerns(const sl_query *q, sl_view type)
{
    return sl_view_eq(type, q->first.type) || sl_view_eq(type, q->second.type) ||
           (q->before.type.n > 0 && sl_view_eq(type, q->before.type));
}

sl_res sl_evaluator_feed(sl_evaluator *e, const sl_evidence *leaf)
{
    if (!concerns(e->query, leaf->type)) {
        return SL_DONE;
    }
    sl_res r = feed_form(e, leaf);
    e->overflowed = e->overflowed || !sl_ok(r);
    return r;
}
