/* What a statement needs: may it be said in this state of the roll, and who must sign it. The table of persons by
 * action stands here. It changes nothing. Design: src/vault/roll.h, src/vault/README.md. */
#include <string.h>

#include "vault/attestation.h"
#include "vault/roll_internal.h"

/* Which persons are left for a role when one is gone; for operator.remove. */
static size_t persons_without(const sl_roll *roll, const char *person)
{
    size_t persons = 0;
    for (size_t i = 0; i < roll->operators_count; i++) {
        if ((roll->operators[i].roles & SL_ROLE_OPERATOR) != 0 &&
            strcmp(roll->operators[i].person, person) != 0 &&
            !sl_roll_person_before(roll, i, SL_ROLE_OPERATOR)) {
            persons++;
        }
    }
    return persons;
}

static sl_res need_operator(const sl_roll *roll, const sl_statement *s)
{
    bool known = false;
    bool key_known = false;
    for (size_t i = 0; i < roll->operators_count; i++) {
        known = known || strcmp(roll->operators[i].person, s->operator_name) == 0;
        key_known = key_known ||
                    memcmp(roll->operators[i].key.b, s->operator_key, sizeof s->operator_key) == 0;
    }
    int64_t quorum = s->quorum != 0 ? s->quorum : roll->quorum;
    size_t persons = sl_roll_persons(roll, SL_ROLE_OPERATOR);
    if (s->action == SL_ACTION_OPERATOR_ADD) {
        SL_NEED(!key_known, SL_E_EXISTS);
        SL_NEED(roll->operators_count < SL_ROLL_OPERATORS_MAX, SL_E_LIMIT);
        persons += !known && (s->roles & SL_ROLE_OPERATOR) != 0 ? 1 : 0;
    } else {
        SL_NEED(known, SL_E_NOT_FOUND);
        persons = persons_without(roll, s->operator_name);
    }
    /* Fewer persons than the quorum would lock everybody out for ever. */
    if ((uint64_t)quorum > persons) {
        return sl_fail_at(SL_E_RANGE, "quorum", persons);
    }
    return SL_DONE;
}

static sl_res need_compartment(const sl_roll *roll, const sl_statement *s, const sl_compartment *c)
{
    (void)roll;
    SL_NEED(c->state != SL_COMPARTMENT_SHREDDED, SL_E_REFUSED);
    bool good = false;
    switch ((int)s->action) {
    case SL_ACTION_COMPARTMENT_CLOSE:
        good = c->state == SL_COMPARTMENT_OPEN;
        break;
    case SL_ACTION_COMPARTMENT_OPEN:
        good = c->state == SL_COMPARTMENT_CLOSED;
        break;
    case SL_ACTION_COMPARTMENT_SEAL:
        good = c->state != SL_COMPARTMENT_SEALED;
        break;
    case SL_ACTION_COMPARTMENT_UNSEAL:
        good = c->state == SL_COMPARTMENT_SEALED && !c->shred_ordered;
        break;
    case SL_ACTION_COMPARTMENT_SHRED:
        good = !c->shred_ordered;
        break;
    case SL_ACTION_COMPARTMENT_SHRED_CANCEL:
        good = c->shred_ordered;
        break;
    case SL_ACTION_SUBJECT_ERASE:
    case SL_ACTION_GRANT_ISSUE:
        good = c->state != SL_COMPARTMENT_SEALED;
        break;
    default:
        good = true;
        break;
    }
    return good ? SL_DONE : sl_fail_at(SL_E_REFUSED, "state", SL_NOWHERE);
}

static sl_res need_erasure(const sl_roll *roll, const sl_statement *s)
{
    const sl_erasure *e =
        sl_roll_erasure(roll, sl_view_str(s->compartment), sl_view_str(s->subject));
    bool ordered = e != NULL && e->state == SL_ERASURE_ORDERED;
    if (s->action == SL_ACTION_SUBJECT_ERASE) {
        SL_NEED(!ordered, SL_E_EXISTS);
        SL_NEED(e == NULL || e->state != SL_ERASURE_DONE, SL_E_EXISTS);
        SL_NEED(roll->erasures_count < SL_ROLL_ERASURES_MAX, SL_E_LIMIT);
        return SL_DONE;
    }
    SL_NEED(ordered, SL_E_NOT_FOUND);
    return SL_DONE;
}

/* Whoever speaks of a grant must name one that there is. */
static sl_res need_attestation(const sl_roll *roll, const sl_statement *s)
{
    SL_TRY(sl_attestation_check(s));
    if (strcmp(s->kind, "grant.reviewed") == 0 &&
        sl_roll_grant(roll, sl_view_str(s->about)) == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "grant", SL_NOWHERE);
    }
    return SL_DONE;
}

