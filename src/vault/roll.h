/* The roll: operators, compartments, grants, API keys and erasures, folded from leaves.
 *
 * The ledger is the truth and this is a cache (law 5): the same leaves give the same roll in every
 * process. An operator-signed leaf changes it only if its approvals verify against the roll as it
 * was before that leaf; otherwise the leaf is counted as refused and changes nothing, so that who
 * can append leaves cannot thereby grant. Leaves that only close need no approval (law 1).
 * Of suppliers it knows only which there are; what is said of them is kept by supply/register.h.
 * Pure: no I/O, no clock; time is that of the leaves. Design: src/vault/README.md. */
#ifndef SL_VAULT_ROLL_H
#define SL_VAULT_ROLL_H

#include "vault/apikey.h"
#include "vault/approval.h"

/* Linear searches stay quick and the memory small; a site that needs more is several sites. */
#define SL_ROLL_OPERATORS_MAX ((size_t)64)
#define SL_ROLL_COMPARTMENTS_MAX SL_VALVE_COMPARTMENTS_MAX
#define SL_ROLL_GRANTS_MAX ((size_t)16384)
#define SL_ROLL_KEYS_MAX ((size_t)16384)
#define SL_ROLL_ERASURES_MAX ((size_t)65536)
#define SL_ROLL_VENDORS_MAX ((size_t)1024)
#define SL_ROLL_NONCES_MAX ((size_t)65536)
#define SL_ROLL_RELEASES_MAX ((size_t)4096) /* that did not end; of those that did the newest */

/* A held artefact is let in for so long at most; then somebody looks again. */
#define SL_ARTEFACT_ADMIT_MS_MAX (INT64_C(30) * 24 * 3600 * 1000)

typedef enum {
    SL_COMPARTMENT_OPEN,
    SL_COMPARTMENT_CLOSED,
    SL_COMPARTMENT_SEALED,   /* keys unloaded */
    SL_COMPARTMENT_SHREDDED, /* keys destroyed */
} sl_compartment_state;

const char *sl_compartment_state_name(sl_compartment_state state);

typedef struct {
    sl_name name;
    sl_uid id;
    sl_compartment_state state;
    uint64_t epoch;      /* of approvals; rises with every change of state */
    uint64_t leaf_index; /* of its creation */
    bool shred_ordered;
    int64_t shred_ordered_ms; /* ledger time of the order */
    uint64_t shred_leaf_index;
    uint64_t shred_witness_s; /* newest witness time before the order */
    bool keys_made;           /* the keeper told so */
} sl_compartment;

typedef struct {
    sl_id id;
    sl_uid principal;
    sl_name compartment;
    sl_name purpose;
    int64_t doors;
    int64_t until_ms;
    int64_t requests_h;
    int64_t tokens_d;
    int64_t records_d;
    bool revoked;
    uint64_t leaf_index;
} sl_grant;

typedef struct {
    sl_id id;
    sl_uid principal;
    sl_uid lineage;
    sl_digest hash;
    int64_t until_ms; /* 0: no end of its own */
    bool revoked;
    uint64_t leaf_index;
} sl_api_key;

typedef enum { SL_ERASURE_ORDERED, SL_ERASURE_CANCELLED, SL_ERASURE_DONE } sl_erasure_state;

typedef struct {
    sl_name compartment;
    sl_name subject;
    sl_erasure_state state;
    int64_t ordered_ms;
    uint64_t leaf_index;
    uint64_t witness_s; /* newest witness time before the order */
} sl_erasure;

/* A release: what somebody asked to let out of a compartment, and how far it came. */
typedef enum {
    SL_RELEASE_ASKED,    /* an operator's signed request */
    SL_RELEASE_HELD,     /* inspected, and it lies sealed */
    SL_RELEASE_APPROVED, /* may be handed out once */
    SL_RELEASE_REJECTED, /* by a person; what is held goes */
    SL_RELEASE_ENDED,    /* refused, gone, or never finished */
} sl_release_state;

const char *sl_release_state_name(sl_release_state state);

enum { SL_RELEASE_SIGNERS_MAX = 8, SL_SIGNER_CHARS = 16 };
typedef char sl_signer_id[SL_SIGNER_CHARS + 1]; /* the beginning of an operator's key, in hex */

