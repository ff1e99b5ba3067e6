/* The ask door's crossing. What it is for and what it must never do is told in door.h; the order of
 * the steps is in cross(), at the end of the steps. Inputs come in below it. */
#include "doors/ask/door.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/scgi.h"
#include "crypto/mac.h"
#include "doors/ask/http.h"
#include "doors/ask/leaf.h"
#include "doors/ask/sse.h"

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

typedef enum {
    STEP_READ,
    STEP_IDENTIFY,
    STEP_INSPECT,
    STEP_DECIDE,
    STEP_RECORD,
    STEP_ACT,
    STEP_ANSWER,
    STEP_RECORD_OUTCOME,
    STEP_RELEASE,
    STEP_OVER,
} step;

typedef enum { LEAF_NONE, LEAF_INTENT, LEAF_REFUSAL, LEAF_OUTCOME } leaf_kind;

struct sl_ask_door {
    const sl_ask_site *site;
    sl_ask_out out;
    step step;
    sl_ask_now now;
    sl_ask_now began;
    uint64_t deadline_ms; /* of the present step, boot clock */
    char id[SL_ASK_ID_CHARS + 1];
    /* the request */
    sl_buf request;
    sl_scgi_request head;
    sl_view body;
    const sl_ask_dialect *dialect;
    sl_view receipt_id; /* of GET /stoplog/receipts/ID, which has no dialect */
    bool lists_models;  /* GET /v1/models, likewise */
    sl_json_doc doc;
    sl_arena arena;
    sl_view model;
    sl_ask_facts facts;
    sl_ask_look look;
    sl_flow *flow;
    sl_buf forward;
    /* who and what */
    bool known; /* somebody was identified: refusals become leaves of their own */
    sl_ask_identity who;
    sl_ask_route route;
    sl_valve_ticket ticket;
    sl_pseudonyms *pseudonyms;
    /* the ledger */
    leaf_kind waiting; /* the leaf whose acknowledgement is due */
    bool intended;     /* the intent is durable */
    uint64_t intent_index;
    char receipt[320];
    /* the answer */
    size_t attempt;
    bool connected;
    bool got_bytes;
    bool stale_once; /* one idle connection turned out to be closed */
    sl_http_answer http;
    sl_sse sse;
    sl_buf whole;
    sl_answer answer;
    bool answering; /* `answer` is set up */
    bool head_sent;
    bool closed; /* the stream's ending is in `last` */
    sl_buf last; /* held until the outcome is durable */
    uint64_t events;
    sl_ask_outcome outcome;
    sl_res why;
    unsigned status;
    const char *rule;
    sl_digest request_commitment;
    sl_keyed commit; /* of the answer's body so far */
};

const char *sl_ask_outcome_name(sl_ask_outcome outcome)
{
    static const char *const names[] = { "unknown", "delivered",   "transformed",    "cut",
                                         "refused", "client_gone", "upstream_failed" };
    return outcome < SL_OUTCOME_COUNT ? names[outcome] : names[0];
}

static void set_deadline(sl_ask_door *d, uint64_t after_ms)
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
    set_deadline(d, site->limits.request_ms_max);
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

static sl_ask_leaf_head leaf_head(const sl_ask_door *d)
{
    return (sl_ask_leaf_head){ d->id, &d->who };
}

static uint64_t elapsed_us(const sl_ask_door *d)
{
    return d->now.mono_us - d->began.mono_us;
}

/* ---- saying no ---- */

static unsigned status_of(sl_res r)
{
    return (unsigned)sl_res_http(r);
}

/* The answer's head; also where the receipt goes. */
static sl_res put_client_head(sl_ask_door *d, unsigned status, const char *type)
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

static sl_ask_error error_of(const sl_ask_door *d)
{
    return (sl_ask_error){ .res = d->why,
                           .status = d->status,
                           .field = d->rule,
                           .receipt = d->receipt[0] == '\0' ? NULL : d->receipt };
}

static sl_res put_error_answer(sl_ask_door *d)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 4096 };
    sl_ask_error error = error_of(d);
    const sl_ask_dialect *dialect = d->dialect == NULL ? &sl_ask_openai_chat : d->dialect;
    SL_TRY(dialect->error(&error, &body));
    SL_TRY(put_client_head(d, d->status, "application/json"));
    return sl_buf_add(&d->out.client, sl_buf_view(&body));
}

