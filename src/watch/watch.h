/* The watch's judgement: every leaf in, signals out. Pure: time is an argument, signals go to a
 * callback. It knows the certain things: Sigma rules over single leaves, correlations of them, budgets counted from leaves
 * (the truth, whatever the doors counted), and parts of the site that have fallen silent.
 *
 * Each signal names its rule, its severity, the leaf that shows it and, where there is one, the
 * principal and compartment it speaks of. The same rule about the same target is said once a minute
 * at most; what was held back is counted in the next one (`repeated`). */
#ifndef SL_WATCH_WATCH_H
#define SL_WATCH_WATCH_H

#include "watch/rule.h"

typedef struct {
    sl_view rule; /* borrowed during the call, as all views here */
    sl_level severity;
    sl_view principal; /* empty: none */
    sl_view compartment;
    sl_view target;    /* a door, a process, a grant: what the rule is about; or empty */
    uint64_t evidence; /* index of the leaf, or UINT64_MAX when silence is the evidence */
    uint64_t repeated; /* the same, held back before */
    uint64_t value;    /* budgets: used; silence: seconds */
    uint64_t limit;    /* budgets: cap; silence: seconds allowed; else 0 */
} sl_signal;

typedef void (*sl_signal_call)(void *context, const sl_signal *signal);

typedef struct sl_watch sl_watch;

#define SL_WATCH_RULES_MAX ((size_t)256)
#define SL_WATCH_SILENCES_MAX ((size_t)32)
#define SL_WATCH_GRANTS_MAX ((size_t)4096)
/* One signal a minute for the same rule and target. */
#define SL_WATCH_REPEAT_MS ((int64_t)60000)

SL_MUST sl_res sl_watch_new(sl_signal_call call, void *context, sl_watch **ret_watch);
void sl_watch_free(sl_watch *watch);
/* A Sigma rule or correlation (correlation.h) in YAML. SL_E_DUPLICATE if one has its id already. */
SL_MUST sl_res sl_watch_add_rule(sl_watch *watch, sl_view yaml);
/* All are there: finds the rules that correlations name. SL_E_NOT_FOUND for one that is not there, SL_E_SYNTAX where
 * correlations are made of each other in a ring. Done by the first leaf at the latest. */
SL_MUST sl_res sl_watch_bind(sl_watch *watch);
/* "A leaf of this type (from this `door` if not empty) comes at least every `every_ms`, from the
 * moment of `since_ms` on": silence longer than that is signal `rule`. */
SL_MUST sl_res sl_watch_add_silence(sl_watch *watch, sl_view rule, sl_view type, sl_view door,
                                    int64_t every_ms, int64_t since_ms);
size_t sl_watch_rule_count(const sl_watch *watch);

/* One leaf in the order of the ledger. With `history`, it is counted but signals nothing (catching up
 * after a start). SL_E_SYNTAX, ...: not a leaf; the watch goes on. */
SL_MUST sl_res sl_watch_feed(sl_watch *watch, uint64_t index, sl_view leaf, bool history);
/* What the grants with a cap have used of it in the window that ends now; views are borrowed for the call. Grants
 * that were not used are passed over. */
typedef struct {
    sl_view grant;
    const char *window; /* "hour" or "day" */
    uint64_t used;
    uint64_t cap;
} sl_budget_use;
void sl_watch_budgets(sl_watch *watch, int64_t now_ms,
                      void (*call)(void *context, const sl_budget_use *use), void *context);

/* Time passes: looks for silence. Call it about every second. */
void sl_watch_tick(sl_watch *watch, int64_t now_ms);

#endif
