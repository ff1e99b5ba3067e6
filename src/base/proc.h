/* A process of a site as the supervisor knows it, and the process's own view of what it was given.
 * A process is a declaration: its name, its entry function, whom it talks to, what it may do. It is
 * started by exec of the same program, receives its descriptors by name over its control link,
 * confines itself and only then runs its entry. Identity is the inherited descriptor: no process
 * finds another by path or number. See ARCHITECTURE section 3; the table is src/host/table.c. */
#ifndef SL_BASE_PROC_H
#define SL_BASE_PROC_H

#include "base/confine.h"
#include "base/ipc.h"
#include "base/valve.h"

typedef struct sl_proc sl_proc;

/* Runs until the process ends; the result becomes its exit status. It must return soon after
 * sl_proc_pump says SL_E_CLOSED: the supervisor is gone or asks it to end. */
typedef sl_res (*sl_proc_entry)(sl_proc *self);

typedef enum {
    SL_PROC_RESTART = 0, /* started again with back-off; peers get a new link */
    SL_PROC_FATAL = 1,   /* the site goes down with it */
} sl_proc_when_dead;

/* A listening socket that the supervisor makes and the process inherits by this name. */
typedef struct {
    const char *name; /* "ask"; a Unix socket is run/sock/NAME.sock of the site */
    const char *tcp;  /* NULL: a Unix socket; else the configuration key that holds ADDRESS:PORT */
    bool packets;     /* SOCK_SEQPACKET at run/NAME.sock, for the site's own user alone */
} sl_proc_listen;

/* Memory that the instances of a process share and that outlives each of them: budgets, counts. The
 * supervisor makes it, all zeros, and never maps it. The process finds it mapped for reading and
 * writing; it is never given the descriptor, so it cannot change its size under the others. */
typedef struct {
    const char *name;
    size_t bytes;
    bool
        kept; /* run/NAME.memory of the site: also outlives the site, until the machine starts anew */
} sl_proc_memory;

/* A process that is not this program: stock nginx, as process 1 of its own namespace. The
 * supervisor writes the text of `configure` to run/conf/NAME.conf before each start; a profile path
 * puts it into the process's root. Inherited listening sockets are announced in the environment as
 * nginx expects it (NGINX=fd;fd;); a Unix one bears the relative name "NAME.sock". */
typedef struct {
    const char *program;          /* absolute path, also inside the root */
    const char *const *arguments; /* from argv[1] on, NULL-ended */
    sl_res (*configure)(sl_view site_config, sl_buf *ret_text); /* NULL: none */
} sl_proc_external;

#define SL_PROC_PEERS_MAX ((size_t)8)
#define SL_PROC_LISTENS_MAX ((size_t)4)
#define SL_PROC_MEMORIES_MAX ((size_t)2)
#define SL_PROC_INSTANCES_MAX ((unsigned)16)

typedef struct {
    const char *name;
    sl_proc_entry entry;              /* NULL: external */
    const sl_proc_external *external; /* NULL: entry */
    const sl_confine_profile *profile;
    /* Links to other processes; either side of a pair may declare it. A peer with several
     * instances gives one link for each. */
    const char *peers[SL_PROC_PEERS_MAX];
    sl_proc_listen listens[SL_PROC_LISTENS_MAX];
    sl_proc_memory memories[SL_PROC_MEMORIES_MAX];
    /* How many instances there are, 1 to SL_PROC_INSTANCES_MAX, each named NAME.INDEX; they share
     * their listening sockets. NULL: one, named NAME. */
    unsigned (*instances)(sl_view site_config);
    bool no_exec; /* the warden: forked from the supervisor, keeps the writable valves */
    bool (*wanted)(sl_view site_config); /* NULL: every site has it */
    sl_proc_when_dead when_dead;
    /* Runs before confinement, in the new process, without any input but `self`: loads what a
     * library must read from disk (a cryptographic provider, a token's module). NULL: nothing. */
    sl_res (*warm)(sl_proc *self);
} sl_proc_decl;

/* ---- the process's own view ---- */

const char *sl_proc_name(const sl_proc *self);
unsigned sl_proc_index(const sl_proc *self); /* instance number, from 0 */
unsigned sl_proc_count(const sl_proc *self); /* of instances */

/* The read-only valves (NULL only in the warden, which has sl_proc_valve_memory). */
const sl_valve *sl_proc_valve(const sl_proc *self);
/* The warden's writable mapping, sl_valve_bytes() long; NULL in every other process. */
void *sl_proc_valve_memory(const sl_proc *self);

/* The site's configuration as the supervisor read it: config.yml's bytes, borrowed. */
sl_view sl_proc_config(const sl_proc *self);

/* The descriptor of the link to `peer` (instance `index`); -1 when there is none now. The process
 * takes it: wrap it with sl_ipc_open, which then owns it. A later call gives -1 until a new link
 * arrives after the peer was started again. */
int sl_proc_take_link(sl_proc *self, const char *peer, unsigned index);
/* Number of instances of a peer. */
unsigned sl_proc_peer_count(const sl_proc *self, const char *peer);

/* The inherited listening socket of that name, or -1. Stays owned by `self`. */
int sl_proc_listening(const sl_proc *self, const char *name);

/* The shared memory of that name; NULL when the process declares none. */
void *sl_proc_shared(const sl_proc *self, const char *name);

/* Called by sl_proc_pump when a peer was started again and a new link waits. */
typedef void (*sl_proc_relinked)(void *context, const char *peer, unsigned index);
void sl_proc_on_relink(sl_proc *self, sl_proc_relinked call, void *context);

/* Watch this descriptor for reading in the process's loop and call sl_proc_pump when it is ready. */
int sl_proc_control_fd(const sl_proc *self);
/* Takes in what the supervisor sent. SL_E_CLOSED: end now. */
SL_MUST sl_res sl_proc_pump(sl_proc *self);

/* Tell the supervisor that the work can begin (recovered, listening). Once. */
SL_MUST sl_res sl_proc_serving(sl_proc *self);

/* ---- the warden's alone ---- */

/* What happened to the processes of the site: `news` is an sl_host_news (src/host/host.h). */
typedef void (*sl_proc_news)(void *context, uint32_t news, int32_t status, sl_view process);
void sl_proc_on_news(sl_proc *self, sl_proc_news call, void *context);

/* Ask the supervisor for something; the answer comes to `call` from sl_proc_pump, with the id that
 * sl_proc_request returned. The body is borrowed for the call. */
typedef enum {
    SL_PROC_FREEZE = 80, /* body: the name of a process, as in sl_proc_news */
    SL_PROC_THAW,
    SL_PROC_KILL,
    SL_PROC_DOWN,  /* the whole site, in good order */
    SL_PROC_LIST,  /* answer: one line of JSON for each process */
    SL_PROC_FACTS, /* answer: JSON lines about machine and processes (host/attest.c) */
} sl_proc_wish;
typedef void (*sl_proc_answered)(void *context, uint64_t id, sl_res done, sl_view body);
void sl_proc_on_answer(sl_proc *self, sl_proc_answered call, void *context);
SL_MUST sl_res sl_proc_request(sl_proc *self, sl_proc_wish wish, sl_view body, uint64_t *ret_id);

/* Which layers of confinement hold in this process. */
const sl_confine_report *sl_proc_confinement(const sl_proc *self);

#endif
