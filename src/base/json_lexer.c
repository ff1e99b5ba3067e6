/* The JSON lexer (json.h): one token a call, the whole grammar checked, nothing allocated.
 * It must never accept what RFC 8259 refuses, nor look at a byte beyond the text. */
#include "base/json.h"
#include "base/json_run.h"
#include "base/utf8.h"

#include <assert.h>

/* What may come next. */
enum {
    EXPECT_VALUE,        /* a value must come */
    EXPECT_VALUE_OR_END, /* right after '[' */
    EXPECT_KEY_OR_END,   /* right after '{' */
    EXPECT_COMMA_OR_END, /* after an item */
    EXPECT_NOTHING,      /* after the whole value */
};

void sl_json_lexer_init(sl_json_lexer *lexer, sl_view text)
{
    *lexer = (sl_json_lexer){ .text = text, .expect = EXPECT_VALUE };
}

static sl_res bad(const sl_json_lexer *lexer, const char *what)
{
    sl_code code = lexer->at >= lexer->text.n ? SL_E_TRUNCATED : SL_E_SYNTAX;
    return sl_fail_at(code, what, lexer->at);
}

static bool in_object(const sl_json_lexer *lexer)
{
    return lexer->depth > 0 && ((lexer->objects >> (lexer->depth - 1)) & 1) != 0;
}

static void skip_space(sl_json_lexer *lexer)
{
    while (lexer->at < lexer->text.n) {
        uint8_t c = lexer->text.p[lexer->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            return;
        }
        lexer->at++;
    }
}

static void item_done(sl_json_lexer *lexer)
{
    lexer->expect = lexer->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static sl_res open_level(sl_json_lexer *lexer, bool object)
{
    if (lexer->depth == SL_JSON_DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "json nesting", lexer->at);
    }
    uint64_t bit = (uint64_t)1 << lexer->depth;
    lexer->objects = object ? lexer->objects | bit : lexer->objects & ~bit;
    lexer->depth++;
    lexer->at++;
    lexer->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return SL_DONE;
}

static sl_res close_level(sl_json_lexer *lexer, sl_json_token *token)
{
    token->kind = in_object(lexer) ? SL_JSON_OBJECT_END : SL_JSON_ARRAY_END;
    lexer->depth--;
    lexer->at++;
    item_done(lexer);
    return SL_DONE;
}

/* The four digits behind "\u" at `at`; false if they are not there. */
static bool hex4(sl_view v, size_t at, uint32_t *ret_value)
{
    if (at > v.n || v.n - at < 4) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = v.p[at + i];
        uint32_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A' + 10);
        } else {
            return false;
        }
        value = value * 16 + digit;
    }
    *ret_value = value;
    return true;
}

/* Steps over the escape at lexer->at (a backslash). */
static sl_res skip_escape(sl_json_lexer *lexer)
{
    sl_view v = lexer->text;
    if (v.n - lexer->at < 2) {
        lexer->at = v.n;
        return bad(lexer, "json escape");
    }
    uint8_t c = v.p[lexer->at + 1];
    if (c != 'u') {
        if (memchr("\"\\/bfnrt", c, 8) == NULL) {
            return bad(lexer, "json escape");
        }
        lexer->at += 2;
        return SL_DONE;
    }
    uint32_t unit = 0;
    if (!hex4(v, lexer->at + 2, &unit) || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        return sl_fail_at(SL_E_SYNTAX, "json \\u escape", lexer->at);
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        uint32_t low = 0;
        size_t at = lexer->at + 6;
        bool pair = v.n - at >= 2 && v.p[at] == '\\' && v.p[at + 1] == 'u' &&
                    hex4(v, at + 2, &low) && low >= 0xDC00 && low <= 0xDFFF;
        if (!pair) {
            return sl_fail_at(SL_E_SYNTAX, "json lone surrogate", lexer->at);
        }
        lexer->at += 6;
    }
    lexer->at += 6;
    return SL_DONE;
}

/* At the opening quote. */
static sl_res read_string(sl_json_lexer *lexer, sl_json_token *token)
{
    sl_view v = lexer->text;
    size_t start = ++lexer->at;
    token->escaped = false;
    for (;;) {
        lexer->at += sl_json_plain_run(v, lexer->at);
        if (lexer->at >= v.n) {
            return bad(lexer, "json string");
        }
        uint8_t c = v.p[lexer->at];
        if (c == '"') {
            token->raw = sl_view_sub(v, start, lexer->at);
            lexer->at++;
            return SL_DONE;
        }
        if (c == '\\') {
            token->escaped = true;
            SL_TRY(skip_escape(lexer));
            continue;
        }
        if (c < 0x20) {
            return bad(lexer, "json control character");
        }
        size_t n = 0;
        if (sl_utf8_next(v, lexer->at, &n) == SL_UTF8_BAD) {
            return sl_fail_at(SL_E_UTF8, "json string", lexer->at);
        }
        lexer->at += n;
    }
}

