/* What commands on a running site share: the admin link to the warden, operators' keys, signing,
 * principals' ids, times. */
#ifndef SL_CLI_ADMIN_H
#define SL_CLI_ADMIN_H

#include "cli/cli.h"
#include "vault/desk.h"
#include "vault/keeper.h"

enum { SL_ADMIN_KEYS_GIVEN_MAX = 8 };

/* The link and what was read from the command line. Zero-initialise; fit for SL_OWN. */
typedef struct {
    sl_ipc *link;
    sl_sign_key keys[SL_ADMIN_KEYS_GIVEN_MAX]; /* that sign this statement, one a person */
    size_t keys_count;
    char site[SL_SITE_ID_CHARS + 1];
} sl_admin;

void sl_admin_close(sl_admin *admin);
/* Connects to run/admin.sock of the site. SL_E_UNAVAILABLE: it is not up. */
SL_MUST sl_res sl_admin_open(const sl_cli *cli, sl_admin *admin);
/* Asks and appends the answer. Errors are the warden's. */
SL_MUST sl_res sl_admin_ask(sl_admin *admin, uint16_t type, sl_view body, sl_buf *out);

/* Loads the key file of an operator; without any, $STOPLOG_OPERATOR_KEY (files, by colons). */
SL_MUST sl_res sl_admin_key_add(sl_admin *admin, const char *path);
SL_MUST sl_res sl_admin_keys_default(sl_admin *admin);

/* Takes "--key FILE" at argv[*i] (then *i stands on FILE): true if it was that option. */
bool sl_admin_key_option(sl_admin *admin, int argc, char **argv, int *i, sl_res *failed);
/* The whole of a command that is one statement: connects (unless it is), signs, submits, prints.
 * `s->site` is filled in here. Returns the exit status. */
int sl_admin_act(const sl_cli *cli, sl_admin *admin, sl_statement *s);

/* Signs the statement with every key and submits it; the answer (SL_ADMIN_SUBMIT) is appended. */
SL_MUST sl_res sl_admin_submit(sl_admin *admin, const sl_statement *statement, sl_buf *out);
SL_MUST sl_res sl_admin_submit_text(sl_admin *admin, sl_view text, sl_buf *out);
/* Prints such an answer. Exit status 0 when approved; 1 (and who must still sign) when pending. */
int sl_admin_tell(const sl_cli *cli, const char *what, sl_view answer);
/* Sends a list request and prints its lines: as JSON lines with a summary, or `columns` (member
 * names, NULL-ended) as text. */
int sl_admin_list(const sl_cli *cli, uint16_t type, const char *const *columns);

/* A principal's id: 32 hex digits as they are, or a name looked up in state/principals of the site,
 * where a new one gets a random id. Names never leave that file. SL_E_NOT_FOUND unless `make`. */
SL_MUST sl_res sl_principal_id(const sl_cli *cli, const char *name, bool make, sl_uid ret_id);

/* "90m", "12h", "30d" from `now_ms`, "2026-12-31" or "2026-12-31T08:00:00Z". SL_E_SYNTAX, SL_E_RANGE. */
SL_MUST sl_res sl_until_parse(const char *text, int64_t now_ms, int64_t *ret_ms);
/* "100/h": the number before the unit. */
SL_MUST sl_res sl_budget_parse(const char *text, char unit, int64_t *ret);

/* A passphrase: a file's first line ("-": standard input). Wiped by the free function. */
SL_MUST sl_res sl_passphrase_read(const char *path, sl_buf *ret);
void sl_passphrase_free(sl_buf *passphrase);

#endif
