/* Files that an artefact would have its loader open (ONNX external data): they must lie beside or below
 * it, be plain files with one name, and be as long as the artefact says. */
#ifndef SL_SUPPLY_SCAN_OUTSIDE_H
#define SL_SUPPLY_SCAN_OUTSIDE_H

#include "artefact/scan.h"

/* Checks what `result` says the file at `path` would open; adds scan.outside_* findings to it. */
void sl_scan_outside_check(const char *path, sl_scan_result *result);

#endif
