/* Looking at texts on their way out (look.h). */
#include "doors/release/look.h"

/* What one text may hold back for the next: more than any value, and than the words by which a record is known. */
enum { OVERLAP_BYTES = 2048, TEXT_BYTES_MAX = 65536 };

sl_res sl_release_look_begin(const char *compartment, sl_view purpose, sl_release_protect protect,
                             void *context, sl_release_look *ret)
{
    *ret = (sl_release_look){ .purpose = purpose, .text.max = TEXT_BYTES_MAX };
    SL_TRY(sl_policy_load_default(&ret->policy));
    SL_TRY(sl_detect_build_default(&ret->set));
    SL_TRY(protect(context, compartment, ret->set));
    return sl_scratch_new(ret->set, &ret->scratch);
}

/* What lies in the overlap alone was counted with the text before. */
static void count(sl_release_look *look)
{
    for (size_t i = 0; i < look->findings.n; i++) {
        const sl_finding *f = &look->findings.items[i];
        if (f->end > look->overlap && f->verdict > SL_VERDICT_ALLOW && f->kind < SL_CLASS_COUNT) {
            look->classes[f->kind]++;
        }
    }
}

static sl_verdict judge(sl_release_look *look)
{
    sl_policy_context context = { SL_DOOR_RELEASE, SL_CHANNEL_DOCUMENT, look->purpose };
    sl_verdict verdict = sl_policy_judge(look->policy, &context, &look->findings, 0);
    look->verdict = verdict > look->verdict ? verdict : look->verdict;
    return verdict;
}

/* On a boundary of UTF-8, so that no character is read in halves. */
static void keep_end(sl_release_look *look)
{
    size_t from = look->text.n > OVERLAP_BYTES ? look->text.n - OVERLAP_BYTES : 0;
    while (from < look->text.n && (look->text.p[from] & 0xC0) == 0x80) {
        from++;
    }
    sl_buf_drop_front(&look->text, from);
    look->overlap = look->text.n;
}

sl_res sl_release_look_text(sl_release_look *look, sl_view text, bool continues)
{
    if (!continues) {
        sl_buf_clear(&look->text);
        look->overlap = 0;
    }
    SL_TRY(sl_buf_add(&look->text, text));
    sl_findings_clear(&look->findings);
    SL_TRY(sl_detect_inspect(look->set, look->scratch, sl_buf_view(&look->text),
                             SL_CHANNEL_DOCUMENT, &look->findings));
    (void)judge(look);
    count(look);
    look->texts++;
    keep_end(look);
    return SL_DONE;
}

sl_res sl_release_look_class(sl_release_look *look, sl_class kind, uint64_t count_found)
{
    sl_finding f = { .end = 1,
                     .attribution = SL_NO_ATTRIBUTION,
                     .rule = SL_NO_RULE,
                     .policy_rule = SL_NO_RULE,
                     .score_permille = 1000,
                     .detector = SL_DETECTOR_PHI,
                     .kind = (uint8_t)kind };
    if (count_found == 0) {
        return SL_DONE;
    }
    sl_findings_clear(&look->findings);
    SL_TRY(sl_findings_add(&look->findings, f));
    uint64_t *known = &look->classes[kind];
    if (judge(look) > SL_VERDICT_ALLOW && *known < count_found) {
        *known = count_found;
    }
    return SL_DONE;
}

void sl_release_look_free(sl_release_look *look)
{
    sl_scratch_free(look->scratch);
    sl_detect_free(look->set);
    sl_policy_free(look->policy);
    sl_findings_free(&look->findings);
    if (look->text.p != NULL) {
        memset(look->text.p, 0, look->text.cap);
    }
    sl_buf_free(&look->text);
    *look = (sl_release_look){ 0 };
}
