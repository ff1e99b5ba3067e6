/* The roll's state: what a statement changes, and the lookups. What it needs is in roll_need.c, folding from the
 * text of leaves in roll_leaf.c. Design: src/vault/roll.h. */
#include "vault/roll.h"

#include <stdlib.h>
#include <string.h>

#include "vault/roll_internal.h"

const char *sl_compartment_state_name(sl_compartment_state state)
{
    switch (state) {
    case SL_COMPARTMENT_OPEN:
        return "open";
    case SL_COMPARTMENT_CLOSED:
        return "closed";
    case SL_COMPARTMENT_SEALED:
        return "sealed";
    case SL_COMPARTMENT_SHREDDED:
        return "shredded";
    }
    return "";
}

sl_res sl_roll_new(sl_roll **ret_roll)
{
    sl_roll *roll = calloc(1, sizeof *roll);
    SL_NEED(roll != NULL, SL_E_MEMORY);
    *ret_roll = roll;
    return SL_DONE;
}

void sl_roll_free(sl_roll *roll)
{
    if (roll == NULL) {
        return;
    }
    free(roll->compartments);
    free(roll->grants);
    free(roll->keys);
    free(roll->erasures);
    free(roll->nonces);
    free(roll->vendors);
    free(roll->releases);
    free(roll);
}

void sl_roll_free_at(sl_roll **roll)
{
    sl_roll_free(*roll);
    *roll = NULL;
}

sl_res sl_roll_grow(void **items, size_t *capacity, size_t count, size_t max, size_t size)
{
    if (count < *capacity) {
        return SL_DONE;
    }
    SL_NEED(count < max, SL_E_LIMIT);
    size_t want = *capacity == 0 ? 16 : *capacity * 2;
    want = want > max ? max : want;
    void *more = reallocarray(*items, want, size);
    SL_NEED(more != NULL, SL_E_MEMORY);
    *items = more;
    *capacity = want;
    return SL_DONE;
}

const char *sl_roll_site(const sl_roll *roll)
{
    return roll->site;
}

int64_t sl_roll_quorum(const sl_roll *roll)
{
    return roll->quorum;
}

int64_t sl_roll_delay_ms(const sl_roll *roll)
{
    return roll->delay_ms;
}

uint64_t sl_roll_operators_epoch(const sl_roll *roll)
{
    return roll->operators_epoch;
}

uint64_t sl_roll_next(const sl_roll *roll)
{
    return roll->next;
}

uint64_t sl_roll_refused(const sl_roll *roll)
{
    return roll->refused;
}

uint64_t sl_roll_keystore_sequence(const sl_roll *roll)
{
    return roll->keystore_sequence;
}

uint64_t sl_roll_witness_s(const sl_roll *roll)
{
    return roll->witness_s;
}

int64_t sl_roll_now(const sl_roll *roll, int64_t now_ms)
{
    return now_ms > roll->time_ms ? now_ms : roll->time_ms;
}

void sl_roll_told_witness(sl_roll *roll, uint64_t time_s)
{
    roll->witness_s = time_s > roll->witness_s ? time_s : roll->witness_s;
}

void sl_roll_told_keys(sl_roll *roll, sl_view compartment_id, uint64_t sequence, bool made)
{
    roll->keystore_sequence =
        sequence > roll->keystore_sequence ? sequence : roll->keystore_sequence;
    for (size_t i = 0; made && i < roll->compartments_count; i++) {
        if (sl_view_eq_str(compartment_id, roll->compartments[i].id)) {
            roll->compartments[i].keys_made = true;
        }
    }
}

const sl_operator *sl_roll_operators(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->operators_count;
    return roll->operators;
}

bool sl_roll_person_before(const sl_roll *roll, size_t at, int64_t role)
{
    for (size_t i = 0; i < at; i++) {
        if ((roll->operators[i].roles & role) != 0 &&
            strcmp(roll->operators[i].person, roll->operators[at].person) == 0) {
            return true;
        }
    }
    return false;
}

size_t sl_roll_persons(const sl_roll *roll, int64_t role)
{
    size_t persons = 0;
    for (size_t i = 0; i < roll->operators_count; i++) {
        if ((roll->operators[i].roles & role) != 0 && !sl_roll_person_before(roll, i, role)) {
            persons++;
        }
    }
    return persons;
}

const sl_compartment *sl_roll_compartments(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->compartments_count;
    return roll->compartments;
}

static sl_compartment *compartment_at(const sl_roll *roll, sl_view name)
{
    for (size_t i = 0; i < roll->compartments_count; i++) {
        if (sl_view_eq_str(name, roll->compartments[i].name)) {
            return &roll->compartments[i];
        }
    }
    return NULL;
}

