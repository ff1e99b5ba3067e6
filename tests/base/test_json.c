/* The JSON lexer accepts RFC 8259 and nothing else; documents, decoding, writing, canonical form. */
#include "test.h"

#include "base/json.h"

static sl_res parses(const char *text, size_t n)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    return sl_json_parse(sl_view_of(text, n), &doc);
}

static void good_texts_parse(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "-1.5e+10",
        "1E5",
        "\"\"",
        "true",
        " null ",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":1,\"b\":[1,2,{\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}]}",
        "\"\xC3\xA9\"",
        "{\"a\":{},\"A\":{}}",
        "[1,\t2,\r\n3]",
        "\"\\u0000\"",
    };
    for (size_t i = 0; i < SL_COUNT_OF(good); i++) {
        assert_done(parses(good[i], strlen(good[i])));
    }
}

static void bad_texts_are_refused_with_their_reason(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        sl_code code;
    } cases[] = {
        { "", 0, SL_E_TRUNCATED },
        { "\xEF\xBB\xBF{}", 5, SL_E_SYNTAX },
        { "{}x", 3, SL_E_TRAILING },
        { "1 2", 3, SL_E_TRAILING },
        { "1\0", 2, SL_E_TRAILING },
        { "01", 2, SL_E_TRAILING },
        { "1.", 2, SL_E_TRUNCATED },
        { ".5", 2, SL_E_SYNTAX },
        { "+1", 2, SL_E_SYNTAX },
        { "1e", 2, SL_E_TRUNCATED },
        { "NaN", 3, SL_E_SYNTAX },
        { "'a'", 3, SL_E_SYNTAX },
        { "[1,]", 4, SL_E_SYNTAX },
        { "[,1]", 4, SL_E_SYNTAX },
        { "{\"a\":1,}", 8, SL_E_SYNTAX },
        { "{a:1}", 5, SL_E_SYNTAX },
        { "{\"a\" 1}", 7, SL_E_SYNTAX },
        { "{\"a\":1]", 7, SL_E_SYNTAX },
        { "[1}", 3, SL_E_SYNTAX },
        { "]", 1, SL_E_SYNTAX },
        { "\"a\nb\"", 5, SL_E_SYNTAX },
        { "\"\\x\"", 4, SL_E_SYNTAX },
        { "\"\\u12g4\"", 8, SL_E_SYNTAX },
        { "\"\\ud800\"", 8, SL_E_SYNTAX },
        { "\"\\ud800\\u0041\"", 14, SL_E_SYNTAX },
        { "\"\\udc00\"", 8, SL_E_SYNTAX },
        { "\"\xC0\x80\"", 4, SL_E_UTF8 },
        { "\"\xED\xA0\x80\"", 5, SL_E_UTF8 },
        { "\"abc", 4, SL_E_TRUNCATED },
        { "tru", 3, SL_E_SYNTAX },
        { "truex", 5, SL_E_TRAILING },
        { "{\"a\":1,\"a\":2}", 13, SL_E_DUPLICATE },
        { "{\"a\":1,\"\\u0061\":2}", 18, SL_E_DUPLICATE },
        { "[{\"x\":0,\"b\":1,\"x\":2}]", 21, SL_E_DUPLICATE },
        { "{\"a\":1,\"b\"", 10, SL_E_TRUNCATED },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_res r = parses(cases[i].text, cases[i].n);
        if (r.code != (int32_t)cases[i].code) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
        }
        assert_int_equal(r.code, cases[i].code);
    }
}

static void depth_and_names_are_limited(void **state)
{
    char text[2 * SL_JSON_DEPTH_MAX + 4];
    memset(text, '[', SL_JSON_DEPTH_MAX);
    memset(text + SL_JSON_DEPTH_MAX, ']', SL_JSON_DEPTH_MAX);
    assert_done(parses(text, 2 * SL_JSON_DEPTH_MAX));
    memset(text, '[', SL_JSON_DEPTH_MAX + 1);
    assert_code(parses(text, SL_JSON_DEPTH_MAX + 1), SL_E_DEPTH);

    SL_OWN(sl_buf, b, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_add_str(&b, "{\""));
    for (size_t i = 0; i <= SL_JSON_KEY_BYTES_MAX; i++) {
        assert_done(sl_buf_add_byte(&b, 'k'));
    }
    assert_done(sl_buf_add_str(&b, "\":1}"));
    assert_code(parses((const char *)b.p, b.n), SL_E_LIMIT);
}

