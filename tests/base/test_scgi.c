/* SCGI requests: what is accepted, what is refused and with which code, at every possible split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scgi.h"

#define BODY_MAX 100

/* Literals with NULs inside: sizeof knows their length, so that no length is counted by hand. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                         \
    }

static const struct {
    const char *what;
    sl_view head; /* the netstring's content */
    sl_code expect;
} heads[] = {
    { "the specification's own shape",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0REQUEST_METHOD\0POST\0REQUEST_URI\0/x\0"),
      SL_OK },
    { "an empty value",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0CONTENT_TYPE\0\0"),
      SL_OK },
    { "tab and high bytes in a value",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0HTTP_X\0a\t\xC3\xA9\0"),
      SL_OK },
    { "no header at all", BYTES(""), SL_E_MISSING_FIELD },
    { "length not first",
      BYTES("SCGI\0"
            "1\0CONTENT_LENGTH\0"
            "3\0"),
      SL_E_MISSING_FIELD },
    { "no version",
      BYTES("CONTENT_LENGTH\0"
            "3\0"),
      SL_E_MISSING_FIELD },
    { "another version",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "2\0"),
      SL_E_VERSION },
    { "a name twice",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0A\0x\0A\0x\0"),
      SL_E_DUPLICATE },
    { "the length twice",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0CONTENT_LENGTH\0"
            "4\0"),
      SL_E_DUPLICATE },
    { "an empty name",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0\0x\0"),
      SL_E_SYNTAX },
    { "a lower-case name",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0abc\0x\0"),
      SL_E_SYNTAX },
    { "a name without value",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0A\0"),
      SL_E_SYNTAX },
    { "no last NUL",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1"),
      SL_E_SYNTAX },
    { "a line feed in a value",
      BYTES("CONTENT_LENGTH\0"
            "3\0SCGI\0"
            "1\0A\0x\ny\0"),
      SL_E_SYNTAX },
    { "a sign in the length",
      BYTES("CONTENT_LENGTH\0+3\0SCGI\0"
            "1\0"),
      SL_E_SYNTAX },
    { "a leading zero",
      BYTES("CONTENT_LENGTH\0"
            "03\0SCGI\0"
            "1\0"),
      SL_E_SYNTAX },
    { "an empty length",
      BYTES("CONTENT_LENGTH\0\0SCGI\0"
            "1\0"),
      SL_E_SYNTAX },
    { "a length beyond 64 bits",
      BYTES("CONTENT_LENGTH\0"
            "18446744073709551619\0SCGI\0"
            "1\0"),
      SL_E_SYNTAX },
    { "a body beyond the limit",
      BYTES("CONTENT_LENGTH\0"
            "101\0SCGI\0"
            "1\0"),
      SL_E_LIMIT },
};

static void frame(sl_buf *out, sl_view head, sl_view tail)
{
    assert_true(sl_ok(sl_buf_addf(out, "%zu:", head.n)));
    assert_true(sl_ok(sl_buf_add(out, head)));
    assert_true(sl_ok(sl_buf_add(out, tail)));
}

static void heads_are_accepted_or_refused_by_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(heads); i++) {
        SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 4096 };
        frame(&bytes, heads[i].head, SL_LIT(","));
        sl_scgi_request request = { .header_count = 77 };
        sl_res r = sl_scgi_head(sl_buf_view(&bytes), BODY_MAX, &request);
        if (!sl_is(r, heads[i].expect)) {
            fail_msg("%s: got %s", heads[i].what, sl_res_name(r));
        }
        if (!sl_ok(r)) {
            assert_int_equal(request.header_count, 77);
        }
    }
}

static void every_prefix_asks_for_more(void **state)
{
    (void)state;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 4096 };
    frame(&bytes, heads[0].head, SL_LIT(",abc"));
    sl_scgi_request request;
    sl_view body;
    for (size_t n = 0; n < bytes.n; n++) {
        sl_view part = sl_view_of(bytes.p, n);
        sl_res r = sl_scgi_head(part, BODY_MAX, &request);
        if (sl_ok(r)) {
            assert_true(n >= bytes.n - 3);
            r = sl_scgi_body(part, &request, &body);
        }
        assert_true(sl_is(r, SL_E_AGAIN));
    }
    assert_true(sl_ok(sl_scgi_head(sl_buf_view(&bytes), BODY_MAX, &request)));
    assert_true(sl_ok(sl_scgi_body(sl_buf_view(&bytes), &request, &body)));
    assert_true(sl_view_eq_str(body, "abc"));
    assert_true(sl_view_eq_str(sl_scgi_get(&request, "REQUEST_METHOD"), "POST"));
    assert_true(sl_view_eq_str(sl_scgi_get(&request, "REQUEST_URI"), "/x"));
    assert_null(sl_scgi_get(&request, "REQUEST_UR").p);
}

