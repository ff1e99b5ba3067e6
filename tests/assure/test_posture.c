/* The page and the OSCAL document made of a posture. With the argument "oscal" it prints that document, for
 * validate_oscal.py to hold against NIST's schema. */
#include "test.h"

#include "assure/posture.h"
#include "assure/shipped.h"
#include "base/json.h"

#define NOW_MS ((int64_t)1795266000000)

static sl_answer answers[SL_CHECKS_MAX];
static sl_catalogue *catalogue;

static sl_posture fixture(void)
{
    sl_posture p = { .origin = SL_LIT("stoplog.example/<b>|site"), .size = 901, .now_ms = NOW_MS };
    memset(p.root.b, 0xab, sizeof p.root.b);
    assert_done(sl_catalogue_shipped(&catalogue));
    for (size_t i = 0; i < sl_catalogue_count(catalogue); i++) {
        answers[i] = (sl_answer){ .state = SL_STATE_UNKNOWN, .why = "nothing was ever seen" };
    }
    int64_t hour = 3600000;
    answers[0] =
        (sl_answer){ SL_STATE_PASS, "the newest holds", NOW_MS + hour, { 900, 7 }, 2, 3, false };
    answers[1] =
        (sl_answer){ SL_STATE_FAIL, "this one is not so", NOW_MS + hour, { 42 }, 1, 1, false };
    answers[2] = (sl_answer){ .state = SL_STATE_OUTSIDE, .why = "there is none" };
    p.catalogue = catalogue;
    p.answers = answers;
    return p;
}

static bool has(const sl_buf *b, const char *needle)
{
    return sl_view_find(sl_buf_view(b), sl_view_str(needle), 0) != SIZE_MAX;
}

static void the_page_names_every_check_with_its_leaves(void **state)
{
    sl_posture p = fixture();
    p.receipts = "receipts";
    for (int form = 0; form < 2; form++) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4 * SL_MIB };
        assert_done(form == 0 ? sl_posture_markdown(&p, &out) : sl_posture_html(&p, &out));
        for (size_t i = 0; i < sl_catalogue_count(catalogue); i++) {
            char id[128];
            (void)snprintf(id, sizeof id, "%.*s", SL_FMT(sl_catalogue_check(catalogue, i)->id));
            assert_true(has(&out, id));
        }
        assert_true(has(&out, form == 0 ? "[900](receipts/leaf-900.receipt)"
                                        : "<a href=\"receipts/leaf-900.receipt\">900</a>"));
        assert_true(has(&out, "this one is not so") && has(&out, "abababab"));
        assert_false(has(&out, "<b>")); /* a ledger's name is text */
        assert_false(has(&out, "<script"));
    }
    sl_catalogue_free(catalogue);
}

static void unknown_is_not_satisfied(void **state)
{
    sl_posture p = fixture();
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    assert_done(sl_posture_oscal(&p, &out));
    assert_done(sl_posture_oscal(&p, &again));
    assert_true(sl_view_eq(sl_buf_view(&out), sl_buf_view(&again)));
    assert_done(sl_json_parse(sl_buf_view(&out), &doc));
    const sl_json_node *ar = sl_json_get(&doc, sl_json_root(&doc), "assessment-results");
    sl_json_iter it = { 0 };
    assert_true(sl_json_each(&doc, sl_json_get(&doc, ar, "results"), &it));
    const sl_json_node *result = it.value;
    size_t satisfied = 0;
    size_t findings = 0;
    size_t observations = 0;
    it = (sl_json_iter){ 0 };
    while (sl_json_each(&doc, sl_json_get(&doc, result, "findings"), &it)) {
        const sl_json_node *target = sl_json_get(&doc, it.value, "target");
        const sl_json_node *status = sl_json_get(&doc, target, "status");
        satisfied += sl_json_text_is(sl_json_get(&doc, status, "state"), "satisfied");
        findings++;
    }
    it = (sl_json_iter){ 0 };
    while (sl_json_each(&doc, sl_json_get(&doc, result, "observations"), &it)) {
        observations++;
    }
    assert_int_equal(satisfied, 1);
    assert_int_equal(observations, 2);
    assert_int_equal(findings, sl_catalogue_count(catalogue) - 1);
    sl_catalogue_free(catalogue);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_names_every_check_with_its_leaves),
        cmocka_unit_test(unknown_is_not_satisfied),
    };
    if (argc == 2 && strcmp(argv[1], "oscal") == 0) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4 * SL_MIB };
        sl_posture p = fixture();
        if (!sl_ok(sl_posture_oscal(&p, &out))) {
            return 1;
        }
        (void)fwrite(out.p, 1, out.n, stdout);
        sl_catalogue_free(catalogue);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
