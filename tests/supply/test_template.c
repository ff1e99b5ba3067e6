/* A chat template's digest is of its text, however the file spells it. */
#include "test.h"

#include "supply/template.h"

static sl_digest digest(const char *json, bool *ret_found)
{
    sl_digest d = { 0 };
    assert_done(sl_template_digest(sl_view_str(json), ret_found, &d));
    return d;
}

static void of_the_text_and_not_of_its_spelling(void **state)
{
    bool found = false;
    sl_digest want = sl_sha256(SL_LIT("{{ x }}\n"));
    sl_digest a = digest("{\"chat_template\":\"{{ x }}\\n\",\"eos\":1}", &found);
    assert_true(found && sl_digest_eq(&a, &want));
    sl_digest b = digest("{\"eos\":2,\"chat_template\":\"\\u007b{ x }}\\u000a\"}", &found);
    assert_true(found && sl_digest_eq(&b, &want));
    sl_digest c = digest("{\"chat_template\":\"{{ y }}\\n\"}", &found);
    assert_false(sl_digest_eq(&c, &want));
}

static void of_a_list_its_names_count(void **state)
{
    bool found = false;
    sl_digest a = digest("{\"chat_template\":[{\"name\":\"d\",\"template\":\"x\"}]}", &found);
    sl_digest b = digest("{\"chat_template\":[{\"template\":\"x\",\"name\":\"d\"}]}", &found);
    sl_digest c = digest("{\"chat_template\":[{\"name\":\"dx\",\"template\":\"\"}]}", &found);
    assert_true(sl_digest_eq(&a, &b));
    assert_false(sl_digest_eq(&a, &c));
}

static void none_and_nonsense(void **state)
{
    bool found = true;
    sl_digest d;
    (void)digest("{\"eos\":1}", &found);
    assert_false(found);
    (void)digest("[]", &found);
    assert_false(found);
    assert_code(sl_template_digest(SL_LIT("{\"chat_template\":1}"), &found, &d), SL_E_TYPE);
    assert_code(sl_template_digest(SL_LIT("{\"chat_template\":[1]}"), &found, &d), SL_E_TYPE);
    assert_code(sl_template_digest(SL_LIT("{\"chat_template\":[{\"name\":\"a\"}]}"), &found, &d),
                SL_E_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_text_and_not_of_its_spelling),
        cmocka_unit_test(of_a_list_its_names_count),
        cmocka_unit_test(none_and_nonsense),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
