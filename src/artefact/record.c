/* The common part of all record readers: pieces in, whole records out, values decoded to UTF-8
 * with the way back to the file's bytes. It must never emit a value that is not valid UTF-8, nor
 * keep more than one record. Design: README.md beside this file. */
#include "artefact/record_impl.h"

#include <assert.h>

#include "base/utf8.h"

/* Windows-1252 0x80..0x9F as the WHATWG index and Microsoft's table have it; 0: undefined. */
static const uint16_t upper_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

const char *sl_format_name(sl_format format)
{
    static const char *const names[SL_FORMAT_COUNT] = {
        [SL_FORMAT_BINARY] = "binary", [SL_FORMAT_TEXT] = "text", [SL_FORMAT_MARKDOWN] = "markdown",
        [SL_FORMAT_CSV] = "csv",       [SL_FORMAT_TSV] = "tsv",   [SL_FORMAT_NDJSON] = "ndjson",
        [SL_FORMAT_JSON] = "json",     [SL_FORMAT_XPT] = "xpt",   [SL_FORMAT_SAS7BDAT] = "sas7bdat",
    };
    return format < SL_FORMAT_COUNT ? names[format] : "unknown";
}

const char *sl_encoding_name(sl_encoding encoding)
{
    static const char *const names[SL_ENCODING_COUNT] = {
        [SL_ENCODING_NONE] = "none",
        [SL_ENCODING_UTF8] = "utf-8",
        [SL_ENCODING_WINDOWS_1252] = "windows-1252",
    };
    return encoding < SL_ENCODING_COUNT ? names[encoding] : "unknown";
}

static void scan_byte(sl_encoding_scan *scan, uint8_t byte)
{
    bool layout = byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f' || byte == '\v';
    scan->nul = scan->nul || byte == 0;
    scan->control = scan->control || (byte < 0x20 && !layout) || byte == 0x7F;
    scan->undefined =
        scan->undefined || (byte >= 0x80 && byte < 0xA0 && upper_1252[byte - 0x80] == 0);
}

static void scan_sequences(sl_encoding_scan *scan, sl_view v)
{
    for (size_t at = 0; at < v.n;) {
        size_t length = 1;
        if (v.p[at] >= 0x80) {
            bool good = sl_utf8_next(v, at, &length) != SL_UTF8_BAD;
            scan->multibyte += good ? 1 : 0;
            scan->stray += good ? 0 : 1;
        }
        at += length;
    }
}

void sl_encoding_feed(sl_encoding_scan *scan, sl_view piece)
{
    scan->bytes += piece.n;
    for (size_t i = 0; i < piece.n; i++) {
        scan_byte(scan, piece.p[i]);
    }
    while (scan->tail_count != 0 && piece.n != 0) {
        scan->tail[scan->tail_count++] = piece.p[0];
        piece = sl_view_sub(piece, 1, piece.n);
        sl_view tail = { scan->tail, scan->tail_count };
        if (sl_utf8_open_tail(tail) == tail.n) {
            continue;
        }
        scan_sequences(scan, sl_view_sub(tail, 0, tail.n - sl_utf8_open_tail(tail)));
        size_t open = sl_utf8_open_tail(tail);
        memmove(scan->tail, scan->tail + tail.n - open, open);
        scan->tail_count = open;
    }
    size_t open = sl_utf8_open_tail(piece);
    scan_sequences(scan, sl_view_sub(piece, 0, piece.n - open));
    if (open != 0) {
        memcpy(scan->tail, piece.p + piece.n - open, open);
        scan->tail_count = open;
    }
}

sl_encoding sl_encoding_decide(const sl_encoding_scan *scan)
{
    uint64_t stray = scan->stray + scan->tail_count;
    if (scan->nul || scan->control) {
        return SL_ENCODING_NONE;
    }
    if (stray == 0) {
        return SL_ENCODING_UTF8;
    }
    bool mixed = scan->multibyte > stray;
    return scan->undefined || mixed ? SL_ENCODING_NONE : SL_ENCODING_WINDOWS_1252;
}

