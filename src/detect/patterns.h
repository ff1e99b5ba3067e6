/* Identifier and secret patterns: tables compiled into one Vectorscan automaton, matches proved by
 * check digits and context. The tables' columns are told in data/patterns/README.md. */
#ifndef SL_DETECT_PATTERNS_H
#define SL_DETECT_PATTERNS_H

#include "detect/finding.h"

typedef struct sl_patterns sl_patterns;
typedef struct sl_pattern_work sl_pattern_work; /* scratch of one thread */

SL_MUST sl_res sl_patterns_compile(const sl_view *tables, size_t count, sl_patterns **ret_patterns);
/* Tables and automaton as bytes, and back. SL_E_VERSION for another library or processor. */
SL_MUST sl_res sl_patterns_save(const sl_patterns *patterns, sl_buf *out);
SL_MUST sl_res sl_patterns_open(sl_view saved, sl_patterns **ret_patterns);
/* The same for usual processors at once, made when the program is built, because compiling takes
 * about a second; and what is meant for this processor out of it. SL_E_VERSION: compile instead. */
SL_MUST sl_res sl_patterns_save_for_all(const sl_view *tables, size_t count, sl_buf *out);
SL_MUST sl_res sl_patterns_open_for_this(sl_view saved, sl_patterns **ret_patterns);
/* One more owner; each owner frees. */
sl_patterns *sl_patterns_share(sl_patterns *patterns);
void sl_patterns_free(sl_patterns *patterns);
size_t sl_patterns_count(const sl_patterns *patterns);
const char *sl_pattern_name(const sl_patterns *patterns, uint16_t rule);

SL_MUST sl_res sl_pattern_work_new(const sl_patterns *patterns, sl_pattern_work **ret_work);
void sl_pattern_work_free(sl_pattern_work *work);

/* Appends the findings in `text` (already folded); offsets are those of `text`. */
SL_MUST sl_res sl_patterns_scan(const sl_patterns *patterns, sl_pattern_work *work, sl_view text,
                                sl_findings *findings);

/* Checks of secrets by the name used in tables (entropy, jwt, password), or NULL. */
typedef bool sl_secret_check_fn(sl_view value);
sl_secret_check_fn *sl_secret_check_by_name(sl_view name);
/* From a "BEGIN ... PRIVATE KEY" line at `start` to the end of its END line, or of the text. */
size_t sl_private_key_end(sl_view text, size_t start);

#endif
