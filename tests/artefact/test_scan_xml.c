/* XML and PMML: a row for each way in which text makes a parser expand, fetch or run. */
#include "artefact/format_case.h"

#define PMML(body) "<?xml version=\"1.0\"?><PMML version=\"4.4\">" body "</PMML>"

static const struct {
    const char *text;
    sl_rule rule;
} bad_rows[] = {
    { "<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"http://127.0.0.1/x\"><x/>",
      SL_RULE_XML_DOCTYPE },
    { "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>", SL_RULE_XML_DOCTYPE },
    { "<!DOCTYPE x [<!ENTITY % a SYSTEM \"file:///x\">]><x/>", SL_RULE_XML_DOCTYPE },
    { PMML("<a/><!ENTITY b \"c\">"), SL_RULE_XML_DOCTYPE },
    { "<?xml version=\"1.0\" encoding=\"UTF-7\"?><x/>", SL_RULE_XML_ENCODING },
    { "<?xml version=\"1.0\" encoding='EBCDIC-CP-US'?><x/>", SL_RULE_XML_ENCODING },
    { "<?xml version=\"1.0\"?><?xml-stylesheet href=\"x.xsl\"?><x/>", SL_RULE_XML_STYLE },
    { PMML("<xi:include href=\"file:///x\"/>"), SL_RULE_XML_INCLUDE },
    { PMML("<Extension name=\"script\"/>"), SL_RULE_XML_SCRIPT },
    { PMML("<Extension><script>eval(1)</script></Extension>"), SL_RULE_XML_SCRIPT },
    { PMML("<Extension><code>1</code></Extension>"), SL_RULE_XML_SCRIPT },
    { PMML("<a></b>"), SL_RULE_SCAN_MALFORMED },
    { PMML("<a>"), SL_RULE_SCAN_MALFORMED },
    { PMML("<a b='>"), SL_RULE_SCAN_MALFORMED },
    { PMML("<!-- "), SL_RULE_SCAN_MALFORMED },
    { PMML("") "<x/>", SL_RULE_SCAN_MALFORMED },
    { "<?xml version=\"1.0\"?>", SL_RULE_SCAN_MALFORMED },
};

static const char *const good_rows[] = {
    PMML("<Header/>"),
    PMML("<Extension name=\"units\" value=\"mg\"/><a b=\"x > y\" c='<'>t<![CDATA[<!DOCTYPE]]></a>"),
    PMML("<!-- <!DOCTYPE x> <script> --><a:b xmlns:a=\"u\"></a:b>"),
    "<ClinicalDocument xmlns=\"urn:x\"><id/></ClinicalDocument>",
    "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<x/>\n",
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(sl_view_str(bad_rows[i].text), "m.pmml", bad_rows[i].rule, bad_rows[i].text);
    }
    assert_rule_of(SL_LIT("\xFF\xFE<\0?\0x\0m\0l\0"), "m.xml", SL_RULE_XML_ENCODING, "wide");
}

static void good_files_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(sl_view_str(good_rows[i]), "m.xml", SL_KIND_XML, good_rows[i]);
    }
}

static void windows_do_not_matter(void **state)
{
    (void)state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 8 * SL_MIB };
    assert_done(sl_buf_add_str(&text, "<?xml version=\"1.0\"?><PMML>"));
    while (text.n < 3 * SL_MIB) {
        assert_done(
            sl_buf_add_str(&text, "<Node id=\"1\" score=\"a long enough value\"><True/></Node>\n"));
    }
    SL_OWN(sl_buf, bad, sl_buf_free) = { .max = 8 * SL_MIB };
    assert_done(sl_buf_add(&bad, sl_buf_view(&text)));
    assert_done(sl_buf_add_str(&text, "</PMML>"));
    assert_clean_of(sl_buf_view(&text), "m.pmml", SL_KIND_XML, "large");
    assert_done(sl_buf_add_str(&bad, "<script/></PMML>"));
    assert_rule_of(sl_buf_view(&bad), "m.pmml", SL_RULE_XML_SCRIPT, "large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(windows_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
