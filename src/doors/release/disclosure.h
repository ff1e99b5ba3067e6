/* Disclosure control of tables on their way out: no count of people below the smallest that the site lets out. A column
 * is one of counts when its name says so; zero and what is no number are no cell of it. Pure: rows come in as text, one
 * line for each cell. It must never pass a row that it could not read for one without small cells.
 * What it does not do: dominance, differencing, counts that the reader can work out from totals. */
#ifndef SL_DOORS_RELEASE_DISCLOSURE_H
#define SL_DOORS_RELEASE_DISCLOSURE_H

#include "detect/finding.h"

enum { SL_DISCLOSURE_COLUMNS_MAX = 1024 };

typedef struct {
    uint64_t min_cell; /* 0: the site has no rule */
    bool table;        /* the names of columns were seen */
    size_t columns;
    bool counts[SL_DISCLOSURE_COLUMNS_MAX];
    uint64_t cells;  /* counts that were read */
    uint64_t small;  /* of those, below min_cell and not 0 */
    uint64_t unread; /* rows that do not have the columns of the table */
} sl_disclosure;

/* The names of the columns, each with its line. More than SL_DISCLOSURE_COLUMNS_MAX: every row counts as unread. */
void sl_disclosure_header(sl_disclosure *d, sl_view names);
/* A row, likewise; before the names it is none of a table. */
void sl_disclosure_row(sl_disclosure *d, sl_view cells);
/* A row that came in parts. */
void sl_disclosure_unread(sl_disclosure *d);
/* SL_VERDICT_REFUSE: a cell is too small; SL_VERDICT_HOLD: a person has to look at what was not read;
 * SL_VERDICT_ALLOW. */
sl_verdict sl_disclosure_verdict(const sl_disclosure *d);

/* For tests: does a column of this name hold counts? */
bool sl_disclosure_is_count(sl_view name);

#endif