typedef struct {
    sl_uid id; /* drawn by who asks; a held file is the object of this id, version 1 */
    sl_name compartment;
    sl_release_state state;
    sl_name person;        /* who asked */
    sl_signer_id asked_by; /* the same, as leaves call them */
    sl_name kind;          /* "file", "model" or "object" */
    sl_name label;         /* what who asked calls it; may be empty */
    sl_uid object;         /* what the bytes are sealed as */
    uint64_t version;
    sl_digest asked; /* of a file: its salted digest; of an object: its manifest's */
    uint64_t asked_leaf;
    int64_t asked_ms;
    sl_digest held; /* manifest of the sealed bytes, as the door told */
    uint64_t held_leaf;
    int64_t until_ms; /* held for so long */
    uint64_t approved_leaf;
    int64_t approved_ms;
    uint64_t epoch; /* of the compartment when it was approved */
    sl_signer_id approved_by[SL_RELEASE_SIGNERS_MAX];
    size_t approved_count;
    size_t approved_persons;
    uint64_t
        review_leaf; /* somebody who may let it out wants to read it; 0: nobody, or it was shown */
    int64_t review_ms;
    uint64_t review_epoch; /* of the compartment then */
    sl_signer_id reviewer;
    uint64_t times_shown;
    uint64_t ended_leaf;
    uint64_t times_out; /* how often it was handed out; the last time: */
    uint64_t taken_leaf;
    int64_t taken_ms;
    sl_signer_id taken_by[SL_RELEASE_SIGNERS_MAX]; /* whose approval that used up */
    size_t taken_count;
} sl_release;

/* A request is good for its crossing for so long, an approval for handing out. */
#define SL_RELEASE_ASK_MS_MAX (INT64_C(3600) * 1000)
#define SL_RELEASE_APPROVAL_MS_MAX (INT64_C(24) * 3600 * 1000)
/* Whoever wants to read it does so now. */
#define SL_RELEASE_REVIEW_MS_MAX (INT64_C(10) * 60 * 1000)

/* What the genesis leaf says of the site. */
typedef struct {
    char site[SL_SITE_ID_CHARS + 1];
    int64_t quorum;   /* persons needed to change the operators and to unseal */
    int64_t delay_ms; /* between the order and the destruction of a key */
    sl_operator operators[SL_ROLL_OPERATORS_MAX];
    size_t operators_count;
} sl_genesis_roll;

/* The genesis leaf's `statements` field: canonical JSON and back.
 * Errors: SL_E_SYNTAX, SL_E_RANGE, SL_E_LIMIT, SL_E_DUPLICATE (one key twice). */
SL_MUST sl_res sl_genesis_encode(const sl_genesis_roll *genesis, sl_buf *out);
SL_MUST sl_res sl_genesis_decode(sl_view text, sl_genesis_roll *ret);

/* The event of an approved action, for the warden to append once sl_roll_admit accepted it. */
SL_MUST sl_res sl_roll_event(sl_view statement_text, const sl_approval *approvals, size_t count,
                             sl_buf *out);

typedef struct sl_roll sl_roll;

SL_MUST sl_res sl_roll_new(sl_roll **ret_roll);
void sl_roll_free(sl_roll *roll);
void sl_roll_free_at(sl_roll **roll); /* for SL_OWN */

/* What folding one leaf did. */
typedef enum {
    SL_FOLD_OTHER, /* not a leaf of ours */
    SL_FOLD_APPLIED,
    SL_FOLD_REFUSED, /* it asks for what its approvals do not carry: a signal; see sl_detail_get */
} sl_fold;

/* Folds the leaf with this index; indexes come in order without gaps, from 0.
 * Errors: SL_E_ROLLBACK (an index that is not the next one), SL_E_SYNTAX (not a leaf),
 * SL_E_LIMIT, SL_E_MEMORY; the roll is then as before and must not be used for leaves behind. */
SL_MUST sl_res sl_roll_fold(sl_roll *roll, uint64_t index, sl_view leaf, sl_fold *ret_fold);
/* Next index to fold. */
uint64_t sl_roll_next(const sl_roll *roll);
uint64_t sl_roll_refused(const sl_roll *roll); /* leaves refused so far */

/* Where a time `now_ms` is asked for below, the ledger's own counts if it is later: a clock that was set back makes no
 * expired grant or used approval good again. */

/* The parts of fold, for those who make leaves: start from genesis, admit a statement with its
 * approvals (all checks, no change), apply what was admitted. */
SL_MUST sl_res sl_roll_begin(sl_roll *roll, const sl_genesis_roll *genesis);
SL_MUST sl_res sl_roll_admit(const sl_roll *roll, sl_view statement_text,
                             const sl_approval *approvals, size_t count, int64_t now_ms,
                             sl_statement *ret_statement);
