/* OpenAI responses, streamed and whole.
 *
 * An answer is a row of items: messages, whose parts go through a release frontier, and function
 * calls, whose arguments are held until they are whole. The API says every text again when it is
 * done, when its part, its item and the response are done: all of these are written from the text
 * that was released, and what the model server repeats is not read. Reasoning and whatever else is
 * no message and no declared function never leaves. Log-probabilities leave as logprobs.h allows, with a text and
 * wherever it is said again. Nothing may be kept at the model server. A cut
 * ends with `response.incomplete` and the reason `content_filter`.
 * Reference: OpenAI API, "Create a model response", "Streaming events". Design: dialect.h. */
#include "doors/ask/openai_responses.h"
#include "doors/ask/requests.h"

#include <stdlib.h>

/* ---- answers: what is remembered ---- */

enum { ITEMS_MAX = 64, TEXTS_MAX = 64 };

static void memory_free(void *wire)
{
    sl_responses *m = wire;
    sl_buf_free(&m->text);
    sl_buf_free(&m->tokens);
    sl_buf_free(&m->parts);
    sl_buf_free(&m->items);
    free(m);
}

static sl_res memory_of(sl_answer *a, sl_responses **ret_memory)
{
    if (a->wire == NULL) {
        sl_responses *m = calloc(1, sizeof *m);
        SL_NEED(m != NULL, SL_E_MEMORY);
        m->text.max = m->tokens.max = m->parts.max = m->items.max = 64 * SL_MIB;
        a->wire = m;
        a->wire_free = memory_free;
    }
    *ret_memory = a->wire;
    return SL_DONE;
}

static sl_res append(sl_buf *list, const sl_buf *json)
{
    if (list->n != 0) {
        SL_TRY(sl_buf_add_byte(list, ','));
    }
    return sl_buf_add(list, sl_buf_view(json));
}

/* ---- answers: the open item and its open part ---- */

static sl_res start(const sl_answer *a, sl_responses *m, sl_buf *out)
{
    sl_responses_whole r = { .status = "in_progress" };
    if (m->started) {
        return SL_DONE;
    }
    m->started = true;
    SL_TRY(sl_responses_put_response_event(a, m->sequence++, "response.created", &r, out));
    return sl_responses_put_response_event(a, m->sequence++, "response.in_progress", &r, out);
}

static sl_channel channel_of(sl_responses_part kind)
{
    return kind == PART_TEXT ? SL_CHANNEL_ANSWER : SL_CHANNEL_REFUSAL;
}

/* The log-probabilities that may leave by now, as a list without its brackets. */
static sl_res ready_tokens(sl_answer *a, const sl_responses *m, sl_buf *list)
{
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 64 * SL_MIB };
    sl_json_writer w;
    size_t ready =
        sl_logprobs_ready(&a->logprobs[0], sl_answer_plain(a, channel_of(m->part), 0, m->texts_n));
    if (m->part != PART_TEXT || ready == 0) {
        return SL_DONE;
    }
    sl_json_writer_init(&w, &json);
    sl_json_array_begin(&w);
    sl_logprobs_put(&a->logprobs[0], ready, &w);
    sl_json_array_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(list, sl_view_sub(sl_buf_view(&json), 1, json.n - 1));
}

/* What a part's text set free. */
static sl_res put_freed(sl_answer *a, sl_responses *m, const sl_buf *freed, sl_buf *out)
{
    SL_OWN(sl_buf, tokens, sl_buf_free) = { .max = 64 * SL_MIB };
    const char *type =
        m->part == PART_TEXT ? "response.output_text.delta" : "response.refusal.delta";
    if (freed->n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add(&m->text, sl_buf_view(freed)));
    SL_TRY(ready_tokens(a, m, &tokens));
    if (tokens.n != 0) {
        SL_TRY(append(&m->tokens, &tokens));
    }
    return sl_responses_put_text_event(a, m, type, "delta", freed, &tokens, out);
}

