/* OpenAI responses: streamed and whole, rewritten and cut. What the API says more than once (text,
 * part, item, response) must hold the released text only, and the events' numbers have no gaps. */
#include "rig.h"

#define RESPONSES "/v1/responses"

#define ASK_STREAM                                                                                 \
    "{\"model\":\"trial-model\",\"stream\":true,\"store\":true,\"instructions\":\"be brief\","     \
    "\"tools\":[{\"type\":\"function\",\"name\":\"find\",\"parameters\":{\"type\":\"object\"}}],"  \
    "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Of ALICE\"}]}" \
    "]}"

#define CREATED "{\"type\":\"response.created\",\"response\":{\"id\":\"up\",\"error\":null}}"
#define ADDED(n, item)                                                                             \
    "{\"type\":\"response.output_item.added\",\"output_index\":" #n ",\"item\":" item "}"
#define ITEM_DONE(n, item)                                                                         \
    "{\"type\":\"response.output_item.done\",\"output_index\":" #n ",\"item\":" item "}"
#define PART(n, what, text)                                                                        \
    "{\"type\":\"response.content_part." what "\",\"output_index\":" #n                            \
    ",\"content_index\":0,\"part\":{\"type\":\"output_text\",\"text\":\"" text "\"}}"
#define DELTA(n, text)                                                                             \
    "{\"type\":\"response.output_text.delta\",\"output_index\":" #n                                \
    ",\"content_index\":0,\"delta\":\"" text "\"}"
#define TEXT_DONE(n, text)                                                                         \
    "{\"type\":\"response.output_text.done\",\"output_index\":" #n                                 \
    ",\"content_index\":0,\"text\":\"" text "\"}"
#define COMPLETED(text)                                                                            \
    "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{"        \
    "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"" text "\"}]}],"       \
    "\"usage\":{\"input_tokens\":9,\"output_tokens\":5}}}"
#define ARGUMENTS(n, text)                                                                         \
    "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":" #n                    \
    ",\"delta\":\"" text "\"}"

#define REASONING                                                                                  \
    "{\"type\":\"reasoning\",\"id\":\"up\",\"summary\":[],\"encrypted_content\":\"hidden words\"}"
#define MESSAGE "{\"type\":\"message\",\"id\":\"up\",\"content\":[]}"
#define CALL(name)                                                                                 \
    "{\"type\":\"function_call\",\"id\":\"up\",\"call_id\":\"up\",\"name\":\"" name                \
    "\",\"arguments\":\"\"}"

static void put_events(sl_buf *http, const char *const *events, size_t n)
{
    rig_sse_head(http);
    for (size_t i = 0; i < n; i++) {
        rig_sse_event(http, events[i]);
    }
    assert_done(sl_buf_add_str(http, "0\r\n\r\n"));
}

static size_t count_of(const sl_buf *where, const char *needle)
{
    size_t n = 0;
    size_t at = 0;
    sl_view all = sl_buf_view(where);
    while ((at = sl_view_find(all, sl_view_str(needle), at)) != SIZE_MAX) {
        at += strlen(needle);
        n++;
    }
    return n;
}

/* Every event's number follows the one before it, from 0. */
static void assert_dense(const rig *r)
{
    sl_view all = sl_buf_view(&r->client);
    sl_view mark = SL_LIT("\"sequence_number\":");
    size_t at = 0;
    unsigned n = 0;
    while ((at = sl_view_find(all, mark, at)) != SIZE_MAX) {
        SL_OWN(sl_buf, want, sl_buf_free) = { .max = 64 };
        assert_done(sl_buf_addf(&want, "%u,", n++));
        at += mark.n;
        assert_true(sl_view_starts(sl_view_sub(all, at, all.n), sl_buf_view(&want)));
    }
    assert_int_equal(n, count_of(&r->client, "event: "));
}

/* The same events in any reads: the same bytes (P1). Leaves the last run in the rig. */
static void run_in_all_reads(rig *r, const sl_buf *http)
{
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
    for (size_t step = 1; step < http->n + 61; step += step < 40 ? 1 : 61) {
        r->next_index = 100;
        rig_post(r, RESPONSES, ASK_STREAM);
        rig_upstream(r, sl_buf_view(http), step);
        assert_true(sl_ask_door_over(r->door));
        if (step == 1) {
            assert_done(sl_buf_add(&want, sl_buf_view(&r->client)));
        }
        assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&r->client)));
    }
    assert_dense(r);
}

