/* The process `ask` of a site: its place, its peers, its loop. Crossings are carried by serve.c; what
 * it knows of principals it folds from the ledger's leaves. It serves when it has folded all that
 * the ledger held at its start. */
#include "doors/ask/daemon.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/minutes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "doors/ask/known.h"
#include "doors/ask/orphans.h"
#include "doors/ask/rosters.h"
#include "doors/ask/serve.h"
#include "doors/ask/shared.h"
#include "doors/ask/strangers.h"
#include "ledger/client.h"
#include "ledger/counted.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "vault/confirm.h"
#include "vault/keeper.h"

enum {
    LEAVES_BYTES_MAX = 64 * 1024,
    LEASE_MS_MAX = 5 * 1000,
    LEASE_AGAIN_MS = 2 * 1000,
    CONFIRM_MS_MAX = 300,
    CONFIRM_AGAIN_MS = 5 * 1000,
    CONFIRM_BUDGET_MS = 500,
    COMPARES_MAX = 8, /* on their way at once */
    CATCH_UP_MS_MAX = 60 * 1000,
    CONNECTIONS_MAX = 2048,
    POOL_MAX = 64,
    STALL_MS_MAX = 60 * 1000,
    PROCESSES_DEFAULT = 4,
};

static const sl_confine_path PATHS[] = {
    { "run/sock/egress.sock", "/egress.sock", SL_PATH_SOCKET },
    { "policy", "/policy", SL_PATH_READ },
    { "state/roster", "/roster", SL_PATH_READ },
};

static const sl_confine_profile PROFILE = {
    .name = "ask",
    .may = SL_MAY_FILES | SL_MAY_CONNECT | SL_MAY_ACCEPT,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
    .files_max = 2 * CONNECTIONS_MAX + 256,
};

/* A question to the keeper whether a text is a record's, and the crossing that waits for it. */
typedef struct {
    uint64_t id; /* of the message; 0: free */
    uint64_t token;
    bool answered;
    sl_echo_answer answer;
} compare_wait;

typedef struct {
    sl_proc *self;
    sl_loop *loop;
    sl_ask_config config;
    sl_ask_known *known;
    sl_ask_site site;
    sl_detect *detect; /* without rosters */
    sl_ask_rosters *rosters;
    int roster_fd;
    sl_ask_keys keys;
    uint64_t keys_again_ms;
    uint64_t confirm_again_ms;
    sl_ipc *keeper; /* NULL: lost */
    compare_wait compares[COMPARES_MAX];
    uint64_t answers_due; /* timer; 0: none */
    sl_scratch *scratch;
    sl_ask_inject inject;
    sl_buf policy_text; /* the site's own, empty where the program's serves */
    sl_buf flow_text;   /* likewise */
    bool has_digest;
    sl_flow_rules *flow_rules;
    sl_policy *policy;
    sl_ledger_client *ledger;
    sl_ask_server *server;
    sl_strangers strangers;
    sl_ask_kept *kept;     /* shared with the other processes of the door */
    sl_ask_shared *shared; /* likewise */
    sl_minutes minutes;    /* what was forwarded */
    sl_ask_health health;
    bool told_sick[SL_UPSTREAMS_MAX];
    sl_ask_orphans *orphans; /* large */
    uint64_t acked;          /* the highest index of a leaf of ours that is durable */
    uint64_t orphans_from;   /* behind this leaf it is certain who is an orphan */
    bool orphans_due;
    bool
        orphans_made; /* a leaf of ours was refused, or came too late: perhaps a crossing stays open */
    size_t ends_out; /* outcomes of orphans on their way */
    bool reading;    /* a question for leaves is out */
    bool caught_up;
    sl_res result;
} ask_state;

/* ---- the ledger ---- */

typedef struct {
    ask_state *ask;
    uint64_t token;
} waiting;

static void on_recorded(void *context, sl_res result, uint64_t index)
{
    waiting *w = context;
    w->ask->acked = sl_ok(result) && index > w->ask->acked ? index : w->ask->acked;
    /* The link answers for what is outstanding when it is freed: the server may be gone by then. */
    bool awaited = w->ask->server != NULL &&
                   sl_ask_server_recorded(w->ask->server, w->token, sl_ok(result), index);
    w->ask->orphans_made |= !sl_ok(result) || !awaited;
    free(w);
}

static sl_res append(void *context, sl_view event, uint64_t token, bool soon)
{
    ask_state *s = context;
    SL_NEED(s->ledger != NULL, SL_E_CLOSED);
    waiting *w = calloc(1, sizeof *w);
    SL_NEED(w != NULL, SL_E_MEMORY);
    *w = (waiting){ s, token };
    sl_res r = soon ? sl_ledger_client_append_soon(s->ledger, event, on_recorded, w)
                    : sl_ledger_client_append(s->ledger, event, on_recorded, w);
    if (!sl_ok(r)) {
        free(w);
    }
    return r;
}

