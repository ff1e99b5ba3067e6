/* The crossing: nothing leaves before its leaf is durable, every bad request and every bad model
 * server ends in a typed refusal and a leaf, and the wire does not depend on how bytes were cut. */
#include "rig.h"

#include <stdlib.h>

#define SAY(text)                                                                                  \
    "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"
#define STREAM(text)                                                                               \
    "{\"model\":\"trial-model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"     \
    "\"" text "\"}]}"

#define WHOLE(message)                                                                             \
    "{\"id\":\"evil\",\"model\":\"other\",\"system_fingerprint\":\"x\",\"choices\":[{\"index\":0," \
    "\"message\":" message ",\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"         \
    "\"completion_tokens\":4}}"

static void whole_answer(rig *r, const char *request, const char *answer)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig_chat(r, request);
    rig_json_answer(&http, answer);
    rig_upstream(r, sl_buf_view(&http), 7);
}

static void an_ordinary_request_crosses(void **state)
{
    rig r;
    rig_init(&r);
    whole_answer(&r, SAY("Hello"), WHOLE("{\"role\":\"assistant\",\"content\":\"Hi there\"}"));
    assert_true(rig_saw(&r.upstream, "POST /main/v1/chat/completions HTTP/1.1\r\n"));
    assert_true(rig_saw(&r.upstream,
                        "{\"model\":\"ngram-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                        "\"Hello\"}],\"store\":false}"));
    assert_true(rig_saw(&r.client, "Status: 200"));
    assert_true(rig_saw(&r.client, "X-Stoplog-Receipt: example.org/log/100"));
    assert_true(rig_saw(&r.client, "\"content\":\"Hi there\""));
    assert_true(rig_saw(&r.client, "\"id\":\"chatcmpl-aabbcc"));
    assert_true(rig_saw(&r.client, "\"model\":\"trial-model\""));
    assert_false(rig_saw(&r.client, "evil"));
    assert_false(rig_saw(&r.client, "system_fingerprint"));
    assert_true(rig_saw(&r.leaves, "\"type\":\"ask.intent\""));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"delivered\""));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

static void nothing_is_forwarded_before_the_intent_is_durable(void **state)
{
    rig r;
    rig_init(&r);
    r.ledger_up = false;
    rig_chat(&r, SAY("Hello"));
    assert_true(rig_saw(&r.leaves, "ask.intent"));
    assert_int_equal(r.connects, 0);
    assert_int_equal(r.upstream.n, 0);
    rig_acknowledge(&r);
    assert_int_equal(r.connects, 1);
    assert_true(r.upstream.n != 0);
    rig_free(&r);
}

/* The model server answers, in order and in full, while the end of the request is still here. */
static void answer_early(rig *r, bool streamed, bool sent)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    r->ledger_up = false;
    rig_chat(r, streamed ? STREAM("Hello") : SAY("Hello"));
    sl_ask_door_recorded(r->door, r->next_index++, r->now);
    if (sent) {
        rig_pump(r);
    }
    if (streamed) {
        rig_sse_head(&http);
        rig_sse_delta(&http, "Hi");
        rig_sse_event(&http,
                      "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
        rig_sse_event(&http, "[DONE]"); /* and no last chunk yet */
    } else {
        rig_json_answer(&http, WHOLE("{\"role\":\"assistant\",\"content\":\"Hi\"}"));
    }
    sl_ask_door_upstream_bytes(r->door, sl_buf_view(&http), r->now);
}

/* What is left of a request would otherwise begin the next one on the same connection. */
static void a_connection_whose_request_was_not_sent_whole_serves_no_other(void **state)
{
    for (int i = 0; i < 4; i++) {
        bool streamed = i % 2 != 0;
        bool sent = i / 2 != 0;
        rig r;
        rig_init(&r);
        answer_early(&r, streamed, sent);
        const sl_ask_out *out = sl_ask_door_out(r.door);
        assert_int_equal(streamed ? out->upstream_drain : out->upstream_keep, sent);
        assert_int_equal(out->upstream_close, !sent);
        rig_pump(&r);
        rig_acknowledge(&r);
        assert_true(rig_saw(&r.client, "Hi"));
        rig_free(&r);
    }
}

