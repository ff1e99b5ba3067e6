/* The core of the ledger's process (ledgerd.h): links in, batches out. */
#include "ledger/ledgerd.h"

#include "base/clock.h"
#include "base/log.h"
#include "ledger/events.gen.h"
#include "ledger/log_read.h"
#include "ledger/protocol.h"
#include "ledger/witnessing.h"

enum {
    PEERS_MAX = 64,
    RANGES_MAX = 512,
    MESSAGES_A_TURN = 64,
    PUBLISH_EVERY_MS = 1000,
    READERS_EVERY_MS = 5,     /* who follows the ledger is told of new leaves so often at most */
    READERS_BEHIND_MAX = 256, /* unless it lags by more leaves than that */
    ANSWER_BYTES_MAX = 120 * 1024,
    SCRUB_EVERY_MS = 1000,
    SCRUB_SAY_MS = 60 * 1000,        /* bad news again */
    SCRUB_GOOD_MS = 60 * 60 * 1000,  /* good news again */
    OLDEST_MS = 24 * 60 * 60 * 1000, /* between two readings of the oldest leaf */
};

/* Events of one message that wait for the commit. */
typedef struct {
    uint64_t first_id;
    uint64_t last_id;
    uint64_t first_index;
} range;

typedef struct {
    sl_ledgerd *d;
    sl_ipc *link; /* NULL: free place */
    bool doomed;  /* to be closed at the end of the turn: it may be in use further up */
    char by[SL_NAME_BYTES_MAX + 1];
    range ranges[RANGES_MAX];
    size_t ranges_n;
    bool reading; /* a READ waits for leaves at `cursor` */
    uint64_t read_id;
    uint64_t cursor;
    uint32_t read_bytes;
} peer;

struct sl_ledgerd {
    sl_tlog *log;
    sl_loop *loop;
    sl_wall_ms *now_ms;
    peer *peers[PEERS_MAX];
    uint64_t timer;
    bool urgent;           /* somebody waits for the batch that is being collected */
    uint64_t soon_timer;   /* 0: not running */
    uint64_t reader_timer; /* while it runs, readers wait; 0: not running */
    bool full;             /* as the last leaf ledger.disk said */
    uint64_t scrub_timer;
    uint64_t scrub_cursor;
    uint64_t said_ms;     /* when the state of the published tiles was last written; 0: never */
    const char *said_bad; /* and what it was; NULL: all is well */
    uint64_t oldest_ms;   /* when the oldest leaf was last read back; 0: never */
    sl_witnessing witnessing;
    sl_disk *disk; /* for what witnesses cosign; NULL: none are asked */
    sl_res result;
};

static void close_peer(peer *p)
{
    if (p->link != NULL) {
        sl_loop_remove(p->d->loop, sl_ipc_fd(p->link));
        sl_ipc_close(p->link);
        p->link = NULL;
        p->doomed = false;
        p->ranges_n = 0;
        p->reading = false;
    }
}

static void fail_all(sl_ledgerd *d, sl_res why)
{
    sl_log_res(SL_LOG_ERROR, "the ledger cannot be written", why);
    d->result = why;
    sl_loop_stop(d->loop);
}

/* A peer that does not take its answers loses the link: the ledger waits for nobody. */
static void tell(peer *p, uint16_t type, uint64_t id, sl_view body)
{
    sl_res r = sl_ipc_send(p->link, type, id, body);

    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "a peer of the ledger does not take its answers", r);
        p->doomed = true;
    }
}

static void acknowledge(peer *p)
{
    uint8_t body[SL_LEDGER_ACK_BYTES];

    for (size_t i = 0; i < p->ranges_n && !p->doomed; i++) {
        sl_put_le64(body, p->ranges[i].first_id);
        sl_put_le64(body + 8, p->ranges[i].last_id);
        sl_put_le64(body + 16, p->ranges[i].first_index);
        tell(p, SL_LEDGER_ACK, p->ranges[i].first_id, sl_view_of(body, sizeof body));
    }
    p->ranges_n = 0;
}

