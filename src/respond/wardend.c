/* The process `warden` (see wardend.h): the links to the ledger, the keeper and the supervisor, the
 * admin socket, the beat. All decisions are in warden.c; nothing here waits for anybody, because a
 * warden that waits stops beating, and then everything is closed. */
#include "respond/wardend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/site_config.h"
#include "crypto/crypto.h"
#include "ledger/client.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "respond/admin.h"
#include "respond/egress_count.h"
#include "respond/playbooks_embedded.h"
#include "respond/responder.h"
#include "respond/warden.h"
#include "respond/witnessed.h"
#include "vault/keeper.h"

#define CLIENTS_MAX 32
#define WAITS_MAX 128
#define READ_BYTES ((uint32_t)(96 * SL_KIB))

typedef struct daemon_state daemon_state;

typedef struct {
    daemon_state *daemon;
    sl_ipc *link; /* NULL: free */
    uint64_t generation;
} admin_client;

/* Somebody waits for an act, the keeper or the supervisor. */
typedef struct {
    uint64_t ticket; /* 0: free */
    admin_client *client;
    uint64_t generation;
    uint64_t id;  /* of the client's request */
    sl_buf reply; /* what to say when it is done */
} waiter;

struct daemon_state {
    sl_proc *self;
    sl_loop *loop;
    sl_warden *warden;
    sl_responder *responder;
    sl_ledger_client *ledger;
    sl_ipc *keeper;
    uint64_t cursor;
    bool reading;
    bool serving;
    bool all_up;
    bool going;       /* down */
    uint32_t missing; /* layers, as the supervisor told */
    uint64_t last_ticket;
    uint64_t last_token;
    sl_vkey log_key; /* of leaf 0; name "": not read yet */
    int counted_fd;  /* where egress counts, one file for each of the slots and one more */
    sl_egress_count count;
    bool read_all;        /* that the ledger held when its link was new */
    uint64_t list_ticket; /* of the status answers that wait for the supervisor */
    admin_client clients[CLIENTS_MAX];
    waiter waits[WAITS_MAX];
    sl_res result;
};

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

/* ---- what the responder does ---- */

static sl_res contain(void *context, sl_containment kind, sl_view target, uint64_t *ret_epoch)
{
    daemon_state *d = context;
    uint64_t id;
    sl_view why = SL_LIT("incident");
    switch (kind) {
    case SL_CONTAIN_CUT:
        return sl_warden_cut(d->warden, SL_VALVE_OF_PRINCIPAL, target);
    case SL_CONTAIN_CLOSE_PRINCIPAL:
        return sl_warden_close(d->warden, SL_VALVE_OF_PRINCIPAL, target, why, 0, ret_epoch);
    case SL_CONTAIN_REVOKE_LEASE:
        /* A lease holds for one epoch of the valve: the next one voids it. */
        return sl_warden_cut(d->warden, SL_VALVE_OF_COMPARTMENT, target);
    case SL_CONTAIN_CLOSE_COMPARTMENT:
        return sl_warden_close(d->warden, SL_VALVE_OF_COMPARTMENT, target, why, 0, ret_epoch);
    case SL_CONTAIN_CLOSE_DOOR:
        return sl_warden_close(d->warden, SL_VALVE_OF_DOOR, target, why, 0, ret_epoch);
    case SL_CONTAIN_KILL_PROCESS:
        return sl_proc_request(d->self, SL_PROC_KILL, target, &id);
    case SL_CONTAIN_CLOSE_SITE:
    case SL_CONTAIN_COUNT:
    default:
        return sl_warden_close(d->warden, SL_VALVE_OF_SITE, SL_LIT("site"), why, 0, ret_epoch);
    }
}

static sl_res record(void *context, sl_view event)
{
    return sl_warden_record(((daemon_state *)context)->warden, event);
}

static sl_res fresh_id(void *context, char ret_id[17])
{
    (void)context;
    uint8_t random[8];
    SL_TRY(sl_random_bytes(random, sizeof random));
    (void)snprintf(ret_id, 17, "%016llx", (unsigned long long)sl_get_be64(random));
    return SL_DONE;
}

static uint64_t mono_us(void *context)
{
    (void)context;
    return sl_clock_mono_ns() / 1000;
}

