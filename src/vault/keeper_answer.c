/* What the keeper answers to its peers: keys of a crossing that the ledger shows, leases of derived keys, its state.
 * Every answer that carries a key is checked here: table, grant, valve, intent or approval, and the leaf first.
 * Design: src/vault/keeper.h. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "ledger/events.gen.h"
#include "vault/keeper_internal.h"

sl_res sl_keeper_compartment(const sl_keeper *k, const char *name, const sl_compartment **ret)
{
    const sl_compartment *c = sl_roll_compartment(k->roll, sl_view_str(name));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_NEED(c->state == SL_COMPARTMENT_OPEN, SL_E_VALVE);
    *ret = c;
    return SL_DONE;
}

static const sl_keeper_intent *intent_at(const sl_keeper *k, uint64_t index)
{
    for (size_t i = 0; i < INTENTS_MAX; i++) {
        if (k->intents[i].live && k->intents[i].index == index) {
            return &k->intents[i];
        }
    }
    return NULL;
}

/* Is there an intent leaf, by this very door, for this very thing, still running? */
static sl_res check_intent(sl_keeper *k, sl_door door, const sl_key_request *q,
                           const sl_compartment *c)
{
    if (q->intent >= sl_roll_next(k->roll)) {
        SL_TRY(sl_keeper_follow(k));
    }
    const sl_keeper_intent *it = intent_at(k, q->intent);
    bool good = it != NULL && it->door == door && strcmp(it->principal, q->principal) == 0 &&
                strcmp(it->compartment_id, c->id) == 0 &&
                k->world.wall_ms(k->world.context) - it->time_ms < INTENT_LIFE_MS &&
                k->world.boot_ms(k->world.context) - it->seen_ms < INTENT_LIFE_MS &&
                (q->kind == SL_WRAP_SUBJECT || strcmp(it->object, q->name) == 0);
    return good ? SL_DONE : sl_fail_at(SL_E_REFUSED, "intent", q->intent);
}

/* Follows the ledger and makes the keys of a compartment that was created a moment ago. What could not
 * be done stays closed, and is refused by the checks behind this. */
static sl_res catch_up(sl_keeper *k)
{
    SL_TRY(sl_keeper_follow(k));
    sl_res worked = sl_keeper_work(k);
    (void)sl_ok(worked);
    return SL_DONE;
}

sl_res sl_keeper_opened_for_data(sl_keeper *k, sl_door door, const sl_compartment *c,
                                 uint64_t *ret_epoch)
{
    uint64_t epoch = 0;
    bool open = k->world.open(k->world.context, door, NULL, c->id, &epoch);
    SL_NEED(open && epoch != 0, SL_E_VALVE);
    *ret_epoch = epoch;
    return SL_DONE;
}

/* Operators, not a principal, let the ingest door open what is sealed: for this compartment, for an hour, until the
 * roster stands. */
