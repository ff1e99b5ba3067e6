/* The operator's log (log.h). One write a line, so that lines of several processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static const char *log_part = "stoplog";
static sl_log_level log_least = SL_LOG_INFO;
static bool log_json;

void sl_log_setup(const char *part, sl_log_level least, bool json)
{
    log_part = part;
    log_least = least;
    log_json = json;
}

static void write_line(sl_log_level level, const char *text)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char when[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(sl_clock_wall_ms(), when);
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 8192 };
    sl_res r = SL_DONE;
    if (log_json) {
        sl_json_writer w;
        sl_json_writer_init(&w, &line);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "time", when);
        sl_json_put_str(&w, "level", names[level]);
        sl_json_put_str(&w, "part", log_part);
        sl_json_put_str(&w, "text", text);
        sl_json_object_end(&w);
        r = sl_json_finish(&w);
    } else {
        r = sl_buf_addf(&line, "%s %s %s: %s", when, names[level], log_part, text);
    }
    if (sl_ok(r) && sl_ok(sl_buf_add_byte(&line, '\n'))) {
        ssize_t put = write(STDERR_FILENO, line.p, line.n);
        (void)put; /* a log that cannot be written has nowhere to say so */
    }
}

void sl_log(sl_log_level level, const char *format, ...)
{
    if (level < log_least) {
        return;
    }
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(level, text);
}

void sl_log_res(sl_log_level level, const char *what, sl_res r)
{
    const sl_detail *detail = sl_detail_get();
    const char *os = detail->os_error == 0 ? "" : strerrordesc_np(detail->os_error);
    sl_log(level, "%s: %s%s%s%s%s%s; %s", what, sl_res_text(r), detail->field[0] == 0 ? "" : " (",
           detail->field, detail->field[0] == 0 ? "" : ")", os == NULL || os[0] == 0 ? "" : ": ",
           os == NULL ? "" : os, sl_res_remedy(r));
}
