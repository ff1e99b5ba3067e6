/* The keyed index: what is in it matches in its forms, what is not does not. */
#include "test.h"

#include "detect/roster.h"

static const uint8_t KEY[32] = { 42 };

static sl_buf index_of(const char *const *values, size_t n)
{
    sl_roster_builder *b = NULL;
    sl_buf out = { .max = (size_t)1 << 24 };
    assert_done(sl_roster_builder_new(KEY, &b));
    for (size_t i = 0; i < n; i++) {
        bool added = false;
        assert_done(sl_roster_add(b, SL_CLASS_NAME, sl_view_str(values[i]), i, 0, &added));
    }
    assert_done(sl_roster_finish(b, &out));
    sl_roster_builder_free(b);
    return out;
}

static void values_match_in_their_forms_only(void **state)
{
    static const char *const VALUES[] = { "01-701-1083", "Maria Gonz\xc3\xa1lez", "Will", "1999" };
    SL_OWN(sl_buf, index, sl_buf_free) = index_of(VALUES, 4);
    sl_roster *r = NULL;
    sl_class kind;
    uint64_t who = 0;
    uint16_t flags = 0;
    assert_done(sl_roster_open(sl_buf_view(&index), KEY, &r));
    assert_true(sl_roster_lookup(r, SL_LIT("01 701 1083"), &kind, &who, &flags));
    assert_int_equal(who, 0);
    assert_true(sl_roster_lookup(r, SL_LIT("MARIA GONZALEZ"), &kind, &who, &flags));
    assert_int_equal(who, 1);
    assert_false(sl_roster_lookup(r, SL_LIT("01-701-1084"), &kind, &who, &flags));
    assert_false(sl_roster_lookup(r, SL_LIT("will"), &kind, &who, &flags)); /* says too little */
    assert_false(sl_roster_lookup(r, SL_LIT("1999"), &kind, &who, &flags));
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    assert_done(sl_roster_scan(r, SL_LIT("x01-701-1083 01-701-10834 maria, gonzalez"), &found));
    assert_int_equal(found.n, 1); /* only between word boundaries */
    assert_int_equal(found.items[0].attribution, 1);
    sl_roster_free(r);
}

static void a_shared_value_is_attributed_to_nobody(void **state)
{
    static const char *const VALUES[] = { "Smithson", "Smithson" };
    SL_OWN(sl_buf, index, sl_buf_free) = index_of(VALUES, 2);
    sl_roster *r = NULL;
    sl_class kind;
    uint64_t who = 0;
    uint16_t flags = 0;
    assert_done(sl_roster_open(sl_buf_view(&index), KEY, &r));
    assert_true(sl_roster_lookup(r, SL_LIT("smithson"), &kind, &who, &flags));
    assert_true(who == SL_NO_ATTRIBUTION);
    sl_roster_free(r);
}

static void a_canary_that_says_too_little_is_an_error(void **state)
{
    sl_roster_builder *b = NULL;
    bool added = false;
    assert_done(sl_roster_builder_new(KEY, &b));
    assert_code(sl_roster_add(b, SL_CLASS_CANARY, SL_LIT("12"), 1, SL_ROSTER_CANARY, &added),
                SL_E_RANGE);
    sl_roster_builder_free(b);
}

static void an_index_holds_no_value_in_clear(void **state)
{
    static const char *const VALUES[] = { "Quirinsdottir" };
    SL_OWN(sl_buf, index, sl_buf_free) = index_of(VALUES, 1);
    assert_true(sl_view_find(sl_buf_view(&index), SL_LIT("quirins"), 0) == SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&index), SL_LIT("Quirins"), 0) == SIZE_MAX);
}

static void every_flipped_bit_is_noticed(void **state)
{
    static const char *const VALUES[] = { "Quirinsdottir", "Anneliese" };
    SL_OWN(sl_buf, index, sl_buf_free) = index_of(VALUES, 2);
    for (size_t i = 0; i < index.n; i++) {
        sl_roster *r = NULL;
        index.p[i] ^= 4;
        assert_false(sl_ok(sl_roster_open(sl_buf_view(&index), KEY, &r)));
        index.p[i] ^= 4;
    }
}

static void merged_indexes_hold_what_each_held(void **state)
{
    static const char *const FIRST[] = { "01-701-1083", "Maria Gonzalez" };
    static const char *const SECOND[] = { "999-17-5017" };
    static const uint8_t OTHER[32] = { [31] = 43 };
    SL_OWN(sl_buf, a, sl_buf_free) = index_of(FIRST, 2);
    SL_OWN(sl_buf, b, sl_buf_free) = index_of(SECOND, 1);
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = (size_t)1 << 24 };
    sl_roster_builder *builder = NULL;
    sl_roster *r = NULL;
    sl_class kind;
    uint64_t who = 9;
    uint16_t flags = 0;
    assert_done(sl_roster_builder_new(KEY, &builder));
    assert_done(sl_roster_merge(builder, sl_buf_view(&a)));
    assert_done(sl_roster_merge(builder, sl_buf_view(&b)));
    assert_done(sl_roster_merge(builder, sl_buf_view(&b))); /* the same again changes nothing */
    assert_done(sl_roster_finish(builder, &all));
    sl_roster_builder_free(builder);
    assert_done(sl_roster_open(sl_buf_view(&all), KEY, &r));
    assert_true(sl_roster_lookup(r, SL_LIT("maria gonzalez"), &kind, &who, &flags));
    assert_int_equal(who, 1);
    assert_true(sl_roster_lookup(r, SL_LIT("999 17 5017"), &kind, &who, &flags));
    assert_int_equal(who, 0);
    assert_false(sl_roster_lookup(r, SL_LIT("999 17 5018"), &kind, &who, &flags));
    sl_roster_free(r);
    assert_done(sl_roster_builder_new(OTHER, &builder));
    assert_code(sl_roster_merge(builder, sl_buf_view(&a)), SL_E_KEY);
    sl_roster_builder_free(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_match_in_their_forms_only),
        cmocka_unit_test(a_shared_value_is_attributed_to_nobody),
        cmocka_unit_test(a_canary_that_says_too_little_is_an_error),
        cmocka_unit_test(an_index_holds_no_value_in_clear),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(merged_indexes_hold_what_each_held),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