static void a_stream_crosses_with_text_and_calls(void **state)
{
    static const char *const events[] = {
        CREATED,
        ADDED(0, REASONING),
        "{\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"delta\":\"hidden "
        "words\"}",
        ITEM_DONE(0, REASONING),
        ADDED(1, MESSAGE),
        PART(1, "added", ""),
        DELTA(1, "It is BOB"),
        DELTA(1, "BY and MASK"),
        DELTA(1, "ME, told at some length"),
        "{\"type\":\"keepalive\"}",
        TEXT_DONE(1, "It is BOBBY and MASKME, told at some length"),
        PART(1, "done", "It is BOBBY and MASKME, told at some length"),
        ITEM_DONE(1, MESSAGE),
        ADDED(2, CALL("find")),
        ARGUMENTS(2, "{\\\"who\\\": \\\"MAS"),
        ARGUMENTS(2, "KME\\\"}"),
        ITEM_DONE(2, CALL("find")),
        COMPLETED("It is BOBBY and MASKME, told at some length"),
    };
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    put_events(&http, events, SL_COUNT_OF(events));
    run_in_all_reads(&r, &http);
    assert_true(rig_saw(&r.upstream, "POST /main/v1/responses "));
    assert_true(rig_saw(&r.upstream, "\"text\":\"Of BOBBY\""));
    assert_true(rig_saw(&r.upstream, "\"store\":false"));
    assert_false(rig_saw(&r.upstream, "\"store\":true"));
    /* text.done, content_part.done, output_item.done and response.completed. */
    assert_int_equal(count_of(&r.client, "\"It is ALICE and [NAME], told at some length\""), 4);
    assert_int_equal(count_of(&r.client, "\"arguments\":\"{\\\"who\\\":\\\"[NAME]\\\"}\""), 3);
    assert_int_equal(count_of(&r.client, "event: response.created\n"), 1);
    assert_int_equal(count_of(&r.client, "event: response.in_progress\n"), 1);
    assert_int_equal(count_of(&r.client, "event: response.output_item.added\n"), 2);
    assert_int_equal(count_of(&r.client, "event: response.output_item.done\n"), 2);
    assert_int_equal(count_of(&r.client, "event: response.completed\n"), 1);
    assert_true(rig_saw(&r.client, "\"input_tokens\":9"));
    assert_true(rig_saw(&r.client, "\"total_tokens\":14"));
    assert_false(rig_saw(&r.client, "MASKME"));
    assert_false(rig_saw(&r.client, "BOBBY"));
    assert_false(rig_saw(&r.client, "hidden"));
    assert_false(rig_saw(&r.client, "\"up\""));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"transformed\""));
    assert_true(rig_saw(&r.leaves, "\"dialect\":\"openai.responses\""));
    rig_free(&r);
}

static void a_cut_ends_incomplete_and_repeats_nothing_of_it(void **state)
{
    static const char *const events[] = {
        CREATED,
        ADDED(0, MESSAGE),
        PART(0, "added", ""),
        DELTA(0, "a beginning that may leave CUT"),
        DELTA(0, "ME and never this, however long it goes on"),
        TEXT_DONE(0, "a beginning that may leave CUTME and never this"),
        PART(0, "done", "a beginning that may leave CUTME and never this"),
        ITEM_DONE(0, MESSAGE),
        COMPLETED("a beginning that may leave CUTME and never this"),
    };
    rig r;
    rig_init(&r);
    /* Cut while deltas come, and cut by what was still held at the part's end. */
    for (size_t held = 0; held < 2; held++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        const char *list[SL_COUNT_OF(events)];
        memcpy(list, events, sizeof list);
        list[4] = held != 0 ? DELTA(0, "ME never") : events[4];
        put_events(&http, list, SL_COUNT_OF(list));
        run_in_all_reads(&r, &http);
        assert_true(rig_saw(&r.client, "event: response.incomplete\n"));
        assert_true(rig_saw(&r.client, "\"incomplete_details\":{\"reason\":\"content_filter\"}"));
        assert_false(rig_saw(&r.client, "response.completed"));
        assert_false(rig_saw(&r.client, "CUT"));
        assert_false(rig_saw(&r.client, "never"));
        assert_int_equal(count_of(&r.client, "\"a beginning that may leave \""), 4);
        assert_int_equal(count_of(&r.client, "\"status\":\"incomplete\""), 3);
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    }
    rig_free(&r);
}

