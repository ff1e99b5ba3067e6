/* Stands in for src/detect in the door's own tests, so that each verdict can be called up by a
 * word: MASKME is rewritten, REFUSEME refuses, CUTME cuts a stream, ALICE gets the surrogate BOBBY
 * and gets it back. Detection itself is tested in tests/detect; the two together in test_streams.c.
 * A stream holds back HOLD bytes and every word not yet complete. */
#include "doors/ask/look.h"

#include <stdlib.h>
#include <string.h>

#include "detect/stream.h"

enum { HOLD = 12 };

struct sl_pseudonyms {
    bool used;
};

struct sl_stream {
    sl_stream_options options;
    sl_stream_report report;
    sl_buf text;
    size_t given;
};

typedef struct {
    const char *word;
    const char *instead;
    sl_verdict verdict;
} needle;

static const needle needles[] = {
    { "MASKME", "[NAME]", SL_VERDICT_TRANSFORM },
    { "REFUSEME", "", SL_VERDICT_REFUSE },
    { "CUTME", "", SL_VERDICT_CUT },
    { "ALICE", "BOBBY", SL_VERDICT_TRANSFORM },
};

sl_res sl_findings_add(sl_findings *all, sl_finding one)
{
    if (all->n == all->cap) {
        size_t cap = all->cap == 0 ? 8 : all->cap * 2;
        sl_finding *items = realloc(all->items, cap * sizeof *items);
        SL_NEED(items != NULL, SL_E_MEMORY);
        all->items = items;
        all->cap = cap;
    }
    all->items[all->n++] = one;
    return SL_DONE;
}

static int by_start(const void *left, const void *right)
{
    const sl_finding *a = left;
    const sl_finding *b = right;
    bool longer = a->start == b->start && a->end > b->end;
    return a->start < b->start || longer ? -1 : a->start > b->start || a->end != b->end;
}

void sl_findings_sort(sl_findings *all)
{
    if (all->n > 1) {
        qsort(all->items, all->n, sizeof *all->items, by_start);
    }
}

void sl_findings_drop_nested(sl_findings *all)
{
    size_t kept = 0;
    size_t end = 0;
    sl_findings_sort(all);
    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i].end > end) {
            end = all->items[i].end;
            all->items[kept++] = all->items[i];
        }
    }
    all->n = kept;
}

void sl_findings_free(sl_findings *all)
{
    free(all->items);
    *all = (sl_findings){ 0 };
}

static const needle *needle_at(sl_view text, size_t at)
{
    for (size_t i = 0; i < SL_COUNT_OF(needles); i++) {
        if (sl_view_starts(sl_view_sub(text, at, text.n), sl_view_str(needles[i].word))) {
            return &needles[i];
        }
    }
    return NULL;
}

sl_res sl_detect_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                         sl_channel channel, sl_findings *findings)
{
    (void)detect;
    (void)scratch;
    (void)channel;
    for (size_t at = 0; at < text.n; at++) {
        const needle *n = needle_at(text, at);
        if (n != NULL) {
            sl_finding f = { .start = at,
                             .end = at + strlen(n->word),
                             .kind = SL_CLASS_NAME,
                             .verdict = (uint8_t)n->verdict,
                             .policy_rule = SL_NO_RULE };
            SL_TRY(sl_findings_add(findings, f));
        }
    }
    return SL_DONE;
}

bool sl_inject_channel_for(sl_channel channel, sl_inject_channel *ret_channel)
{
    (void)channel;
    (void)ret_channel;
    return false;
}

sl_res sl_inject_scan(const sl_inject *inject, sl_inject_work *work, sl_view text,
                      sl_findings *findings)
{
    (void)inject;
    (void)work;
    (void)text;
    (void)findings;
    return SL_DONE;
}

sl_res sl_scratch_inject(sl_scratch *scratch, const sl_inject *inject, sl_inject_work *work,
                         sl_view text, sl_findings *findings)
{
    (void)scratch;
    return sl_inject_scan(inject, work, text, findings);
}

void sl_scratch_scope(sl_scratch *scratch, sl_view who)
{
    (void)scratch;
    (void)who;
}

/* No test of this stand-in gives the site flow rules. */
sl_res sl_flow_new(const sl_flow_rules *rules, sl_flow **ret_flow)
{
    (void)rules;
    *ret_flow = NULL;
    return SL_DONE;
}

size_t sl_flow_tool_pin_count(const sl_flow_rules *rules)
{
    (void)rules;
    return 0;
}

sl_view sl_flow_tool_pin(const sl_flow_rules *rules, size_t i)
{
    (void)rules;
    (void)i;
    return (sl_view){ 0 };
}

void sl_flow_free(sl_flow *flow)
{
    (void)flow;
}

sl_res sl_flow_take(sl_flow *flow, sl_channel channel, uint32_t message, sl_view tool, sl_view text)
{
    (void)flow;
    (void)channel;
    (void)message;
    (void)tool;
    (void)text;
    return SL_DONE;
}

sl_res sl_flow_call(const sl_flow *flow, sl_view tool, const sl_json_doc *arguments,
                    sl_flow_findings *findings)
{
    (void)flow;
    (void)tool;
    (void)arguments;
    (void)findings;
    return SL_DONE;
}

