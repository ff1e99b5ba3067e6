/* Conditions of the check language: comparisons over the fields of a leaf, with three truth values.
 * What cannot be known (a field that is not there, a parameter that is not set) is `unknown` and
 * never turns a check green. Compiled to a short postfix program, so that nothing recurses. Pure. */
#ifndef SL_ASSURE_CONDITION_H
#define SL_ASSURE_CONDITION_H

#include "base/arena.h"

typedef enum {
    SL_TRUTH_FALSE,
    SL_TRUTH_TRUE,
    SL_TRUTH_UNKNOWN,
} sl_truth;

typedef enum {
    SL_VALUE_UNKNOWN, /* a name that nothing answers */
    SL_VALUE_NULL,
    SL_VALUE_BOOL,
    SL_VALUE_NUMBER,
    SL_VALUE_TEXT,
} sl_value_kind;

typedef struct {
    sl_value_kind kind;
    bool boolean;  /* with SL_VALUE_NULL: the word `null` itself, not a field that is not there */
    double number; /* leaves hold integers up to 2^53: exact */
    sl_view text;  /* borrowed */
} sl_value;

/* Answers names while a condition runs. `scope` 0: a bare field of the leaf ("ok"); else the name is
 * "scope.name" ("policy.max_records", "c.state"). Missing fields of a leaf are NULL. */
typedef struct {
    sl_value (*look_up)(void *context, sl_view scope, sl_view name);
    void *context;
    double now_s; /* what `now` means, seconds since 1970 */
} sl_names;

typedef struct sl_condition sl_condition;

/* Limits of one condition: experts write them, but files may be hostile. */
#define SL_CONDITION_OPS_MAX ((size_t)64)
#define SL_CONDITION_STACK_MAX ((size_t)16)

/* Parses `text` from `*at` until a word of `ends` (or the end) that stands outside parentheses; moves
 * `*at` there. Grammar: or/and/not, = != < <= > >= , IN (..), NOT IN (..), IN policy.words, + - * /, abs(), quoted
 * 'text', numbers, durations (90s, 15m, 8h, 30d; in seconds), true, false, null, now, names. With
 * `bare_words` a name without a dot on the right of a comparison is a literal text.
 * SL_E_SYNTAX with the offset; SL_E_LIMIT. The condition lives in `arena` and borrows `text`. */
SL_MUST sl_res sl_condition_parse(sl_view text, size_t *at, const char *const *ends,
                                  size_t ends_count, bool bare_words, sl_arena *arena,
                                  const sl_condition **ret_condition);
sl_truth sl_condition_test(const sl_condition *condition, const sl_names *names);

/* Durations as written in queries: digits and one of ms s m h d. SL_E_SYNTAX. */
SL_MUST sl_res sl_duration_parse(sl_view text, int64_t *ret_ms);

#endif
