/* A table in memory and its two outward forms: CSV (RFC 4180) and SAS transport, version 5 (SAS
 * Technical Support TS-140). Cells are text or numbers; text lives in the trial's arena. Pure. */
#ifndef TRIAL_TABLE_H
#define TRIAL_TABLE_H

#include "base/arena.h"
#include "base/limits.h"

#define TABLE_COLUMNS_MAX 24

typedef struct {
    const char *name;  /* at most 8 characters, upper case, when written as SAS transport */
    const char *label; /* at most 40 characters */
    bool numeric;
} table_column;

typedef struct {
    sl_view text;  /* empty: missing */
    double number; /* NaN: missing */
} table_cell;

typedef struct {
    const char *name;  /* at most 8 characters */
    const char *label; /* at most 40 characters */
    const table_column *columns;
    size_t column_count;
    table_cell *cells; /* row by row */
    size_t row_count;
    size_t row_capacity;
    size_t at; /* the next cell of the row being written */
} table;

/* Begins a row; then one call per column in order. A row left short is filled with missing cells. */
SL_MUST sl_res table_row(table *t);
SL_MUST sl_res table_text(table *t, sl_arena *arena, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_number(table *t, double number);
void table_free(table *t);

SL_MUST sl_res table_write_csv(const table *t, sl_buf *out);
/* Text is cut at no point: a column is as wide as its longest cell (at most 200, else SL_E_LIMIT). */
SL_MUST sl_res table_write_xpt(const table *t, sl_buf *out);
/* IBM System/360 double of an IEEE double, big-endian; NaN becomes SAS's missing value. Values beyond
 * its range: SL_E_RANGE. */
SL_MUST sl_res table_ibm_double(double value, uint8_t ret_bytes[8]);

#endif
