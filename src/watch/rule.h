/* Sigma rules over leaves: what a person writes in data/rules, read strictly and matched without
 * allocation. Source: Sigma specification 2.1 (sigmahq.io), cut to what leaves need:
 *
 *   title, id, status, description, author, date, tags, level, falsepositives, logsource, detection
 *   detection: named selections and a condition (and, or, not, parentheses, "1 of NAME*", "all of
 *   NAME*", "1 of them", "all of them")
 *   a selection: a map of FIELD or FIELD|MODIFIER to a value or a list of values (any of them); a list
 *   of such maps (any of them)
 *   modifiers: contains, startswith, endswith, all, exists, lt, lte, gt, gte; '*' and '?' in values
 *
 * Everything else (regular expressions, encodings, placeholders) is an error with its line: a rule
 * that is read wrongly is worse than one that is refused. Fields are those of the leaf (`type`, `by`,
 * `principal`, `door`... and the event's own). Text is compared without case, as Sigma wants it. */
#ifndef SL_WATCH_RULE_H
#define SL_WATCH_RULE_H

#include "base/arena.h"
#include "base/json.h"

typedef enum {
    SL_LEVEL_INFORMATIONAL,
    SL_LEVEL_LOW,
    SL_LEVEL_MEDIUM,
    SL_LEVEL_HIGH,
    SL_LEVEL_CRITICAL,
} sl_level;

const char *sl_level_name(sl_level level);

typedef struct sl_rule sl_rule;

#define SL_RULE_SELECTIONS_MAX ((size_t)16)
#define SL_RULE_TERMS_MAX ((size_t)128)

/* Reads one rule; it lives in `arena` and copies what it keeps. The detail's offset is a line. */
SL_MUST sl_res sl_rule_read(sl_view yaml, sl_arena *arena, const sl_rule **ret_rule);
sl_view sl_rule_id(const sl_rule *rule);
sl_view sl_rule_title(const sl_rule *rule);
sl_level sl_rule_level(const sl_rule *rule);
bool sl_rule_matches(const sl_rule *rule, const sl_json_doc *leaf);

#endif