/* Persons by action: the table of who must agree. Destroying takes two, never fewer. */
static size_t persons_needed(const sl_roll *roll, const sl_statement *s)
{
    size_t quorum = (size_t)roll->quorum;
    switch ((int)s->action) {
    case SL_ACTION_VENDOR_ITEM: /* an exception takes something back that others rely on */
        return strcmp(s->kind, "exception") == 0 ? quorum : 1;
    case SL_ACTION_ARTEFACT_ADMIT:
    case SL_ACTION_OPERATOR_ADD:
    case SL_ACTION_OPERATOR_REMOVE:
    case SL_ACTION_COMPARTMENT_UNSEAL:
    case SL_ACTION_ROSTER_REBUILD: /* it opens keys of what is sealed */
        return quorum;
    case SL_ACTION_COMPARTMENT_SHRED:
    case SL_ACTION_SUBJECT_ERASE:
        return quorum > 2 ? quorum : 2;
    case SL_ACTION_ATTEST:
        return sl_attestation_find(sl_view_str(s->kind))->quorum ? quorum : 1;
    default:
        return 1;
    }
}

static sl_res need_keys_and_grants(const sl_roll *roll, const sl_statement *s,
                                   const sl_compartment **ret_compartment)
{
    switch ((int)s->action) {
    case SL_ACTION_GRANT_ISSUE:
        SL_NEED(sl_roll_grant(roll, sl_view_str(s->grant)) == NULL, SL_E_EXISTS);
        SL_NEED(roll->grants_count < SL_ROLL_GRANTS_MAX, SL_E_LIMIT);
        return SL_DONE;
    case SL_ACTION_GRANT_REVOKE: {
        const sl_grant *g = sl_roll_grant(roll, sl_view_str(s->grant));
        SL_NEED(g != NULL, SL_E_NOT_FOUND);
        SL_NEED(!g->revoked, SL_E_EXISTS);
        *ret_compartment = sl_roll_compartment(roll, sl_view_str(g->compartment));
        return SL_DONE;
    }
    case SL_ACTION_KEY_ISSUE:
        SL_NEED(sl_roll_key(roll, sl_view_str(s->key)) == NULL, SL_E_EXISTS);
        SL_NEED(roll->keys_count < SL_ROLL_KEYS_MAX, SL_E_LIMIT);
        return SL_DONE;
    case SL_ACTION_KEY_REVOKE: {
        const sl_api_key *k = sl_roll_key(roll, sl_view_str(s->key));
        SL_NEED(k != NULL, SL_E_NOT_FOUND);
        SL_NEED(!k->revoked, SL_E_EXISTS);
        return SL_DONE;
    }
    default:
        return SL_DONE;
    }
}

static sl_res need_vendor(const sl_roll *roll, const sl_statement *s)
{
    bool known = s->vendor[0] != 0 && sl_roll_vendor_at(roll, s->vendor) != SIZE_MAX;
    if (s->action == SL_ACTION_VENDOR_ADD && !known) {
        return roll->vendors_count < SL_ROLL_VENDORS_MAX
                   ? SL_DONE
                   : sl_fail_at(SL_E_LIMIT, "vendors", SL_ROLL_VENDORS_MAX);
    }
    return s->vendor[0] == 0 || known ? SL_DONE : sl_fail_at(SL_E_NOT_FOUND, "vendor", SL_NOWHERE);
}

sl_res sl_roll_need(const sl_roll *roll, const sl_statement *s, sl_approval_need *ret)
{
    SL_NEED(roll->site[0] != 0, SL_E_UNAVAILABLE);
    if (strcmp(s->site, roll->site) != 0) {
        return sl_fail_at(SL_E_REFUSED, "site", SL_NOWHERE);
    }
    const sl_compartment *c = NULL;
    if (s->compartment[0] != 0) {
        c = sl_roll_compartment(roll, sl_view_str(s->compartment));
    }
    if (s->action == SL_ACTION_COMPARTMENT_CREATE) {
        SL_NEED(c == NULL, SL_E_EXISTS);
        SL_NEED(sl_roll_compartment_by_id(roll, sl_view_str(s->compartment_id)) == NULL,
                SL_E_EXISTS);
        SL_NEED(roll->compartments_count < SL_ROLL_COMPARTMENTS_MAX, SL_E_LIMIT);
    } else if (s->compartment[0] != 0) {
        SL_NEED(c != NULL, SL_E_NOT_FOUND);
        SL_TRY(need_compartment(roll, s, c));
    }
    if (s->action == SL_ACTION_OPERATOR_ADD || s->action == SL_ACTION_OPERATOR_REMOVE) {
        SL_TRY(need_operator(roll, s));
    }
    if (s->action == SL_ACTION_SUBJECT_ERASE || s->action == SL_ACTION_SUBJECT_ERASE_CANCEL) {
        SL_TRY(need_erasure(roll, s));
    }
    if (s->action == SL_ACTION_ATTEST) {
        SL_TRY(need_attestation(roll, s));
    }
    SL_TRY(need_keys_and_grants(roll, s, &c));
    SL_TRY(need_vendor(roll, s));
    *ret = (sl_approval_need){ .role = SL_ROLE_OPERATOR,
                               .persons = persons_needed(roll, s),
                               .epoch = c != NULL ? c->epoch : roll->operators_epoch };
    return sl_roll_release_need(roll, s, ret);
}
