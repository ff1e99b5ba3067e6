/* Pickles: a row for each rule of the machine, the readings in which loaders differ, and what must pass. */
#include "artefact/format_case.h"

#include <stdlib.h>

/* Calls that are kept for later: for a person at best. */
static const struct {
    const char *bytes;
    size_t n;
    sl_scan_class class;
} kept[] = {
#define KEPT(bytes, class)                                                                         \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, class                                                            \
    }
    /* functools.partial(numpy.prod), as pickle writes it: called, then given its state */
    KEPT("\x80\2cfunctools\npartial\ncnumpy\nprod\n\x85R(cnumpy\nprod\n)NNtb.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2cfunctools\npartial\ncmylib\nrun\n\x85R(cmylib\nrun\n)NNtb.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2cfunctools\npartial\ncos\nsystem\n\x85R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cfunctools\npartial\ncnumpy\nprod\n\x85R(cos\nsystem\n)NNtb.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cfunctools\npartial\ncnumpy\nprod\n\x85R(U\1a)NNtb.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cfunctools\npartial\nU\6system\x85R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cfunctools\npartial\ncnumpy\nprod\n\x85R)R.", SL_SCAN_DANGEROUS), /* and called */
    KEPT(
        "\x80\2cnumpy.random._pickle\n__randomstate_ctor\ncfunctools\npartial\ncmylib\nrun\n\x85R\x85R.",
        SL_SCAN_DANGEROUS),
    KEPT("\x80\2coperator\nitemgetter\nK\0\x85R.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2coperator\nitemgetter\nU\3age\x85R.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2coperator\nattrgetter\nU\3age\x85R.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2coperator\nattrgetter\nU\11__class__\x85R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2coperator\nattrgetter\nU\5a.b.c\x85R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2coperator\nmethodcaller\nU\5lower\x85R.", SL_SCAN_UNKNOWN),
    KEPT("\x80\2coperator\nmethodcaller\nU\13echo inert\x85R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2coperator\ncall\ncmylib\nrun\n\x85R.", SL_SCAN_DANGEROUS),
    /* type(None), and what else type does */
    KEPT("\x80\2cbuiltins\ntype\nN\x85R.", SL_SCAN_CLEAN),
    KEPT("\x80\2cbuiltins\ntype\nN\x85R)R.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cbuiltins\ntype\n.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cbuiltins\ntype\n(U\1X)}tR.", SL_SCAN_DANGEROUS),
    KEPT("\x80\2cbuiltins\ntype\nccollections\nOrderedDict\nU\7popitem\x86R.", SL_SCAN_DANGEROUS),
};

static void calls_that_are_kept_are_for_a_person(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(kept); i++) {
        sl_scan_result result = format_scan(sl_view_of(kept[i].bytes, kept[i].n), "a.pkl");
        if (result.class != kept[i].class) {
            print_error("row %zu\n", i);
            format_print(&result, "kept");
        }
        assert_int_equal(result.class, kept[i].class);
        sl_scan_result_free(&result);
    }
}

typedef struct {
    const char *what;
    const char *bytes;
    size_t n;
    sl_rule rule;
} row;

#define ROW(what, bytes, rule)                                                                     \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1, rule                                                       \
    }

