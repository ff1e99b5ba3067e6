/* Playbooks: any bytes are read or refused. */
#include "respond/playbook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    sl_playbook playbook;
    if (sl_ok(sl_playbook_read(sl_view_of(data, size), &arena, &playbook))) {
        (void)sl_playbook_answers(&playbook, SL_LIT("canary_released"));
    }
    return 0;
}
