/* Tokens of the n-gram model: see token.h. Pure: no files, no clock. */
#include "token.h"

#include "base/utf8.h"

static const uint8_t all_bytes[256] = {
#define ROW(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define ROWS(n) ROW(n), ROW(n + 8), ROW(n + 16), ROW(n + 24)
    ROWS(0), ROWS(32), ROWS(64), ROWS(96), ROWS(128), ROWS(160), ROWS(192), ROWS(224)
#undef ROWS
#undef ROW
};

static size_t slot_of(const ngram_vocabulary *v, sl_view piece)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < piece.n; i++) {
        hash = (hash ^ piece.p[i]) * 1099511628211u;
    }
    size_t at = (size_t)(hash ^ (hash >> 32)) & (v->slot_count - 1);
    while (v->slots[at] != 0 && !sl_view_eq(v->pieces[v->slots[at]], piece)) {
        at = (at + 1) & (v->slot_count - 1);
    }
    return at;
}

static SL_MUST sl_res grow_slots(ngram_vocabulary *v)
{
    size_t count = v->slot_count == 0 ? 4096 : v->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    SL_NEED(slots != NULL, SL_E_MEMORY);
    free(v->slots);
    v->slots = slots;
    v->slot_count = count;
    for (size_t token = NGRAM_PIECE_FIRST; token < v->count; token++) {
        v->slots[slot_of(v, v->pieces[token])] = (uint32_t)token;
    }
    return SL_DONE;
}

static SL_MUST sl_res push_piece(ngram_vocabulary *v, sl_view piece)
{
    if (v->count == v->capacity) {
        size_t capacity = v->capacity == 0 ? 1024 : v->capacity * 2;
        SL_NEED(capacity <= NGRAM_VOCABULARY_MAX, SL_E_LIMIT);
        sl_view *pieces = realloc(v->pieces, capacity * sizeof *pieces);
        SL_NEED(pieces != NULL, SL_E_MEMORY);
        v->pieces = pieces;
        v->capacity = capacity;
    }
    v->pieces[v->count++] = piece;
    return SL_DONE;
}

SL_MUST sl_res ngram_vocabulary_init(ngram_vocabulary *ret_vocabulary)
{
    SL_OWN(ngram_vocabulary, v, ngram_vocabulary_free) = { .arena = { .max = 64 * SL_MIB } };
    SL_TRY(push_piece(&v, SL_LIT("")));
    for (size_t i = 0; i < sizeof all_bytes; i++) {
        SL_TRY(push_piece(&v, sl_view_of(&all_bytes[i], 1)));
    }
    SL_TRY(grow_slots(&v));
    *ret_vocabulary = v;
    v = (ngram_vocabulary){ .count = 0 };
    return SL_DONE;
}

void ngram_vocabulary_free(ngram_vocabulary *vocabulary)
{
    sl_arena_free(&vocabulary->arena);
    free(vocabulary->pieces);
    free(vocabulary->slots);
    *vocabulary = (ngram_vocabulary){ .count = 0 };
}

bool ngram_vocabulary_find(const ngram_vocabulary *vocabulary, sl_view piece, uint32_t *ret_token)
{
    uint32_t token = vocabulary->slots[slot_of(vocabulary, piece)];
    if (token == 0) {
        return false;
    }
    *ret_token = token;
    return true;
}

SL_MUST sl_res ngram_vocabulary_add(ngram_vocabulary *vocabulary, sl_view piece,
                                    uint32_t *ret_token)
{
    if (ngram_vocabulary_find(vocabulary, piece, ret_token)) {
        return SL_DONE;
    }
    SL_NEED(piece.n != 0 && piece.n <= NGRAM_PIECE_BYTES_MAX, SL_E_RANGE);
    if (vocabulary->count * 2 >= vocabulary->slot_count) {
        SL_TRY(grow_slots(vocabulary));
    }
    sl_view kept;
    SL_TRY(sl_arena_dup(&vocabulary->arena, piece, &kept));
    SL_TRY(push_piece(vocabulary, kept));
    uint32_t token = (uint32_t)(vocabulary->count - 1);
    vocabulary->slots[slot_of(vocabulary, kept)] = token;
    *ret_token = token;
    return SL_DONE;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

sl_view ngram_piece(sl_view text, size_t at)
{
    size_t end = at;
    if (text.p[end] == ' ' && end + 1 < text.n &&
        (is_letter(text.p[end + 1]) || is_digit(text.p[end + 1]))) {
        end++;
    }
    if (is_digit(text.p[end])) {
        size_t digits_end = end + 3;
        while (end < text.n && end < digits_end && is_digit(text.p[end])) {
            end++;
        }
    } else if (is_letter(text.p[end])) {
        size_t whole = end;
        while (whole < text.n && whole - at < NGRAM_PIECE_BYTES_MAX && is_letter(text.p[whole])) {
            whole++;
        }
        while (whole > end + 1 && !sl_utf8_boundary(text, whole)) {
            whole--;
        }
        end = whole;
    } else {
        end++;
    }
    return sl_view_sub(text, at, end);
}

SL_MUST sl_res ngram_tokens_add(ngram_tokens *tokens, uint32_t token)
{
    if (tokens->n == tokens->capacity) {
        size_t capacity = tokens->capacity == 0 ? 256 : tokens->capacity * 2;
        capacity = capacity > tokens->max ? tokens->max : capacity;
        SL_NEED(capacity > tokens->n, SL_E_LIMIT);
        uint32_t *p = realloc(tokens->p, capacity * sizeof *p);
        SL_NEED(p != NULL, SL_E_MEMORY);
        tokens->p = p;
        tokens->capacity = capacity;
    }
    tokens->p[tokens->n++] = token;
    return SL_DONE;
}

void ngram_tokens_free(ngram_tokens *tokens)
{
    free(tokens->p);
    *tokens = (ngram_tokens){ .max = tokens->max };
}

SL_MUST sl_res ngram_encode(const ngram_vocabulary *vocabulary, sl_view text, ngram_tokens *out)
{
    for (size_t at = 0; at < text.n;) {
        sl_view piece = ngram_piece(text, at);
        uint32_t token;
        if (ngram_vocabulary_find(vocabulary, piece, &token)) {
            SL_TRY(ngram_tokens_add(out, token));
        } else {
            for (size_t i = 0; i < piece.n; i++) {
                SL_TRY(ngram_tokens_add(out, NGRAM_BYTE_FIRST + piece.p[i]));
            }
        }
        at += piece.n;
    }
    return SL_DONE;
}

SL_MUST sl_res ngram_learn(ngram_vocabulary *vocabulary, sl_view text, ngram_tokens *out)
{
    size_t bad = sl_utf8_check(text);
    if (bad != text.n) {
        return sl_fail_at(SL_E_UTF8, "text", bad);
    }
    for (size_t at = 0; at < text.n;) {
        sl_view piece = ngram_piece(text, at);
        uint32_t token;
        SL_TRY(ngram_vocabulary_add(vocabulary, piece, &token));
        SL_TRY(ngram_tokens_add(out, token));
        at += piece.n;
    }
    return SL_DONE;
}