static sl_res make_responder(daemon_state *d)
{
    sl_responder_ways ways = { contain, record, fresh_id, mono_us, d };
    SL_TRY(sl_responder_new(&ways, &d->responder));
    for (size_t i = 0; i < sl_respond_playbooks_count; i++) {
        const sl_embedded_file *file = &sl_respond_playbooks[i];
        SL_TRY(sl_responder_add_playbook(d->responder, sl_view_of(file->bytes, file->n)));
    }
    return SL_DONE;
}

/* ---- answers to commands ---- */

static void hang_up(admin_client *client)
{
    if (client->link != NULL) {
        if (sl_ipc_fd(client->link) >= 0) {
            sl_loop_remove(client->daemon->loop, sl_ipc_fd(client->link));
        }
        sl_ipc_close(client->link);
        client->link = NULL;
        client->generation++;
    }
}

static void say(admin_client *client, uint64_t id, sl_res done, sl_view body)
{
    if (client->link == NULL) {
        return;
    }
    sl_res sent = sl_ok(done) ? sl_ipc_send(client->link, SL_IPC_OK, id, body)
                              : sl_ipc_send_failed(client->link, id, done);
    (void)sent.code; /* who asks and does not read has itself to blame */
}

static waiter *new_wait(daemon_state *d, admin_client *client, uint64_t id)
{
    for (size_t i = 0; i < WAITS_MAX; i++) {
        if (d->waits[i].ticket == 0) {
            d->waits[i] = (waiter){ .ticket = ++d->last_ticket,
                                    .client = client,
                                    .generation = client->generation,
                                    .id = id,
                                    .reply = { .max = SL_IPC_BYTES_MAX } };
            return &d->waits[i];
        }
    }
    return NULL;
}

static void end_wait(waiter *w, sl_res done)
{
    if (w->client->generation == w->generation) {
        say(w->client, w->id, done, sl_buf_view(&w->reply));
    }
    sl_buf_free(&w->reply);
    *w = (waiter){ .ticket = 0 };
}

static waiter *find_wait(daemon_state *d, uint64_t ticket)
{
    for (size_t i = 0; ticket != 0 && i < WAITS_MAX; i++) {
        if (d->waits[i].ticket == ticket) {
            return &d->waits[i];
        }
    }
    return NULL;
}

static void on_done(void *context, uint64_t ticket, sl_res done, uint64_t index)
{
    (void)index;
    waiter *w = find_wait(context, ticket);
    if (w != NULL) {
        end_wait(w, done);
    }
}

/* ---- requests ---- */

static daemon_state *daemon_of(void *context)
{
    return ((admin_client *)context)->daemon;
}

static sl_res ask_status(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    waiter *w = new_wait(d, context, msg->id);
    if (w == NULL) {
        say(context, msg->id, sl_fail(SL_E_AGAIN), (sl_view){ NULL, 0 });
        return SL_DONE;
    }
    sl_res done = sl_warden_describe(d->warden, &w->reply);
    if (sl_ok(done)) {
        done = sl_buf_add_byte(&w->reply, '\n');
    }
    uint64_t id = 0;
    if (sl_ok(done)) {
        done = sl_proc_request(d->self, SL_PROC_LIST, (sl_view){ NULL, 0 }, &id);
    }
    if (!sl_ok(done)) {
        end_wait(w, done);
        return SL_DONE;
    }
    w->ticket = id | UINT64_C(1) << 63; /* the supervisor's numbers are not ours */
    return SL_DONE;
}

static bool scope_by_name(sl_view name, sl_valve_kind *ret)
{
    static const char *const names[] = { "site", "door", "compartment", "principal" };
    for (unsigned i = 0; i < SL_COUNT_OF(names); i++) {
        if (sl_view_eq_str(name, names[i])) {
            *ret = (sl_valve_kind)i;
            return true;
        }
    }
    return false;
}

