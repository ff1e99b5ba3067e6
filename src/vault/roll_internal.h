/* The inside of a roll, for roll.c and roll_leaf.c alone. */
#ifndef SL_VAULT_ROLL_INTERNAL_H
#define SL_VAULT_ROLL_INTERNAL_H

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
    sl_roll_nonce *nonces;
    size_t nonces_count;
    size_t nonces_capacity;
};

/* The keeper's and the witnesses' words, told by leaves. */
void sl_roll_told_keys(sl_roll *roll, sl_view compartment_id, uint64_t sequence, bool made);
void sl_roll_told_witness(sl_roll *roll, uint64_t time_s);

#endif
