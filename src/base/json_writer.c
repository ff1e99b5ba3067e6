/* The JSON writer (json.h): compact, escapes as RFC 8785 section 3.2.2.2 wants them. */
#include "base/json.h"
#include "base/json_run.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>

void sl_json_writer_init(sl_json_writer *w, sl_buf *out)
{
    *w = (sl_json_writer){ .out = out };
}

static void keep(sl_json_writer *w, sl_res r)
{
    if (sl_ok(w->failed)) {
        w->failed = r;
    }
}

static void add(sl_json_writer *w, sl_view v)
{
    if (sl_ok(w->failed)) {
        keep(w, sl_buf_add(w->out, v));
    }
}

/* The comma before an item, unless it is the first of its level or follows its key. */
static void separate(sl_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) {
        return;
    }
    uint64_t bit = (uint64_t)1 << (w->depth - 1);
    if ((w->filled & bit) != 0) {
        add(w, SL_LIT(","));
    }
    w->filled |= bit;
}

static void begin(sl_json_writer *w, sl_view bracket)
{
    separate(w);
    if (w->depth == SL_JSON_DEPTH_MAX) {
        keep(w, sl_fail(SL_E_DEPTH));
        return;
    }
    add(w, bracket);
    w->filled &= ~((uint64_t)1 << w->depth);
    w->depth++;
}

static void end(sl_json_writer *w, sl_view bracket)
{
    if (w->depth == 0) {
        keep(w, sl_fail(SL_E_BUG));
        return;
    }
    w->depth--;
    add(w, bracket);
}

void sl_json_object_begin(sl_json_writer *w)
{
    begin(w, SL_LIT("{"));
}

void sl_json_object_end(sl_json_writer *w)
{
    end(w, SL_LIT("}"));
}

void sl_json_array_begin(sl_json_writer *w)
{
    begin(w, SL_LIT("["));
}

void sl_json_array_end(sl_json_writer *w)
{
    end(w, SL_LIT("]"));
}

static void add_escaped(sl_json_writer *w, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *hit = memchr(from, c, sizeof(from) - 1);
    if (hit != NULL) {
        uint8_t pair[2] = { '\\', (uint8_t)to[hit - from] };
        add(w, sl_view_of(pair, sizeof(pair)));
        return;
    }
    static const char digits[] = "0123456789abcdef";
    uint8_t escape[6] = { '\\', 'u', '0', '0', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15] };
    add(w, sl_view_of(escape, sizeof(escape)));
}

static void add_quoted(sl_json_writer *w, sl_view text)
{
    if (sl_utf8_check(text) != text.n) {
        keep(w, sl_fail(SL_E_UTF8));
        return;
    }
    add(w, SL_LIT("\""));
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        i += text.p[i] < 0x80 ? sl_json_plain_run(text, i) : 0;
        uint8_t c = i < text.n ? text.p[i] : 0xFF;
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        add(w, sl_view_sub(text, from, i));
        add_escaped(w, c);
        from = i + 1;
    }
    add(w, sl_view_sub(text, from, text.n));
    add(w, SL_LIT("\""));
}

void sl_json_key_view(sl_json_writer *w, sl_view name)
{
    separate(w);
    add_quoted(w, name);
    add(w, SL_LIT(":"));
    w->after_key = true;
}

void sl_json_key(sl_json_writer *w, const char *name)
{
    sl_json_key_view(w, sl_view_str(name));
}

void sl_json_string(sl_json_writer *w, sl_view text)
{
    separate(w);
    add_quoted(w, text);
}

void sl_json_int(sl_json_writer *w, int64_t value)
{
    separate(w);
    if (sl_ok(w->failed)) {
        keep(w, sl_buf_addf(w->out, "%" PRId64, value));
    }
}

void sl_json_uint(sl_json_writer *w, uint64_t value)
{
    separate(w);
    if (sl_ok(w->failed)) {
        keep(w, sl_buf_add_u64(w->out, value));
    }
}

void sl_json_true_false(sl_json_writer *w, bool value)
{
    separate(w);
    add(w, value ? SL_LIT("true") : SL_LIT("false"));
}

void sl_json_null(sl_json_writer *w)
{
    separate(w);
    add(w, SL_LIT("null"));
}

void sl_json_raw(sl_json_writer *w, sl_view json)
{
    separate(w);
    add(w, json);
}

void sl_json_put_string(sl_json_writer *w, const char *name, sl_view text)
{
    sl_json_key(w, name);
    sl_json_string(w, text);
}

void sl_json_put_str(sl_json_writer *w, const char *name, const char *text)
{
    sl_json_put_string(w, name, sl_view_str(text));
}

void sl_json_put_int(sl_json_writer *w, const char *name, int64_t value)
{
    sl_json_key(w, name);
    sl_json_int(w, value);
}

void sl_json_put_uint(sl_json_writer *w, const char *name, uint64_t value)
{
    sl_json_key(w, name);
    sl_json_uint(w, value);
}

void sl_json_put_bool(sl_json_writer *w, const char *name, bool value)
{
    sl_json_key(w, name);
    sl_json_true_false(w, value);
}

sl_res sl_json_finish(sl_json_writer *w)
{
    SL_TRY(w->failed);
    SL_NEED(w->depth == 0 && !w->after_key, SL_E_BUG);
    return SL_DONE;
}
