/* Running the catalogue over a ledger (catalogue.h): one evaluator a check, one register a kind of
 * subject, and the gate of the ledger's own checks over all answers. */
#include "assure/catalogue_internal.h"
#include "assure/table.h"
#include "ledger/event.h"
#include "vault/approved.h"

typedef struct {
    sl_table table;  /* raw: the leaf of birth; left: 1 while it lives */
    sl_view *states; /* by entry; borrowed from the kind or owned below */
    size_t state_count;
} subject_register;

struct sl_assurance {
    const sl_catalogue *catalogue;
    sl_evaluator *evaluators[SL_CHECKS_MAX];
    subject_register registers[SL_SUBJECT_KINDS_MAX];
    sl_arena states; /* texts of states that leaves named */
};

sl_res sl_assurance_new(const sl_catalogue *catalogue, sl_parameter parameter, void *context,
                        sl_assurance **ret_assurance)
{
    sl_assurance *a = calloc(1, sizeof(*a));
    SL_NEED(a != NULL, SL_E_MEMORY);
    a->catalogue = catalogue;
    a->states.max = 64 * SL_MIB;
    for (size_t i = 0; i < catalogue->check_count; i++) {
        const sl_check *check = &catalogue->checks[i];
        sl_res r = SL_DONE;
        if (check->answerable) {
            r = sl_evaluator_new(&check->query, &check->asked, parameter, context,
                                 &a->evaluators[i]);
        }
        if (!sl_ok(r)) {
            sl_assurance_free(a);
            return r;
        }
    }
    *ret_assurance = a;
    return SL_DONE;
}

void sl_assurance_free(sl_assurance *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < SL_CHECKS_MAX; i++) {
        sl_evaluator_free(a->evaluators[i]);
    }
    for (size_t i = 0; i < SL_SUBJECT_KINDS_MAX; i++) {
        sl_table_free(&a->registers[i].table);
        free(a->registers[i].states);
    }
    sl_arena_free(&a->states);
    free(a);
}

static sl_res set_state(sl_assurance *a, subject_register *reg, const sl_table_entry *entry,
                        sl_view state)
{
    size_t at = (size_t)(entry - reg->table.entries);
    if (at >= reg->state_count) {
        size_t count = (at + 1) * 2;
        sl_view *states = realloc(reg->states, count * sizeof(*states));
        SL_NEED(states != NULL, SL_E_MEMORY);
        memset(states + reg->state_count, 0, (count - reg->state_count) * sizeof(*states));
        reg->states = states;
        reg->state_count = count;
    }
    if (sl_view_eq(reg->states[at], state)) {
        return SL_DONE;
    }
    return sl_arena_dup(&a->states, state, &reg->states[at]);
}

static bool born_as_asked(const sl_subject_kind *kind, const sl_evidence *leaf)
{
    if (kind->born_field.n == 0) {
        return true;
    }
    const sl_json_node *field = sl_leaf_field(leaf->doc, kind->born_field);
    return sl_json_is(field, SL_JSON_STRING) && sl_view_eq(field->raw, kind->born_value);
}

static sl_res fold_subject(sl_assurance *a, size_t kind_at, const sl_evidence *leaf)
{
    const sl_subject_kind *kind = &a->catalogue->kinds[kind_at];
    subject_register *reg = &a->registers[kind_at];
    bool born = sl_view_eq(leaf->type, kind->born) && born_as_asked(kind, leaf);
    bool moved = kind->moves.n > 0 && sl_view_eq(leaf->type, kind->moves);
    bool ended = kind->ends.n > 0 && sl_view_eq(leaf->type, kind->ends);
    const sl_json_node *name = born || moved || ended ? sl_leaf_field(leaf->doc, kind->key) : NULL;
    if (!sl_json_is(name, SL_JSON_STRING)) {
        return SL_DONE;
    }
    sl_table_entry *entry = NULL;
    if (born) {
        SL_TRY(sl_table_put(&reg->table, name->raw, &entry));
        SL_TRY(sl_table_keep(entry, leaf->doc->text));
        entry->left = 1;
        return set_state(a, reg, entry, kind->state);
    }
    entry = sl_table_find(&reg->table, name->raw);
    if (entry == NULL) {
        return SL_DONE;
    }
    if (ended) {
        entry->left = 0;
    }
    const sl_json_node *state = moved ? sl_leaf_field(leaf->doc, kind->moves_field) : NULL;
    return sl_json_is(state, SL_JSON_STRING) ? set_state(a, reg, entry, state->raw) : SL_DONE;
}

