/* safetensors: a JSON header of names, shapes and offsets before plain numbers. Loading it runs
 * nothing; what matters is that every reader sees the same tensors: no gap, no overlap, no bytes
 * behind the last, no name twice, no number written in two ways. The numbers themselves are not read.
 * Source: huggingface/safetensors README and tensor.rs. */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"
#include "base/json.h"

/* The reference refuses longer headers. */
#define HEADER_BYTES_MAX ((uint64_t)100000000)
/* 40 bytes each, twice while the table grows: the memory of a worker is small. */
#define TENSORS_MAX ((size_t)1 << 19)
#define RANK_MAX ((size_t)64)

typedef struct {
    sl_view name;
    uint64_t begin;
    uint64_t end;
    uint32_t offset; /* of the name in the header */
} tensor;

typedef struct {
    sl_scan *scan;
    sl_json_lexer lexer;
    sl_arena names; /* those with escapes */
    tensor *tensors;
    size_t count;
    size_t capacity;
} reader;

static const struct {
    const char *name;
    unsigned bits;
} types[] = {
    { "BOOL", 8 },        { "U8", 8 },          { "I8", 8 },   { "F8_E5M2", 8 },
    { "F8_E4M3", 8 },     { "F8_E8M0", 8 },     { "F4", 4 },   { "F6_E2M3", 6 },
    { "F6_E3M2", 6 },     { "I16", 16 },        { "U16", 16 }, { "F16", 16 },
    { "BF16", 16 },       { "I32", 32 },        { "U32", 32 }, { "F32", 32 },
    { "C64", 64 },        { "F64", 64 },        { "I64", 64 }, { "U64", 64 },
    { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 },
};

sl_identity sl_identify_safetensors(const sl_probe *probe)
{
    if (probe->head.n < 9 || probe->head.p[8] != '{') {
        return SL_IDENTIFY_NO;
    }
    uint64_t length = sl_get_le64(probe->head.p);
    if (length >= 2 && length <= probe->size - 8) {
        return SL_IDENTIFY_YES;
    }
    /* A header that does not fit is still meant as one. */
    return length >> 48 == 0 ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

static void tell(reader *r, sl_rule rule, size_t offset, const char *what)
{
    sl_scan_report_str(r->scan, rule, 8 + offset, what);
}

static sl_res next_of(reader *r, sl_json_kind kind, sl_json_token *ret_token)
{
    SL_TRY(sl_json_next(&r->lexer, ret_token));
    if (ret_token->kind != kind) {
        return sl_fail_at(SL_E_TYPE, "header member", 8 + ret_token->offset);
    }
    return SL_DONE;
}

/* The decoded text of a key or string; lives as long as the header or the arena. */
static sl_res text_of(reader *r, const sl_json_token *t, sl_view *ret_text)
{
    const sl_json_node node = { .kind = SL_JSON_STRING, .escaped = t->escaped, .raw = t->raw };
    return sl_json_text(&node, &r->names, ret_text);
}

static sl_res number_of(const sl_json_token *t, uint64_t *ret_value)
{
    if (!sl_ok(sl_parse_u64(t->raw, UINT64_MAX, ret_value))) {
        return sl_fail_at(SL_E_RANGE, "whole number", 8 + t->offset);
    }
    return SL_DONE;
}

/* Shape: the number of elements. A product that overflows is told and read as the largest. */
static sl_res read_shape(reader *r, uint64_t *ret_elements)
{
    sl_json_token t;
    SL_TRY(next_of(r, SL_JSON_ARRAY, &t));
    uint64_t product = 1;
    for (size_t rank = 0;; rank++) {
        SL_TRY(sl_json_next(&r->lexer, &t));
        if (t.kind == SL_JSON_ARRAY_END) {
            *ret_elements = product;
            return SL_DONE;
        }
        uint64_t value = 0;
        if (t.kind != SL_JSON_NUMBER || rank == RANK_MAX) {
            return sl_fail_at(SL_E_TYPE, "shape", 8 + t.offset);
        }
        SL_TRY(number_of(&t, &value));
        if (__builtin_mul_overflow(product, value, &product)) {
            tell(r, SL_RULE_SAFETENSORS_TENSOR, t.offset, "the product of the shape overflows");
            product = UINT64_MAX;
        }
    }
}

static sl_res read_offsets(reader *r, tensor *one)
{
    sl_json_token t;
    SL_TRY(next_of(r, SL_JSON_ARRAY, &t));
    SL_TRY(next_of(r, SL_JSON_NUMBER, &t));
    SL_TRY(number_of(&t, &one->begin));
    SL_TRY(next_of(r, SL_JSON_NUMBER, &t));
    SL_TRY(number_of(&t, &one->end));
    return next_of(r, SL_JSON_ARRAY_END, &t);
}

static sl_res read_type(reader *r, unsigned *ret_bits)
{
    sl_json_token t;
    sl_view name = { 0 };
    SL_TRY(next_of(r, SL_JSON_STRING, &t));
    SL_TRY(text_of(r, &t, &name));
    for (size_t i = 0; i < SL_COUNT_OF(types); i++) {
        if (sl_view_eq_str(name, types[i].name)) {
            *ret_bits = types[i].bits;
            return SL_DONE;
        }
    }
    sl_scan_report(r->scan, SL_RULE_SAFETENSORS_TENSOR, 8 + t.offset, name);
    *ret_bits = 0;
    return SL_DONE;
}

static sl_res keep(reader *r, const tensor *t)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 256 : 2 * r->capacity;
        tensor *grown =
            r->count < TENSORS_MAX ? reallocarray(r->tensors, capacity, sizeof(*grown)) : NULL;
        if (grown == NULL) {
            return sl_fail_at(SL_E_LIMIT, "tensors", TENSORS_MAX);
        }
        r->tensors = grown;
        r->capacity = capacity;
    }
    r->tensors[r->count++] = *t;
    return sl_scan_spend(r->scan, SL_SPEND_NODES, 1);
}

