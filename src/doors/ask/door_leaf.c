/* The crossing's leaves: the intent before anything is forwarded, the outcome before the answer's end, a
 * refusal otherwise; and what happens when each of them is durable, or cannot be. */
#include <stdio.h>
#include <string.h>

#include "doors/ask/door_internal.h"
#include "doors/ask/strangers.h"

static sl_ask_leaf_head leaf_head(const sl_ask_door *d)
{
    return (sl_ask_leaf_head){ d->id, &d->who };
}

static uint64_t elapsed_us(const sl_ask_door *d)
{
    return d->now.mono_us - d->began.mono_us;
}

/* ---- refusals ---- */

static const char *detector_of(const sl_ask_look *look)
{
    return look->has_cause ? sl_detector_name((sl_detector)look->cause.detector) : NULL;
}

/* Ask for the leaf of a refusal. Without a ledger there is no leaf and the answer is 503. */
void sl_door_record_refusal(sl_ask_door *d)
{
    bool policy = sl_is(d->why, SL_E_REFUSED) && d->look.has_cause;
    if (policy) {
        d->rule = sl_policy_rule_id(d->site->policy, d->look.cause.policy_rule);
    }
    sl_ask_leaf_head head = leaf_head(d);
    sl_ask_refusal refusal = { .reason = sl_res_name(d->why),
                               .by_class = d->look.by_class,
                               .bytes = d->body.n,
                               .status = d->status,
                               .rule = policy ? d->rule : NULL,
                               .detector = policy ? detector_of(&d->look) : NULL };
    sl_buf_clear(&d->out.leaf);
    if (!sl_ok(sl_ask_leaf_refused(&head, &refusal, &d->out.leaf))) {
        sl_ask_door_not_recorded(d, d->now);
        return;
    }
    d->waiting = LEAF_REFUSAL;
    d->step = STEP_RELEASE;
    sl_door_set_deadline(d, d->site->limits.record_ms_max);
}

/* ---- step: record ---- */

/* Definitions of tools that are new: the leaf tells the other processes and the ones to come. */
static sl_res tell_tools(sl_ask_door *d, const sl_view **ret_tools)
{
    if (d->tools_n == 0) {
        return SL_DONE;
    }
    sl_view *items = sl_arena_array(&d->arena, d->tools_n, sizeof *items);
    SL_NEED(items != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < d->tools_n; i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_ASK_PIN_CHARS };
        SL_TRY(sl_ask_pin_put(&d->tools[i], &text));
        SL_TRY(sl_arena_dup(&d->arena, sl_buf_view(&text), &items[i]));
    }
    *ret_tools = items;
    return SL_DONE;
}

sl_res sl_door_record(sl_ask_door *d)
{
    if (d->waiting == LEAF_INTENT) {
        return SL_DONE;
    }
    const sl_view *tools = NULL;
    SL_TRY(tell_tools(d, &tools));
    char source[SL_PREFIX_BYTES_MAX];
    sl_strangers_prefix(d->out.knock_source, source);
    sl_ask_leaf_head head = leaf_head(d);
    sl_ask_intent intent = { .dialect = d->dialect->name,
                             .upstream = d->route.upstreams[d->attempt],
                             .model = d->route.name,
                             .policy_digest = d->site->policy_digest,
                             .verdict = d->look.verdict,
                             .by_class = d->look.by_class,
                             .request = &d->request_commitment,
                             .bytes = d->body.n,
                             .streamed = d->facts.stream,
                             .latency_us = elapsed_us(d),
                             .epoch = d->ticket.door_epoch,
                             .tools = tools,
                             .tools_n = d->tools_n,
                             .source = strcmp(source, "local") == 0 ? (sl_view){ 0 }
                                                                    : sl_view_str(source) };
    SL_TRY(sl_ask_leaf_intent(&head, &intent, &d->out.leaf));
    d->waiting = LEAF_INTENT;
    sl_door_set_deadline(d, d->site->limits.record_ms_max);
    return SL_DONE;
}

/* ---- step: record the outcome ---- */

