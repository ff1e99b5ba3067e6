/* TensorFlow Lite: a FlatBuffer of operators and their tensors. The interpreter follows its offsets without
 * looking; here every offset is compared with the file first, and operators that come from a library of
 * somebody's own, or from TensorFlow by the Flex delegate, are named.
 * Source: schema.fbs of TensorFlow Lite, the internals of FlatBuffers. */
#include <string.h>

#include "artefact/format_parts.h"

#define CODES_MAX 65536u
#define NAME_BYTES_MAX 256u

sl_identity sl_identify_tflite(const sl_probe *probe)
{
    return probe->head.n >= 8 && memcmp(probe->head.p + 4, "TFL3", 4) == 0 ? SL_IDENTIFY_YES
                                                                           : SL_IDENTIFY_NO;
}

typedef struct {
    sl_scan *scan;
    sl_source *source;
    uint64_t size;
} reader;

static sl_res u32_at(const reader *r, uint64_t at, uint32_t *ret_value)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(r->source, at, 4, &v));
    *ret_value = sl_get_le32(v.p);
    return SL_DONE;
}

/* Where field `index` of the table at `table` stands; 0: it is not there. */
static sl_res field_of(const reader *r, uint64_t table, unsigned index, uint64_t *ret_at)
{
    sl_view v = { 0 };
    uint32_t back = 0;
    SL_TRY(u32_at(r, table, &back));
    int64_t vtable = (int64_t)table - (int32_t)back;
    if (vtable < 0 || (uint64_t)vtable >= r->size) {
        return sl_fail_at(SL_E_RANGE, "tflite table", table);
    }
    SL_TRY(sl_source_need(r->source, (uint64_t)vtable, 4, &v));
    uint16_t bytes = sl_get_le16(v.p);
    uint64_t entry = 4 + 2 * (uint64_t)index;
    *ret_at = 0;
    if (entry + 2 > bytes) {
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, (uint64_t)vtable + entry, 2, &v));
    uint16_t offset = sl_get_le16(v.p);
    *ret_at = offset == 0 ? 0 : table + offset;
    return SL_DONE;
}

/* The place that the offset at `at` leads to. */
static sl_res follow(const reader *r, uint64_t at, uint64_t *ret_to)
{
    uint32_t offset = 0;
    SL_TRY(u32_at(r, at, &offset));
    *ret_to = at + offset;
    if (offset == 0 || *ret_to > r->size - 4) {
        return sl_fail_at(SL_E_RANGE, "tflite offset", at);
    }
    return SL_DONE;
}

static sl_res check_code(const reader *r, uint64_t table)
{
    static const char known[] =
        " TFLite_Detection_PostProcess Convolution2DTransposeBias MaxPoolingWithArgmax2D"
        " MaxUnpooling2D AudioSpectrogram Mfcc ";
    uint64_t field = 0;
    uint64_t text = 0;
    uint32_t length = 0;
    sl_view name = { 0 };
    SL_TRY(field_of(r, table, 1, &field));
    if (field == 0) {
        return SL_DONE;
    }
    SL_TRY(follow(r, field, &text));
    SL_TRY(u32_at(r, text, &length));
    if (length > NAME_BYTES_MAX) {
        return sl_fail_at(SL_E_RANGE, "tflite operator", text);
    }
    SL_TRY(sl_source_need(r->source, text + 4, length, &name));
    if (sl_view_starts(name, SL_LIT("Flex"))) {
        sl_scan_tensorflow_op(r->scan, sl_view_sub(name, 4, name.n), text);
    } else if (name.n > 0 && !sl_word_listed(known, name)) {
        sl_scan_report(r->scan, SL_RULE_TFLITE_OPERATOR, text, name);
    }
    return SL_DONE;
}

sl_res sl_scan_tflite(sl_scan *scan, sl_source *source)
{
    const reader r = { scan, source, sl_source_size(source) };
    uint64_t root = 0;
    uint64_t field = 0;
    uint64_t codes = 0;
    uint64_t graphs = 0;
    uint32_t count = 0;
    SL_TRY(follow(&r, 0, &root));
    SL_TRY(field_of(&r, root, 2, &graphs));
    SL_TRY(field_of(&r, root, 1, &field));
    if (field == 0 || graphs == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "tflite operators", root);
    }
    SL_TRY(follow(&r, graphs, &graphs));
    SL_TRY(follow(&r, field, &codes));
    SL_TRY(u32_at(&r, codes, &count));
    if (count > CODES_MAX || codes + 4 + 4 * (uint64_t)count > r.size) {
        return sl_fail_at(SL_E_RANGE, "tflite operators", codes);
    }
    SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, count));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t table = 0;
        SL_TRY(follow(&r, codes + 4 + 4 * (uint64_t)i, &table));
        SL_TRY(check_code(&r, table));
    }
    return SL_DONE;
}
