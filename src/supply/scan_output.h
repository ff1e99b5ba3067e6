/* A scan's results as JSON lines (ARCHITECTURE section 6), as SARIF 2.1.0 (OASIS), and as an in-toto
 * statement with a Simple Verification Result, svr/v0.2. Writers into buffers: no I/O. Paths that are not
 * UTF-8 are shown with their odd bytes percent-encoded. */
#ifndef SL_SUPPLY_SCAN_OUTPUT_H
#define SL_SUPPLY_SCAN_OUTPUT_H

#include "artefact/scan.h"

/* One object, without a newline. */
SL_MUST sl_res sl_scan_json_line(sl_view path, const sl_scan_result *result, sl_buf *out);

typedef struct {
    uint64_t files;
    uint64_t bytes;
    uint64_t incomplete;
    uint64_t classes[SL_SCAN_CLASS_COUNT];
} sl_scan_totals;

void sl_scan_total(sl_scan_totals *totals, const sl_scan_result *result);
SL_MUST sl_res sl_scan_json_summary(const sl_scan_totals *totals, const sl_allow *allow,
                                    sl_buf *out);

/* A SARIF log: begin once, add each file, end once. Results of class CLEAN are not in it. */
SL_MUST sl_res sl_scan_sarif_begin(sl_buf *out, const char *version);
SL_MUST sl_res sl_scan_sarif_add(sl_view path, const sl_scan_result *result, bool *first,
                                 sl_buf *out);
SL_MUST sl_res sl_scan_sarif_end(const sl_allow *allow, bool all_read, sl_buf *out);

/* The statement's parts likewise: subjects first, then the verdict over all. */
SL_MUST sl_res sl_scan_svr_begin(sl_buf *out);
SL_MUST sl_res sl_scan_svr_add(sl_view path, const sl_scan_result *result, bool *first,
                               sl_buf *out);
SL_MUST sl_res sl_scan_svr_end(const sl_scan_totals *totals, const sl_allow *allow,
                               const char *version, const char *time, sl_buf *out);

#endif
