/* Compartment keys at the door: leased for what is open, dropped with it, tried again when the keeper would
 * not. */
#include "test.h"

#include "doors/ask/leases.h"
#include "vault/roll_internal.h"

typedef struct {
    unsigned asked;
    bool locked;
} keeper;

static sl_res lease(void *context, const char *compartment, const char *purpose, uint8_t ret[32])
{
    keeper *k = context;
    k->asked++;
    SL_NEED(!k->locked, SL_E_LOCKED);
    memset(ret, purpose[0], 32);
    return SL_DONE;
}

static void keys_are_leased_for_open_compartments_and_dropped_with_them(void **state)
{
    sl_genesis_roll genesis = { .site = "00112233445566778899aabbccddeeff", .quorum = 1 };
    sl_statement act = { .action = SL_ACTION_COMPARTMENT_CREATE };
    sl_valve_id id = { { 0xAA, 0x11 } };
    keeper k = { .locked = true };
    sl_ask_keys keys;
    sl_roll *roll = NULL;
    genesis.operators[0] = (sl_operator){ .person = "one", .roles = SL_ROLE_ALL };
    genesis.operators_count = 1;
    memcpy(act.site, genesis.site, sizeof act.site);
    memcpy(act.compartment_id, "aa110000000000000000000000000000", 33);
    assert_done(sl_name_set(act.compartment, SL_LIT("trial-a")));
    assert_done(sl_roll_new(&roll));
    assert_done(sl_roll_begin(roll, &genesis));
    assert_done(sl_roll_apply(roll, &act, NULL, 0, 1, 1000));
    assert_done(sl_ask_keys_init(&keys));
    assert_done(sl_ask_leases_refresh(&keys, roll, lease, &k));
    assert_int_equal(k.asked, 0); /* the keeper has not made any yet */
    sl_roll_told_keys(roll, sl_view_str(act.compartment_id), 1, true);
    assert_code(sl_ask_leases_refresh(&keys, roll, lease, &k), SL_E_LOCKED);
    assert_false(sl_ask_keys_have(&keys, id));
    k = (keeper){ 0 };
    assert_done(sl_ask_leases_refresh(&keys, roll, lease, &k));
    assert_done(sl_ask_leases_refresh(&keys, roll, lease, &k));
    assert_int_equal(k.asked, SL_ASK_KEY_COUNT);
    assert_true(sl_ask_keys_have(&keys, id));
    act.action = SL_ACTION_COMPARTMENT_SEAL;
    assert_done(sl_roll_apply(roll, &act, NULL, 0, 2, 2000));
    assert_done(sl_ask_leases_refresh(&keys, roll, lease, &k));
    assert_false(sl_ask_keys_have(&keys, id));
    sl_ask_keys_free(&keys);
    sl_roll_free(roll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_leased_for_open_compartments_and_dropped_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
