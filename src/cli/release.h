/* Asking that something leaves, for the commands that do. */
#ifndef SL_CLI_RELEASE_H
#define SL_CLI_RELEASE_H

#include "cli/admin.h"

/* Signs a request for a sealed object and has the release door take it up. `shown`: what the ingest door says of the
 * object (its `object show`). The exit status: 1, it is held, or that of what went wrong, which is told. */
int sl_cli_release_object(const sl_cli *cli, sl_admin *admin, const char *compartment,
                          sl_view shown);

#endif
