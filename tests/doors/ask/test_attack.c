/* The door under attack, from both sides, in every dialect: hostile characters, shapes, orders and
 * framings. Whatever is out of the ordinary is a typed error and a leaf, and nothing of it passes. */
#include "rig.h"

#define CHAT "/v1/chat/completions"
#define COMPLETIONS "/v1/completions"
#define MESSAGES "/v1/messages"
#define RESPONSES "/v1/responses"

/* ---- requests ---- */

typedef struct {
    const char *path;
    const char *more; /* behind the model */
    const char *code;
} bad_request;

#define USER(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

static const bad_request bad_requests[] = {
    /* characters that nobody reads, and that part what belongs together */
    { CHAT, USER("536\\u0000-90-4399"), "E_SYNTAX" },
    { CHAT, USER("536\\u0001-90-4399"), "E_SYNTAX" },
    { CHAT, USER("a\\u001b[2K b"), "E_SYNTAX" },
    { CHAT, USER("a\\u007f b"), "E_SYNTAX" },
    { CHAT, USER("a\\u009b b"), "E_SYNTAX" },
    { CHAT, USER("a\\ufffe b"), "E_SYNTAX" },
    { CHAT, USER("a\\ufdd0 b"), "E_SYNTAX" },
    { CHAT, USER("a\\ud83f\\udfff b"), "E_SYNTAX" },
    { CHAT, USER("x") ",\"metadata\":{\"a\":\"\\u0000\"}", "E_SYNTAX" },
    { CHAT, USER("x") ",\"metadata\":{\"a\\u0000\":1}", "E_SYNTAX" },
    { CHAT, USER("x") ",\"user\":\"\\u0008\"", "E_SYNTAX" },
    { CHAT,
      "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
      "\"text\",\"text\":\"\\u0000b\"}]}]",
      "E_SYNTAX" },
    { CHAT,
      "\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\","
      "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
      "\"{\\\"q\\\":\\\"\\\\u0000\\\"}\"}}]}]",
      "E_SYNTAX" },
    { MESSAGES, USER("a\\u0000b") ",\"max_tokens\":5", "E_SYNTAX" },
    { RESPONSES, "\"input\":\"a\\u0000b\"", "E_SYNTAX" },
    { COMPLETIONS, "\"prompt\":\"a\\u0000b\"", "E_SYNTAX" },
    { "/v1/embeddings", "\"input\":[\"a\\u0000b\"]", "E_SYNTAX" },
    { CHAT, USER("\\ud83d x"), NULL },
    { CHAT, USER("\\udc00\\ud800"), NULL },
    { CHAT, USER("\xed\xa0\x80"), "E_UTF8" },
    { CHAT, USER("\xc0\xaf"), "E_UTF8" },
    { CHAT, USER("a\nb"), NULL },
    /* members said twice, also under another spelling */
    { CHAT, USER("x") "," USER("y"), "E_DUPLICATE" },
    { CHAT, USER("x") ",\"m\\u0065ssages\":[]", "E_DUPLICATE" },
    { CHAT, USER("x") ",\"metadata\":{\"a\":1,\"\\u0061\":2}", "E_DUPLICATE" },
    { CHAT, "\"messages\":[{\"role\":\"user\",\"role\":\"system\",\"content\":\"x\"}]",
      "E_DUPLICATE" },
    /* numbers */
    { CHAT, USER("x") ",\"n\":4294967297", "E_RANGE" },
    { CHAT, USER("x") ",\"n\":18446744073709551617", "E_RANGE" },
    { CHAT, USER("x") ",\"n\":1e3", NULL },
    { CHAT, USER("x") ",\"n\":1.0", NULL },
    { CHAT, USER("x") ",\"n\":\"2\"", "E_TYPE" },
    { CHAT, USER("x") ",\"n\":[1]", "E_TYPE" },
    { CHAT, USER("x") ",\"n\":true", "E_TYPE" },
    { CHAT, USER("x") ",\"top_p\":NaN", NULL },
    { CHAT, USER("x") ",\"seed\":99999999999999999999999999", NULL },
    { CHAT, USER("x") ",\"max_tokens\":-1", NULL },
    { COMPLETIONS, "\"prompt\":\"x\",\"best_of\":1000", "E_RANGE" },
    { COMPLETIONS, "\"prompt\":\"x\",\"n\":1000", "E_RANGE" },
    /* protocol words that say more than a word */
    { CHAT, USER("x") ",\"tool_choice\":\"please ignore this\"", "E_TYPE" },
    { CHAT, USER("x") ",\"reasoning_effort\":\"ultra\"", "E_UNKNOWN_FIELD" },
    { CHAT, "\"messages\":[{\"role\":\"User\",\"content\":\"x\"}]", "E_UNKNOWN_FIELD" },
    { CHAT, "\"messages\":[{\"role\":\"user\\u0000\",\"content\":\"x\"}]", "E_TYPE" },
    { CHAT, "\"messages\":[[]]", "E_TYPE" },
    { CHAT, "\"messages\":[null]", "E_TYPE" },
    { MESSAGES, USER("x") ",\"max_tokens\":5,\"thinking\":{\"type\":\"enabled\"}", "E_FEATURE" },
    { RESPONSES, "\"input\":\"x\",\"background\":true", "E_FEATURE" },
    { RESPONSES, "\"input\":\"x\",\"previous_response_id\":\"r\"", "E_FEATURE" },
    { RESPONSES, "\"input\":\"x\",\"include\":[\"reasoning.encrypted_content\"]", "E_FEATURE" },
};

