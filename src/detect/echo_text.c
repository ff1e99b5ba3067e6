/* The stream of folded bytes and tokens (echo_text.h). It must give the same tokens for every split
 * of a text: what is open at the end of a piece (a character, a token) waits in the cursor. */
#include "detect/echo_text.h"

#include <utf8proc.h>

#include "base/utf8.h"

#define TEXT_CAP (SL_ECHO_TOKEN_BYTES + 4 * (SL_ECHO_BATCH + 4) + SL_ECHO_PAD)
#define STEPS_CAP (2 * (SL_ECHO_BATCH + 4) + 1)
#define EDGES_CAP (TEXT_CAP + 2)
#define TOKENS_CAP (SL_ECHO_CARRY_MAX + SL_ECHO_TOKENS_MAX + 32)

sl_res sl_echo_text_init(sl_echo_text *text, const sl_echo_kernel *kernel)
{
    *text = (sl_echo_text){ .kernel = kernel };
    text->text = calloc(1, TEXT_CAP);
    text->steps = calloc(STEPS_CAP, sizeof *text->steps);
    text->edges = calloc(EDGES_CAP, sizeof *text->edges);
    bool ok = text->text != NULL && text->steps != NULL && text->edges != NULL;
    for (size_t lane = 0; lane < SL_ECHO_LANES; lane++) {
        text->tokens.hash[lane] = calloc(TOKENS_CAP, sizeof(uint64_t));
        text->tokens.at[lane] = calloc(TOKENS_CAP, sizeof(uint32_t));
        ok = ok && text->tokens.hash[lane] != NULL && text->tokens.at[lane] != NULL;
    }
    if (!ok) {
        sl_echo_text_free(text);
        return sl_fail(SL_E_MEMORY);
    }
    return SL_DONE;
}

void sl_echo_text_free(sl_echo_text *text)
{
    free(text->text);
    free(text->steps);
    free(text->edges);
    for (size_t lane = 0; lane < SL_ECHO_LANES; lane++) {
        free(text->tokens.hash[lane]);
        free(text->tokens.at[lane]);
    }
    sl_fold_work_free(&text->fold);
    *text = (sl_echo_text){ 0 };
}

/* ---- characters beyond ASCII -------------------------------------------------------------------- */

/* Letters, marks and digits are numbered in a row (utf8proc.h). */
static bool is_letter(uint32_t cp)
{
    int category = (int)utf8proc_category((utf8proc_int32_t)cp);
    return category >= (int)UTF8PROC_CATEGORY_LU && category <= (int)UTF8PROC_CATEGORY_NL;
}

/* Ideographs and syllables fold to themselves; there are too many of them to remember. */
static bool is_plain_letter(uint32_t cp)
{
    return (cp >= 0x3041 && cp <= 0x30FA) || (cp >= 0x3400 && cp <= 0x9FFF) ||
           (cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0x20000 && cp <= 0x2FFFF);
}

static void add_folded(sl_echo_folded *f, uint32_t cp)
{
    uint8_t bytes[4] = { ' ' };
    size_t n = 1;
    if (cp < 0x80) {
        bytes[0] = (uint8_t)(cp >= 'A' && cp <= 'Z' ? cp + 32 : cp);
    } else if (is_letter(cp)) {
        n = sl_utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), bytes);
    }
    if (f->n + n <= SL_ECHO_FOLD_BYTES) {
        memcpy(f->bytes + f->n, bytes, n);
        f->n = (uint8_t)(f->n + n);
    }
}

/* Inside a Latin word fold.h maps whatever looks Latin and drops whatever is invisible: so it is
 * asked about the character between two letters. */
static sl_res fold_one(sl_echo_text *text, sl_view character, sl_echo_folded *out)
{
    uint8_t word[8] = { 'x' };
    sl_folded folded;
    memcpy(word + 1, character.p, character.n);
    word[1 + character.n] = 'x';
    SL_TRY(sl_fold(sl_view_of(word, character.n + 2), false, &text->fold, &folded, NULL));
    out->n = 0;
    sl_view inside = sl_view_sub(folded.text, 1, folded.text.n - 1);
    for (size_t at = 0; at < inside.n;) {
        size_t length = 1;
        uint32_t cp = sl_utf8_next(inside, at, &length);
        add_folded(out, cp == SL_UTF8_BAD ? ' ' : cp);
        at += length;
    }
    return SL_DONE;
}

