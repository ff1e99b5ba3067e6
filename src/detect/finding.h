/* What detectors say: the words shared by engines, policy, transforms and doors.
 * Offsets are bytes of the original text, half open, on UTF-8 boundaries (of well formed text).
 * A finding never holds a byte of the text it speaks of. Design: ARCHITECTURE section 1. */
#ifndef SL_DETECT_FINDING_H
#define SL_DETECT_FINDING_H

#include "base/bytes.h"

typedef enum {
#define X(name, text, group) SL_CLASS_##name,
#include "detect/classes.def"
#undef X
    SL_CLASS_COUNT
} sl_class;

typedef enum {
    SL_GROUP_PHI,
    SL_GROUP_CONTACT,
    SL_GROUP_TRIAL,
    SL_GROUP_NATIONAL,
    SL_GROUP_DEVICE,
    SL_GROUP_MONEY,
    SL_GROUP_SECRET,
    SL_GROUP_LINK,
    SL_GROUP_HIDDEN,
    SL_GROUP_PROTECTED,
    SL_GROUP_INSTRUCTION,
    SL_GROUP_COUNT
} sl_group;

/* Which engine spoke. `pseudonym` marks this crossing's own surrogates, so that they are neither
 * findings to act on nor left unrestored. */
typedef enum {
    SL_DETECTOR_PHI,
    SL_DETECTOR_ROSTER,
    SL_DETECTOR_CANARY,
    SL_DETECTOR_SECRET,
    SL_DETECTOR_EXFIL,
    SL_DETECTOR_FOLD,
    SL_DETECTOR_INJECT,
    SL_DETECTOR_ECHO,
    SL_DETECTOR_PSEUDONYM,
    SL_DETECTOR_FLOW, /* where arguments came from (flow.h) */
    SL_DETECTOR_COUNT
} sl_detector;

/* Where a string stands in the conversation: rules and models differ by it. */
typedef enum {
    SL_CHANNEL_SYSTEM,
    SL_CHANNEL_USER,
    SL_CHANNEL_ASSISTANT, /* earlier answers that the client sends back */
    SL_CHANNEL_TOOL_DEFINITION,
    SL_CHANNEL_TOOL_RESULT,
    SL_CHANNEL_METADATA, /* `user`, `metadata`, names, schemas */
    SL_CHANNEL_ANSWER,
    SL_CHANNEL_TOOL_ARGUMENTS,
    SL_CHANNEL_REASONING,
    SL_CHANNEL_REFUSAL,
    SL_CHANNEL_DOCUMENT, /* files: ingest, release, `stoplog inspect` */
    SL_CHANNEL_COUNT
} sl_channel;

/* The form of the text in which it was found. */
typedef enum {
    SL_VIEW_PLAIN,
    SL_VIEW_FOLDED, /* homoglyphs, invisible characters, spaced letters ... undone */
    SL_VIEW_HIDDEN, /* tag characters, variation selectors, zero-width bits */
    SL_VIEW_BASE64,
    SL_VIEW_BASE32,
    SL_VIEW_HEX,
    SL_VIEW_PERCENT,
    SL_VIEW_ENTITY,
    SL_VIEW_ESCAPE,
    SL_VIEW_BINARY,
    SL_VIEW_ROTATED,
    SL_VIEW_ATBASH,
    SL_VIEW_REVERSED,
    SL_VIEW_LEET,
    SL_VIEW_COUNT
} sl_view_kind;

/* What to do, weakest first: the strongest of all findings is the crossing's verdict. */
typedef enum {
    SL_VERDICT_ALLOW,
    SL_VERDICT_TRANSFORM,
    SL_VERDICT_HOLD,
    SL_VERDICT_REFUSE,
    SL_VERDICT_CUT,
    SL_VERDICT_COUNT
} sl_verdict;

typedef enum {
    SL_TRANSFORM_NONE,
    SL_TRANSFORM_MASK,  /* one '*' for each character */
    SL_TRANSFORM_CLASS, /* "[DATE]" */
    SL_TRANSFORM_PSEUDONYM,
    SL_TRANSFORM_GENERALISE, /* ZIP3, age 90+, year of a date; else as class */
    SL_TRANSFORM_REMOVE,
    SL_TRANSFORM_RESTORE, /* a surrogate of this conversation back to its original */
    SL_TRANSFORM_COUNT
} sl_transform;

#define SL_NO_RULE UINT16_MAX
#define SL_NO_ATTRIBUTION UINT64_MAX

typedef struct {
    size_t start;            /* bytes of the original */
    size_t end;              /* exclusive, > start */
    uint64_t attribution;    /* slot of the record, or SL_NO_ATTRIBUTION */
    uint16_t rule;           /* pattern that matched (sl_detect_rule_name), or SL_NO_RULE */
    uint16_t score_permille; /* 0..1000 */
    uint16_t policy_rule;    /* set by sl_policy_judge (sl_policy_rule_id), or SL_NO_RULE */
    uint8_t detector;        /* sl_detector */
    uint8_t kind;            /* sl_class */
    uint8_t view;            /* sl_view_kind */
    uint8_t verdict;         /* sl_verdict; set by sl_policy_judge */
    uint8_t transform;       /* sl_transform; set by sl_policy_judge */
} sl_finding;

/* Findings in order of start, then longest first. Owned by the caller; sl_findings_free. */
typedef struct {
    sl_finding *items;
    size_t n;
    size_t cap;
    size_t max; /* adding past it: SL_E_LIMIT; 0 means about a million */
} sl_findings;

SL_MUST sl_res sl_findings_add(sl_findings *all, sl_finding one);
void sl_findings_sort(sl_findings *all);
/* Sorts, and drops every finding that lies inside another one of the same detector and class. */
void sl_findings_drop_nested(sl_findings *all);
static inline void sl_findings_clear(sl_findings *all)
{
    all->n = 0;
}
void sl_findings_free(sl_findings *all);

/* Names as they stand in policies, leaves and output; static strings. */
const char *sl_class_name(sl_class kind);
sl_group sl_class_group(sl_class kind);
const char *sl_group_name(sl_group group);
const char *sl_detector_name(sl_detector detector);
const char *sl_channel_name(sl_channel channel);
const char *sl_view_kind_name(sl_view_kind kind);
const char *sl_verdict_name(sl_verdict verdict);
const char *sl_transform_name(sl_transform transform);
/* The reverse; *ret is untouched and false returned where the name is not known. */
bool sl_class_by_name(sl_view name, sl_class *ret);
bool sl_group_by_name(sl_view name, sl_group *ret);
bool sl_detector_by_name(sl_view name, sl_detector *ret);
bool sl_channel_by_name(sl_view name, sl_channel *ret);
bool sl_verdict_by_name(sl_view name, sl_verdict *ret);
bool sl_transform_by_name(sl_view name, sl_transform *ret);
bool sl_view_kind_by_name(sl_view name, sl_view_kind *ret);

#endif
