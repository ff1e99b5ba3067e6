/* Scenarios of the watch's self-test (selftest.h): what each attack leaves behind, and the rule that must speak. The
 * leaves are never appended anywhere. */
#include "watch/selftest.h"

#define LEAF(by, head, fields, type)                                                               \
    "{\"by\":\"" by "\",\"event\":{" head "\"fields\":{" fields "},\"type\":\"" type               \
    "\"},\"time\":1000,\"v\":1}"

static const struct {
    const char *name;
    const char *rule;
    const char *leaf;
} scenarios[SL_SELFTEST_SCENARIOS] = {
    { "canary", "canary_released",
      LEAF("ask", "\"door\":\"ask\",", "\"outcome\":\"cut\",\"rule\":\"canary-out\"",
           "ask.outcome") },
    { "stolen_key", "budget_refused",
      LEAF("ask", "\"door\":\"ask\",", "\"reason\":\"E_BUDGET\"", "ask.refused") },
    { "tamper_flip", "proof_failed", LEAF("ledgerd", "", "\"ok\":false", "ledger.verified") },
    { "keeper_probe", "lease_refused",
      LEAF("keeper", "", "\"process\":\"probe\"", "key.lease_refused") },
};

const char *sl_watch_selftest_name(size_t at)
{
    return scenarios[at].name;
}

typedef struct {
    const char *rule;
    bool seen;
} wish;

static void on_signal(void *context, const sl_signal *signal)
{
    wish *w = context;
    w->seen = w->seen || sl_view_eq_str(signal->rule, w->rule);
}

sl_res sl_watch_selftest(size_t at, sl_res (*load)(sl_watch *watch), bool *ret_seen)
{
    wish w = { .rule = scenarios[at].rule };
    sl_watch *watch = NULL;
    SL_TRY(sl_watch_new(on_signal, &w, &watch));
    sl_res r = load(watch);
    r = sl_ok(r) ? sl_watch_feed(watch, 0, sl_view_str(scenarios[at].leaf), false) : r;
    sl_watch_free(watch);
    *ret_seen = w.seen;
    return r;
}
