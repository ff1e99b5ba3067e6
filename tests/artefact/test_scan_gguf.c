/* GGUF: a row for each thing that the reference reader refuses, and the templates inside. */
#include "artefact/format_case.h"

typedef struct {
    uint8_t p[4096];
    size_t n;
} file;

static void raw(file *f, const void *p, size_t n)
{
    memcpy(f->p + f->n, p, n);
    f->n += n;
}

static void u32(file *f, uint32_t v)
{
    sl_put_le32(f->p + f->n, v);
    f->n += 4;
}

static void u64(file *f, uint64_t v)
{
    sl_put_le64(f->p + f->n, v);
    f->n += 8;
}

static void text(file *f, const char *s)
{
    u64(f, strlen(s));
    raw(f, s, strlen(s));
}

static void head(file *f, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    f->n = 0;
    raw(f, "GGUF", 4);
    u32(f, version);
    u64(f, tensors);
    u64(f, pairs);
}

static void pair_text(file *f, const char *key, const char *value)
{
    text(f, key);
    u32(f, 8);
    text(f, value);
}

static void tensor(file *f, const char *name, uint64_t rows, uint32_t type, uint64_t offset)
{
    text(f, name);
    u32(f, 1);
    u64(f, rows);
    u32(f, type);
    u64(f, offset);
}

static void pad(file *f, size_t alignment, size_t more)
{
    while (f->n % alignment != 0) {
        f->p[f->n++] = 0;
    }
    memset(f->p + f->n, 0, more);
    f->n += more;
}

/* Two tensors of 8 floats, a key of each kind, a good template. */
static void build_good(file *f)
{
    head(f, 3, 2, 5);
    pair_text(f, "general.architecture", "llama");
    pair_text(f, "tokenizer.chat_template",
              "{% for m in messages %}{{ m['content'] }}{% endfor %}");
    text(f, "general.alignment");
    u32(f, 4);
    u32(f, 64);
    text(f, "tokenizer.tokens");
    u32(f, 9);
    u32(f, 8);
    u64(f, 2);
    text(f, "a");
    text(f, "b");
    text(f, "tokenizer.add_bos");
    u32(f, 7);
    raw(f, "\1", 1);
    tensor(f, "t0", 8, 0, 0);
    tensor(f, "t1", 8, 0, 64);
    pad(f, 64, 64 + 32);
}

static void one_value(file *f, uint32_t type, const void *bytes, size_t n)
{
    head(f, 3, 0, 1);
    text(f, "key");
    u32(f, type);
    raw(f, bytes, n);
    pad(f, 32, 0);
}

static void one_tensor(file *f, const char *name, uint64_t rows, uint32_t type, uint64_t offset)
{
    head(f, 3, 1, 0);
    tensor(f, name, rows, type, offset);
    pad(f, 32, 32);
}

enum {
    VERSION_1,
    BIG_ENDIAN_FILE,
    MANY_KEYS,
    LONG_STRING,
    EMPTY_KEY,
    LONG_ARRAY,
    NESTED_ARRAY,
    TYPE_13,
    BOOL_2,
    ALIGN_0,
    ALIGN_3,
    ALIGN_TYPE,
    SAME_KEY,
    SAME_TENSOR,
    LONG_NAME,
    DIMS_5,
    DIM_NEGATIVE,
    DIMS_PRODUCT,
    REMOVED_TYPE,
    NO_TYPE,
    NOT_BLOCKS,
    WRONG_OFFSET,
    TRAILING,
    SHORT,
    DIRTY_PADDING,
    HUGE_PADDING,
    TEMPLATE,
    NAMED_TEMPLATE,
    TEMPLATE_LIST,
    CASES
};

