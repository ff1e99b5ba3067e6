/* The Python that TorchScript archives carry, which torch compiles itself: the operators count, since some of
 * them save, load or belong to libraries that the loader would need. */
#include "artefact/scan_impl.h"

#define CODE_BYTES_MAX ((size_t)16 << 20)

sl_identity sl_identify_torchscript(const sl_probe *probe)
{
    (void)probe;
    return SL_IDENTIFY_NO; /* known by its place in the archive alone */
}

static bool word_byte(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* ops.NAMESPACE.x of namespaces that every build of torch has. */
static bool known_namespace(sl_view name)
{
    static const char *const known[] = { "aten",
                                         "prim",
                                         "prims",
                                         "quantized",
                                         "_quantized",
                                         "inductor",
                                         "sparse",
                                         "mkldnn",
                                         "mkldnn_prepacked",
                                         "prepacked",
                                         "quantized_decomposed",
                                         "torchvision",
                                         "torchaudio",
                                         "profiler",
                                         "rngprims",
                                         "xnnpack",
                                         "onnx",
                                         "_caffe2",
                                         "static_runtime" };
    for (size_t i = 0; i < SL_COUNT_OF(known); i++) {
        if (sl_view_eq_str(name, known[i])) {
            return true;
        }
    }
    return false;
}

static void judge_word(sl_scan *scan, sl_view word, uint64_t at)
{
    static const char *const bad[] = { "torch.save",         "torch.load",     "torch.from_file",
                                       "aten.save",          "aten.from_file", "ops.aten.save",
                                       "ops.aten.from_file", "torch.package" };
    sl_view rest = { 0 };
    sl_view space = { 0 };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        if (sl_view_eq_str(word, bad[i])) {
            sl_scan_report(scan, SL_RULE_TORCHSCRIPT_FILES, at, word);
        }
    }
    size_t from = sl_view_starts(word, SL_LIT("ops."))         ? 4
                  : sl_view_starts(word, SL_LIT("torch.ops.")) ? 10
                                                               : 0;
    if (from != 0) {
        (void)sl_view_cut(sl_view_sub(word, from, word.n), '.', &space, &rest);
        if (!known_namespace(space)) {
            sl_scan_report(scan, SL_RULE_TORCHSCRIPT_OPERATOR, at, word);
        }
    }
}

sl_res sl_scan_torchscript(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, code, sl_buf_free) = { .max = CODE_BYTES_MAX };
    sl_cursor c = sl_cursor_over(source);
    SL_TRY(sl_cursor_copy(&c, sl_cursor_left(&c), &code));
    sl_view text = sl_buf_view(&code);
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        while (i < text.n && word_byte(text.p[i])) {
            i++;
        }
        judge_word(scan, sl_view_sub(text, from, i), from);
        i += i == from;
    }
    return SL_DONE;
}