static void a_silent_ledger_closes_the_door(void **state)
{
    rig r;
    rig_init(&r);
    r.ledger_up = false;
    rig_chat(&r, SAY("Hello"));
    rig_tick(&r, r.site.limits.record_ms_max + 1);
    assert_int_equal(r.connects, 0);
    assert_true(rig_saw(&r.client, "Status: 503"));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

static void stream_of(sl_buf *http, const char *const *pieces)
{
    rig_sse_head(http);
    for (size_t i = 0; pieces[i] != NULL; i++) {
        rig_sse_delta(http, pieces[i]);
    }
    rig_sse_finish(http);
}

static void the_last_bytes_wait_for_the_outcome(void **state)
{
    static const char *const pieces[] = { "The first part is long enough. ", "End", NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    r.ledger_up = false;
    stream_of(&http, pieces);
    rig_upstream(&r, sl_buf_view(&http), http.n);
    assert_true(rig_saw(&r.client, "The first part"));
    assert_false(rig_saw(&r.client, "End"));
    assert_false(rig_saw(&r.client, "finish_reason\":\"stop"));
    assert_true(rig_saw(&r.leaves, "ask.outcome"));
    rig_acknowledge(&r);
    assert_true(rig_saw(&r.client, "finish_reason\":\"stop"));
    assert_true(rig_saw(&r.client, "data: [DONE]\n\n: stoplog outcome=delivered receipt="));
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    rig_content(&r, &text);
    assert_view(sl_buf_view(&text), "The first part is long enough. End");
    rig_free(&r);
}

/* The intent was durable; the outcome has left this process, and if the ledger dies with it the crossing
 * counts as delivered (law 1). */
static void the_last_bytes_leave_when_the_ledger_has_the_outcome_in_hand(void **state)
{
    static const char *const pieces[] = { "The first part is long enough. ", "End", NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    stream_of(&http, pieces);
    for (int lost = 0; lost < 2; lost++) {
        r.ledger_up = true;
        rig_chat(&r, STREAM("x"));
        r.ledger_up = false;
        rig_upstream(&r, sl_buf_view(&http), http.n);
        assert_false(rig_saw(&r.client, "End"));
        rig_hand_over(&r);
        assert_true(rig_saw(&r.client, "data: [DONE]\n\n: stoplog outcome=delivered receipt="));
        assert_true(sl_ask_door_out(r.door)->client_close);
        assert_false(sl_ask_door_over(r.door)); /* nobody else may end it meanwhile */
        assert_true(sl_ask_door_waits_for_leaf(r.door));
        size_t sent = r.client.n;
        if (lost) {
            rig_tick(&r, r.site.limits.record_ms_max + 1);
        } else {
            rig_acknowledge(&r);
        }
        assert_true(sl_ask_door_over(r.door));
        assert_int_equal(r.client.n, sent);
    }
    rig_free(&r);
}

static void an_intent_in_hand_opens_nothing(void **state)
{
    rig r;
    rig_init(&r);
    r.ledger_up = false;
    rig_chat(&r, SAY("Hello"));
    rig_hand_over(&r);
    assert_int_equal(r.connects, 0);
    assert_int_equal(r.upstream.n, 0);
    rig_free(&r);
}

static void what_is_in_hand_does_not_leave_through_a_closed_valve(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    static const char *const pieces[] = { "The first part is long enough. ", "End", NULL };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    r.ledger_up = false;
    stream_of(&http, pieces);
    rig_upstream(&r, sl_buf_view(&http), http.n);
    r.state = SL_VALVE_PRINCIPAL;
    rig_hand_over(&r);
    rig_acknowledge(&r);
    assert_false(rig_saw(&r.client, "End"));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

static void without_an_outcome_the_last_bytes_never_leave(void **state)
{
    static const char *const pieces[] = { "The first part is long enough. ", "End", NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    r.ledger_up = false;
    stream_of(&http, pieces);
    rig_upstream(&r, sl_buf_view(&http), http.n);
    rig_tick(&r, r.site.limits.record_ms_max + 1);
    assert_true(sl_ask_door_over(r.door));
    assert_false(rig_saw(&r.client, "End"));
    assert_false(rig_saw(&r.client, "[DONE]"));
    rig_free(&r);
}

/* ---- bad requests ---- */

typedef struct {
    const char *json;
    const char *status;
    const char *code;
} bad_request;

#define MSG "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
#define REQ(more) "{\"model\":\"trial-model\"," MSG "," more "}"
#define PART(part)                                                                                 \
    "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":[" part "]}]}"

static const bad_request bad_requests[] = {
    { "{", "400", "E_TRUNCATED" },
    { "", "400", "E_TRUNCATED" },
    { "[1,2", "400", "E_TRUNCATED" },
    { "{\"model\":\"trial-model\"}x", "400", "E_TRAILING" },
    { "{\"model\":\"trial-model\",\"model\":\"b\"}", "400", "E_DUPLICATE" },
    { "{\"model\":\"trial-model\",\"m\\u006fdel\":\"b\"}", "400", "E_DUPLICATE" },
    { "{\"model\":\"trial-model\",\"messages\":\"\xff\"}", "400", "E_UTF8" },
    { "{\"model\":\"trial-model\",\"messages\":\"\\ud83d\"}", "400", NULL },
    { "{\"model\":1}", "400", "E_MISSING_FIELD" },
    { "[]", "400", "E_MISSING_FIELD" },
    { "{\"model\":\"unknown\"," MSG "}", "404", "E_NOT_FOUND" },
    { REQ("\"unheard_of\":1"), "400", "E_UNKNOWN_FIELD" },
    { "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"y\":1}]}",
      "400", "E_UNKNOWN_FIELD" },
    { "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"god\",\"content\":\"x\"}]}", "400",
      "E_UNKNOWN_FIELD" },
    { "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":7}]}", "400",
      "E_TYPE" },
    { "{\"model\":\"trial-model\",\"messages\":{}}", "400", "E_TYPE" },
    { REQ("\"n\":17"), "400", "E_RANGE" },
    { REQ("\"n\":0"), "400", "E_RANGE" },
    { REQ("\"n\":-1"), "400", NULL },
    { REQ("\"stream\":\"yes\""), "400", "E_TYPE" },
    { REQ("\"temperature\":1e99999999999999999999999999999999"), "400", "E_RANGE" },
    { REQ("\"web_search_options\":{}"), "403", "E_FEATURE" },
    { REQ("\"modalities\":[\"audio\"]"), "403", "E_FEATURE" },
    { REQ("\"tools\":[{\"type\":\"web_search\"}]"), "403", "E_FEATURE" },
    { REQ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]"), "400", "E_TYPE" },
    { PART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.example/a.png\"}}"), "403",
      "E_FEATURE" },
    { PART("{\"type\":\"text\",\"text\":\"x\",\"image_url\":{\"url\":\"u\"}}"), "403",
      "E_FEATURE" },
    { PART("{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}"), "403", "E_FEATURE" },
    { SAY("this is REFUSEME text"), "403", "E_REFUSED" },
    { REQ("\"user\":\"REFUSEME\""), "403", "E_REFUSED" },
    { REQ("\"metadata\":{\"a\":[\"REFUSEME\"]}"), "403", "E_REFUSED" },
    { REQ("\"metadata\":{\"MASKME\":1}"), "403", "E_REFUSED" },
    { REQ("\"stop\":[\"REFUSEME\"]"), "403", "E_REFUSED" },
    { REQ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":"
          "\"REFUSEME\"}}]"),
      "403", "E_REFUSED" },
    { REQ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
          "{\"properties\":{\"x\":{\"enum\":[\"REFUSEME\"]}}}}}]"),
      "403", "E_REFUSED" },
    { REQ("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","
          "\"schema\":{\"title\":\"REFUSEME\"}}}"),
      "403", "E_REFUSED" },
    { "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"assistant\",\"content\":null,"
      "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{\\\"q\\\":\\\"REFUSEM\\\\u0045\\\"}\"}}]}]}",
      "403", "E_REFUSED" },
    { "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":"
      "\"REFUSEM\\u0045\"}]}",
      "403", "E_REFUSED" },
};