static sl_res close_now(daemon_state *d, sl_view body, sl_buf *reply)
{
    sl_view scope_text;
    sl_view rest;
    sl_view target;
    sl_view reason;
    sl_valve_kind scope;
    if (!sl_view_cut(body, ' ', &scope_text, &rest) || !sl_view_cut(rest, ' ', &target, &reason) ||
        reason.n == 0 || !scope_by_name(scope_text, &scope)) {
        return sl_fail_at(SL_E_SYNTAX, "close", SL_NOWHERE);
    }
    uint64_t before = sl_clock_mono_ns();
    uint64_t epoch = 0;
    SL_TRY(sl_warden_close(d->warden, scope, target, reason, 0, &epoch));
    uint64_t took_us = (sl_clock_mono_ns() - before) / 1000;
    return sl_buf_addf(reply, "{\"closed\":true,\"epoch\":%llu,\"turned_us\":%llu}",
                       (unsigned long long)epoch, (unsigned long long)took_us);
}

static sl_res ask_close(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    sl_res done = close_now(daemon_of(context), msg->body, &reply);
    say(context, msg->id, done, sl_buf_view(&reply));
    return SL_DONE;
}

static sl_res ask_down(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    uint64_t id;
    sl_res done =
        sl_proc_request(daemon_of(context)->self, SL_PROC_DOWN, (sl_view){ NULL, 0 }, &id);
    say(context, msg->id, done, (sl_view){ NULL, 0 });
    return SL_DONE;
}

/* A drill's own word: it is a leaf, and proves nothing by itself. */
static sl_res ask_drill(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    bool containment = false;
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_res done = sl_event_check(msg->body, "warden", &containment);
    done = sl_ok(done) ? sl_json_parse(msg->body, &doc) : done;
    if (sl_ok(done) &&
        !sl_json_text_is(sl_json_get(&doc, sl_json_root(&doc), "type"), "drill.ended")) {
        done = sl_fail_at(SL_E_DENIED, "event", SL_NOWHERE);
    }
    done = sl_ok(done) ? sl_warden_append(d->warden, msg->body, 0) : done;
    say(context, msg->id, done, (sl_view){ NULL, 0 });
    return SL_DONE;
}

static sl_res witnessed_event(daemon_state *d, sl_view body, sl_buf *event)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    static sl_site_config config; /* large */
    SL_NEED(d->log_key.name[0] != '\0', SL_E_AGAIN);
    SL_TRY(sl_site_config_read(&arena, sl_proc_config(d->self), &config));
    sl_view keys[SL_CONFIG_WITNESSES_MAX];
    for (size_t i = 0; i < config.ledger.witness_count; i++) {
        keys[i] = config.ledger.witnesses[i].key;
    }
    return sl_witnessed(body, &d->log_key, keys, config.ledger.witness_count,
                        sl_clock_wall_ms() / 1000, event);
}

static sl_res ask_witnessed(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_res done = witnessed_event(d, msg->body, &event);
    waiter *w = sl_ok(done) ? new_wait(d, context, msg->id) : NULL;
    if (sl_ok(done)) {
        done = w == NULL ? sl_fail(SL_E_AGAIN)
                         : sl_warden_append(d->warden, sl_buf_view(&event), w->ticket);
    }
    if (!sl_ok(done) && w != NULL) {
        end_wait(w, done);
    } else if (!sl_ok(done)) {
        say(context, msg->id, done, (sl_view){ NULL, 0 });
    }
    return SL_DONE;
}

static sl_res ask_desk(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    waiter *w = new_wait(d, context, msg->id);
    if (w == NULL) {
        say(context, msg->id, sl_fail(SL_E_AGAIN), (sl_view){ NULL, 0 });
        return SL_DONE;
    }
    bool waits = false;
    uint64_t ticket = w->ticket;
    sl_res done = sl_warden_desk(d->warden, msg->type, msg->body, sl_clock_wall_ms(), ticket,
                                 &w->reply, &waits);
    if (!sl_ok(done) || !waits) {
        end_wait(w, done);
    }
    return SL_DONE;
}

static sl_res ask_keeper(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    waiter *w = d->keeper == NULL ? NULL : new_wait(d, context, msg->id);
    if (w == NULL) {
        say(context, msg->id, sl_fail_at(SL_E_UNAVAILABLE, "keeper", SL_NOWHERE),
            (sl_view){ NULL, 0 });
        return SL_DONE;
    }
    uint16_t type = msg->type == SL_ADMIN_UNLOCK ? SL_KEEPER_UNLOCK : SL_KEEPER_STATUS;
    sl_res sent = sl_ipc_send(d->keeper, type, w->ticket, msg->body);
    if (!sl_ok(sent)) {
        end_wait(w, sent);
    }
    return SL_DONE;
}

