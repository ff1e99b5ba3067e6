/* The other dialects: older completions and Anthropic messages, streamed and whole, rewritten and cut
 * in their own ways, and the same wire for every way of reading. */
#include "rig.h"

#define COMPLETIONS "/v1/completions"
#define MESSAGES "/v1/messages"

static void completions_cross_streamed_and_whole(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_post(&r, COMPLETIONS, "{\"model\":\"trial-model\",\"prompt\":\"Of ALICE\",\"logprobs\":3}");
    assert_true(rig_saw(&r.upstream, "POST /main/v1/completions "));
    assert_true(rig_saw(&r.upstream, "{\"model\":\"ngram-1\",\"prompt\":\"Of BOBBY\"}"));
    rig_json_answer(&http,
                    "{\"id\":\"x\",\"choices\":[{\"text\":\" is BOBBY and MASKME\",\"index\":0,"
                    "\"logprobs\":{\"tokens\":[\"MASKME\"]},\"finish_reason\":\"length\"}]}");
    rig_upstream(&r, sl_buf_view(&http), 5);
    assert_true(rig_saw(&r.client,
                        "\"text\":\" is ALICE and [NAME]\",\"index\":0,\"logprobs\":null,"
                        "\"finish_reason\":\"length\""));
    assert_false(rig_saw(&r.client, "MASKME"));

    rig_post(&r, COMPLETIONS, "{\"model\":\"trial-model\",\"prompt\":[\"go\"],\"stream\":true}");
    sl_buf_clear(&http);
    rig_sse_head(&http);
    rig_sse_event(&http, "{\"choices\":[{\"text\":\"one long beginning and CUT\",\"index\":0}]}");
    rig_sse_event(&http, "{\"choices\":[{\"text\":\"ME never\",\"index\":0}]}");
    rig_sse_event(&http, "[DONE]");
    rig_upstream(&r, sl_buf_view(&http), 9);
    assert_true(rig_saw(&r.client, "\"finish_reason\":\"content_filter\""));
    assert_false(rig_saw(&r.client, "never"));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    rig_post(&r, COMPLETIONS, "{\"model\":\"trial-model\",\"prompt\":[1,2,3]}");
    assert_true(rig_saw(&r.client, "E_TYPE"));
    rig_free(&r);
}

/* Each prompt of a list is answered by `n` choices, numbered on. */
static void every_prompt_of_a_list_has_its_choices(void **state)
{
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    rig_post(&r, COMPLETIONS, "{\"model\":\"trial-model\",\"prompt\":[\"go\",\"on\"],\"n\":2}");
    rig_json_answer(&http,
                    "{\"choices\":[{\"text\":\"a\",\"index\":0},{\"text\":\"b\",\"index\":1},"
                    "{\"text\":\"c\",\"index\":2},{\"text\":\"of MASKME\",\"index\":3}]}");
    rig_upstream(&r, sl_buf_view(&http), 11);
    assert_true(rig_saw(&r.client, "\"text\":\"of [NAME]\",\"index\":3"));
    assert_true(rig_saw(&r.leaves, "\"outcome\":\"transformed\""));
    rig_post(&r, COMPLETIONS, "{\"n\":9,\"model\":\"trial-model\",\"prompt\":[\"go\",\"on\"]}");
    assert_true(rig_saw(&r.client, "E_RANGE"));
    assert_int_equal(r.connects, 0);
    rig_free(&r);
}

#define M_START                                                                                    \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"up\",\"usage\":{\"input_tokens\":9}}}"
#define M_TEXT                                                                                     \
    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","          \
    "\"text\":\"\"}}"
#define M_DELTA(text)                                                                              \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"   \
    "\"" text "\"}}"
#define M_TOOL(name)                                                                               \
    "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\","      \
    "\"id\":\"up\",\"name\":\"" name "\",\"input\":{}}}"
#define M_INPUT(text)                                                                              \
    "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\","      \
    "\"partial_json\":\"" text "\"}}"
#define M_STOP(n) "{\"type\":\"content_block_stop\",\"index\":" #n "}"
#define M_END                                                                                      \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null}," \
    "\"usage\":{\"output_tokens\":5}}"

static void put_message(sl_buf *http, const char *text, const char *tool, const char *input)
{
    rig_sse_head(http);
    rig_sse_named(http, "message_start", M_START);
    rig_sse_named(http, "ping", "{\"type\":\"ping\"}");
    rig_sse_named(http, "content_block_start", M_TEXT);
    rig_sse_named(http, "content_block_delta", text);
    rig_sse_named(http, "content_block_stop", M_STOP(0));
    rig_sse_named(http, "content_block_start", tool);
    rig_sse_named(http, "content_block_delta", input);
    rig_sse_named(http, "content_block_stop", M_STOP(1));
    rig_sse_named(http, "message_delta", M_END);
    rig_sse_named(http, "message_stop", "{\"type\":\"message_stop\"}");
    assert_done(sl_buf_add_str(http, "0\r\n\r\n"));
}

