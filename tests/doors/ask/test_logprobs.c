/* Log-probabilities: with the ability they leave with the text that they belong to, and no further than
 * the first thing that was hidden; without it, never. */
#include "rig.h"

#define CHAT "/v1/chat/completions"
#define ASK                                                                                        \
    "{\"model\":\"trial-model\",\"logprobs\":true,\"top_logprobs\":2,\"messages\":[{\"role\":"     \
    "\"user\",\"content\":\"x\"}]"
#define TOKEN(text, number)                                                                        \
    "{\"token\":\"" text "\",\"logprob\":" number ",\"bytes\":[1,2],\"top_logprobs\":[{\"token\":" \
    "\"MASKME\",\"logprob\":-3}]}"
#define DELTA(text, tokens)                                                                        \
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                                    \
    "\"},\"logprobs\":{\"content\":[" tokens "]},\"finish_reason\":null}]}"
#define END_OF_CHOICE "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define OUR_TOKEN(text, number)                                                                    \
    "{\"token\":\"" text "\",\"logprob\":" number ",\"bytes\":null,\"top_logprobs\":[]}"

static const char *const events[] = {
    DELTA("Week two ", TOKEN("Week", "-0.25") "," TOKEN(" two ", "-1.5e0")),
    DELTA("was \\u00e9gal for ", TOKEN("was \\u00e9", "-7") "," TOKEN("gal for ", "-123456789")),
    DELTA("MASK", TOKEN("MASK", "-0.5")),
    DELTA("ME and then all was well again",
          TOKEN("ME", "-0.125") "," TOKEN(" and then all was well again", "-0.0625")),
    END_OF_CHOICE,
    "[DONE]",
};

static void stream_of(sl_buf *http, const char *const *list, size_t n)
{
    sl_buf_clear(http);
    rig_sse_head(http);
    for (size_t i = 0; i < n; i++) {
        rig_sse_event(http, list[i]);
    }
}

/* All that follows `"token":` in the client's bytes, joined with bars. */
static void tokens_of(const rig *r, sl_buf *out)
{
    sl_view mark = SL_LIT("\"token\":\"");
    sl_view in = sl_buf_view(&r->client);
    for (size_t at = sl_view_find(in, mark, 0); at != SIZE_MAX;
         at = sl_view_find(in, mark, at + 1)) {
        size_t from = at + mark.n;
        size_t to = sl_view_find_byte(in, '"', from);
        assert_done(sl_buf_add(out, sl_view_sub(in, from, to)));
        assert_done(sl_buf_add_byte(out, '|'));
    }
}

static void they_leave_up_to_what_was_hidden(void **state)
{
    (void)state;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    stream_of(&http, events, SL_COUNT_OF(events));
    for (size_t step = 1; step <= http.n; step += 7) {
        SL_OWN(sl_buf, tokens, sl_buf_free) = { .max = 1 << 20 };
        r.next_index = 100;
        rig_post(&r, CHAT, ASK ",\"stream\":true}");
        rig_upstream(&r, sl_buf_view(&http), step);
        assert_true(sl_ask_door_over(r.door));
        tokens_of(&r, &tokens);
        assert_view(sl_buf_view(&tokens), "Week| two |was \xc3\xa9|gal for |");
        if (step == 1) {
            assert_done(sl_buf_add(&want, sl_buf_view(&r.client)));
        }
        assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&r.client)));
    }
    assert_true(rig_saw(&want, OUR_TOKEN("Week", "-0.25000")));
    assert_true(rig_saw(&want, OUR_TOKEN(" two ", "-1.50000")));
    assert_true(rig_saw(&want, OUR_TOKEN("gal for ", "-9999.00000")));
    assert_false(rig_saw(&want, "MASKME"));
    assert_false(rig_saw(&want, "0.0625"));
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    rig_content(&r, &text);
    assert_true(rig_saw(&text, "[NAME] and then all was well again"));
    rig_free(&r);
}

static void without_the_ability_none_leaves(void **state)
{
    (void)state;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    stream_of(&http, events, SL_COUNT_OF(events));
    rig_post(&r, CHAT, ASK ",\"stream\":true}");
    rig_upstream(&r, sl_buf_view(&http), http.n);
    assert_true(sl_ask_door_over(r.door));
    assert_false(rig_saw(&r.client, "logprob\""));
    rig_free(&r);
}

