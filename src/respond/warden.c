/* The warden's core (see warden.h). Two sources move valves: sl_warden_close, downwards and at once, and
 * `settle`, which brings them to what the folded leaves say. `settle` opens nothing while a closing act
 * is not in the ledger yet, nor before all old leaves were folded. */
#include "respond/warden.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/encode.h"
#include "crypto/crypto.h"
#include "crypto/note.h"
#include "ledger/events.gen.h"

#define PENDING_MAX 256

/* An appended event that is not folded yet. */
typedef struct {
    bool used;
    bool taken;   /* the ledger took it and owes an acknowledgement */
    bool durable; /* acknowledged, under `index` */
    bool journalled;
    bool act; /* changes the roll, which may still refuse it */
    uint64_t token;
    uint64_t index;
    uint64_t ticket; /* 0: nobody waits */
    sl_buf event;
} pending;

/* What the newest leaf says of the witnesses. */
typedef struct {
    const char *state; /* NULL: nothing was ever said */
    char name[SL_NOTE_NAME_BYTES_MAX + 1];
    char reason[SL_NAME_BYTES_MAX + 1];
    uint64_t size;
    uint64_t index;
} witness_word;

struct sl_warden {
    witness_word witness;
    sl_warden_options options;
    sl_journal journal;
    sl_roll *roll;
    sl_desk *desk;
    bool caught_up; /* old leaves are folded: the roll is that of the ledger */
    bool live;      /* and every process is at work: leaves turn valves */
    bool started;   /* the start was recorded in this life */
    bool kept;      /* the valves' memory is older than this process */
    uint64_t next;  /* leaf to fold */
    uint64_t site_epoch_seen;
    bool site_may_open;
    bool door_closed[SL_DOOR_COUNT];
    bool principal_closed[SL_VALVE_PRINCIPALS_MAX];
    uint64_t compartment_epoch_seen[SL_VALVE_COMPARTMENTS_MAX];
    pending pending[PENDING_MAX];
};

/* ---- pending events ---- */

static pending *new_pending(sl_warden *w)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (!w->pending[i].used) {
            w->pending[i] = (pending){ .used = true, .event = { .max = SL_LEAF_BYTES_MAX } };
            return &w->pending[i];
        }
    }
    return NULL;
}

static void drop_pending(pending *p)
{
    sl_buf_free(&p->event);
    *p = (pending){ .used = false };
}

static void finish(sl_warden *w, pending *p, sl_res done)
{
    uint64_t ticket = p->ticket;
    uint64_t index = p->index;
    if (p->journalled && sl_ok(done)) {
        sl_res emptied = sl_journal_done(&w->journal);
        (void)emptied.code; /* at worst it is appended again at the next start */
    }
    drop_pending(p);
    if (ticket != 0 && w->options.done != NULL) {
        w->options.done(w->options.context, ticket, done, index);
    }
}

static sl_res submit(sl_warden *w, pending *p)
{
    sl_res sent =
        w->options.ledger.append(w->options.ledger.context, sl_buf_view(&p->event), &p->token);
    p->taken = sl_ok(sent);
    return sent;
}

/* Queue an event. One that is journalled is kept whatever the ledger says now. */
static sl_res queue(sl_warden *w, sl_view event, uint64_t ticket, bool journalled, bool act)
{
    pending *p = new_pending(w);
    SL_NEED(p != NULL, SL_E_AGAIN);
    p->ticket = ticket;
    p->journalled = journalled;
    p->act = act;
    sl_res done = sl_buf_add(&p->event, event);
    if (sl_ok(done)) {
        done = submit(w, p);
    }
    if (!sl_ok(done) && !journalled) {
        drop_pending(p);
        return done;
    }
    return SL_DONE;
}

void sl_warden_retry(sl_warden *w)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        pending *p = &w->pending[i];
        if (p->used && !p->taken && !sl_ok(submit(w, p))) {
            return;
        }
    }
}

static void not_taken(sl_warden *w, pending *p, sl_res why)
{
    p->taken = false;
    if (!p->journalled) {
        finish(w, p, why);
    }
}

void sl_warden_not_taken(sl_warden *w, uint64_t token, sl_res why)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        pending *p = &w->pending[i];
        if (p->used && p->taken && !p->durable && p->token == token) {
            not_taken(w, p, why);
            return;
        }
    }
}

