/* Power is lost at every operation of a working ledger: every acknowledged leaf is there afterwards,
 * none is invented, and nothing that was signed is taken back. Environment: SL_CRASH_ROUNDS. */
#include "test.h"

#include "crash_disk.h"
#include "ledger/log_read.h"
#include "log_fixture.h"

enum { LEAVES_A_LIFE = 900 };

typedef struct {
    crash_disk disk;
    sl_sign_key key;
    uint64_t acknowledged;
    uint64_t attempted;
} world;

static sl_res start(world *w, sl_tlog **ret)
{
    sl_tlog_options options = { .disk = &w->disk.disk,
                                .origin = "example.com/crash",
                                .key = &w->key,
                                .segment_bytes = 24 * 1024,
                                .reserve_bytes = 8192 };
    sl_tlog_report report;

    return sl_tlog_open(&options, ret, &report);
}

/* Works until the power goes or the work is done. */
static void live(world *w, sl_tlog *log, uint64_t leaves)
{
    uint64_t end = sl_tlog_size(log) + leaves;
    sl_res r = SL_DONE;

    w->attempted = sl_tlog_size(log);
    while (sl_ok(r) && w->attempted < end) {
        uint64_t batch = 1 + sl_prng_below(&w->disk.random, 60);
        for (uint64_t i = 0; sl_ok(r) && i < batch; i++) {
            SL_OWN(sl_buf, leaf, sl_buf_free) = leaf_of(w->attempted);
            uint64_t index = 0;
            r = sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index);
            if (sl_is(r, SL_E_AGAIN)) {
                r = sl_tlog_commit(log);
                if (sl_ok(r)) {
                    w->acknowledged = sl_tlog_size(log);
                    r = sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index);
                }
            }
            w->attempted += sl_ok(r);
        }
        if (sl_ok(r)) {
            r = sl_tlog_commit(log);
        }
        if (sl_ok(r)) {
            w->acknowledged = sl_tlog_size(log);
            if (sl_prng_below(&w->disk.random, 4) == 0) {
                sl_res published = sl_tlog_publish(log);
                (void)published.code;
            }
        }
    }
}

/* Everything that is there is what was attempted, and everything acknowledged is there. */
static void look(world *w, sl_tlog *log)
{
    uint64_t size = sl_tlog_size(log);

    if (size < w->acknowledged) {
        fail_msg("%llu leaves acknowledged, %llu there", (unsigned long long)w->acknowledged,
                 (unsigned long long)size);
    }
    assert_true(size <= w->attempted);
    for (uint64_t i = 0; i < size;) {
        SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = 1 << 20 };
        uint32_t count = 0;
        assert_done(sl_tlog_read(log, i, 1 << 19, &bundle, &count));
        sl_view rest = sl_buf_view(&bundle);
        for (uint32_t j = 0; j < count; j++, i++) {
            SL_OWN(sl_buf, want, sl_buf_free) = leaf_of(i);
            sl_view entry;
            bool more = false;
            assert_done(sl_bundle_next(&rest, &more, &entry));
            assert_true(sl_view_eq(entry, sl_buf_view(&want)));
        }
    }
    w->acknowledged = size;
}

static uint64_t one_world(uint64_t seed, uint64_t fail_at)
{
    world w = { .key = log_key(6) };
    sl_tlog *log = NULL;
    uint64_t operations = 0;

    crash_disk_init(&w.disk, seed);
    w.disk.fail_at = fail_at;
    for (int life_number = 0; life_number < 3; life_number++) {
        sl_res r = start(&w, &log);
        if (sl_ok(r)) {
            look(&w, log);
            live(&w, log, LEAVES_A_LIFE);
            operations = operations == 0 ? w.disk.operations : operations;
            sl_tlog_free(log);
        } else if (!w.disk.dark) {
            fail_msg("seed %llu, power lost at %llu: opening says %s at %s",
                     (unsigned long long)seed, (unsigned long long)fail_at, sl_res_name(r),
                     sl_detail_get()->field);
        }
        crash_disk_reboot(&w.disk);
        /* The second life is cut as well, at a place of its own. */
        w.disk.fail_at = life_number == 0 ? 1 + seed * 7919 % 150 : 0;
    }
    assert_done(start(&w, &log));
    look(&w, log);
    sl_tlog_free(log);
    sl_sign_key_free(&w.key);
    crash_disk_free(&w.disk);
    return operations;
}

static void acknowledged_leaves_survive_power_loss_at_every_operation(void **state)
{
    const char *text = getenv("SL_CRASH_ROUNDS");
    uint64_t rounds = 2;
    uint64_t operations = one_world(1, 0);

    if (text != NULL) {
        assert_done(sl_parse_u64(sl_view_str(text), 100000, &rounds));
    }
    assert_true(operations > 50);
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint64_t at = 1; at <= operations; at++) {
            (void)one_world(1 + round * 1000003, at);
        }
    }
    print_message("%llu operations cut, %llu rounds\n", (unsigned long long)operations,
                  (unsigned long long)rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_leaves_survive_power_loss_at_every_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
