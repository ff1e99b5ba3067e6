/* Sigma correlations over leaves: many matches of rules, seen together. Source: Sigma correlation rules specification 2
 * (sigmahq.io), cut to what leaves need:
 *
 *   title, id, status, description, author, date, tags, level, falsepositives, correlation
 *   correlation: type (event_count, value_count, temporal, temporal_ordered), rules (ids of rules or of other
 *   correlations), group-by (fields), timespan, condition (gt or gte; value_count: field), generate
 *
 * Without `generate: true` the rules that it names say nothing alone; those of level informational never do. Other conditions, aliases and statistics of
 * values are errors with their line. Memory is bounded: so many groups at a time, so many moments of each; when there
 * is no room the group that was quiet longest gives way and it is told. Pure: time is that of the leaves. */
#ifndef SL_WATCH_CORRELATION_H
#define SL_WATCH_CORRELATION_H

#include "watch/rule.h"

#define SL_CORRELATIONS_MAX ((size_t)64)
#define SL_CORRELATION_RULES_MAX ((size_t)8)
#define SL_CORRELATION_FIELDS_MAX ((size_t)4)
#define SL_CORRELATION_COUNT_MAX ((uint64_t)256)
#define SL_CORRELATION_GROUPS_MAX ((size_t)2048)

typedef enum {
    SL_CORRELATE_EVENTS, /* so many matches */
    SL_CORRELATE_VALUES, /* so many values of a field among the matches */
    SL_CORRELATE_ALL,    /* each of the rules, in any order */
    SL_CORRELATE_ORDER,  /* each of the rules, one after the other */
} sl_correlation_kind;

typedef struct {
    sl_view id;
    sl_view title;
    sl_level level;
    sl_correlation_kind kind;
    sl_view rules[SL_CORRELATION_RULES_MAX];
    size_t rule_count;
    sl_view group_by[SL_CORRELATION_FIELDS_MAX];
    size_t group_count;
    sl_view field; /* whose values count */
    int64_t timespan_ms;
    uint64_t least; /* matches or values */
    bool generate;  /* its rules speak for themselves too */
} sl_correlation;

/* Is this file a correlation, and not a rule over single leaves? */
bool sl_correlation_is(sl_view yaml);
/* Reads one; texts live in `arena`. The detail's offset is a line. */
SL_MUST sl_res sl_correlation_read(sl_view yaml, sl_arena *arena, sl_correlation *ret);

/* What is remembered of the groups of all correlations. */
typedef struct sl_correlator sl_correlator;

SL_MUST sl_res sl_correlator_new(sl_correlator **ret_correlator);
void sl_correlator_free(sl_correlator *correlator);

/* A match of the correlation's rule number `rule` by this leaf. True when with it the correlation holds; its group then
 * begins anew. `number` tells correlations apart. `*ret_crowded` is set when a living group had to give way. */
bool sl_correlator_match(sl_correlator *correlator, size_t number,
                         const sl_correlation *correlation, size_t rule, const sl_json_doc *leaf,
                         int64_t time_ms, bool *ret_crowded);

/* Is the field one that its groups are told apart by? */
bool sl_correlation_groups_by(const sl_correlation *correlation, const char *field);

#endif