/* Answers a waiting READ; there is something at its cursor. */
static void answer_reader(peer *p)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    uint8_t header[SL_LEDGER_LEAVES_HEADER_BYTES];
    uint64_t size = sl_tlog_size(p->d->log);
    uint32_t count = 0;

    memset(header, 0, sizeof header);
    size_t most = p->read_bytes < ANSWER_BYTES_MAX ? p->read_bytes : ANSWER_BYTES_MAX;
    sl_res r = sl_buf_add(&body, sl_view_of(header, sizeof header));
    if (sl_ok(r)) {
        r = sl_tlog_read(p->d->log, p->cursor, most, &body, &count);
    }
    p->reading = false;
    if (!sl_ok(r)) {
        r = sl_ipc_send_failed(p->link, p->read_id, r);
        p->doomed = !sl_ok(r);
        return;
    }
    sl_put_le64(body.p, p->cursor);
    sl_put_le64(body.p + 8, size);
    sl_put_le32(body.p + 16, count);
    tell(p, SL_LEDGER_LEAVES, p->read_id, sl_buf_view(&body));
}

static bool lives(const peer *p)
{
    return p != NULL && p->link != NULL && !p->doomed;
}

static void serve_readers(sl_ledgerd *d);

static void on_reader_timer(void *context)
{
    sl_ledgerd *d = context;
    d->reader_timer = 0;
    serve_readers(d);
}

/* Several processes follow the ledger, and a batch for each crossing would wake them all each time, while
 * a door waits for its acknowledgement. So they are told at once after a pause, and then every few
 * milliseconds; who lags behind is not held up. */
static void serve_readers(sl_ledgerd *d)
{
    uint64_t size = sl_tlog_size(d->log);
    bool served = false;

    for (size_t i = 0; i < PEERS_MAX; i++) {
        peer *p = d->peers[i];
        if (!lives(p) || !p->reading || p->cursor >= size) {
            continue;
        }
        if (d->reader_timer == 0 || size - p->cursor > READERS_BEHIND_MAX) {
            answer_reader(p);
            served = true;
        }
    }
    if (served && d->reader_timer == 0) {
        sl_res r = sl_loop_after(d->loop, READERS_EVERY_MS, on_reader_timer, d, &d->reader_timer);
        (void)r.code; /* without a timer they are served with each batch */
    }
}

static void commit(sl_ledgerd *d)
{
    sl_res r = sl_tlog_commit(d->log);

    d->urgent = false;
    if (!sl_ok(r)) {
        fail_all(d, r);
        return;
    }
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (lives(d->peers[i])) {
            acknowledge(d->peers[i]);
        }
    }
}

static void on_soon_timer(void *context)
{
    sl_ledgerd *d = context;
    d->soon_timer = 0;
    d->urgent = true; /* the end of this turn commits */
}

/* What nobody waits for may wait itself, for the sync of something else. */
static bool may_wait(sl_ledgerd *d)
{
    if (d->urgent) {
        return false;
    }
    return d->soon_timer != 0 ||
           sl_ok(sl_loop_after(d->loop, SL_LEDGER_SOON_MS, on_soon_timer, d, &d->soon_timer));
}

static void end_turn(void *context)
{
    sl_ledgerd *d = context;

    if (sl_tlog_next(d->log) != sl_tlog_size(d->log) && !may_wait(d)) {
        commit(d);
    }
    if (sl_ok(d->result)) {
        serve_readers(d);
    }
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (d->peers[i] != NULL && d->peers[i]->doomed) {
            close_peer(d->peers[i]);
        }
    }
}

/* The ledger's own leaves. */
static sl_res write_own(sl_ledgerd *d, sl_view event)
{
    uint64_t index = 0;
    sl_res r = sl_tlog_add(d->log, event, "ledgerd", d->now_ms(), &index);

    if (sl_is(r, SL_E_AGAIN)) {
        commit(d);
        SL_TRY(d->result);
        r = sl_tlog_add(d->log, event, "ledgerd", d->now_ms(), &index);
    }
    d->urgent = true;
    return r;
}

