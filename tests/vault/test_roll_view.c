/* The roll's snapshot: what a door finds in it, and that a damaged one does not open. */
#include "vault/roll_view.h"
#include "vault_help.h"

static sl_valve_id principal(void)
{
    sl_valve_id id = { .bytes = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45,
                                  0x67, 0x89, 0xab, 0xcd, 0xef } };
    return id;
}

static sl_api_key_text key_text(uint8_t n)
{
    uint8_t random[SL_API_KEY_RANDOM_BYTES];
    memset(random, n, sizeof random);
    sl_api_key_text t;
    assert_done(sl_api_key_make(random, &t));
    return t;
}

static void issue_key(sl_roll *roll, uint8_t n, int64_t until_ms)
{
    sl_api_key_text t = key_text(n);
    sl_statement s = help_statement(SL_ACTION_KEY_ISSUE);
    memcpy(s.key, t.id, sizeof s.key);
    memcpy(s.principal, PRINCIPAL, sizeof s.principal);
    memcpy(s.lineage, PRINCIPAL, sizeof s.lineage);
    s.until_ms = until_ms;
    assert_done(sl_api_key_hash(sl_view_str(t.text), SITE, &s.hash));
    assert_done(help_do(roll, &s, 1, NOW_MS));
}

static sl_buf snapshot(void)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    sl_statement create = help_create("c");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    create = help_create("d");
    assert_done(help_do(roll, &create, 1, NOW_MS));
    assert_done(sl_roll_contain(roll, SL_LIT("d"), SL_COMPARTMENT_CLOSED));
    static const struct {
        const char *id;
        const char *compartment;
        int64_t until_ms;
    } grants[] = { { "ff11223344556677", "c", NOW_MS + HOUR_MS },
                   { "0011223344556677", "c", NOW_MS + 2 * HOUR_MS },
                   { "0011223344556678", "d", NOW_MS + HOUR_MS } };
    for (size_t i = 0; i < SL_COUNT_OF(grants); i++) {
        sl_statement g = help_grant(grants[i].id, grants[i].compartment, SL_DOOR_BIT(SL_DOOR_ASK),
                                    grants[i].until_ms);
        assert_done(help_do(roll, &g, 1, NOW_MS));
    }
    for (uint8_t n = 9; n > 0; n--) {
        issue_key(roll, n, n == 3 ? NOW_MS + 1 : 0);
    }
    sl_statement revoke = help_statement(SL_ACTION_KEY_REVOKE);
    sl_api_key_text t = key_text(4);
    memcpy(revoke.key, t.id, sizeof revoke.key);
    assert_done(help_do(roll, &revoke, 1, NOW_MS));
    sl_buf out = { .max = SL_ROLL_VIEW_BYTES_MAX };
    assert_done(sl_roll_view_write(roll, NOW_MS, &out));
    return out;
}

static void finds_live_keys_and_no_others(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = snapshot();
    sl_roll_view v;
    assert_done(sl_roll_view_open(sl_buf_view(&bytes), &v));
    assert_int_equal(v.keys, 8);
    for (uint8_t n = 1; n <= 10; n++) {
        sl_api_key_text t = key_text(n);
        sl_view_key k;
        bool live = n <= 9 && n != 4;
        sl_res r = sl_roll_view_key(&v, sl_view_str(t.text), NOW_MS, &k);
        assert_int_equal(r.code, live ? SL_OK : SL_E_KEY);
        if (live) {
            sl_valve_id who = principal();
            assert_memory_equal(k.principal.bytes, who.bytes, 16);
        }
        if (n == 3) {
            assert_code(sl_roll_view_key(&v, sl_view_str(t.text), NOW_MS + 1, &k), SL_E_KEY);
        }
    }
}

static void a_key_of_one_id_with_another_secret_is_refused(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = snapshot();
    sl_roll_view v;
    assert_done(sl_roll_view_open(sl_buf_view(&bytes), &v));
    uint8_t random[SL_API_KEY_RANDOM_BYTES];
    memset(random, 5, sizeof random);
    random[20] ^= 1;
    sl_api_key_text t;
    assert_done(sl_api_key_make(random, &t));
    sl_view_key k;
    assert_code(sl_roll_view_key(&v, sl_view_str(t.text), NOW_MS, &k), SL_E_KEY);
}

