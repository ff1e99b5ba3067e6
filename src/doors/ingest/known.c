/* Folding leaves into what the ingest process knows (known.h). */
#include "doors/ingest/known.h"

#include "base/encode.h"

#include "ledger/event.h"

sl_res sl_ingest_known_init(sl_ingest_known *known)
{
    *known = (sl_ingest_known){ 0 };
    return sl_roll_new(&known->roll);
}

void sl_ingest_known_free(sl_ingest_known *known)
{
    sl_roll_free(known->roll);
    free(known->admitted);
    sl_protected_free(&known->rosters);
    sl_register_free(&known->vendors);
    sl_protected_free(&known->echoes);
    *known = (sl_ingest_known){ 0 };
}

uint64_t sl_ingest_known_next(const sl_ingest_known *known)
{
    return sl_roll_next(known->roll);
}

static void set_uid(sl_uid ret, sl_view text)
{
    size_t n = text.n < SL_UID_CHARS ? text.n : SL_UID_CHARS;
    if (n != 0) {
        memcpy(ret, text.p, n);
    }
    ret[n] = 0;
}

/* More open crossings than one process can have: the oldest is told as unknown already. */
static void note_intent(sl_ingest_known *known, const sl_leaf *leaf)
{
    if (known->open_count == SL_OPEN_CROSSINGS_MAX) {
        known->open_count--;
        memmove(known->open, known->open + 1, known->open_count * sizeof known->open[0]);
    }
    sl_open_crossing *open = &known->open[known->open_count++];
    *open = (sl_open_crossing){ 0 };
    set_uid(open->crossing, leaf->crossing);
    set_uid(open->object, sl_leaf_text(leaf, "object"));
    set_uid(open->compartment, leaf->compartment);
}

static void close_crossing(sl_ingest_known *known, sl_view crossing)
{
    for (size_t i = 0; i < known->open_count; i++) {
        if (sl_view_eq_str(crossing, known->open[i].crossing)) {
            known->open[i] = known->open[--known->open_count];
            return;
        }
    }
}

static sl_res note_admitted(sl_ingest_known *known, uint64_t index, const sl_leaf *leaf)
{
    sl_admitted one = { .leaf_index = index };
    set_uid(one.object, sl_leaf_text(leaf, "object"));
    bool whole = sl_leaf_count(leaf, "version", &one.version) &&
                 sl_ok(sl_digest_parse(sl_leaf_text(leaf, "digest"), &one.digest));
    if (!whole) {
        return SL_DONE; /* it admits nothing that could be read */
    }
    if (known->admitted_count == known->admitted_cap) {
        SL_NEED(known->admitted_cap < SL_ADMITTED_MAX, SL_E_LIMIT);
        size_t cap = known->admitted_cap == 0 ? 256 : known->admitted_cap * 2;
        sl_admitted *more = reallocarray(known->admitted, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        known->admitted = more;
        known->admitted_cap = cap;
    }
    known->admitted[known->admitted_count++] = one;
    return SL_DONE;
}

bool sl_ingest_known_rostered(const sl_ingest_known *known, const char *compartment_id)
{
    return sl_protected_has(&known->rosters, compartment_id);
}

bool sl_ingest_known_echoed(const sl_ingest_known *known, const char *compartment_id)
{
    return sl_protected_has(&known->echoes, compartment_id);
}

uint64_t sl_ingest_known_rosters(const sl_ingest_known *known, const char *compartment_id)
{
    return sl_protected_sealed(&known->rosters, compartment_id);
}

uint64_t sl_ingest_known_echoes(const sl_ingest_known *known, const char *compartment_id)
{
    return sl_protected_sealed(&known->echoes, compartment_id);
}

/* Counted when its crossing ends well: only then is the object there to be read again. */
static sl_res note_echo(sl_ingest_known *known, const sl_leaf *leaf)
{
    for (size_t i = 0; i < known->open_count; i++) {
        sl_open_crossing *open = &known->open[i];
        open->echoed = open->echoed || sl_view_eq_str(leaf->crossing, open->crossing);
    }
    return sl_protected_note(&known->echoes, leaf->compartment);
}

static void count_echo(sl_ingest_known *known, const sl_leaf *leaf)
{
    for (size_t i = 0; i < known->open_count; i++) {
        const sl_open_crossing *open = &known->open[i];
        if (open->echoed && sl_view_eq_str(leaf->crossing, open->crossing)) {
            sl_protected_count(&known->echoes, leaf->compartment);
        }
    }
}

static void note_approval(sl_ingest_known *known, uint64_t index, const sl_leaf *leaf)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    sl_statement s;
    if (sl_ok(sl_base64_decode(sl_leaf_text(leaf, "statement"), &text)) &&
        sl_ok(sl_statement_decode(sl_buf_view(&text), &s)) &&
        s.action == SL_ACTION_ROSTER_REBUILD) {
        sl_roster_approval *a =
            &known->approvals[known->approvals_next++ % SL_ROSTER_APPROVALS_MAX];
        *a = (sl_roster_approval){ .leaf_index = index };
        memcpy(a->compartment, s.compartment, sizeof a->compartment);
    }
}

