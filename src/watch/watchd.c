/* The process `watchd` (watchd.h). Any failure of its link ends it: the supervisor starts it again
 * and it takes up where its last heartbeat in the ledger stands. Nothing is kept anywhere else. */
#include "watch/watchd.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "crypto/crypto.h"
#include "ledger/client.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "watch/rules_embedded.h"
#include "watch/selftest.h"
#include "watch/watch.h"

enum {
    READ_BYTES = 96 * 1024,
    TICK_MS = 1000,
    HEARTBEAT_TICKS = 60,
    FIRST_HEARTBEAT_TICKS = 3,
    SELFTEST_TICKS = 6 * 60 * 60, /* four times a day, and soon after the start */
    BUDGET_TICKS = 60 * 60,
    BUDGET_FIRST_TICKS = 60,
    STATE_WAIT_MS = 10000,
};

/* A door counts at least once a minute; three missed counts are silence. */
static const int64_t DOOR_SILENCE_MS = 180000;

typedef enum {
    PHASE_SEARCH, /* for the last heartbeat; nothing is judged */
    PHASE_JUDGE,  /* everything from the first leaf on; before `judged` it is history */
} phase;

typedef struct {
    sl_proc *self;
    sl_loop *loop;
    sl_ledger_client *ledger;
    sl_watch *watch;
    sl_res result;
    phase phase;
    uint64_t cursor;
    uint64_t search_end; /* size of the ledger at the start */
    uint64_t judged;     /* leaves before this one were judged by an earlier run */
    uint64_t events;     /* since the last account */
    uint64_t scored;
    unsigned ticks;
    bool serving;
} watchd;

static void end_with(watchd *w, sl_res r)
{
    if (sl_ok(w->result)) {
        w->result = r;
    }
    sl_loop_stop(w->loop);
}

static void on_acked(void *context, sl_res result, uint64_t index)
{
    (void)index;
    if (!sl_ok(result)) {
        sl_log_res(SL_LOG_ERROR, "the ledger did not take what the watch says", result);
        end_with(context, result);
    }
}

static void append(watchd *w, sl_res emitted, const sl_buf *event)
{
    sl_res r = emitted;
    if (sl_ok(r)) {
        r = sl_ledger_client_append(w->ledger, sl_buf_view(event), on_acked, w);
    }
    if (!sl_ok(r)) {
        end_with(w, r);
    }
}

static void on_signal(void *context, const sl_signal *signal)
{
    watchd *w = context;
    uint8_t random[8];
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 32 };
    sl_res r = sl_random_bytes(random, sizeof(random));
    if (sl_ok(r)) {
        r = sl_hex_add(&id, sl_view_of(random, sizeof(random)));
    }
    const char *severity = signal->severity == SL_LEVEL_INFORMATIONAL
                               ? sl_level_name(SL_LEVEL_LOW)
                               : sl_level_name(signal->severity);
    sl_event_head head = { .principal = signal->principal, .compartment = signal->compartment };
    sl_event_watch_signal fields = {
        .signal = sl_buf_view(&id),
        .severity = sl_view_str(severity),
        .rule = signal->rule,
        .target = signal->target,
        .has_evidence_index = signal->evidence != UINT64_MAX,
        .evidence_index = signal->evidence,
        .has_limit = signal->limit != 0,
        .limit = signal->limit,
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    append(w, sl_ok(r) ? sl_emit_watch_signal(&head, &fields, &event) : r, &event);
}

/* ---- leaves ---- */

/* A heartbeat of an earlier run says how far it had judged. */
static void search(watchd *w, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    uint64_t cursor = 0;
    if (sl_ok(sl_leaf_read(text, &leaf)) && sl_leaf_is(&leaf, "watch.heartbeat") &&
        sl_leaf_count(&leaf, "cursor", &cursor) && cursor > w->judged) {
        w->judged = cursor;
    }
}

static void judge(watchd *w, uint64_t index, sl_view text)
{
    bool history = index < w->judged;
    sl_res r = sl_watch_feed(w->watch, index, text, history);
    if (!history) {
        w->events++;
        w->scored += sl_ok(r);
    }
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "a leaf could not be judged", r);
    }
}

static void ask_for_more(watchd *w);

static void on_leaves(void *context, sl_res result, uint64_t first, uint32_t count, sl_view leaves,
                      uint64_t size)
{
    watchd *w = context;
    (void)size;
    if (!sl_ok(result)) {
        end_with(w, result);
        return;
    }
    uint64_t index = first;
    for (bool more = true; more && sl_ok(w->result);) {
        sl_view leaf = { 0 };
        sl_res r = sl_bundle_next(&leaves, &more, &leaf);
        if (!sl_ok(r)) {
            end_with(w, r);
            return;
        }
        if (!more) {
            break;
        }
        if (w->phase == PHASE_SEARCH) {
            search(w, leaf);
        } else {
            judge(w, index, leaf);
        }
        index++;
    }
    w->cursor = first + count;
    if (w->phase == PHASE_SEARCH && w->cursor >= w->search_end) {
        w->phase = PHASE_JUDGE;
        w->cursor = 0;
    }
    ask_for_more(w);
}

static void ask_for_more(watchd *w)
{
    sl_res r = sl_ledger_client_read(w->ledger, w->cursor, READ_BYTES, on_leaves, w);
    if (!sl_ok(r)) {
        end_with(w, r);
    }
}

/* ---- time ---- */

