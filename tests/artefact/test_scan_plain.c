/* Code, YAML, tables, programs, TensorFlow Lite, vocabularies: a row for each rule. */
#include "artefact/format_case.h"

typedef struct {
    const char *name;
    sl_view bytes;
    sl_rule rule;
} row;

#define ROW(name, bytes, rule)                                                                     \
    {                                                                                              \
        name, { (const uint8_t *)("" bytes), sizeof(bytes) - 1 }, rule                             \
    }
#define PARQUET(body, length, tail) "PAR1" body length tail
#define MZ_HEAD                                                                                          \
    "MZ\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
    "\0\0\0\0\0\0\0\0\0\0\x40\0\0\0PE\0\0"

/* A table of TensorFlow's checkpoint index: an empty block and its trailer, the footer's padding. */
#define TABLE_BLOCK "\0\0\0\0\1\0\0\0\0\0\0\0\0"
#define ZEROS36 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const row bad_rows[] = {
    ROW("modeling.py", "import torch\n", SL_RULE_CODE_SOURCE),
    ROW("run", "#!/bin/sh\nls\n", SL_RULE_CODE_SOURCE),
    ROW("modeling.py", "x = 1\nexec(base64.b64decode('YQ=='))\n", SL_RULE_CODE_HOSTILE),
    ROW("modeling.py", "os.system('curl http://127.0.0.1 | sh')\n", SL_RULE_CODE_HOSTILE),
    ROW("install.sh", "wget -qO- http://127.0.0.1/x | bash", SL_RULE_CODE_HOSTILE),
    ROW("x.py", "s=socket.socket(socket.AF_INET,socket.SOCK_STREAM)", SL_RULE_CODE_HOSTILE),
    ROW("x.py", "import base64\nc = base64.b64decode(D)\nif c:\n    exec(c)\n",
        SL_RULE_CODE_HOSTILE),
    ROW("x.py", "c = requests.get(U).text\nexec(c)\n", SL_RULE_CODE_HOSTILE),
    ROW("x.py", "marshal.loads(D)\n", SL_RULE_CODE_HOSTILE),
    ROW("x.py", "m = __import__('subprocess')\n", SL_RULE_CODE_HOSTILE),
    ROW("__init__.py", "import os\n\nos.system('touch x')\n", SL_RULE_CODE_HOSTILE),
    ROW("weights.pth", "import os; os.system('inert')\n", SL_RULE_CODE_HOSTILE),
    ROW("x.pyc", "\xa7\r\r\n\0\0\0\0\0\0\0\0\0\0\0\0\xe3\0\0\0\0", SL_RULE_NATIVE_CODE),
    ROW("x.lnk", "L\0\0\0\1\x14\2\0\0\0\0\0\xC0\0\0\0", SL_RULE_NATIVE_CODE),
    ROW("v.index",
        TABLE_BLOCK TABLE_BLOCK "____"
                                "\0\10\x0d\10" ZEROS36 "\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        SL_RULE_CHECKPOINT_LAYOUT),
    ROW("config.yaml", "a: !!python/object/apply:os.system ['x']\n", SL_RULE_CONFIG_TAG),
    ROW("config.yml", "a: !<tag:yaml.org,2002:python/name:os.system>\n", SL_RULE_CONFIG_TAG),
    ROW("config.yaml", "a: !!javax.script.ScriptEngineManager []\n", SL_RULE_CONFIG_TAG),
    ROW("model_config.yaml", "model:\n  _target_: os.system\n", SL_RULE_CONFIG_TARGET),
    ROW("model_config.yaml", "model: \n  - '_target_' : \"builtins.exec\"\n",
        SL_RULE_CONFIG_TARGET),
    ROW("model_config.yaml", "model: \n  _target_: torch.nn.Linear.__init__.__globals__\n",
        SL_RULE_CONFIG_TARGET),
    ROW("MLmodel", "flavors:\n  python_function:\n    loader_module: evil\n",
        SL_RULE_CONFIG_REMOTE_CODE),
    ROW("config.yaml", "trust_remote_code: true\n", SL_RULE_CONFIG_TRUST),
    ROW("t.csv", "a,b\n=cmd|' /C calc'!A0,1\n", SL_RULE_CSV_CALL),
    ROW("t.csv", "a;\"=HYPERLINK(\"\"http://127.0.0.1\"\")\"\n", SL_RULE_CSV_CALL),
    ROW("t.tsv", "a\t@SUM(1+1)*cmd|' /C calc'!A0\n", SL_RULE_CSV_CALL),
    ROW("t.csv", "a,+cmd|' /C calc'!A0", SL_RULE_CSV_CALL),
    ROW("t.csv", "a,=1+2\n", SL_RULE_CSV_FORMULA),
    ROW("t.csv", "a,=B7\n", SL_RULE_CSV_FORMULA),
    ROW("t.csv", "a,-2+3+cmd|' /C calc'!A0", SL_RULE_CSV_CALL),
    ROW("t.csv", "a,\"=1+shell(1)\"", SL_RULE_CSV_CALL),
    ROW("t.csv", "a,-SUM(A1)\n", SL_RULE_CSV_FORMULA),
    ROW("t.parquet", PARQUET("", "\xFF\0\0\0", "PAR1"), SL_RULE_TABLE_FOOTER),
    ROW("t.parquet", PARQUET("x", "\1\0\0\0", "PARX"), SL_RULE_TABLE_FOOTER),
    ROW("t.parquet", PARQUET("arrow.py_extension_type", "\x17\0\0\0", "PAR1"),
        SL_RULE_TABLE_PICKLE),
    ROW("t.parquet", PARQUET("xYXJyb3cucHlfZXh0ZW5zaW9uX3R5cGU=", "\x20\0\0\0", "PAR1"),
        SL_RULE_TABLE_PICKLE),
    ROW("t.arrow", "ARROW1\0\0arrow.py_extension_type____\4\0\0\0ARROW1", SL_RULE_TABLE_PICKLE),
    ROW("t.arrow", "ARROW1\0\0____\4\0\0\0ARROW2", SL_RULE_TABLE_FOOTER),
    ROW("letter.txt", "\x81\x8D\x8F\x90 is no text\n", SL_RULE_TYPE_DIFFERENT),
    ROW("m.msgpack", "\x81\xA1x\xD4\x09y", SL_RULE_MSGPACK_TYPE),
    ROW("m.msgpack", "\x81\xA1x\xDD\xFF\xFF\xFF\xFF", SL_RULE_SCAN_MALFORMED),
    ROW("m.msgpack", "\x81\xA1x\x01\x02", SL_RULE_SCAN_MALFORMED),
    ROW("p.png", "\x89PNG\r\n\x1a\n\0\0\0\0IEND____PK", SL_RULE_PICTURE_TRAILING),
    ROW("p.jpg", "\xFF\xD8\xFF\xE0\xFF\xD9PK", SL_RULE_PICTURE_TRAILING),
    ROW("p.webp", "RIFF\4\0\0\0WEBPPK", SL_RULE_PICTURE_TRAILING),
    ROW("libx.so",
        "\x7F"
        "ELF\2\1\1\0",
        SL_RULE_NATIVE_CODE),
    ROW("weights.bin", "\xCF\xFA\xED\xFE\7\0\0\1", SL_RULE_NATIVE_CODE),
    ROW("m.wasm", "\0asm\1\0\0\0", SL_RULE_NATIVE_CODE),
    ROW("m.llamafile", "MZqFpD='\n", SL_RULE_NATIVE_CODE),
    ROW("m.safetensors", MZ_HEAD, SL_RULE_NATIVE_CODE),
    ROW("m.safetensors",
        "\x7F"
        "ELF\2\1\1\0",
        SL_RULE_TYPE_MISMATCH),
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(bad_rows[i].bytes, bad_rows[i].name, bad_rows[i].rule,
                       sl_rule_get(bad_rows[i].rule)->name);
    }
}

