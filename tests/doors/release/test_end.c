/* The end of releases: by a person, by time, by a crash. One that cannot be ended holds up no other; what a crash left is
 * told and cleared away, and never lets anything out twice. */
#include "release_help.h"

#include "doors/release/end.h"
#include "ledger/events.gen.h"

#define COMPARTMENT_ID "aaaaaaaabbbbbbbbccccccccdddddddd"

static sl_release_ends settle(world *w)
{
    sl_release_ends ends;
    sl_release_world calls = calls_of(w);
    assert_done(sl_release_settle(&calls, &w->known, held_fd, &ends));
    return ends;
}

static sl_release_ends sweep(world *w)
{
    sl_release_ends swept;
    sl_release_world calls = calls_of(w);
    assert_done(sl_release_sweep(&calls, &w->known, held_fd, true, &swept));
    return swept;
}

static void reject(world *w, const char *keys)
{
    sl_statement s = help_on(SL_ACTION_RELEASE_REJECT, "c");
    memcpy(s.item, w->id, sizeof RELEASE_ID);
    assert_done(sign(w, &s, keys, SITE));
}

/* Two that lie there, with a key each. */
static void hold_two(world *w)
{
    hold_note(w);
    w->id = RELEASE_ID_2;
    hold_note(w);
    w->id = RELEASE_ID;
}

static void one_that_cannot_be_ended_holds_up_no_other(void **state)
{
    world w = begin(2);
    hold_two(&w);
    reject(&w, "2");
    w.id = RELEASE_ID_2;
    reject(&w, "2");
    w.calls_left = 0; /* the leaf of the first is not taken */
    sl_release_ends ends = settle(&w);
    assert_int_equal(ends.ended, 1);
    assert_int_equal(ends.failed, 1);
    assert_code(ends.why, SL_E_UNAVAILABLE);
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    w.id = RELEASE_ID;
    assert_int_equal(release(&w)->state, SL_RELEASE_REJECTED);
    assert_int_equal(w.keys, 1);
    /* The next time it goes too. */
    ends = settle(&w);
    assert_int_equal(ends.ended, 1);
    assert_int_equal(ends.failed + files_held() + w.keys, 0);
    ends = settle(&w);
    assert_int_equal(ends.ended + ends.failed, 0);
    end(&w);
}

static void what_nobody_lets_out_in_time_is_over(void **state)
{
    world w = begin(2);
    hold_two(&w);
    assert_done(approve(&w, "2", SITE)); /* approved and not taken is over, too */
    w.now_ms = release(&w)->until_ms - 1;
    assert_int_equal(settle(&w).ended, 0);
    w.now_ms++;
    sl_release_ends ends = settle(&w);
    assert_int_equal(ends.ended, 2);
    assert_int_equal(files_held() + w.keys, 0);
    assert_string_equal(sl_release_known_facts(&w.known, RELEASE_ID)->outcome, "expired");
    assert_string_equal(sl_release_known_facts(&w.known, RELEASE_ID_2)->outcome, "expired");
    end(&w);
}

static void a_request_that_no_file_followed_is_over_after_a_while(void **state)
{
    world w = begin(2);
    SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
    assert_done(ask(&w, fd, "file", "1"));
    w.now_ms += SL_RELEASE_ASK_MS_MAX - 1;
    assert_int_equal(settle(&w).ended, 0);
    w.now_ms++;
    assert_int_equal(settle(&w).ended, 1);
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    end(&w);
}

/* The world's calls of a crossing are: admit, intent, two scans, key, salt, held. Cut off behind each of them, as by a
 * kill: nothing is taken back, as the outcome leaf is not taken either. */
static void a_crossing_that_was_cut_off_is_told_as_unknown(void **state)
{
    size_t cut_off = 0;
    bool held = false;
    for (long calls = 0; !held; calls++) {
        world w = begin(2);
        sl_release_result result;
        SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
        assert_done(ask(&w, fd, "file", "1"));
        w.calls_left = calls;
        w.dead_after = true;
        held = sl_ok(cross(&w, fd, &result));
        w.calls_left = -1;
        w.dead_after = false;
        bool taken_up = sl_release_known_facts(&w.known, RELEASE_ID) != NULL;
        sl_release_ends ends = settle(&w);
        assert_int_equal(ends.ended, taken_up && !held ? 1 : 0);
        cut_off += ends.ended;
        if (ends.ended != 0) {
            assert_string_equal(sl_release_known_facts(&w.known, RELEASE_ID)->outcome, "unknown");
            assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
            assert_int_equal(files_held(), 0);
        }
        if (held) { /* what lies there waits on */
            assert_int_equal(release(&w)->state, SL_RELEASE_HELD);
            assert_int_equal(settle(&w).ended, 0);
        }
        end(&w);
    }
    assert_true(cut_off > 2);
}

/* Killed behind the leaf that says it left, before the first byte: it counts as released. */
static void cut_off_behind_the_leaf_it_takes_another_approval(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    world w = begin(2);
    hold_note(&w);
    assert_done(approve(&w, "2", SITE));
    w.pieces_left = 1; /* one piece is read to see that it is whole; then the leaf; then no more */
    assert_code(take(&w, &out), SL_E_VALVE);
    assert_int_equal(out.n, 0);
    w.pieces_left = -1;
    /* The new process: what is held stays, and what was used up stays used up. */
    assert_int_equal(settle(&w).ended + sweep(&w).ended, 0);
    assert_true(files_held() > 0);
    assert_int_equal(release(&w)->times_out, 1);
    assert_code(take(&w, &out), SL_E_APPROVAL);
    assert_done(approve(&w, "3", SITE));
    assert_done(take(&w, &out));
    assert_true(sl_view_eq_str(sl_buf_view(&out), NOTE));
    end(&w);
}

/* Killed between the leaf that ends it and the destruction: the bytes lie there, and the next process clears them away. */
static void bytes_of_what_ended_are_swept(void **state)
{
    world w = begin(2);
    uint64_t index = 0;
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    hold_two(&w);
    size_t both = files_held();
    sl_event_head head = { .door = SL_LIT("release"),
                           .compartment = SL_LIT(COMPARTMENT_ID),
                           .crossing = SL_LIT(RELEASE_ID) };
    sl_event_release_outcome fields = { .object = SL_LIT(RELEASE_ID),
                                        .outcome = SL_LIT("expired"),
                                        .persons = 1 };
    assert_done(sl_emit_release_outcome(&head, &fields, &event));
    assert_done(append(&w, sl_buf_view(&event), &index));
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    assert_int_equal(settle(&w).ended, 0);
    assert_int_equal(files_held(), both);
    assert_int_equal(sweep(&w).ended, 1);
    assert_int_equal(files_held() * 2, both); /* the other one is still waited for */
    assert_int_equal(w.keys, 1);
    assert_int_equal(sweep(&w).ended, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(one_that_cannot_be_ended_holds_up_no_other),
        IN_FOLDER(what_nobody_lets_out_in_time_is_over),
        IN_FOLDER(a_request_that_no_file_followed_is_over_after_a_while),
        IN_FOLDER(a_crossing_that_was_cut_off_is_told_as_unknown),
        IN_FOLDER(cut_off_behind_the_leaf_it_takes_another_approval),
        IN_FOLDER(bytes_of_what_ended_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
