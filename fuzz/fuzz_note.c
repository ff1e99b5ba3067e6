/* Notes, verifier keys and checkpoints from strangers: nothing opens that was not signed, and what
 * is split can be put together again. */
#include <assert.h>

#include "ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view input = sl_view_of(data, size);
    sl_note note;
    sl_vkey vkey;
    sl_checkpoint c;

    if (sl_ok(sl_note_split(input, &note))) {
        assert(note.text.n + 1 + note.signature_lines.n == size);
        if (sl_ok(sl_checkpoint_parse(note.text, &c))) {
            assert(c.size <= SL_TREE_SIZE_MAX);
        }
    }
    if (sl_ok(sl_vkey_parse(input, &vkey))) {
        SL_OWN(sl_buf, again, sl_buf_free) = { .max = 4096 };
        assert(sl_ok(sl_vkey_add(&again, &vkey)));
        sl_vkey back;
        assert(sl_ok(sl_vkey_parse(sl_buf_view(&again), &back)) && back.id == vkey.id);
    }
    return 0;
}
