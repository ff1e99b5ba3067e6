/* Advisories (OSV schema) against packages, offline. Pure: one record of a feed at a time.
 *
 * A package is affected when its version is listed, or lies in a range of type ECOSYSTEM or SEMVER by the
 * ecosystem's own order; ranges of commits are not read. A version that cannot be ordered, or none, counts
 * as unknown and is told, never passed over. Withdrawn records say nothing.
 * Source: OSV schema 1.6, "evaluation".
 */
#ifndef SL_SUPPLY_ADVISORY_H
#define SL_SUPPLY_ADVISORY_H

#include "supply/package.h"

#define SL_ADVISORY_BYTES_MAX ((size_t)16 << 20)

typedef struct {
    sl_view id;        /* "PYSEC-2024-1"; what follows is empty where the record is silent */
    sl_view alias;     /* the first CVE among its aliases */
    sl_view summary;   /* or the beginning of its details */
    sl_view severity;  /* its database's word for it, or the CVSS vector */
    sl_view published; /* time of the record's first publication, or empty */
    sl_view fixed;     /* the lowest version above the package's that repairs it */
    bool unknown;      /* the version could not be compared */
} sl_advisory;

/* `package` is of the list that was matched; all views end with the call. */
typedef sl_res (*sl_advisory_found)(void *context, const sl_package *package,
                                    const sl_advisory *advisory);

/* Matches one record against a sorted list; `ret_modified` (at least 32 bytes) gets the record's time of
 * change to the second, or is empty. Errors: those of JSON, SL_E_MISSING_FIELD for a record without id, and what
 * `found` returns. */
SL_MUST sl_res sl_advisory_match(sl_view record, const sl_packages *packages,
                                 sl_advisory_found found, void *context, char ret_modified[32]);

#endif