static void drop_upstream(sl_ask_door *d)
{
    if (d->connected) {
        d->out.upstream_close = true;
        d->connected = false;
    }
    sl_buf_clear(&d->out.upstream);
    d->out.connect = sl_view_of(NULL, 0);
}

static void end_crossing(sl_ask_door *d)
{
    drop_upstream(d);
    d->out.client_close = true;
    d->step = STEP_OVER;
}

/* The last word to a client that waits for an answer which will not come. */
static void answer_error(sl_ask_door *d)
{
    if (!d->head_sent && !sl_ok(put_error_answer(d))) {
        sl_buf_clear(&d->out.client);
    }
    end_crossing(d);
}

static const char *detector_of(const sl_ask_look *look)
{
    return look->has_cause ? sl_detector_name((sl_detector)look->cause.detector) : NULL;
}

/* Ask for the leaf of a refusal. Without a ledger there is no leaf and the answer is 503. */
static void record_refusal(sl_ask_door *d)
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
    set_deadline(d, d->site->limits.record_ms_max);
}

static void finish_with(sl_ask_door *d, sl_ask_outcome outcome);

/* Every failure of a step ends here. Before anybody is known it is counted by source; before the
 * intent it is a refusal's leaf; after it, it is how the crossing ended. */
static void refuse(sl_ask_door *d, sl_res why)
{
    const char *field = sl_detail_get()->field;
    d->why = why;
    d->rule = field == NULL || field[0] == '\0' ? NULL : field;
    if (d->status == 0) {
        d->status = status_of(why);
    }
    if (d->intended) {
        finish_with(d, sl_is(why, SL_E_VALVE) ? SL_OUTCOME_CUT : SL_OUTCOME_UPSTREAM_FAILED);
        return;
    }
    d->outcome = SL_OUTCOME_REFUSED;
    if (d->known) {
        record_refusal(d);
        return;
    }
    d->out.knock = true;
    d->out.knock_code = why.code;
    answer_error(d);
}

/* ---- step: read ---- */

static sl_view header(const sl_ask_door *d, const char *name)
{
    return sl_scgi_get(&d->head, name);
}

/* What the front already turned away comes with its status in place of a body. */
static sl_res front_refused(sl_ask_door *d, sl_view status)
{
    uint64_t n = 0;
    SL_TRY(sl_parse_u64(status, 599, &n));
    d->status = (unsigned)n;
    return sl_fail_at(n == 429 ? SL_E_BUDGET : SL_E_LIMIT, "front", n);
}

