/* HTTP/1.1 responses, strict. What it is for is told in http.h. It must never choose between two
 * readings of the same bytes, and never hand out a byte that the framing does not cover. */
#include "doors/ask/http.h"

#include <string.h>

enum {
    HTTP_LINE_MAX = 8192,
    HTTP_HEAD_MAX = 32768,
    HTTP_TRAILER_MAX = 4096,
    HTTP_INTERIM_MAX = 4,
    HTTP_CHUNK_DIGITS_MAX = 8,
};

void sl_http_init(sl_http_answer *h, uint64_t body_max)
{
    *h = (sl_http_answer){ .line = { .max = HTTP_LINE_MAX }, .body_max = body_max };
}

void sl_http_free(sl_http_answer *h)
{
    sl_buf_free(&h->line);
    *h = (sl_http_answer){ 0 };
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110 section 5.6.2: the characters of a token. */
static bool is_token(uint8_t c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && memchr(others, c, sizeof others - 1) != NULL);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Whether `v` is `want` in any case; `want` is in lower case. */
static bool same(sl_view v, const char *want)
{
    size_t n = strlen(want);
    if (v.n != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (lower(v.p[i]) != (uint8_t)want[i]) {
            return false;
        }
    }
    return true;
}

static sl_view trim(sl_view v)
{
    while (v.n != 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
        v = sl_view_of(v.p + 1, v.n - 1);
    }
    while (v.n != 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t')) {
        v.n--;
    }
    return v;
}

static sl_res take_status(sl_http_answer *h, sl_view line)
{
    SL_NEED(line.n >= 12 && memcmp(line.p, "HTTP/1.1 ", 9) == 0, SL_E_SYNTAX);
    SL_NEED(is_digit(line.p[9]) && is_digit(line.p[10]) && is_digit(line.p[11]), SL_E_SYNTAX);
    SL_NEED(line.n == 12 || line.p[12] == ' ', SL_E_SYNTAX);
    unsigned status = (unsigned)(line.p[9] - '0') * 100 + (unsigned)(line.p[10] - '0') * 10 +
                      (unsigned)(line.p[11] - '0');
    SL_NEED(status >= 100 && status <= 599 && status != 101, SL_E_SYNTAX);
    h->status = status;
    h->keep_alive = true;
    return SL_DONE;
}

static sl_res take_length(sl_http_answer *h, sl_view value)
{
    SL_NEED(!h->has_length && value.n >= 1 && value.n <= 15, SL_E_SYNTAX);
    uint64_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        SL_NEED(is_digit(value.p[i]), SL_E_SYNTAX);
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    h->has_length = true;
    h->left = n;
    return SL_DONE;
}

static sl_res take_type(sl_http_answer *h, sl_view value)
{
    SL_NEED(!h->has_kind, SL_E_SYNTAX);
    h->has_kind = true;
    const uint8_t *semicolon = memchr(value.p, ';', value.n);
    if (semicolon != NULL) {
        value.n = (size_t)(semicolon - value.p);
    }
    value = trim(value);
    if (same(value, "application/json")) {
        h->kind = SL_HTTP_JSON;
    } else if (same(value, "text/event-stream")) {
        h->kind = SL_HTTP_EVENTS;
    }
    return SL_DONE;
}

static sl_res take_header(sl_http_answer *h, sl_view line)
{
    const uint8_t *colon = memchr(line.p, ':', line.n);
    SL_NEED(colon != NULL && colon != line.p, SL_E_SYNTAX);
    sl_view name = sl_view_of(line.p, (size_t)(colon - line.p));
    for (size_t i = 0; i < name.n; i++) {
        SL_NEED(is_token(name.p[i]), SL_E_SYNTAX);
    }
    sl_view value = trim(sl_view_of(colon + 1, line.n - name.n - 1));
    for (size_t i = 0; i < value.n; i++) {
        SL_NEED(value.p[i] >= 0x20 || value.p[i] == '\t', SL_E_SYNTAX);
    }
    if (same(name, "content-length")) {
        return take_length(h, value);
    }
    if (same(name, "transfer-encoding")) {
        SL_NEED(!h->chunked && same(value, "chunked"), SL_E_SYNTAX);
        h->chunked = true;
    } else if (same(name, "content-encoding")) {
        SL_NEED(same(value, "identity"), SL_E_SYNTAX);
    } else if (same(name, "content-type")) {
        return take_type(h, value);
    } else if (same(name, "connection") && same(value, "close")) {
        h->keep_alive = false;
    }
    return SL_DONE;
}

/* The head is complete: choose the one framing it allows. */
static sl_res end_head(sl_http_answer *h)
{
    if (h->status < 200) {
        SL_NEED(++h->interim <= HTTP_INTERIM_MAX && !h->has_length && !h->chunked, SL_E_SYNTAX);
        h->status = 0;
        return SL_DONE;
    }
    SL_NEED(!(h->has_length && h->chunked), SL_E_SYNTAX);
    if (h->status == 204 || h->status == 304) {
        SL_NEED(!h->chunked && h->left == 0, SL_E_SYNTAX);
        h->at = SL_HTTP_DONE;
    } else if (h->chunked) {
        h->at = SL_HTTP_CHUNK_SIZE;
    } else if (h->has_length) {
        SL_NEED(h->left <= h->body_max, SL_E_LIMIT);
        h->at = h->left == 0 ? SL_HTTP_DONE : SL_HTTP_LENGTH;
    } else {
        h->at = SL_HTTP_CLOSE;
        h->keep_alive = false;
        h->ends_in_close = true;
    }
    return SL_DONE;
}

static sl_res take_chunk_size(sl_http_answer *h, sl_view line)
{
    SL_NEED(line.n >= 1 && line.n <= HTTP_CHUNK_DIGITS_MAX, SL_E_SYNTAX);
    uint64_t n = 0;
    for (size_t i = 0; i < line.n; i++) {
        uint8_t c = lower(line.p[i]);
        SL_NEED(is_digit(c) || (c >= 'a' && c <= 'f'), SL_E_SYNTAX);
        n = n * 16 + (is_digit(c) ? (uint64_t)(c - '0') : (uint64_t)(c - 'a') + 10);
    }
    h->left = n;
    h->at = n == 0 ? SL_HTTP_TRAILER : SL_HTTP_CHUNK;
    return SL_DONE;
}

static sl_res take_line(sl_http_answer *h, sl_view line)
{
    switch (h->at) {
    case SL_HTTP_HEAD:
        if (h->status == 0) {
            return take_status(h, line);
        }
        return line.n == 0 ? end_head(h) : take_header(h, line);
    case SL_HTTP_CHUNK_SIZE:
        return take_chunk_size(h, line);
    case SL_HTTP_CHUNK_END:
        SL_NEED(line.n == 0, SL_E_SYNTAX);
        h->at = SL_HTTP_CHUNK_SIZE;
        return SL_DONE;
    case SL_HTTP_TRAILER:
        /* Trailers are read past and never believed. */
        if (line.n == 0) {
            h->at = SL_HTTP_DONE;
        }
        return SL_DONE;
    case SL_HTTP_LENGTH:
    case SL_HTTP_CHUNK:
    case SL_HTTP_CLOSE:
    case SL_HTTP_DONE:
        break;
    }
    return sl_fail(SL_E_SYNTAX);
}

/* Gather one line ending in CR LF; a bare CR or LF is an error (RFC 9112 section 2.2 lets a
 * receiver choose, so we choose the reading nobody can dispute). */
static sl_res gather_line(sl_http_answer *h, sl_view *in)
{
    const uint8_t *lf = memchr(in->p, '\n', in->n);
    size_t n = lf == NULL ? in->n : (size_t)(lf - in->p) + 1;
    if (h->at == SL_HTTP_TRAILER) {
        h->trailer_bytes += n;
        SL_NEED(h->trailer_bytes <= HTTP_TRAILER_MAX, SL_E_LIMIT);
    } else if (h->at == SL_HTTP_HEAD) {
        h->head_bytes += n;
        SL_NEED(h->head_bytes <= HTTP_HEAD_MAX, SL_E_LIMIT);
    }
    SL_TRY(sl_buf_add(&h->line, sl_view_of(in->p, n)));
    *in = sl_view_of(in->p + n, in->n - n);
    if (lf == NULL) {
        return SL_DONE;
    }
    size_t len = h->line.n;
    SL_NEED(len >= 2 && h->line.p[len - 2] == '\r', SL_E_SYNTAX);
    SL_NEED(memchr(h->line.p, '\r', len - 2) == NULL, SL_E_SYNTAX);
    SL_TRY(take_line(h, sl_view_of(h->line.p, len - 2)));
    sl_buf_clear(&h->line);
    return SL_DONE;
}

static sl_res take_body(sl_http_answer *h, sl_view *in, sl_view *ret_body)
{
    size_t n = in->n;
    if (h->at != SL_HTTP_CLOSE && h->left < n) {
        n = (size_t)h->left;
    }
    SL_NEED(n <= h->body_max - h->body_bytes, SL_E_LIMIT);
    h->body_bytes += n;
    *ret_body = sl_view_of(in->p, n);
    *in = sl_view_of(in->p + n, in->n - n);
    if (h->at == SL_HTTP_CLOSE) {
        return SL_DONE;
    }
    h->left -= n;
    if (h->left == 0) {
        h->at = h->at == SL_HTTP_CHUNK ? SL_HTTP_CHUNK_END : SL_HTTP_DONE;
    }
    return SL_DONE;
}

sl_res sl_http_next(sl_http_answer *h, sl_view *in, sl_view *ret_body)
{
    *ret_body = sl_view_of(in->p, 0);
    while (in->n != 0 && h->at != SL_HTTP_DONE) {
        if (h->at == SL_HTTP_LENGTH || h->at == SL_HTTP_CHUNK || h->at == SL_HTTP_CLOSE) {
            return take_body(h, in, ret_body);
        }
        bool head = h->at == SL_HTTP_HEAD;
        SL_TRY(gather_line(h, in));
        if (head && h->at != SL_HTTP_HEAD) {
            /* The head is judged before the body, however the bytes came. */
            return SL_DONE;
        }
    }
    return SL_DONE;
}

sl_res sl_http_closed(sl_http_answer *h)
{
    h->keep_alive = false;
    if (h->at == SL_HTTP_CLOSE) {
        h->at = SL_HTTP_DONE;
    }
    SL_NEED(h->at == SL_HTTP_DONE, SL_E_SYNTAX);
    return SL_DONE;
}
