/* What the parts of the ingest process share: daemon.c (life, links, commands' sockets), daemon_world.c (what a
 * crossing needs of others), daemon_ask.c and daemon_rebuild.c (what commands ask), daemon_sweep.c (sealed objects
 * read back); nobody else includes it. */
#ifndef SL_DOORS_INGEST_DAEMON_INTERNAL_H
#define SL_DOORS_INGEST_DAEMON_INTERNAL_H

#include "doors/commands.h"
#include "doors/ingest/door.h"
#include "doors/ingest/known.h"
#include "doors/ingest/protocol.h"
#include "doors/peers.h"

#define SL_INGEST_ROSTER_BYTES_MAX (64 * SL_MIB)

typedef struct {
    sl_commands commands;
    sl_peers peers;
    sl_ingest_known known;
    int vault_fd;
    struct {
        sl_buf queue;   /* lines "COMPARTMENT OBJECT VERSION", still to be read back */
        size_t waiting; /* lines */
        uint64_t begun_ms;
        uint64_t look_ms; /* when the first of them is due */
        uint64_t pass_ms; /* when all are due again */
    } sweep;
} sl_ingestd;

/* ---- others: daemon_world.c ---- */

/* Appends and waits until durable; `context` is the daemon. */
SL_MUST sl_res sl_ingestd_append(void *context, sl_view event, uint64_t *ret_index);
/* A key of the compartment for one purpose ("roster"); `context` is the daemon. */
SL_MUST sl_res sl_ingestd_lease(void *context, const char *compartment, const char *purpose,
                                uint8_t ret_key[SL_KEY_BYTES]);
/* All that a crossing asks of others. */
sl_ingest_world sl_ingestd_world(sl_ingestd *d);

/* ---- commands: daemon_ask.c ---- */

/* An sl_commands_answer; `context` is the daemon. */
SL_MUST sl_res sl_ingestd_answer(void *context, uint16_t type, sl_view body, int fd, sl_buf *reply);
/* Does what lies on the disk have the digests that the ledger holds? Needs no key. `admitted` may be NULL. */
SL_MUST sl_res sl_ingestd_verify(sl_ingestd *d, const sl_manifest *m, const sl_admitted *admitted);
/* Roster and index of records made anew, where operators approved that. */
SL_MUST sl_res sl_ingestd_rebuild(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply);

/* ---- reading back: daemon_sweep.c ---- */

SL_MUST sl_res sl_ingestd_sweep_start(sl_ingestd *d);
/* A new version need not wait for the next pass. */
void sl_ingestd_sweep_soon(sl_ingestd *d, const sl_manifest *m);

#endif