sl_res sl_ledgerd_note_start(sl_ledgerd *d, const sl_tlog_report *report)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_digest root = sl_tlog_root(d->log);
    sl_event_ledger_started e = { .size = report->size,
                                  .root = &root,
                                  .recovered = report->replayed,
                                  .torn = report->torn,
                                  .version = SL_LEAF_VERSION };

    SL_TRY(sl_emit_ledger_started(&(sl_event_head){ 0 }, &e, &event));
    SL_TRY(write_own(d, sl_buf_view(&event)));
    return sl_tlog_commit(d->log);
}

/* Says in a leaf, which fits into the reserve, that ordinary leaves are refused, or taken again. */
static void note_disk(sl_ledgerd *d)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    bool full = !sl_tlog_has_room(d->log);
    sl_event_ledger_disk e = { .state = full ? SL_LIT("full") : SL_LIT("free"),
                               .free_bytes = sl_tlog_room(d->log) };

    if (full == d->full) {
        return;
    }
    sl_res r = sl_emit_ledger_disk(&(sl_event_head){ 0 }, &e, &event);
    if (sl_ok(r)) {
        r = write_own(d, sl_buf_view(&event));
    }
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the ledger cannot say that its disk is full", r);
        return;
    }
    d->full = full;
}

static void publish(void *context)
{
    sl_ledgerd *d = context;

    note_disk(d);
    if (sl_tlog_published(d->log) != sl_tlog_size(d->log)) {
        sl_res r = sl_tlog_publish(d->log);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_WARN, "tiles could not be written; they will be tried again", r);
        }
    }
}

/* What the scrub found becomes a leaf, at most once in SCRUB_SAY_MS while it stays so; good news once
 * in SCRUB_GOOD_MS. */
static void say_verified(sl_ledgerd *d, const sl_scrub_found *found)
{
    sl_digest root = sl_tlog_root(d->log);
    sl_event_head head = { 0 };
    sl_event_ledger_verified fields = { .to_size = sl_tlog_published(d->log),
                                        .root = &root,
                                        .ok = found->what == NULL,
                                        .has_first_bad = found->what != NULL,
                                        .first_bad = found->first_bad };
    if (found->what != NULL) {
        fields.what = sl_view_str(found->what);
    }
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_res r = sl_emit_ledger_verified(&head, &fields, &event);
    if (sl_ok(r)) {
        r = write_own(d, sl_buf_view(&event));
    }
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the state of the published tiles could not be recorded", r);
        return;
    }
    d->said_ms = d->now_ms();
    d->said_bad = found->what;
}

/* What is kept for years is read back once a day, from its beginning. */
static sl_res say_oldest(sl_ledgerd *d)
{
    bool ok = false;
    SL_TRY(sl_tlog_read_oldest(d->log, &ok));
    sl_digest root = sl_tlog_root(d->log);
    sl_event_head head = { 0 };
    sl_event_ledger_restored fields = {
        .from_size = 0, .to_size = sl_tlog_published(d->log), .root = &root, .ok = ok
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_ledger_restored(&head, &fields, &event));
    SL_TRY(write_own(d, sl_buf_view(&event)));
    d->oldest_ms = d->now_ms();
    return SL_DONE;
}

static void scrub(void *context)
{
    sl_ledgerd *d = context;
    sl_scrub_found found = { 0 };
    sl_res r = sl_tlog_scrub(d->log, &d->scrub_cursor, &found);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "published tiles could not be read back", r);
        return;
    }
    bool new_state = found.what != d->said_bad || d->said_ms == 0; /* literals of log_scrub.c */
    uint64_t again_ms = found.what == NULL ? SCRUB_GOOD_MS : SCRUB_SAY_MS;
    if (new_state || d->now_ms() > d->said_ms + again_ms) {
        say_verified(d, &found);
    }
    if (sl_tlog_published(d->log) != 0 && d->now_ms() >= d->oldest_ms + OLDEST_MS) {
        r = say_oldest(d);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_WARN, "the oldest leaf could not be read back", r);
        }
    }
}