static void bytes_after_the_body_are_refused(void **state)
{
    (void)state;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 4096 };
    frame(&bytes, heads[0].head, SL_LIT(",abcd"));
    sl_scgi_request request;
    sl_view body;
    assert_true(sl_ok(sl_scgi_head(sl_buf_view(&bytes), BODY_MAX, &request)));
    assert_true(sl_is(sl_scgi_body(sl_buf_view(&bytes), &request, &body), SL_E_TRAILING));
}

static void the_frame_itself_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        sl_code expect;
    } cases[] = {
        { "", SL_E_AGAIN },
        { "1", SL_E_AGAIN },
        { "x", SL_E_SYNTAX },
        { ":", SL_E_SYNTAX },
        { "-1:", SL_E_SYNTAX },
        { " 1:", SL_E_SYNTAX },
        { "01:a,", SL_E_SYNTAX },
        { "1:aa", SL_E_SYNTAX },
        { "70000:", SL_E_LIMIT },
        { "9999999:", SL_E_LIMIT },
        { "GET / HTTP/1.1", SL_E_SYNTAX },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_scgi_request request;
        sl_res r = sl_scgi_head(sl_view_str(cases[i].bytes), BODY_MAX, &request);
        if (!sl_is(r, cases[i].expect)) {
            fail_msg("'%s': got %s", cases[i].bytes, sl_res_name(r));
        }
    }
}

static void more_headers_than_the_limit_are_refused(void **state)
{
    (void)state;
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 8192 };
    assert_true(sl_ok(sl_buf_add(&head, heads[0].head)));
    for (size_t i = 4; i < SL_SCGI_HEADERS_MAX; i++) {
        assert_true(sl_ok(sl_buf_addf(&head, "H%zu%c%c", i, 0, 0)));
    }
    sl_scgi_request request;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 16384 };
    frame(&bytes, sl_buf_view(&head), SL_LIT(","));
    assert_true(sl_ok(sl_scgi_head(sl_buf_view(&bytes), BODY_MAX, &request)));
    assert_int_equal(request.header_count, SL_SCGI_HEADERS_MAX);

    assert_true(sl_ok(sl_buf_add(&head, sl_view_of("ONE_MORE\0\0", 10))));
    sl_buf_clear(&bytes);
    frame(&bytes, sl_buf_view(&head), SL_LIT(","));
    assert_true(sl_is(sl_scgi_head(sl_buf_view(&bytes), BODY_MAX, &request), SL_E_LIMIT));
}

static void an_answer_cannot_be_split_by_a_field(void **state)
{
    (void)state;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    assert_true(sl_ok(sl_scgi_answer_status(&out, 404)));
    assert_true(
        sl_is(sl_scgi_answer_field(&out, "X-A", SL_LIT("b\r\nSet-Cookie: c")), SL_E_SYNTAX));
    assert_true(sl_view_eq_str(sl_buf_view(&out), "Status: 404 Not Found\r\n"));
    sl_buf_clear(&out);
    assert_true(sl_ok(sl_scgi_answer(&out, 200, "text/plain", SL_LIT("hi"))));
    assert_true(sl_view_eq_str(sl_buf_view(&out),
                               "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
                               "Cache-Control: no-store\r\n\r\nhi"));
    assert_true(sl_is(sl_scgi_answer_status(&out, 99), SL_E_RANGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_accepted_or_refused_by_code),
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(bytes_after_the_body_are_refused),
        cmocka_unit_test(the_frame_itself_is_strict),
        cmocka_unit_test(more_headers_than_the_limit_are_refused),
        cmocka_unit_test(an_answer_cannot_be_split_by_a_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
