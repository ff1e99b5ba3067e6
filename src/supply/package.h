/* Packages that a project depends on, as its files name them. Pure. */
#ifndef SL_SUPPLY_PACKAGE_H
#define SL_SUPPLY_PACKAGE_H

#include "base/arena.h"
#include "supply/version.h"

#define SL_PACKAGES_MAX ((size_t)200000)

/* What is not as it should be about how a package is named. */
enum {
    SL_PACKAGE_UNPINNED = 1U << 0,    /* no exact version: what is installed tomorrow may differ */
    SL_PACKAGE_NO_HASH = 1U << 1,     /* the bytes are not fixed */
    SL_PACKAGE_DIRECT_URL = 1U << 2,  /* from an address or a repository, not from an index */
    SL_PACKAGE_OTHER_INDEX = 1U << 3, /* from another index than the ecosystem's own */
    SL_PACKAGE_LOCAL = 1U << 4,       /* a directory beside the file: it is not checked */
};

typedef struct {
    sl_ecosystem ecosystem;
    sl_view name;    /* as the ecosystem compares names; NUL behind it */
    sl_view version; /* empty: not pinned */
    size_t line;     /* of the file, from 1; 0 where it has no lines that matter */
    uint32_t flags;
} sl_package;

/* Zero-initialise; sl_packages_free is fit for SL_OWN. */
typedef struct {
    sl_arena arena;
    sl_package *items;
    size_t n;
    size_t capacity;
    bool sorted;
} sl_packages;

void sl_packages_free(sl_packages *p);

/* Copies name and version; a PyPI name is put in the form of PEP 503 (lower case, runs of "-_." as one
 * "-"), npm and Debian names are lowered. Errors: SL_E_SYNTAX for a name of other characters, SL_E_LIMIT. */
SL_MUST sl_res sl_packages_add(sl_packages *p, const sl_package *package);

/* By ecosystem and name; conda packages stand with PyPI's of the same name. */
void sl_packages_sort(sl_packages *p);
/* The first package of that name and how many there are; 0 if none. The list must be sorted. */
size_t sl_packages_find(const sl_packages *p, sl_ecosystem ecosystem, sl_view name,
                        const sl_package **ret_first);

/* Appends the flags in words: "not pinned, no hash". */
SL_MUST sl_res sl_package_flags_add(sl_buf *out, uint32_t flags);

#endif
