/* The response parser: one reading of each response however it is cut into reads, and an error for
 * every response that two readers could take apart differently. */
#include "test.h"

#include "doors/ask/http.h"

enum { BODY_MAX = 100 };

/* "STATUS:BODY" with what became of it: '.' complete, '+' complete and keeps the connection, '~'
 * not complete, '!' refused, '>' bytes left over. */
static void read_all(const char *text, size_t n, size_t step, bool closes, sl_buf *out)
{
    sl_http_answer h;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 4096 };
    bool bad = false;
    bool left = false;
    sl_http_init(&h, BODY_MAX);
    for (size_t at = 0; at < n && !bad && !left; at += step) {
        sl_view in = sl_view_of(text + at, step < n - at ? step : n - at);
        while (in.n != 0 && !bad && !left) {
            sl_view piece;
            left = h.at == SL_HTTP_DONE;
            bad = !left && !sl_ok(sl_http_next(&h, &in, &piece));
            if (!bad && !left) {
                assert_done(sl_buf_add(&body, piece));
            }
        }
    }
    if (closes && !bad) {
        bad = !sl_ok(sl_http_closed(&h));
    }
    const char *end = bad                    ? "!"
                      : left                 ? ">"
                      : h.at != SL_HTTP_DONE ? "~"
                      : h.keep_alive         ? "+"
                                             : ".";
    assert_done(sl_buf_addf(out, "%u:%.*s%s", h.status, SL_FMT(sl_buf_view(&body)), end));
    sl_http_free(&h);
}

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text;
    bool closes;
    const char *got;
} cases[] = {
    { HEAD "Content-Length: 5\r\n\r\nhello", false, "200:hello+" },
    { HEAD "content-length:5\r\nConnection: close\r\n\r\nhello", false, "200:hello." },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", false,
      "200:hello+" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", false,
      "200:hello+" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", false,
      "200:0123456789+" },
    { HEAD "\r\nhello", true, "200:hello." },
    { HEAD "\r\nhello", false, "200:hello~" },
    { HEAD "Content-Length: 0\r\n\r\n", false, "200:+" },
    { "HTTP/1.1 204 No Content\r\n\r\n", false, "204:+" },
    { "HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", false, "503:+" },
    { "HTTP/1.1 100 Continue\r\n\r\n" HEAD "Content-Length: 1\r\n\r\nx", false, "200:x+" },
    { HEAD "Content-Length: 5\r\n\r\nhel", true, "200:hel!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", true, "200:hel!" },
    { HEAD "Content-Length: 2\r\n\r\nabc", false, "200:ab>" },
    /* two readings */
    { HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, "200:!" },
    { HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", false, "200:!" },
    { HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", false, "200:!" },
    { HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", false, "200:!" },
    { HEAD "Content-Length: +5\r\n\r\nhello", false, "200:!" },
    { HEAD "Content-Length: 5, 5\r\n\r\nhello", false, "200:!" },
    { HEAD "Content-Length : 5\r\n\r\nhello", false, "200:!" },
    { HEAD " folded: 1\r\n\r\n", false, "200:!" },
    { HEAD "Content-Encoding: gzip\r\n\r\n", false, "200:!" },
    { HEAD "Content-Length: 5\n\r\nhello", false, "200:!" },
    { HEAD "A: b\rContent-Length: 5\r\n\r\nhello", false, "200:!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\n\r\n", false, "200:!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", false, "200:!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", false, "200:hel!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n000000005\r\nhello\r\n0\r\n\r\n", false, "200:!" },
    { "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, "0:!" },
    { "HTTP/1.0 200 OK\r\n\r\n", false, "0:!" },
    { "HTTP/2 200\r\n\r\n", false, "0:!" },
    { "SSH-2.0-x\r\n", false, "0:!" },
    /* limits */
    { HEAD "Content-Length: 101\r\n\r\n", false, "200:!" },
    { HEAD "Content-Length: 9999999999999999\r\n\r\n", false, "200:!" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", false, "200:~" },
};

static void every_split_gives_the_same_reading(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        size_t n = strlen(cases[i].text);
        for (size_t step = 1; step <= n; step++) {
            SL_OWN(sl_buf, got, sl_buf_free) = { .max = 4096 };
            read_all(cases[i].text, n, step, cases[i].closes, &got);
            sl_view want = sl_view_str(cases[i].got);
            sl_view have = sl_buf_view(&got);
            /* How much of a body came before the refusal depends on the reads; that it is refused
             * and with which status does not. */
            bool refused = want.p[want.n - 1] == '!';
            if (refused
                    ? have.p[have.n - 1] != '!' || !sl_view_starts(have, sl_view_sub(want, 0, 2))
                    : !sl_view_eq(have, want)) {
                print_error("case %zu step %zu: %.*s\n", i, step, SL_FMT(have));
                fail();
            }
        }
    }
}

static void an_endless_head_or_body_meets_the_ceiling(void **state)
{
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 1 << 20 };
    assert_done(sl_buf_add_str(&head, HEAD));
    for (int i = 0; i < 4000; i++) {
        assert_done(sl_buf_add_str(&head, "X-Filler: abc\r\n"));
    }
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 4096 };
    read_all((const char *)head.p, head.n, 100, false, &got);
    assert_view(sl_buf_view(&got), "200:!");

    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1 << 20 };
    assert_done(sl_buf_add_str(&body, HEAD "\r\n"));
    for (int i = 0; i < 40; i++) {
        assert_done(sl_buf_add_str(&body, "0123456789"));
    }
    sl_buf_clear(&got);
    read_all((const char *)body.p, body.n, 50, true, &got);
    assert_true(got.p[got.n - 1] == '!');
}

static void the_kind_is_told_by_content_type(void **state)
{
    static const struct {
        const char *head;
        sl_http_kind kind;
    } kinds[] = {
        { HEAD "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n", SL_HTTP_JSON },
        { HEAD "Content-Type: Application/JSON; charset=utf-8\r\n\r\n", SL_HTTP_JSON },
        { HEAD "Content-Type: text/event-stream;charset=utf-8\r\n\r\n", SL_HTTP_EVENTS },
        { HEAD "Content-Type: text/html\r\n\r\n", SL_HTTP_OTHER },
        { HEAD "Content-Type: application/jsonp\r\n\r\n", SL_HTTP_OTHER },
        { HEAD "\r\n", SL_HTTP_OTHER },
    };
    for (size_t i = 0; i < SL_COUNT_OF(kinds); i++) {
        sl_http_answer h;
        sl_view body;
        sl_view in = sl_view_str(kinds[i].head);
        sl_http_init(&h, BODY_MAX);
        assert_done(sl_http_next(&h, &in, &body));
        assert_int_equal(h.kind, kinds[i].kind);
        sl_http_free(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same_reading),
        cmocka_unit_test(an_endless_head_or_body_meets_the_ceiling),
        cmocka_unit_test(the_kind_is_told_by_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