/* What a model server may not say: tokens that are not its text, numbers that are none. */
static void what_does_not_fit_the_text_ends_them(void **state)
{
    (void)state;
    static const char *const bad[] = {
        DELTA("Week two is over", TOKEN("Week", "-1") "," TOKEN(" MASKME", "-1")),
        DELTA("Week two is over", TOKEN("Week", "-1")),
        DELTA("Week two is over", TOKEN("Week", "\\\"x\\\"")),
        DELTA("Week two is over", TOKEN("", "-1")),
        DELTA("Week two is over", "7"),
        DELTA("Week two is over", TOKEN("Week two is over and out", "-1")),
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Week two is over\"}}]}",
    };
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        const char *const list[] = { bad[i], DELTA(" and the next", TOKEN(" and the next", "-1")),
                                     END_OF_CHOICE, "[DONE]" };
        stream_of(&http, list, SL_COUNT_OF(list));
        rig_post(&r, CHAT, ASK ",\"stream\":true}");
        rig_upstream(&r, sl_buf_view(&http), 50);
        assert_true(sl_ask_door_over(r.door));
        assert_false(rig_saw(&r.client, "\"logprob\""));
        assert_false(rig_saw(&r.client, "MASKME"));
    }
    rig_free(&r);
}

static void whole_answers_and_the_older_api_keep_the_same_rule(void **state)
{
    (void)state;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    rig_post(&r, CHAT, ASK "}");
    rig_json_answer(
        &http,
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"So MASKME it is\"},\"logprobs\":{\"content\":[" TOKEN("So ", "-1") "," TOKEN(
            "MASKME", "-2") "," TOKEN(" it is", "-4") "]},\"finish_reason\":\"stop\"}]}");
    rig_upstream(&r, sl_buf_view(&http), 11);
    assert_true(rig_saw(&r.client,
                        "\"logprobs\":{\"content\":[" OUR_TOKEN(
                            "So ", "-1.00000") "],\"refusal\":null},\"finish_reason\":\"stop\""));
    assert_false(rig_saw(&r.client, "MASKME"));

    rig_post(&r, "/v1/completions", "{\"model\":\"trial-model\",\"prompt\":\"x\",\"logprobs\":2}");
    sl_buf_clear(&http);
    rig_json_answer(&http, "{\"choices\":[{\"text\":\"\\u00e9t\\u00e9 then MASKME\",\"index\":0,"
                           "\"logprobs\":{\"tokens\":[\"\\u00e9t\\u00e9\",\" then \",\"MASKME\"],"
                           "\"token_logprobs\":[-1,-2.5,-3],\"top_logprobs\":[{\"MASKME\":-1}]},"
                           "\"finish_reason\":\"length\"}]}");
    rig_upstream(&r, sl_buf_view(&http), 11);
    assert_true(rig_saw(&r.client, "\"logprobs\":{\"tokens\":[\"\xc3\xa9t\xc3\xa9\",\" then \"],"
                                   "\"token_logprobs\":[-1.00000,-2.50000],\"top_logprobs\":null,"
                                   "\"text_offset\":[0,3]}"));
    assert_false(rig_saw(&r.client, "MASKME"));
    rig_free(&r);
}

#define RESPONSES "/v1/responses"
#define ASK_RESPONSE                                                                               \
    "{\"model\":\"trial-model\",\"input\":\"x\",\"top_logprobs\":2,"                               \
    "\"include\":[\"message.output_text.logprobs\"]"
#define PIECE(text, tokens)                                                                        \
    "{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":"   \
    "\"" text "\",\"logprobs\":[" tokens "]}"
#define PART_OF_RESPONSE(what, number)                                                             \
    "{\"type\":\"response.content_part." what "\",\"output_index\":0,\"content_index\":" number    \
    ",\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}}"

