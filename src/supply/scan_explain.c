/* The explanation's worker (scan_explain.h): as the pool's, for one file and one text. It scans the file as the
 * pool would, so that what is explained is what was judged, wherever in the file it stands. */
#include "supply/scan_explain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "artefact/pickle_explain.h"
#include "artefact/scan.h"
#include "base/confine_worker.h"
#include "base/file.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

static sl_res read_fd(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    return sl_fd_pread(*(const int *)ctx, to, n, offset, ret_got);
}

typedef struct {
    int fd;
    uint64_t size;
    sl_view name;
    sl_view member;
    const sl_allow *allow;
} wanted;

static sl_res explain(wanted *w, sl_buf *text)
{
    SL_OWN(sl_scan_result, result, sl_scan_result_free) = { 0 };
    SL_OWN(sl_source *, source, sl_source_free) = NULL;
    const sl_scan_input input = { .read = read_fd,
                                  .ctx = &w->fd,
                                  .size = w->size,
                                  .name = w->name,
                                  .explain = text,
                                  .explain_member = w->member,
                                  .allow = w->allow };
    SL_TRY(sl_scan_run(&input, &result));
    if (text->n != 0 || w->member.n != 0) {
        return SL_DONE;
    }
    SL_TRY(sl_source_reader(read_fd, &w->fd, w->size, &source));
    return sl_pickle_explain(source, text);
}

static _Noreturn void run_worker(wanted *w, int pipe_fd)
{
    const int keep[] = { w->fd, pipe_fd };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_BYTES_MAX };
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sl_res r = sl_confine_worker(keep, SL_COUNT_OF(keep));
    if (sl_ok(r)) {
        r = explain(w, &text);
    }
    if (sl_ok(r)) {
        r = sl_fd_write_all(pipe_fd, sl_buf_view(&text));
    }
    _exit(sl_ok(r) ? 0 : 1);
}

static sl_res collect(int pipe_fd, sl_buf *out)
{
    for (;;) {
        uint8_t piece[4096];
        ssize_t n = read(pipe_fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return sl_fail_os(SL_E_IO, "pipe");
        }
        if (n == 0) {
            return SL_DONE;
        }
        for (ssize_t i = 0; i < n; i++) { /* nothing of a worker reaches a terminal unchecked */
            bool good = (piece[i] >= 0x20 && piece[i] < 0x7f) || piece[i] == '\n';
            piece[i] = good ? piece[i] : '?';
        }
        SL_TRY(sl_buf_add(out, sl_view_of(piece, (size_t)n)));
    }
}

sl_res sl_scan_explain(int fd, sl_view name, sl_view member, sl_buf *out)
{
    struct stat st;
    int ends[2] = { -1, -1 };
    int status = 0;
    const size_t before = out->n;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_TYPE, "file", SL_NOWHERE);
    }
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_TRY(sl_allow_own(&allow)); /* here, since the first hash opens files */
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return sl_fail_os(SL_E_IO, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        wanted w = { fd, (uint64_t)st.st_size, name, member, allow };
        run_worker(&w, ends[1]);
    }
    sl_fd_close(&ends[1]);
    sl_res r = pid < 0 ? sl_fail_os(SL_E_IO, "fork") : collect(ends[0], out);
    sl_fd_close(&ends[0]);
    if (pid > 0) {
        if (!sl_ok(r)) {
            (void)kill(pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    }
    SL_TRY(r);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return sl_fail_at(SL_E_REFUSED, "the worker died", SL_NOWHERE);
    }
    return out->n != before ? SL_DONE : sl_fail_at(SL_E_NOT_FOUND, "member", SL_NOWHERE);
}
