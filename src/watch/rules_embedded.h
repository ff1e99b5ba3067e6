/* The rules that the program carries: data/rules. */
#ifndef SL_WATCH_RULES_EMBEDDED_H
#define SL_WATCH_RULES_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_watch_rules[];
extern const size_t sl_watch_rules_count;

#endif
