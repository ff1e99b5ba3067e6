/* The desk: pending statements, and the texts that answer commands. Design: src/vault/desk.h. */
#include "vault/desk.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"

typedef struct {
    sl_buf text; /* n 0: free */
    sl_digest action;
    sl_approval approvals[SL_APPROVALS_MAX];
    size_t count;
    int64_t laid_ms;
    sl_name signer; /* the first person who signed it; empty: nobody yet */
} pending;

struct sl_desk {
    const sl_roll *roll;
    pending list[SL_DESK_PENDING_MAX];
};

sl_res sl_desk_new(const sl_roll *roll, sl_desk **ret_desk)
{
    sl_desk *desk = calloc(1, sizeof *desk);
    SL_NEED(desk != NULL, SL_E_MEMORY);
    desk->roll = roll;
    *ret_desk = desk;
    return SL_DONE;
}

static void pending_clear(pending *p)
{
    sl_buf_free(&p->text);
    memset(p, 0, sizeof *p);
}

void sl_desk_free(sl_desk *desk)
{
    if (desk == NULL) {
        return;
    }
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        pending_clear(&desk->list[i]);
    }
    free(desk);
}

void sl_desk_free_at(sl_desk **desk)
{
    sl_desk_free(*desk);
    *desk = NULL;
}

/* ---- pending statements ---- */

static bool waits(const pending *p, int64_t now_ms)
{
    return p->text.n > 0 && now_ms - p->laid_ms < SL_APPROVAL_LIFE_MS_MAX;
}

static pending *pending_find(sl_desk *desk, const sl_digest *action, int64_t now_ms)
{
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        if (waits(&desk->list[i], now_ms) && sl_digest_eq(&desk->list[i].action, action)) {
            return &desk->list[i];
        }
    }
    return NULL;
}

static size_t places_of(const sl_desk *desk, const char *signer)
{
    size_t count = 0;
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        count += strcmp(desk->list[i].signer, signer) == 0;
    }
    return count;
}

/* Who gives way when the desk is full: the oldest that nobody signed, else the oldest of the person with most
 * places; or one operator's signature could keep the others from agreeing, on that operator's removal too. */
static pending *gives_way(sl_desk *desk)
{
    pending *found = NULL;
    size_t found_places = 1; /* the only one of a person stays */
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        pending *p = &desk->list[i];
        size_t places = p->signer[0] == 0 ? SIZE_MAX : places_of(desk, p->signer);
        if (places > found_places ||
            (found != NULL && places == found_places && p->laid_ms < found->laid_ms)) {
            found = p;
            found_places = places;
        }
    }
    return found;
}

/* A place for a new statement: a free one, or one whose approvals have all expired. Only a signed one takes
 * another's place. */
static pending *pending_place(sl_desk *desk, const char *signer, int64_t now_ms)
{
    pending *p = NULL;
    for (size_t i = 0; p == NULL && i < SL_DESK_PENDING_MAX; i++) {
        p = waits(&desk->list[i], now_ms) ? NULL : &desk->list[i];
    }
    if (p == NULL && signer[0] != 0) {
        p = gives_way(desk);
    }
    if (p != NULL) {
        pending_clear(p);
    }
    return p;
}

/* Each alone must be good, and not used up: a bad one must not ruin what others signed. */
static sl_res check_each(const sl_roll *roll, sl_view text, const sl_approval *list, size_t count,
                         const sl_approval_need *need, int64_t now_ms)
{
    size_t operators_count = 0;
    const sl_operator *operators = sl_roll_operators(roll, &operators_count);
    sl_approval_need one = *need;
    one.persons = 1;
    for (size_t i = 0; i < count; i++) {
        SL_TRY(sl_approvals_check(text, sl_roll_site(roll), &list[i], 1, operators, operators_count,
                                  &one, now_ms, sl_roll_nonce_seen, roll));
    }
    return SL_DONE;
}

static bool has_signed(const sl_approval *list, size_t count, const sl_public_key *key)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(list[i].key.b, key->b, sizeof key->b) == 0) {
            return true;
        }
    }
    return false;
}

/* One approval for each key, the new ones first; an old one of a former epoch or of a person who left, or an
 * expired one, gives way. */
