/* Control groups (see cgroup.h), by files alone. Never moves the supervisor itself. */
#include "host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"

#define CGROUP2_MAGIC 0x63677270

static sl_res put(const char *directory, const char *file, const char *text)
{
    char path[768];
    int n = snprintf(path, sizeof path, "%s/%s", directory, file);
    SL_NEED(n > 0 && (size_t)n < sizeof path, SL_E_LIMIT);
    SL_OWN(int, fd, sl_fd_close) = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(SL_E_UNSUPPORTED, "control group");
    }
    return sl_fd_write_all(fd, sl_view_str(text));
}

static size_t get(const char *directory, const char *file, char *ret_text, size_t size)
{
    char path[768];
    int n = snprintf(path, sizeof path, "%s/%s", directory, file);
    SL_OWN(int, fd, sl_fd_close) = -1;
    if (n > 0 && (size_t)n < sizeof path) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    ssize_t got = fd < 0 ? -1 : read(fd, ret_text, size - 1);
    ret_text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* Our own group in the hierarchy whose line in /proc/self/cgroup begins so; "" when none. */
static void own_group(const char *controller, char *ret_path, size_t size)
{
    char text[4096];
    ret_path[0] = '\0';
    (void)get("/proc/self", "cgroup", text, sizeof text);
    sl_view rest = sl_view_str(text);
    while (rest.n > 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        sl_view number;
        sl_view names;
        sl_view path;
        if (!sl_view_cut(line, ':', &number, &line) || !sl_view_cut(line, ':', &names, &path) ||
            !sl_view_eq_str(names, controller) || path.n + 1 > size) {
            continue;
        }
        memcpy(ret_path, path.p, path.n);
        ret_path[path.n] = '\0';
        if (strcmp(ret_path, "/") == 0) {
            ret_path[0] = '\0';
        }
        return;
    }
}

static sl_res try_make(sl_cgroup_kind kind, const char *mount, const char *controller,
                       const char *tag, sl_cgroup *ret_group)
{
    char own[256];
    own_group(controller, own, sizeof own);
    sl_cgroup group = { .kind = kind };
    int n = snprintf(group.path, sizeof group.path, "%s%s/stoplog-%s", mount, own, tag);
    SL_NEED(n > 0 && (size_t)n < sizeof group.path, SL_E_LIMIT);
    if (mkdir(group.path, 0755) != 0 && errno != EEXIST) {
        return sl_fail_os(SL_E_UNSUPPORTED, "control group");
    }
    *ret_group = group;
    return SL_DONE;
}

static bool is_v2(const char *mount)
{
    struct statfs fs;
    return statfs(mount, &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
}

sl_res sl_cgroup_make(const char *tag, sl_cgroup *ret_group)
{
    static const char *const v2_mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
    sl_res made = sl_fail(SL_E_UNSUPPORTED);
    for (size_t i = 0; i < SL_COUNT_OF(v2_mounts); i++) {
        if (is_v2(v2_mounts[i])) {
            made = try_make(SL_CGROUP_V2, v2_mounts[i], "", tag, ret_group);
            if (sl_ok(made)) {
                return made;
            }
        }
    }
    if (sl_path_exists(AT_FDCWD, "/sys/fs/cgroup/freezer/cgroup.procs")) {
        return try_make(SL_CGROUP_V1, "/sys/fs/cgroup/freezer", "freezer", tag, ret_group);
    }
    return made;
}

void sl_cgroup_remove(sl_cgroup *group)
{
    if (group->kind != SL_CGROUP_NONE) {
        (void)rmdir(group->path);
    }
    group->kind = SL_CGROUP_NONE;
}

static sl_res path_of(const sl_cgroup *group, const char *name, char ret_path[640])
{
    SL_NEED(group->kind != SL_CGROUP_NONE, SL_E_UNSUPPORTED);
    int n = snprintf(ret_path, 640, "%s/%s", group->path, name);
    SL_NEED(n > 0 && n < 640, SL_E_LIMIT);
    return SL_DONE;
}

sl_res sl_cgroup_join(const sl_cgroup *group, const char *name, pid_t pid)
{
    char path[640];
    SL_TRY(path_of(group, name, path));
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        return sl_fail_os(SL_E_UNSUPPORTED, "control group");
    }
    char text[24];
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    return put(path, "cgroup.procs", text);
}

/* Waits until `file` holds `wanted`. */
static sl_res wait_for(const char *path, const char *file, const char *wanted, int wait_ms_max)
{
    uint64_t until = sl_clock_mono_ns() + (uint64_t)wait_ms_max * 1000000;
    for (;;) {
        char text[256];
        (void)get(path, file, text, sizeof text);
        if (strstr(text, wanted) != NULL) {
            return SL_DONE;
        }
        if (sl_clock_mono_ns() > until) {
            return sl_fail_at(SL_E_TIMEOUT, "freeze", SL_NOWHERE);
        }
        (void)usleep(50);
    }
}

sl_res sl_cgroup_freeze(const sl_cgroup *group, const char *name, int wait_ms_max)
{
    char path[640];
    SL_TRY(path_of(group, name, path));
    if (group->kind == SL_CGROUP_V2) {
        SL_TRY(put(path, "cgroup.freeze", "1"));
        return wait_for(path, "cgroup.events", "frozen 1", wait_ms_max);
    }
    SL_TRY(put(path, "freezer.state", "FROZEN"));
    return wait_for(path, "freezer.state", "FROZEN", wait_ms_max);
}

sl_res sl_cgroup_thaw(const sl_cgroup *group, const char *name)
{
    char path[640];
    SL_TRY(path_of(group, name, path));
    return group->kind == SL_CGROUP_V2 ? put(path, "cgroup.freeze", "0")
                                       : put(path, "freezer.state", "THAWED");
}

/* Version 1 has no kill file: every listed process, then thaw so that the signals take effect. */
static sl_res kill_listed(const sl_cgroup *group, const char *name, const char *path)
{
    char text[8192];
    (void)get(path, "cgroup.procs", text, sizeof text);
    sl_view rest = sl_view_str(text);
    while (rest.n > 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        uint64_t pid = 0;
        if (sl_ok(sl_parse_u64(line, INT32_MAX, &pid)) && pid > 1) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    return sl_cgroup_thaw(group, name);
}

sl_res sl_cgroup_kill(const sl_cgroup *group, const char *name)
{
    char path[640];
    SL_TRY(path_of(group, name, path));
    if (group->kind == SL_CGROUP_V2) {
        sl_res killed = put(path, "cgroup.kill", "1"); /* kernel 5.14 */
        if (sl_ok(killed)) {
            return killed;
        }
    }
    return kill_listed(group, name, path);
}

void sl_cgroup_leave(const sl_cgroup *group, const char *name)
{
    char path[640];
    if (sl_ok(path_of(group, name, path))) {
        (void)rmdir(path);
    }
}