/* Tokens are counted within a text; where one of a text did not leave, none of those behind it does. */
static void end_tokens(sl_answer *a, sl_responses *m)
{
    bool over = a->logprobs[0].over || a->logprobs[0].n != 0;
    sl_logprobs_free(&a->logprobs[0]);
    a->logprobs[0].over = over;
    sl_buf_clear(&m->tokens);
}

static sl_res end_part(sl_answer *a, sl_responses *m, sl_buf *out)
{
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 64 * SL_MIB };
    sl_json_writer w;
    bool text = m->part == PART_TEXT;
    if (m->part == PART_NONE) {
        return SL_DONE;
    }
    SL_TRY(sl_answer_end(a, channel_of(m->part), 0, m->texts_n, &freed));
    SL_TRY(put_freed(a, m, &freed, out));
    SL_TRY(sl_responses_put_text_event(a, m,
                                       text ? "response.output_text.done" : "response.refusal.done",
                                       text ? "text" : "refusal", &m->text, &m->tokens, out));
    SL_TRY(
        sl_responses_put_part_event(a, m, "response.content_part.done", &m->text, &m->tokens, out));
    sl_json_writer_init(&w, &json);
    sl_responses_put_part(m->part, &m->text, &m->tokens, &w);
    SL_TRY(sl_json_finish(&w));
    SL_TRY(append(&m->parts, &json));
    sl_buf_clear(&m->text);
    end_tokens(a, m);
    m->part = PART_NONE;
    m->parts_n++;
    m->texts_n++;
    return SL_DONE;
}

static sl_res begin_part(sl_answer *a, sl_responses *m, sl_responses_part kind, sl_buf *out)
{
    SL_TRY(end_part(a, m, out));
    if (a->choices[0].ended) {
        return SL_DONE; /* the part before was cut at its end */
    }
    SL_NEED(m->item == ITEM_MESSAGE && m->texts_n < TEXTS_MAX, SL_E_SYNTAX);
    m->part = kind;
    m->fed = false;
    return sl_responses_put_part_event(a, m, "response.content_part.added", NULL, NULL, out);
}

/* `holder` has the text's log-probabilities, where they were granted and given. */
static sl_res feed_part(sl_answer *a, sl_responses *m, sl_responses_part kind, sl_view text,
                        const sl_json_doc *doc, const sl_json_node *holder, sl_buf *out)
{
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    if (m->part != kind) {
        SL_TRY(begin_part(a, m, kind, out));
    }
    if (a->choices[0].ended) {
        return SL_DONE;
    }
    m->fed = true;
    if ((a->options.features >> SL_FEATURE_LOGPROBS & 1U) != 0) {
        const sl_json_node *list = NULL;
        if (kind == PART_TEXT) {
            SL_TRY(sl_ask_member_kind(doc, holder, "logprobs", SL_JSON_ARRAY, &list));
        }
        SL_TRY(sl_logprobs_take(&a->logprobs[0], doc, list, text, &a->event));
    }
    SL_TRY(sl_answer_feed(a, channel_of(kind), 0, m->texts_n, text, &freed));
    return put_freed(a, m, &freed, out);
}

static sl_res begin_item(sl_answer *a, sl_responses *m, const sl_json_doc *doc,
                         const sl_json_node *item, sl_buf *out)
{
    const sl_json_node *type = sl_json_get_kind(doc, item, "type", SL_JSON_STRING);
    bool has = false;
    sl_view name;
    SL_NEED(type != NULL && m->item == ITEM_NONE && m->items_n < ITEMS_MAX, SL_E_SYNTAX);
    m->fed = false;
    m->parts_n = 0;
    sl_buf_clear(&m->parts);
    if (sl_json_text_is(type, "message")) {
        m->item = ITEM_MESSAGE;
        return sl_responses_put_item_event(a, m, "response.output_item.added", "in_progress", NULL,
                                           out);
    }
    if (sl_json_text_is(type, "function_call")) {
        m->item = ITEM_CALL;
        SL_TRY(sl_ask_member_text(a, doc, item, "name", &has, &name));
        SL_NEED(has, SL_E_MISSING_FIELD);
        return sl_answer_tool(a, 0, m->calls_n, name);
    }
    m->item = ITEM_DROPPED;
    return SL_DONE;
}

