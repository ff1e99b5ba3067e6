/* GGUF: keys and values, then a table of tensors, then plain numbers. Loading runs nothing of it but
 * the chat templates among its values, which every server renders (scan_template.c). The rest is kept
 * to what the reference reader accepts, because its overflows were other readers' holes: lengths
 * against the file's true size, products checked, offsets the running sum, no name twice.
 * Source: ggml-org/ggml gguf.h and gguf.cpp; CVE-2025-53630, CVE-2026-27940. */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"
#include "artefact/jinja.h"

#define KEYS_MAX ((uint64_t)1 << 16)
#define TENSORS_MAX ((uint64_t)1 << 18)
#define COUNT_MAX ((uint64_t)1 << 30)
#define KEY_BYTES_MAX ((uint64_t)65535)
#define NAME_BYTES_MAX ((uint64_t)63)
#define DIMENSIONS_MAX 4u
#define ALIGNMENT_DEFAULT 32u

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPE_COUNT };

static const uint8_t value_bytes[TYPE_COUNT] = {
    [U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
    [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8,
};

/* Elements and bytes of a block of each tensor type; 0 elements: removed or never given. */
static const struct {
    uint16_t elements;
    uint16_t bytes;
} blocks[] = {
    [0] = { 1, 4 },      [1] = { 1, 2 },      [2] = { 32, 18 },    [3] = { 32, 20 },
    [6] = { 32, 22 },    [7] = { 32, 24 },    [8] = { 32, 34 },    [9] = { 32, 36 },
    [10] = { 256, 84 },  [11] = { 256, 110 }, [12] = { 256, 144 }, [13] = { 256, 176 },
    [14] = { 256, 210 }, [15] = { 256, 292 }, [16] = { 256, 66 },  [17] = { 256, 74 },
    [18] = { 256, 98 },  [19] = { 256, 50 },  [20] = { 32, 18 },   [21] = { 256, 110 },
    [22] = { 256, 82 },  [23] = { 256, 136 }, [24] = { 1, 1 },     [25] = { 1, 2 },
    [26] = { 1, 4 },     [27] = { 1, 8 },     [28] = { 1, 8 },     [29] = { 256, 56 },
    [30] = { 1, 2 },     [34] = { 256, 54 },  [35] = { 256, 66 },  [39] = { 32, 17 },
    [40] = { 64, 36 },   [41] = { 128, 18 },  [42] = { 64, 18 },
};

typedef struct {
    sl_view name;
    uint64_t offset; /* of the name in the file */
} named;

typedef struct {
    sl_scan *scan;
    sl_cursor at;
    sl_arena names;
    named *table;
    size_t count;
    size_t capacity;
    uint64_t alignment;
} reader;

sl_identity sl_identify_gguf(const sl_probe *probe)
{
    return sl_view_starts(probe->head, SL_LIT("GGUF")) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static sl_res keep_name(reader *r, sl_view name, uint64_t offset)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 64 : 2 * r->capacity;
        named *grown = reallocarray(r->table, capacity, sizeof(*grown));
        SL_NEED(grown != NULL, SL_E_MEMORY);
        r->table = grown;
        r->capacity = capacity;
    }
    SL_TRY(sl_arena_dup(&r->names, name, &r->table[r->count].name));
    r->table[r->count++].offset = offset;
    return sl_scan_spend(r->scan, SL_SPEND_NODES, 1);
}

static int by_name(const void *a, const void *b)
{
    return sl_view_cmp(((const named *)a)->name, ((const named *)b)->name);
}

static void check_names(reader *r)
{
    if (r->count > 1) {
        qsort(r->table, r->count, sizeof(named), by_name);
    }
    for (size_t i = 1; i < r->count; i++) {
        if (sl_view_eq(r->table[i - 1].name, r->table[i].name)) {
            sl_scan_report(r->scan, SL_RULE_GGUF_DUPLICATE, r->table[i].offset, r->table[i].name);
        }
    }
    r->count = 0;
}

/* The length of a string that must lie within the file. */
static sl_res string_length(reader *r, uint64_t *ret_length)
{
    uint64_t at = r->at.at;
    SL_TRY(sl_cursor_u64le(&r->at, ret_length));
    if (*ret_length > sl_cursor_left(&r->at) || *ret_length > COUNT_MAX) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LENGTH, at, "a string of %llu bytes",
                        (unsigned long long)*ret_length);
        return sl_fail_at(SL_E_RANGE, "string length", at);
    }
    return SL_DONE;
}

static sl_res read_template(reader *r, uint64_t length)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_JINJA_BYTES_MAX };
    uint64_t at = r->at.at;
    if (length > SL_JINJA_BYTES_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_TEMPLATE_ENDLESS, at, "a template of megabytes");
        return sl_cursor_skip(&r->at, length);
    }
    SL_TRY(sl_cursor_copy(&r->at, length, &text));
    return sl_scan_template_text(r->scan, sl_buf_view(&text), at);
}

static sl_res read_strings(reader *r, uint64_t count, bool template)
{
    SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, count));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t length = 0;
        SL_TRY(string_length(r, &length));
        SL_TRY(template ? read_template(r, length) : sl_cursor_skip(&r->at, length));
    }
    return SL_DONE;
}