static void bad_requests_are_refused_with_a_leaf_and_nothing_passes(void **state)
{
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(bad_requests); i++) {
        const bad_request *bad = &bad_requests[i];
        SL_OWN(sl_buf, status, sl_buf_free) = { .max = 100 };
        SL_OWN(sl_buf, code, sl_buf_free) = { .max = 100 };
        assert_done(sl_buf_addf(&status, "Status: %s", bad->status));
        assert_done(sl_buf_addf(&code, "\"code\":\"%s\"", bad->code == NULL ? "E_" : bad->code));
        rig_chat(&r, bad->json);
        code.n -= bad->code == NULL ? 1 : 0;
        if (!rig_saw(&r.client, sl_buf_cstr(&status)) || !rig_saw(&r.client, sl_buf_cstr(&code)) ||
            !rig_saw(&r.leaves, "\"type\":\"ask.refused\"") || r.connects != 0 ||
            !sl_ask_door_over(r.door)) {
            print_error("%s\n%.*s\n%.*s\n", bad->json, SL_FMT(sl_buf_view(&r.client)),
                        SL_FMT(sl_buf_view(&r.leaves)));
            fail();
        }
    }
    rig_free(&r);
}

static void deep_nesting_is_refused(void **state)
{
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 20 };
    assert_done(sl_buf_add_str(&json, "{\"model\":\"trial-model\",\"metadata\":"));
    for (int i = 0; i < 10000; i++) {
        assert_done(sl_buf_add_byte(&json, '['));
    }
    rig r;
    rig_init(&r);
    rig_chat(&r, sl_buf_cstr(&json));
    assert_true(rig_saw(&r.client, "\"code\":\"E_DEPTH\""));
    rig_free(&r);
}

