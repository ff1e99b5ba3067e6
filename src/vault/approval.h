/* Approvals: one operator's Ed25519 signature under one statement, and the counting of quorums.
 *
 * What is signed is the canonical JSON of {action, epoch, expiry_ms, nonce, role, site} behind a
 * prefix of its own: `action` is the statement's digest, `epoch` that of the thing acted upon, so
 * that an approval given for one state of it is void in the next. Quorums count persons, never keys
 * or signatures. Pure: time and randomness are arguments. Must never accept what it cannot verify
 * whole. Design: ARCHITECTURE section 5 "approval", src/vault/README.md. */
#ifndef SL_VAULT_APPROVAL_H
#define SL_VAULT_APPROVAL_H

#include "crypto/sign.h"
#include "vault/statement.h"

enum {
    SL_APPROVAL_NONCE_BYTES = 16,
    SL_APPROVALS_MAX = 16, /* under one statement; a leaf must hold them all */
    SL_APPROVAL_BYTES_MAX = 640,
};

/* Longest time that an approval may stay usable: nonces are remembered for this long. */
#define SL_APPROVAL_LIFE_MS_MAX (INT64_C(7) * 24 * 3600 * 1000)

typedef struct {
    char site[SL_SITE_ID_CHARS + 1];
    sl_digest action;
    uint64_t epoch;
    int64_t expiry_ms; /* Unix time */
    uint8_t nonce[SL_APPROVAL_NONCE_BYTES];
    int64_t role; /* exactly one SL_ROLE_ bit */
    sl_public_key key;
    sl_signature signature;
} sl_approval;

/* Signs: fills `key` and `signature` from the other fields. Errors: SL_E_RANGE, SL_E_CRYPTO. */
SL_MUST sl_res sl_approval_sign(sl_approval *approval, const sl_sign_key *key);
/* Is it this key's signature under these fields? Errors: SL_E_SIGNATURE. */
SL_MUST sl_res sl_approval_verify(const sl_approval *approval);

/* One line of canonical JSON and back. Errors: SL_E_SYNTAX (also for text that is not canonical). */
SL_MUST sl_res sl_approval_encode(const sl_approval *approval, sl_buf *out);
SL_MUST sl_res sl_approval_decode(sl_view text, sl_approval *ret);

/* Several, one a line, in a leaf, a message or a file. At most SL_APPROVALS_MAX: SL_E_LIMIT. */
SL_MUST sl_res sl_approvals_encode(const sl_approval *list, size_t count, sl_buf *out);
SL_MUST sl_res sl_approvals_decode(sl_view text, sl_approval ret_list[SL_APPROVALS_MAX],
                                   size_t *ret_count);

/* What a statement needs before it may act. */
typedef struct {
    int64_t role;   /* SL_ROLE_ bit */
    size_t persons; /* distinct persons */
    uint64_t epoch; /* that the approvals must name */
    const char
        *but; /* a person who may not sign, who asked for it; NULL: everybody may. Borrowed */
} sl_approval_need;

/* Who an operator key belongs to; the roll (roll.h) keeps the table. */
typedef struct {
    sl_name person;
    sl_public_key key;
    int64_t roles;
} sl_operator;

/* A nonce that was consumed; refuses replays. Returns true if it was. */
typedef bool (*sl_nonce_seen)(const void *context, const uint8_t nonce[SL_APPROVAL_NONCE_BYTES]);

/* Do these approvals carry the statement with this text? Every one must verify, name this site, this
 * statement, the needed role and epoch, be alive at `now_ms`, be given by a key in `operators` that
 * holds the role, and be fresh; and so many distinct persons must have signed. One bad approval
 * refuses them all: nobody attaches bad ones by accident.
 * Errors: SL_E_APPROVAL with the field at fault ("expiry", "role", "person", ...) and the number of
 * the approval; SL_E_SIGNATURE for a forged one. */
SL_MUST sl_res sl_approvals_check(sl_view statement_text, const char *site, const sl_approval *list,
                                  size_t count, const sl_operator *operators,
                                  size_t operators_count, const sl_approval_need *need,
                                  int64_t now_ms, sl_nonce_seen seen, const void *seen_context);

#endif
