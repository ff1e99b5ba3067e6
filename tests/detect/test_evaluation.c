/* Counting: overlap, exact span, token, whole documents, clean text; and the ranking of scores. */
#include "test.h"

#include "detect/evaluation.h"

static sl_finding finding(size_t start, size_t end, sl_class kind)
{
    return (sl_finding){ .start = start,
                         .end = end,
                         .kind = (uint8_t)kind,
                         .detector = SL_DETECTOR_PHI,
                         .rule = SL_NO_RULE };
}

static void a_document_is_counted_in_three_ways(void **state)
{
    (void)state;
    /*                     0123456789012345678901234567890123 */
    sl_view text = SL_LIT("Dr. Ann Roe saw Bo on 3/4 in Paris");
    const sl_gold_span gold[] = { { 4, 11, SL_LABEL_NAME },
                                  { 16, 18, SL_LABEL_NAME },
                                  { 22, 25, SL_LABEL_DATE },
                                  { 29, 34, SL_LABEL_OTHER } };
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    sl_evaluation e = { 0 };
    sl_evaluation_row row;
    assert_done(sl_findings_add(&all, finding(0, 11, SL_CLASS_NAME)));  /* with its title */
    assert_done(sl_findings_add(&all, finding(12, 15, SL_CLASS_NAME))); /* "saw": wrong */
    assert_done(sl_findings_add(&all, finding(22, 23, SL_CLASS_ZIP)));  /* part, another class */
    assert_done(sl_findings_add(&all, finding(29, 34, SL_CLASS_LOCATION))); /* neither */
    assert_done(sl_evaluation_add(&e, text, gold, 4, &all, &row));
    assert_int_equal(row.wanted, 3);
    assert_int_equal(row.missed, 1);
    assert_int_equal(e.overlap[SL_LABEL_NAME].wanted, 2);
    assert_int_equal(e.overlap[SL_LABEL_NAME].found, 1);
    assert_int_equal(e.overlap[SL_LABEL_NAME].claimed, 2);
    assert_int_equal(e.overlap[SL_LABEL_NAME].right, 1);
    assert_int_equal(e.exact[SL_LABEL_NAME].found, 1);
    assert_int_equal(e.overlap[SL_LABEL_DATE].found, 1);
    assert_int_equal(e.exact[SL_LABEL_DATE].found, 0);
    assert_int_equal(e.overlap[SL_LABEL_LOCATION].claimed, 1); /* the zip; Paris is neither */
    assert_int_equal(e.token[SL_LABEL_NAME].wanted, 3);
    assert_int_equal(e.token[SL_LABEL_NAME].found, 2);
    assert_int_equal(e.token[SL_LABEL_NAME].claimed, 4);
    assert_int_equal(e.with_gold, 1);
    assert_int_equal(e.covered, 0);
    assert_int_equal(e.clean_chars_touched, 5); /* "Dr" and "saw" */
}

static void clean_documents_and_covered_ones(void **state)
{
    (void)state;
    const sl_gold_span gold[] = { { 0, 4, SL_LABEL_ID } };
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    sl_evaluation e = { 0 };
    sl_evaluation_row row;
    assert_done(sl_evaluation_add(&e, SL_LIT("none here"), NULL, 0, &all, &row));
    assert_done(sl_findings_add(&all, finding(0, 4, SL_CLASS_MRN)));
    assert_done(sl_evaluation_add(&e, SL_LIT("1234 in it"), gold, 1, &all, &row));
    assert_done(sl_evaluation_add(&e, SL_LIT("9999 clean"), NULL, 0, &all, &row));
    assert_int_equal(e.clean, 2);
    assert_int_equal(e.touched, 1);
    assert_int_equal(e.covered, 1);
    const sl_gold_span beyond[] = { { 0, 99, SL_LABEL_ID } };
    assert_code(sl_evaluation_add(&e, SL_LIT("short"), beyond, 1, &all, &row), SL_E_RANGE);
}

static void scores_are_ranked(void **state)
{
    (void)state;
    sl_scored rows[] = { { 0.9, true },  { 0.8, true },  { 0.7, false }, { 0.6, true },
                         { 0.5, false }, { 0.4, false }, { 0.3, false } };
    sl_ranking r;
    sl_ranking_of(rows, SL_COUNT_OF(rows), 0.0, &r);
    assert_int_equal(r.attacks, 3);
    assert_int_equal(r.ordinary, 4);
    assert_true(r.auroc > 0.9166 && r.auroc < 0.9167);
    assert_int_equal(r.caught, 2);
    assert_int_equal(r.alarms, 0);
    assert_true(r.threshold > 0.69 && r.threshold < 0.71);
    sl_ranking_of(rows, SL_COUNT_OF(rows), 0.25, &r);
    assert_int_equal(r.caught, 3);
    assert_int_equal(r.alarms, 1);
    sl_scored ties[] = { { 1, true }, { 1, false } };
    sl_ranking_of(ties, 2, 0.5, &r);
    assert_true(r.auroc > 0.49 && r.auroc < 0.51);
    assert_int_equal(r.caught, 0);
    sl_ranking_of(NULL, 0, 0.01, &r);
    assert_int_equal(r.attacks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_counted_in_three_ways),
        cmocka_unit_test(clean_documents_and_covered_ones),
        cmocka_unit_test(scores_are_ranked),
    };
    return cmocka_run_group_tests_name("evaluation", tests, NULL, NULL);
}
