/* Whole strings under inspection. What it is for is told in look.h. It must never answer "done" for
 * a string that was not inspected to its end. */
#include "doors/ask/look.h"

void sl_ask_look_init(sl_ask_look *look, size_t rewritten_max)
{
    look->findings = (sl_findings){ 0 };
    look->rewritten = (sl_buf){ .max = rewritten_max };
    look->verdict = SL_VERDICT_ALLOW;
}

void sl_ask_look_free(sl_ask_look *look)
{
    sl_findings_free(&look->findings);
    sl_buf_free(&look->rewritten);
}

/* Add this string's findings to the crossing's totals. */
static void count_findings(sl_ask_look *look, sl_channel channel)
{
    for (size_t i = 0; i < look->findings.n; i++) {
        const sl_finding *f = &look->findings.items[i];
        if (f->kind < SL_CLASS_COUNT) {
            look->by_class[f->kind]++;
        }
        bool stronger = !look->has_cause || f->verdict > look->cause.verdict;
        if (f->verdict > SL_VERDICT_ALLOW && stronger) {
            look->cause = *f;
            look->cause_channel = channel;
            look->has_cause = true;
        }
    }
}

static sl_res judge(sl_ask_look *look, sl_view text, sl_channel channel, sl_verdict *ret_verdict)
{
    sl_findings_clear(&look->findings);
    look->strings++;
    look->text_bytes += text.n;
    SL_TRY(sl_detect_inspect(look->detect, look->scratch, text, channel, &look->findings));
    sl_policy_context context = { SL_DOOR_ASK, channel, look->purpose };
    sl_verdict verdict = sl_policy_judge(look->policy, &context, &look->findings, 0);
    count_findings(look, channel);
    if (verdict > look->verdict) {
        look->verdict = verdict;
    }
    *ret_verdict = verdict;
    return SL_DONE;
}

sl_res sl_ask_look_text(sl_ask_look *look, sl_view text, sl_channel channel, sl_view *ret_text)
{
    sl_verdict verdict = SL_VERDICT_CUT;
    SL_TRY(judge(look, text, channel, &verdict));
    SL_NEED(verdict <= SL_VERDICT_TRANSFORM, SL_E_REFUSED);
    if (verdict == SL_VERDICT_ALLOW) {
        *ret_text = text;
        return SL_DONE;
    }
    size_t applied = 0;
    sl_buf_clear(&look->rewritten);
    SL_TRY(sl_transform_apply(text, &look->findings, look->pseudonyms, &look->rewritten, &applied));
    look->transforms += applied;
    *ret_text = sl_buf_view(&look->rewritten);
    return SL_DONE;
}

sl_res sl_ask_look_fixed(sl_ask_look *look, sl_view text, sl_channel channel)
{
    sl_verdict verdict = SL_VERDICT_CUT;
    SL_TRY(judge(look, text, channel, &verdict));
    SL_NEED(verdict == SL_VERDICT_ALLOW, SL_E_REFUSED);
    return SL_DONE;
}
