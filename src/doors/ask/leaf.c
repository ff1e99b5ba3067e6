/* Leaves of an ask crossing. What they may hold is told in leaf.h. */
#include "doors/ask/leaf.h"

#include <string.h>

#include "ledger/events.gen.h"

enum { ID_HEX = 33 };

typedef struct {
    char principal[ID_HEX];
    char compartments[SL_TICKET_COMPARTMENTS_MAX][ID_HEX];
    sl_view compartment_views[SL_TICKET_COMPARTMENTS_MAX];
    sl_tally tallies[SL_CLASS_COUNT];
    size_t tallies_n;
} leaf_words;

static void put_id(sl_valve_id id, char ret_hex[ID_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        ret_hex[2 * i] = digits[id.bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    ret_hex[ID_HEX - 1] = '\0';
}

static sl_event_head head_of(const sl_ask_leaf_head *head, leaf_words *words)
{
    const sl_ask_identity *who = head->who;
    put_id(who->principal, words->principal);
    for (size_t i = 0; i < who->compartments_n; i++) {
        put_id(who->compartment_ids[i], words->compartments[i]);
        words->compartment_views[i] = sl_view_str(words->compartments[i]);
    }
    return (sl_event_head){ .principal = sl_view_str(words->principal),
                            .door = SL_LIT("ask"),
                            .compartment = who->compartments_n == 0 ? sl_view_of(NULL, 0)
                                                                    : words->compartment_views[0],
                            .crossing = sl_view_str(head->crossing) };
}

static sl_tallies tallies_of(const uint32_t *by_class, leaf_words *words)
{
    words->tallies_n = 0;
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (by_class[i] != 0) {
            words->tallies[words->tallies_n++] =
                (sl_tally){ sl_view_str(sl_class_name((sl_class)i)), by_class[i] };
        }
    }
    return (sl_tallies){ words->tallies, words->tallies_n };
}

/* All compartments, where the head's one does not say it all. */
static sl_views compartments_of(const sl_ask_leaf_head *head, const leaf_words *words)
{
    size_t n = head->who->compartments_n;
    return (sl_views){ n < 2 ? NULL : words->compartment_views, n < 2 ? 0 : n };
}

static sl_view word_or_none(const char *word)
{
    return word == NULL ? sl_view_of(NULL, 0) : sl_view_str(word);
}

sl_res sl_ask_leaf_intent(const sl_ask_leaf_head *head, const sl_ask_intent *intent, sl_buf *out)
{
    leaf_words words;
    sl_event_head named = head_of(head, &words);
    sl_digest policy;
    memcpy(policy.b, intent->policy_digest, sizeof policy.b);
    sl_event_ask_intent fields = {
        .dialect = sl_view_str(intent->dialect),
        .upstream = intent->upstream,
        .model = intent->model,
        .grant = sl_view_str(head->who->grant),
        .policy = &policy,
        .verdict = sl_view_str(sl_verdict_name(intent->verdict)),
        .compartments = compartments_of(head, &words),
        .classes = tallies_of(intent->by_class, &words),
        .request = intent->request,
        .bytes = intent->bytes,
        .streamed = intent->streamed,
        .latency_us = intent->latency_us,
        .epoch = intent->epoch,
        .tools = { intent->tools, intent->tools_n },
        .source = intent->source,
    };
    return sl_emit_ask_intent(&named, &fields, out);
}

sl_res sl_ask_leaf_outcome(const sl_ask_leaf_head *head, const sl_ask_ending *ending, sl_buf *out)
{
    leaf_words words;
    sl_event_head named = head_of(head, &words);
    sl_event_ask_outcome fields = {
        .outcome = sl_view_str(sl_ask_outcome_name(ending->outcome)),
        .grant = head->who == NULL ? (sl_view){ 0 } : sl_view_str(head->who->grant),
        .verdict = sl_view_str(sl_verdict_name(ending->verdict)),
        .compartments = compartments_of(head, &words),
        .classes = tallies_of(ending->by_class, &words),
        .answer = ending->answer,
        .upstream = ending->upstream,
        .released_bytes = ending->released_bytes,
        .has_late_bytes = ending->late_bytes != 0,
        .late_bytes = ending->late_bytes,
        .events = ending->events,
        .has_input_tokens = ending->has_tokens,
        .input_tokens = ending->input_tokens,
        .has_output_tokens = ending->has_tokens,
        .output_tokens = ending->output_tokens,
        .rule = word_or_none(ending->rule),
        .has_cut_at = ending->has_cut,
        .cut_at = ending->cut_at,
        .status = ending->status,
        .has_restored = ending->restored != 0,
        .restored = ending->restored,
        .latency_us = ending->latency_us,
    };
    return sl_emit_ask_outcome(&named, &fields, out);
}

sl_res sl_ask_leaf_refused(const sl_ask_leaf_head *head, const sl_ask_refusal *refusal, sl_buf *out)
{
    leaf_words words;
    sl_event_head named = head_of(head, &words);
    sl_view detector = word_or_none(refusal->detector);
    sl_event_ask_refused fields = {
        .reason = sl_view_str(refusal->reason),
        .verdict = SL_LIT("refuse"),
        .compartments = compartments_of(head, &words),
        .classes = tallies_of(refusal->by_class, &words),
        .bytes = refusal->bytes,
        .status = refusal->status,
        .rule = word_or_none(refusal->rule),
        .detectors = { refusal->detector == NULL ? NULL : &detector, 1 },
    };
    return sl_emit_ask_refused(&named, &fields, out);
}
