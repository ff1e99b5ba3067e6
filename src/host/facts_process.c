/* One process as the kernel shows it to others (facts.h): what a process says of its own confinement is compared
 * with this. Landlock leaves no trace outside the process; a layer that cannot be seen is reported as hidden. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/facts.h"

/* Reading takes 64 KiB at a time, and a ceiling above that. */
#define TEXT_MAX ((size_t)256 * 1024)

typedef struct {
    const sl_fact_roots *roots;
    pid_t pid;
    uid_t euid; /* of the process */
    sl_process_seen *seen;
} look;

static bool read_file(const look *l, const char *name, sl_buf *out)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%d/%s", l->roots->proc, (int)l->pid, name);
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && sl_ok(sl_fd_read_all(fd, out));
}

static void say(look *l, sl_layer layer, bool visible, bool holds)
{
    if (!visible) {
        l->seen->hidden |= SL_LAYER_BIT(layer);
    } else if (holds) {
        l->seen->holds |= SL_LAYER_BIT(layer);
    }
}

/* The value behind "Name:" at the start of a line; false if there is none. */
static bool line_named(sl_view text, const char *name, sl_view *ret_value)
{
    sl_view rest = text;
    while (rest.n > 0) {
        sl_view line;
        sl_view head;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (sl_view_cut(line, ':', &head, ret_value) && sl_view_eq_str(head, name)) {
            *ret_value = sl_view_trim(*ret_value);
            return true;
        }
    }
    return false;
}

static bool line_is(sl_view text, const char *name, const char *value)
{
    sl_view found;
    return line_named(text, name, &found) && sl_view_eq_str(found, value);
}

static void look_at_status(look *l, sl_view status, uid_t uid)
{
    static const char none[] = "0000000000000000";
    sl_view ids;
    sl_view id = { 0 };
    uint64_t value = 0;
    bool ours = line_named(status, "Uid", &ids);
    for (int i = 0; i < 4 && ours; i++) {
        (void)sl_view_cut(ids, '\t', &id, &ids);
        ours = sl_ok(sl_parse_u64(sl_view_trim(id), UINT32_MAX, &value)) && value == uid;
        l->euid = i == 1 ? (uid_t)value : l->euid;
    }
    say(l, SL_LAYER_UID, true, ours && uid != geteuid());
    say(l, SL_LAYER_NO_NEW_PRIVS, true, line_is(status, "NoNewPrivs", "1"));
    say(l, SL_LAYER_SECCOMP, true, line_is(status, "Seccomp", "2"));
    say(l, SL_LAYER_CAPABILITIES, true,
        line_is(status, "CapEff", none) && line_is(status, "CapPrm", none) &&
            line_is(status, "CapInh", none) && line_is(status, "CapAmb", none));
}

/* A namespace of its own is one that is not ours. */
static void look_at_namespace(look *l, sl_layer layer, const char *name)
{
    char path[512];
    char ours[128] = { 0 };
    char theirs[128] = { 0 };
    (void)snprintf(path, sizeof path, "%s/self/ns/%s", l->roots->proc, name);
    bool visible = readlink(path, ours, sizeof ours - 1) > 0;
    (void)snprintf(path, sizeof path, "%s/%d/ns/%s", l->roots->proc, (int)l->pid, name);
    visible = visible && readlink(path, theirs, sizeof theirs - 1) > 0;
    say(l, layer, visible, strcmp(ours, theirs) != 0);
}

/* Most files in /proc/PID belong to the superuser when the process is not dumpable, else to its user. */
static bool look_at_dumpable(look *l)
{
    char path[512];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%d/status", l->roots->proc, (int)l->pid);
    bool visible = stat(path, &st) == 0 && l->euid != 0;
    bool holds = visible && st.st_uid != l->euid;
    say(l, SL_LAYER_NOT_DUMPABLE, visible, holds);
    return holds;
}

/* "Max core file size         0                    0                    bytes" */
static bool look_at_limits(look *l)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    bool visible = read_file(l, "limits", &text);
    static const char name[] = "Max core file size";
    size_t at = visible ? sl_view_find(sl_buf_view(&text), sl_view_str(name), 0) : SIZE_MAX;
    bool none = false;
    if (at != SIZE_MAX) {
        sl_view line;
        sl_view rest;
        (void)sl_view_cut(sl_view_sub(sl_buf_view(&text), at + sizeof name, text.n), '\n', &line,
                          &rest);
        sl_view soft;
        (void)sl_view_cut(sl_view_trim(line), ' ', &soft, &rest);
        sl_view hard;
        (void)sl_view_cut(sl_view_trim(rest), ' ', &hard, &rest);
        none = sl_view_eq_str(soft, "0") && sl_view_eq_str(hard, "0");
    }
    say(l, SL_LAYER_RLIMITS, visible, none);
    return none;
}

/* A program that takes cores through a pipe is not held by the limit of their size. */
static bool cores_piped(const sl_fact_roots *roots)
{
    char path[512];
    char first = '|';
    (void)snprintf(path, sizeof path, "%s/sys/kernel/core_pattern", roots->proc);
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || read(fd, &first, 1) != 1 || first == '|';
}

static uint64_t interfaces_of(const look *l)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    uint64_t count = 0;
    (void)read_file(l, "net/dev", &text);
    sl_view rest = sl_buf_view(&text);
    while (rest.n > 0) {
        sl_view line;
        sl_view name;
        sl_view others;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (sl_view_cut(line, ':', &name, &others) && !sl_view_eq_str(sl_view_trim(name), "lo")) {
            count++;
        }
    }
    return count;
}

sl_res sl_fact_process(const sl_fact_roots *roots, pid_t pid, uid_t uid, sl_process_seen *ret)
{
    static const struct {
        sl_layer layer;
        const char *name;
    } namespaces[] = {
        { SL_LAYER_USER_NS, "user" },     { SL_LAYER_ROOT, "mnt" },   { SL_LAYER_PID_NS, "pid" },
        { SL_LAYER_NET_NS, "net" },       { SL_LAYER_IPC_NS, "ipc" }, { SL_LAYER_UTS_NS, "uts" },
        { SL_LAYER_CGROUP_NS, "cgroup" },
    };
    SL_OWN(sl_buf, status, sl_buf_free) = { .max = TEXT_MAX };
    sl_process_seen seen = { 0 };
    look l = { .roots = roots, .pid = pid, .seen = &seen };
    SL_NEED(read_file(&l, "status", &status), SL_E_NOT_FOUND);
    look_at_status(&l, sl_buf_view(&status), uid);
    for (size_t i = 0; i < SL_COUNT_OF(namespaces); i++) {
        look_at_namespace(&l, namespaces[i].layer, namespaces[i].name);
    }
    say(&l, SL_LAYER_LANDLOCK, false, false);
    say(&l, SL_LAYER_CGROUP, false, false); /* the supervisor put it there itself */
    bool closed = look_at_dumpable(&l);
    bool limited = look_at_limits(&l);
    seen.core = !closed && (!limited || cores_piped(roots));
    seen.interfaces = interfaces_of(&l);
    *ret = seen;
    return SL_DONE;
}