static void note_rebuilt(sl_ingest_known *known, const sl_leaf *leaf)
{
    uint64_t approval = UINT64_MAX;
    (void)sl_leaf_count(leaf, "approval", &approval);
    for (size_t i = 0; i < SL_ROSTER_APPROVALS_MAX; i++) {
        known->approvals[i].used =
            known->approvals[i].used || known->approvals[i].leaf_index == approval;
    }
}

const sl_roster_approval *sl_ingest_known_approval(const sl_ingest_known *known,
                                                   const char *compartment)
{
    const sl_roster_approval *newest = NULL;
    for (size_t i = 0; i < SL_ROSTER_APPROVALS_MAX; i++) {
        const sl_roster_approval *a = &known->approvals[i];
        if (a->leaf_index != 0 && !a->used && strcmp(a->compartment, compartment) == 0 &&
            (newest == NULL || a->leaf_index > newest->leaf_index)) {
            newest = a;
        }
    }
    return newest;
}

sl_res sl_ingest_known_leaf(sl_ingest_known *known, uint64_t index, sl_view text)
{
    sl_fold did = SL_FOLD_OTHER;
    SL_TRY(sl_roll_fold(known->roll, index, text, &did));
    if (did == SL_FOLD_APPLIED) {
        SL_TRY(sl_register_leaf(&known->vendors, index, text));
    }
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_TRY(sl_leaf_read(text, &leaf));
    if (did == SL_FOLD_APPLIED && sl_leaf_is(&leaf, "action.approved")) {
        note_approval(known, index, &leaf);
    } else if ((sl_leaf_is(&leaf, "roster.rebuilt") || sl_leaf_is(&leaf, "echo.rebuilt")) &&
               sl_view_eq_str(leaf.by, "ingest")) {
        note_rebuilt(known, &leaf);
    }
    if (sl_leaf_is(&leaf, "roster.built") && sl_view_eq_str(leaf.by, "ingest")) {
        SL_TRY(sl_protected_note(&known->rosters, leaf.compartment));
        sl_protected_count(&known->rosters, leaf.compartment);
        return SL_DONE;
    }
    if (sl_leaf_is(&leaf, "echo.built") && sl_view_eq_str(leaf.by, "ingest")) {
        return note_echo(known, &leaf);
    }
    if (sl_leaf_is(&leaf, "ingest.intent")) {
        note_intent(known, &leaf);
    } else if (sl_leaf_is(&leaf, "ingest.outcome")) {
        bool ours = sl_view_eq_str(leaf.by, "ingest");
        bool admitted = ours && sl_view_eq_str(sl_leaf_text(&leaf, "outcome"), "admitted");
        if (admitted) {
            count_echo(known, &leaf);
        }
        close_crossing(known, leaf.crossing);
        if (admitted) {
            return note_admitted(known, index, &leaf);
        }
    }
    return SL_DONE;
}

const sl_admitted *sl_ingest_known_find(const sl_ingest_known *known, const char *object,
                                        uint64_t version)
{
    for (size_t i = known->admitted_count; i > 0; i--) {
        const sl_admitted *one = &known->admitted[i - 1];
        if (one->version == version && strcmp(one->object, object) == 0) {
            return one;
        }
    }
    return NULL;
}
