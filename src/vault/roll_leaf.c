/* Folding leaves into the roll, and the two texts that leaves carry for it: the genesis and the
 * event of an approved action. Design: src/vault/roll.h. */
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "ledger/events.gen.h"
#include "vault/roll_internal.h"

enum { GENESIS_BYTES_MAX = 32 * 1024 };

/* ---- genesis ---- */

static sl_res write_operator(const sl_operator *o, sl_json_writer *w)
{
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = 128 };
    SL_OWN(sl_buf, roles, sl_buf_free) = { .max = 128 };
    SL_NEED(sl_name_ok(sl_view_str(o->person)), SL_E_SYNTAX);
    SL_TRY(sl_hex_add(&key, sl_view_of(o->key.b, sizeof o->key.b)));
    SL_TRY(sl_roles_add(&roles, o->roles));
    sl_json_object_begin(w);
    sl_json_put_string(w, "key", sl_buf_view(&key));
    sl_json_put_str(w, "person", o->person);
    sl_json_put_string(w, "roles", sl_buf_view(&roles));
    sl_json_object_end(w);
    return SL_DONE;
}

sl_res sl_genesis_encode(const sl_genesis_roll *genesis, sl_buf *out)
{
    SL_NEED(genesis->operators_count > 0 && genesis->operators_count <= SL_ROLL_OPERATORS_MAX,
            SL_E_RANGE);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = GENESIS_BYTES_MAX };
    sl_json_writer w;
    sl_json_writer_init(&w, &text);
    sl_json_object_begin(&w);
    sl_json_put_int(&w, "delay_ms", genesis->delay_ms);
    sl_json_key(&w, "operators");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < genesis->operators_count; i++) {
        SL_TRY(write_operator(&genesis->operators[i], &w));
    }
    sl_json_array_end(&w);
    sl_json_put_int(&w, "quorum", genesis->quorum);
    sl_json_put_str(&w, "site", genesis->site);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(out, sl_buf_view(&text));
}

static sl_res read_operator(const sl_json_doc *doc, const sl_json_node *node, sl_operator *o)
{
    const sl_json_node *key = sl_json_get_kind(doc, node, "key", SL_JSON_STRING);
    const sl_json_node *person = sl_json_get_kind(doc, node, "person", SL_JSON_STRING);
    const sl_json_node *roles = sl_json_get_kind(doc, node, "roles", SL_JSON_STRING);
    SL_NEED(key != NULL && person != NULL && roles != NULL, SL_E_MISSING_FIELD);
    SL_TRY(sl_hex_decode(key->raw, o->key.b, sizeof o->key.b));
    SL_TRY(sl_name_set(o->person, person->raw));
    return sl_roles_parse(roles->raw, &o->roles);
}

static sl_res read_operators(const sl_json_doc *doc, sl_genesis_roll *g)
{
    const sl_json_node *list = sl_json_get_kind(doc, sl_json_root(doc), "operators", SL_JSON_ARRAY);
    SL_NEED(list != NULL, SL_E_MISSING_FIELD);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, list, &it)) {
        SL_NEED(g->operators_count < SL_ROLL_OPERATORS_MAX, SL_E_LIMIT);
        sl_operator *o = &g->operators[g->operators_count];
        SL_TRY(read_operator(doc, it.value, o));
        for (size_t i = 0; i < g->operators_count; i++) {
            SL_NEED(memcmp(g->operators[i].key.b, o->key.b, sizeof o->key.b) != 0, SL_E_DUPLICATE);
        }
        g->operators_count++;
    }
    return SL_DONE;
}

sl_res sl_genesis_decode(sl_view text, sl_genesis_roll *ret)
{
    SL_NEED(text.n <= GENESIS_BYTES_MAX, SL_E_LIMIT);
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    sl_genesis_roll g = { 0 };
    SL_TRY(sl_json_i64(sl_json_get(&doc, root, "delay_ms"), &g.delay_ms));
    SL_TRY(sl_json_i64(sl_json_get(&doc, root, "quorum"), &g.quorum));
    const sl_json_node *site = sl_json_get_kind(&doc, root, "site", SL_JSON_STRING);
    SL_NEED(site != NULL && site->raw.n == SL_SITE_ID_CHARS, SL_E_MISSING_FIELD);
    memcpy(g.site, site->raw.p, SL_SITE_ID_CHARS);
    SL_NEED(strspn(g.site, "0123456789abcdef") == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    SL_TRY(read_operators(&doc, &g));
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = GENESIS_BYTES_MAX };
    SL_TRY(sl_genesis_encode(&g, &again));
    SL_NEED(sl_view_eq(sl_buf_view(&again), text), SL_E_SYNTAX);
    *ret = g;
    return SL_DONE;
}

/* ---- the event of an action ---- */

sl_res sl_roll_event(sl_view statement_text, const sl_approval *approvals, size_t count,
                     sl_buf *out)
{
    sl_statement s;
    SL_TRY(sl_statement_decode(statement_text, &s));
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = SL_APPROVALS_MAX * (SL_APPROVAL_BYTES_MAX + 1) };
    SL_TRY(sl_approvals_encode(approvals, count, &lines));
    sl_digest action = sl_statement_digest(statement_text);
    sl_event_head head = { .principal = sl_view_str(s.principal) };
    sl_event_action_approved event = { .action = &action,
                                       .action_kind = sl_view_str(sl_action_name(s.action)),
                                       .statement = statement_text,
                                       .approvals = sl_buf_view(&lines),
                                       .persons = count };
    return sl_emit_action_approved(&head, &event, out);
}

/* ---- folding ---- */

