/* Confinement (see confine.h): namespaces and an empty root first, rights next, Landlock and the
 * system call filter last, because each step needs a call that the next ones take away. The file
 * must never widen what a profile says, and never go on in a half-built root. */
#include "base/confine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine_landlock.h"
#include "base/confine_seccomp.h"
#include "base/limits.h"

static const char *const layer_names[SL_LAYER_COUNT] = {
#define X(name, text, cost) [SL_LAYER_##name] = text,
    SL_LAYERS(X)
#undef X
};

static const char *const layer_costs[SL_LAYER_COUNT] = {
#define X(name, text, cost) [SL_LAYER_##name] = cost,
    SL_LAYERS(X)
#undef X
};

const char *sl_layer_name(sl_layer layer)
{
    assert(layer < SL_LAYER_COUNT);
    return layer_names[layer];
}

const char *sl_layer_cost(sl_layer layer)
{
    assert(layer < SL_LAYER_COUNT);
    return layer_costs[layer];
}

sl_res sl_layer_parse(sl_view name, sl_layer *ret_layer)
{
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if (sl_view_eq_str(name, layer_names[i])) {
            *ret_layer = (sl_layer)i;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_NOT_FOUND, "layer", SL_NOWHERE);
}

/* The work in progress: what holds so far. */
typedef struct {
    const sl_confine_profile *profile;
    const sl_confine_place *place;
    sl_confine_report report;
    uid_t uid; /* who we are at the end, seen from outside */
    gid_t gid;
    bool superuser; /* at the start */
} confine_work;

static bool wanted(const confine_work *w, sl_layer layer)
{
    return (w->place->skip & SL_LAYER_BIT(layer)) == 0;
}

static void holds(confine_work *w, sl_layer layer)
{
    w->report.holds |= SL_LAYER_BIT(layer);
    w->report.why[layer] = 0;
}

static bool has(const confine_work *w, sl_layer layer)
{
    return (w->report.holds & SL_LAYER_BIT(layer)) != 0;
}

static void lacks(confine_work *w, sl_layer layer, int os_error)
{
    w->report.why[layer] = os_error;
}

/* ---- namespaces ---- */

static void unshare_one(confine_work *w, sl_layer layer, int flag)
{
    if (!wanted(w, layer)) {
        return;
    }
    if (unshare(flag) == 0) {
        holds(w, layer);
    } else {
        lacks(w, layer, errno);
    }
}

static sl_res write_text_at(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(SL_E_DENIED, "id map");
    }
    ssize_t n = write(fd, text, strlen(text));
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return n == (ssize_t)strlen(text) ? SL_DONE : sl_fail_os(SL_E_DENIED, "id map");
}

/* A user namespace that knows this user alone, under the same number. */
static void enter_user_ns(confine_work *w, int proc_self)
{
    if (!wanted(w, SL_LAYER_USER_NS)) {
        return;
    }
    if (unshare(CLONE_NEWUSER) != 0) {
        lacks(w, SL_LAYER_USER_NS, errno);
        return;
    }
    char map[64];
    (void)snprintf(map, sizeof map, "%u %u 1", (unsigned)w->uid, (unsigned)w->uid);
    char group_map[64];
    (void)snprintf(group_map, sizeof group_map, "%u %u 1", (unsigned)w->gid, (unsigned)w->gid);
    /* Unmapped ids would make every later file check fail in odd ways: without maps the layer does
     * not hold. */
    sl_res done = write_text_at(proc_self, "setgroups", "deny");
    if (sl_ok(done)) {
        done = write_text_at(proc_self, "gid_map", group_map);
    }
    if (sl_ok(done)) {
        done = write_text_at(proc_self, "uid_map", map);
    }
    if (sl_ok(done)) {
        holds(w, SL_LAYER_USER_NS);
    } else {
        lacks(w, SL_LAYER_USER_NS, errno);
    }
}

