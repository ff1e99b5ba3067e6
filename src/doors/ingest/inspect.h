/* Looking into one file: encoding, format, profile, harvest. The file is read three times through
 * one descriptor; a digest taken each time shows whether it changed in between. Runs in the worker,
 * which holds no key and no network. */
#ifndef SL_DOORS_INGEST_INSPECT_H
#define SL_DOORS_INGEST_INSPECT_H

#include "artefact/scan.h"
#include "crypto/hash.h"
#include "detect/finding.h"
#include "doors/ingest/survey.h"

/* The text of a record, or a part of it; all of a file come twice: to be counted, then to be kept. */
typedef struct {
    sl_view text;
    bool keep;       /* the second time */
    bool continues;  /* what it follows on was of the same record or document */
    uint64_t offset; /* of the record in the file, and its bytes there */
    uint64_t length;
} sl_ingest_text;

/* A part of a record's text at most. */
#define SL_INGEST_TEXT_BYTES ((size_t)32768)

/* Who receives the identifiers, as they are found, and the texts (may be NULL); and by which names pickles
 * are judged. */
typedef struct {
    void *ctx;
    sl_res (*take)(void *ctx, sl_class kind, sl_view value, uint64_t record);
    sl_res (*text)(void *ctx, const sl_ingest_text *text);
    const sl_allow *allow; /* NULL: the pack that the program carries */
    bool headers;          /* names of columns and members are texts too */
    /* Where the bytes come from instead of a file: exactly `n` of them, inside of `bytes`. NULL: from the file. */
    sl_res (*read)(void *ctx, uint64_t offset, uint8_t *p, size_t n);
    uint64_t bytes;
} sl_ingest_taker;

enum { SL_INSPECTION_RULES = 8 };

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
    /* What the scan for artefacts said (models, archives, scripts in disguise). */
    sl_scan_class artefact;
    bool artefact_complete;
    sl_kind artefact_kind; /* SL_KIND_NONE: no format that it knows */
    uint64_t artefact_findings;
    /* Which rules it met and how often: those that weigh most. Unused ones have count 0. */
    struct {
        sl_rule rule;
        uint64_t count;
    } artefact_rules[SL_INSPECTION_RULES];
} sl_inspection;

/* What the door does with a file that the scan spoke of: refuses what is dangerous in any format, and
 * among artefacts what is malformed; holds the artefacts that the scan could not clear, also those of no
 * format that it knows. Rows and passages, whatever a spreadsheet makes of them, are for the survey. */
sl_verdict sl_ingest_judge(const sl_inspection *inspection);
/* Is it an artefact rather than data: a file without records, or text that is loaded, run or rendered
 * (source code, a notebook, a chat template, a model's description)? */
bool sl_ingest_is_artefact(const sl_inspection *inspection);

/* Reads the regular file `fd`. A file that is refused is not surveyed. `name`: its file name; `record_id`: a column's name or empty;
 * `report` (the object's `about`) is appended to. Errors: SL_E_LIMIT, SL_E_AGAIN with "file" (it
 * changed while it was read), SL_E_NOT_FOUND with "record id column", those of the readers. */
SL_MUST sl_res sl_ingest_inspect(int fd, sl_view name, sl_view record_id, sl_ingest_taker taker,
                                 sl_inspection *ret_inspection, sl_buf *report);

#endif
