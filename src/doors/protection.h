/* What protects a compartment in the doors: the files of state/roster (its roster, and the index of its records beside
 * it), and for which compartments the ledger names one. A file that the ledger names and that is not there must never
 * look like a compartment without people. Design: src/doors/README.md. */
#ifndef SL_DOORS_PROTECTION_H
#define SL_DOORS_PROTECTION_H

#include "vault/statement.h"

/* The failure for a file that is missing: it says what to do. */
SL_MUST sl_res sl_protection_missing(void);
/* Is the file in the folder, or is there none to be (`told`: the ledger names it)? */
SL_MUST sl_res sl_protection_check(int dir_fd, const char *file, bool told);
/* The file's bytes in place of those of `out`, none where there is none to be. Errors: as above, SL_E_IO, SL_E_LIMIT. */
SL_MUST sl_res sl_protection_read(int dir_fd, const char *file, bool told, sl_buf *out);

/* Compartments (their ids) for which the ledger names one kind of file, and how many sealed parts belong into it. */
typedef struct {
    sl_uid id;
    uint64_t sealed;
} sl_protected_one;

typedef struct {
    sl_protected_one *items;
    size_t count;
} sl_protected;

void sl_protected_free(sl_protected *list);
/* What is no id is passed over; one that is there stays. SL_E_MEMORY. */
SL_MUST sl_res sl_protected_note(sl_protected *list, sl_view compartment_id);
bool sl_protected_has(const sl_protected *list, const char *compartment_id);
/* One sealed part more for a compartment that was noted; nothing for another. */
void sl_protected_count(sl_protected *list, sl_view compartment_id);
uint64_t sl_protected_sealed(const sl_protected *list, const char *compartment_id);

#endif
