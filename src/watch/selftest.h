/* The watch tries itself: for each scenario a leaf as an attack would leave it is given to a watch of its own with
 * the same rules, and the signal must come. It shows that the rules in force still see what they are there
 * for; that leaves reach the watch is shown by its account of them. Pure: time is an argument. */
#ifndef SL_WATCH_SELFTEST_H
#define SL_WATCH_SELFTEST_H

#include "watch/watch.h"

enum { SL_SELFTEST_SCENARIOS = 4 };

/* The scenario's name; `at` below SL_SELFTEST_SCENARIOS. */
const char *sl_watch_selftest_name(size_t at);
/* `load` puts the rules in force into the watch it is given. `ret_seen`: the signal came. */
SL_MUST sl_res sl_watch_selftest(size_t at, sl_res (*load)(sl_watch *watch), bool *ret_seen);

#endif
