/* The end of releases: what was turned down, what nobody let out in time, what a crash cut off or left lying. One that
 * cannot be ended now must never hold up the others, and nothing is destroyed that the ledger does not say is over. */
#ifndef SL_DOORS_RELEASE_END_H
#define SL_DOORS_RELEASE_END_H

#include "doors/release/door.h"
#include "doors/release/known.h"

typedef struct {
    size_t ended;
    size_t failed; /* tried, and still to be ended or cleared away */
    sl_res why;    /* of the first of those */
} sl_release_ends;

/* Ends whatever is over by what `known` knows, which follows the ledger with world->follow. Not to be called in the
 * middle of a crossing: one with an intent and without an end counts as cut off, and is told as unknown (law 1).
 * A failure is one of following. */
SL_MUST sl_res sl_release_settle(const sl_release_world *world, const sl_release_known *known,
                                 int held_fd, sl_release_ends *ret);

/* Removes what lies below `held_fd` although its release is over, or was never told: a crash came between the leaf and
 * the destruction. Drafts that a crash left go too (`drafts`: at the start of the process alone). What fails is counted
 * in `ret->failed`. A failure is one of listing the folder. */
SL_MUST sl_res sl_release_sweep(const sl_release_world *world, const sl_release_known *known,
                                int held_fd, bool drafts, sl_release_ends *ret);

/* Is it over, though the ledger does not call it ended? */
bool sl_release_is_over(const sl_release_known *known, const sl_release *release, int64_t now_ms);

#endif