static sl_res refuse(peer *p, uint64_t first_id, uint64_t last_id, sl_res why)
{
    uint8_t body[SL_LEDGER_NACK_BYTES];

    sl_put_le64(body, first_id);
    sl_put_le64(body + 8, last_id);
    sl_put_le32(body + 16, (uint32_t)why.code);
    return sl_ipc_send(p->link, SL_LEDGER_NACK, first_id, sl_view_of(body, sizeof body));
}

static sl_res add_event(peer *p, sl_view event, uint64_t *ret_index)
{
    sl_ledgerd *d = p->d;
    sl_res r = sl_tlog_add(d->log, event, p->by, d->now_ms(), ret_index);

    if (sl_is(r, SL_E_AGAIN)) {
        commit(d);
        SL_TRY(d->result);
        SL_NEED(!p->doomed, SL_E_CLOSED);
        r = sl_tlog_add(d->log, event, p->by, d->now_ms(), ret_index);
    }
    return r;
}

/* An event was taken. A commit in between has acknowledged what came before: a new range begins then. */
static void note_taken(peer *p, uint64_t id, uint64_t index)
{
    range *last = p->ranges_n == 0 ? NULL : &p->ranges[p->ranges_n - 1];

    if (last != NULL && last->last_id + 1 == id &&
        last->first_index + (id - last->first_id) == index) {
        last->last_id = id;
        return;
    }
    p->ranges[p->ranges_n++] = (range){ .first_id = id, .last_id = id, .first_index = index };
}

/* Takes the events of a message in order; from the first that is refused on, none of the rest. */
static sl_res take_events(peer *p, const sl_ipc_msg *msg, bool urgent)
{
    sl_view rest = msg->body;
    sl_view event;
    uint64_t n = 0;
    uint64_t count = 0;

    for (bool more = true; more;) {
        SL_TRY(sl_bundle_next(&rest, &more, &event));
        count += more;
    }
    rest = msg->body;
    for (bool more = true;; n++) {
        uint64_t index = 0;
        SL_TRY(sl_bundle_next(&rest, &more, &event));
        if (!more) {
            break;
        }
        sl_res r = add_event(p, event, &index);
        if (!sl_ok(r)) {
            SL_TRY(p->d->result);
            SL_NEED(!p->doomed, SL_E_CLOSED);
            SL_TRY(refuse(p, msg->id + n, msg->id + count - 1, r));
            break;
        }
        p->d->urgent |= urgent; /* a commit in between cleared it */
        note_taken(p, msg->id + n, index);
    }
    if (p->ranges_n == RANGES_MAX) {
        commit(p->d);
    }
    return !p->doomed ? SL_DONE : sl_fail(SL_E_CLOSED);
}

static sl_res on_append(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    return take_events(context, msg, true);
}

static sl_res on_append_soon(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    return take_events(context, msg, false);
}

static sl_res on_read(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    peer *p = context;

    (void)link;
    SL_NEED(!p->reading, SL_E_REFUSED);
    p->reading = true;
    p->read_id = msg->id;
    p->cursor = sl_get_le64(msg->body.p);
    p->read_bytes = sl_get_le32(msg->body.p + 8);
    return SL_DONE;
}

static sl_res on_receipt(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    peer *p = context;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
    sl_res r = sl_tlog_receipt(p->d->log, sl_get_le64(msg->body.p), &text);

    return sl_ok(r) ? sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&text))
                    : sl_ipc_send_failed(link, msg->id, r);
}

static sl_res on_state(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    peer *p = context;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX + 8 };
    uint8_t time[8];

    sl_put_le64(time, sl_tlog_time_ms(p->d->log));
    SL_TRY(sl_buf_add(&body, sl_view_of(time, sizeof time)));
    SL_TRY(sl_buf_add(&body, sl_tlog_checkpoint(p->d->log)));
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&body));
}

/* ---- the courier ---- */

