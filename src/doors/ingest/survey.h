/* A survey: what a data file holds, learned in two passes over its records.
 * Profiling counts each column's values by shape; settling decides what each column is and which one
 * names the subject; harvesting counts identifiers by class and hands every identifier to whoever
 * builds the roster. Pure and bounded: columns are counted, values are not kept. The names of the
 * columns and the report stay inside the compartment (they are sealed with the object); only counts
 * leave it. */
#ifndef SL_DOORS_INGEST_SURVEY_H
#define SL_DOORS_INGEST_SURVEY_H

#include "artefact/record.h"
#include "detect/tagger.h"
#include "doors/ingest/classify.h"

/* Columns counted one by one; the paths of wide JSON beyond them are counted together. */
#define SL_SURVEY_COLUMNS_MAX ((size_t)4096)
/* Identifiers longer than this are told by their parts only. */
#define SL_IDENTIFIER_BYTES_MAX ((size_t)512)

typedef struct {
    char *name; /* owned, UTF-8; "" for text, surplus cells and the overflow */
    size_t position;
    uint64_t cells;
    uint64_t filled;
    uint64_t shapes[SL_SHAPE_COUNT];
    uint64_t identifiers; /* counted while harvesting */
    uint8_t ranks[256];   /* HyperLogLog registers: about 6 % error */
    sl_column_class is;   /* settled */
} sl_survey_column;

typedef struct {
    sl_survey_column *columns;
    size_t column_count;
    size_t column_cap;
    size_t *slots;  /* hash of name and position -> index + 1 */
    bool table;     /* columns are told by position too */
    size_t subject; /* index of the subject's column, SIZE_MAX: none */
    bool settled;
    uint64_t classes[SL_CLASS_COUNT]; /* identifiers by class */
    uint64_t identifiers;             /* handed to `take` */
    uint64_t subjects;                /* distinct, estimated */
    sl_res (*take)(void *ctx, sl_class kind, sl_view value, uint64_t record);
    void *take_ctx;
    struct sl_survey_people *people; /* NULL: names in running text are not looked for */
} sl_survey;

/* `take` may be NULL; it borrows the value. Free with sl_survey_free, also after a failure. */
SL_MUST sl_res sl_survey_init(sl_survey *survey, sl_format format,
                              sl_res (*take)(void *ctx, sl_class kind, sl_view value,
                                             uint64_t record),
                              void *take_ctx);
void sl_survey_free(sl_survey *survey);

/* From now on names of people in running text are identifiers too: whole names, and family names behind
 * a title. `tagger` is borrowed. */
SL_MUST sl_res sl_survey_names(sl_survey *survey, const sl_tagger *tagger);

/* First pass. */
sl_record_sink sl_survey_profile(sl_survey *survey);
/* `record_id`: the column that the caller says names the subject, or empty.
 * Errors: SL_E_NOT_FOUND (there is no such column). */
SL_MUST sl_res sl_survey_settle(sl_survey *survey, sl_view record_id);
/* Second pass over the same file. */
sl_record_sink sl_survey_harvest(sl_survey *survey);

uint64_t sl_survey_distinct(const sl_survey_column *column);

/* The report (the object's `about`): one JSON object. */
SL_MUST sl_res sl_survey_report(const sl_survey *survey, sl_format format, sl_encoding encoding,
                                const sl_reader_stats *stats, sl_buf *out);

#endif
