/* Disks, swap, files and the clock (facts.h). Everything is read from text that the kernel wrote; the walk over
 * block devices is bounded and does not recurse. */
#include "host/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/file.h"

#define DEVICES_MAX ((size_t)64)
/* Reading takes 64 KiB at a time, and a ceiling above that. */
#define TEXT_MAX ((size_t)256 * 1024)
#define PATH_BYTES 1024

const char *sl_known_name(sl_known known)
{
    static const char *const names[] = { "unknown", "good", "bad" };
    return names[known];
}

static sl_host_fact fact(sl_known known, const char *reason, uint64_t count)
{
    return (sl_host_fact){ known, reason, count };
}

/* Files of /proc and /sys have no size: they are read until their end. The last line's end is dropped. */
static sl_res read_text(const char *path, sl_buf *out)
{
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? sl_fail(SL_E_NOT_FOUND) : sl_fail_os(SL_E_IO, "kernel file");
    }
    SL_TRY(sl_fd_read_all(fd, out));
    out->n -= out->n > 0 && out->p[out->n - 1] == '\n' ? 1 : 0;
    return SL_DONE;
}

/* ---- devices ---- */

/* What is still to be looked at; what was seen once is not seen again. */
typedef struct {
    const sl_fact_roots *roots;
    dev_t all[DEVICES_MAX];
    size_t count;
    size_t next;
    bool full;
    bool sealed; /* dm-crypt was found */
} devices;

static void push(devices *d, dev_t device)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->all[i] == device) {
            return;
        }
    }
    if (d->count == DEVICES_MAX) {
        d->full = true;
        return;
    }
    d->all[d->count++] = device;
}

static bool device_path(const devices *d, dev_t device, const char *below, char path[PATH_BYTES])
{
    int n = snprintf(path, PATH_BYTES, "%s/dev/block/%u:%u/%s", d->roots->sys, major(device),
                     minor(device), below);
    return n > 0 && n < PATH_BYTES;
}

static bool device_text(const devices *d, dev_t device, const char *below, sl_buf *out)
{
    char path[PATH_BYTES];
    return device_path(d, device, below, path) && sl_ok(read_text(path, out));
}

static bool parse_device(sl_view text, dev_t *ret)
{
    sl_view left;
    sl_view right;
    uint64_t high = 0;
    uint64_t low = 0;
    if (!sl_view_cut(text, ':', &left, &right) || !sl_ok(sl_parse_u64(left, 0xfff, &high)) ||
        !sl_ok(sl_parse_u64(right, 0xfffff, &low))) {
        return false;
    }
    *ret = makedev((unsigned)high, (unsigned)low);
    return true;
}

/* The devices below this one; false when it has none, or one of them could not be read. */
static bool push_slaves(devices *d, dev_t device, bool *ret_broken)
{
    char path[PATH_BYTES];
    size_t found = 0;
    DIR *dir = device_path(d, device, "slaves", path) ? opendir(path) : NULL;
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.') {
            continue;
        }
        char below[PATH_BYTES];
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
        dev_t slave = 0;
        (void)snprintf(below, sizeof below, "slaves/%.200s/dev", e->d_name);
        found++;
        if (device_text(d, device, below, &text) && parse_device(sl_buf_view(&text), &slave)) {
            push(d, slave);
        } else {
            *ret_broken = true;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found > 0;
}

static bool push_loop_file(devices *d, dev_t device)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    struct stat st;
    bool there = device_text(d, device, "loop/backing_file", &text);
    const char *path = there ? sl_buf_cstr(&text) : NULL;
    if (path == NULL || stat(path, &st) != 0) {
        return false;
    }
    push(d, st.st_dev);
    return true;
}

/* A filesystem without a device number of its own: its line in mountinfo names what it lies on. */
static bool push_source(devices *d, dev_t device)
{
    char path[PATH_BYTES];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    (void)snprintf(path, sizeof path, "%s/self/mountinfo", d->roots->proc);
    if (!sl_ok(read_text(path, &text))) {
        return false;
    }
    sl_view rest = sl_buf_view(&text);
    while (rest.n > 0) {
        sl_view line;
        sl_view words;
        sl_view word = { 0 };
        dev_t found = 0;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        words = line;
        for (int i = 0; i < 3; i++) {
            (void)sl_view_cut(words, ' ', &word, &words);
        }
        size_t dash = sl_view_find(line, SL_LIT(" - "), 0);
        if (dash == SIZE_MAX || !parse_device(word, &found) || found != device) {
            continue;
        }
        sl_view type;
        sl_view source;
        struct stat st;
        char name[PATH_BYTES];
        (void)sl_view_cut(sl_view_sub(line, dash + 3, line.n), ' ', &type, &words);
        (void)sl_view_cut(words, ' ', &source, &words);
        if (!sl_view_starts(source, SL_LIT("/")) || source.n >= sizeof name) {
            return false;
        }
        memcpy(name, source.p, source.n);
        name[source.n] = '\0';
        if (stat(name, &st) != 0 || !S_ISBLK(st.st_mode)) {
            return false;
        }
        push(d, st.st_rdev);
        return true;
    }
    return false;
}

