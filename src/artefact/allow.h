/* The allow-list: which Python names a pickle (or another format that names Python objects) may use,
 * and for what. Names are reviewed one by one or as a library's classes; what nobody reviewed is
 * unknown, never allowed. The pack is data/allow/python.txt, carried by the program; a site may add
 * names of its own with a reason, an approver and an end. Pure: text comes in as bytes, time as a
 * number. How names get onto the list: data/allow/README.md. */
#ifndef SL_ARTEFACT_ALLOW_H
#define SL_ARTEFACT_ALLOW_H

#include "base/bytes.h"
#include "crypto/hash.h"

typedef enum {
    SL_MAY_NOT_KNOWN, /* nobody reviewed it */
    SL_MAY_NOT, /* it runs, reads, writes, reaches or tampers; or nobody reviewed it and it is of
                       * the standard library, whose whole content is a toolbox for attackers */
    SL_MAY_HOLD, /* a class of a known library whose state can hold code that loading it runs: for a person */
    SL_MAY_REFER, /* named as a value, not called */
    SL_MAY_NEW,   /* a class: made empty and filled with state */
    SL_MAY_CALL,  /* called with arguments */
} sl_may;

typedef struct sl_allow sl_allow;

/* The pack that the program carries. */
sl_view sl_allow_pack(void);

/* Reads a pack. SL_E_SYNTAX, SL_E_DUPLICATE with the line; SL_E_MEMORY. */
SL_MUST sl_res sl_allow_read(sl_view pack, sl_allow **ret_allow);
/* Fit for SL_OWN(sl_allow *, a, sl_allow_free). */
void sl_allow_free(sl_allow **allow);

/* Adds a site's own names (YAML, docs/scan.md): each entry has name, may, reason, approver, expires.
 * Entries whose day is over (`today` as days since 1970-01-01) are left out and counted. An entry
 * may not allow what the pack denies: SL_E_REFUSED with its line. Errors of YAML: with the line. */
SL_MUST sl_res sl_allow_add(sl_allow *allow, sl_view yaml, int64_t today, size_t *ret_expired);

/* What may be done with `module`.`name`, as Python 3 calls it or as Python 2 did. */
sl_may sl_allow_find(const sl_allow *allow, sl_view module, sl_view name);

/* "2026.11.21", and the SHA-256 of the pack's text: part of every verdict. */
sl_view sl_allow_version(const sl_allow *allow);
const sl_digest *sl_allow_digest(const sl_allow *allow);

#endif