static sl_res on_growth(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    peer *p = context;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_proof proof;
    uint8_t count[4];
    sl_res r = sl_tlog_growth(p->d->log, sl_get_le64(msg->body.p), &proof);

    if (!sl_ok(r)) {
        return sl_ipc_send_failed(link, msg->id, r);
    }
    sl_put_le32(count, (uint32_t)proof.n);
    SL_TRY(sl_buf_add(&body, sl_view_of(count, sizeof count)));
    for (size_t i = 0; i < proof.n; i++) {
        SL_TRY(sl_buf_add(&body, sl_digest_view(&proof.hashes[i])));
    }
    SL_TRY(sl_buf_add(&body, sl_tlog_checkpoint(p->d->log)));
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&body));
}

/* First where opening looks, then where readers do. */
static sl_res keep_cosigned(sl_ledgerd *d, uint32_t witness, sl_view note)
{
    char path[32];

    (void)snprintf(path, sizeof path, "outside/%08x", d->witnessing.seats[witness].key.id);
    SL_TRY(d->disk->replace(d->disk, path, note, true));
    return d->disk->replace(d->disk, "checkpoint.cosigned", note, false);
}

static sl_res take_report(sl_ledgerd *d, sl_view body)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_digest root = sl_tlog_root(d->log);
    sl_witness_report report;
    bool keep = false;

    SL_TRY(sl_witness_report_read(body, &report));
    SL_TRY(sl_witnessing_take(&d->witnessing, &report, sl_tlog_size(d->log), &root, d->now_ms(),
                              &event, &keep));
    if (keep && d->disk != NULL) {
        sl_res kept = keep_cosigned(d, report.witness, report.note);
        if (!sl_ok(kept)) {
            sl_log_res(SL_LOG_WARN, "a cosigned checkpoint could not be kept", kept);
        }
    }
    return event.n == 0 ? SL_DONE : write_own(d, sl_buf_view(&event));
}

/* A witness that saw another ledger before we wrote a word: somebody brought back an old copy, and to
 * write on would sign a second history. */
static sl_res on_witnessed(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    peer *p = context;
    sl_res r = take_report(p->d, msg->body);

    if (sl_is(r, SL_E_ROLLBACK) || sl_is(r, SL_E_INTEGRITY)) {
        fail_all(p->d, r);
    }
    return sl_ok(r) ? sl_ipc_send(link, SL_IPC_OK, msg->id, (sl_view){ 0 })
                    : sl_ipc_send_failed(link, msg->id, r);
}

static const sl_ipc_rule COURIER_RULES[] = {
    { SL_LEDGER_STATE, SL_IPC_ANY_PHASE, 0, 0, 0, on_state },
    { SL_LEDGER_GROWTH, SL_IPC_ANY_PHASE, 8, 8, 0, on_growth },
    { SL_LEDGER_WITNESSED, SL_IPC_ANY_PHASE, SL_LEDGER_WITNESSED_HEADER_BYTES,
      SL_LEDGER_WITNESSED_HEADER_BYTES + 2 * SL_CHECKPOINT_BYTES_MAX, 0, on_witnessed },
};
static const sl_ipc_table COURIER_TABLE = { "the courier", COURIER_RULES,
                                            SL_COUNT_OF(COURIER_RULES) };

static const sl_ipc_rule RULES[] = {
    { SL_LEDGER_APPEND, SL_IPC_ANY_PHASE, 3, SL_IPC_BYTES_MAX, 0, on_append },
    { SL_LEDGER_APPEND_SOON, SL_IPC_ANY_PHASE, 3, SL_IPC_BYTES_MAX, 0, on_append_soon },
    { SL_LEDGER_READ, SL_IPC_ANY_PHASE, SL_LEDGER_READ_BYTES, SL_LEDGER_READ_BYTES, 0, on_read },
    { SL_LEDGER_RECEIPT, SL_IPC_ANY_PHASE, 8, 8, 0, on_receipt },
    { SL_LEDGER_STATE, SL_IPC_ANY_PHASE, 0, 0, 0, on_state },
};
static const sl_ipc_table TABLE = { "a peer of the ledger", RULES, SL_COUNT_OF(RULES) };

