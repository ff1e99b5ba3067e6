/* The pool of scan workers (scan_pool.h). Batches stand in a line; as many as there are workers run;
 * results are handed on from the head of the line, so that output has the order of the walk. */
#include "supply/scan_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/confine_worker.h"
#include "base/file.h"
#include "base/random.h"
#include "supply/scan_outside.h"
#include "supply/scan_wire.h"

#define BATCH_FILES 32U
#define BATCH_BYTES ((uint64_t)8 << 20)
#define WORKERS_MAX 16U
#define WAITING_MAX 64U
#define WORKER_MEMORY_BYTES ((rlim_t)1 << 30)
/* A worker's time: a minute, and a second for each 10 MB of its files. */
#define TIME_FLOOR_NS ((uint64_t)60 * 1000000000U)
#define NS_PER_BYTE ((uint64_t)100)

typedef struct {
    int fd;
    char *path;
    struct stat before;
    bool have; /* the result is there */
    sl_scan_result result;
} job;

typedef struct batch {
    struct batch *next;
    job jobs[BATCH_FILES];
    unsigned count;
    unsigned answered;
    unsigned first; /* job that the running worker began with */
    uint64_t bytes;
    bool begun;
    bool careful; /* a worker of it ended: the next one tells each answer as it has it */
    pid_t pid;
    int pipe;
    sl_buf inbox;
    uint64_t deadline_ns;
} batch;

struct sl_scan_pool {
    sl_scan_pool_options options;
    batch *head;
    batch *tail;
    batch *open; /* still being filled; the tail */
    unsigned waiting;
    unsigned running;
    uint64_t key[2];
};

/* ---- the worker ---- */

static sl_res read_fd(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    return sl_fd_pread(*(const int *)ctx, to, n, offset, ret_got);
}

static sl_view leaf(const char *path)
{
    const char *slash = strrchr(path, '/');
    return sl_view_str(slash == NULL ? path : slash + 1);
}

static sl_res scan_one(const sl_scan_pool *pool, job *j, sl_buf *out)
{
    sl_scan_result result = { 0 };
    const sl_scan_input input = { .read = read_fd,
                                  .ctx = &j->fd,
                                  .size = (uint64_t)j->before.st_size,
                                  .name = leaf(j->path),
                                  .allow = pool->options.allow,
                                  .key = { pool->key[0], pool->key[1] } };
    SL_TRY(sl_scan_run(&input, &result));
    sl_res r = sl_scan_wire_put(&result, out);
    sl_scan_result_free(&result);
    return r;
}

static _Noreturn void run_worker(const sl_scan_pool *pool, batch *b, int pipe_fd)
{
    int keep[BATCH_FILES + 2];
    size_t count = 0;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 2 * SL_SCAN_WIRE_BYTES_MAX };
    for (unsigned i = b->first; i < b->count; i++) {
        keep[count++] = b->jobs[i].fd;
    }
    keep[count++] = pipe_fd;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct rlimit memory = { WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES };
#ifdef SL_SANITIZED
    (void)memory;
#else
    (void)setrlimit(RLIMIT_AS, &memory);
#endif
    sl_res r = pool->options.unconfined ? SL_DONE : sl_confine_worker(keep, count);
    for (unsigned i = b->first; i < b->count && sl_ok(r); i++) {
        r = scan_one(pool, &b->jobs[i], &out);
        if (sl_ok(r) && (out.n > 65536 || i + 1 == b->count || b->careful)) {
            r = sl_fd_write_all(pipe_fd, sl_buf_view(&out));
            sl_buf_clear(&out);
        }
    }
    _exit(sl_ok(r) ? 0 : 1);
}

/* ---- starting and ending one ---- */

