/* Fibers: work that pauses goes on where it stood, others meanwhile; a fiber serves again. */
#include "test.h"

#include "base/fiber.h"

typedef struct {
    int steps;
    int pauses;
    sl_fiber *inner;
    int depth;
} job;

static void work(void *context)
{
    job *j = context;
    char local[256];
    for (int i = 0; i < j->pauses; i++) {
        memset(local, i, sizeof local);
        j->steps++;
        sl_fiber_pause();
        assert_int_equal(local[255], i);
    }
    j->steps += 100;
}

static void pauses_and_goes_on(void **state)
{
    sl_fiber *f = NULL;
    job j = { .pauses = 3 };
    assert_done(sl_fiber_new(65536, &f));
    assert_null(sl_fiber_current());
    for (int again = 0; again < 3; again++) {
        j.steps = 0;
        assert_false(sl_fiber_run(f, work, &j));
        assert_int_equal(j.steps, 1);
        assert_null(sl_fiber_current());
        assert_false(sl_fiber_resume(f));
        assert_false(sl_fiber_resume(f));
        assert_true(sl_fiber_resume(f));
        assert_int_equal(j.steps, 103);
    }
    j = (job){ 0 };
    assert_true(sl_fiber_run(f, work, &j));
    assert_int_equal(j.steps, 100);
    sl_fiber_free(f);
}

enum { MANY = 40 };

static void many_side_by_side_end_in_any_order(void **state)
{
    sl_fiber *f[MANY];
    job j[MANY];
    for (int i = 0; i < MANY; i++) {
        j[i] = (job){ .pauses = 1 + i % 5 };
        assert_done(sl_fiber_new(32768, &f[i]));
        assert_false(sl_fiber_run(f[i], work, &j[i]));
    }
    for (int left = MANY, i = 0; left != 0; i = (i + 7) % MANY) {
        if (j[i].steps < 100) {
            left -= sl_fiber_resume(f[i]);
        }
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(j[i].steps, 100 + j[i].pauses);
        sl_fiber_free(f[i]);
    }
}

static void run_inner(void *context)
{
    job *j = context;
    sl_fiber *self = sl_fiber_current();
    job inner = { .pauses = 1 };
    assert_non_null(self);
    assert_false(sl_fiber_run(j->inner, work, &inner));
    assert_ptr_equal(sl_fiber_current(), self);
    sl_fiber_pause();
    assert_true(sl_fiber_resume(j->inner));
    j->steps = inner.steps;
}

static void one_inside_another(void **state)
{
    sl_fiber *outer = NULL;
    job j = { 0 };
    assert_done(sl_fiber_new(65536, &outer));
    assert_done(sl_fiber_new(65536, &j.inner));
    assert_false(sl_fiber_run(outer, run_inner, &j));
    assert_true(sl_fiber_resume(outer));
    assert_int_equal(j.steps, 101);
    sl_fiber_free(outer);
    sl_fiber_free(j.inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_and_goes_on),
        cmocka_unit_test(many_side_by_side_end_in_any_order),
        cmocka_unit_test(one_inside_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
