/* What the files of the warden's process share; nobody else includes it. wardend.c is its life and its links to
 * the ledger and the supervisor, wardend_admin.c answers commands, wardend_contain.c does what playbooks
 * say, wardend_count.c reads the egress's count. */
#ifndef SL_RESPOND_WARDEND_INTERNAL_H
#define SL_RESPOND_WARDEND_INTERNAL_H

#include "base/loop.h"
#include "base/proc.h"
#include "crypto/note.h"
#include "ledger/client.h"
#include "respond/egress_count.h"
#include "respond/responder.h"
#include "respond/warden.h"

#define CLIENTS_MAX 32
#define WAITS_MAX 128

typedef struct daemon_state daemon_state;

typedef struct {
    daemon_state *daemon;
    sl_ipc *link; /* NULL: free */
    uint64_t generation;
} admin_client;

/* Somebody waits for an act, the keeper or the supervisor. */
typedef struct {
    uint64_t ticket; /* 0: free */
    admin_client *client;
    uint64_t generation;
    uint64_t id;  /* of the client's request */
    sl_buf reply; /* what to say when it is done */
} waiter;

struct daemon_state {
    sl_proc *self;
    sl_loop *loop;
    sl_warden *warden;
    sl_responder *responder;
    sl_ledger_client *ledger;
    sl_ipc *keeper;
    sl_ipc *probe; /* NULL: lost */
    uint64_t cursor;
    bool reading;
    bool serving;
    bool all_up;
    bool going;       /* down */
    uint32_t missing; /* layers, as the supervisor told */
    uint64_t last_ticket;
    uint64_t last_token;
    sl_vkey log_key; /* of leaf 0; name "": not read yet */
    int counted_fd;  /* where egress counts, one file for each of the slots and one more */
    sl_egress_count count;
    bool read_all;         /* that the ledger held when its link was new */
    uint64_t said_records; /* the last leaf grant.reach; 0 ms: none yet */
    uint64_t said_compartments;
    uint64_t said_reach_ms;
    uint64_t list_ticket; /* of the status answers that wait for the supervisor */
    admin_client clients[CLIENTS_MAX];
    waiter waits[WAITS_MAX];
    sl_res result;
};

/* wardend_contain.c */
SL_MUST sl_res sl_wardend_make_responder(daemon_state *d);

/* wardend_count.c: what stands there from before is not of this life of the site. */
SL_MUST sl_res sl_wardend_begin_counting(daemon_state *d);

/* wardend_attest.c */
SL_MUST sl_res sl_wardend_begin_attesting(daemon_state *d);

/* wardend_admin.c */
SL_MUST sl_res sl_wardend_listen(daemon_state *d); /* on the admin socket */
void sl_wardend_take_keeper(daemon_state *d);
void sl_wardend_take_probe(daemon_state *d);
void sl_wardend_hang_up_all(daemon_state *d);
/* Somebody's act is done, or the supervisor answered under this number. */
void sl_wardend_done(void *context, uint64_t ticket, sl_res done, uint64_t index);
void sl_wardend_answered(void *context, uint64_t id, sl_res done, sl_view body);

#endif