static sl_res check_head(sl_ask_door *d)
{
    sl_view uri = header(d, "REQUEST_URI");
    sl_view path = uri;
    sl_view query;
    sl_view source = header(d, "REMOTE_ADDR");
    size_t n = source.n < sizeof d->out.knock_source - 1 ? source.n : 0;
    if (n != 0) {
        memcpy(d->out.knock_source, source.p, n);
    }
    d->out.knock_source[n] = '\0';
    bool queried = sl_view_cut(uri, '?', &path, &query);
    d->dialect = sl_ask_dialect_for(path);
    d->lists_models = sl_view_eq_str(path, "/v1/models");
    if (sl_view_starts(path, SL_LIT("/stoplog/receipts/"))) {
        d->receipt_id = sl_view_sub(path, 18, path.n);
    }
    bool local = d->lists_models || d->receipt_id.n != 0;
    sl_view front = header(d, "STOPLOG_FRONT");
    if (front.n != 0) {
        return front_refused(d, front);
    }
    if ((d->dialect == NULL && !local) || queried) {
        return sl_fail_at(SL_E_NOT_FOUND, "path", SL_NOWHERE);
    }
    if (!sl_view_eq_str(header(d, "REQUEST_METHOD"), local ? "GET" : d->dialect->method)) {
        return sl_fail_at(SL_E_METHOD, "method", SL_NOWHERE);
    }
    sl_view encoding = header(d, "HTTP_CONTENT_ENCODING");
    if (encoding.n != 0 && !sl_view_eq_nocase(encoding, SL_LIT("identity"))) {
        return sl_fail_at(SL_E_ENCODING, "content-encoding", SL_NOWHERE);
    }
    if (header(d, "HTTP_UPGRADE").n != 0) {
        return sl_fail_at(SL_E_USAGE, "upgrade", SL_NOWHERE);
    }
    sl_view type = header(d, "CONTENT_TYPE");
    sl_view plain = type;
    (void)sl_view_cut(type, ';', &plain, &query);
    if (!local && !sl_view_eq_nocase(sl_view_trim(plain), SL_LIT("application/json"))) {
        return sl_fail_at(SL_E_ENCODING, "content-type", SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res read_request(sl_ask_door *d)
{
    sl_view in = sl_buf_view(&d->request);
    sl_res r = sl_scgi_head(in, d->site->limits.body_bytes_max, &d->head);
    if (sl_is(r, SL_E_AGAIN)) {
        return SL_DONE;
    }
    SL_TRY(r);
    r = sl_scgi_body(in, &d->head, &d->body);
    if (sl_is(r, SL_E_AGAIN)) {
        return SL_DONE;
    }
    SL_TRY(r);
    SL_TRY(check_head(d));
    d->step = STEP_IDENTIFY;
    return SL_DONE;
}

/* ---- step: identify ---- */

static sl_view presented_key(const sl_ask_door *d)
{
    sl_view bearer = header(d, "HTTP_AUTHORIZATION");
    if (bearer.n > 7 && sl_view_eq_nocase(sl_view_sub(bearer, 0, 7), SL_LIT("bearer "))) {
        return sl_view_trim(sl_view_sub(bearer, 7, bearer.n));
    }
    return header(d, "HTTP_X_API_KEY");
}

static sl_res take_ticket(sl_ask_door *d)
{
    const sl_ask_valves *v = d->site->valves;
    sl_valve_state state = v->take(v->context, d->now.boot_ms, d->who.principal_slot,
                                   d->who.compartments, d->who.compartments_n, &d->ticket);
    if (state != SL_VALVE_OPEN) {
        return sl_fail_at(SL_E_VALVE, sl_valve_state_text(state), SL_NOWHERE);
    }
    return SL_DONE;
}

/* The models whose grants the holder of the key has; names from the configuration alone. */
static sl_res put_models(sl_ask_door *d, sl_json_writer *w)
{
    const sl_ask_roll *roll = d->site->roll;
    sl_ask_route route;
    sl_json_object_begin(w);
    sl_json_put_str(w, "object", "list");
    sl_json_key(w, "data");
    sl_json_array_begin(w);
    for (size_t i = 0; roll->model != NULL && roll->model(roll->context, i, &route); i++) {
        sl_ask_identity who = d->who;
        if (sl_ok(roll->grant(roll->context, &route, d->now.wall_ms, &who))) {
            sl_json_object_begin(w);
            sl_json_put_string(w, "id", route.name);
            sl_json_put_str(w, "object", "model");
            sl_json_put_int(w, "created", 0);
            sl_json_put_str(w, "owned_by", "stoplog");
            sl_json_object_end(w);
        }
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
    return sl_json_finish(w);
}

static sl_res put_receipt(sl_ask_door *d, sl_json_writer *w)
{
    sl_ask_receipt one;
    if (d->site->receipts == NULL ||
        !sl_ask_receipts_find(d->site->receipts, d->receipt_id, d->who.principal, &one)) {
        return sl_fail_at(SL_E_NOT_FOUND, "receipt", SL_NOWHERE);
    }
    sl_json_object_begin(w);
    sl_json_put_str(w, "crossing", one.crossing);
    sl_json_put_str(w, "origin", d->site->origin);
    sl_json_put_uint(w, "intent", one.intent);
    sl_json_put_uint(w, "outcome_at", one.outcome_at);
    sl_json_put_str(w, "outcome", one.outcome);
    sl_json_put_uint(w, "status", one.status);
    sl_json_object_end(w);
    return sl_json_finish(w);
}

/* What the door answers by itself, from the configuration and its own memory: nothing crosses, so
 * there is no leaf. */
static sl_res answer_locally(sl_ask_door *d)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_MIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &body);
    SL_TRY(d->lists_models ? put_models(d, &w) : put_receipt(d, &w));
    SL_TRY(put_client_head(d, 200, "application/json"));
    SL_TRY(sl_buf_add(&d->out.client, sl_buf_view(&body)));
    end_crossing(d);
    return SL_DONE;
}

static sl_res identify(sl_ask_door *d)
{
    const sl_ask_roll *roll = d->site->roll;
    SL_TRY(roll->key(roll->context, presented_key(d), d->now.wall_ms, &d->who));
    d->known = true;
    if (d->dialect == NULL) {
        return answer_locally(d);
    }
    SL_TRY(sl_json_parse(d->body, &d->doc));
    const sl_json_node *model = sl_json_get(&d->doc, sl_json_root(&d->doc), "model");
    if (!sl_json_is(model, SL_JSON_STRING)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "model", SL_NOWHERE);
    }
    SL_TRY(sl_json_text(model, &d->arena, &d->model));
    SL_TRY(roll->route(roll->context, d->model, &d->route));
    SL_TRY(roll->grant(roll->context, &d->route, d->now.wall_ms, &d->who));
    SL_TRY(take_ticket(d));
    d->step = STEP_INSPECT;
    return SL_DONE;
}

/* ---- step: inspect ---- */

/* What makes a conversation: what the client says, else its first message, which a client that
 * resends its history repeats. */
static sl_view conversation_of(const sl_ask_door *d)
{
    sl_view said = header(d, "HTTP_X_STOPLOG_CONVERSATION");
    if (said.n != 0) {
        return said;
    }
    if (d->dialect->history == NULL) {
        return sl_view_of("", 0);
    }
    const sl_json_node *history = sl_json_get(&d->doc, sl_json_root(&d->doc), d->dialect->history);
    sl_json_iter it = { 0 };
    if (sl_json_is(history, SL_JSON_STRING)) {
        return sl_json_source(&d->doc, history);
    }
    return sl_json_is(history, SL_JSON_ARRAY) && sl_json_each(&d->doc, history, &it)
               ? sl_json_source(&d->doc, it.value)
               : sl_view_of("", 0);
}

static sl_res open_pseudonyms(sl_ask_door *d)
{
    uint8_t key[32];
    SL_OWN(sl_buf, about, sl_buf_free) = { .max = SL_MIB + d->site->limits.body_bytes_max };
    SL_TRY(sl_buf_add(&about, sl_view_of(d->who.principal.bytes, sizeof d->who.principal.bytes)));
    SL_TRY(sl_buf_add(&about, conversation_of(d)));
    SL_TRY(sl_ask_keys_derive(d->site->keys, &d->who, SL_ASK_KEY_PSEUDONYM, "stoplog/v1 pseudonyms",
                              sl_buf_view(&about), key));
    sl_res r = sl_pseudonyms_new(key, d->site->detect, 4 * SL_MIB, &d->pseudonyms);
    sl_wipe(key, sizeof key);
    return r;
}

/* Leaves say what crossed by commitments: to the request's body as it came, and to the answer's body as
 * it goes to the client, byte by byte. */
static sl_res open_commitments(sl_ask_door *d)
{
    uint8_t salt[SL_SALT_BYTES];
    SL_TRY(sl_ask_keys_salt(d->site->keys, &d->who, d->id, salt));
    d->request_commitment = sl_commit(salt, "request", d->body);
    sl_keyed_set(&d->commit, sl_view_of(salt, sizeof salt));
    sl_keyed_start(&d->commit);
    sl_keyed_add(&d->commit, sl_view_of("answer", 7));
    sl_wipe(salt, sizeof salt);
    return SL_DONE;
}

static sl_res inspect(sl_ask_door *d)
{
    SL_TRY(open_pseudonyms(d));
    SL_TRY(open_commitments(d));
    if (d->site->flow_rules != NULL) {
        SL_TRY(sl_flow_new(d->site->flow_rules, &d->flow));
    }
    d->look = (sl_ask_look){ .detect = d->site->detect,
                             .scratch = d->site->scratch,
                             .policy = d->site->policy,
                             .purpose = sl_view_str(d->who.purpose),
                             .pseudonyms = d->pseudonyms,
                             .inject = d->site->inject,
                             .flow = d->flow };
    sl_ask_look_init(&d->look, d->forward.max);
    sl_ask_walk walk = { .doc = &d->doc,
                         .arena = &d->arena,
                         .look = &d->look,
                         .features = d->who.features,
                         .upstream_model = d->route.upstream_model,
                         .nested_max = SL_MIB };
    SL_TRY(sl_ask_shape_write(&walk, d->dialect->shape, &d->forward, &d->facts));
    d->step = STEP_DECIDE;
    return SL_DONE;
}

/* ---- step: decide ---- */

/* The first upstream of the model, from number `from` on, that is not sick. */
static bool choose_upstream(sl_ask_door *d, size_t from)
{
    for (size_t i = from; i < d->route.upstreams_n; i++) {
        if (sl_ask_health_may(d->site->health, d->route.upstreams[i], d->now.boot_ms)) {
            d->attempt = i;
            return true;
        }
    }
    return false;
}

/* The policy has judged every string by now and nothing beyond a transform came through; what is
 * left is the budget. */
static sl_res decide(sl_ask_door *d)
{
    SL_NEED(d->look.verdict <= SL_VERDICT_TRANSFORM, SL_E_REFUSED);
    if (!choose_upstream(d, 0)) {
        return sl_fail_at(SL_E_UNAVAILABLE, "model server", SL_NOWHERE);
    }
    SL_TRY(sl_budget_take(d->site->budget, d->who.lineage.bytes, d->now.wall_ms, d->who.requests_h,
                          d->who.tokens_d));
    d->step = STEP_RECORD;
    return SL_DONE;
}

/* ---- step: record ---- */

static sl_res record(sl_ask_door *d)
{
    if (d->waiting == LEAF_INTENT) {
        return SL_DONE;
    }
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
                             .epoch = d->ticket.door_epoch };
    SL_TRY(sl_ask_leaf_intent(&head, &intent, &d->out.leaf));
    d->waiting = LEAF_INTENT;
    set_deadline(d, d->site->limits.record_ms_max);
    return SL_DONE;
}

