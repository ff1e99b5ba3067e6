/* The process `courier` (courier.h): its timer, its two sockets. It waits for a witness a few seconds and
 * for nobody else; it must never hand to ledgerd as cosigned what was not answered with 200. */
#include "ledger/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/site_config.h"
#include "crypto/crypto.h"
#include "ledger/protocol.h"
#include "ledger/witness.h"
#include "ledger/witnessing.h"

enum {
    LOOK_EVERY_MS = 1000,
    IDLE_MS = 60 * 1000,  /* a ledger that does not grow is shown again after this */
    ANSWER_MS_MAX = 4000, /* of a witness, with the way there and back */
    LEDGER_MS_MAX = 4000,
    TRIES_MAX = 3, /* 0, what it says it saw, and once more if somebody else asked in between */
};

typedef struct {
    sl_proc *self;
    sl_loop *loop;
    sl_ipc *ledger; /* NULL: lost */
    size_t count;
    bool asked[SL_CONFIG_WITNESSES_MAX]; /* has a place */
    uint64_t seen[SL_CONFIG_WITNESSES_MAX];
    uint64_t every_ms;
    uint64_t round_ms;   /* when the last round began */
    uint64_t round_size; /* what it showed */
    bool round_well;     /* everybody cosigned */
    sl_res result;
} courier;

static const sl_ipc_rule rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table table = { "ledgerd", rules, SL_COUNT_OF(rules) };

static uint64_t mono_ms(void)
{
    return sl_clock_mono_ns() / 1000000;
}

/* ---- one question over HTTP/1.0 ---- */

/* Waits for `events` on `fd`; a word of the supervisor ends the waiting: the site goes down. */
static sl_res wait_for(const courier *c, int fd, short events, uint64_t until_ms)
{
    struct pollfd p[2] = { { .fd = fd, .events = events },
                           { .fd = sl_proc_control_fd(c->self), .events = POLLIN } };
    uint64_t now = mono_ms();
    SL_NEED(now < until_ms, SL_E_TIMEOUT);
    int n = poll(p, 2, (int)(until_ms - now));
    if (n < 0 && errno != EINTR) {
        return sl_fail_os(SL_E_IO, "poll");
    }
    SL_NEED(p[1].revents == 0, SL_E_CLOSED);
    return n == 0 ? sl_fail(SL_E_TIMEOUT) : SL_DONE;
}

static sl_res reach_egress(int *ret_fd)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/witness.sock" };
    SL_OWN(int, fd, sl_fd_close) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        return sl_fail_os(SL_E_UNAVAILABLE, "egress");
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static sl_res send_all(const courier *c, int fd, sl_view bytes, uint64_t until_ms)
{
    while (bytes.n != 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n > 0) {
            bytes = sl_view_sub(bytes, (size_t)n, bytes.n);
        } else if (errno == EAGAIN) {
            SL_TRY(wait_for(c, fd, POLLOUT, until_ms));
        } else if (errno != EINTR) {
            return sl_fail_os(SL_E_UNAVAILABLE, "egress");
        }
    }
    return SL_DONE;
}

static sl_res receive_all(const courier *c, int fd, uint64_t until_ms, sl_buf *out)
{
    uint8_t part[4096];
    for (;;) {
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n == 0) {
            return SL_DONE;
        }
        if (n > 0) {
            SL_TRY(sl_buf_add(out, sl_view_of(part, (size_t)n)));
        } else if (errno == EAGAIN) {
            SL_TRY(wait_for(c, fd, POLLIN, until_ms));
        } else if (errno != EINTR) {
            return sl_fail_os(SL_E_UNAVAILABLE, "egress");
        }
    }
}

static sl_res post(const courier *c, size_t witness, sl_view body, sl_buf *answer)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 256 };
    uint64_t until_ms = mono_ms() + ANSWER_MS_MAX;
    SL_TRY(sl_buf_addf(&head, "POST /w%zu/add-checkpoint HTTP/1.0\r\nContent-Length: %zu\r\n\r\n",
                       witness, body.n));
    SL_TRY(reach_egress(&fd));
    SL_TRY(send_all(c, fd, sl_buf_view(&head), until_ms));
    SL_TRY(send_all(c, fd, body, until_ms));
    return receive_all(c, fd, until_ms, answer);
}

/* ---- one witness ---- */

