/* Finding and decoding runs (views.h). Forms: base64 (both alphabets, wrapped at 60 columns or more),
 * base32, hex, spaced hex, binary digits, spaced and dashed letters. Escapes are the folding step's.
 * Linear: each byte belongs to at most one run of each form. */
#include "detect/views.h"

#include "base/utf8.h"
#include "detect/byte_masks.h"

#define RUN_MIN ((size_t)16)
#define WRAP_MIN ((size_t)60)
#define READABLE_MIN ((size_t)5)
#define LETTERS_MIN ((size_t)5)
#define SEGMENTS_MAX ((size_t)4096)

void sl_views_free(sl_views *views)
{
    sl_buf_free(&views->bytes);
    free(views->items);
    *views = (sl_views){ 0 };
}

static inline bool is_run_byte(uint8_t b)
{
    return (uint8_t)((b | 0x20) - 'a') < 26 || (uint8_t)(b - '0') < 10 || b == '+' || b == '/' ||
           b == '-' || b == '_';
}

static int base64_value(uint8_t b)
{
    if (b >= 'A' && b <= 'Z') {
        return b - 'A';
    }
    if (b >= 'a' && b <= 'z') {
        return b - 'a' + 26;
    }
    if (b >= '0' && b <= '9') {
        return b - '0' + 52;
    }
    return b == '+' || b == '-' ? 62 : (b == '/' || b == '_' ? 63 : -1);
}

static int base32_value(uint8_t b)
{
    if (b >= 'A' && b <= 'Z') {
        return b - 'A';
    }
    if (b >= 'a' && b <= 'z') {
        return b - 'a';
    }
    return b >= '2' && b <= '7' ? b - '2' + 26 : -1;
}

static int base16_value(uint8_t b)
{
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    if (b >= 'a' && b <= 'f') {
        return b - 'a' + 10;
    }
    return b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
}

static int base2_value(uint8_t b)
{
    return b == '0' || b == '1' ? b - '0' : -1;
}

typedef struct {
    int (*value)(uint8_t);
    unsigned bits;
    sl_view_kind kind;
} form;

static const form BASE64 = { base64_value, 6, SL_VIEW_BASE64 };
static const form BASE32 = { base32_value, 5, SL_VIEW_BASE32 };
static const form BASE16 = { base16_value, 4, SL_VIEW_HEX };
static const form BASE2 = { base2_value, 1, SL_VIEW_BINARY };

/* Readable: well formed UTF-8, no control characters but white space, enough of it. */
static bool is_readable(sl_view v)
{
    if (v.n < READABLE_MIN) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        uint8_t b = v.p[i];
        if (b == 0x7F || (b < 0x20 && !sl_is_blank(b))) {
            return false;
        }
    }
    sl_view whole = sl_view_sub(v, 0, v.n - sl_utf8_open_tail(v));
    return sl_utf8_check(whole) == whole.n;
}

