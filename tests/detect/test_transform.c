/* Rewriting: masks, classes, generalisation, surrogates and their way back. */
#include "test.h"

#include "detect/engines.h"
#include "detect/policy.h"
#include "detect/transform.h"

static const uint8_t KEY[32] = { 5, 6, 7, 8 };

static void spans_are_rewritten_as_the_rules_say(void **state)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 1000 };
    size_t applied = 0;
    static const struct {
        size_t start, end;
        sl_class kind;
        sl_transform transform;
    } SPANS[] = {
        { 0, 6, SL_CLASS_NAME, SL_TRANSFORM_MASK },
        { 10, 20, SL_CLASS_DATE, SL_TRANSFORM_GENERALISE },
        { 12, 14, SL_CLASS_DATE, SL_TRANSFORM_GENERALISE }, /* inside the last */
        { 21, 26, SL_CLASS_ZIP, SL_TRANSFORM_GENERALISE },
        { 27, 30, SL_CLASS_MRN, SL_TRANSFORM_CLASS },
        { 30, 32, SL_CLASS_MRN, SL_TRANSFORM_REMOVE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(SPANS); i++) {
        sl_finding f = { .start = SPANS[i].start,
                         .end = SPANS[i].end,
                         .kind = (uint8_t)SPANS[i].kind,
                         .verdict = SL_VERDICT_TRANSFORM,
                         .transform = (uint8_t)SPANS[i].transform };
        assert_done(sl_findings_add(&all, f));
    }
    assert_done(sl_transform_apply(SL_LIT("Jos\xc3\xa9, on 2024-03-14 02115 123xx."), &all, NULL,
                                   &out, &applied));
    assert_view(sl_buf_view(&out), "***** on 2024 021** [MRN].");
    assert_int_equal(applied, 5);
}

static sl_buf surrogate(sl_pseudonyms *m, sl_class kind, const char *original)
{
    sl_buf out = { .max = 1000 };
    assert_done(sl_pseudonyms_get(m, kind, sl_view_str(original), &out));
    return out;
}

static void surrogates_keep_the_form_and_come_back(void **state)
{
    static const struct {
        sl_class kind;
        const char *original;
    } VALUES[] = {
        { SL_CLASS_SSN, "123-45-6789" },         { SL_CLASS_MRN, "A00483921" },
        { SL_CLASS_DATE, "03/14/2024" },         { SL_CLASS_DATE, "14 March 2024" },
        { SL_CLASS_DATE, "2024-03-14T11:45" },   { SL_CLASS_DATE, "3/14" },
        { SL_CLASS_DATE, "Mar 14, 2024" },       { SL_CLASS_PHONE, "(415) 555-0132" },
        { SL_CLASS_EMAIL, "jane@hospital.org" }, { SL_CLASS_SUBJECT, "CDISC01-701-1015" },
        { SL_CLASS_NAME, "Dr. Jane Doe" },       { SL_CLASS_IP, "10.2.3.4" },
        { SL_CLASS_AGE90, "92-year-old" },
    };
    sl_pseudonyms *m = NULL;
    assert_done(sl_pseudonyms_new(KEY, NULL, 1 << 20, &m));
    for (size_t i = 0; i < SL_COUNT_OF(VALUES); i++) {
        SL_OWN(sl_buf, one, sl_buf_free) = surrogate(m, VALUES[i].kind, VALUES[i].original);
        SL_OWN(sl_buf, again, sl_buf_free) = surrogate(m, VALUES[i].kind, VALUES[i].original);
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1000 };
        SL_OWN(sl_buf, back, sl_buf_free) = { .max = 1000 };
        assert_true(sl_view_eq(sl_buf_view(&one), sl_buf_view(&again)));
        assert_false(sl_view_eq(sl_buf_view(&one), sl_view_str(VALUES[i].original)));
        assert_done(sl_buf_addf(&text, "Say %.*s, then.", SL_FMT(sl_buf_view(&one))));
        assert_done(sl_transform_restore(sl_buf_view(&text), m, &back));
        sl_buf_clear(&text);
        assert_done(sl_buf_addf(&text, "Say %s, then.", VALUES[i].original));
        assert_view(sl_buf_view(&back), sl_buf_cstr(&text));
    }
    sl_pseudonyms_free(m);
}

static void a_name_comes_back_in_parts_and_in_another_case(void **state)
{
    sl_pseudonyms *m = NULL;
    assert_done(sl_pseudonyms_new(KEY, NULL, 1 << 20, &m));
    SL_OWN(sl_buf, full, sl_buf_free) = surrogate(m, SL_CLASS_NAME, "Jane McDonald");
    SL_OWN(sl_buf, last, sl_buf_free) = surrogate(m, SL_CLASS_NAME, "McDonald");
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1000 };
    SL_OWN(sl_buf, back, sl_buf_free) = { .max = 1000 };
    assert_true(sl_view_ends(sl_buf_view(&full), sl_buf_view(&last)));
    for (size_t i = 0; i < last.n; i++) {
        uint8_t b = last.p[i];
        assert_done(sl_buf_add_byte(&text, b >= 'a' ? (uint8_t)(b - 32) : b));
    }
    assert_done(sl_buf_addf(&text, " and Ms. %.*s", SL_FMT(sl_buf_view(&last))));
    assert_done(sl_transform_restore(sl_buf_view(&text), m, &back));
    assert_view(sl_buf_view(&back), "MCDONALD and Ms. McDonald");
    sl_pseudonyms_free(m);
}

