/* Folding: forms that hide text are undone, spans come back, ordinary writing is left alone. */
#include "test.h"

#include "detect/fold.h"

typedef struct {
    const char *text;
    const char *folded;
} form;

static const form FORMS[] = {
    { "plain ASCII stays", "plain ASCII stays" },
    { "Jos\xc3\xa9 Mu\xc3\xb1oz", "Jose Munoz" },
    { "\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\x91", "AB1" },             /* full width */
    { "\xf0\x9d\x90\x88\xf0\x9d\x90\xa0\xf0\x9d\x90\xa7", "Ign" }, /* mathematical bold */
    { "\xe2\x93\x98\xe2\x93\x96", "ig" },                          /* circled */
    { "\xef\xac\x81le", "file" },                                  /* ligature */
    { "j\xd0\xb0n\xd0\xb5", "jane" },                              /* Cyrillic a, e */
    { "i\xcc\xb6g\xcc\xb6n", "ign" },                              /* combining strokes */
    { "ig\xc2\xadno\xc2\xadre", "ignore" },                        /* soft hyphens */
    { "s\xe2\x80\x8b"
      "e\xe2\x80\x8b"
      "c",
      "sec" }, /* zero width */
    { "01\xe2\x80\x93"
      "701",
      "01-701" },                                         /* en dash */
    { "\xd9\xa1\xd9\xa2\xd9\xa3", "123" },                /* Arabic-Indic digits */
    { "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", /* a Russian word stays Russian */
      "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
    { "M\xfcller", "Muller" }, /* Windows-1252 */
};

static void forms_are_undone(void **state)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    for (size_t i = 0; i < SL_COUNT_OF(FORMS); i++) {
        sl_folded f;
        assert_done(sl_fold(sl_view_str(FORMS[i].text), false, &work, &f, NULL));
        assert_view(f.text, FORMS[i].folded);
    }
}

static void escapes_are_decoded_on_request(void **state)
{
    static const form ESCAPES[] = {
        { "%4Aane%20Doe", "Jane Doe" },
        { "&#74;&#x61;ne&nbsp;Doe", "Jane Doe" },
        { "\\u004a\\x61ne \\u{44}oe", "Jane Doe" },
        { "jane%40example.com", "jane@example.com" },
        { "100% of \\n & more", "100% of \\n & more" },
    };
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    for (size_t i = 0; i < SL_COUNT_OF(ESCAPES); i++) {
        sl_folded f;
        sl_view text = sl_view_str(ESCAPES[i].text);
        bool changes = strcmp(ESCAPES[i].text, ESCAPES[i].folded) != 0;
        assert_int_equal(sl_fold_has_escapes(text), changes);
        assert_done(sl_fold(text, true, &work, &f, NULL));
        assert_view(f.text, ESCAPES[i].folded);
    }
}

static void spans_come_back_to_whole_characters(void **state)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_folded f;
    sl_view text = sl_view_str("a\xef\xac\x81"
                               "b\xcc\x81"
                               "c");
    assert_done(sl_fold(text, false, &work, &f, NULL));
    assert_view(f.text, "afibc");
    assert_int_equal(sl_folded_start(&f, 1), 1);
    assert_int_equal(sl_folded_end(&f, 2), 4); /* inside the ligature: its end */
    assert_int_equal(sl_folded_end(&f, 4), 7); /* the accent belongs to the b */
}

static size_t findings_of(const char *text)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    SL_OWN(sl_findings, hidden, sl_findings_free) = { 0 };
    sl_folded f;
    assert_done(sl_fold(sl_view_str(text), false, &work, &f, &hidden));
    return hidden.n;
}

static void benign_joiners_and_emoji_are_no_findings(void **state)
{
    static const char *const BENIGN[] = {
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", /* family */
        "\xe2\x9d\xa4\xef\xb8\x8f thanks", /* heart with selector */
        "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88\xd8\xa7\xd9\x87\xd9\x85", /* Persian */
        "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7",                     /* Hindi */
        ("\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xa2\xf3\xa0\x81\xb3\xf3\xa0\x81\xa3\xf3\xa0\x81"
         "\xb4\xf3\xa0\x81\xbf"), /* flag of Scotland */
        "co\xc2\xadoperate",
        "5 \xc2\xb5g of \xce\xb2-blocker",
    };
    for (size_t i = 0; i < SL_COUNT_OF(BENIGN); i++) {
        assert_int_equal(findings_of(BENIGN[i]), 0);
    }
}

static void hidden_carriers_are_findings(void **state)
{
    static const char *const HIDDEN[] = {
        "ok\xf3\xa0\x81\xa9\xf3\xa0\x81\xa7\xf3\xa0\x81\xae", /* tag characters */
        "x\xef\xb8\x80\xef\xb8\x81\xef\xb8\x82\xef\xb8\x83",  /* variation selectors */
        "p\xe2\x80\x8b"
        "a\xe2\x80\x8bs\xe2\x80\x8bs\xe2\x80\x8b!", /* interleaved */
        "abc \xe2\x80\xae"
        "dlrow",                  /* override */
        "p\xd0\xb0ssw\xd0\xberd", /* lookalikes */
    };
    for (size_t i = 0; i < SL_COUNT_OF(HIDDEN); i++) {
        assert_true(findings_of(HIDDEN[i]) > 0);
    }
}

/* Eight plain characters are passed over at once; marks and what is not seen count for nothing wherever they stand. */
static void as_many_characters_back_wherever_others_stand(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t counts;
    } OTHERS[] = {
        { "\xC3\xA9", 1 }, { "\xCC\x81", 0 }, { "\xE2\x80\x8B", 0 }, { "\xB0", 1 }, { "b", 1 }
    };
    for (size_t k = 0; k < SL_COUNT_OF(OTHERS); k++) {
        size_t n = strlen(OTHERS[k].bytes);
        for (size_t at = 0; at < 30; at++) {
            uint8_t text[64];
            memset(text, 'a', sizeof text);
            memcpy(text + at, OTHERS[k].bytes, n);
            for (size_t end = at + n; end < at + n + 20; end++) {
                sl_view whole = sl_view_of(text, sizeof text);
                size_t behind = end - at - n;
                for (size_t chars = behind + 1; chars <= behind + 1 + at; chars++) {
                    size_t before = chars - behind - OTHERS[k].counts;
                    size_t expected = before > at ? 0 : at - before;
                    assert_int_equal(sl_fold_back(whole, end, chars), expected);
                }
                assert_int_equal(sl_fold_back(whole, end, behind), at + n);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_characters_back_wherever_others_stand),
        cmocka_unit_test(forms_are_undone),
        cmocka_unit_test(escapes_are_decoded_on_request),
        cmocka_unit_test(spans_come_back_to_whole_characters),
        cmocka_unit_test(benign_joiners_and_emoji_are_no_findings),
        cmocka_unit_test(hidden_carriers_are_findings),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