#ifdef SL_SANITIZED
/* What the sanitizers do where no environment reaches: a confined process may not trace itself, which
 * the leak sanitizer would. tools/san asks for leaks where they can be looked for. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

bool sl_confine_root_possible(void)
{
    struct statx facts;
    return statx(AT_FDCWD, "/", 0, STATX_TYPE, &facts) == 0 &&
           (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static void enter_other_ns(confine_work *w)
{
    if (sl_confine_root_possible()) {
        unshare_one(w, SL_LAYER_ROOT, CLONE_NEWNS);
    } else if (wanted(w, SL_LAYER_ROOT)) {
        lacks(w, SL_LAYER_ROOT, EINVAL);
    }
    unshare_one(w, SL_LAYER_PID_NS, CLONE_NEWPID);
    if ((w->profile->may & SL_MAY_NET) == 0) {
        unshare_one(w, SL_LAYER_NET_NS, CLONE_NEWNET);
    }
    unshare_one(w, SL_LAYER_IPC_NS, CLONE_NEWIPC);
    unshare_one(w, SL_LAYER_UTS_NS, CLONE_NEWUTS);
    unshare_one(w, SL_LAYER_CGROUP_NS, CLONE_NEWCGROUP);
}

/* Becomes process 1 of the new namespace, as a child of our parent: the outer process ends. */
static sl_res become_first(confine_work *w)
{
    if (!has(w, SL_LAYER_PID_NS)) {
        return SL_DONE;
    }
    long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0L);
    if (pid < 0) {
        return sl_fail_os(SL_E_IO, "clone");
    }
    if (pid > 0) {
        if (w->place->report_pid != NULL) {
            w->place->report_pid(w->place->context, (pid_t)pid);
        }
        _exit(0);
    }
    return SL_DONE;
}

/* ---- the empty root ---- */

static sl_res clone_tree(const confine_work *w, const sl_confine_path *path, int *ret_tree)
{
    char full[4096];
    const char *from = path->from;
    if (from[0] != '/') {
        int n = snprintf(full, sizeof full, "%s/%s", w->place->site, from);
        SL_NEED(n > 0 && (size_t)n < sizeof full, SL_E_LIMIT);
        from = full;
    }
    int tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) {
        return errno == ENOENT ? sl_fail_at(SL_E_NOT_FOUND, "path of a profile", SL_NOWHERE)
                               : sl_fail_os(SL_E_DENIED, "path of a profile");
    }
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };
    attr.attr_set |= (path->may & SL_PATH_WRITE) == 0 ? MOUNT_ATTR_RDONLY : 0;
    attr.attr_set |= (path->may & SL_PATH_EXEC) == 0 ? MOUNT_ATTR_NOEXEC : 0;
    attr.attr_set |= (path->may & SL_PATH_DEVICE) == 0 ? MOUNT_ATTR_NODEV : 0;
    if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0) {
        sl_res failed = sl_fail_os(SL_E_DENIED, "flags of a path");
        (void)close(tree);
        return failed;
    }
    *ret_tree = tree;
    return SL_DONE;
}

/* Makes the directories above `at` below the current directory. */
static sl_res make_parents(const char *at)
{
    char part[256];
    size_t n = strlen(at);
    SL_NEED(n < sizeof part, SL_E_LIMIT);
    for (size_t i = 1; i < n; i++) {
        if (at[i] == '/') {
            memcpy(part, at + 1, i - 1);
            part[i - 1] = '\0';
            if (mkdir(part, 0755) != 0 && errno != EEXIST) {
                return sl_fail_os(SL_E_IO, "directory of the root");
            }
        }
    }
    return SL_DONE;
}

static sl_res attach(const sl_confine_path *path, int tree)
{
    const char *at = path->at + 1;
    SL_TRY(make_parents(path->at));
    struct stat st = { .st_mode = S_IFDIR };
    if (tree >= 0 && fstat(tree, &st) != 0) {
        return sl_fail_os(SL_E_IO, "path of a profile");
    }
    if (S_ISDIR(st.st_mode)) {
        if (mkdir(at, 0755) != 0 && errno != EEXIST) {
            return sl_fail_os(SL_E_IO, "directory of the root");
        }
    } else {
        int fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            return sl_fail_os(SL_E_IO, "file of the root");
        }
        (void)close(fd);
    }
    if (tree >= 0 && move_mount(tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return sl_fail_os(SL_E_DENIED, "mount a path");
    }
    return SL_DONE;
}

