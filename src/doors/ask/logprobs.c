/* Log-probabilities held until their text has left (logprobs.h). It must never let one through whose
 * token is not, byte for byte, what its reader was given. */
#include "doors/ask/logprobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* A text is held for some kilobytes only, but a whole answer comes in one piece. */
enum { TOKENS_MAX = 1 << 20, TOKENS_BYTES_MAX = 16 << 20, LOWEST = -9999 };

void sl_logprobs_free(sl_logprobs *l)
{
    free(l->items);
    sl_buf_free(&l->tokens);
    *l = (sl_logprobs){ 0 };
}

static void give_up(sl_logprobs *l)
{
    sl_logprobs_free(l);
    l->over = true;
}

static size_t characters_of(sl_view text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        n += (text.p[i] & 0xC0) != 0x80;
    }
    return n;
}

/* One more token, which must be what `*rest` begins with. */
static sl_res add(sl_logprobs *l, sl_view token, const sl_json_node *number, sl_view *rest)
{
    double value = 0;
    bool fits = token.n != 0 && sl_view_starts(*rest, token) &&
                sl_json_is(number, SL_JSON_NUMBER) && sl_ok(sl_json_f64(number, &value)) &&
                isfinite(value);
    if (!fits) {
        give_up(l);
        return SL_DONE;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        SL_NEED(cap <= TOKENS_MAX, SL_E_LIMIT);
        sl_logprob *more = reallocarray(l->items, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        l->items = more;
        l->cap = cap;
    }
    l->tokens.max = TOKENS_BYTES_MAX;
    SL_TRY(sl_buf_add(&l->tokens, token));
    value = value > 0 ? 0 : value < LOWEST ? LOWEST : value;
    l->items[l->n++] = (sl_logprob){ .end = l->bytes + token.n,
                                     .start = l->characters,
                                     .bytes = (uint32_t)token.n,
                                     .scaled = (int32_t)(value * 1e5 - 0.5) };
    l->bytes += token.n;
    l->characters += characters_of(token);
    *rest = sl_view_sub(*rest, token.n, rest->n);
    return SL_DONE;
}

sl_res sl_logprobs_take(sl_logprobs *l, const sl_json_doc *doc, const sl_json_node *list,
                        sl_view text, sl_arena *arena)
{
    sl_json_iter it = { 0 };
    sl_view rest = text;
    while (!l->over && sl_json_is(list, SL_JSON_ARRAY) && sl_json_each(doc, list, &it)) {
        bool object = sl_json_is(it.value, SL_JSON_OBJECT);
        sl_view token = object ? sl_json_member_text(doc, it.value, "token", arena) : text;
        SL_TRY(add(l, object ? token : (sl_view){ 0 },
                   object ? sl_json_get(doc, it.value, "logprob") : NULL, &rest));
    }
    if (rest.n != 0) {
        give_up(l);
    }
    return SL_DONE;
}

sl_res sl_logprobs_take_lists(sl_logprobs *l, const sl_json_doc *doc, const sl_json_node *tokens,
                              const sl_json_node *numbers, sl_view text, sl_arena *arena)
{
    sl_json_iter token = { 0 };
    sl_json_iter number = { 0 };
    sl_view rest = text;
    bool lists = sl_json_is(tokens, SL_JSON_ARRAY) && sl_json_is(numbers, SL_JSON_ARRAY);
    while (!l->over && lists && sl_json_each(doc, tokens, &token)) {
        sl_view said = { 0 };
        bool has = sl_json_each(doc, numbers, &number) && sl_json_is(token.value, SL_JSON_STRING);
        if (has) {
            SL_TRY(sl_json_text(token.value, arena, &said));
        }
        SL_TRY(add(l, said, has ? number.value : NULL, &rest));
    }
    if (rest.n != 0) {
        give_up(l);
    }
    return SL_DONE;
}

size_t sl_logprobs_ready(const sl_logprobs *l, uint64_t plain)
{
    size_t n = 0;
    while (n < l->n && l->items[n].end <= plain) {
        n++;
    }
    return n;
}

/* A logarithm is a small negative number; five places tell it well enough. */
static void put_number(sl_json_writer *w, int32_t value)
{
    char text[24];
    int32_t size = value < 0 ? -value : value;
    int n = snprintf(text, sizeof text, "%s%d.%05d", value < 0 ? "-" : "", size / 100000,
                     size % 100000);
    sl_json_raw(w, sl_view_of(text, n < 0 ? 0 : (size_t)n));
}

static void forget(sl_logprobs *l, size_t n, size_t bytes)
{
    memmove(l->items, l->items + n, (l->n - n) * sizeof *l->items);
    l->n -= n;
    sl_buf_drop_front(&l->tokens, bytes);
}

void sl_logprobs_put(sl_logprobs *l, size_t n, sl_json_writer *w)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        sl_json_object_begin(w);
        sl_json_put_string(w, "token", sl_view_of(l->tokens.p + at, l->items[i].bytes));
        sl_json_key(w, "logprob");
        put_number(w, l->items[i].scaled);
        sl_json_key(w, "bytes");
        sl_json_null(w);
        sl_json_key(w, "top_logprobs");
        sl_json_array_begin(w);
        sl_json_array_end(w);
        sl_json_object_end(w);
        at += l->items[i].bytes;
    }
    forget(l, n, at);
}

void sl_logprobs_put_lists(sl_logprobs *l, size_t n, sl_json_writer *w)
{
    size_t at = 0;
    sl_json_key(w, "tokens");
    sl_json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        sl_json_string(w, sl_view_of(l->tokens.p + at, l->items[i].bytes));
        at += l->items[i].bytes;
    }
    sl_json_array_end(w);
    sl_json_key(w, "token_logprobs");
    sl_json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        put_number(w, l->items[i].scaled);
    }
    sl_json_array_end(w);
    sl_json_key(w, "top_logprobs");
    sl_json_null(w);
    sl_json_key(w, "text_offset");
    sl_json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        sl_json_uint(w, l->items[i].start);
    }
    sl_json_array_end(w);
    forget(l, n, at);
}
