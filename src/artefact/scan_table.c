/* Tables: CSV, whose cells a spreadsheet may run; Parquet and Arrow, which end in a footer that must fit,
 * and whose schema an old pyarrow unpickles.
 * Source: OWASP on formula injection; the Parquet and Arrow formats; CVE-2023-47248. */
#include <string.h>

#include "artefact/format_parts.h"

#define FOOTER_BYTES_MAX (16 * ((size_t)1 << 20))
#define CELL_BYTES ((size_t)160)

/* ---- CSV ---- */

sl_identity sl_identify_csv(const sl_probe *probe)
{
    bool named =
        sl_view_ends(probe->name, SL_LIT(".csv")) || sl_view_ends(probe->name, SL_LIT(".tsv"));
    for (size_t i = 0; named && i < probe->head.n; i++) {
        uint8_t c = probe->head.p[i];
        if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') {
            return SL_IDENTIFY_NO;
        }
    }
    return named && probe->head.n > 0 ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

typedef struct {
    sl_scan *scan;
    char cell[CELL_BYTES]; /* the beginning of a cell that opens like a formula */
    size_t n;
    uint64_t offset;
    bool start; /* the next byte begins a cell */
    bool watch; /* the present cell opens like a formula */
} csv;

static void end_cell(csv *c)
{
    static const char *const calls[] = {
        "cmd|",        "cmd.exe",     "powershell",  "hyperlink(",   "webservice(", "importxml(",
        "importdata(", "importfeed(", "importhtml(", "importrange(", "image(",      "dde",
        "rtd(",        "filterxml(",  "exec(",       "shell",        "mshta",       "rundll",
        "msexcel|",    "call(",       "register.id"
    };
    sl_view text = sl_view_of(c->cell, c->n);
    bool watch = c->watch && c->n > 1;
    c->watch = false;
    c->start = true;
    if (!watch) {
        return;
    }
    for (size_t i = 0; i < SL_COUNT_OF(calls); i++) {
        if (sl_text_holds(text, calls[i])) {
            sl_scan_report(c->scan, SL_RULE_CSV_CALL, c->offset, text);
            return;
        }
    }
    /* A sign before a number is a number; a handle is a handle. */
    uint8_t next = text.p[1] | 32;
    bool formula =
        (text.p[0] == '=' && (next == '(' || next == '+' || next == '-' || next == '"' ||
                              (next >= 'a' && next <= 'z') || (next >= '0' && next <= '9'))) ||
        (text.p[0] != '=' && next >= 'a' && next <= 'z' &&
         sl_view_find_byte(text, '(', 0) != SIZE_MAX);
    if (formula) {
        sl_scan_report(c->scan, SL_RULE_CSV_FORMULA, c->offset, text);
    }
}

static void read_byte(csv *c, uint8_t byte, uint64_t at)
{
    if (byte == ',' || byte == ';' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '|') {
        bool pipe = byte == '|' && c->watch; /* "=cmd|' /C x'!A0" is one cell */
        if (!pipe) {
            end_cell(c);
            return;
        }
    }
    if (c->start && (byte == '"' || byte == ' ' || byte == '\'')) {
        return;
    }
    if (c->start) {
        c->start = false;
        c->watch = byte == '=' || byte == '+' || byte == '-' || byte == '@';
        c->offset = at;
        c->n = 0;
    }
    if (c->watch && c->n < CELL_BYTES) {
        c->cell[c->n++] = (char)byte;
    }
}

sl_res sl_scan_csv(sl_scan *scan, sl_source *source)
{
    csv c = { .scan = scan, .start = true };
    uint64_t size = sl_source_size(source);
    for (uint64_t at = 0; at < size;) {
        sl_view piece = { 0 };
        SL_TRY(sl_source_at(source, at, SL_SOURCE_WINDOW_MAX, &piece));
        size_t zero = sl_view_find_byte(piece, 0, 0);
        if (zero != SIZE_MAX) {
            return sl_fail_at(SL_E_SYNTAX, "csv zero byte", at + zero);
        }
        for (size_t i = 0; i < piece.n; i++) {
            read_byte(&c, piece.p[i], at + i);
        }
        at += piece.n;
    }
    end_cell(&c);
    return SL_DONE;
}