static sl_res feed_call(sl_answer *a, sl_responses *m, sl_view text)
{
    m->fed = true;
    return sl_answer_feed(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, m->calls_n, text, NULL);
}

/* The item's last event, and the item among those that the response will repeat. */
static sl_res close_item(sl_answer *a, sl_responses *m, const char *status, const sl_buf *content,
                         sl_buf *out)
{
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 64 * SL_MIB };
    sl_json_writer w;
    SL_TRY(sl_responses_put_item_event(a, m, "response.output_item.done", status, content, out));
    sl_json_writer_init(&w, &json);
    sl_responses_put_item(a, m, status, content, &w);
    SL_TRY(sl_json_finish(&w));
    SL_TRY(append(&m->items, &json));
    m->items_n++;
    m->item = ITEM_NONE;
    return SL_DONE;
}

/* A call is shown only when all of it was read, so that a cut call never was. */
static sl_res end_call(sl_answer *a, sl_responses *m, sl_buf *out)
{
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, m->calls_n, &freed));
    if (a->choices[0].cut) {
        m->item = ITEM_NONE;
        return SL_DONE;
    }
    SL_TRY(
        sl_responses_put_item_event(a, m, "response.output_item.added", "in_progress", NULL, out));
    if (freed.n != 0) {
        SL_TRY(sl_responses_put_text_event(a, m, "response.function_call_arguments.delta", "delta",
                                           &freed, NULL, out));
    }
    SL_TRY(sl_responses_put_text_event(a, m, "response.function_call_arguments.done", "arguments",
                                       &freed, NULL, out));
    SL_TRY(close_item(a, m, "completed", &freed, out));
    m->calls_n++;
    return SL_DONE;
}

static sl_res end_item(sl_answer *a, sl_responses *m, sl_buf *out)
{
    switch (m->item) {
    case ITEM_MESSAGE:
        SL_TRY(end_part(a, m, out));
        return close_item(a, m, a->choices[0].cut ? "incomplete" : "completed", &m->parts, out);
    case ITEM_CALL:
        return end_call(a, m, out);
    case ITEM_NONE:
    case ITEM_DROPPED:
        break;
    }
    m->item = ITEM_NONE;
    return SL_DONE;
}

/* ---- answers: events of the model server ---- */

static void take_usage(sl_answer *a, const sl_json_doc *doc, const sl_json_node *holder)
{
    const sl_json_node *usage = sl_json_get_kind(doc, holder, "usage", SL_JSON_OBJECT);
    if (usage != NULL) {
        a->has_usage = true;
        a->prompt_tokens = sl_ask_count(doc, usage, "input_tokens");
        a->completion_tokens = sl_ask_count(doc, usage, "output_tokens");
    }
}

/* Only words that the protocol knows leave. */
static const char *incomplete_word(const sl_json_doc *doc, const sl_json_node *holder)
{
    const sl_json_node *details =
        sl_json_get_kind(doc, holder, "incomplete_details", SL_JSON_OBJECT);
    const sl_json_node *reason = sl_json_get_kind(doc, details, "reason", SL_JSON_STRING);
    return reason != NULL && sl_json_text_is(reason, "content_filter") ? "content_filter"
                                                                       : "max_output_tokens";
}

