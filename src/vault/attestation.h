/* Attestations: what only a person can say, signed by operators and read as evidence. One table says which kinds there
 * are, what each is about and which words it may say; the leaf is an approved act like any other (approved.h), and
 * readers see it as an event of that kind. Must never carry free text: ids, words, counts and digests alone. */
#ifndef SL_VAULT_ATTESTATION_H
#define SL_VAULT_ATTESTATION_H

#include "vault/statement.h"

typedef struct {
    const char *kind;         /* type of the event */
    const char *about;        /* its field that `about` fills */
    const char *says;         /* its field that `says` fills; NULL: none */
    const char *const *words; /* that it may say, NULL-ended; NULL: any name */
    const char *count;        /* its field that `count` fills; NULL: none */
    const char *digest;       /* its field that `hash` fills; NULL: none */
    const char *who;          /* its field that names the first signer's key; NULL: none */
    bool until;               /* it ends: field until_s */
    bool quorum;              /* as many persons as a change of the operators takes */
    const char *meaning;
} sl_attestation;

extern const sl_attestation sl_attestations[];
extern const size_t sl_attestations_count;

/* NULL if there is no such kind. */
const sl_attestation *sl_attestation_find(sl_view kind);
/* Is this statement (of SL_ACTION_ATTEST) one that its kind allows? SL_E_NOT_FOUND (kind), SL_E_MISSING_FIELD,
 * SL_E_UNKNOWN_FIELD, SL_E_RANGE (a word that it may not say), each with the field named. */
SL_MUST sl_res sl_attestation_check(const sl_statement *s);

#endif