#define ASK_MESSAGE                                                                                \
    "{\"model\":\"trial-model\",\"max_tokens\":50,\"stream\":true,\"system\":\"be brief\","        \
    "\"tools\":[{\"name\":\"find\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}"  \
    "],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Of ALICE\"}]}]}"

static void messages_cross_with_text_and_tools(void **state)
{
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
    put_message(&http, M_DELTA("It is BOBBY and MASKME, told at some length"), M_TOOL("find"),
                M_INPUT("{\\\"who\\\": \\\"MASKME\\\"}"));
    for (size_t step = 1; step < http.n; step += step < 40 ? 1 : 37) {
        r.next_index = 100;
        rig_post(&r, MESSAGES, ASK_MESSAGE);
        assert_true(rig_saw(&r.upstream, "\"text\":\"Of BOBBY\""));
        rig_upstream(&r, sl_buf_view(&http), step);
        assert_true(sl_ask_door_over(r.door));
        if (step == 1) {
            assert_done(sl_buf_add(&want, sl_buf_view(&r.client)));
        }
        assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&r.client)));
    }
    assert_true(rig_saw(&r.client, "event: message_start\ndata: {\"type\":\"message_start\","));
    assert_true(rig_saw(&r.client, "ALICE and [NAME]"));
    assert_true(rig_saw(&r.client, "\"partial_json\":\"{\\\"who\\\":\\\"[NAME]\\\"}\""));
    assert_true(rig_saw(&r.client, "\"stop_reason\":\"tool_use\""));
    assert_true(rig_saw(&r.client, "event: message_stop"));
    assert_false(rig_saw(&r.client, "\"up\""));
    assert_true(rig_saw(&r.leaves, "\"input_tokens\":9"));
    rig_free(&r);
}

static void messages_are_cut_as_refusals(void **state)
{
    static const char *const cases[][3] = {
        { M_DELTA("a beginning that is long and CUTME never"), M_TOOL("find"), M_INPUT("{}") },
        { M_DELTA("fine"), M_TOOL("find"), M_INPUT("{\\\"q\\\":\\\"CUTME\\\"}") },
        { M_DELTA("fine"), M_TOOL("elsewhere"), M_INPUT("{}") },
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        put_message(&http, cases[i][0], cases[i][1], cases[i][2]);
        rig_post(&r, MESSAGES, ASK_MESSAGE);
        rig_upstream(&r, sl_buf_view(&http), 50);
        assert_true(rig_saw(&r.client, "\"stop_reason\":\"refusal\""));
        assert_true(rig_saw(&r.client, "event: message_stop"));
        assert_false(rig_saw(&r.client, "never"));
        assert_false(rig_saw(&r.client, "tool_use\",\"id\""));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\""));
    }
    rig_free(&r);
}

static void a_whole_message_is_written_anew(void **state)
{
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig_post(&r, MESSAGES,
             "{\"model\":\"trial-model\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\","
             "\"content\":\"ALICE\"}]}");
    rig_json_answer(&http,
                    "{\"id\":\"up\",\"type\":\"message\",\"content\":[{\"type\":\"thinking\","
                    "\"thinking\":\"hidden words\"},{\"type\":\"text\",\"text\":\"BOBBY\"}],"
                    "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,"
                    "\"output_tokens\":2}}");
    rig_upstream(&r, sl_buf_view(&http), 11);
    assert_true(rig_saw(&r.client, "\"content\":[{\"type\":\"text\",\"text\":\"ALICE\"}]"));
    assert_true(rig_saw(&r.client, "\"stop_reason\":\"end_turn\""));
    assert_false(rig_saw(&r.client, "hidden words"));
    rig_free(&r);
}

static void messages_refuse_in_their_own_shape(void **state)
{
    static const char *const bad[] = {
        "{\"model\":\"trial-model\",\"max_tokens\":5,\"messages\":[],\"mcp_servers\":[{}]}",
        "{\"model\":\"trial-model\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}]}",
        "{\"model\":\"trial-model\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":"
        "\"REFUSEME\"}]}",
        "{\"model\":\"trial-model\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"REFUSEME\"}]}]}]}",
    };
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        rig_post(&r, MESSAGES, bad[i]);
        assert_true(
            rig_saw(&r.client, "{\"type\":\"error\",\"error\":{\"type\":\"permission_error"));
        assert_true(rig_saw(&r.leaves, "ask.refused"));
        assert_int_equal(r.connects, 0);
    }
    rig_free(&r);
}

