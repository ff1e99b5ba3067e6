/* Asking that something leaves, for the commands that do. */
#ifndef SL_CLI_RELEASE_H
#define SL_CLI_RELEASE_H

#include "base/json.h"
#include "cli/admin.h"

/* Signs a request for a sealed object and has the release door take it up. `shown`: what the ingest door says of the
 * object (its `object show`). The exit status: 1, it is held, or that of what went wrong, which is told. */
int sl_cli_release_object(const sl_cli *cli, sl_admin *admin, const char *compartment,
                          sl_view shown);

/* The one release whose id begins so, as the door lists it. Errors: SL_E_SYNTAX (fewer than 8 digits), SL_E_NOT_FOUND,
 * SL_E_DUPLICATE. */
SL_MUST sl_res sl_cli_release_find(const sl_cli *cli, const char *prefix, sl_json_doc *doc,
                                   sl_buf *reply);
/* What the door answered, done or the failure that it tells. */
SL_MUST sl_res sl_cli_release_result(const sl_json_doc *doc);
/* Such a line in words, or as it is. */
SL_MUST sl_res sl_cli_release_print(const sl_cli *cli, sl_view line);

/* stoplog release review ID [--key FILE]: signs to read what is held, and prints it with what was found marked. */
int sl_cli_release_review(sl_cli *cli, const char *prefix, sl_admin *admin);

#endif