/* ---- rosters ---- */

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_KEY_BYTES + 8, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

static void rest_from_comparing(ask_state *s, sl_res why)
{
    s->confirm_again_ms = sl_clock_boot_ns() / 1000000 +
                          (sl_is(why, SL_E_BUDGET) ? CONFIRM_BUDGET_MS : CONFIRM_AGAIN_MS);
    sl_log_res(SL_LOG_WARN, "records are not compared, strong matches alone count", why);
}

/* Questions about records are on their way while leases are asked for on the same link: answers that belong to a
 * question are put aside for their crossing. */
static void take_answer(ask_state *s, const sl_ipc_msg *msg)
{
    for (size_t i = 0; i < COMPARES_MAX; i++) {
        compare_wait *w = &s->compares[i];
        if (w->id != msg->id || w->id == 0 || w->answered) {
            continue;
        }
        sl_confirm_answer answer = { 0 };
        bool compared = msg->type == SL_IPC_OK;
        sl_res r = compared ? sl_confirm_answer_decode(msg->body, &answer) : sl_ipc_failed_res(msg);
        w->answered = true;
        w->answer = SL_ECHO_UNKNOWN; /* a failure refutes nothing */
        if (compared && sl_ok(r)) {
            w->answer = answer.confirmed ? SL_ECHO_SAME : SL_ECHO_OTHER;
        } else if (!sl_is(r, SL_E_NOT_FOUND) && !sl_is(r, SL_E_LIMIT) &&
                   !sl_is(r, SL_E_UNSUPPORTED)) {
            rest_from_comparing(s, r);
        }
        return;
    }
}

static void give_answers(void *context)
{
    ask_state *s = context;
    s->answers_due = 0;
    for (size_t i = 0; i < COMPARES_MAX; i++) {
        compare_wait *w = &s->compares[i];
        if (w->id != 0 && w->answered) {
            compare_wait one = *w;
            *w = (compare_wait){ 0 };
            if (s->server != NULL) {
                sl_ask_server_compared(s->server, one.token, one.answer);
            }
        }
    }
}

/* Who waits is told in the next turn: not in the middle of somebody else's question. */
static void give_answers_soon(ask_state *s)
{
    if (s->answers_due == 0 &&
        !sl_ok(sl_loop_after(s->loop, 0, give_answers, s, &s->answers_due))) {
        s->answers_due = 0; /* the sweep ends their waiting */
    }
}

static void drop_keeper(ask_state *s)
{
    if (s->keeper == NULL) {
        return;
    }
    sl_loop_remove(s->loop, sl_ipc_fd(s->keeper));
    sl_ipc_close_at(&s->keeper);
    for (size_t i = 0; i < COMPARES_MAX; i++) {
        s->compares[i].answered = s->compares[i].id != 0;
    }
    give_answers_soon(s);
}

static void on_keeper(void *context, int fd, unsigned events)
{
    ask_state *s = context;
    (void)fd;
    (void)events;
    for (;;) {
        sl_ipc_msg msg;
        sl_res r = sl_ipc_receive(s->keeper, &msg);
        if (sl_is(r, SL_E_AGAIN)) {
            break;
        }
        if (!sl_ok(r)) {
            drop_keeper(s); /* the supervisor gives a new link */
            return;
        }
        take_answer(s, &msg);
        sl_ipc_msg_clear(&msg);
    }
    give_answers(s);
}

static sl_res take_keeper(ask_state *s)
{
    int fd = sl_proc_take_link(s->self, "keeper", 0);
    if (fd < 0) {
        return SL_DONE;
    }
    drop_keeper(s);
    SL_TRY(sl_ipc_open(fd, &keeper_table, &s->keeper));
    sl_res r = sl_loop_add(s->loop, sl_ipc_fd(s->keeper), SL_LOOP_READ, on_keeper, s);
    if (!sl_ok(r)) {
        sl_ipc_close_at(&s->keeper);
    }
    return r;
}

/* As sl_ipc_ask, with answers to other questions kept for those who wait for them. */
static sl_res ask_keeper(ask_state *s, uint16_t type, sl_view body, sl_ipc_msg *ret_answer)
{
    uint64_t id = sl_ipc_next_id(s->keeper);
    uint64_t end_ms = sl_clock_boot_ns() / 1000000 + LEASE_MS_MAX;
    SL_TRY(sl_ipc_send_wait(s->keeper, type, id, body, LEASE_MS_MAX));
    for (;;) {
        uint64_t now_ms = sl_clock_boot_ns() / 1000000;
        SL_NEED(now_ms < end_ms, SL_E_TIMEOUT);
        SL_TRY(sl_ipc_receive_wait(s->keeper, (int)(end_ms - now_ms), ret_answer));
        if (ret_answer->id == id) {
            break;
        }
        take_answer(s, ret_answer);
        sl_ipc_msg_clear(ret_answer);
        give_answers_soon(s);
    }
    if (ret_answer->type == SL_IPC_FAILED) {
        sl_res why = sl_ipc_failed_res(ret_answer);
        sl_ipc_msg_clear(ret_answer);
        return why;
    }
    return SL_DONE;
}

