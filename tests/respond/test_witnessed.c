/* A witness's word reaches the ledger only with both signatures, just given, by a witness of the
 * configuration that is not the site itself. */
#include "test.h"

#include "ledger/checkpoint.h"
#include "ledger/event.h"
#include "respond/witnessed.h"

#define NOW_S INT64_C(1795000000)
#define ORIGIN "site.example/log"
#define WITNESS "witness.example/w1"

static sl_sign_key log_secret;
static sl_sign_key witness_secret;
static sl_vkey log_key;
static char names[3][400];
static sl_view configured[3]; /* a stranger, the witness, the site itself as a witness */

static void write_name(size_t at, const char *name, const sl_sign_key *key)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 400 };
    sl_vkey vkey;
    assert_done(sl_vkey_make(sl_view_str(name), SL_NOTE_COSIGNATURE_V1, &key->public_key, &vkey));
    assert_done(sl_vkey_add(&text, &vkey));
    memcpy(names[at], text.p, text.n);
    configured[at] = sl_view_of(names[at], text.n);
}

static int make_keys(void **state)
{
    sl_sign_key stranger = { 0 };
    assert_done(sl_sign_key_generate(&log_secret));
    assert_done(sl_sign_key_generate(&witness_secret));
    assert_done(sl_sign_key_generate(&stranger));
    assert_done(
        sl_vkey_make(sl_view_str(ORIGIN), SL_NOTE_ED25519, &log_secret.public_key, &log_key));
    write_name(0, "stranger.example/s", &stranger);
    write_name(1, WITNESS, &witness_secret);
    write_name(2, ORIGIN, &log_secret);
    sl_sign_key_free(&stranger);
    return 0;
}

static int free_keys(void **state)
{
    sl_sign_key_free(&log_secret);
    sl_sign_key_free(&witness_secret);
    return 0;
}

/* "FROM NOTE" of a checkpoint of size 12, signed by `log`, cosigned by `name` with `key`. */
static void write_body(sl_buf *body, const char *from, const sl_sign_key *log, const char *name,
                       const sl_sign_key *key, int64_t time_s)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    sl_checkpoint c = { .origin = ORIGIN, .size = 12, .root = { { 7 } } };
    assert_done(sl_checkpoint_text(&c, &text));
    assert_done(sl_buf_add_str(body, from));
    assert_done(sl_checkpoint_sign(&c, log, body));
    if (name != NULL) {
        assert_done(sl_note_cosign_line(body, sl_buf_view(&text), sl_view_str(name), key,
                                        (uint64_t)time_s));
    }
}

static void a_cosigned_checkpoint_becomes_an_event(void **state)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 8192 };
    write_body(&body, "5 ", &log_secret, WITNESS, &witness_secret, NOW_S - 2);
    assert_done(sl_witnessed(sl_buf_view(&body), &log_key, configured, 3, NOW_S, &event));
    bool containment = true;
    assert_done(sl_event_check(sl_buf_view(&event), "warden", &containment));
    assert_true(sl_view_find(sl_buf_view(&event), SL_LIT("\"from_size\":5,\"ok\":true"), 0) !=
                SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&event), SL_LIT("\"witness\":\"" WITNESS "\""), 0) !=
                SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&event), SL_LIT("\"to_size\":12"), 0) != SIZE_MAX);
}

static void what_is_not_proved_makes_no_event(void **state)
{
    const struct {
        const char *from;
        const sl_sign_key *log;
        const char *name;
        const sl_sign_key *key;
        int64_t time_s;
        size_t witnesses;
        int code;
    } cases[] = {
        { "5 ", &log_secret, WITNESS, &witness_secret, NOW_S, 1, SL_E_DENIED }, /* not named */
        { "5 ", &log_secret, WITNESS, &witness_secret, NOW_S, 0, SL_E_DENIED },
        { "5 ", &log_secret, NULL, NULL, NOW_S, 3, SL_E_DENIED },           /* not cosigned */
        { "5 ", &log_secret, ORIGIN, &log_secret, NOW_S, 3, SL_E_DENIED },  /* by ourselves */
        { "5 ", &log_secret, WITNESS, &log_secret, NOW_S, 3, SL_E_DENIED }, /* in its name */
        { "5 ", &witness_secret, WITNESS, &witness_secret, NOW_S, 3, SL_E_SIGNATURE },
        { "5 ", &log_secret, WITNESS, &witness_secret, NOW_S - 301, 3, SL_E_RANGE }, /* replayed */
        { "5 ", &log_secret, WITNESS, &witness_secret, NOW_S + 301, 3, SL_E_RANGE },
        { "13 ", &log_secret, WITNESS, &witness_secret, NOW_S, 3, SL_E_RANGE },
        { "x ", &log_secret, WITNESS, &witness_secret, NOW_S, 3, SL_E_SYNTAX },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, body, sl_buf_free) = { .max = 8192 };
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = 8192 };
        write_body(&body, cases[i].from, cases[i].log, cases[i].name, cases[i].key,
                   cases[i].time_s);
        sl_res r = sl_witnessed(sl_buf_view(&body), &log_key, configured, cases[i].witnesses, NOW_S,
                                &event);
        if (r.code != cases[i].code || event.n != 0) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cosigned_checkpoint_becomes_an_event),
        cmocka_unit_test(what_is_not_proved_makes_no_event),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
