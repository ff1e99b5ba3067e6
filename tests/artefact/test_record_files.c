/* The readers on real public files, against counts made by an independent reading (Python's csv and
 * json modules, pyreadstat; tests/artefact/data/record_counts.tsv). Skipped where the files are not there. */
#include "test.h"

#include <fcntl.h>

#include "artefact/record.h"
#include "artefact/record_sas.h"
#include "base/file.h"
#include "base/limits.h"

typedef struct {
    uint64_t cells;
    uint64_t string_bytes;
} counts;

static sl_res on_record(void *ctx, const sl_record *record)
{
    counts *c = ctx;
    for (size_t i = 0; i < record->cell_count; i++) {
        c->cells++;
        c->string_bytes += record->cells[i].number ? 0 : record->cells[i].value.n;
    }
    return SL_DONE;
}

static uint64_t field_u64(sl_view field)
{
    uint64_t value = UINT64_MAX;
    (void)sl_ok(sl_parse_u64(field, UINT64_MAX, &value));
    return value; /* "-": not compared */
}

static sl_res read_at(void *ctx, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n)
{
    const sl_buf *file = ctx;
    sl_view part = sl_view_sub(sl_buf_view(file), (size_t)offset, (size_t)offset + n);
    if (part.n != 0) {
        memcpy(p, part.p, part.n);
    }
    *ret_n = part.n;
    return SL_DONE;
}

static void read_whole(sl_buf *bytes, sl_view name, sl_format *ret_format,
                       sl_encoding *ret_encoding, counts *ret_counts, sl_reader_stats *ret_stats)
{
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    sl_encoding_scan scan = { 0 };
    sl_view file = sl_buf_view(bytes);
    sl_encoding_feed(&scan, file);
    *ret_encoding = sl_encoding_decide(&scan);
    *ret_format = sl_format_detect(sl_view_sub(file, 0, 65536), name, *ret_encoding);
    sl_reader_options options = { .format = *ret_format, .encoding = *ret_encoding };
    sl_record_sink sink = { .ctx = ret_counts, .record = on_record };
    if (*ret_format == SL_FORMAT_XPT || *ret_format == SL_FORMAT_SAS7BDAT) {
        sl_record_source source = { .ctx = bytes, .bytes = file.n, .read_at = read_at };
        assert_done(sl_sas_read(*ret_format, &source, sink, ret_stats));
        return;
    }
    assert_done(sl_reader_new(&options, sink, &reader));
    assert_done(sl_reader_feed(reader, file));
    assert_done(sl_reader_finish(reader, ret_stats));
}

static bool check_line(const char *root, sl_view line)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, file, sl_buf_free) = { .max = 16 * SL_MIB };
    sl_view f[7];
    for (size_t i = 0; i < SL_COUNT_OF(f); i++) {
        sl_view rest;
        (void)sl_view_cut(line, '\t', &f[i], &rest);
        line = rest;
    }
    assert_done(sl_buf_addf(&path, "%s/phi/structured/%.*s", root, SL_FMT(f[0])));
    const char *at = sl_buf_cstr(&path);
    assert_non_null(at);
    if (!sl_path_exists(AT_FDCWD, at)) {
        return false;
    }
    assert_done(sl_file_read(AT_FDCWD, at, &file));
    sl_format format;
    sl_encoding encoding;
    counts c = { 0 };
    sl_reader_stats stats;
    read_whole(&file, f[0], &format, &encoding, &c, &stats);
    assert_view(f[1], sl_format_name(format));
    assert_view(f[2], sl_encoding_name(encoding));
    bool agree = stats.records == field_u64(f[3]) &&
                 (field_u64(f[4]) == UINT64_MAX || c.cells == field_u64(f[4])) &&
                 c.string_bytes == field_u64(f[5]) && stats.ragged == field_u64(f[6]);
    if (!agree) {
        print_error("%.*s: %llu records, %llu cells, %llu bytes\n", SL_FMT(f[0]),
                    (unsigned long long)stats.records, (unsigned long long)c.cells,
                    (unsigned long long)c.string_bytes);
    }
    assert_true(agree);
    return true;
}

static void counts_agree_with_an_independent_reading(void **state)
{
    SL_OWN(sl_buf, table, sl_buf_free) = { .max = SL_MIB };
    const char *shared = getenv("SL_SHARED");
    const char *root = shared != NULL ? shared : SL_SOURCE_ROOT "/../shared";
    SL_OWN(sl_buf, data, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&data, "%s/data", root));
    assert_done(
        sl_file_read(AT_FDCWD, SL_SOURCE_ROOT "/tests/artefact/data/record_counts.tsv", &table));
    size_t read = 0;
    sl_view rest = sl_buf_view(&table);
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n != 0 && line.p[0] != '#') {
            read += check_line(sl_buf_cstr(&data), line) ? 1 : 0;
        }
    }
    if (read == 0) {
        print_message("no shared data: set SL_SHARED to try the readers on real files\n");
        skip();
    }
    print_message("%zu files\n", read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_agree_with_an_independent_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
