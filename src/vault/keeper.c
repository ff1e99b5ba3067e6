/* The keeper's core: following the ledger and making the keystore follow the roll. Answers to peers are in
 * keeper_answer.c and keeper_confirm.c. Design: src/vault/keeper.h. */
#include "vault/keeper_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "ledger/events.gen.h"

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
        sl_keeper_intent *it = &k->intents[i];
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
        sl_keeper_intent *it = &k->intents[k->intents_next];
        k->intents_next = (k->intents_next + 1) % INTENTS_MAX;
        *it = (sl_keeper_intent){ .index = index,
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
        sl_keeper_rebuild *r = &k->rebuilds[k->rebuilds_next++ % REBUILDS_MAX];
        *r = (sl_keeper_rebuild){ .live = true, .index = index, .time_ms = (int64_t)leaf.time_ms };
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
