/* CSV and TSV (RFC 4180): rows of cells, with quotes, any line ending, ragged rows counted.
 * Strict where readers disagree: text behind a closing quote, a quote that never closes and a zero
 * byte are errors, not guesses. A quote inside an unquoted cell is a letter like any other. */
#include "artefact/record_impl.h"

enum { CELL_START, CELL_PLAIN, CELL_QUOTED, CELL_CLOSED };

/* The delimiter that the first line uses most outside quotes; a comma if it uses none. */
static uint8_t find_delimiter(sl_view line)
{
    static const uint8_t candidates[] = { ',', ';', '\t', '|' };
    size_t counts[SL_COUNT_OF(candidates)] = { 0 };
    bool quoted = false;
    for (size_t i = 0; i < line.n; i++) {
        quoted = line.p[i] == '"' ? !quoted : quoted;
        for (size_t c = 0; c < SL_COUNT_OF(candidates) && !quoted; c++) {
            counts[c] += line.p[i] == candidates[c] ? 1 : 0;
        }
    }
    size_t best = 0;
    for (size_t c = 1; c < SL_COUNT_OF(candidates); c++) {
        best = counts[c] > counts[best] ? c : best;
    }
    return candidates[best];
}

/* Settles the delimiter from the first line; false while the line is not whole yet. */
static bool settle_delimiter(sl_reader *reader, sl_view pending, bool last)
{
    if (reader->options.delimiter != 0) {
        return true;
    }
    if (reader->options.format == SL_FORMAT_TSV) {
        reader->options.delimiter = '\t';
        return true;
    }
    size_t end = 0;
    while (end < pending.n && pending.p[end] != '\n' && pending.p[end] != '\r') {
        end++;
    }
    if (end == pending.n && !last) {
        return false;
    }
    reader->options.delimiter = find_delimiter(sl_view_sub(pending, 0, end));
    return true;
}

static int next_state(int state, uint8_t byte, uint8_t delimiter)
{
    if (state == CELL_QUOTED) {
        return byte == '"' ? CELL_CLOSED : CELL_QUOTED;
    }
    if (byte == '"' && state != CELL_PLAIN) {
        return CELL_QUOTED; /* opens at a cell's start; behind a closing quote it is a doubled one */
    }
    return byte == delimiter ? CELL_START : CELL_PLAIN;
}

/* Finds the end of the row at the front. True with the length of its content when it is whole. */
static sl_res find_row(sl_reader *reader, sl_view pending, bool last, bool *ret_whole,
                       size_t *ret_length)
{
    size_t at = reader->scan;
    int state = reader->scan_state;
    uint8_t delimiter = reader->options.delimiter;
    *ret_whole = true;
    for (; at < pending.n; at++) {
        uint8_t byte = pending.p[at];
        if (state != CELL_QUOTED && (byte == '\n' || byte == '\r')) {
            break;
        }
        if (byte == 0) {
            return sl_fail_at(SL_E_SYNTAX, "zero byte", reader->offset + at);
        }
        int next = next_state(state, byte, delimiter);
        if (state == CELL_CLOSED && next == CELL_PLAIN) {
            return sl_fail_at(SL_E_SYNTAX, "text behind a closing quote", reader->offset + at);
        }
        state = next;
    }
    reader->scan = at;
    reader->scan_state = state;
    if (at == pending.n && state == CELL_QUOTED && last) {
        return sl_fail_at(SL_E_TRUNCATED, "a quote that never closes", reader->offset);
    }
    *ret_whole = at < pending.n || last;
    *ret_length = at;
    return SL_DONE;
}

