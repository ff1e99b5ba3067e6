/* SAS files as records (record_sas.h): the glue between libreadstat's call-backs and our cells.
 * Character sets are decided here, not by the library's iconv, which would look for files that a
 * confined worker does not have. */
#include "artefact/record_sas.h"

#include <errno.h>
#include <math.h>
#include <readstat.h>

#include "artefact/record_impl.h"
#include "base/limits.h"
#include "base/utf8.h"

typedef struct {
    const sl_record_source *source;
    uint64_t at;
} position;

typedef struct {
    sl_reader reader; /* cells, decoded bytes, columns: the common part, without pending bytes */
    position file;
    size_t variables;
    size_t *starts; /* of each value in reader.decoded, while a row is being collected */
    bool *numbers;  /* columns whose values are numbers and no dates */
    sl_res failed;
} sas;

static int open_file(const char *path, void *io_ctx)
{
    (void)path;
    (void)io_ctx;
    return 0;
}

static int close_file(void *io_ctx)
{
    (void)io_ctx;
    return 0;
}

static readstat_off_t seek_file(readstat_off_t offset, readstat_io_flags_t whence, void *io_ctx)
{
    sas *s = io_ctx;
    uint64_t base = whence == READSTAT_SEEK_SET   ? 0
                    : whence == READSTAT_SEEK_CUR ? s->file.at
                                                  : s->file.source->bytes;
    uint64_t bytes = s->file.source->bytes;
    bool back = offset < 0;
    uint64_t distance = back ? (uint64_t)0 - (uint64_t)offset : (uint64_t)offset;
    if (back ? distance > base : base > bytes || distance > bytes - base) {
        return -1;
    }
    s->file.at = back ? base - distance : base + distance;
    return (readstat_off_t)s->file.at;
}

static ssize_t read_file(void *buf, size_t n, void *io_ctx)
{
    sas *s = io_ctx;
    size_t got = 0;
    sl_res r = s->file.source->read_at(s->file.source->ctx, s->file.at, buf, n, &got);
    if (!sl_ok(r)) {
        s->failed = r;
        return -1;
    }
    s->file.at += got;
    return (ssize_t)got;
}

static readstat_error_t update_file(long file_size, readstat_progress_handler handler, void *user,
                                    void *io_ctx)
{
    (void)file_size;
    (void)handler;
    (void)user;
    (void)io_ctx;
    return READSTAT_OK;
}

static int stop_unless(sas *s, sl_res r)
{
    if (!sl_ok(r)) {
        s->failed = r;
    }
    return sl_ok(r) ? READSTAT_HANDLER_OK : READSTAT_HANDLER_ABORT;
}

static int on_metadata(readstat_metadata_t *metadata, void *ctx)
{
    sas *s = ctx;
    int count = readstat_get_var_count(metadata);
    if (count < 0 || (size_t)count > SL_RECORD_CELLS_MAX || s->starts != NULL) {
        return stop_unless(s, sl_fail_at(SL_E_LIMIT, "columns", SL_RECORD_CELLS_MAX));
    }
    s->variables = (size_t)count;
    s->starts = calloc(s->variables + 1, sizeof *s->starts);
    s->numbers = calloc(s->variables + 1, sizeof *s->numbers);
    bool good = s->starts != NULL && s->numbers != NULL;
    return stop_unless(s, good ? SL_DONE : sl_fail(SL_E_MEMORY));
}

/* Appends a string of the file as UTF-8. */
static sl_res add_string(sas *s, sl_view raw)
{
    sl_cell cell = { .raw = raw, .encoding = SL_ENCODING_UTF8 };
    if (sl_utf8_check(raw) == raw.n) {
        return sl_buf_add(&s->reader.decoded, raw);
    }
    cell.encoding = SL_ENCODING_WINDOWS_1252;
    SL_TRY(sl_buf_reserve(&s->reader.decoded, raw.n * 3));
    return sl_reader_decode(&s->reader, &cell);
}

static sl_view string_of(const char *text)
{
    sl_view v = text == NULL ? (sl_view){ 0 } : sl_view_str(text);
    while (v.n != 0 && v.p[v.n - 1] == ' ') {
        v.n--; /* SAS pads with blanks */
    }
    return v;
}

typedef enum { NUMBER, DAYS, SECONDS, TIME } meaning;

