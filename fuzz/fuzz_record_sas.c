/* Fuzz target of the SAS readers: libreadstat and our glue. The first byte chooses XPT or SAS7BDAT.
 * Broken is a value that is not UTF-8, a row wider than its columns, or a crash. */
#include "artefact/record_sas.h"

#include <assert.h>

#include "base/utf8.h"

static sl_res read_at(void *ctx, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n)
{
    const sl_view *file = ctx;
    size_t from = offset < file->n ? (size_t)offset : file->n;
    *ret_n = n < file->n - from ? n : file->n - from;
    if (*ret_n != 0) {
        memcpy(p, file->p + from, *ret_n);
    }
    return SL_DONE;
}

static sl_res on_cells(void *ctx, const sl_cell *cells, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        assert(sl_utf8_check(cells[i].value) == cells[i].value.n);
        assert(sl_utf8_check(cells[i].name) == cells[i].name.n);
        assert(cells[i].column == i);
    }
    return SL_DONE;
}

static sl_res on_record(void *ctx, const sl_record *record)
{
    return on_cells(ctx, record->cells, record->cell_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    sl_view file = sl_view_of(data + 1, size - 1);
    sl_record_source source = { .ctx = &file, .bytes = file.n, .read_at = read_at };
    sl_record_sink sink = { .header = on_cells, .record = on_record };
    sl_format format = data[0] & 1 ? SL_FORMAT_SAS7BDAT : SL_FORMAT_XPT;
    sl_res r = sl_sas_read(format, &source, sink, NULL);
    (void)r;
    return 0;
}
