/* What the parts of the ingest process share: daemon.c (life, links, commands' sockets), daemon_world.c (what a
 * crossing needs of others), daemon_ask.c and daemon_rebuild.c (what commands ask), daemon_sweep.c (sealed objects
 * read back); nobody else includes it. */
#ifndef SL_DOORS_INGEST_DAEMON_INTERNAL_H
#define SL_DOORS_INGEST_DAEMON_INTERNAL_H

#include "base/ipc.h"
#include "base/loop.h"
#include "base/proc.h"
#include "doors/ingest/door.h"
#include "doors/ingest/known.h"
#include "doors/ingest/protocol.h"
#include "ledger/client.h"

enum { SL_INGEST_CLIENTS_MAX = 16, SL_INGESTD_WAIT_MS_MAX = 10 * 1000 };

#define SL_INGEST_ROSTER_BYTES_MAX (64 * SL_MIB)

typedef struct sl_ingestd sl_ingestd;

typedef struct {
    sl_ingestd *daemon;
    sl_ipc *link; /* NULL: free */
} sl_ingest_client;

struct sl_ingestd {
    sl_proc *self;
    sl_loop *loop;
    sl_ledger_client *ledger; /* NULL: lost */
    sl_ipc *keeper;           /* NULL: lost */
    sl_ingest_known known;
    int vault_fd;
    sl_ingest_client clients[SL_INGEST_CLIENTS_MAX];
    sl_res result;
    struct {
        sl_buf queue;   /* lines "COMPARTMENT OBJECT VERSION", still to be read back */
        size_t waiting; /* lines */
        uint64_t begun_ms;
        uint64_t look_ms; /* when the first of them is due */
        uint64_t pass_ms; /* when all are due again */
    } sweep;
};

/* ---- others: daemon_world.c ---- */

/* Folds all that the ledger holds now. */
SL_MUST sl_res sl_ingestd_follow(sl_ingestd *d);
/* Appends and waits until durable; `context` is the daemon. */
SL_MUST sl_res sl_ingestd_append(void *context, sl_view event, uint64_t *ret_index);
/* The keeper's link, anew; takes over `fd`. */
SL_MUST sl_res sl_ingestd_keeper(sl_ingestd *d, int fd);
/* One of the keeper's answers that are a key of `n` bytes, or nothing. */
SL_MUST sl_res sl_ingestd_key(sl_ingestd *d, uint16_t type, const sl_key_request *request,
                              uint8_t *ret, size_t n);
/* A key of the compartment for one purpose ("roster"); `context` is the daemon. */
SL_MUST sl_res sl_ingestd_lease(void *context, const char *compartment, const char *purpose,
                                uint8_t ret_key[SL_KEY_BYTES]);
/* All that a crossing asks of others. */
sl_ingest_world sl_ingestd_world(sl_ingestd *d);

/* ---- commands: daemon_ask.c ---- */

/* `type`: SL_INGEST_...; `fd` is borrowed, -1 where none came. */
SL_MUST sl_res sl_ingestd_answer(sl_ingestd *d, uint16_t type, const sl_ingest_ask *ask, int fd,
                                 sl_buf *reply);
/* Does what lies on the disk have the digests that the ledger holds? Needs no key. `admitted` may be NULL. */
SL_MUST sl_res sl_ingestd_verify(sl_ingestd *d, const sl_manifest *m, const sl_admitted *admitted);
/* Roster and index of records made anew, where operators approved that. */
SL_MUST sl_res sl_ingestd_rebuild(sl_ingestd *d, const sl_ingest_ask *ask, sl_buf *reply);

/* ---- reading back: daemon_sweep.c ---- */

SL_MUST sl_res sl_ingestd_sweep_start(sl_ingestd *d);
/* A new version need not wait for the next pass. */
void sl_ingestd_sweep_soon(sl_ingestd *d, const sl_manifest *m);

#endif
