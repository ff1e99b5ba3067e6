/* Releases in the roll: what somebody asked to let out, what the release door told of it, and who let it out.
 * A request is one person's; whoever asked may not approve, whatever keys that person has. What the door tells
 * moves a release on only to where it can be looked at or is over; what lets bytes out is an approval that
 * names the manifest of the very bytes that lie sealed. Design: src/doors/release/README.md. */
#include "vault/roll_internal.h"

const char *sl_release_state_name(sl_release_state state)
{
    static const char *const names[] = { "asked", "held", "approved", "rejected", "ended" };
    return names[state];
}

const sl_release *sl_roll_releases(const sl_roll *roll, size_t *ret_count)
{
    *ret_count = roll->releases_count;
    return roll->releases;
}

static sl_release *release_at(const sl_roll *roll, sl_view id)
{
    for (size_t i = 0; i < roll->releases_count; i++) {
        if (sl_view_eq_str(id, roll->releases[i].id)) {
            return &roll->releases[i];
        }
    }
    return NULL;
}

const sl_release *sl_roll_release(const sl_roll *roll, sl_view id)
{
    return release_at(roll, id);
}

sl_res sl_roll_release_ready(const sl_roll *roll, const sl_release *release, int64_t now_ms)
{
    SL_NEED(release != NULL, SL_E_NOT_FOUND);
    now_ms = sl_roll_now(roll, now_ms);
    if (release->state != SL_RELEASE_APPROVED) {
        if (release->times_out != 0) {
            return sl_fail_at(SL_E_APPROVAL, "it was taken already", release->taken_leaf);
        }
        return sl_fail_at(SL_E_APPROVAL, "nobody approved it", release->held_leaf);
    }
    const sl_compartment *c = sl_roll_compartment(roll, sl_view_str(release->compartment));
    if (c == NULL || c->state != SL_COMPARTMENT_OPEN || c->epoch != release->epoch) {
        return sl_fail_at(SL_E_APPROVAL, "the compartment was closed since", release->epoch);
    }
    if (now_ms - release->approved_ms >= SL_RELEASE_APPROVAL_MS_MAX ||
        now_ms >= release->until_ms) {
        return sl_fail_at(SL_E_APPROVAL, "it was approved too long ago", release->approved_leaf);
    }
    return SL_DONE;
}

sl_res sl_roll_release_readable(const sl_roll *roll, const sl_release *release, int64_t now_ms)
{
    SL_NEED(release != NULL, SL_E_NOT_FOUND);
    now_ms = sl_roll_now(roll, now_ms);
    if (release->state != SL_RELEASE_HELD || release->review_leaf == 0) {
        return sl_fail_at(SL_E_APPROVAL, "nobody signed to read it", release->held_leaf);
    }
    const sl_compartment *c = sl_roll_compartment(roll, sl_view_str(release->compartment));
    if (c == NULL || c->state != SL_COMPARTMENT_OPEN || c->epoch != release->review_epoch) {
        return sl_fail_at(SL_E_APPROVAL, "the compartment was closed since", release->review_epoch);
    }
    if (now_ms - release->review_ms >= SL_RELEASE_REVIEW_MS_MAX || now_ms >= release->until_ms) {
        return sl_fail_at(SL_E_APPROVAL, "it was signed for too long ago", release->review_leaf);
    }
    return SL_DONE;
}

/* ---- what a statement needs ---- */

static bool is_uid(const char *text)
{
    return strlen(text) == SL_UID_CHARS && strspn(text, "0123456789abcdef") == SL_UID_CHARS;
}

/* An object is named by its id and version; a file becomes the object of the release's own id. */
static sl_res need_request(const sl_roll *roll, const sl_statement *s)
{
    bool object = strcmp(s->kind, "object") == 0;
    bool file = strcmp(s->kind, "file") == 0 || strcmp(s->kind, "model") == 0;
    if (!is_uid(s->item) || (object ? !is_uid(s->about) || s->count == 0 : s->about[0] != 0)) {
        return sl_fail_at(SL_E_SYNTAX, "release", SL_NOWHERE);
    }
    SL_NEED(object || file, SL_E_UNSUPPORTED);
    SL_NEED(release_at(roll, sl_view_str(s->item)) == NULL, SL_E_EXISTS);
    return SL_DONE;
}

/* Who may let it out may read it, and nobody else: not who asked, whatever keys that person has. */
static sl_res need_review(const sl_release *r, const sl_statement *s, sl_approval_need *ret)
{
    if (r->state != SL_RELEASE_HELD) {
        return sl_fail_at(SL_E_REFUSED, "state", r->asked_leaf);
    }
    if (!sl_digest_eq(&r->held, &s->hash)) {
        return sl_fail_at(SL_E_REFUSED, "hash", r->held_leaf);
    }
    ret->role = SL_ROLE_CHECKER;
    ret->but = r->person;
    ret->persons = 1;
    return SL_DONE;
}