#define CONFINE_PATHS_MAX 24

static sl_res build_root(const confine_work *w, const int *trees)
{
    const sl_confine_profile *p = w->profile;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return sl_fail_os(SL_E_DENIED, "private mounts");
    }
    if (mount("stoplog", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=256k,mode=755") !=
        0) {
        return sl_fail_os(SL_E_DENIED, "mount the root");
    }
    if (chdir("/tmp") != 0) {
        return sl_fail_os(SL_E_IO, "enter the root");
    }
    for (size_t i = 0; i < p->path_count; i++) {
        if (trees[i] >= 0 || (p->paths[i].may & SL_PATH_EMPTY) != 0) {
            SL_TRY(attach(&p->paths[i], trees[i]));
        }
    }
    if (syscall(SYS_pivot_root, ".", ".") != 0) {
        return sl_fail_os(SL_E_DENIED, "change the root");
    }
    if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
        return sl_fail_os(SL_E_IO, "leave the old root");
    }
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof attr) != 0) {
        return sl_fail_os(SL_E_DENIED, "make the root read-only");
    }
    return SL_DONE;
}

static sl_res enter_root(confine_work *w)
{
    const sl_confine_profile *p = w->profile;
    assert(p->path_count <= CONFINE_PATHS_MAX);
    if (!has(w, SL_LAYER_ROOT)) {
        return SL_DONE;
    }
    int trees[CONFINE_PATHS_MAX];
    for (size_t i = 0; i < CONFINE_PATHS_MAX; i++) {
        trees[i] = -1;
    }
    sl_res done = SL_DONE;
    for (size_t i = 0; sl_ok(done) && i < p->path_count; i++) {
        if ((p->paths[i].may & SL_PATH_EMPTY) != 0) {
            continue;
        }
        done = clone_tree(w, &p->paths[i], &trees[i]);
        if (sl_is(done, SL_E_NOT_FOUND) && (p->paths[i].may & SL_PATH_OPTIONAL) != 0) {
            done = SL_DONE;
        }
    }
    if (sl_ok(done)) {
        done = build_root(w, trees);
    }
    for (size_t i = 0; i < CONFINE_PATHS_MAX; i++) {
        if (trees[i] >= 0) {
            (void)close(trees[i]);
        }
    }
    return done;
}

/* ---- rights ---- */

static sl_res become_user(confine_work *w)
{
    if (w->place->uid == 0 || !w->superuser || !wanted(w, SL_LAYER_UID)) {
        lacks(w, SL_LAYER_UID, EPERM);
        return SL_DONE;
    }
    /* A failure here must not leave a process of the superuser running. */
    if (setgroups(0, NULL) != 0 || setresgid(w->gid, w->gid, w->gid) != 0 ||
        setresuid(w->uid, w->uid, w->uid) != 0) {
        return sl_fail_os(SL_E_DENIED, "become the process's user");
    }
    holds(w, SL_LAYER_UID);
    return SL_DONE;
}

static void drop_capabilities(confine_work *w)
{
    if (!wanted(w, SL_LAYER_CAPABILITIES)) {
        return;
    }
    for (unsigned long cap = 0; cap < 64; cap++) {
        (void)prctl(PR_CAPBSET_DROP, cap, 0L, 0L, 0L);
    }
    (void)prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { 0 };
    struct __user_cap_data_struct left[2] = { 0 };
    if (syscall(SYS_capset, &header, none) == 0 && syscall(SYS_capget, &header, left) == 0 &&
        (left[0].effective | left[0].permitted | left[1].effective | left[1].permitted) == 0) {
        holds(w, SL_LAYER_CAPABILITIES);
    } else {
        lacks(w, SL_LAYER_CAPABILITIES, errno);
    }
}

static int limit(__rlimit_resource_t what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0) {
        return -1;
    }
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most) {
        most = now.rlim_max;
    }
    return setrlimit(what, &(struct rlimit){ .rlim_cur = most, .rlim_max = most });
}

