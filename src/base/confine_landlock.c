/* Landlock for a confinement profile (confine_landlock.h): which files, and no TCP where there is no network. The
 * numbers are the kernel's own, because Debian 12's headers end at ABI 2. */
#include "base/confine_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LANDLOCK_FILE_RIGHTS (UINT64_C(0x7) | UINT64_C(1) << 14 | UINT64_C(1) << 15)

typedef struct {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
} landlock_ruleset;

static uint64_t landlock_rights(uint32_t may, uint64_t handled)
{
    uint64_t rights = 0;
    if ((may & SL_PATH_READ) != 0) {
        rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    }
    if ((may & SL_PATH_WRITE) != 0) {
        rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                  LANDLOCK_ACCESS_FS_MAKE_REG | UINT64_C(1) << 13 | UINT64_C(1) << 14;
    }
    if ((may & SL_PATH_EXEC) != 0) {
        rights |= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
    }
    return rights & handled;
}

static sl_res landlock_allow(const char *site, int rules, const sl_confine_path *path,
                             uint64_t handled)
{
    char full[4096];
    const char *name = path->at;
    if (site != NULL) { /* the host's paths are in sight then */
        int n = path->from[0] == '/' ? snprintf(full, sizeof full, "%s", path->from)
                                     : snprintf(full, sizeof full, "%s/%s", site, path->from);
        SL_NEED(n > 0 && (size_t)n < sizeof full, SL_E_LIMIT);
        name = full;
    }
    int fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return (path->may & (SL_PATH_OPTIONAL | SL_PATH_EMPTY)) != 0
                   ? SL_DONE
                   : sl_fail_os(SL_E_IO, "path of a profile");
    }
    struct stat st;
    uint64_t rights = landlock_rights(path->may, handled);
    if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode)) {
        rights &= LANDLOCK_FILE_RIGHTS;
    }
    struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
    long added = rights == 0
                     ? 0
                     : syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    sl_res done = added == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "Landlock rule");
    (void)close(fd);
    return done;
}

static sl_res landlock_restrict(const sl_confine_profile *profile, const char *site, int rules,
                                uint64_t handled)
{
    for (size_t i = 0; i < profile->path_count; i++) {
        SL_TRY(landlock_allow(site, rules, &profile->paths[i], handled));
    }
    return syscall(SYS_landlock_restrict_self, rules, 0) == 0
               ? SL_DONE
               : sl_fail_os(SL_E_IO, "restrict by Landlock");
}

int sl_landlock_enter(const sl_confine_profile *profile, const char *site)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        return errno;
    }
    landlock_ruleset set = { .fs = (UINT64_C(1) << 13) - 1 };
    set.fs |= abi >= 2 ? UINT64_C(1) << 13 : 0;                     /* refer */
    set.fs |= abi >= 3 ? UINT64_C(1) << 14 : 0;                     /* truncate */
    set.fs |= abi >= 5 ? UINT64_C(1) << 15 : 0;                     /* device ioctl */
    set.net = abi >= 4 && (profile->may & SL_MAY_NET) == 0 ? 3 : 0; /* TCP */
    set.scoped = abi >= 6 ? 3 : 0;                                  /* abstract, signals */
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0) {
        return errno;
    }
    sl_res done = landlock_restrict(profile, site, rules, set.fs);
    int error = sl_detail_get()->os_error;
    error = sl_ok(done) ? 0 : error != 0 ? error : EINVAL; /* a failure never reads as 0 */
    (void)close(rules);
    return error;
}