static sl_res lease_key(void *context, const char *compartment, const char *purpose,
                        uint8_t ret_key[32])
{
    ask_state *s = context;
    sl_lease_request request = { 0 };
    sl_ipc_msg answer;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_LEASE_REQUEST_BYTES };
    SL_NEED(s->keeper != NULL, SL_E_UNAVAILABLE);
    SL_TRY(sl_name_set(request.compartment, sl_view_str(compartment)));
    SL_TRY(sl_name_set(request.purpose, sl_view_str(purpose)));
    SL_TRY(sl_lease_request_encode(&request, &body));
    sl_res asked = ask_keeper(s, SL_KEEPER_LEASE, sl_buf_view(&body), &answer);
    if (sl_is(asked, SL_E_CLOSED) || sl_is(asked, SL_E_TIMEOUT)) {
        drop_keeper(s);
    }
    SL_TRY(asked);
    bool whole = answer.body.n == SL_KEY_BYTES + 8;
    if (whole) {
        memcpy(ret_key, answer.body.p, 32);
    }
    sl_ipc_msg_clear(&answer);
    sl_ipc_forget(s->keeper);
    return whole ? SL_DONE : sl_fail(SL_E_SYNTAX);
}

/* ---- records compared ---- */

static sl_res send_question(ask_state *s, const sl_echo_question *q, uint64_t id)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_CONFIRM_REQUEST_BYTES_MAX };
    sl_confirm_request request = { .offset = q->place->offset,
                                   .length = q->place->length,
                                   .source = q->place->source,
                                   .text = q->text };
    SL_TRY(sl_name_set(request.compartment, q->index));
    SL_TRY(sl_confirm_request_encode(&request, &body));
    return sl_ipc_send(s->keeper, SL_KEEPER_ECHO_CONFIRM, id, sl_buf_view(&body));
}

/* Puts a question on its way. False: nobody compares now. */
static bool ask_for_comparison(void *context, const sl_echo_question *q, uint64_t token)
{
    ask_state *s = context;
    if (s->keeper == NULL || sl_clock_boot_ns() / 1000000 < s->confirm_again_ms) {
        return false;
    }
    for (size_t i = 0; i < COMPARES_MAX; i++) {
        compare_wait *w = &s->compares[i];
        if (w->id != 0) {
            continue;
        }
        uint64_t id = sl_ipc_next_id(s->keeper);
        sl_res r = send_question(s, q, id);
        if (!sl_ok(r)) {
            rest_from_comparing(s, r);
            return false;
        }
        *w = (compare_wait){ .id = id, .token = token };
        return true;
    }
    return false;
}

/* Who did not answer in time is not asked again for a while. */
static void comparison_is_late(void *context, uint64_t token)
{
    ask_state *s = context;
    for (size_t i = 0; i < COMPARES_MAX; i++) {
        if (s->compares[i].id != 0 && s->compares[i].token == token) {
            s->compares[i] = (compare_wait){ 0 };
        }
    }
    rest_from_comparing(s, sl_fail(SL_E_TIMEOUT));
}

static sl_echo_answer compare(void *context, const sl_echo_question *question)
{
    const ask_state *s = context;
    return s->server == NULL ? SL_ECHO_UNKNOWN : sl_ask_server_compare(s->server, question);
}

/* New rosters are another snapshot; crossings that run keep the one they began with. */
static sl_res refresh_rosters(ask_state *s)
{
    const sl_detect *before = s->site.detect;
    SL_TRY(sl_ask_rosters_refresh(s->rosters, sl_ask_known_folded(s->known), lease_key, s,
                                  &s->site.detect));
    if (!s->has_digest || s->site.detect != before) {
        sl_digest digest =
            sl_ask_snapshot_digest(s->rosters, sl_proc_config(s->self),
                                   sl_buf_view(&s->policy_text), sl_buf_view(&s->flow_text));
        memcpy(s->site.policy_digest, digest.b, sizeof digest.b);
        s->has_digest = true;
    }
    return SL_DONE;
}

/* A refused lease is a leaf, and every leaf brings us here: not sooner than after a while. A crossing
 * that needs a key which is missing is refused. */
