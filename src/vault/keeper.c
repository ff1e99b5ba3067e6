/* The keeper's core: following the ledger, making the keystore follow the roll, answering peers.
 * Design: src/vault/keeper.h. */
#include "vault/keeper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "ledger/events.gen.h"
#include "vault/confirm.h"

/* Intents are asked for within a crossing's life; older ones than this many leaves are forgotten, and
 * their crossings refused. */
enum { INTENTS_MAX = 4096 };

/* An intent is good for keys this long in ledger time and on the boot clock, so that an old one is no standing
 * licence, also when the wall clock was set back. */
#define INTENT_LIFE_MS INT64_C(600000)

typedef struct {
    uint64_t index;
    int64_t time_ms;
    uint64_t seen_ms; /* on the boot clock, which nobody sets back */
    sl_uid principal;
    sl_uid compartment_id;
    char crossing[SL_EVENT_WORD_BYTES_MAX + 1];
    char object[SL_EVENT_WORD_BYTES_MAX + 1];
    sl_door door;
    bool live;
} intent;

/* How often the records of a compartment were compared of late. */
typedef struct {
    sl_uid compartment_id;
    sl_confirm_budget budget;
    bool told; /* that it was too often */
} confirms;

enum { CONFIRMS_MAX = 64, COMPARE_PAUSE_MS = 2000 };

/* Rosters that operators let the ingest door rebuild, a ring; each approval for an hour. */
enum { REBUILDS_MAX = 8, REBUILD_LIFE_MS = 3600 * 1000 };
typedef struct {
    bool live;
    uint64_t index;
    int64_t time_ms;
    sl_name compartment;
} rebuild;

/* Keys that the ingest door was given under an intent, a ring. Under that intent it may have them again or
 * forget them; no other key of the compartment, or whoever took the door over could open and destroy all. */
enum { MADE_MAX = 4096 };
typedef struct {
    bool live;
    uint64_t intent;
    uint64_t version;
    sl_wrap_kind kind;
    sl_name name;
} made_key;

struct sl_keeper {
    sl_keeper_world world;
    char dir[4096];
    int kms_dir;
    sl_roll *roll;
    sl_keystore *keystore;
    sl_kms *kms;
    intent intents[INTENTS_MAX];
    size_t intents_next;
    confirms confirms[CONFIRMS_MAX];
    size_t confirms_next;
    uint64_t compare_from_ms; /* on the boot clock: not before, nobody answered the last time */
    rebuild rebuilds[REBUILDS_MAX];
    size_t rebuilds_next;
    made_key made[MADE_MAX];
    size_t made_next;
    bool told; /* why the request is refused stands in a leaf already, or would only repeat one */
};

uint64_t sl_boot_elapsed_ms(uint64_t then_ms, uint64_t now_ms)
{
    /* A clock that went back was reset by a reboot after `then`: what it shows has passed since. If it
     * shows more than `then` after a reboot, the difference is less than what passed. */
    return now_ms >= then_ms ? now_ms - then_ms : now_ms;
}

sl_res sl_keeper_new(const char *dir, const sl_keeper_world *world, sl_keeper **ret_keeper)
{
    SL_NEED(strlen(dir) < sizeof(((sl_keeper *)NULL)->dir) - 32, SL_E_LIMIT);
    sl_keeper *k = calloc(1, sizeof *k);
    SL_NEED(k != NULL, SL_E_MEMORY);
    k->world = *world;
    k->kms_dir = -1;
    memcpy(k->dir, dir, strlen(dir) + 1);
    sl_res r = sl_roll_new(&k->roll);
    if (!sl_ok(r)) {
        sl_keeper_free(k);
        return r;
    }
    *ret_keeper = k;
    return SL_DONE;
}

void sl_keeper_free(sl_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    sl_keystore_free(keeper->keystore);
    sl_kms_free_at(&keeper->kms);
    sl_roll_free(keeper->roll);
    sl_fd_close(&keeper->kms_dir);
    free(keeper);
}

void sl_keeper_free_at(sl_keeper **keeper)
{
    sl_keeper_free(*keeper);
    *keeper = NULL;
}

