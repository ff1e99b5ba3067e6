/* The walk of a scan (scan_walk.h): a stack of open folders, each with its names sorted, no recursion. A
 * name is looked at before it is opened and compared after, so that nobody can swap a FIFO in. */
#include "supply/scan_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define DEPTH_MAX 128U
#define NAMES_MAX ((size_t)4 << 20)
#define PATH_BYTES_MAX ((size_t)65536)
#define HOLE_BYTES_MIN ((uint64_t)1 << 30)

typedef struct {
    int fd;
    char **names;
    size_t count;
    size_t next;
    size_t path_n; /* of the folder in the walk's path */
} folder;

typedef struct {
    sl_scan_pool *pool;
    sl_scan_walk_count *count;
    sl_buf path;
    folder stack[DEPTH_MAX];
    unsigned depth;
    char root[PATH_MAX]; /* of the tree, resolved; "": unknown */
} walk;

static sl_res note(walk *w, sl_rule rule, const char *why)
{
    w->count->noted++;
    return sl_scan_pool_note(w->pool, sl_buf_view(&w->path), rule, why);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_folder(folder *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->names[i]);
    }
    free(f->names);
    sl_fd_close(&f->fd);
    *f = (folder){ .fd = -1 };
}

static sl_res add_name(folder *f, size_t *room, const char *name)
{
    if (f->count == *room) {
        size_t wanted = *room == 0 ? 64 : *room * 2;
        SL_NEED(wanted <= NAMES_MAX, SL_E_LIMIT);
        char **grown = reallocarray(f->names, wanted, sizeof *grown);
        SL_NEED(grown != NULL, SL_E_MEMORY);
        f->names = grown;
        *room = wanted;
    }
    f->names[f->count] = strdup(name);
    SL_NEED(f->names[f->count] != NULL, SL_E_MEMORY);
    f->count++;
    return SL_DONE;
}

static sl_res read_names(folder *f)
{
    int own = dup(f->fd);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    if (dir == NULL) {
        sl_fd_close(&own);
        return sl_fail_os(SL_E_IO, "folder");
    }
    sl_res r = SL_DONE;
    size_t room = 0;
    errno = 0;
    for (struct dirent *e = readdir(dir); e != NULL && sl_ok(r); e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            r = add_name(f, &room, e->d_name);
        }
    }
    (void)closedir(dir);
    if (sl_ok(r) && f->count != 0) {
        qsort(f->names, f->count, sizeof *f->names, by_name);
    }
    return r;
}

static sl_res enter(walk *w, int fd)
{
    if (w->depth == DEPTH_MAX) {
        sl_fd_close(&fd);
        return note(w, SL_RULE_SCAN_DIRECTORY, "folders nested too deeply");
    }
    folder *f = &w->stack[w->depth];
    *f = (folder){ .fd = fd, .path_n = w->path.n };
    sl_res r = read_names(f);
    if (!sl_ok(r)) {
        close_folder(f);
        return note(w, SL_RULE_SCAN_DIRECTORY, "its names cannot be read");
    }
    w->depth++;
    return SL_DONE;
}

/* Nearly all hole: reading terabytes of zeros would take hours and tell nothing. */
static bool mostly_hole(const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size;
    uint64_t held = (uint64_t)st->st_blocks * 512;
    return size >= HOLE_BYTES_MIN && held < size / 64;
}

static sl_res take_file(walk *w, int at, const char *name, const struct stat *seen, int follow)
{
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow);
    if (fd < 0) {
        return note(w, SL_RULE_SCAN_READ,
                    errno == EACCES ? "permission denied" : "cannot be opened");
    }
    bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == seen->st_ino &&
                st.st_dev == seen->st_dev;
    if (!same || mostly_hole(&st)) {
        sl_fd_close(&fd);
        return same ? note(w, SL_RULE_SCAN_SPARSE, "") : note(w, SL_RULE_SCAN_CHANGED, "");
    }
    w->count->files++;
    return sl_scan_pool_add(w->pool, fd, sl_buf_view(&w->path));
}

/* A link: where it leads matters only for what is said about it. */
static sl_res take_link(walk *w)
{
    char target[PATH_MAX];
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = PATH_BYTES_MAX + 1 };
    SL_TRY(sl_buf_add(&path, sl_buf_view(&w->path)));
    const char *text = sl_buf_cstr(&path);
    SL_NEED(text != NULL, SL_E_MEMORY);
    size_t n = strlen(w->root);
    bool inside = n != 0 && realpath(text, target) != NULL && strncmp(target, w->root, n) == 0 &&
                  (target[n] == '/' || target[n] == 0);
    if (inside) {
        return SL_DONE; /* met, or to be met, by its own name */
    }
    struct stat st;
    return note(w, SL_RULE_SCAN_LINK, stat(text, &st) == 0 ? "" : "it leads nowhere");
}

static sl_res take(walk *w, int at, const char *name, bool top)
{
    struct stat st;
    int follow = top ? 0 : O_NOFOLLOW;
    if (fstatat(at, name, &st, top ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        return note(w, SL_RULE_SCAN_READ,
                    errno == EACCES ? "permission denied"
                    : top           ? "there is no such file"
                                    : "it went away");
    }
    if (S_ISREG(st.st_mode)) {
        return take_file(w, at, name, &st, follow);
    }
    if (S_ISLNK(st.st_mode)) {
        return take_link(w);
    }
    if (!S_ISDIR(st.st_mode)) {
        return note(w, SL_RULE_SCAN_SPECIAL,
                    S_ISFIFO(st.st_mode)   ? "a FIFO"
                    : S_ISSOCK(st.st_mode) ? "a socket"
                                           : "a device");
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
    return fd < 0 ? note(w, SL_RULE_SCAN_DIRECTORY, "permission denied") : enter(w, fd);
}

static sl_res step(walk *w)
{
    folder *f = &w->stack[w->depth - 1];
    w->path.n = f->path_n;
    if (f->next == f->count) {
        close_folder(f);
        w->depth--;
        return SL_DONE;
    }
    const char *name = f->names[f->next++];
    if (w->path.n != 0 && w->path.p[w->path.n - 1] != '/') {
        SL_TRY(sl_buf_add_byte(&w->path, '/'));
    }
    SL_TRY(sl_buf_add_str(&w->path, name));
    return take(w, f->fd, name, false);
}

sl_res sl_scan_walk(sl_scan_pool *pool, const char *path, sl_scan_walk_count *count)
{
    walk *w = calloc(1, sizeof *w);
    SL_NEED(w != NULL, SL_E_MEMORY);
    w->pool = pool;
    w->count = count;
    w->path.max = PATH_BYTES_MAX;
    if (realpath(path, w->root) == NULL) {
        w->root[0] = 0;
    }
    sl_res r = sl_buf_add_str(&w->path, path);
    if (sl_ok(r)) {
        r = take(w, AT_FDCWD, path, true);
    }
    while (sl_ok(r) && w->depth != 0) {
        r = step(w);
    }
    while (w->depth != 0) {
        close_folder(&w->stack[--w->depth]);
    }
    sl_buf_free(&w->path);
    free(w);
    return r;
}