/* A truth value is 0 or 1: other bytes are true to one reader and something else to the next. */
static sl_res read_bools(reader *r, uint64_t count)
{
    while (count > 0) {
        sl_view piece = { 0 };
        size_t n = count < 65536 ? (size_t)count : 65536;
        uint64_t at = r->at.at;
        SL_TRY(sl_cursor_take(&r->at, n, &piece));
        for (size_t i = 0; i < n; i++) {
            if (piece.p[i] > 1) {
                sl_scan_report(r->scan, SL_RULE_GGUF_VALUE, at + i, sl_view_sub(piece, i, i + 1));
                break;
            }
        }
        count -= n;
    }
    return SL_DONE;
}

static sl_res read_values(reader *r, uint32_t type, uint64_t count, bool template)
{
    if (type == STRING) {
        return read_strings(r, count, template);
    }
    if (type == BOOL) {
        return read_bools(r, count);
    }
    return sl_cursor_skip(&r->at, count * value_bytes[type]);
}

static sl_res read_alignment(reader *r, uint32_t type)
{
    uint32_t value = 0;
    uint64_t at = r->at.at;
    if (type != U32) {
        sl_scan_report_str(r->scan, SL_RULE_GGUF_VALUE, at, "the alignment is no 32-bit number");
        return read_values(r, type, 1, false);
    }
    SL_TRY(sl_cursor_u32le(&r->at, &value));
    if (value == 0 || (value & (value - 1)) != 0) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_VALUE, at, "an alignment of %u", value);
        return SL_DONE;
    }
    r->alignment = value;
    return SL_DONE;
}

static sl_res read_array(reader *r, bool template)
{
    uint32_t type = 0;
    uint64_t count = 0;
    uint64_t at = r->at.at;
    SL_TRY(sl_cursor_u32le(&r->at, &type));
    SL_TRY(sl_cursor_u64le(&r->at, &count));
    if (type >= TYPE_COUNT || type == ARRAY) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_VALUE, at, "an array of type %u", type);
        return sl_fail_at(SL_E_TYPE, "array type", at);
    }
    uint64_t least = type == STRING ? 8 : value_bytes[type];
    if (count > COUNT_MAX || count > sl_cursor_left(&r->at) / least) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LENGTH, at, "an array of %llu items",
                        (unsigned long long)count);
        return sl_fail_at(SL_E_RANGE, "array length", at);
    }
    return read_values(r, type, count, template);
}

static sl_res read_pair(reader *r)
{
    uint64_t length = 0;
    uint64_t at = r->at.at;
    uint32_t type = 0;
    sl_view key = { 0 };
    SL_TRY(string_length(r, &length));
    if (length == 0 || length > KEY_BYTES_MAX) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LENGTH, at, "a key of %llu bytes",
                        (unsigned long long)length);
        return sl_fail_at(SL_E_RANGE, "key length", at);
    }
    SL_TRY(sl_cursor_take(&r->at, length, &key));
    bool template = sl_view_starts(key, SL_LIT("tokenizer.chat_template")) ||
                    sl_view_find(key, SL_LIT("chat_template"), 0) != SIZE_MAX;
    bool alignment = sl_view_eq_str(key, "general.alignment");
    SL_TRY(keep_name(r, key, at + 8));
    at = r->at.at;
    SL_TRY(sl_cursor_u32le(&r->at, &type));
    if (type >= TYPE_COUNT) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_VALUE, at, "a value of type %u", type);
        return sl_fail_at(SL_E_TYPE, "value type", at);
    }
    if (alignment && type != ARRAY) {
        return read_alignment(r, type);
    }
    return type == ARRAY ? read_array(r, template) : read_values(r, type, 1, template);
}

static sl_res bad_tensor(reader *r, uint64_t at, const char *what)
{
    sl_scan_report_str(r->scan, SL_RULE_GGUF_TENSOR, at, what);
    return sl_fail_at(SL_E_RANGE, "tensor", at);
}

/* The tensor's bytes, or a finding. */
static sl_res tensor_bytes(reader *r, uint64_t at, const uint64_t *dims, uint32_t type,
                           uint64_t *ret_bytes)
{
    if (type >= SL_COUNT_OF(blocks) || blocks[type].elements == 0) {
        return bad_tensor(r, at, "a type that was removed or never given");
    }
    uint64_t elements = 1;
    for (size_t i = 0; i < DIMENSIONS_MAX; i++) {
        if (dims[i] > INT64_MAX || __builtin_mul_overflow(elements, dims[i], &elements) ||
            elements > INT64_MAX) {
            return bad_tensor(r, at, "the product of the dimensions overflows, or one is negative");
        }
    }
    if (dims[0] % blocks[type].elements != 0) {
        return bad_tensor(r, at, "a row that is no whole number of blocks");
    }
    if (__builtin_mul_overflow(elements / blocks[type].elements, (uint64_t)blocks[type].bytes,
                               ret_bytes) ||
        *ret_bytes > INT64_MAX) {
        return bad_tensor(r, at, "more bytes than a file can have");
    }
    return SL_DONE;
}

