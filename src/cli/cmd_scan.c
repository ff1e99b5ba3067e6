/* `stoplog scan`: what loading files would do, without loading them; stands alone, without a site. Output
 * fields: ARCHITECTURE section 6; rules and recipes: docs/scan.md. */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "supply/scan_explain.h"
#include "supply/scan_output.h"
#include "supply/scan_walk.h"

#define OUTPUT_BYTES_MAX ((size_t)1 << 31)
#define PROGRESS_EVERY_NS ((uint64_t)200 * 1000000U)

static const char USAGE[] =
    "scan [--json | --sarif | --svr] [--allow FILE] [--rules PACK] [--workers N] [--alone] [-v] PATH...\n"
    "       stoplog scan --explain FILE [MEMBER]\n"
    "\n"
    "Says what loading models, datasets and packages would do, without loading them. Folders are\n"
    "walked; every file is known by its content, hashed, and parsed in a confined worker.\n"
    "  --json         one line for each file, then a summary\n"
    "  --sarif        one SARIF 2.1.0 log, for code-scanning front ends\n"
    "  --svr          one in-toto statement with a verification result over all files\n"
    "  --explain      what the pickles of a file would do, as readable pseudo-code; MEMBER as findings name it\n"
    "  --allow FILE   Python names of your own: name, may, reason, approver, expires (docs/scan.md)\n"
    "  --rules PACK   a newer signed pack of reviewed names in place of the program's own\n"
    "  --rules-keys FILE  verifier keys that may sign it, beside the program's own\n"
    "  --rules-min VERSION  refuse it when it is older than this\n"
    "  --workers N    so many workers at once (default: one for each processor)\n"
    "  --alone        never two files in one worker: slower for many small files\n"
    "  -v             list clean files too\n"
    "Exit status: 0 all clean, 1 something malformed or dangerous, 3 something could not be read,\n"
    "5 something unknown that a person should look at.\n";

typedef enum { FORM_TABLE, FORM_JSON, FORM_SARIF, FORM_SVR } form;

typedef struct {
    sl_cli *cli;
    form form;
    bool verbose;
    bool progress;
    bool line_open; /* a progress line stands on the terminal */
    bool first;     /* nothing was put into the list yet */
    sl_allow *allow;
    sl_scan_totals totals;
    sl_scan_walk_count walked;
    sl_buf out;
    sl_res failed;
    uint64_t shown_ns;
} scanning;

/* ---- for people ---- */

static const char *colour(const scanning *s, sl_scan_class class)
{
    static const char *const colours[] = { "\033[32m", "\033[33m", "\033[35m", "\033[31m" };
    (void)s;
    return isatty(STDOUT_FILENO) ? colours[class] : "";
}

static void clear_progress(scanning *s)
{
    if (s->line_open) {
        (void)fputs("\r\033[K", stderr);
        s->line_open = false;
    }
}

static void show_progress(scanning *s)
{
    uint64_t now = sl_clock_mono_ns();
    if (!s->progress || now - s->shown_ns < PROGRESS_EVERY_NS) {
        return;
    }
    const uint64_t *n = s->totals.classes;
    uint64_t done = s->totals.files;
    uint64_t found = s->walked.files + s->walked.noted;
    unsigned bars = found == 0 ? 0 : (unsigned)(done * 20 / found);
    (void)fprintf(stderr, "\r[%.*s%.*s] %llu of %llu met, %.1f GB; %llu dangerous\033[K",
                  (int)(bars > 20 ? 20 : bars), "####################",
                  (int)(bars > 20 ? 0 : 20 - bars), "....................",
                  (unsigned long long)done, (unsigned long long)found,
                  (double)s->totals.bytes / 1e9, (unsigned long long)n[SL_SCAN_DANGEROUS]);
    s->shown_ns = now;
    s->line_open = true;
}

/* A path may hold anything: control characters never reach the terminal. */
static void print_path(sl_view path)
{
    for (size_t i = 0; i < path.n; i++) {
        (void)putchar(path.p[i] < 0x20 || path.p[i] == 0x7f ? '?' : path.p[i]);
    }
}

static void print_finding(const sl_scan_finding *f)
{
    const sl_rule_info *rule = sl_rule_get(f->rule);
    (void)printf("    %-8s %-24s", sl_severity_name(rule->severity), rule->name);
    if (f->offset != SL_NOWHERE) {
        (void)printf(" at %llu", (unsigned long long)f->offset);
    }
    if (f->member.n != 0) {
        (void)printf(" in %.*s", SL_FMT(f->member));
    }
    (void)printf(": %s", rule->title);
    if (f->evidence.n != 0) {
        (void)printf(" [%.*s]", SL_FMT(f->evidence));
    }
    (void)printf("\n             -> %s\n", rule->remedy);
}