static void members_are_found_and_decoded(void **state)
{
    sl_view text = SL_LIT("{\"name\":\"Ana \\u00c1\\t\",\"n\":-42,\"list\":[10,20,30],\"ok\":true,"
                          "\"na\\u006de2\":\"x\"}");
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4096 };
    assert_done(sl_json_parse(text, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    sl_view name;
    assert_done(sl_json_text(sl_json_get(&doc, root, "name"), &arena, &name));
    assert_view(name, "Ana \xC3\x81\t");
    int64_t n = 0;
    assert_done(sl_json_i64(sl_json_get(&doc, root, "n"), &n));
    assert_int_equal(n, -42);
    assert_non_null(sl_json_get_kind(&doc, root, "name2", SL_JSON_STRING));
    assert_null(sl_json_get(&doc, root, "none"));
    assert_null(sl_json_get_kind(&doc, root, "n", SL_JSON_STRING));
    assert_code(sl_json_i64(sl_json_get(&doc, root, "name"), &n), SL_E_TYPE);
    bool ok = false;
    assert_done(sl_json_bool(sl_json_get(&doc, root, "ok"), &ok));
    assert_true(ok);

    const sl_json_node *list = sl_json_get(&doc, root, "list");
    assert_view(sl_json_source(&doc, list), "[10,20,30]");
    int64_t sum = 0;
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, list, &it)) {
        assert_null(it.key);
        assert_done(sl_json_i64(it.value, &n));
        sum += n;
    }
    assert_int_equal(sum, 60);
    assert_int_equal(list->count, 3);
    assert_view(sl_json_source(&doc, sl_json_get(&doc, root, "name2")), "\"x\"");
}

static void writer_writes_what_the_parser_reads(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    sl_json_writer w;
    sl_json_writer_init(&w, &out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "a\"b", "line\n\x01\xE2\x82\xAC");
    sl_json_key(&w, "list");
    sl_json_array_begin(&w);
    sl_json_int(&w, INT64_MIN);
    sl_json_uint(&w, UINT64_MAX);
    sl_json_null(&w);
    sl_json_object_begin(&w);
    sl_json_object_end(&w);
    sl_json_true_false(&w, false);
    sl_json_array_end(&w);
    sl_json_put_bool(&w, "last", true);
    sl_json_object_end(&w);
    assert_done(sl_json_finish(&w));
    assert_view(sl_buf_view(&out),
                "{\"a\\\"b\":\"line\\n\\u0001\xE2\x82\xAC\",\"list\":[-9223372036854775808,"
                "18446744073709551615,null,{},false],\"last\":true}");
    assert_done(parses((const char *)out.p, out.n));
}

/* Plain runs are passed over whole; what must be escaped is escaped wherever it stands. */
static void writer_escapes_at_every_place(void **state)
{
    (void)state;
    for (size_t at = 0; at < 40; at++) {
        for (unsigned b = 0; b < 0x80; b++) {
            SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
            SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
            SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4096 };
            sl_json_writer w;
            sl_view read;
            uint8_t bytes[42];
            memset(bytes, 'x', sizeof bytes);
            memcpy(bytes + 20, "\xC3\xA9", 2);
            bytes[at == 20 || at == 21 ? 22 : at] = (uint8_t)b;
            sl_json_writer_init(&w, &out);
            sl_json_string(&w, sl_view_of(bytes, sizeof bytes));
            assert_done(sl_json_finish(&w));
            assert_done(sl_json_parse(sl_buf_view(&out), &doc));
            assert_done(sl_json_text(sl_json_root(&doc), &arena, &read));
            assert_true(sl_view_eq(read, sl_view_of(bytes, sizeof bytes)));
        }
    }
}

