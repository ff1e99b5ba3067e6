/* Fuzz target of the record readers. The first byte chooses format and encoding, the second where
 * the file is cut. Broken is: a value that is not UTF-8, a place outside the file, records that
 * depend on the cut, or a crash. */
#include "artefact/record.h"

#include <assert.h>

#include "base/limits.h"
#include "base/utf8.h"

typedef struct {
    uint64_t hash;
    uint64_t file_bytes;
} seen;

static void mix(seen *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        s->hash = (s->hash ^ p[i]) * 0x100000001B3ULL;
    }
}

static void check_cell(seen *s, const sl_cell *cell)
{
    assert(sl_utf8_check(cell->value) == cell->value.n);
    assert(sl_utf8_check(cell->name) == cell->name.n);
    assert(cell->offset + cell->raw.n <= s->file_bytes);
    assert(sl_cell_origin(cell, cell->value.n) == cell->offset + cell->raw.n);
    assert(sl_cell_origin(cell, cell->value.n / 2) <= cell->offset + cell->raw.n);
    mix(s, cell->value.p, cell->value.n);
    mix(s, cell->name.p, cell->name.n);
    mix(s, &cell->offset, sizeof cell->offset);
}

static sl_res on_header(void *ctx, const sl_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_cell(ctx, &cells[i]);
    }
    return SL_DONE;
}

static sl_res on_record(void *ctx, const sl_record *record)
{
    seen *s = ctx;
    assert(record->offset + record->length <= s->file_bytes);
    mix(s, &record->number, sizeof record->number);
    mix(s, &record->part, sizeof record->part);
    return on_header(ctx, record->cells, record->cell_count);
}

static sl_res read_file(sl_reader_options options, sl_view file, size_t cut, seen *s)
{
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    sl_record_sink sink = { .ctx = s, .header = on_header, .record = on_record };
    s->file_bytes = file.n;
    SL_TRY(sl_reader_new(&options, sink, &reader));
    SL_TRY(sl_reader_feed(reader, sl_view_sub(file, 0, cut)));
    SL_TRY(sl_reader_feed(reader, sl_view_sub(file, cut, file.n)));
    return sl_reader_finish(reader, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    sl_view file = sl_view_of(data + 2, size - 2);
    sl_reader_options options = { .format = (sl_format)(data[0] % SL_FORMAT_XPT),
                                  .encoding = data[0] & 0x80 ? SL_ENCODING_WINDOWS_1252
                                                             : SL_ENCODING_UTF8 };
    seen whole = { 0 };
    seen parts = { 0 };
    sl_res a = read_file(options, file, file.n, &whole);
    sl_res b = read_file(options, file, file.n == 0 ? 0 : data[1] % (file.n + 1), &parts);
    assert(a.code == b.code);
    assert(!sl_ok(a) || whole.hash == parts.hash);
    sl_encoding_scan scan = { 0 };
    sl_encoding_feed(&scan, file);
    (void)sl_format_detect(file, SL_LIT("x.json"), sl_encoding_decide(&scan));
    return 0;
}
