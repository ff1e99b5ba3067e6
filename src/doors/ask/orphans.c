/* Crossings without an end (see orphans.h). It must never end one that is being served. */
#include "doors/ask/orphans.h"

#include <string.h>

#include "base/encode.h"
#include "ledger/events.gen.h"

static bool is_ours(const sl_ask_orphans *o, sl_view crossing)
{
    uint8_t first = 0;
    if (crossing.n != 32 || !sl_ok(sl_hex_decode(sl_view_sub(crossing, 0, 2), &first, 1))) {
        return false;
    }
    return first == o->process || (o->process == 0 && first >= o->processes);
}

static sl_ask_open *find(sl_ask_orphans *o, sl_view crossing)
{
    for (size_t i = 0; i < o->n; i++) {
        if (sl_view_eq_str(crossing, o->open[i].crossing)) {
            return &o->open[i];
        }
    }
    return NULL;
}

static void forget(sl_ask_orphans *o, sl_ask_open *one)
{
    *one = o->open[--o->n];
}

static void copy(sl_view from, char *to, size_t size)
{
    size_t n = from.n < size ? from.n : 0;
    if (n != 0) {
        memcpy(to, from.p, n);
    }
    to[n] = '\0';
}

/* An id of a leaf, found without reading the rest: leaves are canonical, and inside a text no quotation
 * mark stands alone. Every process reads every leaf of the door, so this is cheap on purpose. */
static sl_view id_in(sl_view leaf, sl_view mark)
{
    size_t from = sl_view_find(leaf, mark, 0);
    size_t to = from == SIZE_MAX ? SIZE_MAX : sl_view_find_byte(leaf, '"', from + mark.n);
    return to == SIZE_MAX ? (sl_view){ NULL, 0 } : sl_view_sub(leaf, from + mark.n, to);
}

static void note_intent(sl_ask_orphans *o, sl_view crossing, sl_view leaf)
{
    if (o->n == SL_ASK_ORPHANS_MAX) {
        o->missed++;
        return;
    }
    sl_ask_open *one = &o->open[o->n++];
    copy(crossing, one->crossing, sizeof one->crossing);
    copy(id_in(leaf, SL_LIT("\"principal\":\"")), one->principal, sizeof one->principal);
    copy(id_in(leaf, SL_LIT("\"compartment\":\"")), one->compartment, sizeof one->compartment);
    copy(id_in(leaf, SL_LIT("\"grant\":\"")), one->grant, sizeof one->grant);
    one->suspect = o->catching_up && !o->serving(o->context, crossing);
}

void sl_ask_orphans_leaf(sl_ask_orphans *o, sl_view leaf)
{
    if (!sl_view_starts(leaf, SL_LIT("{\"by\":\"ask\","))) {
        return;
    }
    sl_view crossing = id_in(leaf, SL_LIT("\"crossing\":\""));
    if (!is_ours(o, crossing)) {
        return;
    }
    sl_view type = id_in(leaf, SL_LIT("\"type\":\""));
    sl_ask_open *one = find(o, crossing);
    if (sl_view_eq_str(type, "ask.outcome") && one != NULL) {
        forget(o, one);
    } else if (sl_view_eq_str(type, "ask.intent") && one == NULL) {
        note_intent(o, crossing, leaf);
    }
}

void sl_ask_orphans_begin(sl_ask_orphans *o)
{
    o->catching_up = true;
    sl_ask_orphans_look(o);
}

void sl_ask_orphans_look(sl_ask_orphans *o)
{
    for (size_t i = 0; i < o->n; i++) {
        o->open[i].suspect = !o->serving(o->context, sl_view_str(o->open[i].crossing));
    }
}

void sl_ask_orphans_caught_up(sl_ask_orphans *o)
{
    o->catching_up = false;
}

static sl_res write_unknown(const sl_ask_open *one, sl_buf *out)
{
    sl_event_head head = { .principal = sl_view_str(one->principal),
                           .door = SL_LIT("ask"),
                           .compartment = sl_view_str(one->compartment),
                           .crossing = sl_view_str(one->crossing) };
    sl_event_ask_outcome fields = { .outcome = SL_LIT("unknown"),
                                    .verdict = SL_LIT("allow"),
                                    .grant = sl_view_str(one->grant),
                                    .rule = SL_LIT("crash") };
    return sl_emit_ask_outcome(&head, &fields, out);
}

sl_res sl_ask_orphans_next(sl_ask_orphans *o, sl_buf *out, bool *ret_any)
{
    *ret_any = false;
    for (size_t i = 0; i < o->n; i++) {
        if (o->open[i].suspect) {
            SL_TRY(write_unknown(&o->open[i], out));
            o->open[i].suspect = false;
            *ret_any = true;
            return SL_DONE;
        }
    }
    return SL_DONE;
}
