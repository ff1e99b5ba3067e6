/* Echo indexes of hostile bytes, and texts asked in any split. The first byte says which: a file is
 * opened; a segment is read as if its keyed hash had been right, and everything in it is looked up; a
 * text is asked whole and in pieces, which must give the same; two texts are aligned. */
#include <assert.h>

#include "detect/echo_confirm.h"
#include "detect/echo_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t KEY[32] = { 5 };

static void open_file(sl_view bytes)
{
    sl_echo_index *index = NULL;
    if (sl_ok(sl_echo_open(bytes, KEY, &index))) {
        sl_echo_index_free(index);
    }
}

static void look_everywhere(const sl_echo_index *index)
{
    const sl_echo_segment *s = &index->segments[0];
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t tag = sl_echo_mix(i, 77);
        for (size_t l = 0; l < SL_ECHO_LANES; l++) {
            const sl_echo_lane_index *lane = &s->lane[l];
            uint32_t found = 0;
            if (lane->fingerprints != 0) {
                (void)sl_echo_kernel_best()->probe(lane->filter, lane->filter_words, &tag, 1,
                                                   &found);
                found = sl_echo_map_get(&lane->shape, lane->slots, tag);
            }
            sl_echo_match m = { .lane = (uint8_t)l };
            sl_echo_place place;
            if (sl_echo_record_of(s, (sl_echo_lane)l, found, &m.record)) {
                (void)sl_echo_place_of(index, &m, &place);
            }
            double bits = sl_echo_surprise(s, (sl_echo_lane)l, tag, tag + i);
            assert(bits >= 0);
        }
    }
}

static void read_segment(sl_view bytes)
{
    static sl_echo_index index;
    if (sl_ok(sl_echo_segment_read(bytes, &index.segments[0]))) {
        index.count = 1;
        look_everywhere(&index);
    }
}

/* What the texts are asked of. */
static const sl_echo_index *fixed_index(void)
{
    static sl_echo_index *index;
    static sl_buf bytes = { .max = (size_t)1 << 20 };
    sl_view text = SL_LIT(
        "the quick brown fox jumps over 13 lazy dogs 4 5 6 7 8 while 9 wizards vex "
        "jovial sphinxes of black quartz, judge my vow 2024 10 11 CC(=O)Oc1ccccc1C(=O)OCCN BSYNRYMUTXBXSQ-UHFFFAOYSA-N");
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = text.n };
    if (index == NULL) {
        bool ready = sl_ok(sl_echo_builder_new(KEY, &options, &b)) &&
                     sl_ok(sl_echo_builder_count(b, text, false)) &&
                     sl_ok(sl_echo_builder_settle(b)) &&
                     sl_ok(sl_echo_builder_source(b, SL_LIT("s"))) &&
                     sl_ok(sl_echo_builder_add(b, text, false, 0, text.n)) &&
                     sl_ok(sl_echo_builder_finish(b, &bytes)) &&
                     sl_ok(sl_echo_open(sl_buf_view(&bytes), KEY, &index));
        assert(ready);
        sl_echo_builder_free(b);
    }
    return index;
}

static void ask(sl_view text, size_t piece, sl_echo_matches *found)
{
    static sl_echo_scratch *scratch;
    sl_echo_scan *scan = NULL;
    bool ready = (scratch != NULL || sl_ok(sl_echo_scratch_new(NULL, &scratch))) &&
                 sl_ok(sl_echo_scan_new(fixed_index(), scratch, &scan));
    assert(ready);
    for (size_t at = 0; at < text.n; at += piece) {
        sl_res fed = sl_echo_scan_feed(scan, sl_view_sub(text, at, at + piece), found);
        assert(sl_ok(fed));
    }
    sl_res ended = sl_echo_scan_finish(scan, found);
    assert(sl_ok(ended));
    sl_echo_scan_free(scan);
}

static void ask_in_pieces(sl_view text, size_t piece)
{
    SL_OWN(sl_echo_matches, whole, sl_echo_matches_free) = { 0 };
    SL_OWN(sl_echo_matches, parts, sl_echo_matches_free) = { 0 };
    uint64_t sums[2] = { 0 };
    ask(text, text.n + 1, &whole);
    ask(text, piece, &parts);
    assert(whole.n == parts.n);
    for (size_t i = 0; i < whole.n; i++) {
        assert(whole.items[i].start < whole.items[i].end && whole.items[i].end <= text.n);
        sums[0] += sl_echo_mix(whole.items[i].start + whole.items[i].bits, whole.items[i].end);
        sums[1] += sl_echo_mix(parts.items[i].start + parts.items[i].bits, parts.items[i].end);
    }
    assert(sums[0] == sums[1]);
}

/* Two texts, divided by a zero byte, are aligned: spans and changes lie inside of them, in order. */
static void align(sl_view both)
{
    static sl_echo_verdict v;
    sl_view record = { 0 };
    sl_view text = { 0 };
    (void)sl_view_cut(both, 0, &record, &text);
    sl_res done = sl_echo_confirm(fixed_index(), 0, record, text, &v);
    assert(sl_ok(done) || sl_is(done, SL_E_LIMIT));
    if (!sl_ok(done)) {
        return;
    }
    assert(v.text_start <= v.text_end && v.text_end <= text.n);
    assert(v.record_start <= v.record_end && v.record_end <= record.n);
    for (size_t i = 0; i < v.change_count; i++) {
        const sl_echo_change *c = &v.changes[i];
        assert(c->text_start <= c->text_end && c->text_end <= text.n);
        assert(c->record_start <= c->record_end && c->record_end <= record.n);
        assert(i == 0 || v.changes[i - 1].text_end <= c->text_start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    sl_view rest = sl_view_of(data + 1, size - 1);
    if (data[0] % 4 == 0) {
        open_file(rest);
    } else if (data[0] % 4 == 1) {
        read_segment(rest);
    } else if (data[0] % 4 == 3) {
        align(rest);
    } else {
        ask_in_pieces(rest, 1 + data[0] / 4);
    }
    return 0;
}