static sl_res need_approval(const sl_release *r, const sl_statement *s, size_t quorum,
                            sl_approval_need *ret)
{
    if (r->state != SL_RELEASE_HELD) {
        return r->state == SL_RELEASE_APPROVED
                   ? sl_fail_at(SL_E_EXISTS, "approval", r->approved_leaf)
                   : sl_fail_at(SL_E_REFUSED, "state", r->asked_leaf);
    }
    if (!sl_digest_eq(&r->held, &s->hash)) {
        return sl_fail_at(SL_E_REFUSED, "hash", r->held_leaf);
    }
    ret->role = SL_ROLE_CHECKER;
    ret->but = r->person;
    /* Who asked is one of the persons of the quorum; it takes another in any case. */
    ret->persons = quorum > 2 ? quorum - 1 : 1;
    return SL_DONE;
}

sl_res sl_roll_release_need(const sl_roll *roll, const sl_statement *s, sl_approval_need *ret)
{
    if (s->action == SL_ACTION_RELEASE_REQUEST) {
        return need_request(roll, s);
    }
    if (s->action != SL_ACTION_RELEASE_APPROVE && s->action != SL_ACTION_RELEASE_REVIEW &&
        s->action != SL_ACTION_RELEASE_REJECT) {
        return SL_DONE;
    }
    const sl_release *r = release_at(roll, sl_view_str(s->item));
    SL_NEED(r != NULL && strcmp(r->compartment, s->compartment) == 0, SL_E_NOT_FOUND);
    if (s->action == SL_ACTION_RELEASE_APPROVE) {
        return need_approval(r, s, (size_t)roll->quorum, ret);
    }
    if (s->action == SL_ACTION_RELEASE_REVIEW) {
        return need_review(r, s, ret);
    }
    /* Whoever may act can say no, who asked too. */
    bool over = r->state == SL_RELEASE_REJECTED || r->state == SL_RELEASE_ENDED;
    return over ? sl_fail_at(SL_E_REFUSED, "state", r->asked_leaf) : SL_DONE;
}

/* ---- what it changes ---- */

static void signer_set(sl_signer_id ret, const sl_public_key *key)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SL_SIGNER_CHARS / 2; i++) {
        ret[2 * i] = digits[key->b[i] >> 4];
        ret[2 * i + 1] = digits[key->b[i] & 15];
    }
    ret[SL_SIGNER_CHARS] = 0;
}

const char *sl_roll_signer_person(const sl_roll *roll, const char *signer)
{
    for (size_t i = 0; i < roll->operators_count; i++) {
        sl_signer_id one;
        signer_set(one, &roll->operators[i].key);
        if (strcmp(one, signer) == 0) {
            return roll->operators[i].person;
        }
    }
    return NULL;
}

static const char *person_of(const sl_roll *roll, const sl_public_key *key)
{
    for (size_t i = 0; i < roll->operators_count; i++) {
        if (memcmp(roll->operators[i].key.b, key->b, sizeof key->b) == 0) {
            return roll->operators[i].person;
        }
    }
    return "";
}

/* A place for one more: a new one, or that of the release that ended first. */
static sl_res place(sl_roll *roll, sl_release **ret)
{
    if (roll->releases_count < SL_ROLL_RELEASES_MAX) {
        SL_TRY(SL_ROLL_GROW(roll, releases, SL_ROLL_RELEASES_MAX));
        *ret = &roll->releases[roll->releases_count++];
        return SL_DONE;
    }
    sl_release *oldest = NULL;
    for (size_t i = 0; i < roll->releases_count; i++) {
        sl_release *r = &roll->releases[i];
        if (r->state == SL_RELEASE_ENDED &&
            (oldest == NULL || r->ended_leaf < oldest->ended_leaf)) {
            oldest = r;
        }
    }
    SL_NEED(oldest != NULL, SL_E_LIMIT);
    *ret = oldest;
    return SL_DONE;
}

static sl_res apply_request(sl_roll *roll, const sl_statement *s, const sl_approval *approval,
                            uint64_t index, int64_t time_ms)
{
    sl_release *r = NULL;
    SL_TRY(place(roll, &r));
    *r = (sl_release){ .state = SL_RELEASE_ASKED,
                       .asked = s->hash,
                       .asked_leaf = index,
                       .asked_ms = time_ms,
                       .version = 1 };
    memcpy(r->id, s->item, sizeof r->id);
    memcpy(r->compartment, s->compartment, sizeof r->compartment);
    memcpy(r->kind, s->kind, sizeof r->kind);
    memcpy(r->label, s->says, sizeof r->label);
    memcpy(r->object, s->item, sizeof r->object);
    if (strcmp(s->kind, "object") == 0) {
        memcpy(r->object, s->about, sizeof r->object);
        r->version = (uint64_t)s->count;
    }
    (void)snprintf(r->person, sizeof r->person, "%s", person_of(roll, &approval->key));
    signer_set(r->asked_by, &approval->key);
    return SL_DONE;
}