/* The response's last event; said once. */
static sl_res finish(sl_answer *a, sl_responses *m, const char *reason, sl_buf *out)
{
    sl_responses_whole r = { .status = reason == NULL ? "completed" : "incomplete",
                             .reason = reason,
                             .items = &m->items };
    if (m->finished) {
        return SL_DONE;
    }
    m->finished = true;
    return sl_responses_put_response_event(
        a, m->sequence++, reason == NULL ? "response.completed" : "response.incomplete", &r, out);
}

static sl_res finish_cut(sl_answer *a, sl_responses *m, sl_buf *out)
{
    if (m->finished) {
        return SL_DONE;
    }
    SL_TRY(start(a, m, out));
    SL_TRY(end_item(a, m, out));
    return finish(a, m, "content_filter", out);
}

/* An event about a part or about arguments: where it belongs, and its text. */
typedef struct {
    const char *type;
    sl_responses_item item;
    sl_responses_part part;
    const char *member; /* of the text */
    bool whole;         /* says a text again: read only when no delta came before it */
} text_event;

static const text_event text_events[] = {
    { "response.output_text.delta", ITEM_MESSAGE, PART_TEXT, "delta", false },
    { "response.output_text.done", ITEM_MESSAGE, PART_TEXT, "text", true },
    { "response.refusal.delta", ITEM_MESSAGE, PART_REFUSAL, "delta", false },
    { "response.refusal.done", ITEM_MESSAGE, PART_REFUSAL, "refusal", true },
    { "response.function_call_arguments.delta", ITEM_CALL, PART_NONE, "delta", false },
    { "response.function_call_arguments.done", ITEM_CALL, PART_NONE, "arguments", true },
};

static sl_res take_text(sl_answer *a, sl_responses *m, const sl_json_doc *doc, const text_event *e,
                        sl_buf *out)
{
    bool has = false;
    sl_view text;
    SL_NEED(m->item == e->item, SL_E_SYNTAX);
    if (e->whole && (m->fed || m->part != e->part)) {
        return SL_DONE;
    }
    SL_TRY(sl_ask_member_text(a, doc, sl_json_root(doc), e->member, &has, &text));
    SL_NEED(has, SL_E_MISSING_FIELD);
    return e->item == ITEM_CALL ? feed_call(a, m, text)
                                : feed_part(a, m, e->part, text, doc, sl_json_root(doc), out);
}

static sl_res take_part(sl_answer *a, sl_responses *m, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *part = sl_json_get_kind(doc, sl_json_root(doc), "part", SL_JSON_OBJECT);
    const sl_json_node *type = sl_json_get_kind(doc, part, "type", SL_JSON_STRING);
    SL_NEED(type != NULL, SL_E_MISSING_FIELD);
    if (sl_json_text_is(type, "output_text")) {
        return begin_part(a, m, PART_TEXT, out);
    }
    return sl_json_text_is(type, "refusal") ? begin_part(a, m, PART_REFUSAL, out) : SL_DONE;
}

static sl_res take_end(sl_answer *a, sl_responses *m, const sl_json_doc *doc, bool complete,
                       sl_buf *out)
{
    const sl_json_node *said = sl_json_get_kind(doc, sl_json_root(doc), "response", SL_JSON_OBJECT);
    take_usage(a, doc, said);
    SL_TRY(end_item(a, m, out));
    a->done = true;
    if (a->choices[0].cut) {
        return SL_DONE;
    }
    a->choices[0].ended = true;
    return finish(a, m, complete ? NULL : incomplete_word(doc, said), out);
}

/* Events that belong to the open item. */
static sl_res take_inside(sl_answer *a, sl_responses *m, const sl_json_doc *doc,
                          const sl_json_node *type, sl_buf *out)
{
    if (sl_json_text_is(type, "response.output_item.done")) {
        return end_item(a, m, out);
    }
    if (m->item == ITEM_DROPPED) {
        return SL_DONE;
    }
    if (sl_json_text_is(type, "response.content_part.added")) {
        return take_part(a, m, doc, out);
    }
    if (sl_json_text_is(type, "response.content_part.done")) {
        return end_part(a, m, out);
    }
    for (size_t i = 0; i < SL_COUNT_OF(text_events); i++) {
        if (sl_json_text_is(type, text_events[i].type)) {
            return take_text(a, m, doc, &text_events[i], out);
        }
    }
    return SL_DONE; /* annotations, summaries, progress of tools: nothing that leaves */
}

