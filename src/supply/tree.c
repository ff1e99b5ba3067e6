/* Walks a tree with a stack of directory descriptors, so that no name is resolved twice (tree.h). */
#include "supply/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

#define DEPTH_MAX ((size_t)64)
#define PIECE_BYTES SL_MIB

typedef struct {
    DIR *dir;
    size_t path_bytes; /* of the walk's path that belong to this directory */
} level;

typedef struct {
    const sl_tree_options *options;
    sl_manifest *manifest;
    sl_hasher hasher;
    uint8_t *piece;
    sl_buf path;
    level levels[DEPTH_MAX];
    size_t depth;
    size_t problems;
} walk;

const char *sl_tree_problem_text(sl_tree_problem problem)
{
    switch (problem) {
    case SL_TREE_SKIPPED:
        return "left out";
    case SL_TREE_LINK:
        return "a symbolic link: put the file itself there";
    case SL_TREE_SPECIAL:
        return "neither a file nor a directory: remove it";
    case SL_TREE_UNREADABLE:
        return "cannot be read: check its permissions";
    case SL_TREE_CHANGED:
        return "changed while it was read: stop what writes to it and try again";
    case SL_TREE_NAME:
        return "a name that is not UTF-8: rename it";
    }
    return "unknown";
}

static void report(walk *w, sl_tree_problem problem, sl_view path)
{
    w->problems += problem != SL_TREE_SKIPPED;
    if (w->options->report != NULL) {
        w->options->report(w->options->context, problem, path);
    }
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Hashes an open file. False when it cannot be read to its end. */
static bool hash_all(walk *w, int fd, sl_digest *ret)
{
    sl_hasher_start(&w->hasher);
    for (;;) {
        ssize_t n = read(fd, w->piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            *ret = sl_hasher_end(&w->hasher);
            return n == 0;
        }
        sl_hasher_add(&w->hasher, sl_view_of(w->piece, (size_t)n));
    }
}

/* `fd` is a regular file whose path is `path`. */
static sl_res take_file(walk *w, int fd, sl_view path)
{
    struct stat before;
    struct stat after;
    sl_digest digest = { 0 };
    if (fstat(fd, &before) != 0 || !hash_all(w, fd, &digest) || fstat(fd, &after) != 0) {
        report(w, SL_TREE_UNREADABLE, path);
        return SL_DONE;
    }
    if (!same_state(&before, &after)) {
        report(w, SL_TREE_CHANGED, path);
        return SL_DONE;
    }
    sl_res r = sl_manifest_add(w->manifest, path, &digest);
    if (sl_is(r, SL_E_UTF8)) {
        report(w, SL_TREE_NAME, path);
        return SL_DONE;
    }
    return r;
}

static sl_res push(walk *w, int fd)
{
    if (w->depth == DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "directories within each other", DEPTH_MAX);
    }
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    if (dir == NULL) {
        sl_fd_close(&own);
        return sl_fail_os(SL_E_IO, "directory");
    }
    w->levels[w->depth] = (level){ dir, w->path.n };
    w->depth++;
    return SL_DONE;
}

/* What an entry is, by opening it without following: the kind comes from the descriptor. */
static sl_res take_entry(walk *w, int parent, const char *name)
{
    sl_view path = sl_buf_view(&w->path);
    for (size_t i = 0; i < w->options->skip_count; i++) {
        if (sl_view_eq(path, w->options->skip[i])) {
            report(w, SL_TREE_SKIPPED, path);
            return SL_DONE;
        }
    }
    struct stat st;
    SL_OWN(int, fd, sl_fd_close) = -1;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        report(w, SL_TREE_UNREADABLE, path);
        return SL_DONE;
    }
    if (S_ISLNK(st.st_mode) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        report(w, S_ISLNK(st.st_mode) ? SL_TREE_LINK : SL_TREE_SPECIAL, path);
        return SL_DONE;
    }
    fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        report(w, SL_TREE_UNREADABLE, path);
        return SL_DONE;
    }
    if (S_ISDIR(st.st_mode)) {
        return push(w, fd);
    }
    if (!S_ISREG(st.st_mode)) {
        report(w, SL_TREE_SPECIAL, path);
        return SL_DONE;
    }
    return take_file(w, fd, path);
}

/* One entry of the innermost directory; leaves the directory when there is none. */
static sl_res step(walk *w)
{
    level *here = &w->levels[w->depth - 1];
    w->path.n = here->path_bytes;
    errno = 0;
    struct dirent *e = readdir(here->dir);
    if (e == NULL) {
        if (errno != 0) {
            report(w, SL_TREE_UNREADABLE, sl_buf_view(&w->path));
        }
        (void)closedir(here->dir);
        w->depth--;
        return SL_DONE;
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
        return SL_DONE;
    }
    if (w->path.n > 0) {
        SL_TRY(sl_buf_add_byte(&w->path, '/'));
    }
    SL_TRY(sl_buf_add_str(&w->path, e->d_name));
    return take_entry(w, dirfd(here->dir), e->d_name);
}

static sl_res start(walk *w, const char *path)
{
    struct stat st;
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_DENIED, "model");
    }
    if (S_ISDIR(st.st_mode)) {
        return push(w, fd);
    }
    if (!S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_UNSUPPORTED, "model (neither a file nor a directory)", SL_NOWHERE);
    }
    return take_file(w, fd, SL_LIT("."));
}

sl_res sl_tree_read(const char *path, const sl_tree_options *options, sl_manifest *ret,
                    size_t *ret_problems)
{
    walk w = { .options = options, .manifest = ret, .path = { .max = SL_MANIFEST_PATH_BYTES_MAX } };
    w.piece = malloc(PIECE_BYTES);
    SL_NEED(w.piece != NULL, SL_E_MEMORY);
    sl_res r = start(&w, path);
    while (sl_ok(r) && w.depth > 0) {
        r = step(&w);
    }
    while (w.depth > 0) {
        w.depth--;
        (void)closedir(w.levels[w.depth].dir);
    }
    free(w.piece);
    sl_hasher_free(&w.hasher);
    sl_buf_free(&w.path);
    SL_TRY(r);
    *ret_problems = w.problems;
    return sl_manifest_sort(ret);
}
