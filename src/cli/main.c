/* The program: picks the command and prints help. All work is in the commands' files and below. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc_wire.h"
#include "host/host.h"

static const struct {
    const char *name;
    sl_cli_call call;
    const char *help;
    bool of_a_site;
} commands[] = {
#define C(name, call, help) { name, call, help, false },
#define S(name, call, help) { name, call, help, true },
#include "cli/commands.def"
#undef S
#undef C
};

sl_res sl_cli_line(sl_view line)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = line.n + 1 };
    SL_TRY(sl_buf_add(&out, line));
    SL_TRY(sl_buf_add_byte(&out, '\n'));
    (void)fflush(stdout);
    return sl_fd_write_all(STDOUT_FILENO, sl_buf_view(&out));
}

/* The file of the last sl_cli_read that failed; results carry no words of the caller's. */
static char unread[512];

sl_res sl_cli_read(const char *path, sl_buf *out)
{
    sl_res r = sl_file_read(AT_FDCWD, path, out);
    (void)snprintf(unread, sizeof unread, "%s", sl_ok(r) ? "" : path);
    return r;
}

static sl_res error_line(const char *what, sl_res failed, const sl_detail *detail, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_key(&w, "error");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "code", sl_res_name(failed));
    sl_json_put_str(&w, "what", what);
    sl_json_put_str(&w, "text", sl_res_text(failed));
    sl_json_put_str(&w, "remedy", sl_res_remedy(failed));
    if (unread[0] != 0) {
        sl_json_put_str(&w, "file", unread);
    }
    sl_json_key(&w, "where");
    sl_json_object_begin(&w);
    if (detail->field[0] != 0) {
        sl_json_put_str(&w, "field", detail->field);
    }
    if (detail->offset != SL_NOWHERE) {
        sl_json_put_uint(&w, "offset", detail->offset);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static void print_place(sl_res r, const sl_detail *detail)
{
    (void)fprintf(stderr, "%s", sl_res_text(r));
    if (detail->field[0] != 0) {
        (void)fprintf(stderr, " (%s", detail->field);
        if (detail->offset != SL_NOWHERE) {
            (void)fprintf(stderr, " at %llu", (unsigned long long)detail->offset);
        }
        (void)fprintf(stderr, ")");
    }
}

int sl_cli_fail(const sl_cli *cli, const char *what, sl_res r)
{
    sl_detail detail = *sl_detail_get();
    if (cli->json) {
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
        if (sl_ok(error_line(what, r, &detail, &line))) {
            sl_res printed = sl_cli_line(sl_buf_view(&line));
            (void)printed.code; /* with stdout gone, the exit status still tells */
        }
        return sl_res_exit(r);
    }
    bool file = unread[0] != 0;
    (void)fprintf(stderr, "stoplog: %s: ", what);
    if (file) {
        (void)fprintf(stderr, "'%s' cannot be read: ", unread);
    }
    if (!file || detail.os_error == 0) {
        print_place(r, &detail);
    }
    if (detail.os_error != 0) {
        (void)fprintf(stderr, "%s%s", file ? "" : ": ", strerrordesc_np(detail.os_error));
    }
    const char *remedy = file && sl_is(r, SL_E_NOT_FOUND) ? "check the path" : sl_res_remedy(r);
    (void)fprintf(stderr, "\n  %s\n", remedy);
    return sl_res_exit(r);
}

int sl_cli_usage(const sl_cli *cli, const char *usage)
{
    (void)fprintf(cli->help ? stdout : stderr, "usage: stoplog [--site DIR] [--json] %s\n", usage);
    return cli->help ? 0 : 2;
}

static int help(FILE *out, int status)
{
    (void)fprintf(out, "usage: stoplog [--site DIR] [--json] COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < SL_COUNT_OF(commands); i++) {
        (void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(out, "\nExit status: 0 all well, 1 findings or refused, 2 usage, 3 cannot, "
                       "4 integrity, 5 not shown or unknown.\n");
    return status;
}

/* Whoever forgot --site, or where he stands, is told that and nothing of what was then not found. */
static bool has_site(const sl_cli *cli)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 64 * SL_KIB };
    if (!sl_ok(sl_buf_addf(&path, "%s/config.yml", cli->site)) || sl_buf_cstr(&path) == NULL) {
        return true; /* the command itself will say what is wrong */
    }
    return access(sl_buf_cstr(&path), F_OK) == 0 || errno != ENOENT;
}

static int no_site(const sl_cli *cli)
{
    char what[160];
    (void)snprintf(what, sizeof what, "%s: '%.100s'", cli->command, cli->site);
    return sl_cli_fail(cli, what, sl_fail(SL_E_NO_SITE));
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], SL_PROC_ARGUMENT) == 0) {
        /* Started by the supervisor: a process of the site, not a command. */
        return sl_host_process(sl_host_table, sl_host_table_count, argv[2]);
    }
    sl_cli cli = { .site = getenv("STOPLOG_SITE") };
    if (cli.site == NULL || cli.site[0] == 0) {
        cli.site = "stoplog-site";
    }
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--json") == 0) {
            cli.json = true;
        } else if (strcmp(argv[at], "--site") == 0 && at + 1 < argc) {
            cli.site = argv[++at];
        } else if (strncmp(argv[at], "--site=", 7) == 0) {
            cli.site = argv[at] + 7;
        } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            return help(stdout, 0);
        } else if (strcmp(argv[at], "--version") == 0) {
            cli.command = "version";
            char *version[] = { argv[at], NULL };
            return sl_cmd_version(&cli, 1, version);
        } else {
            return help(stderr, 2);
        }
    }
    for (size_t i = 0; at < argc && i < SL_COUNT_OF(commands); i++) {
        if (strcmp(argv[at], commands[i].name) == 0) {
            cli.command = commands[i].name;
            cli.help = argc - at > 1 &&
                       (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0);
            opterr = cli.help ? 0 : opterr; /* no option is wrong when help was asked for */
            return commands[i].of_a_site && !cli.help && !has_site(&cli)
                       ? no_site(&cli)
                       : commands[i].call(&cli, argc - at, argv + at);
        }
    }
    if (at < argc) {
        (void)fprintf(stderr, "stoplog: there is no command '%s'\n\n", argv[at]);
    }
    return help(stderr, 2);
}
