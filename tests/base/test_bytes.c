/* Views, buffers and arenas keep their ceilings and leave things as they were on failure. */
#include "test.h"

#include "base/arena.h"

static void buffer_refuses_to_grow_past_its_ceiling(void **state)
{
    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 4 };
    assert_done(sl_buf_add_str(&b, "abc"));
    assert_code(sl_buf_add_str(&b, "de"), SL_E_LIMIT);
    assert_view(sl_buf_view(&b), "abc");
    assert_done(sl_buf_add_byte(&b, 'd'));
    assert_string_equal(sl_buf_cstr(&b), "abcd");
    assert_int_equal(b.n, 4);
}

static void formatted_text_fits_exactly(void **state)
{
    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 5 };
    assert_done(sl_buf_addf(&b, "%d-%s", 12, "xy"));
    assert_view(sl_buf_view(&b), "12-xy");
    assert_code(sl_buf_addf(&b, "%d", 3), SL_E_LIMIT);
    assert_view(sl_buf_view(&b), "12-xy");
}

static void numbers_parse_strictly(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
        uint64_t value;
    } cases[] = {
        { "0", SL_OK, 0 },
        { "18446744073709551615", SL_OK, UINT64_MAX },
        { "18446744073709551616", SL_E_RANGE, 0 },
        { "99999999999999999999", SL_E_RANGE, 0 },
        { "", SL_E_SYNTAX, 0 },
        { "01", SL_E_SYNTAX, 0 },
        { "+1", SL_E_SYNTAX, 0 },
        { "1 ", SL_E_SYNTAX, 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        uint64_t value = 7;
        assert_code(sl_parse_u64(sl_view_str(cases[i].text), UINT64_MAX, &value), cases[i].code);
        assert_int_equal(value, cases[i].code == SL_OK ? cases[i].value : 7);
    }
    int64_t n = 0;
    assert_done(sl_parse_i64(SL_LIT("-9223372036854775808"), &n));
    assert_true(n == INT64_MIN);
    assert_code(sl_parse_i64(SL_LIT("9223372036854775808"), &n), SL_E_RANGE);
}

static void views_search_and_cut(void **state)
{
    sl_view v = SL_LIT("key=value=x");
    sl_view head;
    sl_view rest;
    assert_true(sl_view_cut(v, '=', &head, &rest));
    assert_view(head, "key");
    assert_view(rest, "value=x");
    assert_false(sl_view_cut(SL_LIT("plain"), '=', &head, &rest));
    assert_view(head, "plain");
    assert_int_equal(rest.n, 0);
    assert_int_equal(sl_view_find(v, SL_LIT("value"), 0), 4);
    assert_true(sl_view_find(v, SL_LIT("nothing"), 0) == SIZE_MAX);
    assert_true(sl_view_find(v, SL_LIT("x"), 99) == SIZE_MAX);
    assert_view(sl_view_sub(v, 9, 3), "");
    assert_true(sl_view_eq_nocase(SL_LIT("Content-Type"), SL_LIT("content-type")));
    assert_true(sl_view_cmp(SL_LIT("ab"), SL_LIT("abc")) < 0);
}

static void arena_keeps_its_ceiling_and_alignment(void **state)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 10000 };
    uint8_t *a = sl_arena_alloc(&arena, 3);
    uint8_t *b = sl_arena_alloc(&arena, 5000);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)b % 16, 0);
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(b[i], 0);
    }
    assert_null(sl_arena_alloc(&arena, 6000));
    assert_null(sl_arena_array(&arena, SIZE_MAX / 2, 4));
    assert_non_null(sl_arena_alloc(&arena, 100));
}

static void padded_fields_hold_a_text_and_nothing_behind_it(void **state)
{
    char text[5];
    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 8 };
    assert_true(sl_ok(sl_buf_add_padded(&b, SL_LIT("ab"), 4)));
    assert_true(sl_ok(sl_buf_add_padded(&b, SL_LIT("abcd"), 4)));
    assert_memory_equal(b.p, "ab\0\0abcd", 8);
    assert_true(sl_is(sl_buf_add_padded(&b, SL_LIT(""), 1), SL_E_LIMIT)); /* the buffer's ceiling */
    sl_buf_clear(&b);
    assert_true(sl_is(sl_buf_add_padded(&b, SL_LIT("abcde"), 4), SL_E_LIMIT));
    assert_int_equal(b.n, 0);
    assert_true(sl_ok(sl_padded_read((const uint8_t *)"ab\0\0", 4, text)));
    assert_string_equal(text, "ab");
    assert_true(sl_ok(sl_padded_read((const uint8_t *)"abcd", 4, text)));
    assert_string_equal(text, "abcd");
    assert_true(sl_is(sl_padded_read((const uint8_t *)"a\0b\0", 4, text), SL_E_SYNTAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_refuses_to_grow_past_its_ceiling),
        cmocka_unit_test(formatted_text_fits_exactly),
        cmocka_unit_test(numbers_parse_strictly),
        cmocka_unit_test(views_search_and_cut),
        cmocka_unit_test(padded_fields_hold_a_text_and_nothing_behind_it),
        cmocka_unit_test(arena_keeps_its_ceiling_and_alignment),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