sl_res sl_flow_answer(const sl_flow *flow, sl_view text, const sl_findings *known,
                      sl_flow_findings *findings, size_t *ret_open)
{
    (void)flow;
    (void)text;
    (void)known;
    (void)findings;
    (void)ret_open;
    return sl_fail(SL_E_BUG);
}

sl_finding sl_flow_as_finding(const sl_flow_finding *finding)
{
    (void)finding;
    return (sl_finding){ 0 };
}

const char *sl_flow_rule_of(const sl_flow *flow, uint16_t rule)
{
    (void)flow;
    (void)rule;
    return "none";
}

sl_verdict sl_policy_judge(const sl_policy *policy, const sl_policy_context *context,
                           sl_findings *findings, size_t from)
{
    (void)policy;
    (void)context;
    sl_verdict strongest = SL_VERDICT_ALLOW;
    for (size_t i = from; i < findings->n; i++) {
        if (findings->items[i].verdict > strongest) {
            strongest = (sl_verdict)findings->items[i].verdict;
        }
    }
    return strongest;
}

const char *sl_policy_rule_id(const sl_policy *policy, uint16_t rule)
{
    (void)policy;
    (void)rule;
    return "default";
}

sl_res sl_transform_apply(sl_view text, const sl_findings *findings, sl_pseudonyms *map,
                          sl_buf *out, size_t *ret_applied)
{
    size_t at = 0;
    for (size_t i = 0; i < findings->n; i++) {
        const sl_finding *f = &findings->items[i];
        SL_TRY(sl_buf_add(out, sl_view_sub(text, at, f->start)));
        SL_TRY(sl_buf_add_str(out, needle_at(text, f->start)->instead));
        map->used = true;
        at = f->end;
    }
    *ret_applied = findings->n;
    return sl_buf_add(out, sl_view_sub(text, at, text.n));
}

sl_res sl_pseudonyms_new(const uint8_t key[32], const sl_detect *detect, size_t bytes_max,
                         sl_pseudonyms **ret_map)
{
    (void)key;
    (void)detect;
    (void)bytes_max;
    *ret_map = calloc(1, sizeof **ret_map);
    return *ret_map == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_pseudonyms_free(sl_pseudonyms *map)
{
    free(map);
}

sl_res sl_stream_new(const sl_stream_options *options, sl_stream **ret_stream)
{
    sl_stream *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->options = *options;
    s->text.max = (size_t)1 << 24;
    s->report.cut_offset = UINT64_MAX;
    s->report.rewritten_at = UINT64_MAX;
    *ret_stream = s;
    return SL_DONE;
}

void sl_stream_free(sl_stream *s)
{
    if (s != NULL) {
        sl_buf_free(&s->text);
        free(s);
    }
}

static void note_rewriting(sl_stream *s)
{
    s->report.rewritten_at = s->given < s->report.rewritten_at ? s->given : s->report.rewritten_at;
}

/* Releases up to `frontier`, rewriting on the way; a needle is never split because every needle is
 * shorter than HOLD. */
static sl_res release(sl_stream *s, size_t frontier, sl_buf *out)
{
    sl_view text = sl_buf_view(&s->text);
    while (s->given < frontier && s->report.verdict != SL_VERDICT_CUT) {
        const needle *n = needle_at(text, s->given);
        bool surrogate = n == NULL && s->options.restore &&
                         sl_view_starts(sl_view_sub(text, s->given, text.n), SL_LIT("BOBBY"));
        if (surrogate) {
            note_rewriting(s);
            SL_TRY(sl_buf_add_str(out, "ALICE"));
            s->given += 5;
            s->report.restored++;
        } else if (n != NULL && n->verdict == SL_VERDICT_TRANSFORM) {
            note_rewriting(s);
            SL_TRY(sl_buf_add_str(out, n->instead));
            s->given += strlen(n->word);
            s->report.transforms++;
            s->report.verdict = SL_VERDICT_TRANSFORM;
        } else if (n != NULL) {
            s->report.verdict = SL_VERDICT_CUT;
            s->report.cut_offset = s->given;
        } else {
            SL_TRY(sl_buf_add_byte(out, text.p[s->given++]));
        }
        s->report.bytes_released = s->given;
    }
    return SL_DONE;
}

sl_res sl_stream_feed(sl_stream *s, sl_view piece, sl_buf *released)
{
    s->report.bytes_seen += piece.n;
    SL_TRY(sl_buf_add(&s->text, piece));
    return s->text.n <= HOLD ? SL_DONE : release(s, s->text.n - HOLD, released);
}

sl_res sl_stream_finish(sl_stream *s, sl_buf *released)
{
    return release(s, s->text.n, released);
}

sl_res sl_stream_note(sl_stream *s, sl_finding finding)
{
    (void)s;
    (void)finding;
    return SL_DONE;
}

sl_view sl_stream_tail(const sl_stream *s, uint64_t *ret_base)
{
    *ret_base = s->given;
    return sl_view_sub(sl_buf_view(&s->text), s->given, s->text.n);
}

const sl_stream_report *sl_stream_report_get(const sl_stream *s)
{
    return &s->report;
}

const char *sl_class_name(sl_class kind)
{
    return kind == SL_CLASS_NAME ? "name" : "other";
}

const char *sl_verdict_name(sl_verdict verdict)
{
    static const char *const names[] = { "allow", "transform", "hold", "refuse", "cut" };
    return names[verdict];
}

const char *sl_detector_name(sl_detector detector)
{
    (void)detector;
    return "phi";
}
