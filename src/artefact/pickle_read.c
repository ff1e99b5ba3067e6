/* Reading pickle opcodes (pickle_read.h). The window is refilled before every opcode that might not
 * fit, so that the common case looks at bytes and nothing else. */
#include "artefact/pickle_read.h"

/* The longest opcode with a fixed argument or length prefix. */
#define HEAD_BYTES ((size_t)9)

typedef enum {
    NO_OPCODE,
    NONE,
    FIXED1,
    FIXED2,
    FIXED4,
    FIXED8,
    DATA1,
    DATA4,
    DATA8,
    LINE,
    LINES
} form;

static const uint8_t forms[256] = {
#define P(code, name, form) [code] = form,
#include "artefact/pickle_ops.def"
#undef P
};

#define BYTES_NONE 1
#define BYTES_FIXED1 2
#define BYTES_FIXED2 3
#define BYTES_FIXED4 5
#define BYTES_FIXED8 9
#define BYTES_DATA1 0
#define BYTES_DATA4 0
#define BYTES_DATA8 0
#define BYTES_LINE 0
#define BYTES_LINES 0
const uint8_t sl_pickle_fixed[256] = {
#define P(code, name, form) [code] = BYTES_##form,
#include "artefact/pickle_ops.def"
#undef P
};

const uint64_t sl_pickle_masks[10] = {
    [2] = 0xff, [3] = 0xffff, [5] = 0xffffffff, [9] = UINT64_MAX
};

static const uint8_t head_bytes[] = {
    [NO_OPCODE] = 1, [NONE] = 1,  [FIXED1] = 2, [FIXED2] = 3, [FIXED4] = 5, [FIXED8] = 9,
    [DATA1] = 2,     [DATA4] = 5, [DATA8] = 9,  [LINE] = 1,   [LINES] = 1
};

const char *sl_pickle_op_name(uint8_t code)
{
    static const char *const names[256] = {
#define P(code, name, form) [code] = name,
#include "artefact/pickle_ops.def"
#undef P
    };
    return names[code];
}

sl_pickle_reader sl_pickle_read_from(sl_source *source, uint64_t at)
{
    return (sl_pickle_reader){ .source = source, .at = at, .end = sl_source_size(source) };
}

/* Makes `want` bytes at `at` (or all that are left) stand in the window. */
static sl_res fill(sl_pickle_reader *r, size_t want)
{
    r->base = r->at;
    r->window = (sl_view){ 0 };
    SL_TRY(sl_source_some(r->source, r->at, &r->window));
    uint64_t left = r->end - r->at;
    if (r->window.n < want && r->window.n < left) {
        SL_TRY(sl_source_at(r->source, r->at, want, &r->window));
    }
    return SL_DONE;
}

static inline sl_res at_hand(sl_pickle_reader *r, size_t want, sl_view *ret_view)
{
    uint64_t in = r->at - r->base;
    if (in >= r->window.n || r->window.n - in < want) {
        SL_TRY(fill(r, want));
        in = 0;
    }
    *ret_view = (sl_view){ r->window.p + in, r->window.n - (size_t)in };
    return SL_DONE;
}

/* A line's length, from `from` bytes behind the opcode. */
static sl_res find_line(sl_pickle_reader *r, size_t from, size_t *ret_n)
{
    sl_view v = { 0 };
    SL_TRY(at_hand(r, HEAD_BYTES, &v));
    size_t found = sl_view_find_byte(v, '\n', from);
    if (found == SIZE_MAX) {
        SL_TRY(at_hand(r, SL_PICKLE_SHOWN_MAX, &v));
        found = sl_view_find_byte(v, '\n', from);
    }
    if (found == SIZE_MAX) {
        SL_TRY(at_hand(r, SL_SOURCE_WINDOW_MAX, &v));
        found = sl_view_find_byte(v, '\n', from);
    }
    if (found == SIZE_MAX) {
        return sl_fail_at(v.n < SL_SOURCE_WINDOW_MAX ? SL_E_TRUNCATED : SL_E_LIMIT, "line", r->at);
    }
    *ret_n = found - from;
    return SL_DONE;
}

static sl_res read_lines(sl_pickle_reader *r, bool two, sl_pickle_op *op)
{
    size_t first = 0;
    size_t second = 0;
    sl_view v = { 0 };
    SL_TRY(find_line(r, 1, &first));
    if (two) {
        SL_TRY(find_line(r, 1 + first + 1, &second));
    }
    size_t whole = 1 + first + 1 + (two ? second + 1 : 0);
    SL_TRY(at_hand(r, whole, &v));
    op->data = r->at + 1;
    op->n = first;
    op->shown = sl_view_sub(v, 1, 1 + first);
    if (two) {
        op->second = sl_view_sub(v, 1 + first + 1, whole - 1);
    }
    r->at += whole;
    return SL_DONE;
}

static sl_res read_data(sl_pickle_reader *r, size_t head, sl_pickle_op *op)
{
    sl_view v = { 0 };
    op->data = r->at + head;
    op->n = op->number;
    if (op->n > r->end - op->data) {
        return sl_fail_at(SL_E_TRUNCATED, "length", r->at);
    }
    if (op->n <= SL_PICKLE_SHOWN_MAX) {
        SL_TRY(at_hand(r, head + (size_t)op->n, &v));
        op->shown = sl_view_sub(v, head, head + (size_t)op->n);
    }
    r->at = op->data + op->n;
    return SL_DONE;
}

static uint64_t number_at(const uint8_t *p, size_t bytes)
{
    switch (bytes) {
    case 1:
        return p[0];
    case 2:
        return sl_get_le16(p);
    case 4:
        return sl_get_le32(p);
    case 8:
        return sl_get_le64(p);
    default:
        return 0;
    }
}

sl_res sl_pickle_next(sl_pickle_reader *r, sl_pickle_op *ret_op)
{
    sl_view v = { 0 };
    SL_TRY(at_hand(r, HEAD_BYTES, &v));
    if (v.n == 0) {
        return sl_fail_at(SL_E_TRUNCATED, "STOP", r->at);
    }
    const form f = (form)forms[v.p[0]];
    const size_t head = head_bytes[f];
    ret_op->code = v.p[0];
    ret_op->at = r->at;
    ret_op->n = 0;
    if (f == NONE) {
        r->at++;
        return SL_DONE;
    }
    if (f == NO_OPCODE) {
        return sl_fail_at(SL_E_SYNTAX, "opcode", r->at);
    }
    if (v.n < head) {
        return sl_fail_at(SL_E_TRUNCATED, "argument", r->at);
    }
    ret_op->shown = (sl_view){ 0 };
    if (f == LINE || f == LINES) {
        return read_lines(r, f == LINES, ret_op);
    }
    ret_op->number = number_at(v.p + 1, head - 1);
    if (f >= DATA1) {
        return read_data(r, head, ret_op);
    }
    r->at += head;
    return SL_DONE;
}