/* ---- step: act ---- */

static bool way_is_open(const sl_ask_door *d)
{
    const sl_ask_valves *v = d->site->valves;
    return v->holds(v->context, d->now.boot_ms, &d->ticket) == SL_VALVE_OPEN;
}

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
static sl_res act(sl_ask_door *d)
{
    if (!way_is_open(d)) {
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
    d->connected = true;
    d->step = STEP_ANSWER;
    set_deadline(d, d->site->limits.first_ms_max);
    return SL_DONE;
}

/* ---- step: answer ---- */

/* Another upstream may be tried as long as nothing of an answer has been seen. */
static bool try_next_upstream(sl_ask_door *d)
{
    if (d->got_bytes || d->head_sent || !choose_upstream(d, d->attempt + 1)) {
        return false;
    }
    drop_upstream(d);
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
        return put_client_head(d, 200, "text/event-stream");
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
        if (!way_is_open(d)) {
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
    SL_NEED(way_is_open(d), SL_E_VALVE);
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
static sl_res close_stream(sl_ask_door *d)
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
    sl_res r = close_stream(d);
    if (!sl_ok(r)) {
        refuse(d, r);
        return;
    }
    if (d->answer.cut_reason != SL_CUT_NONE) {
        finish_with(d, SL_OUTCOME_CUT);
        return;
    }
    sl_answer_total total;
    sl_answer_sum(&d->answer, &total);
    bool changed = total.transforms != 0 || d->look.transforms != 0;
    finish_with(d, changed ? SL_OUTCOME_TRANSFORMED : SL_OUTCOME_DELIVERED);
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
        d->out.upstream_keep = d->http.keep_alive && in.n == 0;
        SL_TRY(end_of_body(d));
    }
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
        .released_bytes = total.bytes_released,
        .events = d->events,
        .has_tokens = d->answering && d->answer.has_usage,
        .input_tokens = d->answer.prompt_tokens,
        .output_tokens = d->answer.completion_tokens,
        .rule = ending_word(d),
        .has_cut = cut && d->answer.cut_offset != UINT64_MAX,
        .cut_at = d->answer.cut_offset,
        .status = d->status == 0 ? 200 : d->status,
        .latency_us = elapsed_us(d),
    };
    sl_buf_clear(&d->out.leaf);
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
        sl_ask_error error = error_of(d);
        sl_buf_clear(&d->last);
        return d->dialect->broken(&d->answer, &error, &d->last);
    }
    SL_TRY(close_stream(d));
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
 * none of these: there the model server is to stop. */
