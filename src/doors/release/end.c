/* Ending releases and clearing away what they left (end.h). */
#include "doors/release/end.h"

#include "base/log.h"

/* How a release is over that the ledger does not call ended; NULL: it is not. */
static const char *over(const sl_release_known *known, const sl_release *r, int64_t now_ms)
{
    switch (r->state) {
    case SL_RELEASE_REJECTED:
        return "rejected";
    case SL_RELEASE_HELD:
    case SL_RELEASE_APPROVED:
        return now_ms >= r->until_ms ? "expired" : NULL;
    case SL_RELEASE_ASKED:
        if (sl_release_known_facts(known, r->id) != NULL) {
            return "unknown"; /* its crossing was cut off */
        }
        return now_ms - r->asked_ms >= SL_RELEASE_ASK_MS_MAX ? "expired" : NULL;
    case SL_RELEASE_ENDED:
    default:
        return NULL;
    }
}

bool sl_release_is_over(const sl_release_known *known, const sl_release *release, int64_t now_ms)
{
    return over(known, release, now_ms) != NULL;
}

static sl_res end_one(const sl_release_world *world, const sl_release_known *known, int held_fd,
                      const sl_release *r, const char *outcome)
{
    const sl_compartment *c = sl_roll_compartment(known->roll, sl_view_str(r->compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    return sl_release_end(world, held_fd, r, c->id, outcome);
}

static void failed(sl_release_ends *ends, sl_res why)
{
    ends->why = ends->failed++ == 0 ? why : ends->why;
}

/* Leaves may add to the list and move it, but each release keeps its place. */
sl_res sl_release_settle(const sl_release_world *world, const sl_release_known *known, int held_fd,
                         sl_release_ends *ret)
{
    *ret = (sl_release_ends){ .why = SL_DONE };
    SL_TRY(world->follow(world->context));
    for (size_t i = 0;; i++) {
        size_t count = 0;
        const sl_release *list = sl_roll_releases(known->roll, &count);
        if (i >= count) {
            return SL_DONE;
        }
        sl_release r = list[i];
        const char *outcome = over(known, &r, world->wall_ms(world->context));
        if (outcome == NULL) {
            continue;
        }
        sl_res ended = end_one(world, known, held_fd, &r, outcome);
        if (sl_ok(ended)) {
            ret->ended++;
        } else {
            failed(ret, ended);
        }
        SL_TRY(world->follow(world->context));
    }
}

/* ---- what lies there ---- */

typedef struct {
    const sl_release_world *world;
    const sl_release_known *known;
    int held_fd;
    bool drafts;
    const char *compartment;
    sl_release_ends *ends;
} sweeping;

static sl_res sweep_held(void *ctx, const char *name)
{
    sweeping *s = ctx;
    sl_release gone = { .state = SL_RELEASE_ENDED };
    static const char prefix[] = "release-";
    size_t n = sizeof prefix - 1;
    if (strncmp(name, prefix, n) != 0 || strlen(name + n) != SL_UID_CHARS) {
        return SL_DONE; /* not ours */
    }
    const sl_release *r = sl_roll_release(s->known->roll, sl_view_str(name + n));
    if (r != NULL && r->state != SL_RELEASE_ENDED) {
        return SL_DONE;
    }
    memcpy(gone.id, name + n, sizeof gone.id);
    (void)snprintf(gone.compartment, sizeof gone.compartment, "%s", s->compartment);
    sl_log(SL_LOG_WARN, "held bytes of a release that is over are removed");
    sl_res cleared = sl_release_clear(s->world, s->held_fd, &gone, r == NULL ? 0 : r->ended_leaf);
    if (sl_ok(cleared)) {
        s->ends->ended++;
    } else {
        failed(s->ends, cleared);
    }
    return SL_DONE;
}

static sl_res sweep_compartment(void *ctx, const char *name)
{
    sweeping *s = ctx;
    size_t removed = 0;
    s->compartment = name;
    sl_res swept = s->drafts ? sl_drafts_sweep(s->held_fd, name, &removed) : SL_DONE;
    if (!sl_ok(swept)) {
        failed(s->ends, swept);
    }
    swept = sl_vault_list(s->held_fd, name, NULL, sweep_held, s);
    if (!sl_ok(swept)) {
        failed(s->ends, swept);
    }
    return SL_DONE;
}

sl_res sl_release_sweep(const sl_release_world *world, const sl_release_known *known, int held_fd,
                        bool drafts, sl_release_ends *ret)
{
    sweeping s = {
        .world = world, .known = known, .held_fd = held_fd, .drafts = drafts, .ends = ret
    };
    *ret = (sl_release_ends){ .why = SL_DONE };
    return sl_vault_list(held_fd, NULL, NULL, sweep_compartment, &s);
}