void sl_warden_ledger_lost(sl_warden *w)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        pending *p = &w->pending[i];
        if (p->used && p->taken && !p->durable) {
            not_taken(w, p, sl_fail_at(SL_E_UNAVAILABLE, "ledger", SL_NOWHERE));
        }
    }
}

/* ---- valves follow leaves ---- */

/* While a closing act is not folded, the roll is behind the valves: nothing may open. */
static bool may_open(const sl_warden *w)
{
    return w->live && w->journal.waiting == 0;
}

static void settle_compartments(sl_warden *w)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(w->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_valve_id id;
        sl_valve_slot slot;
        if (!sl_ok(sl_valve_id_parse(sl_view_str(list[i].id), &id)) ||
            !sl_ok(sl_valve_add_compartment(w->options.valves, id, &slot))) {
            continue; /* without a slot every reader finds it closed */
        }
        sl_valve_raise(w->options.valves, SL_VALVE_OF_COMPARTMENT, slot,
                       w->compartment_epoch_seen[slot]);
        if (list[i].state != SL_COMPARTMENT_OPEN) {
            (void)sl_valve_close(w->options.valves, SL_VALVE_OF_COMPARTMENT, slot);
        } else if (may_open(w)) {
            (void)sl_valve_open(w->options.valves, SL_VALVE_OF_COMPARTMENT, slot);
        }
    }
}

static sl_valve_slot principal_slot(sl_warden *w, const char *uid)
{
    sl_valve_id id;
    sl_valve_slot slot = SL_VALVE_NO_SLOT;
    if (!sl_ok(sl_valve_id_parse(sl_view_str(uid), &id)) ||
        !sl_ok(sl_valve_add_principal(w->options.valves, id, &slot))) {
        return SL_VALVE_NO_SLOT;
    }
    return slot;
}

/* A principal is open while a grant or a key of it lives and nothing closed it. */
static void settle_principals(sl_warden *w)
{
    static bool alive[SL_VALVE_PRINCIPALS_MAX];
    memset(alive, 0, sizeof alive);
    size_t count = 0;
    const sl_grant *grants = sl_roll_grants(w->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_valve_slot slot = principal_slot(w, grants[i].principal);
        if (slot != SL_VALVE_NO_SLOT && !grants[i].revoked) {
            alive[slot] = true;
        }
    }
    const sl_api_key *keys = sl_roll_keys(w->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_valve_slot slot = principal_slot(w, keys[i].principal);
        if (slot != SL_VALVE_NO_SLOT && !keys[i].revoked) {
            alive[slot] = true;
        }
    }
    for (sl_valve_slot slot = 0; slot < SL_VALVE_PRINCIPALS_MAX; slot++) {
        if (!alive[slot] || w->principal_closed[slot]) {
            (void)sl_valve_close(w->options.valves, SL_VALVE_OF_PRINCIPAL, slot);
        } else if (may_open(w)) {
            (void)sl_valve_open(w->options.valves, SL_VALVE_OF_PRINCIPAL, slot);
        }
    }
}

/* Doors that do not exist yet stay closed, and the status says so. */
static bool door_exists(sl_door door)
{
    return door != SL_DOOR_RUN;
}

static void settle_site(sl_warden *w)
{
    if (!may_open(w) || !w->site_may_open) {
        return;
    }
    for (unsigned d = 0; d < SL_DOOR_COUNT; d++) {
        if (door_exists((sl_door)d) && !w->door_closed[d]) {
            (void)sl_valve_open(w->options.valves, SL_VALVE_OF_DOOR, d);
        }
    }
    (void)sl_valve_open(w->options.valves, SL_VALVE_OF_SITE, 0);
}

static void settle(sl_warden *w)
{
    if (w->live) {
        settle_compartments(w);
        settle_principals(w);
        settle_site(w);
    }
}

/* ---- folding ---- */

static void fold_moved_principal(sl_warden *w, sl_view target, bool open)
{
    char uid[SL_UID_CHARS + 1] = { 0 };
    if (target.n == SL_UID_CHARS) {
        memcpy(uid, target.p, target.n);
        sl_valve_slot slot = principal_slot(w, uid);
        if (slot != SL_VALVE_NO_SLOT) {
            w->principal_closed[slot] = !open;
        }
    }
}