static uint64_t padded(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* `*sum`: where this tensor must begin, then where the next must. */
static sl_res read_tensor(reader *r, uint64_t *sum, uint64_t *ret_end)
{
    uint64_t at = r->at.at;
    uint64_t length = 0;
    uint64_t dims[DIMENSIONS_MAX] = { 1, 1, 1, 1 };
    uint32_t count = 0;
    uint32_t type = 0;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    sl_view name = { 0 };
    SL_TRY(string_length(r, &length));
    if (length > NAME_BYTES_MAX) {
        return bad_tensor(r, at, "a name of 64 bytes or more");
    }
    SL_TRY(sl_cursor_take(&r->at, length, &name));
    SL_TRY(keep_name(r, name, at + 8));
    SL_TRY(sl_cursor_u32le(&r->at, &count));
    if (count > DIMENSIONS_MAX) {
        return bad_tensor(r, at, "more than four dimensions");
    }
    for (uint32_t i = 0; i < count; i++) {
        SL_TRY(sl_cursor_u64le(&r->at, &dims[i]));
    }
    SL_TRY(sl_cursor_u32le(&r->at, &type));
    SL_TRY(sl_cursor_u64le(&r->at, &offset));
    SL_TRY(tensor_bytes(r, at, dims, type, &bytes));
    if (offset != *sum) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LAYOUT, at, "begins at %llu instead of %llu",
                        (unsigned long long)offset, (unsigned long long)*sum);
    }
    uint64_t end = 0;
    if (__builtin_add_overflow(*sum, bytes, &end) || end > INT64_MAX - r->alignment) {
        return bad_tensor(r, at, "the sum of the tensors overflows");
    }
    *ret_end = end;
    *sum = padded(end, r->alignment);
    return SL_DONE;
}

/* Between table and data stand zeros, fewer than the alignment. */
static sl_res check_padding(reader *r, uint64_t from, uint64_t to)
{
    sl_view piece = { 0 };
    if (to - from > SL_SOURCE_WINDOW_MAX) {
        sl_scan_report_str(r->scan, SL_RULE_GGUF_LAYOUT, from, "megabytes of padding");
        return SL_DONE;
    }
    SL_TRY(sl_source_at(r->at.source, from, (size_t)(to - from), &piece));
    for (size_t i = 0; i < piece.n; i++) {
        if (piece.p[i] != 0) {
            sl_scan_report(r->scan, SL_RULE_GGUF_LAYOUT, from + i, sl_view_sub(piece, i, piece.n));
            return SL_DONE;
        }
    }
    return SL_DONE;
}

static sl_res read_tensors(reader *r, uint64_t count)
{
    uint64_t sum = 0;
    uint64_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        SL_TRY(read_tensor(r, &sum, &end));
    }
    check_names(r);
    uint64_t size = r->at.end;
    uint64_t data = padded(r->at.at, r->alignment);
    /* Files without tensors may end right behind the table, and the last tensor's padding may be
     * missing; anything else is a second file in waiting, or a file cut short. */
    bool whole = (count == 0 && r->at.at == size) ||
                 (data <= size && (size - data == end || size - data == sum));
    if (!whole) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LAYOUT, SL_NOWHERE,
                        "the tensors need %llu bytes, the file has %llu for them",
                        (unsigned long long)end,
                        (unsigned long long)(data <= size ? size - data : 0));
    }
    return data <= size ? check_padding(r, r->at.at, data) : SL_DONE;
}

static sl_res read_file(reader *r)
{
    uint32_t version = 0;
    uint64_t tensors = 0;
    uint64_t pairs = 0;
    SL_TRY(sl_cursor_skip(&r->at, 4));
    SL_TRY(sl_cursor_u32le(&r->at, &version));
    if (version < 2 || version > 3) {
        sl_scan_reportf(
            r->scan, SL_RULE_GGUF_VERSION, 4, "%s %#x",
            (version & 0xFFFF) == 0 && version != 0 ? "the other byte order:" : "version", version);
        return SL_DONE;
    }
    SL_TRY(sl_cursor_u64le(&r->at, &tensors));
    SL_TRY(sl_cursor_u64le(&r->at, &pairs));
    if (tensors > TENSORS_MAX || pairs > KEYS_MAX) {
        sl_scan_reportf(r->scan, SL_RULE_GGUF_LENGTH, 8, "%llu tensors, %llu keys",
                        (unsigned long long)tensors, (unsigned long long)pairs);
        return sl_fail_at(SL_E_RANGE, "count", 8);
    }
    for (uint64_t i = 0; i < pairs; i++) {
        SL_TRY(read_pair(r));
    }
    check_names(r);
    return read_tensors(r, tensors);
}

sl_res sl_scan_gguf(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan,
                 .at = sl_cursor_over(source),
                 .names = { .max = 32 * ((size_t)1 << 20) },
                 .alignment = ALIGNMENT_DEFAULT };
    sl_res done = read_file(&r);
    free(r.table);
    sl_arena_free(&r.names);
    return done;
}
