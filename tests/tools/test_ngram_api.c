/* The n-gram model's API: shapes that official clients read, streams that add up to the whole answer,
 * bad requests answered as such. */
#include "test.h"

#include "api.h"
#include "base/json.h"

static ngram_model model;
static const ngram_service service = { &model, "ngram", 1, 64 };

static int train(void **state)
{
    assert_done(ngram_model_init(&model, 6, 1));
    assert_done(
        ngram_model_document(&model, SL_LIT("The visit was on Monday and all was well.\n")));
    return sl_ok(ngram_model_sort(&model)) ? 0 : -1;
}

static int discard(void **state)
{
    ngram_model_free(&model);
    return 0;
}

/* The answer's bytes to one request, a stream run to its end. */
static void ask(const char *method, const char *path, const char *body, sl_buf *out)
{
    sl_scgi_request request = { .header_count = 2 };
    request.headers[0] = (sl_scgi_header){ SL_LIT("REQUEST_METHOD"), sl_view_str(method) };
    request.headers[1] = (sl_scgi_header){ SL_LIT("REQUEST_URI"), sl_view_str(path) };
    ngram_stream *stream = NULL;
    assert_done(ngram_answer(&service, &request, sl_view_str(body), 1000, 5, out, &stream));
    bool done = stream == NULL;
    while (!done) {
        assert_done(ngram_stream_next(stream, out, &done));
    }
    ngram_stream_free(stream);
}

static sl_view body_of(const sl_buf *out)
{
    size_t at = sl_view_find(sl_buf_view(out), SL_LIT("\r\n\r\n"), 0);
    assert_true(at != SIZE_MAX);
    return sl_view_sub(sl_buf_view(out), at + 4, out->n);
}

static const sl_json_node *first_choice(const sl_json_doc *doc)
{
    sl_json_iter it = { 0 };
    return sl_json_each(doc, sl_json_get(doc, sl_json_root(doc), "choices"), &it) ? it.value : NULL;
}

static void a_chat_continues_the_last_user_message(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    ask("POST", "/v1/chat/completions",
        "{\"model\":\"x\",\"temperature\":0,\"logprobs\":true,\"top_logprobs\":2,\"messages\":["
        "{\"role\":\"user\",\"content\":\"no\"},{\"role\":\"assistant\",\"content\":\"no\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"The visit\"}]}]}",
        &out);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
    assert_done(sl_json_parse(body_of(&out), &doc));
    const sl_json_node *choice = first_choice(&doc);
    const sl_json_node *message = sl_json_get(&doc, choice, "message");
    assert_true(sl_json_text_is(sl_json_get(&doc, message, "content"),
                                " was on Monday and all was well.\n"));
    assert_true(sl_json_text_is(sl_json_get(&doc, choice, "finish_reason"), "stop"));
    const sl_json_node *items = sl_json_get(&doc, sl_json_get(&doc, choice, "logprobs"), "content");
    assert_int_equal(items->count, 9);
}

static void stream_text(const sl_buf *out, sl_buf *text, size_t *ret_events)
{
    sl_view rest = body_of(out);
    *ret_events = 0;
    for (;;) {
        size_t end = sl_view_find(rest, SL_LIT("\n\n"), 0);
        assert_true(end != SIZE_MAX && sl_view_starts(rest, SL_LIT("data: ")));
        sl_view data = sl_view_sub(rest, 6, end);
        rest = sl_view_sub(rest, end + 2, rest.n);
        if (sl_view_eq_str(data, "[DONE]")) {
            assert_int_equal(rest.n, 0);
            return;
        }
        (*ret_events)++;
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
        assert_done(sl_json_parse(data, &doc));
        const sl_json_node *delta = sl_json_get(&doc, first_choice(&doc), "delta");
        const sl_json_node *content = sl_json_get(&doc, delta, "content");
        if (content != NULL) {
            assert_done(sl_json_add_text(content, text));
        }
    }
}