static const struct {
    const char *what;
    sl_rule rule;
} rows[CASES] = {
    [VERSION_1] = { "version 1", SL_RULE_GGUF_VERSION },
    [BIG_ENDIAN_FILE] = { "big endian", SL_RULE_GGUF_VERSION },
    [MANY_KEYS] = { "2^60 keys", SL_RULE_GGUF_LENGTH },
    [LONG_STRING] = { "long string", SL_RULE_GGUF_LENGTH },
    [EMPTY_KEY] = { "empty key", SL_RULE_GGUF_LENGTH },
    [LONG_ARRAY] = { "long array", SL_RULE_GGUF_LENGTH },
    [NESTED_ARRAY] = { "array of arrays", SL_RULE_GGUF_VALUE },
    [TYPE_13] = { "type 13", SL_RULE_GGUF_VALUE },
    [BOOL_2] = { "bool 2", SL_RULE_GGUF_VALUE },
    [ALIGN_0] = { "alignment 0", SL_RULE_GGUF_VALUE },
    [ALIGN_3] = { "alignment 3", SL_RULE_GGUF_VALUE },
    [ALIGN_TYPE] = { "alignment of 64 bits", SL_RULE_GGUF_VALUE },
    [SAME_KEY] = { "key twice", SL_RULE_GGUF_DUPLICATE },
    [SAME_TENSOR] = { "tensor twice", SL_RULE_GGUF_DUPLICATE },
    [LONG_NAME] = { "name of 64", SL_RULE_GGUF_TENSOR },
    [DIMS_5] = { "five dimensions", SL_RULE_GGUF_TENSOR },
    [DIM_NEGATIVE] = { "negative", SL_RULE_GGUF_TENSOR },
    [DIMS_PRODUCT] = { "overflow", SL_RULE_GGUF_TENSOR },
    [REMOVED_TYPE] = { "type 4", SL_RULE_GGUF_TENSOR },
    [NO_TYPE] = { "type 9999", SL_RULE_GGUF_TENSOR },
    [NOT_BLOCKS] = { "not blocks", SL_RULE_GGUF_TENSOR },
    [WRONG_OFFSET] = { "offset", SL_RULE_GGUF_LAYOUT },
    [TRAILING] = { "trailing", SL_RULE_GGUF_LAYOUT },
    [SHORT] = { "short", SL_RULE_GGUF_LAYOUT },
    [DIRTY_PADDING] = { "dirty padding", SL_RULE_GGUF_LAYOUT },
    [HUGE_PADDING] = { "huge padding", SL_RULE_GGUF_LAYOUT },
    [TEMPLATE] = { "template", SL_RULE_TEMPLATE_ESCAPE },
    [NAMED_TEMPLATE] = { "second template", SL_RULE_TEMPLATE_ESCAPE },
    [TEMPLATE_LIST] = { "templates in a list", SL_RULE_TEMPLATE_ESCAPE },
};

static void build_head_case(file *f, int kind)
{
    head(f,
         kind == VERSION_1         ? 1
         : kind == BIG_ENDIAN_FILE ? 0x03000000
                                   : 3,
         0, kind == MANY_KEYS ? (uint64_t)1 << 60 : 1);
    if (kind == LONG_STRING) {
        text(f, "key");
        u32(f, 8);
        u64(f, UINT64_MAX);
    } else {
        pair_text(f, kind == EMPTY_KEY ? "" : "key", "value");
    }
    pad(f, 32, 0);
}

static void build_value_case(file *f, int kind)
{
    static const uint8_t long_array[12] = { 4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x3F };
    static const uint8_t nested[12] = { 9, 0, 0, 0, 1 };
    uint8_t align[8] = { (uint8_t)(kind == ALIGN_3 ? 3 : 0) };
    switch (kind) {
    case LONG_ARRAY:
        one_value(f, 9, long_array, sizeof(long_array));
        break;
    case NESTED_ARRAY:
        one_value(f, 9, nested, sizeof(nested));
        break;
    case TYPE_13:
        one_value(f, 13, align, 4);
        break;
    case BOOL_2:
        one_value(f, 7, "\2", 1);
        break;
    default:
        head(f, 3, 0, 1);
        text(f, "general.alignment");
        u32(f, kind == ALIGN_TYPE ? 10 : 4);
        raw(f, align, kind == ALIGN_TYPE ? 8 : 4);
        pad(f, 32, 0);
        break;
    }
}

static void build_same(file *f, int kind)
{
    head(f, 3, kind == SAME_TENSOR ? 2 : 0, kind == SAME_KEY ? 2 : 0);
    for (uint64_t i = 0; i < 2; i++) {
        if (kind == SAME_KEY) {
            pair_text(f, "k", "v");
        } else {
            tensor(f, "t", 8, 0, 32 * i);
        }
    }
    pad(f, 32, kind == SAME_TENSOR ? 64 : 0);
}

