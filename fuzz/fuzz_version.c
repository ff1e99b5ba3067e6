/* Orders of versions: for any two texts the order is antisymmetric, and a version equals itself. The first
 * byte chooses the ecosystem, a zero byte parts the two. */
#include <assert.h>

#include "supply/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    sl_ecosystem e = (sl_ecosystem)(data[0] % SL_ECOSYSTEM_COUNT);
    sl_view a;
    sl_view b;
    int there = 0;
    int back = 0;
    (void)sl_view_cut(sl_view_of(data + 1, size - 1), 0, &a, &b);
    if (sl_ok(sl_version_cmp(e, a, b, &there))) {
        assert(sl_ok(sl_version_cmp(e, b, a, &back)));
        assert((there > 0) == (back < 0) && (there < 0) == (back > 0));
        assert(sl_ok(sl_version_cmp(e, a, a, &there)) && there == 0);
    }
    return 0;
}
