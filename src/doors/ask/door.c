/* The ask door's crossing. What it is for and what it must never do is told in door.h; the order of
 * the steps is in sl_door_cross(). The steps themselves are in door_request.c and door_answer.c, the leaves
 * in door_leaf.c, the valves in door_valve.c. */
#include "doors/ask/door.h"

#include <stdlib.h>
#include <string.h>

#include "doors/ask/door_internal.h"

const sl_ask_limits sl_ask_limits_default = {
    .body_bytes_max = SL_ASK_BODY_BYTES_MAX,
    .answer_bytes_max = 64 * SL_MIB,
    .text_bytes_max = 16 * SL_MIB,
    .event_bytes_max = 4 * SL_MIB,
    .request_ms_max = 30 * 1000,
    .record_ms_max = 10 * 1000,
    .first_ms_max = 300 * 1000,
    .silence_ms_max = 120 * 1000,
    .answer_ms_max = 3600 * 1000,
};

const char *sl_ask_outcome_name(sl_ask_outcome outcome)
{
    static const char *const names[] = { "unknown", "delivered",   "transformed",    "cut",
                                         "refused", "client_gone", "upstream_failed" };
    return outcome < SL_OUTCOME_COUNT ? names[outcome] : names[0];
}

void sl_door_set_deadline(sl_ask_door *d, uint64_t after_ms)
{
    d->deadline_ms = d->now.boot_ms + after_ms;
}

sl_res sl_ask_door_new(const sl_ask_site *site, const uint8_t random[16], sl_ask_now now,
                       sl_ask_door **ret_door)
{
    static const char digits[] = "0123456789abcdef";
    sl_ask_door *d = calloc(1, sizeof *d);
    SL_NEED(d != NULL, SL_E_MEMORY);
    size_t body_max = site->limits.body_bytes_max;
    *d = (sl_ask_door){ .site = site, .now = now, .began = now, .step = STEP_READ };
    d->out.client.max = 4 * site->limits.event_bytes_max + site->limits.text_bytes_max;
    d->out.upstream.max = 2 * body_max + SL_MIB;
    d->out.leaf.max = SL_LEAF_BYTES_MAX;
    d->request.max = body_max + SL_SCGI_HEAD_BYTES_MAX + 64;
    d->forward.max = 2 * body_max + SL_MIB;
    d->arena.max = 4 * body_max + SL_MIB;
    d->whole.max = (size_t)site->limits.answer_bytes_max;
    d->last.max = 2 * (size_t)site->limits.answer_bytes_max;
    d->out.knock_source[0] = '\0';
    for (size_t i = 0; i < 16; i++) {
        d->id[2 * i] = digits[random[i] >> 4];
        d->id[2 * i + 1] = digits[random[i] & 15];
    }
    sl_http_init(&d->http, site->limits.answer_bytes_max);
    sl_sse_init(&d->sse, site->limits.event_bytes_max);
    sl_door_set_deadline(d, site->limits.request_ms_max);
    *ret_door = d;
    return SL_DONE;
}

void sl_ask_door_free(sl_ask_door *d)
{
    if (d == NULL) {
        return;
    }
    sl_buf_free(&d->out.client);
    sl_buf_free(&d->out.upstream);
    sl_buf_free(&d->out.leaf);
    sl_buf_free(&d->request);
    sl_buf_free(&d->forward);
    sl_buf_free(&d->whole);
    sl_buf_free(&d->last);
    sl_json_doc_free(&d->doc);
    sl_ask_look_free(&d->look);
    sl_flow_free(d->flow);
    sl_pseudonyms_free(d->pseudonyms);
    sl_arena_free(&d->arena);
    sl_http_free(&d->http);
    sl_sse_free(&d->sse);
    sl_keyed_free(&d->commit);
    if (d->answering) {
        sl_answer_free(&d->answer);
    }
    free(d);
}

/* ---- saying no ---- */

unsigned sl_door_status_of(sl_res r)
{
    return (unsigned)sl_res_http(r);
}

