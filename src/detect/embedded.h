/* Data files that the program carries (written by tools/embed.py at build time). */
#ifndef SL_DETECT_EMBEDDED_H
#define SL_DETECT_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_embedded[];
extern const size_t sl_embedded_count;

#endif
