/* Statements: what operators sign, as canonical JSON (RFC 8785) of one flat object.
 *
 * A statement names one action and its arguments. Its SHA-256 is the action digest that approvals
 * carry (approval.h). One text has one meaning: decoding refuses anything that would not be encoded
 * again to the very same bytes. Pure: no I/O, no clock. Must never hold a name of a person: people
 * and records appear by random id. Design: ARCHITECTURE sections 2 and 5, src/vault/README.md. */
#ifndef SL_VAULT_STATEMENT_H
#define SL_VAULT_STATEMENT_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/valve.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

enum {
    SL_SITE_ID_CHARS = 32, /* 16 random bytes in hex */
    SL_ID_CHARS = 16,      /* grants and API keys: 8 random bytes in hex */
    SL_UID_CHARS = 32,     /* principals, lineages, compartments: 16 random bytes in hex */
    /* The longest statement that can be written with every field at its limit, rounded up. */
    SL_STATEMENT_BYTES_MAX = 2048,
};

/* What can be approved. The order is part of nothing; the names in statement.c are the format. */
typedef enum {
    SL_ACTION_NONE,
    SL_ACTION_OPERATOR_ADD,
    SL_ACTION_OPERATOR_REMOVE,
    SL_ACTION_COMPARTMENT_CREATE,
    SL_ACTION_COMPARTMENT_CLOSE,
    SL_ACTION_COMPARTMENT_OPEN,
    SL_ACTION_COMPARTMENT_SEAL,
    SL_ACTION_COMPARTMENT_UNSEAL,
    SL_ACTION_COMPARTMENT_SHRED,
    SL_ACTION_COMPARTMENT_SHRED_CANCEL,
    SL_ACTION_SUBJECT_ERASE,
    SL_ACTION_SUBJECT_ERASE_CANCEL,
    SL_ACTION_GRANT_ISSUE,
    SL_ACTION_GRANT_REVOKE,
    SL_ACTION_KEY_ISSUE,
    SL_ACTION_KEY_REVOKE,
    SL_ACTION_PRINCIPAL_OPEN, /* undoes a containment, as the two below */
    SL_ACTION_DOOR_OPEN,
    SL_ACTION_SITE_OPEN,
    SL_ACTION_VENDOR_ADD, /* a supplier joins the register, or is reviewed to another tier or cap */
    SL_ACTION_VENDOR_ITEM,    /* one thing is said of it: supply/register.h lists the kinds */
    SL_ACTION_VENDOR_DROP,    /* one such thing, or the whole supplier, is struck off */
    SL_ACTION_ARTEFACT_ADMIT, /* a held artefact, these bytes and no others, may enter for a while */
    SL_ACTION_ARTEFACT_WITHDRAW, /* it may not any more */
    SL_ACTION_ROSTER_REBUILD,    /* a lost roster is made anew from the sealed objects */
    SL_ACTION_ATTEST,            /* a person's word as evidence: attestation.h */
    SL_ACTION_RELEASE_REQUEST,   /* somebody asks that something leaves: release.h */
    SL_ACTION_RELEASE_APPROVE,   /* somebody else lets it out, these sealed bytes and no others */
    SL_ACTION_RELEASE_REVIEW,    /* who may let it out reads it first: shown once */
    SL_ACTION_RELEASE_REJECT,    /* it does not leave, and what is held is destroyed */
    SL_ACTION_COUNT
} sl_action;

/* Roles an operator may hold; an approval is given in one of them. Bit masks. */
enum {
    SL_ROLE_OPERATOR = 1, /* changes the site, grants, seals, shreds */
    SL_ROLE_CHECKER = 2,  /* lets results out */
    SL_ROLE_ALL = 3,
};

/* Sets of doors are bit masks over sl_door (base/valve.h). */
#define SL_DOOR_BIT(door) (INT64_C(1) << (door))
#define SL_DOORS_ALL (SL_DOOR_BIT(SL_DOOR_COUNT) - 1)

