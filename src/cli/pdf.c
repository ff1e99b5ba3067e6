/* pdftotext as a child (pdf.h). The file reaches it in memory, so that it needs no path of ours. */
#include "cli/pdf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

#define CHILD_MEMORY ((rlim_t)1 << 30)
#define CHILD_SECONDS ((rlim_t)120)
#define NOT_INSTALLED 127

static void limit(__rlimit_resource_t what, rlim_t most)
{
    struct rlimit l = { .rlim_cur = most, .rlim_max = most };
    (void)setrlimit(what, &l);
}

/* What of the confinement can be had is taken: a PDF reader needs no network, no rights, no disk. */
static _Noreturn void run_child(int in, int out)
{
    static char name[] = "pdftotext";
    static char quiet[] = "-q";
    static char encoding[] = "-enc";
    static char utf8[] = "UTF-8";
    static char dash[] = "-";
    char *const args[] = { name, quiet, encoding, utf8, dash, dash, NULL };
    int none = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)unshare(CLONE_NEWUSER | CLONE_NEWNET);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit(RLIMIT_AS, CHILD_MEMORY);
    limit(RLIMIT_CPU, CHILD_SECONDS);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        (none < 0 || dup2(none, STDERR_FILENO) >= 0)) {
        (void)execvp(name, args);
    }
    _exit(NOT_INSTALLED);
}

static sl_res file_of(sl_view pdf, int *ret_fd)
{
    int fd = memfd_create("pdf", MFD_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "memory file");
    }
    sl_res r = sl_fd_write_all(fd, pdf);
    if (sl_ok(r) && lseek(fd, 0, SEEK_SET) != 0) {
        r = sl_fail_os(SL_E_IO, "memory file");
    }
    if (!sl_ok(r)) {
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return SL_DONE;
}

static sl_res outcome(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED) {
        return sl_fail_at(SL_E_UNSUPPORTED, "PDF without pdftotext (poppler-utils)", SL_NOWHERE);
    }
    bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return done ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "PDF", SL_NOWHERE);
}

sl_res sl_pdf_text(sl_view pdf, sl_buf *out)
{
    int in = -1;
    int ends[2];
    int status = 0;
    SL_TRY(file_of(pdf, &in));
    if (pipe2(ends, O_CLOEXEC) != 0) {
        (void)close(in);
        return sl_fail_os(SL_E_IO, "pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        run_child(in, ends[1]);
    }
    (void)close(in);
    (void)close(ends[1]);
    sl_res r = child < 0 ? sl_fail_os(SL_E_IO, "fork") : sl_fd_read_all(ends[0], out);
    (void)close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    SL_TRY(r);
    return outcome(status);
}
