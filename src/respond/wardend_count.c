/* The egress's own count of requests on its way into the ledger (wardend_internal.h): egress_count.h decides what is
 * to be told, this tells it. A count that the ledger has not taken must be told again. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "respond/wardend_internal.h"

/* A count on its way into the ledger. */
typedef struct {
    daemon_state *daemon;
    sl_counted_side side;
    uint64_t minute;
} telling;

static void on_told(void *context, sl_res result, uint64_t index)
{
    telling *t = context;
    (void)index;
    /* Without a ledger nobody knows whether it was taken: the ledger is asked when it is back. */
    if (!sl_ok(result) && !sl_is(result, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "a count of the egress has to wait", result);
        sl_egress_count_refused(&t->daemon->count, t->side, t->minute);
    }
    free(t);
}

static sl_res tell_count(daemon_state *d, sl_counted_side side, uint64_t minute,
                         sl_minute_count count)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_counted_write(side, "ask", minute, count, &event));
    telling *t = malloc(sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    *t = (telling){ d, side, minute };
    sl_res r = sl_ledger_client_append(d->ledger, sl_buf_view(&event), on_told, t);
    if (!sl_ok(r)) {
        free(t);
    }
    return r;
}

static void on_count(void *context)
{
    daemon_state *d = context;
    int64_t now_ms = sl_clock_wall_ms();
    sl_counted_side side;
    uint64_t minute = 0;
    sl_minute_count count;
    sl_egress_count_look(&d->count, now_ms);
    bool may = d->serving && d->all_up && !d->going && d->read_all;
    while (may && d->ledger != NULL &&
           sl_egress_count_next(&d->count, now_ms, &side, &minute, &count)) {
        sl_res r = tell_count(d, side, minute, count);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_WARN, "a count of the egress has to wait", r);
            sl_egress_count_refused(&d->count, side, minute);
            return;
        }
    }
}

sl_res sl_wardend_begin_counting(daemon_state *d)
{
    uint64_t timer;
    sl_egress_kept *kept = sl_proc_shared(d->self, SL_EGRESS_KEPT_NAME);
    SL_NEED(kept != NULL, SL_E_BUG);
    SL_TRY(sl_dir_open(AT_FDCWD, "/counted", &d->counted_fd));
    sl_egress_count_begin(&d->count, kept, d->counted_fd, sl_clock_wall_ms());
    /* The minute begins for us before any door opens, which is the warden's to allow. */
    sl_egress_count_look(&d->count, sl_clock_wall_ms());
    return sl_loop_every(d->loop, 1000, on_count, d, &timer);
}
