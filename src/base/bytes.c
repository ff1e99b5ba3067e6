/* Views and bounded buffers (bytes.h). Nothing here does I/O. */
#include "base/bytes.h"

#include <assert.h>

sl_view sl_view_str(const char *text)
{
    if (text == NULL) {
        return (sl_view){ 0 };
    }
    return (sl_view){ (const uint8_t *)text, strlen(text) };
}

bool sl_view_eq(sl_view a, sl_view b)
{
    /* Only an empty view may have no address, and that is never compared. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool sl_view_eq_str(sl_view a, const char *text)
{
    return sl_view_eq(a, sl_view_str(text));
}

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool sl_view_eq_nocase(sl_view a, sl_view b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool sl_view_starts(sl_view a, sl_view prefix)
{
    return a.n >= prefix.n && sl_view_eq(sl_view_sub(a, 0, prefix.n), prefix);
}

bool sl_view_ends(sl_view a, sl_view suffix)
{
    return a.n >= suffix.n && sl_view_eq(sl_view_sub(a, a.n - suffix.n, a.n), suffix);
}

int sl_view_cmp(sl_view a, sl_view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order != 0) {
        return order;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

sl_view sl_view_sub(sl_view a, size_t from, size_t to)
{
    if (to > a.n) {
        to = a.n;
    }
    if (from > to) {
        from = to;
    }
    return (sl_view){ a.p == NULL ? NULL : a.p + from, to - from };
}

size_t sl_view_find_byte(sl_view a, uint8_t byte, size_t from)
{
    if (from >= a.n) {
        return SIZE_MAX;
    }
    const uint8_t *hit = memchr(a.p + from, byte, a.n - from);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - a.p);
}

size_t sl_view_find(sl_view a, sl_view needle, size_t from)
{
    if (from > a.n || needle.n > a.n - from) {
        return SIZE_MAX;
    }
    if (needle.n == 0) {
        return from;
    }
    const uint8_t *hit = memmem(a.p + from, a.n - from, needle.p, needle.n);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - a.p);
}

bool sl_view_cut(sl_view a, uint8_t byte, sl_view *ret_head, sl_view *ret_rest)
{
    size_t at = sl_view_find_byte(a, byte, 0);
    if (at == SIZE_MAX) {
        *ret_head = a;
        *ret_rest = sl_view_sub(a, a.n, a.n);
        return false;
    }
    *ret_head = sl_view_sub(a, 0, at);
    *ret_rest = sl_view_sub(a, at + 1, a.n);
    return true;
}

sl_view sl_view_trim(sl_view a)
{
    size_t from = 0;
    size_t to = a.n;
    while (from < to && (a.p[from] == ' ' || a.p[from] == '\t')) {
        from++;
    }
    while (to > from && (a.p[to - 1] == ' ' || a.p[to - 1] == '\t')) {
        to--;
    }
    return sl_view_sub(a, from, to);
}

sl_res sl_parse_u64(sl_view text, uint64_t max, uint64_t *ret_value)
{
    SL_NEED(text.p != NULL && text.n > 0 && text.n <= 20, SL_E_SYNTAX);
    SL_NEED(text.n == 1 || text.p[0] != '0', SL_E_SYNTAX);
    uint64_t value = 0;
    for (size_t i = 0; i < text.n; i++) {
        SL_NEED(text.p[i] >= '0' && text.p[i] <= '9', SL_E_SYNTAX);
        uint64_t digit = (uint64_t)(text.p[i] - '0');
        SL_NEED(value <= (UINT64_MAX - digit) / 10, SL_E_RANGE);
        value = value * 10 + digit;
    }
    SL_NEED(value <= max, SL_E_RANGE);
    *ret_value = value;
    return SL_DONE;
}

sl_res sl_parse_i64(sl_view text, int64_t *ret_value)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    uint64_t value = 0;
    uint64_t max = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    SL_TRY(sl_parse_u64(negative ? sl_view_sub(text, 1, text.n) : text, max, &value));
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return SL_DONE;
}

sl_res sl_buf_reserve(sl_buf *b, size_t n)
{
    assert(b->n <= b->max);
    if (n > b->max - b->n) {
        return sl_fail_at(SL_E_LIMIT, "buffer", b->max);
    }
    size_t need = b->n + n;
    if (need <= b->cap) {
        return SL_DONE;
    }
    size_t cap = need < b->max / 2 ? need * 2 : b->max;
    if (cap < 64 && b->max >= 64) {
        cap = 64;
    }
    uint8_t *p = realloc(b->p, cap);
    SL_NEED(p != NULL, SL_E_MEMORY);
    b->p = p;
    b->cap = cap;
    return SL_DONE;
}

sl_res sl_buf_add(sl_buf *b, sl_view v)
{
    SL_TRY(sl_buf_reserve(b, v.n));
    if (v.n != 0) {
        memcpy(b->p + b->n, v.p, v.n);
    }
    b->n += v.n;
    return SL_DONE;
}

sl_res sl_buf_add_str(sl_buf *b, const char *text)
{
    return sl_buf_add(b, sl_view_str(text));
}

sl_res sl_buf_add_byte(sl_buf *b, uint8_t byte)
{
    return sl_buf_add(b, (sl_view){ &byte, 1 });
}

sl_res sl_buf_add_padded(sl_buf *b, sl_view text, size_t room)
{
    SL_NEED(text.n <= room, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(b, room));
    SL_TRY(sl_buf_add(b, text));
    memset(b->p + b->n, 0, room - text.n);
    b->n += room - text.n;
    return SL_DONE;
}

sl_res sl_padded_read(const uint8_t *field, size_t room, char *ret)
{
    size_t used = strnlen((const char *)field, room);
    for (size_t i = used; i < room; i++) {
        SL_NEED(field[i] == 0, SL_E_SYNTAX);
    }
    memcpy(ret, field, used);
    ret[used] = 0;
    return SL_DONE;
}

sl_res sl_buf_add_u64(sl_buf *b, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return sl_buf_add(b, (sl_view){ digits + at, sizeof(digits) - at });
}

sl_res sl_buf_addf(sl_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    sl_res r = need < 0 ? sl_fail(SL_E_BUG) : SL_DONE;
    if (sl_ok(r)) {
        /* vsnprintf writes a NUL that the content does not have: format beside it if the ceiling
         * leaves no room. */
        size_t n = (size_t)need;
        char *text = malloc(n + 1);
        r = text == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
        if (sl_ok(r)) {
            (void)vsnprintf(text, n + 1, format, again);
            r = sl_buf_add(b, sl_view_of(text, n));
            free(text);
        }
    }
    va_end(again);
    return r;
}

void sl_buf_drop_front(sl_buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    if (n != 0) {
        memmove(b->p, b->p + n, b->n - n);
        b->n -= n;
    }
}

void sl_buf_free(sl_buf *b)
{
    free(b->p);
    *b = (sl_buf){ .max = b->max };
}

const char *sl_buf_cstr(sl_buf *b)
{
    if (b->cap == b->n) {
        uint8_t *p = realloc(b->p, b->n + 1);
        if (p == NULL) {
            return NULL;
        }
        b->p = p;
        b->cap = b->n + 1;
    }
    b->p[b->n] = 0;
    return (const char *)b->p;
}