static const struct {
    const char *name;
    sl_view bytes;
    sl_kind kind;
} good_rows[] = {
    ROW("config.yaml", "model:\n  _target_: nemo.collections.asr.models.X\n  x: !custom 1\n",
        SL_KIND_YAML),
    ROW("MLmodel", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n",
        SL_KIND_YAML),
    ROW("t.csv", "a,b\n-1,+2.5\n\"x = 1\",@handle\n====,--\n", SL_KIND_CSV),
    ROW("t.tsv", "a\tb\n1e-3\t-\n", SL_KIND_CSV),
    ROW("t.csv", "lab,note\n+ve (weak),-added (by phone)\n=5,= see note (1)\n-ve(s),@9 am\n",
        SL_KIND_CSV),
    ROW("t.parquet", PARQUET("xyz", "\3\0\0\0", "PAR1"), SL_KIND_PARQUET),
    ROW("t.arrow", "ARROW1\0\0____\4\0\0\0ARROW1", SL_KIND_ARROW),
    ROW("v.index",
        TABLE_BLOCK TABLE_BLOCK "\0\10\x0d\10" ZEROS36 "\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        SL_KIND_CHECKPOINT),
    ROW("variables.data-00000-of-00001", "\0\0\x80?\x80\2\3", SL_KIND_SHARD),
    ROW("model.onnx_data", "\0\0\x80?", SL_KIND_SHARD),
    ROW("d.tfrecord",
        "\003\000\000\000\000\000\000\000\260\231\111\016\141\142\143\156\127\361\041",
        SL_KIND_RECORDS),
    ROW("key2row", "\x82\xCF\1\2\3\4\5\6\7\x08\1\2\3", SL_KIND_MSGPACK),
    ROW("m.msgpack", "\x82\xA1x\xC7\3\1abc\xA1y\x92\xC0\xCB________", SL_KIND_MSGPACK),
    ROW("p.png", "\x89PNG\r\n\x1a\n\0\0\0\0IEND____", SL_KIND_PICTURE),
    ROW("p.gif", "GIF89a;", SL_KIND_PICTURE),
    ROW("letter.txt", "Subject\x92s height: 1,80\xA0m\n", SL_KIND_TEXT),
    ROW("letter.txt",
        "Gr\xC3\xB6\xC3\x9F"
        "e\n",
        SL_KIND_TEXT),
    ROW("tokenizer.model", "\x0a\x0a\x0a\3<s>\x15\0\0\0\0\x0a\x0a\x0a\3abc\x15\0\0\0\0\x12\2\x0a\0",
        SL_KIND_SENTENCEPIECE),
    ROW("fingerprint.pb",
        "\x08\x80\x80\x80\1\x10\x80\x80\x80\1\x18\x80\x80\x80\1\x20\x80\x80\x80\1",
        SL_KIND_FINGERPRINT),
};

static void good_files_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(good_rows[i].bytes, good_rows[i].name, good_rows[i].kind,
                        good_rows[i].name);
    }
}

