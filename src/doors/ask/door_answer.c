/* The answer's side of the crossing: forward the request, read what the model server says, and free
 * what may go to the client. The last bytes stay in `last`: door_leaf.c has the outcome recorded first. */
#include <string.h>

#include "doors/ask/door_internal.h"

/* ---- step: act ---- */

static sl_res begin_answer(sl_ask_door *d)
{
    sl_answer_options options = { .detect = d->site->detect,
                                  .scratch = d->site->scratch,
                                  .policy = d->site->policy,
                                  .pseudonyms = d->pseudonyms,
                                  .purpose = sl_view_str(d->who.purpose),
                                  .features = d->who.features,
                                  .model = d->route.name,
                                  .request = &d->facts,
                                  .restore_tools = d->who.restore_tools,
                                  .restore_tools_n = d->who.restore_tools_n,
                                  .created_s = d->began.wall_ms / 1000,
                                  .text_bytes_max = d->site->limits.text_bytes_max,
                                  .flow = d->flow };
    memcpy(options.id, d->id, sizeof options.id);
    sl_answer_init(&d->answer, &options);
    d->answering = true;
    return SL_DONE;
}

/* Send the request, rewritten, to the next upstream of the model. */
sl_res sl_door_act(sl_ask_door *d)
{
    if (!sl_door_way_is_open(d)) {
        return sl_fail_at(SL_E_VALVE, "closed before forwarding", SL_NOWHERE);
    }
    if (!d->answering) {
        SL_TRY(begin_answer(d));
    }
    sl_view upstream = d->route.upstreams[d->attempt];
    sl_buf *out = &d->out.upstream;
    sl_buf_clear(out);
    d->out.minute = d->now.wall_ms < 0 ? 0 : (uint64_t)d->now.wall_ms / 60000;
    SL_TRY(sl_buf_addf(out,
                       "%s /%.*s%s HTTP/1.1\r\nHost: egress\r\n"
                       "X-Stoplog-Minute: %llu\r\nanthropic-version: 2023-06-01\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       d->dialect->method, SL_FMT(upstream), d->dialect->upstream_path,
                       (unsigned long long)d->out.minute, d->forward.n));
    SL_TRY(sl_buf_add(out, sl_buf_view(&d->forward)));
    d->out.connect = upstream;
    d->asked = upstream;
    d->connected = true;
    d->step = STEP_ANSWER;
    sl_door_set_deadline(d, d->site->limits.first_ms_max);
    return SL_DONE;
}

/* ---- step: answer ---- */

/* Another upstream may be tried as long as nothing of an answer has been seen. */
static bool try_next_upstream(sl_ask_door *d)
{
    if (d->got_bytes || d->head_sent || !sl_door_choose_upstream(d, d->attempt + 1)) {
        return false;
    }
    sl_door_drop_upstream(d);
    sl_http_free(&d->http);
    sl_http_init(&d->http, d->site->limits.answer_bytes_max);
    d->step = STEP_ACT;
    return true;
}

/* The head of an answer shows that the model server lives, unless egress, or it, says that it does not. */
static void judge_upstream(const sl_ask_door *d)
{
    sl_view name = d->route.upstreams[d->attempt];
    if (d->http.status >= 502 && d->http.status <= 504) {
        sl_ask_health_bad(d->site->health, name, d->now.boot_ms, (sl_res){ SL_E_UPSTREAM });
    } else {
        sl_ask_health_good(d->site->health, name);
    }
}

/* The model server's own refusals: its words are not passed, only the kind. */
static sl_res upstream_status(sl_ask_door *d)
{
    unsigned status = d->http.status;
    if (status == 200) {
        return SL_DONE;
    }
    d->status = status == 400 || status == 413 || status == 422 || status == 429 ? status : 502;
    return sl_fail_at(SL_E_UPSTREAM, "status", status);
}

static sl_res check_answer_head(sl_ask_door *d)
{
    judge_upstream(d);
    SL_TRY(upstream_status(d));
    sl_http_kind want = d->facts.stream ? SL_HTTP_EVENTS : SL_HTTP_JSON;
    if (d->http.kind != want) {
        return sl_fail_at(SL_E_UPSTREAM, "content-type", SL_NOWHERE);
    }
    d->got_bytes = true;
    if (d->facts.stream && !d->head_sent) {
        return sl_door_put_client_head(d, 200, "text/event-stream");
    }
    return SL_DONE;
}

/* One event: what it frees goes to the client at once, unless it ended the answer; then it is among
 * the last bytes, which wait for the outcome. */
static sl_res take_event(sl_ask_door *d, const sl_sse_event *event)
{
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = d->out.client.max };
    SL_TRY(sl_row_event(&d->answer, d->dialect, event->data, &freed));
    d->events++;
    if (sl_answer_over(&d->answer)) {
        return sl_buf_add(&d->last, sl_buf_view(&freed));
    }
    sl_keyed_add(&d->commit, sl_buf_view(&freed));
    return sl_buf_add(&d->out.client, sl_buf_view(&freed));
}

/* Has the answer come to its end? A cut ends it at once; else the model server says so. */
static bool answer_ended(const sl_ask_door *d)
{
    bool over = sl_answer_over(&d->answer);
    return d->answer.done || (over && d->answer.cut_reason != SL_CUT_NONE);
}

static sl_res take_stream(sl_ask_door *d, sl_view body)
{
    while (body.n != 0 && !answer_ended(d)) {
        bool ready = false;
        sl_sse_event event;
        SL_TRY(sl_sse_next(&d->sse, &body, &ready, &event));
        if (!ready) {
            return SL_DONE;
        }
        if (!sl_door_way_is_open(d)) {
            sl_answer_cut_all(&d->answer, SL_CUT_VALVE);
            return SL_DONE;
        }
        SL_TRY(take_event(d, &event));
    }
    return SL_DONE;
}

