/* When what is over is ended (daemon_internal.h, end.h): at the start, every few seconds, and when a command asks. */
#include "base/log.h"
#include "doors/release/daemon_internal.h"

enum { SETTLE_MS = 10 * 1000 }; /* what is rejected or over is destroyed within this time */

/* Told once for each reason: it is tried again every few seconds. */
static void tell_failed(sl_release_daemon *d, const char *what, sl_res why)
{
    if (why.code != d->end_failed.code) {
        sl_log_res(SL_LOG_WARN, what, why);
    }
    d->end_failed = why;
}

/* What could not be cleared away lies there still, though its leaf says that it is over. */
static sl_res sweep(sl_release_daemon *d, bool drafts)
{
    sl_release_ends swept;
    sl_release_world world = sl_release_daemon_world(d);
    SL_TRY(sl_release_sweep(&world, &d->known, d->held_fd, drafts, &swept));
    if (swept.failed != 0) {
        tell_failed(d, "what is over could not be cleared away yet", swept.why);
    }
    return SL_DONE;
}

sl_res sl_release_daemon_settle(sl_release_daemon *d, sl_release_ends *ret)
{
    sl_release_world world = sl_release_daemon_world(d);
    bool again = !sl_ok(d->end_failed);
    SL_TRY(sl_release_settle(&world, &d->known, d->held_fd, ret));
    if (ret->failed != 0) {
        tell_failed(d, "what is over could not be destroyed yet", ret->why);
        return SL_DONE;
    }
    d->end_failed = SL_DONE;
    return again ? sweep(d, false) : SL_DONE;
}

static void on_tick(void *context)
{
    sl_release_ends ends;
    sl_res r = sl_release_daemon_settle(context, &ends);
    if (!sl_ok(r) && !sl_is(r, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "what is over could not be looked for", r);
    }
}

sl_res sl_release_daemon_recover(sl_release_daemon *d)
{
    uint64_t timer = 0;
    sl_release_ends ends;
    d->end_failed = SL_DONE;
    SL_TRY(sl_release_daemon_settle(d, &ends));
    SL_TRY(sweep(d, true));
    return sl_loop_every(d->commands.loop, SETTLE_MS, on_tick, d, &timer);
}
