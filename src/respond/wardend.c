/* The process `warden` (see wardend.h): the links to the ledger, the keeper and the supervisor, the
 * admin socket, the beat. All decisions are in warden.c; nothing here waits for anybody, because a
 * warden that waits stops beating, and then everything is closed. */
#include "respond/wardend.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "respond/wardend_internal.h"

#define READ_BYTES ((uint32_t)(96 * SL_KIB))

static sl_digest program_digest; /* of our own file, taken before confinement */
static const char *program_version = "0.1.0";

/* ---- the ledger ---- */

typedef struct {
    daemon_state *daemon;
    uint64_t token;
} append_call;

static void read_on(daemon_state *d);

static void stop(daemon_state *d, sl_res why)
{
    d->result = why;
    sl_loop_stop(d->loop);
}

static void on_acked(void *context, sl_res result, uint64_t index)
{
    append_call *call = context;
    daemon_state *d = call->daemon;
    if (sl_ok(result)) {
        sl_res known = sl_warden_durable(d->warden, call->token, index);
        (void)known.code; /* an act whose waiting was given up is folded all the same */
    } else {
        sl_warden_not_taken(d->warden, call->token, result);
    }
    free(call);
}

static sl_res append(void *context, sl_view event, uint64_t *ret_token)
{
    daemon_state *d = context;
    SL_NEED(d->ledger != NULL, SL_E_CLOSED);
    append_call *call = malloc(sizeof *call);
    SL_NEED(call != NULL, SL_E_MEMORY);
    *call = (append_call){ d, ++d->last_token };
    /* Known before the call: the answer may come at once. */
    *ret_token = call->token;
    sl_res sent = sl_ledger_client_append(d->ledger, event, on_acked, call);
    if (!sl_ok(sent)) {
        free(call);
    }
    return sent;
}

static void start_if_ready(daemon_state *d)
{
    if (!d->all_up || !d->serving) {
        return;
    }
    sl_view names[SL_LAYER_COUNT];
    size_t count = 0;
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if ((d->missing & SL_LAYER_BIT(i)) != 0) {
            names[count++] = sl_view_str(sl_layer_name((sl_layer)i));
        }
    }
    sl_res started = sl_warden_start(d->warden, program_version, names, count, &program_digest);
    if (sl_ok(started)) {
        started = sl_responder_live(d->responder, sl_clock_wall_ms());
    }
    if (!sl_ok(started)) {
        sl_log_res(SL_LOG_ERROR, "the start could not be recorded; the site stays closed", started);
    }
}

static void caught_up(daemon_state *d)
{
    if (d->serving) {
        return;
    }
    d->serving = true;
    sl_warden_caught_up(d->warden);
    sl_res told = sl_proc_serving(d->self);
    if (!sl_ok(told)) {
        stop(d, told);
        return;
    }
    start_if_ready(d);
}

/* A containment that fails is a leaf of its own; what cannot even be told goes to the log. */
static void respond_to(daemon_state *d, uint64_t index, sl_view leaf)
{
    sl_res done = sl_responder_leaf(d->responder, index, leaf);
    if (!sl_ok(done)) {
        sl_log_res(SL_LOG_ERROR, "a signal could not be acted on", done);
    }
}

/* The site's own key stands in leaf 0; without it no checkpoint can be judged. */
static void learn_log_key(daemon_state *d, sl_view leaves)
{
    bool more = false;
    sl_view text;
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    sl_res r = sl_bundle_next(&leaves, &more, &text);
    if (sl_ok(r) && more) {
        r = sl_leaf_read(text, &leaf);
        if (sl_ok(r)) {
            r = sl_vkey_parse(sl_leaf_text(&leaf, "vkey"), &d->log_key);
        }
    }
    if (!sl_ok(r)) {
        d->log_key.name[0] = '\0';
        sl_log_res(SL_LOG_WARN, "leaf 0 does not tell the ledger's key", r);
    }
}

static void on_leaves(void *context, sl_res result, uint64_t first, uint32_t count, sl_view leaves,
                      uint64_t size)
{
    daemon_state *d = context;
    (void)count;
    d->reading = false;
    if (!sl_ok(result)) {
        return; /* the link is lost; a new one starts the reading again */
    }
    bool more = true;
    sl_view leaf;
    if (first == 0) {
        learn_log_key(d, leaves);
    }
    for (uint64_t index = first; more; index++) {
        sl_res step = sl_bundle_next(&leaves, &more, &leaf);
        if (sl_ok(step) && more) {
            step = sl_warden_leaf(d->warden, index, leaf);
            d->cursor = index + 1;
            respond_to(d, index, leaf);
            sl_egress_count_leaf(&d->count, leaf);
            sl_wardend_facts_leaf(d, index, leaf);
        }
        if (!sl_ok(step)) {
            /* A ledger that cannot be folded is no ground to open anything on. */
            sl_log_res(SL_LOG_ERROR, "a leaf could not be folded", step);
            stop(d, step);
            return;
        }
    }
    if (d->cursor >= size) {
        caught_up(d);
        if (!d->read_all) {
            d->read_all = true;
            sl_egress_count_again(&d->count);
        }
    }
    read_on(d);
}

