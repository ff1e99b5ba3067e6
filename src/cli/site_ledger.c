/* Reading the site's ledger (site_ledger.h). */
#include "cli/site_ledger.h"

sl_res sl_site_ledger_read(const sl_cli *cli, sl_reader_each *each, void *context,
                           sl_buf *ret_origin)
{
    sl_verdict_report report;
    return sl_site_ledger_read_all(cli, each, context, ret_origin, &report);
}

sl_res sl_site_ledger_read_all(const sl_cli *cli, sl_reader_each *each, void *context,
                               sl_buf *ret_origin, sl_verdict_report *ret_report)
{
    char place[4096];
    int n = snprintf(place, sizeof(place), "%s/ledger", cli->site);
    SL_NEED(n > 0 && (size_t)n < sizeof(place), SL_E_LIMIT);
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_TRY(sl_source_open(place, &source));
    sl_reader reader;
    SL_TRY(sl_reader_open(source, NULL, &reader));
    sl_res r = sl_reader_verify(&reader, NULL, each, context, ret_report);
    if (sl_ok(r) && ret_origin != NULL) {
        r = sl_buf_add_str(ret_origin, reader.key.name);
    }
    sl_reader_close(&reader);
    return r;
}
