/* Commitments: a captured body verifies against the leaf with the compartments' keys and nothing else
 * does; without a key nothing crosses. */
#include "rig.h"

#include "base/encode.h"
#include "crypto/mac.h"

#define GO_ON "\"messages\":[{\"role\":\"user\",\"content\":\"go on\"}]}"

/* The formula of keys.h, written out. */
static void salt_of(const uint8_t *keys, size_t n, const char *crossing, uint8_t ret_salt[32])
{
    SL_OWN(sl_buf, message, sl_buf_free) = { .max = 1024 };
    assert_done(sl_buf_addf(&message, "stoplog/v1 salt%c%s%c", 0, crossing, 0));
    assert_done(sl_buf_add(&message, sl_view_of(keys + 32, 32 * (n - 1))));
    sl_digest salt = sl_hmac(sl_view_of(keys, 32), sl_buf_view(&message));
    memcpy(ret_salt, salt.b, 32);
}

/* The commitment under this name in the leaves; false when no leaf bears it. */
static bool told(const rig *r, const char *name, sl_digest *ret)
{
    SL_OWN(sl_buf, mark, sl_buf_free) = { .max = 64 };
    assert_done(sl_buf_addf(&mark, "\"%s\":\"", name));
    sl_view all = sl_buf_view(&r->leaves);
    size_t at = sl_view_find(all, sl_buf_view(&mark), 0);
    if (at == SIZE_MAX) {
        return false;
    }
    assert_done(sl_hex_decode(sl_view_sub(all, at + mark.n, at + mark.n + 64), ret->b, 32));
    return true;
}

static sl_view body_of(const sl_buf *scgi)
{
    size_t at = sl_view_find(sl_buf_view(scgi), SL_LIT("\r\n\r\n"), 0);
    assert_true(at != SIZE_MAX);
    return sl_view_sub(sl_buf_view(scgi), at + 4, scgi->n);
}

static bool verifies(const rig *r, const uint8_t *keys, size_t n, const char *name, sl_view body)
{
    uint8_t salt[32];
    sl_digest leaf;
    assert_true(told(r, name, &leaf));
    salt_of(keys, n, sl_ask_door_id(r->door), salt);
    sl_digest again = sl_commit(salt, name, body);
    return memcmp(&leaf, &again, sizeof leaf) == 0;
}

static void check_body(const rig *r, const uint8_t *keys, size_t n, const char *name, sl_view body)
{
    SL_OWN(sl_buf, changed, sl_buf_free) = { .max = 1 << 20 };
    assert_true(verifies(r, keys, n, name, body));
    assert_done(sl_buf_add(&changed, body));
    changed.p[body.n / 2] ^= 1;
    assert_false(verifies(r, keys, n, name, sl_buf_view(&changed)));
    assert_false(verifies(r, keys, n, name, sl_view_sub(body, 0, body.n - 1)));
    uint8_t other[64] = { 1 };
    assert_false(verifies(r, other, n, name, body));
}

static void stream(sl_buf *http, const char *last)
{
    rig_sse_head(http);
    rig_sse_delta(http, "a first piece that is long enough to leave at once ");
    rig_sse_delta(http, last);
    rig_sse_finish(http);
}

static void a_captured_body_verifies_and_a_changed_one_does_not(void **state)
{
    static const uint8_t key[32] = RIG_COMMITMENT_KEY;
    static const char *const lasts[] = { "and an end", "of MASKME and an end", "CUTME and no end" };
    static const char ask[] = "{\"model\":\"trial-model\",\"stream\":true," GO_ON;
    rig r;
    rig_init(&r);
    for (size_t i = 0; i < SL_COUNT_OF(lasts); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
        stream(&http, lasts[i]);
        rig_chat(&r, ask);
        rig_upstream(&r, sl_buf_view(&http), 7);
        check_body(&r, key, 1, "request", sl_view_str(ask));
        check_body(&r, key, 1, "answer", body_of(&r.client));
    }
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig_chat(&r, "{\"model\":\"trial-model\"," GO_ON);
    rig_json_answer(&http,
                    "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Of MASKME.\"}}]}");
    rig_upstream(&r, sl_buf_view(&http), 50);
    check_body(&r, key, 1, "answer", body_of(&r.client));
    rig_free(&r);
}

static void what_was_never_given_is_not_committed_to(void **state)
{
    static const uint8_t key[32] = RIG_COMMITMENT_KEY;
    sl_digest unused;
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 20 };
    rig r;
    rig_init(&r);
    /* The model server fails before its first byte: the request is told, no answer is. */
    r.route.upstreams_n = 1;
    rig_chat(&r, "{\"model\":\"trial-model\"," GO_ON);
    rig_upstream_closes(&r);
    assert_true(told(&r, "request", &unused));
    assert_false(told(&r, "answer", &unused));
    /* The client leaves in the midst: what it was given counts, what was held does not. */
    rig_sse_head(&http);
    rig_sse_delta(&http, "a first piece that is long enough to leave at once ");
    rig_chat(&r, "{\"model\":\"trial-model\",\"stream\":true," GO_ON);
    rig_upstream(&r, sl_buf_view(&http), 7);
    sl_ask_door_client_gone(r.door, r.now);
    rig_pump(&r);
    check_body(&r, key, 1, "answer", body_of(&r.client));
    /* It breaks: the error event is among what the client gets. */
    rig_chat(&r, "{\"model\":\"trial-model\",\"stream\":true," GO_ON);
    rig_upstream(&r, sl_buf_view(&http), 7);
    rig_upstream_closes(&r);
    assert_true(rig_saw(&r.client, "E_UPSTREAM"));
    check_body(&r, key, 1, "answer", body_of(&r.client));
    rig_free(&r);
}

static void a_model_of_two_compartments_needs_and_names_both(void **state)
{
    static const uint8_t keys[64] = { 0xC0, 1, [32] = 0xD0 };
    static const char ask[] = "{\"model\":\"trial-model\"," GO_ON;
    sl_compartment_keys second = { .compartment = { { 0xEE } }, .keys = { { 0xD0 } } };
    rig r;
    rig_init(&r);
    r.who.compartment_ids[1] = second.compartment;
    r.who.compartments_n = 2;
    rig_chat(&r, ask);
    assert_int_equal(r.connects, 0);
    assert_true(rig_saw(&r.client, "E_UNAVAILABLE"));
    assert_true(rig_saw(&r.leaves, "ask.refused"));
    assert_done(sl_ask_keys_set(&r.keys, &second));
    rig_chat(&r, ask);
    assert_int_equal(r.connects, 1);
    assert_true(rig_saw(&r.leaves, "\"compartments\":[\"07080900000000000000000000000000\","
                                   "\"ee000000000000000000000000000000\"]"));
    check_body(&r, keys, 2, "request", sl_view_str(ask));
    sl_ask_keys_drop(&r.keys, second.compartment);
    rig_chat(&r, ask);
    assert_int_equal(r.connects, 0);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_captured_body_verifies_and_a_changed_one_does_not),
        cmocka_unit_test(what_was_never_given_is_not_committed_to),
        cmocka_unit_test(a_model_of_two_compartments_needs_and_names_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
