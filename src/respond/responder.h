/* From a signal to containment: reads the leaves as they become durable, plans (incident.h), acts
 * through the warden and writes what happened. Closing comes first, its leaves follow.
 *
 * Leaves of the past are folded without acting; when the responder is told that it has caught up, it
 * looks once more at the signals of the last minutes that no incident answered (it says so in its leaves), so that a crash between a signal and its
 * containment does not lose the containment. Steps that stand are not taken twice. When operators
 * approved that something opens again, the steps that had closed it are recorded as undone. No I/O of
 * its own. */
#ifndef SL_RESPOND_RESPONDER_H
#define SL_RESPOND_RESPONDER_H

#include "respond/incident.h"

/* What the warden does for it. */
typedef struct {
    /* Takes one containment now. `ret_epoch`: the valve's epoch after it, 0 where there is none.
     * A failure is recorded with the code's name. */
    sl_res (*contain)(void *context, sl_containment kind, sl_view target, uint64_t *ret_epoch);
    /* Hands an event over: journalled or appended, in this order. */
    sl_res (*record)(void *context, sl_view event);
    /* A fresh random id, 16 hex digits and a NUL. */
    sl_res (*fresh_id)(void *context, char ret_id[17]);
    uint64_t (*mono_us)(void *context);
    void *context;
} sl_responder_ways;

typedef struct sl_responder sl_responder;

#define SL_RESPONDER_PLAYBOOKS_MAX ((size_t)64)
#define SL_RESPONDER_LATE_MAX ((size_t)64)
/* Signals older than this are not acted on after a start: an operator reads them. */
#define SL_RESPONDER_LATE_MS ((int64_t)600000)

SL_MUST sl_res sl_responder_new(const sl_responder_ways *ways, sl_responder **ret_responder);
void sl_responder_free(sl_responder *responder);
SL_MUST sl_res sl_responder_add_playbook(sl_responder *responder, sl_view json);

/* Rules that ask for a notice of a grave incident (high or critical): its leaf names them, and with it their clocks
 * run (the check respond.clocks). Copied. SL_E_LIMIT. */
SL_MUST sl_res sl_responder_regimes(sl_responder *responder, const sl_view *names, size_t count);

/* Every leaf in order. Before sl_responder_live it only remembers. */
SL_MUST sl_res sl_responder_leaf(sl_responder *responder, uint64_t index, sl_view leaf);
/* All leaves so far were fed; from now on signals are acted on. */
SL_MUST sl_res sl_responder_live(sl_responder *responder, int64_t now_ms);

const sl_incidents *sl_responder_incidents(const sl_responder *responder);

#endif
