/* The register of signers: any text is either a register or a named mistake. */
#include <assert.h>

#include "supply/signers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_signers, s, sl_signers_free) = { 0 };
    if (sl_ok(sl_signers_read(sl_view_of(data, size), &s))) {
        for (size_t i = 0; i < s.n; i++) {
            assert(s.signers[i].by_certificate == (s.signers[i].key.pkey == NULL));
        }
    } else {
        assert(s.n == 0 && s.revoked_count == 0);
    }
    return 0;
}
