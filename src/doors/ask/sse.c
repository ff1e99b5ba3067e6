/* Server-sent events, strict. What it is for and its limits are told in sse.h. It must never grow
 * without bound on an endless line, and never lose or join bytes because of where a read ended:
 * property P1 starts here. */
#include "doors/ask/sse.h"

#include <string.h>

#include "base/utf8.h"

enum { SSE_NAME_MAX = 128 };

void sl_sse_init(sl_sse *s, size_t event_max)
{
    *s = (sl_sse){ .line = { .max = event_max },
                   .data = { .max = event_max },
                   .name = { .max = SSE_NAME_MAX } };
}

void sl_sse_free(sl_sse *s)
{
    sl_buf_free(&s->line);
    sl_buf_free(&s->data);
    sl_buf_free(&s->name);
    *s = (sl_sse){ 0 };
}

static bool field_is(sl_view name, const char *want)
{
    return sl_view_eq(name, sl_view_str(want));
}

/* One field of one line. The colon and one following space are not part of the value. */
static sl_res take_field(sl_sse *s, sl_view name, sl_view value)
{
    if (field_is(name, "data")) {
        if (s->has_data) {
            SL_TRY(sl_buf_add_byte(&s->data, '\n'));
        }
        s->has_data = true;
        return sl_buf_add(&s->data, value);
    }
    if (field_is(name, "event")) {
        SL_NEED(sl_utf8_check(value) == value.n, SL_E_SYNTAX);
        sl_buf_clear(&s->name);
        return sl_buf_add(&s->name, value);
    }
    SL_NEED(field_is(name, "id") || field_is(name, "retry"), SL_E_SYNTAX);
    return SL_DONE;
}

/* A whole line without its ending. An empty line ends the event. */
static sl_res take_line(sl_sse *s, bool *ret_ready)
{
    sl_view line = sl_buf_view(&s->line);
    if (!s->started) {
        s->started = true;
        if (line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0) {
            line = sl_view_of(line.p + 3, line.n - 3);
        }
    }
    if (line.n == 0) {
        *ret_ready = s->has_data || s->name.n != 0;
        return SL_DONE;
    }
    SL_NEED(memchr(line.p, 0, line.n) == NULL, SL_E_SYNTAX);
    if (line.p[0] == ':') {
        return SL_DONE;
    }
    const uint8_t *colon = memchr(line.p, ':', line.n);
    if (colon == NULL) {
        return take_field(s, line, sl_view_of(line.p, 0));
    }
    size_t name_n = (size_t)(colon - line.p);
    size_t value_at = name_n + 1;
    if (value_at < line.n && line.p[value_at] == ' ') {
        value_at++;
    }
    return take_field(s, sl_view_of(line.p, name_n),
                      sl_view_of(line.p + value_at, line.n - value_at));
}

static void forget_delivered(sl_sse *s)
{
    if (s->delivered) {
        sl_buf_clear(&s->data);
        sl_buf_clear(&s->name);
        s->has_data = false;
        s->delivered = false;
    }
}

/* Length of the part of `in` before the first line ending. */
static size_t line_part(sl_view in)
{
    const uint8_t *lf = memchr(in.p, '\n', in.n);
    size_t n = lf == NULL ? in.n : (size_t)(lf - in.p);
    const uint8_t *cr = n == 0 ? NULL : memchr(in.p, '\r', n);
    return cr == NULL ? n : (size_t)(cr - in.p);
}

sl_res sl_sse_next(sl_sse *s, sl_view *in, bool *ret_ready, sl_sse_event *ret_event)
{
    bool ready = false;
    forget_delivered(s);
    while (in->n != 0 && !ready) {
        if (s->after_cr) {
            s->after_cr = false;
            if (in->p[0] == '\n') {
                *in = sl_view_of(in->p + 1, in->n - 1);
                continue;
            }
        }
        size_t n = line_part(*in);
        SL_TRY(sl_buf_add(&s->line, sl_view_of(in->p, n)));
        if (n == in->n) {
            *in = sl_view_of(in->p + n, 0);
            break;
        }
        s->after_cr = in->p[n] == '\r';
        *in = sl_view_of(in->p + n + 1, in->n - n - 1);
        SL_TRY(take_line(s, &ready));
        sl_buf_clear(&s->line);
    }
    if (ready) {
        s->delivered = true;
        *ret_event = (sl_sse_event){ sl_buf_view(&s->name), sl_buf_view(&s->data) };
    }
    *ret_ready = ready;
    return SL_DONE;
}

sl_res sl_sse_end(const sl_sse *s)
{
    bool open = !s->delivered && (s->has_data || s->name.n != 0);
    SL_NEED(!open && s->line.n == 0, SL_E_SYNTAX);
    return SL_DONE;
}
