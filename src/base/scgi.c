/* SCGI requests and CGI answers: see scgi.h.
 * It must never look past what it was given, nor guess: every oddity is an error. */
#include "base/scgi.h"

/* "65536:" is the longest length that the ceiling allows. */
#define LENGTH_DIGITS_MAX 6

static SL_MUST sl_res netstring_start(sl_view in, size_t *ret_start, size_t *ret_length)
{
    sl_view window = sl_view_sub(in, 0, LENGTH_DIGITS_MAX + 1);
    size_t colon = sl_view_find_byte(window, ':', 0);
    size_t digits = colon == SIZE_MAX ? window.n : colon;
    for (size_t i = 0; i < digits; i++) {
        if (window.p[i] < '0' || window.p[i] > '9') {
            return sl_fail_at(SL_E_SYNTAX, "scgi.length", i);
        }
    }
    if (colon == SIZE_MAX) {
        return window.n > LENGTH_DIGITS_MAX ? sl_fail_at(SL_E_LIMIT, "scgi.head", SL_NOWHERE)
                                            : sl_fail(SL_E_AGAIN);
    }
    uint64_t length = 0;
    SL_TRY(sl_parse_u64(sl_view_sub(window, 0, colon), 999999, &length));
    if (length > SL_SCGI_HEAD_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "scgi.head", length);
    }
    *ret_start = colon + 1;
    *ret_length = (size_t)length;
    return SL_DONE;
}

static bool name_ok(sl_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return name.n != 0;
}

static bool value_ok(sl_view value)
{
    for (size_t i = 0; i < value.n; i++) {
        if ((value.p[i] < 0x20 && value.p[i] != '\t') || value.p[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool has_name(const sl_scgi_request *request, sl_view name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sl_view_eq(request->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* One "name NUL value NUL" at the start of `*rest`. */
static SL_MUST sl_res next_header(sl_view *rest, sl_scgi_request *request)
{
    size_t at = request->header_count;
    sl_view name;
    sl_view value;
    sl_view after;
    if (!sl_view_cut(*rest, 0, &name, &after) || !sl_view_cut(after, 0, &value, &after)) {
        return sl_fail_at(SL_E_SYNTAX, "scgi.headers", at);
    }
    if (!name_ok(name)) {
        return sl_fail_at(SL_E_SYNTAX, "scgi.header_name", at);
    }
    if (!value_ok(value)) {
        return sl_fail_at(SL_E_SYNTAX, "scgi.header_value", at);
    }
    if (has_name(request, name)) {
        return sl_fail_at(SL_E_DUPLICATE, "scgi.header_name", at);
    }
    if (at == SL_SCGI_HEADERS_MAX) {
        return sl_fail_at(SL_E_LIMIT, "scgi.headers", at);
    }
    request->headers[at] = (sl_scgi_header){ name, value };
    request->header_count = at + 1;
    *rest = after;
    return SL_DONE;
}

static SL_MUST sl_res check_required(sl_scgi_request *request, size_t body_bytes_max)
{
    if (request->header_count == 0 || !sl_view_eq_str(request->headers[0].name, "CONTENT_LENGTH")) {
        return sl_fail_at(SL_E_MISSING_FIELD, "scgi.content_length", SL_NOWHERE);
    }
    uint64_t length = 0;
    sl_view text = request->headers[0].value;
    if (!sl_ok(sl_parse_u64(text, INT64_MAX, &length))) {
        return sl_fail_at(SL_E_SYNTAX, "scgi.content_length", SL_NOWHERE);
    }
    if (length > body_bytes_max) {
        return sl_fail_at(SL_E_LIMIT, "scgi.content_length", length);
    }
    request->content_length = (size_t)length;
    sl_view version = sl_scgi_get(request, "SCGI");
    if (version.p == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "scgi.version", SL_NOWHERE);
    }
    if (!sl_view_eq_str(version, "1")) {
        return sl_fail_at(SL_E_VERSION, "scgi.version", SL_NOWHERE);
    }
    return SL_DONE;
}

SL_MUST sl_res sl_scgi_head(sl_view in, size_t body_bytes_max, sl_scgi_request *ret_request)
{
    size_t start = 0;
    size_t length = 0;
    SL_TRY(netstring_start(in, &start, &length));
    if (in.n - start <= length) {
        return sl_fail(SL_E_AGAIN);
    }
    if (in.p[start + length] != ',') {
        return sl_fail_at(SL_E_SYNTAX, "scgi.comma", start + length);
    }
    sl_scgi_request request = { .header_count = 0, .body_offset = start + length + 1 };
    sl_view rest = sl_view_sub(in, start, start + length);
    while (rest.n != 0) {
        SL_TRY(next_header(&rest, &request));
    }
    SL_TRY(check_required(&request, body_bytes_max));
    *ret_request = request;
    return SL_DONE;
}

SL_MUST sl_res sl_scgi_body(sl_view in, const sl_scgi_request *request, sl_view *ret_body)
{
    if (in.n < request->body_offset || in.n - request->body_offset < request->content_length) {
        return sl_fail(SL_E_AGAIN);
    }
    size_t end = request->body_offset + request->content_length;
    if (in.n > end) {
        return sl_fail_at(SL_E_TRAILING, "scgi.body", end);
    }
    *ret_body = sl_view_sub(in, request->body_offset, end);
    return SL_DONE;
}

sl_view sl_scgi_get(const sl_scgi_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sl_view_eq_str(request->headers[i].name, name)) {
            return request->headers[i].value;
        }
    }
    return (sl_view){ NULL, 0 };
}

const char *sl_scgi_reason(unsigned http_status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } known[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 302, "Found" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(known); i++) {
        if (known[i].status == http_status) {
            return known[i].reason;
        }
    }
    return "Status";
}

SL_MUST sl_res sl_scgi_answer_status(sl_buf *out, unsigned http_status)
{
    SL_NEED(http_status >= 200 && http_status <= 599, SL_E_RANGE);
    return sl_buf_addf(out, "Status: %u %s\r\n", http_status, sl_scgi_reason(http_status));
}

SL_MUST sl_res sl_scgi_answer_field(sl_buf *out, const char *name, sl_view value)
{
    if (!value_ok(value)) {
        return sl_fail_at(SL_E_SYNTAX, "scgi.answer_field", SL_NOWHERE);
    }
    size_t before = out->n;
    sl_res r = sl_buf_addf(out, "%s: ", name);
    if (sl_ok(r)) {
        r = sl_buf_add(out, value);
    }
    if (sl_ok(r)) {
        r = sl_buf_add(out, SL_LIT("\r\n"));
    }
    if (!sl_ok(r)) {
        out->n = before;
    }
    return r;
}

SL_MUST sl_res sl_scgi_answer_end(sl_buf *out)
{
    return sl_buf_add(out, SL_LIT("\r\n"));
}

SL_MUST sl_res sl_scgi_answer(sl_buf *out, unsigned http_status, const char *content_type,
                              sl_view body)
{
    SL_TRY(sl_scgi_answer_status(out, http_status));
    SL_TRY(sl_scgi_answer_field(out, "Content-Type", sl_view_str(content_type)));
    SL_TRY(sl_buf_addf(out, "Content-Length: %zu\r\n", body.n));
    SL_TRY(sl_scgi_answer_field(out, "Cache-Control", SL_LIT("no-store")));
    SL_TRY(sl_scgi_answer_end(out));
    return sl_buf_add(out, body);
}