static size_t digits_run(sl_json_lexer *lexer)
{
    size_t start = lexer->at;
    while (lexer->at < lexer->text.n && lexer->text.p[lexer->at] >= '0' &&
           lexer->text.p[lexer->at] <= '9') {
        lexer->at++;
    }
    return lexer->at - start;
}

static bool take(sl_json_lexer *lexer, const char *set)
{
    if (lexer->at < lexer->text.n && strchr(set, lexer->text.p[lexer->at]) != NULL &&
        lexer->text.p[lexer->at] != 0) {
        lexer->at++;
        return true;
    }
    return false;
}

static sl_res read_number(sl_json_lexer *lexer, sl_json_token *token)
{
    size_t start = lexer->at;
    (void)take(lexer, "-");
    bool zero = take(lexer, "0");
    if (!zero && digits_run(lexer) == 0) {
        return bad(lexer, "json number");
    }
    if (take(lexer, ".") && digits_run(lexer) == 0) {
        return bad(lexer, "json fraction");
    }
    if (take(lexer, "eE")) {
        (void)take(lexer, "+-");
        if (digits_run(lexer) == 0) {
            return bad(lexer, "json exponent");
        }
    }
    token->kind = SL_JSON_NUMBER;
    token->raw = sl_view_sub(lexer->text, start, lexer->at);
    item_done(lexer);
    return SL_DONE;
}

static sl_res read_word(sl_json_lexer *lexer, sl_json_token *token)
{
    static const struct {
        sl_view word;
        sl_json_kind kind;
    } words[] = {
        { SL_LIT("true"), SL_JSON_TRUE },
        { SL_LIT("false"), SL_JSON_FALSE },
        { SL_LIT("null"), SL_JSON_NULL },
    };
    sl_view rest = sl_view_sub(lexer->text, lexer->at, lexer->text.n);
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_view_starts(rest, words[i].word)) {
            token->kind = words[i].kind;
            token->raw = sl_view_sub(rest, 0, words[i].word.n);
            lexer->at += words[i].word.n;
            item_done(lexer);
            return SL_DONE;
        }
    }
    return bad(lexer, "json value");
}

static sl_res read_value(sl_json_lexer *lexer, sl_json_token *token)
{
    if (lexer->at >= lexer->text.n) {
        return bad(lexer, "json value");
    }
    uint8_t c = lexer->text.p[lexer->at];
    if (c == '{' || c == '[') {
        token->kind = c == '{' ? SL_JSON_OBJECT : SL_JSON_ARRAY;
        return open_level(lexer, c == '{');
    }
    if (c == '"') {
        token->kind = SL_JSON_STRING;
        SL_TRY(read_string(lexer, token));
        item_done(lexer);
        return SL_DONE;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return read_number(lexer, token);
    }
    return read_word(lexer, token);
}

static sl_res read_key(sl_json_lexer *lexer, sl_json_token *token)
{
    if (lexer->at >= lexer->text.n || lexer->text.p[lexer->at] != '"') {
        return bad(lexer, "json member name");
    }
    token->kind = SL_JSON_KEY;
    SL_TRY(read_string(lexer, token));
    if (token->raw.n > SL_JSON_KEY_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "json member name", token->offset);
    }
    skip_space(lexer);
    if (lexer->at >= lexer->text.n || lexer->text.p[lexer->at] != ':') {
        return bad(lexer, "json colon");
    }
    lexer->at++;
    lexer->expect = EXPECT_VALUE;
    return SL_DONE;
}

/* After an item: a comma and the next, or the level's end. */
static sl_res read_follower(sl_json_lexer *lexer, sl_json_token *token)
{
    if (lexer->at >= lexer->text.n) {
        return bad(lexer, "json comma");
    }
    uint8_t c = lexer->text.p[lexer->at];
    if (c == (in_object(lexer) ? '}' : ']')) {
        return close_level(lexer, token);
    }
    if (c != ',') {
        return bad(lexer, "json comma");
    }
    lexer->at++;
    skip_space(lexer);
    token->offset = lexer->at;
    return in_object(lexer) ? read_key(lexer, token) : read_value(lexer, token);
}

sl_res sl_json_next(sl_json_lexer *lexer, sl_json_token *ret_token)
{
    skip_space(lexer);
    sl_json_token token = { .offset = lexer->at };
    bool more = lexer->at < lexer->text.n;
    uint8_t c = more ? lexer->text.p[lexer->at] : 0;
    sl_res r = SL_DONE;
    switch (lexer->expect) {
    case EXPECT_NOTHING:
        r = more ? sl_fail_at(SL_E_TRAILING, "json", lexer->at) : SL_DONE;
        token.kind = SL_JSON_END;
        break;
    case EXPECT_VALUE_OR_END:
        r = more && c == ']' ? close_level(lexer, &token) : read_value(lexer, &token);
        break;
    case EXPECT_KEY_OR_END:
        r = more && c == '}' ? close_level(lexer, &token) : read_key(lexer, &token);
        break;
    case EXPECT_COMMA_OR_END:
        r = read_follower(lexer, &token);
        break;
    default:
        r = read_value(lexer, &token);
        break;
    }
    SL_TRY(r);
    *ret_token = token;
    return SL_DONE;
}