static sl_res add_segment(sl_views *views, sl_segment one)
{
    if (views->n >= SEGMENTS_MAX) {
        return SL_DONE;
    }
    if (views->n == views->cap) {
        size_t cap = views->cap == 0 ? 16 : views->cap * 2;
        sl_segment *more = realloc(views->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        views->items = more;
        views->cap = cap;
    }
    views->items[views->n++] = one;
    return SL_DONE;
}

/* Decodes [from, to) skipping bytes without a value; keeps the view if it can be read. */
static sl_res decode(sl_view t, size_t from, size_t to, const form *f, sl_segment span,
                     sl_views *views, bool *ret_kept)
{
    size_t begin = views->bytes.n;
    uint32_t bits = 0;
    unsigned have = 0;
    *ret_kept = false;
    for (size_t i = from; i < to; i++) {
        int value = f->value(t.p[i]);
        if (value < 0) {
            continue;
        }
        bits = (bits << f->bits | (uint32_t)value) & 0xFFFFU;
        have += f->bits;
        if (have < 8) {
            continue;
        }
        have -= 8;
        uint8_t byte = (uint8_t)(bits >> have);
        bool early = views->bytes.n - begin < 12;
        if ((early && (byte < 0x20 && !sl_is_blank(byte))) ||
            !sl_ok(sl_buf_add_byte(&views->bytes, byte))) {
            views->bytes.n = begin;
            return SL_DONE;
        }
    }
    if (!is_readable(sl_view_sub(sl_buf_view(&views->bytes), begin, views->bytes.n))) {
        views->bytes.n = begin;
        return SL_DONE;
    }
    *ret_kept = true;
    span.at = begin;
    span.n = views->bytes.n - begin;
    span.kind = (uint8_t)f->kind;
    return add_segment(views, span);
}

static bool all_of(sl_view t, size_t from, size_t to, int (*value)(uint8_t))
{
    for (size_t i = from; i < to; i++) {
        if (value(t.p[i]) < 0 && !sl_is_blank(t.p[i])) {
            return false;
        }
    }
    return true;
}

/* One form at each of its alignments, so that a stray leading character does not hide a run. */
static sl_res decode_aligned(sl_view t, size_t from, size_t to, const form *f, size_t alignments,
                             sl_views *views, bool *ret_kept)
{
    sl_segment span = { .start = from, .end = to };
    for (size_t skip = 0; skip < alignments && !*ret_kept && to - from - skip >= 8; skip++) {
        SL_TRY(decode(t, from + skip, to, f, span, views, ret_kept));
    }
    return SL_DONE;
}

static sl_res decode_run(sl_view t, size_t from, size_t to, sl_views *views, bool *ret_kept)
{
    if (all_of(t, from, to, base2_value)) {
        return decode_aligned(t, from, to, &BASE2, 1, views, ret_kept);
    }
    if (all_of(t, from, to, base16_value)) {
        SL_TRY(decode_aligned(t, from, to, &BASE16, 2, views, ret_kept));
    }
    if (!*ret_kept && all_of(t, from, to, base32_value)) {
        SL_TRY(decode_aligned(t, from, to, &BASE32, 1, views, ret_kept));
    }
    return *ret_kept ? SL_DONE : decode_aligned(t, from, to, &BASE64, 4, views, ret_kept);
}

/* A run as a whole; if that says nothing, its parts between '/', '-', '_' and '+'. */
static sl_res take_run(sl_view t, size_t from, size_t to, sl_views *views)
{
    bool kept = false;
    SL_TRY(decode_run(t, from, to, views, &kept));
    if (kept) {
        return SL_DONE;
    }
    for (size_t at = from; at < to;) {
        size_t end = at;
        while (end < to && sl_is_word(t.p[end])) {
            end++;
        }
        bool whole = at == from && end == to;
        kept = false;
        if (end - at >= RUN_MIN && !whole) {
            SL_TRY(decode_run(t, at, end, views, &kept));
        }
        at = end + 1;
    }
    return SL_DONE;
}

/* The end of the run at `at`, over line breaks while lines are as long as wrapped encodings have. */
static size_t run_end(sl_view t, size_t at)
{
    for (;;) {
        size_t line = at;
        while (at < t.n && is_run_byte(t.p[at])) {
            at++;
        }
        size_t next = at;
        while (next < t.n && (t.p[next] == '\r' || t.p[next] == '\n') && next - at < 2) {
            next++;
        }
        if (at - line < WRAP_MIN || next == at || next >= t.n || !is_run_byte(t.p[next])) {
            return at;
        }
        at = next;
    }
}

/* The first place at or behind `at` from which on RUN_MIN bytes belong to a run, or one too near the end for that. */
static size_t next_run(sl_view t, size_t at)
{
    unsigned open = 0; /* bytes of a run right before the block, at most RUN_MIN */
    for (; at + 64 <= t.n; at += 64) {
        uint64_t in = sl_mask_runs_64(t.p + at);
        uint64_t long_ones = in & in >> 1;
        long_ones &= long_ones >> 2;
        long_ones &= long_ones >> 4;
        long_ones &= long_ones >> 8;
        unsigned head = in == UINT64_MAX ? 64 : (unsigned)__builtin_ctzll(~in);
        if (open != 0 && open + head >= RUN_MIN) {
            return at - open;
        }
        if (long_ones != 0) {
            return at + (size_t)__builtin_ctzll(long_ones);
        }
        open = (unsigned)__builtin_clzll(~in);
    }
    at -= open;
    while (at + RUN_MIN <= t.n) {
        /* If some byte of the next 16 is outside, no run of 16 begins before it. */
        unsigned outside = ~sl_mask_runs(t.p + at) & 0xFFFFU;
        if (outside == 0) {
            return at;
        }
        at += 32U - (size_t)__builtin_clz(outside);
    }
    return at;
}

static sl_res find_runs(sl_view t, sl_views *views)
{
    for (size_t at = next_run(t, 0); at + RUN_MIN <= t.n;) {
        size_t end = run_end(t, at);
        /* Padding belongs to it. */
        size_t close = end;
        while (close < t.n && t.p[close] == '=' && close - end < 6) {
            close++;
        }
        if (end == t.n) {
            views->open_from = at < views->open_from ? at : views->open_from;
        }
        SL_TRY(take_run(t, at, end, views));
        at = next_run(t, close);
    }
    return SL_DONE;
}

/* ---- spaced forms -------------------------------------------------------------------------- */

static bool edge_before(sl_view t, size_t at)
{
    return at == 0 || !sl_is_word(t.p[at - 1]);
}

static bool is_single(sl_view t, size_t at)
{
    return at < t.n && t.p[at] < 0x80 && !sl_is_blank(t.p[at]) &&
           (at + 1 >= t.n || !sl_is_word(t.p[at + 1]));
}

/* "I g n o r e   a l l" and "i-g-n-o-r-e a-l-l": single characters with one separator; a wider gap,
 * or a blank between dashed letters, is a word break. */
static sl_res take_spaced(sl_view t, size_t from, sl_views *views, size_t *ret_end)
{
    uint8_t separator = t.p[from + 1];
    size_t begin = views->bytes.n;
    size_t letters = 0;
    size_t at = from;
    size_t end = from;
    while (is_single(t, at)) {
        SL_TRY(sl_buf_add_byte(&views->bytes, t.p[at]));
        letters += sl_is_word(t.p[at]);
        end = ++at;
        size_t gap = at;
        while (gap < t.n && gap - at < 4 &&
               (t.p[gap] == separator || t.p[gap] == ' ' || t.p[gap] == '\n')) {
            gap++;
        }
        if (gap == at) {
            break;
        }
        bool wide = gap - at > 1 || t.p[at] != separator;
        if (wide && is_single(t, gap)) {
            SL_TRY(sl_buf_add_byte(&views->bytes, ' '));
        }
        at = gap;
    }
    if (at >= t.n) {
        views->open_from = from < views->open_from ? from : views->open_from;
    }
    *ret_end = end > from ? end : from + 1;
    if (letters < LETTERS_MIN) {
        views->bytes.n = begin;
        return SL_DONE;
    }
    return add_segment(views, (sl_segment){ .start = from,
                                            .end = end,
                                            .at = begin,
                                            .n = views->bytes.n - begin,
                                            .kind = SL_VIEW_FOLDED });
}

/* Groups of `width` digits of a form with single separators: "01001010 01100001", "4a:61:6e". */
static sl_res take_groups(sl_view t, size_t from, const form *f, size_t width, sl_views *views,
                          size_t *ret_end)
{
    size_t at = from;
    size_t groups = 0;
    size_t end = from;
    while (at + width <= t.n) {
        size_t k = 0;
        while (k < width && f->value(t.p[at + k]) >= 0) {
            k++;
        }
        if (k < width) {
            break;
        }
        at += width;
        end = at;
        groups++;
        if (at < t.n && (sl_is_separator(t.p[at]) || t.p[at] == '\n')) {
            at++;
        }
    }
    *ret_end = end > from ? end : from + 1;
    if (t.n - at < width) {
        views->open_from = from < views->open_from ? from : views->open_from;
    }
    bool kept = false;
    if (groups < LETTERS_MIN) {
        return SL_DONE;
    }
    return decode(t, from, end, f, (sl_segment){ .start = from, .end = end }, views, &kept);
}

static bool looks_spaced(sl_view t, size_t i)
{
    return t.p[i + 1] == t.p[i + 3] && sl_is_separator(t.p[i + 1]) && edge_before(t, i) &&
           sl_is_word(t.p[i]) && sl_is_word(t.p[i + 2]) && is_single(t, i + 2);
}

static bool looks_binary(sl_view t, size_t i)
{
    for (size_t k = 0; k < 8; k++) {
        if (base2_value(t.p[i + k]) < 0) {
            return false;
        }
    }
    return sl_is_separator(t.p[i + 8]) && edge_before(t, i);
}

static bool looks_hex(sl_view t, size_t i)
{
    return sl_is_separator(t.p[i + 2]) && t.p[i + 2] == t.p[i + 5] && edge_before(t, i) &&
           base16_value(t.p[i]) >= 0 && base16_value(t.p[i + 1]) >= 0 &&
           base16_value(t.p[i + 3]) >= 0 && base16_value(t.p[i + 4]) >= 0;
}

/* Every form begins with a word; its first bytes tell most words of prose from all of them. */
static bool may_be_spaced(sl_view t, size_t i)
{
    const uint8_t *p = t.p + i;
    bool letters = sl_is_separator(p[1]) && p[1] == p[3] && sl_is_word(p[2]);
    bool groups = sl_is_separator(p[2]) && p[2] == p[5];
    return (letters || groups || base2_value(p[0]) >= 0) && sl_is_word(p[0]) && edge_before(t, i);
}

/* The first place at or behind `i` where a form may begin, or one too near the end to tell. */
static size_t next_spaced(sl_view t, size_t i)
{
    for (; i + SL_MASK_BYTES + 5 <= t.n; i += SL_MASK_BYTES) {
        const uint8_t *p = t.p + i;
        unsigned words = sl_mask_words(p);
        unsigned inside = words << 1 | (i == 0 ? 0U : (unsigned)sl_is_word(p[-1]));
        unsigned letters = sl_mask_separators(p + 1) & sl_mask_same(p + 1, p + 3);
        unsigned groups = sl_mask_separators(p + 2) & sl_mask_same(p + 2, p + 5);
        unsigned may = words & ~inside & (letters | groups | sl_mask_bits(p));
        for (; may != 0; may &= may - 1) {
            size_t at = i + (size_t)__builtin_ctz(may);
            if (at + 9 >= t.n || may_be_spaced(t, at)) {
                return at;
            }
        }
    }
    while (i + 9 < t.n && !may_be_spaced(t, i)) {
        i++;
    }
    return i;
}

static sl_res find_spaced(sl_view t, sl_views *views)
{
    for (size_t i = next_spaced(t, 0); i + 9 < t.n; i = next_spaced(t, i)) {
        size_t end = i + 1;
        if (looks_spaced(t, i)) {
            SL_TRY(take_spaced(t, i, views, &end));
        } else if (looks_hex(t, i)) {
            SL_TRY(take_groups(t, i, &BASE16, 2, views, &end));
        } else if ((t.p[i] == '0' || t.p[i] == '1') && looks_binary(t, i)) {
            SL_TRY(take_groups(t, i, &BASE2, 8, views, &end));
        }
        i = end;
    }
    return SL_DONE;
}

sl_res sl_views_find(sl_view text, sl_views *views)
{
    views->n = 0;
    views->open_from = text.n;
    sl_buf_clear(&views->bytes);
    views->bytes.max = text.n * 2 + 4096;
    SL_TRY(find_runs(text, views));
    return find_spaced(text, views);
}