static void finds_the_longest_live_grant_of_an_open_compartment(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = snapshot();
    sl_roll_view v;
    assert_done(sl_roll_view_open(sl_buf_view(&bytes), &v));
    size_t c = sl_roll_view_compartment_named(&v, SL_LIT("c"));
    size_t d = sl_roll_view_compartment_named(&v, SL_LIT("d"));
    assert_int_equal(sl_roll_view_compartment_named(&v, SL_LIT("e")), SIZE_MAX);
    sl_view_grant g;
    assert_done(sl_roll_view_grant(&v, principal(), c, SL_DOOR_ASK, NOW_MS, &g));
    assert_int_equal(g.until_ms, NOW_MS + 2 * HOUR_MS);
    assert_int_equal(g.requests_h, 100);
    assert_view(g.purpose, "study");
    assert_code(sl_roll_view_grant(&v, principal(), c, SL_DOOR_RUN, NOW_MS, &g), SL_E_NO_GRANT);
    assert_code(sl_roll_view_grant(&v, principal(), d, SL_DOOR_ASK, NOW_MS, &g), SL_E_VALVE);
    assert_code(sl_roll_view_grant(&v, principal(), c, SL_DOOR_ASK, NOW_MS + 2 * HOUR_MS, &g),
                SL_E_NO_GRANT);
    sl_valve_id other = principal();
    other.bytes[15] ^= 1;
    assert_code(sl_roll_view_grant(&v, other, c, SL_DOOR_ASK, NOW_MS, &g), SL_E_NO_GRANT);
    /* who has no grant does not learn whether it is closed */
    assert_code(sl_roll_view_grant(&v, other, d, SL_DOOR_ASK, NOW_MS, &g), SL_E_NO_GRANT);
}

static void damaged_snapshots_do_not_open(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = snapshot();
    sl_roll_view v;
    for (size_t n = 0; n < bytes.n; n++) {
        assert_false(sl_ok(sl_roll_view_open(sl_view_of(bytes.p, n), &v)));
    }
    assert_done(sl_buf_add_byte(&bytes, 0));
    assert_code(sl_roll_view_open(sl_buf_view(&bytes), &v), SL_E_TRAILING);
    bytes.n--;
    bytes.p[8] = 2;
    assert_code(sl_roll_view_open(sl_buf_view(&bytes), &v), SL_E_VERSION);
    bytes.p[8] = 1;
    /* Keys out of order: the look-up would miss one of them. */
    uint8_t *keys = bytes.p + SL_ROLL_VIEW_HEADER_BYTES + 2 * SL_ROLL_VIEW_COMPARTMENT_BYTES;
    keys[0] = 0xff;
    assert_code(sl_roll_view_open(sl_buf_view(&bytes), &v), SL_E_SYNTAX);
}

static void key_texts_are_strict(void **state)
{
    sl_api_key_text t = key_text(7);
    uint8_t id[SL_API_KEY_ID_BYTES];
    assert_int_equal(strlen(t.text), SL_API_KEY_CHARS);
    assert_done(sl_api_key_parse(sl_view_str(t.text), id));
    assert_code(sl_api_key_parse(sl_view_of(t.text, SL_API_KEY_CHARS - 1), id), SL_E_KEY);
    for (size_t i = 0; i < SL_API_KEY_CHARS; i++) {
        sl_api_key_text bad = t;
        bad.text[i] = bad.text[i] == 'A' ? 'B' : 'A';
        sl_res r = sl_api_key_parse(sl_view_str(bad.text), id);
        assert_false(sl_ok(r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_live_keys_and_no_others),
        cmocka_unit_test(a_key_of_one_id_with_another_secret_is_refused),
        cmocka_unit_test(finds_the_longest_live_grant_of_an_open_compartment),
        cmocka_unit_test(damaged_snapshots_do_not_open),
        cmocka_unit_test(key_texts_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
