/* Statements: one text for one meaning, and nothing else is read. */
#include "vault_help.h"

static sl_statement full_grant(void)
{
    sl_statement s = help_grant("0011223344556677", "trial-7",
                                SL_DOOR_BIT(SL_DOOR_ASK) | SL_DOOR_BIT(SL_DOOR_INGEST), NOW_MS);
    s.tokens_d = 5;
    return s;
}

static void writes_sorted_canonical_text(void **state)
{
    sl_statement s = full_grant();
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    assert_view(sl_buf_view(&text),
                "{\"action\":\"grant.issue\",\"compartment\":\"trial-7\",\"doors\":\"ask,ingest\","
                "\"grant\":\"0011223344556677\",\"principal\":\"" PRINCIPAL "\","
                "\"purpose\":\"study\",\"requests_h\":100,\"site\":\"" SITE "\","
                "\"tokens_d\":5,\"until_ms\":1800000000000}");
}

static void reads_back_what_it_wrote(void **state)
{
    sl_statement s = full_grant();
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    sl_statement back;
    assert_done(sl_statement_decode(sl_buf_view(&text), &back));
    assert_memory_equal(&s, &back, sizeof s);
}

static void refuses_every_second_spelling(void **state)
{
    static const struct {
        const char *why;
        const char *text;
        int32_t code;
    } cases[] = {
        { "space", "{\"action\":\"compartment.seal\", \"compartment\":\"c\",\"site\":\"" SITE "\"}",
          SL_E_SYNTAX },
        { "order", "{\"compartment\":\"c\",\"action\":\"compartment.seal\",\"site\":\"" SITE "\"}",
          SL_E_SYNTAX },
        { "escape",
          "{\"action\":\"compartment.seal\",\"compartment\":\"\\u0063\",\"site\":\"" SITE "\"}",
          SL_E_TYPE },
        { "twice",
          "{\"action\":\"compartment.seal\",\"compartment\":\"c\",\"compartment\":\"d\",\"site\":"
          "\"" SITE "\"}",
          SL_E_DUPLICATE },
        { "unknown member",
          "{\"action\":\"compartment.seal\",\"compartment\":\"c\",\"force\":1,\"site\":\"" SITE
          "\"}",
          SL_E_UNKNOWN_FIELD },
        { "member of another action",
          "{\"action\":\"compartment.seal\",\"compartment\":\"c\",\"quorum\":1,\"site\":\"" SITE
          "\"}",
          SL_E_UNKNOWN_FIELD },
        { "zero that should be left out",
          "{\"action\":\"operator.remove\",\"operator\":\"p\",\"quorum\":0,\"site\":\"" SITE "\"}",
          SL_E_SYNTAX },
        { "missing", "{\"action\":\"compartment.seal\",\"site\":\"" SITE "\"}",
          SL_E_MISSING_FIELD },
        { "no site", "{\"action\":\"compartment.seal\",\"compartment\":\"c\"}",
          SL_E_MISSING_FIELD },
        { "unknown action",
          "{\"action\":\"compartment.sell\",\"compartment\":\"c\",\"site\":\"" SITE "\"}",
          SL_E_USAGE },
        { "path for a name",
          "{\"action\":\"compartment.seal\",\"compartment\":\"../c\",\"site\":\"" SITE "\"}",
          SL_E_SYNTAX },
        { "upper-case site",
          "{\"action\":\"compartment.seal\",\"compartment\":\"c\",\"site\":"
          "\"00112233445566778899AABBCCDDEEFF\"}",
          SL_E_SYNTAX },
        { "array", "[]", SL_E_TYPE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_statement s;
        sl_res r = sl_statement_decode(sl_view_str(cases[i].text), &s);
        if (r.code != cases[i].code) {
            print_error("%s: %s\n", cases[i].why, sl_res_name(r));
            fail();
        }
    }
}

static void digest_changes_with_every_byte(void **state)
{
    sl_statement s = full_grant();
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    sl_digest whole = sl_statement_digest(sl_buf_view(&text));
    for (size_t i = 0; i < text.n; i++) {
        text.p[i] ^= 1;
        sl_digest changed = sl_statement_digest(sl_buf_view(&text));
        assert_false(sl_digest_eq(&whole, &changed));
        text.p[i] ^= 1;
    }
}

static void doors_are_words_without_repetition(void **state)
{
    int64_t doors = 0;
    assert_done(sl_doors_parse(SL_LIT("run,ask"), &doors));
    assert_int_equal(doors, SL_DOOR_BIT(SL_DOOR_RUN) | SL_DOOR_BIT(SL_DOOR_ASK));
    assert_code(sl_doors_parse(SL_LIT("ask,ask"), &doors), SL_E_SYNTAX);
    assert_code(sl_doors_parse(SL_LIT(""), &doors), SL_E_SYNTAX);
    assert_code(sl_doors_parse(SL_LIT("ask,"), &doors), SL_E_SYNTAX);
    assert_code(sl_doors_parse(SL_LIT("back"), &doors), SL_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_sorted_canonical_text),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(refuses_every_second_spelling),
        cmocka_unit_test(digest_changes_with_every_byte),
        cmocka_unit_test(doors_are_words_without_repetition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