/* What a number means by its SAS format: DATE9., E8601DT., TIME5. ... */
static meaning meaning_of(const readstat_variable_t *variable)
{
    static const struct {
        const char *begins;
        meaning means;
    } table[] = { { "DATETIME", SECONDS }, { "E8601DT", SECONDS }, { "DATE", DAYS },
                  { "YYMMDD", DAYS },      { "MMDDYY", DAYS },     { "DDMMYY", DAYS },
                  { "E8601DA", DAYS },     { "IS8601DA", DAYS },   { "IS8601DT", SECONDS },
                  { "TIME", TIME },        { "E8601TM", TIME },    { "HHMM", TIME } };
    const char *format = readstat_variable_get_format(variable);
    for (size_t i = 0; format != NULL && i < SL_COUNT_OF(table); i++) {
        if (strncmp(format, table[i].begins, strlen(table[i].begins)) == 0) {
            return table[i].means;
        }
    }
    return NUMBER;
}

static int on_variable(int index, readstat_variable_t *variable, const char *labels, void *ctx)
{
    sas *s = ctx;
    (void)labels;
    if (index < 0 || (size_t)index >= s->variables) {
        return stop_unless(s, sl_fail_at(SL_E_SYNTAX, "column", (uint64_t)index));
    }
    bool string = readstat_variable_get_type_class(variable) == READSTAT_TYPE_CLASS_STRING;
    s->numbers[index] = !string && meaning_of(variable) == NUMBER;
    s->starts[index] = s->reader.decoded.n;
    return stop_unless(s, add_string(s, string_of(readstat_variable_get_name(variable))));
}

/* Days since 1970-01-01 as a date (Hinnant's civil_from_days). */
static void civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *ret_day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1);
    *ret_month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *ret_year = year + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static sl_res add_date(sl_buf *out, double days)
{
    int64_t year = 0;
    unsigned month = 0;
    unsigned day = 0;
    civil((int64_t)floor(days) - 3653, &year, &month, &day); /* SAS counts from 1960-01-01 */
    return sl_buf_addf(out, "%04lld-%02u-%02u", (long long)year, month, day);
}

