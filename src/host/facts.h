/* Facts about the machine as its kernel tells them. The supervisor looks them up, because every other process is kept
 * from seeing the host; the warden makes leaves of them. A fact that cannot be known says so and why: nothing here
 * guesses, and nothing here changes anything. Design: host/README.md. */
#ifndef SL_HOST_FACTS_H
#define SL_HOST_FACTS_H

#include <sys/types.h>

#include "base/confine.h"

typedef enum { SL_KNOWN_NOT, SL_KNOWN_GOOD, SL_KNOWN_BAD } sl_known;

const char *sl_known_name(sl_known known);

typedef struct {
    sl_known known;
    const char *reason; /* a word, static text */
    uint64_t count;     /* of what the reason names */
} sl_host_fact;

/* Where the kernel's text is: "/proc" and "/sys", or a test's own. */
typedef struct {
    const char *proc;
    const char *sys;
} sl_fact_roots;

/* Does dm-crypt stand between the device and every disk below it? Through partitions, volumes and loop files; a
 * drive or a hypervisor that encrypts by itself is not seen from here and counts as plain. */
sl_host_fact sl_fact_disk(const sl_fact_roots *roots, dev_t device);
/* Can memory reach a disk in the clear by way of swap? */
sl_host_fact sl_fact_swap(const sl_fact_roots *roots);

/* Files with keys: is each closed to everybody but its owner? `count` says how many are not. Paths below
 * `site_fd` or absolute; those that do not exist are passed over. */
sl_host_fact sl_fact_key_files(int site_fd, const char *const *paths, size_t count);

/* What the kernel shows of one process from outside. */
typedef struct {
    uint32_t holds;      /* layers that are in force, mask of SL_LAYER_BIT */
    uint32_t hidden;     /* layers that this observer cannot see; they are in neither mask */
    uint64_t interfaces; /* of its network, but the loopback */
    bool core;           /* it may write its memory to a file when it dies */
} sl_process_seen;

/* SL_E_NOT_FOUND: no such process. */
SL_MUST sl_res sl_fact_process(const sl_fact_roots *roots, pid_t pid, uid_t uid,
                               sl_process_seen *ret);

/* The kernel's own account of its clock. */
typedef struct {
    bool synced;       /* a time service disciplines it */
    int64_t offset_ms; /* by which it is still off, as that service says; 0 if not synced */
} sl_clock_fact;

sl_clock_fact sl_fact_clock(void);

#endif
