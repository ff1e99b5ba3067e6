/* Files (file.h). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/random.h"

void sl_fd_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static sl_res fail_write(const char *field)
{
    return sl_fail_os(errno == ENOSPC || errno == EDQUOT ? SL_E_DISK_FULL : SL_E_IO, field);
}

sl_res sl_fd_write_all(int fd, sl_view v)
{
    while (v.n > 0) {
        ssize_t put = write(fd, v.p, v.n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail_write("write");
        }
        v = sl_view_sub(v, (size_t)put, v.n);
    }
    return SL_DONE;
}

sl_res sl_fd_pwrite_all(int fd, sl_view v, uint64_t offset)
{
    while (v.n > 0) {
        ssize_t put = pwrite(fd, v.p, v.n, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail_write("write");
        }
        offset += (uint64_t)put;
        v = sl_view_sub(v, (size_t)put, v.n);
    }
    return SL_DONE;
}

sl_res sl_fd_read_all(int fd, sl_buf *out)
{
    for (;;) {
        SL_TRY(sl_buf_reserve(out, 65536));
        ssize_t n = read(fd, out->p + out->n, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return sl_fail_os(SL_E_IO, "read");
        }
        if (n == 0) {
            return SL_DONE;
        }
        out->n += (size_t)n;
    }
}

sl_res sl_fd_pread(int fd, void *p, size_t n, uint64_t offset, size_t *ret_got)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = pread(fd, (uint8_t *)p + got, n - got, (off_t)(offset + got));
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k < 0) {
            return sl_fail_os(SL_E_IO, "read");
        }
        if (k == 0) {
            break;
        }
        got += (size_t)k;
    }
    *ret_got = got;
    return SL_DONE;
}

sl_res sl_fd_pread_all(int fd, void *p, size_t n, uint64_t offset)
{
    size_t got = 0;
    SL_TRY(sl_fd_pread(fd, p, n, offset, &got));
    return got == n ? SL_DONE : sl_fail_at(SL_E_TRUNCATED, "file", offset + got);
}

static sl_res fail_open(const char *field)
{
    switch (errno) {
    case ENOENT:
        return sl_fail_os(SL_E_NOT_FOUND, field);
    case EEXIST:
        return sl_fail_os(SL_E_EXISTS, field);
    case EACCES:
    case EPERM:
    case ELOOP:
        return sl_fail_os(SL_E_DENIED, field);
    default:
        return fail_write(field);
    }
}

sl_res sl_file_read(int dir_fd, const char *path, sl_buf *out)
{
    /* O_NONBLOCK: a FIFO in the file's place must not make us wait. */
    SL_OWN(int, fd, sl_fd_close) = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail_open("file");
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "stat");
    }
    if (!S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_TYPE, "it is no regular file", SL_NOWHERE);
    }
    size_t start = out->n;
    for (;;) {
        /* one byte more than the ceiling tells "just fits" from "too large" */
        size_t room = out->max - out->n;
        uint8_t probe;
        size_t want = room < 65536 ? room : 65536;
        sl_res r = sl_buf_reserve(out, want);
        if (!sl_ok(r)) {
            out->n = start;
            return r;
        }
        ssize_t got = want == 0 ? read(fd, &probe, 1) : read(fd, out->p + out->n, want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got == 0) {
            return SL_DONE;
        }
        if (got < 0 || want == 0) {
            out->n = start;
            return got < 0 ? sl_fail_os(SL_E_IO, "read")
                           : sl_fail_at(SL_E_LIMIT, "file size", out->max);
        }
        out->n += (size_t)got;
    }
}

/* The directory part of `path`, or ".". */
static sl_res parent_of(const char *path, char ret_parent[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    SL_NEED(n < PATH_MAX - 1, SL_E_LIMIT);
    if (slash == NULL) {
        memcpy(ret_parent, ".", 2);
    } else if (n == 0) {
        memcpy(ret_parent, "/", 2);
    } else {
        memcpy(ret_parent, path, n);
        ret_parent[n] = 0;
    }
    return SL_DONE;
}

static sl_res temporary_name(const char *path, char ret_name[PATH_MAX])
{
    uint8_t id[8];
    SL_TRY(sl_random_bytes(id, sizeof(id)));
    int n = snprintf(ret_name, PATH_MAX, "%s.new-%02x%02x%02x%02x%02x%02x%02x%02x", path, id[0],
                     id[1], id[2], id[3], id[4], id[5], id[6], id[7]);
    SL_NEED(n > 0 && n < PATH_MAX, SL_E_LIMIT);
    return SL_DONE;
}

static sl_res write_temporary(int dir_fd, const char *name, sl_view content, mode_t mode)
{
    SL_OWN(int, fd, sl_fd_close) =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return fail_open("file");
    }
    sl_res r = sl_fd_write_all(fd, content);
    if (sl_ok(r) && fchmod(fd, mode) != 0) {
        r = sl_fail_os(SL_E_IO, "mode");
    }
    if (sl_ok(r) && fsync(fd) != 0) {
        r = fail_write("sync");
    }
    return r;
}

static sl_res put_file(int dir_fd, const char *path, sl_view content, mode_t mode, bool replace)
{
    char name[PATH_MAX];
    char parent[PATH_MAX];
    SL_TRY(temporary_name(path, name));
    SL_TRY(parent_of(path, parent));
    sl_res r = write_temporary(dir_fd, name, content, mode);
    if (sl_ok(r)) {
        int moved = replace ? renameat(dir_fd, name, dir_fd, path)
                            : renameat2(dir_fd, name, dir_fd, path, RENAME_NOREPLACE);
        r = moved == 0 ? SL_DONE : fail_open("rename");
    }
    if (!sl_ok(r)) {
        (void)unlinkat(dir_fd, name, 0);
        return r;
    }
    return sl_dir_sync(dir_fd, parent);
}

sl_res sl_file_replace(int dir_fd, const char *path, sl_view content, mode_t mode)
{
    return put_file(dir_fd, path, content, mode, true);
}

sl_res sl_file_create(int dir_fd, const char *path, sl_view content, mode_t mode)
{
    return put_file(dir_fd, path, content, mode, false);
}

sl_res sl_dir_make(int dir_fd, const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    SL_NEED(n > 0 && n < sizeof(part), SL_E_LIMIT);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) {
            continue;
        }
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdirat(dir_fd, part, mode) != 0 && errno != EEXIST) {
            return fail_open("directory");
        }
    }
    struct stat st;
    if (fstatat(dir_fd, path, &st, 0) != 0) {
        return fail_open("directory");
    }
    SL_NEED(S_ISDIR(st.st_mode), SL_E_EXISTS);
    return SL_DONE;
}

sl_res sl_dir_open(int dir_fd, const char *path, int *ret_fd)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_open("directory");
    }
    *ret_fd = fd;
    return SL_DONE;
}

sl_res sl_dir_sync(int dir_fd, const char *path)
{
    int fd = -1;
    SL_TRY(sl_dir_open(dir_fd, path, &fd));
    int bad = fsync(fd);
    sl_res r = bad != 0 ? fail_write("directory sync") : SL_DONE;
    sl_fd_close(&fd);
    return r;
}

bool sl_path_exists(int dir_fd, const char *path)
{
    struct stat st;
    return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
