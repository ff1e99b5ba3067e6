/* Structure characters in hostile text: whatever the split, the same parts come out, and they lie inside of the
 * text. Two texts, divided by a zero byte, are compared. */
#include <assert.h>

#include "detect/echo_structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    size_t n;
    uint64_t sum;
    size_t bytes;
} told;

static sl_res tell(void *context, const sl_echo_structure *s)
{
    told *t = context;
    assert(s->n >= 14 && s->run + s->at + s->n <= t->bytes);
    t->n++;
    t->sum = t->sum * 31 + s->tag + s->run * 7 + s->at;
    return SL_DONE;
}

static told take(const sl_echo_key *key, sl_view text, size_t piece)
{
    sl_echo_structure_cursor cursor = { 0 };
    told t = { .bytes = text.n };
    for (size_t at = 0; at < text.n; at += piece) {
        sl_res r = sl_echo_structures_take(&cursor, key, sl_view_sub(text, at, at + piece), false,
                                           tell, &t);
        assert(sl_ok(r));
    }
    sl_res ended = sl_echo_structures_take(&cursor, key, (sl_view){ 0 }, true, tell, &t);
    assert(sl_ok(ended));
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t KEY[32] = { 5 };
    static sl_echo_key key;
    if (size < 2) {
        return 0;
    }
    sl_echo_key_init(&key, KEY);
    sl_view text = sl_view_of(data + 1, size - 1);
    told whole = take(&key, text, text.n);
    told parts = take(&key, text, 1 + data[0] % 40);
    assert(whole.n == parts.n && whole.sum == parts.sum);
    sl_view one = { 0 };
    sl_view other = { 0 };
    sl_echo_structure_match m;
    (void)sl_view_cut(text, 0, &one, &other);
    sl_res compared = sl_echo_structures_compare(&key, one, other, &m);
    assert(sl_ok(compared));
    assert(m.text_start <= m.text_end && m.text_end <= one.n);
    assert(m.record_start <= m.record_end && m.record_end <= other.n);
    return 0;
}
