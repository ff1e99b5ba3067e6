/* ONNX: a graph of operators and its tensors. Loading runs nothing of the file itself, but it opens the files
 * that tensors name as external data, and it calls operators of libraries that somebody registered. Every
 * tensor is looked at wherever it hides: initialisers, attributes, subgraphs, functions, sparse tensors,
 * training information.
 * Source: onnx.proto, docs/ExternalDataSecurity.md; CVE-2022-25882, CVE-2024-27318, CVE-2024-5187,
 * CVE-2025-51480, CVE-2026-27489, CVE-2026-34446, CVE-2026-34447. */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"
#include "artefact/protobuf.h"

enum { MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, FUNCTION, OPSET, TRAINING, EXTERNAL };

static const sl_protobuf_child children[] = {
    { MODEL, 7, GRAPH },       { MODEL, 8, OPSET },      { MODEL, 20, TRAINING },
    { MODEL, 25, FUNCTION },   { TRAINING, 1, GRAPH },   { TRAINING, 2, GRAPH },
    { GRAPH, 1, NODE },        { GRAPH, 5, TENSOR },     { GRAPH, 15, SPARSE },
    { NODE, 5, ATTRIBUTE },    { ATTRIBUTE, 5, TENSOR }, { ATTRIBUTE, 6, GRAPH },
    { ATTRIBUTE, 10, TENSOR }, { ATTRIBUTE, 11, GRAPH }, { ATTRIBUTE, 22, SPARSE },
    { ATTRIBUTE, 23, SPARSE }, { SPARSE, 1, TENSOR },    { SPARSE, 2, TENSOR },
    { FUNCTION, 7, NODE },     { FUNCTION, 9, OPSET },   { FUNCTION, 11, ATTRIBUTE },
    { TENSOR, 13, EXTERNAL },
};

#define NAME_BYTES_MAX ((size_t)128)
#define OPERATORS_MAX ((size_t)1 << 16)
#define LOCATION_BYTES_MAX ((size_t)4096)

typedef struct {
    char text[NAME_BYTES_MAX + 1];
    size_t n;
} short_name;

/* An operator that the standard does not know, or a function that the model defines itself. */
typedef struct {
    sl_view domain_and_name;
    uint64_t offset;
    bool defined;
} operator_use;

typedef struct {
    uint64_t elements;
    uint64_t raw_bytes;
    uint64_t offset;
    uint64_t type;
    bool has_raw;
    bool segmented;
    bool overflow;
} tensor_state;

typedef struct {
    sl_scan *scan;
    sl_source *source;
    sl_arena *names;
    struct {
        short_name type;
        short_name domain;
        uint64_t offset;
    } nodes[SL_PROTOBUF_DEPTH_MAX]; /* nodes stand in graphs in attributes of nodes */
    tensor_state tensor;
    short_name key; /* of one external entry */
    sl_protobuf_value entry;
    sl_view location; /* in `names` */
    uint64_t location_offset;
    uint64_t data_offset;
    uint64_t data_length;
    bool external;
    operator_use *uses;
    size_t use_count;
    size_t use_room;
} reader;

/* ---- what it looks like ---- */

typedef struct {
    bool graph;
    bool version;
    bool other;
} looks;

static bool see(void *context, const sl_protobuf_value *v)
{
    looks *l = context;
    l->graph = l->graph || ((v->field == 7 || v->field == 25) && v->wire == SL_WIRE_BYTES);
    l->version = l->version || (v->field == 1 && v->wire == SL_WIRE_VARINT && v->value < 1000);
    bool text = (v->field >= 2 && v->field <= 4) || v->field == 6;
    l->other = l->other || (text && v->wire != SL_WIRE_BYTES) ||
               (v->field == 1 && v->wire != SL_WIRE_VARINT) ||
               (v->field == 5 && v->wire != SL_WIRE_VARINT) || v->field > 200;
    return !l->other;
}

/* No magic: a message whose fields are those of a model, to the end of the file. */
sl_identity sl_identify_onnx(const sl_probe *probe)
{
    looks l = { 0 };
    if (probe->head.n < 2 || (probe->head.p[0] & 0x80) != 0 ||
        !sl_protobuf_looks(probe->source, 0, probe->size, 4096, see, &l)) {
        return SL_IDENTIFY_NO;
    }
    return l.graph && l.version ? SL_IDENTIFY_YES : l.graph ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

/* ---- the walk ---- */

static sl_res read_name(reader *r, const sl_protobuf_value *v, short_name *ret_name)
{
    sl_view text = { 0 };
    if (v->wire != SL_WIRE_BYTES || v->value > NAME_BYTES_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_ONNX_OPERATOR, v->offset,
                           "an operator's name of more than 128 bytes");
        ret_name->n = 0;
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, v->offset, (size_t)v->value, &text));
    if (text.n > 0) {
        memcpy(ret_name->text, text.p, text.n);
    }
    ret_name->n = text.n;
    return SL_DONE;
}

static sl_view view_of(const short_name *name)
{
    return sl_view_of(name->text, name->n);
}

