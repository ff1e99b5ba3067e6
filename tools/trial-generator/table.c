/* Tables as CSV and SAS transport: see table.h. */
#include "table.h"

#include <math.h>

#define RECORD 80
#define TEXT_WIDTH_MAX 200
/* One date for every file, so that a seed gives the same bytes on any day. */
#define STAMP "01JAN26:00:00:00"

SL_MUST sl_res table_row(table *t)
{
    if (t->row_count == t->row_capacity) {
        size_t capacity = t->row_capacity == 0 ? 64 : t->row_capacity * 2;
        table_cell *cells = reallocarray(t->cells, capacity * t->column_count, sizeof *cells);
        SL_NEED(cells != NULL, SL_E_MEMORY);
        t->cells = cells;
        t->row_capacity = capacity;
    }
    table_cell *row = t->cells + t->row_count * t->column_count;
    for (size_t i = 0; i < t->column_count; i++) {
        row[i] = (table_cell){ { NULL, 0 }, NAN };
    }
    t->row_count++;
    t->at = 0;
    return SL_DONE;
}

static table_cell *next_cell(table *t)
{
    return t->cells + (t->row_count - 1) * t->column_count + t->at++;
}

SL_MUST sl_res table_text(table *t, sl_arena *arena, const char *format, ...)
{
    char text[TEXT_WIDTH_MAX + 1];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    SL_NEED(n >= 0 && (size_t)n < sizeof text, SL_E_LIMIT);
    SL_NEED(t->at < t->column_count && !t->columns[t->at].numeric, SL_E_BUG);
    return sl_arena_dup(arena, sl_view_of(text, (size_t)n), &next_cell(t)->text);
}

void table_number(table *t, double number)
{
    next_cell(t)->number = number;
}

void table_free(table *t)
{
    free(t->cells);
    t->cells = NULL;
    t->row_count = 0;
    t->row_capacity = 0;
}

/* --- CSV --- */

static SL_MUST sl_res csv_text(sl_buf *out, sl_view text)
{
    bool quote = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        quote = quote || c == '"' || c == ',' || c == '\n' || c == '\r';
    }
    if (!quote) {
        return sl_buf_add(out, text);
    }
    SL_TRY(sl_buf_add_byte(out, '"'));
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') {
            SL_TRY(sl_buf_add_byte(out, '"'));
        }
        SL_TRY(sl_buf_add_byte(out, text.p[i]));
    }
    return sl_buf_add_byte(out, '"');
}

SL_MUST sl_res table_write_csv(const table *t, sl_buf *out)
{
    for (size_t i = 0; i < t->column_count; i++) {
        SL_TRY(sl_buf_add_str(out, t->columns[i].name));
        SL_TRY(sl_buf_add_str(out, i + 1 == t->column_count ? "\r\n" : ","));
    }
    for (size_t row = 0; row < t->row_count; row++) {
        for (size_t i = 0; i < t->column_count; i++) {
            const table_cell *cell = &t->cells[row * t->column_count + i];
            if (!t->columns[i].numeric) {
                SL_TRY(csv_text(out, cell->text));
            } else if (!isnan(cell->number)) {
                SL_TRY(sl_buf_addf(out, "%.10g", cell->number));
            }
            SL_TRY(sl_buf_add_str(out, i + 1 == t->column_count ? "\r\n" : ","));
        }
    }
    return SL_DONE;
}

/* --- SAS transport --- */

SL_MUST sl_res table_ibm_double(double value, uint8_t ret_bytes[8])
{
    memset(ret_bytes, 0, 8);
    if (isnan(value)) {
        ret_bytes[0] = '.';
        return SL_DONE;
    }
    if (value >= 0 && value <= 0) {
        return SL_DONE;
    }
    int exponent = 0;
    double fraction = frexp(fabs(value), &exponent); /* in [1/2, 1), times 2^exponent */
    int hex = (exponent + 3) >> 2;                   /* 16^hex >= 2^exponent */
    fraction = ldexp(fraction, exponent - 4 * hex);
    SL_NEED(isfinite(value) && hex + 64 >= 0 && hex + 64 <= 127, SL_E_RANGE);
    sl_put_be64(ret_bytes, (uint64_t)ldexp(fraction, 56));
    ret_bytes[0] = (uint8_t)((value < 0 ? 0x80 : 0) | (hex + 64));
    return SL_DONE;
}

/* `text` in a field of `width`, blanks behind. */
static SL_MUST sl_res fixed(sl_buf *out, sl_view text, size_t width)
{
    SL_NEED(text.n <= width, SL_E_LIMIT);
    SL_TRY(sl_buf_add(out, text));
    for (size_t i = text.n; i < width; i++) {
        SL_TRY(sl_buf_add_byte(out, ' '));
    }
    return SL_DONE;
}