static const char *ending_word(sl_ask_door *d)
{
    if (d->answering && d->answer.cut_reason == SL_CUT_FINDING) {
        return sl_policy_rule_id(d->site->policy, d->answer.cut_cause.policy_rule);
    }
    if (d->answering && d->answer.cut_reason == SL_CUT_FLOW) {
        return d->answer.cut_rule;
    }
    if (d->answering && d->answer.cut_reason != SL_CUT_NONE) {
        return sl_cut_reason_name(d->answer.cut_reason);
    }
    return sl_ok(d->why) ? NULL : sl_res_name(d->why);
}

/* To what the client has got of the answer and what it will get when this leaf is durable; none where
 * that is nothing of the model server's. */
static const sl_digest *answer_commitment(sl_ask_door *d, sl_digest *store)
{
    bool gone = d->outcome == SL_OUTCOME_CLIENT_GONE;
    if (!d->answering || (!d->head_sent && (gone || !sl_ok(d->why)))) {
        return NULL;
    }
    if (!gone) {
        sl_keyed_add(&d->commit, sl_buf_view(&d->last));
    }
    *store = sl_keyed_end(&d->commit);
    return store;
}

static sl_res outcome_leaf(sl_ask_door *d)
{
    sl_digest answer;
    sl_answer_total total = { 0 };
    sl_ask_leaf_head head = leaf_head(d);
    if (d->answering) {
        sl_answer_sum(&d->answer, &total);
    }
    bool cut = d->answering && d->answer.cut_reason != SL_CUT_NONE;
    sl_ask_ending ending = {
        .outcome = d->outcome,
        .verdict = d->answering ? sl_answer_verdict(&d->answer) : SL_VERDICT_ALLOW,
        .by_class = total.by_class,
        .answer = answer_commitment(d, &answer),
        .upstream = d->asked,
        .released_bytes = total.bytes_released,
        .late_bytes = total.bytes_too_late,
        .events = d->events,
        .has_tokens = d->answering && d->answer.has_usage,
        .input_tokens = d->answer.prompt_tokens,
        .output_tokens = d->answer.completion_tokens,
        .rule = ending_word(d),
        .has_cut = cut && d->answer.cut_offset != UINT64_MAX,
        .cut_at = d->answer.cut_offset,
        .status = d->status == 0 ? 200 : d->status,
        .latency_us = elapsed_us(d),
        .restored = total.restored,
    };
    sl_buf_clear(&d->out.leaf);
    d->out.leaf_soon = true;
    return sl_ask_leaf_outcome(&head, &ending, &d->out.leaf);
}

/* How the answer ends on the wire, made ready before the leaf and sent after it. */
static sl_res put_ending(sl_ask_door *d)
{
    bool good =
        sl_ok(d->why) && (d->outcome == SL_OUTCOME_DELIVERED ||
                          d->outcome == SL_OUTCOME_TRANSFORMED || d->outcome == SL_OUTCOME_CUT);
    if (!d->head_sent || d->outcome == SL_OUTCOME_CLIENT_GONE) {
        return SL_DONE;
    }
    if (!good) {
        sl_ask_error error = sl_door_error_of(d);
        sl_buf_clear(&d->last);
        return d->dialect->broken(&d->answer, &error, &d->last);
    }
    SL_TRY(sl_door_close_stream(d));
    return sl_buf_addf(&d->last, ": stoplog outcome=%s receipt=%s\n\n",
                       sl_ask_outcome_name(d->outcome), d->receipt);
}

/* Tokens as the model server counts them, else a cautious guess of one for four bytes. */
static void spend_tokens(sl_ask_door *d)
{
    sl_answer_total total;
    sl_answer_sum(&d->answer, &total);
    uint64_t guess = (d->forward.n + total.bytes_seen) / 4 + 1;
    uint64_t said = d->answer.prompt_tokens + d->answer.completion_tokens;
    sl_budget_add_tokens(d->site->budget, d->who.lineage.bytes, d->now.wall_ms,
                         d->answer.has_usage && said > guess / 4 ? said : guess);
}

/* The stream said its last event; only the end of its framing may be missing. An answer that was cut is
 * none of these: there the model server is to stop. Nor is one that came before its whole request was sent. */
static bool ended_in_order(const sl_ask_door *d)
{
    return d->facts.stream && d->answering && d->answer.done && sl_ok(d->why) &&
           d->answer.cut_reason == SL_CUT_NONE && d->http.at != SL_HTTP_HEAD &&
           d->http.at != SL_HTTP_CLOSE && d->http.keep_alive && d->out.upstream.n == 0;
}

