/* The synthetic trial: the same seed gives the same bytes, more subjects leave the first ones alone,
 * tables and texts tell one story, identifiers have right check digits, and what we write as SAS
 * transport is read by somebody else's reader. */
#include "test.h"

#include <math.h>
#include <readstat.h>

#include "story.h"
#include "trial.h"

#define SUBJECTS 40

static trial made;

static int make(void **state)
{
    return sl_ok(trial_make(&made, SUBJECTS, 7)) ? 0 : -1;
}

static int discard(void **state)
{
    trial_free(&made);
    return 0;
}

static sl_view cell(const table *t, size_t row, const char *column)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i].name, column) == 0) {
            return t->cells[row * t->column_count + i].text;
        }
    }
    fail();
    return (sl_view){ NULL, 0 };
}

static double number(const table *t, size_t row, const char *column)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i].name, column) == 0) {
            return t->cells[row * t->column_count + i].number;
        }
    }
    fail();
    return NAN;
}

static void the_same_seed_gives_the_same_bytes_and_another_does_not(void **state)
{
    SL_OWN(sl_buf, first, sl_buf_free) = { .max = 8 * SL_MIB };
    assert_done(table_write_csv(&made.contacts, &first));
    assert_done(table_write_csv(&made.lb, &first));
    for (uint64_t seed = 7; seed <= 8; seed++) {
        SL_OWN(trial, other, trial_free) = { .document_count = 0 };
        assert_done(trial_make(&other, SUBJECTS, seed));
        SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 8 * SL_MIB };
        assert_done(table_write_csv(&other.contacts, &bytes));
        assert_done(table_write_csv(&other.lb, &bytes));
        assert_int_equal(sl_view_eq(sl_buf_view(&bytes), sl_buf_view(&first)), seed == 7);
    }
}

static void more_subjects_leave_the_first_ones_as_they_were(void **state)
{
    SL_OWN(trial, fewer, trial_free) = { .document_count = 0 };
    assert_done(trial_make(&fewer, 10, 7));
    for (size_t i = 0; i < fewer.document_count; i++) {
        assert_true(sl_view_eq(fewer.documents[i].text, made.documents[i].text));
    }
}

/* The document at `path`, or fails. */
static sl_view document(sl_view subject, size_t visit)
{
    char path[128];
    (void)snprintf(path, sizeof path, "notes/%.*s-V%zu.txt", SL_FMT(subject), visit);
    for (size_t i = 0; i < made.document_count; i++) {
        if (sl_view_eq_str(made.documents[i].path, path)) {
            return made.documents[i].text;
        }
    }
    fail_msg("no note for a visit that a table has");
    return (sl_view){ NULL, 0 };
}

static void tables_and_notes_tell_one_story(void **state)
{
    size_t checked = 0;
    for (size_t row = 0; row < made.vs.row_count; row++) {
        if (!sl_view_eq_str(cell(&made.vs, row, "VSTESTCD"), "SYSBP")) {
            continue;
        }
        size_t visit = (size_t)number(&made.vs, row, "VSSEQ") / 5 + 1;
        char pressure[32];
        (void)snprintf(pressure, sizeof pressure, "%.0f/%.0f", number(&made.vs, row, "VSSTRESN"),
                       number(&made.vs, row + 1, "VSSTRESN"));
        sl_view note = document(cell(&made.vs, row, "USUBJID"), visit);
        assert_true(sl_view_find(note, sl_view_str(pressure), 0) != SIZE_MAX);
        checked++;
    }
    assert_true(checked >= SUBJECTS * 3);
    for (size_t i = 0; i < SUBJECTS; i++) {
        sl_view subject = cell(&made.contacts, i, "USUBJID");
        assert_true(sl_view_eq(subject, cell(&made.dm, i, "USUBJID")));
        sl_view note = document(subject, 1);
        assert_true(sl_view_find(note, cell(&made.contacts, i, "LASTNAME"), 0) != SIZE_MAX);
        assert_true(sl_view_find(note, cell(&made.contacts, i, "MRN"), 0) != SIZE_MAX);
    }
}

static void no_place_of_a_template_is_left_standing(void **state)
{
    for (size_t i = 0; i < made.document_count; i++) {
        assert_true(sl_view_find_byte(made.documents[i].text, '{', 0) == SIZE_MAX);
    }
}

static unsigned digit(sl_view text, size_t nth)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] >= '0' && text.p[i] <= '9' && nth-- == 0) {
            return (unsigned)(text.p[i] - '0');
        }
    }
    fail();
    return 0;
}

static void check_national(sl_view id, sl_view where)
{
    if (sl_view_eq_str(where, "GBR")) {
        unsigned sum = 0;
        for (unsigned i = 0; i < 10; i++) {
            sum += digit(id, i) * (10 - i);
        }
        assert_int_equal(sum % 11, 0);
    } else if (sl_view_eq_str(where, "ESP")) {
        unsigned value = 0;
        for (size_t i = 0; i < 8; i++) {
            value = value * 10 + digit(id, i);
        }
        assert_int_equal(id.p[8], "TRWAGMYFPDXBNJZSQVHLCKE"[value % 23]);
    } else if (sl_view_eq_str(where, "FRA")) {
        uint64_t value = 0;
        for (size_t i = 0; i < 13; i++) {
            value = value * 10 + digit(id, i);
        }
        assert_int_equal(97 - value % 97, digit(id, 13) * 10 + digit(id, 14));
    }
}

