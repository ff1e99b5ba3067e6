/* The names tagger: the pack that the program carries finds names and places, leaves drugs and
 * diseases alone, and no damaged pack is opened. */
#include "test.h"

#include "detect/embedded.h"
#include "detect/tagger.h"

static sl_view pack_of_program(void)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, "names.pack") == 0) {
            return sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n);
        }
    }
    fail_msg("the program carries no pack");
    return (sl_view){ 0 };
}

static size_t count_in(const char *text, sl_class kind, const char *span)
{
    sl_tagger *t = NULL;
    sl_tagger_work *w = NULL;
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    sl_view v = sl_view_str(text);
    assert_done(sl_tagger_open(pack_of_program(), &t));
    assert_done(sl_tagger_work_new(&w));
    assert_done(sl_tagger_scan(t, w, v, &found));
    size_t count = 0;
    for (size_t i = 0; i < found.n; i++) {
        sl_view part = sl_view_sub(v, found.items[i].start, found.items[i].end);
        bool same = span == NULL || sl_view_find(part, sl_view_str(span), 0) != SIZE_MAX;
        count += found.items[i].kind == kind && same;
    }
    sl_tagger_work_free(w);
    sl_tagger_free(t);
    return count;
}

static void names_and_places_are_found(void **state)
{
    static const struct {
        const char *text;
        sl_class kind;
        const char *span;
    } CASES[] = {
        { "Mrs. Jane Holloway was seen by Dr. Okafor today.", SL_CLASS_NAME, "Jane Holloway" },
        { "Mrs. Jane Holloway was seen by Dr. Okafor today.", SL_CLASS_NAME, "Okafor" },
        { "patient john smith lives in denver and takes metformin.", SL_CLASS_NAME, "john smith" },
        { "Pt: GARCIA, MARIA. Husband Luis called.", SL_CLASS_NAME, "GARCIA, MARIA" },
        { "She lives in Springfield with her son.", SL_CLASS_LOCATION, "Springfield" },
        { "Nombre: Ernesto. Apellidos: Rivera Bueno.", SL_CLASS_NAME, "Rivera Bueno" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(CASES); i++) {
        if (count_in(CASES[i].text, CASES[i].kind, CASES[i].span) == 0) {
            fail_msg("%s not found in: %s", CASES[i].span, CASES[i].text);
        }
    }
}

static void an_age_behind_a_name_is_found(void **state)
{
    assert_int_equal(count_in("Should Mrs. Ruth Holloway (93) stop it?", SL_CLASS_AGE90, "93"), 1);
    assert_int_equal(count_in("Mrs. Ruth Holloway, 96, lives alone.", SL_CLASS_AGE90, "96"), 1);
    assert_int_equal(count_in("Mrs. Ruth Holloway (73) may stop.", SL_CLASS_AGE90, NULL), 0);
}

static void figures_are_no_identifiers(void **state)
{
    static const char *const TEXTS[] = {
        "Is CPT 99497 billable on the same day?",
        "Summarise KEYNOTE-775 for the tumour board.",
        "BRCA1 5382insC is a founder variant.",
        "Fasting glucose is 180-220 on Lantus.",
        "Mean blood loss was 1161 (+/-472) mL versus 796 mL.",
        "Tinetti 10, Berg 41, Borg 2.",
    };
    for (size_t i = 0; i < SL_COUNT_OF(TEXTS); i++) {
        if (count_in(TEXTS[i], SL_CLASS_OTHER_ID, NULL) +
                count_in(TEXTS[i], SL_CLASS_LOCATION, NULL) !=
            0) {
            fail_msg("touched: %s", TEXTS[i]);
        }
    }
}

static void clinical_words_are_no_names(void **state)
{
    static const char *const CLEAN[] = {
        "She has Parkinson disease and takes Eliquis.",
        "Start metformin 500 mg twice daily; recheck the A1c in three months.",
        "What is the first line treatment for Crohn disease in adults?",
        "Explain the difference between Type 1 and Type 2 errors.",
    };
    for (size_t i = 0; i < SL_COUNT_OF(CLEAN); i++) {
        if (count_in(CLEAN[i], SL_CLASS_NAME, NULL) != 0) {
            fail_msg("a name found in: %s", CLEAN[i]);
        }
    }
}

static void a_damaged_pack_is_refused(void **state)
{
    sl_view pack = pack_of_program();
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = pack.n };
    sl_tagger *t = NULL;
    assert_done(sl_buf_add(&copy, pack));
    assert_code(sl_tagger_open(sl_view_sub(pack, 0, pack.n - 1), &t), SL_E_TRUNCATED);
    assert_code(sl_tagger_open(sl_view_sub(pack, 0, 40), &t), SL_E_TRUNCATED);
    static const size_t PLACES[] = { 20, 60, 1000, 400000, 900000 };
    for (size_t i = 0; i < SL_COUNT_OF(PLACES); i++) {
        copy.p[PLACES[i]] ^= 1;
        assert_code(sl_tagger_open(sl_buf_view(&copy), &t), SL_E_INTEGRITY);
        copy.p[PLACES[i]] ^= 1;
    }
    copy.p[8] = 2;
    assert_code(sl_tagger_open(sl_buf_view(&copy), &t), SL_E_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_places_are_found),
        cmocka_unit_test(an_age_behind_a_name_is_found),
        cmocka_unit_test(figures_are_no_identifiers),
        cmocka_unit_test(clinical_words_are_no_names),
        cmocka_unit_test(a_damaged_pack_is_refused),
    };
    return cmocka_run_group_tests_name("tagger", tests, NULL, NULL);
}
