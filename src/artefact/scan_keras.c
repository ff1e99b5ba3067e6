/* Keras model descriptions, wherever they stand: config.json of a .keras archive, an attribute of an HDF5
 * file, the metadata of a SavedModel. Loading one imports the modules and makes the classes that it
 * names, so only Keras's own modelling modules are good, and of those not the few that run code or read
 * files. Every object of the tree is looked at, at any depth: bypasses have hidden in losses, metrics,
 * initialisers and arguments.
 * Source: keras-team/keras serialization_lib.py; CVE-2024-3660, CVE-2025-1550, -8747, -9905, -9906. */
#include <string.h>

#include "artefact/format_parts.h"

/* Functions are taken from here; classes too. */
static const char *const function_modules[] = {
    "keras.activations",  "keras.losses",      "keras.metrics",    "keras.initializers",
    "keras.regularizers", "keras.constraints", "keras.optimizers", "keras.ops",
};

/* Classes are taken from here: each name alone, or with something behind a dot. */
static const char *const class_modules[] = {
    "keras.layers",
    "keras.models",
    "keras.applications",
    "keras.random",
    "keras.quantizers",
    "keras.dtype_policies",
    "keras.mixed_precision",
    "keras.callbacks",
    "keras.rematerialization",
    "keras.src.models",
    "keras.src.layers",
    "keras.src.losses",
    "keras.src.metrics",
    "keras.src.optimizers",
    "keras.src.initializers",
    "keras.src.regularizers",
    "keras.src.constraints",
    "keras.src.activations",
    "keras.src.engine",
    "keras.src.dtype_policies",
    "keras.src.quantizers",
    "keras.src.ops",
    "keras.src.random",
    "keras.src.trainers",
    "keras.trainers",
    "keras.engine",
    "keras_hub",
    "keras_nlp",
    "keras_cv",
    "keras_core.layers",
    "keras_core.models",
    "keras_core.losses",
    "keras_core.metrics",
    "keras_core.optimizers",
    "keras_core.initializers",
    "keras_core.src.models",
    "tf_keras.layers",
    "tf_keras.models",
    "tf_keras.initializers",
    "tf_keras.optimizers",
    "tf_keras.losses",
    "tf_keras.metrics",
    "tf_keras.src.engine",
    "tf_keras.src.layers",
};

/* What stands directly under `keras`. */
static const char top_classes[] =
    " Sequential Model Functional Variable DTypePolicy KerasTensor InputSpec Layer Initializer Loss Metric"
    " Optimizer Operation SeedGenerator StatelessScope Quantizer ";

/* Functions that the module named "builtins" stands for in a Keras description. */
static const char builtin_functions[] =
    " relu relu6 elu selu gelu silu swish mish celu glu softmax softplus softsign sigmoid tanh linear"
    " exponential hard_sigmoid hard_silu hard_swish hard_tanh hard_shrink leaky_relu log_sigmoid"
    " log_softmax soft_shrink sparse_plus sparse_sigmoid squareplus tanh_shrink threshold sparsemax"
    " mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error"
    " mse mae mape msle huber log_cosh logcosh poisson hinge squared_hinge categorical_hinge kl_divergence"
    " kld binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy"
    " binary_focal_crossentropy categorical_focal_crossentropy cosine_similarity dice tversky ctc circle"
    " accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy"
    " sparse_top_k_categorical_accuracy l1 l2 l1_l2 zeros ones constant glorot_uniform glorot_normal"
    " he_uniform he_normal lecun_uniform lecun_normal random_normal random_uniform truncated_normal"
    " variance_scaling orthogonal identity max_norm non_neg unit_norm min_max_norm adam sgd rmsprop ";

/* Parts of TensorFlow that a TFOpLambda layer must not call. */
static const char *const tf_out[] = {
    "io.",         "raw_ops.",       "data.",        "saved_model.", "train.",
    "debugging.",  "summary.",       "profiler.",    "distribute.",  "compat.",
    "gfile.",      "numpy_function", "py_function",  "load_library", "load_op_library",
    "keras.utils", "keras.models",   "keras.saving", "config.",      "lite.",
    "tpu.",        "queue.",         "lookup.",      "print",        "autograph.",
    "function"
};