static void writer_keeps_its_first_error(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    sl_json_writer w;
    sl_json_writer_init(&w, &out);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "bad", SL_LIT("\xFF"));
    sl_json_object_end(&w);
    assert_code(sl_json_finish(&w), SL_E_UTF8);
    sl_buf_clear(&out);
    sl_json_writer_init(&w, &out);
    sl_json_array_begin(&w);
    assert_code(sl_json_finish(&w), SL_E_BUG);
}

static void canonical_form_sorts_and_tightens(void **state)
{
    sl_view text =
        SL_LIT(" { \"b\" : [ 3 , {\"z\":null,\"y\":\"\\u0041\\/\"} ] , \"a\\u0062\" : -7,"
               "\"a\":{} }");
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    assert_done(sl_json_parse(text, &doc));
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    assert_done(sl_json_canonical(&doc, sl_json_root(&doc), &out));
    assert_view(sl_buf_view(&out), "{\"a\":{},\"ab\":-7,\"b\":[3,{\"y\":\"A/\",\"z\":null}]}");
}

static void canonical_form_refuses_what_leaves_never_hold(void **state)
{
    static const char *const bad[] = { "1.0", "1e3", "-0", "9007199254740992", "{\"\xC3\xA9\":1}" };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        assert_done(sl_json_parse(sl_view_str(bad[i]), &doc));
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
        assert_false(sl_ok(sl_json_canonical(&doc, sl_json_root(&doc), &out)));
        assert_int_equal(out.n, 0);
    }
}

static void a_values_source_lies_in_the_text(void **state)
{
    sl_view text = SL_LIT("[true,false,null,12,\"x\",[],{}]");
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    assert_done(sl_json_parse(text, &doc));
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, sl_json_root(&doc), &it)) {
        assert_ptr_equal(sl_json_source(&doc, it.value).p, text.p + it.value->offset);
    }
}

static void numbers_beyond_a_double_are_out_of_range(void **state)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    assert_done(sl_json_parse(SL_LIT("-1e999"), &doc));
    double value = 7;
    assert_code(sl_json_f64(sl_json_root(&doc), &value), SL_E_RANGE);
    assert_true(value > 6.9 && value < 7.1);
}

/* Few names are compared each with each, many and escaped ones are sorted: both must see doubles. */
static void doubled_names_are_seen_in_objects_of_any_size(void **state)
{
    for (int count = 2; count < 40; count++) {
        for (int escaped = 0; escaped < 2; escaped++) {
            SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
            SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
            assert_done(sl_buf_add_str(&text, "{"));
            for (int i = 0; i < count; i++) {
                assert_done(sl_buf_addf(&text, "\"a%d\":0,", i));
            }
            size_t at = text.n;
            assert_done(sl_buf_add_str(&text, escaped ? "\"\\u00610\":1}" : "\"a0\":1}"));
            assert_code(sl_json_parse(sl_buf_view(&text), &doc), SL_E_DUPLICATE);
            assert_int_equal(sl_detail_get()->offset, at);
            text.p[at + 1] = 'b';
            text.p[at + 2] = 'b';
            if (!escaped) {
                assert_done(sl_json_parse(sl_buf_view(&text), &doc));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts_parse),
        cmocka_unit_test(bad_texts_are_refused_with_their_reason),
        cmocka_unit_test(depth_and_names_are_limited),
        cmocka_unit_test(members_are_found_and_decoded),
        cmocka_unit_test(writer_writes_what_the_parser_reads),
        cmocka_unit_test(writer_escapes_at_every_place),
        cmocka_unit_test(writer_keeps_its_first_error),
        cmocka_unit_test(canonical_form_sorts_and_tightens),
        cmocka_unit_test(canonical_form_refuses_what_leaves_never_hold),
        cmocka_unit_test(a_values_source_lies_in_the_text),
        cmocka_unit_test(numbers_beyond_a_double_are_out_of_range),
        cmocka_unit_test(doubled_names_are_seen_in_objects_of_any_size),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