const sl_roll *sl_keeper_roll(const sl_keeper *keeper)
{
    return keeper->roll;
}

bool sl_keeper_unlocked(const sl_keeper *keeper)
{
    return keeper->keystore != NULL && sl_keystore_unlocked(keeper->keystore);
}

void sl_keeper_unload_all(sl_keeper *keeper)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(keeper->roll, &count);
    for (size_t i = 0; keeper->keystore != NULL && i < count; i++) {
        sl_keystore_unload(keeper->keystore, list[i].name);
    }
}

/* ---- following the ledger ---- */

static void text_set(char *to, size_t n, sl_view from)
{
    memset(to, 0, n);
    memcpy(to, from.p, from.n < n ? from.n : n - 1);
}

static bool intent_door(const sl_leaf *leaf, sl_door *ret_door)
{
    for (int d = 0; d < SL_DOOR_COUNT; d++) {
        sl_view name = sl_view_str(sl_door_name((sl_door)d));
        if (sl_view_eq(leaf->by, name) && sl_view_starts(leaf->type, name) &&
            sl_view_eq_str(sl_view_sub(leaf->type, name.n, leaf->type.n), ".intent")) {
            *ret_door = (sl_door)d;
            return true;
        }
    }
    return false;
}

/* An outcome ends its crossing's intent: no key is given afterwards. */
static void note_outcome(sl_keeper *k, const sl_leaf *leaf)
{
    for (size_t i = 0; i < INTENTS_MAX; i++) {
        intent *it = &k->intents[i];
        if (it->live && sl_view_eq_str(leaf->crossing, it->crossing)) {
            it->live = false;
        }
    }
}

static void note_intent(sl_keeper *k, uint64_t index, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    if (!sl_ok(sl_leaf_read(text, &leaf))) {
        return;
    }
    sl_door door;
    if (intent_door(&leaf, &door)) {
        intent *it = &k->intents[k->intents_next];
        k->intents_next = (k->intents_next + 1) % INTENTS_MAX;
        *it = (intent){ .index = index,
                        .time_ms = (int64_t)leaf.time_ms,
                        .seen_ms = k->world.boot_ms(k->world.context),
                        .door = door,
                        .live = true };
        text_set(it->principal, sizeof it->principal, leaf.principal);
        text_set(it->compartment_id, sizeof it->compartment_id, leaf.compartment);
        text_set(it->crossing, sizeof it->crossing, leaf.crossing);
        text_set(it->object, sizeof it->object, sl_leaf_text(&leaf, "object"));
    } else if (leaf.crossing.n > 0 && sl_view_ends(leaf.type, SL_LIT(".outcome"))) {
        note_outcome(k, &leaf);
    }
}

/* The roll has verified it: what it applied was approved. What was done with it ends it. */
static void note_rebuild(sl_keeper *k, uint64_t index, sl_view text, sl_fold did)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_OWN(sl_buf, statement_text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    sl_statement s;
    uint64_t approval = 0;
    if (!sl_ok(sl_leaf_read(text, &leaf))) {
        return;
    }
    bool rebuilt = sl_leaf_is(&leaf, "roster.rebuilt") || sl_leaf_is(&leaf, "echo.rebuilt");
    if (rebuilt && sl_view_eq_str(leaf.by, "ingest") &&
        sl_leaf_count(&leaf, "approval", &approval)) {
        for (size_t i = 0; i < REBUILDS_MAX; i++) {
            k->rebuilds[i].live = k->rebuilds[i].live && k->rebuilds[i].index != approval;
        }
    }
    if (did == SL_FOLD_APPLIED && sl_leaf_is(&leaf, "action.approved") &&
        sl_ok(sl_base64_decode(sl_leaf_text(&leaf, "statement"), &statement_text)) &&
        sl_ok(sl_statement_decode(sl_buf_view(&statement_text), &s)) &&
        s.action == SL_ACTION_ROSTER_REBUILD) {
        rebuild *r = &k->rebuilds[k->rebuilds_next++ % REBUILDS_MAX];
        *r = (rebuild){ .live = true, .index = index, .time_ms = (int64_t)leaf.time_ms };
        memcpy(r->compartment, s.compartment, sizeof r->compartment);
    }
}

