/* The event loop (loop.h): epoll, a table of watches by descriptor, a list of timers.
 * Daemons have tens of timers, so a scan is fast enough and has no structure to get wrong. */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

typedef struct {
    sl_loop_io call;
    void *context;
    uint32_t generation; /* tells an event for an earlier owner of the same descriptor */
} watch;

typedef struct {
    uint64_t id; /* 0: free */
    uint64_t due_ns;
    uint64_t period_ns; /* 0: once */
    sl_loop_tick call;
    void *context;
} timer;

struct sl_loop {
    int epoll_fd;
    bool stopped;
    watch *watches; /* by descriptor */
    size_t watch_count;
    timer *timers;
    size_t timer_count;
    uint64_t last_id;
    uint32_t last_generation;
    sl_loop_tick turn_call;
    void *turn_context;
};

enum { EVENTS_PER_TURN = 128 };

sl_res sl_loop_new(sl_loop **ret_loop)
{
    sl_loop *loop = calloc(1, sizeof(*loop));
    SL_NEED(loop != NULL, SL_E_MEMORY);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return sl_fail_os(SL_E_IO, "epoll");
    }
    *ret_loop = loop;
    return SL_DONE;
}

void sl_loop_free(sl_loop *loop)
{
    if (loop != NULL) {
        (void)close(loop->epoll_fd);
        free(loop->watches);
        free(loop->timers);
        free(loop);
    }
}

