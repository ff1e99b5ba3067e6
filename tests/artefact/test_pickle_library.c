/* Streams as libraries write them, reduced to their shape: each must be clean, or a scanner is switched off. */
#include "artefact/format_case.h"

typedef struct {
    const char *what;
    const char *bytes;
    size_t n;
} row;

#define ROW(what, bytes)                                                                           \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1                                                             \
    }

/* numpy's array of one float, as most estimators hold it. */
#define ARRAY(module)                                                                              \
    "c" module "\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K\1\x85"                      \
    "cnumpy\ndtype\n"                                                                              \
    "U\2f8K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89U\x08\0\0\0\0\0\0\0\0tb"

static const row clean[] = {
    ROW("numpy 1's array", "\x80\2" ARRAY("numpy.core.multiarray") "."),
    ROW("numpy 2's array", "\x80\2" ARRAY("numpy._core.multiarray") "."),
    ROW("numpy's scalar",
        "\x80\3cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\2\0\0\0f8K\0K\1\x87R"
        "C\10\0\0\0\0\0\0\xf0?\x86R."),
    ROW("numpy's ufunc by name", "\x80\4\x8c\5numpy\x8c\5log1p\x93."),
    ROW("a special function of scipy",
        "\x80\3cnumpy.core\n_ufunc_reconstruct\nX\x15\0\0\0scipy.special._ufuncsX\5\0\0\0expit\x86R."),
    ROW("numpy's random generator", "\x80\4cnumpy.random._pickle\n__generator_ctor\n\x8c\5PCG64"
                                    "cnumpy.random._pickle\n__bit_generator_ctor\n\x86R."),
    ROW("numpy's random generator, by class", "\x80\4cnumpy.random._pickle\n__bit_generator_ctor\n"
                                              "cnumpy.random._mt19937\nMT19937\n\x85R."),
    ROW("a frame of pandas 3", "\x80\4\x8c\6pandas\x8c\x09"
                               "DataFrame\x93)\x81}b."),
    ROW("a text column of pandas 3", "\x80\4\x8c\6pandas\x8c\13StringDtype\x93\x8c\6python\x85R."),
    ROW("an index of pandas",
        "\x80\4cpandas.core.indexes.base\n_new_Index\ncpandas\nIndex\n}\x8c\4nameNs\x86R."),
    ROW("an offset of pandas", "\x80\4cpandas._libs.tslibs.offsets\nMonthEnd\nK\2\x89\x86R."),
    ROW("a time zone", "\x80\4cbuiltins\ngetattr\nczoneinfo\nZoneInfo\n\x8c\x09_unpickle\x86R"
                       "\x8c\rEurope/Berlin\x88\x86R."),
    ROW("a flag by getattr", "\x80\4cbuiltins\ngetattr\ncre\nRegexFlag\n\x8c\12IGNORECASE\x86R."),
    ROW("an estimator of scikit-learn",
        "\x80\4\x8c\x1esklearn.linear_model._logistic\x8c\x12LogisticRegression\x93)\x81}\x8c\1CG?"
        "\xf0\0\0\0\0\0\0sb."),
    ROW("a tree of scikit-learn",
        "\x80\3csklearn.tree._tree\nTree\nK\2" ARRAY("numpy.core.multiarray") "K\1\x87R}b."),
    ROW("a booster of XGBoost", "\x80\5\x8c\14xgboost.core\x8c\7"
                                "Booster\x93)\x81}\x8c\6handle\x96\4\0\0\0\0\0\0\0{L\0\0sb."),
    ROW("a booster of LightGBM", "\x80\4\x8c\16lightgbm.basic\x8c\7"
                                 "Booster\x93)\x81}\x8c\6handle\x8c\4treesb."),
    ROW("arguments of a trainer",
        "\x80\2ctransformers.training_args\nTrainingArguments\n)\x81}X\x0d\0\0\0eval_strategy"
        "ctransformers.trainer_utils\nIntervalStrategy\nX\2\0\0\0no\x85Rsb."),
    ROW("a parameter of torch, without storage", "\x80\2ctorch._utils\n_rebuild_parameter\nN\x88"
                                                 "ccollections\nOrderedDict\n)R\x87R."),
    ROW("a typed tensor of torch",
        "\x80\2ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
        "ctorch.nn.parameter\nParameter\n)}tR."),
    ROW("numbers of TorchScript", "\x80\2ctorch.jit._pickle\nbuild_intlist\n](K\1K\2e\x85R."),
    ROW("a module of torch",
        "\x80\2ctorch.nn.modules.linear\nLinear\n)\x81}X\x08\0\0\0training\x88s"
        "b."),
    ROW("an array of the standard library",
        "\x80\4carray\n_array_reconstructor\n(carray\narray\n\x8c\1dK\16C\10\0\0\0\0\0\0\0\0tR."),
    ROW("dates", "\x80\4cdatetime\ndatetime\nC\12\x07\xe8\1\1\0\0\0\0\0\0cdatetime\ntimezone\n"
                 "cdatetime\ntimedelta\nK\0K\0K\0\x87R\x85R\x86R."),
    ROW("a decimal", "\x80\4cdecimal\nDecimal\n\x8c\3"
                     "1.5\x85R."),
    ROW("a fraction", "\x80\4cfractions\nFraction\nK\1K\3\x86R."),
    ROW("a path", "\x80\4cpathlib\nPosixPath\n\x8c\1a\x8c\1b\x86R."),
    ROW("a universally unique id", "\x80\4cuuid\nUUID\n)\x81}\x8c\3intK\1sb."),
    ROW("a counter", "\x80\4ccollections\nCounter\n}\x8c\1aK\1s\x85R."),
    ROW("a dictionary with lists", "\x80\4ccollections\ndefaultdict\ncbuiltins\nlist\n\x85R."),
    ROW("a pattern", "\x80\4cre\n_compile\n\x8c\2a+K\x20\x86R."),
    ROW("an exception", "\x80\2cexceptions\nValueError\nU\1x\x85R."),
    ROW("a namespace", "\x80\4cargparse\nNamespace\n)\x81}\x8c\2lrK\1sb."),
};

static void what_libraries_write_is_clean(void **state)
{
    size_t wrong = 0;
    for (size_t i = 0; i < SL_COUNT_OF(clean); i++) {
        sl_scan_result result = format_scan(sl_view_of(clean[i].bytes, clean[i].n), "model.pkl");
        bool good = result.class == SL_SCAN_CLEAN && result.complete;
        if (!good) {
            format_print(&result, clean[i].what);
        }
        wrong += !good;
        sl_scan_result_free(&result);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libraries_write_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
