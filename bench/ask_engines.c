/* Which engines the ask door of a bench build has: BENCH_ENGINES is 0 (none: nothing is even folded), 1
 * (patterns alone) or 2 (patterns, names and injected instructions). The real functions are wrapped when
 * bench/ask_overhead's programs are linked, so that the product has no switch which turns inspection off.
 * Never installed; see bench/README.md. */
#include <stdlib.h>

#include "detect/inject.h"
#include "detect/inspect.h"
#include "detect/stream.h"

sl_res __wrap_sl_detect_add_names(sl_detect *detect);
sl_res __wrap_sl_detect_add_inject(sl_detect *detect);
sl_res __wrap_sl_detect_build_default(sl_detect **ret_detect);
sl_res __real_sl_detect_build_default(sl_detect **ret_detect);

/* Where an engine set is given an engine, the build decides instead. */
sl_res __wrap_sl_detect_add_names(sl_detect *detect)
{
    (void)detect;
    return SL_DONE;
}

sl_res __wrap_sl_detect_add_inject(sl_detect *detect)
{
    (void)detect;
    return SL_DONE;
}

sl_res __wrap_sl_detect_build_default(sl_detect **ret_detect)
{
    sl_view none = { NULL, 0 };
    return BENCH_ENGINES == 2 ? __real_sl_detect_build_default(ret_detect)
                              : sl_detect_build_with(none, false, none, ret_detect);
}

#if BENCH_ENGINES != 2

sl_res __wrap_sl_inject_scan(const sl_inject *inject, sl_inject_work *work, sl_view text,
                             sl_findings *findings);

/* The door asks this engine itself, beside the set. */
sl_res __wrap_sl_inject_scan(const sl_inject *inject, sl_inject_work *work, sl_view text,
                             sl_findings *findings)
{
    (void)inject;
    (void)work;
    (void)text;
    (void)findings;
    return SL_DONE;
}

#endif

#if BENCH_ENGINES == 0

sl_res __wrap_sl_detect_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                                sl_channel channel, sl_findings *findings);
sl_res __wrap_sl_stream_new(const sl_stream_options *options, sl_stream **ret_stream);
void __wrap_sl_stream_free(sl_stream *stream);
sl_res __wrap_sl_stream_feed(sl_stream *stream, sl_view piece, sl_buf *released);
sl_res __wrap_sl_stream_finish(sl_stream *stream, sl_buf *released);
const sl_stream_report *__wrap_sl_stream_report_get(const sl_stream *stream);

struct sl_stream {
    sl_stream_report report;
};

sl_res __wrap_sl_detect_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                                sl_channel channel, sl_findings *findings)
{
    (void)detect;
    (void)scratch;
    (void)text;
    (void)channel;
    (void)findings;
    return SL_DONE;
}

sl_res __wrap_sl_stream_new(const sl_stream_options *options, sl_stream **ret_stream)
{
    (void)options;
    sl_stream *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->report.verdict = SL_VERDICT_ALLOW;
    s->report.cut_offset = UINT64_MAX;
    *ret_stream = s;
    return SL_DONE;
}

void __wrap_sl_stream_free(sl_stream *stream)
{
    free(stream);
}

sl_res __wrap_sl_stream_feed(sl_stream *stream, sl_view piece, sl_buf *released)
{
    stream->report.bytes_seen += piece.n;
    stream->report.bytes_released += piece.n;
    return sl_buf_add(released, piece);
}

sl_res __wrap_sl_stream_finish(sl_stream *stream, sl_buf *released)
{
    (void)stream;
    (void)released;
    return SL_DONE;
}

const sl_stream_report *__wrap_sl_stream_report_get(const sl_stream *stream)
{
    return &stream->report;
}

#endif
