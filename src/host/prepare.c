/* What a site is started with: its lock, its processes by the table, whose its directories are, configurations of
 * stock programs, listening sockets, shared memory, valves. Run by the supervisor before it starts anything.
 * It must never follow a link when it gives a file to a process's user. */
#include "host/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "host/sockets.h"

#define ADDRESS_WAIT_NS (UINT64_C(5) * 1000000000)

static sl_res open_site(sl_supervisor *host)
{
    SL_TRY(sl_dir_open(AT_FDCWD, host->options->site, &host->site_fd));
    SL_TRY(sl_dir_make(host->site_fd, "run", 0700));
    SL_TRY(sl_dir_make(host->site_fd, "run/sock", 0700));
    SL_TRY(sl_dir_make(host->site_fd, "run/conf", 0700));
    SL_TRY(sl_dir_make(host->site_fd, "run/counted", 0755)); /* egress counts, the warden reads */
    host->lock_fd = openat(host->site_fd, "run/up.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (host->lock_fd < 0) {
        return sl_fail_os(SL_E_DENIED, "run/up.lock");
    }
    if (flock(host->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return sl_fail_at(SL_E_EXISTS, "the site is up", SL_NOWHERE);
    }
    return SL_DONE;
}

static unsigned instances_of(const sl_proc_decl *decl, sl_view config)
{
    unsigned n = decl->instances == NULL ? 1 : decl->instances(config);
    n = n < 1 ? 1 : n;
    return n > SL_PROC_INSTANCES_MAX ? SL_PROC_INSTANCES_MAX : n;
}

static sl_res make_instances(sl_supervisor *host)
{
    for (size_t i = 0; i < host->options->count; i++) {
        const sl_proc_decl *decl = host->options->table[i];
        if (decl->wanted != NULL && !decl->wanted(host->options->config)) {
            continue;
        }
        unsigned count = instances_of(decl, host->options->config);
        for (unsigned n = 0; n < count; n++) {
            SL_NEED(host->instance_count < SL_HOST_INSTANCES_MAX, SL_E_LIMIT);
            sl_instance *instance = &host->instances[host->instance_count++];
            *instance = (sl_instance){ .host = host, .decl = decl, .index = n, .count = count };
            if (host->options->uid_base != 0) {
                instance->uid = host->options->uid_base + (uid_t)i; /* shared by its instances */
            }
            if (decl->instances != NULL) {
                (void)snprintf(instance->name, sizeof instance->name, "%s.%u", decl->name, n);
            } else {
                (void)snprintf(instance->name, sizeof instance->name, "%s", decl->name);
            }
        }
    }
    return SL_DONE;
}

/* After a sudden end, that of its supervisor above all, nginx may hold the address a moment longer. */
static sl_res listen_when_free(const char *address, int *ret_fd)
{
    const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
    uint64_t until_ns = sl_clock_mono_ns() + ADDRESS_WAIT_NS;
    for (;;) {
        sl_res r = sl_listen_tcp(address, ret_fd);
        if (!sl_is(r, SL_E_EXISTS) || sl_clock_mono_ns() >= until_ns) {
            return r;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static sl_res listen_on(sl_supervisor *host, const sl_proc_listen *declared, int *ret_fd)
{
    if (declared->tcp != NULL) {
        char address[128];
        SL_NEED(host->options->address != NULL, SL_E_CONFIG);
        SL_TRY(
            host->options->address(host->options->context, declared->tcp, address, sizeof address));
        return listen_when_free(address, ret_fd);
    }
    if (declared->packets) {
        return sl_listen_unix(host->site_fd, "run", declared->name, true, 0600, ret_fd);
    }
    /* Whoever may connect finds it in its root; on the host the directory keeps others out. */
    return sl_listen_unix(host->site_fd, "run/sock", declared->name, false, 0666, ret_fd);
}

static sl_res make_sockets(sl_supervisor *host)
{
    for (size_t i = 0; i < host->options->count; i++) {
        const sl_proc_listen *listens = host->options->table[i]->listens;
        for (size_t j = 0; j < SL_PROC_LISTENS_MAX && listens[j].name != NULL; j++) {
            SL_NEED(host->socket_count < SL_HOST_SOCKETS_MAX, SL_E_LIMIT);
            int fd = -1;
            SL_TRY(listen_on(host, &listens[j], &fd));
            host->sockets[host->socket_count++] = (sl_socket){ listens[j], fd };
        }
    }
    return SL_DONE;
}

/* What outlives the site is of use only as long as the machine has not started anew: after that the
 * files may hold any older state. */
static bool same_boot_as_before(const sl_supervisor *host, sl_buf *ret_id)
{
    SL_OWN(sl_buf, then, sl_buf_free) = { .max = 64 };
    return sl_ok(sl_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret_id)) &&
           sl_ok(sl_file_read(host->site_fd, "run/boot", &then)) &&
           sl_view_eq(sl_buf_view(ret_id), sl_buf_view(&then));
}

/* Zeros, but for a kept one of the right size that this boot of the machine has made. */
static sl_res open_memory(const sl_supervisor *host, const sl_proc_memory *declared, bool same_boot,
                          int *ret_fd)
{
    char path[96];
    struct stat st = { 0 };
    (void)snprintf(path, sizeof path, "run/%s.memory", declared->name);
    SL_OWN(int, fd, sl_fd_close) =
        declared->kept
            ? openat(host->site_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
            : memfd_create(declared->name, MFD_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "shared memory");
    }
    bool good = same_boot && st.st_size >= 0 && (size_t)st.st_size == declared->bytes;
    if (!good && (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)declared->bytes) != 0)) {
        return sl_fail_os(SL_E_IO, "shared memory");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static sl_res make_memories(sl_supervisor *host)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    bool same_boot = same_boot_as_before(host, &id);
    for (size_t i = 0; i < host->options->count; i++) {
        const sl_proc_memory *memories = host->options->table[i]->memories;
        for (size_t j = 0; j < SL_PROC_MEMORIES_MAX && memories[j].name != NULL; j++) {
            SL_NEED(host->memory_count < SL_HOST_MEMORIES_MAX, SL_E_LIMIT);
            int fd = -1;
            SL_TRY(open_memory(host, &memories[j], same_boot, &fd));
            host->memories[host->memory_count++] = (sl_memory){ memories[j].name, fd };
        }
    }
    return same_boot ? SL_DONE : sl_file_replace(host->site_fd, "run/boot", sl_buf_view(&id), 0600);
}

/* As root, what a process may write, and what it alone may read, belongs to its user. */
static uid_t owner_for_walk;
static int give_to_owner(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)kind;
    (void)walk;
    if (st->st_uid == owner_for_walk) {
        return 0;
    }
    return lchown(path, owner_for_walk, owner_for_walk);
}

/* Policies are no secret, and more than one process reads them. */
static int make_readable(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)kind;
    (void)walk;
    mode_t add = S_ISDIR(st->st_mode) ? 0555 : 0444;
    return S_ISLNK(st->st_mode) || (st->st_mode & add) == add ? 0 : chmod(path, st->st_mode | add);
}

