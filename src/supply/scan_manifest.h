/* Scanning exactly what is about to be signed: every file of a manifest, in confined workers. */
#ifndef SL_SUPPLY_SCAN_MANIFEST_H
#define SL_SUPPLY_SCAN_MANIFEST_H

#include "supply/manifest.h"
#include "supply/scan_output.h"

/* Told of every file that is not clean. `result` is borrowed. */
typedef void (*sl_scan_unclean)(void *context, sl_view path, const sl_scan_result *result);

/* Scans the model at `path` and compares what the scan hashed with the digests of `files` (sorted).
 * Errors: SL_E_INTEGRITY when a file is not what the manifest says (it changed in between), those of the
 * pool. */
SL_MUST sl_res sl_scan_manifest(const char *path, const sl_manifest *files, const sl_allow *allow,
                                sl_scan_unclean unclean, void *context, sl_scan_totals *ret_totals);

#endif
