/* From findings to a verdict by readable rules.
 * A rule names what it is about (detector, class, group, channel, door, purpose, score, count) and
 * what follows; for each finding the first rule that fits decides; the strongest verdict of all
 * findings is the crossing's. A finding that no rule fits is refused. YAML schema: data/policies. */
#ifndef SL_DETECT_POLICY_H
#define SL_DETECT_POLICY_H

#include "base/valve.h" /* sl_door and its names */
#include "detect/finding.h"

typedef struct sl_policy sl_policy;

/* What a rule may ask about besides the finding. */
typedef struct {
    sl_door door;
    sl_channel channel;
    sl_view purpose; /* of the grant; borrowed */
} sl_policy_context;

/* From YAML (strict: an unknown member or name is SL_E_UNKNOWN_FIELD at its line). */
SL_MUST sl_res sl_policy_load(sl_view yaml, sl_policy **ret_policy);
/* The one that the program carries (data/policies/default.yml). */
SL_MUST sl_res sl_policy_load_default(sl_policy **ret_policy);
void sl_policy_free(sl_policy *policy);

/* Sets verdict, transform and policy_rule of every finding from `from` on and returns the strongest
 * verdict of those (ALLOW when there is none). Pure; does not fail. */
sl_verdict sl_policy_judge(const sl_policy *policy, const sl_policy_context *context,
                           sl_findings *findings, size_t from);

/* The rule's id and reason as written in the policy; "default" for SL_NO_RULE. */
const char *sl_policy_rule_id(const sl_policy *policy, uint16_t rule);
const char *sl_policy_rule_why(const sl_policy *policy, uint16_t rule);
size_t sl_policy_rule_count(const sl_policy *policy);
/* A rule in words ("class date, phone; channel answer; then transform with mask"), or as a JSON
 * object. */
SL_MUST sl_res sl_policy_describe(const sl_policy *policy, uint16_t rule, bool json, sl_buf *out);
/* One finding explained in a line of JSON without its text: rule, span, class, score, why. */
SL_MUST sl_res sl_policy_explain(const sl_policy *policy, const sl_finding *finding, sl_buf *out);

#endif
