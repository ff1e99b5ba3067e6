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

/* Functions that start programs or fetch addresses, with their bracket. */
static const char *const calls[] = { "hyperlink(",  "webservice(", "importxml(",   "importdata(",
                                     "importfeed(", "importhtml(", "importrange(", "image(",
                                     "dde(",        "rtd(",        "filterxml(",   "exec(",
                                     "shell(",      "call(",       "register.id(", "cmd|",
                                     "msexcel|",    "mshta",       "rundll",       "powershell",
                                     "cmd.exe" };

/* Behind the sign, the upper-case name of a function and its bracket: "-ve (weak)" is a finding of a
 * laboratory, "-SUM(A1)" is a formula. */
static bool names_function(sl_view text)
{
    size_t at = 1;
    while (at < text.n && ((text.p[at] >= 'A' && text.p[at] <= 'Z') || text.p[at] == '.' ||
                           (at > 1 && text.p[at] >= '0' && text.p[at] <= '9'))) {
        at++;
    }
    return at > 2 && at < text.n && text.p[at] == '(';
}

/* "=A1" or "=1+2" computes; "=5", "=== end ===" and "= see note" do not. */
static bool computes(sl_view text)
{
    size_t at = 1;
    while (at < text.n && text.p[at] >= 'A' && text.p[at] <= 'Z') {
        at++;
    }
    bool reference = at > 1 && at < 5 && at < text.n && text.p[at] >= '0' && text.p[at] <= '9';
    bool begins = text.p[1] == '(' || text.p[1] == '"' || text.p[1] == '+' || text.p[1] == '-' ||
                  ((text.p[1] | 32) >= 'a' && (text.p[1] | 32) <= 'z') ||
                  (text.p[1] >= '0' && text.p[1] <= '9');
    bool operates = false;
    for (size_t i = 2; i < text.n; i++) {
        operates = operates || memchr("(+-*/&^!", text.p[i], 8) != NULL;
    }
    return reference || (begins && operates);
}

static void end_cell(csv *c)
{
    sl_view text = sl_view_of(c->cell, c->n);
    bool watch = c->watch && c->n > 1;
    c->watch = false;
    c->start = true;
    if (!watch) {
        return;
    }
    bool equals = text.p[0] == '=';
    bool formula = equals ? computes(text) : names_function(text);
    bool called = sl_view_find(text, SL_LIT("|'"), 0) != SIZE_MAX &&
                  sl_view_find_byte(text, '!', 0) != SIZE_MAX; /* another program, told by DDE */
    for (size_t i = 0; !called && (formula || equals) && i < SL_COUNT_OF(calls); i++) {
        called = sl_text_holds(text, calls[i]);
    }
    if (called || formula) {
        sl_scan_report(c->scan, called ? SL_RULE_CSV_CALL : SL_RULE_CSV_FORMULA, c->offset, text);
    }
}

static bool ends_cell(uint8_t byte)
{
    return byte == ',' || byte == ';' || byte == '\t' || byte == '\n' || byte == '\r' ||
           byte == '|';
}

static void read_byte(csv *c, uint8_t byte, uint64_t at)
{
    if (ends_cell(byte)) {
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
            while (!c.start && !c.watch && i < piece.n && !ends_cell(piece.p[i])) {
                i++; /* inside of a cell that is no formula */
            }
            if (i < piece.n) {
                read_byte(&c, piece.p[i], at + i);
            }
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
