/* Core ML: a model as one protocol buffer (.mlmodel, the heart of an .mlpackage), and the weights beside it. The
 * layers are the system's own, except those that an app brings; a program names its weights by path.
 * Source: Model.proto, NeuralNetwork.proto and MIL.proto of coremltools, and its blob storage format. */
#include <string.h>

#include "artefact/protobuf.h"
#include "artefact/scan_impl.h"

enum {
    MODEL,
    NETWORK,
    LAYER,
    PIPELINE,
    PIPELINE_OF,
    PROGRAM,
    FUNCTION_ENTRY,
    FUNCTION,
    BLOCK_ENTRY,
    BLOCK,
    OPERATION,
    ATTRIBUTE_ENTRY,
    VALUE,
    BLOB,
    INPUT_ENTRY,
    ARGUMENT,
    BINDING
};

#define PATH_BYTES_MAX ((uint64_t)4096)
#define MODEL_PATH "@model_path/"

static bool is_type(uint32_t field)
{
    return (field >= 200 && field <= 202) || (field >= 300 && field <= 304) ||
           (field >= 400 && field <= 404) || (field >= 500 && field <= 502) || field == 555 ||
           field == 556 || (field >= 560 && field <= 610) || field == 900 ||
           (field >= 2000 && field <= 2010) || field == 3000;
}

typedef struct {
    bool version;
    bool description;
    bool type;
} seen;

static bool see(void *context, const sl_protobuf_value *v)
{
    seen *s = context;
    s->version = s->version || (v->field == 1 && v->wire == SL_WIRE_VARINT && v->value <= 100);
    s->description = s->description || (v->field == 2 && v->wire == SL_WIRE_BYTES);
    s->type = s->type || (is_type(v->field) && v->wire == SL_WIRE_BYTES);
    return v->field <= 2 || v->field == 10 || is_type(v->field);
}

