/* Reading a process's files (loaded.h). Everything goes through one descriptor of /proc/PID: it stays bound
 * to that process, so that a process which ends and another that gets its number are not confused. */
#include "supply/loaded.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "supply/maps.h"

enum { PIECE_BYTES = 256 * 1024, HEAD_BYTES = 16 };
#define MAPS_BYTES_MAX (64 * SL_MIB)

typedef struct {
    uint64_t device;
    uint64_t inode;
    uint64_t start; /* one of its mappings; 0: open, not mapped */
    uint64_t end;
    int fd; /* the process's number of it; -1: mapped */
    bool executable;
    bool deleted;
    uint64_t changed_kb;
    sl_view path; /* in the text that was read, or in `paths` */
} held;

typedef struct {
    int proc;
    bool all;
    sl_loaded_each each;
    void *context;
    sl_buf maps;
    sl_arena paths;
    held *files;
    size_t count;
} survey;

static void free_survey(survey *s)
{
    sl_fd_close(&s->proc);
    sl_buf_free(&s->maps);
    sl_arena_free(&s->paths);
    free(s->files);
}

/* ---- which files ---- */

static held *find(survey *s, uint64_t device, uint64_t inode)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->files[i].device == device && s->files[i].inode == inode) {
            return &s->files[i];
        }
    }
    return NULL;
}

static sl_res add(survey *s, const held *one)
{
    if (s->count == SL_LOADED_MAX) {
        return sl_fail_at(SL_E_LIMIT, "files of one process", SL_LOADED_MAX);
    }
    if (s->files == NULL) {
        s->files = calloc(SL_LOADED_MAX, sizeof *s->files);
        SL_NEED(s->files != NULL, SL_E_MEMORY);
    }
    s->files[s->count++] = *one;
    return SL_DONE;
}

/* smaps needs the right to trace the process and maps less; /proc files tell no size. */
static sl_res read_text(int proc, const char *name, sl_buf *out)
{
    SL_OWN(int, fd, sl_fd_close) = openat(proc, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(errno == EACCES || errno == EPERM ? SL_E_DENIED : SL_E_NOT_FOUND,
                          "process");
    }
    for (;;) {
        SL_TRY(sl_buf_reserve(out, PIECE_BYTES));
        ssize_t n = read(fd, out->p + out->n, PIECE_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            sl_code code = errno == EACCES || errno == EPERM ? SL_E_DENIED : SL_E_AGAIN;
            return n == 0 ? SL_DONE : sl_fail_os(code, "process");
        }
        out->n += (size_t)n;
    }
}

static sl_res gather_mapped(survey *s)
{
    sl_res r = read_text(s->proc, "smaps", &s->maps);
    if (!sl_ok(r) && !sl_is(r, SL_E_MEMORY)) {
        sl_buf_clear(&s->maps);
        r = read_text(s->proc, "maps", &s->maps);
    }
    SL_TRY(r);
    sl_view text = sl_buf_view(&s->maps);
    for (;;) {
        bool more = false;
        sl_mapping m;
        SL_TRY(sl_maps_next(&text, &more, &m));
        if (!more) {
            return SL_DONE;
        }
        held *known = find(s, m.device, m.inode);
        if (known != NULL) {
            known->executable = known->executable || m.executable;
            known->changed_kb += m.changed_kb;
            continue;
        }
        held one = { .device = m.device,
                     .inode = m.inode,
                     .start = m.start,
                     .end = m.end,
                     .fd = -1,
                     .executable = m.executable,
                     .deleted = m.deleted,
                     .changed_kb = m.changed_kb,
                     .path = m.path };
        SL_TRY(add(s, &one));
    }
}

static sl_res add_open(survey *s, int dir, const char *number)
{
    struct stat st;
    char path[SL_LOADED_PATH_BYTES_MAX];
    uint64_t fd = 0;
    ssize_t n = readlinkat(dir, number, path, sizeof path);
    if (n <= 0 || path[0] != '/' || fstatat(dir, number, &st, 0) != 0 || !S_ISREG(st.st_mode)) {
        return SL_DONE; /* a pipe, a socket, or closed by now */
    }
    uint64_t device = (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev);
    if (find(s, device, st.st_ino) != NULL ||
        !sl_ok(sl_parse_u64(sl_view_str(number), INT32_MAX, &fd))) {
        return SL_DONE;
    }
    held one = { .device = device, .inode = st.st_ino, .fd = (int)fd, .deleted = st.st_nlink == 0 };
    sl_view name = sl_view_of(path, (size_t)n);
    if (one.deleted && sl_view_ends(name, SL_LIT(" (deleted)"))) {
        name.n -= strlen(" (deleted)");
    }
    SL_TRY(sl_arena_dup(&s->paths, name, &one.path));
    return add(s, &one);
}

static void close_dir(DIR **dir)
{
    if (*dir != NULL) {
        (void)closedir(*dir);
    }
}

static sl_res gather_open(survey *s)
{
    int fd = openat(s->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SL_OWN(DIR *, dir, close_dir) = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        sl_fd_close(&fd);
        return sl_fail_os(errno == EACCES ? SL_E_DENIED : SL_E_AGAIN, "process");
    }
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        SL_TRY(add_open(s, dirfd(dir), e->d_name));
    }
    return SL_DONE;
}

/* ---- what they hold ---- */