static void hostile_requests_are_refused_with_a_leaf(void **state)
{
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(bad_requests); i++) {
        SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
        const bad_request *bad = &bad_requests[i];
        assert_done(sl_buf_addf(&body, "{\"model\":\"trial-model\",%s}", bad->more));
        rig_post(&r, bad->path, sl_buf_cstr(&body));
        bool typed = rig_saw(&r.client, bad->code == NULL ? "E_" : bad->code);
        if (!typed || r.connects != 0 || r.upstream.n != 0 || !rig_saw(&r.leaves, "ask.refused") ||
            !sl_ask_door_over(r.door)) {
            print_error("%zu: %.*s\n%.*s\n", i, SL_FMT(sl_buf_view(&body)),
                        SL_FMT(sl_buf_view(&r.client)));
            fail();
        }
    }
    rig_free(&r);
}

static void lines_tabs_and_every_script_pass(void **state)
{
    rig r;
    rig_init(&r);
    rig_chat(&r, "{\"model\":\"trial-model\"," USER("a\\tb\\r\\nc\\f \\u0085 \\u4e2d\\u0639\\ud83d"
                                                    "\\ude00 \\ue000 \\ufffd") "}");
    assert_int_equal(r.connects, 1);
    rig_free(&r);
}

/* ---- answers ---- */

typedef struct {
    const char *path;
    const char *events; /* "\n\n" ends each; SECRET must never leave */
} bad_answer;

#define D(json) "data: " json "\n\n"
#define C(members) D("{\"choices\":[{\"index\":0," members "}]}")
#define T(text) C("\"delta\":{\"content\":\"" text "\"}")
#define M_START D("{\"type\":\"message_start\",\"message\":{}}")
#define M_OPEN(n, type)                                                                            \
    D("{\"type\":\"content_block_start\",\"index\":" #n ",\"content_block\":{\"type\":\"" type     \
      "\",\"name\":\"find\"}}")
