/* How each form of question answers (evaluate.h) from what evaluate.c remembered. It must never answer `pass` from
 * absence. */
#include "assure/evaluate_internal.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/event.h"

/* Two sides that count the same write at their own pace: so long a difference may still close. */
#define RECON_PENDING_MS INT64_C(90000)

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
                           const sl_evaluator_names *about, const char **ret_why)
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
        sl_value n = sl_evaluator_value(sl_leaf_field(leaf.doc, e->asked.sample_field));
        if (n.kind != SL_VALUE_NUMBER || n.number < (double)e->asked.sample_min) {
            *ret_why = "too few trials to show anything";
            return SL_STATE_UNKNOWN;
        }
    }
    sl_evaluator_names names = *about;
    names.leaf = &leaf;
    sl_names all = { sl_evaluator_look_up, &names, (double)now_ms / 1000.0 };
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
    sl_evaluator_names names = { .evaluator = e };
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
    sl_evaluator_names names = { .evaluator = e,
                                 .subject = subject,
                                 .subject_doc = parsed ? &doc : NULL };
    if (e->query->where != NULL) {
        sl_names all = { sl_evaluator_look_up, &names, (double)now_ms / 1000.0 };
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
