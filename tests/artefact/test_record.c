/* The record readers: what they give, that it does not depend on how the file is cut, that every
 * value leads back to its bytes, and what they refuse. */
#include "test.h"

#include "artefact/record.h"
#include "base/limits.h"

typedef struct {
    sl_buf text;
    bool offsets;
} dump;

static sl_res dump_cells(dump *out, const sl_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SL_TRY(
            sl_buf_addf(&out->text, "|%.*s=%.*s", SL_FMT(cells[i].name), SL_FMT(cells[i].value)));
        if (out->offsets) {
            SL_TRY(sl_buf_addf(&out->text, "@%llu", (unsigned long long)cells[i].offset));
        }
    }
    return sl_buf_add_str(&out->text, "\n");
}

static sl_res on_header(void *ctx, const sl_cell *cells, size_t count)
{
    dump *out = ctx;
    SL_TRY(sl_buf_add_str(&out->text, "header"));
    return dump_cells(out, cells, count);
}

static sl_res on_record(void *ctx, const sl_record *record)
{
    dump *out = ctx;
    SL_TRY(sl_buf_addf(&out->text, "%llu.%llu", (unsigned long long)record->number,
                       (unsigned long long)record->part));
    if (record->id.n != 0) {
        SL_TRY(sl_buf_addf(&out->text, " %.*s", SL_FMT(record->id)));
    }
    return dump_cells(out, record->cells, record->cell_count);
}

/* Reads `file` cut into [0, cut) and the rest, or byte by byte for SIZE_MAX. */
static sl_res read_cut(sl_reader_options options, sl_view file, size_t cut, dump *out,
                       sl_reader_stats *ret_stats)
{
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    sl_record_sink sink = { .ctx = out, .header = on_header, .record = on_record };
    SL_TRY(sl_reader_new(&options, sink, &reader));
    if (cut != SIZE_MAX) {
        SL_TRY(sl_reader_feed(reader, sl_view_sub(file, 0, cut)));
        SL_TRY(sl_reader_feed(reader, sl_view_sub(file, cut, file.n)));
    } else {
        for (size_t i = 0; i < file.n; i++) {
            SL_TRY(sl_reader_feed(reader, sl_view_sub(file, i, i + 1)));
        }
    }
    return sl_reader_finish(reader, ret_stats);
}

typedef struct {
    const char *what;
    sl_format format;
    sl_encoding encoding;
    sl_view file;
    const char *expected;
} good_case;

#define UTF8 SL_ENCODING_UTF8
#define W1252 SL_ENCODING_WINDOWS_1252

