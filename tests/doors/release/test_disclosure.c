/* Smallest cells: which columns count, what a cell says, and what could not be read is never taken for harmless. */
#include "test.h"

#include "base/limits.h"
#include "doors/release/disclosure.h"

static void names_say_what_is_counted(void **state)
{
    static const struct {
        const char *name;
        bool counts;
    } cases[] = { { "n", true },        { "N", true },         { "N (%)", true },
                  { "n_female", true }, { "Count", true },     { "count_female", true },
                  { "Patients", true }, { "arm", false },      { "mean", false },
                  { "SUBJECT", false }, { "number", true },    { "name", false },
                  { "country", false }, { "discount", false }, { "", false },
                  { "2 n", true } };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        if (sl_disclosure_is_count(sl_view_str(cases[i].name)) != cases[i].counts) {
            print_error("%s\n", cases[i].name);
            fail();
        }
    }
}

static void a_cell_below_the_smallest_is_refused(void **state)
{
    static const struct {
        const char *row; /* after the columns "arm", "n" */
        sl_verdict verdict;
        uint64_t cells;
    } cases[] = {
        { "A\n12\n", SL_VERDICT_ALLOW, 1 },
        { "A\n5\n", SL_VERDICT_ALLOW, 1 },
        { "A\n4\n", SL_VERDICT_REFUSE, 1 },
        { "4\n12\n", SL_VERDICT_ALLOW, 1 }, /* another column's number */
        { "A\n0\n", SL_VERDICT_ALLOW, 1 },
        { "A\n3 (1.2 %)\n", SL_VERDICT_REFUSE, 1 },
        { "A\n 3\n", SL_VERDICT_REFUSE, 1 },
        { "A\n3.0\n", SL_VERDICT_REFUSE, 1 },
        { "A\n3/40\n", SL_VERDICT_REFUSE, 1 },
        { "A\n1,204\n", SL_VERDICT_ALLOW, 1 },
        { "A\n99999999999999999999999\n", SL_VERDICT_ALLOW, 1 },
        { "A\n<5\n", SL_VERDICT_ALLOW, 0 },
        { "A\n-\n", SL_VERDICT_ALLOW, 0 },
        { "A\n\n", SL_VERDICT_ALLOW, 0 },
        { "A\n3rd\n", SL_VERDICT_ALLOW, 0 },
        { "A\n12\n7\n", SL_VERDICT_HOLD, 0 }, /* a cell with a line break, or a cell more */
        { "A\n", SL_VERDICT_HOLD, 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_disclosure d = { .min_cell = 5 };
        sl_disclosure_header(&d, SL_LIT("arm\nn\n"));
        sl_disclosure_row(&d, sl_view_str(cases[i].row));
        if (sl_disclosure_verdict(&d) != cases[i].verdict || d.cells != cases[i].cells) {
            print_error("%s\n", cases[i].row);
            fail();
        }
    }
}

static void without_a_rule_or_a_table_there_is_nothing_to_say(void **state)
{
    sl_disclosure none = { .min_cell = 0 };
    sl_disclosure_header(&none, SL_LIT("n\n"));
    sl_disclosure_row(&none, SL_LIT("1\n"));
    assert_int_equal(sl_disclosure_verdict(&none), SL_VERDICT_ALLOW);
    sl_disclosure text = { .min_cell = 5 };
    sl_disclosure_row(&text, SL_LIT("1\n"));
    sl_disclosure_unread(&text);
    assert_int_equal(sl_disclosure_verdict(&text), SL_VERDICT_ALLOW);
    sl_disclosure parts = { .min_cell = 5 };
    sl_disclosure_header(&parts, SL_LIT("n\n"));
    sl_disclosure_unread(&parts);
    assert_int_equal(sl_disclosure_verdict(&parts), SL_VERDICT_HOLD);
}

static void a_table_with_too_many_columns_is_not_read(void **state)
{
    SL_OWN(sl_buf, names, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, row, sl_buf_free) = { .max = SL_MIB };
    sl_disclosure d = { .min_cell = 5 };
    for (size_t i = 0; i <= SL_DISCLOSURE_COLUMNS_MAX; i++) {
        assert_done(sl_buf_add_str(&names, "n\n"));
        assert_done(sl_buf_add_str(&row, "9\n"));
    }
    sl_disclosure_header(&d, sl_buf_view(&names));
    sl_disclosure_row(&d, sl_buf_view(&row));
    assert_int_equal(d.cells, 0);
    assert_int_equal(sl_disclosure_verdict(&d), SL_VERDICT_HOLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_what_is_counted),
        cmocka_unit_test(a_cell_below_the_smallest_is_refused),
        cmocka_unit_test(without_a_rule_or_a_table_there_is_nothing_to_say),
        cmocka_unit_test(a_table_with_too_many_columns_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
