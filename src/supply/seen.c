/* Folding leaves into what was seen (seen.h). */
#include "supply/seen.h"

#include <stdlib.h>

#include "ledger/event.h"

const char *sl_seen_state_name(sl_seen_state state)
{
    static const char *const names[] = { "open", "admitted", "held", "refused" };
    return names[state];
}

void sl_seen_free(sl_seen_list *list)
{
    free(list->items);
    *list = (sl_seen_list){ 0 };
}

static void set(char *to, size_t room, sl_view text)
{
    size_t n = text.n < room ? text.n : room - 1;
    if (n > 0) {
        memcpy(to, text.p, n);
    }
    to[n] = 0;
}

static bool same(const sl_seen *a, const sl_seen *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    return a->kind == SL_ITEM_ARTEFACT ? sl_digest_eq(&a->digest, &b->digest) &&
                                             strcmp(a->compartment_id, b->compartment_id) == 0
                                       : strcmp(a->name, b->name) == 0;
}

/* Finds or makes the entry and moves it on; SIZE_MAX when the list is full. */
static sl_res note(sl_seen_list *list, const sl_seen *now, size_t *ret_at)
{
    for (size_t i = list->count; i > 0; i--) {
        sl_seen *one = &list->items[i - 1];
        if (same(one, now)) {
            uint64_t times = one->times + 1;
            uint64_t first = one->first_leaf;
            bool inside = one->inside;
            *one = *now;
            one->inside = inside || now->inside;
            one->times = times;
            one->first_leaf = first;
            *ret_at = i - 1;
            return SL_DONE;
        }
    }
    if (list->count == SL_SEEN_MAX) {
        list->lost++;
        *ret_at = SIZE_MAX;
        return SL_DONE;
    }
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        sl_seen *more = reallocarray(list->items, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        list->items = more;
        list->cap = cap;
    }
    *ret_at = list->count;
    list->items[list->count] = *now;
    list->items[list->count++].times = 1;
    return SL_DONE;
}

static sl_res note_name(sl_seen_list *list, uint64_t index, const sl_leaf *leaf, sl_item_kind kind,
                        const char *field)
{
    sl_seen now = { .kind = kind,
                    .first_leaf = index,
                    .last_leaf = index,
                    .last_ms = (int64_t)leaf->time_ms,
                    .state = SL_SEEN_ADMITTED,
                    .inside = true };
    size_t at = 0;
    sl_view name = sl_leaf_text(leaf, field);
    set(now.name, sizeof now.name, name);
    return name.n == 0 ? SL_DONE : note(list, &now, &at);
}