/* The form of the character; bytes that are none have numbers of their own in the cache. */
static sl_res look_up(sl_echo_text *text, sl_view character, uint32_t cp, sl_echo_folded *ret)
{
    if (is_plain_letter(cp)) {
        *ret = (sl_echo_folded){ .cp = cp, .n = (uint8_t)character.n };
        memcpy(ret->bytes, character.p, character.n);
        return SL_DONE;
    }
    uint32_t name = cp == SL_UTF8_BAD ? 0x80000000U | character.p[0] : cp;
    sl_echo_folded *slot = &text->cache[(name ^ name >> 8) & 255];
    if (slot->cp != name) {
        SL_TRY(fold_one(text, character, slot));
        slot->cp = name;
    }
    *ret = *slot;
    return SL_DONE;
}

static void step(sl_echo_text *text, uint64_t origin, bool single)
{
    text->steps[text->step_count++] =
        (sl_echo_step){ .at = (uint32_t)text->n,
                        .origin = (uint32_t)(origin - text->begin) & 0x7FFFFFFF,
                        .single = single };
}

static sl_res put_character(sl_echo_text *text, sl_view character, uint32_t cp, uint64_t origin)
{
    sl_echo_folded folded;
    SL_TRY(look_up(text, character, cp, &folded));
    /* A stray byte may stand for three; no text grows to more than four times its length. */
    size_t most = 4 * character.n;
    size_t n = folded.n < most ? folded.n : most;
    step(text, origin, true);
    memcpy(text->text + text->n, folded.bytes, n);
    text->n += n;
    return SL_DONE;
}

/* Folds `piece`, whose first byte stands at `origin`; says how much of it ended inside a character. */
static sl_res put_text(sl_echo_text *text, sl_view piece, uint64_t origin, bool last,
                       size_t *ret_open)
{
    size_t open = last ? 0 : sl_utf8_open_tail(piece);
    size_t end = piece.n - open;
    step(text, origin, false);
    for (size_t at = 0; at < end;) {
        size_t ascii = text->kernel->lower(piece.p + at, end - at, text->text + text->n);
        text->n += ascii;
        at += ascii;
        bool other = at < end;
        while (at < end && piece.p[at] >= 0x80) {
            size_t length = 1;
            uint32_t cp = sl_utf8_next(sl_view_sub(piece, 0, end), at, &length);
            SL_TRY(put_character(text, sl_view_sub(piece, at, at + length), cp, origin + at));
            at += length;
        }
        if (other) {
            step(text, origin + at, false);
        }
    }
    *ret_open = open;
    return SL_DONE;
}

/* The character that was cut before: with the first bytes of the piece it is whole, or it is none. */
static sl_res put_partial(sl_echo_text *text, sl_echo_cursor *cursor, sl_view piece, bool last,
                          size_t *ret_used)
{
    uint8_t joined[8];
    size_t had = cursor->partial_n;
    size_t more = piece.n < 3 ? piece.n : 3;
    memcpy(joined, cursor->partial, had);
    if (more != 0) {
        memcpy(joined + had, piece.p, more);
    }
    sl_view all = sl_view_of(joined, had + more);
    size_t at = 0;
    while (at < had) {
        if (!last && more == piece.n && sl_utf8_open_tail(all) == all.n - at) {
            /* Still open, and there is no more. */
            memmove(cursor->partial, joined + at, all.n - at);
            cursor->partial_n = (uint8_t)(all.n - at);
            *ret_used = piece.n;
            return SL_DONE;
        }
        size_t length = 1;
        uint32_t cp = sl_utf8_next(all, at, &length);
        SL_TRY(put_character(text, sl_view_sub(all, at, at + length), cp, text->begin + at));
        at += length;
    }
    cursor->partial_n = 0;
    *ret_used = at - had;
    return SL_DONE;
}