static void a_stream_adds_up_to_the_whole_answer(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    ask("POST", "/v1/chat/completions",
        "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\":0,"
        "\"stop\":[\"and all\"],\"messages\":[{\"role\":\"user\",\"content\":\"The visit\"}]}",
        &out);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    size_t events = 0;
    stream_text(&out, &text, &events);
    assert_view(sl_buf_view(&text), " was on Monday ");
    assert_true(events >= 5);
    assert_true(sl_view_find(sl_buf_view(&out), SL_LIT("\"usage\""), 0) != SIZE_MAX);
}

static void an_echoed_prompt_comes_with_its_own_probabilities(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    ask("POST", "/v1/completions",
        "{\"prompt\":\"The visit was\",\"max_tokens\":0,\"echo\":true,\"logprobs\":1}", &out);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
    assert_done(sl_json_parse(body_of(&out), &doc));
    const sl_json_node *choice = first_choice(&doc);
    assert_true(sl_json_text_is(sl_json_get(&doc, choice, "text"), "The visit was"));
    const sl_json_node *lists = sl_json_get(&doc, choice, "logprobs");
    static const char *const names[] = { "tokens", "token_logprobs", "top_logprobs",
                                         "text_offset" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        assert_int_equal(sl_json_get(&doc, lists, names[i])->count, 3);
    }
}

static void embeddings_are_unit_vectors_and_close_for_close_texts(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    ask("POST", "/v1/embeddings",
        "{\"input\":[\"The visit was on Monday\",\"The visit was on\",\"zqx 77 ;;\"]}", &out);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
    assert_done(sl_json_parse(body_of(&out), &doc));
    double v[3][NGRAM_EMBEDDING_SIZE];
    sl_json_iter items = { 0 };
    for (size_t i = 0; i < 3; i++) {
        assert_true(sl_json_each(&doc, sl_json_get(&doc, sl_json_root(&doc), "data"), &items));
        sl_json_iter values = { 0 };
        const sl_json_node *list = sl_json_get(&doc, items.value, "embedding");
        for (size_t k = 0; k < NGRAM_EMBEDDING_SIZE; k++) {
            assert_true(sl_json_each(&doc, list, &values));
            assert_done(sl_json_f64(values.value, &v[i][k]));
        }
    }
    double near = 0;
    double far = 0;
    double self = 0;
    for (size_t k = 0; k < NGRAM_EMBEDDING_SIZE; k++) {
        near += v[0][k] * v[1][k];
        far += v[0][k] * v[2][k];
        self += v[0][k] * v[0][k];
    }
    assert_true(self > 0.999 && self < 1.001);
    assert_true(near > 0.7 && far < 0.4);
}

static void bad_requests_are_answered_as_such(void **state)
{
    static const struct {
        const char *method, *path, *body, *status;
    } cases[] = {
        { "POST", "/v1/chat/completions", "{", "Status: 400" },
        { "POST", "/v1/chat/completions", "[]", "Status: 400" },
        { "POST", "/v1/chat/completions", "{\"messages\":[]}", "Status: 400" },
        { "POST", "/v1/chat/completions",
          "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":9}",
          "Status: 400" },
        { "POST", "/v1/chat/completions",
          "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":99}", "Status: 400" },
        { "POST", "/v1/embeddings", "{}", "Status: 400" },
        { "POST", "/v1/nothing", "{}", "Status: 404" },
        { "GET", "/v1/chat/completions", "", "Status: 405" },
        { "GET", "/v1/models/other", "", "Status: 404" },
        { "GET", "/v1/models/ngram", "", "Status: 200" },
        { "GET", "/v1/models", "", "Status: 200" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
        ask(cases[i].method, cases[i].path, cases[i].body, &out);
        if (!sl_view_starts(sl_buf_view(&out), sl_view_str(cases[i].status))) {
            fail_msg("%s %s: wanted %s", cases[i].path, cases[i].body, cases[i].status);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_continues_the_last_user_message),
        cmocka_unit_test(a_stream_adds_up_to_the_whole_answer),
        cmocka_unit_test(an_echoed_prompt_comes_with_its_own_probabilities),
        cmocka_unit_test(embeddings_are_unit_vectors_and_close_for_close_texts),
        cmocka_unit_test(bad_requests_are_answered_as_such),
    };
    return cmocka_run_group_tests(tests, train, discard);
}
