/* UTF-8 is checked as RFC 3629 has it. */
#include "test.h"

#include "base/utf8.h"

static void malformed_bytes_are_found_where_they_start(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        size_t bad_at;
    } cases[] = {
        { "plain ascii, longer than eight", 30, 30 },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, 9 },
        { "a\xC0\x80", 3, 1 },         /* overlong NUL */
        { "\xE0\x80\xAF", 3, 0 },      /* overlong slash */
        { "\xED\xA0\x80", 3, 0 },      /* surrogate */
        { "\xF4\x90\x80\x80", 4, 0 },  /* above U+10FFFF */
        { "ab\x80", 3, 2 },            /* lone continuation */
        { "abcdefgh\xE2\x82", 10, 8 }, /* cut off */
        { "\xFF", 1, 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(sl_utf8_check(sl_view_of(cases[i].bytes, cases[i].n)), cases[i].bad_at);
    }
}

static void every_scalar_value_round_trips(void **state)
{
    for (uint32_t c = 0; c <= 0x110000; c++) {
        uint8_t bytes[4];
        size_t n = sl_utf8_encode(c, bytes);
        bool scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        assert_int_equal(n > 0, scalar);
        if (n > 0) {
            size_t length = 0;
            assert_int_equal(sl_utf8_next(sl_view_of(bytes, n), 0, &length), c);
            assert_int_equal(length, n);
        }
    }
}

static void open_tail_is_what_may_still_become_a_character(void **state)
{
    assert_int_equal(sl_utf8_open_tail(SL_LIT("ab\xE2\x82")), 2);
    assert_int_equal(sl_utf8_open_tail(SL_LIT("ab\xF0\x9F\x98")), 3);
    assert_int_equal(sl_utf8_open_tail(SL_LIT("ab\xC3")), 1);
    assert_int_equal(sl_utf8_open_tail(SL_LIT("ab\xC3\xA9")), 0);
    assert_int_equal(sl_utf8_open_tail(SL_LIT("ab\xE0\x80")), 0);
    assert_int_equal(sl_utf8_open_tail(SL_LIT("")), 0);
}

/* Eight plain bytes are passed over at once; fewer are looked at one by one. */
static void every_byte_is_judged_alike_at_every_place(void **state)
{
    (void)state;
    uint8_t bytes[29];
    for (size_t at = 0; at < sizeof bytes; at++) {
        for (unsigned b = 0; b < 256; b++) {
            memset(bytes, 'a' + (int)(b % 26), sizeof bytes);
            bytes[at] = (uint8_t)b;
            sl_view alone = sl_view_sub(sl_view_of(bytes, sizeof bytes), at, at + 4);
            size_t expected = sl_utf8_control(alone) == 0 ? at : sizeof bytes;
            assert_int_equal(sl_utf8_control(sl_view_of(bytes, sizeof bytes)), expected);
        }
    }
    assert_int_equal(sl_utf8_control(SL_LIT("a tab\tand\nlines\r\n, and then \x7F")), 28);
    assert_int_equal(sl_utf8_control(SL_LIT("caf\xC3\xA9 behind eight \x1B[2J")), 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_bytes_are_found_where_they_start),
        cmocka_unit_test(every_scalar_value_round_trips),
        cmocka_unit_test(open_tail_is_what_may_still_become_a_character),
        cmocka_unit_test(every_byte_is_judged_alike_at_every_place),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