/* Refusals before anybody is known: counted by source, answered at once, no leaf of their own. */
static void strangers_are_counted_and_sent_away(void **state)
{
    static const struct {
        const char *path;
        const char *key;
        const char *more;
        size_t more_n;
        const char *status;
    } strangers[] = {
        { "/v1/chat/completions", NULL, NULL, 0, "401" },
        { "/v1/chat/completions", "slg_wrong", NULL, 0, "401" },
        { "/v1/files", RIG_KEY, NULL, 0, "404" },
        { "/v1/chat/completions?x=1", RIG_KEY, NULL, 0, "404" },
        { "/v1/chat/completions/", RIG_KEY, NULL, 0, "404" },
        { "/v1/chat/completions", RIG_KEY, "HTTP_CONTENT_ENCODING\0gzip", 27, "415" },
        { "/v1/chat/completions", RIG_KEY, "HTTP_UPGRADE\0websocket", 23, "400" },
        { "/v1/chat/completions", RIG_KEY,
          "STOPLOG_FRONT\0"
          "413",
          18, "413" },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(strangers); i++) {
        SL_OWN(sl_buf, request, sl_buf_free) = { .max = 1 << 20 };
        SL_OWN(sl_buf, status, sl_buf_free) = { .max = 100 };
        assert_done(sl_buf_addf(&status, "Status: %s", strangers[i].status));
        rig_begin(&r);
        rig_scgi(&request, strangers[i].path, strangers[i].key, sl_view_str(SAY("Hello")),
                 strangers[i].more, strangers[i].more_n);
        rig_client(&r, sl_buf_view(&request));
        if (!rig_saw(&r.client, sl_buf_cstr(&status)) || r.knocks != 1 || r.leaves.n != 0 ||
            r.connects != 0) {
            print_error("%zu: %.*s\n", i, SL_FMT(sl_buf_view(&r.client)));
            fail();
        }
    }
    rig_free(&r);
}

static void a_body_beyond_the_limit_is_refused_by_its_length(void **state)
{
    rig r;
    rig_init(&r);
    rig_begin(&r);
    static const char head[] = "CONTENT_LENGTH\0"
                               "104857600\0SCGI\0"
                               "1\0REQUEST_METHOD\0POST";
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 1 << 20 };
    assert_done(sl_buf_addf(&request, "%zu:", sizeof head));
    assert_done(sl_buf_add(&request, sl_view_of(head, sizeof head)));
    assert_done(sl_buf_add_str(&request, ","));
    rig_client(&r, sl_buf_view(&request));
    assert_true(rig_saw(&r.client, "Status: 413"));
    rig_free(&r);
}

static void budgets_and_grants_and_valves_refuse(void **state)
{
    rig r;
    rig_init(&r);
    r.who.requests_h = 2;
    for (int i = 0; i < 2; i++) {
        rig_chat(&r, SAY("Hello"));
        assert_int_equal(r.connects, 1);
    }
    rig_chat(&r, SAY("Hello"));
    assert_true(rig_saw(&r.client, "Status: 429"));
    assert_true(rig_saw(&r.leaves, "E_BUDGET"));
    r.now.wall_ms += 3600 * 1000;
    rig_chat(&r, SAY("Hello"));
    assert_int_equal(r.connects, 1);
    r.who.grant[0] = '\0';
    rig_chat(&r, SAY("Hello"));
    assert_true(rig_saw(&r.client, "E_NO_GRANT"));
    r.who.grant[0] = 'a';
    r.state = SL_VALVE_COMPARTMENT;
    rig_chat(&r, SAY("Hello"));
    assert_true(rig_saw(&r.client, "Status: 503"));
    assert_true(rig_saw(&r.client, "E_VALVE"));
    assert_int_equal(r.connects, 0);
    rig_free(&r);
}

static void tokens_are_counted_against_the_day(void **state)
{
    rig r;
    rig_init(&r);
    r.who.tokens_d = 5;
    whole_answer(&r, SAY("Hello"), WHOLE("{\"content\":\"Hi\"}"));
    rig_chat(&r, SAY("Hello"));
    assert_true(rig_saw(&r.client, "Status: 429"));
    rig_free(&r);
}

/* ---- rewriting ---- */

static void identifiers_are_rewritten_in_and_restored_out(void **state)
{
    rig r;
    rig_init(&r);
    whole_answer(&r, SAY("Ask ALICE and MASKME"),
                 WHOLE("{\"role\":\"assistant\",\"content\":\"BOBBY is well, MASKME too\"}"));
    assert_true(rig_saw(&r.upstream, "Ask BOBBY and [NAME]"));
    assert_false(rig_saw(&r.upstream, "ALICE"));
    assert_true(rig_saw(&r.client, "ALICE is well, [NAME] too"));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"transformed\""));
    rig_free(&r);
}

static void log_probabilities_are_stripped(void **state)
{
    rig r;
    rig_init(&r);
    rig_chat(&r, REQ("\"logprobs\":true,\"top_logprobs\":5"));
    assert_int_equal(r.connects, 1);
    assert_false(rig_saw(&r.upstream, "logprobs"));
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    rig_chat(&r, REQ("\"logprobs\":true,\"top_logprobs\":5,\"store\":true"));
    assert_true(rig_saw(&r.upstream, "\"logprobs\":true,\"top_logprobs\":5,\"store\":false"));
    rig_free(&r);
}