/* The answer's head; also where the receipt goes. */
sl_res sl_door_put_client_head(sl_ask_door *d, unsigned status, const char *type)
{
    sl_buf *out = &d->out.client;
    SL_TRY(sl_scgi_answer_status(out, status));
    SL_TRY(sl_scgi_answer_field(out, "Content-Type", sl_view_str(type)));
    SL_TRY(sl_scgi_answer_field(out, "Cache-Control", SL_LIT("no-store")));
    if (d->receipt[0] != '\0') {
        SL_TRY(sl_scgi_answer_field(out, "X-Stoplog-Receipt", sl_view_str(d->receipt)));
    }
    SL_TRY(sl_scgi_answer_field(out, "X-Request-Id", sl_view_str(d->id)));
    SL_TRY(sl_scgi_answer_end(out));
    d->head_sent = true;
    return SL_DONE;
}

sl_ask_error sl_door_error_of(const sl_ask_door *d)
{
    return (sl_ask_error){ .res = d->why,
                           .status = d->status,
                           .field = d->rule,
                           .receipt = d->receipt[0] == '\0' ? NULL : d->receipt };
}

static sl_res put_error_answer(sl_ask_door *d)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 4096 };
    sl_ask_error error = sl_door_error_of(d);
    const sl_ask_dialect *dialect = d->dialect == NULL ? &sl_ask_openai_chat : d->dialect;
    SL_TRY(dialect->error(&error, &body));
    SL_TRY(sl_door_put_client_head(d, d->status, "application/json"));
    return sl_buf_add(&d->out.client, sl_buf_view(&body));
}

void sl_door_drop_upstream(sl_ask_door *d)
{
    if (d->connected) {
        d->out.upstream_close = true;
        d->connected = false;
    }
    sl_buf_clear(&d->out.upstream);
    d->out.connect = sl_view_of(NULL, 0);
}

void sl_door_end_crossing(sl_ask_door *d)
{
    sl_door_drop_upstream(d);
    d->out.client_close = true;
    d->step = d->waiting == LEAF_OUTCOME ? STEP_SETTLE : STEP_OVER;
}

/* The last word to a client that waits for an answer which will not come. */
void sl_door_answer_error(sl_ask_door *d)
{
    if (!d->head_sent && !sl_ok(put_error_answer(d))) {
        sl_buf_clear(&d->out.client);
    }
    sl_door_end_crossing(d);
}

/* Every failure of a step ends here. Before anybody is known it is counted by source; before the
 * intent it is a refusal's leaf; after it, it is how the crossing ended. */
void sl_door_refuse(sl_ask_door *d, sl_res why)
{
    const char *field = sl_detail_get()->field;
    d->why = why;
    d->rule = field == NULL || field[0] == '\0' ? NULL : field;
    if (d->status == 0) {
        d->status = sl_door_status_of(why);
    }
    if (d->intended) {
        sl_door_finish_with(d,
                            sl_is(why, SL_E_VALVE) ? SL_OUTCOME_CUT : SL_OUTCOME_UPSTREAM_FAILED);
        return;
    }
    d->outcome = SL_OUTCOME_REFUSED;
    if (d->known) {
        sl_door_record_refusal(d);
        return;
    }
    d->out.knock = true;
    d->out.knock_code = why.code;
    sl_door_answer_error(d);
}

/* ---- step: release ---- */

static sl_res release_whole(sl_ask_door *d)
{
    SL_TRY(sl_door_put_client_head(d, 200, "application/json"));
    return sl_buf_add(&d->out.client, sl_buf_view(&d->last));
}

/* Refused before anything was sent: the error answer, now that its leaf is durable. Otherwise the
 * last bytes. */
void sl_door_release(sl_ask_door *d)
{
    if (sl_door_shut_before_release(d)) {
        sl_door_answer_error(d);
        return;
    }
    bool whole = !d->head_sent && sl_ok(d->why) && d->outcome != SL_OUTCOME_CLIENT_GONE;
    if (d->outcome == SL_OUTCOME_CLIENT_GONE) {
        sl_buf_clear(&d->out.client);
    } else if (d->head_sent) {
        if (!sl_ok(sl_buf_add(&d->out.client, sl_buf_view(&d->last)))) {
            d->why = sl_fail(SL_E_LIMIT);
        }
    } else if (!whole || !sl_ok(release_whole(d))) {
        sl_door_answer_error(d);
        return;
    }
    sl_door_end_crossing(d);
}