static size_t persons_among(const sl_roll *roll, const sl_approval *approvals, size_t count)
{
    size_t persons = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++) {
            again = again || strcmp(person_of(roll, &approvals[i].key),
                                    person_of(roll, &approvals[j].key)) == 0;
        }
        persons += again ? 0 : 1;
    }
    return persons;
}

static void apply_approval(const sl_roll *roll, sl_release *r, const sl_approval *approvals,
                           size_t count, uint64_t index, int64_t time_ms)
{
    const sl_compartment *c = sl_roll_compartment(roll, sl_view_str(r->compartment));
    r->state = SL_RELEASE_APPROVED;
    r->approved_leaf = index;
    r->approved_ms = time_ms;
    r->epoch = c == NULL ? 0 : c->epoch;
    r->approved_persons = persons_among(roll, approvals, count);
    r->approved_count = count < SL_RELEASE_SIGNERS_MAX ? count : SL_RELEASE_SIGNERS_MAX;
    for (size_t i = 0; i < r->approved_count; i++) {
        signer_set(r->approved_by[i], &approvals[i].key);
    }
}

static void apply_review(const sl_roll *roll, sl_release *r, const sl_approval *approval,
                         uint64_t index, int64_t time_ms)
{
    const sl_compartment *c = sl_roll_compartment(roll, sl_view_str(r->compartment));
    r->review_leaf = index;
    r->review_ms = time_ms;
    r->review_epoch = c == NULL ? 0 : c->epoch;
    signer_set(r->reviewer, &approval->key);
}

sl_res sl_roll_release_apply(sl_roll *roll, const sl_statement *s, const sl_approval *approvals,
                             size_t count, uint64_t index, int64_t time_ms)
{
    if (s->action == SL_ACTION_RELEASE_REQUEST) {
        return apply_request(roll, s, &approvals[0], index, time_ms);
    }
    sl_release *r = release_at(roll, sl_view_str(s->item));
    SL_NEED(r != NULL, SL_E_NOT_FOUND);
    if (s->action == SL_ACTION_RELEASE_APPROVE) {
        apply_approval(roll, r, approvals, count, index, time_ms);
        return SL_DONE;
    }
    if (s->action == SL_ACTION_RELEASE_REVIEW) {
        apply_review(roll, r, &approvals[0], index, time_ms);
        return SL_DONE;
    }
    r->state = SL_RELEASE_REJECTED;
    return SL_DONE;
}

/* ---- what the door tells ---- */

static void told_held(sl_release *r, uint64_t index, const sl_leaf *leaf)
{
    uint64_t until_s = 0;
    sl_digest digest;
    bool whole = r->state == SL_RELEASE_ASKED && sl_leaf_count(leaf, "until_s", &until_s) &&
                 sl_ok(sl_digest_parse(sl_leaf_text(leaf, "digest"), &digest));
    if (whole) {
        r->state = SL_RELEASE_HELD;
        r->held = digest;
        r->held_leaf = index;
        r->until_ms = (int64_t)until_s * 1000;
    }
}

/* Handed out, it is held as before and the approval is used up. */
static void told_outcome(sl_release *r, uint64_t index, const sl_leaf *leaf)
{
    if (!sl_view_eq_str(sl_leaf_text(leaf, "outcome"), "released")) {
        r->state = SL_RELEASE_ENDED;
        r->ended_leaf = index;
    } else if (r->state == SL_RELEASE_APPROVED) {
        r->state = SL_RELEASE_HELD;
        r->approved_leaf = 0;
        r->times_out++;
        r->taken_leaf = index;
        r->taken_ms = (int64_t)leaf->time_ms;
        r->taken_count = r->approved_count;
        memcpy(r->taken_by, r->approved_by, sizeof r->taken_by);
    }
}

void sl_roll_release_told(sl_roll *roll, uint64_t index, const sl_leaf *leaf)
{
    if (!sl_view_eq_str(leaf->by, "release")) {
        return;
    }
    sl_release *r = release_at(roll, sl_leaf_text(leaf, "object"));
    if (r == NULL || r->state == SL_RELEASE_ENDED) {
        return;
    }
    if (sl_leaf_is(leaf, "release.held")) {
        told_held(r, index, leaf);
    } else if (sl_leaf_is(leaf, "release.shown") && r->review_leaf != 0) {
        r->review_leaf = 0; /* once */
        r->times_shown++;
    } else if (sl_leaf_is(leaf, "release.outcome")) {
        told_outcome(r, index, leaf);
    }
}
