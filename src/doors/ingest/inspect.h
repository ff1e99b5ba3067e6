/* Looking into one file: encoding, format, profile, harvest. The file is read three times through
 * one descriptor; a digest taken each time shows whether it changed in between. Runs in the worker,
 * which holds no key and no network. */
#ifndef SL_DOORS_INGEST_INSPECT_H
#define SL_DOORS_INGEST_INSPECT_H

#include "crypto/hash.h"
#include "doors/ingest/survey.h"

/* Who receives the identifiers, as they are found. */
typedef struct {
    void *ctx;
    sl_res (*take)(void *ctx, sl_class kind, sl_view value, uint64_t record);
} sl_ingest_taker;

/* What the door learns. */
typedef struct {
    sl_format format;
    sl_encoding encoding;
    uint64_t bytes;
    uint64_t records;
    uint64_t subjects;
    uint64_t identifiers;
    uint64_t classes[SL_CLASS_COUNT];
    sl_digest digest; /* of the plaintext; for comparing, never for leaves */
} sl_inspection;

/* Reads the regular file `fd`. `name`: its file name; `record_id`: a column's name or empty;
 * `report` (the object's `about`) is appended to. Errors: SL_E_LIMIT, SL_E_AGAIN with "file" (it
 * changed while it was read), SL_E_NOT_FOUND with "record id column", those of the readers. */
SL_MUST sl_res sl_ingest_inspect(int fd, sl_view name, sl_view record_id, sl_ingest_taker taker,
                                 sl_inspection *ret_inspection, sl_buf *report);

#endif
