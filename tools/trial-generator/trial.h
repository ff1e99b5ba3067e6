/* A synthetic trial: one seeded story per subject from which all tables and texts are told, so that a
 * blood pressure in a visit note is the one in VS, an event in a narrative the one in AE, and a dose
 * reduced for it the one in EX. Pure: the same seed and count give the same bytes. */
#ifndef TRIAL_TRIAL_H
#define TRIAL_TRIAL_H

#include "people.h"
#include "table.h"

#define TRIAL_SUBJECTS_MAX 5000
#define TRIAL_COMPOUNDS 120

typedef struct {
    sl_view path; /* below the output folder */
    sl_view text;
} trial_document;

typedef struct {
    sl_arena arena;
    table dm, ae, lb, vs, cm, ex; /* SDTM-like, written as CSV and SAS transport */
    table contacts;               /* who the subjects are: the sites' enrolment log */
    table compounds;              /* structures and potencies of the series */
    trial_document *documents;    /* visit notes and narratives */
    size_t document_count;
    size_t document_capacity;
} trial;

/* Free with trial_free, also after a failure. */
SL_MUST sl_res trial_make(trial *t, size_t subjects, uint64_t seed);
void trial_free(trial *t);

/* Fills the compound table with structures made by a small grammar over scaffolds and substituents;
 * every SMILES is well formed by construction. */
SL_MUST sl_res trial_make_compounds(trial *t, sl_prng *prng, size_t count);

#endif