/* Sealing must not wait for the next round of work. */
static void unload_closed(sl_keeper *k)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(k->roll, &count);
    for (size_t i = 0; k->keystore != NULL && i < count; i++) {
        if (list[i].state >= SL_COMPARTMENT_SEALED) {
            sl_keystore_unload(k->keystore, list[i].name);
        }
    }
}

sl_res sl_keeper_follow(sl_keeper *keeper)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    for (;;) {
        uint64_t index = sl_roll_next(keeper->roll);
        sl_buf_clear(&text);
        sl_res r = keeper->world.leaf(keeper->world.context, index, &text);
        if (sl_is(r, SL_E_NOT_FOUND)) {
            break;
        }
        SL_TRY(r);
        sl_fold did = SL_FOLD_OTHER;
        SL_TRY(sl_roll_fold(keeper->roll, index, sl_buf_view(&text), &did));
        if (did == SL_FOLD_REFUSED) {
            sl_log(SL_LOG_WARN, "leaf %llu asks for what its approvals do not carry",
                   (unsigned long long)index);
        }
        note_intent(keeper, index, sl_buf_view(&text));
        note_rebuild(keeper, index, sl_buf_view(&text), did);
        if (did == SL_FOLD_APPLIED) {
            unload_closed(keeper);
        }
    }
    return SL_DONE;
}

/* ---- unlocking ---- */

static sl_res open_token(sl_keeper *k)
{
    if (k->world.token == NULL) {
        return sl_fail_at(SL_E_UNSUPPORTED, "kms", SL_NOWHERE);
    }
    sl_buf pin = { .max = 256 };
    sl_res r = sl_buf_reserve(&pin, 256);
    r = sl_ok(r) ? sl_keystore_pin_get(k->keystore, &pin) : r;
    r = sl_ok(r) ? k->world.token(k->world.context, sl_buf_view(&pin), &k->kms) : r;
    if (pin.p != NULL) {
        sl_wipe(pin.p, pin.cap);
    }
    sl_buf_free(&pin);
    return r;
}

static sl_res open_kms(sl_keeper *k)
{
    if (strcmp(sl_keystore_driver(k->keystore), "file") != 0) {
        return open_token(k);
    }
    SL_OWN(int, dir, sl_fd_close) = -1;
    uint8_t root[SL_KEY_BYTES];
    SL_TRY(sl_dir_open(AT_FDCWD, k->dir, &dir));
    sl_fd_close(&k->kms_dir);
    SL_TRY(sl_dir_open(dir, "kms", &k->kms_dir));
    SL_TRY(sl_keystore_kms_root(k->keystore, root));
    sl_res r = sl_kms_file_open(k->kms_dir, root, &k->kms);
    sl_wipe(root, sizeof root);
    return r;
}

static sl_res unlock_all(sl_keeper *k, sl_view secret)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = sizeof k->dir };
    SL_TRY(sl_buf_addf(&path, "%s/keystore.db", k->dir));
    const char *path_text = sl_buf_cstr(&path);
    SL_NEED(path_text != NULL, SL_E_MEMORY);
    SL_TRY(sl_keystore_open(path_text, sl_roll_site(k->roll), &k->keystore));
    SL_TRY(sl_keystore_check(k->keystore, sl_roll_keystore_sequence(k->roll)));
    SL_TRY(sl_keystore_unlock(k->keystore, secret));
    SL_TRY(open_kms(k));
    return sl_keystore_attach(k->keystore, k->kms);
}

sl_res sl_keeper_unlock(sl_keeper *keeper, sl_view secret)
{
    SL_NEED(!sl_keeper_unlocked(keeper), SL_E_EXISTS);
    SL_NEED(sl_roll_site(keeper->roll)[0] != 0, SL_E_UNAVAILABLE);
    sl_res r = unlock_all(keeper, secret);
    if (!sl_ok(r)) {
        sl_detail detail = *sl_detail_get();
        sl_keystore_free_at(&keeper->keystore);
        sl_kms_free_at(&keeper->kms);
        return sl_fail_at((sl_code)r.code, detail.field, detail.offset);
    }
    return SL_DONE;
}

