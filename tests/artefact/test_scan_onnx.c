/* ONNX: a row for each place where external data or a foreign operator can hide. */
#include "artefact/format_case.h"
#include "artefact/protobuf_text.h"

typedef struct {
    const char *text;
    sl_rule rule;
} row;

#define MODEL(more) "1=8 2'gen' 7{1{4'Relu'} 2'g' " more "} 8{1'' 2=13}"
#define OUTSIDE(path) "13{1'location' 2'" path "'} 14=1"

static const row bad_rows[] = {
    { MODEL("5{1=2 2=1 " OUTSIDE("../w.bin") "}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("5{" OUTSIDE("/proc/self/environ") "}"), SL_RULE_PATH_ABSOLUTE },
    { MODEL("5{" OUTSIDE("C:w.bin") "}"), SL_RULE_PATH_ABSOLUTE },
    { MODEL("5{" OUTSIDE("a\\..\\b") "}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("5{" OUTSIDE("a\tb") "}"), SL_RULE_PATH_CONTROL },
    { MODEL("5{" OUTSIDE("file:///etc/hostname") "}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{" OUTSIDE("http://127.0.0.1/x") "}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{" OUTSIDE("") "}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{14=1}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{13{1'location' 2'w'} 13{1'offset' 2'-1'}}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{13{1'location' 2'w'} 13{1'length' 2'0x10'}}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("5{13{1'location' 2'w'} 13{1'__class__' 2'x'}}"), SL_RULE_ONNX_EXTERNAL },
    { MODEL("15{1{" OUTSIDE("../w") "}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("15{2{" OUTSIDE("../w") "}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'Constant' 5{5{" OUTSIDE("../w") "}}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'Constant' 5{10{" OUTSIDE("../w") "}}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'Constant' 5{22{1{" OUTSIDE("../w") "}}}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'Constant' 5{23{1{" OUTSIDE("../w") "}}}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'If' 5{6{5{" OUTSIDE("../w") "}}}}"), SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'If' 5{11{1{4'X' 5{6{5{" OUTSIDE("../w") "}}}}}}}"), SL_RULE_PATH_TRAVERSAL },
    { "1=8 7{} 20{1{5{" OUTSIDE("../w") "}}}", SL_RULE_PATH_TRAVERSAL },
    { "1=8 7{} 20{2{5{" OUTSIDE("../w") "}}}", SL_RULE_PATH_TRAVERSAL },
    { "1=8 7{} 25{1'F' 7{4'Constant' 5{5{" OUTSIDE("../w") "}}}}", SL_RULE_PATH_TRAVERSAL },
    { "1=8 7{} 25{1'F' 11{5{" OUTSIDE("../w") "}}}", SL_RULE_PATH_TRAVERSAL },
    { MODEL("1{4'Op' 7'my.domain'}"), SL_RULE_ONNX_OPERATOR },
    { MODEL("1{4'If' 5{6{1{4'Op' 7'my.domain'}}}}"), SL_RULE_ONNX_OPERATOR },
    { MODEL("1{4'Op' 7'my.domain'}") " 25{1'Other' 10'my.domain'}", SL_RULE_ONNX_OPERATOR },
    { MODEL("1{4'Tokenizer' 7'ai.onnx.contrib'}"), SL_RULE_ONNX_OPERATOR },
    { MODEL("1{4'PyOp' 7'x'}"), SL_RULE_ONNX_PYTHON },
    { MODEL("1{4'PythonOp' 7'com.microsoft'}"), SL_RULE_ONNX_PYTHON },
    { MODEL("5{1=2 2=1 9'1234567'}"), SL_RULE_ONNX_TENSOR },
    { MODEL("5{1=4294967296 1=4294967296 2=1 9''}"), SL_RULE_ONNX_TENSOR },
    { MODEL("5{1=18446744073709551615 2=1 9''}"), SL_RULE_ONNX_TENSOR },
    { "1=8 7{1'\x0a\x7f'}", SL_RULE_SCAN_MALFORMED },
    { "1=8 7{1=1}", SL_RULE_SCAN_MALFORMED },
};

static const char *const good_rows[] = {
    MODEL(""),
    MODEL("5{1=2 2=1 8'w' 9'12345678'}"),
    MODEL("5{1'\x02\x01' 2=1 9'12345678'}"),
    MODEL("5{1=3 2=22 9'12'}"),
    MODEL("5{1=2 2=1 " OUTSIDE("weights/a.bin") " 13{1'offset' 2'0'} 13{1'length' 2'8'}}"),
    MODEL("1{4'FusedGelu' 7'com.microsoft'}"),
    MODEL("1{4'Op' 7'my.domain'}") " 25{1'Op' 10'my.domain' 7{4'Relu'}}",
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(protobuf_of(bad_rows[i].text, bytes), "m.onnx", bad_rows[i].rule,
                       bad_rows[i].text);
    }
}

static void good_files_are_clean(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(protobuf_of(good_rows[i], bytes), "m.onnx", SL_KIND_ONNX, good_rows[i]);
    }
}

static void files_outside_are_told_to_the_edge(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    sl_scan_result result = format_scan(protobuf_of(good_rows[4], bytes), "m.onnx");
    assert_int_equal(result.outside_count, 1);
    assert_view(result.outside[0].path, "weights/a.bin");
    assert_int_equal(result.outside[0].length, 8);
    sl_scan_result_free(&result);
}

static void deep_graphs_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    assert_clean_of(
        protobuf_of(MODEL("1{4'If' 5{6{1{4'If' 5{6{1{4'If' 5{6{1{4'Relu'}}}}}}}}}}"), bytes),
        "m.onnx", SL_KIND_ONNX, "nested");
    /* Fifty graphs inside each other: every length is the true one. */
    size_t n = 0;
    static uint8_t deep[8192];
    for (size_t i = 0; i < 150; i++) {
        static const uint8_t tags[] = { 0x0A, 0x2A, 0x32 };
        memmove(deep + 3, deep, n);
        deep[0] = tags[2 - i % 3];
        protobuf_length(deep + 1, n);
        n += 3;
    }
    memmove(deep + 5, deep, n);
    memcpy(deep, "\x08\x08\x3A", 3);
    protobuf_length(deep + 3, n);
    assert_rule_of(sl_view_of(deep, n + 5), "m.onnx", SL_RULE_SCAN_LIMIT, "150 levels");
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    sl_view good = protobuf_of(good_rows[4], bytes);
    assert_sturdy_of(good, "m.onnx", good.n); /* a shorter message may be whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(files_outside_are_told_to_the_edge),
        cmocka_unit_test(deep_graphs_are_refused),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
