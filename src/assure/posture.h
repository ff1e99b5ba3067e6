/* What the checks say at one moment, and the pages and documents made of it: for a reader (Markdown, HTML) and for
 * other tools (OSCAL 1.2.1 assessment results). Pure: bytes in, bytes out; nothing is claimed that no leaf shows.
 * OSCAL: https://pages.nist.gov/OSCAL/ ; its states are only `satisfied` and `not-satisfied`, so that
 * `unknown` is not-satisfied with the reason `other`, and counts against us there too. */
#ifndef SL_ASSURE_POSTURE_H
#define SL_ASSURE_POSTURE_H

#include "assure/catalogue.h"
#include "crypto/hash.h"

typedef struct {
    const sl_catalogue *catalogue;
    const sl_answer *answers; /* one for each check */
    sl_view origin;           /* of the ledger */
    uint64_t size;            /* leaves that were read and proved */
    sl_digest root;
    int64_t now_ms;
    const char *receipts; /* folder of receipts beside the page, for its links; NULL: none */
    sl_view drills;       /* a table in Markdown, or empty */
} sl_posture;

/* One page: the figures, what fails, what is unknown, every check with its evidence. */
SL_MUST sl_res sl_posture_markdown(const sl_posture *p, sl_buf *out);
/* The same as one HTML page without scripts or links to elsewhere. */
SL_MUST sl_res sl_posture_html(const sl_posture *p, sl_buf *out);
/* OSCAL assessment-results, JSON. The same posture gives the same bytes. */
SL_MUST sl_res sl_posture_oscal(const sl_posture *p, sl_buf *out);

/* How many checks are in each state. */
void sl_posture_totals(const sl_posture *p, size_t ret_totals[4]);

#endif
