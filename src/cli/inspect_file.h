/* One file of `stoplog inspect`: which format it has, what the engines find in its records, and where
 * in the file that stands. Records are looked at with the names of their columns beside the values. */
#ifndef SL_CLI_INSPECT_FILE_H
#define SL_CLI_INSPECT_FILE_H

#include "detect/inspect.h"

/* What offsets of findings count: bytes of the file, or of the value where values have no place in the
 * file (SAS), or of the text that was taken out of it (PDF). */
typedef enum { SL_UNIT_FILE, SL_UNIT_VALUE, SL_UNIT_TEXT } sl_inspect_unit;

typedef struct {
    const sl_detect *detect;
    sl_scratch *scratch;
    sl_channel channel;
    const char *name; /* of the file, for its ending */
    bool progress;
} sl_inspect_job;

typedef struct {
    const char *format; /* static */
    sl_inspect_unit unit;
    bool records;   /* findings carry their place: sl_inspect_record, sl_inspect_column */
    bool as_text;   /* the file could not be read as its format and was looked at as text */
    bool rewritten; /* `text` below is what offsets count in (PDF), not the file */
    sl_buf text;
} sl_inspect_seen;

/* Of a finding in records: 0-based. Kept in the finding's attribution. */
uint64_t sl_inspect_record(const sl_finding *finding);
size_t sl_inspect_column(const sl_finding *finding);

/* Appends findings in order of start. Errors: of the readers where text is no way out (SAS, PDF), and
 * of the engines. The caller frees `ret_seen->text`. */
SL_MUST sl_res sl_inspect_file(const sl_inspect_job *job, sl_view bytes, sl_findings *findings,
                               sl_inspect_seen *ret_seen);

#endif