/* One cell from `from`; `*ret_end` is where its delimiter stands, or row.n. */
static sl_res take_cell(sl_reader *reader, sl_view row, size_t from, size_t *ret_end)
{
    sl_cell cell = { .column = reader->cell_count, .encoding = reader->options.encoding };
    bool quoted = from < row.n && row.p[from] == '"';
    size_t end = quoted ? from + 1 : from;
    if (quoted) {
        while (row.p[end] != '"' || (end + 1 < row.n && row.p[end + 1] == '"')) {
            end += row.p[end] == '"' ? 2 : 1;
        }
        cell.code = SL_CELL_QUOTED;
        cell.raw = sl_view_sub(row, from + 1, end);
        cell.offset = reader->offset + from + 1;
        *ret_end = end + 1;
    } else {
        while (end < row.n && row.p[end] != reader->options.delimiter) {
            end++;
        }
        cell.raw = sl_view_sub(row, from, end);
        cell.offset = reader->offset + from;
        *ret_end = end;
    }
    if (reader->begun && cell.column < reader->column_count) {
        cell.name = reader->columns[cell.column];
    }
    SL_TRY(sl_reader_decode(reader, &cell));
    return sl_reader_add_cell(reader, &cell);
}

static sl_res split_row(sl_reader *reader, sl_view row)
{
    size_t at = 0;
    SL_TRY(sl_reader_begin(reader, row.n));
    for (;;) {
        size_t end = 0;
        SL_TRY(take_cell(reader, row, at, &end));
        if (end >= row.n) {
            return SL_DONE;
        }
        at = end + 1;
    }
}

/* A number, a date or an address of mail: something that a person would not call a column. */
static bool looks_like_data(sl_view value)
{
    size_t digits = 0;
    size_t letters = 0;
    for (size_t i = 0; i < value.n; i++) {
        digits += value.p[i] >= '0' && value.p[i] <= '9' ? 1 : 0;
        letters += (value.p[i] | 0x20) >= 'a' && (value.p[i] | 0x20) <= 'z' ? 1 : 0;
    }
    bool mail = sl_view_find_byte(value, '@', 0) != SIZE_MAX &&
                sl_view_find_byte(value, '.', 0) != SIZE_MAX;
    return mail || (digits != 0 && letters == 0) || digits >= 5;
}

static bool is_header(const sl_reader *reader)
{
    for (size_t i = 0; i < reader->cell_count; i++) {
        if (looks_like_data(reader->cells[i].value)) {
            return false;
        }
    }
    return true;
}

static sl_res keep_header(sl_reader *reader)
{
    sl_view *names = calloc(reader->cell_count, sizeof *names);
    SL_NEED(names != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < reader->cell_count; i++) {
        names[i] = reader->cells[i].value;
    }
    sl_res kept = sl_reader_keep_columns(reader, names, reader->cell_count);
    free(names);
    SL_TRY(kept);
    return sl_reader_emit_header(reader);
}

static sl_res number_columns(sl_reader *reader)
{
    SL_TRY(sl_reader_keep_columns(reader, NULL, reader->cell_count));
    for (size_t i = 0; i < reader->cell_count; i++) {
        reader->cells[i].name = reader->columns[i];
    }
    reader->stats.headerless = true;
    return SL_DONE;
}

static sl_res give_row(sl_reader *reader, size_t length)
{
    if (!reader->begun) {
        reader->begun = true;
        if (is_header(reader)) {
            return keep_header(reader);
        }
        SL_TRY(number_columns(reader));
    }
    reader->stats.ragged += reader->cell_count != reader->column_count ? 1 : 0;
    return sl_reader_emit(reader, (sl_record){ .number = reader->stats.records++,
                                               .offset = reader->offset,
                                               .length = length });
}

sl_res sl_reader_step_csv(sl_reader *reader, sl_view pending, bool last, size_t *ret_used)
{
    bool whole = false;
    size_t length = 0;
    if (!settle_delimiter(reader, pending, last)) {
        return SL_DONE;
    }
    SL_TRY(find_row(reader, pending, last, &whole, &length));
    bool cut_ending = length + 1 == pending.n && pending.p[length] == '\r';
    if (!whole || (cut_ending && !last)) {
        return SL_DONE;
    }
    if (length == 0) {
        reader->stats.blank += reader->offset != 0 ? 1 : 0;
    } else {
        SL_TRY(split_row(reader, sl_view_sub(pending, 0, length)));
        SL_TRY(give_row(reader, length));
    }
    size_t used = length;
    used += used < pending.n && pending.p[used] == '\r' ? 1 : 0;
    used += used < pending.n && pending.p[used] == '\n' ? 1 : 0;
    *ret_used = used;
    return SL_DONE;
}