static const good_case good_cases[] = {
    { "plain rows", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1,2\n3,4\n"),
      "header|=A|=B\n0.0|A=1|B=2\n1.0|A=3|B=4\n" },
    { "no line end at the end, CRLF, blank lines", SL_FORMAT_CSV, UTF8,
      SL_LIT("A,B\r\n1,2\r\n\r\n3,4"), "header|=A|=B\n0.0|A=1|B=2\n1.0|A=3|B=4\n" },
    { "old Macintosh line ends", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\r1,2\r"),
      "header|=A|=B\n0.0|A=1|B=2\n" },
    { "quotes, doubled quotes, delimiters and line ends inside", SL_FORMAT_CSV, UTF8,
      SL_LIT("A,B\n\"a \"\"x\"\", b\",\"two\r\nlines\"\n\"\",\"\"\"\"\n"),
      "header|=A|=B\n0.0|A=a \"x\", b|B=two\r\nlines\n1.0|A=|B=\"\n" },
    { "a quote inside an unquoted cell is a letter", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n5\" x,2\n"),
      "header|=A|=B\n0.0|A=5\" x|B=2\n" },
    { "ragged rows keep all their cells", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1\n1,2,3\n"),
      "header|=A|=B\n0.0|A=1\n1.0|A=1|B=2|=3\n" },
    { "trailing delimiter is an empty cell", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1,\n,\n"),
      "header|=A|=B\n0.0|A=1|B=\n1.0|A=|B=\n" },
    { "semicolons", SL_FORMAT_CSV, UTF8, SL_LIT("A;B\n1,5;2\n"), "header|=A|=B\n0.0|A=1,5|B=2\n" },
    { "tabs", SL_FORMAT_TSV, UTF8, SL_LIT("A\tB\n1,5\t2\n"), "header|=A|=B\n0.0|A=1,5|B=2\n" },
    { "byte order mark", SL_FORMAT_CSV, UTF8,
      SL_LIT("\xEF\xBB\xBF"
             "A,B\n1,2\n"),
      "header|=A|=B\n0.0|A=1|B=2\n" },
    { "a first row of data", SL_FORMAT_CSV, UTF8, SL_LIT("01-701-1015,F,63\n01-701-1023,M,64\n"),
      "0.0|1=01-701-1015|2=F|3=63\n1.0|1=01-701-1023|2=M|3=64\n" },
    { "Windows-1252", SL_FORMAT_CSV, W1252,
      SL_LIT("N,T\nM\xFCller,\"Alzheimer\x92s \"\"x\"\" \x80\"\n"),
      "header|=N|=T\n0.0|N=M\xC3\xBCller|T=Alzheimer\xE2\x80\x99s \"x\" \xE2\x82\xAC\n" },
    { "empty file", SL_FORMAT_CSV, UTF8, SL_LIT(""), "" },
    { "text", SL_FORMAT_TEXT, UTF8, SL_LIT("one\n\ntwo\n"), "0.0|=one\n\ntwo\n\n" },
    { "documents divided by form feeds", SL_FORMAT_TEXT, UTF8, SL_LIT("one\f\f two\f"),
      "0.0|=one\n1.0|= two\n" },
    { "text in Windows-1252", SL_FORMAT_MARKDOWN, W1252, SL_LIT("Alzheimer\x92s"),
      "0.0|=Alzheimer\xE2\x80\x99s\n" },
    { "opaque", SL_FORMAT_BINARY, SL_ENCODING_NONE,
      SL_LIT("\x7F"
             "ELF\0\0"),
      "" },
    { "objects a line", SL_FORMAT_NDJSON, UTF8,
      SL_LIT(
          "{\"a\":1,\"b\":{\"c\":[\"x\",{\"d\":\"y\"}],\"e\":null}}\r\n\n{\"a\":\"q\\u00fc\\n\"}"),
      "0.0|a=1|b.c=x|b.c.d=y|b.e=\n1.0|a=q\xC3\xBC\n\n" },
    { "bulk FHIR", SL_FORMAT_NDJSON, UTF8,
      SL_LIT("{\"resourceType\":\"Patient\",\"id\":\"7a\",\"name\":[{\"family\":\"Roe\"}]}\n"),
      "0.0 Patient/7a|Patient.resourceType=Patient|Patient.id=7a|Patient.name.family=Roe\n" },
    { "Dataset-JSON lines", SL_FORMAT_NDJSON, UTF8,
      SL_LIT("{\"datasetJSONVersion\":\"1.1\",\"columns\":[{\"name\":\"U\"},{\"name\":\"V\"}]}\n"
             "[\"01-1\",5]\n[null,\"x\"]\n"),
      "header|datasetJSONVersion=1.1|columns.name=U|columns.name=V\n0.0|U=01-1|V=5\n1.0|U=|V=x\n" },
    { "bundle", SL_FORMAT_JSON, UTF8,
      SL_LIT(
          " {\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"fullUrl\":\"urn:1\",\"resource\":"
          "{\"resourceType\":\"Patient\",\"id\":\"7a\",\"name\":[{\"given\":[\"Ann\",\"Bo\"]}]}},"
          "{\"resource\":{\"resourceType\":\"Claim\"}}]} "),
      "header|resourceType=Bundle|type=batch\n"
      "0.0 Patient/7a|Patient.fullUrl=urn:1|Patient.resourceType=Patient|Patient.id=7a|Patient.name.given=Ann"
      "|Patient.name.given=Bo\n"
      "1.0 Claim/|Claim.resourceType=Claim\n" },
    { "Dataset-JSON", SL_FORMAT_JSON, UTF8,
      SL_LIT("{\"columns\":[{\"name\":\"U\"}],\"rows\":[[\"a\"],[\"b\"]]}"),
      "header|columns.name=U\n0.0|U=a\n1.0|U=b\n" },
    { "array of objects", SL_FORMAT_JSON, UTF8, SL_LIT("[{\"a\":true},\n{\"a\":false}]"),
      "0.0|a=true\n1.0|a=false\n" },
    { "any document", SL_FORMAT_JSON, UTF8, SL_LIT("{\"a\":{\"b\":[1,2]}}"), "0.0|a.b=1|a.b=2\n" },
};

