/* Refusals before anybody is authenticated: exact counts, one leaf for each source prefix, reason and
 * second, so that a flood of strangers can neither flood the ledger nor go unrecorded.
 *
 * Pure: time is an argument. Nothing is sampled: when more prefixes come in one second than there
 * are places, the rest are counted exactly under the prefix "other".
 */
#ifndef SL_LEDGER_REFUSALS_H
#define SL_LEDGER_REFUSALS_H

#include "base/bytes.h"

enum { SL_REFUSAL_PLACES = 256, SL_REFUSAL_PREFIX_BYTES = 52, SL_REFUSAL_REASONS = 32 };

typedef struct {
    char prefix[SL_REFUSAL_PREFIX_BYTES];
    const char *reason; /* a literal of ours */
    uint64_t count;
} sl_refusal;

/* Counts of one second. Zero-initialise. */
typedef struct {
    uint64_t window_s;
    size_t n;
    sl_refusal places[SL_REFUSAL_PLACES];
    size_t other_n;
    sl_refusal other[SL_REFUSAL_REASONS]; /* by reason, prefix "other" */
} sl_refusals;

/* The network of an address as the front names it: "192.0.2.0/24", "2001:db8:1::/48", and "local"
 * for a Unix socket (empty text). Anything else is "unknown". */
void sl_refusal_prefix(sl_view address, char ret[SL_REFUSAL_PREFIX_BYTES]);

/* Is there a finished second to be written before a refusal at `now_s` may be counted? A clock that
 * steps back does not end a second. */
bool sl_refusals_due(const sl_refusals *r, uint64_t now_s);

/* Counts one refusal. Not while sl_refusals_due: take the former second first.
 * Errors: SL_E_LIMIT (more kinds of reasons than places: a mistake of ours). */
SL_MUST sl_res sl_refusals_count(sl_refusals *r, sl_view address, const char *reason,
                                 uint64_t now_s);

/* Calls for every count of the second that is kept, then empties it. If a call fails the counts not
 * yet handed out stay. */
SL_MUST sl_res sl_refusals_take(sl_refusals *r,
                                sl_res (*call)(void *ctx, const sl_refusal *refusal,
                                               uint64_t window_s),
                                void *ctx);

#endif