static void a_cut_call_never_was(void **state)
{
    static const char *const calls[][2] = {
        { CALL("find"), ARGUMENTS(1, "{\\\"who\\\": \\\"CUTME\\\"}") },
        { CALL("find"), ARGUMENTS(1, "{\\\"MASKME\\\": 1}") },
        { CALL("other"), ARGUMENTS(1, "{}") },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(calls); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        SL_OWN(sl_buf, added, sl_buf_free) = { .max = 4096 };
        assert_done(sl_buf_addf(&added,
                                "{\"type\":\"response.output_item.added\",\"output_index\":1,"
                                "\"item\":%s}",
                                calls[i][0]));
        const char *const events[] = {
            ADDED(0, MESSAGE), DELTA(0, "so"),     ITEM_DONE(0, MESSAGE), sl_buf_cstr(&added),
            calls[i][1],       ITEM_DONE(1, "{}"), COMPLETED("so"),
        };
        put_events(&http, events, SL_COUNT_OF(events));
        run_in_all_reads(&r, &http);
        assert_true(rig_saw(&r.client, "\"incomplete_details\":{\"reason\":\"content_filter\"}"));
        assert_false(rig_saw(&r.client, "function_call"));
        assert_int_equal(count_of(&r.client, "event: response.output_item.done\n"), 1);
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    }
    rig_free(&r);
}

