/* The shipped catalogue (shipped.h): data/checks, as built into the program. */
#include "assure/shipped.h"

#include "assure/checks_embedded.h"

sl_res sl_catalogue_shipped(sl_catalogue **ret_catalogue)
{
    sl_view files[64];
    sl_view subjects = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < sl_assure_checks_count; i++) {
        sl_view text = sl_view_of(sl_assure_checks[i].bytes, sl_assure_checks[i].n);
        if (strcmp(sl_assure_checks[i].name, "subjects.yml") == 0) {
            subjects = text;
        } else {
            SL_NEED(count < SL_COUNT_OF(files), SL_E_LIMIT);
            files[count++] = text;
        }
    }
    return sl_catalogue_load(subjects, files, count, NULL, ret_catalogue);
}