static void keep_keys(void *context)
{
    ask_state *s = context;
    uint64_t now_ms = sl_clock_boot_ns() / 1000000;
    if (now_ms < s->keys_again_ms) {
        return;
    }
    sl_res r = sl_ask_leases_refresh(&s->keys, sl_ask_known_folded(s->known), lease_key, s);
    if (!sl_ok(r)) {
        s->keys_again_ms = now_ms + LEASE_AGAIN_MS;
        sl_log_res(SL_LOG_WARN, "a compartment's keys cannot be leased", r);
    }
}

/* An open compartment whose people are not known here must not be asked about: the process ends, and
 * after its restart waits until they are. */
static void keep_rosters(void *context)
{
    ask_state *s = context;
    keep_keys(s);
    sl_res r = refresh_rosters(s);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "the rosters cannot be had", r);
        s->result = r;
        sl_loop_stop(s->loop);
    }
}

/* At the start: until the vault is unlocked and the keeper at work. */
static sl_res wait_for_rosters(ask_state *s)
{
    for (int32_t told = SL_OK;;) {
        sl_res r = refresh_rosters(s);
        if (sl_ok(r)) {
            return SL_DONE;
        }
        if (r.code != told) {
            sl_log_res(SL_LOG_WARN, "the ask door waits for the rosters", r);
            told = r.code;
        }
        if (s->keeper == NULL) {
            SL_TRY(take_keeper(s));
        }
        SL_TRY(sl_loop_turn(s->loop, 1000));
        SL_TRY(s->result);
    }
}

/* ---- strangers ---- */

static void on_counted(void *context, sl_res result, uint64_t index)
{
    (void)context;
    (void)index;
    if (!sl_ok(result)) {
        sl_log_res(SL_LOG_WARN, "a count of refusals could not be recorded", result);
    }
}

/* One leaf for each prefix, reason and second that is over. */
static void record_strangers(void *context)
{
    ask_state *s = context;
    sl_stranger one;
    while (s->ledger != NULL && sl_strangers_take(&s->strangers, sl_clock_wall_ms(), &one)) {
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        sl_event_head head = { .door = SL_LIT("ask") };
        sl_event_ledger_refused fields = {
            .door = SL_LIT("ask"),
            .prefix = sl_view_str(one.prefix),
            .window_s = one.second,
            .count = one.count,
            .reason = sl_view_str(sl_res_name((sl_res){ one.code })),
        };
        sl_res r = sl_emit_ledger_refused(&head, &fields, &event);
        if (sl_ok(r)) {
            r = sl_ledger_client_append(s->ledger, sl_buf_view(&event), on_counted, s);
        }
        if (!sl_ok(r)) {
            on_counted(s, r, 0);
        }
    }
}

static void knock(void *context, const char *source, sl_res why)
{
    ask_state *s = context;
    if (!sl_strangers_add(&s->strangers, source, why, sl_clock_wall_ms())) {
        sl_log(SL_LOG_WARN, "more refusals of strangers than can be told apart");
    }
}

/* ---- the count of what was forwarded ---- */

static void sending(void *context, uint64_t minute)
{
    ask_state *s = context;
    sl_ask_counts_sending(&s->kept->counts, sl_proc_index(s->self), minute);
}

static void sent(void *context, uint64_t minute, bool went_out)
{
    ask_state *s = context;
    sl_ask_counts_sent(&s->kept->counts, sl_proc_index(s->self), minute, went_out);
}

static void counted(void *context, uint64_t minute)
{
    ask_state *s = context;
    sl_ask_counts_sure(&s->kept->counts, sl_proc_index(s->self), minute);
}

static void doubted(void *context, uint64_t minute)
{
    ask_state *s = context;
    sl_ask_counts_doubt(&s->kept->counts, sl_proc_index(s->self), minute);
}

/* A count on its way into the ledger. */
typedef struct {
    ask_state *ask;
    uint64_t minute;
} telling;

static void on_told(void *context, sl_res result, uint64_t index)
{
    telling *t = context;
    (void)index;
    /* Without a ledger nobody knows whether it was taken: the ledger is asked when it is back. */
    if (!sl_ok(result) && !sl_is(result, SL_E_UNAVAILABLE)) {
        sl_log_res(SL_LOG_WARN, "a count of the door has to wait", result);
        sl_minutes_refused(&t->ask->minutes, t->minute);
    }
    free(t);
}

static sl_res tell_minute(ask_state *s, uint64_t minute, sl_minute_count count)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_counted_write(SL_COUNTED_BY_DOOR, "ask", minute, count, &event));
    telling *t = malloc(sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    *t = (telling){ s, minute };
    sl_res r = sl_ledger_client_append(s->ledger, sl_buf_view(&event), on_told, t);
    if (!sl_ok(r)) {
        free(t);
    }
    return r;
}

/* The door's side of the comparison with the egress; the other is the warden's. The first process
 * tells the counts of all; when it dies, its successor goes on from what the ledger holds. */