static void a_finding_cuts_the_stream_in_the_dialects_way(void **state)
{
    static const char *const pieces[] = { "This much is fine and then CUT", "ME and more ", "text",
                                          NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    stream_of(&http, pieces);
    rig_upstream(&r, sl_buf_view(&http), 11);
    rig_content(&r, &text);
    assert_view(sl_buf_view(&text), "This much is fine and then ");
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
    assert_true(rig_saw(&r.client, "[DONE]"));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    assert_true(rig_saw(&r.leaves, "\"cut_at\":27"));
    assert_int_equal(r.upstream_closes, 1);
    rig_free(&r);
}

static void a_whole_answer_is_cut_too(void **state)
{
    rig r;
    rig_init(&r);
    whole_answer(&r, SAY("x"), WHOLE("{\"content\":\"fine until CUTME and more\"}"));
    assert_true(rig_saw(&r.client, "\"content\":\"fine until \""));
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
    assert_false(rig_saw(&r.client, "more"));
    rig_free(&r);
}

static void a_closed_valve_stops_a_running_stream(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, more, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    rig_sse_head(&http);
    rig_sse_delta(&http, "The first part is long enough to be seen");
    rig_upstream(&r, sl_buf_view(&http), 9);
    assert_true(rig_saw(&r.client, "The first part"));
    r.state = SL_VALVE_COMPARTMENT;
    rig_sse_delta(&more, "The second part must never be seen by anybody");
    rig_upstream(&r, sl_buf_view(&more), 9);
    assert_false(rig_saw(&r.client, "second"));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    assert_true(rig_saw(&r.leaves, "\"rule\":\"valve\""));
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
    assert_true(rig_saw(&r.client, "outcome=cut"));
    assert_int_equal(r.upstream_closes, 1);
    rig_free(&r);
}

static void what_waits_for_its_outcome_does_not_leave_through_a_closed_valve(void **state)
{
    static const char *const pieces[] = { "The first part is long enough. ", "End", NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    r.ledger_up = false;
    stream_of(&http, pieces);
    rig_upstream(&r, sl_buf_view(&http), http.n);
    r.state = SL_VALVE_PRINCIPAL;
    rig_acknowledge(&r);
    assert_false(rig_saw(&r.client, "End"));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

static void a_closed_valve_stops_a_silent_stream(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    rig_sse_head(&http);
    rig_sse_delta(&http, "The first part is long enough to be seen");
    rig_upstream(&r, sl_buf_view(&http), 9);
    r.state = SL_VALVE_SITE;
    rig_tick(&r, 100);
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

/* ---- tools and choices ---- */

#define TOOLS                                                                                      \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"find\",\"description\":\"look "    \
    "up\",\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":\"auto\""

#define CALL(name, arguments)                                                                      \
    "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"up\",\"type\":"   \
    "\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}]},"        \
    "\"finish_reason\":null}]}"
#define MORE(arguments)                                                                            \
    "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"            \
    "\"arguments\":\"" arguments "\"}}]},\"finish_reason\":null}]}"
#define CALLED "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}"

static void run_call(rig *r, const char *first, const char *second)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig_chat(r, REQ("\"stream\":true," TOOLS));
    rig_sse_head(&http);
    rig_sse_event(&http, first);
    rig_sse_event(&http, second);
    rig_sse_event(&http, CALLED);
    rig_sse_event(&http, "[DONE]");
    rig_upstream(r, sl_buf_view(&http), 13);
}

static void tool_arguments_are_read_as_json_and_written_anew(void **state)
{
    rig r;
    rig_init(&r);
    run_call(&r, CALL("find", "{\\\"who\\\":  \\\"MASK"), MORE("ME\\\",\\\"n\\\":[1,true,null]}"));
    assert_true(rig_saw(&r.client,
                        "\"arguments\":\"{\\\"who\\\":\\\"[NAME]\\\",\\\"n\\\":[1,true,null]}\""));
    assert_true(rig_saw(&r.client, "\"name\":\"find\""));
    assert_true(rig_saw(&r.client, "\"id\":\"call_aabbcc"));
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"tool_calls\""));
    rig_free(&r);
}

static void tool_arguments_that_must_not_leave_cut(void **state)
{
    static const char *const arguments[][2] = {
        { CALL("find", "{\\\"q\\\":\\\"CUTME\\\"}"), MORE("") },
        { CALL("find", "{\\\"q\\\":\\\"CUT\\\\u004DE\\\"}"), MORE("") },
        { CALL("find", "{\\\"CUTME\\\":1}"), MORE("") },
        { CALL("find", "{\\\"MASKME\\\":1}"), MORE("") },
        { CALL("find", "not json CUTME"), MORE("") },
        { CALL("elsewhere", "{}"), MORE("") },
        { CALL("find\\u0000", "{}"), MORE("") },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(arguments); i++) {
        run_call(&r, arguments[i][0], arguments[i][1]);
        assert_false(rig_saw(&r.client, "\"tool_calls\":["));
        assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    }
    rig_free(&r);
}

static void originals_return_in_arguments_of_granted_tools_only(void **state)
{
    rig r;
    rig_init(&r);
    run_call(&r, CALL("find", "{\\\"who\\\":\\\"BOBBY\\\"}"), MORE(""));
    assert_true(rig_saw(&r.client, "{\\\"who\\\":\\\"BOBBY\\\"}"));
    r.who.restore_tools[0] = SL_LIT("find");
    r.who.restore_tools_n = 1;
    run_call(&r, CALL("find", "{\\\"who\\\":\\\"BOBBY\\\"}"), MORE(""));
    assert_true(rig_saw(&r.client, "{\\\"who\\\":\\\"ALICE\\\"}"));
    rig_free(&r);
}

#define CHOICE(n, text)                                                                            \
    "{\"choices\":[{\"index\":" #n ",\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}"

static void one_choice_is_cut_and_the_other_goes_on(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, REQ("\"stream\":true,\"n\":2"));
    rig_sse_head(&http);
    rig_sse_event(&http, CHOICE(0, "zero is CUTME and gone with the rest of it"));
    rig_sse_event(&http, CHOICE(1, "one goes on to its end"));
    rig_sse_event(&http, "{\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    rig_sse_event(&http, "[DONE]");
    rig_upstream(&r, sl_buf_view(&http), 17);
    assert_true(
        rig_saw(&r.client, "\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\""));
    assert_true(rig_saw(&r.client, "\"index\":1,\"delta\":{},\"finish_reason\":\"stop\""));
    assert_false(rig_saw(&r.client, "gone"));
    rig_free(&r);
}

/* ---- bad model servers ---- */

#define OK_EVENTS "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define LONG_DELTA                                                                                 \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a first part that is long "         \
    "enough\"}}]}\n\n"

static void bad_model_servers_fail_the_crossing(void **state)
{
    static const char *const answers[] = {
        OK_EVENTS LONG_DELTA,                /* dies mid-stream */
        OK_EVENTS LONG_DELTA "data: {\"cho", /* dies mid-event */
        OK_EVENTS LONG_DELTA "nonsense\n\n",
        OK_EVENTS LONG_DELTA "data: {]\n\n",
        OK_EVENTS LONG_DELTA "data: {\"choices\":[]}{}\n\n",
        OK_EVENTS LONG_DELTA "data: {\"choices\":[{\"index\":5,\"delta\":{}}]}\n\n",
        OK_EVENTS LONG_DELTA "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":7}}]}\n\n",
        OK_EVENTS LONG_DELTA "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                             "\"\\ud83d\"}}]}\n\n",
        OK_EVENTS LONG_DELTA "data: {\"error\":{\"message\":\"secret words\"}}\n\n",
        OK_EVENTS LONG_DELTA "data: {\"choices\":[],\"choices\":[]}\n\n",
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(answers); i++) {
        rig_chat(&r, STREAM("x"));
        rig_upstream(&r, sl_view_str(answers[i]), 5);
        rig_upstream_closes(&r);
        if (!rig_saw(&r.client, "E_UPSTREAM") || rig_saw(&r.client, "[DONE]") ||
            rig_saw(&r.client, "secret words") || rig_saw(&r.client, "enough") ||
            !rig_saw(&r.leaves, "\"outcome\":\"upstream_failed\"") || !sl_ask_door_over(r.door)) {
            print_error("%zu: %.*s\n%.*s\n", i, SL_FMT(sl_buf_view(&r.client)),
                        SL_FMT(sl_buf_view(&r.leaves)));
            fail();
        }
    }
    rig_free(&r);
}