static const row bad[] = {
    ROW("a call", "cposix\nsystem\n(S'echo inert'\ntR.", SL_RULE_PICKLE_CALL_DENIED),
    ROW("a call whose result is dropped", "\x80\2cos\nsystem\n(S'x'\ntR0N.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("a call before the stream breaks", "\x80\2cos\nsystem\n(S'x'\ntR\xff",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("a call in a stream cut short", "\x80\2cos\nsystem\n(S'x'\ntR", SL_RULE_PICKLE_TRUNCATED),
    ROW("INST", "(S'x'\nios\nsystem\n.", SL_RULE_PICKLE_CALL_DENIED),
    ROW("OBJ", "(cos\nsystem\nS'x'\no.", SL_RULE_PICKLE_CALL_DENIED),
    ROW("NEWOBJ of a stranger", "\x80\2cmylib\nModel\n)\x81.", SL_RULE_PICKLE_NEW_UNKNOWN),
    ROW("a name only", "\x80\2cos\nsystem\n.", SL_RULE_PICKLE_GLOBAL_DENIED),
    ROW("a stranger's name", "\x80\2cmylib\nModel\n.", SL_RULE_PICKLE_GLOBAL_UNKNOWN),
    ROW("a stranger is called", "\x80\2cmylib\nrun\n)R.", SL_RULE_PICKLE_CALL_UNKNOWN),
    ROW("a reviewed class is called", "\x80\2csklearn.svm._classes\nSVC\n)R.",
        SL_RULE_PICKLE_CALL_CLASS),
    ROW("a name through attributes", "\x80\4\x8c\11pathlib._\x8c\11os.system\x93)R.",
        SL_RULE_PICKLE_GLOBAL_DOTTED),
    ROW("a name that is none", "\x80\2ca b\nc d\n.", SL_RULE_PICKLE_GLOBAL_STRANGE),
    ROW("a computed name", "\x80\4\x8c\2osN\x93.", SL_RULE_PICKLE_GLOBAL_COMPUTED),
    ROW("a computed call", "\x80\2N)R.", SL_RULE_PICKLE_CALL_COMPUTED),
    ROW("the result of a call is called", "\x80\2ccollections\nOrderedDict\n)R)R.",
        SL_RULE_PICKLE_CALL_COMPUTED),
    ROW("a callable as argument", "\x80\2ccollections\ndefaultdict\ncmylib\nrun\n\x85R.",
        SL_RULE_PICKLE_CALLABLE_ARGUMENT),
    ROW("a callable deep in an argument", "\x80\2ccollections\ndefaultdict\n]cmylib\nrun\na\x85R.",
        SL_RULE_PICKLE_CALLABLE_ARGUMENT),
    ROW("attributes of a class", "\x80\2ccollections\nOrderedDict\n}U\1aK\1sb.",
        SL_RULE_PICKLE_BUILD_GLOBAL),
    ROW("state for a list", "\x80\2]}b.", SL_RULE_PICKLE_BUILD_COMPUTED),
    ROW("slots of a stranger",
        "\x80\2cmylib\nModel\n)\x81N}\x86"
        "b.",
        SL_RULE_PICKLE_BUILD_SLOTS),
    ROW("items of a class", "\x80\2ccollections\nOrderedDict\nU\1aK\1s.",
        SL_RULE_PICKLE_FILL_COMPUTED),
    ROW("items of a storage", "\x80\2ctorch\nSize\n)RU\1aK\1s.", SL_RULE_PICKLE_FILL_COMPUTED),
    ROW("items of an object", "\x80\2csklearn.svm._classes\nSVC\n)\x81U\1aK\1s.",
        SL_RULE_PICKLE_FILL_OBJECT),
    ROW("an extension", "\x80\2\x82\1.", SL_RULE_PICKLE_EXTENSION),
    ROW("a persistent id as text", "\x80\0Pfile\n.", SL_RULE_PICKLE_PERSISTENT),
    ROW("a persistent id", "\x80\2U\4fileQ.", SL_RULE_PICKLE_PERSISTENT),
    ROW("an out-of-band buffer", "\x80\5\x97.", SL_RULE_PICKLE_BUFFER),
    ROW("a hexadecimal number", "\x80\2I0x10\n.", SL_RULE_PICKLE_NUMBER),
    ROW("a number with a blank", "\x80\2I 1\n.", SL_RULE_PICKLE_NUMBER),
    ROW("an underscore in a number", "\x80\2L1_0L\n.", SL_RULE_PICKLE_NUMBER),
    ROW("a signed memo index", "\x80\2Np+1\n.", SL_RULE_PICKLE_NUMBER),
    ROW("a protocol in the middle", "\x80\2N0\x80\2N.", SL_RULE_PICKLE_PROTO),
    ROW("an opcode across a frame", "\x80\4\x95\2\0\0\0\0\0\0\0\x8c\4abcd.", SL_RULE_PICKLE_FRAME),
    ROW("a frame in a frame", "\x80\4\x95\13\0\0\0\0\0\0\0\x95\1\0\0\0\0\0\0\0N.",
        SL_RULE_PICKLE_FRAME),
    ROW("a frame beyond the end", "\x80\4\x95\xff\0\0\0\0\0\0\0N.", SL_RULE_PICKLE_FRAME),
    ROW("eight-bit text", "\x80\2U\1\xe9.", SL_RULE_PICKLE_LATIN),
    ROW("a string without quotes", "\x80\2Sabc\n.", SL_RULE_PICKLE_TEXT),
    ROW("a value left over", "\x80\2NN.", SL_RULE_PICKLE_LEFTOVER),
    ROW("a length beyond the end", "\x80\4\x8e\xff\xff\xff\xff\0\0\0\0.", SL_RULE_PICKLE_LENGTH),
    ROW("a memo index without end", "\x80\2Nr\xff\xff\xff\x7f.", SL_RULE_PICKLE_MEMO),
    ROW("an empty stack", "\x80\2.", SL_RULE_PICKLE_BROKEN),
    ROW("a missing memo entry", "\x80\2h\7.", SL_RULE_PICKLE_BROKEN),
    ROW("two streams", "\x80\2N.\x80\2N.", SL_RULE_PICKLE_STACKED),
    ROW("a call in the second stream", "\x80\2N.\x80\2cos\nsystem\n)R.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("bytes behind", "\x80\2N.\xff\xff", SL_RULE_PICKLE_TRAILING),
    ROW("a call behind a gap", "\x80\2N.\xff\xff\x80\2cos\nsystem\n)R.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("a call in bytes",
        "\x80\4"
        "C\20\x80\2cos\nsystem\n)R..",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("a call in base64", "\x80\4\x8c\34Y29zCnN5c3RlbQooUyd4Jwp0Ui4=.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("a scanner is reached for", "\x80\2cpicklescan.scanner\nscan\n.", SL_RULE_PICKLE_TAMPER),
    ROW("a computed argument for torch", "\x80\2ctorch.storage\n_load_from_bytes\nN\x85R.",
        SL_RULE_PICKLE_CALL_DENIED),
};

static void every_rule_finds_its_case(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        sl_view bytes = sl_view_of(bad[i].bytes, bad[i].n);
        assert_rule_of(bytes, "m.bin", bad[i].rule, bad[i].what);
        sl_scan_result result = format_scan(bytes, "m.bin");
        assert_true(result.class != SL_SCAN_CLEAN);
        sl_scan_result_free(&result);
    }
}

static const row good[] = {
    ROW("a number", "\x80\4K\1.", 0),
    ROW("protocol 0", "(lp0\nI1\naI2\na.", 0),
    ROW("an ordered dictionary", "\x80\2ccollections\nOrderedDict\n)Rq\0U\1aK\1s.", 0),
    ROW("Python 2's name of a set", "\x80\2c__builtin__\nset\n]\x85R.", 0),
    ROW("an estimator",
        "\x80\3ccopyreg\n_reconstructor\n(csklearn.svm._classes\nSVC\n"
        "cbuiltins\nobject\nNtR}X\1\0\0\0CK\1sb.",
        0),
    ROW("bytes that are no pickle",
        "\x80\4"
        "C\4\x80\2\xff\xff.",
        0),
};

static void what_is_harmless_passes(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(good); i++) {
        assert_clean_of(sl_view_of(good[i].bytes, good[i].n), "m.bin", SL_KIND_PICKLE,
                        good[i].what);
    }
}

static void words_are_no_pickle(void **state)
{
    static const char *const texts[] = { "cat\ndog\nfish\n", "import os\nprint(1)\n",
                                         "(see below)\n", "I. Introduction\n\nText.\n" };
    for (size_t i = 0; i < SL_COUNT_OF(texts); i++) {
        sl_scan_result result = format_scan(sl_view_str(texts[i]), "notes.txt");
        assert_true(result.kind != SL_KIND_PICKLE);
        sl_scan_result_free(&result);
    }
}

/* Lists that hold each other double with every level; tuples in tuples crash readers. */
static void endless_walks_are_found(void **state)
{
    uint8_t bytes[8192] = { 0x80, 4 };
    size_t n = 2;
    for (unsigned i = 0; i < 60; i++) {
        const uint8_t level[] = {
            ']', 0x94, '(', 'h', (uint8_t)(i == 0 ? 0 : i - 1), 'h', (uint8_t)(i == 0 ? 0 : i - 1),
            'e', '0'
        };
        memcpy(bytes + n, level, sizeof level);
        n += sizeof level;
    }
    const uint8_t end[] = { 'h', 59, '.' };
    memcpy(bytes + n, end, sizeof end);
    assert_rule_of(sl_view_of(bytes, n + sizeof end), "m.bin", SL_RULE_PICKLE_EXPANSION,
                   "doubling");
    n = 2;
    bytes[n++] = 'N';
    memset(bytes + n, 0x85, 3000);
    n += 3000;
    bytes[n++] = '.';
    assert_rule_of(sl_view_of(bytes, n), "m.bin", SL_RULE_PICKLE_DEPTH, "nesting");
}

/* A list filled one by one is as long as it is, not endless. */
static void long_lists_are_not_endless(void **state)
{
    size_t items = 200000;
    uint8_t *bytes = malloc(2 * items + 8);
    assert_non_null(bytes);
    size_t n = 0;
    bytes[n++] = 0x80;
    bytes[n++] = 2;
    bytes[n++] = ']';
    for (size_t i = 0; i < items; i++) {
        bytes[n++] = ']';
        bytes[n++] = 'a';
    }
    bytes[n++] = '.';
    assert_clean_of(sl_view_of(bytes, n), "m.bin", SL_KIND_PICKLE, "a long list");
    free(bytes);
}

/* No protocol in front, nothing called in the first stream: text, if one does not look on. */
static void plain_letters_are_pickles_too(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        sl_rule rule;
    } rows[] = {
        { "model.bin", "N.cposix\nsystem\n(S'x'\ntR.", SL_RULE_PICKLE_CALL_DENIED },
        { "model.bin", "I1\n.N.N.cposix\nsystem\n(S'x'\ntR.", SL_RULE_PICKLE_CALL_DENIED },
        { "model.pkl", "Pfile\n.", SL_RULE_PICKLE_PERSISTENT },
        { "model.pkl",
          "\x80\x09"
          "cos\nsystem\n.",
          SL_RULE_PICKLE_BROKEN },
    };
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        assert_rule_of(sl_view_str(rows[i].bytes), rows[i].name, rows[i].rule, rows[i].bytes);
    }
}

static void a_safe_name_hides_no_pickle(void **state)
{
    static const char bytes[] = "\x80\4K\1.";
    static const char *const names[] = { "w.safetensors", "w.gguf", "notes.txt", "a.npy",
                                         "c.json" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        assert_rule_of(sl_view_of(bytes, sizeof bytes - 1), names[i], SL_RULE_TYPE_MISMATCH,
                       names[i]);
    }
}

static void every_cut_and_flip_is_survived(void **state)
{
    const row *r = &good[4];
    assert_sturdy_of(sl_view_of(r->bytes, r->n), "m.bin", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_are_kept_are_for_a_person),
        cmocka_unit_test(every_rule_finds_its_case),
        cmocka_unit_test(what_is_harmless_passes),
        cmocka_unit_test(words_are_no_pickle),
        cmocka_unit_test(endless_walks_are_found),
        cmocka_unit_test(long_lists_are_not_endless),
        cmocka_unit_test(plain_letters_are_pickles_too),
        cmocka_unit_test(a_safe_name_hides_no_pickle),
        cmocka_unit_test(every_cut_and_flip_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
