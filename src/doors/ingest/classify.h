/* What a column holds, told by its name and by the shapes of its values. Pure.
 * Names are a convention, values are evidence: a known name decides at once, an unknown column is
 * decided by what at least four in five of its values look like. It must err on the side of calling
 * something an identifier: what is missed here is not in the roster. */
#ifndef SL_DOORS_INGEST_CLASSIFY_H
#define SL_DOORS_INGEST_CLASSIFY_H

#include "artefact/record.h"
#include "detect/finding.h"

/* Shapes of a single value; counted per column. */
typedef enum {
    SL_SHAPE_DATE, /* 2014-01-02T11:45, 02JAN2014, 1/2/2014 */
    SL_SHAPE_SSN,  /* 999-17-5017 */
    SL_SHAPE_MAIL,
    SL_SHAPE_PHONE, /* with a separator or a plus; plain digits are a number */
    SL_SHAPE_UUID,
    SL_SHAPE_SUBJECT, /* groups of digits with dashes, one of them a word at most: CDISC01-701-1015 */
    SL_SHAPE_NUMBER,
    SL_SHAPE_WORDS, /* four words or more: free text */
    SL_SHAPE_PLACE, /* ends in Hospital, Clinic, Inc ...: an organisation, not a person */
    SL_SHAPE_OTHER,
    SL_SHAPE_COUNT
} sl_shape;

sl_shape sl_shape_of(sl_view value);

/* What part a column plays for a record. */
typedef enum {
    SL_ROLE_NONE,
    SL_ROLE_GIVEN, /* given name: joined with the family name into a whole name */
    SL_ROLE_FAMILY,
    SL_ROLE_SUBJECT, /* names the subject of the record */
    SL_ROLE_ID,      /* "id" of its own table: the subject's if the table describes persons */
    SL_ROLE_AGE
} sl_column_role;

typedef struct {
    bool known;      /* the name is in the table */
    bool identifier; /* its values belong into the roster */
    sl_class kind;
    sl_column_role role;
    uint8_t rank; /* among subject columns the smallest wins */
} sl_column_class;

/* By name alone: a table's column or a JSON path ("Patient.name.family"). */
sl_column_class sl_classify_name(sl_view name);
/* By name and values: `shapes` counts the column's values, `filled` is their sum. */
sl_column_class sl_classify_column(sl_view name, const uint64_t shapes[SL_SHAPE_COUNT],
                                   uint64_t filled);

#endif