/* ---- making the keystore follow the roll ---- */

static sl_res tell_created(sl_keeper *k, const sl_compartment *c)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_key_created event = { .key = sl_view_str(c->id),
                                   .kind = SL_LIT("compartment"),
                                   .alg = SL_LIT("aes-256-kwp"),
                                   .purpose = SL_LIT("wrap"),
                                   .sequence = sl_keystore_sequence(k->keystore) };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_key_created(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static sl_res tell_destroyed(sl_keeper *k, const sl_compartment *c, bool proved)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_key_destroyed event = { .key = sl_view_str(c->id),
                                     .kind = SL_LIT("compartment"),
                                     .has_order = true,
                                     .order = c->shred_leaf_index,
                                     .proved = proved,
                                     .kms = sl_view_str(sl_keystore_driver(k->keystore)),
                                     .sequence = sl_keystore_sequence(k->keystore) };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_key_destroyed(&head, &event, &out));
    SL_TRY(k->world.append(k->world.context, sl_buf_view(&out)));
    sl_buf_clear(&out);
    sl_event_compartment_state state = { .state = SL_LIT("shredded"),
                                         .reason = SL_LIT("ordered"),
                                         .epoch = c->epoch };
    SL_TRY(sl_emit_compartment_state(&head, &state, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static sl_res tell_erased(sl_keeper *k, const sl_erasure *e, const sl_erased *did)
{
    const sl_compartment *c = sl_roll_compartment(k->roll, sl_view_str(e->compartment));
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_erasure_done event = { .subject = sl_view_str(e->subject),
                                    .order = e->leaf_index,
                                    .rewrapped = did->rewrapped,
                                    .destroyed = did->destroyed,
                                    .sequence = sl_keystore_sequence(k->keystore),
                                    .proved = did->proved };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_erasure_done(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

/* Has the delay since an order passed, by every clock there is? The boot clock's reading at the first
 * sight of the order is kept in the keystore. */
static sl_res delay_passed(sl_keeper *k, uint64_t order, int64_t ordered_ms,
                           uint64_t witness_then_s, bool *ret_passed)
{
    uint64_t delay_ms = (uint64_t)sl_roll_delay_ms(k->roll);
    uint64_t now_ms = k->world.boot_ms(k->world.context);
    uint64_t seen_ms = 0;
    SL_TRY(sl_keystore_order_seen(k->keystore, order, now_ms, &seen_ms));
    int64_t wall_ms = k->world.wall_ms(k->world.context);
    uint64_t witness_s = sl_roll_witness_s(k->roll);
    /* A site that got its first witness after the order has no earlier time to count from. */
    bool by_witness = witness_then_s == 0 || (witness_s > witness_then_s &&
                                              (witness_s - witness_then_s) * 1000 >= delay_ms);
    *ret_passed = sl_boot_elapsed_ms(seen_ms, now_ms) >= delay_ms && by_witness &&
                  wall_ms >= ordered_ms && (uint64_t)(wall_ms - ordered_ms) >= delay_ms;
    return SL_DONE;
}

static sl_res work_shred(sl_keeper *k, const sl_compartment *c)
{
    bool passed = false;
    SL_TRY(delay_passed(k, c->shred_leaf_index, c->shred_ordered_ms, c->shred_witness_s, &passed));
    if (!passed) {
        return SL_DONE;
    }
    sl_erased did = { 0 };
    sl_res r = sl_keystore_shred(k->keystore, c->name, &did);
    /* Gone already: a crash came between the destruction and its leaf. Attaching the keystore
     * finished the destruction, so the leaf tells the truth. */
    if (sl_is(r, SL_E_NOT_FOUND)) {
        did.proved = true;
    } else {
        SL_TRY(r);
    }
    return tell_destroyed(k, c, did.proved);
}

static sl_res work_compartment(sl_keeper *k, const sl_compartment *c)
{
    bool exists = sl_keystore_compartment_exists(k->keystore, c->name);
    switch (c->state) {
    case SL_COMPARTMENT_OPEN:
    case SL_COMPARTMENT_CLOSED:
        if (!exists && c->keys_made) {
            return sl_fail_at(SL_E_ROLLBACK, "keystore", c->leaf_index);
        }
        if (!exists) {
            SL_TRY(sl_keystore_compartment_create(k->keystore, c->name));
        }
        if (!c->keys_made) {
            SL_TRY(tell_created(k, c));
        }
        return sl_keystore_load(k->keystore, c->name);
    case SL_COMPARTMENT_SEALED:
        sl_keystore_unload(k->keystore, c->name);
        return c->shred_ordered ? work_shred(k, c) : SL_DONE;
    case SL_COMPARTMENT_SHREDDED:
        sl_keystore_unload(k->keystore, c->name);
        return SL_DONE;
    }
    return sl_fail(SL_E_BUG);
}

static sl_res work_erasure(sl_keeper *k, const sl_erasure *e)
{
    if (e->state != SL_ERASURE_ORDERED || !sl_keystore_loaded(k->keystore, e->compartment)) {
        return SL_DONE;
    }
    bool passed = false;
    SL_TRY(delay_passed(k, e->leaf_index, e->ordered_ms, e->witness_s, &passed));
    if (!passed) {
        return SL_DONE;
    }
    sl_erased did = { 0 };
    sl_res r = sl_keystore_erase(k->keystore, e->compartment, SL_WRAP_SUBJECT, e->subject, 0, &did);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        did.proved = true; /* never there, or erased before a crash */
    } else {
        SL_TRY(r);
    }
    return tell_erased(k, e, &did);
}

sl_res sl_keeper_work(sl_keeper *keeper)
{
    SL_NEED(sl_keeper_unlocked(keeper), SL_E_LOCKED);
    sl_res first = SL_DONE;
    size_t count = 0;
    /* By number: telling appends leaves, and following them may move the lists. */
    (void)sl_roll_compartments(keeper->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_compartment c = sl_roll_compartments(keeper->roll, &count)[i];
        sl_res r = work_compartment(keeper, &c);
        first = sl_ok(first) ? r : first;
    }
    (void)sl_roll_erasures(keeper->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_erasure e = sl_roll_erasures(keeper->roll, &count)[i];
        sl_res r = work_erasure(keeper, &e);
        first = sl_ok(first) ? r : first;
    }
    sl_res r = sl_keeper_follow(keeper);
    return sl_ok(first) ? r : first;
}

/* ---- answering ---- */

static sl_res open_compartment(const sl_keeper *k, const char *name, const sl_compartment **ret)
{
    const sl_compartment *c = sl_roll_compartment(k->roll, sl_view_str(name));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_NEED(c->state == SL_COMPARTMENT_OPEN, SL_E_VALVE);
    *ret = c;
    return SL_DONE;
}

static const intent *intent_at(const sl_keeper *k, uint64_t index)
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
    const intent *it = intent_at(k, q->intent);
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

/* Is the compartment open for data keys? Unlike those that are derived for matching, they wait until somebody
 * opened a valve in this life of the site: an epoch of 0 says that nobody did. */
static sl_res opened_for_data(sl_keeper *k, sl_door door, const sl_compartment *c)
{
    uint64_t epoch = 0;
    bool open = k->world.open(k->world.context, door, NULL, c->id, &epoch);
    return open && epoch != 0 ? SL_DONE : sl_fail(SL_E_VALVE);
}

/* Operators, not a principal, let the ingest door open what is sealed: for this compartment, for an hour, until the
 * roster stands. */
static sl_res check_rebuild(sl_keeper *k, uint16_t type, const sl_key_request *q)
{
    const sl_compartment *c = NULL;
    int64_t now_ms = k->world.wall_ms(k->world.context);
    SL_NEED(type == SL_KEEPER_KEY_OPEN && q->kind == SL_WRAP_OBJECT, SL_E_DENIED);
    SL_TRY(catch_up(k));
    SL_TRY(open_compartment(k, q->compartment, &c));
    SL_TRY(opened_for_data(k, SL_DOOR_INGEST, c));
    for (size_t i = 0; i < REBUILDS_MAX; i++) {
        const rebuild *r = &k->rebuilds[i];
        if (r->live && r->index == q->intent && strcmp(r->compartment, q->compartment) == 0 &&
            now_ms >= r->time_ms && now_ms - r->time_ms < REBUILD_LIFE_MS) {
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_REFUSED, "approval", q->intent);
}

/* Of a release: no key but that of the object which it becomes while it is held, of what operators asked to let
 * out (to look at it), and of what others let out. */
static bool release_covers(const sl_release *r, uint16_t type, const sl_key_request *q,
                           sl_res ready, int64_t now_ms)
{
    bool object = strcmp(r->kind, "object") == 0;
    bool same = strcmp(r->compartment, q->compartment) == 0 && strcmp(r->object, q->name) == 0 &&
                r->version == q->version && q->kind == SL_WRAP_OBJECT;
    if (type == SL_KEEPER_KEY_OPEN) {
        bool looks = object && r->state == SL_RELEASE_ASKED && r->asked_leaf == q->intent &&
                     now_ms - r->asked_ms < SL_RELEASE_ASK_MS_MAX;
        return same && (looks || (sl_ok(ready) && r->approved_leaf == q->intent));
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
    SL_TRY(open_compartment(k, q->compartment, &c));
    SL_NEED(k->world.open(k->world.context, SL_DOOR_RELEASE, NULL, c->id, ret_epoch), SL_E_VALVE);
    const sl_release *list = sl_roll_releases(k->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_res ready = sl_roll_release_ready(k->roll, &list[i], now_ms);
        if (release_covers(&list[i], type, q, ready, now_ms)) {
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
    SL_TRY(open_compartment(k, q->compartment, &c));
    SL_NEED(sl_roll_grant_for(k->roll, sl_view_str(q->principal), sl_view_str(q->compartment), door,
                              now_ms) != NULL,
            SL_E_NO_GRANT);
    SL_NEED(k->world.open(k->world.context, door, q->principal, c->id, &epoch), SL_E_VALVE);
    return check_intent(k, door, q, c);
}

static void note_made(sl_keeper *k, const sl_key_request *q)
{
    made_key *m = &k->made[k->made_next++ % MADE_MAX];
    *m = (made_key){ .live = true, .intent = q->intent, .version = q->version, .kind = q->kind };
    memcpy(m->name, q->name, sizeof m->name);
}

/* NULL: not made under the intent that the request names. An intent names its compartment. */
static made_key *made_under(sl_keeper *k, const sl_key_request *q)
{
    for (size_t i = 0; i < MADE_MAX; i++) {
        made_key *m = &k->made[i];
        if (m->live && m->intent == q->intent && m->kind == q->kind && m->version == q->version &&
            strcmp(m->name, q->name) == 0) {
            return m;
        }
    }
    return NULL;
}

static sl_res forget_key(sl_keeper *k, const sl_key_request *q)
{
    made_key *made = made_under(k, q);
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
    SL_TRY(open_compartment(k, q.compartment, &found));
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

/* ---- echo: comparing one record ---- */

static confirms *confirms_of(sl_keeper *k, const char *compartment_id)
{
    for (size_t i = 0; i < CONFIRMS_MAX; i++) {
        if (strcmp(k->confirms[i].compartment_id, compartment_id) == 0) {
            return &k->confirms[i];
        }
    }
    confirms *c = &k->confirms[k->confirms_next];
    k->confirms_next = (k->confirms_next + 1) % CONFIRMS_MAX;
    *c = (confirms){ 0 };
    memcpy(c->compartment_id, compartment_id, sizeof c->compartment_id);
    return c;
}

static sl_res tell_throttled(sl_keeper *k, const sl_compartment *c)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_throttled event = { .each_second = SL_CONFIRM_EACH_SECOND };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_throttled(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

/* Once for each time that it becomes too much. */
static sl_res spend_confirm(sl_keeper *k, const sl_compartment *c)
{
    confirms *spent = confirms_of(k, c->id);
    if (sl_confirm_budget_take(&spent->budget, k->world.boot_ms(k->world.context))) {
        spent->told = spent->told && spent->budget.left < SL_CONFIRM_BURST / 2;
        return SL_DONE;
    }
    k->told = true;
    if (!spent->told) {
        spent->told = true;
        SL_TRY(tell_throttled(k, c));
    }
    return sl_fail_at(SL_E_BUDGET, "comparisons of records", SL_CONFIRM_EACH_SECOND);
}

static sl_res tell_compared(sl_keeper *k, const sl_compartment *c, const sl_object_ref *ref,
                            const sl_confirm_request *q)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_compared event = { .object = sl_view_str(ref->uid),
                                     .version = ref->version,
                                     .bytes = q->text.n };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_compared(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static sl_res tell_confirmed(sl_keeper *k, const sl_compartment *c, const sl_object_ref *ref,
                             const sl_confirm_answer *a)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_confirmed event = { .object = sl_view_str(ref->uid),
                                      .version = ref->version,
                                      .bits = a->bits,
                                      .words = a->words_same,
                                      .permille = a->permille };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_confirmed(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

/* Who did not answer in time is left alone for a while: each try holds up everybody else's requests. */
static sl_res compare_answers(sl_keeper *k)
{
    if (k->world.boot_ms(k->world.context) >= k->compare_from_ms) {
        return SL_DONE;
    }
    k->told = true;
    return sl_fail_at(SL_E_UNAVAILABLE, "confirm", SL_NOWHERE);
}

/* The keys go to who compares, never to who asks. */
static sl_res compare_with_keys(sl_keeper *k, const sl_confirm_request *q, const sl_object_ref *ref,
                                sl_view body, sl_confirm_answer *ret)
{
    sl_buf all = { .max = SL_CONFIRM_KEYS_BYTES + SL_CONFIRM_REQUEST_BYTES_MAX };
    SL_TRY(sl_buf_reserve(&all, all.max));
    all.n = SL_CONFIRM_KEYS_BYTES;
    sl_res r = sl_keystore_derive(k->keystore, q->compartment, "echo", all.p);
    r = sl_ok(r) ? sl_keystore_key_open(k->keystore, q->compartment, SL_WRAP_OBJECT, ref->uid,
                                        (int64_t)ref->version, all.p + SL_KEY_BYTES)
                 : r;
    r = sl_ok(r) ? sl_buf_add(&all, body) : r;
    if (sl_ok(r)) {
        r = k->world.compare(k->world.context, sl_buf_view(&all), ret);
        k->told = !sl_ok(r); /* who compares is away: no refusal of ours */
        k->compare_from_ms =
            sl_is(r, SL_E_TIMEOUT) ? k->world.boot_ms(k->world.context) + COMPARE_PAUSE_MS : 0;
    }
    sl_wipe(all.p, all.cap);
    sl_buf_free(&all);
    return r;
}

static sl_res answer_confirm(sl_keeper *k, sl_view body, sl_buf *reply)
{
    sl_confirm_request q;
    sl_confirm_answer answer;
    sl_object_ref ref;
    const sl_compartment *found = NULL;
    SL_TRY(sl_confirm_request_decode(body, &q));
    SL_TRY(sl_echo_source_read(q.source, &ref));
    SL_NEED(k->world.compare != NULL, SL_E_UNSUPPORTED);
    SL_TRY(sl_keeper_follow(k));
    SL_TRY(open_compartment(k, q.compartment, &found));
    sl_compartment c = *found;
    SL_TRY(opened_for_data(k, SL_DOOR_ASK, &c));
    SL_TRY(compare_answers(k));
    SL_TRY(spend_confirm(k, &c));
    SL_TRY(tell_compared(k, &c, &ref, &q));
    SL_TRY(compare_with_keys(k, &q, &ref, body, &answer));
    if (answer.confirmed) {
        SL_TRY(tell_confirmed(k, &c, &ref, &answer));
    }
    return sl_confirm_answer_encode(&answer, reply);
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
        return answer_confirm(k, body, reply);
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