static sl_res start(sl_scan_pool *pool, batch *b)
{
    int ends[2] = { -1, -1 };
    b->begun = true;
    b->first = b->answered;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return sl_fail_os(SL_E_IO, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        run_worker(pool, b, ends[1]);
    }
    sl_fd_close(&ends[1]);
    if (pid < 0) {
        sl_fd_close(&ends[0]);
        return sl_fail_os(SL_E_IO, "fork");
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    b->pid = pid;
    b->pipe = ends[0];
    b->inbox.max = 3 * SL_SCAN_WIRE_BYTES_MAX;
    b->deadline_ns = sl_clock_mono_ns() + TIME_FLOOR_NS + b->bytes * NS_PER_BYTE;
    pool->running++;
    return SL_DONE;
}

static void add_finding(sl_scan_result *r, sl_rule rule, const char *why)
{
    sl_scan_finding *grown = reallocarray(r->findings, r->finding_count + 1, sizeof *grown);
    if (sl_rule_get(rule)->class > r->class) {
        r->class = sl_rule_get(rule)->class;
    }
    if (grown == NULL) {
        r->suppressed++;
        return;
    }
    r->findings = grown;
    r->findings[r->finding_count++] =
        (sl_scan_finding){ .rule = rule, .offset = SL_NOWHERE, .evidence = sl_view_str(why) };
}

/* The job's answer is that there is none. */
static void fail_job(job *j, sl_rule rule, const char *why)
{
    j->result = (sl_scan_result){ .bytes = (uint64_t)j->before.st_size };
    add_finding(&j->result, rule, why);
    j->have = true;
}

/* What changed while the worker read it was two files. */
static void check_unchanged(job *j)
{
    struct stat now;
    if (j->fd < 0 || fstat(j->fd, &now) != 0 || now.st_size != j->before.st_size ||
        now.st_mtim.tv_sec != j->before.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != j->before.st_mtim.tv_nsec ||
        now.st_ctim.tv_sec != j->before.st_ctim.tv_sec ||
        now.st_ctim.tv_nsec != j->before.st_ctim.tv_nsec) {
        j->result.complete = false;
        add_finding(&j->result, SL_RULE_SCAN_CHANGED, "");
    }
}

static void answer(batch *b, sl_view frame)
{
    job *j = &b->jobs[b->answered];
    sl_res r = sl_scan_wire_get(frame, &j->result);
    if (!sl_ok(r) || j->result.bytes != (uint64_t)j->before.st_size) {
        if (sl_ok(r)) {
            sl_scan_result_free(&j->result);
        }
        fail_job(j, SL_RULE_SCAN_CRASHED, "the worker's answer is none");
    } else {
        j->have = true;
        sl_scan_outside_check(j->path, &j->result);
        check_unchanged(j);
    }
    b->answered++;
}

/* Takes whole frames out of the inbox. */
static void open_inbox(batch *b)
{
    size_t at = 0;
    while (b->answered < b->count && b->inbox.n - at >= 4) {
        size_t n = sl_get_le32(b->inbox.p + at);
        if (n > SL_SCAN_WIRE_BYTES_MAX) {
            (void)kill(b->pid, SIGKILL); /* its end is seen when it comes */
            break;
        }
        if (b->inbox.n - at - 4 < n) {
            break;
        }
        answer(b, sl_view_of(b->inbox.p + at + 4, n));
        at += 4 + n;
    }
    sl_buf_drop_front(&b->inbox, at);
}

/* Reads what there is; true when the pipe has ended. */
static bool receive(batch *b)
{
    for (;;) {
        if (!sl_ok(sl_buf_reserve(&b->inbox, 65536))) {
            (void)kill(b->pid, SIGKILL);
            return true;
        }
        ssize_t n = read(b->pipe, b->inbox.p + b->inbox.n, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno != EAGAIN;
        }
        if (n == 0) {
            return true;
        }
        b->inbox.n += (size_t)n;
        open_inbox(b);
    }
}

/* The worker has gone. Its last answers may have died with it, so that a second one tells each as it comes:
 * if that one ends too, the first job without an answer is the one that it was at, and those behind it get
 * a new worker. */
static sl_res ended(sl_scan_pool *pool, batch *b, bool late)
{
    int status = 0;
    while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR) {}
    sl_fd_close(&b->pipe);
    sl_buf_free(&b->inbox);
    b->pid = 0;
    pool->running--;
    if (b->answered + 1 < b->count && !b->careful) {
        b->careful = true;
    } else if (b->answered < b->count) {
        const char *why = late                  ? "the worker took too long"
                          : WIFSIGNALED(status) ? "the worker was ended by the system"
                                                : "the worker gave up";
        fail_job(&b->jobs[b->answered], late ? SL_RULE_SCAN_TIME : SL_RULE_SCAN_CRASHED, why);
        b->answered++;
    }
    return b->answered < b->count ? start(pool, b) : SL_DONE;
}

/* ---- the line ---- */

static void free_batch(batch *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        sl_fd_close(&b->jobs[i].fd);
        free(b->jobs[i].path);
        sl_scan_result_free(&b->jobs[i].result);
    }
    sl_fd_close(&b->pipe);
    sl_buf_free(&b->inbox);
    free(b);
}

static void hand_on(sl_scan_pool *pool)
{
    while (pool->head != NULL && pool->head != pool->open && pool->head->begun &&
           pool->head->pid == 0 && pool->head->answered == pool->head->count) {
        batch *b = pool->head;
        for (unsigned i = 0; i < b->count; i++) {
            pool->options.done(pool->options.ctx, sl_view_str(b->jobs[i].path), &b->jobs[i].result);
        }
        pool->head = b->next;
        pool->tail = pool->head == NULL ? NULL : pool->tail;
        pool->waiting--;
        free_batch(b);
    }
}

/* Waits until some worker has something to say, or is late. */
static sl_res listen_once(sl_scan_pool *pool)
{
    struct pollfd polled[WORKERS_MAX];
    batch *of[WORKERS_MAX];
    nfds_t n = 0;
    for (batch *b = pool->head; b != NULL && n < WORKERS_MAX; b = b->next) {
        if (b->pid != 0) {
            of[n] = b;
            polled[n++] = (struct pollfd){ .fd = b->pipe, .events = POLLIN };
        }
    }
    if (poll(polled, n, 1000) < 0 && errno != EINTR) {
        return sl_fail_os(SL_E_IO, "poll");
    }
    uint64_t now = sl_clock_mono_ns();
    for (nfds_t i = 0; i < n; i++) {
        bool late = now > of[i]->deadline_ns;
        if (late) {
            (void)kill(of[i]->pid, SIGKILL);
        }
        if ((polled[i].revents != 0 || late) && (receive(of[i]) || late)) {
            SL_TRY(ended(pool, of[i], late));
        }
    }
    return SL_DONE;
}