typedef struct {
    sl_scan *scan;
    const sl_json_doc *doc;
    sl_arena *arena;
    uint64_t offset;
} walk;

static sl_view text_at(const walk *w, const sl_json_node *object, const char *name)
{
    return sl_json_member_text(w->doc, object, name, w->arena);
}

static void tell(const walk *w, sl_rule rule, const sl_json_node *at, sl_view evidence)
{
    sl_scan_report(w->scan, rule, w->offset + at->offset, evidence);
}

/* `module` is one of the list or lies below one. */
static bool below(sl_view module, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sl_view root = sl_view_str(list[i]);
        if (sl_view_starts(module, root) && (module.n == root.n || module.p[root.n] == '.')) {
            return true;
        }
    }
    return false;
}

static bool known_module(sl_view module, sl_view class, sl_view function)
{
    bool is_function = sl_view_eq_str(class, "function");
    if (sl_view_eq_str(module, "builtins")) {
        return is_function ? sl_word_listed(builtin_functions, function)
                           : sl_word_listed(" dict list tuple ", class);
    }
    if (is_function) {
        return below(module, function_modules, SL_COUNT_OF(function_modules)) ||
               sl_view_starts(module, SL_LIT("keras.src.activations")) ||
               sl_view_starts(module, SL_LIT("keras.src.losses")) ||
               sl_view_starts(module, SL_LIT("keras.src.metrics"));
    }
    if (sl_view_eq_str(module, "keras") || sl_view_eq_str(module, "keras_core") ||
        sl_view_eq_str(module, "tf_keras")) {
        return sl_word_listed(top_classes, class);
    }
    if (sl_view_eq_str(class, "__typespec__")) {
        return sl_view_starts(module, SL_LIT("tensorflow.python.framework.")) ||
               sl_view_starts(module, SL_LIT("tensorflow.python.ops.ragged."));
    }
    return below(module, function_modules, SL_COUNT_OF(function_modules)) ||
           below(module, class_modules, SL_COUNT_OF(class_modules));
}

/* Registered under a package that is no part of Keras: the class comes with other code. */
static bool custom(sl_view registered)
{
    static const char *const packages[] = { "keras",    "Keras",      "keras_hub", "keras_nlp",
                                            "keras_cv", "keras_core", "tf_keras" };
    size_t cut = sl_view_find_byte(registered, '>', 0);
    if (cut == SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < SL_COUNT_OF(packages); i++) {
        if (sl_view_eq_str(sl_view_sub(registered, 0, cut), packages[i])) {
            return false;
        }
    }
    return true;
}

static void check_vocabulary(const walk *w, const sl_json_node *config)
{
    static const char *const names[] = { "vocabulary", "idf_weights", "vocabulary_path", "proto",
                                         "merges",     "filepath",    "file_path" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        const sl_json_node *path = sl_json_get_kind(w->doc, config, names[i], SL_JSON_STRING);
        if (path != NULL) {
            tell(w, SL_RULE_KERAS_PATH, path, path->raw);
        }
    }
}

