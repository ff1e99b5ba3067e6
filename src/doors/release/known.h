/* What the release process knows of the site, folded from leaves: the roll with its releases, what the scanners
 * said of each, and which crossings have no end yet. Pure: a function of the leaves, so that after a restart it is
 * what it was. */
#ifndef SL_DOORS_RELEASE_KNOWN_H
#define SL_DOORS_RELEASE_KNOWN_H

#include "detect/finding.h"
#include "doors/protection.h"
#include "vault/roll.h"

/* What leaves say of one release besides its state. */
typedef struct {
    sl_uid id;
    bool taken_up; /* its intent is in the ledger */
    uint64_t bytes;
    sl_name format;
    sl_name scan;                     /* class of the scan for artefacts */
    uint64_t scan_findings;           /* of that scan */
    sl_name verdict;                  /* the strongest */
    uint64_t classes[SL_CLASS_COUNT]; /* in its texts */
    sl_name outcome;                  /* the last one told; empty: none */
    sl_name reason;
} sl_release_facts;

typedef struct {
    sl_roll *roll;
    sl_release_facts *facts; /* as many as the roll has releases, about */
    size_t count;
    size_t cap;
    sl_protected rosters; /* compartments that have a roster */
    sl_protected echoes;  /* compartments that have an index of their records */
} sl_release_known;

SL_MUST sl_res sl_release_known_init(sl_release_known *known);
void sl_release_known_free(sl_release_known *known);
uint64_t sl_release_known_next(const sl_release_known *known);
SL_MUST sl_res sl_release_known_leaf(sl_release_known *known, uint64_t index, sl_view leaf);
/* NULL: nothing was told of it. */
const sl_release_facts *sl_release_known_facts(const sl_release_known *known, const char *id);
/* Does the ledger say that this compartment (its id) has a roster, an index of its records? */
bool sl_release_known_rostered(const sl_release_known *known, const char *compartment_id);
bool sl_release_known_echoed(const sl_release_known *known, const char *compartment_id);

#endif