#define M_TEXT(n, text)                                                                            \
    D("{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":{\"type\":\"text_delta\","     \
      "\"text\":\"" text "\"}}")
#define M_SHUT(n) D("{\"type\":\"content_block_stop\",\"index\":" #n "}")
#define M_END D("{\"type\":\"message_delta\",\"delta\":{}}")
#define R_ITEM(n, type)                                                                            \
    D("{\"type\":\"response.output_item.added\",\"output_index\":" #n                              \
      ",\"item\":{\"type\":\"" type "\",\"name\":\"find\"}}")
#define R_TEXT(n, text)                                                                            \
    D("{\"type\":\"response.output_text.delta\",\"output_index\":" #n ",\"delta\":\"" text "\"}")

static const bad_answer bad_answers[] = {
    { CHAT, C("\"delta\":5") },
    { CHAT, C("\"delta\":\"SECRET\"") },
    { CHAT, C("\"delta\":{\"content\":[\"SECRET\"]}") },
    { CHAT, C("\"delta\":{\"content\":{\"text\":\"SECRET\"}}") },
    { CHAT, C("\"delta\":{\"refusal\":1}") },
    { CHAT, C("\"delta\":{},\"finish_reason\":7") },
    { CHAT, C("\"delta\":{\"tool_calls\":{}}") },
    { CHAT, C("\"delta\":{\"tool_calls\":[7]}") },
    { CHAT, C("\"delta\":{\"tool_calls\":[{\"index\":3,\"function\":{\"name\":\"find\"}}]}") },
    { CHAT,
      C("\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"SECRET\"}}]}") },
    { CHAT, C("\"delta\":{\"tool_calls\":[{\"index\":-1,\"function\":{\"name\":\"find\"}}]}") },
    { CHAT, C("\"delta\":{\"tool_calls\":[{\"index\":200,\"function\":{\"name\":\"find\"}}]}") },
    { CHAT, D("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"SECRET\"}}]}") },
    { CHAT, D("{\"choices\":[{\"index\":-1,\"delta\":{\"content\":\"SECRET\"}}]}") },
    { CHAT, D("{\"choices\":[{\"index\":1.5,\"delta\":{\"content\":\"SECRET\"}}]}") },
    { CHAT, D("{\"choices\":[7]}") },
    { CHAT, D("{\"choices\":{}}") },
    { CHAT, D("{\"object\":\"SECRET\"}") },
    { CHAT, D("[\"SECRET\"]") },
    { CHAT, D("\"SECRET\"") },
    { CHAT, D("{\"choices\":[],\"choices\":[{\"index\":0,\"delta\":{\"content\":\"SECRET\"}}]}") },
    { CHAT, C("\"delta\":{\"content\":\"a\",\"c\\u006fntent\":\"SECRET\"}") },
    { CHAT, D("{\"error\":\"SECRET\"}") },
    { CHAT, D("[DONE] SECRET") },
    { CHAT, "event: SECRET\n\n" },
    { CHAT, "SECRET: x\n\n" },
    { CHAT, "data\n\n" },
    { CHAT, "data: {\"choices\":\n\n" },
    { CHAT, "data: {}\ndata: {}\n\n" },
    { CHAT, "data: {\"choices\":[]}SECRET\n\n" },
    { COMPLETIONS, C("\"text\":7") },
    { COMPLETIONS, C("\"text\":[\"SECRET\"]") },
    { COMPLETIONS, C("\"text\":\"\",\"finish_reason\":{}") },
    { COMPLETIONS, D("{\"choices\":[\"SECRET\"]}") },
    { COMPLETIONS, D("{\"choices\":[{\"index\":1,\"text\":\"SECRET\"}]}") },
    { COMPLETIONS, D("{\"choices\":[{\"index\":\"0\",\"text\":\"SECRET\"}]}") },
    { MESSAGES, M_START M_TEXT(0, "SECRET") },
    { MESSAGES, M_START M_OPEN(0, "text") M_TEXT(1, "SECRET") },
    { MESSAGES, M_START M_OPEN(0, "text") M_OPEN(1, "text") M_TEXT(1, "SECRET") },
    { MESSAGES, M_START M_OPEN(0, "text") M_SHUT(1) M_END },
    { MESSAGES, M_START M_OPEN(131072, "text") M_END },
    { MESSAGES, M_START M_SHUT(0) },
    { MESSAGES, M_START D("{\"type\":\"content_block_start\",\"index\":0}") },
    { MESSAGES, M_START M_OPEN(0, "text") D("{\"type\":\"content_block_delta\",\"index\":0}") },
    { MESSAGES, M_START M_OPEN(0, "text") M_TEXT(0, "a") D("{\"type\":\"SECRET\"}") },
    { MESSAGES, D("{\"index\":0}") },
    { MESSAGES, D("{\"type\":\"error\",\"error\":{\"message\":\"SECRET\"}}") },
    { MESSAGES, D("[DONE]") },
    { RESPONSES, R_TEXT(0, "SECRET") },
    { RESPONSES, R_ITEM(0, "message") R_TEXT(1, "SECRET") },
    { RESPONSES, R_ITEM(0, "message") R_ITEM(1, "message") R_TEXT(1, "SECRET") },
    { RESPONSES, R_ITEM(0, "function_call") R_TEXT(0, "SECRET") },
    { RESPONSES, D("{\"type\":\"response.output_item.added\",\"output_index\":0}") },
    { RESPONSES, D("{\"type\":\"error\",\"message\":\"SECRET\"}") },
    { RESPONSES, D("{\"type\":\"response.failed\",\"response\":{\"error\":\"SECRET\"}}") },
    { RESPONSES, D("[DONE]") },
};

#define FIND_TOOL "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"find\"}}]"

static void ask(rig *r, const char *path)
{
    static const char *const more[][2] = {
        { CHAT, USER("x") "," FIND_TOOL },
        { COMPLETIONS, "\"prompt\":\"x\"" },
        { MESSAGES,
          USER("x") ",\"max_tokens\":5,\"tools\":[{\"name\":\"find\",\"input_schema\":{}}]" },
        { RESPONSES, "\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"find\"}]" },
    };
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
    for (size_t i = 0; i < SL_COUNT_OF(more); i++) {
        if (strcmp(more[i][0], path) == 0) {
            assert_done(
                sl_buf_addf(&body, "{\"model\":\"trial-model\",\"stream\":true,%s}", more[i][1]));
        }
    }
    rig_post(r, path, sl_buf_cstr(&body));
    assert_int_equal(r->connects, 1);
}

static void hostile_events_fail_the_crossing_and_nothing_of_them_leaves(void **state)
{
    static const size_t steps[] = { 1, 3, 100000 };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(steps) * SL_COUNT_OF(bad_answers); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 65536 };
        const bad_answer *bad = &bad_answers[i / SL_COUNT_OF(steps)];
        assert_done(sl_buf_addf(&http,
                                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s"
                                ": what comes now is too late\n\n",
                                bad->events));
        ask(&r, bad->path);
        rig_upstream(&r, sl_buf_view(&http), steps[i % SL_COUNT_OF(steps)]);
        if (!rig_saw(&r.client, "E_UPSTREAM") || rig_saw(&r.client, "SECRET") ||
            rig_saw(&r.leaves, "SECRET") ||
            !rig_saw(&r.leaves, "\"outcome\":\"upstream_failed\"") || !sl_ask_door_over(r.door)) {
            print_error("%zu: %s\n%.*s\n%.*s\n", i / SL_COUNT_OF(steps), bad->events,
                        SL_FMT(sl_buf_view(&r.client)), SL_FMT(sl_buf_view(&r.leaves)));
            fail();
        }
    }
    rig_free(&r);
}

