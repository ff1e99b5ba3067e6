/* Counts of refusals are exact whatever comes, and each second is handed out once. */
#include "test.h"

#include "ledger/refusals.h"

typedef struct {
    uint64_t total;
    uint64_t others;
    size_t calls;
    uint64_t window_s;
    size_t fail_after;
} taken;

static sl_res take(void *ctx, const sl_refusal *refusal, uint64_t window_s)
{
    taken *t = ctx;

    SL_NEED(t->fail_after == 0 || t->calls < t->fail_after, SL_E_AGAIN);
    t->calls++;
    t->total += refusal->count;
    t->others += strcmp(refusal->prefix, "other") == 0 ? refusal->count : 0;
    t->window_s = window_s;
    return SL_DONE;
}

static void addresses_become_networks(void **state)
{
    static const struct {
        const char *address;
        const char *prefix;
    } cases[] = {
        { "192.0.2.77", "192.0.2.0/24" },
        { "2001:db8:1:2::9", "2001:db8:1::/48" },
        { "", "local" },
        { "unix:", "unknown" },
        { "192.0.2.777", "unknown" },
        { "::ffff:1.2.3.4", "::/48" },
    };

    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        char prefix[SL_REFUSAL_PREFIX_BYTES];
        sl_refusal_prefix(sl_view_str(cases[i].address), prefix);
        assert_string_equal(prefix, cases[i].prefix);
    }
}

static void a_flood_from_many_networks_is_counted_exactly(void **state)
{
    static sl_refusals r;
    taken t = { 0 };
    char address[32];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(address, sizeof address, "10.%u.%u.1", i % 1000 / 250, i % 250);
        assert_done(sl_refusals_count(&r, sl_view_str(address), i % 2 ? "bad_key" : "no_key", 77));
    }
    assert_false(sl_refusals_due(&r, 77));
    assert_false(sl_refusals_due(&r, 76));
    assert_true(sl_refusals_due(&r, 78));
    t.fail_after = 100;
    assert_code(sl_refusals_take(&r, take, &t), SL_E_AGAIN);
    t.fail_after = 0;
    assert_done(sl_refusals_take(&r, take, &t));
    assert_int_equal(t.total, 5000);
    assert_true(t.others > 0);
    assert_int_equal(t.calls, SL_REFUSAL_PLACES + 2);
    assert_int_equal(t.window_s, 77);
    assert_false(sl_refusals_due(&r, 79));
    assert_done(sl_refusals_take(&r, take, &t));
    assert_int_equal(t.total, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_become_networks),
        cmocka_unit_test(a_flood_from_many_networks_is_counted_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