/* Two texts of one message: what the first one sets free is said again with it; in the second a name is hidden. */
static const char *const response_events[] = {
    "{\"type\":\"response.created\",\"response\":{}}",
    "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"message\","
    "\"id\":\"up\",\"role\":\"assistant\",\"content\":[]}}",
    PART_OF_RESPONSE("added", "0"),
    PIECE("Week two ", TOKEN("Week", "-0.25") "," TOKEN(" two ", "-1.5e0")),
    PIECE("is over.", TOKEN("is over.", "-3")),
    PART_OF_RESPONSE("done", "0"),
    PART_OF_RESPONSE("added", "1"),
    PIECE("It was MASK", TOKEN("It was ", "-4") "," TOKEN("MASK", "-0.5")),
    PIECE("ME and then all was well", TOKEN("ME", "-1") "," TOKEN(" and then all was well", "-2")),
    PART_OF_RESPONSE("done", "1"),
    PART_OF_RESPONSE("added", "2"),
    PIECE("Good bye", TOKEN("Good bye", "-5")),
    "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{}}",
    "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}",
};

static void responses_say_them_with_a_text_and_again(void **state)
{
    (void)state;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    stream_of(&http, response_events, SL_COUNT_OF(response_events));
    for (size_t step = 1; step <= http.n; step += 97) {
        SL_OWN(sl_buf, tokens, sl_buf_free) = { .max = 1 << 20 };
        rig_post(&r, RESPONSES, ASK_RESPONSE ",\"stream\":true}");
        assert_true(rig_saw(&r.upstream, "\"include\":[\"message.output_text.logprobs\"]"));
        rig_upstream(&r, sl_buf_view(&http), step);
        assert_true(sl_ask_door_over(r.door));
        tokens_of(&r, &tokens);
        /* The delta, the text, its part; of the second text likewise; then the item and the response. */
        assert_view(sl_buf_view(&tokens),
                    "Week| two |is over.|Week| two |is over.|Week| two |is over.|"
                    "It was |It was |It was |"
                    "Week| two |is over.|It was |Week| two |is over.|It was |");
    }
    assert_true(rig_saw(&r.client, "\"text\":\"Week two is over.\",\"logprobs\":[" OUR_TOKEN(
                                       "Week", "-0.25000") "," OUR_TOKEN(" two ", "-1.50000")));
    assert_false(rig_saw(&r.client, "MASK"));
    assert_false(rig_saw(&r.client, "-5.0"));
    r.who.features = 0;
    rig_post(&r, RESPONSES, "{\"model\":\"trial-model\",\"input\":\"x\",\"stream\":true}");
    rig_upstream(&r, sl_buf_view(&http), 50);
    assert_true(sl_ask_door_over(r.door));
    assert_false(rig_saw(&r.client, "\"logprob\""));
    rig_free(&r);
}

static void a_whole_response_has_them_up_to_what_was_hidden(void **state)
{
    (void)state;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    r.who.features = 1U << SL_FEATURE_LOGPROBS;
    rig_post(&r, RESPONSES, ASK_RESPONSE "}");
    rig_json_answer(
        &http, "{\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":["
               "{\"type\":\"output_text\",\"text\":\"So it is. \",\"logprobs\":[" TOKEN(
                   "So it is. ", "-1") "]},{\"type\":\"output_text\",\"text\":\"But MASKME not\","
                                       "\"logprobs\":[" TOKEN("But ", "-2") "," TOKEN(
                                           "MASKME", "-3") "," TOKEN(" not", "-4") "]}]}]}");
    rig_upstream(&r, sl_buf_view(&http), 11);
    assert_true(rig_saw(&r.client, "\"logprobs\":[" OUR_TOKEN("So it is. ", "-1.00000") "]"));
    assert_true(rig_saw(&r.client, "\"logprobs\":[" OUR_TOKEN("But ", "-2.00000") "]"));
    assert_false(rig_saw(&r.client, "MASKME"));
    assert_false(rig_saw(&r.client, "-4.0"));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_leave_up_to_what_was_hidden),
        cmocka_unit_test(without_the_ability_none_leaves),
        cmocka_unit_test(what_does_not_fit_the_text_ends_them),
        cmocka_unit_test(whole_answers_and_the_older_api_keep_the_same_rule),
        cmocka_unit_test(responses_say_them_with_a_text_and_again),
        cmocka_unit_test(a_whole_response_has_them_up_to_what_was_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
