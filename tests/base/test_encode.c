/* Hex and base64 round-trip and refuse every second spelling. */
#include "test.h"

#include "base/encode.h"

static void base64_matches_rfc_4648(void **state)
{
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(pairs); i++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 };
        assert_done(sl_base64_add(&out, sl_view_str(pairs[i][0])));
        assert_view(sl_buf_view(&out), pairs[i][1]);
        SL_OWN(sl_buf, back, sl_buf_free) = { .max = 64 };
        assert_done(sl_base64_decode(sl_buf_view(&out), &back));
        assert_view(sl_buf_view(&back), pairs[i][0]);
    }
}

static void base64_refuses_other_spellings(void **state)
{
    static const char *const bad[] = { "Zg=",    "Zg",       "Zh==", "Zm9=", "Zm 9v",
                                       "Zm9v\n", "Zg==Zg==", "=",    "====", "Zm-_" };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 };
        assert_false(sl_ok(sl_base64_decode(sl_view_str(bad[i]), &out)));
        assert_int_equal(out.n, 0);
    }
}

static void hex_round_trips_and_refuses(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 };
    assert_done(sl_hex_add(&out, SL_LIT("\x00\xff\x1a")));
    assert_view(sl_buf_view(&out), "00ff1a");
    uint8_t bytes[3] = { 9, 9, 9 };
    assert_code(sl_hex_decode(SL_LIT("00fg1a"), bytes, 3), SL_E_SYNTAX);
    assert_int_equal(bytes[0], 9);
    assert_code(sl_hex_decode(SL_LIT("00ff1"), bytes, 3), SL_E_TRUNCATED);
    assert_done(sl_hex_decode(SL_LIT("00FF1a"), bytes, 3));
    assert_memory_equal(bytes, "\x00\xff\x1a", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_matches_rfc_4648),
        cmocka_unit_test(base64_refuses_other_spellings),
        cmocka_unit_test(hex_round_trips_and_refuses),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
