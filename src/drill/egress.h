/* The ways out that the probe tries (respond/egress_ways.def), one at a time. Nothing is sent to anybody: an address that
 * answers would be an accident, and a file that could be made is removed again. */
#ifndef SL_DRILL_EGRESS_H
#define SL_DRILL_EGRESS_H

#include <stdbool.h>

#include "respond/probe_link.h"

/* Is the way open to this process? */
bool sl_egress_open(sl_egress_way way);

#endif
