/* Egress's side of the comparison: sizes of files become leaves, once each, through deaths of the
 * warden, of the site and of the ledger; and doubt is settled by what egress counted, no further. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger/event.h"
#include "respond/egress_count.h"

#define M UINT64_C(29000000)
#define AT(minute, second) ((int64_t)(((minute)*60 + (second)) * 1000))

typedef struct {
    char path[64];
    int fd;
    sl_egress_kept *kept;
    sl_egress_count count;
} place;

static int setup(void **state)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->kept = calloc(1, sizeof *p->kept);
    assert_non_null(p->kept);
    (void)snprintf(p->path, sizeof p->path, "/tmp/stoplog-egress-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->fd >= 0);
    sl_egress_count_begin(&p->count, p->kept, p->fd, AT(M, 0));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    place *p = *state;
    for (unsigned slot = 0; slot < SL_EGRESS_SLOTS; slot++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%03u", slot);
        (void)unlinkat(p->fd, name, 0);
    }
    (void)unlinkat(p->fd, "other", 0);
    (void)close(p->fd);
    (void)rmdir(p->path);
    free(p->kept);
    free(p);
    return 0;
}

static void grow_file(const place *p, const char *name, unsigned requests)
{
    int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < requests; i++) {
        assert_int_equal(write(fd, ".\n", 2), 2);
    }
    assert_int_equal(close(fd), 0);
}

static void grow(const place *p, uint64_t minute, unsigned requests)
{
    char name[8];
    (void)snprintf(name, sizeof name, "%03u", (unsigned)(minute % SL_EGRESS_SLOTS));
    grow_file(p, name, requests);
}

static void look(place *p, int64_t now_ms)
{
    sl_egress_count_look(&p->count, now_ms);
}

static void tell(place *p, const char *by, sl_counted_side side, uint64_t minute, uint64_t sure,
                 uint64_t doubt)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
    assert_done(sl_counted_write(side, "ask", minute, (sl_minute_count){ sure, doubt }, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), by, 1, &leaf));
    sl_egress_count_leaf(&p->count, sl_buf_view(&leaf));
}

static void assert_next(place *p, int64_t now_ms, sl_counted_side side, uint64_t minute,
                        uint64_t sure)
{
    sl_counted_side got_side = SL_COUNTED_NO;
    uint64_t got_minute = 0;
    sl_minute_count got = { 0, 0 };
    look(p, now_ms);
    assert_true(sl_egress_count_next(&p->count, now_ms, &got_side, &got_minute, &got));
    assert_int_equal(got_side, side);
    assert_int_equal(got_minute, minute);
    assert_int_equal(got.sure, sure);
}

static void assert_silent(place *p, int64_t now_ms)
{
    sl_counted_side side;
    uint64_t minute;
    sl_minute_count count;
    look(p, now_ms);
    assert_false(sl_egress_count_next(&p->count, now_ms, &side, &minute, &count));
}

static void a_minute_is_told_when_it_is_over(void **state)
{
    place *p = *state;
    grow(p, M, 5); /* from a thousand minutes ago */
    assert_silent(p, AT(M, 1));
    grow(p, M, 3);
    assert_silent(p, AT(M, 59));
    assert_next(p, AT(M + 1, 11), SL_COUNTED_BY_EGRESS, M, 3);
    assert_silent(p, AT(M + 1, 12));
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M, 3, 0);
    grow(p, M, 1); /* a straggler */
    assert_silent(p, AT(M + 1, 20));
    assert_next(p, AT(M + 1, 30), SL_COUNTED_BY_EGRESS, M, 1);
}