typedef char sl_name[SL_NAME_BYTES_MAX + 1]; /* NUL-terminated, see sl_name_ok */
typedef char sl_id[SL_ID_CHARS + 1];         /* NUL-terminated lower-case hex */
typedef char sl_uid[SL_UID_CHARS + 1];

/* Every argument that some action takes; the ones an action does not take are zero. */
typedef struct {
    sl_action action;
    char site[SL_SITE_ID_CHARS + 1];
    sl_name compartment;
    sl_uid compartment_id; /* given at creation; the compartment's name in the valves */
    sl_name operator_name; /* one name is one person, however many keys */
    uint8_t operator_key[SL_PUBLIC_KEY_BYTES];
    int64_t roles;  /* SL_ROLE_ bits */
    int64_t quorum; /* persons, for changes of the operators; 0: leave as it is */
    sl_id grant;
    sl_id key;
    sl_uid principal;
    sl_uid lineage;
    sl_name subject;
    sl_name purpose;
    int64_t doors;      /* SL_DOOR_BIT(..) */
    int64_t until_ms;   /* Unix time; 0 for keys: no end of their own */
    int64_t requests_h; /* budgets; 0: no limit of this kind */
    int64_t tokens_d;
    int64_t records_d;
    sl_digest hash; /* keyed hash of an API key's text; of an item or artefact: its SHA-256 */
    sl_name vendor;
    sl_name tier;     /* how much depends on the vendor */
    sl_name data_cap; /* the most sensitive data that it may see */
    sl_name kind;     /* of an item; of an attestation: type of the event */
    sl_name item;     /* an id as leaves have them: also '/', ':' and '@' */
    sl_digest signer; /* SHA-256 of a public key, as signatures hint at it */
    sl_name about;    /* attestations: what it speaks of, and what it says */
    sl_name says;
    int64_t count;
} sl_statement;

/* Names: 1..64 characters of [A-Za-z0-9._-], beginning with a letter or digit. */
bool sl_name_ok(sl_view name);
/* Copies a checked name. Errors: SL_E_SYNTAX (not a name), SL_E_LIMIT (too long). */
SL_MUST sl_res sl_name_set(sl_name ret_name, sl_view name);

/* Ids as leaves have them (model names, paths, domains): a name that may also hold '/', ':' and '@'. */
bool sl_item_ok(sl_view item);
/* Copies a checked one. Errors: SL_E_SYNTAX, SL_E_LIMIT. */
SL_MUST sl_res sl_item_set(sl_name ret_item, sl_view item);

/* Random bytes as an id or uid. */
void sl_id_set(sl_id ret_id, const uint8_t random[8]);
void sl_uid_set(sl_uid ret_uid, const uint8_t random[16]);

/* The action's name in statements ("grant.issue") and back; NONE when unknown. */
const char *sl_action_name(sl_action action);
sl_action sl_action_by_name(sl_view name);

/* Doors and roles as words ("ask,ingest" in a fixed order) and back.
 * Errors: SL_E_SYNTAX (unknown word or twice the same). */
SL_MUST sl_res sl_doors_add(sl_buf *out, int64_t doors);
SL_MUST sl_res sl_doors_parse(sl_view words, int64_t *ret_doors);
SL_MUST sl_res sl_roles_add(sl_buf *out, int64_t roles);
SL_MUST sl_res sl_roles_parse(sl_view words, int64_t *ret_roles);

/* Appends the canonical text. Errors: SL_E_MISSING_FIELD with the field, SL_E_RANGE, SL_E_SYNTAX,
 * SL_E_UNKNOWN_FIELD (a field set that this action does not take); `out` is then as before. */
SL_MUST sl_res sl_statement_encode(const sl_statement *s, sl_buf *out);
/* Reads the text of one statement. Errors: SL_E_SYNTAX also for text that is not canonical. */
SL_MUST sl_res sl_statement_decode(sl_view text, sl_statement *ret);
/* The action digest: SHA-256 of the text behind a fixed prefix of its own. */
sl_digest sl_statement_digest(sl_view text);

#endif