static void say_alive(watchd *w)
{
    sl_event_head head = { 0 };
    sl_event_watch_scored scored = { .door = SL_LIT("all"),
                                     .events = w->events,
                                     .scored = w->scored };
    SL_OWN(sl_buf, first, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    append(w, sl_emit_watch_scored(&head, &scored, &first), &first);
    sl_event_watch_heartbeat beat = { .cursor = w->cursor, .lag_ms = 0 };
    SL_OWN(sl_buf, second, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    append(w, sl_emit_watch_heartbeat(&head, &beat, &second), &second);
    w->events = 0;
    w->scored = 0;
}

static sl_res load_rules_alone(sl_watch *watch)
{
    for (size_t i = 0; i < sl_watch_rules_count; i++) {
        SL_TRY(sl_watch_add_rule(watch, sl_view_of(sl_watch_rules[i].bytes, sl_watch_rules[i].n)));
    }
    return sl_watch_bind(watch);
}

static void try_self(watchd *w)
{
    for (size_t i = 0; i < SL_SELFTEST_SCENARIOS; i++) {
        bool seen = false;
        uint64_t begun = sl_clock_mono_ns();
        sl_res tried = sl_watch_selftest(i, load_rules_alone, &seen);
        sl_event_head head = { 0 };
        sl_event_watch_selftest fields = {
            .scenario = sl_view_str(sl_watch_selftest_name(i)),
            .ok = sl_ok(tried) && seen,
            .delay_ms = (sl_clock_mono_ns() - begun) / 1000000,
        };
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
        append(w, sl_emit_watch_selftest(&head, &fields, &event), &event);
    }
}

/* What each grant with a cap used of it, as the leaves show; the door's own count is another. */
static void say_budget(void *context, const sl_budget_use *use)
{
    watchd *w = context;
    sl_event_head head = { .door = SL_LIT("ask") };
    sl_event_ask_budget fields = {
        .grant = use->grant,
        .window = sl_view_str(use->window),
        .used = use->used,
        .cap = use->cap,
        .decision =
            SL_LIT("allow"), /* these crossings were let through: more than the cap is a fault */
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    append(w, sl_emit_ask_budget(&head, &fields, &event), &event);
}

static void on_tick(void *context)
{
    watchd *w = context;
    if (w->phase != PHASE_JUDGE || w->cursor < w->search_end) {
        return; /* still catching up */
    }
    sl_watch_tick(w->watch, sl_clock_wall_ms());
    w->ticks++;
    if (w->ticks == FIRST_HEARTBEAT_TICKS || w->ticks % HEARTBEAT_TICKS == 0) {
        say_alive(w);
    }
    if (w->ticks == FIRST_HEARTBEAT_TICKS || w->ticks % SELFTEST_TICKS == 0) {
        try_self(w);
    }
    if (w->ticks % BUDGET_TICKS == BUDGET_FIRST_TICKS) {
        sl_watch_budgets(w->watch, sl_clock_wall_ms(), say_budget, w);
    }
}

/* ---- the process ---- */

static void on_ledger(void *context, int fd, unsigned events)
{
    watchd *w = context;
    (void)fd;
    (void)events;
    sl_res r = sl_ledger_client_pump(w->ledger);
    if (!sl_ok(r)) {
        end_with(w, r);
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    watchd *w = context;
    (void)fd;
    (void)events;
    sl_res r = sl_proc_pump(w->self);
    if (!sl_ok(r)) {
        end_with(w, r);
    }
}

static sl_res load_rules(sl_watch *watch)
{
    SL_TRY(load_rules_alone(watch));
    return sl_watch_add_silence(watch, SL_LIT("silent_ask"), SL_LIT("door.counted"), SL_LIT("ask"),
                                DOOR_SILENCE_MS, sl_clock_wall_ms());
}

static sl_res serve(watchd *w)
{
    SL_TRY(load_rules(w->watch));
    SL_TRY(sl_ledger_client_new(sl_proc_take_link(w->self, "ledgerd", 0), &w->ledger));
    SL_TRY(sl_ledger_size_wait(w->ledger, STATE_WAIT_MS, &w->search_end)); /* there at the start */
    uint64_t timer = 0;
    SL_TRY(sl_loop_add(w->loop, sl_proc_control_fd(w->self), SL_LOOP_READ, on_control, w));
    SL_TRY(sl_loop_add(w->loop, sl_ledger_client_fd(w->ledger), SL_LOOP_READ, on_ledger, w));
    SL_TRY(sl_loop_every(w->loop, TICK_MS, on_tick, w, &timer));
    ask_for_more(w);
    SL_TRY(sl_proc_serving(w->self));
    SL_TRY(sl_loop_run(w->loop));
    return sl_is(w->result, SL_E_CLOSED) ? SL_DONE : w->result;
}

static sl_res entry(sl_proc *self)
{
    watchd w = { .self = self, .result = SL_DONE };
    SL_TRY(sl_loop_new(&w.loop));
    sl_res r = sl_watch_new(on_signal, &w, &w.watch);
    if (sl_ok(r)) {
        r = serve(&w);
    }
    if (w.ledger != NULL) {
        sl_ledger_client_free(w.ledger);
    }
    sl_watch_free(w.watch);
    sl_loop_free(w.loop);
    return r;
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

static const sl_confine_profile PROFILE = {
    .name = "watchd",
};

const sl_proc_decl sl_watchd_decl = {
    .name = "watchd",
    .entry = entry,
    .profile = &PROFILE,
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