static bool name_ends(sl_view name, const char *suffix)
{
    size_t n = strlen(suffix);
    return name.n >= n &&
           sl_view_eq_nocase(sl_view_sub(name, name.n - n, name.n), sl_view_str(suffix));
}

/* A first line that opens and closes an object or an array, with another line behind it. */
static bool lines_of_json(sl_view head)
{
    size_t end = sl_view_find_byte(head, '\n', 0);
    if (end == SIZE_MAX) {
        return false;
    }
    sl_view line = sl_view_sub(head, 0, end);
    if (line.n != 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    line = sl_view_trim(line);
    if (line.n < 2 || (line.p[line.n - 1] != '}' && line.p[line.n - 1] != ']')) {
        return false;
    }
    sl_view next = sl_view_trim(sl_view_sub(head, end + 1, head.n));
    return next.n != 0 && (next.p[0] == '{' || next.p[0] == '[');
}

static sl_format detect_by_name(sl_view name)
{
    static const struct {
        const char *suffix;
        sl_format format;
    } table[] = {
        { ".csv", SL_FORMAT_CSV },      { ".tsv", SL_FORMAT_TSV },
        { ".tab", SL_FORMAT_TSV },      { ".ndjson", SL_FORMAT_NDJSON },
        { ".jsonl", SL_FORMAT_NDJSON }, { ".json", SL_FORMAT_JSON },
        { ".md", SL_FORMAT_MARKDOWN },  { ".markdown", SL_FORMAT_MARKDOWN },
    };
    for (size_t i = 0; i < SL_COUNT_OF(table); i++) {
        if (name_ends(name, table[i].suffix)) {
            return table[i].format;
        }
    }
    return SL_FORMAT_TEXT;
}

static sl_view without_bom(sl_view head)
{
    return sl_view_starts(head, SL_LIT("\xEF\xBB\xBF")) ? sl_view_sub(head, 3, head.n) : head;
}

sl_format sl_format_detect(sl_view head, sl_view name, sl_encoding encoding)
{
    /* The 32 bytes that open a SAS7BDAT file; XPT opens with a card image. */
    static const uint8_t sas_magic[32] = { 0,    0,    0,    0,    0,    0,    0,    0,
                                           0,    0,    0,    0,    0xC2, 0xEA, 0x81, 0x60,
                                           0xB3, 0x14, 0x11, 0xCF, 0xBD, 0x92, 0x08, 0x00,
                                           0x09, 0xC7, 0x31, 0x8C, 0x18, 0x1F, 0x10, 0x11 };
    if (sl_view_starts(head, sl_view_of(sas_magic, sizeof sas_magic))) {
        return SL_FORMAT_SAS7BDAT;
    }
    if (sl_view_starts(head, SL_LIT("HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")) ||
        sl_view_starts(head, SL_LIT("HEADER RECORD*******LIBV8   HEADER RECORD!!!!!!!"))) {
        return SL_FORMAT_XPT;
    }
    if (encoding == SL_ENCODING_NONE) {
        return SL_FORMAT_BINARY;
    }
    sl_format format = detect_by_name(name);
    sl_view text = without_bom(head);
    while (text.n != 0 &&
           (text.p[0] == ' ' || text.p[0] == '\n' || text.p[0] == '\r' || text.p[0] == '\t')) {
        text = sl_view_sub(text, 1, text.n);
    }
    bool open = text.n != 0 && (text.p[0] == '{' || text.p[0] == '[');
    if (format == SL_FORMAT_TEXT && open) {
        bool document = text.n > 1 && (text.p[1] == '"' || text.p[1] == '{' || text.p[1] == '\n' ||
                                       text.p[1] == '\r' || text.p[1] == ' ');
        format = document ? SL_FORMAT_JSON : format;
    }
    return format == SL_FORMAT_JSON && lines_of_json(text) ? SL_FORMAT_NDJSON : format;
}

/* Decodes one hexadecimal escape's four digits; SL_UTF8_BAD if they are none. */
static uint32_t hex4(sl_view raw, size_t at)
{
    if (raw.n < 4 || at > raw.n - 4) {
        return SL_UTF8_BAD;
    }
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        uint8_t c = raw.p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16U;
        if (digit == 16U) {
            return SL_UTF8_BAD;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The character behind a backslash at raw[at], and the bytes the escape takes. */
static uint32_t json_escape(sl_view raw, size_t at, size_t *ret_length)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    *ret_length = 2;
    if (at + 1 >= raw.n) {
        return SL_UTF8_BAD;
    }
    const char *known = memchr(from, raw.p[at + 1], sizeof from - 1);
    if (known != NULL) {
        return (uint32_t)to[known - from];
    }
    uint32_t high = raw.p[at + 1] == 'u' ? hex4(raw, at + 2) : SL_UTF8_BAD;
    *ret_length = 6;
    if (high == SL_UTF8_BAD || high < 0xD800 || high > 0xDFFF) {
        return high;
    }
    uint32_t low = high < 0xDC00 && at + 7 < raw.n && raw.p[at + 6] == '\\' && raw.p[at + 7] == 'u'
                       ? hex4(raw, at + 8)
                       : SL_UTF8_BAD;
    *ret_length = 12;
    return low >= 0xDC00 && low <= 0xDFFF ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                                          : SL_UTF8_BAD;
}

/* One character of the cell: the code point at raw[at] and the raw bytes that encode it. */
static uint32_t next_character(const sl_cell *cell, size_t at, size_t *ret_length)
{
    uint8_t byte = cell->raw.p[at];
    *ret_length = 1;
    if (cell->code == SL_CELL_JSON && byte == '\\') {
        return json_escape(cell->raw, at, ret_length);
    }
    if (cell->code == SL_CELL_QUOTED && byte == '"') {
        bool doubled = at + 1 < cell->raw.n && cell->raw.p[at + 1] == '"';
        *ret_length = doubled ? 2 : 1;
        return '"';
    }
    if (byte < 0x80) {
        return byte;
    }
    if (cell->encoding == SL_ENCODING_WINDOWS_1252) {
        uint32_t code = byte < 0xA0 ? upper_1252[byte - 0x80] : byte;
        return code == 0 ? SL_UTF8_BAD : code;
    }
    return sl_utf8_next(cell->raw, at, ret_length);
}

uint64_t sl_cell_origin(const sl_cell *cell, size_t at)
{
    if (cell->code == SL_CELL_DERIVED) {
        return cell->offset;
    }
    size_t made = 0;
    size_t raw_at = 0;
    while (raw_at < cell->raw.n) {
        size_t length = 0;
        uint8_t encoded[4];
        uint32_t code = next_character(cell, raw_at, &length);
        made += code == SL_UTF8_BAD ? 1 : sl_utf8_encode(code, encoded);
        if (made > at) {
            break;
        }
        raw_at += length;
    }
    return cell->offset + (raw_at < cell->raw.n ? raw_at : cell->raw.n);
}

static bool decodes_to_itself(const sl_cell *cell)
{
    if (cell->code == SL_CELL_QUOTED && sl_view_find_byte(cell->raw, '"', 0) != SIZE_MAX) {
        return false;
    }
    return cell->encoding == SL_ENCODING_UTF8;
}

sl_res sl_reader_decode(sl_reader *reader, sl_cell *cell)
{
    if (decodes_to_itself(cell)) {
        size_t good = sl_utf8_check(cell->raw);
        if (good != cell->raw.n) {
            return sl_fail_at(SL_E_UTF8, "byte", cell->offset + good);
        }
        cell->value = cell->raw;
        return SL_DONE;
    }
    size_t start = reader->decoded.n;
    for (size_t at = 0; at < cell->raw.n;) {
        size_t length = 0;
        uint8_t encoded[4];
        uint32_t code = next_character(cell, at, &length);
        if (code == SL_UTF8_BAD) {
            return sl_fail_at(SL_E_UTF8, "byte", cell->offset + at);
        }
        size_t n = sl_utf8_encode(code, encoded);
        assert(reader->decoded.cap - reader->decoded.n >= n); /* sl_reader_begin reserved it */
        SL_TRY(sl_buf_add(&reader->decoded, sl_view_of(encoded, n)));
        at += length;
    }
    cell->value = sl_view_of(reader->decoded.p + start, reader->decoded.n - start);
    return SL_DONE;
}

sl_res sl_reader_begin(sl_reader *reader, size_t n)
{
    reader->cell_count = 0;
    sl_buf_clear(&reader->decoded);
    /* A byte of Windows-1252 becomes at most three of UTF-8. */
    return sl_buf_reserve(&reader->decoded, n * 3);
}

sl_res sl_reader_add_cell(sl_reader *reader, const sl_cell *cell)
{
    if (reader->cell_count == reader->cell_cap) {
        if (reader->cell_cap >= SL_RECORD_CELLS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "cells of a record", reader->offset);
        }
        size_t cap = reader->cell_cap == 0 ? 64 : reader->cell_cap * 2;
        sl_cell *cells = reallocarray(reader->cells, cap, sizeof *cells);
        SL_NEED(cells != NULL, SL_E_MEMORY);
        reader->cells = cells;
        reader->cell_cap = cap;
    }
    reader->cells[reader->cell_count++] = *cell;
    return SL_DONE;
}

sl_res sl_reader_emit(sl_reader *reader, sl_record record)
{
    record.cells = reader->cells;
    record.cell_count = reader->cell_count;
    reader->stats.cells += reader->cell_count;
    return reader->sink.record(reader->sink.ctx, &record);
}

static sl_res keep_name(sl_reader *reader, const sl_view *names, size_t i)
{
    return names == NULL ? sl_buf_add_u64(&reader->names, i + 1)
                         : sl_buf_add(&reader->names, sl_view_trim(names[i]));
}

sl_res sl_reader_keep_columns(sl_reader *reader, const sl_view *names, size_t count)
{
    sl_view *columns = calloc(count + 1, sizeof *columns);
    SL_NEED(columns != NULL, SL_E_MEMORY);
    free(reader->columns);
    reader->columns = columns;
    reader->column_count = count;
    sl_buf_clear(&reader->names);
    for (size_t i = 0; i < count; i++) {
        size_t before = reader->names.n;
        SL_TRY(keep_name(reader, names, i));
        columns[i].n = reader->names.n - before;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        columns[i] = sl_view_sub(sl_buf_view(&reader->names), at, at + columns[i].n);
        at += columns[i].n;
    }
    return SL_DONE;
}

sl_res sl_reader_emit_header(sl_reader *reader)
{
    if (reader->sink.header == NULL || reader->cell_count == 0) {
        return SL_DONE;
    }
    return reader->sink.header(reader->sink.ctx, reader->cells, reader->cell_count);
}

static sl_reader_step step_of(sl_format format)
{
    static const sl_reader_step steps[SL_FORMAT_COUNT] = {
        [SL_FORMAT_BINARY] = sl_reader_step_binary, [SL_FORMAT_TEXT] = sl_reader_step_text,
        [SL_FORMAT_MARKDOWN] = sl_reader_step_text, [SL_FORMAT_CSV] = sl_reader_step_csv,
        [SL_FORMAT_TSV] = sl_reader_step_csv,       [SL_FORMAT_NDJSON] = sl_reader_step_ndjson,
        [SL_FORMAT_JSON] = sl_reader_step_json,
    };
    return format < SL_FORMAT_COUNT ? steps[format] : NULL;
}

sl_res sl_reader_new(const sl_reader_options *options, sl_record_sink sink, sl_reader **ret_reader)
{
    sl_reader_step step = step_of(options->format);
    SL_NEED(step != NULL, SL_E_UNSUPPORTED);
    SL_NEED(options->encoding != SL_ENCODING_NONE || options->format == SL_FORMAT_BINARY,
            SL_E_UNSUPPORTED);
    bool json = options->format == SL_FORMAT_JSON || options->format == SL_FORMAT_NDJSON;
    SL_NEED(!json || options->encoding == SL_ENCODING_UTF8, SL_E_UTF8);
    assert(sink.record != NULL);
    sl_reader *reader = calloc(1, sizeof *reader);
    SL_NEED(reader != NULL, SL_E_MEMORY);
    bool whole = options->format == SL_FORMAT_JSON;
    reader->options = *options;
    reader->sink = sink;
    reader->step = step;
    reader->failed = SL_DONE;
    reader->pending.max =
        whole ? SL_DOCUMENT_BYTES_MAX : SL_RECORD_BYTES_MAX + SL_READER_PIECE_BYTES;
    reader->decoded.max = reader->pending.max * 3;
    reader->names.max = SL_MIB;
    reader->path.max = SL_JSON_DEPTH_MAX * (SL_JSON_KEY_BYTES_MAX + 1);
    reader->id.max = SL_MIB;
    reader->arena.max = SL_DOCUMENT_BYTES_MAX;
    *ret_reader = reader;
    return SL_DONE;
}

void sl_reader_free(sl_reader **reader)
{
    if (*reader == NULL) {
        return;
    }
    sl_buf_free(&(*reader)->pending);
    sl_buf_free(&(*reader)->decoded);
    sl_buf_free(&(*reader)->names);
    sl_buf_free(&(*reader)->path);
    sl_buf_free(&(*reader)->id);
    sl_arena_free(&(*reader)->arena);
    free((*reader)->cells);
    free((*reader)->columns);
    free(*reader);
    *reader = NULL;
}

/* Passes over a byte order mark at the very beginning, however the file is cut into pieces. False
 * while it cannot be told yet. */
static bool pass_mark(sl_reader *reader, bool last)
{
    const sl_view mark = SL_LIT("\xEF\xBB\xBF");
    if (reader->mark_passed || reader->options.encoding != SL_ENCODING_UTF8) {
        return true;
    }
    if (!last && reader->pending.n < mark.n &&
        sl_view_starts(mark, sl_buf_view(&reader->pending))) {
        return false;
    }
    reader->mark_passed = true;
    if (sl_view_starts(sl_buf_view(&reader->pending), mark)) {
        sl_buf_drop_front(&reader->pending, mark.n);
        reader->offset = mark.n;
    }
    return true;
}

/* Lets the format take records from the front of what is pending until it needs more. */
static sl_res take_records(sl_reader *reader, bool last)
{
    size_t at = 0;
    if (!pass_mark(reader, last)) {
        return SL_DONE;
    }
    for (;;) {
        size_t used = 0;
        sl_view pending = sl_view_sub(sl_buf_view(&reader->pending), at, reader->pending.n);
        if (pending.n == 0) {
            break;
        }
        SL_TRY(reader->step(reader, pending, last, &used));
        if (used == 0) {
            break;
        }
        assert(used <= pending.n);
        at += used;
        reader->offset += used;
        reader->scan = 0;
        reader->scan_state = 0;
    }
    sl_buf_drop_front(&reader->pending, at);
    return SL_DONE;
}

static sl_res feed_piece(sl_reader *reader, sl_view piece)
{
    if (!sl_ok(sl_buf_add(&reader->pending, piece))) {
        return sl_fail_at(SL_E_LIMIT, "record", reader->offset);
    }
    SL_TRY(take_records(reader, false));
    if (reader->options.format != SL_FORMAT_JSON && reader->pending.n > SL_RECORD_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "record", reader->offset);
    }
    return SL_DONE;
}

sl_res sl_reader_feed(sl_reader *reader, sl_view piece)
{
    if (!sl_ok(reader->failed)) {
        return reader->failed;
    }
    for (size_t at = 0; at < piece.n && sl_ok(reader->failed);) {
        sl_view part = sl_view_sub(piece, at, at + SL_READER_PIECE_BYTES);
        reader->stats.bytes += part.n;
        at += part.n;
        reader->failed = feed_piece(reader, part);
    }
    return reader->failed;
}

sl_res sl_reader_finish(sl_reader *reader, sl_reader_stats *ret_stats)
{
    if (sl_ok(reader->failed)) {
        reader->failed = take_records(reader, true);
    }
    if (!sl_ok(reader->failed)) {
        return reader->failed;
    }
    assert(reader->pending.n == 0);
    if (ret_stats != NULL) {
        *ret_stats = reader->stats;
    }
    return SL_DONE;
}
