/* Asking the checks of a site's ledger (site_assure.h). */
#include "cli/site_assure.h"

#include <fcntl.h>

#include "assure/shipped.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/site_config.h"

static sl_value limit(int64_t set)
{
    return set < 0 ? (sl_value){ .kind = SL_VALUE_UNKNOWN }
                   : (sl_value){ .kind = SL_VALUE_NUMBER, .number = (double)set };
}

/* Within which time a rule asks for its notice, in seconds. */
static sl_value regime_limit(const sl_site_assure *site, sl_view name)
{
    sl_view rest = sl_buf_view(&site->regimes);
    while (rest.n != 0) {
        sl_view line;
        sl_view first;
        uint64_t ms = 0;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        (void)sl_view_cut(line, ' ', &first, &line);
        if (sl_view_eq(first, name) && sl_ok(sl_parse_u64(line, INT64_MAX, &ms))) {
            return (sl_value){ .kind = SL_VALUE_NUMBER, .number = (double)ms / 1000 };
        }
    }
    return (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

/* Limits that checks name and nobody has set stay unknown, and so do the checks. */
static sl_value parameter(void *context, sl_view scope, sl_view name)
{
    const sl_site_assure *site = context;
    if (scope.n == 0 && sl_view_eq(name, SL_LIT("self"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = sl_buf_view(&site->origin) };
    }
    if (sl_view_eq(scope, SL_LIT("policy")) && sl_view_eq(name, SL_LIT("max_records"))) {
        return limit(site->max_records);
    }
    if (sl_view_eq(scope, SL_LIT("policy")) && sl_view_eq(name, SL_LIT("max_compartments"))) {
        return limit(site->max_compartments);
    }
    if (sl_view_eq(scope, SL_LIT("policy")) && sl_view_eq(name, SL_LIT("retain_from"))) {
        return limit(site->retain_from);
    }
    if (sl_view_eq(scope, SL_LIT("policy")) && sl_view_eq(name, SL_LIT("purposes")) &&
        site->purposes.n > 0) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = sl_buf_view(&site->purposes) };
    }
    return sl_view_eq(scope, SL_LIT("regime")) ? regime_limit(site, name)
                                               : (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

/* A site that is only read (a copy of a ledger) may have no configuration: then no limit is set. */
static sl_res read_limits(const sl_cli *cli, sl_site_assure *site)
{
    char path[4096];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    static sl_site_config config; /* large */
    site->max_records = -1;
    site->max_compartments = -1;
    (void)snprintf(path, sizeof path, "%s/config.yml", cli->site);
    sl_res r = sl_file_read(AT_FDCWD, path, &text);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(r);
    SL_TRY(sl_site_config_read(&arena, sl_buf_view(&text), &config));
    site->max_records = config.assure.max_records;
    site->max_compartments = config.assure.max_compartments;
    site->retain_from = config.assure.retain_from;
    for (size_t i = 0; i < config.assure.regime_count; i++) {
        const sl_config_regime *one = &config.assure.regimes[i];
        SL_TRY(sl_buf_addf(&site->regimes, "%.*s %lld\n", SL_FMT(one->name),
                           (long long)one->within_ms));
    }
    for (size_t i = 0; i < config.assure.purposes.n; i++) {
        SL_TRY(sl_buf_add(&site->purposes, config.assure.purposes.items[i]));
        SL_TRY(sl_buf_add_byte(&site->purposes, ' '));
    }
    return SL_DONE;
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
    ret->purposes.max = SL_CONFIG_BYTES_MAX;
    ret->regimes.max = SL_CONFIG_BYTES_MAX;
    SL_TRY(read_limits(cli, ret));
    SL_TRY(sl_catalogue_shipped(&ret->catalogue));
    SL_TRY(sl_assurance_new(ret->catalogue, parameter, ret, &ret->run));
    return sl_site_ledger_read_all(cli, feed, ret, &ret->origin, &ret->ledger);
}

void sl_site_assure_close(sl_site_assure *site)
{
    sl_assurance_free(site->run);
    sl_catalogue_free(site->catalogue);
    sl_buf_free(&site->origin);
    sl_buf_free(&site->purposes);
    sl_buf_free(&site->regimes);
}