/* Asks from what it saw last; `note` gets the checkpoint and, when cosigned, its line. */
static sl_res ask_from(courier *c, size_t witness, sl_buf *note)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = SL_WITNESS_REQUEST_BYTES_MAX };
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    sl_ipc_msg msg = { 0 };
    sl_courier_answer answer;
    sl_proof proof;
    sl_view checkpoint;
    uint64_t size = 0;
    uint8_t old[8];
    sl_put_le64(old, c->seen[witness]);
    SL_TRY(sl_ipc_ask(c->ledger, SL_LEDGER_GROWTH, sl_view_of(old, 8), LEDGER_MS_MAX, &msg));
    sl_res r = sl_courier_growth_read(msg.body, &proof, &checkpoint, &size);
    sl_buf_clear(note);
    r = sl_ok(r) ? sl_buf_add(note, checkpoint) : r;
    sl_ipc_msg_clear(&msg);
    SL_TRY(r);
    SL_TRY(sl_witness_request(c->seen[witness], &proof, sl_buf_view(note), &request));
    SL_TRY(post(c, witness, sl_buf_view(&request), &whole));
    if (!sl_ok(sl_courier_answer_read(sl_buf_view(&whole), &answer))) {
        return sl_fail(SL_E_UNAVAILABLE);
    }
    uint64_t seen = c->seen[witness];
    r = sl_courier_judge(&answer, c->seen[witness], size, &seen);
    if (sl_is(r, SL_E_AGAIN) || sl_is(r, SL_E_ROLLBACK)) {
        c->seen[witness] = seen;
    }
    SL_TRY(r);
    c->round_size = size > c->round_size ? size : c->round_size;
    c->seen[witness] = size;
    return sl_buf_add(note, answer.body);
}

static sl_res report(courier *c, const sl_witness_report *said)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_ipc_msg msg = { 0 };
    SL_TRY(sl_witness_report_add(said, &body));
    SL_TRY(sl_ipc_ask(c->ledger, SL_LEDGER_WITNESSED, sl_buf_view(&body), LEDGER_MS_MAX, &msg));
    sl_ipc_msg_clear(&msg);
    return SL_DONE;
}

/* SL_E_CLOSED: the ledger or the site ends. */
static sl_res ask_one(courier *c, size_t witness)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    sl_witness_report said = { .witness = (uint32_t)witness };
    sl_res r = sl_fail(SL_E_AGAIN);
    for (int i = 0; i < TRIES_MAX && sl_is(r, SL_E_AGAIN); i++) {
        said.seen = c->seen[witness];
        r = ask_from(c, witness, &note);
    }
    if (sl_is(r, SL_E_CLOSED)) {
        return r;
    }
    if (sl_is(r, SL_E_RANGE) || sl_is(r, SL_E_ROLLBACK)) {
        /* It has seen more than there is: ledgerd has no proof from there. */
        said.seen = c->seen[witness];
        r = sl_fail(SL_E_ROLLBACK);
        c->seen[witness] = 0;
    }
    said.code = r.code;
    said.note = sl_ok(r) ? sl_buf_view(&note) : (sl_view){ NULL, 0 };
    c->round_well = c->round_well && sl_ok(r);
    return report(c, &said);
}

static sl_res ask_all(courier *c)
{
    c->round_ms = mono_ms();
    c->round_well = true;
    for (size_t i = 0; i < c->count; i++) {
        if (c->asked[i]) {
            SL_TRY(ask_one(c, i));
        }
    }
    return SL_DONE;
}

/* ---- the process ---- */

static void end_with(courier *c, sl_res why)
{
    c->result = why;
    sl_loop_stop(c->loop);
}

static sl_res ledger_size(courier *c, uint64_t *ret_size)
{
    sl_ipc_msg msg = { 0 };
    sl_note note;
    sl_checkpoint checkpoint;
    SL_TRY(sl_ipc_ask(c->ledger, SL_LEDGER_STATE, (sl_view){ 0 }, LEDGER_MS_MAX, &msg));
    sl_res r = sl_note_split(sl_view_sub(msg.body, 8, msg.body.n), &note);
    r = sl_ok(r) ? sl_checkpoint_parse(note.text, &checkpoint) : r;
    sl_ipc_msg_clear(&msg);
    SL_TRY(r);
    *ret_size = checkpoint.size;
    return SL_DONE;
}