static void a_successor_goes_on_where_the_ledger_stands(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M, 1));
    grow(p, M, 3);
    look(p, AT(M, 30));
    grow(p, M, 1); /* counted while no warden lived */
    grow(p, M + 1, 2);
    sl_egress_count_begin(&p->count, p->kept, p->fd, AT(M + 1, 5));
    look(p, AT(M + 1, 5));
    assert_next(p, AT(M + 1, 15), SL_COUNTED_BY_EGRESS, M, 4);
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M, 4, 0);
    /* Killed right after: the leaf is there, and the next one reads it. */
    sl_egress_count_begin(&p->count, p->kept, p->fd, AT(M + 1, 20));
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M, 4, 0);
    assert_silent(p, AT(M + 1, 40));
    assert_next(p, AT(M + 2, 11), SL_COUNTED_BY_EGRESS, M + 1, 2);
}

static void a_lost_ledger_is_asked_again(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M, 1));
    grow(p, M, 3);
    assert_next(p, AT(M + 1, 15), SL_COUNTED_BY_EGRESS, M, 3);
    sl_egress_count_again(&p->count);
    assert_next(p, AT(M + 1, 16), SL_COUNTED_BY_EGRESS, M, 3);
    sl_egress_count_refused(&p->count, SL_COUNTED_BY_EGRESS, M);
    assert_next(p, AT(M + 1, 17), SL_COUNTED_BY_EGRESS, M, 3);
}

static void doubt_is_settled_by_what_egress_counted(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M, 1));
    grow(p, M, 5);
    assert_next(p, AT(M + 1, 15), SL_COUNTED_BY_EGRESS, M, 5);
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M, 5, 0);
    assert_silent(p, AT(M + 1, 16)); /* the door has not told yet */
    tell(p, "ask", SL_COUNTED_BY_DOOR, M, 3, 3);
    assert_next(p, AT(M + 1, 17), SL_COUNTED_SETTLED, M, 2); /* not all three */
    assert_silent(p, AT(M + 1, 18));
    sl_egress_count_again(&p->count);
    assert_next(p, AT(M + 1, 19), SL_COUNTED_SETTLED, M, 2);
    tell(p, "warden", SL_COUNTED_SETTLED, M, 2, 0);
    assert_silent(p, AT(M + 1, 20));
}

static void no_more_is_settled_than_is_in_doubt(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M, 1));
    grow(p, M, 9);
    assert_next(p, AT(M + 1, 15), SL_COUNTED_BY_EGRESS, M, 9);
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M, 9, 0);
    tell(p, "ask", SL_COUNTED_BY_DOOR, M, 3, 1);
    assert_next(p, AT(M + 1, 17), SL_COUNTED_SETTLED, M, 1);
    tell(p, "warden", SL_COUNTED_SETTLED, M, 1, 0);
    assert_silent(p, AT(M + 1, 18)); /* and the check fails, as it must */
}

static void without_a_death_nothing_is_settled(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M + 2, 1));
    grow(p, M + 2, 2);
    assert_next(p, AT(M + 3, 15), SL_COUNTED_BY_EGRESS, M + 2, 2);
    tell(p, "warden", SL_COUNTED_BY_EGRESS, M + 2, 2, 0);
    tell(p, "ask", SL_COUNTED_BY_DOOR, M + 2, 0, 2);
    assert_silent(p, AT(M + 3, 17));
    sl_egress_count_death(&p->count, AT(M + 3, 18));
    assert_next(p, AT(M + 3, 19), SL_COUNTED_SETTLED, M + 2, 2);
}

static void a_request_without_a_minute_shows(void **state)
{
    place *p = *state;
    assert_silent(p, AT(M, 1));
    grow_file(p, "other", 1);
    look(p, AT(M, 30));
    assert_next(p, AT(M + 1, 15), SL_COUNTED_BY_EGRESS, M, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_minute_is_told_when_it_is_over),    T(a_successor_goes_on_where_the_ledger_stands),
        T(a_lost_ledger_is_asked_again),        T(doubt_is_settled_by_what_egress_counted),
        T(no_more_is_settled_than_is_in_doubt), T(without_a_death_nothing_is_settled),
        T(a_request_without_a_minute_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
