/* What witnesses say of a ledger: read strictly, believed under their keys alone, and turned into leaves
 * that say yes, no or nothing. */
#include "test.h"

#include "ledger/courier.h"
#include "ledger/event.h"
#include "ledger/log_read.h"
#include "ledger/witnessing.h"
#include "log_fixture.h"

#define NOW_S ((uint64_t)1795266000)

static void answers_of_witnesses(void **state)
{
    static const struct {
        const char *whole;
        uint64_t old;
        sl_code code;
        uint64_t seen;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nA: b\r\n\r\nline\n", 5, SL_OK, 0 },
        { "HTTP/1.1 409 Conflict\r\n\r\n7\n", 5, SL_E_AGAIN, 7 },
        { "HTTP/1.1 409 Conflict\r\n\r\n10", 0, SL_E_AGAIN, 10 },
        { "HTTP/1.1 409 Conflict\r\n\r\n11\n", 0, SL_E_ROLLBACK, 11 },
        { "HTTP/1.1 409 Conflict\r\n\r\n5\n", 5, SL_E_INTEGRITY, 5 },
        { "HTTP/1.1 409 Conflict\r\n\r\n\n", 5, SL_E_UNAVAILABLE, 0 },
        { "HTTP/1.1 409 Conflict\r\n\r\nseven\n", 5, SL_E_UNAVAILABLE, 0 },
        { "HTTP/1.1 422 Bad\n\nno\n", 5, SL_E_INTEGRITY, 0 },
        { "HTTP/1.1 404 Not\r\n\r\n", 5, SL_E_DENIED, 0 },
        { "HTTP/1.1 403 Not\r\n\r\n", 5, SL_E_DENIED, 0 },
        { "HTTP/1.1 502 Bad Gateway\r\n\r\n", 5, SL_E_UNAVAILABLE, 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_courier_answer answer;
        uint64_t seen = 0;
        assert_done(sl_courier_answer_read(sl_view_str(cases[i].whole), &answer));
        sl_res r = sl_courier_judge(&answer, cases[i].old, 10, &seen);
        if (r.code != (int32_t)cases[i].code || seen != cases[i].seen) {
            print_error("case %zu: %s, seen %llu\n", i, sl_res_name(r), (unsigned long long)seen);
            fail();
        }
    }
    static const char *const malformed[] = { "",
                                             "HTTP/1.1 200 OK",
                                             "HTTP/1.1 200 OK\r\nA: b\r\n",
                                             "HTTP/2 200 OK\r\n\r\n",
                                             "HTTP/1.1 2x0 OK\r\n\r\n",
                                             "HTTP/1.1 999 OK\r\n\r\n" };
    for (size_t i = 0; i < SL_COUNT_OF(malformed); i++) {
        sl_courier_answer answer;
        assert_false(sl_ok(sl_courier_answer_read(sl_view_str(malformed[i]), &answer)));
    }
}

/* A checkpoint of the log with key 1, cosigned by the witness whose key is `witness`. */
static void cosign(uint64_t size, uint8_t root, uint8_t witness, uint64_t time_s, sl_buf *note)
{
    sl_checkpoint c = { .origin = "example.com/log", .size = size };
    memset(c.root.b, root, sizeof c.root.b);
    sl_sign_key log = log_key(1);
    sl_sign_key key = log_key(witness);
    sl_note split;
    sl_buf_clear(note);
    assert_done(sl_checkpoint_sign(&c, &log, note));
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    assert_done(sl_note_split(sl_buf_view(note), &split));
    assert_done(sl_note_cosign_line(&line, split.text, SL_LIT("w.example/1"), &key, time_s));
    assert_done(sl_buf_add(note, sl_buf_view(&line)));
    sl_sign_key_free(&log);
    sl_sign_key_free(&key);
}

typedef struct {
    sl_witnessing w;
    sl_buf event;
    sl_buf note;
    sl_digest root;
    bool keep;
} bench;

static void text_of(uint8_t fill, sl_note_type type, const char *name, char ret[200])
{
    sl_sign_key key = log_key(fill);
    sl_vkey vkey;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 199 };
    assert_done(sl_vkey_make(sl_view_str(name), type, &key.public_key, &vkey));
    assert_done(sl_vkey_add(&text, &vkey));
    memcpy(ret, text.p, text.n);
    ret[text.n] = 0;
    sl_sign_key_free(&key);
}