/* The crossing has ended in one way or another: no more is taken from upstream, and the outcome is
 * to be recorded before the rest is released. */
void sl_door_finish_with(sl_ask_door *d, sl_ask_outcome outcome)
{
    if (d->step >= STEP_RECORD_OUTCOME) {
        return;
    }
    d->outcome = outcome;
    d->out.upstream_drain = !d->out.upstream_keep && d->connected && ended_in_order(d);
    if (d->out.upstream_keep || d->out.upstream_drain) {
        d->connected = false;
    }
    sl_door_drop_upstream(d);
    if (!sl_ok(put_ending(d)) || !sl_ok(outcome_leaf(d))) {
        sl_ask_door_not_recorded(d, d->now);
        return;
    }
    if (d->answering) {
        spend_tokens(d);
    }
    d->waiting = LEAF_OUTCOME;
    d->step = STEP_RECORD_OUTCOME;
    sl_door_set_deadline(d, d->site->limits.record_ms_max);
}

/* ---- inputs ---- */

static void set_receipt(sl_ask_door *d, uint64_t index)
{
    int n = snprintf(d->receipt, sizeof d->receipt, "%s/%llu", d->site->origin,
                     (unsigned long long)index);
    if (n < 0 || (size_t)n >= sizeof d->receipt) {
        d->receipt[0] = '\0';
    }
}

/* For GET /stoplog/receipts/ID: known when the client has its answer, with the index of the outcome when
 * that is durable. */
static void remember(sl_ask_door *d, uint64_t index)
{
    if (d->site->receipts == NULL) {
        return;
    }
    sl_ask_receipt one = { .principal = d->who.principal,
                           .intent = d->intent_index,
                           .outcome_at = index,
                           .status = d->status == 0 ? 200 : d->status };
    memcpy(one.crossing, d->id, sizeof one.crossing);
    (void)snprintf(one.outcome, sizeof one.outcome, "%s", sl_ask_outcome_name(d->outcome));
    if (d->step == STEP_SETTLE) {
        sl_ask_receipts_settle(d->site->receipts, d->receipt_at, &one);
    } else {
        d->receipt_at = sl_ask_receipts_add(d->site->receipts, &one);
    }
}

void sl_ask_door_handed_over(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step == STEP_RECORD_OUTCOME && d->waiting == LEAF_OUTCOME) {
        remember(d, 0);
        d->step = STEP_RELEASE;
        sl_door_release(d);
    }
}

void sl_ask_door_recorded(sl_ask_door *d, uint64_t index, sl_ask_now now)
{
    leaf_kind which = d->waiting;
    d->now = now;
    d->waiting = LEAF_NONE;
    switch (which) {
    case LEAF_INTENT:
        d->intended = true;
        d->intent_index = index;
        for (size_t i = 0; i < d->tools_n; i++) {
            sl_ask_pins_learn(d->site->pins, &d->tools[i]);
        }
        set_receipt(d, index);
        if (d->outcome == SL_OUTCOME_CLIENT_GONE) {
            sl_door_finish_with(d, SL_OUTCOME_CLIENT_GONE);
            return;
        }
        d->step = STEP_ACT;
        sl_door_cross(d);
        return;
    case LEAF_REFUSAL:
        set_receipt(d, index);
        sl_door_answer_error(d);
        return;
    case LEAF_OUTCOME:
        remember(d, index);
        if (d->step == STEP_SETTLE) {
            d->step = STEP_OVER;
            return;
        }
        d->step = STEP_RELEASE;
        sl_door_release(d);
        return;
    case LEAF_NONE:
        break;
    }
}

/* The ledger does not answer: the door does not open. What was held is never released. Where an outcome
 * was in the ledger's hands and did not become durable, the crossing stays open in the ledger, and is
 * ended there as `unknown` (orphans.h). */
void sl_ask_door_not_recorded(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step == STEP_OVER) {
        return;
    }
    d->waiting = LEAF_NONE;
    if (d->step == STEP_SETTLE) {
        d->step = STEP_OVER;
        return;
    }
    d->why = sl_fail_at(SL_E_UNAVAILABLE, "ledger", SL_NOWHERE);
    d->rule = "ledger";
    d->status = sl_door_status_of(d->why);
    sl_buf_clear(&d->out.leaf);
    sl_door_answer_error(d);
}