static void record_minutes(void *context)
{
    ask_state *s = context;
    int64_t now_ms = sl_clock_wall_ms();
    uint64_t now = (uint64_t)now_ms / 60000;
    uint64_t minute = 0;
    sl_minute_count count;
    if (sl_proc_index(s->self) != 0 || !s->caught_up || now_ms < 0) {
        return;
    }
    for (uint64_t back = 0; back < SL_MINUTES_MAX; back++) {
        sl_minutes_set(&s->minutes, now - back, sl_ask_counts_of(&s->kept->counts, now - back),
                       now_ms);
    }
    while (s->ledger != NULL && sl_minutes_next(&s->minutes, now_ms, &minute, &count)) {
        sl_res r = tell_minute(s, minute, count);
        if (!sl_ok(r)) { /* the ledger's queue is full: once more when it is quiet */
            sl_log_res(SL_LOG_WARN, "a count of the door has to wait", r);
            sl_minutes_refused(&s->minutes, minute);
            return;
        }
    }
}

/* ---- health of upstreams ---- */

static sl_res tell_health(ask_state *s, size_t at, bool sick, const char *why)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_event_head head = { .door = SL_LIT("ask") };
    sl_event_ask_upstream fields = { .upstream = s->health.names[at],
                                     .state = sick ? SL_LIT("sick") : SL_LIT("healthy"),
                                     .reason = sick ? sl_view_str(why) : (sl_view){ NULL, 0 } };
    SL_TRY(sl_emit_ask_upstream(&head, &fields, &event));
    return sl_ledger_client_append(s->ledger, sl_buf_view(&event), on_counted, s);
}

/* A leaf when an upstream became sick or healthy; told by the first process. */
static void record_health(void *context)
{
    ask_state *s = context;
    bool may = sl_proc_index(s->self) == 0 && s->ledger != NULL && s->caught_up;
    for (size_t i = 0; may && i < s->health.n; i++) {
        const char *why = NULL;
        bool sick = sl_ask_health_is_sick(&s->health, i, &why);
        if (sick != s->told_sick[i] && sl_ok(tell_health(s, i, sick, why))) {
            s->told_sick[i] = sick;
        }
    }
}

/* What a predecessor told. */
static void note_health(ask_state *s, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    sl_view mark = SL_LIT("\"type\":\"ask.upstream\"");
    if (sl_view_find(text, mark, 0) == SIZE_MAX || !sl_ok(sl_leaf_read(text, &leaf)) ||
        !sl_leaf_is(&leaf, "ask.upstream")) {
        return;
    }
    for (size_t i = 0; i < s->health.n; i++) {
        if (sl_view_eq(sl_leaf_text(&leaf, "upstream"), s->health.names[i])) {
            s->told_sick[i] = sl_view_eq_str(sl_leaf_text(&leaf, "state"), "sick");
        }
    }
}

static void know_upstreams(ask_state *s)
{
    s->health.memory = &s->shared->health;
    s->health.n = s->config.site.egress.upstream_count;
    for (size_t i = 0; i < s->health.n; i++) {
        s->health.names[i] = s->config.site.egress.upstreams[i].name;
    }
    s->site.health = &s->health;
}

/* ---- crossings that a crash cut off ---- */

static bool is_served(void *context, sl_view crossing)
{
    const ask_state *s = context;
    return s->server != NULL && sl_ask_server_serves(s->server, crossing);
}

static void on_ended(void *context, sl_res result, uint64_t index)
{
    ask_state *s = context;
    s->ends_out--;
    s->acked = sl_ok(result) && index > s->acked ? index : s->acked;
    if (!sl_ok(result)) {
        s->orphans_made = true;
        sl_log_res(SL_LOG_WARN, "a crossing that was cut off could not be ended", result);
    }
}

static void end_orphans(ask_state *s)
{
    for (bool any = true; any && s->ledger != NULL;) {
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        sl_res r = sl_ask_orphans_next(s->orphans, &event, &any);
        if (sl_ok(r) && any) {
            s->ends_out++;
            r = sl_ledger_client_append(s->ledger, sl_buf_view(&event), on_ended, s);
            if (!sl_ok(r)) {
                on_ended(s, r, 0);
            }
        }
    }
    s->orphans_due = false;
}

/* A crossing that ended by itself since the link was new has its outcome before `orphans_from`. */
static void look_for_orphans(ask_state *s)
{
    if (s->orphans_due && s->caught_up && sl_ask_known_next(s->known) > s->orphans_from) {
        end_orphans(s);
    }
}

/* An outcome that the ledger refused, its disk being full perhaps, was released all the same: it is ended
 * as unknown when the ledger takes leaves again. */