static sl_reader_stats uncut_stats; /* of the file fed at once */

static void check_good(const good_case *c, size_t cut)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    dump out = { .text = text };
    sl_reader_options options = { .format = c->format, .encoding = c->encoding };
    sl_reader_stats stats = { 0 };
    sl_res r = read_cut(options, c->file, cut, &out, &stats);
    text = out.text;
    if (!sl_ok(r) || !sl_view_eq_str(sl_buf_view(&text), c->expected)) {
        fail_msg("%s, cut at %zu: %s\n--- got\n%.*s\n--- expected\n%s", c->what, cut,
                 sl_res_name(r), SL_FMT(sl_buf_view(&text)), c->expected);
    }
    assert_int_equal(stats.bytes, c->file.n);
    if (cut == 0) {
        uncut_stats = stats;
    }
    assert_memory_equal(&stats, &uncut_stats, sizeof stats);
}

static void records_do_not_depend_on_the_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_cases); i++) {
        for (size_t cut = 0; cut <= good_cases[i].file.n; cut++) {
            check_good(&good_cases[i], cut);
        }
        check_good(&good_cases[i], SIZE_MAX);
    }
}

typedef struct {
    const char *what;
    sl_format format;
    sl_encoding encoding;
    sl_view file;
    sl_code code;
    uint64_t offset;
} bad_case;

static const bad_case bad_cases[] = {
    { "quote never closed", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1,\"2\n"), SL_E_TRUNCATED, 4 },
    { "text behind a quote", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n\"1\"x,2\n"), SL_E_SYNTAX, 7 },
    { "zero byte", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1\0,2\n"), SL_E_SYNTAX, 5 },
    { "bad UTF-8 in a cell", SL_FORMAT_CSV, UTF8, SL_LIT("A,B\n1,x\xFFy\n"), SL_E_UTF8, 7 },
    { "bad UTF-8 behind a doubled quote", SL_FORMAT_CSV, UTF8, SL_LIT("A\n\"\"\"\xC0\x80\"\n"),
      SL_E_UTF8, 5 },
    { "byte that Windows-1252 does not define", SL_FORMAT_TEXT, W1252, SL_LIT("ab\x81"), SL_E_UTF8,
      2 },
    { "bad UTF-8 in text", SL_FORMAT_TEXT, UTF8, SL_LIT("abc\xE2\x82"), SL_E_UTF8, 3 },
    { "second line malformed", SL_FORMAT_NDJSON, UTF8, SL_LIT("{\"a\":1}\n{\"a\":}\n"), SL_E_SYNTAX,
      13 },
    { "duplicate name", SL_FORMAT_NDJSON, UTF8, SL_LIT("{\"b\":1}\n{\"a\":1,\"a\":2}\n"),
      SL_E_DUPLICATE, 15 },
    { "bundle cut short", SL_FORMAT_JSON, UTF8, SL_LIT("{\"resourceType\":\"Bundle\",\"entry\":["),
      SL_E_TRUNCATED, 34 },
    { "duplicate in a resource", SL_FORMAT_JSON, UTF8,
      SL_LIT("{\"resourceType\":\"Bundle\",\"entry\":[{\"x\":1,\"x\":2}]}"), SL_E_DUPLICATE, 41 },
    { "two entry arrays", SL_FORMAT_JSON, UTF8,
      SL_LIT("{\"resourceType\":\"Bundle\",\"entry\":[],\"entry\":[{}]}"), SL_E_DUPLICATE, 36 },
    { "something behind the document", SL_FORMAT_JSON, UTF8, SL_LIT("{} {}"), SL_E_TRAILING, 3 },
};

