/* trial-generator --subjects N --seed S --out DIR: writes a synthetic trial (README.md). */
#include <fcntl.h>
#include <getopt.h>

#include "base/file.h"
#include "base/log.h"
#include "trial.h"

static SL_MUST sl_res write_file(const char *dir, const char *name, const char *ending,
                                 sl_view bytes)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&path, "%s/%s%s", dir, name, ending));
    const char *text = sl_buf_cstr(&path);
    SL_NEED(text != NULL, SL_E_MEMORY);
    int fd = open(text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "output file");
    }
    sl_res r = sl_fd_write_all(fd, bytes);
    sl_fd_close(&fd);
    return r;
}

static SL_MUST sl_res write_table(const char *dir, const table *t, const char *file, bool transport)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 1024 * SL_MIB };
    SL_TRY(table_write_csv(t, &bytes));
    SL_TRY(write_file(dir, file, ".csv", sl_buf_view(&bytes)));
    if (!transport) {
        return SL_DONE;
    }
    sl_buf_clear(&bytes);
    SL_TRY(table_write_xpt(t, &bytes));
    return write_file(dir, file, ".xpt", sl_buf_view(&bytes));
}

static SL_MUST sl_res make_folders(const char *dir)
{
    static const char *const folders[] = { "sdtm", "notes", "narratives", "sites", "chemistry" };
    for (size_t i = 0; i < SL_COUNT_OF(folders); i++) {
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
        SL_TRY(sl_buf_addf(&path, "%s/%s", dir, folders[i]));
        const char *text = sl_buf_cstr(&path);
        SL_NEED(text != NULL, SL_E_MEMORY);
        SL_TRY(sl_dir_make(AT_FDCWD, text, 0700));
    }
    return SL_DONE;
}

static SL_MUST sl_res write_trial(const char *dir, const trial *t)
{
    const struct {
        const table *table;
        const char *file;
        bool transport;
    } tables[] = {
        { &t->dm, "sdtm/dm", true },
        { &t->ae, "sdtm/ae", true },
        { &t->lb, "sdtm/lb", true },
        { &t->vs, "sdtm/vs", true },
        { &t->cm, "sdtm/cm", true },
        { &t->ex, "sdtm/ex", true },
        { &t->contacts, "sites/enrolment-log", false },
        { &t->compounds, "chemistry/compounds", true },
    };
    SL_TRY(make_folders(dir));
    for (size_t i = 0; i < SL_COUNT_OF(tables); i++) {
        SL_TRY(write_table(dir, tables[i].table, tables[i].file, tables[i].transport));
    }
    for (size_t i = 0; i < t->document_count; i++) {
        SL_TRY(write_file(dir, (const char *)t->documents[i].path.p, "", t->documents[i].text));
    }
    return SL_DONE;
}

static SL_MUST sl_res run(const char *dir, size_t subjects, uint64_t seed)
{
    SL_OWN(trial, t, trial_free) = { .document_count = 0 };
    SL_TRY(trial_make(&t, subjects, seed));
    SL_TRY(write_trial(dir, &t));
    printf(
        "{\"subjects\":%zu,\"events\":%zu,\"lab_rows\":%zu,\"documents\":%zu,\"compounds\":%zu}\n",
        t.dm.row_count, t.ae.row_count, t.lb.row_count, t.document_count, t.compounds.row_count);
    return SL_DONE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "subjects", required_argument, NULL, 'n' },
        { "seed", required_argument, NULL, 's' },
        { "out", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t subjects = 60;
    uint64_t seed = 1;
    const char *out = NULL;
    bool good = true;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            good = good && sl_ok(sl_parse_u64(sl_view_str(optarg), TRIAL_SUBJECTS_MAX, &subjects));
            break;
        case 's':
            good = good && sl_ok(sl_parse_u64(sl_view_str(optarg), UINT32_MAX, &seed));
            break;
        case 'o':
            out = optarg;
            break;
        default:
            good = false;
        }
    }
    if (!good || out == NULL || optind != argc) {
        fputs("usage: trial-generator --out DIR [--subjects N] [--seed S]\n", stderr);
        return 2;
    }
    sl_log_setup("trial-generator", SL_LOG_INFO, false);
    sl_res r = run(out, (size_t)subjects, seed);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the trial could not be written", r);
    }
    return sl_res_exit(r);
}
