/* Requests to the ingest process: what is written is read again; what a stranger could write is
 * refused. */
#include "test.h"

#include "doors/ingest/protocol.h"

static sl_ingest_ask an_ask(void)
{
    sl_ingest_ask ask = { .version = 7 };
    assert_done(sl_name_set(ask.compartment, SL_LIT("trial-a")));
    assert_done(sl_name_set(ask.object, SL_LIT("dm.csv")));
    (void)snprintf(ask.record_id, sizeof ask.record_id, "Patient ID");
    (void)snprintf(ask.file_name, sizeof ask.file_name, "r\xC3\xA9sum\xC3\xA9 (1).csv");
    return ask;
}

static void what_is_written_is_read_again(void **state)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_INGEST_ASK_BYTES };
    sl_ingest_ask ask = an_ask();
    sl_ingest_ask read;
    assert_done(sl_ingest_ask_encode(&ask, &body));
    assert_int_equal(body.n, SL_INGEST_ASK_BYTES);
    assert_done(sl_ingest_ask_decode(sl_buf_view(&body), &read));
    assert_string_equal(read.compartment, "trial-a");
    assert_string_equal(read.object, "dm.csv");
    assert_string_equal(read.record_id, "Patient ID");
    assert_string_equal(read.file_name, ask.file_name);
    assert_int_equal(read.version, 7);
}

static void what_is_no_request_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } cases[] = {
        { 0, '/' },   /* a compartment that is no name */
        { 64, '.' },  /* an object that is no name */
        { 60, 'x' },  /* something behind the padding */
        { 180, 'x' }, /* likewise */
        { 455, 'x' }, /* a file name without an end */
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_INGEST_ASK_BYTES };
        sl_ingest_ask ask = an_ask();
        sl_ingest_ask read;
        assert_done(sl_ingest_ask_encode(&ask, &body));
        body.p[cases[i].at] = cases[i].byte;
        assert_code(sl_ingest_ask_decode(sl_buf_view(&body), &read), SL_E_SYNTAX);
        body.n--;
        assert_code(sl_ingest_ask_decode(sl_buf_view(&body), &read), SL_E_SYNTAX);
    }
}

static void a_site_that_is_not_up_is_told(void **state)
{
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_ingest_ask ask = an_ask();
    assert_code(sl_ingest_call("/tmp", SL_INGEST_LIST, &ask, -1, &reply), SL_E_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(a_site_that_is_not_up_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
