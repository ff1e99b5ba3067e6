/* How fast a valve closes: the price of asking it, and the time from its turn to the last piece that any
 * of many busy readers releases, against killing the same readers with a signal. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "respond/valve_writer.h"

#define READERS_MAX 64
#define ROUNDS 30
#define PIECE_BYTES 16384

typedef struct {
    _Atomic uint64_t last_ns;
    char apart[56];
} reader_mark;

static sl_valve_memory *valves;
static reader_mark *marks;

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void ask_price(const sl_valve_ticket *ticket)
{
    enum { N = 20000000 };
    uint64_t sum = 0;
    uint64_t start = sl_clock_mono_ns();
    for (int i = 0; i < N; i++) {
        sum += sl_valve_site_epoch(valves);
        __asm__ volatile("" ::: "memory");
    }
    double load_ns = (double)(sl_clock_mono_ns() - start) / N;
    start = sl_clock_mono_ns();
    for (int i = 0; i < N; i++) {
        sum += (uint64_t)sl_valve_holds(valves, 1000, ticket);
        __asm__ volatile("" ::: "memory");
    }
    double holds_ns = (double)(sl_clock_mono_ns() - start) / N;
    (void)printf(
        "asking a ticket of four valves: %.2f ns, %.1f times one atomic load (%.2f ns)%s\n",
        holds_ns, holds_ns / load_ns, load_ns, sum == 1 ? "." : "");
}

/* Releases pieces while the ticket holds; for ever when `heed` is false. */
static void reader(size_t n, const sl_valve_ticket *ticket, bool heed)
{
    static uint8_t from[PIECE_BYTES];
    static uint8_t to[PIECE_BYTES];
    while (!heed || sl_valve_holds(valves, 1000, ticket) == SL_VALVE_OPEN) {
        memcpy(to, from, sizeof to);
        __asm__ volatile("" ::: "memory");
        atomic_store_explicit(&marks[n].last_ns, sl_clock_mono_ns(), memory_order_release);
    }
    _exit(0);
}

static uint64_t one_round(size_t readers, const sl_valve_ticket *ticket, bool heed)
{
    pid_t pids[READERS_MAX];
    for (size_t i = 0; i < readers; i++) {
        atomic_store(&marks[i].last_ns, 0);
        pids[i] = fork();
        if (pids[i] == 0) {
            reader(i, ticket, heed);
        }
    }
    (void)usleep(20000);
    uint64_t turn_ns = sl_clock_mono_ns();
    if (heed) {
        (void)sl_valve_close(valves, SL_VALVE_OF_SITE, 0);
    }
    for (size_t i = 0; !heed && i < readers; i++) {
        (void)kill(pids[i], SIGKILL);
    }
    uint64_t last_ns = turn_ns;
    for (size_t i = 0; i < readers; i++) {
        (void)waitpid(pids[i], NULL, 0);
        uint64_t mark = atomic_load(&marks[i].last_ns);
        last_ns = mark > last_ns ? mark : last_ns;
    }
    return last_ns - turn_ns;
}

static uint64_t median_us(size_t readers, bool heed, uint64_t *ret_worst_us)
{
    uint64_t times[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        (void)sl_valve_open(valves, SL_VALVE_OF_SITE, 0);
        sl_valve_beat(valves, 1000);
        sl_valve_ticket ticket;
        if (sl_valve_take(valves, 1000, SL_DOOR_ASK, 0, NULL, 0, &ticket) != SL_VALVE_OPEN) {
            exit(1);
        }
        times[i] = one_round(readers, &ticket, heed) / 1000;
    }
    qsort(times, ROUNDS, sizeof times[0], by_size);
    *ret_worst_us = times[ROUNDS - 1];
    return times[ROUNDS / 2];
}

int main(void)
{
    static const size_t counts[] = { 1, 8, 64 };
    int fd;
    sl_valve_slot slot;
    marks = mmap(NULL, READERS_MAX * sizeof *marks, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (marks == MAP_FAILED || !sl_ok(sl_valve_memory_make(&fd, &valves)) ||
        !sl_ok(sl_valve_writer_take(valves)) ||
        !sl_ok(sl_valve_add_principal(valves, (sl_valve_id){ { 1 } }, &slot))) {
        return 1;
    }
    (void)sl_valve_open(valves, SL_VALVE_OF_PRINCIPAL, slot);
    (void)sl_valve_open(valves, SL_VALVE_OF_DOOR, SL_DOOR_ASK);
    (void)sl_valve_open(valves, SL_VALVE_OF_SITE, 0);
    sl_valve_beat(valves, 1000);
    sl_valve_ticket ticket;
    if (sl_valve_take(valves, 1000, SL_DOOR_ASK, slot, NULL, 0, &ticket) != SL_VALVE_OPEN) {
        return 1;
    }
    double load[1] = { 0 };
    (void)getloadavg(load, 1);
    (void)printf("%ld processors, load %.1f\n", sysconf(_SC_NPROCESSORS_ONLN), load[0]);
    ask_price(&ticket);
    for (size_t i = 0; i < SL_COUNT_OF(counts); i++) {
        uint64_t worst_us;
        uint64_t worst_kill_us;
        uint64_t us = median_us(counts[i], true, &worst_us);
        uint64_t kill_us = median_us(counts[i], false, &worst_kill_us);
        (void)printf("%2zu busy readers: last piece %llu us after the turn (worst of %d: %llu), "
                     "by SIGKILL %llu us (worst %llu): ratio %.2f\n",
                     counts[i], (unsigned long long)us, ROUNDS, (unsigned long long)worst_us,
                     (unsigned long long)kill_us, (unsigned long long)worst_kill_us,
                     kill_us == 0 ? 0.0 : (double)us / (double)kill_us);
    }
    return 0;
}