static size_t merge(const sl_roll *roll, sl_view text, const pending *old, const sl_approval *list,
                    size_t count, const sl_approval_need *need, int64_t now_ms,
                    sl_approval ret_all[SL_APPROVALS_MAX])
{
    size_t all = 0;
    for (size_t i = 0; i < count && all < SL_APPROVALS_MAX; i++) {
        if (!has_signed(ret_all, all, &list[i].key)) {
            ret_all[all++] = list[i];
        }
    }
    for (size_t i = 0; old != NULL && i < old->count && all < SL_APPROVALS_MAX; i++) {
        const sl_approval *a = &old->approvals[i];
        if (!has_signed(ret_all, all, &a->key) &&
            sl_ok(check_each(roll, text, a, 1, need, now_ms))) {
            ret_all[all++] = *a;
        }
    }
    return all;
}

/* The person behind a key; "" when it is nobody's any more. */
static const char *person_of(const sl_roll *roll, const sl_public_key *key)
{
    size_t count = 0;
    const sl_operator *operators = sl_roll_operators(roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(operators[i].key.b, key->b, sizeof key->b) == 0) {
            return operators[i].person;
        }
    }
    return "";
}

static size_t persons_of(const sl_roll *roll, const sl_approval *list, size_t count)
{
    const char *seen[SL_APPROVALS_MAX];
    size_t persons = 0;
    for (size_t i = 0; i < count; i++) {
        const char *person = person_of(roll, &list[i].key);
        bool counted = false;
        for (size_t p = 0; p < persons; p++) {
            counted = counted || strcmp(seen[p], person) == 0;
        }
        if (!counted) {
            seen[persons++] = person;
        }
    }
    return persons;
}

static sl_res keep(sl_desk *desk, pending *old, sl_view text, const sl_digest *action,
                   const sl_approval *all, size_t count, int64_t now_ms)
{
    const char *signer = count == 0 ? "" : person_of(desk->roll, &all[0].key);
    pending *p = old != NULL ? old : pending_place(desk, signer, now_ms);
    if (p == NULL) {
        return sl_fail_at(SL_E_LIMIT, "statements that wait for signatures", SL_DESK_PENDING_MAX);
    }
    if (old == NULL) {
        p->text.max = SL_STATEMENT_BYTES_MAX;
        SL_TRY(sl_buf_add(&p->text, text));
        p->action = *action;
    }
    if (p->signer[0] == 0) {
        memcpy(p->signer, signer, strlen(signer) + 1);
    }
    p->laid_ms = now_ms;
    memcpy(p->approvals, all, count * sizeof *all);
    p->count = count;
    return SL_DONE;
}

sl_res sl_desk_submit(sl_desk *desk, sl_view statement_text, const sl_approval *approvals,
                      size_t count, int64_t now_ms, sl_buf *event, sl_desk_result *ret_result)
{
    sl_desk_result result = { 0 };
    sl_approval_need need;
    SL_NEED(count <= SL_APPROVALS_MAX, SL_E_LIMIT);
    SL_TRY(sl_statement_decode(statement_text, &result.statement));
    SL_TRY(sl_roll_need(desk->roll, &result.statement, &need));
    SL_TRY(check_each(desk->roll, statement_text, approvals, count, &need, now_ms));
    result.action = sl_statement_digest(statement_text);
    result.need = need.persons;
    pending *old = pending_find(desk, &result.action, now_ms);
    sl_approval all[SL_APPROVALS_MAX];
    size_t have = merge(desk->roll, statement_text, old, approvals, count, &need, now_ms, all);
    result.have = persons_of(desk->roll, all, have);
    if (result.have < need.persons) {
        SL_TRY(keep(desk, old, statement_text, &result.action, all, have, now_ms));
        *ret_result = result;
        return SL_DONE;
    }
    sl_statement admitted;
    SL_TRY(sl_roll_admit(desk->roll, statement_text, all, have, now_ms, &admitted));
    SL_TRY(sl_roll_event(statement_text, all, have, event));
    result.approved = true;
    if (old != NULL) {
        pending_clear(old);
    }
    *ret_result = result;
    return SL_DONE;
}

/* ---- answers ---- */

/* Ends one JSON line. */
static sl_res line_end(sl_json_writer *w, sl_buf *out)
{
    sl_json_object_end(w);
    SL_TRY(sl_json_finish(w));
    return sl_buf_add_byte(out, '\n');
}