static sl_res take_event(sl_answer *a, sl_responses *m, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *type = sl_json_get_kind(doc, root, "type", SL_JSON_STRING);
    SL_NEED(type != NULL, SL_E_MISSING_FIELD);
    if (sl_json_text_is(type, "keepalive")) {
        return SL_DONE;
    }
    bool bad = sl_json_text_is(type, "error") || sl_json_text_is(type, "response.failed");
    SL_NEED(!bad && !sl_ask_says_error(doc), SL_E_UPSTREAM);
    SL_TRY(start(a, m, out));
    if (sl_json_text_is(type, "response.completed") ||
        sl_json_text_is(type, "response.incomplete")) {
        return take_end(a, m, doc, sl_json_text_is(type, "response.completed"), out);
    }
    if (sl_json_text_is(type, "response.output_item.added")) {
        m->theirs = sl_ask_count(doc, root, "output_index");
        return begin_item(a, m, doc, sl_json_get_kind(doc, root, "item", SL_JSON_OBJECT), out);
    }
    if (sl_json_get(doc, root, "output_index") == NULL) {
        return SL_DONE; /* about the response as a whole */
    }
    SL_NEED(m->item != ITEM_NONE && sl_ask_count(doc, root, "output_index") == m->theirs,
            SL_E_SYNTAX);
    return take_inside(a, m, doc, type, out);
}

/* Which part an object or event speaks of by its type; PART_NONE for others. */
static sl_responses_part part_of(const sl_json_doc *doc, const sl_json_node *object)
{
    const sl_json_node *type = sl_json_get_kind(doc, object, "type", SL_JSON_STRING);
    return type == NULL                           ? PART_NONE
           : sl_json_text_is(type, "output_text") ? PART_TEXT
           : sl_json_text_is(type, "refusal")     ? PART_REFUSAL
                                                  : PART_NONE;
}

static sl_heard_what heard_item(const sl_json_doc *doc, const sl_json_node *item)
{
    const sl_json_node *type = sl_json_get_kind(doc, item, "type", SL_JSON_STRING);
    return type == NULL || sl_json_text_is(type, "function_call") ? SL_HEARD_OTHER
           : sl_json_text_is(type, "message")                     ? SL_HEARD_PASSING
                                                                  : SL_HEARD_DROPPED;
}

static sl_res hear_text(sl_answer *a, const sl_json_doc *doc, const text_event *e,
                        sl_ask_heard *ret_heard)
{
    bool has = false;
    SL_TRY(sl_ask_member_text(a, doc, sl_json_root(doc), e->member, &has, &ret_heard->text));
    ret_heard->kind = channel_of(e->part);
    ret_heard->what = !has ? SL_HEARD_OTHER : e->whole ? SL_HEARD_REPEAT : SL_HEARD_TEXT;
    return SL_DONE;
}

