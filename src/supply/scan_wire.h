/* How a scan's result travels from a worker to its parent: the worker may have been taken over by what it
 * parsed, so everything is bounded and checked when it is read, and nothing in it is believed beyond
 * what it is: that worker's word about that one file. */
#ifndef SL_SUPPLY_SCAN_WIRE_H
#define SL_SUPPLY_SCAN_WIRE_H

#include "artefact/scan.h"

#define SL_SCAN_WIRE_BYTES_MAX ((size_t)4 << 20)

/* Appends a frame: u32 length, then the result. SL_E_LIMIT. */
SL_MUST sl_res sl_scan_wire_put(const sl_scan_result *result, sl_buf *out);
/* Reads one frame's inside. SL_E_SYNTAX for anything that no honest worker writes. */
SL_MUST sl_res sl_scan_wire_get(sl_view frame, sl_scan_result *ret_result);

#endif
