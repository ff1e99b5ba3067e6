/* The files of state/roster and what the ledger says of them (protection.h). */
#include "doors/protection.h"

#include <stdlib.h>

#include "base/file.h"

/* Whoever reads this at night must find what to do in it. */
sl_res sl_protection_missing(void)
{
    return sl_fail_at(SL_E_INTEGRITY,
                      "state/roster: a file is missing that the ledger names; make it anew: "
                      "stoplog object rebuild COMPARTMENT",
                      SL_NOWHERE);
}

sl_res sl_protection_check(int dir_fd, const char *file, bool told)
{
    return told && !sl_path_exists(dir_fd, file) ? sl_protection_missing() : SL_DONE;
}

sl_res sl_protection_read(int dir_fd, const char *file, bool told, sl_buf *out)
{
    sl_buf_clear(out);
    sl_res read = sl_file_read(dir_fd, file, out);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return told ? sl_protection_missing() : SL_DONE;
    }
    return read;
}

void sl_protected_free(sl_protected *list)
{
    free(list->items);
    *list = (sl_protected){ 0 };
}

static sl_protected_one *find(const sl_protected *list, sl_view id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (sl_view_eq_str(id, list->items[i].id)) {
            return &list->items[i];
        }
    }
    return NULL;
}

sl_res sl_protected_note(sl_protected *list, sl_view compartment_id)
{
    if (compartment_id.n != SL_UID_CHARS || find(list, compartment_id) != NULL) {
        return SL_DONE;
    }
    sl_protected_one *more = reallocarray(list->items, list->count + 1, sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    list->items = more;
    sl_protected_one *one = &more[list->count++];
    *one = (sl_protected_one){ 0 };
    memcpy(one->id, compartment_id.p, SL_UID_CHARS);
    return SL_DONE;
}

bool sl_protected_has(const sl_protected *list, const char *compartment_id)
{
    return find(list, sl_view_str(compartment_id)) != NULL;
}

void sl_protected_count(sl_protected *list, sl_view compartment_id)
{
    sl_protected_one *one = find(list, compartment_id);
    if (one != NULL) {
        one->sealed++;
    }
}

uint64_t sl_protected_sealed(const sl_protected *list, const char *compartment_id)
{
    const sl_protected_one *one = find(list, sl_view_str(compartment_id));
    return one == NULL ? 0 : one->sealed;
}
