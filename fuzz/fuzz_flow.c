/* Flow rules on hostile bytes: a rules file loads or is refused with a place; and a conversation made of
 * the bytes is judged without harm, each finding with spans inside its texts. The part before the first
 * NUL is the rules file, then the user's text, a tool's result, a tool's name and its arguments. */
#include <assert.h>

#include "detect/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const sl_flow_rules *rules, sl_view rest)
{
    sl_view part[3];
    sl_flow *flow = NULL;
    sl_flow_findings found = { 0 };
    sl_json_doc arguments = { 0 };
    for (size_t i = 0; i < 3; i++) {
        (void)sl_view_cut(rest, 0, &part[i], &rest);
    }
    sl_res r = sl_flow_new(rules, &flow);
    assert(sl_ok(r));
    r = sl_flow_take(flow, SL_CHANNEL_USER, 1, (sl_view){ 0 }, part[0]);
    assert(sl_ok(r));
    r = sl_flow_take(flow, SL_CHANNEL_TOOL_RESULT, 2, part[2], part[1]);
    assert(sl_ok(r));
    if (sl_ok(sl_json_parse(rest, &arguments))) {
        r = sl_flow_call(flow, part[2], &arguments, &found);
        assert(sl_ok(r) || sl_is(r, SL_E_LIMIT));
        sl_json_doc_free(&arguments);
    }
    size_t open = rest.n;
    r = sl_flow_answer(flow, rest, NULL, &found, &open);
    assert(sl_ok(r) && open <= rest.n);
    for (size_t i = 0; i < found.n; i++) {
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 65536 };
        const sl_flow_finding *f = &found.items[i];
        assert(f->message == 2 && f->origin_to <= part[1].n && f->origin_from <= f->origin_to);
        assert(f->start <= f->end && f->verdict <= found.verdict);
        r = sl_flow_explain(rules, f, &line);
        assert(sl_ok(r));
    }
    sl_flow_free(flow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sl_flow_rules *own;
    sl_view yaml;
    sl_view rest;
    sl_flow_rules *rules = NULL;
    if (own == NULL) {
        sl_res r = sl_flow_rules_load_default(&own);
        assert(sl_ok(r));
    }
    (void)sl_view_cut(sl_view_of(data, size), 0, &yaml, &rest);
    if (yaml.n == 0) {
        judge(own, rest);
    } else if (sl_ok(sl_flow_rules_load(yaml, &rules))) {
        judge(rules, rest);
        sl_flow_rules_free(rules);
    }
    return 0;
}