static const sl_ipc_rule admin_rules[] = {
    { SL_ADMIN_STATUS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_status },
    { SL_ADMIN_CLOSE, SL_IPC_ANY_PHASE, 1, SL_ADMIN_CLOSE_BYTES_MAX, 0, ask_close },
    { SL_ADMIN_DOWN, SL_IPC_ANY_PHASE, 0, 0, 0, ask_down },
    { SL_ADMIN_DRILL, SL_IPC_ANY_PHASE, 1, SL_LEAF_BYTES_MAX, 0, ask_drill },
    { SL_ADMIN_WITNESSED, SL_IPC_ANY_PHASE, 1, SL_ADMIN_WITNESSED_BYTES_MAX, 0, ask_witnessed },
    { SL_ADMIN_SITE, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_NEED, SL_IPC_ANY_PHASE, 1, SL_STATEMENT_BYTES_MAX, 0, ask_desk },
    { SL_ADMIN_SUBMIT, SL_IPC_ANY_PHASE, 1, SL_ADMIN_SUBMIT_BYTES_MAX, 0, ask_desk },
    { SL_ADMIN_STATEMENT, SL_IPC_ANY_PHASE, 1, 64, 0, ask_desk },
    { SL_ADMIN_PENDING, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_OPERATORS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_COMPARTMENTS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_GRANTS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_KEYS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_desk },
    { SL_ADMIN_UNLOCK, SL_IPC_ANY_PHASE, 1, SL_UNLOCK_BYTES_MAX, 0, ask_keeper },
    { SL_ADMIN_VAULT, SL_IPC_ANY_PHASE, 0, 0, 0, ask_keeper },
};
static const sl_ipc_table admin_table = { "command", admin_rules, SL_COUNT_OF(admin_rules) };

static void on_client(void *context, int fd, unsigned events)
{
    admin_client *client = context;
    (void)events;
    sl_res done = sl_ipc_dispatch(client->link, 8, client);
    if (!sl_ok(done)) {
        sl_loop_remove(client->daemon->loop, fd);
        hang_up(client);
    }
}

static void on_accept(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) {
        return;
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        admin_client *client = &d->clients[i];
        if (client->link == NULL) {
            client->daemon = d;
            sl_res opened = sl_ipc_open(accepted, &admin_table, &client->link);
            if (sl_ok(opened) &&
                !sl_ok(sl_loop_add(d->loop, accepted, SL_LOOP_READ, on_client, client))) {
                hang_up(client);
            }
            return;
        }
    }
    (void)close(accepted);
}

/* ---- keeper ---- */

static sl_res keeper_answered(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    waiter *w = find_wait(context, msg->id);
    if (w == NULL) {
        return SL_DONE; /* the command did not wait for it */
    }
    sl_res done =
        msg->type == SL_IPC_FAILED ? sl_ipc_failed_res(msg) : sl_buf_add(&w->reply, msg->body);
    end_wait(w, done);
    return SL_DONE;
}

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, keeper_answered },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, keeper_answered },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

static void on_keeper(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(d->keeper, 8, d))) {
        sl_loop_remove(d->loop, fd);
        sl_ipc_close_at(&d->keeper);
    }
}

static void take_keeper(daemon_state *d)
{
    int fd = sl_proc_take_link(d->self, "keeper", 0);
    if (fd < 0) {
        return;
    }
    if (d->keeper != NULL) {
        sl_loop_remove(d->loop, sl_ipc_fd(d->keeper));
        sl_ipc_close_at(&d->keeper);
    }
    sl_res made = sl_ipc_open(fd, &keeper_table, &d->keeper);
    if (sl_ok(made)) {
        made = sl_loop_add(d->loop, fd, SL_LOOP_READ, on_keeper, d);
    }
    if (!sl_ok(made)) {
        sl_ipc_close_at(&d->keeper);
    }
}

/* ---- the supervisor ---- */

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_ledger(context);
    take_keeper(context);
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

