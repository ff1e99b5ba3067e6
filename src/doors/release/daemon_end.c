/* The end of what is held (daemon_internal.h): what was turned down, what nobody let out in time, what a crash left. It
 * must never destroy what the ledger does not say is over. */
#include "doors/release/daemon_internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { SETTLE_MS = 10 * 1000 }; /* what is rejected or over is destroyed within this time */

/* How a release is over that the ledger does not call ended; NULL: it is not. */
static const char *over(const sl_release_daemon *d, const sl_release *r, int64_t now_ms,
                        bool starting)
{
    const sl_release_facts *facts = sl_release_known_facts(&d->known, r->id);
    switch (r->state) {
    case SL_RELEASE_REJECTED:
        return "rejected";
    case SL_RELEASE_HELD:
    case SL_RELEASE_APPROVED:
        return now_ms >= r->until_ms ? "expired" : NULL;
    case SL_RELEASE_ASKED:
        if (starting && facts != NULL) {
            return "unknown"; /* a crash cut its crossing off */
        }
        return now_ms - r->asked_ms >= SL_RELEASE_ASK_MS_MAX ? "expired" : NULL;
    case SL_RELEASE_ENDED:
    default:
        return NULL;
    }
}

static sl_res end_one(sl_release_daemon *d, const sl_release *r, const char *outcome)
{
    sl_release_world world = sl_release_daemon_world(d);
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(r->compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    return sl_release_end(&world, d->held_fd, r, c->id, outcome);
}

/* Every leaf moves the list: one at a time, from its beginning. */
sl_res sl_release_daemon_settle(sl_release_daemon *d, bool starting, size_t *ret_ended)
{
    *ret_ended = 0;
    for (bool again = true; again;) {
        size_t count = 0;
        SL_TRY(sl_peers_follow(&d->peers));
        const sl_release *list = sl_roll_releases(d->known.roll, &count);
        again = false;
        for (size_t i = 0; i < count && !again; i++) {
            sl_release r = list[i];
            const char *outcome = over(d, &r, sl_clock_wall_ms(), starting);
            if (outcome != NULL) {
                SL_TRY(end_one(d, &r, outcome));
                (*ret_ended)++;
                again = true;
            }
        }
    }
    return SL_DONE;
}

static void on_tick(void *context)
{
    size_t ended = 0;
    sl_res r = sl_release_daemon_settle(context, false, &ended);
    if (!sl_ok(r) && !sl_is(r, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "what is over could not be destroyed yet", r);
    }
}

sl_res sl_release_daemon_end_start(sl_release_daemon *d)
{
    uint64_t timer = 0;
    return sl_loop_every(d->commands.loop, SETTLE_MS, on_tick, d, &timer);
}

/* ---- after a crash ---- */

typedef struct {
    sl_release_daemon *daemon;
    const char *compartment;
} sweeping;

/* What lies there although its release is over: a crash came between the leaf and the destruction. */
static sl_res sweep_held(void *ctx, const char *name)
{
    sweeping *s = ctx;
    sl_release_daemon *d = s->daemon;
    sl_release_world world = sl_release_daemon_world(d);
    sl_release gone = { .state = SL_RELEASE_ENDED };
    static const char prefix[] = "release-";
    size_t n = sizeof prefix - 1;
    if (strncmp(name, prefix, n) != 0 || strlen(name + n) != SL_UID_CHARS) {
        return SL_DONE; /* not ours */
    }
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(name + n));
    if (r != NULL && r->state != SL_RELEASE_ENDED) {
        return SL_DONE;
    }
    memcpy(gone.id, name + n, sizeof gone.id);
    (void)snprintf(gone.compartment, sizeof gone.compartment, "%s", s->compartment);
    sl_log(SL_LOG_WARN, "held bytes of a release that is over are removed");
    return sl_release_clear(&world, d->held_fd, &gone, r == NULL ? 0 : r->ended_leaf);
}

static sl_res sweep_compartment(void *ctx, const char *name)
{
    sweeping s = { .daemon = ctx, .compartment = name };
    size_t removed = 0;
    SL_TRY(sl_drafts_sweep(s.daemon->held_fd, name, &removed));
    return sl_vault_list(s.daemon->held_fd, name, NULL, sweep_held, &s);
}

sl_res sl_release_daemon_recover(sl_release_daemon *d)
{
    size_t ended = 0;
    SL_TRY(sl_release_daemon_settle(d, true, &ended));
    return sl_vault_list(d->held_fd, NULL, NULL, sweep_compartment, d);
}
