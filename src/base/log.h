/* The operator's log: one line a fact on stderr, for people (text) or machines (JSON).
 * Messages and field names are literals of ours; values are numbers, our own names and random ids.
 * Nothing taken from a request, a record or an answer may be passed here (law 3). */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include "base/res.h"

typedef enum {
    SL_LOG_DEBUG,
    SL_LOG_INFO,
    SL_LOG_WARN,
    SL_LOG_ERROR,
} sl_log_level;

/* `part` names the process in each line; a literal. Default level: SL_LOG_INFO, text form. */
void sl_log_setup(const char *part, sl_log_level least, bool json);
void sl_log(sl_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The result's text, place and remedy behind `what`. */
void sl_log_res(sl_log_level level, const char *what, sl_res r);

#endif