sl_identity sl_identify_coreml(const sl_probe *probe)
{
    seen s = { 0 };
    bool good = probe->head.n > 4 && probe->head.p[0] == 0x08 &&
                sl_protobuf_looks(probe->source, 0, probe->size, 16, see, &s);
    return good && s.version && s.description && s.type ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

typedef struct {
    sl_scan *scan;
    sl_source *source;
} walk;

/* "@model_path/weights/weight.bin": below the folder of the model, or it is another file. */
static sl_res check_path(const walk *w, const sl_protobuf_value *v)
{
    sl_view path = { 0 };
    if (v->value > PATH_BYTES_MAX) {
        return sl_fail_at(SL_E_RANGE, "coreml path", v->offset);
    }
    SL_TRY(sl_source_need(w->source, v->offset, (size_t)v->value, &path));
    if (!sl_view_starts(path, SL_LIT(MODEL_PATH))) {
        sl_scan_report(w->scan, SL_RULE_PATH_ABSOLUTE, v->offset, path);
        return SL_DONE;
    }
    (void)sl_scan_path(w->scan, sl_view_sub(path, sizeof MODEL_PATH - 1, path.n), v->offset);
    return SL_DONE;
}

static sl_res take_value(void *context, unsigned message, unsigned depth,
                         const sl_protobuf_value *v)
{
    const walk *w = context;
    (void)depth;
    if (message == MODEL && (v->field == 555 || v->field == 556 || v->field == 3000)) {
        sl_scan_report_str(w->scan, SL_RULE_COREML_CUSTOM, v->offset,
                           v->field == 555   ? "a model of an app's own class"
                           : v->field == 556 ? "a model by the name of its file"
                                             : "a model of an unnamed format");
    } else if (message == LAYER && v->field == 500) {
        sl_scan_report_str(w->scan, SL_RULE_COREML_CUSTOM, v->offset,
                           "a layer of an app's own class");
    } else if (message == BLOB && v->field == 1 && v->wire == SL_WIRE_BYTES) {
        return check_path(w, v);
    }
    return SL_DONE;
}

static sl_res begin_message(void *context, unsigned message, unsigned depth, uint64_t offset)
{
    (void)context;
    (void)message;
    (void)depth;
    (void)offset;
    return SL_DONE;
}

static sl_res end_message(void *context, unsigned message, unsigned depth)
{
    (void)context;
    (void)message;
    (void)depth;
    return SL_DONE;
}

sl_res sl_scan_coreml(sl_scan *scan, sl_source *source)
{
    static const sl_protobuf_child children[] = {
        { MODEL, 200, PIPELINE_OF },
        { MODEL, 201, PIPELINE_OF },
        { MODEL, 202, PIPELINE },
        { PIPELINE_OF, 1, PIPELINE },
        { PIPELINE, 1, MODEL },
        { MODEL, 303, NETWORK },
        { MODEL, 403, NETWORK },
        { MODEL, 500, NETWORK },
        { NETWORK, 1, LAYER },
        { MODEL, 502, PROGRAM },
        { PROGRAM, 2, FUNCTION_ENTRY },
        { FUNCTION_ENTRY, 2, FUNCTION },
        { FUNCTION, 3, BLOCK_ENTRY },
        { BLOCK_ENTRY, 2, BLOCK },
        { BLOCK, 3, OPERATION },
        { OPERATION, 4, BLOCK },
        { OPERATION, 5, ATTRIBUTE_ENTRY },
        { ATTRIBUTE_ENTRY, 2, VALUE },
        { OPERATION, 2, INPUT_ENTRY },
        { INPUT_ENTRY, 2, ARGUMENT },
        { ARGUMENT, 1, BINDING },
        { BINDING, 2, VALUE },
        { VALUE, 5, BLOB },
    };
    const sl_protobuf_schema schema = { .children = children,
                                        .child_count = SL_COUNT_OF(children),
                                        .begin = begin_message,
                                        .value = take_value,
                                        .end = end_message };
    walk w = { scan, source };
    return sl_protobuf_walk(scan, source, &schema, MODEL, &w);
}

/* ---- weights ---- */

#define WEIGHTS_ALIGN ((uint64_t)64)
#define WEIGHTS_SENTINEL 0xdeadbeefU

sl_identity sl_identify_coreml_weights(const sl_probe *probe)
{
    const uint8_t *p = probe->head.p;
    bool good = probe->head.n >= 2 * WEIGHTS_ALIGN && sl_get_le32(p) != 0 &&
                sl_get_le32(p + 4) == 2 && sl_get_le32(p + WEIGHTS_ALIGN) == WEIGHTS_SENTINEL;
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* What fills up to the next multiple is zero: nothing hides there. */
static sl_res padding(sl_source *source, uint64_t from, uint64_t to)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(source, from, (size_t)(to - from), &v));
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != 0) {
            return sl_fail_at(SL_E_SYNTAX, "coreml padding", from + i);
        }
    }
    return SL_DONE;
}

/* A head, then for each blob 64 bytes that describe it and its numbers, everything on multiples of 64. */
sl_res sl_scan_coreml_weights(sl_scan *scan, sl_source *source)
{
    const uint64_t whole = sl_source_size(source);
    sl_view v = { 0 };
    SL_TRY(sl_source_need(source, 0, 4, &v));
    const uint32_t count = sl_get_le32(v.p);
    uint64_t at = WEIGHTS_ALIGN;
    for (uint32_t i = 0; i < count; i++) {
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        SL_TRY(sl_source_need(source, at, 24, &v));
        const uint64_t size = sl_get_le64(v.p + 8);
        const uint64_t data = sl_get_le64(v.p + 16);
        if (sl_get_le32(v.p) != WEIGHTS_SENTINEL || data != at + WEIGHTS_ALIGN || data > whole ||
            size > whole - data) {
            return sl_fail_at(SL_E_RANGE, "coreml blob", at);
        }
        at = (data + size + WEIGHTS_ALIGN - 1) & ~(WEIGHTS_ALIGN - 1);
        SL_TRY(padding(source, data + size, at < whole ? at : whole));
    }
    return at >= whole ? SL_DONE : sl_fail_at(SL_E_TRAILING, "coreml weights", at);
}
