/* Events and leaves: what is written reads back, and what is not as declared is refused. */
#include "test.h"

#include "ledger/body.h"
#include "ledger/events.gen.h"

static const sl_tally CLASSES[] = { { { (const uint8_t *)"nhs", 3 }, 2 },
                                    { { (const uint8_t *)"date", 4 }, 5 } };

static void fill_refusal(sl_event_ask_refused *e)
{
    *e = (sl_event_ask_refused){
        .reason = SL_LIT("duplicate_key"),
        .verdict = SL_LIT("refuse"),
        .classes = { CLASSES, 2 },
        .bytes = 812,
        .status = 400,
    };
}

static void an_event_is_canonical_and_reads_back(void **state)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 70000 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 70000 };
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    sl_event_ask_refused e;
    uint64_t bytes = 0;
    bool containment = true;

    fill_refusal(&e);
    assert_done(sl_emit_ask_refused(
        &(sl_event_head){ .door = SL_LIT("ask"), .crossing = SL_LIT("0f3a") }, &e, &event));
    assert_view(sl_buf_view(&event),
                "{\"crossing\":\"0f3a\",\"door\":\"ask\",\"fields\":{\"bytes\":812,\"classes\":"
                "{\"date\":5,\"nhs\":2},\"reason\":\"duplicate_key\",\"status\":400,"
                "\"verdict\":\"refuse\"},\"type\":\"ask.refused\"}");
    assert_done(sl_event_check(sl_buf_view(&event), "ask", &containment));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "ask", 1795266000123, &text));
    assert_done(sl_leaf_read(sl_buf_view(&text), &leaf));
    assert_true(sl_leaf_is(&leaf, "ask.refused"));
    assert_view(leaf.by, "ask");
    assert_view(leaf.door, "ask");
    assert_int_equal(leaf.time_ms, 1795266000123);
    assert_view(sl_leaf_text(&leaf, "reason"), "duplicate_key");
    assert_true(sl_leaf_count(&leaf, "bytes", &bytes));
    assert_int_equal(bytes, 812);
    assert_true(leaf.sealed == NULL);
}

static void the_writer_refuses_what_the_declaration_does_not_allow(void **state)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 70000 };
    sl_event_head none = { 0 };
    sl_event_ask_refused e;
    sl_tally twice[] = { CLASSES[0], CLASSES[0] };

    fill_refusal(&e);
    e.reason = (sl_view){ 0 };
    assert_code(sl_emit_ask_refused(&none, &e, &event), SL_E_MISSING_FIELD);
    fill_refusal(&e);
    e.reason = SL_LIT("Jane Doe, born 1970");
    assert_code(sl_emit_ask_refused(&none, &e, &event), SL_E_TYPE);
    fill_refusal(&e);
    e.verdict = SL_LIT("allow");
    assert_code(sl_emit_ask_refused(&none, &e, &event), SL_E_TYPE);
    fill_refusal(&e);
    e.bytes = UINT64_MAX;
    assert_code(sl_emit_ask_refused(&none, &e, &event), SL_E_RANGE);
    fill_refusal(&e);
    e.classes = (sl_tallies){ twice, 2 };
    assert_code(sl_emit_ask_refused(&none, &e, &event), SL_E_TYPE);
    fill_refusal(&e);
    assert_code(sl_emit_ask_refused(&(sl_event_head){ .actor = SL_LIT("a\"b") }, &e, &event),
                SL_E_TYPE);
    assert_int_equal(event.n, 0);
}

static void the_ledger_takes_an_event_only_as_declared(void **state)
{
    static const struct {
        const char *by;
        const char *event;
        sl_code want;
    } cases[] = {
        { "watchd", "{\"fields\":{\"cursor\":7,\"lag_ms\":2},\"type\":\"watch.heartbeat\"}",
          SL_OK },
        { "ask", "{\"fields\":{\"cursor\":7,\"lag_ms\":2},\"type\":\"watch.heartbeat\"}",
          SL_E_DENIED },
        { "watchd", "{\"fields\":{\"cursor\":7},\"type\":\"watch.heartbeat\"}",
          SL_E_MISSING_FIELD },
        { "watchd", "{\"fields\":{\"cursor\":7,\"lag_ms\":2,\"x\":1},\"type\":\"watch.heartbeat\"}",
          SL_E_UNKNOWN_FIELD },
        { "watchd", "{\"fields\":{\"cursor\":-7,\"lag_ms\":2},\"type\":\"watch.heartbeat\"}",
          SL_E_TYPE },
        { "watchd", "{\"fields\":{\"cursor\":\"7\",\"lag_ms\":2},\"type\":\"watch.heartbeat\"}",
          SL_E_TYPE },
        { "watchd", "{\"fields\":{\"lag_ms\":2,\"cursor\":7},\"type\":\"watch.heartbeat\"}",
          SL_E_SYNTAX },
        { "watchd", "{\"fields\":{\"cursor\":7,\"lag_ms\":2}, \"type\":\"watch.heartbeat\"}",
          SL_E_SYNTAX },
        { "watchd", "{\"fields\":{\"cursor\":7,\"lag_ms\":2},\"type\":\"watch.heartbeet\"}",
          SL_E_UNSUPPORTED },
        { "watchd",
          "{\"extra\":1,\"fields\":{\"cursor\":7,\"lag_ms\":2},\"type\":\"watch.heartbeat\"}",
          SL_E_UNKNOWN_FIELD },
        { "watchd", "{\"fields\":{\"cursor\":7,\"cursor\":7},\"type\":\"watch.heartbeat\"}",
          SL_E_DUPLICATE },
        { "watchd", "{\"type\":\"watch.heartbeat\"}", SL_E_MISSING_FIELD },
        { "watchd", "[]", SL_E_TYPE },
        { "watchd", "", SL_E_TRUNCATED },
    };

    bool containment = false;

    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_code(sl_event_check(sl_view_str(cases[i].event), cases[i].by, &containment),
                    cases[i].want);
    }
}