static void embeddings_are_numbers_and_nothing_else(void **state)
{
    rig r;
    rig_init(&r);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    static const char ask[] = "{\"model\":\"trial-model\",\"input\":[\"ALICE\"],"
                              "\"encoding_format\":\"base64\"}";
    rig_post(&r, "/v1/embeddings", ask);
    assert_true(rig_saw(&r.upstream, "{\"model\":\"ngram-1\",\"input\":[\"BOBBY\"]}"));
    rig_json_answer(&http, "{\"data\":[{\"embedding\":[0.5,-1e-3],\"note\":\"words\"}],"
                           "\"usage\":{\"prompt_tokens\":2}}");
    rig_upstream(&r, sl_buf_view(&http), 3);
    assert_true(rig_saw(&r.client, "\"embedding\":[0.5,-1e-3]}]"));
    assert_false(rig_saw(&r.client, "words"));
    static const char *const bad[] = { "{\"data\":[{\"embedding\":\"d29yZHM=\"}]}",
                                       "{\"data\":[{\"embedding\":[\"words\"]}]}",
                                       "{\"data\":{}}" };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        sl_buf_clear(&http);
        rig_post(&r, "/v1/embeddings", ask);
        rig_json_answer(&http, bad[i]);
        rig_upstream(&r, sl_buf_view(&http), 100);
        assert_true(rig_saw(&r.client, "E_UPSTREAM"));
        assert_false(rig_saw(&r.client, "words"));
    }
    rig_free(&r);
}

#define M_THINKING                                                                                 \
    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\","      \
    "\"thinking\":\"\",\"signature\":\"\"}}"
#define M_THINKS(text)                                                                             \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","        \
    "\"thinking\":\"" text "\"}}"
#define M_SIGNS                                                                                    \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\","       \
    "\"signature\":\"opaque\"}}"

/* Thinking is dropped unless it is granted; then it is inspected like any text and leaves unsigned. */
static void thinking_leaves_where_it_is_granted(void **state)
{
    static const char ask[] =
        "{\"model\":\"trial-model\",\"max_tokens\":50,\"stream\":true,\"messages\":[{\"role\":"
        "\"user\",\"content\":\"x\"}]%s}";
    for (unsigned i = 0; i < 3; i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1 << 20 };
        const char *thinks = i == 2 ? M_THINKS("long enough a thought CUTME then")
                                    : M_THINKS("a thought of MASKME, and more of it");
        rig r;
        rig_init(&r);
        r.who.features = i == 0 ? 0 : 1U << SL_FEATURE_THINKING;
        assert_done(sl_buf_add(&body, sl_view_of(ask, sizeof ask - 4)));
        assert_done(
            sl_buf_addf(&body, "%s}", i == 0 ? "" : ",\"thinking\":{\"type\":\"enabled\"}"));
        rig_post(&r, MESSAGES, sl_buf_cstr(&body));
        assert_int_equal(r.connects, 1);
        assert_true(rig_saw(&r.upstream, "enabled") == (i != 0));
        rig_sse_head(&http);
        rig_sse_event(&http, M_START);
        rig_sse_event(&http, M_THINKING);
        rig_sse_event(&http, thinks);
        rig_sse_event(&http, M_SIGNS);
        rig_sse_event(&http, M_STOP(0));
        rig_sse_event(&http, M_END);
        rig_sse_event(&http, "{\"type\":\"message_stop\"}");
        rig_upstream(&r, sl_buf_view(&http), 9);
        assert_true(sl_ask_door_over(r.door));
        assert_true(rig_saw(&r.client, "thinking_delta") == (i != 0));
        assert_true(rig_saw(&r.client, "a thought of [NAME]") == (i == 1));
        assert_true(rig_saw(&r.leaves, "\"outcome\":\"cut\"") == (i == 2));
        assert_false(rig_saw(&r.client, "MASKME") || rig_saw(&r.client, "then"));
        assert_false(rig_saw(&r.client, "opaque"));
        rig_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completions_cross_streamed_and_whole),
        cmocka_unit_test(every_prompt_of_a_list_has_its_choices),
        cmocka_unit_test(messages_cross_with_text_and_tools),
        cmocka_unit_test(messages_are_cut_as_refusals),
        cmocka_unit_test(a_whole_message_is_written_anew),
        cmocka_unit_test(thinking_leaves_where_it_is_granted),
        cmocka_unit_test(messages_refuse_in_their_own_shape),
        cmocka_unit_test(embeddings_are_numbers_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
