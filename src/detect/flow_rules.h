/* Flow rules as loaded. Internal to src/detect (flow.h). */
#ifndef SL_DETECT_FLOW_RULES_H
#define SL_DETECT_FLOW_RULES_H

#include "base/yaml.h"
#include "detect/flow.h"

#define SL_FLOW_WORDS_DEFAULT 5 /* in a row, where a rule says nothing */

typedef struct {
    const char *id;
    const char *why;
    uint32_t actions; /* bits of sl_flow_action */
    uint32_t values;  /* bits of sl_flow_value */
    uint8_t from;     /* SL_FLOW_UNTRUSTED, SL_FLOW_PROTECTED or both */
    uint8_t verdict;
    bool only_unasked;
    bool only_unconfirmed;
    int64_t words;
    sl_yaml_texts tools;
    sl_yaml_texts not_tools;
} sl_flow_rule;

struct sl_flow_rules {
    sl_arena arena;
    sl_flow_rule *items;
    size_t n;
    sl_yaml_texts trusted_tools;
    sl_yaml_texts tool_pins;
};

/* Does the name fit one of the patterns, without case? '*' stands for anything. */
bool sl_flow_fits_any(const sl_yaml_texts *patterns, sl_view name);

#endif