SL_MUST sl_res sl_roll_apply(sl_roll *roll, const sl_statement *s, const sl_approval *approvals,
                             size_t count, uint64_t index, int64_t time_ms);

/* Has an approval with this nonce been used up? An sl_nonce_seen; its context is the roll. */
bool sl_roll_nonce_seen(const void *roll, const uint8_t nonce[SL_APPROVAL_NONCE_BYTES]);

/* What approvals this statement needs now. Errors: SL_E_NOT_FOUND (what it names), SL_E_REFUSED
 * (not from this state), SL_E_EXISTS. */
SL_MUST sl_res sl_roll_need(const sl_roll *roll, const sl_statement *s, sl_approval_need *ret);

/* Closing acts of the warden: to closed or sealed only. */
SL_MUST sl_res sl_roll_contain(sl_roll *roll, sl_view compartment, sl_compartment_state to);
/* Effects the keeper reports: refused unless ordered by operators and the delay has passed. */
SL_MUST sl_res sl_roll_shredded(sl_roll *roll, sl_view compartment, int64_t time_ms);
SL_MUST sl_res sl_roll_erased(sl_roll *roll, sl_view compartment, sl_view subject, int64_t time_ms);

/* Reading. Pointers are valid until the next change; NULL when there is none. */
const char *sl_roll_site(const sl_roll *roll); /* "" before genesis */
int64_t sl_roll_quorum(const sl_roll *roll);
int64_t sl_roll_delay_ms(const sl_roll *roll);
uint64_t sl_roll_operators_epoch(const sl_roll *roll);
const sl_operator *sl_roll_operators(const sl_roll *roll, size_t *ret_count);
size_t sl_roll_persons(const sl_roll *roll, int64_t role);
const sl_compartment *sl_roll_compartments(const sl_roll *roll, size_t *ret_count);
const sl_compartment *sl_roll_compartment(const sl_roll *roll, sl_view name);
const sl_compartment *sl_roll_compartment_by_id(const sl_roll *roll, sl_view id);
const sl_grant *sl_roll_grants(const sl_roll *roll, size_t *ret_count);
const sl_grant *sl_roll_grant(const sl_roll *roll, sl_view id);
const sl_api_key *sl_roll_keys(const sl_roll *roll, size_t *ret_count);
const sl_api_key *sl_roll_key(const sl_roll *roll, sl_view id);
const sl_erasure *sl_roll_erasures(const sl_roll *roll, size_t *ret_count);
const sl_erasure *sl_roll_erasure(const sl_roll *roll, sl_view compartment, sl_view subject);

/* Releases, in no order; NULL when there is none of this id. */
const sl_release *sl_roll_releases(const sl_roll *roll, size_t *ret_count);
const sl_release *sl_roll_release(const sl_roll *roll, sl_view id);
/* The person whose key begins so; NULL: no operator's does now. */
const char *sl_roll_signer_person(const sl_roll *roll, const char *signer);
/* May it be handed out now? SL_E_NOT_FOUND, SL_E_APPROVAL with the reason: not approved, or taken already, or too long
 * ago, or the compartment was closed since. */
SL_MUST sl_res sl_roll_release_ready(const sl_roll *roll, const sl_release *release,
                                     int64_t now_ms);
/* May it be shown now to who signed for that? SL_E_NOT_FOUND, SL_E_APPROVAL with the reason. */
SL_MUST sl_res sl_roll_release_readable(const sl_roll *roll, const sl_release *release,
                                        int64_t now_ms);

/* The highest keystore sequence that the keeper's leaves tell, and whether they tell of keys made for
 * this compartment: a keystore that knows less is older than the ledger. */
uint64_t sl_roll_keystore_sequence(const sl_roll *roll);
/* The newest time that a witness gave, in seconds since 1970; 0 when none did. */
uint64_t sl_roll_witness_s(const sl_roll *roll);

/* A live grant of this principal for the compartment, door and time; NULL if none. The compartment
 * must be open. */
const sl_grant *sl_roll_grant_for(const sl_roll *roll, sl_view principal, sl_view compartment,
                                  sl_door door, int64_t now_ms);
/* Likewise of any principal: who acts where no principal calls, as when the site's own user brings data. */
const sl_grant *sl_roll_grant_through(const sl_roll *roll, sl_view compartment, sl_door door,
                                      int64_t now_ms);

#endif