static void read_on(daemon_state *d)
{
    if (d->ledger != NULL && !d->reading) {
        d->reading = true;
        sl_res asked = sl_ledger_client_read(d->ledger, d->cursor, READ_BYTES, on_leaves, d);
        d->reading = sl_ok(asked);
    }
}

static void drop_ledger(daemon_state *d)
{
    if (d->ledger != NULL) {
        sl_loop_remove(d->loop, sl_ledger_client_fd(d->ledger));
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
        d->reading = false;
        d->read_all = false;
        sl_warden_ledger_lost(d->warden);
    }
}

static void on_ledger(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)events;
    sl_res pumped = sl_ledger_client_pump(d->ledger);
    if (!sl_ok(pumped)) {
        sl_loop_remove(d->loop, fd);
        drop_ledger(d);
    }
}

static void take_ledger(daemon_state *d)
{
    int fd = sl_proc_take_link(d->self, "ledgerd", 0);
    if (fd < 0) {
        return;
    }
    drop_ledger(d);
    sl_res made = sl_ledger_client_new(fd, &d->ledger);
    if (sl_ok(made)) {
        made = sl_loop_add(d->loop, sl_ledger_client_fd(d->ledger), SL_LOOP_READ, on_ledger, d);
    }
    if (!sl_ok(made)) {
        stop(d, made);
        return;
    }
    sl_warden_retry(d->warden);
    read_on(d);
}

/* ---- the supervisor ---- */

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_ledger(context);
    sl_wardend_take_keeper(context);
    sl_wardend_take_probe(context);
}

