/* The event stream parser: the same events for every way of cutting the bytes (the start of P1),
 * all three line endings, and an error for what is not an event stream. */
#include "test.h"

#include "doors/ask/sse.h"

/* Events as "[name|data]" one after the other, or "!" where the parser refused. */
static void events_of(const char *text, size_t n, size_t step, size_t max, sl_buf *out)
{
    sl_sse s;
    bool ended = false;
    sl_sse_init(&s, max);
    for (size_t at = 0; at < n && !ended; at += step) {
        sl_view in = sl_view_of(text + at, step < n - at ? step : n - at);
        while (in.n != 0 && !ended) {
            bool ready = false;
            sl_sse_event e = { 0 };
            if (!sl_ok(sl_sse_next(&s, &in, &ready, &e))) {
                assert_done(sl_buf_add_str(out, "!"));
                ended = true;
            } else if (ready) {
                assert_done(sl_buf_addf(out, "[%.*s|%.*s]", SL_FMT(e.name), SL_FMT(e.data)));
            }
        }
    }
    if (!ended && !sl_ok(sl_sse_end(&s))) {
        assert_done(sl_buf_add_str(out, "?"));
    }
    sl_sse_free(&s);
}

typedef struct {
    const char *text;
    const char *events;
} sse_case;

static const sse_case cases[] = {
    { "data: a\n\n", "[|a]" },
    { "data: a\r\n\r\n", "[|a]" },
    { "data: a\r\r", "[|a]" },
    { "data:a\n\ndata: b\n\n", "[|a][|b]" },
    { "data: a\ndata: b\n\n", "[|a\nb]" },
    { "data:  a\n\n", "[| a]" },
    { "event: delta\ndata: {}\n\n", "[delta|{}]" },
    { "event: ping\n\n", "[ping|]" },
    { "data\n\n", "[|]" },
    { ": comment\n\n", "" },
    { "id: 7\nretry: 10\ndata: a\n\n", "[|a]" },
    { "\n\n\ndata: a\n\n\n\n", "[|a]" },
    { "\xef\xbb\xbf"
      "data: a\n\n",
      "[|a]" },
    { "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      "[|a]!" },
    { "data: a\r\n\r\n: x\r\n\r\ndata: b\r\n\r\n", "[|a][|b]" },
    { "data: a", "?" },
    { "data: a\n", "?" },
    { "event: x\n", "?" },
    { "nonsense\n\n", "!" },
    { "{\"a\":1}\n\n", "!" },
    { "event: \xff\n\n", "!" },
    { "Data: a\n\n", "!" },
    { "data : a\n\n", "!" },
};

static void every_split_gives_the_same_events(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        size_t n = strlen(cases[i].text);
        for (size_t step = 1; step <= n; step++) {
            SL_OWN(sl_buf, got, sl_buf_free) = { .max = 4096 };
            events_of(cases[i].text, n, step, 1000, &got);
            assert_view(sl_buf_view(&got), cases[i].events);
        }
    }
}

static void a_nul_byte_is_refused(void **state)
{
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 100 };
    events_of("data: a\0b\n\n", 11, 3, 1000, &got);
    assert_view(sl_buf_view(&got), "!");
}

static void endless_lines_and_events_meet_the_ceiling(void **state)
{
    char line[400];
    memset(line, 'x', sizeof line);
    SL_OWN(sl_buf, endless, sl_buf_free) = { .max = 100 };
    events_of(line, sizeof line, 7, 100, &endless);
    assert_view(sl_buf_view(&endless), "!");

    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    for (int i = 0; i < 30; i++) {
        assert_done(sl_buf_add_str(&text, "data: abcdef\n"));
    }
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = 100 };
    events_of((const char *)text.p, text.n, 5, 100, &lines);
    assert_view(sl_buf_view(&lines), "!");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same_events),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(endless_lines_and_events_meet_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
