/* The inside of a roll, for the roll*.c files alone. */
#ifndef SL_VAULT_ROLL_INTERNAL_H
#define SL_VAULT_ROLL_INTERNAL_H

#include "ledger/event.h"
#include "vault/roll.h"

typedef struct {
    uint8_t bytes[SL_APPROVAL_NONCE_BYTES];
    int64_t expiry_ms;
} sl_roll_nonce;

struct sl_roll {
    char site[SL_SITE_ID_CHARS + 1];
    int64_t quorum;
    int64_t delay_ms;
    uint64_t next;
    uint64_t refused;
    uint64_t operators_epoch;
    uint64_t keystore_sequence;
    uint64_t witness_s;
    int64_t time_ms; /* of the newest leaf that was read */
    sl_operator operators[SL_ROLL_OPERATORS_MAX];
    size_t operators_count;
    sl_compartment *compartments;
    size_t compartments_count;
    size_t compartments_capacity;
    sl_grant *grants;
    size_t grants_count;
    size_t grants_capacity;
    sl_api_key *keys;
    size_t keys_count;
    size_t keys_capacity;
    sl_erasure *erasures;
    size_t erasures_count;
    size_t erasures_capacity;
    sl_name *vendors; /* that things may be said of (supply/register.h) */
    size_t vendors_count;
    size_t vendors_capacity;
    sl_release *releases;
    size_t releases_count;
    size_t releases_capacity;
    sl_roll_nonce *nonces;
    size_t nonces_count;
    size_t nonces_capacity;
};

/* Room for one more item in a growing array of at most `max`. */
SL_MUST sl_res sl_roll_grow(void **items, size_t *capacity, size_t count, size_t max, size_t size);
#define SL_ROLL_GROW(roll, list, limit)                                                            \
    sl_roll_grow((void **)&(roll)->list, &(roll)->list##_capacity, (roll)->list##_count, (limit),  \
                 sizeof *(roll)->list)

/* Releases (roll_release.c): what a statement about one needs, what it changes, and what the door tells. */
SL_MUST sl_res sl_roll_release_need(const sl_roll *roll, const sl_statement *s,
                                    sl_approval_need *ret);
SL_MUST sl_res sl_roll_release_apply(sl_roll *roll, const sl_statement *s,
                                     const sl_approval *approvals, size_t count, uint64_t index,
                                     int64_t time_ms);
void sl_roll_release_told(sl_roll *roll, uint64_t index, const sl_leaf *leaf);

/* The keeper's and the witnesses' words, told by leaves. */
void sl_roll_told_keys(sl_roll *roll, sl_view compartment_id, uint64_t sequence, bool made);
void sl_roll_told_witness(sl_roll *roll, uint64_t time_s);

/* `now_ms`, or the ledger's time where that is later: a clock that is set back makes nothing valid again. */
int64_t sl_roll_now(const sl_roll *roll, int64_t now_ms);
/* Has an operator before this place the same person and this role? */
bool sl_roll_person_before(const sl_roll *roll, size_t at, int64_t role);
/* SIZE_MAX: not in the register. */
size_t sl_roll_vendor_at(const sl_roll *roll, const char *name);

#endif