static bool ended_in_order(const sl_ask_door *d)
{
    return d->facts.stream && d->answering && d->answer.done && sl_ok(d->why) &&
           d->answer.cut_reason == SL_CUT_NONE && d->http.at != SL_HTTP_HEAD &&
           d->http.at != SL_HTTP_CLOSE && d->http.keep_alive;
}

/* The crossing has ended in one way or another: no more is taken from upstream, and the outcome is
 * to be recorded before the rest is released. */
static void finish_with(sl_ask_door *d, sl_ask_outcome outcome)
{
    if (d->step >= STEP_RECORD_OUTCOME) {
        return;
    }
    d->outcome = outcome;
    d->out.upstream_drain = !d->out.upstream_keep && d->connected && ended_in_order(d);
    if (d->out.upstream_keep || d->out.upstream_drain) {
        d->connected = false;
    }
    drop_upstream(d);
    if (!sl_ok(put_ending(d)) || !sl_ok(outcome_leaf(d))) {
        sl_ask_door_not_recorded(d, d->now);
        return;
    }
    if (d->answering) {
        spend_tokens(d);
    }
    d->waiting = LEAF_OUTCOME;
    d->step = STEP_RECORD_OUTCOME;
    set_deadline(d, d->site->limits.record_ms_max);
}

