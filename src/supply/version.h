/* Version numbers in the order of their own ecosystem: which of two is newer. Pure.
 *
 * PyPI: PEP 440 (epoch, release, pre, post, dev, local). npm and crates.io: Semantic Versioning 2.0.0.
 * CRAN and Bioconductor: numbers between dots and dashes. Debian: deb-version(7).
 */
#ifndef SL_SUPPLY_VERSION_H
#define SL_SUPPLY_VERSION_H

#include "base/bytes.h"
#include "base/res.h"

typedef enum {
    SL_ECOSYSTEM_PYPI,
    SL_ECOSYSTEM_NPM,
    SL_ECOSYSTEM_CRATES,
    SL_ECOSYSTEM_CRAN,
    SL_ECOSYSTEM_BIOCONDUCTOR,
    SL_ECOSYSTEM_DEBIAN,
    SL_ECOSYSTEM_CONDA, /* versions are ordered as PyPI's; names may differ */
    SL_ECOSYSTEM_COUNT
} sl_ecosystem;

enum { SL_VERSION_BYTES_MAX = 256, SL_VERSION_PARTS_MAX = 64 };

/* OSV's name of it ("PyPI", "npm", "CRAN", ...), and the type of its package URLs ("pypi", "deb"). */
const char *sl_ecosystem_name(sl_ecosystem e);
const char *sl_ecosystem_purl(sl_ecosystem e);
/* By OSV's name; what follows a colon ("Debian:12") does not count. */
bool sl_ecosystem_by_name(sl_view name, sl_ecosystem *ret);
bool sl_ecosystem_by_purl(sl_view type, sl_ecosystem *ret);

/* *ret_order is <0, 0 or >0. Errors: SL_E_SYNTAX when one of them is no version of the ecosystem, which
 * callers must treat as "may be affected"; SL_E_LIMIT. */
SL_MUST sl_res sl_version_cmp(sl_ecosystem e, sl_view a, sl_view b, int *ret_order);

#endif
