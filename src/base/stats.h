/* Exact statistics for claims with few trials: confidence intervals of a share.
 *
 * Everything that reports a rate (drills, audits, checks) reports it with these bounds, so that a
 * test with too few trials reads "not shown" and never "pass". Pure functions: no I/O, no clock, no
 * allocation, no global state of the maths library; the same input gives the same answer on every
 * machine to at least nine digits.
 */
#ifndef SL_BASE_STATS_H
#define SL_BASE_STATS_H

#include <stdint.h>

#include "base/res.h"

/* More trials than this are refused: nobody counts further, and the iteration stays bounded. */
#define SL_STATS_TRIALS_MAX UINT64_C(1000000000)

/* Bounds of a share, each from 0 to 1. */
typedef struct {
    double low;
    double high;
} sl_interval;

/* The two-sided Clopper-Pearson interval (Biometrika 26, 1934) of `hits` in `trials` at `confidence`
 * (for instance 0.95): each side may be wrong with at most half of 1 - confidence. It is
 * conservative: the true share is inside at least that often, whatever it is.
 * Errors: SL_E_RANGE if hits > trials, trials is 0 or above SL_STATS_TRIALS_MAX, or confidence is
 * not strictly between 0 and 1. */
SL_MUST sl_res sl_stats_interval(uint64_t hits, uint64_t trials, double confidence,
                                 sl_interval *ret_interval);

/* The one-sided bounds: the share is at most (at least) this, at `confidence`. With no hits in n
 * trials the upper bound at 0.95 is near 3/n. Errors as above. */
SL_MUST sl_res sl_stats_upper(uint64_t hits, uint64_t trials, double confidence, double *ret_high);
SL_MUST sl_res sl_stats_lower(uint64_t hits, uint64_t trials, double confidence, double *ret_low);

#endif