static void look_again(void *context)
{
    ask_state *s = context;
    if (s->orphans_made && s->ends_out == 0 && s->ledger != NULL && s->caught_up) {
        s->orphans_made = false;
        sl_ask_orphans_look(s->orphans);
        s->orphans_from = s->acked;
        s->orphans_due = true;
        look_for_orphans(s);
    }
}

static void note_told(ask_state *s, sl_view leaf)
{
    sl_ask_orphans_leaf(s->orphans, leaf);
    note_health(s, leaf);
    sl_ask_pins_leaf(s->site.pins, leaf);
    uint64_t minute = 0;
    sl_minute_count count;
    if (sl_counted_read(leaf, "ask", &minute, &count) == SL_COUNTED_BY_DOOR) {
        sl_minutes_told(&s->minutes, minute, count);
    }
}

static void on_leaves(void *context, sl_res result, uint64_t first, uint32_t count, sl_view leaves,
                      uint64_t size);

static void ask_for_leaves(ask_state *s)
{
    if (s->ledger != NULL && !s->reading) {
        s->reading = sl_ok(sl_ledger_client_read(s->ledger, sl_ask_known_next(s->known),
                                                 LEAVES_BYTES_MAX, on_leaves, s));
    }
}

static sl_res fold(ask_state *s, uint64_t index, sl_view leaves)
{
    for (;;) {
        bool more = false;
        sl_view leaf;
        SL_TRY(sl_bundle_next(&leaves, &more, &leaf));
        if (!more) {
            return SL_DONE;
        }
        SL_TRY(sl_ask_known_leaf(s->known, index++, leaf));
        SL_TRY(sl_ask_rosters_leaf(s->rosters, leaf));
        note_told(s, leaf);
    }
}

static void on_leaves(void *context, sl_res result, uint64_t first, uint32_t count, sl_view leaves,
                      uint64_t size)
{
    ask_state *s = context;
    (void)count;
    s->reading = false;
    if (!sl_ok(result)) {
        return;
    }
    sl_res r = fold(s, first, leaves);
    if (!sl_ok(r)) {
        /* A roll that cannot be read on must not be used: the process ends and starts anew. */
        sl_log_res(SL_LOG_ERROR, "the ledger's leaves cannot be read on", r);
        s->result = r;
        sl_loop_stop(s->loop);
        return;
    }
    if (!s->caught_up && sl_ask_known_next(s->known) >= size) {
        s->caught_up = true;
        sl_minutes_again(&s->minutes);
        sl_ask_orphans_caught_up(s->orphans);
        s->orphans_from = s->acked;
        s->orphans_due = true;
    }
    look_for_orphans(s);
    if (s->server != NULL) {
        keep_rosters(s);
    }
    ask_for_leaves(s);
}

static void lose_ledger(ask_state *s)
{
    sl_loop_remove(s->loop, sl_ledger_client_fd(s->ledger));
    sl_ledger_client_free(s->ledger);
    s->ledger = NULL;
    s->reading = false;
    s->caught_up = false; /* with the counts that were on their way */
    if (s->server != NULL) {
        sl_ask_server_ledger_lost(s->server);
    }
}

static void on_ledger(void *context, int fd, unsigned events)
{
    ask_state *s = context;
    (void)fd;
    (void)events;
    if (!sl_ok(sl_ledger_client_pump(s->ledger))) {
        lose_ledger(s);
    }
}

static sl_res take_ledger(ask_state *s)
{
    int fd = sl_proc_take_link(s->self, "ledgerd", 0);
    if (fd < 0) {
        return SL_DONE;
    }
    SL_TRY(sl_ledger_client_new(fd, &s->ledger));
    SL_TRY(sl_loop_add(s->loop, sl_ledger_client_fd(s->ledger), SL_LOOP_READ, on_ledger, s));
    sl_ask_orphans_begin(s->orphans);
    ask_for_leaves(s);
    return SL_DONE;
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    ask_state *s = context;
    (void)index;
    if (sl_view_eq_str(sl_view_str(peer), "ledgerd")) {
        if (s->ledger != NULL) {
            lose_ledger(s);
        }
        sl_res r = take_ledger(s);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_ERROR, "the ledger's link could not be taken", r);
        }
    } else if (sl_view_eq_str(sl_view_str(peer), "keeper")) {
        sl_res r = take_keeper(s);
        if (!sl_ok(r)) {
            sl_log_res(SL_LOG_ERROR, "the keeper's link could not be taken", r);
        }
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    ask_state *s = context;
    (void)fd;
    (void)events;
    s->result = sl_proc_pump(s->self);
    if (!sl_ok(s->result)) {
        sl_loop_stop(s->loop);
    }
}

/* ---- life ---- */

/* The site's own policy when it has one, else the one that the program carries. */
static sl_res load_policy(ask_state *s)
{
    s->policy_text.max = SL_CONFIG_BYTES_MAX;
    sl_res r = sl_file_read(AT_FDCWD, "/policy/ask.yml", &s->policy_text);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return sl_policy_load_default(&s->policy);
    }
    SL_TRY(r);
    return sl_policy_load(sl_buf_view(&s->policy_text), &s->policy);
}

