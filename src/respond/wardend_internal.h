/* What the files of the warden's process share; nobody else includes it. wardend.c is its life and its links to
 * the ledger and the supervisor, wardend_admin.c answers commands, wardend_contain.c does what playbooks
 * say, wardend_count.c reads the egress's count, wardend_attest.c and wardend_facts.c tell what auditors ask for. */
#ifndef SL_RESPOND_WARDEND_INTERNAL_H
#define SL_RESPOND_WARDEND_INTERNAL_H

#include "base/loop.h"
#include "base/proc.h"
#include "crypto/note.h"
#include "ledger/client.h"
#include "respond/egress_count.h"
#include "respond/responder.h"
#include "respond/warden.h"
#include "vault/approved.h"

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

/* A fact as it was last told. */
#define SAID_MAX 128
typedef struct {
    char name[SL_NAME_BYTES_MAX];
    sl_digest what; /* of the event's text */
    uint64_t at_ms; /* boot clock; 0: free */
} said_fact;

/* A witness's clock beside ours, from its newest cosignature. */
#define WITNESS_CLOCKS 16
#define WITNESS_CLOCK_S_MAX 3600 /* older than this says nothing of today */
#define WITNESS_GAP_S_MAX 5 /* cosignatures tell whole seconds, and the way there takes a moment */
typedef struct {
    char name[SL_NOTE_NAME_BYTES_MAX + 1];
    int64_t at_s;
    bool agreed;
} witness_clock;

typedef enum { SCOPE_PROGRAM, SCOPE_CONFIGURATION, SCOPE_POLICY, SCOPE_COUNT } attested_scope;

/* What operators signed as the digest of a scope. */
typedef struct {
    bool known;
    sl_digest digest;
} approved_digest;

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
    said_fact said[SAID_MAX];
    witness_clock clocks[WITNESS_CLOCKS];
    approved_digest approved[SCOPE_COUNT];
    bool policy_known; /* the door's own word, in its newest intent */
    sl_digest policy;
    uint64_t looked_ms; /* boot clock; 0: not yet */
    uint64_t probed_ms;
    uint64_t facts_id;    /* of the look that is under way */
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

/* wardend_facts.c: asks for a look when one is due; takes its answer; learns from a leaf. */
void sl_wardend_look(daemon_state *d);
void sl_wardend_facts(daemon_state *d, sl_res done, sl_view body);
void sl_wardend_facts_leaf(daemon_state *d, uint64_t index, sl_view leaf);

/* wardend_drilled.c: a leaf in its order; asks the probe for the ways out when it is due; takes its answer (false: it is
 * somebody else's). */
void sl_wardend_drilled(daemon_state *d, uint64_t index, const sl_leaf *leaf);
void sl_wardend_ask_probe(daemon_state *d);
bool sl_wardend_probed(daemon_state *d, const sl_ipc_msg *msg);

/* wardend.c: the digest of the running program */
const sl_digest *sl_wardend_program(void);

/* wardend_admin.c */
SL_MUST sl_res sl_wardend_listen(daemon_state *d); /* on the admin socket */
void sl_wardend_take_keeper(daemon_state *d);
void sl_wardend_take_probe(daemon_state *d);
void sl_wardend_hang_up_all(daemon_state *d);
/* Somebody's act is done, or the supervisor answered under this number. */
void sl_wardend_done(void *context, uint64_t ticket, sl_res done, uint64_t index);
void sl_wardend_answered(void *context, uint64_t id, sl_res done, sl_view body);

#endif