/* The classes that run code or read files by themselves. False: none of them. */
static bool check_class(const walk *w, const sl_json_node *object, sl_view class)
{
    const sl_json_node *config = sl_json_get(w->doc, object, "config");
    if (sl_view_eq_str(class, "__lambda__") || sl_view_eq_str(class, "Lambda")) {
        tell(w, SL_RULE_KERAS_LAMBDA, object, class);
    } else if (sl_view_eq_str(class, "TorchModuleWrapper")) {
        tell(w, SL_RULE_KERAS_TORCH, object, class);
    } else if (sl_view_eq_str(class, "TFSMLayer") || sl_view_eq_str(class, "JaxLayer") ||
               sl_view_eq_str(class, "FlaxLayer")) {
        tell(w, SL_RULE_KERAS_TFSM, object, class);
    } else if (sl_word_listed(" TFOpLambda SlicingOpLambda ClassMethod ", class)) {
        sl_view function = text_at(w, config, "function");
        bool out = sl_view_eq_str(class, "ClassMethod") ||
                   sl_view_find(function, SL_LIT("__"), 0) != SIZE_MAX;
        for (size_t i = 0; i < SL_COUNT_OF(tf_out); i++) {
            out = out || sl_view_starts(function, sl_view_str(tf_out[i]));
        }
        if (out) {
            tell(w, SL_RULE_KERAS_FUNCTION, object, function);
        }
    } else if (sl_word_listed(
                   " StringLookup IntegerLookup IndexLookup TextVectorization CategoryEncoding "
                   "BytePairTokenizer WordPieceTokenizer SentencePieceTokenizer ",
                   class)) {
        check_vocabulary(w, config);
    } else {
        return false;
    }
    return true;
}

static void check_object(const walk *w, const sl_json_node *object)
{
    sl_view class = text_at(w, object, "class_name");
    sl_view module = text_at(w, object, "module");
    const sl_json_node *config = sl_json_get(w->doc, object, "config");
    if (class.n == 0 || (config == NULL && module.n == 0)) {
        return;
    }
    (void)check_class(w, object, class);
    sl_view function = text_at(w, object, "config");
    if (module.n > 0 && !known_module(module, class, function)) {
        bool own = below(module, (const char *const[]){ "keras", "keras_core", "tf_keras" }, 3);
        tell(w, own ? SL_RULE_KERAS_FUNCTION : SL_RULE_KERAS_MODULE, object, module);
    }
    sl_view registered = text_at(w, object, "registered_name");
    if (custom(registered)) {
        tell(w, SL_RULE_KERAS_CUSTOM, object, registered);
    }
    /* A Python function as code, as older versions wrote it: [code, defaults, closure]. */
    const sl_json_node *type = sl_json_get(w->doc, config, "function_type");
    if (type != NULL && sl_json_text_is(type, "lambda") && !sl_view_eq_str(class, "Lambda")) {
        tell(w, SL_RULE_KERAS_LAMBDA, object, class);
    }
}

void sl_scan_keras_tree(sl_scan *scan, const sl_json_doc *doc, sl_arena *arena, uint64_t offset)
{
    const walk w = { scan, doc, arena, offset };
    for (size_t i = 0; i < doc->count; i++) {
        if (doc->nodes[i].kind == SL_JSON_OBJECT) {
            check_object(&w, &doc->nodes[i]);
        }
    }
}

bool sl_scan_is_keras(const sl_json_doc *doc)
{
    const sl_json_node *root = sl_json_root(doc);
    return (sl_json_get_kind(doc, root, "class_name", SL_JSON_STRING) != NULL &&
            sl_json_get(doc, root, "config") != NULL) ||
           sl_json_get(doc, root, "keras_version") != NULL ||
           sl_json_get(doc, root, "model_config") != NULL;
}

sl_res sl_scan_keras_text(sl_scan *scan, sl_view text, uint64_t offset)
{
    sl_json_doc doc = { 0 };
    sl_res r = sl_json_parse(text, &doc);
    if (!sl_ok(r)) {
        sl_scan_report_str(scan, SL_RULE_KERAS_BROKEN, offset, sl_res_text(r));
        if (sl_view_find(text, SL_LIT("ambda"), 0) != SIZE_MAX) {
            sl_scan_report_str(scan, SL_RULE_KERAS_LAMBDA, offset, "named in a broken description");
        }
        return SL_DONE;
    }
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = text.n + 65536 };
    r = sl_scan_spend(scan, SL_SPEND_NODES, doc.count);
    if (sl_ok(r)) {
        sl_scan_keras_tree(scan, &doc, &arena, offset);
    }
    sl_json_doc_free(&doc);
    return r;
}