/* "rule 2, rule 1": as many as there is room for. */
static void set_rules(const sl_leaf *leaf, char *to, size_t room)
{
    size_t n = 0;
    sl_json_iter it = { 0 };
    const sl_json_node *rules = sl_json_get_kind(&leaf->doc, leaf->fields, "rules", SL_JSON_OBJECT);
    while (rules != NULL && sl_json_each(&leaf->doc, rules, &it)) {
        uint64_t count = 0;
        if (!sl_ok(sl_json_u64(it.value, &count)) || it.key->raw.n + n + 32 > room) {
            continue;
        }
        int wrote = snprintf(to + n, room - n, "%s%.*s %llu", n == 0 ? "" : ", ",
                             SL_FMT(it.key->raw), (unsigned long long)count);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
}

static sl_res note_artefact(sl_seen_list *list, uint64_t index, const sl_leaf *leaf)
{
    sl_view verdict = sl_leaf_text(leaf, "verdict");
    sl_seen now = { .kind = SL_ITEM_ARTEFACT,
                    .first_leaf = index,
                    .last_leaf = index,
                    .last_ms = (int64_t)leaf->time_ms,
                    .state = sl_view_eq_str(verdict, "hold")     ? SL_SEEN_HELD
                             : sl_view_eq_str(verdict, "refuse") ? SL_SEEN_REFUSED
                                                                 : SL_SEEN_OPEN };
    if (!sl_ok(sl_digest_parse(sl_leaf_text(leaf, "digest"), &now.digest))) {
        return SL_DONE; /* a scan that is not about bytes at a door */
    }
    set(now.name, sizeof now.name, sl_leaf_text(leaf, "artefact"));
    set(now.compartment_id, sizeof now.compartment_id, leaf->compartment);
    set(now.format, sizeof now.format, sl_leaf_text(leaf, "format"));
    set(now.class, sizeof now.class, sl_leaf_text(leaf, "class"));
    set_rules(leaf, now.rules, sizeof now.rules);
    (void)sl_leaf_count(leaf, "admission", &now.admission);
    set(list->crossing, sizeof list->crossing, leaf->crossing);
    return note(list, &now, &list->crossing_item);
}

/* What was let through at first may have failed behind it: no outcome, not admitted. */
static void note_outcome(sl_seen_list *list, const sl_leaf *leaf)
{
    bool ours = list->crossing[0] != 0 && sl_view_eq_str(leaf->crossing, list->crossing) &&
                list->crossing_item < list->count;
    if (!ours) {
        return;
    }
    sl_seen *one = &list->items[list->crossing_item];
    list->crossing[0] = 0;
    if (one->state == SL_SEEN_OPEN) {
        bool admitted = sl_view_eq_str(sl_leaf_text(leaf, "outcome"), "admitted");
        one->state = admitted ? SL_SEEN_ADMITTED : SL_SEEN_REFUSED;
        one->inside = one->inside || admitted;
    }
}

sl_res sl_seen_leaf(sl_seen_list *list, uint64_t index, sl_view text)
{
    static const char *const types[] = { "\"ask.intent\"", "\"ask.outcome\"", "\"tool.called\"",
                                         "\"artefact.scanned\"", "\"ingest.outcome\"" };
    bool wanted = false;
    for (size_t i = 0; i < SL_COUNT_OF(types) && !wanted; i++) {
        wanted = sl_view_find(text, sl_view_str(types[i]), 0) != SIZE_MAX;
    }
    if (!wanted) {
        return SL_DONE;
    }
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_leaf_read(text, &leaf));
    if (sl_leaf_is(&leaf, "ask.intent")) {
        SL_TRY(note_name(list, index, &leaf, SL_ITEM_MODEL, "model"));
        return note_name(list, index, &leaf, SL_ITEM_UPSTREAM, "upstream");
    }
    if (sl_leaf_is(&leaf, "ask.outcome")) { /* who answered may be another than who was asked */
        return note_name(list, index, &leaf, SL_ITEM_UPSTREAM, "upstream");
    }
    if (sl_leaf_is(&leaf, "tool.called")) {
        return note_name(list, index, &leaf, SL_ITEM_TOOL, "tool");
    }
    if (!sl_view_eq_str(leaf.by, "ingest")) {
        return SL_DONE;
    }
    if (sl_leaf_is(&leaf, "artefact.scanned")) {
        return note_artefact(list, index, &leaf);
    }
    if (sl_leaf_is(&leaf, "ingest.outcome")) {
        note_outcome(list, &leaf);
    }
    return SL_DONE;
}

const sl_register_item *sl_seen_registered(const sl_register *r, const sl_seen *one)
{
    return one->kind == SL_ITEM_ARTEFACT
               ? sl_register_artefact(r, &one->digest)
               : sl_register_item_any(r, one->kind, sl_view_str(one->name));
}

bool sl_seen_counts(const sl_seen *one)
{
    return one->inside;
}

sl_res sl_seen_artefact(const sl_seen_list *list, sl_view digits, sl_view compartment_id,
                        const sl_seen **ret)
{
    const sl_seen *found = NULL;
    SL_NEED(digits.n >= 8 && digits.n <= (size_t)2 * SL_DIGEST_BYTES, SL_E_SYNTAX);
    for (size_t i = 0; i < list->count; i++) {
        const sl_seen *one = &list->items[i];
        char hex[2 * SL_DIGEST_BYTES + 1];
        sl_digest_hex(&one->digest, hex);
        if (one->kind != SL_ITEM_ARTEFACT || !sl_view_starts(sl_view_str(hex), digits)) {
            continue;
        }
        SL_NEED(found == NULL || sl_digest_eq(&found->digest, &one->digest), SL_E_DUPLICATE);
        if (found == NULL || !sl_view_eq_str(compartment_id, found->compartment_id)) {
            found = one;
        }
    }
    SL_NEED(found != NULL, SL_E_NOT_FOUND);
    *ret = found;
    return SL_DONE;
}