static void begin(bench *b)
{
    static char texts[4][200];
    static const uint8_t fills[] = { 2, 3, 1, 4 };
    static const char *const names[] = { "w.example/1", "w.example/2", "w.example/self",
                                         "w.example/hand" };
    sl_config_witness witnesses[4];
    for (size_t i = 0; i < 4; i++) {
        text_of(fills[i], SL_NOTE_COSIGNATURE_V1, names[i], texts[i]);
        witnesses[i] = (sl_config_witness){ sl_view_str(texts[i]), SL_LIT("http://w.example") };
    }
    witnesses[3].url = (sl_view){ 0 };
    sl_vkey log;
    char text[200];
    text_of(1, SL_NOTE_ED25519, "example.com/log", text);
    assert_done(sl_vkey_parse(sl_view_str(text), &log));
    *b = (bench){ .event = { .max = 65536 }, .note = { .max = 65536 } };
    memset(b->root.b, 7, sizeof b->root.b);
    assert_done(sl_witnessing_init(&b->w, &log, witnesses, 4));
}

static void end(bench *b)
{
    sl_buf_free(&b->event);
    sl_buf_free(&b->note);
}

/* One report to a ledger of 100 leaves. */
static sl_res take(bench *b, uint32_t witness, sl_code code, uint64_t seen, uint64_t now_s)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
    sl_witness_report report = { .witness = witness, .code = (int32_t)code, .seen = seen };
    sl_witness_report read;
    report.note = code == SL_OK ? sl_buf_view(&b->note) : (sl_view){ 0 };
    sl_buf_clear(&b->event);
    assert_done(sl_witness_report_add(&report, &body));
    assert_done(sl_witness_report_read(sl_buf_view(&body), &read));
    return sl_witnessing_take(&b->w, &read, 100, &b->root, now_s * 1000, &b->event, &b->keep);
}

static void leaf_says(bench *b, const char *ok, const char *reason)
{
    bool containment = false;
    assert_true(b->event.n != 0);
    assert_done(sl_event_check(sl_buf_view(&b->event), "ledgerd", &containment));
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "\"ok\":%s", ok);
    bool has = sl_view_find(sl_buf_view(&b->event), sl_view_str(ok[0] == 0 ? "\"ok\"" : wanted),
                            0) != SIZE_MAX;
    assert_int_equal(has, ok[0] != 0);
    if (reason != NULL) {
        (void)snprintf(wanted, sizeof wanted, "\"reason\":\"%s\"", reason);
        assert_true(sl_view_find(sl_buf_view(&b->event), sl_view_str(wanted), 0) != SIZE_MAX);
    }
}

static void a_cosignature_is_believed_under_its_key(void **state)
{
    bench b;
    begin(&b);
    cosign(100, 7, 2, NOW_S, &b.note);
    assert_done(take(&b, 0, SL_OK, 0, NOW_S));
    leaf_says(&b, "true", NULL);
    assert_true(b.keep);
    /* The same again is kept and makes no further leaf, until it is time to say it anew. */
    assert_done(take(&b, 0, SL_OK, 100, NOW_S + 60));
    assert_true(b.keep && b.event.n == 0);
    cosign(100, 7, 2, NOW_S + 900, &b.note);
    assert_done(take(&b, 0, SL_OK, 100, NOW_S + 900));
    leaf_says(&b, "true", NULL);
    end(&b);

    begin(&b); /* another's signature, another's place, an old time, the log's own key */
    cosign(100, 7, 9, NOW_S, &b.note);
    assert_done(take(&b, 0, SL_OK, 0, NOW_S));
    assert_false(b.keep);
    assert_done(take(&b, 1, SL_OK, 0, NOW_S));
    assert_false(b.keep);
    cosign(100, 7, 1, NOW_S, &b.note);
    assert_done(take(&b, 2, SL_OK, 0, NOW_S));
    assert_false(b.keep);
    leaf_says(&b, "", "self");
    cosign(100, 7, 2, NOW_S - 601, &b.note);
    assert_done(take(&b, 0, SL_OK, 0, NOW_S));
    assert_false(b.keep);
    assert_code(take(&b, 3, SL_E_UNAVAILABLE, 0, NOW_S), SL_E_RANGE); /* asked by hand alone */
    assert_code(take(&b, 4, SL_E_UNAVAILABLE, 0, NOW_S), SL_E_RANGE);
    end(&b);
}