/* ---- step: release ---- */

static sl_res release_whole(sl_ask_door *d)
{
    SL_TRY(put_client_head(d, 200, "application/json"));
    return sl_buf_add(&d->out.client, sl_buf_view(&d->last));
}

/* Refused before anything was sent: the error answer, now that its leaf is durable. Otherwise the
 * last bytes. */
static void release(sl_ask_door *d)
{
    bool said = d->answering && d->answer.cut_reason == SL_CUT_VALVE;
    if (d->intended && sl_ok(d->why) && !said && !way_is_open(d)) {
        /* Closed since the leaf: it counts as delivered, and yet nothing more leaves. */
        d->why = sl_fail_at(SL_E_VALVE, "closed before release", SL_NOWHERE);
        d->status = status_of(d->why);
        answer_error(d);
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
        answer_error(d);
        return;
    }
    end_crossing(d);
}

/* ---- the crossing ---- */

/* The five steps of a door, in order; each runs when the one before it is done, and an input that
 * completes nothing changes nothing. `record` waits for the ledger, `act` and what follows for the
 * model server; their inputs are below. */
static void cross(sl_ask_door *d)
{
    step before;
    do {
        sl_res r = SL_DONE;
        before = d->step;
        switch (d->step) {
        case STEP_READ:
            r = read_request(d);
            break;
        case STEP_IDENTIFY: /* principal, grant, valve */
            r = identify(d);
            break;
        case STEP_INSPECT: /* every string, rewritten where the policy says so */
            r = inspect(d);
            break;
        case STEP_DECIDE: /* verdict, budget */
            r = decide(d);
            break;
        case STEP_RECORD: /* the intent, durable */
            r = record(d);
            break;
        case STEP_ACT: /* forward */
            r = act(d);
            break;
        case STEP_ANSWER:
        case STEP_RECORD_OUTCOME:
        case STEP_RELEASE:
        case STEP_OVER:
            break;
        }
        if (!sl_ok(r)) {
            refuse(d, r);
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
        refuse(d, r);
        return;
    }
    cross(d);
}

void sl_ask_door_client_gone(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step >= STEP_RECORD_OUTCOME) {
        return;
    }
    if (d->intended) {
        finish_with(d, SL_OUTCOME_CLIENT_GONE);
        return;
    }
    if (d->waiting == LEAF_INTENT) {
        /* The intent may yet become durable; its outcome then says that nothing was forwarded. */
        d->outcome = SL_OUTCOME_CLIENT_GONE;
        return;
    }
    d->outcome = SL_OUTCOME_CLIENT_GONE;
    end_crossing(d);
}