/* A model of one operator: root table, vectors, one code with a name of its own. */
static sl_view build_tflite(uint8_t *out, const char *name)
{
    static const uint8_t head[] = {
        28, 0, 0,  0, 'T', 'F', 'L', '3',       /* root at 28 */
        12, 0, 16, 0, 0,   0,   4,   0,   8, 0, /* vtable at 8: operators and graphs */
        0,  0, 0,  0, 0,   0,   0,   0,   0, 0, 20, 0, 0,
        0,                              /* 28: the table; its vtable lies 20 before */
        12, 0, 0,  0,                   /* 32: operators at 44 */
        28, 0, 0,  0,                   /* 36: graphs at 64 */
        0,  0, 0,  0, 1,   0,   0,   0, /* 44: one operator */
        16, 0, 0,  0,                   /* 48: at 64 - 0 */
        0,  0, 0,  0, 8,   0,   8,   0,   0, 0, 4,  0, /* vtable at 56: the name is its second field */
    };
    memcpy(out, head, sizeof(head));
    size_t n = sizeof(head);
    sl_put_le32(out + n, 8); /* 64: the code's table */
    sl_put_le32(out + n + 4, 4);
    sl_put_le32(out + n + 8, (uint32_t)strlen(name));
    memcpy(out + n + 12, name, strlen(name) + 1);
    return sl_view_of(out, n + 12 + strlen(name) + 1);
}

static void lite_models_are_followed(void **state)
{
    (void)state;
    uint8_t bytes[256];
    assert_clean_of(build_tflite(bytes, "Mfcc"), "m.tflite", SL_KIND_TFLITE, "known");
    assert_rule_of(build_tflite(bytes, "Own"), "m.tflite", SL_RULE_TFLITE_OPERATOR, "own");
    assert_rule_of(build_tflite(bytes, "FlexPyFunc"), "m.tflite", SL_RULE_TENSORFLOW_CALL, "flex");
    assert_sturdy_of(build_tflite(bytes, "Mfcc"), "m.tflite", 80);
    sl_put_le32(bytes, 0xFFFFFFF0);
    assert_rule_of(sl_view_of(bytes, 80), "m.tflite", SL_RULE_SCAN_MALFORMED, "far root");
}

static void clinical_files_are_known(void **state)
{
    (void)state;
    static uint8_t bytes[512];
    memset(bytes, ' ', 240);
    memcpy(bytes, "HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!", 48);
    assert_clean_of(sl_view_of(bytes, 240), "ae.xpt", SL_KIND_SAS_TRANSPORT, "transport");
    assert_rule_of(sl_view_of(bytes, 241), "ae.xpt", SL_RULE_SCAN_MALFORMED, "half a card");
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes + 128, "DICM\2\0\0\0", 8);
    assert_clean_of(sl_view_of(bytes, 200), "a.dcm", SL_KIND_DICOM, "dicom");
    bytes[5] = '!';
    assert_rule_of(sl_view_of(bytes, 200), "a.dcm", SL_RULE_CLINICAL_PREAMBLE, "preamble");
    memcpy(bytes, MZ_HEAD, sizeof(MZ_HEAD) - 1);
    assert_rule_of(sl_view_of(bytes, 200), "a.dcm", SL_RULE_TYPE_POLYGLOT, "a program before it");
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes + 12,
           "\xC2\xEA\x81\x60\xB3\x14\x11\xCF\xBD\x92\x08\0\x09\xC7\x31\x8C\x18\x1F\x10\x11", 20);
    bytes[37] = 1;
    sl_put_le32(bytes + 196, 288);
    sl_put_le32(bytes + 200, 100);
    sl_put_le32(bytes + 204, 2);
    assert_clean_of(sl_view_of(bytes, 488), "ae.sas7bdat", SL_KIND_SAS_DATA, "data set");
    assert_rule_of(sl_view_of(bytes, 489), "ae.sas7bdat", SL_RULE_CLINICAL_TRAILING, "trailing");
    assert_rule_of(sl_view_of(bytes, 400), "ae.sas7bdat", SL_RULE_SCAN_MALFORMED, "cut short");
}