static void check_size(reader *r, const tensor *t, unsigned bits, uint64_t elements)
{
    uint64_t total = 0;
    bool overflow = __builtin_mul_overflow(elements, (uint64_t)bits, &total);
    if (t->end < t->begin) {
        tell(r, SL_RULE_SAFETENSORS_TENSOR, t->offset, "ends before it begins");
    } else if (bits != 0 && (overflow || total % 8 != 0 || total / 8 != t->end - t->begin)) {
        tell(r, SL_RULE_SAFETENSORS_TENSOR, t->offset,
             "the bytes are not as many as type and shape need");
    }
}

static sl_res read_tensor(reader *r, const sl_json_token *name)
{
    enum { TYPE = 1, SHAPE = 2, OFFSETS = 4 };
    tensor one = { .offset = (uint32_t)name->offset };
    uint64_t elements = 0;
    unsigned bits = 0;
    unsigned seen = 0;
    sl_json_token t;
    SL_TRY(text_of(r, name, &one.name));
    SL_TRY(next_of(r, SL_JSON_OBJECT, &t));
    for (;;) {
        sl_view key = { 0 };
        SL_TRY(sl_json_next(&r->lexer, &t));
        if (t.kind == SL_JSON_OBJECT_END) {
            break;
        }
        SL_TRY(text_of(r, &t, &key));
        unsigned member = sl_view_eq_str(key, "dtype")          ? TYPE
                          : sl_view_eq_str(key, "shape")        ? SHAPE
                          : sl_view_eq_str(key, "data_offsets") ? OFFSETS
                                                                : 0;
        if (member == 0 || (seen & member) != 0) {
            return sl_fail_at(member == 0 ? SL_E_UNKNOWN_FIELD : SL_E_DUPLICATE, "tensor member",
                              8 + t.offset);
        }
        seen |= member;
        SL_TRY(member == TYPE    ? read_type(r, &bits)
               : member == SHAPE ? read_shape(r, &elements)
                                 : read_offsets(r, &one));
    }
    if (seen != (TYPE | SHAPE | OFFSETS)) {
        return sl_fail_at(SL_E_MISSING_FIELD, "tensor member", 8 + name->offset);
    }
    check_size(r, &one, bits, elements);
    return keep(r, &one);
}

static sl_res read_metadata(reader *r)
{
    sl_json_token t;
    SL_TRY(next_of(r, SL_JSON_OBJECT, &t));
    for (;;) {
        SL_TRY(sl_json_next(&r->lexer, &t));
        if (t.kind == SL_JSON_OBJECT_END) {
            return SL_DONE;
        }
        tensor entry = { .offset = (uint32_t)t.offset };
        SL_TRY(text_of(r, &t, &entry.name));
        SL_TRY(next_of(r, SL_JSON_STRING, &t));
        SL_TRY(keep(r, &entry)); /* only for its name */
    }
}