static sl_res feed_one(sl_assurance *a, uint64_t index, sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    const sl_json_node *event = sl_json_get(&doc, sl_json_root(&doc), "event");
    const sl_json_node *type = sl_json_get_kind(&doc, event, "type", SL_JSON_STRING);
    int64_t time_ms = 0;
    SL_TRY(sl_json_i64(sl_json_get(&doc, sl_json_root(&doc), "time"), &time_ms));
    SL_NEED(type != NULL, SL_E_MISSING_FIELD);
    sl_evidence leaf = { .type = type->raw, .time_ms = time_ms, .index = index, .doc = &doc };
    for (size_t i = 0; i < a->catalogue->kind_count; i++) {
        SL_TRY(fold_subject(a, i, &leaf));
    }
    for (size_t i = 0; i < a->catalogue->check_count; i++) {
        if (a->evaluators[i] != NULL) {
            /* its failure makes this one check unknown for good; the others go on */
            sl_res r = sl_evaluator_feed(a->evaluators[i], &leaf);
            (void)r.code;
        }
    }
    return SL_DONE;
}

sl_res sl_assurance_feed(sl_assurance *a, uint64_t index, sl_view text)
{
    SL_OWN(sl_buf, unfolded, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    bool approved = false;
    SL_TRY(feed_one(a, index, text));
    SL_TRY(sl_approved_unfold(text, &unfolded, &approved));
    return approved ? feed_one(a, index, sl_buf_view(&unfolded)) : SL_DONE;
}

/* The living subjects of a kind; to be freed. Fixed kinds have a name and nothing else. */
static sl_subject *subjects_of(const sl_assurance *a, sl_view kind_name, size_t *ret_count,
                               bool *ret_whole)
{
    *ret_count = 0;
    *ret_whole = false;
    for (size_t k = 0; k < a->catalogue->kind_count; k++) {
        const sl_subject_kind *kind = &a->catalogue->kinds[k];
        const subject_register *reg = &a->registers[k];
        if (!sl_view_eq(kind->name, kind_name)) {
            continue;
        }
        sl_subject *all = calloc(kind->fixed_count + reg->table.count + 1, sizeof(*all));
        if (all == NULL) {
            return NULL;
        }
        size_t n = 0;
        for (size_t i = 0; i < kind->fixed_count; i++) {
            all[n++] = (sl_subject){ .name = kind->fixed[i] };
        }
        for (size_t i = 0; i < reg->table.count; i++) {
            const sl_table_entry *entry = &reg->table.entries[i];
            if (entry->left == 1) {
                all[n++] = (sl_subject){ entry->key, reg->states[i], entry->raw };
            }
        }
        *ret_count = n;
        *ret_whole = kind->whole;
        return all;
    }
    return NULL;
}

static sl_answer answer_alone(const sl_assurance *a, size_t at, int64_t now_ms)
{
    const sl_check *check = &a->catalogue->checks[at];
    if (!check->answerable) {
        return (sl_answer){ .state = SL_STATE_UNKNOWN,
                            .why = "this version cannot ask what the check asks" };
    }
    size_t count = 0;
    bool whole = false;
    sl_subject *subjects = subjects_of(a, check->query.subject_kind, &count, &whole);
    sl_answer answer = sl_evaluator_answer(a->evaluators[at], now_ms, subjects, count, whole);
    free(subjects);
    return answer;
}

static bool gate_check(const sl_check *check)
{
    return sl_view_eq(check->id, SL_LIT("ledger.consistent")) ||
           sl_view_eq(check->id, SL_LIT("ledger.complete"));
}

static bool gate_open(const sl_assurance *a, int64_t now_ms)
{
    size_t passed = 0;
    for (size_t i = 0; i < a->catalogue->check_count; i++) {
        if (gate_check(&a->catalogue->checks[i]) &&
            answer_alone(a, i, now_ms).state == SL_STATE_PASS) {
            passed++;
        }
    }
    return passed == 2;
}

sl_answer sl_assurance_answer(const sl_assurance *a, size_t at, int64_t now_ms, bool verified)
{
    sl_answer answer = answer_alone(a, at, now_ms);
    bool good = answer.state == SL_STATE_PASS || answer.state == SL_STATE_OUTSIDE;
    if (good && !verified) {
        answer.state = SL_STATE_UNKNOWN;
        answer.why = "the ledger was not verified";
    } else if (good && !gate_check(&a->catalogue->checks[at]) && !gate_open(a, now_ms)) {
        answer.state = SL_STATE_UNKNOWN;
        answer.why = "the ledger itself is not shown to be consistent and complete";
        answer.gated = true;
    }
    return answer;
}
