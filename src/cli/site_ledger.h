/* The site's ledger as commands read it: verified from genesis, every leaf handed over in order. */
#ifndef SL_CLI_SITE_LEDGER_H
#define SL_CLI_SITE_LEDGER_H

#include "cli/cli.h"
#include "ledger/reader.h"

/* Reads and verifies the ledger of the site; `each` is called for every leaf. `ret_origin` (NULL: not
 * wanted) gets the ledger's name. Errors: those of sl_reader_open and sl_reader_verify. */
SL_MUST sl_res sl_site_ledger_read(const sl_cli *cli, sl_reader_each *each, void *context,
                                   sl_buf *ret_origin);
/* The same, and what was read: size and root. */
SL_MUST sl_res sl_site_ledger_read_all(const sl_cli *cli, sl_reader_each *each, void *context,
                                       sl_buf *ret_origin, sl_verdict_report *ret_report);

#endif
