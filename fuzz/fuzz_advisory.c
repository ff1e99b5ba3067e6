/* Advisories from strangers against a fixed list: any record is matched or refused. */
#include "supply/advisory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sl_res found(void *context, const sl_package *package, const sl_advisory *advisory)
{
    (void)context;
    (void)package;
    (void)advisory;
    return SL_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_packages, packages, sl_packages_free) = { 0 };
    static const sl_package LIST[] = {
        { SL_ECOSYSTEM_PYPI, { (const uint8_t *)"a", 1 }, { (const uint8_t *)"1.0", 3 }, 0, 0 },
        { SL_ECOSYSTEM_NPM, { (const uint8_t *)"a", 1 }, { (const uint8_t *)"1.0.0", 5 }, 0, 0 },
        { SL_ECOSYSTEM_CRAN, { (const uint8_t *)"a", 1 }, { (const uint8_t *)"1.0-1", 5 }, 0, 0 },
        { SL_ECOSYSTEM_DEBIAN, { (const uint8_t *)"a", 1 }, { (const uint8_t *)"1:1.0", 5 }, 0, 0 },
    };
    char modified[32];
    for (size_t i = 0; i < sizeof LIST / sizeof LIST[0]; i++) {
        if (!sl_ok(sl_packages_add(&packages, &LIST[i]))) {
            return 0;
        }
    }
    sl_packages_sort(&packages);
    sl_res r = sl_advisory_match(sl_view_of(data, size), &packages, found, NULL, modified);
    (void)r;
    return 0;
}