/* Parts of one kind in a row are read as one, also over items. */
static sl_res responses_hear(sl_answer *a, const sl_json_doc *doc, sl_ask_heard *ret_heard)
{
    static const char *const others[] = { "error", "response.failed", "response.completed",
                                          "response.incomplete" };
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *type = sl_json_get_kind(doc, root, "type", SL_JSON_STRING);
    *ret_heard = (sl_ask_heard){ .what = type == NULL ? SL_HEARD_OTHER : SL_HEARD_PASSING,
                                 .kind = SL_CHANNEL_ANSWER };
    for (size_t i = 0; type != NULL && i < SL_COUNT_OF(others); i++) {
        ret_heard->what = sl_json_text_is(type, others[i]) ? SL_HEARD_OTHER : ret_heard->what;
    }
    if (ret_heard->what == SL_HEARD_OTHER) {
        return SL_DONE;
    }
    for (size_t i = 0; i < SL_COUNT_OF(text_events); i++) {
        if (sl_json_text_is(type, text_events[i].type)) {
            return text_events[i].item == ITEM_MESSAGE
                       ? hear_text(a, doc, &text_events[i], ret_heard)
                       : SL_DONE;
        }
    }
    if (sl_json_text_is(type, "response.output_item.added")) {
        ret_heard->what = heard_item(doc, sl_json_get_kind(doc, root, "item", SL_JSON_OBJECT));
    } else if (sl_json_text_is(type, "response.output_item.done")) {
        ret_heard->what = SL_HEARD_OVER;
    } else if (sl_json_text_is(type, "response.content_part.done")) {
        ret_heard->what = SL_HEARD_END;
    } else if (sl_json_text_is(type, "response.content_part.added")) {
        sl_responses_part kind = part_of(doc, sl_json_get_kind(doc, root, "part", SL_JSON_OBJECT));
        ret_heard->what = kind == PART_NONE ? SL_HEARD_PASSING : SL_HEARD_BEGIN;
        ret_heard->kind = channel_of(kind);
    }
    return SL_DONE;
}

static sl_res responses_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    sl_responses *m = NULL;
    SL_TRY(memory_of(a, &m));
    if (doc == NULL) {
        SL_NEED(m->finished, SL_E_UPSTREAM);
        a->done = true;
        return SL_DONE;
    }
    if (!a->choices[0].ended) {
        SL_TRY(take_event(a, m, doc, out));
    }
    if (a->choices[0].cut) {
        return finish_cut(a, m, out);
    }
    if (!sl_answer_over(a)) {
        m->committed = m->sequence;
    }
    return SL_DONE;
}

static sl_res responses_close(sl_answer *a, sl_buf *out)
{
    sl_responses *m = NULL;
    SL_TRY(memory_of(a, &m));
    SL_NEED(a->choices[0].ended, SL_E_UPSTREAM);
    return a->choices[0].cut ? finish_cut(a, m, out) : SL_DONE;
}

/* Numbered after what has left; without items, because the last of them may not have. */
static sl_res responses_broken(const sl_answer *a, const sl_ask_error *error, sl_buf *out)
{
    const sl_responses *m = a->wire;
    sl_responses_whole r = { .status = "failed", .error = error };
    return sl_responses_put_response_event(a, m == NULL ? 0 : m->committed, "response.failed", &r,
                                           out);
}

/* ---- whole answers: told as events to nobody, so that both ways say the same ---- */

static sl_res take_whole_message(sl_answer *a, sl_responses *m, const sl_json_doc *doc,
                                 const sl_json_node *item, sl_buf *unsent)
{
    const sl_json_node *content = sl_json_get_kind(doc, item, "content", SL_JSON_ARRAY);
    sl_json_iter it = { 0 };
    SL_NEED(content != NULL, SL_E_MISSING_FIELD);
    while (sl_json_each(doc, content, &it) && !a->choices[0].cut) {
        const sl_json_node *type = sl_json_get_kind(doc, it.value, "type", SL_JSON_STRING);
        SL_NEED(type != NULL, SL_E_MISSING_FIELD);
        bool text = sl_json_text_is(type, "output_text");
        bool has = false;
        sl_view said;
        if (!text && !sl_json_text_is(type, "refusal")) {
            continue;
        }
        SL_TRY(sl_ask_member_text(a, doc, it.value, text ? "text" : "refusal", &has, &said));
        SL_NEED(has, SL_E_MISSING_FIELD);
        SL_TRY(feed_part(a, m, text ? PART_TEXT : PART_REFUSAL, said, doc, it.value, unsent));
        SL_TRY(end_part(a, m, unsent));
    }
    return SL_DONE;
}