static void fold_moved(sl_warden *w, const sl_leaf *leaf)
{
    sl_view scope = sl_leaf_text(leaf, "scope");
    sl_view target = sl_leaf_text(leaf, "target");
    bool open = sl_view_eq_str(sl_leaf_text(leaf, "state"), "open");
    uint64_t epoch = 0;
    (void)sl_leaf_count(leaf, "epoch", &epoch);
    sl_door door;
    if (sl_view_eq_str(scope, "site")) {
        w->site_epoch_seen = epoch > w->site_epoch_seen ? epoch : w->site_epoch_seen;
        w->site_may_open = w->live && open; /* an old opening opens nothing */
    } else if (sl_view_eq_str(scope, "door") && sl_ok(sl_door_parse(target, &door))) {
        w->door_closed[door] = !open;
    } else if (sl_view_eq_str(scope, "principal")) {
        fold_moved_principal(w, target, open);
    }
}

/* Operators approved that something opens again. The leaf of the approval is what allows it. */
static void fold_opened(sl_warden *w, const sl_leaf *leaf)
{
    sl_statement s;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    if (!sl_ok(sl_base64_decode(sl_leaf_text(leaf, "statement"), &text)) ||
        !sl_ok(sl_statement_decode(sl_buf_view(&text), &s))) {
        return;
    }
    if (s.action == SL_ACTION_PRINCIPAL_OPEN) {
        fold_moved_principal(w, sl_view_str(s.principal), true);
    } else if (s.action == SL_ACTION_SITE_OPEN) {
        w->site_may_open = w->live;
    } else if (s.action == SL_ACTION_DOOR_OPEN) {
        for (unsigned d = 0; d < SL_DOOR_COUNT; d++) {
            w->door_closed[d] = w->door_closed[d] && (s.doors & SL_DOOR_BIT(d)) == 0;
        }
    }
}

static void fold_state(sl_warden *w, const sl_leaf *leaf)
{
    sl_valve_id id;
    sl_valve_slot slot;
    uint64_t epoch = 0;
    if (sl_leaf_count(leaf, "epoch", &epoch) && sl_ok(sl_valve_id_parse(leaf->compartment, &id)) &&
        sl_ok(sl_valve_add_compartment(w->options.valves, id, &slot)) &&
        epoch > w->compartment_epoch_seen[slot]) {
        w->compartment_epoch_seen[slot] = epoch;
    }
}

static void fold_witnessed(sl_warden *w, uint64_t index, const sl_leaf *leaf)
{
    sl_view name = sl_leaf_text(leaf, "witness");
    sl_view reason = sl_leaf_text(leaf, "reason");
    witness_word word = { .index = index };
    bool said = sl_json_get(&leaf->doc, leaf->fields, "ok") != NULL;
    word.state = !said ? "unreachable" : sl_leaf_bool(leaf, "ok") ? "cosigned" : "refused";
    (void)sl_leaf_count(leaf, "to_size", &word.size);
    memcpy(word.name, name.p, name.n < sizeof word.name ? name.n : 0);
    memcpy(word.reason, reason.p, reason.n < sizeof word.reason ? reason.n : 0);
    w->witness = word;
}

sl_res sl_warden_leaf(sl_warden *w, uint64_t index, sl_view text)
{
    sl_fold fold = SL_FOLD_OTHER;
    SL_TRY(sl_roll_fold(w->roll, index, text, &fold));
    w->next = index + 1;
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_leaf_read(text, &leaf));
    if (sl_leaf_is(&leaf, "action.approved") && fold == SL_FOLD_APPLIED) {
        fold_opened(w, &leaf);
    } else if (sl_leaf_is(&leaf, "ledger.witnessed")) {
        fold_witnessed(w, index, &leaf);
    } else if (sl_view_eq_str(leaf.by, "warden")) {
        if (sl_leaf_is(&leaf, "valve.moved")) {
            fold_moved(w, &leaf);
        } else if (sl_leaf_is(&leaf, "compartment.state")) {
            fold_state(w, &leaf);
        }
    }
    for (size_t i = 0; i < PENDING_MAX; i++) {
        pending *p = &w->pending[i];
        if (p->used && p->durable && p->index == index) {
            bool refused = p->act && fold == SL_FOLD_REFUSED;
            finish(w, p, refused ? sl_fail_at(SL_E_APPROVAL, "roll", index) : SL_DONE);
        }
    }
    settle(w);
    return SL_DONE;
}

