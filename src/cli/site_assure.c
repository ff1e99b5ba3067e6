/* Asking the checks of a site's ledger (site_assure.h). */
#include "cli/site_assure.h"

#include "assure/shipped.h"
#include "base/clock.h"

/* Limits that checks name and nobody has set stay unknown, and so do the checks. */
static sl_value parameter(void *context, sl_view scope, sl_view name)
{
    const sl_site_assure *site = context;
    if (scope.n == 0 && sl_view_eq(name, SL_LIT("self"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = sl_buf_view(&site->origin) };
    }
    return (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

static sl_res feed(void *context, uint64_t index, sl_view leaf)
{
    sl_site_assure *site = context;
    if (site->also != NULL) {
        SL_TRY(site->also(site->context, index, leaf));
    }
    return sl_assurance_feed(site->run, index, leaf);
}

sl_res sl_site_assure_open(const sl_cli *cli, sl_reader_each *also, void *context,
                           sl_site_assure *ret)
{
    *ret = (sl_site_assure){ .now_ms = sl_clock_wall_ms(), .also = also, .context = context };
    ret->origin.max = 1024;
    SL_TRY(sl_catalogue_shipped(&ret->catalogue));
    SL_TRY(sl_assurance_new(ret->catalogue, parameter, ret, &ret->run));
    return sl_site_ledger_read_all(cli, feed, ret, &ret->origin, &ret->ledger);
}

void sl_site_assure_close(sl_site_assure *site)
{
    sl_assurance_free(site->run);
    sl_catalogue_free(site->catalogue);
    sl_buf_free(&site->origin);
}
