/* What the supervisor and a process say to each other on the control link; for proc.c and src/host
 * alone. The process is born with this one descriptor, SL_PROC_CONTROL_FD. */
#ifndef SL_BASE_PROC_WIRE_H
#define SL_BASE_PROC_WIRE_H

#include "base/proc.h"

#define SL_PROC_CONTROL_FD 3
/* argv[1] of a process that the supervisor started; argv[2] is its name. */
#define SL_PROC_ARGUMENT "@process"

typedef enum {
    /* supervisor to process */
    SL_PROC_GIVE_VALVE = 32, /* fd: the valves */
    SL_PROC_GIVE_LISTEN,     /* fd: a listening socket; body: its name */
    SL_PROC_GIVE_LINK,       /* fd: a link; body: u8 instance, u8 instances, peer's name */
    SL_PROC_GIVE_MEMORY,     /* fd: shared memory; body: its name */
    SL_PROC_GIVE_CONFIG,     /* body: the next part of the configuration */
    SL_PROC_GO,              /* body: sl_proc_start, then the site's path */
    SL_PROC_END,             /* end in good order */
    SL_PROC_NEWS, /* to the warden: u32 sl_host_news, i32 status, then the process's name */
    /* process to supervisor */
    SL_PROC_PID = 64, /* body: u32 pid of the confined process, seen from the supervisor */
    SL_PROC_READY,    /* body: u32 layers that hold, then one i32 errno for each layer */
    SL_PROC_SERVING,  /* no body */
    SL_PROC_TROUBLE,  /* body: u32 code, u32 errno, name of the place: why it ends */
    /* warden to supervisor: sl_proc_wish; the answer is SL_IPC_OK or SL_IPC_FAILED */
} sl_proc_wire;

/* Body of SL_PROC_GO before the path: u32 instance, uid, gid, skipped layers, flags, instances. */
#define SL_PROC_GO_BYTES ((size_t)24)
#define SL_PROC_GO_NOT_CONFINED UINT32_C(1) /* tests alone: to show that the layers do the work */

/* Runs a declared process on its control descriptor; returns the exit status. `memory` is the
 * writable mapping of the valves in the warden, else NULL. */
int sl_proc_run(const sl_proc_decl *decl, int control_fd, void *memory);

#endif
