/* Comparing one record for the ask door: the keeper counts and records each question and hands the keys to the
 * process that compares, never to who asks. Design: src/vault/confirm.h. */
#include <string.h>

#include "base/secret.h"
#include "ledger/events.gen.h"
#include "vault/keeper_internal.h"

static sl_keeper_confirms *confirms_of(sl_keeper *k, const char *compartment_id)
{
    for (size_t i = 0; i < CONFIRMS_MAX; i++) {
        if (strcmp(k->confirms[i].compartment_id, compartment_id) == 0) {
            return &k->confirms[i];
        }
    }
    sl_keeper_confirms *c = &k->confirms[k->confirms_next];
    k->confirms_next = (k->confirms_next + 1) % CONFIRMS_MAX;
    *c = (sl_keeper_confirms){ 0 };
    memcpy(c->compartment_id, compartment_id, sizeof c->compartment_id);
    return c;
}

static sl_res tell_throttled(sl_keeper *k, const sl_compartment *c)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_throttled event = { .each_second = SL_CONFIRM_EACH_SECOND };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_throttled(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

/* Once for each time that it becomes too much. */
static sl_res spend_confirm(sl_keeper *k, const sl_compartment *c)
{
    sl_keeper_confirms *spent = confirms_of(k, c->id);
    if (sl_confirm_budget_take(&spent->budget, k->world.boot_ms(k->world.context))) {
        spent->told = spent->told && spent->budget.left < SL_CONFIRM_BURST / 2;
        return SL_DONE;
    }
    k->told = true;
    if (!spent->told) {
        spent->told = true;
        SL_TRY(tell_throttled(k, c));
    }
    return sl_fail_at(SL_E_BUDGET, "comparisons of records", SL_CONFIRM_EACH_SECOND);
}

static sl_res tell_compared(sl_keeper *k, const sl_compartment *c, const sl_object_ref *ref,
                            const sl_confirm_request *q)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_compared event = { .object = sl_view_str(ref->uid),
                                     .version = ref->version,
                                     .bytes = q->text.n };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_compared(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

static sl_res tell_confirmed(sl_keeper *k, const sl_compartment *c, const sl_object_ref *ref,
                             const sl_confirm_answer *a)
{
    sl_event_head head = { .actor = SL_LIT("keeper"), .compartment = sl_view_str(c->id) };
    sl_event_echo_confirmed event = { .object = sl_view_str(ref->uid),
                                      .version = ref->version,
                                      .bits = a->bits,
                                      .words = a->words_same,
                                      .permille = a->permille };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_emit_echo_confirmed(&head, &event, &out));
    return k->world.append(k->world.context, sl_buf_view(&out));
}

/* Who did not answer in time is left alone for a while: each try holds up everybody else's requests. */
static sl_res compare_answers(sl_keeper *k)
{
    if (k->world.boot_ms(k->world.context) >= k->compare_from_ms) {
        return SL_DONE;
    }
    k->told = true;
    return sl_fail_at(SL_E_UNAVAILABLE, "confirm", SL_NOWHERE);
}

/* The keys go to who compares, never to who asks. */
static sl_res compare_with_keys(sl_keeper *k, const sl_confirm_request *q, const sl_object_ref *ref,
                                sl_view body, sl_confirm_answer *ret)
{
    sl_buf all = { .max = SL_CONFIRM_KEYS_BYTES + SL_CONFIRM_REQUEST_BYTES_MAX };
    SL_TRY(sl_buf_reserve(&all, all.max));
    all.n = SL_CONFIRM_KEYS_BYTES;
    sl_res r = sl_keystore_derive(k->keystore, q->compartment, "echo", all.p);
    r = sl_ok(r) ? sl_keystore_key_open(k->keystore, q->compartment, SL_WRAP_OBJECT, ref->uid,
                                        (int64_t)ref->version, all.p + SL_KEY_BYTES)
                 : r;
    r = sl_ok(r) ? sl_buf_add(&all, body) : r;
    if (sl_ok(r)) {
        r = k->world.compare(k->world.context, sl_buf_view(&all), ret);
        k->told = !sl_ok(r); /* who compares is away: no refusal of ours */
        k->compare_from_ms =
            sl_is(r, SL_E_TIMEOUT) ? k->world.boot_ms(k->world.context) + COMPARE_PAUSE_MS : 0;
    }
    sl_wipe(all.p, all.cap);
    sl_buf_free(&all);
    return r;
}

sl_res sl_keeper_confirm(sl_keeper *k, sl_view body, sl_buf *reply)
{
    sl_confirm_request q;
    sl_confirm_answer answer;
    sl_object_ref ref;
    const sl_compartment *found = NULL;
    uint64_t epoch = 0;
    SL_TRY(sl_confirm_request_decode(body, &q));
    SL_TRY(sl_echo_source_read(q.source, &ref));
    SL_NEED(k->world.compare != NULL, SL_E_UNSUPPORTED);
    SL_TRY(sl_keeper_follow(k));
    SL_TRY(sl_keeper_compartment(k, q.compartment, &found));
    sl_compartment c = *found;
    SL_TRY(sl_keeper_opened_for_data(k, SL_DOOR_ASK, &c, &epoch));
    SL_TRY(compare_answers(k));
    SL_TRY(spend_confirm(k, &c));
    SL_TRY(tell_compared(k, &c, &ref, &q));
    SL_TRY(compare_with_keys(k, &q, &ref, body, &answer));
    if (answer.confirmed) {
        SL_TRY(tell_confirmed(k, &c, &ref, &answer));
    }
    return sl_confirm_answer_encode(&answer, reply);
}
