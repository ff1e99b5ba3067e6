/* Runs and spaced letters are found wherever they begin in a text, by what passes over plain text sixty-four and sixteen
 * bytes at a time. */
#include "test.h"

#include "detect/views.h"

#define PLACES ((size_t)150)

static void put(uint8_t *text, size_t at, const char *what)
{
    memcpy(text + at, what, strlen(what));
}

static void runs_at_every_place(void **state)
{
    (void)state;
    static const char RUN[] = "SmFuZSBSb2U9MTIz"; /* sixteen characters: "Jane Roe=123" */
    sl_views views = { 0 };
    uint8_t text[256];
    for (size_t at = 0; at < PLACES; at++) {
        for (size_t behind = 0; behind < 70; behind += 7) {
            memset(text, ' ', sizeof text);
            put(text, at, RUN);
            sl_view whole = sl_view_of(text, at + 16 + behind);
            assert_done(sl_views_find(whole, &views));
            assert_int_equal(views.n, 1);
            assert_int_equal(views.items[0].start, at);
            assert_int_equal(views.items[0].end, at + 16);
            assert_int_equal(views.open_from, behind == 0 ? at : whole.n);
            text[at + 8] = '.'; /* two runs of less than sixteen */
            assert_done(sl_views_find(whole, &views));
            assert_int_equal(views.n, 0);
        }
    }
    sl_views_free(&views);
}

static void two_runs_and_a_short_one(void **state)
{
    (void)state;
    sl_views views = { 0 };
    uint8_t text[512];
    for (size_t gap = 1; gap < PLACES; gap++) {
        memset(text, ' ', sizeof text);
        put(text, 3, "SmFuZSBSb2U9MTIz");
        put(text, 19 + gap, "SmFuZSBSb2U9MTI"); /* fifteen */
        put(text, 34 + gap + gap, "SmFuZSBSb2U9MTIz");
        assert_done(sl_views_find(sl_view_of(text, sizeof text), &views));
        assert_int_equal(views.n, 2);
        assert_int_equal(views.items[1].start, 34 + gap + gap);
    }
    sl_views_free(&views);
}

static void spaced_forms_at_every_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } FORMS[] = { { "J a n e   R o e", "Jane Roe" },
                  { "J-a-n-e-R-o-e", "JaneRoe" },
                  { "4a:61:6e:65:20:52", "Jane R" },
                  { "01001010 01100001 01101110 01100101 00100000", "Jane " } };
    sl_views views = { 0 };
    uint8_t text[256];
    for (size_t form = 0; form < SL_COUNT_OF(FORMS); form++) {
        size_t n = strlen(FORMS[form].text);
        for (size_t at = 0; at < PLACES; at++) {
            memset(text, '(', sizeof text);
            put(text, at, FORMS[form].text);
            assert_done(sl_views_find(sl_view_of(text, at + n + 40), &views));
            assert_int_equal(views.n, 1);
            assert_int_equal(views.items[0].start, at);
            assert_view(sl_view_of(views.bytes.p + views.items[0].at, views.items[0].n),
                        FORMS[form].says);
        }
    }
    sl_views_free(&views);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(runs_at_every_place),
                                        cmocka_unit_test(two_runs_and_a_short_one),
                                        cmocka_unit_test(spaced_forms_at_every_place) };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
