/* The lexer of the template language (jinja.h). It follows the reference: the same delimiters, the same
 * operators, raw blocks and comments, Python's escapes in strings. It never looks beyond the text and
 * gives at most one token per byte. */
#include "artefact/jinja.h"

#include "base/utf8.h"

#include <string.h>

typedef struct {
    sl_view text;
    size_t at;
    sl_arena *arena;
    sl_jinja_token *items;
    size_t count;
    size_t capacity;
} lexer;

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint8_t peek(const lexer *l, size_t ahead)
{
    return l->text.n - l->at > ahead ? l->text.p[l->at + ahead] : 0;
}

static bool at_literal(const lexer *l, const char *literal)
{
    return sl_view_starts(sl_view_sub(l->text, l->at, l->text.n), sl_view_str(literal));
}

static sl_res add(lexer *l, sl_jinja_token token)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 256 : 2 * l->capacity;
        sl_jinja_token *items = sl_arena_array(l->arena, capacity, sizeof(*items));
        SL_NEED(items != NULL, SL_E_LIMIT);
        if (l->count > 0) {
            memcpy(items, l->items, l->count * sizeof(*items));
        }
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = token;
    return SL_DONE;
}

static sl_res add_span(lexer *l, sl_jinja_kind kind, size_t from, uint16_t op)
{
    sl_view raw = sl_view_sub(l->text, from, l->at);
    return add(l,
               (sl_jinja_token){ .kind = kind, .op = op, .offset = from, .raw = raw, .text = raw });
}

/* The value of `n` digits of a base at `at`, or SL_UTF8_BAD. */
static uint32_t digits(sl_view v, size_t at, size_t n, uint32_t base)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = at + i < v.n ? v.p[at + i] : 0;
        uint32_t digit = 99;
        if (is_digit(c)) {
            digit = (uint32_t)(c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            digit = (uint32_t)((c | 32) - 'a') + 10;
        }
        if (digit >= base) {
            return SL_UTF8_BAD;
        }
        value = value * base + digit;
    }
    return value;
}

/* Characters of names: to write one as an escape is to hide a name. Other characters are written so to
 * please editors. */
static bool spells_names(uint32_t c)
{
    return c < 0x80 && (is_letter((uint8_t)c) || is_digit((uint8_t)c));
}

/* One escape at `at` (a backslash) of `raw`: the code point and how many bytes it took. An escape that
 * Python keeps as it stands gives the backslash alone. */
static uint32_t unescape(sl_view raw, size_t at, size_t *ret_used, bool *ret_hidden)
{
    static const char plain[] = "n\nt\tr\r'\'\"\"\\\\a\ab\bf\fv\v";
    uint8_t c = at + 1 < raw.n ? raw.p[at + 1] : 0;
    size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    *ret_used = 2;
    for (size_t i = 0; i + 1 < sizeof(plain) - 1; i += 2) {
        if (c == (uint8_t)plain[i]) {
            return (uint8_t)plain[i + 1];
        }
    }
    if (width > 0) {
        uint32_t value = digits(raw, at + 2, width, 16);
        if (value != SL_UTF8_BAD) {
            *ret_used = 2 + width;
            *ret_hidden |= spells_names(value);
            return value;
        }
    }
    size_t octal = 0;
    while (octal < 3 && digits(raw, at + 1 + octal, 1, 8) != SL_UTF8_BAD) {
        octal++;
    }
    if (octal > 0) {
        *ret_used = 1 + octal;
        uint32_t value = digits(raw, at + 1, octal, 8);
        *ret_hidden |= spells_names(value);
        return value;
    }
    /* \N{LOW LINE} spells a character by its name: whoever writes it in a template hides something. */
    *ret_hidden |= c == 'N';
    *ret_used = 1;
    return '\\';
}

static sl_res decode(lexer *l, sl_jinja_token *token)
{
    if (memchr(token->raw.p, '\\', token->raw.n) == NULL) {
        return SL_DONE;
    }
    /* An escape never grows: the shortest that gives four bytes is ten bytes long, and the others
     * give at most as many as they take. */
    uint8_t *out = sl_arena_alloc(l->arena, token->raw.n + 4);
    SL_NEED(out != NULL, SL_E_LIMIT);
    size_t n = 0;
    for (size_t at = 0; at < token->raw.n;) {
        if (token->raw.p[at] != '\\') {
            out[n++] = token->raw.p[at++];
            continue;
        }
        size_t used = 0;
        uint32_t value = unescape(token->raw, at, &used, &token->escaped);
        n += sl_utf8_encode(value, out + n);
        at += used;
    }
    token->text = sl_view_of(out, n);
    return SL_DONE;
}

static sl_res read_string(lexer *l)
{
    uint8_t quote = l->text.p[l->at];
    size_t from = l->at++;
    while (l->at < l->text.n && l->text.p[l->at] != quote) {
        l->at += l->text.p[l->at] == '\\' ? 2 : 1;
    }
    if (l->at >= l->text.n) {
        return sl_fail_at(SL_E_TRUNCATED, "template string", from);
    }
    sl_view raw = sl_view_sub(l->text, from + 1, l->at);
    sl_jinja_token token = { .kind = SL_JINJA_STRING, .offset = from, .raw = raw, .text = raw };
    l->at++;
    SL_TRY(decode(l, &token));
    return add(l, token);
}