static void errors_name_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(bad_cases); i++) {
        const bad_case *c = &bad_cases[i];
        for (size_t cut = 0; cut <= c->file.n; cut++) {
            SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
            dump out = { .text = text };
            sl_reader_options options = { .format = c->format, .encoding = c->encoding };
            sl_res r = read_cut(options, c->file, cut, &out, NULL);
            text = out.text;
            if (!sl_is(r, c->code) || sl_detail_get()->offset != c->offset) {
                fail_msg("%s, cut at %zu: %s at %llu", c->what, cut, sl_res_name(r),
                         (unsigned long long)sl_detail_get()->offset);
            }
        }
    }
}

/* Collects for each character of each value the file's bytes it leads back to. */
static sl_res on_origin(void *ctx, const sl_record *record)
{
    sl_buf *out = ctx;
    for (size_t i = 0; i < record->cell_count; i++) {
        const sl_cell *cell = &record->cells[i];
        for (size_t at = 0; at <= cell->value.n; at++) {
            SL_TRY(sl_buf_addf(out, "%llu ", (unsigned long long)sl_cell_origin(cell, at)));
        }
        SL_TRY(sl_buf_add_str(out, "/ "));
    }
    return SL_DONE;
}

static void values_lead_back_to_their_bytes(void **state)
{
    (void)state;
    static const struct {
        sl_format format;
        sl_encoding encoding;
        sl_view file;
        const char *expected;
    } cases[] = {
        { SL_FORMAT_CSV, UTF8, SL_LIT("A,B\nab,\"c\"\"d\"\n"), "4 5 6 / 8 9 11 12 / " },
        { SL_FORMAT_CSV, W1252, SL_LIT("A\nx\x92y\n"), "2 3 3 3 4 5 / " },
        { SL_FORMAT_NDJSON, UTF8, SL_LIT("{\"a\":\"x\\u00fc\\n\\ud83d\\ude00z\"}\n"),
          "6 7 7 13 15 15 15 15 27 28 / " },
        { SL_FORMAT_TEXT, UTF8,
          SL_LIT("\xEF\xBB\xBF"
                 "a\xC3\xBC"
                 "b"),
          "3 4 4 6 7 / " },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
        SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
        sl_reader_options options = { .format = cases[i].format, .encoding = cases[i].encoding };
        sl_record_sink sink = { .ctx = &text, .record = on_origin };
        assert_true(sl_ok(sl_reader_new(&options, sink, &reader)));
        assert_true(sl_ok(sl_reader_feed(reader, cases[i].file)));
        assert_true(sl_ok(sl_reader_finish(reader, NULL)));
        assert_non_null(sl_buf_cstr(&text));
        assert_string_equal(sl_buf_cstr(&text), cases[i].expected);
    }
}

static void long_text_comes_in_passages(void **state)
{
    (void)state;
    SL_OWN(sl_buf, file, sl_buf_free) = { .max = SL_MIB };
    for (size_t i = 0; i < 3000; i++) {
        assert_true(sl_ok(sl_buf_addf(&file, "Visit %04zu of the subject was uneventful.%s", i,
                                      i % 100 == 99 ? "\n\n" : "\n")));
    }
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, pieces, sl_buf_free) = { .max = SL_MIB };
    dump a = { .text = whole };
    dump b = { .text = pieces };
    sl_reader_options options = { .format = SL_FORMAT_TEXT, .encoding = UTF8 };
    sl_reader_stats stats;
    assert_true(sl_ok(read_cut(options, sl_buf_view(&file), file.n, &a, &stats)));
    assert_true(sl_ok(read_cut(options, sl_buf_view(&file), SIZE_MAX, &b, NULL)));
    whole = a.text;
    pieces = b.text;
    assert_true(sl_view_eq(sl_buf_view(&whole), sl_buf_view(&pieces)));
    assert_int_equal(stats.records, 1);
    assert_int_equal(stats.cells, 30);
}

