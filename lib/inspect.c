/* The public inspection API (include/stoplog/inspect.h) over src/detect. Adapts only. */
#include "stoplog/inspect.h"

#include "base/limits.h"
#include "detect/policy.h"
#include "detect/transform.h"

#define EXPORT __attribute__((visibility("default")))

struct stoplog_inspector {
    sl_detect *detect;
    sl_scratch *scratch;
    sl_policy *policy;
};

struct stoplog_inspection {
    const stoplog_inspector *inspector;
    sl_findings findings;
    sl_verdict verdict;
};

static sl_res fill(stoplog_inspector *i, const char *yaml, size_t length)
{
    SL_TRY(yaml == NULL ? sl_policy_load_default(&i->policy)
                        : sl_policy_load(sl_view_of(yaml, length), &i->policy));
    SL_TRY(sl_detect_build_default(&i->detect));
    return sl_scratch_new(i->detect, &i->scratch);
}

EXPORT stoplog_inspector *stoplog_inspector_new(const char *policy_yaml, size_t length,
                                                const char **ret_why)
{
    stoplog_inspector *i = calloc(1, sizeof *i);
    sl_res r = i == NULL ? sl_fail(SL_E_MEMORY) : fill(i, policy_yaml, length);
    if (sl_ok(r)) {
        return i;
    }
    if (ret_why != NULL) {
        *ret_why = sl_res_text(r);
    }
    stoplog_inspector_free(i);
    return NULL;
}

EXPORT void stoplog_inspector_free(stoplog_inspector *inspector)
{
    if (inspector != NULL) {
        sl_scratch_free(inspector->scratch);
        sl_detect_free(inspector->detect);
        sl_policy_free(inspector->policy);
        free(inspector);
    }
}

EXPORT stoplog_inspection *stoplog_inspect(stoplog_inspector *inspector, const void *text,
                                           size_t length)
{
    stoplog_inspection *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    sl_policy_context context = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_DOCUMENT };
    r->inspector = inspector;
    if (!sl_ok(sl_detect_inspect(inspector->detect, inspector->scratch, sl_view_of(text, length),
                                 SL_CHANNEL_DOCUMENT, &r->findings))) {
        stoplog_inspection_free(r);
        return NULL;
    }
    r->verdict = sl_policy_judge(inspector->policy, &context, &r->findings, 0);
    return r;
}

EXPORT void stoplog_inspection_free(stoplog_inspection *inspection)
{
    if (inspection != NULL) {
        sl_findings_free(&inspection->findings);
        free(inspection);
    }
}

EXPORT const char *stoplog_verdict(const stoplog_inspection *inspection)
{
    return sl_verdict_name(inspection->verdict);
}

EXPORT size_t stoplog_finding_count(const stoplog_inspection *inspection)
{
    return inspection->findings.n;
}

EXPORT stoplog_finding stoplog_finding_get(const stoplog_inspection *inspection, size_t index)
{
    if (index >= inspection->findings.n) {
        return (stoplog_finding){ 0 };
    }
    const sl_finding *f = &inspection->findings.items[index];
    const sl_policy *policy = inspection->inspector->policy;
    return (stoplog_finding){ .detector = sl_detector_name((sl_detector)f->detector),
                              .kind = sl_class_name((sl_class)f->kind),
                              .view = sl_view_kind_name((sl_view_kind)f->view),
                              .verdict = sl_verdict_name((sl_verdict)f->verdict),
                              .rule = sl_policy_rule_id(policy, f->policy_rule),
                              .why = sl_policy_rule_why(policy, f->policy_rule),
                              .start = f->start,
                              .end = f->end,
                              .score_permille = f->score_permille };
}

static sl_res redact(const stoplog_inspection *r, sl_view text, sl_buf *out)
{
    size_t applied = 0;
    for (size_t i = 0; i < r->findings.n; i++) {
        sl_finding *f = &r->findings.items[i];
        if (f->verdict != SL_VERDICT_ALLOW) {
            f->verdict = SL_VERDICT_TRANSFORM;
            f->transform = SL_TRANSFORM_CLASS;
        }
    }
    SL_TRY(sl_transform_apply(text, &r->findings, NULL, out, &applied));
    return sl_buf_add_byte(out, 0);
}

EXPORT char *stoplog_redact(stoplog_inspector *inspector, const void *text, size_t length,
                            size_t *ret_length)
{
    stoplog_inspection *r = stoplog_inspect(inspector, text, length);
    if (r == NULL) {
        return NULL;
    }
    sl_buf out = { .max = length * 16 + SL_MIB };
    sl_res done = redact(r, sl_view_of(text, length), &out);
    stoplog_inspection_free(r);
    if (!sl_ok(done)) {
        sl_buf_free(&out);
        return NULL;
    }
    if (ret_length != NULL) {
        *ret_length = out.n - 1;
    }
    return (char *)out.p;
}
