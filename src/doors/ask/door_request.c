/* The request's side of the crossing: read, identify, inspect, decide. Nothing here reaches a model
 * server or the ledger; what a step refuses, sl_door_cross() turns into a refusal. */
#include <string.h>

#include "doors/ask/door_internal.h"

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

sl_res sl_door_read_request(sl_ask_door *d)
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
    if (one.outcome_at != 0) { /* durable */
        sl_json_put_uint(w, "outcome_at", one.outcome_at);
    }
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
    SL_TRY(sl_door_put_client_head(d, 200, "application/json"));
    SL_TRY(sl_buf_add(&d->out.client, sl_buf_view(&body)));
    sl_door_end_crossing(d);
    return SL_DONE;
}

sl_res sl_door_identify(sl_ask_door *d)
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
    SL_TRY(sl_door_take_ticket(d));
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

/* What a request says of one tool twice has to agree, too. */
static sl_tool_state among_new(const sl_ask_door *d, const sl_ask_pin *pin, sl_tool_state state)
{
    for (size_t i = 0; i < d->tools_n; i++) {
        if (memcmp(d->tools[i].who, pin->who, sizeof pin->who) == 0) {
            bool same = memcmp(&d->tools[i], pin, sizeof *pin) == 0;
            return same ? SL_TOOL_SAME : SL_TOOL_CHANGED;
        }
    }
    return state;
}

static sl_res check_tool(sl_ask_door *d, sl_view principal, const sl_ask_tool *tool)
{
    sl_ask_pin pin = { 0 };
    sl_tool_state state =
        sl_ask_pins_check(d->site->pins, d->site->flow_rules, principal, tool, &pin);
    bool by_rules = state == SL_TOOL_NOT_AS_PINNED;
    if (state == SL_TOOL_LEARNED || state == SL_TOOL_CHANGED) {
        state = among_new(d, &pin, state);
    }
    if (by_rules || state == SL_TOOL_CHANGED) {
        SL_TRY(sl_ask_look_tool_changed(&d->look, by_rules ? 999 : 500));
    }
    bool learns = state == SL_TOOL_LEARNED || state == SL_TOOL_CHANGED;
    if (!learns || d->tools_n == SL_ASK_PINS_TOLD_MAX) {
        return SL_DONE;
    }
    if (d->tools == NULL) {
        d->tools = sl_arena_array(&d->arena, SL_ASK_PINS_TOLD_MAX, sizeof *d->tools);
        SL_NEED(d->tools != NULL, SL_E_MEMORY);
    }
    d->tools[d->tools_n++] = pin;
    return SL_DONE;
}

/* Definitions of tools are what they were, or the policy says what follows. */
static sl_res check_tools(sl_ask_door *d)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = SL_KIB };
    const sl_json_node *tools =
        sl_json_get_kind(&d->doc, sl_json_root(&d->doc), "tools", SL_JSON_ARRAY);
    sl_view principal = sl_view_of(d->who.principal.bytes, sizeof d->who.principal.bytes);
    sl_json_iter it = { 0 };
    while (sl_json_each(&d->doc, tools, &it)) {
        sl_ask_tool tool;
        sl_res r = sl_ask_tool_read(&d->doc, it.value, &name, &tool);
        if (sl_is(r, SL_E_MISSING_FIELD)) {
            continue; /* it runs at the model server, if that is granted: no definition to change */
        }
        SL_TRY(r);
        SL_TRY(check_tool(d, principal, &tool));
    }
    return SL_DONE;
}

sl_res sl_door_inspect(sl_ask_door *d)
{
    SL_TRY(open_pseudonyms(d));
    SL_TRY(open_commitments(d));
    if (d->site->flow_rules != NULL) {
        SL_TRY(sl_flow_new(d->site->flow_rules, &d->flow));
    }
    sl_scratch_scope(d->site->scratch,
                     sl_view_of(d->who.principal.bytes, sizeof d->who.principal.bytes));
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
    SL_TRY(check_tools(d));
    if (d->flow != NULL) {
        SL_TRY(sl_ask_calls_read(&d->doc, &d->arena, &walk.calls));
    }
    SL_TRY(sl_ask_shape_write(&walk, d->dialect->shape, &d->forward, &d->facts));
    d->step = STEP_DECIDE;
    return SL_DONE;
}

/* ---- step: decide ---- */

/* The first upstream of the model, from number `from` on, that is not sick. */
bool sl_door_choose_upstream(sl_ask_door *d, size_t from)
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
sl_res sl_door_decide(sl_ask_door *d)
{
    SL_NEED(d->look.verdict <= SL_VERDICT_TRANSFORM, SL_E_REFUSED);
    if (!sl_door_choose_upstream(d, 0)) {
        return sl_fail_at(SL_E_UNAVAILABLE, "model server", SL_NOWHERE);
    }
    SL_TRY(sl_budget_take(d->site->budget, d->who.lineage.bytes, d->now.wall_ms, d->who.requests_h,
                          d->who.tokens_d));
    d->step = STEP_RECORD;
    return SL_DONE;
}