static void dates_keep_their_intervals(void **state)
{
    sl_pseudonyms *m = NULL;
    assert_done(sl_pseudonyms_new(KEY, NULL, 1 << 20, &m));
    SL_OWN(sl_buf, a, sl_buf_free) = surrogate(m, SL_CLASS_DATE, "2024-02-28");
    SL_OWN(sl_buf, b, sl_buf_free) = surrogate(m, SL_CLASS_DATE, "2024-02-29");
    SL_OWN(sl_buf, c, sl_buf_free) = surrogate(m, SL_CLASS_DATE, "02/28/2024");
    /* One day later is one day later, whatever the offset: days of the month differ by 1 or wrap. */
    int day_a = (a.p[8] - '0') * 10 + a.p[9] - '0';
    int day_b = (b.p[8] - '0') * 10 + b.p[9] - '0';
    assert_true(day_b == day_a + 1 || day_b == 1);
    /* The same day in another form is the same surrogate day. */
    assert_memory_equal(c.p, a.p + 5, 2);
    assert_memory_equal(c.p + 3, a.p + 8, 2);
    assert_memory_equal(c.p + 6, a.p, 4);
    sl_pseudonyms_free(m);
}

static void no_two_originals_share_a_surrogate(void **state)
{
    sl_pseudonyms *m = NULL;
    assert_done(sl_pseudonyms_new(KEY, NULL, 1 << 22, &m));
    /* Nine values of one digit can only be told apart if collisions are redrawn. */
    char seen[10] = { 0 };
    for (int c = '1'; c <= '8'; c++) {
        char value[2] = { (char)c, 0 };
        SL_OWN(sl_buf, one, sl_buf_free) = { .max = 10 };
        sl_res r = sl_pseudonyms_get(m, SL_CLASS_MRN, sl_view_str(value), &one);
        if (!sl_ok(r)) {
            continue; /* it refuses rather than to give one twice */
        }
        assert_int_equal(one.n, 1);
        assert_int_equal(seen[one.p[0] - '0']++, 0);
    }
    sl_pseudonyms_free(m);
}

static void a_surrogate_never_hits_the_roster(void **state)
{
    engines *e = *state;
    sl_pseudonyms *m = NULL;
    assert_done(sl_pseudonyms_new(KEY, e->detect, 1 << 22, &m));
    for (unsigned i = 0; i < 500; i++) {
        SL_OWN(sl_buf, value, sl_buf_free) = { .max = 100 };
        assert_done(sl_buf_addf(&value, "ZX7-310-%04u", i));
        SL_OWN(sl_buf, one, sl_buf_free) = surrogate(m, SL_CLASS_SUBJECT, sl_buf_cstr(&value));
        assert_false(sl_detect_in_roster(e->detect, sl_buf_view(&one)));
    }
    assert_true(sl_detect_in_roster(e->detect, SL_LIT("id ZX7-310-0042")));
    sl_pseudonyms_free(m);
}

static void after_pseudonyms_nothing_more_is_found(void **state)
{
    static const char TEXT[] = "Ms. Anneliese Quirinsdottir (ZX7-310-0042), SSN 123-45-6789, MRN: "
                               "00483921, seen on 03/14/2024, phone (415) 555-0132, mail "
                               "aq@hospital.org, lives at 12 Maple Street.";
    engines *e = *state;
    sl_pseudonyms *m = NULL;
    sl_policy *policy = NULL;
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4000 };
    SL_OWN(sl_buf, back, sl_buf_free) = { .max = 4000 };
    size_t applied = 0;
    sl_policy_context c = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_USER };
    assert_done(sl_policy_load_default(&policy));
    assert_done(sl_pseudonyms_new(KEY, e->detect, 1 << 20, &m));
    assert_done(sl_detect_inspect(e->detect, e->scratch, sl_view_str(TEXT), SL_CHANNEL_USER, &all));
    assert_int_equal(sl_policy_judge(policy, &c, &all, 0), SL_VERDICT_TRANSFORM);
    assert_done(sl_transform_apply(sl_view_str(TEXT), &all, m, &out, &applied));
    assert_true(applied >= 7);
    sl_findings_clear(&all);
    assert_done(sl_detect_inspect(e->detect, e->scratch, sl_buf_view(&out), SL_CHANNEL_USER, &all));
    assert_done(sl_pseudonyms_find(m, sl_buf_view(&out), &all));
    sl_findings_sort(&all);
    sl_pseudonyms_shadow(sl_buf_view(&out), &all);
    for (size_t i = 0; i < all.n; i++) {
        if (all.items[i].detector != SL_DETECTOR_PSEUDONYM) {
            fail_msg("%s left at %zu in: %.*s", sl_class_name((sl_class)all.items[i].kind),
                     all.items[i].start, SL_FMT(sl_buf_view(&out)));
        }
    }
    assert_done(sl_transform_restore(sl_buf_view(&out), m, &back));
    assert_view(sl_buf_view(&back), TEXT);
    sl_pseudonyms_free(m);
    sl_policy_free(policy);
}

int main(void)
{
    engines e = engines_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_rewritten_as_the_rules_say),
        cmocka_unit_test(surrogates_keep_the_form_and_come_back),
        cmocka_unit_test(a_name_comes_back_in_parts_and_in_another_case),
        cmocka_unit_test(dates_keep_their_intervals),
        cmocka_unit_test(no_two_originals_share_a_surrogate),
        cmocka_unit_test_prestate(a_surrogate_never_hits_the_roster, &e),
        cmocka_unit_test_prestate(after_pseudonyms_nothing_more_is_found, &e),
    };
    int failed = cmocka_run_group_tests_name("transform", tests, NULL, NULL);
    engines_free(&e);
    return failed;
}
