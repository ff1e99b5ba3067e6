/* Folding leaves into what the release process knows (known.h). */
#include "doors/release/known.h"

#include "ledger/event.h"

sl_res sl_release_known_init(sl_release_known *known)
{
    *known = (sl_release_known){ 0 };
    return sl_roll_new(&known->roll);
}

void sl_release_known_free(sl_release_known *known)
{
    sl_roll_free(known->roll);
    free(known->facts);
    sl_protected_free(&known->rosters);
    sl_protected_free(&known->echoes);
    *known = (sl_release_known){ 0 };
}

uint64_t sl_release_known_next(const sl_release_known *known)
{
    return sl_roll_next(known->roll);
}

static sl_release_facts *facts_at(const sl_release_known *known, sl_view id)
{
    for (size_t i = 0; i < known->count; i++) {
        if (sl_view_eq_str(id, known->facts[i].id)) {
            return &known->facts[i];
        }
    }
    return NULL;
}

const sl_release_facts *sl_release_known_facts(const sl_release_known *known, const char *id)
{
    return facts_at(known, sl_view_str(id));
}

static void set_word(sl_name ret, sl_view word)
{
    (void)snprintf(ret, sizeof(sl_name), "%.*s", SL_FMT(word));
}

/* A place for one more; when there are as many as the roll can hold, that of one which the roll has forgotten or
 * which ended. */
static sl_res place(sl_release_known *known, sl_release_facts **ret)
{
    if (known->count == SL_ROLL_RELEASES_MAX) {
        for (size_t i = 0; i < known->count; i++) {
            const sl_release *r = sl_roll_release(known->roll, sl_view_str(known->facts[i].id));
            if (r == NULL || r->state == SL_RELEASE_ENDED) {
                *ret = &known->facts[i];
                return SL_DONE;
            }
        }
        return sl_fail(SL_E_LIMIT);
    }
    if (known->count == known->cap) {
        size_t cap = known->cap == 0 ? 16 : known->cap * 2;
        sl_release_facts *more = reallocarray(known->facts, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        known->facts = more;
        known->cap = cap;
    }
    *ret = &known->facts[known->count++];
    return SL_DONE;
}

static sl_res note_intent(sl_release_known *known, const sl_leaf *leaf)
{
    sl_release_facts *facts = NULL;
    sl_view id = sl_leaf_text(leaf, "object");
    const sl_release *r = sl_roll_release(known->roll, id);
    if (r == NULL || r->state != SL_RELEASE_ASKED || facts_at(known, id) != NULL) {
        return SL_DONE; /* nobody asked for it, or it was told before */
    }
    SL_TRY(place(known, &facts));
    SL_NEED(facts != NULL, SL_E_BUG);
    *facts = (sl_release_facts){ .taken_up = true };
    memcpy(facts->id, r->id, sizeof facts->id);
    set_word(facts->format, sl_leaf_text(leaf, "format"));
    (void)sl_leaf_count(leaf, "bytes", &facts->bytes);
    return SL_DONE;
}

static void note_verdict(sl_release_facts *facts, sl_view word)
{
    sl_verdict now = SL_VERDICT_ALLOW;
    sl_verdict told = SL_VERDICT_ALLOW;
    bool known = sl_verdict_by_name(sl_view_str(facts->verdict), &now);
    if (sl_verdict_by_name(word, &told) && (!known || told > now)) {
        set_word(facts->verdict, word);
    }
}

static void note_scanned(const sl_release_known *known, const sl_leaf *leaf)
{
    sl_release_facts *facts = facts_at(known, sl_leaf_text(leaf, "object"));
    const sl_json_node *classes = sl_leaf_field(&leaf->doc, SL_LIT("classes"));
    if (facts == NULL || !sl_json_is(classes, SL_JSON_OBJECT)) {
        return;
    }
    bool artefact = sl_view_eq_str(sl_leaf_text(leaf, "engine"), "artefact");
    sl_json_iter it = { 0 };
    note_verdict(facts, sl_leaf_text(leaf, "verdict"));
    while (sl_json_each(&leaf->doc, classes, &it)) {
        sl_class kind;
        uint64_t count = 0;
        if (!sl_ok(sl_json_u64(it.value, &count))) {
            continue;
        }
        if (artefact) {
            set_word(facts->scan, it.key->raw);
            facts->scan_findings = count;
        } else if (sl_class_by_name(it.key->raw, &kind)) {
            facts->classes[kind] = count;
        }
    }
}

static void note_outcome(const sl_release_known *known, const sl_leaf *leaf)
{
    sl_release_facts *facts = facts_at(known, sl_leaf_text(leaf, "object"));
    if (facts != NULL) {
        set_word(facts->outcome, sl_leaf_text(leaf, "outcome"));
        set_word(facts->reason, sl_leaf_text(leaf, "reason"));
    }
}

bool sl_release_known_rostered(const sl_release_known *known, const char *compartment_id)
{
    return sl_protected_has(&known->rosters, compartment_id);
}

bool sl_release_known_echoed(const sl_release_known *known, const char *compartment_id)
{
    return sl_protected_has(&known->echoes, compartment_id);
}

sl_res sl_release_known_leaf(sl_release_known *known, uint64_t index, sl_view text)
{
    sl_fold did = SL_FOLD_OTHER;
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_roll_fold(known->roll, index, text, &did));
    if (sl_view_starts(text, SL_LIT("{\"by\":\"ask\","))) {
        return SL_DONE; /* traffic */
    }
    SL_TRY(sl_leaf_read(text, &leaf));
    if (sl_view_eq_str(leaf.by, "ingest")) {
        SL_TRY(sl_leaf_is(&leaf, "roster.built")
                   ? sl_protected_note(&known->rosters, leaf.compartment)
                   : SL_DONE);
        return sl_leaf_is(&leaf, "echo.built") ? sl_protected_note(&known->echoes, leaf.compartment)
                                               : SL_DONE;
    }
    if (!sl_view_eq_str(leaf.by, "release")) {
        return SL_DONE;
    }
    if (sl_leaf_is(&leaf, "release.intent")) {
        return note_intent(known, &leaf);
    }
    if (sl_leaf_is(&leaf, "release.scanned")) {
        note_scanned(known, &leaf);
    } else if (sl_leaf_is(&leaf, "release.outcome")) {
        note_outcome(known, &leaf);
    }
    return SL_DONE;
}
