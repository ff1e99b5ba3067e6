/* The supervisor's state; shared by supervisor.c (life and death), prepare.c (what a site is started with),
 * spawn.c (how one process starts) and control.c (what processes say). For src/host alone. */
#ifndef SL_HOST_SUPERVISOR_H
#define SL_HOST_SUPERVISOR_H

#include "base/loop.h"
#include "base/proc_wire.h"
#include "host/cgroup.h"
#include "host/host.h"
#include "respond/valve_writer.h"

#define SL_HOST_INSTANCES_MAX 64
#define SL_HOST_LINKS_MAX 256
#define SL_HOST_SOCKETS_MAX 16
#define SL_HOST_MEMORIES_MAX 8

typedef struct sl_supervisor sl_supervisor;

typedef enum {
    SL_INSTANCE_WAITING, /* to be started, now or after its back-off */
    SL_INSTANCE_STARTING,
    SL_INSTANCE_SERVING,
    SL_INSTANCE_ENDED, /* not to be started again */
} sl_instance_state;

typedef struct {
    sl_supervisor *host;
    const sl_proc_decl *decl;
    unsigned index; /* among the instances of its declaration */
    unsigned count; /* of them */
    char name[SL_NAME_BYTES_MAX];
    sl_instance_state state;
    pid_t first_pid; /* the one we forked */
    pid_t pid;       /* the confined one */
    sl_ipc *control;
    uid_t uid;
    unsigned deaths; /* in a row; sets the back-off */
    int32_t trouble; /* the code of why it ended, as it said; 0: it did not */
    uint64_t started_ns;
    uint64_t timer;
    bool frozen;
    uint32_t holds;   /* layers, as the process said */
    uint32_t missing; /* layers */
    bool ready;       /* it said what it has */
    bool judged;      /* and that suffices, or the site goes down */
} sl_instance;

/* One link; an end is -1 once it was handed over. */
typedef struct {
    sl_instance *side[2];
    int fd[2];
} sl_link;

typedef struct {
    sl_proc_listen declared;
    int fd;
} sl_socket;

typedef struct {
    const char *name;
    int fd;
} sl_memory;

struct sl_supervisor {
    const sl_host_options *options;
    sl_loop *loop;
    int site_fd;
    int lock_fd;
    int signal_fd;
    int valve_fd;
    sl_valve_memory *valves;
    sl_cgroup cgroup;
    int cgroup_error;
    size_t instance_count;
    sl_instance instances[SL_HOST_INSTANCES_MAX];
    size_t link_count;
    sl_link links[SL_HOST_LINKS_MAX];
    size_t socket_count;
    sl_socket sockets[SL_HOST_SOCKETS_MAX];
    size_t memory_count;
    sl_memory memories[SL_HOST_MEMORIES_MAX];
    /* Confined processes that ended before their number was told: {pid, status}, newest last. */
    size_t unclaimed_count;
    int unclaimed[SL_HOST_INSTANCES_MAX][2];
    bool going; /* down */
    bool was_up;
    size_t stopping; /* instances from this one on were told to end */
    uint64_t stop_timer;
    sl_res result;
};

void sl_host_say(sl_supervisor *host, sl_host_news news, const char *process, int status);
void sl_host_go_down(sl_supervisor *host, sl_res why);
void sl_host_instance_lost(sl_instance *instance, int status);
/* Look whether a process that ended unknown has been named since. */
void sl_host_claim(sl_supervisor *host);
void sl_host_check_all_up(sl_supervisor *host);
sl_instance *sl_host_find(sl_supervisor *host, sl_view name);

/* prepare.c: everything that is there before the first process. */
SL_MUST sl_res sl_host_prepare(sl_supervisor *host);

/* spawn.c */
SL_MUST sl_res sl_host_spawn(sl_instance *instance);
SL_MUST sl_res sl_host_make_links(sl_supervisor *host);
/* New ends for every link of a dead process; its living peers get theirs at once. */
void sl_host_renew_links(sl_instance *dead);

/* Layers that this process cannot have. */
uint32_t sl_host_not_expected(const sl_instance *instance);
/* attest.c: what is known of the machine and the processes, a JSON object a line. */
SL_MUST sl_res sl_host_attest(const sl_supervisor *host, sl_buf *out);

/* control.c */
SL_MUST sl_res sl_host_watch(sl_instance *instance, int control_fd);
void sl_host_unwatch(sl_instance *instance);

#endif
