/* What commands ask of the warden (admin.h) and who answers: the warden's core, the keeper, the probe or the
 * supervisor. Nothing here waits; who waits is kept in a table until the answer comes. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/site_config.h"
#include "respond/admin.h"
#include "respond/probe_link.h"
#include "respond/wardend_internal.h"
#include "respond/witnessed.h"
#include "vault/keeper.h"

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

void sl_wardend_done(void *context, uint64_t ticket, sl_res done, uint64_t index)
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

/* What a command may tell: its own word. It is a leaf, and proves no more than who could run the command. */
static bool may_be_told(const sl_json_node *type)
{
    static const char *const types[] = { "drill.ended", "inventory.compared", "vendor.checked",
                                         "bom.scanned", "model.loaded" };
    for (size_t i = 0; i < SL_COUNT_OF(types); i++) {
        if (sl_json_text_is(type, types[i])) {
            return true;
        }
    }
    return false;
}

static sl_res ask_tell(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    bool containment = false;
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_res done = sl_event_check(msg->body, "warden", &containment);
    done = sl_ok(done) ? sl_json_parse(msg->body, &doc) : done;
    if (sl_ok(done) && !may_be_told(sl_json_get(&doc, sl_json_root(&doc), "type"))) {
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

/* What a key's holder would send, sent by one who has no right to a key. */
static sl_res probe_order(sl_view compartment, sl_buf *order)
{
    sl_lease_request request = { 0 };
    uint8_t type[2] = { SL_KEEPER_LEASE & 0xff, SL_KEEPER_LEASE >> 8 };
    SL_TRY(sl_name_set(request.compartment, compartment));
    SL_TRY(sl_name_set(request.purpose, SL_LIT("roster")));
    SL_TRY(sl_buf_add(order, sl_view_of(type, sizeof type)));
    return sl_lease_request_encode(&request, order);
}

static sl_res ask_probe(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    daemon_state *d = daemon_of(context);
    SL_OWN(sl_buf, order, sl_buf_free) = { .max = SL_PROBE_TRY_BYTES_MAX };
    sl_res done = d->probe == NULL ? sl_fail_at(SL_E_UNAVAILABLE, "probe", SL_NOWHERE)
                                   : probe_order(msg->body, &order);
    waiter *w = sl_ok(done) ? new_wait(d, context, msg->id) : NULL;
    if (w == NULL) {
        say(context, msg->id, sl_ok(done) ? sl_fail(SL_E_AGAIN) : done, (sl_view){ NULL, 0 });
        return SL_DONE;
    }
    done = sl_ipc_send(d->probe, SL_PROBE_TRY, w->ticket, sl_buf_view(&order));
    if (!sl_ok(done)) {
        end_wait(w, done);
    }
    return SL_DONE;
}

static const sl_ipc_rule admin_rules[] = {
    { SL_ADMIN_STATUS, SL_IPC_ANY_PHASE, 0, 0, 0, ask_status },
    { SL_ADMIN_CLOSE, SL_IPC_ANY_PHASE, 1, SL_ADMIN_CLOSE_BYTES_MAX, 0, ask_close },
    { SL_ADMIN_DOWN, SL_IPC_ANY_PHASE, 0, 0, 0, ask_down },
    { SL_ADMIN_TELL, SL_IPC_ANY_PHASE, 1, SL_LEAF_BYTES_MAX, 0, ask_tell },
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
    { SL_ADMIN_PROBE, SL_IPC_ANY_PHASE, 1, SL_NAME_BYTES_MAX, 0, ask_probe },
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
            if (sl_ok(opened)) {
                sl_ipc_set_secret(client->link); /* a passphrase may come */
            }
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

/* A peer that this process asks: its descriptor may come again when it was started anew. */
static void take_peer(daemon_state *d, const sl_ipc_table *peer_table, sl_ipc **slot,
                      sl_loop_io on_event)
{
    int fd = sl_proc_take_link(d->self, peer_table->peer, 0);
    if (fd < 0) {
        return;
    }
    if (*slot != NULL) {
        sl_loop_remove(d->loop, sl_ipc_fd(*slot));
        sl_ipc_close_at(slot);
    }
    sl_res made = sl_ipc_open(fd, peer_table, slot);
    if (sl_ok(made)) {
        made = sl_loop_add(d->loop, fd, SL_LOOP_READ, on_event, d);
    }
    if (!sl_ok(made)) {
        sl_ipc_close_at(slot);
    }
}

static void hear_peer(daemon_state *d, sl_ipc **slot, int fd)
{
    if (!sl_ok(sl_ipc_dispatch(*slot, 8, d))) {
        sl_loop_remove(d->loop, fd);
        sl_ipc_close_at(slot);
    }
}

static void on_keeper(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)events;
    hear_peer(d, &d->keeper, fd);
}

void sl_wardend_take_keeper(daemon_state *d)
{
    take_peer(d, &keeper_table, &d->keeper, on_keeper);
}

void sl_wardend_answered(void *context, uint64_t id, sl_res done, sl_view body)
{
    daemon_state *d = context;
    if (d->facts_id != 0 && id == d->facts_id) {
        d->facts_id = 0;
        sl_wardend_facts(d, done, body);
        return;
    }
    waiter *w = find_wait(context, id | UINT64_C(1) << 63);
    if (w != NULL) {
        end_wait(w, sl_ok(done) ? sl_buf_add(&w->reply, body) : done);
    }
}

/* ---- probe ---- */

static sl_res probe_answered(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    return sl_wardend_probed(context, msg) ? SL_DONE : keeper_answered(link, msg, context);
}

static const sl_ipc_rule probe_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 1, SL_EGRESS_WAYS, 0, probe_answered },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, probe_answered },
};
static const sl_ipc_table probe_table = { "probe", probe_rules, SL_COUNT_OF(probe_rules) };

static void on_probe(void *context, int fd, unsigned events)
{
    daemon_state *d = context;
    (void)events;
    hear_peer(d, &d->probe, fd);
}

void sl_wardend_take_probe(daemon_state *d)
{
    take_peer(d, &probe_table, &d->probe, on_probe);
}

/* ---- beginning and end ---- */

sl_res sl_wardend_listen(daemon_state *d)
{
    int admin = sl_proc_listening(d->self, "admin");
    SL_NEED(admin >= 0, SL_E_BUG);
    return sl_loop_add(d->loop, admin, SL_LOOP_READ, on_accept, d);
}

void sl_wardend_hang_up_all(daemon_state *d)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        hang_up(&d->clients[i]);
    }
    for (size_t i = 0; i < WAITS_MAX; i++) {
        sl_buf_free(&d->waits[i].reply);
    }
    sl_ipc_close_at(&d->keeper);
    sl_ipc_close_at(&d->probe);
}