/* A whole answer is read when all of it is there. */
static sl_res take_whole(sl_ask_door *d)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_NEED(sl_door_way_is_open(d), SL_E_VALVE);
    SL_TRY(sl_json_parse(sl_buf_view(&d->whole), &doc));
    return d->dialect->whole(&d->answer, &doc, &d->last);
}

static sl_res end_of_body(sl_ask_door *d)
{
    if (d->facts.stream) {
        SL_TRY(sl_sse_end(&d->sse));
        SL_NEED(d->answer.done || sl_answer_over(&d->answer), SL_E_UPSTREAM);
        d->answer.done = true;
        return SL_DONE;
    }
    return take_whole(d);
}

/* The stream's last events. Text that is still held is decided here, so it may yet be cut. */
sl_res sl_door_close_stream(sl_ask_door *d)
{
    if (d->closed || !d->head_sent) {
        return SL_DONE;
    }
    d->closed = true;
    SL_TRY(sl_row_flush(&d->answer, d->dialect, &d->last));
    return d->dialect->close(&d->answer, &d->last);
}

static void finish_answer(sl_ask_door *d)
{
    sl_res r = sl_door_close_stream(d);
    if (!sl_ok(r)) {
        sl_door_refuse(d, r);
        return;
    }
    if (d->answer.cut_reason != SL_CUT_NONE) {
        sl_door_finish_with(d, SL_OUTCOME_CUT);
        return;
    }
    sl_answer_total total;
    sl_answer_sum(&d->answer, &total);
    bool changed = total.transforms != 0 || d->look.transforms != 0;
    sl_door_finish_with(d, changed ? SL_OUTCOME_TRANSFORMED : SL_OUTCOME_DELIVERED);
}

static sl_res take_answer(sl_ask_door *d, sl_view in)
{
    while (in.n != 0 && d->http.at != SL_HTTP_DONE) {
        bool headless = d->http.at == SL_HTTP_HEAD;
        sl_view body;
        SL_TRY(sl_http_next(&d->http, &in, &body));
        if (headless && d->http.at != SL_HTTP_HEAD) {
            SL_TRY(check_answer_head(d));
        }
        SL_TRY(d->facts.stream ? take_stream(d, body) : sl_buf_add(&d->whole, body));
        if (d->facts.stream && answer_ended(d)) {
            break;
        }
    }
    /* Behind the stream's last event only the framing ends; it is read so that the connection serves on. */
    while (d->facts.stream && d->answer.done && in.n != 0 && d->http.at != SL_HTTP_DONE) {
        sl_view dropped;
        if (!sl_ok(sl_http_next(&d->http, &in, &dropped))) {
            d->http.keep_alive = false;
            return SL_DONE;
        }
    }
    if (d->http.at == SL_HTTP_DONE) {
        /* An answer that came before all of its request was sent leaves egress waiting for the rest: the next
         * request would be read as that. */
        d->out.upstream_keep = d->http.keep_alive && in.n == 0 && d->out.upstream.n == 0;
        SL_TRY(end_of_body(d));
    }
    return SL_DONE;
}

/* ---- inputs ---- */

void sl_door_upstream_failed(sl_ask_door *d, sl_res why)
{
    if (d->http.status == 0) { /* not even a head came */
        sl_ask_health_bad(d->site->health, d->route.upstreams[d->attempt], d->now.boot_ms, why);
    }
    bool final = d->status != 0 && d->status < 500;
    if (!final && try_next_upstream(d)) {
        d->status = 0;
        sl_door_cross(d);
        return;
    }
    if (d->status == 0) {
        d->status = 502;
    }
    sl_door_refuse(d, why);
}

void sl_ask_door_upstream_bytes(sl_ask_door *d, sl_view bytes, sl_ask_now now)
{
    d->now = now;
    if (d->step != STEP_ANSWER) {
        return;
    }
    sl_door_set_deadline(d, d->site->limits.silence_ms_max);
    sl_res r = take_answer(d, bytes);
    if (!sl_ok(r)) {
        bool ours = sl_is(r, SL_E_MEMORY) || sl_is(r, SL_E_UPSTREAM) || sl_is(r, SL_E_VALVE);
        if (sl_is(r, SL_E_VALVE)) {
            sl_door_refuse(d, r);
            return;
        }
        const char *how = sl_is(r, SL_E_LIMIT) ? "too long" : "malformed";
        sl_door_upstream_failed(d, ours ? r : sl_fail_at(SL_E_UPSTREAM, how, SL_NOWHERE));
        return;
    }
    if (answer_ended(d)) {
        finish_answer(d);
    }
}

void sl_ask_door_upstream_gone(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step != STEP_ANSWER) {
        return;
    }
    d->connected = false;
    sl_res r = sl_http_closed(&d->http);
    if (sl_ok(r)) {
        r = end_of_body(d);
    }
    if (!sl_ok(r)) {
        sl_door_upstream_failed(d, sl_fail_at(SL_E_UPSTREAM, "closed", SL_NOWHERE));
        return;
    }
    finish_answer(d);
}

bool sl_ask_door_upstream_stale(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step != STEP_ANSWER || d->stale_once || d->http.at != SL_HTTP_HEAD ||
        d->http.head_bytes != 0) {
        return false;
    }
    d->stale_once = true;
    d->step = STEP_ACT;
    sl_door_cross(d);
    return d->step == STEP_ANSWER;
}
