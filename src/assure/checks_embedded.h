/* The checks that the program carries: data/checks. */
#ifndef SL_ASSURE_CHECKS_EMBEDDED_H
#define SL_ASSURE_CHECKS_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_assure_checks[];
extern const size_t sl_assure_checks_count;

#endif