static void refusals_and_lengths_keep_their_words(void **state)
{
    static const char *const events[] = {
        ADDED(0, MESSAGE),
        "{\"type\":\"response.refusal.delta\",\"output_index\":0,\"content_index\":0,"
        "\"delta\":\"MASKME is not told\"}",
        "{\"type\":\"response.refusal.done\",\"output_index\":0,\"content_index\":0,"
        "\"refusal\":\"MASKME is not told\"}",
        ITEM_DONE(0, MESSAGE),
        "{\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":"
        "\"max_output_tokens\"}}}",
    };
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    put_events(&http, events, SL_COUNT_OF(events));
    run_in_all_reads(&r, &http);
    assert_true(rig_saw(&r.client, "event: response.refusal.delta\n"));
    assert_int_equal(count_of(&r.client, "\"refusal\":\"[NAME] is not told\""), 4);
    assert_true(rig_saw(&r.client, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"));
    assert_false(rig_saw(&r.client, "MASKME"));
    rig_free(&r);
}

/* The same text in any deltas: the same released text (P2). */
static void any_deltas_give_the_same_text(void **state)
{
    static const char *const texts[] = { "one and MASKME and BOBBY and two, then CUTME never",
                                         "one and MASKME and BOBBY and two, then no more" };
    static const char *const want[] = { "\"one and [NAME] and ALICE and two, then \"",
                                        "\"one and [NAME] and ALICE and two, then no more\"" };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(texts); i++) {
        for (size_t width = 1; width <= strlen(texts[i]); width++) {
            SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
            rig_sse_head(&http);
            rig_sse_event(&http, ADDED(0, MESSAGE));
            for (size_t at = 0; at < strlen(texts[i]); at += width) {
                SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
                assert_done(sl_buf_addf(&event,
                                        "{\"type\":\"response.output_text.delta\","
                                        "\"output_index\":0,\"delta\":\"%.*s\"}",
                                        (int)width, texts[i] + at));
                rig_sse_event(&http, sl_buf_cstr(&event));
            }
            rig_sse_event(&http, COMPLETED("CUTME"));
            rig_post(&r, RESPONSES, ASK_STREAM);
            rig_upstream(&r, sl_buf_view(&http), 4096);
            assert_int_equal(count_of(&r.client, want[i]), 4);
            assert_false(rig_saw(&r.client, "never"));
            assert_dense(&r);
        }
    }
    rig_free(&r);
}

static void a_broken_stream_fails_in_our_words(void **state)
{
    static const char *const endings[] = {
        "{\"type\":\"error\",\"message\":\"their words\"}",
        "{\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"their words\"}}}",
        DELTA(3, "their words, and more of them than are held"),
        ADDED(1, MESSAGE),
        "[DONE]",
        "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"x\"}",
        "their words",
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(endings); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        const char *const events[] = { CREATED, ADDED(0, MESSAGE), DELTA(0, "so"), endings[i] };
        put_events(&http, events, SL_COUNT_OF(events));
        run_in_all_reads(&r, &http);
        assert_true(rig_saw(&r.client, "event: response.failed\n"));
        assert_true(rig_saw(&r.client, "\"code\":\"server_error\""));
        assert_false(rig_saw(&r.client, "their words"));
        assert_false(rig_saw(&r.client, "response.completed"));
    }
    rig_free(&r);
}

static void a_closed_valve_ends_it_incomplete(void **state)
{
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    const char *const events[] = { CREATED, ADDED(0, MESSAGE),
                                   DELTA(0, "words that left before the valve closed") };
    put_events(&http, events, SL_COUNT_OF(events));
    rig_post(&r, RESPONSES, ASK_STREAM);
    rig_upstream(&r, sl_view_of(http.p, http.n - 5), 4096);
    r.state = SL_VALVE_COMPARTMENT;
    rig_tick(&r, 1000);
    assert_true(sl_ask_door_over(r.door));
    assert_true(rig_saw(&r.client, "\"incomplete_details\":{\"reason\":\"content_filter\"}"));
    assert_false(rig_saw(&r.client, "valve closed"));
    assert_dense(&r);
    rig_free(&r);
}

/* What waits for the outcome leaf never leaves without it. */
static void without_an_outcome_it_never_completes(void **state)
{
    static const char *const events[] = { CREATED, ADDED(0, MESSAGE), DELTA(0, "so and END"),
                                          COMPLETED("so and END") };
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    put_events(&http, events, SL_COUNT_OF(events));
    rig_post(&r, RESPONSES, ASK_STREAM);
    r.ledger_up = false;
    rig_upstream(&r, sl_buf_view(&http), 4096);
    assert_true(rig_saw(&r.leaves, "ask.outcome"));
    assert_false(rig_saw(&r.client, "response.completed"));
    rig_tick(&r, r.site.limits.record_ms_max + 1);
    assert_true(sl_ask_door_over(r.door));
    assert_false(rig_saw(&r.client, "response.completed"));
    assert_false(rig_saw(&r.client, "END"));
    assert_dense(&r);
    rig_free(&r);
}

#define WHOLE(status, more)                                                                        \
    "{\"id\":\"up\",\"status\":\"" status "\",\"error\":null,\"output\":[" REASONING ",{"          \
    "\"type\":\"message\",\"id\":\"up\",\"content\":[{\"type\":\"output_text\",\"text\":"          \
    "\"BOBBY, MASKME\",\"logprobs\":[{\"token\":\"MASKME\"}]}]}" more                              \
    "],\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}"

#define ASK_WHOLE                                                                                  \
    "{\"model\":\"trial-model\",\"input\":\"Of ALICE\",\"tools\":[{\"type\":\"function\","         \
    "\"name\":\"find\"}]}"

static void a_whole_response_is_written_anew(void **state)
{
    static const struct {
        const char *answer;
        const char *saw[3];
    } cases[] = {
        { WHOLE("completed", ""),
          { "\"status\":\"completed\"", "\"text\":\"ALICE, [NAME]\"}]}]" } },
        { WHOLE("incomplete", ""),
          { "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}",
            "\"text\":\"ALICE, [NAME]\"}]}]" } },
        { WHOLE("completed", ",{\"type\":\"function_call\",\"call_id\":\"up\",\"name\":\"find\","
                             "\"arguments\":\"{\\\"a\\\":\\\"MASKME\\\"}\"}"),
          { "\"arguments\":\"{\\\"a\\\":\\\"[NAME]\\\"}\"", "\"call_id\":\"call_", "ALICE" } },
        { WHOLE("completed", ",{\"type\":\"function_call\",\"call_id\":\"up\",\"name\":\"find\","
                             "\"arguments\":\"{\\\"a\\\":\\\"CUTME\\\"}\"}"),
          { "\"incomplete_details\":{\"reason\":\"content_filter\"}",
            "\"text\":\"ALICE, [NAME]\"}]}]" } },
        { WHOLE("completed", ",{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
                             "\"text\":\"so far CUTME never\"}]}"),
          { "\"incomplete_details\":{\"reason\":\"content_filter\"}", "\"text\":\"so far \"",
            "\"status\":\"incomplete\",\"role\"" } },
        { WHOLE("failed", ""), { "E_UPSTREAM" } },
        { WHOLE("queued", ""), { "E_UPSTREAM" } },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        rig_json_answer(&http, cases[i].answer);
        rig_post(&r, RESPONSES, ASK_WHOLE);
        assert_true(rig_saw(&r.upstream, "\"input\":\"Of BOBBY\""));
        rig_upstream(&r, sl_buf_view(&http), 11);
        for (size_t k = 0; k < 3 && cases[i].saw[k] != NULL; k++) {
            assert_true(rig_saw(&r.client, cases[i].saw[k]));
        }
        assert_false(rig_saw(&r.client, "MASKME"));
        assert_false(rig_saw(&r.client, "CUTME"));
        assert_false(rig_saw(&r.client, "never"));
        assert_false(rig_saw(&r.client, "hidden"));
        assert_false(rig_saw(&r.client, "\"up\""));
    }
    rig_free(&r);
}

#define REQ(more) "{\"model\":\"trial-model\",\"input\":\"x\"," more "}"
#define IN(item) "{\"model\":\"trial-model\",\"input\":[" item "]}"
#define PART_IN(part) IN("{\"role\":\"user\",\"content\":[" part "]}")

static void what_cannot_be_kept_in_is_refused_by_name(void **state)
{
    static const struct {
        const char *request;
        const char *code;
        const char *param;
    } cases[] = {
        { REQ("\"previous_response_id\":\"resp_1\""), "E_FEATURE", "stored_state" },
        { REQ("\"conversation\":\"conv_1\""), "E_FEATURE", "stored_state" },
        { REQ("\"prompt\":{\"id\":\"pmpt_1\"}"), "E_FEATURE", "stored_state" },
        { REQ("\"background\":true"), "E_FEATURE", "background" },
        { REQ("\"include\":[\"reasoning.encrypted_content\"]"), "E_FEATURE", "logprobs" },
        { REQ("\"tools\":[{\"type\":\"web_search\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tools\":[{\"type\":\"file_search\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tools\":[{\"type\":\"code_interpreter\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tools\":[{\"type\":\"computer\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tools\":[{\"type\":\"mcp\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tools\":[{\"type\":\"image_generation\"}]"), "E_FEATURE", "hosted_tools" },
        { REQ("\"tool_choice\":{\"type\":\"mcp\"}"), "E_FEATURE", "hosted_tools" },
        { REQ("\"unheard_of\":1"), "E_UNKNOWN_FIELD", "request" },
        { REQ("\"text\":{\"format\":{\"type\":\"grammar\"}}"), "E_UNKNOWN_FIELD", "type" },
        { PART_IN("{\"type\":\"input_image\",\"image_url\":\"u\"}"), "E_FEATURE", "remote_media" },
        { PART_IN("{\"type\":\"input_image\",\"file_id\":\"f\"}"), "E_FEATURE", "file_ids" },
        { PART_IN("{\"type\":\"input_file\",\"file_id\":\"f\"}"), "E_FEATURE", "file_ids" },
        { PART_IN("{\"type\":\"input_file\",\"file_url\":\"u\"}"), "E_FEATURE", "remote_media" },
        { PART_IN("{\"type\":\"input_file\",\"file_data\":\"d\"}"), "E_FEATURE", "opaque_parts" },
        { PART_IN("{\"type\":\"input_audio\",\"input_audio\":{}}"), "E_FEATURE", "opaque_parts" },
        { IN("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), "E_FEATURE", "stored_state" },
        { IN("{\"type\":\"reasoning\",\"id\":\"rs_1\"}"), "E_FEATURE", "stored_state" },
        { REQ("\"instructions\":\"REFUSEME\""), "E_REFUSED", NULL },
        { PART_IN("{\"type\":\"input_text\",\"text\":\"REFUSEME\"}"), "E_REFUSED", NULL },
        { IN("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":"
             "\"{\\\"a\\\":\\\"REFUSEME\\\"}\"}"),
          "E_REFUSED", NULL },
        { IN("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"REFUSEME\"}"),
          "E_REFUSED", NULL },
        { IN("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":"
             "\"input_text\",\"text\":\"REFUSEME\"}]}"),
          "E_REFUSED", NULL },
        { REQ("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"REFUSEME\"}]"),
          "E_REFUSED", NULL },
        { REQ("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"REFUSEME\":1}}]"),
          "E_REFUSED", NULL },
        { REQ("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"a\":"
              "\"REFUSEME\"}}}"),
          "E_REFUSED", NULL },
        { REQ("\"metadata\":{\"a\":\"REFUSEME\"}"), "E_REFUSED", NULL },
        { REQ("\"user\":\"REFUSEME\""), "E_REFUSED", NULL },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, param, sl_buf_free) = { .max = 256 };
        SL_OWN(sl_buf, code, sl_buf_free) = { .max = 256 };
        rig_post(&r, RESPONSES, cases[i].request);
        assert_done(sl_buf_addf(&code, "\"code\":\"%s\"", cases[i].code));
        if (cases[i].param != NULL) {
            assert_done(sl_buf_addf(&param, "\"param\":\"%s\"", cases[i].param));
        }
        if (!rig_saw(&r.client, sl_buf_cstr(&code)) ||
            (cases[i].param != NULL && !rig_saw(&r.client, sl_buf_cstr(&param)))) {
            print_error("%s\n%.*s\n", cases[i].request, SL_FMT(sl_buf_view(&r.client)));
            fail();
        }
        assert_int_equal(r.connects, 0);
        assert_true(rig_saw(&r.leaves, "ask.refused"));
    }
    rig_free(&r);
}

static void a_history_crosses_without_ids(void **state)
{
    rig r;
    rig_init(&r);
    rig_post(&r, RESPONSES,
             "{\"model\":\"trial-model\",\"input\":[{\"role\":\"user\",\"content\":\"ALICE\"},{"
             "\"type\":\"message\",\"id\":\"msg_1\",\"status\":\"completed\",\"role\":"
             "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"MASKME\","
             "\"annotations\":[],\"logprobs\":[]}]},{\"type\":\"function_call\",\"id\":\"fc_1\","
             "\"call_id\":\"call_1\",\"name\":\"find\",\"arguments\":\"{\\\"a\\\":\\\"ALICE\\\"}\"}"
             ",{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"MASKME\"}],"
             "\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"max_output_tokens\":50,"
             "\"previous_response_id\":null,\"background\":false,\"top_logprobs\":3}");
    assert_int_equal(r.connects, 1);
    assert_true(rig_saw(
        &r.upstream,
        "{\"model\":\"ngram-1\",\"input\":[{\"role\":\"user\",\"content\":\"BOBBY\"},{\"type\":"
        "\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":"
        "\"output_text\",\"text\":\"[NAME]\"}]},{\"type\":\"function_call\",\"call_id\":\"call_1\","
        "\"name\":\"find\",\"arguments\":\"{\\\"a\\\":\\\"BOBBY\\\"}\"},{\"type\":"
        "\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"[NAME]\"}],\"reasoning\":{"
        "\"effort\":\"low\"},\"max_output_tokens\":50,\"store\":false}"));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_crosses_with_text_and_calls),
        cmocka_unit_test(a_cut_ends_incomplete_and_repeats_nothing_of_it),
        cmocka_unit_test(a_cut_call_never_was),
        cmocka_unit_test(refusals_and_lengths_keep_their_words),
        cmocka_unit_test(any_deltas_give_the_same_text),
        cmocka_unit_test(a_broken_stream_fails_in_our_words),
        cmocka_unit_test(a_closed_valve_ends_it_incomplete),
        cmocka_unit_test(without_an_outcome_it_never_completes),
        cmocka_unit_test(a_whole_response_is_written_anew),
        cmocka_unit_test(what_cannot_be_kept_in_is_refused_by_name),
        cmocka_unit_test(a_history_crosses_without_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