static sl_res read_number(lexer *l)
{
    size_t from = l->at;
    while (l->at < l->text.n && (is_letter(l->text.p[l->at]) || is_digit(l->text.p[l->at]) ||
                                 (l->text.p[l->at] == '.' && is_digit(peek(l, 1))))) {
        l->at++;
    }
    return add_span(l, SL_JINJA_NUMBER, from, 0);
}

static sl_res read_operator(lexer *l)
{
    static const char pairs[] = "//**==!=>=<=";
    uint8_t c = peek(l, 0);
    for (size_t i = 0; i + 1 < sizeof(pairs) - 1; i += 2) {
        if (c == (uint8_t)pairs[i] && peek(l, 1) == (uint8_t)pairs[i + 1]) {
            l->at += 2;
            return add_span(l, SL_JINJA_OP, l->at - 2, (uint16_t)(c | (uint8_t)pairs[i + 1] << 8));
        }
    }
    if (c == 0 || strchr("+-*/%~[](){}<>=.:|,;", c) == NULL) {
        return sl_fail_at(SL_E_SYNTAX, "template operator", l->at);
    }
    l->at++;
    return add_span(l, SL_JINJA_OP, l->at - 1, c);
}

/* Does the block end here? The sign before the delimiter belongs to it. */
static bool at_close(const lexer *l, uint8_t kind, size_t *ret_length)
{
    uint8_t last = '}';
    uint8_t first = kind == '{' ? '}' : '%';
    size_t sign = (peek(l, 0) == '-' || (kind == '%' && peek(l, 0) == '+')) ? 1 : 0;
    *ret_length = sign + 2;
    return peek(l, sign) == first && peek(l, sign + 1) == last;
}

static sl_res read_block(lexer *l, uint8_t kind)
{
    size_t from = l->at;
    size_t braces = 0;
    l->at += 2;
    l->at += (peek(l, 0) == '-' || peek(l, 0) == '+') ? 1 : 0;
    SL_TRY(add_span(l, SL_JINJA_OPEN, from, kind));
    for (;;) {
        while (l->at < l->text.n && is_blank(l->text.p[l->at])) {
            l->at++;
        }
        if (l->at >= l->text.n) {
            return sl_fail_at(SL_E_TRUNCATED, "template block", from);
        }
        size_t length = 0;
        uint8_t c = peek(l, 0);
        if (braces == 0 && at_close(l, kind, &length)) {
            l->at += length;
            return add_span(l, SL_JINJA_CLOSE, l->at - length, kind);
        }
        braces += c == '{' ? 1 : 0;
        braces -= c == '}' && braces > 0 ? 1 : 0;
        if (c == '\'' || c == '"') {
            SL_TRY(read_string(l));
        } else if (is_digit(c)) {
            SL_TRY(read_number(l));
        } else if (is_letter(c)) {
            size_t start = l->at;
            while (l->at < l->text.n && (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))) {
                l->at++;
            }
            SL_TRY(add_span(l, SL_JINJA_NAME, start, 0));
        } else {
            SL_TRY(read_operator(l));
        }
    }
}

/* Behind `{% raw %}` everything is text up to `{% endraw %}`. */
static bool ends_with_raw(const lexer *l)
{
    return l->count >= 3 && l->items[l->count - 3].kind == SL_JINJA_OPEN &&
           l->items[l->count - 2].kind == SL_JINJA_NAME &&
           sl_view_eq_str(l->items[l->count - 2].raw, "raw");
}

static sl_res read_raw(lexer *l)
{
    size_t from = l->at;
    for (size_t at = from;; at++) {
        at = sl_view_find(l->text, SL_LIT("{%"), at);
        if (at == SIZE_MAX) {
            return sl_fail_at(SL_E_TRUNCATED, "template raw block", from);
        }
        size_t name = at + 2;
        while (name < l->text.n &&
               (is_blank(l->text.p[name]) || l->text.p[name] == '-' || l->text.p[name] == '+')) {
            name++;
        }
        if (sl_view_starts(sl_view_sub(l->text, name, l->text.n), SL_LIT("endraw"))) {
            l->at = at;
            return add_span(l, SL_JINJA_TEXT, from, 0);
        }
    }
}

static sl_res read_text(lexer *l)
{
    size_t from = l->at;
    while (l->at < l->text.n && !at_literal(l, "{{") && !at_literal(l, "{%") &&
           !at_literal(l, "{#")) {
        const uint8_t *brace = memchr(l->text.p + l->at + 1, '{', l->text.n - l->at - 1);
        l->at = brace == NULL ? l->text.n : (size_t)(brace - l->text.p);
    }
    return l->at > from ? add_span(l, SL_JINJA_TEXT, from, 0) : SL_DONE;
}

sl_res sl_jinja_lex(sl_view text, sl_arena *arena, sl_jinja_tokens *ret_tokens)
{
    lexer l = { .text = text, .arena = arena };
    SL_NEED(text.n <= SL_JINJA_BYTES_MAX, SL_E_LIMIT);
    while (l.at < text.n) {
        if (ends_with_raw(&l)) {
            SL_TRY(read_raw(&l));
        }
        SL_TRY(read_text(&l));
        if (at_literal(&l, "{#")) {
            size_t end = sl_view_find(text, SL_LIT("#}"), l.at + 2);
            if (end == SIZE_MAX) {
                return sl_fail_at(SL_E_TRUNCATED, "template comment", l.at);
            }
            l.at = end + 2;
        } else if (l.at < text.n) {
            SL_TRY(read_block(&l, text.p[l.at + 1]));
        }
    }
    *ret_tokens = (sl_jinja_tokens){ .items = l.items, .count = l.count };
    return SL_DONE;
}