static void record_process(daemon_state *d, uint32_t news, int32_t status, sl_view process)
{
    sl_event_head head = { 0 };
    sl_event_host_process fields = { .process = process, .state = SL_LIT("started") };
    if (news == SL_NEWS_ENDED) {
        bool killed = WIFSIGNALED(status);
        fields.state = killed ? SL_LIT("killed") : SL_LIT("ended");
        fields.has_exit = true;
        fields.exit = killed ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_res done = sl_emit_host_process(&head, &fields, &event);
    if (sl_ok(done)) {
        done = sl_warden_record(d->warden, sl_buf_view(&event));
    }
    if (!sl_ok(done)) {
        sl_log_res(SL_LOG_WARN, "a process's end could not be recorded", done);
    }
}

/* The site goes down: closed first, then told. Every door sees the valve before its own end. */
static void record_stop(daemon_state *d, sl_view reason)
{
    sl_event_head head = { 0 };
    sl_event_host_stopped fields = { .reason = reason };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_res done = sl_emit_host_stopped(&head, &fields, &event);
    sl_res closed = sl_warden_close(d->warden, SL_VALVE_OF_SITE, SL_LIT("site"), reason, 0, NULL);
    if (sl_ok(done)) {
        done = sl_warden_append(d->warden, sl_buf_view(&event), 0);
    }
    if (!sl_ok(done) || !sl_ok(closed)) {
        sl_log_res(SL_LOG_WARN, "the end of the site could not be recorded", done);
    }
}

static void on_news(void *context, uint32_t news, int32_t status, sl_view process)
{
    daemon_state *d = context;
    if (news == SL_NEWS_ENDED &&
        (sl_view_starts(process, SL_LIT("ask")) || sl_view_starts(process, SL_LIT("egress")))) {
        sl_egress_count_death(&d->count, sl_clock_wall_ms());
    }
    if (news == SL_NEWS_GOING) {
        d->going = true;
        record_stop(d, status == SL_OK ? SL_LIT("down") : SL_LIT("trouble"));
    } else if (news == SL_NEWS_ALL_UP) {
        bool again = sl_epoch_open(sl_valve_site_epoch(sl_warden_valves(d->warden)));
        if (again && !d->all_up) { /* this warden follows one that died */
            record_process(d, SL_NEWS_STARTED, 0, SL_LIT("warden"));
        }
        d->all_up = true;
        d->missing = (uint32_t)status;
        start_if_ready(d);
    } else if (d->all_up && !d->going && (news == SL_NEWS_STARTED || news == SL_NEWS_ENDED)) {
        record_process(d, news, status, process);
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)fd;
    (void)events;
    sl_res pumped = sl_proc_pump(d->self);
    if (!sl_ok(pumped)) {
        stop(d, pumped);
    }
}

static void on_beat(void *context)
{
    daemon_state *d = context;
    sl_warden_beat(d->warden, sl_valve_now_ms());
    sl_warden_retry(d->warden);
}

/* ---- life ---- */

static sl_res serve(daemon_state *d)
{
    sl_proc_on_relink(d->self, on_relink, d);
    sl_proc_on_news(d->self, on_news, d);
    sl_proc_on_answer(d->self, sl_wardend_answered, d);
    SL_TRY(sl_loop_add(d->loop, sl_proc_control_fd(d->self), SL_LOOP_READ, on_control, d));
    SL_TRY(sl_wardend_listen(d));
    uint64_t timer;
    SL_TRY(sl_loop_every(d->loop, SL_VALVE_BEAT_MS, on_beat, d, &timer));
    on_beat(d);
    SL_TRY(sl_wardend_begin_counting(d));
    SL_TRY(sl_wardend_begin_attesting(d));
    take_ledger(d);
    sl_wardend_take_keeper(d);
    sl_wardend_take_probe(d);
    SL_TRY(sl_loop_run(d->loop));
    /* What was said to the ledger is heard out, briefly: the journal keeps the rest. */
    uint64_t until = sl_clock_mono_ns() + UINT64_C(1000000000);
    while (d->ledger != NULL && sl_ledger_client_outstanding(d->ledger) > (d->reading ? 1U : 0U) &&
           sl_clock_mono_ns() < until) {
        SL_TRY(sl_loop_turn(d->loop, 20));
    }
    return d->result;
}

static void put_down(daemon_state *d)
{
    sl_wardend_hang_up_all(d);
    if (d->ledger != NULL) {
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
    }
    sl_fd_close(&d->counted_fd);
    sl_loop_free(d->loop);
    sl_responder_free(d->responder);
    sl_warden_free(d->warden);
}

static sl_res entry(sl_proc *self)
{
    static daemon_state d; /* large; one for each process */
    d = (daemon_state){ .self = self, .counted_fd = -1, .result = SL_DONE };
    SL_NEED(sl_proc_valve_memory(self) != NULL, SL_E_BUG);
    SL_OWN(int, state_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, "/state", &state_fd));
    sl_warden_options options = { .valves = sl_proc_valve_memory(self),
                                  .ledger = { append, &d },
                                  .state_fd = state_fd,
                                  .done = sl_wardend_done,
                                  .context = &d };
    SL_TRY(sl_valve_writer_take(options.valves));
    SL_TRY(sl_loop_new(&d.loop));
    sl_res done = sl_warden_new(&options, &d.warden);
    if (sl_ok(done)) {
        done = sl_wardend_make_responder(&d);
    }
    if (sl_ok(done)) {
        done = serve(&d);
    }
    put_down(&d);
    return done;
}

const sl_digest *sl_wardend_program(void)
{
    return &program_digest;
}

/* The digest of the running program, while its file is still in sight. */
static sl_res hash_program(void)
{
    SL_OWN(int, fd, sl_fd_close) = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "/proc/self/exe");
    }
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    sl_hasher_start(&hasher);
    static uint8_t part[65536];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0) {
        sl_hasher_add(&hasher, sl_view_of(part, (size_t)n));
    }
    program_digest = sl_hasher_end(&hasher);
    return n == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "/proc/self/exe");
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    SL_TRY(sl_crypto_init());
    return hash_program();
}

static const sl_confine_path paths[] = {
    { "state/warden", "/state", SL_PATH_READ | SL_PATH_WRITE },
    { "run/counted", "/counted", SL_PATH_READ },
};
static const sl_confine_profile profile = {
    .name = "warden",
    .may = SL_MAY_FILES | SL_MAY_ACCEPT,
    .paths = paths,
    .path_count = SL_COUNT_OF(paths),
};

const sl_proc_decl sl_wardend_decl = {
    .name = "warden",
    .entry = entry,
    .profile = &profile,
    .peers = { "ledgerd", "keeper", "probe" },
    .listens = { { .name = "admin", .packets = true } },
    .memories = { { SL_EGRESS_KEPT_NAME, sizeof(sl_egress_kept), true } },
    .no_exec = true,
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