sl_res sl_warden_durable(sl_warden *w, uint64_t token, uint64_t index)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        pending *p = &w->pending[i];
        if (p->used && p->taken && !p->durable && p->token == token) {
            p->durable = true;
            p->index = index;
            if (index < w->next) { /* folded before its acknowledgement came */
                finish(w, p, SL_DONE);
                settle(w);
            }
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_NOT_FOUND, "acknowledgement", token);
}

/* ---- acts ---- */

/* The valve of a scope and a name; the ids under which leaves speak of it go into `ret_id`. */
static sl_res find_valve(sl_warden *w, sl_valve_kind scope, sl_view target, sl_valve_slot *ret_slot,
                         const sl_compartment **ret_compartment)
{
    sl_valve_id id;
    sl_door door;
    *ret_compartment = NULL;
    *ret_slot = 0;
    switch (scope) {
    case SL_VALVE_OF_SITE:
        return SL_DONE;
    case SL_VALVE_OF_DOOR:
        SL_TRY(sl_door_parse(target, &door));
        *ret_slot = door;
        return SL_DONE;
    case SL_VALVE_OF_COMPARTMENT:
        *ret_compartment = sl_roll_compartment(w->roll, target);
        if (*ret_compartment == NULL) {
            *ret_compartment = sl_roll_compartment_by_id(w->roll, target);
        }
        SL_NEED(*ret_compartment != NULL, SL_E_NOT_FOUND);
        SL_TRY(sl_valve_id_parse(sl_view_str((*ret_compartment)->id), &id));
        return sl_valve_add_compartment(w->options.valves, id, ret_slot);
    case SL_VALVE_OF_PRINCIPAL:
    default:
        SL_TRY(sl_valve_id_parse(target, &id));
        *ret_slot = sl_valve_find_principal(w->options.valves, id);
        SL_NEED(*ret_slot != SL_VALVE_NO_SLOT, SL_E_NOT_FOUND);
        return SL_DONE;
    }
}

static const char *scope_name(sl_valve_kind scope)
{
    static const char *const names[] = { "site", "door", "compartment", "principal" };
    return names[scope];
}

static sl_res moved_event(sl_valve_kind scope, sl_view target, bool open, uint64_t epoch,
                          sl_view reason, sl_buf *out)
{
    sl_event_head head = { 0 };
    sl_event_valve_moved fields = { .scope = sl_view_str(scope_name(scope)),
                                    .target = target,
                                    .state = sl_view_str(open ? "open" : "closed"),
                                    .epoch = epoch,
                                    .reason = reason };
    return sl_emit_valve_moved(&head, &fields, out);
}

static sl_res closed_event(sl_valve_kind scope, sl_view target, const sl_compartment *compartment,
                           uint64_t epoch, sl_view reason, sl_buf *out)
{
    if (compartment == NULL) {
        return moved_event(scope, target, false, epoch, reason, out);
    }
    sl_event_head head = { .compartment = sl_view_str(compartment->id) };
    sl_event_compartment_state fields = { .state = SL_LIT("closed"),
                                          .reason = reason,
                                          .epoch = epoch };
    return sl_emit_compartment_state(&head, &fields, out);
}

static void remember_closed(sl_warden *w, sl_valve_kind scope, sl_valve_slot slot)
{
    if (scope == SL_VALVE_OF_DOOR) {
        w->door_closed[slot] = true;
    } else if (scope == SL_VALVE_OF_PRINCIPAL) {
        w->principal_closed[slot] = true;
    } else if (scope == SL_VALVE_OF_SITE) {
        w->site_may_open = false;
    }
}

sl_res sl_warden_close(sl_warden *w, sl_valve_kind scope, sl_view target, sl_view reason,
                       uint64_t ticket, uint64_t *ret_epoch)
{
    sl_valve_slot slot;
    const sl_compartment *compartment = NULL;
    SL_TRY(find_valve(w, scope, target, &slot, &compartment));
    /* First the valve; whatever fails from here on, it is closed. */
    uint64_t epoch = sl_valve_close(w->options.valves, scope, slot);
    remember_closed(w, scope, slot);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(closed_event(scope, target, compartment, epoch, reason, &event));
    sl_res kept = sl_journal_add(&w->journal, sl_buf_view(&event));
    SL_TRY(queue(w, sl_buf_view(&event), ticket, sl_ok(kept), false));
    if (ret_epoch != NULL) {
        *ret_epoch = epoch;
    }
    return kept;
}