static sl_res own_path(const sl_supervisor *host, const sl_instance *instance,
                       const sl_confine_path *path)
{
    if ((path->may & SL_PATH_WRITE) != 0) {
        SL_TRY(sl_dir_make(host->site_fd, path->from, 0700));
    }
    if (instance->uid == 0 || !sl_path_exists(host->site_fd, path->from)) {
        return SL_DONE; /* one user for all */
    }
    char full[4096];
    int n = snprintf(full, sizeof full, "%s/%s", host->options->site, path->from);
    SL_NEED(n > 0 && (size_t)n < sizeof full, SL_E_LIMIT);
    owner_for_walk = instance->uid;
    /* Rosters and sealed objects are written by one process and read by others, and say nothing without a key. */
    bool says_nothing = strcmp(path->from, "state/roster") == 0 || strcmp(path->from, "vault") == 0;
    bool reads = says_nothing && (path->may & SL_PATH_WRITE) == 0;
    bool shared = reads || strcmp(path->from, "policy") == 0;
    if (nftw(full, shared ? make_readable : give_to_owner, 16, FTW_PHYS | FTW_MOUNT) != 0) {
        return sl_fail_os(SL_E_DENIED, "owner of a directory");
    }
    return SL_DONE;
}

/* Those that it writes, or those that it only reads. */
static sl_res own_paths(const sl_supervisor *host, const sl_instance *instance, bool writes)
{
    const sl_confine_profile *profile = instance->decl->profile;
    for (size_t i = 0; i < profile->path_count; i++) {
        const sl_confine_path *path = &profile->paths[i];
        bool made_here = strncmp(path->from, "run/", 4) == 0 && (path->may & SL_PATH_WRITE) == 0;
        bool now = ((path->may & SL_PATH_WRITE) != 0) == writes;
        if (now && path->from[0] != '/' && !made_here) {
            SL_TRY(own_path(host, instance, path));
        }
    }
    return SL_DONE;
}

static sl_res write_conf(const sl_supervisor *host, const sl_instance *instance)
{
    const sl_proc_external *external = instance->decl->external;
    if (external == NULL || external->configure == NULL) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_TRY(external->configure(host->options->config, &text));
    char path[96];
    (void)snprintf(path, sizeof path, "run/conf/%s.conf", instance->name);
    SL_TRY(sl_file_replace(host->site_fd, path, sl_buf_view(&text), 0400));
    if (instance->uid != 0 && fchownat(host->site_fd, path, instance->uid, instance->uid, 0) != 0) {
        return sl_fail_os(SL_E_DENIED, "configuration of a program");
    }
    return SL_DONE;
}

static void make_cgroup(sl_supervisor *host)
{
    char tag[32];
    struct stat st = { 0 };
    (void)fstat(host->site_fd, &st);
    (void)snprintf(tag, sizeof tag, "%llx", (unsigned long long)st.st_ino);
    sl_res made = sl_cgroup_make(tag, &host->cgroup);
    host->cgroup_error = sl_ok(made) ? 0 : sl_detail_get()->os_error;
}

sl_res sl_host_prepare(sl_supervisor *host)
{
    SL_TRY(open_site(host));
    make_cgroup(host);
    SL_TRY(sl_valve_memory_make(&host->valve_fd, &host->valves));
    SL_TRY(make_instances(host));
    for (size_t i = 0; i < host->instance_count; i++) {
        SL_TRY(own_paths(host, &host->instances[i], true));
    }
    for (size_t i = 0; i < host->instance_count; i++) { /* what its writer has made by now */
        SL_TRY(own_paths(host, &host->instances[i], false));
        SL_TRY(write_conf(host, &host->instances[i]));
    }
    SL_TRY(make_sockets(host));
    SL_TRY(make_memories(host));
    return sl_host_make_links(host);
}
