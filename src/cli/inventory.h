/* The verbs of `stoplog inventory` that have files of their own. */
#ifndef SL_CLI_INVENTORY_H
#define SL_CLI_INVENTORY_H

#include "cli/cli.h"
#include "crypto/hash.h"

/* `argv[0]` is the verb. They return the exit status. */
int sl_inventory_vendor(sl_cli *cli, int argc, char **argv);
int sl_inventory_list(sl_cli *cli, int argc, char **argv);  /* list, held, diff */
int sl_inventory_admit(sl_cli *cli, int argc, char **argv); /* admit, withdraw */

int sl_inventory_drift(sl_cli *cli, int argc, char **argv); /* check --register */

/* `stoplog verify --loaded`: the whole command line. */
int sl_verify_loaded(sl_cli *cli, int argc, char **argv);

/* What names a file or a directory: SHA-256 of the one, the root over the other's files as model
 * signatures have it. Errors: those of sl_tree_read; SL_E_INTEGRITY if something in it cannot be read. */
SL_MUST sl_res sl_inventory_digest(const char *path, sl_digest *ret);

/* The digest of the chat template of the model in this directory (supply/template.h). Errors: those of JSON. */
SL_MUST sl_res sl_inventory_template(const char *path, bool *ret_found, sl_digest *ret);

#endif
