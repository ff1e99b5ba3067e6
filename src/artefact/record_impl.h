/* Inside the readers: what record.c offers to one file per format. Not for other modules. */
#ifndef SL_ARTEFACT_RECORD_IMPL_H
#define SL_ARTEFACT_RECORD_IMPL_H

#include "artefact/record.h"
#include "base/arena.h"
#include "base/limits.h"

/* A format: takes one record from the front of `pending`. Sets `*ret_used` to the bytes that it
 * consumed, 0 when it needs more (only if !last). `reader->offset` is the offset of pending.p[0]. */
typedef sl_res (*sl_reader_step)(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);

struct sl_reader {
    sl_reader_options options;
    sl_record_sink sink;
    sl_reader_step step;
    sl_reader_stats stats;
    sl_res failed; /* the first error, kept */
    sl_buf pending;
    uint64_t offset;
    size_t scan;    /* bytes at the front of pending that the step has already looked at */
    int scan_state; /* the step's state at `scan` */
    sl_buf decoded; /* values that differ from their bytes */
    sl_cell *cells; /* of the record at hand */
    size_t cell_count;
    size_t cell_cap;
    sl_buf names; /* column names, as UTF-8, end to end */
    sl_view *columns;
    size_t column_count;
    bool begun;         /* the header has been seen */
    bool mark_passed;   /* a byte order mark is behind us, or there is none */
    sl_arena arena;     /* paths of one JSON record */
    sl_buf path;        /* of the JSON leaf at hand */
    sl_buf id;          /* of the FHIR resource at hand */
    uint64_t resources; /* FHIR resources seen */
    uint64_t document;  /* number of the text document at hand */
    uint64_t passage;
};

sl_res sl_reader_step_csv(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);
sl_res sl_reader_step_text(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);
sl_res sl_reader_step_binary(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);
sl_res sl_reader_step_ndjson(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);
sl_res sl_reader_step_json(sl_reader *reader, sl_view pending, bool last, size_t *ret_used);

/* One more cell of the record at hand. */
SL_MUST sl_res sl_reader_add_cell(sl_reader *reader, const sl_cell *cell);
/* Makes `cell->value` from `cell->raw`. Room for the decoded record must have been reserved by
 * sl_reader_begin, so that views stay where they are. */
SL_MUST sl_res sl_reader_decode(sl_reader *reader, sl_cell *cell);
/* Empties cells and decoded bytes, and reserves for a record of `n` bytes. */
SL_MUST sl_res sl_reader_begin(sl_reader *reader, size_t n);
/* Gives the cells at hand to the sink; the record's cells are filled in here. */
SL_MUST sl_res sl_reader_emit(sl_reader *reader, sl_record record);
/* Gives the cells at hand to the sink as what stands before the records. */
SL_MUST sl_res sl_reader_emit_header(sl_reader *reader);
/* Keeps the names of columns; NULL: they are called "1", "2", ... */
SL_MUST sl_res sl_reader_keep_columns(sl_reader *reader, const sl_view *names, size_t count);

#endif
