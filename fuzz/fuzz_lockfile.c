/* Files of dependencies of every kind; the first byte chooses the reader. Whatever is read has a name that
 * its ecosystem allows, and a report never points outside the text. */
#include <assert.h>

#include "supply/lockfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *context, sl_lockfile_note kind, sl_view text, size_t line)
{
    (void)context;
    (void)kind;
    (void)line;
    static volatile uint8_t last;
    for (size_t i = 0; i < text.n; i++) {
        last = text.p[i];
    }
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_packages, packages, sl_packages_free) = { 0 };
    if (size == 0) {
        return 0;
    }
    sl_lockfile_kind kind = (sl_lockfile_kind)(1 + data[0] % SL_LOCKFILE_CYCLONEDX);
    sl_res r = sl_lockfile_read(kind, sl_view_of(data + 1, size - 1), &packages, note, NULL);
    (void)r;
    sl_packages_sort(&packages);
    for (size_t i = 0; i < packages.n; i++) {
        const sl_package *first = NULL;
        assert(packages.items[i].name.n > 0);
        assert(sl_packages_find(&packages, packages.items[i].ecosystem, packages.items[i].name,
                                &first) > 0);
    }
    return 0;
}
