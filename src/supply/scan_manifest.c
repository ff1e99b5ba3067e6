/* A manifest's files through the scan (scan_manifest.h). */
#include "supply/scan_manifest.h"

#include "supply/scan_walk.h"

typedef struct {
    sl_view root;
    const sl_manifest *files;
    sl_scan_unclean unclean;
    void *context;
    sl_scan_totals *totals;
    uint64_t differing;
    uint64_t met;
} comparison;

/* The path within the model; a model that is one file is ".". */
static sl_view within(const comparison *c, sl_view path)
{
    if (path.n <= c->root.n) {
        return SL_LIT(".");
    }
    size_t from = c->root.n + (path.p[c->root.n] == '/');
    return sl_view_sub(path, from, path.n);
}

static void done(void *ctx, sl_view path, const sl_scan_result *result)
{
    comparison *c = ctx;
    const sl_manifest_file *file = sl_manifest_find(c->files, within(c, path));
    if (file == NULL) {
        return; /* left out of the signature, so nothing is said about it */
    }
    c->met++;
    c->differing += result->hashed && !sl_digest_eq(&result->sha256, &file->digest);
    sl_scan_total(c->totals, result);
    if (result->class != SL_SCAN_CLEAN || !result->complete) {
        c->unclean(c->context, file->path, result);
    }
}

sl_res sl_scan_manifest(const char *path, const sl_manifest *files, const sl_allow *allow,
                        sl_scan_unclean unclean, void *context, sl_scan_totals *ret_totals)
{
    SL_OWN(sl_scan_pool *, pool, sl_scan_pool_free) = NULL;
    sl_scan_walk_count count = { 0 };
    comparison c = { .root = sl_view_str(path),
                     .files = files,
                     .unclean = unclean,
                     .context = context,
                     .totals = ret_totals };
    sl_scan_pool_options options = { .allow = allow, .done = done, .ctx = &c };
    *ret_totals = (sl_scan_totals){ 0 };
    SL_TRY(sl_scan_pool_make(&options, &pool));
    SL_TRY(sl_scan_walk(pool, path, &count));
    SL_TRY(sl_scan_pool_finish(pool));
    if (c.differing > 0 || c.met != files->n) {
        return sl_fail_at(SL_E_INTEGRITY, "files of the model: they changed while they were read",
                          c.differing);
    }
    return SL_DONE;
}
