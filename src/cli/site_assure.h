/* The checks asked of a site's ledger, here and now: shared by `assure` and `drill gate`. */
#ifndef SL_CLI_SITE_ASSURE_H
#define SL_CLI_SITE_ASSURE_H

#include "assure/catalogue.h"
#include "cli/site_ledger.h"

typedef struct {
    sl_catalogue *catalogue;
    sl_assurance *run;
    sl_buf origin;
    sl_verdict_report
        ledger; /* what was read: every leaf of it was proved to be in the checkpoint */
    int64_t now_ms;
    int64_t max_records; /* limits of config.yml; -1: not set */
    int64_t retain_from;
    sl_buf regimes;  /* lines "NAME MILLISECONDS" */
    sl_buf purposes; /* separated by blanks */
    int64_t max_compartments;
    sl_reader_each *also; /* sees every leaf too; NULL: nobody */
    void *context;
} sl_site_assure;

/* Reads the ledger through. `ret` stays in place: do not move it. */
SL_MUST sl_res sl_site_assure_open(const sl_cli *cli, sl_reader_each *also, void *context,
                                   sl_site_assure *ret);
void sl_site_assure_close(sl_site_assure *site);

#endif
