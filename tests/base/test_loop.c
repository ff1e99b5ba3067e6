/* The loop calls what is ready, and never what was removed in the same turn. */
#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"

typedef struct {
    sl_loop *loop;
    int calls;
    int remove_fd;
    int ticks;
    int turns;
} seen;

static void on_ready(void *context, int fd, unsigned events)
{
    seen *s = context;
    (void)fd;
    (void)events;
    s->calls++;
    if (s->remove_fd >= 0) {
        sl_loop_remove(s->loop, s->remove_fd);
    }
}

static void on_tick(void *context)
{
    seen *s = context;
    if (++s->ticks == 3) {
        sl_loop_stop(s->loop);
    }
}

static void on_turn(void *context)
{
    ((seen *)context)->turns++;
}

static void removed_in_the_same_turn_is_not_called(void **state)
{
    int a[2];
    int b[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    sl_loop *loop = NULL;
    assert_done(sl_loop_new(&loop));
    seen first = { .loop = loop, .remove_fd = b[0] };
    seen second = { .loop = loop, .remove_fd = a[0] };
    assert_done(sl_loop_add(loop, a[0], SL_LOOP_READ, on_ready, &first));
    assert_done(sl_loop_add(loop, b[0], SL_LOOP_READ, on_ready, &second));
    assert_code(sl_loop_add(loop, b[0], SL_LOOP_READ, on_ready, &second), SL_E_EXISTS);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    assert_done(sl_loop_turn(loop, 1000));
    assert_int_equal(first.calls + second.calls, 1);
    sl_loop_free(loop);
    for (int i = 0; i < 2; i++) {
        sl_fd_close(&a[i]);
        sl_fd_close(&b[i]);
    }
}

static void timers_repeat_and_cancel(void **state)
{
    sl_loop *loop = NULL;
    assert_done(sl_loop_new(&loop));
    seen s = { .loop = loop, .remove_fd = -1 };
    seen never = { .loop = loop, .remove_fd = -1 };
    uint64_t id = 0;
    uint64_t cancelled = 0;
    assert_done(sl_loop_every(loop, 1, on_tick, &s, &id));
    assert_done(sl_loop_after(loop, 1, on_tick, &never, &cancelled));
    sl_loop_cancel(loop, cancelled);
    sl_loop_after_turn(loop, on_turn, &s);
    assert_done(sl_loop_run(loop));
    assert_int_equal(s.ticks, 3);
    assert_int_equal(never.ticks, 0);
    assert_true(s.turns >= 3);
    sl_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed_in_the_same_turn_is_not_called),
        cmocka_unit_test(timers_repeat_and_cancel),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
