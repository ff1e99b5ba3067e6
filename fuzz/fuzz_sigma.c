/* Sigma rules and correlations: any bytes are read or refused, and what is read can be matched. */
#include "watch/correlation.h"
#include "watch/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    const sl_rule *rule = NULL;
    if (sl_correlation_is(sl_view_of(data, size))) {
        sl_correlation c;
        (void)sl_ok(sl_correlation_read(sl_view_of(data, size), &arena, &c));
        return 0;
    }
    if (!sl_ok(sl_rule_read(sl_view_of(data, size), &arena, &rule))) {
        return 0;
    }
    static const char leaf_text[] =
        "{\"by\":\"warden\",\"event\":{\"fields\":{\"n\":7,\"ok\":false,\"s\":\"a1b2\"},"
        "\"type\":\"ask.outcome\"},\"time\":1,\"v\":1}";
    sl_json_doc doc = { 0 };
    if (sl_ok(sl_json_parse(sl_view_str(leaf_text), &doc))) {
        (void)sl_rule_matches(rule, &doc);
    }
    sl_json_doc_free(&doc);
    return 0;
}