static void print_file(scanning *s, sl_view path, const sl_scan_result *r)
{
    if (r->class == SL_SCAN_CLEAN && !s->verbose) {
        return;
    }
    clear_progress(s);
    const char *shade = colour(s, r->class);
    (void)printf("%s%-9s%s  %-14s  ", shade, sl_scan_class_name(r->class), *shade ? "\033[0m" : "",
                 sl_kind_name(r->kind));
    print_path(path);
    (void)printf("%s\n", r->complete ? "" : "  (in part)");
    for (size_t i = 0; i < r->finding_count; i++) {
        print_finding(&r->findings[i]);
    }
    if (r->suppressed != 0) {
        (void)printf("    and %llu more of these\n", (unsigned long long)r->suppressed);
    }
}

static void print_totals(scanning *s)
{
    const uint64_t *n = s->totals.classes;
    clear_progress(s);
    (void)printf("%llu file%s, %.1f MB: %llu clean, %llu unknown, %llu malformed, %llu dangerous\n",
                 (unsigned long long)s->totals.files, s->totals.files == 1 ? "" : "s",
                 (double)s->totals.bytes / 1e6, (unsigned long long)n[SL_SCAN_CLEAN],
                 (unsigned long long)n[SL_SCAN_UNKNOWN], (unsigned long long)n[SL_SCAN_MALFORMED],
                 (unsigned long long)n[SL_SCAN_DANGEROUS]);
}

/* ---- for machines ---- */

static sl_res flush(scanning *s)
{
    SL_TRY(sl_fd_write_all(STDOUT_FILENO, sl_buf_view(&s->out)));
    sl_buf_clear(&s->out);
    return SL_DONE;
}

static sl_res put(scanning *s, sl_view path, const sl_scan_result *r)
{
    switch (s->form) {
    case FORM_JSON:
        SL_TRY(sl_scan_json_line(path, r, &s->out));
        SL_TRY(sl_buf_add_byte(&s->out, '\n'));
        return s->out.n > 65536 ? flush(s) : SL_DONE;
    case FORM_SARIF:
        return sl_scan_sarif_add(path, r, &s->first, &s->out);
    case FORM_SVR:
        return sl_scan_svr_add(path, r, &s->first, &s->out);
    case FORM_TABLE:
        print_file(s, path, r);
        return SL_DONE;
    }
    return sl_fail(SL_E_BUG);
}

static void done(void *ctx, sl_view path, const sl_scan_result *result)
{
    scanning *s = ctx;
    sl_scan_total(&s->totals, result);
    sl_res r = sl_ok(s->failed) ? put(s, path, result) : SL_DONE;
    s->failed = sl_ok(s->failed) ? r : s->failed;
    show_progress(s);
}

static sl_res begin(scanning *s)
{
    s->out.max = OUTPUT_BYTES_MAX;
    s->first = true;
    return s->form == FORM_SARIF ? sl_scan_sarif_begin(&s->out, SL_VERSION)
           : s->form == FORM_SVR ? sl_scan_svr_begin(&s->out)
                                 : SL_DONE;
}

static sl_res finish(scanning *s)
{
    char time[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(sl_clock_wall_ms(), time);
    switch (s->form) {
    case FORM_TABLE:
        print_totals(s);
        return SL_DONE;
    case FORM_JSON:
        SL_TRY(sl_scan_json_summary(&s->totals, s->allow, &s->out));
        break;
    case FORM_SARIF:
        SL_TRY(sl_scan_sarif_end(s->allow, s->totals.incomplete == 0, &s->out));
        break;
    case FORM_SVR:
        SL_TRY(sl_scan_svr_end(&s->totals, s->allow, SL_VERSION, time, &s->out));
        break;
    }
    SL_TRY(sl_buf_add_byte(&s->out, '\n'));
    return flush(s);
}

/* ---- the command ---- */

/* What of the command line says which names are allowed. */
typedef struct {
    const char *allow; /* a site's own names; or NULL, as all of them */
    const char *pack;
    const char *keys;
    const char *oldest;
} allow_options;

static sl_res load_pack(const allow_options *options, sl_allow **ret_allow)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    sl_allow_keys keys = { 0 };
    if (options->pack == NULL) {
        return sl_allow_own(ret_allow);
    }
    SL_TRY(sl_allow_keys_own(&keys));
    if (options->keys != NULL) {
        SL_TRY(sl_cli_read(options->keys, &text));
        SL_TRY(sl_allow_keys_read(sl_buf_view(&text), &keys));
    }
    SL_TRY(sl_cli_read(options->pack, &note));
    sl_view oldest = sl_view_str(options->oldest == NULL ? "" : options->oldest);
    return sl_allow_open(sl_buf_view(&note), &keys, oldest, ret_allow);
}