static void identifiers_have_right_check_digits(void **state)
{
    for (size_t i = 0; i < SUBJECTS; i++) {
        check_national(cell(&made.contacts, i, "NATIONALID"), cell(&made.contacts, i, "COUNTRY"));
    }
}

static void days_and_dates_agree(void **state)
{
    assert_int_equal(days_of_date((date){ 1970, 1, 1 }), 0);
    assert_int_equal(days_of_date((date){ 2000, 2, 29 }), 11016);
    for (int64_t day = -30000; day < 30000; day++) {
        assert_int_equal(days_of_date(date_of_days(day)), day);
    }
}

/* --- the transport file, read by libreadstat --- */

typedef struct {
    const table *table;
    sl_view bytes;
    size_t at;
    size_t values;
} reading;

static int read_open(const char *path, void *context)
{
    return 0;
}

static int read_close(void *context)
{
    return 0;
}

static readstat_off_t read_seek(readstat_off_t offset, readstat_io_flags_t whence, void *context)
{
    reading *r = context;
    int64_t base = whence == READSTAT_SEEK_SET   ? 0
                   : whence == READSTAT_SEEK_CUR ? (int64_t)r->at
                                                 : (int64_t)r->bytes.n;
    if (base + offset < 0 || base + offset > (int64_t)r->bytes.n) {
        return -1;
    }
    r->at = (size_t)(base + offset);
    return (readstat_off_t)r->at;
}

static ssize_t read_bytes(void *out, size_t n, void *context)
{
    reading *r = context;
    n = n < r->bytes.n - r->at ? n : r->bytes.n - r->at;
    memcpy(out, r->bytes.p + r->at, n);
    r->at += n;
    return (ssize_t)n;
}

static readstat_error_t read_update(long size, readstat_progress_handler progress, void *user,
                                    void *context)
{
    return READSTAT_OK;
}

static int on_value(int row, readstat_variable_t *variable, readstat_value_t value, void *context)
{
    reading *r = context;
    const table *t = r->table;
    size_t column = (size_t)readstat_variable_get_index(variable);
    assert_string_equal(readstat_variable_get_name(variable), t->columns[column].name);
    const table_cell *want = &t->cells[(size_t)row * t->column_count + column];
    r->values++;
    if (!t->columns[column].numeric) {
        const char *text = readstat_string_value(value);
        assert_true(sl_view_eq_str(want->text, text == NULL ? "" : text));
    } else if (isnan(want->number)) {
        assert_true(readstat_value_is_system_missing(value));
    } else {
        assert_true(fabs(readstat_double_value(value) - want->number) < 1e-9);
    }
    return READSTAT_HANDLER_OK;
}

static void another_reader_reads_our_transport_files(void **state)
{
    const table *tables[] = { &made.dm, &made.ae, &made.lb,       &made.vs,
                              &made.cm, &made.ex, &made.compounds };
    for (size_t i = 0; i < SL_COUNT_OF(tables); i++) {
        SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 32 * SL_MIB };
        assert_done(table_write_xpt(tables[i], &bytes));
        assert_int_equal(bytes.n % 80, 0);
        reading r = { tables[i], sl_buf_view(&bytes), 0, 0 };
        readstat_parser_t *parser = readstat_parser_init();
        readstat_set_open_handler(parser, read_open);
        readstat_set_close_handler(parser, read_close);
        readstat_set_seek_handler(parser, read_seek);
        readstat_set_read_handler(parser, read_bytes);
        readstat_set_update_handler(parser, read_update);
        readstat_set_io_ctx(parser, &r);
        readstat_set_value_handler(parser, on_value);
        assert_int_equal(readstat_parse_xport(parser, "memory", &r), READSTAT_OK);
        assert_int_equal(r.values, tables[i]->row_count * tables[i]->column_count);
        readstat_parser_free(parser);
    }
}

static void ibm_doubles_are_the_published_ones(void **state)
{
    static const struct {
        double value;
        uint64_t bits;
    } cases[] = {
        { 0, 0 },
        { 1, 0x4110000000000000 },
        { -1, 0xC110000000000000 },
        { 0.5, 0x4080000000000000 },
        { 16, 0x4210000000000000 },
        { -118.625, 0xC276A00000000000 },
        { 0.1, 0x401999999999999A },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        uint8_t bytes[8];
        assert_done(table_ibm_double(cases[i].value, bytes));
        assert_int_equal(sl_get_be64(bytes), cases[i].bits);
    }
    uint8_t bytes[8];
    assert_code(table_ibm_double(1e300, bytes), SL_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_does_not),
        cmocka_unit_test(more_subjects_leave_the_first_ones_as_they_were),
        cmocka_unit_test(tables_and_notes_tell_one_story),
        cmocka_unit_test(no_place_of_a_template_is_left_standing),
        cmocka_unit_test(identifiers_have_right_check_digits),
        cmocka_unit_test(days_and_dates_agree),
        cmocka_unit_test(another_reader_reads_our_transport_files),
        cmocka_unit_test(ibm_doubles_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, make, discard);
}
