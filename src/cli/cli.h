/* The command line (ARCHITECTURE section 6): what every command gets and how it speaks.
 * Results for people and machines go to stdout; messages for people to stderr; the exit status is the
 * result code's (0 to 5). A command's file holds arguments and printing only. */
#ifndef SL_CLI_CLI_H
#define SL_CLI_CLI_H

#include "base/bytes.h"
#include "base/json.h"

typedef struct {
    const char *site; /* --site, $STOPLOG_SITE or ./stoplog-site */
    bool json;        /* --json: JSON lines on stdout, the last one {"summary":{...}} */
    bool help;        /* --help stands behind the command: its usage was asked for */
    const char *command;
} sl_cli;

/* `argv[0]` is the command's name. Returns the exit status. */
typedef int (*sl_cli_call)(sl_cli *cli, int argc, char **argv);

#define C(name, call, help) int call(sl_cli *cli, int argc, char **argv);
#define S C
#include "cli/commands.def"
#undef S
#undef C

/* Prints a failure with its place and remedy (and `what` was tried, a literal or a name of ours) on
 * stderr, or with --json as {"error":{...}} on stdout, and returns the exit status. */
int sl_cli_fail(const sl_cli *cli, const char *what, sl_res r);
/* Appends the file `path`, which the caller's words named, to `out`. When it cannot be read, sl_cli_fail names it. */
SL_MUST sl_res sl_cli_read(const char *path, sl_buf *out);
/* Prints how the command is called, and returns 2; on stdout, and 0, when that was asked for. */
int sl_cli_usage(const sl_cli *cli, const char *usage);
/* Prints `line` (one JSON value) and a newline on stdout; SL_E_IO if stdout is gone. */
SL_MUST sl_res sl_cli_line(sl_view line);

/* A bar on stderr for long work, drawn at most ten times a second and only on a terminal. `total` 0:
 * not known. End it before anything else is printed on stderr. */
void sl_cli_progress(const char *what, uint64_t done, uint64_t total);
void sl_cli_progress_end(void);

#endif