/* ---- Parquet, Arrow ---- */

sl_identity sl_identify_parquet(const sl_probe *probe)
{
    sl_view tail = { 0 };
    bool head =
        sl_view_starts(probe->head, SL_LIT("PAR1")) || sl_view_starts(probe->head, SL_LIT("PARE"));
    if (!head || probe->size < 12 ||
        !sl_ok(sl_source_need(probe->source, probe->size - 4, 4, &tail))) {
        return SL_IDENTIFY_NO;
    }
    return memcmp(tail.p, "PAR", 3) == 0 ? SL_IDENTIFY_YES : SL_IDENTIFY_MAYBE;
}

/* A class of pyarrow that is rebuilt by unpickling: in the schema as it stands, or in base64 at any of
 * the three places where its first byte can fall. */
static void check_schema(sl_scan *scan, sl_view bytes, uint64_t offset)
{
    static const char *const names[] = { "arrow.py_extension_type",
                                         "YXJyb3cucHlfZXh0ZW5zaW9uX3R5cG",
                                         "Fycm93LnB5X2V4dGVuc2lvbl90eXBl",
                                         "hcnJvdy5weV9leHRlbnNpb25fdHlwZ" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        size_t at = sl_view_find(bytes, sl_view_str(names[i]), 0);
        if (at != SIZE_MAX) {
            sl_scan_report_str(scan, SL_RULE_TABLE_PICKLE, offset + at, "arrow.py_extension_type");
            return;
        }
    }
}

/* The footer before the last `behind` bytes, which begin with its length. */
static sl_res check_footer(sl_scan *scan, sl_source *source, uint64_t behind, uint64_t before)
{
    sl_view tail = { 0 };
    uint64_t size = sl_source_size(source);
    if (size < behind + before) {
        return sl_fail_at(SL_E_TRUNCATED, "footer", size);
    }
    SL_TRY(sl_source_need(source, size - behind, 4, &tail));
    uint64_t length = sl_get_le32(tail.p);
    if (length == 0 || length > size - behind - before) {
        sl_scan_reportf(scan, SL_RULE_TABLE_FOOTER, size - behind, "a footer of %llu bytes",
                        (unsigned long long)length);
        return SL_DONE;
    }
    SL_OWN(sl_buf, footer, sl_buf_free) = { .max = FOOTER_BYTES_MAX };
    sl_cursor cursor = sl_cursor_part(source, size - behind - length, size - behind);
    SL_TRY(sl_cursor_copy(&cursor, length, &footer));
    check_schema(scan, sl_buf_view(&footer), size - behind - length);
    return SL_DONE;
}

sl_res sl_scan_parquet(sl_scan *scan, sl_source *source)
{
    sl_view tail = { 0 };
    uint64_t size = sl_source_size(source);
    SL_TRY(sl_source_need(source, size - 4, 4, &tail));
    if (memcmp(tail.p, "PAR1", 4) != 0 && memcmp(tail.p, "PARE", 4) != 0) {
        sl_scan_report(scan, SL_RULE_TABLE_FOOTER, size - 4, tail);
        return SL_DONE;
    }
    return check_footer(scan, source, 8, 4);
}

sl_identity sl_identify_arrow(const sl_probe *probe)
{
    return sl_view_starts(probe->head, SL_LIT("ARROW1\0\0")) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_res sl_scan_arrow(sl_scan *scan, sl_source *source)
{
    sl_view v = { 0 };
    uint64_t size = sl_source_size(source);
    SL_TRY(sl_source_at(source, 0, SL_SOURCE_WINDOW_MAX, &v));
    check_schema(scan, v, 0);
    SL_TRY(sl_source_need(source, size - 6, 6, &v));
    if (memcmp(v.p, "ARROW1", 6) != 0) {
        sl_scan_report(scan, SL_RULE_TABLE_FOOTER, size - 6, v);
        return SL_DONE;
    }
    return check_footer(scan, source, 10, 8);
}
