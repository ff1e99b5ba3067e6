/* What the ingest process knows of the site, folded from leaves: the roll, which versions were
 * admitted under which digest, and which crossings have no outcome yet. Pure: it is a function of the
 * leaves, so that after a restart it is what it was. */
#ifndef SL_DOORS_INGEST_KNOWN_H
#define SL_DOORS_INGEST_KNOWN_H

#include "doors/protection.h"
#include "supply/register.h"
#include "vault/object.h"

#define SL_ADMITTED_MAX ((size_t)1 << 20)
#define SL_OPEN_CROSSINGS_MAX ((size_t)64)

typedef struct {
    sl_uid object;
    uint64_t version;
    uint64_t leaf_index;
    sl_digest digest; /* of the manifest */
} sl_admitted;

/* A crossing whose intent is in the ledger and whose outcome is not. */
typedef struct {
    sl_uid crossing;
    sl_uid object;
    sl_uid compartment;
    bool echoed; /* an index of its object's records was published */
} sl_open_crossing;

/* Operators approved that a compartment's roster is made anew. */
#define SL_ROSTER_APPROVALS_MAX ((size_t)8)
typedef struct {
    sl_name compartment;
    uint64_t leaf_index;
    bool used;
} sl_roster_approval;

typedef struct {
    sl_roll *roll;
    sl_register vendors; /* and which held artefacts operators let in */
    sl_admitted *admitted;
    size_t admitted_count;
    size_t admitted_cap;
    sl_open_crossing open[SL_OPEN_CROSSINGS_MAX];
    size_t open_count;
    sl_protected rosters; /* compartments that have a roster; sealed ones */
    sl_roster_approval approvals[SL_ROSTER_APPROVALS_MAX]; /* to rebuild a roster, the newest */
    size_t approvals_next;
    sl_protected
        echoes; /* compartments that have an index of their records; versions admitted with one */
} sl_ingest_known;

SL_MUST sl_res sl_ingest_known_init(sl_ingest_known *known);
void sl_ingest_known_free(sl_ingest_known *known);
uint64_t sl_ingest_known_next(const sl_ingest_known *known);
SL_MUST sl_res sl_ingest_known_leaf(sl_ingest_known *known, uint64_t index, sl_view leaf);

/* The leaf that admitted this version, or NULL: then nothing on the disk is to be believed. */
const sl_admitted *sl_ingest_known_find(const sl_ingest_known *known, const char *object,
                                        uint64_t version);
/* Does the ledger say that this compartment (its id) has a roster? */
bool sl_ingest_known_rostered(const sl_ingest_known *known, const char *compartment_id);
/* How many sealed rosters the ledger names for this compartment (its id). */
uint64_t sl_ingest_known_rosters(const sl_ingest_known *known, const char *compartment_id);
/* The newest approval to rebuild this compartment's roster that was not used; NULL if there is none. */
const sl_roster_approval *sl_ingest_known_approval(const sl_ingest_known *known,
                                                   const char *compartment);
/* Likewise an index of its records? */
bool sl_ingest_known_echoed(const sl_ingest_known *known, const char *compartment_id);
/* How many admitted versions of this compartment (its id) have a sealed index of their records. */
uint64_t sl_ingest_known_echoes(const sl_ingest_known *known, const char *compartment_id);
#endif
