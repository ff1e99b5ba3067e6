/* Names of classes, channels, verdicts ... and the list of findings.
 * The words are those of ARCHITECTURE section 1; nothing here looks at text. */
#include "detect/finding.h"

#include <assert.h>

/* 32 bytes each: more in one string is a flood, not a text. */
#define FINDINGS_MAX ((size_t)1 << 20)

static const char *const CLASS_NAMES[SL_CLASS_COUNT] = {
#define X(name, text, group) [SL_CLASS_##name] = (text),
#include "detect/classes.def"
#undef X
};

static const uint8_t CLASS_GROUPS[SL_CLASS_COUNT] = {
#define X(name, text, group) [SL_CLASS_##name] = SL_GROUP_##group,
#include "detect/classes.def"
#undef X
};

static const char *const GROUP_NAMES[SL_GROUP_COUNT] = {
    [SL_GROUP_PHI] = "phi",
    [SL_GROUP_CONTACT] = "contact",
    [SL_GROUP_TRIAL] = "trial",
    [SL_GROUP_NATIONAL] = "national",
    [SL_GROUP_DEVICE] = "device",
    [SL_GROUP_MONEY] = "money",
    [SL_GROUP_SECRET] = "secret",
    [SL_GROUP_LINK] = "link",
    [SL_GROUP_HIDDEN] = "hidden",
    [SL_GROUP_PROTECTED] = "protected",
    [SL_GROUP_INSTRUCTION] = "instruction",
};

static const char *const DETECTOR_NAMES[SL_DETECTOR_COUNT] = {
    [SL_DETECTOR_PHI] = "phi",
    [SL_DETECTOR_ROSTER] = "roster",
    [SL_DETECTOR_CANARY] = "canary",
    [SL_DETECTOR_SECRET] = "secret",
    [SL_DETECTOR_EXFIL] = "exfil",
    [SL_DETECTOR_FOLD] = "fold",
    [SL_DETECTOR_INJECT] = "inject",
    [SL_DETECTOR_ECHO] = "echo",
    [SL_DETECTOR_PSEUDONYM] = "pseudonym",
    [SL_DETECTOR_FLOW] = "flow",
};

static const char *const CHANNEL_NAMES[SL_CHANNEL_COUNT] = {
    [SL_CHANNEL_SYSTEM] = "system",           [SL_CHANNEL_USER] = "user",
    [SL_CHANNEL_ASSISTANT] = "assistant",     [SL_CHANNEL_TOOL_DEFINITION] = "tool_definition",
    [SL_CHANNEL_TOOL_RESULT] = "tool_result", [SL_CHANNEL_METADATA] = "metadata",
    [SL_CHANNEL_ANSWER] = "answer",           [SL_CHANNEL_TOOL_ARGUMENTS] = "tool_arguments",
    [SL_CHANNEL_REASONING] = "reasoning",     [SL_CHANNEL_REFUSAL] = "refusal",
    [SL_CHANNEL_DOCUMENT] = "document",
};

static const char *const VIEW_NAMES[SL_VIEW_COUNT] = {
    [SL_VIEW_PLAIN] = "plain",       [SL_VIEW_FOLDED] = "folded",   [SL_VIEW_HIDDEN] = "hidden",
    [SL_VIEW_BASE64] = "base64",     [SL_VIEW_BASE32] = "base32",   [SL_VIEW_HEX] = "hex",
    [SL_VIEW_PERCENT] = "percent",   [SL_VIEW_ENTITY] = "entity",   [SL_VIEW_ESCAPE] = "escape",
    [SL_VIEW_BINARY] = "binary",     [SL_VIEW_ROTATED] = "rotated", [SL_VIEW_ATBASH] = "atbash",
    [SL_VIEW_REVERSED] = "reversed", [SL_VIEW_LEET] = "leet",
};

static const char *const VERDICT_NAMES[SL_VERDICT_COUNT] = {
    [SL_VERDICT_ALLOW] = "allow", [SL_VERDICT_TRANSFORM] = "transform",
    [SL_VERDICT_HOLD] = "hold",   [SL_VERDICT_REFUSE] = "refuse",
    [SL_VERDICT_CUT] = "cut",
};

