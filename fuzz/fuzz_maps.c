/* Fuzz target of the text that the kernel gives of a process, whose file names the process chose. Broken is a
 * reader that does not come to an end, a view outside of the text, or addresses that run backwards. */
#include <assert.h>

#include "supply/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view text = sl_view_of(data, size);
    for (;;) {
        bool more = false;
        sl_mapping m;
        size_t before = text.n;
        if (!sl_ok(sl_maps_next(&text, &more, &m)) || !more) {
            return 0;
        }
        assert(text.n < before && m.start < m.end && m.inode != 0);
        assert(m.path.n > 0 && m.path.p >= data && m.path.p + m.path.n <= data + size);
    }
}
