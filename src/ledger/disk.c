/* A directory as a disk (disk.h). */
#include "ledger/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"

static int fd_of(sl_disk *disk)
{
    return ((sl_disk_dir *)(void *)disk)->dir_fd;
}

static sl_res fail_errno(const char *field)
{
    if (errno == ENOSPC || errno == EDQUOT) {
        return sl_fail_os(SL_E_DISK_FULL, field);
    }
    if (errno == ENOENT) {
        return sl_fail_os(SL_E_NOT_FOUND, field);
    }
    return sl_fail_os(errno == EEXIST ? SL_E_EXISTS : SL_E_IO, field);
}

static void close_dir(DIR **dir)
{
    if (*dir != NULL) {
        closedir(*dir);
    }
}

static sl_res dir_list(sl_disk *disk, const char *folder, sl_disk_name *call, void *ctx)
{
    int fd = openat(fd_of(disk), folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? SL_DONE : sl_fail_os(SL_E_IO, "ledger folder");
    }
    SL_OWN(DIR *, dir, close_dir) = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return sl_fail(SL_E_MEMORY);
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            SL_TRY(call(ctx, entry->d_name));
        }
    }
    return SL_DONE;
}

static sl_res dir_read(sl_disk *disk, const char *path, sl_buf *out)
{
    return sl_file_read(fd_of(disk), path, out);
}

/* Makes the folders above `path`. */
static sl_res make_folders(sl_disk *disk, const char *path)
{
    char folder[256];
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return SL_DONE;
    }
    SL_NEED((size_t)(slash - path) < sizeof folder, SL_E_LIMIT);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return sl_dir_make(fd_of(disk), folder, 0755);
}

static sl_res sync_folder_of(sl_disk *disk, const char *path)
{
    char folder[256] = ".";
    const char *slash = strrchr(path, '/');

    if (slash != NULL) {
        SL_NEED((size_t)(slash - path) < sizeof folder, SL_E_LIMIT);
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    }
    return sl_dir_sync(fd_of(disk), folder);
}

/* Zeros are written and not only allocated: a sync of allocated but unwritten space has to change
 * the file's map as well, which costs about half as much again. */
static sl_res write_zeros(int fd, uint64_t bytes)
{
    static const uint8_t zeros[65536];

    for (uint64_t at = 0; at < bytes; at += sizeof zeros) {
        size_t n = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        if (!sl_ok(sl_fd_pwrite_all(fd, sl_view_of(zeros, n), at))) {
            return fail_errno("preallocation");
        }
    }
    return fsync(fd) == 0 ? SL_DONE : fail_errno("preallocation");
}

static sl_res dir_create(sl_disk *disk, const char *path, uint64_t bytes)
{
    SL_TRY(make_folders(disk, path));
    SL_OWN(int, fd, sl_fd_close) =
        openat(fd_of(disk), path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno("ledger file");
    }
    int failed = posix_fallocate(fd, 0, (off_t)bytes);
    sl_res r = SL_DONE;
    if (failed != 0) {
        errno = failed;
        r = fail_errno("preallocation");
    }
    if (sl_ok(r)) {
        r = write_zeros(fd, bytes);
    }
    if (!sl_ok(r)) {
        (void)unlinkat(fd_of(disk), path, 0);
        return r;
    }
    return sync_folder_of(disk, path);
}

static sl_res dir_open_file(sl_disk *disk, const char *path, int *ret_file)
{
    int fd = openat(fd_of(disk), path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return fail_errno("ledger file");
    }
    *ret_file = fd;
    return SL_DONE;
}

static sl_res dir_write(sl_disk *disk, int file, uint64_t offset, sl_view bytes)
{
    (void)disk;
    return sl_ok(sl_fd_pwrite_all(file, bytes, offset)) ? SL_DONE : fail_errno("ledger write");
}

static sl_res dir_sync_file(sl_disk *disk, int file)
{
    (void)disk;
    return fdatasync(file) == 0 ? SL_DONE : fail_errno("ledger sync");
}

static void dir_close(sl_disk *disk, int file)
{
    (void)disk;
    close(file);
}

static sl_res replace_lightly(sl_disk *disk, const char *path, sl_view bytes)
{
    char temporary[300];

    (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = openat(fd_of(disk), temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) {
        SL_TRY(make_folders(disk, path));
        fd = openat(fd_of(disk), temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        return fail_errno("ledger file");
    }
    sl_res r = sl_fd_write_all(fd, bytes);
    if (close(fd) != 0 && sl_ok(r)) {
        r = sl_fail_os(SL_E_IO, "ledger file");
    }
    if (sl_ok(r) && renameat(fd_of(disk), temporary, fd_of(disk), path) != 0) {
        r = fail_errno("ledger file");
    }
    if (!sl_ok(r)) {
        (void)unlinkat(fd_of(disk), temporary, 0);
    }
    return r;
}

static sl_res dir_replace(sl_disk *disk, const char *path, sl_view bytes, bool durable)
{
    if (!durable) {
        return replace_lightly(disk, path, bytes);
    }
    SL_TRY(make_folders(disk, path));
    return sl_file_replace(fd_of(disk), path, bytes, 0644);
}

static sl_res dir_rename(sl_disk *disk, const char *from, const char *to)
{
    if (renameat(fd_of(disk), from, fd_of(disk), to) != 0) {
        return fail_errno("ledger file");
    }
    return sync_folder_of(disk, to);
}

typedef struct {
    sl_disk *disk;
    const char *folder;
} inside;

static sl_res remove_inside(void *ctx, const char *name)
{
    const inside *in = ctx;
    char path[600];

    (void)snprintf(path, sizeof path, "%s/%s", in->folder, name);
    (void)unlinkat(fd_of(in->disk), path, 0);
    return SL_DONE;
}

static sl_res dir_remove(sl_disk *disk, const char *path, bool durable)
{
    if (unlinkat(fd_of(disk), path, 0) == 0) {
        return durable ? sync_folder_of(disk, path) : SL_DONE;
    }
    if (errno == ENOENT) {
        return SL_DONE;
    }
    if (errno != EISDIR && errno != EPERM) {
        return fail_errno("ledger file");
    }
    inside in = { disk, path };
    SL_TRY(dir_list(disk, path, remove_inside, &in));
    return unlinkat(fd_of(disk), path, AT_REMOVEDIR) == 0 ? SL_DONE : fail_errno("ledger folder");
}

static sl_res dir_sync_all(sl_disk *disk)
{
    return syncfs(fd_of(disk)) == 0 ? SL_DONE : fail_errno("ledger sync");
}

static uint64_t dir_room(sl_disk *disk)
{
    struct statvfs st;

    return fstatvfs(fd_of(disk), &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

void sl_disk_dir_init(sl_disk_dir *d, int dir_fd)
{
    *d = (sl_disk_dir){
        .disk = { .list = dir_list,
                  .read = dir_read,
                  .create = dir_create,
                  .open = dir_open_file,
                  .write = dir_write,
                  .sync = dir_sync_file,
                  .close = dir_close,
                  .replace = dir_replace,
                  .rename = dir_rename,
                  .remove = dir_remove,
                  .sync_all = dir_sync_all,
                  .room = dir_room },
        .dir_fd = dir_fd,
    };
}