static const char *const TRANSFORM_NAMES[SL_TRANSFORM_COUNT] = {
    [SL_TRANSFORM_NONE] = "none",
    [SL_TRANSFORM_MASK] = "mask",
    [SL_TRANSFORM_CLASS] = "class",
    [SL_TRANSFORM_PSEUDONYM] = "pseudonym",
    [SL_TRANSFORM_GENERALISE] = "generalise",
    [SL_TRANSFORM_REMOVE] = "remove",
    [SL_TRANSFORM_RESTORE] = "restore",
};

static bool name_index(const char *const *names, size_t count, sl_view name, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_eq_str(name, names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

#define NAMED(type, function, by_function, table, count)                                           \
    const char *function(type value)                                                               \
    {                                                                                              \
        return (size_t)value < (size_t)(count) ? (table)[value] : "unknown";                       \
    }                                                                                              \
    bool by_function(sl_view name, type *ret)                                                      \
    {                                                                                              \
        size_t at = 0;                                                                             \
        if (!name_index((table), (count), name, &at)) {                                            \
            return false;                                                                          \
        }                                                                                          \
        *ret = (type)at;                                                                           \
        return true;                                                                               \
    }

NAMED(sl_class, sl_class_name, sl_class_by_name, CLASS_NAMES, SL_CLASS_COUNT)
NAMED(sl_group, sl_group_name, sl_group_by_name, GROUP_NAMES, SL_GROUP_COUNT)
NAMED(sl_detector, sl_detector_name, sl_detector_by_name, DETECTOR_NAMES, SL_DETECTOR_COUNT)
NAMED(sl_channel, sl_channel_name, sl_channel_by_name, CHANNEL_NAMES, SL_CHANNEL_COUNT)
NAMED(sl_verdict, sl_verdict_name, sl_verdict_by_name, VERDICT_NAMES, SL_VERDICT_COUNT)
NAMED(sl_transform, sl_transform_name, sl_transform_by_name, TRANSFORM_NAMES, SL_TRANSFORM_COUNT)
NAMED(sl_view_kind, sl_view_kind_name, sl_view_kind_by_name, VIEW_NAMES, SL_VIEW_COUNT)

sl_group sl_class_group(sl_class kind)
{
    assert(kind < SL_CLASS_COUNT);
    return (sl_group)CLASS_GROUPS[kind];
}

sl_res sl_findings_add(sl_findings *all, sl_finding one)
{
    size_t max = all->max != 0 ? all->max : FINDINGS_MAX;
    SL_NEED(all->n < max, SL_E_LIMIT);
    if (all->n == all->cap) {
        size_t cap = all->cap < 16 ? 32 : all->cap * 2;
        sl_finding *items = realloc(all->items, cap * sizeof *items);
        SL_NEED(items != NULL, SL_E_MEMORY);
        all->items = items;
        all->cap = cap;
    }
    all->items[all->n++] = one;
    return SL_DONE;
}

static int finding_order(const void *a, const void *b)
{
    const sl_finding *x = a;
    const sl_finding *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end > y->end ? -1 : 1;
    }
    if (x->detector != y->detector) {
        return x->detector < y->detector ? -1 : 1;
    }
    if (x->score_permille != y->score_permille) {
        return x->score_permille > y->score_permille ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->rule != y->rule) {
        return x->rule < y->rule ? -1 : 1;
    }
    return x->view < y->view ? -1 : (x->view > y->view ? 1 : 0);
}

void sl_findings_sort(sl_findings *all)
{
    if (all->n > 1) {
        qsort(all->items, all->n, sizeof *all->items, finding_order);
    }
}

void sl_findings_drop_nested(sl_findings *all)
{
    size_t ends[SL_DETECTOR_COUNT][SL_CLASS_COUNT] = { 0 };
    size_t kept = 0;
    sl_findings_sort(all);
    for (size_t i = 0; i < all->n; i++) {
        sl_finding f = all->items[i];
        size_t *end = &ends[f.detector % SL_DETECTOR_COUNT][f.kind % SL_CLASS_COUNT];
        if (f.end > *end) {
            *end = f.end;
            all->items[kept++] = f;
        }
    }
    all->n = kept;
}

void sl_findings_free(sl_findings *all)
{
    free(all->items);
    *all = (sl_findings){ .max = all->max };
}