static void on_ready(void *context, int fd, unsigned events)
{
    peer *p = context;

    (void)fd;
    (void)events;
    sl_res r = sl_ipc_dispatch(p->link, MESSAGES_A_TURN, p);
    if (!sl_ok(r)) {
        if (!sl_is(r, SL_E_CLOSED)) {
            sl_log_res(SL_LOG_WARN, "a peer of the ledger sent what it may not", r);
        }
        close_peer(p);
    }
}

sl_res sl_ledgerd_new(sl_tlog *log, sl_loop *loop, sl_wall_ms *now_ms, sl_ledgerd **ret)
{
    sl_ledgerd *d = calloc(1, sizeof *d);

    if (d == NULL) {
        sl_tlog_free(log);
        return sl_fail(SL_E_MEMORY);
    }
    *d = (sl_ledgerd){ .log = log, .loop = loop, .now_ms = now_ms, .result = SL_DONE };
    sl_res r = sl_loop_every(loop, PUBLISH_EVERY_MS, publish, d, &d->timer);
    if (!sl_ok(r)) {
        sl_ledgerd_free(d);
        return r;
    }
    sl_loop_after_turn(loop, end_turn, d);
    *ret = d;
    return SL_DONE;
}

sl_res sl_ledgerd_scrub(sl_ledgerd *d)
{
    return sl_loop_every(d->loop, SCRUB_EVERY_MS, scrub, d, &d->scrub_timer);
}

sl_res sl_ledgerd_witnesses(sl_ledgerd *d, const sl_config_witness *witnesses, size_t count,
                            sl_disk *disk)
{
    d->disk = disk;
    return sl_witnessing_init(&d->witnessing, sl_tlog_vkey(d->log), witnesses, count);
}

void sl_ledgerd_free(sl_ledgerd *d)
{
    if (d == NULL) {
        return;
    }
    if (sl_ok(d->result)) {
        commit(d); /* what was still to wait for company */
    }
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (d->peers[i] != NULL) {
            close_peer(d->peers[i]);
            free(d->peers[i]);
        }
    }
    sl_loop_cancel(d->loop, d->timer);
    sl_loop_cancel(d->loop, d->scrub_timer);
    sl_loop_cancel(d->loop, d->soon_timer);
    sl_loop_cancel(d->loop, d->reader_timer);
    sl_loop_after_turn(d->loop, NULL, NULL);
    if (sl_ok(d->result)) {
        /* Readers find everything that was acknowledged, also while no ledgerd runs. */
        sl_res published = sl_tlog_publish(d->log);
        (void)published.code; /* the WAL has it; the next start publishes */
    }
    sl_tlog_free(d->log);
    free(d);
}

sl_res sl_ledgerd_add_peer(sl_ledgerd *d, const char *by, int fd)
{
    size_t at = 0;
    sl_ipc *link = NULL;

    bool courier = strcmp(by, "courier") == 0;
    SL_TRY(sl_ipc_open(fd, courier ? &COURIER_TABLE : &TABLE, &link));
    while (at < PEERS_MAX && d->peers[at] != NULL && d->peers[at]->link != NULL) {
        at++;
    }
    if (at < PEERS_MAX && d->peers[at] == NULL) {
        d->peers[at] = calloc(1, sizeof *d->peers[at]);
    }
    if (at == PEERS_MAX || d->peers[at] == NULL || strlen(by) > SL_NAME_BYTES_MAX) {
        sl_ipc_close(link);
        return sl_fail(SL_E_LIMIT);
    }
    peer *p = d->peers[at];
    *p = (peer){ .d = d, .link = link };
    (void)snprintf(p->by, sizeof p->by, "%s", by);
    sl_res r = sl_loop_add(d->loop, sl_ipc_fd(link), SL_LOOP_READ, on_ready, p);
    if (!sl_ok(r)) {
        sl_ipc_close(link);
        p->link = NULL;
    }
    return r;
}

sl_res sl_ledgerd_result(const sl_ledgerd *d)
{
    return d->result;
}