/* Flow rules: the site's own where it has them (policy/flow.yml), else the program's. */
static sl_res load_flow(ask_state *s)
{
    s->flow_text.max = SL_CONFIG_BYTES_MAX;
    sl_res r = sl_file_read(AT_FDCWD, "/policy/flow.yml", &s->flow_text);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        SL_TRY(sl_flow_rules_load_default(&s->flow_rules));
    } else {
        SL_TRY(r);
        SL_TRY(sl_flow_rules_load(sl_buf_view(&s->flow_text), &s->flow_rules));
    }
    s->site.flow_rules = s->flow_rules;
    SL_TRY(sl_ask_pins_new(&s->site.pins));
    return SL_DONE;
}

static sl_res load_inject(ask_state *s)
{
    for (sl_inject_channel i = 0; i < SL_INJECT_CHANNELS; i++) {
        SL_TRY(sl_inject_open_default(i, &s->inject.packs[i]));
    }
    SL_TRY(sl_inject_work_new(&s->inject.work));
    s->site.inject = &s->inject;
    return SL_DONE;
}

/* Conversations send their history again: what was found in it is remembered, under a key of this process. */
static sl_res remember_texts(ask_state *s)
{
    uint8_t key[32];
    SL_TRY(sl_random_bytes(key, sizeof key));
    sl_res r = sl_scratch_remember(s->scratch, key, SL_ASK_RECALL_BYTES_MAX);
    sl_wipe(key, sizeof key);
    return r;
}

static sl_res prepare(ask_state *s)
{
    s->kept = sl_proc_shared(s->self, SL_ASK_KEPT_NAME);
    s->shared = sl_proc_shared(s->self, SL_ASK_SHARED_NAME);
    s->orphans->process = sl_proc_index(s->self);
    s->orphans->processes = sl_proc_count(s->self);
    s->orphans->serving = is_served;
    s->orphans->context = s;
    SL_NEED(s->kept != NULL && s->shared != NULL, SL_E_BUG);
    SL_TRY(sl_ask_config_read(sl_proc_config(s->self), &s->config));
    SL_TRY(sl_ask_known_new(&s->config, sl_proc_valve(s->self), &s->known));
    SL_TRY(sl_detect_build_default(&s->detect));
    SL_TRY(sl_scratch_new(s->detect, &s->scratch));
    SL_TRY(remember_texts(s));
    sl_scratch_confirm(s->scratch, compare, s);
    SL_TRY(load_inject(s));
    SL_TRY(load_flow(s));
    SL_TRY(load_policy(s));
    sl_ask_counts_recover(&s->kept->counts, sl_proc_index(s->self));
    SL_TRY(sl_ask_keys_init(&s->keys));
    s->site.keys = &s->keys;
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &s->roster_fd));
    SL_TRY(sl_ask_rosters_new(s->detect, s->roster_fd, &s->rosters));
    s->site.detect = s->detect;
    s->site.scratch = s->scratch;
    s->site.policy = s->policy;
    s->site.roll = sl_ask_known_roll(s->known);
    s->site.valves = sl_ask_known_valves(s->known);
    s->site.limits = s->config.limits;
    s->site.budget = &s->kept->budget;
    s->site.receipts = &s->shared->receipts;
    know_upstreams(s);
    return SL_DONE;
}

/* The origin for receipts stands in the newest checkpoint's first line. */
static sl_res learn_origin(ask_state *s)
{
    static char origin[256];
    SL_OWN(sl_buf, checkpoint, sl_buf_free) = { .max = 65536 };
    sl_view line;
    sl_view rest;
    uint64_t time_ms = 0;
    SL_TRY(sl_ledger_state_wait(s->ledger, CATCH_UP_MS_MAX, &checkpoint, &time_ms));
    SL_NEED(sl_view_cut(sl_buf_view(&checkpoint), '\n', &line, &rest), SL_E_SYNTAX);
    SL_NEED(line.n < sizeof origin, SL_E_LIMIT);
    memcpy(origin, line.p, line.n);
    origin[line.n] = '\0';
    s->site.origin = origin;
    return SL_DONE;
}

static sl_res catch_up(ask_state *s)
{
    uint64_t end_ms = sl_clock_boot_ns() / 1000000 + CATCH_UP_MS_MAX;
    while (!s->caught_up && sl_ok(s->result)) {
        SL_NEED(sl_clock_boot_ns() / 1000000 < end_ms, SL_E_TIMEOUT);
        SL_TRY(sl_loop_turn(s->loop, 100));
    }
    return s->result;
}