static sl_res field_bytes(const sl_leaf *leaf, const char *name, sl_buf *out)
{
    return sl_base64_decode(sl_leaf_text(leaf, name), out);
}

static sl_res fold_genesis(sl_roll *roll, const sl_leaf *leaf)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(field_bytes(leaf, "statements", &text));
    sl_genesis_roll genesis;
    SL_TRY(sl_genesis_decode(sl_buf_view(&text), &genesis));
    return sl_roll_begin(roll, &genesis);
}

static sl_res fold_action(sl_roll *roll, uint64_t index, const sl_leaf *leaf)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(field_bytes(leaf, "statement", &text));
    SL_TRY(field_bytes(leaf, "approvals", &lines));
    sl_approval list[SL_APPROVALS_MAX];
    size_t count = 0;
    SL_TRY(sl_approvals_decode(sl_buf_view(&lines), list, &count));
    int64_t time_ms = (int64_t)leaf->time_ms;
    sl_statement s;
    SL_TRY(sl_roll_admit(roll, sl_buf_view(&text), list, count, time_ms, &s));
    return sl_roll_apply(roll, &s, list, count, index, time_ms);
}

/* Telling the state that the roll has already is not a change and not a fault. */
static sl_res fold_state(sl_roll *roll, const sl_leaf *leaf, bool *ret_changed)
{
    const sl_compartment *c = sl_roll_compartment_by_id(roll, leaf->compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    sl_view name = sl_view_str(c->name);
    sl_view state = sl_leaf_text(leaf, "state");
    *ret_changed = true;
    if (sl_view_eq_str(state, sl_compartment_state_name(c->state))) {
        *ret_changed = false;
        return SL_DONE;
    }
    if (sl_view_eq_str(state, "shredded")) {
        SL_NEED(sl_view_eq_str(leaf->by, "keeper"), SL_E_DENIED);
        return sl_roll_shredded(roll, name, (int64_t)leaf->time_ms);
    }
    if (sl_view_eq_str(state, "sealed")) {
        return sl_roll_contain(roll, name, SL_COMPARTMENT_SEALED);
    }
    return sl_roll_contain(
        roll, name, sl_view_eq_str(state, "closed") ? SL_COMPARTMENT_CLOSED : SL_COMPARTMENT_OPEN);
}

static sl_res fold_erased(sl_roll *roll, const sl_leaf *leaf)
{
    SL_NEED(sl_view_eq_str(leaf->by, "keeper"), SL_E_DENIED);
    const sl_compartment *c = sl_roll_compartment_by_id(roll, leaf->compartment);
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    return sl_roll_erased(roll, sl_view_str(c->name), sl_leaf_text(leaf, "subject"),
                          (int64_t)leaf->time_ms);
}

/* What the keeper and the witnesses tell is remembered, never obeyed: no approval hangs on it. */
static void fold_told(sl_roll *roll, const sl_leaf *leaf)
{
    uint64_t value = 0;
    if (sl_view_eq_str(leaf->by, "keeper") && sl_leaf_count(leaf, "sequence", &value)) {
        sl_roll_told_keys(roll, leaf->compartment, value, sl_leaf_is(leaf, "key.created"));
    }
    if (sl_leaf_is(leaf, "ledger.witnessed") && sl_leaf_bool(leaf, "ok") &&
        sl_leaf_count(leaf, "time_s", &value)) {
        sl_roll_told_witness(roll, value);
    }
}

static sl_res fold_one(sl_roll *roll, uint64_t index, const sl_leaf *leaf, sl_fold *ret_fold)
{
    bool changed = true;
    *ret_fold = SL_FOLD_APPLIED;
    if (sl_leaf_is(leaf, "ledger.genesis")) {
        return index == 0 ? fold_genesis(roll, leaf) : sl_fail(SL_E_REFUSED);
    }
    if (sl_leaf_is(leaf, "action.approved")) {
        return fold_action(roll, index, leaf);
    }
    sl_roll_release_told(roll, index, leaf);
    if (sl_leaf_is(leaf, "compartment.state")) {
        SL_TRY(fold_state(roll, leaf, &changed));
    } else if (sl_leaf_is(leaf, "erasure.done")) {
        return fold_erased(roll, leaf);
    } else {
        changed = false;
    }
    *ret_fold = changed ? SL_FOLD_APPLIED : SL_FOLD_OTHER;
    return SL_DONE;
}

sl_res sl_roll_fold(sl_roll *roll, uint64_t index, sl_view leaf_text, sl_fold *ret_fold)
{
    SL_NEED(index == roll->next, SL_E_ROLLBACK);
    if (index != 0 && sl_view_starts(leaf_text, SL_LIT("{\"by\":\"ask\","))) {
        /* Traffic: most of a ledger, and none of it may change the roll, whatever it says. */
        roll->next = index + 1;
        *ret_fold = SL_FOLD_OTHER;
        return SL_DONE;
    }
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_leaf_read(leaf_text, &leaf));
    sl_fold fold = SL_FOLD_OTHER;
    int64_t time_ms = leaf.time_ms <= INT64_MAX ? (int64_t)leaf.time_ms : INT64_MAX;
    roll->time_ms = sl_roll_now(roll, time_ms);
    fold_told(roll, &leaf);
    sl_res r = fold_one(roll, index, &leaf, &fold);
    if (sl_is(r, SL_E_MEMORY)) {
        return r; /* ours, not the leaf's */
    }
    if (!sl_ok(r)) {
        /* Without a genesis there is no site; anything later is a leaf that must change nothing. */
        SL_NEED(index != 0, (sl_code)r.code);
        roll->refused++;
        fold = SL_FOLD_REFUSED;
    }
    roll->next = index + 1;
    *ret_fold = fold;
    return SL_DONE;
}