static void a_model_servers_refusal_keeps_its_kind_and_loses_its_words(void **state)
{
    static const struct {
        const char *answer;
        const char *status;
        unsigned connects;
    } cases[] = {
        { "HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nwords", "Status: 400", 1 },
        { "HTTP/1.1 429 Slow\r\nContent-Length: 5\r\n\r\nwords", "Status: 429", 1 },
        { "HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nwords", "Status: 502", 2 },
        { "HTTP/1.1 301 Moved\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", "Status: 502",
          2 },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nwords",
          "Status: 502", 2 },
        { "garbage\r\n\r\n", "Status: 502", 2 },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        rig_chat(&r, SAY("x"));
        rig_upstream(&r, sl_view_str(cases[i].answer), 1000);
        rig_upstream(&r, sl_view_str(cases[i].answer), 1000);
        assert_true(rig_saw(&r.client, cases[i].status));
        assert_false(rig_saw(&r.client, "words"));
        assert_int_equal(r.connects, cases[i].connects);
        assert_true(rig_saw(&r.leaves, "upstream_failed"));
    }
    rig_free(&r);
}

static void the_next_upstream_is_tried_before_the_first_byte_only(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_chat(&r, SAY("x"));
    rig_upstream_closes(&r);
    assert_int_equal(r.connects, 2);
    assert_true(rig_saw(&r.upstream, "POST /spare/v1/chat/completions"));
    rig_json_answer(&http, WHOLE("{\"content\":\"from the spare\"}"));
    rig_upstream(&r, sl_buf_view(&http), 10);
    assert_true(rig_saw(&r.client, "from the spare"));
    assert_true(
        rig_saw(&r.leaves, "\"upstream\":\"spare\",\"verdict\":\"allow\"")); /* the outcome's */

    rig_chat(&r, STREAM("x"));
    rig_upstream(&r, SL_LIT(OK_EVENTS LONG_DELTA), 10);
    rig_upstream_closes(&r);
    assert_int_equal(r.connects, 1);
    rig_free(&r);
}