static void nobody_to_ask_is_neither_good_nor_bad(void **state)
{
    bench b;
    begin(&b);
    assert_done(take(&b, 0, SL_E_UNAVAILABLE, 0, NOW_S));
    assert_int_equal(b.event.n, 0); /* the others were not asked yet */
    assert_done(take(&b, 1, SL_E_TIMEOUT, 0, NOW_S));
    assert_done(take(&b, 2, SL_E_DENIED, 0, NOW_S));
    leaf_says(&b, "", "denied");
    cosign(90, 3, 2, NOW_S, &b.note); /* an older checkpoint than the newest is fine */
    assert_done(take(&b, 0, SL_OK, 0, NOW_S));
    leaf_says(&b, "true", NULL);
    assert_done(take(&b, 1, SL_E_UNAVAILABLE, 0, NOW_S + 1));
    assert_int_equal(b.event.n, 0); /* one that cosigns is enough */
    end(&b);
}

static void a_refusal_stays_until_that_witness_takes_it_back(void **state)
{
    static const struct {
        sl_code code;
        uint64_t seen;
        const char *reason;
    } cases[] = { { SL_E_ROLLBACK, 101, "behind" }, { SL_E_INTEGRITY, 60, "fork" } };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        bench b;
        begin(&b);
        cosign(100, 7, 2, NOW_S, &b.note);
        assert_done(take(&b, 0, SL_OK, 0, NOW_S));
        assert_done(take(&b, 1, SL_E_UNAVAILABLE, 0, NOW_S));
        assert_done(take(&b, 1, cases[i].code, cases[i].seen, NOW_S + 1));
        leaf_says(&b, "false", cases[i].reason);
        assert_done(take(&b, 0, SL_OK, 100, NOW_S + 2));
        assert_int_equal(b.event.n, 0); /* another's yes does not drown it */
        assert_done(take(&b, 1, SL_E_UNAVAILABLE, 0, NOW_S + 3));
        assert_done(take(&b, 0, SL_OK, 100, NOW_S + 4));
        assert_int_equal(b.event.n, 0); /* nor does its own silence */
        end(&b);
    }
}

static void at_the_start_a_refusal_ends_the_ledger(void **state)
{
    bench b;
    begin(&b);
    assert_code(take(&b, 0, SL_E_ROLLBACK, 101, NOW_S), SL_E_ROLLBACK);
    assert_int_equal(b.event.n, 0); /* nothing is written on it */
    end(&b);
    begin(&b);
    assert_code(take(&b, 1, SL_E_INTEGRITY, 50, NOW_S), SL_E_INTEGRITY);
    end(&b);
    begin(&b); /* our own signature on more than there is */
    cosign(101, 7, 2, NOW_S, &b.note);
    assert_code(take(&b, 0, SL_OK, 0, NOW_S), SL_E_ROLLBACK);
    cosign(100, 8, 2, NOW_S, &b.note);
    assert_code(take(&b, 0, SL_OK, 0, NOW_S), SL_E_INTEGRITY);
    end(&b);
    begin(&b); /* it has seen what we wrote after the question was made */
    assert_done(take(&b, 0, SL_E_ROLLBACK, 100, NOW_S));
    end(&b);
}

static void what_ledgerd_answers(void **state)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
    sl_proof proof;
    sl_view found;
    uint64_t size = 0;
    uint8_t count[4] = { 2, 0, 0, 0 };
    uint8_t hashes[64] = { 1 };
    cosign(42, 7, 2, NOW_S, &note);
    assert_done(sl_buf_add(&body, sl_view_of(count, 4)));
    assert_done(sl_buf_add(&body, sl_view_of(hashes, 64)));
    assert_done(sl_buf_add(&body, sl_buf_view(&note)));
    assert_done(sl_courier_growth_read(sl_buf_view(&body), &proof, &found, &size));
    assert_int_equal(proof.n, 2);
    assert_int_equal(size, 42);
    assert_true(sl_view_eq(found, sl_buf_view(&note)));
    for (size_t n = 0; n < 69; n++) {
        assert_false(sl_ok(
            sl_courier_growth_read(sl_view_sub(sl_buf_view(&body), 0, n), &proof, &found, &size)));
    }
    body.p[1] = 1; /* 258 hashes */
    assert_code(sl_courier_growth_read(sl_buf_view(&body), &proof, &found, &size), SL_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_witnesses),
        cmocka_unit_test(a_cosignature_is_believed_under_its_key),
        cmocka_unit_test(nobody_to_ask_is_neither_good_nor_bad),
        cmocka_unit_test(a_refusal_stays_until_that_witness_takes_it_back),
        cmocka_unit_test(at_the_start_a_refusal_ends_the_ledger),
        cmocka_unit_test(what_ledgerd_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