sl_res sl_warden_cut(sl_warden *w, sl_valve_kind scope, sl_view target)
{
    sl_valve_slot slot;
    const sl_compartment *compartment = NULL;
    SL_TRY(find_valve(w, scope, target, &slot, &compartment));
    (void)sl_valve_renew(w->options.valves, scope, slot);
    return SL_DONE;
}

sl_res sl_warden_record(sl_warden *w, sl_view event)
{
    sl_res kept = sl_journal_add(&w->journal, event);
    SL_TRY(queue(w, event, 0, sl_ok(kept), false));
    return kept;
}

sl_res sl_warden_desk(sl_warden *w, uint16_t type, sl_view body, int64_t now_ms, uint64_t ticket,
                      sl_buf *reply, bool *ret_waits)
{
    SL_NEED(w->live || w->caught_up, SL_E_AGAIN);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_desk_answer(w->desk, type, body, now_ms, reply, &event));
    *ret_waits = event.n > 0;
    return event.n == 0 ? SL_DONE : queue(w, sl_buf_view(&event), ticket, false, true);
}

void sl_warden_caught_up(sl_warden *w)
{
    w->caught_up = true;
}

sl_res sl_warden_append(sl_warden *w, sl_view event, uint64_t ticket)
{
    return queue(w, event, ticket, false, false);
}

/* ---- the start ---- */

/* A valve that stands closed although the roll says open was turned just before the last warden ended,
 * too early for its journal: the ledger hears of it now, and it stays closed. */
static sl_res record_lost_closings(sl_warden *w)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(w->roll, &count);
    for (size_t i = 0; i < count && w->kept; i++) {
        sl_valve_id id;
        SL_TRY(sl_valve_id_parse(sl_view_str(list[i].id), &id));
        sl_valve_slot slot = sl_valve_find_compartment(w->options.valves, id);
        uint64_t epoch = sl_valve_compartment_epoch(w->options.valves, slot);
        if (list[i].state == SL_COMPARTMENT_OPEN && epoch > 0 && !sl_epoch_open(epoch)) {
            SL_TRY(sl_warden_close(w, SL_VALVE_OF_COMPARTMENT, sl_view_str(list[i].name),
                                   SL_LIT("warden_restarted"), 0, NULL));
        }
    }
    return SL_DONE;
}

static sl_res record_start(sl_warden *w, const char *version, const sl_view *missing,
                           size_t missing_count, const sl_digest *program)
{
    struct utsname kernel;
    if (uname(&kernel) != 0) {
        return sl_fail_os(SL_E_IO, "kernel");
    }
    sl_event_head head = { 0 };
    sl_event_host_started fields = { .version = sl_view_str(version),
                                     .provider = sl_view_str(sl_crypto_provider()),
                                     .kernel = sl_view_str(kernel.release),
                                     .layers = { missing, missing_count },
                                     .binary_digest = program };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_emit_host_started(&head, &fields, &event));
    return queue(w, sl_buf_view(&event), 0, false, false);
}

sl_res sl_warden_start(sl_warden *w, const char *version, const sl_view *missing,
                       size_t missing_count, const sl_digest *program)
{
    if (!w->live) {
        /* From here on leaves act. Epochs continue above everything that was ever recorded. */
        w->live = true;
        for (size_t i = 0; !w->kept && i < SL_VALVE_COMPARTMENTS_MAX; i++) {
            w->compartment_epoch_seen[i] += 2;
        }
        SL_TRY(record_lost_closings(w));
        settle(w);
    }
    if (w->started || sl_epoch_open(sl_valve_site_epoch(w->options.valves))) {
        return SL_DONE;
    }
    sl_valve_raise(w->options.valves, SL_VALVE_OF_SITE, 0, w->site_epoch_seen);
    SL_TRY(record_start(w, version, missing, missing_count, program));
    uint64_t epoch = sl_valve_site_epoch(w->options.valves) + 1;
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(moved_event(SL_VALVE_OF_SITE, SL_LIT("site"), true, epoch, SL_LIT("start"), &event));
    SL_TRY(queue(w, sl_buf_view(&event), 0, false, false));
    w->started = true;
    return SL_DONE;
}

static sl_res found_in_journal(void *context, sl_view event)
{
    sl_warden *w = context;
    pending *p = new_pending(w);
    SL_NEED(p != NULL, SL_E_LIMIT);
    p->journalled = true;
    return sl_buf_add(&p->event, event);
}