/* What the parts hold together, before any of them is told. */
static sl_res hear_whole_output(sl_answer *a, const sl_json_doc *doc, const sl_json_node *output)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, output, &it)) {
        sl_heard_what what = heard_item(doc, it.value);
        sl_json_iter part = { 0 };
        if (what == SL_HEARD_OTHER) {
            SL_TRY(sl_row_end(a));
        }
        const sl_json_node *content = sl_json_get_kind(doc, it.value, "content", SL_JSON_ARRAY);
        while (what == SL_HEARD_PASSING && content != NULL && sl_json_each(doc, content, &part)) {
            sl_responses_part kind = part_of(doc, part.value);
            bool has = false;
            sl_view text = { 0 };
            if (kind != PART_NONE) {
                SL_TRY(sl_ask_member_text(a, doc, part.value,
                                          kind == PART_TEXT ? "text" : "refusal", &has, &text));
                SL_TRY(has ? sl_row_add(a, channel_of(kind), text) : SL_DONE);
            }
        }
    }
    return sl_row_end(a);
}

static sl_res take_whole_item(sl_answer *a, sl_responses *m, const sl_json_doc *doc,
                              const sl_json_node *item)
{
    SL_OWN(sl_buf, unsent, sl_buf_free) = { .max = SIZE_MAX / 2 };
    SL_NEED(sl_json_is(item, SL_JSON_OBJECT), SL_E_TYPE);
    SL_TRY(begin_item(a, m, doc, item, &unsent));
    if (m->item == ITEM_MESSAGE) {
        SL_TRY(take_whole_message(a, m, doc, item, &unsent));
    } else if (m->item == ITEM_CALL) {
        bool has = false;
        sl_view arguments;
        SL_TRY(sl_ask_member_text(a, doc, item, "arguments", &has, &arguments));
        SL_NEED(has, SL_E_MISSING_FIELD);
        SL_TRY(feed_call(a, m, arguments));
    }
    return end_item(a, m, &unsent);
}

static sl_res responses_whole(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    SL_NEED(sl_json_is(root, SL_JSON_OBJECT), SL_E_TYPE);
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    const sl_json_node *output = sl_json_get_kind(doc, root, "output", SL_JSON_ARRAY);
    const sl_json_node *status = sl_json_get_kind(doc, root, "status", SL_JSON_STRING);
    SL_NEED(output != NULL && status != NULL, SL_E_MISSING_FIELD);
    bool complete = sl_json_text_is(status, "completed");
    SL_NEED(complete || sl_json_text_is(status, "incomplete"), SL_E_UPSTREAM);
    sl_responses *m = NULL;
    SL_TRY(memory_of(a, &m));
    SL_TRY(hear_whole_output(a, doc, output));
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, output, &it) && !a->choices[0].cut) {
        SL_TRY(take_whole_item(a, m, doc, it.value));
    }
    take_usage(a, doc, root);
    bool cut = a->choices[0].cut;
    sl_responses_whole r = { .status = complete && !cut ? "completed" : "incomplete",
                             .reason = cut        ? "content_filter"
                                       : complete ? NULL
                                                  : incomplete_word(doc, root),
                             .items = &m->items };
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_responses_put_response(a, &r, &w);
    a->choices[0].ended = true;
    a->done = true;
    return sl_json_finish(&w);
}

const sl_ask_dialect sl_ask_openai_responses = {
    .name = "openai.responses",
    .path = "/v1/responses",
    .method = "POST",
    .upstream_path = "/v1/responses",
    .shape = &sl_ask_openai_responses_request,
    .history = "input",
    .hear = responses_hear,
    .begin_ends = true,
    .event = responses_event,
    .whole = responses_whole,
    .close = responses_close,
    .broken = responses_broken,
    .error = sl_ask_openai_error,
};