static void build_dimensions(file *f, int kind)
{
    uint32_t count = kind == DIMS_5 ? 5 : 2;
    head(f, 3, 1, 0);
    text(f, "t");
    u32(f, count);
    for (uint32_t i = 0; i < count; i++) {
        u64(f, kind == DIM_NEGATIVE ? UINT64_MAX : kind == DIMS_PRODUCT ? (uint64_t)1 << 40 : 1);
    }
    u32(f, 0);
    u64(f, 0);
    pad(f, 32, 32);
}

static void build_padding(file *f)
{
    head(f, 3, 0, 1);
    text(f, "general.alignment");
    u32(f, 4);
    u32(f, 64);
    raw(f, "PK", 2);
    pad(f, 64, 0);
}

static void build_template(file *f, int kind)
{
    const char *bad = "{{ x.__class__ }}";
    head(f, 3, 0, kind == NAMED_TEMPLATE ? 2 : 1);
    if (kind == TEMPLATE_LIST) {
        text(f, "tokenizer.chat_templates");
        u32(f, 9);
        u32(f, 8);
        u64(f, 2);
        text(f, "good");
        text(f, bad);
    } else {
        pair_text(f, "tokenizer.chat_template", kind == NAMED_TEMPLATE ? "good" : bad);
    }
    if (kind == NAMED_TEMPLATE) {
        pair_text(f, "tokenizer.chat_template.tool_use", bad);
    }
    pad(f, 32, 0);
}

static void build_tensor_case(file *f, int kind)
{
    char name[65] = "t";
    if (kind == LONG_NAME) {
        memset(name, 'n', 64);
    }
    one_tensor(f, name, kind == NOT_BLOCKS ? 31 : 8,
               kind == REMOVED_TYPE ? 4
               : kind == NO_TYPE    ? 9999
               : kind == NOT_BLOCKS ? 2
                                    : 0,
               kind == WRONG_OFFSET ? 32 : 0);
    f->n += kind == TRAILING ? 1 : 0;
    f->n -= kind == SHORT ? 1 : 0;
}

static void build(file *f, int kind)
{
    memset(f, 0, sizeof(*f));
    if (kind <= EMPTY_KEY) {
        build_head_case(f, kind);
    } else if (kind <= ALIGN_TYPE) {
        build_value_case(f, kind);
    } else if (kind <= SAME_TENSOR) {
        build_same(f, kind);
    } else if (kind >= DIMS_5 && kind <= DIMS_PRODUCT) {
        build_dimensions(f, kind);
    } else if (kind == DIRTY_PADDING) {
        build_padding(f);
    } else if (kind >= TEMPLATE) {
        build_template(f, kind);
    } else {
        build_tensor_case(f, kind);
    }
}

static void every_rule_has_its_row(void **state)
{
    (void)state;
    static file f;
    for (int kind = 0; kind < CASES; kind++) {
        if (kind != HUGE_PADDING) {
            build(&f, kind);
            assert_rule_of(sl_view_of(f.p, f.n), "m.gguf", rows[kind].rule, rows[kind].what);
        }
    }
}

static void padding_of_megabytes_is_told(void **state)
{
    (void)state;
    static file f;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 5 * SL_MIB };
    head(&f, 3, 0, 1);
    text(&f, "general.alignment");
    u32(&f, 4);
    u32(&f, 4 << 20);
    assert_done(sl_buf_add(&bytes, sl_view_of(f.p, f.n)));
    assert_done(sl_buf_reserve(&bytes, 4 * SL_MIB));
    memset(bytes.p + bytes.n, 0, 4 * SL_MIB - bytes.n);
    bytes.n = 4 * SL_MIB;
    assert_rule_of(sl_buf_view(&bytes), "m.gguf", rows[HUGE_PADDING].rule, rows[HUGE_PADDING].what);
}

static void good_files_are_clean(void **state)
{
    (void)state;
    static file f;
    build_good(&f);
    assert_clean_of(sl_view_of(f.p, f.n), "m.gguf", SL_KIND_GGUF, "good");
    pad(&f, 64, 0); /* the last tensor's padding may be there */
    assert_clean_of(sl_view_of(f.p, f.n), "noname", SL_KIND_GGUF, "padded");
    head(&f, 2, 0, 0);
    assert_clean_of(sl_view_of(f.p, f.n), "m.gguf", SL_KIND_GGUF, "empty");
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    static file f;
    build_good(&f);
    assert_sturdy_of(sl_view_of(f.p, f.n), "m.gguf", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(padding_of_megabytes_is_told),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
