/* Whole strings under inspection. What it is for is told in look.h. It must never answer "done" for
 * a string that was not inspected to its end. */
#include "doors/ask/look.h"

#include "base/utf8.h"
#include "doors/ask/seams.h"

void sl_ask_look_init(sl_ask_look *look, size_t rewritten_max)
{
    look->findings = (sl_findings){ 0 };
    look->rewritten = (sl_buf){ .max = rewritten_max };
    look->joined = (sl_buf){ .max = rewritten_max };
    look->verdict = SL_VERDICT_ALLOW;
}

void sl_ask_look_free(sl_ask_look *look)
{
    sl_findings_free(&look->findings);
    sl_buf_free(&look->rewritten);
    sl_buf_free(&look->joined);
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

/* Instructions where none belong; a text is looked at whole, and texts that are read as one as one. */
static sl_res find_instructions(sl_ask_look *look, sl_view text, sl_channel channel)
{
    sl_inject_channel which;
    if (look->inject == NULL || !sl_inject_channel_for(channel, &which)) {
        return SL_DONE;
    }
    SL_TRY(sl_scratch_inject(look->scratch, look->inject->packs[which], look->inject->work, text,
                             &look->findings));
    sl_findings_sort(&look->findings);
    return SL_DONE;
}

static sl_res find(sl_ask_look *look, sl_view text, sl_channel channel, sl_findings *findings)
{
    size_t control = sl_utf8_control(text);
    if (control != text.n) {
        return sl_fail_at(SL_E_SYNTAX, "control character", SL_NOWHERE);
    }
    look->strings++;
    look->text_bytes += text.n;
    return sl_detect_inspect(look->detect, look->scratch, text, channel, findings);
}

/* The verdict on all that stands in `look->findings`. */
static sl_verdict judge_findings(sl_ask_look *look, sl_channel channel)
{
    sl_policy_context context = { SL_DOOR_ASK, channel, look->purpose };
    sl_verdict verdict = sl_policy_judge(look->policy, &context, &look->findings, 0);
    count_findings(look, channel);
    if (verdict > look->verdict) {
        look->verdict = verdict;
    }
    return verdict;
}

/* What goes on, rewritten or not: surrogates are what the model can repeat. */
static sl_res remember(sl_ask_look *look, sl_view text, sl_channel channel)
{
    return look->flow == NULL
               ? SL_DONE
               : sl_flow_take(look->flow, channel, (uint32_t)look->strings, look->tool, text);
}

static sl_res look_text(sl_ask_look *look, sl_view text, sl_channel channel, sl_view *ret_text)
{
    sl_findings_clear(&look->findings);
    SL_TRY(find(look, text, channel, &look->findings));
    SL_TRY(find_instructions(look, text, channel));
    sl_verdict verdict = judge_findings(look, channel);
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

sl_res sl_ask_look_text(sl_ask_look *look, sl_view text, sl_channel channel, sl_view *ret_text)
{
    SL_TRY(look_text(look, text, channel, ret_text));
    return remember(look, *ret_text, channel);
}

/* What each text holds by itself and what they hold together; offsets in the joined text. */
static sl_res find_in_row(sl_ask_look *look, const sl_view *texts, size_t n, sl_channel channel)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    sl_findings_clear(&look->findings);
    for (size_t i = 0; i < n; i++) {
        size_t start = look->joined.n;
        sl_findings_clear(&found);
        SL_TRY(find(look, texts[i], channel, &found));
        SL_TRY(sl_buf_add(&look->joined, texts[i]));
        for (size_t k = 0; k < found.n; k++) {
            found.items[k].start += start;
            found.items[k].end += start;
            SL_TRY(sl_findings_add(&look->findings, found.items[k]));
        }
    }
    SL_TRY(sl_seams_inspect(look->detect, look->scratch, texts, n, sl_buf_view(&look->joined),
                            channel, &look->findings));
    sl_findings_drop_nested(&look->findings);
    return find_instructions(look, sl_buf_view(&look->joined), channel);
}

/* The end of what is rewritten as one and reaches over `seam`, or `seam` itself. `*at` is the first
 * finding that may. */
static size_t seam_moved(const sl_findings *all, size_t seam, size_t *at)
{
    size_t end = seam;
    for (; *at < all->n && all->items[*at].start < end; ++*at) {
        const sl_finding *f = &all->items[*at];
        if (f->verdict == SL_VERDICT_TRANSFORM && f->end > end) {
            end = f->end;
        }
    }
    return end;
}

/* The joined text from `from` to `to`, rewritten; `*io_at` is the first finding in it. */
static sl_res rewrite_piece(sl_ask_look *look, size_t from, size_t to, size_t *io_at)
{
    SL_OWN(sl_findings, here, sl_findings_free) = { 0 };
    const sl_findings *all = &look->findings;
    for (; *io_at < all->n && all->items[*io_at].start < to; ++*io_at) {
        sl_finding f = all->items[*io_at];
        if (f.end <= to) { /* else it is allowed: nothing that acts reaches over a moved seam */
            f.start -= from;
            f.end -= from;
            SL_TRY(sl_findings_add(&here, f));
        }
    }
    size_t applied = 0;
    sl_view piece = sl_view_sub(sl_buf_view(&look->joined), from, to);
    SL_TRY(sl_transform_apply(piece, &here, look->pseudonyms, &look->rewritten, &applied));
    look->transforms += applied;
    return SL_DONE;
}

/* Each text's share of the joined text, between seams that were moved behind what reaches over. */
static sl_res rewrite_row(sl_ask_look *look, sl_view *texts, size_t n)
{
    size_t seam = 0;
    size_t from = 0;
    size_t looked = 0;
    size_t given = 0;
    sl_buf_clear(&look->rewritten);
    for (size_t i = 0; i < n; i++) {
        size_t before = look->rewritten.n;
        seam += texts[i].n;
        size_t to = seam_moved(&look->findings, seam > from ? seam : from, &looked);
        SL_TRY(rewrite_piece(look, from, to, &given));
        from = to;
        texts[i].n = look->rewritten.n - before;
    }
    const uint8_t *at = look->rewritten.p;
    for (size_t i = 0; i < n; i++) {
        texts[i].p = at;
        at = texts[i].n == 0 ? at : at + texts[i].n;
    }
    return SL_DONE;
}

sl_res sl_ask_look_row(sl_ask_look *look, sl_view *texts, const sl_view *tools, size_t n,
                       sl_channel channel)
{
    look->tool = tools[0];
    if (n == 1) {
        return sl_ask_look_text(look, texts[0], channel, &texts[0]);
    }
    sl_buf_clear(&look->joined);
    SL_TRY(find_in_row(look, texts, n, channel));
    sl_verdict verdict = judge_findings(look, channel);
    SL_NEED(verdict <= SL_VERDICT_TRANSFORM, SL_E_REFUSED);
    if (verdict != SL_VERDICT_ALLOW) {
        SL_TRY(rewrite_row(look, texts, n));
    }
    for (size_t i = 0; i < n; i++) {
        look->tool = tools[i];
        SL_TRY(remember(look, texts[i], channel));
    }
    return SL_DONE;
}

void sl_ask_look_drop_guesses(sl_findings *findings)
{
    size_t kept = 0;
    for (size_t i = 0; i < findings->n; i++) {
        const sl_finding *f = &findings->items[i];
        if (f->detector != SL_DETECTOR_PHI || f->rule != SL_NO_RULE) {
            findings->items[kept++] = *f;
        }
    }
    findings->n = kept;
}

sl_res sl_ask_look_fixed(sl_ask_look *look, sl_view text, sl_channel channel)
{
    sl_findings_clear(&look->findings);
    SL_TRY(find(look, text, channel, &look->findings));
    sl_ask_look_drop_guesses(&look->findings);
    SL_NEED(judge_findings(look, channel) == SL_VERDICT_ALLOW, SL_E_REFUSED);
    return remember(look, text, channel);
}

sl_res sl_ask_look_tool_changed(sl_ask_look *look, uint16_t score)
{
    sl_finding f = { .attribution = SL_NO_ATTRIBUTION,
                     .rule = SL_NO_RULE,
                     .policy_rule = SL_NO_RULE,
                     .score_permille = score,
                     .detector = SL_DETECTOR_FLOW,
                     .kind = SL_CLASS_TOOL_CHANGED,
                     .end = 1 };
    sl_findings_clear(&look->findings);
    SL_TRY(sl_findings_add(&look->findings, f));
    if (judge_findings(look, SL_CHANNEL_TOOL_DEFINITION) > SL_VERDICT_ALLOW) {
        return sl_fail_at(SL_E_REFUSED, "tool definition changed", SL_NOWHERE);
    }
    return SL_DONE;
}