/* ---- tokens -------------------------------------------------------------------------------------- */

/* The token that the end of the piece leaves open goes back into the cursor; what of an endless run
 * of letters is more than one token is given out. */
static size_t keep_tail(sl_echo_text *text, sl_echo_cursor *cursor, size_t edges)
{
    uint32_t *e = text->edges;
    uint32_t from = e[edges - 1];
    uint32_t n = (uint32_t)text->n;
    uint32_t whole = from;
    while (n - whole > SL_ECHO_TOKEN_BYTES) {
        whole += (uint32_t)SL_ECHO_TOKEN_BYTES;
    }
    cursor->tail_n = (uint8_t)(n - whole);
    memcpy(cursor->tail, text->text + whole, n - whole);
    for (uint32_t i = 0; i < n - whole; i++) {
        uint64_t end = 0;
        sl_echo_text_span(text, whole + i, &cursor->origin[i], &end);
    }
    if (whole == from) {
        return edges - 1;
    }
    e[edges] = whole;
    return edges + 1;
}

static void begin(sl_echo_text *text, sl_echo_cursor *cursor, size_t piece)
{
    text->n = cursor->tail_n;
    text->tail_n = cursor->tail_n;
    memcpy(text->text, cursor->tail, cursor->tail_n);
    memcpy(text->origin, cursor->origin, cursor->tail_n * sizeof cursor->origin[0]);
    cursor->tail_n = 0;
    text->step_count = 0;
    text->begin = cursor->seen - cursor->partial_n;
    text->end = cursor->seen + piece;
}

sl_res sl_echo_text_take(sl_echo_text *text, sl_echo_cursor *cursor, const sl_echo_key *key,
                         sl_view piece, bool last)
{
    size_t used = 0;
    size_t open = 0;
    SL_NEED(piece.n <= SL_ECHO_BATCH, SL_E_BUG);
    begin(text, cursor, piece.n);
    if (cursor->partial_n != 0) {
        SL_TRY(put_partial(text, cursor, piece, last, &used));
    }
    sl_view rest = sl_view_sub(piece, used, piece.n);
    SL_TRY(put_text(text, rest, cursor->seen + used, last, &open));
    if (open != 0) {
        memcpy(cursor->partial, rest.p + rest.n - open, open);
        cursor->partial_n = (uint8_t)open;
    }
    cursor->seen += piece.n;
    memset(text->text + text->n, ' ', SL_ECHO_PAD);
    size_t edges = text->kernel->edges(text->text, text->n, text->edges);
    if (edges % 2 != 0) {
        if (last) {
            text->edges[edges++] = (uint32_t)text->n;
        } else {
            edges = keep_tail(text, cursor, edges);
        }
    }
    text->tokens.after_number = cursor->after_number;
    text->kernel->words(key, text->text, text->edges, edges / 2, &text->tokens);
    cursor->after_number = text->tokens.after_number;
    return SL_DONE;
}

/* Where the folded byte at `at` comes from. */
static uint64_t origin_of(const sl_echo_text *text, size_t at)
{
    if (at < text->tail_n) {
        return text->origin[at];
    }
    if (at >= text->n) {
        return text->end;
    }
    size_t low = 0;
    size_t high = text->step_count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (text->steps[mid].at <= at) {
            low = mid;
        } else {
            high = mid;
        }
    }
    const sl_echo_step *s = &text->steps[low];
    return text->begin + s->origin + (s->single ? 0 : at - s->at);
}

static bool is_word_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || b >= 0x80;
}

void sl_echo_text_span(const sl_echo_text *text, uint32_t at, uint64_t *ret_start,
                       uint64_t *ret_end)
{
    size_t end = at;
    while (end < text->n && end - at < SL_ECHO_TOKEN_BYTES && is_word_byte(text->text[end])) {
        end++;
    }
    *ret_start = origin_of(text, at);
    *ret_end = origin_of(text, end);
}