static sl_res start_more(sl_scan_pool *pool)
{
    for (batch *b = pool->head; b != NULL && pool->running < pool->options.workers; b = b->next) {
        if (!b->begun && b != pool->open) {
            bool notes = b->answered == b->count;
            b->begun = true;
            if (!notes) {
                SL_TRY(start(pool, b));
            }
        }
    }
    return SL_DONE;
}

static sl_res turn(sl_scan_pool *pool)
{
    SL_TRY(start_more(pool));
    hand_on(pool);
    if (pool->running != 0) {
        SL_TRY(listen_once(pool));
        SL_TRY(start_more(pool));
        hand_on(pool);
    }
    return SL_DONE;
}

static sl_res new_batch(sl_scan_pool *pool)
{
    pool->open = NULL; /* the former one is full: it may run */
    SL_TRY(start_more(pool));
    while (pool->waiting >= WAITING_MAX / 2 || pool->running >= pool->options.workers) {
        SL_TRY(turn(pool));
    }
    batch *b = calloc(1, sizeof *b);
    SL_NEED(b != NULL, SL_E_MEMORY);
    b->pipe = -1;
    if (pool->tail == NULL) {
        pool->head = b;
    } else {
        pool->tail->next = b;
    }
    pool->tail = b;
    pool->open = b;
    pool->waiting++;
    return SL_DONE;
}

static sl_res add(sl_scan_pool *pool, int fd, const struct stat *st, sl_view path, job **ret_job)
{
    uint64_t bytes = (uint64_t)st->st_size;
    const batch *open = pool->open;
    bool own = pool->options.alone || bytes >= SL_SCAN_ALONE_BYTES;
    if (open == NULL || open->count == BATCH_FILES || open->bytes + bytes > BATCH_BYTES ||
        (own && open->count != 0)) {
        SL_TRY(new_batch(pool));
    }
    batch *b = pool->open;
    job *j = &b->jobs[b->count];
    *j = (job){ .fd = -1, .before = *st };
    j->path = strndup((const char *)path.p, path.n);
    SL_NEED(j->path != NULL, SL_E_MEMORY);
    j->fd = fd;
    b->count++;
    b->bytes += own ? BATCH_BYTES : bytes; /* nothing more fits beside it */
    b->bytes += own ? bytes : 0;
    *ret_job = j;
    return SL_DONE;
}

sl_res sl_scan_pool_add(sl_scan_pool *pool, int fd, sl_view path)
{
    struct stat st;
    job *j = NULL;
    sl_res r = fstat(fd, &st) == 0 ? add(pool, fd, &st, path, &j) : sl_fail_os(SL_E_IO, "file");
    if (!sl_ok(r)) {
        sl_fd_close(&fd);
    }
    return r;
}

/* A note has a batch of its own, so that a worker never meets it. */
sl_res sl_scan_pool_note(sl_scan_pool *pool, sl_view path, sl_rule rule, const char *why)
{
    const struct stat none = { 0 };
    job *j = NULL;
    SL_TRY(new_batch(pool));
    SL_TRY(add(pool, -1, &none, path, &j));
    fail_job(j, rule, why);
    pool->open->answered = 1;
    pool->open = NULL;
    return SL_DONE;
}

sl_res sl_scan_pool_finish(sl_scan_pool *pool)
{
    pool->open = NULL;
    while (pool->head != NULL) {
        SL_TRY(turn(pool));
    }
    return SL_DONE;
}

sl_res sl_scan_pool_make(const sl_scan_pool_options *options, sl_scan_pool **ret_pool)
{
    sl_scan_pool *pool = calloc(1, sizeof *pool);
    SL_NEED(pool != NULL, SL_E_MEMORY);
    pool->options = *options;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted =
        options->workers != 0 ? options->workers : (unsigned)(processors > 1 ? processors : 1);
    pool->options.workers = wanted < WORKERS_MAX ? wanted : WORKERS_MAX;
    sl_res r = sl_random_bytes(pool->key, sizeof pool->key);
    if (sl_ok(r)) {
        *ret_pool = pool;
    } else {
        free(pool);
    }
    return r;
}

void sl_scan_pool_free(sl_scan_pool **pool)
{
    if (*pool == NULL) {
        return;
    }
    while ((*pool)->head != NULL) {
        batch *b = (*pool)->head;
        (*pool)->head = b->next;
        if (b->pid != 0) {
            (void)kill(b->pid, SIGKILL);
            (void)waitpid(b->pid, NULL, 0);
        }
        free_batch(b);
    }
    free(*pool);
    *pool = NULL;
}
