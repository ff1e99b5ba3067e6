/* Health of upstreams: sick after three failures in a row, tried again by one request at a time, with
 * growing pauses; and what a crossing does about it. */
#include "rig.h"

#include <stdlib.h>

static sl_ask_health_memory memory;
static sl_ask_health health;

#define MAIN SL_LIT("main")
#define SPARE SL_LIT("spare")
#define FAILED ((sl_res){ SL_E_UPSTREAM })
#define SAY "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define BAD_GATEWAY "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    health = (sl_ask_health){ .memory = &memory, .names = { MAIN, SPARE }, .n = 2 };
    return 0;
}

static void fail_times(sl_view upstream, unsigned times, uint64_t now_ms)
{
    for (unsigned i = 0; i < times; i++) {
        sl_ask_health_bad(&health, upstream, now_ms, FAILED);
    }
}

static void three_failures_in_a_row_make_it_sick(void **state)
{
    (void)state;
    fail_times(MAIN, 2, 1000);
    assert_true(sl_ask_health_may(&health, MAIN, 1000));
    sl_ask_health_good(&health, MAIN);
    fail_times(MAIN, 2, 1000);
    assert_true(sl_ask_health_may(&health, MAIN, 1000));
    fail_times(MAIN, 1, 1000);
    assert_false(sl_ask_health_may(&health, MAIN, 1000));
    assert_true(sl_ask_health_may(&health, SPARE, 1000));
    assert_true(sl_ask_health_may(&health, SL_LIT("unheard-of"), 1000));
    assert_true(sl_ask_health_may(NULL, MAIN, 1000));
    const char *why = NULL;
    assert_true(sl_ask_health_is_sick(&health, 0, &why));
    assert_string_equal(why, "E_UPSTREAM");
    assert_false(sl_ask_health_is_sick(&health, 1, &why));
}

static void after_the_pause_one_may_try(void **state)
{
    (void)state;
    fail_times(MAIN, 3, 5000);
    assert_false(sl_ask_health_may(&health, MAIN, 5999));
    assert_true(sl_ask_health_may(&health, MAIN, 6000));
    assert_false(sl_ask_health_may(&health, MAIN, 6000)); /* the others wait for its end */
    assert_true(sl_ask_health_may(&health, MAIN, 7000));  /* which never came */
    sl_ask_health_good(&health, MAIN);
    assert_true(sl_ask_health_may(&health, MAIN, 7000));
    assert_true(sl_ask_health_may(&health, MAIN, 7000));
}

static void pauses_double_up_to_a_minute(void **state)
{
    (void)state;
    static const uint64_t pauses[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    uint64_t now = 1000;
    fail_times(MAIN, 2, now);
    for (size_t i = 0; i < SL_COUNT_OF(pauses); i++) {
        fail_times(MAIN, 1, now);
        assert_false(sl_ask_health_may(&health, MAIN, now + pauses[i] - 1));
        now += pauses[i];
        assert_true(sl_ask_health_may(&health, MAIN, now));
    }
}

static void begin(rig *r)
{
    rig_init(r);
    r->site.health = &health;
}

static void a_crossing_goes_past_a_sick_upstream(void **state)
{
    (void)state;
    rig r;
    begin(&r);
    fail_times(MAIN, 3, r.now.boot_ms);
    rig_chat(&r, SAY);
    assert_int_equal(r.connects, 1);
    assert_true(rig_saw(&r.upstream, "POST /spare/v1/chat/completions"));
    assert_true(rig_saw(&r.leaves, "\"upstream\":\"spare\"")); /* and its intent says so */
    rig_free(&r);
}

static void when_all_are_sick_it_says_so_at_once(void **state)
{
    (void)state;
    rig r;
    begin(&r);
    fail_times(MAIN, 3, r.now.boot_ms);
    fail_times(SPARE, 3, r.now.boot_ms);
    rig_chat(&r, SAY);
    assert_int_equal(r.connects, 0);
    assert_true(rig_saw(&r.client, "Status: 503"));
    assert_true(rig_saw(&r.client, "E_UNAVAILABLE"));
    assert_true(rig_saw(&r.leaves, "ask.refused"));
    rig_tick(&r, 1000);
    rig_chat(&r, SAY); /* the one that tries */
    assert_int_equal(r.connects, 1);
    rig_free(&r);
}

static void crossings_find_out_who_is_sick(void **state)
{
    (void)state;
    rig r;
    const char *why = NULL;
    begin(&r);
    r.route.upstreams_n = 1;
    for (unsigned i = 0; i < SL_HEALTH_FAILURES; i++) {
        assert_false(sl_ask_health_is_sick(&health, 0, &why));
        rig_chat(&r, SAY);
        if (i == 1) {
            rig_upstream(&r, SL_LIT(BAD_GATEWAY), 1000);
        } else {
            rig_upstream_closes(&r);
        }
        assert_true(rig_saw(&r.leaves, "upstream_failed"));
    }
    assert_true(sl_ask_health_is_sick(&health, 0, &why));
    rig_tick(&r, 1000);
    rig_chat(&r, SAY);
    rig_upstream(&r, SL_LIT("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), 1000);
    assert_false(sl_ask_health_is_sick(&health, 0, &why)); /* it lives, and has its own troubles */
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(three_failures_in_a_row_make_it_sick, setup),
        cmocka_unit_test_setup(after_the_pause_one_may_try, setup),
        cmocka_unit_test_setup(pauses_double_up_to_a_minute, setup),
        cmocka_unit_test_setup(a_crossing_goes_past_a_sick_upstream, setup),
        cmocka_unit_test_setup(when_all_are_sick_it_says_so_at_once, setup),
        cmocka_unit_test_setup(crossings_find_out_who_is_sick, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