static void encodings_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        sl_view file;
        sl_encoding expected;
    } cases[] = {
        { SL_LIT("plain"), SL_ENCODING_UTF8 },
        { SL_LIT(""), SL_ENCODING_UTF8 },
        { SL_LIT("M\xC3\xBCller \xF0\x9F\x98\x80"), SL_ENCODING_UTF8 },
        { SL_LIT("Alzheimer\x92s"), SL_ENCODING_WINDOWS_1252 },
        { SL_LIT("M\xFCller"), SL_ENCODING_WINDOWS_1252 },
        { SL_LIT("ends in M\xFC"), SL_ENCODING_WINDOWS_1252 },
        { SL_LIT("ends in \xC3"), SL_ENCODING_WINDOWS_1252 },
        { SL_LIT("M\xC3\xBCller, J\xC3\xB6rg, \xFC"), SL_ENCODING_NONE },
        { SL_LIT("undefined \x81"), SL_ENCODING_NONE },
        { SL_LIT("a\0b"), SL_ENCODING_NONE },
        { SL_LIT("\x1B[0m"), SL_ENCODING_NONE },
        { SL_LIT("\xFF\xFE"
                 "A\0"),
          SL_ENCODING_NONE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].file.n; cut++) {
            sl_encoding_scan scan = { 0 };
            sl_encoding_feed(&scan, sl_view_sub(cases[i].file, 0, cut));
            sl_encoding_feed(&scan, sl_view_sub(cases[i].file, cut, cases[i].file.n));
            assert_int_equal(sl_encoding_decide(&scan), cases[i].expected);
            assert_int_equal(scan.bytes, cases[i].file.n);
        }
    }
}

static void formats_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        sl_view head;
        const char *name;
        sl_encoding encoding;
        sl_format expected;
    } cases[] = {
        { SL_LIT("A,B\n"), "dm.csv", UTF8, SL_FORMAT_CSV },
        { SL_LIT("A,B\n"), "DM.CSV", W1252, SL_FORMAT_CSV },
        { SL_LIT("A\tB\n"), "dm.tsv", UTF8, SL_FORMAT_TSV },
        { SL_LIT("{\"a\":1}\n{\"a\":2}\n"), "x.json", UTF8, SL_FORMAT_NDJSON },
        { SL_LIT("{\"a\":1}\n"), "x.ndjson", UTF8, SL_FORMAT_NDJSON },
        { SL_LIT("{\n \"a\":1}\n"), "x.json", UTF8, SL_FORMAT_JSON },
        { SL_LIT("\xEF\xBB\xBF{\"resourceType\""), "bundle", UTF8, SL_FORMAT_JSON },
        { SL_LIT("[see note] text"), "note.txt", UTF8, SL_FORMAT_TEXT },
        { SL_LIT("# Protocol"), "p.md", UTF8, SL_FORMAT_MARKDOWN },
        { SL_LIT("HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000"), "dm.txt", SL_ENCODING_NONE,
          SL_FORMAT_XPT },
        { SL_LIT("\0\0"), "dm.csv", SL_ENCODING_NONE, SL_FORMAT_BINARY },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(
            sl_format_detect(cases[i].head, sl_view_str(cases[i].name), cases[i].encoding),
            cases[i].expected);
    }
}

static void a_record_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    dump out = { .text = text };
    sl_reader_options options = { .format = SL_FORMAT_CSV, .encoding = UTF8, .delimiter = ',' };
    sl_record_sink sink = { .ctx = &out, .record = on_record };
    uint8_t letters[4096];
    memset(letters, 'a', sizeof letters);
    assert_true(sl_ok(sl_reader_new(&options, sink, &reader)));
    sl_res r = SL_DONE;
    size_t fed = 0;
    while (sl_ok(r) && fed < SL_RECORD_BYTES_MAX * 2) {
        r = sl_reader_feed(reader, sl_view_of(letters, sizeof letters));
        fed += sizeof letters;
    }
    text = out.text;
    assert_true(sl_is(r, SL_E_LIMIT));
    assert_true(fed <= SL_RECORD_BYTES_MAX + 2 * sizeof letters);
    assert_true(sl_is(sl_reader_finish(reader, NULL), SL_E_LIMIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_do_not_depend_on_the_cut),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(values_lead_back_to_their_bytes),
        cmocka_unit_test(long_text_comes_in_passages),
        cmocka_unit_test(encodings_are_told_apart),
        cmocka_unit_test(formats_are_told_apart),
        cmocka_unit_test(a_record_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