static sl_res answer_site(const sl_desk *desk, sl_buf *out)
{
    sl_json_writer w;
    SL_NEED(sl_roll_site(desk->roll)[0] != 0, SL_E_UNAVAILABLE);
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "site", sl_roll_site(desk->roll));
    sl_json_put_int(&w, "quorum", sl_roll_quorum(desk->roll));
    sl_json_put_uint(&w, "persons", sl_roll_persons(desk->roll, SL_ROLE_OPERATOR));
    sl_json_put_int(&w, "delay_ms", sl_roll_delay_ms(desk->roll));
    sl_json_put_uint(&w, "next_leaf", sl_roll_next(desk->roll));
    return line_end(&w, out);
}

static sl_res answer_need(const sl_desk *desk, sl_view text, sl_buf *out)
{
    sl_statement s;
    sl_approval_need need;
    SL_TRY(sl_statement_decode(text, &s));
    SL_TRY(sl_roll_need(desk->roll, &s, &need));
    sl_digest action = sl_statement_digest(text);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_digest_put(&w, "action", &action);
    sl_json_put_uint(&w, "epoch", need.epoch);
    sl_json_put_uint(&w, "persons", need.persons);
    sl_json_put_str(&w, "role", need.role == SL_ROLE_CHECKER ? "checker" : "operator");
    return line_end(&w, out);
}

static sl_res answer_submit(sl_desk *desk, sl_view body, int64_t now_ms, sl_buf *out, sl_buf *event)
{
    sl_view text;
    sl_view lines;
    SL_NEED(body.n <= SL_ADMIN_SUBMIT_BYTES_MAX, SL_E_LIMIT);
    (void)sl_view_cut(body, '\n', &text, &lines);
    sl_approval list[SL_APPROVALS_MAX];
    size_t count = 0;
    SL_TRY(sl_approvals_decode(lines, list, &count));
    sl_desk_result result;
    SL_TRY(sl_desk_submit(desk, text, list, count, now_ms, event, &result));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_digest_put(&w, "action", &result.action);
    sl_json_put_str(&w, "state", result.approved ? "approved" : "pending");
    sl_json_put_uint(&w, "have", result.have);
    sl_json_put_uint(&w, "need", result.need);
    return line_end(&w, out);
}

static sl_res answer_statement(const sl_desk *desk, sl_view prefix, int64_t now_ms, sl_buf *out)
{
    SL_NEED(prefix.n >= 8 && prefix.n <= 2 * SL_DIGEST_BYTES, SL_E_SYNTAX);
    const pending *found = NULL;
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        const pending *p = &desk->list[i];
        char hex[2 * SL_DIGEST_BYTES + 1];
        sl_digest_hex(&p->action, hex);
        if (waits(p, now_ms) && sl_view_starts(sl_view_str(hex), prefix)) {
            SL_NEED(found == NULL, SL_E_DUPLICATE);
            found = p;
        }
    }
    SL_NEED(found != NULL, SL_E_NOT_FOUND);
    return sl_buf_add(out, sl_buf_view(&found->text));
}

static sl_res answer_pending(const sl_desk *desk, int64_t now_ms, sl_buf *out)
{
    for (size_t i = 0; i < SL_DESK_PENDING_MAX; i++) {
        const pending *p = &desk->list[i];
        if (!waits(p, now_ms)) {
            continue;
        }
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        sl_digest_put(&w, "action", &p->action);
        sl_json_put_uint(&w, "have", persons_of(desk->roll, p->approvals, p->count));
        sl_json_key(&w, "statement");
        sl_json_raw(&w, sl_buf_view(&p->text));
        SL_TRY(line_end(&w, out));
    }
    return SL_DONE;
}

static sl_res answer_operators(const sl_desk *desk, sl_buf *out)
{
    size_t count = 0;
    const sl_operator *list = sl_roll_operators(desk->roll, &count);
    for (size_t i = 0; i < count; i++) {
        SL_OWN(sl_buf, roles, sl_buf_free) = { .max = 64 };
        SL_OWN(sl_buf, key, sl_buf_free) = { .max = 64 };
        SL_TRY(sl_roles_add(&roles, list[i].roles));
        SL_TRY(sl_public_key_add(&key, &list[i].key));
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "operator", list[i].person);
        sl_json_put_string(&w, "roles", sl_buf_view(&roles));
        sl_json_put_string(&w, "public_key", sl_buf_view(&key));
        SL_TRY(line_end(&w, out));
    }
    return SL_DONE;
}

