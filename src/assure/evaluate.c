/* The evaluator (evaluate.h): what each form remembers and how it answers.
 * EACH, FOLLOWS and RECON keep a table by key; LATEST one leaf; NONE its last counter-example; RATIO
 * and QUANTILE the samples of their window. It must never answer `pass` from absence. */
#include "assure/evaluate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "assure/table.h"
#include "ledger/event.h"

/* Two sides that count the same write at their own pace: so long a difference may still close. */
#define RECON_PENDING_MS INT64_C(90000)
#define SAMPLES_MAX ((size_t)1 << 20)

typedef struct {
    int64_t time_ms;
    double part;  /* RATIO: what counts for it; QUANTILE: the value */
    double whole; /* RATIO: what counts at all */
} sample;

struct sl_evaluator {
    const sl_query *query;
    sl_asked asked;
    sl_parameter parameter;
    void *context;
    bool overflowed;
    int64_t last_ms; /* newest leaf of `first` or `second`; 0: none */
    uint64_t recent[SL_ANSWER_EVIDENCE_MAX];
    size_t recent_count;
    uint64_t seen;
    sl_table_entry latest; /* LATEST; NONE: the counter-example */
    bool has_latest;
    int64_t unsure_ms; /* NONE: when a leaf could not be judged */
    sample *samples;
    size_t sample_count;
    size_t sample_capacity;
    size_t sample_start; /* those before it have left the window */
    sl_table table;
};

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

typedef struct {
    const sl_evaluator *evaluator;
    const sl_evidence *leaf;
    const sl_subject *subject; /* EACH */
    const sl_json_doc *subject_doc;
} name_context;

static sl_value value_of(const sl_json_node *node)
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