static void set_receipt(sl_ask_door *d, uint64_t index)
{
    int n = snprintf(d->receipt, sizeof d->receipt, "%s/%llu", d->site->origin,
                     (unsigned long long)index);
    if (n < 0 || (size_t)n >= sizeof d->receipt) {
        d->receipt[0] = '\0';
    }
}

/* For GET /stoplog/receipts/ID. */
static void remember(sl_ask_door *d, uint64_t index)
{
    if (d->site->receipts != NULL) {
        sl_ask_receipt one = { .principal = d->who.principal,
                               .intent = d->intent_index,
                               .outcome_at = index,
                               .status = d->status == 0 ? 200 : d->status };
        memcpy(one.crossing, d->id, sizeof one.crossing);
        (void)snprintf(one.outcome, sizeof one.outcome, "%s", sl_ask_outcome_name(d->outcome));
        sl_ask_receipts_add(d->site->receipts, &one);
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
        set_receipt(d, index);
        if (d->outcome == SL_OUTCOME_CLIENT_GONE) {
            finish_with(d, SL_OUTCOME_CLIENT_GONE);
            return;
        }
        d->step = STEP_ACT;
        cross(d);
        return;
    case LEAF_REFUSAL:
        set_receipt(d, index);
        answer_error(d);
        return;
    case LEAF_OUTCOME:
        remember(d, index);
        d->step = STEP_RELEASE;
        release(d);
        return;
    case LEAF_NONE:
        break;
    }
}

/* The ledger does not answer: the door does not open. What was held is never released. */
void sl_ask_door_not_recorded(sl_ask_door *d, sl_ask_now now)
{
    d->now = now;
    if (d->step == STEP_OVER) {
        return;
    }
    d->waiting = LEAF_NONE;
    d->why = sl_fail_at(SL_E_UNAVAILABLE, "ledger", SL_NOWHERE);
    d->rule = "ledger";
    d->status = status_of(d->why);
    sl_buf_clear(&d->out.leaf);
    answer_error(d);
}

static void upstream_failed(sl_ask_door *d, sl_res why)
{
    if (d->http.status == 0) { /* not even a head came */
        sl_ask_health_bad(d->site->health, d->route.upstreams[d->attempt], d->now.boot_ms, why);
    }
    bool final = d->status != 0 && d->status < 500;
    if (!final && try_next_upstream(d)) {
        d->status = 0;
        cross(d);
        return;
    }
    if (d->status == 0) {
        d->status = 502;
    }
    refuse(d, why);
}

void sl_ask_door_upstream_bytes(sl_ask_door *d, sl_view bytes, sl_ask_now now)
{
    d->now = now;
    if (d->step != STEP_ANSWER) {
        return;
    }
    set_deadline(d, d->site->limits.silence_ms_max);
    sl_res r = take_answer(d, bytes);
    if (!sl_ok(r)) {
        bool ours = sl_is(r, SL_E_MEMORY) || sl_is(r, SL_E_UPSTREAM) || sl_is(r, SL_E_VALVE);
        if (sl_is(r, SL_E_VALVE)) {
            refuse(d, r);
            return;
        }
        const char *how = sl_is(r, SL_E_LIMIT) ? "too long" : "malformed";
        upstream_failed(d, ours ? r : sl_fail_at(SL_E_UPSTREAM, how, SL_NOWHERE));
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
        upstream_failed(d, sl_fail_at(SL_E_UPSTREAM, "closed", SL_NOWHERE));
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
    cross(d);
    return d->step == STEP_ANSWER;
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
    if (d->step == STEP_ANSWER && !way_is_open(d)) {
        sl_answer_cut_all(&d->answer, SL_CUT_VALVE);
        if (d->head_sent) {
            finish_with(d, SL_OUTCOME_CUT);
        } else {
            refuse(d, sl_fail_at(SL_E_VALVE, "closed while waiting", SL_NOWHERE));
        }
        return;
    }
    if (d->step == STEP_OVER || !too_late(d)) {
        return;
    }
    if (d->waiting != LEAF_NONE) {
        sl_ask_door_not_recorded(d, now);
    } else if (d->step == STEP_ANSWER) {
        upstream_failed(d, sl_fail_at(SL_E_TIMEOUT, "model server", SL_NOWHERE));
    } else {
        refuse(d, sl_fail_at(SL_E_TIMEOUT, "request", SL_NOWHERE));
    }
}

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
