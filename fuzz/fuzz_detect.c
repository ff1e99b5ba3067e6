/* Every engine, the policy and the streams on hostile text. Findings lie inside the text and on
 * characters; a rewritten text is made; P2 holds: a split taken from the input gives the same released
 * text, verdict and cut as the text in one piece. The first byte chooses the split. */
#include <assert.h>

#include "base/utf8.h"
#include "detect/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sl_detect *detect;
static sl_scratch *scratch;
static sl_policy *policy;

static void prepare(void)
{
    if (detect == NULL) {
        bool ready = sl_ok(sl_detect_build_default(&detect)) &&
                     sl_ok(sl_scratch_new(detect, &scratch)) &&
                     sl_ok(sl_policy_load_default(&policy));
        assert(ready);
    }
}

static void check_whole(sl_view text)
{
    static const uint8_t KEY[32] = { 3 };
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = text.n * 20 + 4096 };
    sl_policy_context context = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_USER };
    sl_pseudonyms *map = NULL;
    size_t applied = 0;
    sl_res r = sl_detect_inspect(detect, scratch, text, SL_CHANNEL_USER, &all);
    assert(sl_ok(r));
    bool valid = sl_utf8_check(text) == text.n;
    for (size_t i = 0; i < all.n; i++) {
        const sl_finding *f = &all.items[i];
        assert(f->start < f->end && f->end <= text.n);
        assert(!valid || (sl_utf8_boundary(text, f->start) && sl_utf8_boundary(text, f->end)));
    }
    (void)sl_policy_judge(policy, &context, &all, 0);
    r = sl_pseudonyms_new(KEY, detect, (size_t)1 << 20, &map);
    assert(sl_ok(r));
    r = sl_transform_apply(text, &all, map, &out, &applied);
    assert(sl_ok(r) || sl_is(r, SL_E_LIMIT));
    sl_pseudonyms_free(map);
}

static sl_stream_report stream(sl_view text, uint8_t split, sl_buf *out)
{
    sl_stream_options options = { .detect = detect,
                                  .scratch = scratch,
                                  .policy = policy,
                                  .context = { .door = SL_DOOR_ASK,
                                               .channel = SL_CHANNEL_ANSWER } };
    sl_stream *s = NULL;
    uint32_t x = split;
    sl_res r = sl_stream_new(&options, &s);
    assert(sl_ok(r));
    for (size_t at = 0; at < text.n;) {
        x = x * 1664525U + 1013904223U;
        size_t n = split == 0 ? text.n : 1 + (x >> 24) % (1 + split % 64U);
        n = n < text.n - at ? n : text.n - at;
        r = sl_stream_feed(s, sl_view_sub(text, at, at + n), out);
        assert(sl_ok(r));
        at += n;
    }
    r = sl_stream_finish(s, out);
    assert(sl_ok(r));
    sl_stream_report report = *sl_stream_report_get(s);
    sl_stream_free(s);
    return report;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    if (size < 2) {
        return 0;
    }
    sl_view text = sl_view_of(data + 1, size - 1);
    SL_OWN(sl_buf, one, sl_buf_free) = { .max = size * 20 + 4096 };
    SL_OWN(sl_buf, other, sl_buf_free) = { .max = size * 20 + 4096 };
    check_whole(text);
    sl_stream_report a = stream(text, 0, &one);
    sl_stream_report b = stream(text, data[0] == 0 ? 1 : data[0], &other);
    assert(sl_view_eq(sl_buf_view(&one), sl_buf_view(&other)));
    assert(a.verdict == b.verdict && a.cut_offset == b.cut_offset);
    assert(a.bytes_released == b.bytes_released && a.bytes_too_late == b.bytes_too_late);
    assert(a.verdict != SL_VERDICT_CUT || a.cut_offset == a.bytes_released);
    return 0;
}