static void set_limits(confine_work *w)
{
    if (!wanted(w, SL_LAYER_RLIMITS)) {
        return;
    }
    const sl_confine_profile *p = w->profile;
    int bad = limit(RLIMIT_CORE, 0);
    bad |= limit(RLIMIT_NOFILE, p->files_max != 0 ? p->files_max : 1024);
    if ((p->may & (SL_MAY_FORK | SL_MAY_EXEC)) == 0) {
        bad |= limit(RLIMIT_NPROC, 1);
    }
#ifndef SL_SANITIZED
    if (p->memory_bytes_max != 0) {
        bad |= limit(RLIMIT_AS, p->memory_bytes_max);
    }
#endif
    if (bad == 0) {
        holds(w, SL_LAYER_RLIMITS);
    } else {
        lacks(w, SL_LAYER_RLIMITS, errno);
    }
}

static void enter_landlock(confine_work *w)
{
    if (!wanted(w, SL_LAYER_LANDLOCK)) {
        return;
    }
    int error = sl_landlock_enter(w->profile, has(w, SL_LAYER_ROOT) ? NULL : w->place->site);
    if (error == 0) {
        holds(w, SL_LAYER_LANDLOCK);
    } else {
        lacks(w, SL_LAYER_LANDLOCK, error);
    }
}

/* ---- all in order ---- */

static sl_res enter_namespaces(confine_work *w)
{
    int proc_self;
    if (!w->superuser) {
        /* An ordinary user gains the right to the other namespaces by the first. */
        proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        enter_user_ns(w, proc_self);
        (void)close(proc_self);
        enter_other_ns(w);
        SL_TRY(become_first(w));
        SL_TRY(enter_root(w));
        return become_user(w);
    }
    enter_other_ns(w);
    SL_TRY(become_first(w));
    proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    sl_res done = enter_root(w);
    if (sl_ok(done)) {
        done = become_user(w);
    }
    if (sl_ok(done)) {
        /* The change of user made us not dumpable, and so our own id maps the superuser's. */
        (void)prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
        enter_user_ns(w, proc_self);
    }
    (void)close(proc_self);
    return done;
}

static void enter_last_layers(confine_work *w)
{
    drop_capabilities(w);
    set_limits(w);
    if (wanted(w, SL_LAYER_NO_NEW_PRIVS)) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0) {
            holds(w, SL_LAYER_NO_NEW_PRIVS);
        } else {
            lacks(w, SL_LAYER_NO_NEW_PRIVS, errno);
        }
        enter_landlock(w);
    }
    if (wanted(w, SL_LAYER_NOT_DUMPABLE)) {
        if (!w->place->stay_dumpable && prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == 0) {
            holds(w, SL_LAYER_NOT_DUMPABLE);
        } else {
            lacks(w, SL_LAYER_NOT_DUMPABLE, 0);
        }
    }
    if (wanted(w, SL_LAYER_SECCOMP) && has(w, SL_LAYER_NO_NEW_PRIVS)) {
        int error = sl_seccomp_enter(w->profile->may);
        if (error == 0) {
            holds(w, SL_LAYER_SECCOMP);
        } else {
            lacks(w, SL_LAYER_SECCOMP, error);
        }
    }
}

sl_res sl_confine_enter(const sl_confine_profile *profile, const sl_confine_place *place,
                        sl_confine_report *ret_report)
{
    confine_work w = {
        .profile = profile,
        .place = place,
        .superuser = geteuid() == 0,
        .uid = place->uid != 0 ? place->uid : geteuid(),
        .gid = place->uid != 0 ? place->gid : getegid(),
    };
    SL_TRY(enter_namespaces(&w));
    /* Dies with its parent; the change of user would have cleared this. */
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L) != 0) {
        return sl_fail_os(SL_E_IO, "die with the supervisor");
    }
    enter_last_layers(&w);
    if ((profile->may & SL_MAY_NET) != 0) {
        holds(&w, SL_LAYER_NET_NS); /* the network is this process's work: nothing is missing */
    }
    *ret_report = w.report;
    return SL_DONE;
}
