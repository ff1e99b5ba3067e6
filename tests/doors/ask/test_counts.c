/* The door's count of forwarded requests: exact, shared by all its processes, and right after a kill at
 * any moment. The lost child here is killed for real, while it sends and counts as fast as it can. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doors/ask/shared.h"

#define M UINT64_C(29000000)

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void one(sl_ask_counts *counts, unsigned by, uint64_t minute, bool went_out)
{
    sl_ask_counts_sending(counts, by, minute);
    sl_ask_counts_sent(counts, by, minute, went_out);
    if (went_out) {
        sl_ask_counts_sure(counts, by, minute);
    }
}

static void assert_counts(const sl_ask_counts *counts, uint64_t minute, uint64_t sure,
                          uint64_t doubt)
{
    sl_minute_count n = sl_ask_counts_of(counts, minute);
    assert_int_equal(n.sure, sure);
    assert_int_equal(n.doubt, doubt);
}

static void what_went_out_counts_under_its_minute(void **state)
{
    (void)state;
    static sl_ask_counts counts;
    one(&counts, 0, M, true);
    one(&counts, 3, M, true);
    one(&counts, 3, M, false);
    one(&counts, 3, M + 1, true);
    assert_counts(&counts, M, 2, 0);
    assert_counts(&counts, M + 1, 1, 0);
    assert_counts(&counts, M + 2, 0, 0);
    one(&counts, 0, M + SL_MINUTES_MAX, true); /* the same place, later */
    assert_counts(&counts, M + SL_MINUTES_MAX, 1, 0);
    assert_counts(&counts, M, 1, 0);
}

static void what_egress_did_not_live_to_answer_is_in_doubt(void **state)
{
    (void)state;
    static sl_ask_counts counts;
    one(&counts, 1, M, true);
    sl_ask_counts_sending(&counts, 1, M);
    sl_ask_counts_sent(&counts, 1, M, true);
    assert_counts(&counts, M, 1, 0); /* pending */
    sl_ask_counts_doubt(&counts, 1, M);
    assert_counts(&counts, M, 1, 1);
    sl_ask_counts_doubt(&counts, 2, M); /* it sent nothing */
    assert_counts(&counts, M, 1, 1);
}

static void a_dead_sender_leaves_its_request_in_doubt_once(void **state)
{
    (void)state;
    static sl_ask_counts counts;
    one(&counts, 0, M, true);
    sl_ask_counts_sending(&counts, 0, M);
    sl_ask_counts_recover(&counts, 1); /* another one's start changes nothing */
    assert_counts(&counts, M, 1, 0);
    sl_ask_counts_recover(&counts, 0);
    assert_counts(&counts, M, 1, 1);
    sl_ask_counts_recover(&counts, 0);
    assert_counts(&counts, M, 1, 1);
    for (unsigned i = 0; i < 3; i++) { /* and so does what it had pending, with the whole site */
        sl_ask_counts_sending(&counts, 0, M);
        sl_ask_counts_sent(&counts, 0, M, true);
    }
    sl_ask_counts_sure(&counts, 0, M);
    sl_ask_counts_recover(&counts, 0);
    assert_counts(&counts, M, 2, 3);
}

/* Each byte in the pipe is a request that went out. */
static void send_for_ever(sl_ask_counts *counts, int to)
{
    for (uint64_t i = 0;; i++) {
        uint64_t minute = M + i / 64 % 4;
        sl_ask_counts_sending(counts, 5, minute);
        ssize_t n = write(to, "x", 1);
        sl_ask_counts_sent(counts, 5, minute, n == 1);
        sl_ask_counts_sure(counts, 5, minute);
    }
}

static void a_kill_at_any_moment_loses_and_invents_nothing(void **state)
{
    (void)state;
    sl_ask_counts *counts = shared_memory(sizeof *counts);
    uint64_t went_out = 0;
    for (unsigned round = 0; round < 200; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            send_for_ever(counts, ends[1]);
        }
        (void)close(ends[1]);
        (void)usleep((useconds_t)(round * 997 % 2000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        char bytes[4096];
        for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) {
            went_out += (uint64_t)n;
        }
        (void)close(ends[0]);
        sl_ask_counts_recover(counts, 5);
        uint64_t sure = 0;
        uint64_t doubt = 0;
        for (uint64_t minute = M; minute < M + 4; minute++) {
            sure += sl_ask_counts_of(counts, minute).sure;
            doubt += sl_ask_counts_of(counts, minute).doubt;
        }
        assert_true(sure <= went_out && went_out <= sure + doubt && doubt <= round + 1);
    }
    assert_true(went_out > 0);
    assert_int_equal(munmap(counts, sizeof *counts), 0);
}

/* Four processes, one budget: as much is taken as there is, and no more. */
static void a_budget_is_never_overspent_by_several(void **state)
{
    (void)state;
    enum { PROCESSES = 4, CAP = 1000, TRIES = 600 };
    typedef struct {
        sl_budget budget;
        _Atomic uint64_t taken;
    } both;
    both *all = shared_memory(sizeof *all);
    uint8_t lineage[16] = { 7 };
    pid_t pids[PROCESSES];
    for (size_t i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        for (unsigned n = 0; pids[i] == 0 && n < TRIES; n++) {
            if (sl_ok(sl_budget_take(&all->budget, lineage, 1000, CAP, 0))) {
                atomic_fetch_add(&all->taken, 1);
            }
        }
        if (pids[i] == 0) {
            _exit(0);
        }
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    assert_int_equal(atomic_load(&all->taken), CAP);
    assert_int_equal(munmap(all, sizeof *all), 0);
}

static void a_receipt_is_found_by_its_owner_alone(void **state)
{
    (void)state;
    static sl_ask_receipts all;
    sl_ask_receipt given = { .crossing = "aa", .principal = { { 1 } }, .intent = 7, .status = 200 };
    sl_ask_receipt got;
    (void)snprintf(given.outcome, sizeof given.outcome, "delivered");
    sl_ask_receipts_add(&all, &given);
    assert_true(sl_ask_receipts_find(&all, SL_LIT("aa"), given.principal, &got));
    assert_string_equal(got.outcome, "delivered");
    assert_true(sl_ask_receipts_find(&all, SL_LIT("7"), given.principal, &got));
    assert_false(sl_ask_receipts_find(&all, SL_LIT("7"), (sl_valve_id){ { 2 } }, &got));
    atomic_store(&all.items[0].turn, 1); /* its writer died */
    assert_false(sl_ask_receipts_find(&all, SL_LIT("aa"), given.principal, &got));
    for (unsigned i = 0; i < SL_RECEIPTS_MAX; i++) {
        sl_ask_receipts_add(&all, &given);
    }
    assert_true(sl_ask_receipts_find(&all, SL_LIT("aa"), given.principal, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_out_counts_under_its_minute),
        cmocka_unit_test(what_egress_did_not_live_to_answer_is_in_doubt),
        cmocka_unit_test(a_dead_sender_leaves_its_request_in_doubt_once),
        cmocka_unit_test(a_kill_at_any_moment_loses_and_invents_nothing),
        cmocka_unit_test(a_budget_is_never_overspent_by_several),
        cmocka_unit_test(a_receipt_is_found_by_its_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