static sl_value subject_attribute(const name_context *c, sl_view name)
{
    if (sl_view_eq(name, SL_LIT("state"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = c->subject->state };
    }
    if (c->subject_doc == NULL) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    return value_of(sl_leaf_field(c->subject_doc, name));
}

static sl_value look_up(void *context, sl_view scope, sl_view name)
{
    const name_context *c = context;
    const sl_evaluator *e = c->evaluator;
    if (scope.n == 0 && !sl_view_eq(name, SL_LIT("self"))) {
        return c->leaf == NULL ? (sl_value){ .kind = SL_VALUE_UNKNOWN }
                               : value_of(sl_leaf_field(c->leaf->doc, name));
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
    name_context c = { .evaluator = e, .leaf = leaf };
    sl_names names = { look_up, &c, (double)now_ms / 1000.0 };
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

static sl_res add_sample(sl_evaluator *e, sample one)
{
    while (e->sample_start < e->sample_count &&
           e->samples[e->sample_start].time_ms < one.time_ms - e->query->within_ms) {
        e->sample_start++;
    }
    if (e->sample_start > e->sample_count / 2 && e->sample_start > 1024) {
        e->sample_count -= e->sample_start;
        memmove(e->samples, e->samples + e->sample_start, e->sample_count * sizeof(sample));
        e->sample_start = 0;
    }
    sample *last = e->sample_count == e->sample_start ? NULL : &e->samples[e->sample_count - 1];
    if (e->query->form == SL_QUERY_RATIO && last != NULL &&
        last->time_ms / 1000 == one.time_ms / 1000) {
        last->part += one.part; /* one sample a second is enough for a ratio */
        last->whole += one.whole;
        return SL_DONE;
    }
    if (e->sample_count == e->sample_capacity) {
        size_t capacity = e->sample_capacity == 0 ? 64 : e->sample_capacity * 2;
        SL_NEED(capacity <= SAMPLES_MAX, SL_E_LIMIT);
        sample *samples = realloc(e->samples, capacity * sizeof(sample));
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
    sl_value v = value_of(sl_leaf_field(leaf->doc, field));
    return v.kind == SL_VALUE_NUMBER ? v.number : 0;
}

static sl_res feed_ratio(sl_evaluator *e, const sl_evidence *leaf)
{
    sample one = { .time_ms = leaf->time_ms };
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
    sl_value v = value_of(sl_leaf_field(leaf->doc, e->query->first.field));
    /* What was never reached has no time, and is not faster for that. */
    double reached = v.kind == SL_VALUE_NUMBER ? v.number : HUGE_VAL;
    return add_sample(e, (sample){ leaf->time_ms, reached, 1 });
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
    sl_value count = value_of(sl_leaf_field(leaf->doc, SL_LIT("count")));
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

/* ---- answering ---- */

static sl_answer answer_of(const sl_evaluator *e, sl_state state, const char *why)
{
    sl_answer a = { .state = state, .why = why, .population = e->seen };
    memcpy(a.evidence, e->recent, sizeof(a.evidence));
    a.evidence_count = e->recent_count;
    return a;
}

static void cite(sl_answer *a, uint64_t index)
{
    memmove(a->evidence + 1, a->evidence, sizeof(a->evidence) - sizeof(a->evidence[0]));
    a->evidence[0] = index;
    if (a->evidence_count < SL_ANSWER_EVIDENCE_MAX) {
        a->evidence_count++;
    }
}

static int64_t lifetime(const sl_evaluator *e)
{
    return e->query->within_ms > 0 && e->query->within_ms < e->asked.ttl_ms ? e->query->within_ms
                                                                            : e->asked.ttl_ms;
}

/* The state of one kept leaf: fresh, enough trials, condition holds? */
static sl_state judge_leaf(const sl_evaluator *e, const sl_table_entry *kept, int64_t now_ms,
                           name_context *names, const char **ret_why)
{
    if (now_ms > kept->time_ms + lifetime(e)) {
        *ret_why = "the evidence has expired";
        return SL_STATE_UNKNOWN;
    }
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(kept->raw, &doc))) {
        *ret_why = "the leaf cannot be read";
        return SL_STATE_UNKNOWN;
    }
    sl_evidence leaf = { .doc = &doc, .time_ms = kept->time_ms, .index = kept->index };
    if (e->asked.sample_min > 0) {
        sl_value n = value_of(sl_leaf_field(leaf.doc, e->asked.sample_field));
        if (n.kind != SL_VALUE_NUMBER || n.number < (double)e->asked.sample_min) {
            *ret_why = "too few trials to show anything";
            return SL_STATE_UNKNOWN;
        }
    }
    names->leaf = &leaf;
    sl_names all = { look_up, names, (double)now_ms / 1000.0 };
    sl_truth holds = sl_condition_test(e->query->satisfies, &all);
    *ret_why = holds == SL_TRUTH_TRUE    ? "the newest evidence holds"
               : holds == SL_TRUTH_FALSE ? "the newest evidence says otherwise"
                                         : "the evidence lacks what the check asks";
    return holds == SL_TRUTH_TRUE    ? SL_STATE_PASS
           : holds == SL_TRUTH_FALSE ? SL_STATE_FAIL
                                     : SL_STATE_UNKNOWN;
}

static sl_answer answer_latest(const sl_evaluator *e, int64_t now_ms)
{
    if (!e->has_latest) {
        return answer_of(e, SL_STATE_UNKNOWN, "no such evidence yet");
    }
    const char *why = "";
    name_context names = { .evaluator = e };
    sl_state state = judge_leaf(e, &e->latest, now_ms, &names, &why);
    sl_answer a = answer_of(e, state, why);
    a.fresh_until_ms = e->latest.time_ms + lifetime(e);
    return a;
}

static sl_state worse(sl_state a, sl_state b)
{
    if (a == SL_STATE_FAIL || b == SL_STATE_FAIL) {
        return SL_STATE_FAIL;
    }
    return a == SL_STATE_UNKNOWN || b == SL_STATE_UNKNOWN ? SL_STATE_UNKNOWN : SL_STATE_PASS;
}

/* Judges one subject into `a`; false if the subject is not asked about. */
static bool answer_subject(const sl_evaluator *e, const sl_subject *subject, int64_t now_ms,
                           sl_answer *a)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    bool parsed = subject->leaf.n > 0 && sl_ok(sl_json_parse(subject->leaf, &doc));
    name_context names = { .evaluator = e,
                           .subject = subject,
                           .subject_doc = parsed ? &doc : NULL };
    if (e->query->where != NULL) {
        sl_names all = { look_up, &names, (double)now_ms / 1000.0 };
        if (sl_condition_test(e->query->where, &all) == SL_TRUTH_FALSE) {
            return false;
        }
    }
    const sl_table_entry *kept = sl_table_find(&e->table, subject->name);
    const char *why = "a subject has no evidence";
    sl_state state = SL_STATE_UNKNOWN;
    int64_t fresh_ms = 0;
    if (kept != NULL) {
        state = judge_leaf(e, kept, now_ms, &names, &why);
        fresh_ms = kept->time_ms + lifetime(e);
    }
    bool first = a->population == 0;
    a->population++;
    if (first || worse(a->state, state) != a->state) {
        a->why = why;
    }
    a->state = first ? state : worse(a->state, state);
    a->fresh_until_ms = first || fresh_ms < a->fresh_until_ms ? fresh_ms : a->fresh_until_ms;
    if (kept != NULL) {
        bool blamed = state == SL_STATE_FAIL || a->evidence_count < SL_ANSWER_EVIDENCE_MAX;
        if (blamed) {
            cite(a, kept->index);
        }
    }
    return true;
}

static sl_answer answer_each(const sl_evaluator *e, int64_t now_ms, const sl_subject *subjects,
                             size_t count, bool registered)
{
    sl_answer a = { .state = SL_STATE_PASS };
    for (size_t i = 0; i < count; i++) {
        (void)answer_subject(e, &subjects[i], now_ms, &a);
    }
    if (a.population == 0) {
        return answer_of(e, registered ? SL_STATE_OUTSIDE : SL_STATE_UNKNOWN,
                         registered ? "the register has no such subject"
                                    : "nothing says which subjects there are");
    }
    return a;
}

static sl_answer answer_none(const sl_evaluator *e, int64_t now_ms)
{
    if (e->has_latest && now_ms - e->latest.time_ms <= e->query->within_ms) {
        sl_answer a = answer_of(e, SL_STATE_FAIL, "there is a counter-example");
        cite(&a, e->latest.index);
        a.fresh_until_ms = e->latest.time_ms + e->query->within_ms;
        return a;
    }
    if (e->unsure_ms != 0 && now_ms - e->unsure_ms <= e->query->within_ms) {
        return answer_of(e, SL_STATE_UNKNOWN, "a leaf lacks what the check asks");
    }
    if (e->last_ms == 0 || now_ms > e->last_ms + e->asked.ttl_ms) {
        return answer_of(e, SL_STATE_UNKNOWN, "no such event in the time that counts");
    }
    sl_answer a = answer_of(e, SL_STATE_PASS, "no counter-example");
    a.fresh_until_ms = e->last_ms + e->asked.ttl_ms;
    return a;
}

static sl_answer answer_ratio(const sl_evaluator *e, int64_t now_ms)
{
    double part = 0;
    double whole = 0;
    for (size_t i = e->sample_start; i < e->sample_count; i++) {
        if (e->samples[i].time_ms >= now_ms - e->query->within_ms) {
            part += e->samples[i].part;
            whole += e->samples[i].whole;
        }
    }
    bool stale = e->last_ms == 0 || now_ms > e->last_ms + e->asked.ttl_ms;
    double least = e->asked.sample_min == 0 ? 1 : (double)e->asked.sample_min;
    if (stale || whole < least) {
        return answer_of(e, SL_STATE_UNKNOWN,
                         stale ? "no such event in the time that counts"
                               : "too few trials to show anything");
    }
    bool holds = part >= e->query->bound * whole;
    sl_answer a = answer_of(e, holds ? SL_STATE_PASS : SL_STATE_FAIL,
                            holds ? "the share is reached" : "the share is not reached");
    a.fresh_until_ms = e->last_ms + e->asked.ttl_ms;
    return a;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static sl_answer answer_quantile(const sl_evaluator *e, int64_t now_ms)
{
    double *values = calloc(e->sample_count + 1, sizeof(*values));
    size_t n = 0;
    for (size_t i = e->sample_start; values != NULL && i < e->sample_count; i++) {
        if (e->samples[i].time_ms >= now_ms - e->query->within_ms) {
            values[n++] = e->samples[i].part;
        }
    }
    uint64_t least =
        e->query->sample_min > e->asked.sample_min ? e->query->sample_min : e->asked.sample_min;
    if (n == 0 || n < least) {
        free(values);
        return answer_of(e, SL_STATE_UNKNOWN, "too few trials to show anything");
    }
    qsort(values, n, sizeof(*values), compare_doubles);
    double exact = e->query->quantile * (double)n;
    size_t rank = (size_t)exact;
    rank += (double)rank < exact; /* the smallest rank that covers the quantile */
    double reached = values[rank == 0 ? 0 : rank - 1];
    free(values);
    bool holds = reached <= e->query->bound;
    sl_answer a = answer_of(e, holds ? SL_STATE_PASS : SL_STATE_FAIL,
                            holds ? "the quantile is within bounds" : "the quantile is too high");
    a.fresh_until_ms = e->last_ms + e->asked.ttl_ms;
    return a;
}

/* How long one case may stay open; -1 where the site has set no limit for it. */
static int64_t limit_of(const sl_evaluator *e, const sl_table_entry *c)
{
    const sl_query *q = e->query;
    sl_view rest = c->key;
    sl_view value = { 0 };
    if (q->limit_key == 0) {
        return q->within_ms;
    }
    for (size_t i = 0; i < q->limit_key; i++) {
        (void)sl_view_cut(rest, 0, &value, &rest);
    }
    sl_value limit = { .kind = SL_VALUE_UNKNOWN };
    if (e->parameter != NULL) {
        limit = e->parameter(e->context, q->keys[q->limit_key - 1], value);
    }
    return limit.kind == SL_VALUE_NUMBER ? (int64_t)(limit.number * 1000) : -1;
}

static sl_answer answer_follows(const sl_evaluator *e, int64_t now_ms)
{
    const sl_query *q = e->query;
    sl_answer a = answer_of(e, SL_STATE_PASS, "every case was followed");
    a.population = 0;
    for (size_t i = 0; i < e->table.count; i++) {
        const sl_table_entry *c = &e->table.entries[i];
        if (!c->has_left || now_ms - c->time_ms > q->lookback_ms) {
            continue;
        }
        a.population++;
        int64_t limit_ms = limit_of(e, c);
        int64_t took_ms = (c->done_ms == 0 ? now_ms : c->done_ms) - c->time_ms;
        bool overdue = c->done_ms == 0 && limit_ms > 0 && took_ms > limit_ms;
        bool late = q->limit_key != 0 && c->done_ms != 0 && limit_ms > 0 && took_ms > limit_ms;
        if (limit_ms < 0 && a.state == SL_STATE_PASS) {
            a.state = SL_STATE_UNKNOWN;
            a.why = "the site has set no limit for a case";
            cite(&a, c->index);
        }
        if (c->broken || overdue || late) {
            a.state = SL_STATE_FAIL;
            a.why = overdue ? "a case is overdue" : "a case was followed too late or not at all";
            cite(&a, c->index);
        }
    }
    if (a.population == 0) {
        a.state = SL_STATE_UNKNOWN;
        a.why = "no such case in the time that counts";
        return a;
    }
    a.fresh_until_ms = e->last_ms + q->lookback_ms;
    return a;
}

static sl_answer answer_recon(const sl_evaluator *e, int64_t now_ms)
{
    const sl_query *q = e->query;
    sl_answer a = answer_of(e, SL_STATE_PASS, "both sides counted the same");
    a.population = 0;
    int64_t newest_ms = 0;
    for (size_t i = 0; i < e->table.count; i++) {
        const sl_table_entry *c = &e->table.entries[i];
        if (now_ms - c->time_ms > 24 * q->every_ms) {
            continue;
        }
        a.population++;
        uint64_t gap = c->left > c->right ? c->left - c->right : c->right - c->left;
        bool both = c->has_left && c->has_right;
        bool pending = now_ms - c->time_ms < RECON_PENDING_MS;
        if (both && gap > q->tolerance && !pending) {
            a.state = SL_STATE_FAIL;
            a.why = "the two sides counted differently";
            cite(&a, c->index);
        } else if (!both && gap > q->tolerance && now_ms - c->time_ms > q->every_ms &&
                   a.state == SL_STATE_PASS) {
            a.state = SL_STATE_UNKNOWN;
            a.why = "one side sent no count";
            cite(&a, c->index);
        }
        bool agreed = both && gap <= q->tolerance;
        newest_ms = agreed && c->time_ms > newest_ms ? c->time_ms : newest_ms;
    }
    bool stale = newest_ms == 0 || now_ms > newest_ms + e->asked.ttl_ms;
    if (a.state == SL_STATE_PASS && stale) {
        a.state = SL_STATE_UNKNOWN;
        a.why = "no count in the time that counts";
    }
    a.fresh_until_ms = newest_ms == 0 ? 0 : newest_ms + e->asked.ttl_ms;
    return a;
}

/* Nothing at all of what the check asks about within its time. A leaf that could not be judged is something. */
static bool saw_nothing(const sl_evaluator *e, const sl_answer *a, int64_t now_ms)
{
    switch (e->query->form) {
    case SL_QUERY_NONE:
    case SL_QUERY_RATIO:
        return a->state == SL_STATE_UNKNOWN && e->unsure_ms == 0 &&
               (e->last_ms == 0 || now_ms > e->last_ms + e->query->within_ms);
    case SL_QUERY_FOLLOWS:
    case SL_QUERY_RECON:
        return a->state == SL_STATE_UNKNOWN && a->population == 0;
    case SL_QUERY_EACH:
    case SL_QUERY_QUANTILE:
    case SL_QUERY_LATEST:
    default:
        return false; /* EACH has its register of subjects; LATEST and QUANTILE ask for evidence */
    }
}

static sl_answer answer_alone(const sl_evaluator *e, int64_t now_ms, const sl_subject *subjects,
                              size_t subject_count, bool registered)
{
    if (e->overflowed) {
        return answer_of(e, SL_STATE_UNKNOWN, "more subjects or samples than this check can hold");
    }
    switch (e->query->form) {
    case SL_QUERY_EACH:
        return answer_each(e, now_ms, subjects, subject_count, registered);
    case SL_QUERY_NONE:
        return answer_none(e, now_ms);
    case SL_QUERY_RATIO:
        return answer_ratio(e, now_ms);
    case SL_QUERY_QUANTILE:
        return answer_quantile(e, now_ms);
    case SL_QUERY_FOLLOWS:
        return answer_follows(e, now_ms);
    case SL_QUERY_RECON:
        return answer_recon(e, now_ms);
    case SL_QUERY_LATEST:
    default:
        return answer_latest(e, now_ms);
    }
}

sl_answer sl_evaluator_answer(const sl_evaluator *e, int64_t now_ms, const sl_subject *subjects,
                              size_t subject_count, bool registered)
{
    sl_answer a = answer_alone(e, now_ms, subjects, subject_count, registered);
    if (e->asked.whole && !e->overflowed && saw_nothing(e, &a, now_ms)) {
        a = answer_of(e, SL_STATE_OUTSIDE, "there was none, and the ledger would name it");
    }
    return a;
}