static SL_MUST sl_res fixed_str(sl_buf *out, const char *text, size_t width)
{
    return fixed(out, sl_view_str(text), width);
}

static SL_MUST sl_res pad_record(sl_buf *out)
{
    while (out->n % RECORD != 0) {
        SL_TRY(sl_buf_add_byte(out, ' '));
    }
    return SL_DONE;
}

static SL_MUST sl_res header(sl_buf *out, const char *kind, const char *numbers)
{
    SL_TRY(sl_buf_addf(out, "HEADER RECORD*******%-8sHEADER RECORD!!!!!!!%s", kind, numbers));
    return pad_record(out);
}

static SL_MUST sl_res put_be(sl_buf *out, size_t value, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--) {
        SL_TRY(sl_buf_add_byte(out, (uint8_t)(value >> (8 * (i - 1)))));
    }
    return SL_DONE;
}

static size_t width_of(const table *t, size_t column)
{
    if (t->columns[column].numeric) {
        return 8;
    }
    size_t width = 1;
    for (size_t row = 0; row < t->row_count; row++) {
        size_t n = t->cells[row * t->column_count + column].text.n;
        width = n > width ? n : width;
    }
    return width;
}

/* The 140-byte description of one variable. */
static SL_MUST sl_res namestr(sl_buf *out, const table *t, size_t column, size_t position)
{
    const table_column *c = &t->columns[column];
    SL_TRY(put_be(out, c->numeric ? 1 : 2, 2));
    SL_TRY(put_be(out, 0, 2));
    SL_TRY(put_be(out, width_of(t, column), 2));
    SL_TRY(put_be(out, column + 1, 2));
    SL_TRY(fixed_str(out, c->name, 8));
    SL_TRY(fixed_str(out, c->label, 40));
    SL_TRY(fixed_str(out, "", 8));
    SL_TRY(put_be(out, 0, 8));
    SL_TRY(fixed_str(out, "", 8));
    SL_TRY(put_be(out, 0, 4));
    SL_TRY(put_be(out, position, 4));
    for (size_t i = 0; i < 52; i++) {
        SL_TRY(sl_buf_add_byte(out, 0));
    }
    return SL_DONE;
}

static SL_MUST sl_res library_and_member(const table *t, sl_buf *out)
{
    static const char zeros[] = "000000000000000000000000000000  ";
    SL_TRY(header(out, "LIBRARY ", zeros));
    SL_TRY(sl_buf_addf(out, "%-8s%-8s%-8s%-8s%-8s%24s%s", "SAS", "SAS", "SASLIB", "9.4", "X64_10PR",
                       "", STAMP));
    SL_TRY(sl_buf_add_str(out, STAMP));
    SL_TRY(pad_record(out));
    SL_TRY(header(out, "MEMBER  ", "000000000000000001600000000140  "));
    SL_TRY(header(out, "DSCRPTR ", zeros));
    SL_TRY(sl_buf_addf(out, "%-8s%-8s%-8s%-8s%-8s%24s%s", "SAS", t->name, "SASDATA", "9.4",
                       "X64_10PR", "", STAMP));
    SL_TRY(sl_buf_addf(out, "%s%16s%-40s%-8s", STAMP, "", t->label, ""));
    char numbers[40];
    snprintf(numbers, sizeof numbers, "000000%04zu00000000000000000000  ", t->column_count);
    SL_TRY(header(out, "NAMESTR ", numbers));
    size_t position = 0;
    for (size_t i = 0; i < t->column_count; i++) {
        SL_TRY(namestr(out, t, i, position));
        position += width_of(t, i);
    }
    SL_TRY(pad_record(out));
    return header(out, "OBS     ", zeros);
}

SL_MUST sl_res table_write_xpt(const table *t, sl_buf *out)
{
    SL_NEED(t->column_count <= TABLE_COLUMNS_MAX, SL_E_LIMIT);
    SL_TRY(library_and_member(t, out));
    size_t widths[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < t->column_count; i++) {
        widths[i] = width_of(t, i);
    }
    for (size_t row = 0; row < t->row_count; row++) {
        for (size_t i = 0; i < t->column_count; i++) {
            const table_cell *cell = &t->cells[row * t->column_count + i];
            if (!t->columns[i].numeric) {
                SL_TRY(fixed(out, cell->text, widths[i]));
                continue;
            }
            uint8_t bytes[8];
            SL_TRY(table_ibm_double(cell->number, bytes));
            SL_TRY(sl_buf_add(out, sl_view_of(bytes, sizeof bytes)));
        }
    }
    return pad_record(out);
}
