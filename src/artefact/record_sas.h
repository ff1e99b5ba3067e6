/* Records of SAS files (XPT version 5 and 8, SAS7BDAT) through libreadstat.
 * That library is large and parses hostile bytes: call this only in a confined worker that holds no
 * key and no network. Strings are UTF-8 or, where they are not, Windows-1252; numbers come as text,
 * dates and times by their SAS format in ISO 8601. Cells have no place in the file (SL_CELL_DERIVED):
 * the record's number and the column are their place. */
#ifndef SL_ARTEFACT_RECORD_SAS_H
#define SL_ARTEFACT_RECORD_SAS_H

#include "artefact/record.h"

/* The file: any byte at any time. `read_at` gives fewer bytes than asked only at the end. */
typedef struct {
    void *ctx;
    uint64_t bytes;
    sl_res (*read_at)(void *ctx, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n);
} sl_record_source;

/* Reads the whole file. Errors: SL_E_SYNTAX (malformed), SL_E_TRUNCATED, SL_E_UNSUPPORTED,
 * SL_E_LIMIT, and what the source or the sink returned. `ret_stats` may be NULL. */
SL_MUST sl_res sl_sas_read(sl_format format, const sl_record_source *source, sl_record_sink sink,
                           sl_reader_stats *ret_stats);

#endif