/* ---- the crossing ---- */

/* The five steps of a door, in order; each runs when the one before it is done, and an input that
 * completes nothing changes nothing. `record` waits for the ledger, `act` and what follows for the
 * model server; their inputs are below. */
void sl_door_cross(sl_ask_door *d)
{
    step before;
    do {
        sl_res r = SL_DONE;
        before = d->step;
        switch (d->step) {
        case STEP_READ:
            r = sl_door_read_request(d);
            break;
        case STEP_IDENTIFY: /* principal, grant, valve */
            r = sl_door_identify(d);
            break;
        case STEP_INSPECT: /* every string, rewritten where the policy says so */
            r = sl_door_inspect(d);
            break;
        case STEP_DECIDE: /* verdict, budget */
            r = sl_door_decide(d);
            break;
        case STEP_RECORD: /* the intent, durable */
            r = sl_door_record(d);
            break;
        case STEP_ACT: /* forward */
            r = sl_door_act(d);
            break;
        case STEP_ANSWER:
        case STEP_RECORD_OUTCOME:
        case STEP_RELEASE:
        case STEP_SETTLE:
        case STEP_OVER:
            break;
        }
        if (!sl_ok(r)) {
            sl_door_refuse(d, r);
        }
    } while (d->step != before);
}

/* ---- inputs ---- */

void sl_ask_door_client_bytes(sl_ask_door *d, sl_view bytes, sl_ask_now now)
{
    d->now = now;
    if (d->step != STEP_READ) {
        return;
    }
    sl_res r = sl_buf_add(&d->request, bytes);
    if (!sl_ok(r)) {
        sl_door_refuse(d, r);
        return;
    }
    sl_door_cross(d);
}

void sl_ask_door_client_gone(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step >= STEP_RECORD_OUTCOME) {
        return;
    }
    if (d->intended) {
        sl_door_finish_with(d, SL_OUTCOME_CLIENT_GONE);
        return;
    }
    if (d->waiting == LEAF_INTENT) {
        /* The intent may yet become durable; its outcome then says that nothing was forwarded. */
        d->outcome = SL_OUTCOME_CLIENT_GONE;
        return;
    }
    d->outcome = SL_OUTCOME_CLIENT_GONE;
    sl_door_end_crossing(d);
}

static bool too_late(const sl_ask_door *d)
{
    bool answering = d->step == STEP_ANSWER;
    return d->now.boot_ms >= d->deadline_ms ||
           (answering && d->now.boot_ms - d->began.boot_ms >= d->site->limits.answer_ms_max);
}

void sl_ask_door_tick(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step == STEP_ANSWER && !sl_door_way_is_open(d)) {
        sl_door_shut(d);
        return;
    }
    if (d->step == STEP_OVER || !too_late(d)) {
        return;
    }
    if (d->waiting != LEAF_NONE) {
        sl_ask_door_not_recorded(d, now);
    } else if (d->step == STEP_ANSWER) {
        sl_door_upstream_failed(d, sl_fail_at(SL_E_TIMEOUT, "model server", SL_NOWHERE));
    } else {
        sl_door_refuse(d, sl_fail_at(SL_E_TIMEOUT, "request", SL_NOWHERE));
    }
}

/* ---- what the adapter asks ---- */

sl_ask_out *sl_ask_door_out(sl_ask_door *d)
{
    return &d->out;
}

sl_http_answer sl_ask_door_rest(sl_ask_door *d)
{
    sl_http_answer rest = d->http;
    sl_http_init(&d->http, 0);
    return rest;
}

bool sl_ask_door_wants_upstream(const sl_ask_door *d)
{
    return d->step == STEP_ANSWER;
}

bool sl_ask_door_waits_for_leaf(const sl_ask_door *d)
{
    return d->waiting != LEAF_NONE;
}

bool sl_ask_door_over(const sl_ask_door *d)
{
    return d->step == STEP_OVER;
}

sl_ask_outcome sl_ask_door_outcome(const sl_ask_door *d)
{
    return d->outcome;
}

const char *sl_ask_door_id(const sl_ask_door *d)
{
    return d->id;
}
