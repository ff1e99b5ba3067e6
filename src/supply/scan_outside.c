/* External data of artefacts (scan_outside.h). The kernel decides what lies below the artefact's folder:
 * openat2 with RESOLVE_BENEATH and no symbolic link in any component, as ONNX itself does since its
 * path checks in text were got round time and again (CVE-2022-25882 and its successors). */
#include "supply/scan_outside.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

static void add(sl_scan_result *r, const sl_scan_outside *o, sl_rule rule, const char *why)
{
    sl_scan_finding *grown = reallocarray(r->findings, r->finding_count + 1, sizeof *grown);
    r->class = sl_rule_get(rule)->class > r->class ? sl_rule_get(rule)->class : r->class;
    if (grown == NULL) {
        r->suppressed++;
        return;
    }
    r->findings = grown;
    r->findings[r->finding_count++] = (sl_scan_finding){
        .rule = rule, .offset = SL_NOWHERE, .member = o->member, .evidence = sl_view_str(why)
    };
}

static void check_open(int fd, const sl_scan_outside *o, sl_scan_result *r)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        add(r, o, SL_RULE_SCAN_OUTSIDE_PATH, "it is no plain file");
    } else if (st.st_nlink != 1) {
        add(r, o, SL_RULE_SCAN_OUTSIDE_PATH, "it has several names: a hard link");
    } else if (o->offset > (uint64_t)st.st_size || o->length > (uint64_t)st.st_size - o->offset) {
        add(r, o, SL_RULE_SCAN_OUTSIDE_SIZE, "it is shorter than what is wanted of it");
    }
}

static void check_one(int folder, const sl_scan_outside *o, sl_scan_result *r)
{
    char name[4096];
    if (o->path.n == 0 || o->path.n >= sizeof name || memchr(o->path.p, 0, o->path.n) != NULL) {
        add(r, o, SL_RULE_SCAN_OUTSIDE_PATH, "a name that no file has");
        return;
    }
    memcpy(name, o->path.p, o->path.n);
    name[o->path.n] = 0;
    const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                                  .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                             RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd < 0) {
        bool absent = errno == ENOENT;
        add(r, o, absent ? SL_RULE_SCAN_OUTSIDE_MISSING : SL_RULE_SCAN_OUTSIDE_PATH,
            absent ? "it is not there" : "it lies outside, behind a link, or cannot be opened");
        return;
    }
    check_open(fd, o, r);
    (void)close(fd);
}

void sl_scan_outside_check(const char *path, sl_scan_result *result)
{
    if (result->outside_count == 0) {
        return;
    }
    char *copy = strdup(path);
    SL_OWN(int, folder, sl_fd_close) =
        copy == NULL ? -1 : open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < result->outside_count; i++) {
        check_one(folder, &result->outside[i], result);
    }
    free(copy);
}