static sl_res serve(ask_state *s)
{
    sl_proc_on_relink(s->self, on_relink, s);
    SL_TRY(sl_loop_add(s->loop, sl_proc_control_fd(s->self), SL_LOOP_READ, on_control, s));
    int fd = sl_proc_take_link(s->self, "ledgerd", 0);
    SL_NEED(fd >= 0, SL_E_UNAVAILABLE);
    SL_TRY(sl_ledger_client_new(fd, &s->ledger));
    SL_TRY(learn_origin(s));
    sl_ask_orphans_begin(s->orphans);
    SL_TRY(sl_loop_add(s->loop, sl_ledger_client_fd(s->ledger), SL_LOOP_READ, on_ledger, s));
    ask_for_leaves(s);
    SL_TRY(catch_up(s));
    SL_TRY(take_keeper(s));
    SL_TRY(wait_for_rosters(s));
    keep_keys(s);
    sl_ask_server_options options = {
        .site = &s->site,
        .listen_fd = sl_proc_listening(s->self, "ask"),
        .egress_path = "/egress.sock",
        .connections_max = CONNECTIONS_MAX,
        .pool_max = POOL_MAX,
        .stall_ms_max = STALL_MS_MAX,
        .process = (uint8_t)sl_proc_index(s->self),
        .compare_ms_max = CONFIRM_MS_MAX,
        .comparer = { .context = s, .ask = ask_for_comparison, .late = comparison_is_late },
        .recorder = { .context = s,
                      .append = append,
                      .knock = knock,
                      .sending = sending,
                      .sent = sent,
                      .counted = counted,
                      .doubted = doubted }
    };
    SL_NEED(options.listen_fd >= 0, SL_E_UNAVAILABLE);
    uint64_t timer = 0;
    SL_TRY(sl_ask_server_new(s->loop, &options, &s->server));
    SL_TRY(sl_loop_every(s->loop, 1000, keep_keys, s, &timer));
    SL_TRY(sl_loop_every(s->loop, 1000, record_strangers, s, &timer));
    SL_TRY(sl_loop_every(s->loop, 1000, record_minutes, s, &timer));
    SL_TRY(sl_loop_every(s->loop, 1000, record_health, s, &timer));
    SL_TRY(sl_loop_every(s->loop, 1000, look_again, s, &timer));
    SL_TRY(sl_proc_serving(s->self));
    SL_TRY(sl_loop_run(s->loop));
    return sl_is(s->result, SL_E_CLOSED) ? SL_DONE : s->result;
}

static void drop(ask_state *s)
{
    sl_ask_server_free(s->server);
    s->server = NULL;
    sl_ledger_client_free(s->ledger);
    sl_ipc_close_at(&s->keeper);
    sl_loop_free(s->loop);
    sl_policy_free(s->policy);
    sl_scratch_free(s->scratch);
    sl_flow_rules_free(s->flow_rules);
    sl_ask_pins_free(s->site.pins);
    sl_inject_work_free(s->inject.work);
    sl_buf_free(&s->policy_text);
    sl_buf_free(&s->flow_text);
    sl_inject_free(s->inject.packs[SL_INJECT_USER]);
    sl_inject_free(s->inject.packs[SL_INJECT_DATA]);
    sl_ask_rosters_free(s->rosters);
    sl_ask_keys_free(&s->keys);
    sl_detect_free(s->detect);
    sl_fd_close(&s->roster_fd);
    sl_ask_known_free(s->known);
    sl_ask_config_free(&s->config);
}

static sl_res entry(sl_proc *self)
{
    static ask_state s;
    static sl_ask_orphans orphans;
    s = (ask_state){ .self = self, .orphans = &orphans, .roster_fd = -1 };
    sl_res r = sl_loop_new(&s.loop);
    if (sl_ok(r)) {
        r = prepare(&s);
    }
    if (sl_ok(r)) {
        r = serve(&s);
    }
    drop(&s);
    return r;
}

/* One for each core, at most PROCESSES_DEFAULT, unless config.yml says how many. */
static unsigned instances(sl_view site_config)
{
    static sl_ask_config config; /* large */
    unsigned n = 0;
    if (sl_ok(sl_ask_config_read(site_config, &config))) {
        n = config.processes;
        sl_ask_config_free(&config);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned all = cores < 1 ? 1 : (unsigned)cores;
    return n != 0 ? n : all < PROCESSES_DEFAULT ? all : PROCESSES_DEFAULT;
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

const sl_proc_decl sl_ask_decl = {
    .name = "ask",
    .entry = entry,
    .profile = &PROFILE,
    .listens = { { .name = "ask" } },
    .memories = { { SL_ASK_KEPT_NAME, sizeof(sl_ask_kept), true },
                  { SL_ASK_SHARED_NAME, sizeof(sl_ask_shared), false } },
    .instances = instances,
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
