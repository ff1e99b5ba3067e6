/* The forced layer of containment: a control group for each process, frozen and killed whatever the
 * process does. Version 2 in production, version 1's freezer where the host still has it. */
#ifndef SL_HOST_CGROUP_H
#define SL_HOST_CGROUP_H

#include <sys/types.h>

#include "base/res.h"

typedef enum { SL_CGROUP_NONE, SL_CGROUP_V2, SL_CGROUP_V1 } sl_cgroup_kind;

typedef struct {
    sl_cgroup_kind kind;
    char path[512]; /* of our own group's directory */
} sl_cgroup;

/* Make a group named stoplog-`tag` below our own; SL_E_UNSUPPORTED with the reason as os_error where
 * the system does not let us. */
SL_MUST sl_res sl_cgroup_make(const char *tag, sl_cgroup *ret_group);
void sl_cgroup_remove(sl_cgroup *group);

/* One process's group below it. `name` is ours. */
SL_MUST sl_res sl_cgroup_join(const sl_cgroup *group, const char *name, pid_t pid);
/* Stop everything in it; returns when it stands still (SL_E_TIMEOUT after `wait_ms_max`). */
SL_MUST sl_res sl_cgroup_freeze(const sl_cgroup *group, const char *name, int wait_ms_max);
SL_MUST sl_res sl_cgroup_thaw(const sl_cgroup *group, const char *name);
/* Kill everything in it, frozen or not. */
SL_MUST sl_res sl_cgroup_kill(const sl_cgroup *group, const char *name);
void sl_cgroup_leave(const sl_cgroup *group, const char *name);

#endif