/* Control characters in an answer end the choice: what stood before them may leave, nothing after. */
static void control_characters_cut_an_answer(void **state)
{
    static const bad_answer cuts[] = {
        { CHAT, T("long enough a text \\u0000SECRET") },
        { CHAT, T("long enough a text ") T("\\u001bSECRET") },
        { CHAT, C("\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"find\","
                  "\"arguments\":\"{\\\"q\\\":\\\"\\\\u0000SECRET\\\"}\"}}]}")
                    C("\"delta\":{},\"finish_reason\":\"tool_calls\"") },
        { MESSAGES, M_START M_OPEN(0, "text") M_TEXT(0, "long enough a text \\u0000SECRET") },
        { RESPONSES, R_ITEM(0, "message") R_TEXT(0, "long enough a text \\u0000SECRET") },
        { COMPLETIONS, C("\"text\":\"long enough a text \\u0000SECRET\"") },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(cuts); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 65536 };
        assert_done(sl_buf_addf(
            &http, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s", cuts[i].events));
        ask(&r, cuts[i].path);
        rig_upstream(&r, sl_buf_view(&http), 11);
        assert_true(sl_ask_door_over(r.door));
        assert_false(rig_saw(&r.client, "SECRET"));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
        assert_true(rig_saw(&r.leaves, "\"rule\":\"control_character\""));
    }
    rig_free(&r);
}

/* Calls in pieces that cross one another are put together each for itself. */
static void interleaved_calls_stay_apart(void **state)
{
    static const char events[] = C(
        "\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"find\",\"arguments\":"
        "\"{\\\"a\\\":\"}}]}") C("\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":"
                                 "\"find\",\"arguments\":\"{\\\"b\\\":\"}}]}")
        C("\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}},"
          "{\"index\":1,\"function\":{\"arguments\":\"\\\"CUT\"}}]}")
            C("\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"ME\\\"}\"}}]}")
                C("\"delta\":{},\"finish_reason\":\"tool_calls\"") "data: [DONE]\n\n";
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 65536 };
    assert_done(
        sl_buf_addf(&http, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s", events));
    ask(&r, CHAT);
    rig_upstream(&r, sl_buf_view(&http), 13);
    assert_true(rig_saw(&r.client, "{\\\"a\\\":1}"));
    assert_false(rig_saw(&r.client, "CUT"));
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
    rig_free(&r);
}

/* Reasons that the protocol does not know are said in its own words. */
static void unknown_reasons_are_not_passed_on(void **state)
{
    static const bad_answer reasons[] = {
        { CHAT, T("fine") C("\"delta\":{},\"finish_reason\":\"SECRET\"") "data: [DONE]\n\n" },
        { COMPLETIONS, C("\"text\":\"fine\",\"finish_reason\":\"SECRET\"") "data: [DONE]\n\n" },
        { MESSAGES, M_START M_OPEN(0, "text") M_TEXT(0, "fine") M_SHUT(0)
                        D("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"SECRET\","
                          "\"stop_sequence\":\"SECRET\"}}") D("{\"type\":\"message_stop\"}") },
        { RESPONSES, R_ITEM(0, "message") R_TEXT(0, "fine") D(
                         "{\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{"
                         "\"reason\":\"SECRET\"}}}") },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(reasons); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 65536 };
        assert_done(sl_buf_addf(&http,
                                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s",
                                reasons[i].events));
        ask(&r, reasons[i].path);
        rig_upstream(&r, sl_buf_view(&http), 17);
        assert_true(rig_saw(&r.client, "fine"));
        assert_false(rig_saw(&r.client, "SECRET"));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"delivered\""));
    }
    rig_free(&r);
}

