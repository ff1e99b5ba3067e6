/* Data files that the program carries (tools/embed.py makes the arrays at build time), so that it
 * works without an installation. Static, read-only. */
#ifndef SL_BASE_EMBEDDED_H
#define SL_BASE_EMBEDDED_H

#include "base/bytes.h"

typedef struct {
    const char *name; /* of the file, without its folder */
    const uint8_t *bytes;
    size_t n;
} sl_embedded_file;

#endif