static void on_answer(void *context, uint64_t id, sl_res done, sl_view body)
{
    waiter *w = find_wait(context, id | UINT64_C(1) << 63);
    if (w != NULL) {
        end_wait(w, sl_ok(done) ? sl_buf_add(&w->reply, body) : done);
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

/* ---- egress's count ---- */

/* A count on its way into the ledger. */
typedef struct {
    daemon_state *daemon;
    sl_counted_side side;
    uint64_t minute;
} telling;

static void on_told(void *context, sl_res result, uint64_t index)
{
    telling *t = context;
    (void)index;
    /* Without a ledger nobody knows whether it was taken: the ledger is asked when it is back. */
    if (!sl_ok(result) && !sl_is(result, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "a count of the egress has to wait", result);
        sl_egress_count_refused(&t->daemon->count, t->side, t->minute);
    }
    free(t);
}

static sl_res tell_count(daemon_state *d, sl_counted_side side, uint64_t minute,
                         sl_minute_count count)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_counted_write(side, "ask", minute, count, &event));
    telling *t = malloc(sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    *t = (telling){ d, side, minute };
    sl_res r = sl_ledger_client_append(d->ledger, sl_buf_view(&event), on_told, t);
    if (!sl_ok(r)) {
        free(t);
    }
    return r;
}

static void on_count(void *context)
{
    daemon_state *d = context;
    int64_t now_ms = sl_clock_wall_ms();
    sl_counted_side side;
    uint64_t minute = 0;
    sl_minute_count count;
    sl_egress_count_look(&d->count, now_ms);
    bool may = d->serving && d->all_up && !d->going && d->read_all;
    while (may && d->ledger != NULL &&
           sl_egress_count_next(&d->count, now_ms, &side, &minute, &count)) {
        sl_res r = tell_count(d, side, minute, count);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_WARN, "a count of the egress has to wait", r);
            sl_egress_count_refused(&d->count, side, minute);
            return;
        }
    }
}

static sl_res begin_counting(daemon_state *d)
{
    uint64_t timer;
    sl_egress_kept *kept = sl_proc_shared(d->self, SL_EGRESS_KEPT_NAME);
    SL_NEED(kept != NULL, SL_E_BUG);
    SL_TRY(sl_dir_open(AT_FDCWD, "/counted", &d->counted_fd));
    sl_egress_count_begin(&d->count, kept, d->counted_fd, sl_clock_wall_ms());
    return sl_loop_every(d->loop, 1000, on_count, d, &timer);
}

/* ---- life ---- */

static sl_res serve(daemon_state *d)
{
    sl_proc_on_relink(d->self, on_relink, d);
    sl_proc_on_news(d->self, on_news, d);
    sl_proc_on_answer(d->self, on_answer, d);
    SL_TRY(sl_loop_add(d->loop, sl_proc_control_fd(d->self), SL_LOOP_READ, on_control, d));
    int admin = sl_proc_listening(d->self, "admin");
    SL_NEED(admin >= 0, SL_E_BUG);
    SL_TRY(sl_loop_add(d->loop, admin, SL_LOOP_READ, on_accept, d));
    uint64_t timer;
    SL_TRY(sl_loop_every(d->loop, SL_VALVE_BEAT_MS, on_beat, d, &timer));
    on_beat(d);
    SL_TRY(begin_counting(d));
    take_ledger(d);
    take_keeper(d);
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
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        hang_up(&d->clients[i]);
    }
    for (size_t i = 0; i < WAITS_MAX; i++) {
        sl_buf_free(&d->waits[i].reply);
    }
    if (d->ledger != NULL) {
        sl_ledger_client_free(d->ledger);
        d->ledger = NULL;
    }
    sl_ipc_close_at(&d->keeper);
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
                                  .done = on_done,
                                  .context = &d };
    SL_TRY(sl_valve_writer_take(options.valves));
    SL_TRY(sl_loop_new(&d.loop));
    sl_res done = sl_warden_new(&options, &d.warden);
    if (sl_ok(done)) {
        done = make_responder(&d);
    }
    if (sl_ok(done)) {
        done = serve(&d);
    }
    put_down(&d);
    return done;
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
    .peers = { "ledgerd", "keeper" },
    .listens = { { .name = "admin", .packets = true } },
    .memories = { { SL_EGRESS_KEPT_NAME, sizeof(sl_egress_kept), true } },
    .no_exec = true,
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