static void a_leaf_of_another_form_is_refused_and_a_new_type_is_read(void **state)
{
    static const struct {
        const char *leaf;
        sl_code want;
    } cases[] = {
        { "{\"by\":\"x\",\"event\":{\"fields\":{},\"type\":\"new.type\"},\"time\":5,\"v\":1}",
          SL_OK },
        { "{\"by\":\"x\",\"event\":{\"fields\":{},\"type\":\"new.type\"},\"time\":5,\"v\":2}",
          SL_E_VERSION },
        { "{\"by\":\"x\",\"event\":{\"fields\":{},\"type\":\"new.type\"},\"time\":5}",
          SL_E_MISSING_FIELD },
        { "{\"by\":\"x\",\"event\":{\"fields\":{},\"type\":\"new.type\"},\"time\":-5,\"v\":1}",
          SL_E_MISSING_FIELD },
        { "{\"by\":\"x\",\"event\":{\"fields\":{},\"type\":\"new.type\"},\"time\":5,\"v\":1,\"w\":1}",
          SL_E_UNKNOWN_FIELD },
        { "{\"by\":\"x\",\"event\":7,\"time\":5,\"v\":1}", SL_E_TYPE },
    };

    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
        assert_code(sl_leaf_read(sl_view_str(cases[i].leaf), &leaf), cases[i].want);
    }
}

static void a_body_shows_its_commitment_until_its_key_is_gone(void **state)
{
    uint8_t salt[SL_SALT_BYTES] = { 1, 2, 3 };
    uint8_t key[SL_SEAL_KEY_BYTES] = { 9 };
    uint8_t seal_salt[SL_SEAL_SALT_BYTES] = { 4 };
    SL_OWN(sl_body, body, sl_body_free) = { 0 };
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 70000 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 70000 };
    sl_digest request;
    sl_digest answer;

    assert_done(sl_body_commit(&body, "request", SL_LIT("what did subject 17 take?"), false, salt,
                               &request));
    salt[0] = 77;
    assert_done(sl_body_commit(&body, "answer", SL_LIT("nothing"), true, salt, &answer));
    assert_done(sl_body_seal(&body, key, seal_salt, SL_LIT("k17"), &sealed));
    assert_done(sl_body_open(sl_buf_view(&sealed), key, SL_LIT("k17"), &json));
    assert_done(
        sl_body_show(sl_buf_view(&json), "request", SL_LIT("what did subject 17 take?"), &request));
    assert_done(sl_body_show(sl_buf_view(&json), "answer", SL_LIT("nothing"), &answer));
    assert_code(sl_body_show(sl_buf_view(&json), "answer", SL_LIT("aspirin"), &answer),
                SL_E_INTEGRITY);
    assert_code(sl_body_show(sl_buf_view(&json), "answer", SL_LIT("nothing"), &request),
                SL_E_INTEGRITY);
    assert_code(sl_body_show(sl_buf_view(&json), "other", SL_LIT("nothing"), &answer),
                SL_E_NOT_FOUND);
    sl_buf_clear(&json);
    memset(key, 0, sizeof key);
    assert_code(sl_body_open(sl_buf_view(&sealed), key, SL_LIT("k17"), &json), SL_E_INTEGRITY);
    assert_int_equal(json.n, 0);
}

static void the_table_is_sorted_and_every_type_is_found(void **state)
{
    assert_true(sl_event_defs_n > 100);
    for (size_t i = 0; i < sl_event_defs_n; i++) {
        assert_ptr_equal(sl_event_find(sl_view_str(sl_event_defs[i].type)), &sl_event_defs[i]);
    }
    assert_null(sl_event_find(SL_LIT("ask.inten")));
    assert_null(sl_event_find(SL_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_canonical_and_reads_back),
        cmocka_unit_test(the_writer_refuses_what_the_declaration_does_not_allow),
        cmocka_unit_test(the_ledger_takes_an_event_only_as_declared),
        cmocka_unit_test(a_leaf_of_another_form_is_refused_and_a_new_type_is_read),
        cmocka_unit_test(a_body_shows_its_commitment_until_its_key_is_gone),
        cmocka_unit_test(the_table_is_sorted_and_every_type_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
