/* The drills that the program carries: data/drills. */
#ifndef SL_DRILL_DRILLS_EMBEDDED_H
#define SL_DRILL_DRILLS_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_drill_drills[];
extern const size_t sl_drill_drills_count;

#endif
