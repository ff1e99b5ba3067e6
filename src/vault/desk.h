/* The desk: where statements wait for their approvals, and what commands ask of the roll.
 *
 * The warden owns one. Commands send statements with approvals; when these suffice, the desk gives
 * the event of the approved action, which the warden appends and waits for; the roll changes only by
 * folding the leaf that comes back. What waits is memory only: approvals expire, and whoever signed
 * can send them again. Pure: no I/O, time is an argument.
 * Must never take an approval that it has not verified. Design: src/vault/README.md. */
#ifndef SL_VAULT_DESK_H
#define SL_VAULT_DESK_H

#include "base/ipc.h"
#include "vault/roll.h"

/* Requests on the warden's admin link. Bodies and answers are text. */
typedef enum {
    /* Nothing. Answer: JSON {"site","quorum","persons","delay_ms","next_leaf"}. */
    SL_ADMIN_SITE = 64,
    /* A statement. Answer: JSON {"action","epoch","persons","role"}; SL_E_EXISTS and the like. */
    SL_ADMIN_NEED,
    /* A statement, a newline, approvals one a line (none: only to lay it on the desk). Answer: JSON
     * {"action","state":"approved"|"pending","have","need"}. */
    SL_ADMIN_SUBMIT,
    /* The first 8..64 hex digits of an action. Answer: its statement. SL_E_NOT_FOUND. */
    SL_ADMIN_STATEMENT,
    /* Nothing. Answers: JSON lines, one a pending action / operator / compartment / grant / key. */
    SL_ADMIN_PENDING,
    SL_ADMIN_OPERATORS,
    SL_ADMIN_COMPARTMENTS,
    SL_ADMIN_GRANTS,
    SL_ADMIN_KEYS,
    /* For the keeper (vault/keeper.h), passed on by the warden: the passphrase; nothing. */
    SL_ADMIN_UNLOCK,
    SL_ADMIN_VAULT,
    SL_ADMIN_VAULT_END,
} sl_admin_vault_type;

enum {
    SL_DESK_PENDING_MAX = 64,
    SL_ADMIN_SUBMIT_BYTES_MAX =
        SL_STATEMENT_BYTES_MAX + 1 + SL_APPROVALS_MAX * (SL_APPROVAL_BYTES_MAX + 1),
};

typedef struct sl_desk sl_desk;

/* Borrows the roll for its life. */
SL_MUST sl_res sl_desk_new(const sl_roll *roll, sl_desk **ret_desk);
void sl_desk_free(sl_desk *desk);
void sl_desk_free_at(sl_desk **desk);

/* Lays a statement with its new approvals on the desk. If all that it has now suffice, the event is
 * appended to `event` and the statement leaves the desk. Errors: SL_E_APPROVAL and SL_E_SIGNATURE
 * for a bad approval (nothing is kept of the submission), those of sl_roll_need, SL_E_LIMIT. */
typedef struct {
    sl_digest action;
    sl_statement statement;
    bool approved;
    size_t have; /* distinct persons */
    size_t need;
} sl_desk_result;
SL_MUST sl_res sl_desk_submit(sl_desk *desk, sl_view statement_text, const sl_approval *approvals,
                              size_t count, int64_t now_ms, sl_buf *event,
                              sl_desk_result *ret_result);

/* Answers one admin request but UNLOCK and VAULT, which are the keeper's (SL_E_UNSUPPORTED). When
 * `event` is not empty afterwards, the warden appends it, waits until it is durable, folds it, and
 * only then sends `reply`. */
SL_MUST sl_res sl_desk_answer(sl_desk *desk, uint16_t type, sl_view body, int64_t now_ms,
                              sl_buf *reply, sl_buf *event);

#endif
