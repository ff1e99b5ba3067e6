/* The allow-list: which Python names a pickle (or another format that names Python objects) may use,
 * and for what. Names are reviewed one by one or as a library's classes; what nobody reviewed is
 * unknown, never allowed. The pack is data/allow/python.txt, signed and carried by the program; a newer one
 * that a trusted key signed can take its place, and a site may add names of its own with a reason, an
 * approver and an end. Pure: text comes in as bytes, time as a number. How names get onto the list, and who
 * holds the key: data/allow/README.md. */
#ifndef SL_ARTEFACT_ALLOW_H
#define SL_ARTEFACT_ALLOW_H

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/note.h"

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

/* The text of the pack that the program carries. */
sl_view sl_allow_pack(void);

/* The pack that the program carries, after its signature verified under a key that the program carries:
 * that catches a build whose list was changed and not signed again, nobody who changes the program. */
SL_MUST sl_res sl_allow_own(sl_allow **ret_allow);

/* Who may sign packs. Zero-initialise. */
#define SL_ALLOW_KEYS_MAX ((size_t)8)
typedef struct {
    sl_vkey keys[SL_ALLOW_KEYS_MAX];
    size_t count;
} sl_allow_keys;

/* Adds the keys that the program carries, or those of a text: a verifier key (note.h) on each line, "#"
 * for remarks. SL_E_SYNTAX, SL_E_LIMIT with the line. */
SL_MUST sl_res sl_allow_keys_own(sl_allow_keys *keys);
SL_MUST sl_res sl_allow_keys_read(sl_view text, sl_allow_keys *keys);

/* Opens a signed pack (a C2SP signed note) in place of the carried one. It must be newer than that one, or
 * the same, and not older than `oldest` (empty: no such bound): else SL_E_ROLLBACK. SL_E_SIGNATURE: none of
 * the keys signed it; SL_E_SYNTAX: no note, no pack, or a version that is no date. */
SL_MUST sl_res sl_allow_open(sl_view note, const sl_allow_keys *keys, sl_view oldest,
                             sl_allow **ret_allow);
/* Below, at or above 0, as of two numbers. SL_E_SYNTAX: no YEAR.MONTH.DAY[.NUMBER]. */
SL_MUST sl_res sl_allow_version_compare(sl_view a, sl_view b, int *ret_order);

/* Reads a pack whose origin is known. SL_E_SYNTAX, SL_E_DUPLICATE with the line; SL_E_MEMORY. */
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