static sl_res answer_compartments(const sl_desk *desk, sl_buf *out)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(desk->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "name", list[i].name);
        sl_json_put_str(&w, "id", list[i].id);
        sl_json_put_str(&w, "state", sl_compartment_state_name(list[i].state));
        sl_json_put_uint(&w, "epoch", list[i].epoch);
        sl_json_put_uint(&w, "leaf", list[i].leaf_index);
        sl_json_put_bool(&w, "keys_made", list[i].keys_made);
        sl_json_put_bool(&w, "shred_ordered", list[i].shred_ordered);
        if (list[i].shred_ordered) {
            sl_json_put_int(&w, "shred_not_before_ms",
                            list[i].shred_ordered_ms + sl_roll_delay_ms(desk->roll));
        }
        SL_TRY(line_end(&w, out));
    }
    return SL_DONE;
}

static sl_res answer_grants(const sl_desk *desk, sl_buf *out)
{
    size_t count = 0;
    const sl_grant *list = sl_roll_grants(desk->roll, &count);
    for (size_t i = 0; i < count; i++) {
        SL_OWN(sl_buf, doors, sl_buf_free) = { .max = 64 };
        SL_TRY(sl_doors_add(&doors, list[i].doors));
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "grant", list[i].id);
        sl_json_put_str(&w, "principal", list[i].principal);
        sl_json_put_str(&w, "compartment", list[i].compartment);
        sl_json_put_string(&w, "doors", sl_buf_view(&doors));
        sl_json_put_str(&w, "purpose", list[i].purpose);
        sl_json_put_int(&w, "until_ms", list[i].until_ms);
        sl_json_put_int(&w, "requests_h", list[i].requests_h);
        sl_json_put_int(&w, "tokens_d", list[i].tokens_d);
        sl_json_put_int(&w, "records_d", list[i].records_d);
        sl_json_put_bool(&w, "revoked", list[i].revoked);
        SL_TRY(line_end(&w, out));
    }
    return SL_DONE;
}

static sl_res answer_keys(const sl_desk *desk, sl_buf *out)
{
    size_t count = 0;
    const sl_api_key *list = sl_roll_keys(desk->roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "key", list[i].id);
        sl_json_put_str(&w, "principal", list[i].principal);
        sl_json_put_str(&w, "lineage", list[i].lineage);
        sl_json_put_int(&w, "until_ms", list[i].until_ms);
        sl_json_put_bool(&w, "revoked", list[i].revoked);
        SL_TRY(line_end(&w, out));
    }
    return SL_DONE;
}

static sl_res answer(sl_desk *desk, uint16_t type, sl_view body, int64_t now_ms, sl_buf *out,
                     sl_buf *event)
{
    switch (type) {
    case SL_ADMIN_SITE:
        return answer_site(desk, out);
    case SL_ADMIN_NEED:
        return answer_need(desk, body, out);
    case SL_ADMIN_SUBMIT:
        return answer_submit(desk, body, now_ms, out, event);
    case SL_ADMIN_STATEMENT:
        return answer_statement(desk, body, now_ms, out);
    case SL_ADMIN_PENDING:
        return answer_pending(desk, now_ms, out);
    case SL_ADMIN_OPERATORS:
        return answer_operators(desk, out);
    case SL_ADMIN_COMPARTMENTS:
        return answer_compartments(desk, out);
    case SL_ADMIN_GRANTS:
        return answer_grants(desk, out);
    case SL_ADMIN_KEYS:
        return answer_keys(desk, out);
    default:
        return sl_fail(SL_E_UNSUPPORTED);
    }
}

sl_res sl_desk_answer(sl_desk *desk, uint16_t type, sl_view body, int64_t now_ms, sl_buf *reply,
                      sl_buf *event)
{
    size_t before = reply->n;
    sl_res r = answer(desk, type, body, now_ms, reply, event);
    if (!sl_ok(r)) {
        reply->n = before;
    }
    return r;
}