/* One device: behind dm-crypt, made of others, or a disk. */
static sl_host_fact look_at(devices *d, dev_t device)
{
    SL_OWN(sl_buf, uuid, sl_buf_free) = { .max = TEXT_MAX };
    char path[PATH_BYTES];
    bool broken = false;
    if (major(device) == 0) {
        return push_source(d, device) ? fact(SL_KNOWN_GOOD, "dm_crypt", 0)
                                      : fact(SL_KNOWN_NOT, "no_block_device", 0);
    }
    if (!device_path(d, device, "", path) || access(path, F_OK) != 0) {
        return fact(SL_KNOWN_NOT, "device_not_visible", 0);
    }
    if (device_text(d, device, "dm/uuid", &uuid) &&
        sl_view_starts(sl_buf_view(&uuid), SL_LIT("CRYPT-"))) {
        d->sealed = true;
        return fact(SL_KNOWN_GOOD, "dm_crypt", 0);
    }
    if (push_slaves(d, device, &broken) || push_loop_file(d, device)) {
        return broken ? fact(SL_KNOWN_NOT, "device_not_visible", 0)
                      : fact(SL_KNOWN_GOOD, "dm_crypt", 0);
    }
    return fact(SL_KNOWN_BAD, "plain_disk", 1);
}

static sl_host_fact worse(sl_host_fact a, sl_host_fact b)
{
    static const int rank[] = { 1, 0, 2 };
    uint64_t count = a.count + b.count;
    sl_host_fact worst = rank[b.known] > rank[a.known] ? b : a;
    worst.count = count;
    return worst;
}

static sl_host_fact walk(devices *d)
{
    sl_host_fact found = fact(SL_KNOWN_GOOD, "dm_crypt", 0);
    while (d->next < d->count) {
        found = worse(found, look_at(d, d->all[d->next++]));
    }
    if (!d->sealed) {
        found = worse(found, fact(SL_KNOWN_NOT, "device_not_visible", 0));
    }
    return d->full ? worse(found, fact(SL_KNOWN_NOT, "too_many_devices", 0)) : found;
}

sl_host_fact sl_fact_disk(const sl_fact_roots *roots, dev_t device)
{
    devices d = { .roots = roots };
    push(&d, device);
    return walk(&d);
}

/* ---- swap ---- */

/* Compressed memory is memory, unless it may spill onto a disk. */
static bool only_memory(const sl_fact_roots *roots, sl_view name)
{
    char path[PATH_BYTES];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    if (!sl_view_starts(name, SL_LIT("/dev/zram"))) {
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/block/%.*s/backing_dev", roots->sys, (int)(name.n - 5),
                   (const char *)name.p + 5);
    sl_res r = read_text(path, &text);
    return sl_is(r, SL_E_NOT_FOUND) || (sl_ok(r) && sl_view_eq_str(sl_buf_view(&text), "none"));
}

static sl_host_fact look_at_swap(const sl_fact_roots *roots, sl_view name)
{
    struct stat st;
    char path[PATH_BYTES];
    if (only_memory(roots, name)) {
        return fact(SL_KNOWN_GOOD, "only_memory", 0);
    }
    if (name.n >= sizeof path) {
        return fact(SL_KNOWN_NOT, "swap_not_visible", 0);
    }
    memcpy(path, name.p, name.n);
    path[name.n] = '\0';
    if (stat(path, &st) != 0) {
        return fact(SL_KNOWN_NOT, "swap_not_visible", 0);
    }
    sl_host_fact found = sl_fact_disk(roots, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
    return found.known == SL_KNOWN_BAD ? fact(SL_KNOWN_BAD, "plain_swap", 1) : found;
}

sl_host_fact sl_fact_swap(const sl_fact_roots *roots)
{
    char path[PATH_BYTES];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_MAX };
    (void)snprintf(path, sizeof path, "%s/swaps", roots->proc);
    if (!sl_ok(read_text(path, &text))) {
        return fact(SL_KNOWN_NOT, "swap_not_visible", 0);
    }
    sl_host_fact found = fact(SL_KNOWN_GOOD, "no_swap", 0);
    sl_view rest;
    sl_view line;
    (void)sl_view_cut(sl_buf_view(&text), '\n', &line, &rest); /* the heading */
    for (size_t i = 0; rest.n > 0; i++) {
        sl_view name;
        sl_view others;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        (void)sl_view_cut(line, ' ', &name, &others);
        (void)sl_view_cut(name, '\t', &name, &others);
        if (name.n > 0) {
            sl_host_fact one = look_at_swap(roots, name);
            found = i == 0 ? one : worse(found, one);
        }
    }
    return found;
}

/* ---- files ---- */

sl_host_fact sl_fact_key_files(int site_fd, const char *const *paths, size_t count)
{
    sl_host_fact found = fact(SL_KNOWN_GOOD, "owner_only", 0);
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (fstatat(site_fd, paths[i], &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) {
                found = worse(found, fact(SL_KNOWN_NOT, "file_not_visible", 0));
            }
            continue;
        }
        bool regular = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
        if (!regular || (st.st_mode & 077) != 0) {
            found = worse(found, fact(SL_KNOWN_BAD, regular ? "others_may" : "not_a_file", 1));
        }
    }
    return found;
}

/* ---- the clock ---- */

sl_clock_fact sl_fact_clock(void)
{
    struct timex t = { .modes = 0 };
    int state = adjtimex(&t);
    sl_clock_fact found = { .synced =
                                state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC) };
    if (found.synced) {
        bool nanoseconds = (t.status & STA_NANO) != 0;
        found.offset_ms = (int64_t)t.offset / (nanoseconds ? 1000000 : 1000);
    }
    return found;
}