static sl_res add_time(sl_buf *out, double seconds)
{
    unsigned whole = (unsigned)seconds;
    return sl_buf_addf(out, "%02u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
}

static sl_res add_number(sas *s, double value, meaning means)
{
    sl_buf *out = &s->reader.decoded;
    double days = means == SECONDS ? floor(value / 86400.0) : value;
    bool dated = (means == DAYS || means == SECONDS) && fabs(days) < 1e7;
    if (!isfinite(value)) {
        return SL_DONE;
    }
    if (dated) {
        SL_TRY(add_date(out, days));
        if (means == DAYS) {
            return SL_DONE;
        }
        SL_TRY(sl_buf_add_byte(out, 'T'));
        return add_time(out, value - days * 86400.0);
    }
    if (means == TIME && value >= 0 && value < 360000) {
        return add_time(out, value);
    }
    return sl_buf_addf(out, "%.15g", value);
}

static double number_of(readstat_value_t value)
{
    switch (readstat_value_type(value)) {
    case READSTAT_TYPE_INT8:
        return readstat_int8_value(value);
    case READSTAT_TYPE_INT16:
        return readstat_int16_value(value);
    case READSTAT_TYPE_INT32:
        return readstat_int32_value(value);
    case READSTAT_TYPE_FLOAT:
        return (double)readstat_float_value(value);
    case READSTAT_TYPE_DOUBLE:
        return readstat_double_value(value);
    case READSTAT_TYPE_STRING:
    case READSTAT_TYPE_STRING_REF:
    default:
        return NAN;
    }
}

static sl_view value_at(const sas *s, size_t i)
{
    size_t end = i + 1 < s->variables ? s->starts[i + 1] : s->reader.decoded.n;
    return sl_view_sub(sl_buf_view(&s->reader.decoded), s->starts[i], end);
}

/* The names of the columns, collected in `decoded`, become the header. */
static sl_res give_header(sas *s)
{
    sl_view *names = calloc(s->variables + 1, sizeof *names);
    SL_NEED(names != NULL, SL_E_MEMORY);
    s->reader.cell_count = 0;
    sl_res r = SL_DONE;
    for (size_t i = 0; i < s->variables && sl_ok(r); i++) {
        names[i] = value_at(s, i);
        sl_cell cell = { .value = names[i], .raw = names[i], .column = i, .code = SL_CELL_DERIVED };
        r = sl_reader_add_cell(&s->reader, &cell);
    }
    if (sl_ok(r)) {
        r = sl_reader_keep_columns(&s->reader, names, s->variables);
    }
    free(names);
    SL_TRY(r);
    s->reader.begun = true;
    return sl_reader_emit_header(&s->reader);
}

static sl_res give_row(sas *s)
{
    s->reader.cell_count = 0;
    for (size_t i = 0; i < s->variables; i++) {
        sl_cell cell = { .name = s->reader.columns[i],
                         .value = value_at(s, i),
                         .column = i,
                         .code = SL_CELL_DERIVED,
                         .encoding = SL_ENCODING_UTF8,
                         .number = s->numbers[i] };
        cell.raw = cell.value;
        SL_TRY(sl_reader_add_cell(&s->reader, &cell));
    }
    return sl_reader_emit(&s->reader, (sl_record){ .number = s->reader.stats.records++ });
}

static sl_res take_value(sas *s, readstat_variable_t *variable, readstat_value_t value)
{
    int index = readstat_variable_get_index(variable);
    if (index < 0 || (size_t)index >= s->variables) {
        return sl_fail_at(SL_E_SYNTAX, "column", (uint64_t)index);
    }
    if (!s->reader.begun) {
        SL_TRY(give_header(s));
    }
    if (index == 0) {
        sl_buf_clear(&s->reader.decoded);
    }
    s->starts[index] = s->reader.decoded.n;
    if (readstat_variable_get_type_class(variable) == READSTAT_TYPE_CLASS_STRING) {
        SL_TRY(add_string(s, string_of(readstat_string_value(value))));
    } else if (!readstat_value_is_missing(value, variable)) {
        SL_TRY(add_number(s, number_of(value), meaning_of(variable)));
    }
    return (size_t)index + 1 == s->variables ? give_row(s) : SL_DONE;
}

static int on_value(int row, readstat_variable_t *variable, readstat_value_t value, void *ctx)
{
    (void)row;
    return stop_unless(ctx, take_value(ctx, variable, value));
}

static void set_handlers(readstat_parser_t *parser, sas *s)
{
    (void)readstat_set_open_handler(parser, open_file);
    (void)readstat_set_close_handler(parser, close_file);
    (void)readstat_set_seek_handler(parser, seek_file);
    (void)readstat_set_read_handler(parser, read_file);
    (void)readstat_set_update_handler(parser, update_file);
    (void)readstat_set_io_ctx(parser, s);
    (void)readstat_set_metadata_handler(parser, on_metadata);
    (void)readstat_set_variable_handler(parser, on_variable);
    (void)readstat_set_value_handler(parser, on_value);
    /* The same set on both sides: no conversion by the library. */
    (void)readstat_set_file_character_encoding(parser, "UTF-8");
    (void)readstat_set_handler_character_encoding(parser, "UTF-8");
}

static sl_res result_of(const sas *s, readstat_error_t error)
{
    if (!sl_ok(s->failed)) {
        return s->failed;
    }
    switch ((int)error) {
    case READSTAT_OK:
        return SL_DONE;
    case READSTAT_ERROR_MALLOC:
        return sl_fail(SL_E_MEMORY);
    case READSTAT_ERROR_READ:
    case READSTAT_ERROR_SEEK:
        return sl_fail_at(SL_E_TRUNCATED, "byte", s->file.at);
    case READSTAT_ERROR_UNSUPPORTED_COMPRESSION:
    case READSTAT_ERROR_UNSUPPORTED_FILE_FORMAT_VERSION:
        return sl_fail_at(SL_E_UNSUPPORTED, "byte", s->file.at);
    default:
        return sl_fail_at(SL_E_SYNTAX, "byte", s->file.at);
    }
}

static void free_sas(sas *s)
{
    sl_buf_free(&s->reader.decoded);
    sl_buf_free(&s->reader.names);
    free(s->reader.cells);
    free(s->reader.columns);
    free(s->starts);
    free(s->numbers);
}

sl_res sl_sas_read(sl_format format, const sl_record_source *source, sl_record_sink sink,
                   sl_reader_stats *ret_stats)
{
    SL_OWN(sas, s, free_sas) = { .file = { .source = source }, .failed = SL_DONE };
    SL_NEED(format == SL_FORMAT_XPT || format == SL_FORMAT_SAS7BDAT, SL_E_UNSUPPORTED);
    s.reader.sink = sink;
    s.reader.decoded.max = SL_RECORD_BYTES_MAX * 3;
    s.reader.names.max = SL_RECORD_BYTES_MAX;
    readstat_parser_t *parser = readstat_parser_init();
    SL_NEED(parser != NULL, SL_E_MEMORY);
    set_handlers(parser, &s);
    readstat_error_t error = format == SL_FORMAT_XPT ? readstat_parse_xport(parser, "", &s)
                                                     : readstat_parse_sas7bdat(parser, "", &s);
    readstat_parser_free(parser);
    SL_TRY(result_of(&s, error));
    if (!s.reader.begun && s.variables != 0) {
        SL_TRY(give_header(&s)); /* a table without rows */
    }
    s.reader.stats.bytes = source->bytes;
    if (ret_stats != NULL) {
        *ret_stats = s.reader.stats;
    }
    return SL_DONE;
}
