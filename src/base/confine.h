/* Confinement: what turns a fresh process into one that can do its own work and nothing else.
 * Layers do not replace one another (Landlock alone lets a process connect, stat and chmod; see
 * docs/threat-model.md): each is applied, each is reported, and the supervisor refuses to start
 * when one is missing that was not accepted by name. Order matters: exec first (so that the memory
 * belongs to the first user namespace and a neighbour of the same uid cannot trace it), then
 * unshare, then not dumpable. See ARCHITECTURE section 3. */
#ifndef SL_BASE_CONFINE_H
#define SL_BASE_CONFINE_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/res.h"

/* Every layer: X(NAME, "name on the command line", "what a missing one costs"). */
#define SL_LAYERS(X)                                                                               \
    X(UID, "uid", "processes share one user; only namespaces keep them apart")                     \
    X(USER_NS, "user-ns", "capabilities of the first user namespace stay within reach of a bug")   \
    X(ROOT, "root", "the process sees the host's files, within their modes")                       \
    X(PID_NS, "pid-ns", "the process sees and can signal others of its user")                      \
    X(NET_NS, "net-ns", "the process can use the host's network")                                  \
    X(IPC_NS, "ipc-ns", "the process can use the host's System V memory and queues")               \
    X(UTS_NS, "uts-ns", "the process sees the host's name")                                        \
    X(CGROUP_NS, "cgroup-ns", "the process sees the host's control groups")                        \
    X(NO_NEW_PRIVS, "no-new-privs", "a set-uid program could give rights back")                    \
    X(CAPABILITIES, "capabilities", "the process keeps rights of the superuser")                   \
    X(LANDLOCK, "landlock", "files in its root are guarded by their modes alone")                  \
    X(SECCOMP, "seccomp", "the whole system call surface of the kernel is open to it")             \
    X(NOT_DUMPABLE, "not-dumpable", "a neighbour of the same user can read its memory")            \
    X(RLIMITS, "rlimits", "it can use up memory, files and processes, and write a core")           \
    X(CGROUP, "cgroup", "it cannot be frozen; it can still be killed")

typedef enum {
#define X(name, text, cost) SL_LAYER_##name,
    SL_LAYERS(X)
#undef X
        SL_LAYER_COUNT
} sl_layer;

const char *sl_layer_name(sl_layer layer);
const char *sl_layer_cost(sl_layer layer);
SL_MUST sl_res sl_layer_parse(sl_view name, sl_layer *ret_layer);

/* Can a root of our own be built here at all? Not in a plain chroot, where "/" is no mount: the mounts
 * above it are out of reach and cannot be made private. */
bool sl_confine_root_possible(void);

#define SL_LAYER_BIT(layer) ((uint32_t)1 << (layer))

/* Rights beyond the common set (memory, time, random, its own descriptors, messages on them). */
#define SL_MAY_FILES UINT32_C(0x01)   /* open, create, rename, remove below its paths; sync */
#define SL_MAY_CONNECT UINT32_C(0x02) /* Unix sockets: connect to those among its paths */
#define SL_MAY_ACCEPT UINT32_C(0x04)  /* accept on inherited listening sockets */
#define SL_MAY_NET UINT32_C(0x08)     /* the host's network: the egress alone */
#define SL_MAY_FORK UINT32_C(0x10)    /* processes of the same confinement */
#define SL_MAY_EXEC UINT32_C(0x20)    /* programs among its paths: stock nginx, workers */

/* One thing in the process's root. `from` is a path on the host (relative: below the site), `at` the
 * path inside ("/ledger"). */
#define SL_PATH_READ UINT32_C(0x1)
#define SL_PATH_WRITE UINT32_C(0x2)
#define SL_PATH_EXEC UINT32_C(0x4)
#define SL_PATH_OPTIONAL UINT32_C(0x8) /* no failure when it does not exist */
#define SL_PATH_SOCKET UINT32_C(0x10)  /* a socket to connect to */
#define SL_PATH_EMPTY UINT32_C(0x20)   /* an empty directory; `from` is not read */
#define SL_PATH_DEVICE UINT32_C(0x40)  /* a device file: /dev/null for programs that insist */
typedef struct {
    const char *from;
    const char *at;
    uint32_t may;
} sl_confine_path;

typedef struct {
    const char *name;
    uint32_t may; /* SL_MAY_... */
    const sl_confine_path *paths;
    size_t path_count;
    size_t memory_bytes_max; /* address space; 0: not limited (libraries that reserve much) */
    uint32_t files_max;      /* open descriptors; 0: 1,024 */
} sl_confine_profile;

/* What only the starter knows. */
typedef struct {
    const char *site; /* absolute path of the site, for relative `from` */
    uid_t uid;        /* become this user and group; 0: stay (then the uid layer is missing) */
    gid_t gid;
    uint32_t skip;      /* mask of layers to leave out: tests and accepted ones */
    bool stay_dumpable; /* an external program follows: exec makes it dumpable anyway */
    /* Called once in the outer process with the confined process's pid, before the outer one ends;
     * NULL when the pid namespace is skipped. */
    void (*report_pid)(void *context, pid_t pid);
    void *context;
} sl_confine_place;

/* Which layers hold, and errno (0 unknown) for those that do not. */
typedef struct {
    uint32_t holds; /* mask of SL_LAYER_BIT */
    int32_t why[SL_LAYER_COUNT];
} sl_confine_report;

/* Confine the calling process, which must have one thread. With a pid namespace this returns in a
 * child (process 1 of that namespace, a child of the caller's parent); the caller itself ends after
 * `report_pid`. A layer that cannot be had is left out and reported, except that a half-built root
 * fails: SL_E_DENIED or SL_E_IO, and the process must end. */
SL_MUST sl_res sl_confine_enter(const sl_confine_profile *profile, const sl_confine_place *place,
                                sl_confine_report *ret_report);

#endif
