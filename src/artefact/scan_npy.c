/* NumPy arrays: a header that is a Python literal of exactly three keys, then raw items, or a pickle if
 * the type holds objects. The literal goes through a grammar of its own, because readers that hand it
 * to an evaluator have run code in it. Format: numpy.lib.format, versions 1 to 3. */
#include <string.h>

#include "artefact/scan_impl.h"

#define HEADER_BYTES_MAX ((size_t)1 << 20)
#define NEST_MAX ((size_t)16)

sl_identity sl_identify_npy(const sl_probe *probe)
{
    bool magic = probe->head.n >= 8 && memcmp(probe->head.p, "\x93NUMPY", 6) == 0;
    return magic ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

typedef struct {
    sl_view text;
    size_t at;
    bool object;
    uint64_t item;  /* bytes */
    uint64_t count; /* items */
    unsigned seen;  /* bit for each key */
} literal;

static void blanks(literal *l)
{
    while (l->at < l->text.n && (l->text.p[l->at] == ' ' || l->text.p[l->at] == '\n')) {
        l->at++;
    }
}

static uint8_t peek(literal *l)
{
    blanks(l);
    return l->at < l->text.n ? l->text.p[l->at] : 0;
}

static bool eat(literal *l, char c)
{
    bool there = peek(l) == (uint8_t)c;
    l->at += there;
    return there;
}

static sl_res wrong(const literal *l)
{
    return sl_fail_at(SL_E_SYNTAX, "npy header", l->at);
}

static sl_res string(literal *l, sl_view *ret_text)
{
    uint8_t quote = peek(l);
    if (quote != '\'' && quote != '"') {
        return wrong(l);
    }
    size_t end = sl_view_find_byte(l->text, quote, l->at + 1);
    if (end == SIZE_MAX) {
        return wrong(l);
    }
    *ret_text = sl_view_sub(l->text, l->at + 1, end);
    l->at = end + 1;
    return sl_view_find_byte(*ret_text, '\\', 0) == SIZE_MAX ? SL_DONE : wrong(l);
}

static sl_res integer(literal *l, uint64_t *ret_value)
{
    blanks(l);
    size_t from = l->at;
    while (l->at < l->text.n && l->text.p[l->at] >= '0' && l->text.p[l->at] <= '9') {
        l->at++;
    }
    sl_res r = sl_parse_u64(sl_view_sub(l->text, from, l->at), INT64_MAX, ret_value);
    (void)(l->at < l->text.n && l->text.p[l->at] == 'L' && l->at++); /* Python 2 wrote longs so */
    return sl_ok(r) ? SL_DONE : wrong(l);
}

/* "(3, 4)", "()", "(3,)", or a bare number inside of a type: the product. */
static sl_res shape(literal *l, uint64_t *ret_product)
{
    uint64_t product = 1;
    uint64_t n = 0;
    if (!eat(l, '(')) {
        return integer(l, ret_product);
    }
    while (!eat(l, ')')) {
        SL_TRY(integer(l, &n));
        if (__builtin_mul_overflow(product, n, &product) || product > INT64_MAX) {
            return sl_fail_at(SL_E_RANGE, "npy shape", l->at);
        }
        if (!eat(l, ',') && peek(l) != ')') {
            return wrong(l);
        }
    }
    *ret_product = product;
    return SL_DONE;
}

/* "<f8": its size; 'O' is an object. */
static sl_res type_word(literal *l, uint64_t *ret_bytes)
{
    sl_view t = { 0 };
    uint64_t n = 0;
    SL_TRY(string(l, &t));
    if (t.n != 0 && memchr("<>|=", t.p[0], 4) != NULL) {
        t = sl_view_sub(t, 1, t.n);
    }
    if (t.n == 0 || memchr("?buBhHiIlLqQefdgFDGSaUVOmMtc", t.p[0], 28) == NULL) {
        return wrong(l);
    }
    l->object = l->object || t.p[0] == 'O';
    size_t unit = sl_view_find_byte(t, '[', 0); /* M8[ns] */
    sl_view digits = sl_view_sub(t, 1, unit == SIZE_MAX ? t.n : unit);
    if (t.p[0] == 'O' || (t.p[0] == '?' && digits.n == 0)) {
        *ret_bytes = t.p[0] == 'O' ? 8 : 1;
        return SL_DONE;
    }
    SL_TRY(sl_parse_u64(digits, INT32_MAX, &n));
    *ret_bytes = t.p[0] == 'U' ? n * 4 : n;
    return SL_DONE;
}

/* A field's name: a string, or a pair of title and name. */
static sl_res field_name(literal *l)
{
    sl_view name = { 0 };
    if (!eat(l, '(')) {
        return string(l, &name);
    }
    SL_TRY(string(l, &name));
    if (!eat(l, ',')) {
        return wrong(l);
    }
    SL_TRY(string(l, &name));
    return eat(l, ')') ? SL_DONE : wrong(l);
}

/* What stands behind a field's type: a shape perhaps, then the end of the field. */
static sl_res field_end(literal *l, uint64_t bytes, uint64_t *sum)
{
    uint64_t times = 1;
    if (eat(l, ',') && peek(l) != ')') {
        SL_TRY(shape(l, &times));
        (void)eat(l, ',');
    }
    if (!eat(l, ')') || __builtin_mul_overflow(bytes, times, &bytes) ||
        __builtin_add_overflow(*sum, bytes, sum)) {
        return wrong(l);
    }
    return eat(l, ',') || peek(l) == ']' ? SL_DONE : wrong(l);
}

/* A type: a word, or a list of fields whose types may be lists in turn. */
static sl_res descr(literal *l, uint64_t *ret_bytes)
{
    uint64_t sums[NEST_MAX] = { 0 };
    size_t depth = 0;
    uint64_t word = 0;
    if (peek(l) != '[') {
        return type_word(l, ret_bytes);
    }
    l->at++;
    for (depth = 1; depth != 0;) {
        if (eat(l, ']')) { /* this list is a type: of the array, or of a field around it */
            word = sums[--depth];
            if (depth != 0) {
                SL_TRY(field_end(l, word, &sums[depth - 1]));
            }
            continue;
        }
        if (!eat(l, '(')) {
            return wrong(l);
        }
        SL_TRY(field_name(l));
        if (!eat(l, ',')) {
            return wrong(l);
        }
        if (peek(l) == '[') {
            l->at++;
            if (depth == NEST_MAX) {
                return sl_fail_at(SL_E_DEPTH, "npy type", l->at);
            }
            sums[depth++] = 0;
            continue;
        }
        SL_TRY(type_word(l, &word));
        SL_TRY(field_end(l, word, &sums[depth - 1]));
    }
    *ret_bytes = word;
    return SL_DONE;
}

static sl_res truth(literal *l)
{
    static const char *const words[] = { "True", "False" };
    blanks(l);
    for (size_t i = 0; i < 2; i++) {
        sl_view w = sl_view_str(words[i]);
        if (sl_view_starts(sl_view_sub(l->text, l->at, l->text.n), w)) {
            l->at += w.n;
            return SL_DONE;
        }
    }
    return wrong(l);
}

static sl_res member(literal *l)
{
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    sl_view key = { 0 };
    unsigned which = 0;
    SL_TRY(string(l, &key));
    while (which < 3 && !sl_view_eq_str(key, keys[which])) {
        which++;
    }
    if (which == 3 || (l->seen & 1U << which) != 0 || !eat(l, ':')) {
        return wrong(l);
    }
    l->seen |= 1U << which;
    if (which == 2 && peek(l) != '(') {
        return wrong(l);
    }
    return which == 0 ? descr(l, &l->item) : which == 1 ? truth(l) : shape(l, &l->count);
}

static sl_res read_literal(literal *l)
{
    if (!eat(l, '{')) {
        return wrong(l);
    }
    while (!eat(l, '}')) {
        SL_TRY(member(l));
        if (!eat(l, ',') && peek(l) != '}') {
            return wrong(l);
        }
    }
    return peek(l) == 0 && l->at == l->text.n && l->seen == 7 ? SL_DONE : wrong(l);
}

static sl_res read_header(sl_cursor *c, literal *l, sl_buf *text)
{
    sl_view v = { 0 };
    uint16_t narrow = 0;
    uint32_t n = 0;
    SL_TRY(sl_cursor_take(c, 8, &v));
    uint8_t major = v.p[6];
    if (major < 1 || major > 3 || v.p[7] != 0) {
        return sl_fail_at(SL_E_VERSION, "npy version", 6);
    }
    if (major == 1) {
        SL_TRY(sl_cursor_u16le(c, &narrow));
        n = narrow;
    } else {
        SL_TRY(sl_cursor_u32le(c, &n));
    }
    SL_TRY(sl_cursor_copy(c, n, text));
    if (text->n == 0 || text->p[text->n - 1] != '\n') {
        return sl_fail_at(SL_E_SYNTAX, "npy header", c->at);
    }
    l->text = sl_buf_view(text);
    return read_literal(l);
}

sl_res sl_scan_npy(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = HEADER_BYTES_MAX };
    SL_OWN(sl_source *, rest, sl_source_free) = NULL;
    sl_cursor c = sl_cursor_over(source);
    literal l = { 0 };
    uint64_t bytes = 0;
    SL_TRY(read_header(&c, &l, &text));
    uint64_t left = sl_cursor_left(&c);
    if (l.object) {
        sl_scan_report_str(scan, SL_RULE_NPY_OBJECTS, c.at, "");
        SL_TRY(sl_source_part(source, c.at, left, &rest));
        return sl_scan_member_as(scan, SL_LIT("(objects)"), rest, SL_KIND_PICKLE);
    }
    if (__builtin_mul_overflow(l.item, l.count, &bytes)) {
        return sl_fail_at(SL_E_RANGE, "npy shape", c.at);
    }
    if (bytes > left) {
        return sl_fail_at(SL_E_TRUNCATED, "npy data", c.at);
    }
    if (bytes < left) {
        sl_scan_report_str(scan, SL_RULE_NPY_TRAILING, c.at + bytes, "");
        SL_TRY(sl_source_part(source, c.at + bytes, left - bytes, &rest));
        return sl_scan_member_on_trial(scan, SL_LIT("(trailing)"), rest);
    }
    return SL_DONE;
}