/* Due when the ledger grew by more than what the last round itself wrote, or nobody cosigned; and never
 * faster than config.yml says. */
static sl_res look(courier *c)
{
    uint64_t size = 0;
    uint64_t since_ms = mono_ms() - c->round_ms;
    if (c->ledger == NULL || since_ms < c->every_ms) {
        return SL_DONE;
    }
    SL_TRY(ledger_size(c, &size));
    bool due = !c->round_well || size > c->round_size + 1 || since_ms >= IDLE_MS;
    return due ? ask_all(c) : SL_DONE;
}

static void drop_ledger(courier *c)
{
    sl_ipc_close(c->ledger);
    c->ledger = NULL;
}

static void on_look(void *context)
{
    courier *c = context;
    sl_res r = look(c);
    if (!sl_ok(r) && c->ledger != NULL) {
        sl_log_res(SL_LOG_WARN, "the witnesses were not asked", r);
        drop_ledger(c); /* a late answer must not be taken for the next one */
    }
}

static void take_ledger(courier *c)
{
    int fd = sl_proc_take_link(c->self, "ledgerd", 0);
    if (fd < 0) {
        return;
    }
    if (c->ledger != NULL) {
        drop_ledger(c);
    }
    sl_res r = sl_ipc_open(fd, &table, &c->ledger);
    if (!sl_ok(r)) {
        c->ledger = NULL;
        end_with(c, r);
    }
    c->round_well = false;
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_ledger(context);
}

static void on_control(void *context, int fd, unsigned events)
{
    courier *c = context;
    (void)fd;
    (void)events;
    sl_res r = sl_proc_pump(c->self);
    if (!sl_ok(r)) {
        end_with(c, r);
    }
}

static sl_res read_config(courier *c)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    static sl_site_config config; /* large */
    SL_TRY(sl_site_config_read(&arena, sl_proc_config(c->self), &config));
    c->count = config.ledger.witness_count;
    c->every_ms = (uint64_t)config.ledger.witness_ms_min;
    for (size_t i = 0; i < c->count; i++) {
        c->asked[i] = config.ledger.witnesses[i].url.n != 0;
    }
    return SL_DONE;
}

static sl_res serve(courier *c)
{
    uint64_t timer = 0;
    SL_TRY(read_config(c));
    sl_proc_on_relink(c->self, on_relink, c);
    SL_TRY(sl_loop_add(c->loop, sl_proc_control_fd(c->self), SL_LOOP_READ, on_control, c));
    SL_TRY(sl_loop_every(c->loop, LOOK_EVERY_MS, on_look, c, &timer));
    take_ledger(c);
    SL_TRY(c->result);
    SL_NEED(c->ledger != NULL, SL_E_UNAVAILABLE);
    sl_res first = ask_all(c);
    if (!sl_ok(first)) {
        sl_log_res(SL_LOG_WARN, "the witnesses were not asked", first);
        drop_ledger(c);
    }
    SL_TRY(sl_proc_serving(c->self));
    SL_TRY(sl_loop_run(c->loop));
    return sl_is(c->result, SL_E_CLOSED) ? SL_DONE : c->result;
}

static sl_res entry(sl_proc *self)
{
    static courier c; /* one for each process */
    c = (courier){ .self = self, .result = SL_DONE };
    SL_TRY(sl_loop_new(&c.loop));
    sl_res r = serve(&c);
    if (c.ledger != NULL) {
        sl_ipc_close(c.ledger);
    }
    sl_loop_free(c.loop);
    return r;
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

static bool wanted(sl_view text)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    static sl_site_config config; /* large */
    bool any = false;
    if (!sl_ok(sl_site_config_read(&arena, text, &config))) {
        return false; /* every other process says what is wrong with it */
    }
    for (size_t i = 0; i < config.ledger.witness_count; i++) {
        any = any || config.ledger.witnesses[i].url.n != 0;
    }
    return any;
}

static const sl_confine_path paths[] = {
    { "run/sock/witness.sock", "/witness.sock", SL_PATH_SOCKET },
};
static const sl_confine_profile profile = {
    .name = "courier",
    .may = SL_MAY_CONNECT,
    .paths = paths,
    .path_count = SL_COUNT_OF(paths),
};

const sl_proc_decl sl_courier_decl = {
    .name = "courier",
    .entry = entry,
    .profile = &profile,
    .wanted = wanted,
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