static int by_name(const void *a, const void *b)
{
    return sl_view_cmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const tensor *x = a;
    const tensor *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

static void check_names(reader *r, size_t from)
{
    if (r->count > from + 1) {
        qsort(r->tensors + from, r->count - from, sizeof(tensor), by_name);
    }
    for (size_t i = from + 1; i < r->count; i++) {
        if (sl_view_eq(r->tensors[i - 1].name, r->tensors[i].name)) {
            sl_scan_report(r->scan, SL_RULE_SAFETENSORS_DUPLICATE, 8 + r->tensors[i].offset,
                           r->tensors[i].name);
        }
    }
}

/* The tensors must cover what follows the header, each byte once. */
static void check_layout(reader *r, uint64_t data_bytes)
{
    uint64_t at = 0;
    if (r->count > 1) {
        qsort(r->tensors, r->count, sizeof(tensor), by_place);
    }
    for (size_t i = 0; i < r->count; i++) {
        const tensor *t = &r->tensors[i];
        if (t->begin != at) {
            sl_scan_reportf(r->scan, SL_RULE_SAFETENSORS_LAYOUT, 8 + t->offset,
                            "%s at byte %llu of the data", t->begin < at ? "overlap" : "gap",
                            (unsigned long long)t->begin);
        }
        at = t->end > at ? t->end : at;
    }
    if (at != data_bytes) {
        sl_scan_reportf(r->scan, SL_RULE_SAFETENSORS_LAYOUT, SL_NOWHERE,
                        "the tensors end at byte %llu of %llu", (unsigned long long)at,
                        (unsigned long long)data_bytes);
    }
}

static sl_res read_header(reader *r, uint64_t data_bytes)
{
    sl_json_token t;
    bool metadata = false;
    SL_TRY(next_of(r, SL_JSON_OBJECT, &t));
    for (;;) {
        sl_view name = { 0 };
        SL_TRY(sl_json_next(&r->lexer, &t));
        if (t.kind == SL_JSON_OBJECT_END) {
            break;
        }
        SL_TRY(text_of(r, &t, &name));
        if (!sl_view_eq_str(name, "__metadata__")) {
            SL_TRY(read_tensor(r, &t));
            continue;
        }
        if (metadata) {
            sl_scan_report(r->scan, SL_RULE_SAFETENSORS_DUPLICATE, 8 + t.offset, name);
        }
        metadata = true;
        size_t tensors = r->count;
        SL_TRY(read_metadata(r));
        check_names(r, tensors);
        r->count = tensors;
    }
    SL_TRY(next_of(r, SL_JSON_END, &t));
    check_names(r, 0);
    check_layout(r, data_bytes);
    return SL_DONE;
}

/* Behind the header's closing brace only blanks fill up to the alignment. */
static bool pads_with_blanks(sl_view header)
{
    size_t end = header.n;
    while (end > 0 && header.p[end - 1] == ' ') {
        end--;
    }
    return end > 0 && header.p[0] == '{' && header.p[end - 1] == '}';
}

sl_res sl_scan_safetensors(sl_scan *scan, sl_source *source)
{
    sl_view prefix = { 0 };
    uint64_t size = sl_source_size(source);
    SL_TRY(sl_source_need(source, 0, 8, &prefix));
    uint64_t length = sl_get_le64(prefix.p);
    if (length < 2 || length > HEADER_BYTES_MAX || length > size - 8) {
        sl_scan_reportf(scan, SL_RULE_SAFETENSORS_HEADER, 0, "a header of %llu bytes",
                        (unsigned long long)length);
        return SL_DONE;
    }
    SL_OWN(sl_buf, header, sl_buf_free) = { .max = (size_t)length };
    sl_cursor cursor = sl_cursor_part(source, 8, 8 + length);
    SL_TRY(sl_buf_reserve(&header, (size_t)length));
    SL_TRY(sl_cursor_copy(&cursor, length, &header));
    if (!pads_with_blanks(sl_buf_view(&header))) {
        sl_scan_report_str(scan, SL_RULE_SAFETENSORS_HEADER, 8, "not one JSON object and blanks");
    }
    reader r = { .scan = scan, .names = { .max = (size_t)length + 4096 } };
    sl_json_lexer_init(&r.lexer, sl_buf_view(&header));
    sl_res done = read_header(&r, size - 8 - length);
    free(r.tensors);
    sl_arena_free(&r.names);
    return done;
}