/* `h`: the file must be this one; NULL: it is, by the way it was opened. */
static int checked(int fd, const held *h)
{
    struct stat st;
    bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (same && h != NULL) {
        same = st.st_ino == h->inode &&
               ((uint64_t)major(st.st_dev) << 32 | minor(st.st_dev)) == h->device;
    }
    if (!same) {
        sl_fd_close(&fd);
    }
    return same ? fd : -1;
}

/* The process's own reference first (for mappings that takes root's right): it leads to the very file. Else
 * by its name as the process sees it, if the file there is still the one. O_NONBLOCK: should the name by
 * now be a FIFO's, nothing waits. */
static int open_held(const survey *s, const held *h)
{
    char name[64];
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (h->fd >= 0) {
        (void)snprintf(name, sizeof name, "fd/%d", h->fd);
    } else {
        (void)snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)h->start,
                       (unsigned long long)h->end);
    }
    int fd = checked(openat(s->proc, name, flags), NULL);
    if (fd >= 0 || h->deleted) {
        return fd;
    }
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 2 * SL_LOADED_PATH_BYTES_MAX };
    if (!sl_ok(sl_buf_addf(&path, "root%.*s", SL_FMT(h->path)))) {
        return -1;
    }
    const char *text = sl_buf_cstr(&path);
    return text == NULL ? -1 : checked(openat(s->proc, text, flags), h);
}

static bool still(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static sl_res hash_file(int fd, sl_loaded *f)
{
    struct stat before;
    struct stat after;
    SL_OWN(sl_buf, piece, sl_buf_free) = { .max = PIECE_BYTES };
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    SL_TRY(sl_buf_reserve(&piece, PIECE_BYTES));
    f->state = SL_LOADED_UNREADABLE;
    if (fstat(fd, &before) != 0) {
        return SL_DONE;
    }
    sl_hasher_start(&hasher);
    for (;;) {
        ssize_t n = read(fd, piece.p, PIECE_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return SL_DONE;
        }
        if (n == 0) {
            break;
        }
        f->bytes += (uint64_t)n;
        sl_hasher_add(&hasher, sl_view_of(piece.p, (size_t)n));
    }
    f->digest = sl_hasher_end(&hasher);
    bool same =
        fstat(fd, &after) == 0 && still(&before, &after) && f->bytes == (uint64_t)before.st_size;
    f->state = same ? SL_LOADED_READ : SL_LOADED_IN_MOTION;
    return SL_DONE;
}

bool sl_loaded_is_model(sl_view path, sl_view head)
{
    static const char *const names[] = {
        ".safetensors", ".gguf", ".ggml",  ".bin",    ".pt",      ".pth",     ".ckpt",   ".onnx",
        ".pkl",         ".h5",   ".keras", ".tflite", ".npz",     ".npy",     ".pickle", ".joblib",
        ".hdf5",        ".pb",   ".model", ".ubj",    ".msgpack", ".parquet", ".arrow",  ".rds",
    };
    static const char *const heads[] = { "GGUF",   "\x89HDF", "PK\x03\x04",
                                         "ARROW1", "PAR1",    "\x93NUMPY" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        if (sl_view_ends(path, sl_view_str(names[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < SL_COUNT_OF(heads); i++) {
        if (sl_view_starts(head, sl_view_str(heads[i]))) {
            return true;
        }
    }
    return head.n >= 2 && head.p[0] == 0x80 && head.p[1] >= 2 && head.p[1] <= 5; /* a pickle */
}

static sl_res take(survey *s, const held *h)
{
    uint8_t head[HEAD_BYTES];
    sl_loaded f = { .path = h->path,
                    .mapped = h->fd < 0,
                    .deleted = h->deleted,
                    .changed_kb = h->changed_kb,
                    .state = SL_LOADED_UNREADABLE };
    SL_OWN(int, fd, sl_fd_close) = open_held(s, h);
    ssize_t n = fd < 0 ? 0 : pread(fd, head, sizeof head, 0);
    bool wanted = s->all || sl_loaded_is_model(h->path, sl_view_of(head, n > 0 ? (size_t)n : 0));
    if (!wanted || (h->executable && !s->all)) {
        return SL_DONE;
    }
    if (fd >= 0) {
        SL_TRY(hash_file(fd, &f));
    }
    return s->each(s->context, &f);
}

sl_res sl_loaded_files(int64_t pid, bool all, sl_loaded_each each, void *context)
{
    char name[64];
    SL_OWN(survey, s, free_survey) = { .proc = -1,
                                       .all = all,
                                       .each = each,
                                       .context = context,
                                       .maps = { .max = MAPS_BYTES_MAX },
                                       .paths = { .max = 32 * SL_MIB } };
    (void)snprintf(name, sizeof name, "/proc/%lld", (long long)pid);
    s.proc = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.proc < 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "process");
    }
    SL_TRY(gather_mapped(&s));
    SL_TRY(gather_open(&s));
    for (size_t i = 0; i < s.count; i++) {
        SL_TRY(take(&s, &s.files[i]));
    }
    /* A process that ended meanwhile has shown us its end, perhaps not its files. */
    return faccessat(s.proc, "stat", F_OK, 0) == 0 ? SL_DONE
                                                   : sl_fail_at(SL_E_AGAIN, "process", SL_NOWHERE);
}