static sl_res check_rebuild(sl_keeper *k, uint16_t type, const sl_key_request *q)
{
    const sl_compartment *c = NULL;
    uint64_t epoch = 0;
    int64_t now_ms = k->world.wall_ms(k->world.context);
    SL_NEED(type == SL_KEEPER_KEY_OPEN && q->kind == SL_WRAP_OBJECT, SL_E_DENIED);
    SL_TRY(catch_up(k));
    SL_TRY(sl_keeper_compartment(k, q->compartment, &c));
    /* A valve that nobody has turned yet is no obstacle: the doors that would turn it wait for what is rebuilt. */
    SL_NEED(k->world.open(k->world.context, SL_DOOR_INGEST, NULL, c->id, &epoch), SL_E_VALVE);
    for (size_t i = 0; i < REBUILDS_MAX; i++) {
        const sl_keeper_rebuild *r = &k->rebuilds[i];
        if (r->live && r->index == q->intent && strcmp(r->compartment, q->compartment) == 0 &&
            now_ms >= r->time_ms && now_ms - r->time_ms < REBUILD_LIFE_MS) {
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_REFUSED, "approval", q->intent);
}

/* Of a release: no key but that of the object which it becomes while it is held, of what operators asked to let
 * out (to look at it), and of what others let out or want to read before they do. */
static bool release_covers(const sl_roll *roll, const sl_release *r, uint16_t type,
                           const sl_key_request *q, int64_t now_ms)
{
    bool object = strcmp(r->kind, "object") == 0;
    bool same = strcmp(r->compartment, q->compartment) == 0 && strcmp(r->object, q->name) == 0 &&
                r->version == q->version && q->kind == SL_WRAP_OBJECT;
    if (type == SL_KEEPER_KEY_OPEN) {
        bool looks = object && r->state == SL_RELEASE_ASKED && r->asked_leaf == q->intent &&
                     now_ms - r->asked_ms < SL_RELEASE_ASK_MS_MAX;
        bool leaves =
            r->approved_leaf == q->intent && sl_ok(sl_roll_release_ready(roll, r, now_ms));
        bool read = r->review_leaf == q->intent && sl_ok(sl_roll_release_readable(roll, r, now_ms));
        return same && (looks || leaves || read);
    }
    return same && !object && type == SL_KEEPER_KEY_FORGET && r->state == SL_RELEASE_ENDED &&
           r->ended_leaf == q->intent;
}

static sl_res check_release(sl_keeper *k, uint16_t type, const sl_key_request *q,
                            const sl_compartment **ret_compartment, uint64_t *ret_epoch)
{
    const sl_compartment *c = NULL;
    size_t count = 0;
    int64_t now_ms = k->world.wall_ms(k->world.context);
    SL_TRY(catch_up(k));
    SL_TRY(sl_keeper_compartment(k, q->compartment, &c));
    SL_TRY(sl_keeper_opened_for_data(k, SL_DOOR_RELEASE, c, ret_epoch));
    const sl_release *list = sl_roll_releases(k->roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (release_covers(k->roll, &list[i], type, q, now_ms)) {
            *ret_compartment = c;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_REFUSED, "approval", q->intent);
}

/* What the release door makes of its own: the held form of something that an operator asked to let out. */
static sl_res check_held(const sl_keeper *k, const sl_key_request *q)
{
    const sl_release *r = sl_roll_release(k->roll, sl_view_str(q->name));
    bool good = r != NULL && strcmp(r->object, q->name) == 0 && q->version == 1 &&
                r->state == SL_RELEASE_ASKED && strcmp(r->compartment, q->compartment) == 0 &&
                q->kind == SL_WRAP_OBJECT;
    return good ? SL_DONE : sl_fail_at(SL_E_REFUSED, "release", q->intent);
}

static sl_res check_key_request(sl_keeper *k, sl_door door, const sl_key_request *q)
{
    const sl_compartment *c = NULL;
    uint64_t epoch = 0;
    int64_t now_ms = k->world.wall_ms(k->world.context);
    SL_TRY(catch_up(k));
    SL_TRY(sl_keeper_compartment(k, q->compartment, &c));
    SL_NEED(sl_roll_grant_for(k->roll, sl_view_str(q->principal), sl_view_str(q->compartment), door,
                              now_ms) != NULL,
            SL_E_NO_GRANT);
    SL_NEED(k->world.open(k->world.context, door, q->principal, c->id, &epoch), SL_E_VALVE);
    return check_intent(k, door, q, c);
}

static void note_made(sl_keeper *k, const sl_key_request *q)
{
    sl_keeper_made *m = &k->made[k->made_next++ % MADE_MAX];
    *m = (sl_keeper_made){
        .live = true, .intent = q->intent, .version = q->version, .kind = q->kind
    };
    memcpy(m->name, q->name, sizeof m->name);
}

/* NULL: not made under the intent that the request names. An intent names its compartment. */
static sl_keeper_made *made_under(sl_keeper *k, const sl_key_request *q)
{
    for (size_t i = 0; i < MADE_MAX; i++) {
        sl_keeper_made *m = &k->made[i];
        if (m->live && m->intent == q->intent && m->kind == q->kind && m->version == q->version &&
            strcmp(m->name, q->name) == 0) {
            return m;
        }
    }
    return NULL;
}

static sl_res forget_key(sl_keeper *k, const sl_key_request *q)
{
    sl_keeper_made *made = made_under(k, q);
    if (made == NULL) {
        return sl_fail_at(SL_E_DENIED, "key of another crossing", q->intent);
    }
    SL_TRY(
        sl_keystore_key_forget(k->keystore, q->compartment, q->kind, q->name, (int64_t)q->version));
    made->live = false;
    return SL_DONE;
}

/* The key of what was held. After a crash the release door cannot know how far it came. */
static sl_res forget_held(sl_keeper *k, const sl_key_request *q)
{
    sl_res gone =
        sl_keystore_key_forget(k->keystore, q->compartment, q->kind, q->name, (int64_t)q->version);
    return sl_is(gone, SL_E_NOT_FOUND) ? SL_DONE : gone;
}

/* Each key that lets something out, or lets the door look at it, is a leaf of the keeper's own: so what left can be
 * counted without believing the door. */
static sl_res tell_opened(sl_keeper *k, const sl_compartment *c, const sl_key_request *q,
                          uint64_t epoch)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_key_leased event = { .key = sl_view_str(q->name),
                                  .process = SL_LIT("release"),
                                  .epoch = epoch };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_key_leased(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static sl_res check_release_key(sl_keeper *k, uint16_t type, const sl_key_request *q)
{
    const sl_compartment *c = NULL;
    uint64_t epoch = 0;
    if (strcmp(q->principal, SL_KEY_REQUEST_NOBODY) != 0) {
        SL_NEED(type != SL_KEEPER_KEY_OPEN, SL_E_DENIED);
        SL_TRY(check_key_request(k, SL_DOOR_RELEASE, q));
        return check_held(k, q);
    }
    SL_TRY(check_release(k, type, q, &c, &epoch));
    return type == SL_KEEPER_KEY_OPEN ? tell_opened(k, c, q, epoch) : SL_DONE;
}

static sl_res answer_key(sl_keeper *k, sl_keeper_peer peer, uint16_t type, sl_view body,
                         sl_buf *reply)
{
    sl_key_request q;
    SL_TRY(sl_key_request_decode(body, &q));
    bool nobody = strcmp(q.principal, SL_KEY_REQUEST_NOBODY) == 0;
    SL_TRY(peer == SL_KEEPER_RELEASE ? check_release_key(k, type, &q)
           : nobody                  ? check_rebuild(k, type, &q)
                                     : check_key_request(k, SL_DOOR_INGEST, &q));
    bool made_here = peer == SL_KEEPER_RELEASE || nobody || made_under(k, &q) != NULL;
    if (type == SL_KEEPER_KEY_FORGET) {
        return peer == SL_KEEPER_RELEASE ? forget_held(k, &q) : forget_key(k, &q);
    }
    if (type == SL_KEEPER_KEY_OPEN && !made_here) {
        return sl_fail_at(SL_E_DENIED, "key of another crossing", q.intent);
    }
    int64_t version = (int64_t)q.version;
    uint8_t key[SL_KEY_BYTES];
    sl_res r = type == SL_KEEPER_KEY_NEW
                   ? sl_keystore_key_new(k->keystore, q.compartment, q.kind, q.name, version, key)
                   : sl_keystore_key_open(k->keystore, q.compartment, q.kind, q.name, version, key);
    if (sl_ok(r) && type == SL_KEEPER_KEY_NEW) {
        note_made(k, &q);
    }
    if (sl_ok(r)) {
        r = sl_buf_add(reply, sl_view_of(key, sizeof key));
    }
    sl_wipe(key, sizeof key);
    return r;
}

static sl_res tell_lease(sl_keeper *k, sl_keeper_peer peer, const sl_compartment *c, uint64_t epoch)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_key_leased event = { .key = sl_view_str(c->id),
                                  .process = sl_view_str(sl_keeper_peer_name(peer)),
                                  .epoch = epoch };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_key_leased(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static bool lease_purpose_ok(sl_keeper_peer peer, const char *purpose)
{
    static const struct {
        const char *purpose;
        uint32_t peers;
    } table[] = {
        { "roster", 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_ASK | 1U << SL_KEEPER_RELEASE },
        { "canary", 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_ASK },
        { "echo", 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_ASK | 1U << SL_KEEPER_RELEASE },
        { "pseudonym", 1U << SL_KEEPER_ASK },
        { "commitment", 1U << SL_KEEPER_ASK },
    };
    for (size_t i = 0; i < SL_COUNT_OF(table); i++) {
        if (strcmp(table[i].purpose, purpose) == 0) {
            return (table[i].peers & (1U << peer)) != 0;
        }
    }
    return false;
}

static sl_res answer_lease(sl_keeper *k, sl_keeper_peer peer, sl_view body, sl_buf *reply)
{
    sl_lease_request q;
    const sl_compartment *found = NULL;
    uint64_t epoch = 0;
    SL_TRY(sl_lease_request_decode(body, &q));
    SL_NEED(lease_purpose_ok(peer, q.purpose), SL_E_DENIED);
    SL_TRY(catch_up(k));
    SL_TRY(sl_keeper_compartment(k, q.compartment, &found));
    sl_compartment c = *found;
    sl_door door = peer == SL_KEEPER_ASK       ? SL_DOOR_ASK
                   : peer == SL_KEEPER_RELEASE ? SL_DOOR_RELEASE
                                               : SL_DOOR_INGEST;
    SL_NEED(k->world.open(k->world.context, door, NULL, c.id, &epoch), SL_E_VALVE);
    uint8_t answer[SL_KEY_BYTES + 8];
    SL_TRY(sl_keystore_derive(k->keystore, q.compartment, q.purpose, answer));
    sl_put_le64(answer + SL_KEY_BYTES, epoch);
    sl_res r = tell_lease(k, peer, &c, epoch);
    if (sl_ok(r)) {
        r = sl_buf_add(reply, sl_view_of(answer, sizeof answer));
    }
    sl_wipe(answer, sizeof answer);
    return r;
}

/* A refusal to lend a key is a signal for whoever watches; that it cannot be told changes nothing. */
static void tell_refused(sl_keeper *k, sl_keeper_peer peer, sl_res why)
{
    sl_event_head head = { .actor = SL_LIT("keeper") };
    sl_event_key_lease_refused event = { .process = sl_view_str(sl_keeper_peer_name(peer)),
                                         .reason = sl_view_str(sl_res_name(why)) };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_res r = sl_emit_key_lease_refused(&head, &event, &out);
    r = sl_ok(r) ? k->world.append(k->world.context, sl_buf_view(&out)) : r;
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "refusal not recorded", r);
    }
}

static sl_res answer_checked(sl_keeper *k, sl_keeper_peer peer, uint16_t type, sl_view body,
                             sl_buf *reply)
{
    switch (type) {
    case SL_KEEPER_UNLOCK:
        SL_NEED(body.n > 0 && body.n <= SL_UNLOCK_BYTES_MAX, SL_E_LIMIT);
        SL_TRY(sl_keeper_follow(k));
        SL_TRY(sl_keeper_unlock(k, body));
        return sl_keeper_work(k);
    case SL_KEEPER_STATUS:
        return sl_keeper_status_add(k, reply);
    case SL_KEEPER_KEY_NEW:
    case SL_KEEPER_KEY_OPEN:
    case SL_KEEPER_KEY_FORGET:
        SL_NEED(sl_keeper_unlocked(k), SL_E_LOCKED);
        return answer_key(k, peer, type, body, reply);
    case SL_KEEPER_LEASE:
        SL_NEED(sl_keeper_unlocked(k), SL_E_LOCKED);
        return answer_lease(k, peer, body, reply);
    case SL_KEEPER_ECHO_CONFIRM:
        SL_NEED(sl_keeper_unlocked(k), SL_E_LOCKED);
        return sl_keeper_confirm(k, body, reply);
    default:
        return sl_fail(SL_E_DENIED);
    }
}

sl_res sl_keeper_answer(sl_keeper *keeper, sl_keeper_peer peer, uint16_t type, sl_view body,
                        sl_buf *reply)
{
    sl_res r = sl_fail(SL_E_DENIED);
    keeper->told = false;
    if (sl_keeper_may(peer, type)) {
        r = answer_checked(keeper, peer, type, body, reply);
    }
    if (!sl_ok(r) && !keeper->told && type != SL_KEEPER_UNLOCK && type != SL_KEEPER_STATUS) {
        sl_detail detail = *sl_detail_get();
        tell_refused(keeper, peer, r);
        r = sl_fail_at((sl_code)r.code, detail.field, detail.offset);
    }
    return r;
}

void sl_keeper_tell_broken(sl_keeper *keeper, sl_keeper_peer peer, sl_res why)
{
    tell_refused(keeper, peer, why);
}

sl_res sl_keeper_status_add(const sl_keeper *keeper, sl_buf *out)
{
    bool unlocked = sl_keeper_unlocked(keeper);
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(keeper->roll, &count);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_bool(&w, "unlocked", unlocked);
    sl_json_put_str(&w, "kms", unlocked ? sl_keystore_driver(keeper->keystore) : "");
    sl_json_put_uint(&w, "next_leaf", sl_roll_next(keeper->roll));
    sl_json_put_uint(&w, "refused_leaves", sl_roll_refused(keeper->roll));
    sl_json_key(&w, "compartments");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "name", list[i].name);
        sl_json_put_str(&w, "state", sl_compartment_state_name(list[i].state));
        sl_json_put_bool(&w, "loaded",
                         unlocked && sl_keystore_loaded(keeper->keystore, list[i].name));
        sl_json_object_end(&w);
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