/* The same events in every framing that the format allows, read byte by byte; and what follows the end. */
static void framings_say_the_same(void **state)
{
    static const char *const framings[] = {
        "data: %1\n\ndata: %2\n\ndata: [DONE]\n\n",
        "data: %1\r\n\r\ndata: %2\r\n\r\ndata: [DONE]\r\n\r\n",
        "data: %1\r\rdata: %2\r\rdata: [DONE]\r\r",
        "data:%1\n\ndata:%2\n\ndata:[DONE]\n\n",
        "\xef\xbb\xbf: hello\nid: 7\nretry: 5\nevent: x\ndata: %1\n\n:\n\ndata: %2\r\n\ndata: [DONE]\n\r\n",
        "data: %1\n\ndata: %2\n\ndata: [DONE]\n\ndata: %3\n\n",
        "data: %1\n\ndata: %2\n\ndata: [DONE]\n\nSECRET",
    };
    static const char *const said[] = {
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a first part and MASKME then\"}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\" more\"},\"finish_reason\":\"stop\"}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"SECRET\"}}]}",
    };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 65536 };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < 2 * SL_COUNT_OF(framings); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 65536 };
        assert_done(
            sl_buf_add_str(&http, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"));
        for (const char *at = framings[i / 2]; *at != '\0'; at++) {
            if (*at == '%') {
                assert_done(sl_buf_add_str(&http, said[*++at - '1']));
            } else {
                assert_done(sl_buf_add_byte(&http, (uint8_t)*at));
            }
        }
        r.next_index = 100;
        ask(&r, CHAT);
        rig_upstream(&r, sl_buf_view(&http), i % 2 == 0 ? 1 : http.n);
        assert_done(i == 0 ? sl_buf_add(&want, sl_buf_view(&r.client)) : SL_DONE);
        assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&r.client)));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"transformed\""));
    }
    assert_true(rig_saw(&want, "[NAME]"));
    assert_false(rig_saw(&want, "SECRET"));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_requests_are_refused_with_a_leaf),
        cmocka_unit_test(lines_tabs_and_every_script_pass),
        cmocka_unit_test(hostile_events_fail_the_crossing_and_nothing_of_them_leaves),
        cmocka_unit_test(control_characters_cut_an_answer),
        cmocka_unit_test(interleaved_calls_stay_apart),
        cmocka_unit_test(unknown_reasons_are_not_passed_on),
        cmocka_unit_test(framings_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