const sl_compartment *sl_roll_compartment(const sl_roll *roll, sl_view name)
{
    return compartment_at(roll, name);
}

const sl_compartment *sl_roll_compartment_by_id(const sl_roll *roll, sl_view id)
{
    for (size_t i = 0; i < roll->compartments_count; i++) {
        if (sl_view_eq_str(id, roll->compartments[i].id)) {
            return &roll->compartments[i];
        }
    }
    return NULL;
}

const sl_grant *sl_roll_grants(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->grants_count;
    return roll->grants;
}

static sl_grant *grant_at(const sl_roll *roll, sl_view id)
{
    for (size_t i = 0; i < roll->grants_count; i++) {
        if (sl_view_eq_str(id, roll->grants[i].id)) {
            return &roll->grants[i];
        }
    }
    return NULL;
}

const sl_grant *sl_roll_grant(const sl_roll *roll, sl_view id)
{
    return grant_at(roll, id);
}

const sl_api_key *sl_roll_keys(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->keys_count;
    return roll->keys;
}

static sl_api_key *key_at(const sl_roll *roll, sl_view id)
{
    for (size_t i = 0; i < roll->keys_count; i++) {
        if (sl_view_eq_str(id, roll->keys[i].id)) {
            return &roll->keys[i];
        }
    }
    return NULL;
}

const sl_api_key *sl_roll_key(const sl_roll *roll, sl_view id)
{
    return key_at(roll, id);
}

const sl_erasure *sl_roll_erasures(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->erasures_count;
    return roll->erasures;
}

static sl_erasure *erasure_at(const sl_roll *roll, sl_view compartment, sl_view subject)
{
    /* The newest first: a cancelled order may be followed by another. */
    for (size_t i = roll->erasures_count; i > 0; i--) {
        sl_erasure *e = &roll->erasures[i - 1];
        if (sl_view_eq_str(compartment, e->compartment) && sl_view_eq_str(subject, e->subject)) {
            return e;
        }
    }
    return NULL;
}

const sl_erasure *sl_roll_erasure(const sl_roll *roll, sl_view compartment, sl_view subject)
{
    return erasure_at(roll, compartment, subject);
}

/* The first live grant from `at` on; *at is then behind it. */
static const sl_grant *next_live(const sl_roll *roll, sl_view compartment, sl_door door,
                                 int64_t now_ms, size_t *at)
{
    const sl_compartment *c = compartment_at(roll, compartment);
    now_ms = sl_roll_now(roll, now_ms);
    if (c == NULL || c->state != SL_COMPARTMENT_OPEN) {
        return NULL;
    }
    while (*at < roll->grants_count) {
        const sl_grant *g = &roll->grants[(*at)++];
        if (!g->revoked && now_ms < g->until_ms && (g->doors & SL_DOOR_BIT(door)) != 0 &&
            sl_view_eq_str(compartment, g->compartment)) {
            return g;
        }
    }
    return NULL;
}

const sl_grant *sl_roll_grant_for(const sl_roll *roll, sl_view principal, sl_view compartment,
                                  sl_door door, int64_t now_ms)
{
    size_t at = 0;
    const sl_grant *g = next_live(roll, compartment, door, now_ms, &at);
    while (g != NULL && !sl_view_eq_str(principal, g->principal)) {
        g = next_live(roll, compartment, door, now_ms, &at);
    }
    return g;
}

const sl_grant *sl_roll_grant_through(const sl_roll *roll, sl_view compartment, sl_door door,
                                      int64_t now_ms)
{
    size_t at = 0;
    return next_live(roll, compartment, door, now_ms, &at);
}

sl_res sl_roll_begin(sl_roll *roll, const sl_genesis_roll *genesis)
{
    SL_NEED(roll->site[0] == 0, SL_E_EXISTS);
    SL_NEED(genesis->operators_count > 0 && genesis->operators_count <= SL_ROLL_OPERATORS_MAX,
            SL_E_RANGE);
    memcpy(roll->operators, genesis->operators, sizeof roll->operators);
    roll->operators_count = genesis->operators_count;
    size_t persons = sl_roll_persons(roll, SL_ROLE_OPERATOR);
    if (genesis->quorum < 1 || (size_t)genesis->quorum > persons || genesis->delay_ms < 0) {
        roll->operators_count = 0;
        return sl_fail_at(SL_E_RANGE, "quorum", persons);
    }
    memcpy(roll->site, genesis->site, sizeof roll->site);
    roll->quorum = genesis->quorum;
    roll->delay_ms = genesis->delay_ms;
    roll->operators_epoch = 1;
    return SL_DONE;
}