static void a_hanging_model_server_is_given_up(void **state)
{
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    rig_tick(&r, r.site.limits.first_ms_max);
    assert_int_equal(r.connects, 2);
    rig_upstream(&r, SL_LIT(OK_EVENTS LONG_DELTA), 10);
    rig_tick(&r, r.site.limits.silence_ms_max);
    assert_true(rig_saw(&r.leaves, "upstream_failed"));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

static void an_endless_stream_meets_its_end(void **state)
{
    rig r;
    rig_init(&r);
    r.site.limits.answer_bytes_max = 5000;
    rig_chat(&r, STREAM("x"));
    rig_upstream(&r, SL_LIT(OK_EVENTS), 100);
    for (int i = 0; i < 1000 && !sl_ask_door_over(r.door); i++) {
        rig_upstream(&r, SL_LIT(": keep-alive\n\n"), 100);
    }
    assert_true(sl_ask_door_over(r.door));
    assert_true(rig_saw(&r.leaves, "upstream_failed"));
    rig_free(&r);
}

static void a_client_that_leaves_ends_the_crossing(void **state)
{
    rig r;
    rig_init(&r);
    rig_chat(&r, STREAM("x"));
    rig_upstream(&r, SL_LIT(OK_EVENTS LONG_DELTA), 10);
    sl_ask_door_client_gone(r.door, r.now);
    rig_pump(&r);
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"client_gone\""));
    assert_int_equal(r.upstream_closes, 1);
    assert_true(sl_ask_door_over(r.door));

    /* It leaves while the intent is on its way: the outcome follows it. */
    r.ledger_up = false;
    rig_chat(&r, STREAM("x"));
    sl_ask_door_client_gone(r.door, r.now);
    r.ledger_up = true;
    rig_acknowledge(&r);
    assert_int_equal(r.connects, 0);
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"client_gone\""));
    assert_true(sl_ask_door_over(r.door));
    rig_free(&r);
}

/* ---- the wire does not depend on the reads (P1) ---- */

static void every_split_gives_the_same_wire_bytes(void **state)
{
    static const char *const pieces[] = { "Hello ",         "ALI",
                                          "CE and MAS",     "KME, ",
                                          "it is \\u00e9t", "\\u00e9. Then BOB",
                                          "BY left",        NULL };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    stream_of(&http, pieces);
    for (size_t step = 1; step <= http.n; step++) {
        r.next_index = 100;
        rig_chat(&r, STREAM("x"));
        rig_upstream(&r, sl_buf_view(&http), step);
        assert_true(sl_ask_door_over(r.door));
        if (step == 1) {
            assert_done(sl_buf_add(&want, sl_buf_view(&r.client)));
            assert_true(rig_saw(&r.client, "outcome=transformed"));
        }
        assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&r.client)));
    }
    rig_free(&r);
}

static void get(rig *r, const char *path)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 4096 };
    rig_begin(r);
    assert_done(sl_buf_addf(&head,
                            "CONTENT_LENGTH%c0%cSCGI%c1%cREQUEST_METHOD%cGET%cREQUEST_URI%c%s%c"
                            "HTTP_X_API_KEY%c" RIG_KEY "%c",
                            0, 0, 0, 0, 0, 0, 0, path, 0, 0, 0));
    assert_done(sl_buf_addf(&request, "%zu:", head.n));
    assert_done(sl_buf_add(&request, sl_buf_view(&head)));
    assert_done(sl_buf_add_str(&request, ","));
    rig_client(r, sl_buf_view(&request));
}

