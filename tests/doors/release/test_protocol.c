/* Requests to the release process are of one size, padded with zeroes, and name what can be named. */
#include "test.h"

#include "doors/release/protocol.h"

static sl_release_ask whole(void)
{
    return (sl_release_ask){ .compartment = "trial-a",
                             .id = "0123456789abcdef0123456789abcdef",
                             .salt = { 1, 2, 3 },
                             .file_name = "a report.txt" };
}

static void comes_back_as_it_went(void **state)
{
    sl_release_ask ask = whole();
    sl_release_ask back;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1024 };
    assert_done(sl_release_ask_encode(&ask, &body));
    assert_int_equal(body.n, SL_RELEASE_ASK_BYTES);
    assert_done(sl_release_ask_decode(sl_buf_view(&body), &back));
    assert_string_equal(back.compartment, ask.compartment);
    assert_string_equal(back.id, ask.id);
    assert_string_equal(back.file_name, ask.file_name);
    assert_memory_equal(back.salt, ask.salt, sizeof ask.salt);
}

static void refuses_what_no_command_sends(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } spoils[] = {
        { 0, '.' },                        /* a name that is none */
        { 63, 'x' },                       /* padding of the compartment */
        { 64, 'G' },                       /* an id that is not hexadecimal */
        { SL_RELEASE_ASK_BYTES - 1, 'x' }, /* a file name without its end */
        { SL_RELEASE_ASK_BYTES - 2, 'x' }, /* its padding */
    };
    sl_release_ask ask = whole();
    sl_release_ask back;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1024 };
    assert_done(sl_release_ask_encode(&ask, &body));
    for (size_t i = 0; i < SL_COUNT_OF(spoils); i++) {
        uint8_t kept = body.p[spoils[i].at];
        body.p[spoils[i].at] = spoils[i].byte;
        assert_code(sl_release_ask_decode(sl_buf_view(&body), &back), SL_E_SYNTAX);
        body.p[spoils[i].at] = kept;
    }
    assert_code(sl_release_ask_decode(sl_view_of(body.p, body.n - 1), &back), SL_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(refuses_what_no_command_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