size_t sl_roll_vendor_at(const sl_roll *roll, const char *name)
{
    for (size_t i = 0; i < roll->vendors_count; i++) {
        if (strcmp(roll->vendors[i], name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static sl_res apply_vendor(sl_roll *roll, const sl_statement *s)
{
    size_t at = sl_roll_vendor_at(roll, s->vendor);
    if (s->action == SL_ACTION_VENDOR_ADD && at == SIZE_MAX) {
        SL_TRY(SL_ROLL_GROW(roll, vendors, SL_ROLL_VENDORS_MAX));
        memcpy(roll->vendors[roll->vendors_count++], s->vendor, sizeof(sl_name));
    } else if (s->action == SL_ACTION_VENDOR_DROP && s->kind[0] == 0 && at != SIZE_MAX) {
        memcpy(roll->vendors[at], roll->vendors[--roll->vendors_count], sizeof(sl_name));
    }
    return SL_DONE;
}

bool sl_roll_nonce_seen(const void *context, const uint8_t nonce[SL_APPROVAL_NONCE_BYTES])
{
    const sl_roll *roll = context;
    for (size_t i = 0; i < roll->nonces_count; i++) {
        if (memcmp(roll->nonces[i].bytes, nonce, SL_APPROVAL_NONCE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

sl_res sl_roll_admit(const sl_roll *roll, sl_view statement_text, const sl_approval *approvals,
                     size_t count, int64_t now_ms, sl_statement *ret_statement)
{
    sl_statement s;
    SL_TRY(sl_statement_decode(statement_text, &s));
    sl_approval_need need;
    now_ms = sl_roll_now(roll, now_ms);
    SL_TRY(sl_roll_need(roll, &s, &need));
    bool held = s.action == SL_ACTION_ARTEFACT_ADMIT;
    /* Who asks may not let out: with two who ask there would be two of whom neither may. */
    if (s.action == SL_ACTION_RELEASE_REQUEST && count != 1) {
        return sl_fail_at(SL_E_APPROVAL, "one person asks", count);
    }
    if ((s.until_ms != 0 && s.until_ms <= now_ms) ||
        (held && s.until_ms > now_ms + SL_ARTEFACT_ADMIT_MS_MAX)) {
        return sl_fail_at(SL_E_RANGE, "until_ms", SL_NOWHERE);
    }
    SL_TRY(sl_approvals_check(statement_text, roll->site, approvals, count, roll->operators,
                              roll->operators_count, &need, now_ms, sl_roll_nonce_seen, roll));
    *ret_statement = s;
    return SL_DONE;
}

/* Forgets nonces whose approvals have expired: those are refused by their expiry. */
static void nonces_prune(sl_roll *roll, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < roll->nonces_count; i++) {
        if (roll->nonces[i].expiry_ms > now_ms) {
            roll->nonces[kept++] = roll->nonces[i];
        }
    }
    roll->nonces_count = kept;
}

static sl_res nonces_consume(sl_roll *roll, const sl_approval *approvals, size_t count,
                             int64_t now_ms)
{
    nonces_prune(roll, now_ms);
    for (size_t i = 0; i < count; i++) {
        SL_TRY(SL_ROLL_GROW(roll, nonces, SL_ROLL_NONCES_MAX));
        sl_roll_nonce *n = &roll->nonces[roll->nonces_count++];
        memcpy(n->bytes, approvals[i].nonce, sizeof n->bytes);
        n->expiry_ms = approvals[i].expiry_ms;
    }
    return SL_DONE;
}

static void apply_operator(sl_roll *roll, const sl_statement *s)
{
    if (s->action == SL_ACTION_OPERATOR_ADD) {
        sl_operator *o = &roll->operators[roll->operators_count++];
        memset(o, 0, sizeof *o);
        memcpy(o->person, s->operator_name, sizeof o->person);
        memcpy(o->key.b, s->operator_key, sizeof o->key.b);
        o->roles = s->roles;
    } else {
        size_t kept = 0;
        for (size_t i = 0; i < roll->operators_count; i++) {
            if (strcmp(roll->operators[i].person, s->operator_name) != 0) {
                roll->operators[kept++] = roll->operators[i];
            }
        }
        roll->operators_count = kept;
    }
    roll->quorum = s->quorum != 0 ? s->quorum : roll->quorum;
    roll->operators_epoch++;
}

static void apply_state(sl_compartment *c, const sl_statement *s, uint64_t index, int64_t time_ms,
                        uint64_t witness_s)
{
    switch ((int)s->action) {
    case SL_ACTION_COMPARTMENT_OPEN:
        c->state = SL_COMPARTMENT_OPEN;
        break;
    case SL_ACTION_COMPARTMENT_CLOSE:
    case SL_ACTION_COMPARTMENT_UNSEAL:
        c->state = SL_COMPARTMENT_CLOSED;
        break;
    case SL_ACTION_COMPARTMENT_SEAL:
        c->state = SL_COMPARTMENT_SEALED;
        break;
    case SL_ACTION_COMPARTMENT_SHRED:
        c->state = SL_COMPARTMENT_SEALED;
        c->shred_ordered = true;
        c->shred_ordered_ms = time_ms;
        c->shred_leaf_index = index;
        c->shred_witness_s = witness_s;
        break;
    case SL_ACTION_COMPARTMENT_SHRED_CANCEL:
        c->shred_ordered = false;
        break;
    default:
        return;
    }
    c->epoch++;
}

static sl_res apply_create(sl_roll *roll, const sl_statement *s, uint64_t index)
{
    SL_TRY(SL_ROLL_GROW(roll, compartments, SL_ROLL_COMPARTMENTS_MAX));
    sl_compartment *c = &roll->compartments[roll->compartments_count++];
    memset(c, 0, sizeof *c);
    memcpy(c->name, s->compartment, sizeof c->name);
    memcpy(c->id, s->compartment_id, sizeof c->id);
    c->state = SL_COMPARTMENT_OPEN;
    c->epoch = 1;
    c->leaf_index = index;
    return SL_DONE;
}

static sl_res apply_grant(sl_roll *roll, const sl_statement *s, uint64_t index)
{
    SL_TRY(SL_ROLL_GROW(roll, grants, SL_ROLL_GRANTS_MAX));
    sl_grant *g = &roll->grants[roll->grants_count++];
    *g = (sl_grant){ .doors = s->doors,
                     .until_ms = s->until_ms,
                     .requests_h = s->requests_h,
                     .tokens_d = s->tokens_d,
                     .records_d = s->records_d,
                     .leaf_index = index };
    memcpy(g->id, s->grant, sizeof g->id);
    memcpy(g->principal, s->principal, sizeof g->principal);
    memcpy(g->compartment, s->compartment, sizeof g->compartment);
    memcpy(g->purpose, s->purpose, sizeof g->purpose);
    return SL_DONE;
}

static sl_res apply_key(sl_roll *roll, const sl_statement *s, uint64_t index)
{
    SL_TRY(SL_ROLL_GROW(roll, keys, SL_ROLL_KEYS_MAX));
    sl_api_key *k = &roll->keys[roll->keys_count++];
    *k = (sl_api_key){ .hash = s->hash, .until_ms = s->until_ms, .leaf_index = index };
    memcpy(k->id, s->key, sizeof k->id);
    memcpy(k->principal, s->principal, sizeof k->principal);
    memcpy(k->lineage, s->lineage, sizeof k->lineage);
    return SL_DONE;
}

static sl_res apply_erasure(sl_roll *roll, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    SL_TRY(SL_ROLL_GROW(roll, erasures, SL_ROLL_ERASURES_MAX));
    sl_erasure *e = &roll->erasures[roll->erasures_count++];
    *e = (sl_erasure){ .state = SL_ERASURE_ORDERED,
                       .ordered_ms = time_ms,
                       .leaf_index = index,
                       .witness_s = roll->witness_s };
    memcpy(e->compartment, s->compartment, sizeof e->compartment);
    memcpy(e->subject, s->subject, sizeof e->subject);
    return SL_DONE;
}

static sl_res apply_change(sl_roll *roll, const sl_statement *s, uint64_t index, int64_t time_ms)
{
    switch (s->action) {
    case SL_ACTION_OPERATOR_ADD:
    case SL_ACTION_OPERATOR_REMOVE:
        apply_operator(roll, s);
        return SL_DONE;
    case SL_ACTION_COMPARTMENT_CREATE:
        return apply_create(roll, s, index);
    case SL_ACTION_COMPARTMENT_CLOSE:
    case SL_ACTION_COMPARTMENT_OPEN:
    case SL_ACTION_COMPARTMENT_SEAL:
    case SL_ACTION_COMPARTMENT_UNSEAL:
    case SL_ACTION_COMPARTMENT_SHRED:
    case SL_ACTION_COMPARTMENT_SHRED_CANCEL:
        apply_state(compartment_at(roll, sl_view_str(s->compartment)), s, index, time_ms,
                    roll->witness_s);
        return SL_DONE;
    case SL_ACTION_SUBJECT_ERASE:
        return apply_erasure(roll, s, index, time_ms);
    case SL_ACTION_SUBJECT_ERASE_CANCEL:
        erasure_at(roll, sl_view_str(s->compartment), sl_view_str(s->subject))->state =
            SL_ERASURE_CANCELLED;
        return SL_DONE;
    case SL_ACTION_GRANT_ISSUE:
        return apply_grant(roll, s, index);
    case SL_ACTION_GRANT_REVOKE:
        grant_at(roll, sl_view_str(s->grant))->revoked = true;
        return SL_DONE;
    case SL_ACTION_KEY_ISSUE:
        return apply_key(roll, s, index);
    case SL_ACTION_KEY_REVOKE:
        key_at(roll, sl_view_str(s->key))->revoked = true;
        return SL_DONE;
    case SL_ACTION_PRINCIPAL_OPEN:
    case SL_ACTION_DOOR_OPEN:
    case SL_ACTION_SITE_OPEN:
    case SL_ACTION_ROSTER_REBUILD:
    case SL_ACTION_ATTEST:
        return SL_DONE; /* others act on it; the roll only says that it was approved */
    case SL_ACTION_VENDOR_ADD:
    case SL_ACTION_VENDOR_DROP:
        return apply_vendor(roll, s);
    case SL_ACTION_VENDOR_ITEM:
    case SL_ACTION_ARTEFACT_ADMIT:
    case SL_ACTION_ARTEFACT_WITHDRAW:
        return SL_DONE;             /* likewise: the register keeps them (supply/register.h) */
    case SL_ACTION_RELEASE_REQUEST: /* before this */
    case SL_ACTION_RELEASE_APPROVE:
    case SL_ACTION_RELEASE_REVIEW:
    case SL_ACTION_RELEASE_REJECT:
    case SL_ACTION_NONE:
    case SL_ACTION_COUNT:
        break;
    }
    return sl_fail(SL_E_BUG);
}

sl_res sl_roll_apply(sl_roll *roll, const sl_statement *s, const sl_approval *approvals,
                     size_t count, uint64_t index, int64_t time_ms)
{
    /* A consumed nonce without its change refuses a replay; the other order would allow one. */
    SL_TRY(nonces_consume(roll, approvals, count, time_ms));
    if (s->action >= SL_ACTION_RELEASE_REQUEST && s->action <= SL_ACTION_RELEASE_REJECT) {
        return sl_roll_release_apply(roll, s, approvals, count, index, time_ms);
    }
    return apply_change(roll, s, index, time_ms);
}

sl_res sl_roll_contain(sl_roll *roll, sl_view compartment, sl_compartment_state to)
{
    sl_compartment *c = compartment_at(roll, compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    bool closing = (to == SL_COMPARTMENT_CLOSED && c->state == SL_COMPARTMENT_OPEN) ||
                   (to == SL_COMPARTMENT_SEALED && c->state <= SL_COMPARTMENT_CLOSED);
    if (!closing) {
        return sl_fail_at(SL_E_REFUSED, "state", SL_NOWHERE);
    }
    c->state = to;
    c->epoch++;
    return SL_DONE;
}

sl_res sl_roll_shredded(sl_roll *roll, sl_view compartment, int64_t time_ms)
{
    sl_compartment *c = compartment_at(roll, compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    if (!c->shred_ordered || c->state == SL_COMPARTMENT_SHREDDED) {
        return sl_fail_at(SL_E_REFUSED, "state", SL_NOWHERE);
    }
    if (time_ms - c->shred_ordered_ms < roll->delay_ms) {
        return sl_fail_at(SL_E_REFUSED, "delay", SL_NOWHERE);
    }
    c->state = SL_COMPARTMENT_SHREDDED;
    c->epoch++;
    return SL_DONE;
}

sl_res sl_roll_erased(sl_roll *roll, sl_view compartment, sl_view subject, int64_t time_ms)
{
    sl_erasure *e = erasure_at(roll, compartment, subject);
    SL_NEED(e != NULL && e->state == SL_ERASURE_ORDERED, SL_E_NOT_FOUND);
    if (time_ms - e->ordered_ms < roll->delay_ms) {
        return sl_fail_at(SL_E_REFUSED, "delay", SL_NOWHERE);
    }
    e->state = SL_ERASURE_DONE;
    return SL_DONE;
}
