/* TensorFlow graphs: a row for each rule and each place where an operator can stand. */
#include "artefact/format_case.h"
#include "artefact/protobuf_text.h"

typedef struct {
    const char *name;
    const char *text;
    sl_rule rule;
} row;

#define SAVED(meta) "1=1 2{" meta "}"
#define LAMBDA "{\"class_name\": \"Lambda\", \"config\": {}}"

static const row bad_rows[] = {
    { "saved_model.pb", SAVED("2{1{1'n' 2'PyFunc'}}"), SL_RULE_TENSORFLOW_CALL },
    { "saved_model.pb", SAVED("2{2{1{3{1'n' 2'WriteFile'}}}}"), SL_RULE_TENSORFLOW_CALL },
    { "saved_model.pb", SAVED("1{2{1{1'EagerPyFunc'}}}"), SL_RULE_TENSORFLOW_CALL },
    { "saved_model.pb", SAVED("2{1{1'n' 2'XlaHostCompute'}}") " 2{2{1{2'Relu'}}}",
      SL_RULE_TENSORFLOW_CALL },
    { "saved_model.pb", SAVED("2{1{2'ReadFile'}}"), SL_RULE_TENSORFLOW_FILE },
    { "saved_model.pb", SAVED("2{1{2'TFRecordDataset'}}"), SL_RULE_TENSORFLOW_FILE },
    { "saved_model.pb", SAVED("6{2'gs://x/vocab'}"), SL_RULE_TENSORFLOW_FILE },
    { "saved_model.pb", SAVED("6{2'../vocab.txt'}"), SL_RULE_PATH_TRAVERSAL },
    { "saved_model.pb", SAVED("2{1{2'PrintV2'}}"), SL_RULE_TENSORFLOW_OUTPUT },
    { "saved_model.pb", SAVED("2{1{2'PrintV2' 5{1'output_stream' 2{2'file:///tmp/x'}}}}"),
      SL_RULE_TENSORFLOW_PLACE },
    { "saved_model.pb", SAVED("2{1{2'X' 5{1'debug_urls' 2{1{2'grpc://127.0.0.1:1'}}}}}"),
      SL_RULE_TENSORFLOW_PLACE },
    { "saved_model.pb", SAVED("7{1{4{3'" LAMBDA "'}}}"), SL_RULE_KERAS_LAMBDA },
    { "frozen.pb", "1{1'n' 2'PyFunc'} 4{1=1}", SL_RULE_TENSORFLOW_CALL },
    { "keras_metadata.pb", "1{2=1 3'root' 4'_tf_keras_layer' 4'" LAMBDA "'}",
      SL_RULE_KERAS_LAMBDA },
    { "saved_model.pb", SAVED("2{1'\x0a\x7f'}"), SL_RULE_SCAN_MALFORMED },
};

static const struct {
    const char *text;
    sl_kind kind;
} good_rows[] = {
    { SAVED(
          "1{4'serve'} 2{1{1'n' 2'MatMul'} 1{1'm' 2'SaveV2'} 1{1'o' 2'RestoreV2'}} 6{2'vocab.txt'}"),
      SL_KIND_SAVEDMODEL },
    { "1{1'n' 2'Placeholder' 5{1'dtype' 2{6=1}}} 1{1'm' 2'Relu' 3'n'} 4{1=27}", SL_KIND_GRAPHDEF },
    { "1{2=1 3'root' 4'{\"class_name\": \"Dense\", \"config\": {}}'}", SL_KIND_KERAS_METADATA },
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(protobuf_of(bad_rows[i].text, bytes), bad_rows[i].name, bad_rows[i].rule,
                       bad_rows[i].text);
    }
}

static void good_files_are_clean(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(protobuf_of(good_rows[i].text, bytes), "m.pb", good_rows[i].kind,
                        good_rows[i].text);
    }
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    sl_view good = protobuf_of(good_rows[0].text, bytes);
    assert_sturdy_of(good, "m.pb", good.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