static bool standard(sl_view domain)
{
    static const char known[] =
        " ai.onnx ai.onnx.ml ai.onnx.preview.training ai.onnx.preview com.microsoft"
        " com.microsoft.nchwc com.ms.internal.nhwc com.microsoft.experimental"
        " ai.onnx.training ";
    return domain.n == 0 || sl_word_listed(known, domain);
}

static sl_res keep_use(reader *r, const short_name *domain, const short_name *name, uint64_t offset,
                       bool defined)
{
    if (r->use_count == r->use_room) {
        size_t room = r->use_room == 0 ? 64 : 2 * r->use_room;
        operator_use *grown =
            room > OPERATORS_MAX ? NULL : reallocarray(r->uses, room, sizeof(*grown));
        if (grown == NULL) {
            return sl_fail_at(SL_E_LIMIT, "custom operators", offset);
        }
        r->uses = grown;
        r->use_room = room;
    }
    char both[2 * NAME_BYTES_MAX + 1];
    memcpy(both, domain->text, domain->n);
    both[domain->n] = ':';
    memcpy(both + domain->n + 1, name->text, name->n);
    operator_use *use = &r->uses[r->use_count];
    SL_TRY(
        sl_arena_dup(r->names, sl_view_of(both, domain->n + 1 + name->n), &use->domain_and_name));
    use->offset = offset;
    use->defined = defined;
    r->use_count++;
    return SL_DONE;
}

static int by_name(const void *a, const void *b)
{
    const operator_use *x = a;
    const operator_use *y = b;
    int order = sl_view_cmp(x->domain_and_name, y->domain_and_name);
    return order != 0 ? order : (int)y->defined - (int)x->defined;
}

/* Operators outside of the standard are good only where the model itself says what they do. */
static void check_uses(reader *r)
{
    if (r->use_count > 0) {
        qsort(r->uses, r->use_count, sizeof(*r->uses), by_name);
    }
    sl_view last = { 0 };
    for (size_t i = 0; i < r->use_count; i++) {
        const operator_use *use = &r->uses[i];
        bool same = i > 0 && sl_view_eq(last, use->domain_and_name);
        last = use->domain_and_name;
        if (!same && !use->defined) {
            sl_scan_report(r->scan, SL_RULE_ONNX_OPERATOR, use->offset, use->domain_and_name);
        }
    }
}

static sl_res end_node(reader *r, unsigned depth)
{
    static const char python[] = " PyOp PythonOp PyCustomOp PythonOpGrad ";
    sl_view type = view_of(&r->nodes[depth].type);
    sl_view domain = view_of(&r->nodes[depth].domain);
    uint64_t offset = r->nodes[depth].offset;
    if (sl_word_listed(python, type)) {
        sl_scan_report(r->scan, SL_RULE_ONNX_PYTHON, offset, type);
        return SL_DONE;
    }
    if (standard(domain)) {
        return SL_DONE;
    }
    return keep_use(r, &r->nodes[depth].domain, &r->nodes[depth].type, offset, false);
}

/* Bits of an element; 0: text, or a type of no fixed size. */
static unsigned bits_of(uint64_t type)
{
    static const uint8_t bits[] = { 0,  32,  8,  8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                    64, 128, 16, 8, 8,  8,  8,  4,  4, 4, 8,  2,  2 };
    return type < sizeof(bits) ? bits[type] : 0;
}

static void multiply(tensor_state *t, uint64_t dimension)
{
    if (dimension > INT64_MAX || __builtin_mul_overflow(t->elements, dimension, &t->elements)) {
        t->overflow = true;
    }
}

static sl_res read_dimensions(reader *r, const sl_protobuf_value *v)
{
    if (v->wire == SL_WIRE_VARINT) {
        multiply(&r->tensor, v->value);
        return SL_DONE;
    }
    sl_cursor packed = sl_cursor_part(r->source, v->offset, v->offset + v->value);
    while (v->wire == SL_WIRE_BYTES && sl_cursor_left(&packed) > 0) {
        uint64_t dimension = 0;
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
        SL_TRY(sl_cursor_varint(&packed, &dimension));
        multiply(&r->tensor, dimension);
    }
    return SL_DONE;
}

/* One key and value of a tensor's external data. */
static sl_res end_external(reader *r)
{
    sl_view value = { 0 };
    const sl_protobuf_value *v = &r->entry;
    sl_view key = view_of(&r->key);
    if (v->value > LOCATION_BYTES_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_ONNX_EXTERNAL, v->offset, "a value of kilobytes");
        return SL_DONE;
    }
    SL_TRY(sl_source_need(r->source, v->offset, (size_t)v->value, &value));
    r->external = true;
    if (sl_view_eq_str(key, "location")) {
        r->location_offset = v->offset;
        return sl_arena_dup(r->names, value, &r->location);
    }
    bool offset = sl_view_eq_str(key, "offset");
    if (offset || sl_view_eq_str(key, "length")) {
        if (!sl_ok(sl_parse_u64(value, INT64_MAX, offset ? &r->data_offset : &r->data_length))) {
            sl_scan_report(r->scan, SL_RULE_ONNX_EXTERNAL, v->offset, value);
        }
    } else if (!sl_view_eq_str(key, "checksum") && !sl_view_eq_str(key, "basepath")) {
        /* A reader that sets attributes by these names can be made to set any. */
        sl_scan_report(r->scan, SL_RULE_ONNX_EXTERNAL, v->offset, key);
    }
    return SL_DONE;
}

