/* data/allow (names, signature, keys) as the build put it into the program; used by allow_pack.c alone. */
#ifndef SL_ARTEFACT_ALLOW_EMBEDDED_H
#define SL_ARTEFACT_ALLOW_EMBEDDED_H

#include "base/embedded.h"

extern const sl_embedded_file sl_allow_embedded[];
extern const size_t sl_allow_embedded_count;

#endif