/* Every kind of number that numpy writes by name. */
static void arrays_of_all_numbers_are_clean(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        size_t bytes;
    } types[] = { { "|u1", 1 },   { "<u2", 2 }, { ">u4", 4 },     { "<u8", 8 },
                  { "|i1", 1 },   { "<i8", 8 }, { "<f2", 2 },     { "<f8", 8 },
                  { "<c16", 16 }, { "|b1", 1 }, { "<M8[ns]", 8 }, { "<U3", 12 } };
    for (size_t i = 0; i < SL_COUNT_OF(types); i++) {
        char bytes[160] = "\x93NUMPY\1\0v";
        int n = snprintf(bytes + 10, 119, "%s%s%s", "{'descr': '", types[i].type,
                         "', 'fortran_order': False, 'shape': (1,), }");
        memset(bytes + 10 + n, ' ', (size_t)(117 - n));
        bytes[127] = '\n';
        assert_clean_of(sl_view_of(bytes, 128 + types[i].bytes), "a.npy", SL_KIND_NPY,
                        types[i].type);
    }
}

/* XGBoost's binary form from its own notation: names with their lengths as longs. */
#define NAME(length, text) "L\0\0\0\0\0\0\0" length text
#define INTS(count, items) "[$l#L\0\0\0\0\0\0\0" count items
#define UBJ(left, right, splits)                                                                   \
    "{" NAME("\7", "learner") "{" NAME(                                                            \
        "\13",                                                                                     \
        "num_feature") "SL\0\0\0\0\0\0\0\1"                                                        \
                       "2" NAME("\5", "trees") "[#L\0\0\0\0\0\0\0\1{" NAME("\15", "left_children") \
                           left NAME("\16", "right_children") right NAME("\15", "split_indices")   \
                               splits NAME("\12", "tree_param") "{" NAME(                          \
                                   "\11", "num_nodes") "SL\0\0\0\0\0\0\0\1"                        \
                                                       "3}}}}"
#define FALSE_LEAVES "\377\377\377\377\377\377\377\377"
#define GOOD_LEFT INTS("\3", "\0\0\0\1" FALSE_LEAVES)
#define GOOD_RIGHT INTS("\3", "\0\0\0\2" FALSE_LEAVES)
#define GOOD_SPLITS INTS("\3", "\0\0\0\1\0\0\0\0\0\0\0\0")

static void binary_trees_are_checked(void **state)
{
    (void)state;
    static const row bad[] = {
        ROW("m.ubj", UBJ(INTS("\3", "\0\0\0\3" FALSE_LEAVES), GOOD_RIGHT, GOOD_SPLITS),
            SL_RULE_BOOST_INDEX),
        ROW("m.ubj", UBJ(GOOD_LEFT, INTS("\2", "\0\0\0\2\377\377\377\377"), GOOD_SPLITS),
            SL_RULE_BOOST_INDEX),
        ROW("m.ubj", UBJ(GOOD_LEFT, GOOD_RIGHT, INTS("\1", "\0\0\0\2")), SL_RULE_BOOST_INDEX),
        ROW("m.ubj", UBJ(GOOD_LEFT, GOOD_RIGHT, INTS("\377", "")), SL_RULE_SCAN_MALFORMED),
        ROW("m.ubj", UBJ(GOOD_LEFT, GOOD_RIGHT, GOOD_SPLITS) "x", SL_RULE_SCAN_MALFORMED),
    };
    static const row good = ROW("m.ubj", UBJ(GOOD_LEFT, GOOD_RIGHT, GOOD_SPLITS), SL_RULE_COUNT);
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_rule_of(bad[i].bytes, bad[i].name, bad[i].rule, "ubj");
    }
    assert_clean_of(good.bytes, good.name, SL_KIND_UBJSON, "good");
    assert_sturdy_of(good.bytes, good.name, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(lite_models_are_followed),
        cmocka_unit_test(arrays_of_all_numbers_are_clean),
        cmocka_unit_test(binary_trees_are_checked),
        cmocka_unit_test(clinical_files_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