sl_res sl_warden_new(const sl_warden_options *options, sl_warden **ret_warden)
{
    sl_warden *w = calloc(1, sizeof *w);
    SL_NEED(w != NULL, SL_E_MEMORY);
    w->options = *options;
    w->journal.fd = -1;
    w->kept = sl_valve_fresh(options->valves, 0);
    sl_res done = sl_roll_new(&w->roll);
    if (sl_ok(done)) {
        done = sl_desk_new(w->roll, &w->desk);
    }
    if (sl_ok(done)) {
        done = sl_journal_open(options->state_fd, "journal", &w->journal, found_in_journal, w);
    }
    if (!sl_ok(done)) {
        sl_warden_free(w);
        return done;
    }
    *ret_warden = w;
    return SL_DONE;
}

void sl_warden_free(sl_warden *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (w->pending[i].used) {
            drop_pending(&w->pending[i]);
        }
    }
    sl_journal_close(&w->journal);
    sl_desk_free(w->desk);
    sl_roll_free(w->roll);
    free(w);
}

void sl_warden_beat(sl_warden *w, uint64_t boot_ms)
{
    sl_valve_beat(w->options.valves, boot_ms);
}

const sl_roll *sl_warden_roll(const sl_warden *w)
{
    return w->roll;
}

const sl_valve *sl_warden_valves(const sl_warden *w)
{
    return w->options.valves;
}

uint64_t sl_warden_journal_waiting(const sl_warden *w)
{
    return w->journal.waiting;
}

/* ---- telling ---- */

static void describe_compartment(const sl_warden *w, const sl_compartment *c, sl_json_writer *j)
{
    sl_valve_id id = { { 0 } };
    sl_res parsed = sl_valve_id_parse(sl_view_str(c->id), &id);
    sl_valve_slot slot =
        sl_ok(parsed) ? sl_valve_find_compartment(w->options.valves, id) : SL_VALVE_NO_SLOT;
    uint64_t epoch = sl_valve_compartment_epoch(w->options.valves, slot);
    sl_json_object_begin(j);
    sl_json_put_str(j, "name", c->name);
    sl_json_put_str(j, "id", c->id);
    sl_json_put_str(j, "state", sl_compartment_state_name(c->state));
    sl_json_put_str(j, "valve", sl_epoch_open(epoch) ? "open" : "closed");
    sl_json_put_uint(j, "epoch", epoch);
    sl_json_object_end(j);
}

sl_res sl_warden_describe(const sl_warden *w, sl_buf *out)
{
    const sl_valve *v = w->options.valves;
    sl_json_writer j;
    sl_json_writer_init(&j, out);
    sl_json_object_begin(&j);
    sl_json_put_str(&j, "site", sl_roll_site(w->roll));
    sl_json_put_str(&j, "state", sl_epoch_open(sl_valve_site_epoch(v)) ? "open" : "closed");
    sl_json_put_uint(&j, "epoch", sl_valve_site_epoch(v));
    sl_json_put_uint(&j, "leaves", w->next);
    sl_json_put_uint(&j, "journal_waiting", w->journal.waiting);
    sl_json_put_uint(&j, "refused_leaves", sl_roll_refused(w->roll));
    sl_json_key(&j, "witness");
    sl_json_object_begin(&j);
    sl_json_put_str(&j, "state", w->witness.state == NULL ? "none" : w->witness.state);
    if (w->witness.state != NULL) {
        sl_json_put_str(&j, "name", w->witness.name);
        sl_json_put_str(&j, "reason", w->witness.reason);
        sl_json_put_uint(&j, "size", w->witness.size);
        sl_json_put_uint(&j, "leaf", w->witness.index);
    }
    sl_json_object_end(&j);
    sl_json_key(&j, "doors");
    sl_json_object_begin(&j);
    for (unsigned d = 0; d < SL_DOOR_COUNT; d++) {
        bool open = sl_epoch_open(sl_valve_door_epoch(v, (sl_door)d));
        sl_json_put_str(&j, sl_door_name((sl_door)d),
                        open                      ? "open"
                        : door_exists((sl_door)d) ? "closed"
                                                  : "closed: not built yet");
    }
    sl_json_object_end(&j);
    sl_json_key(&j, "compartments");
    sl_json_array_begin(&j);
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(w->roll, &count);
    for (size_t i = 0; i < count; i++) {
        describe_compartment(w, &list[i], &j);
    }
    sl_json_array_end(&j);
    sl_json_object_end(&j);
    return sl_json_finish(&j);
}