static uint32_t epoll_mask(unsigned events)
{
    return ((events & SL_LOOP_READ) != 0 ? (uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP : 0) |
           ((events & SL_LOOP_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

static sl_res control(sl_loop *loop, int op, int fd, unsigned events)
{
    struct epoll_event event = { .events = epoll_mask(events) };
    event.data.u64 = ((uint64_t)loop->watches[fd].generation << 32) | (uint32_t)fd;
    if (epoll_ctl(loop->epoll_fd, op, fd, &event) != 0) {
        return sl_fail_os(SL_E_IO, "epoll_ctl");
    }
    return SL_DONE;
}

static sl_res room_for(sl_loop *loop, size_t fd)
{
    if (fd < loop->watch_count) {
        return SL_DONE;
    }
    size_t count = (fd + 1) * 2;
    watch *watches = realloc(loop->watches, count * sizeof(*watches));
    SL_NEED(watches != NULL, SL_E_MEMORY);
    memset(watches + loop->watch_count, 0, (count - loop->watch_count) * sizeof(*watches));
    loop->watches = watches;
    loop->watch_count = count;
    return SL_DONE;
}

sl_res sl_loop_add(sl_loop *loop, int fd, unsigned events, sl_loop_io call, void *context)
{
    SL_NEED(fd >= 0 && call != NULL, SL_E_BUG);
    SL_TRY(room_for(loop, (size_t)fd));
    SL_NEED(loop->watches[fd].call == NULL, SL_E_EXISTS);
    loop->watches[fd] = (watch){ call, context, ++loop->last_generation };
    sl_res r = control(loop, EPOLL_CTL_ADD, fd, events);
    if (!sl_ok(r)) {
        loop->watches[fd].call = NULL;
    }
    return r;
}

static bool watched(const sl_loop *loop, int fd)
{
    return fd >= 0 && (size_t)fd < loop->watch_count && loop->watches[fd].call != NULL;
}

sl_res sl_loop_change(sl_loop *loop, int fd, unsigned events)
{
    SL_NEED(watched(loop, fd), SL_E_NOT_FOUND);
    return control(loop, EPOLL_CTL_MOD, fd, events);
}

void sl_loop_remove(sl_loop *loop, int fd)
{
    if (watched(loop, fd)) {
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        loop->watches[fd] = (watch){ .generation = loop->watches[fd].generation };
    }
}

static sl_res add_timer(sl_loop *loop, timer wanted, uint64_t *ret_id)
{
    size_t slot = 0;
    while (slot < loop->timer_count && loop->timers[slot].id != 0) {
        slot++;
    }
    if (slot == loop->timer_count) {
        size_t count = loop->timer_count == 0 ? 8 : loop->timer_count * 2;
        timer *timers = realloc(loop->timers, count * sizeof(*timers));
        SL_NEED(timers != NULL, SL_E_MEMORY);
        memset(timers + loop->timer_count, 0, (count - loop->timer_count) * sizeof(*timers));
        loop->timers = timers;
        loop->timer_count = count;
    }
    wanted.id = ++loop->last_id;
    loop->timers[slot] = wanted;
    *ret_id = wanted.id;
    return SL_DONE;
}

sl_res sl_loop_every(sl_loop *loop, uint64_t period_ms, sl_loop_tick call, void *context,
                     uint64_t *ret_id)
{
    uint64_t period_ns = (period_ms == 0 ? 1 : period_ms) * 1000000u;
    return add_timer(loop,
                     (timer){ .due_ns = sl_clock_mono_ns() + period_ns,
                              .period_ns = period_ns,
                              .call = call,
                              .context = context },
                     ret_id);
}

sl_res sl_loop_after(sl_loop *loop, uint64_t delay_ms, sl_loop_tick call, void *context,
                     uint64_t *ret_id)
{
    return add_timer(loop,
                     (timer){ .due_ns = sl_clock_mono_ns() + delay_ms * 1000000u,
                              .call = call,
                              .context = context },
                     ret_id);
}

void sl_loop_cancel(sl_loop *loop, uint64_t timer_id)
{
    for (size_t i = 0; timer_id != 0 && i < loop->timer_count; i++) {
        if (loop->timers[i].id == timer_id) {
            loop->timers[i].id = 0;
        }
    }
}

void sl_loop_after_turn(sl_loop *loop, sl_loop_tick call, void *context)
{
    loop->turn_call = call;
    loop->turn_context = context;
}

/* Calls what is due. Timers added by the callbacks wait for the next turn. */
static void run_timers(sl_loop *loop)
{
    uint64_t now = sl_clock_mono_ns();
    uint64_t newest = loop->last_id;
    for (size_t i = 0; i < loop->timer_count; i++) {
        timer due = loop->timers[i];
        if (due.id == 0 || due.id > newest || due.due_ns > now) {
            continue;
        }
        if (due.period_ns == 0) {
            loop->timers[i].id = 0;
        } else {
            loop->timers[i].due_ns = now + due.period_ns;
        }
        due.call(due.context);
    }
}

static int wait_until_due(const sl_loop *loop, int wait_ms)
{
    uint64_t now = sl_clock_mono_ns();
    for (size_t i = 0; i < loop->timer_count; i++) {
        if (loop->timers[i].id == 0) {
            continue;
        }
        uint64_t due = loop->timers[i].due_ns;
        uint64_t left_ms = due <= now ? 0 : (due - now + 999999u) / 1000000u;
        if (wait_ms < 0 || left_ms < (uint64_t)wait_ms) {
            wait_ms = left_ms > 60000 ? 60000 : (int)left_ms;
        }
    }
    return wait_ms;
}

static unsigned seen_events(uint32_t mask)
{
    return ((mask & (EPOLLIN | EPOLLRDHUP)) != 0 ? (unsigned)SL_LOOP_READ : 0u) |
           ((mask & EPOLLOUT) != 0 ? (unsigned)SL_LOOP_WRITE : 0u) |
           ((mask & (EPOLLHUP | EPOLLERR)) != 0 ? (unsigned)SL_LOOP_HANGUP : 0u);
}

sl_res sl_loop_turn(sl_loop *loop, int wait_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_until_due(loop, wait_ms));
    if (n < 0 && errno != EINTR) {
        return sl_fail_os(SL_E_IO, "epoll_wait");
    }
    for (int i = 0; i < n; i++) {
        int fd = (int)(uint32_t)events[i].data.u64;
        uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);
        if (watched(loop, fd) && loop->watches[fd].generation == generation) {
            watch w = loop->watches[fd];
            w.call(w.context, fd, seen_events(events[i].events));
        }
    }
    run_timers(loop);
    if (loop->turn_call != NULL) {
        loop->turn_call(loop->turn_context);
    }
    return SL_DONE;
}

sl_res sl_loop_run(sl_loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        SL_TRY(sl_loop_turn(loop, -1));
    }
    return SL_DONE;
}

void sl_loop_stop(sl_loop *loop)
{
    loop->stopped = true;
}
