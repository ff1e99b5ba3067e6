/* Signature files of models from strangers: bundle, then the statement in it. What a statement says
 * about its files must be sound, and reading it must not depend on the bytes behind it. */
#include <assert.h>

#include "supply/oms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_statement(sl_view json)
{
    SL_OWN(sl_oms_statement, s, sl_oms_statement_free) = { 0 };
    if (!sl_ok(sl_oms_statement_read(json, &s))) {
        return;
    }
    for (size_t i = 0; i < s.files.n; i++) {
        sl_view path = s.files.files[i].path;
        assert(path.n > 0 && path.p[0] != '/');
        assert(sl_manifest_find(&s.files, path) == &s.files.files[i]);
        assert(i == 0 || sl_path_cmp(s.files.files[i - 1].path, path) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_oms_bundle, b, sl_oms_bundle_free) = { 0 };
    check_statement(sl_view_of(data, size));
    if (sl_ok(sl_oms_bundle_read(sl_view_of(data, size), &b))) {
        check_statement(sl_buf_view(&b.payload));
    }
    return 0;
}