static void a_receipt_tells_its_principal_what_happened(void **state)
{
    rig r;
    rig_init(&r);
    r.site.receipts = calloc(1, sizeof *r.site.receipts);
    whole_answer(&r, SAY("x"), WHOLE("{\"content\":\"fine until CUTME and more\"}"));
    get(&r, "/stoplog/receipts/100");
    assert_true(rig_saw(&r.client, "Status: 200"));
    assert_true(rig_saw(&r.client, "\"intent\":100,\"outcome_at\":101,\"outcome\":\"cut\""));
    get(&r, "/stoplog/receipts/aabbcc00000000000000000000000000");
    assert_true(rig_saw(&r.client, "Status: 200"));
    r.who.principal.bytes[0] ^= 1;
    get(&r, "/stoplog/receipts/100");
    assert_true(rig_saw(&r.client, "Status: 404"));

    /* With the answer in hand its client may ask before the outcome is durable. */
    sl_ask_receipt one = { .principal = r.who.principal, .intent = 7, .outcome = "delivered" };
    uint64_t at = sl_ask_receipts_add(r.site.receipts, &one);
    get(&r, "/stoplog/receipts/7");
    assert_true(rig_saw(&r.client, "\"intent\":7,\"outcome\":\"delivered\""));
    one.outcome_at = 9;
    sl_ask_receipts_settle(r.site.receipts, at, &one);
    get(&r, "/stoplog/receipts/7");
    assert_true(rig_saw(&r.client, "\"intent\":7,\"outcome_at\":9,"));
    for (size_t i = 0; i < SL_RECEIPTS_MAX; i++) {
        one.intent = 1000 + i;
        (void)sl_ask_receipts_add(r.site.receipts, &one);
    }
    one.intent = 7; /* its place has another */
    sl_ask_receipts_settle(r.site.receipts, at, &one);
    get(&r, "/stoplog/receipts/7");
    assert_true(rig_saw(&r.client, "Status: 404"));
    free(r.site.receipts);
    rig_free(&r);
}

static bool one_model(const void *context, size_t at, sl_ask_route *ret_route)
{
    const rig *r = context;
    *ret_route = r->route;
    return at == 0;
}

static void models_are_listed_for_who_has_a_grant(void **state)
{
    rig r;
    rig_init(&r);
    r.roll.model = one_model;
    get(&r, "/v1/models");
    assert_true(rig_saw(&r.client, "{\"object\":\"list\",\"data\":[{\"id\":\"trial-model\""));
    assert_int_equal(r.connects, 0);
    r.who.grant[0] = '\0';
    get(&r, "/v1/models");
    assert_true(rig_saw(&r.client, "\"data\":[]"));
    rig_free(&r);
}

static void the_request_may_come_in_any_pieces(void **state)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_scgi(&request, "/v1/chat/completions", RIG_KEY, sl_view_str(SAY("Hello")), NULL, 0);
    for (size_t step = 1; step <= request.n; step++) {
        rig_begin(&r);
        for (size_t at = 0; at < request.n; at += step) {
            rig_client(&r, sl_view_sub(sl_buf_view(&request), at, at + step));
        }
        assert_int_equal(r.connects, 1);
    }
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_request_crosses),
        cmocka_unit_test(nothing_is_forwarded_before_the_intent_is_durable),
        cmocka_unit_test(a_connection_whose_request_was_not_sent_whole_serves_no_other),
        cmocka_unit_test(a_silent_ledger_closes_the_door),
        cmocka_unit_test(the_last_bytes_wait_for_the_outcome),
        cmocka_unit_test(the_last_bytes_leave_when_the_ledger_has_the_outcome_in_hand),
        cmocka_unit_test(an_intent_in_hand_opens_nothing),
        cmocka_unit_test(what_is_in_hand_does_not_leave_through_a_closed_valve),
        cmocka_unit_test(without_an_outcome_the_last_bytes_never_leave),
        cmocka_unit_test(bad_requests_are_refused_with_a_leaf_and_nothing_passes),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(strangers_are_counted_and_sent_away),
        cmocka_unit_test(a_body_beyond_the_limit_is_refused_by_its_length),
        cmocka_unit_test(budgets_and_grants_and_valves_refuse),
        cmocka_unit_test(tokens_are_counted_against_the_day),
        cmocka_unit_test(identifiers_are_rewritten_in_and_restored_out),
        cmocka_unit_test(log_probabilities_are_stripped),
        cmocka_unit_test(a_finding_cuts_the_stream_in_the_dialects_way),
        cmocka_unit_test(a_whole_answer_is_cut_too),
        cmocka_unit_test(a_closed_valve_stops_a_running_stream),
        cmocka_unit_test(what_waits_for_its_outcome_does_not_leave_through_a_closed_valve),
        cmocka_unit_test(a_closed_valve_stops_a_silent_stream),
        cmocka_unit_test(tool_arguments_are_read_as_json_and_written_anew),
        cmocka_unit_test(tool_arguments_that_must_not_leave_cut),
        cmocka_unit_test(originals_return_in_arguments_of_granted_tools_only),
        cmocka_unit_test(one_choice_is_cut_and_the_other_goes_on),
        cmocka_unit_test(bad_model_servers_fail_the_crossing),
        cmocka_unit_test(a_model_servers_refusal_keeps_its_kind_and_loses_its_words),
        cmocka_unit_test(the_next_upstream_is_tried_before_the_first_byte_only),
        cmocka_unit_test(a_hanging_model_server_is_given_up),
        cmocka_unit_test(an_endless_stream_meets_its_end),
        cmocka_unit_test(a_client_that_leaves_ends_the_crossing),
        cmocka_unit_test(every_split_gives_the_same_wire_bytes),
        cmocka_unit_test(a_receipt_tells_its_principal_what_happened),
        cmocka_unit_test(models_are_listed_for_who_has_a_grant),
        cmocka_unit_test(the_request_may_come_in_any_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