static sl_res load_allow(scanning *s, const allow_options *options)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    const char *path = options->allow;
    size_t expired = 0;
    SL_TRY(load_pack(options, &s->allow));
    if (path == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_cli_read(path, &text));
    SL_TRY(sl_allow_add(s->allow, sl_buf_view(&text), sl_clock_wall_ms() / 86400000, &expired));
    if (expired != 0) {
        (void)fprintf(stderr, "stoplog: %zu entr%s of %s no longer hold%s: their day is over\n",
                      expired, expired == 1 ? "y" : "ies", path, expired == 1 ? "s" : "");
    }
    return SL_DONE;
}

static sl_res scan_all(scanning *s, sl_scan_pool_options *options, int argc, char **argv)
{
    SL_OWN(sl_scan_pool *, pool, sl_scan_pool_free) = NULL;
    options->allow = s->allow;
    options->done = done;
    options->ctx = s;
    SL_TRY(begin(s));
    SL_TRY(sl_scan_pool_make(options, &pool));
    for (int i = 0; i < argc; i++) {
        SL_TRY(sl_scan_walk(pool, argv[i], &s->walked));
        SL_TRY(s->failed);
    }
    SL_TRY(sl_scan_pool_finish(pool));
    SL_TRY(s->failed);
    return finish(s);
}

static int status_of(const scanning *s)
{
    const uint64_t *n = s->totals.classes;
    if (n[SL_SCAN_DANGEROUS] + n[SL_SCAN_MALFORMED] != 0) {
        return 1;
    }
    if (s->walked.noted != 0) {
        return 3;
    }
    return n[SL_SCAN_UNKNOWN] != 0 ? 5 : 0;
}

static int run(scanning *s, const allow_options *allow, sl_scan_pool_options *options, int argc,
               char **argv)
{
    sl_res r = load_allow(s, allow);
    s->progress = isatty(STDERR_FILENO) && s->form == FORM_TABLE;
    if (sl_ok(r)) {
        r = scan_all(s, options, argc, argv);
    }
    clear_progress(s);
    int status = sl_ok(r) ? status_of(s) : sl_cli_fail(s->cli, "scan", r);
    sl_allow_free(&s->allow);
    sl_buf_free(&s->out);
    return status;
}

static int explain(sl_cli *cli, const char *path, const char *member)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 16 * SL_MIB };
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    sl_res r = fd < 0 ? sl_fail_os(SL_E_IO, "file")
                      : sl_scan_explain(fd, sl_view_str(path), sl_view_str(member), &text);
    if (sl_ok(r)) {
        r = sl_fd_write_all(STDOUT_FILENO, sl_buf_view(&text));
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "scan --explain", r);
}

int sl_cmd_scan(sl_cli *cli, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "json", no_argument, NULL, 'j' },
        { "sarif", no_argument, NULL, 's' },
        { "svr", no_argument, NULL, 'i' },
        { "allow", required_argument, NULL, 'a' },
        { "workers", required_argument, NULL, 'w' },
        { "alone", no_argument, NULL, 'o' },
        { "explain", required_argument, NULL, 'e' },
        { "rules", required_argument, NULL, 'r' },
        { "rules-keys", required_argument, NULL, 'k' },
        { "rules-min", required_argument, NULL, 'm' },
        { 0 },
    };
    scanning s = { .cli = cli, .form = cli->json ? FORM_JSON : FORM_TABLE };
    sl_scan_pool_options options = { 0 };
    allow_options allow = { 0 };
    const char *explained = NULL;
    uint64_t workers = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "v", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'j':
            s.form = FORM_JSON;
            cli->json = true;
            break;
        case 's':
            s.form = FORM_SARIF;
            break;
        case 'i':
            s.form = FORM_SVR;
            break;
        case 'a':
            allow.allow = optarg;
            break;
        case 'r':
            allow.pack = optarg;
            break;
        case 'k':
            allow.keys = optarg;
            break;
        case 'm':
            allow.oldest = optarg;
            break;
        case 'o':
            options.alone = true;
            break;
        case 'e':
            explained = optarg;
            break;
        case 'v':
            s.verbose = true;
            break;
        case 'w':
            if (sl_ok(sl_parse_u64(sl_view_str(optarg), 16, &workers))) {
                break;
            }
            return sl_cli_usage(cli, USAGE);
        default:
            return sl_cli_usage(cli, USAGE);
        }
    }
    if (explained != NULL && argc - optind <= 1) {
        return explain(cli, explained, optind == argc ? "" : argv[optind]);
    }
    if (optind == argc || explained != NULL ||
        (allow.pack == NULL && (allow.keys != NULL || allow.oldest != NULL))) {
        return sl_cli_usage(cli, USAGE);
    }
    options.workers = (unsigned)workers;
    return run(&s, &allow, &options, argc - optind, argv + optind);
}
