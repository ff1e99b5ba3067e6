/* The warden's core: what it decides, without sockets or a loop. It owns the valves, the journal and
 * the roll as folded from durable leaves. Closing turns the valve first; opening happens only when a
 * leaf that allows it was folded. It must never open a valve for any other reason.
 * See ARCHITECTURE sections 2 (laws 1, 4, 5, 6) and 3; the process around it is wardend.c. */
#ifndef SL_RESPOND_WARDEN_H
#define SL_RESPOND_WARDEN_H

#include "respond/journal.h"
#include "respond/valve_writer.h"
#include "vault/desk.h"

typedef struct sl_warden sl_warden;

/* Where events go. `append` queues; sl_warden_durable is called with the token later, in order.
 * SL_E_AGAIN or SL_E_CLOSED: not taken; the warden keeps journalled events and tries again. */
typedef struct {
    sl_res (*append)(void *context, sl_view event, uint64_t *ret_token);
    void *context;
} sl_warden_ledger;

/* The outcome of an act that someone waits for: done (the leaf's index) or why not. */
typedef void (*sl_warden_done)(void *context, uint64_t ticket, sl_res done, uint64_t index);

typedef struct {
    sl_valve_memory *valves; /* writable */
    sl_warden_ledger ledger;
    int state_fd; /* directory of the journal */
    sl_warden_done done;
    void *context;
} sl_warden_options;

SL_MUST sl_res sl_warden_new(const sl_warden_options *options, sl_warden **ret_warden);
void sl_warden_free(sl_warden *warden);

/* Every leaf of the ledger, in order, without gaps from 0: at the start all that there are, then as
 * they become durable. Drives the roll and, through it, the opening of valves. */
SL_MUST sl_res sl_warden_leaf(sl_warden *warden, uint64_t index, sl_view leaf);
/* An appended event is durable under this index. */
SL_MUST sl_res sl_warden_durable(sl_warden *warden, uint64_t token, uint64_t index);
/* An appended event was not taken: journalled ones are tried again, others fail with `why`. */
void sl_warden_not_taken(sl_warden *warden, uint64_t token, sl_res why);
/* The ledger's link was lost: what was appended and not acknowledged goes again if it was journalled,
 * and fails otherwise. */
void sl_warden_ledger_lost(sl_warden *warden);
/* Try again what waits in the journal; called when the ledger answers again and on every beat. */
void sl_warden_retry(sl_warden *warden);

/* All old leaves were folded: operators may act, nothing opens yet. */
void sl_warden_caught_up(sl_warden *warden);
/* All old leaves were folded and every process is at work: record the start (with the names of the
 * layers that are missing) and, once that is durable, open the site and its doors. */
SL_MUST sl_res sl_warden_start(sl_warden *warden, const char *version, const sl_view *missing,
                               size_t missing_count, const sl_digest *program);

/* Close at once. `scope` is SL_VALVE_OF_...; `target` the door's, compartment's name or principal's
 * id; `reason` a word. The ticket comes back through `done` when the leaf is durable; the valve has
 * turned when this returns. Closing what is closed is fine. A compartment goes by name or id.
 * `ret_epoch` (may be NULL): the valve's epoch now. SL_E_NOT_FOUND: there is no such thing.
 * SL_E_IO: closed, but the journal failed: the leaf may be lost in a crash. */
SL_MUST sl_res sl_warden_close(sl_warden *warden, sl_valve_kind scope, sl_view target,
                               sl_view reason, uint64_t ticket, uint64_t *ret_epoch);

/* End what runs under a principal's or compartment's (id or name) present epoch, streams and leases,
 * without closing it. */
SL_MUST sl_res sl_warden_cut(sl_warden *warden, sl_valve_kind scope, sl_view target);

/* An event that must not be lost: journalled, then appended. */
SL_MUST sl_res sl_warden_record(sl_warden *warden, sl_view event);

/* One request of a command about operators, compartments, grants and keys (vault/desk.h). With an
 * empty `event` afterwards the reply is final; else the act was appended and the reply is to be sent
 * when `ticket` comes back. */
SL_MUST sl_res sl_warden_desk(sl_warden *warden, uint16_t type, sl_view body, int64_t now_ms,
                              uint64_t ticket, sl_buf *reply, bool *ret_waits);

/* Append an event of the warden's own (signals, incidents); `ticket` 0: nobody waits. */
SL_MUST sl_res sl_warden_append(sl_warden *warden, sl_view event, uint64_t ticket);

void sl_warden_beat(sl_warden *warden, uint64_t boot_ms);

const sl_roll *sl_warden_roll(const sl_warden *warden);
const sl_valve *sl_warden_valves(const sl_warden *warden);
uint64_t sl_warden_journal_waiting(const sl_warden *warden);
/* The site as JSON members: site, epochs, doors, compartments; for the status answer. */
SL_MUST sl_res sl_warden_describe(const sl_warden *warden, sl_buf *out);

#endif
