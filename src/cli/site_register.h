/* The vendor register of a site, folded from its verified ledger (supply/register.h). */
#ifndef SL_CLI_SITE_REGISTER_H
#define SL_CLI_SITE_REGISTER_H

#include "cli/site_ledger.h"
#include "supply/register.h"

/* Zero-initialise; fit for SL_OWN. */
typedef struct {
    sl_roll *roll;
    sl_register vendors;
    sl_reader_each *also; /* sees every leaf too, behind the register; NULL: nobody */
    void *context;
} sl_site_register;

void sl_site_register_close(sl_site_register *site);
/* Reads the ledger through. Errors: those of sl_site_ledger_read. */
SL_MUST sl_res sl_site_register_open(const sl_cli *cli, sl_site_register *site);

#endif