static void check_location(reader *r)
{
    bool address = sl_view_find(r->location, SL_LIT("://"), 0) != SIZE_MAX ||
                   sl_view_starts(r->location, SL_LIT("file:"));
    if (r->location.n == 0 || address) {
        sl_scan_report(r->scan, SL_RULE_ONNX_EXTERNAL, r->location_offset, r->location);
        return;
    }
    if (sl_scan_path(r->scan, r->location, r->location_offset)) {
        sl_scan_external(r->scan, r->location, r->data_offset, r->data_length);
    }
}

static void end_tensor(reader *r)
{
    const tensor_state *t = &r->tensor;
    unsigned bits = bits_of(t->type);
    uint64_t total = 0;
    bool overflow = t->overflow || __builtin_mul_overflow(t->elements, (uint64_t)bits, &total);
    if (overflow) {
        sl_scan_report_str(r->scan, SL_RULE_ONNX_TENSOR, t->offset,
                           "the product of the dimensions overflows, or one is negative");
    } else if (t->has_raw && bits != 0 && !t->segmented &&
               total / 8 + (total % 8 != 0) != t->raw_bytes) {
        sl_scan_reportf(r->scan, SL_RULE_ONNX_TENSOR, t->offset, "%llu bytes where %llu are needed",
                        (unsigned long long)t->raw_bytes, (unsigned long long)(total / 8));
    }
    if (r->external) {
        check_location(r);
    }
}

static sl_res begin(void *context, unsigned message, unsigned depth, uint64_t offset)
{
    reader *r = context;
    if (message == NODE || message == FUNCTION) {
        r->nodes[depth].type.n = 0;
        r->nodes[depth].domain.n = 0;
        r->nodes[depth].offset = offset;
    } else if (message == TENSOR) {
        r->tensor = (tensor_state){ .elements = 1, .offset = offset };
        r->location = (sl_view){ 0 };
        r->data_offset = 0;
        r->data_length = 0;
        r->external = false;
    } else if (message == EXTERNAL) {
        r->key.n = 0;
        r->entry = (sl_protobuf_value){ .offset = offset };
    }
    return SL_DONE;
}

static sl_res tensor_value(reader *r, const sl_protobuf_value *v)
{
    if (v->field == 1) {
        return read_dimensions(r, v);
    }
    if (v->field == 2 && v->wire == SL_WIRE_VARINT) {
        r->tensor.type = v->value;
    } else if (v->field == 3) {
        r->tensor.segmented = true;
    } else if (v->field == 9 && v->wire == SL_WIRE_BYTES) {
        r->tensor.has_raw = true;
        r->tensor.raw_bytes = v->value;
    } else if (v->field == 14 && v->value == 1) {
        r->external = true;
    }
    return SL_DONE;
}

static sl_res value(void *context, unsigned message, unsigned depth, const sl_protobuf_value *v)
{
    reader *r = context;
    if (message == NODE && (v->field == 4 || v->field == 7)) {
        return read_name(r, v, v->field == 4 ? &r->nodes[depth].type : &r->nodes[depth].domain);
    }
    if (message == FUNCTION && (v->field == 1 || v->field == 10)) {
        return read_name(r, v, v->field == 1 ? &r->nodes[depth].type : &r->nodes[depth].domain);
    }
    if (message == TENSOR) {
        return tensor_value(r, v);
    }
    if (message == EXTERNAL && v->field == 1) {
        return read_name(r, v, &r->key);
    }
    if (message == EXTERNAL && v->field == 2 && v->wire == SL_WIRE_BYTES) {
        r->entry = *v;
    }
    return SL_DONE;
}

static sl_res end(void *context, unsigned message, unsigned depth)
{
    reader *r = context;
    switch (message) {
    case NODE:
        return end_node(r, depth);
    case FUNCTION:
        return keep_use(r, &r->nodes[depth].domain, &r->nodes[depth].type, 0, true);
    case EXTERNAL:
        return end_external(r);
    case TENSOR:
        end_tensor(r);
        return SL_DONE;
    default:
        return SL_DONE;
    }
}

sl_res sl_scan_onnx(sl_scan *scan, sl_source *source)
{
    static const sl_protobuf_schema schema = { children, SL_COUNT_OF(children), begin, value, end };
    SL_OWN(sl_arena, names, sl_arena_free) = { .max = 32 * ((size_t)1 << 20) };
    reader *r = sl_arena_alloc(&names, sizeof(*r));
    SL_NEED(r != NULL, SL_E_MEMORY);
    *r = (reader){ .scan = scan, .source = source, .names = &names };
    sl_res done = sl_protobuf_walk(scan, source, &schema, MODEL, r);
    check_uses(r);
    free(r->uses);
    return done;
}
