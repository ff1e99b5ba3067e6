/* OpenAI chat completions, streamed and whole.
 *
 * The request table names every member that passes. In answers, ids, model, time and fingerprint
 * are the door's own, tool call ids are made here, and log-probabilities leave only as logprobs.h
 * allows. A choice ends with `content_filter` when it is cut.
 * Design: dialect.h; reference: OpenAI API, "Create chat completion". */
#include "doors/ask/dialect.h"
#include "doors/ask/requests.h"

/* ---- answers ---- */

/* Bits of sl_answer.wire_state, shifted by the choice's number. */
#define SAID_ROLE ((uint64_t)1)
#define SAID_FINISH ((uint64_t)1 << SL_ASK_CHOICES_MAX)

/* The members that every chunk and every whole answer begins with. */
static void put_head(const sl_answer *a, const char *object, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    sl_json_object_begin(w);
    if (sl_ok(sl_buf_addf(&id, "chatcmpl-%s", a->options.id))) {
        sl_json_put_string(w, "id", sl_buf_view(&id));
    }
    sl_json_put_str(w, "object", object);
    sl_json_put_int(w, "created", a->options.created_s);
    sl_json_put_string(w, "model", a->options.model);
}

typedef struct {
    sl_buf content;
    sl_buf refusal;
    sl_buf reasoning;
} texts;

static void texts_free(texts *t)
{
    sl_buf_free(&t->content);
    sl_buf_free(&t->refusal);
    sl_buf_free(&t->reasoning);
}

#define TEXTS                                                                                      \
    {                                                                                              \
        { .max = 64 * SL_MIB }, { .max = 64 * SL_MIB },                                            \
        {                                                                                          \
            .max = 64 * SL_MIB                                                                     \
        }                                                                                          \
    }

static void put_text(sl_json_writer *w, const char *name, const sl_buf *text)
{
    if (text->n != 0) {
        sl_json_put_string(w, name, sl_buf_view(text));
    }
}

/* A tool call's id is ours: `call_` and crossing, choice and number. */
static sl_res put_call_head(const sl_answer *a, uint32_t choice, uint32_t part, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_addf(&id, "call_%.16s_%u_%u", a->options.id, choice, part));
    sl_json_put_string(w, "id", sl_buf_view(&id));
    sl_json_put_str(w, "type", "function");
    return SL_DONE;
}

static void put_chunk_begin(const sl_answer *a, uint32_t choice, sl_json_writer *w)
{
    put_head(a, "chat.completion.chunk", w);
    sl_json_key(w, "choices");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_put_uint(w, "index", choice);
    sl_json_key(w, "delta");
    sl_json_object_begin(w);
}

/* Those whose tokens have left by now. */
static void put_logprobs(sl_answer *a, uint32_t choice, size_t n, sl_json_writer *w)
{
    sl_json_key(w, "logprobs");
    sl_json_object_begin(w);
    sl_json_key(w, "content");
    sl_json_array_begin(w);
    sl_logprobs_put(&a->logprobs[choice], n, w);
    sl_json_array_end(w);
    sl_json_key(w, "refusal");
    sl_json_null(w);
    sl_json_object_end(w);
}

static size_t logprobs_ready(const sl_answer *a, uint32_t choice)
{
    return sl_logprobs_ready(&a->logprobs[choice],
                             sl_answer_plain(a, SL_CHANNEL_ANSWER, choice, 0));
}

static sl_res take_logprobs(sl_answer *a, const sl_json_doc *doc, const sl_json_node *choice_node,
                            const sl_json_node *says, uint32_t choice)
{
    bool has = false;
    sl_view text = { 0 };
    const sl_json_node *list = NULL;
    const sl_json_node *logprobs = NULL;
    if ((a->options.features >> SL_FEATURE_LOGPROBS & 1U) == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_ask_member_text(a, doc, says, "content", &has, &text));
    SL_TRY(sl_ask_member_kind(doc, choice_node, "logprobs", SL_JSON_OBJECT, &logprobs));
    SL_TRY(sl_ask_member_kind(doc, logprobs, "content", SL_JSON_ARRAY, &list));
    return sl_logprobs_take(&a->logprobs[choice], doc, list, text, &a->event);
}

static sl_res put_chunk_end(sl_json_writer *w, const char *finish, sl_buf *out)
{
    sl_json_key(w, "finish_reason");
    if (finish == NULL) {
        sl_json_null(w);
    } else {
        sl_json_string(w, sl_view_str(finish));
    }
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
    SL_TRY(sl_json_finish(w));
    return sl_buf_add_str(out, "\n\n");
}

/* One chunk with what may leave of one choice; none when nothing may. */
static sl_res put_delta(sl_answer *a, uint32_t choice, bool first, const texts *t, sl_buf *out)
{
    if (!first && t->content.n == 0 && t->refusal.n == 0 && t->reasoning.n == 0) {
        return SL_DONE;
    }
    sl_json_writer w;
    SL_TRY(sl_buf_add_str(out, "data: "));
    sl_json_writer_init(&w, out);
    put_chunk_begin(a, choice, &w);
    if (first) {
        sl_json_put_str(&w, "role", "assistant");
    }
    put_text(&w, "content", &t->content);
    put_text(&w, "refusal", &t->refusal);
    put_text(&w, "reasoning_content", &t->reasoning);
    sl_json_object_end(&w);
    size_t ready = logprobs_ready(a, choice);
    if (ready != 0) {
        put_logprobs(a, choice, ready, &w);
    }
    return put_chunk_end(&w, NULL, out);
}

/* The choice's last chunk; said once. */
static sl_res put_finish(sl_answer *a, uint32_t choice, const char *finish, sl_buf *out)
{
    sl_json_writer w;
    a->wire_state |= SAID_FINISH << choice;
    SL_TRY(sl_buf_add_str(out, "data: "));
    sl_json_writer_init(&w, out);
    put_chunk_begin(a, choice, &w);
    sl_json_object_end(&w);
    return put_chunk_end(&w, finish, out);
}

/* One tool call, whole: its arguments were held until now. */
static sl_res put_tool_call(sl_answer *a, uint32_t choice, uint32_t part, sl_view arguments,
                            bool with_index, sl_json_writer *w)
{
    sl_json_object_begin(w);
    if (with_index) {
        sl_json_put_uint(w, "index", part);
    }
    SL_TRY(put_call_head(a, choice, part, w));
    sl_json_key(w, "function");
    sl_json_object_begin(w);
    sl_json_put_string(w, "name", sl_answer_tool_name(a, choice, part));
    sl_json_put_string(w, "arguments", arguments);
    sl_json_object_end(w);
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res put_tool_calls(sl_answer *a, uint32_t choice, sl_buf *out)
{
    for (uint32_t part = 0; part < a->choices[choice].tools_n; part++) {
        SL_OWN(sl_buf, arguments, sl_buf_free) = { .max = 4 * SL_MIB };
        SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, choice, part, &arguments));
        if (a->choices[choice].cut) {
            return SL_DONE;
        }
        sl_json_writer w;
        SL_TRY(sl_buf_add_str(out, "data: "));
        sl_json_writer_init(&w, out);
        put_chunk_begin(a, choice, &w);
        sl_json_key(&w, "tool_calls");
        sl_json_array_begin(&w);
        SL_TRY(put_tool_call(a, choice, part, sl_buf_view(&arguments), true, &w));
        sl_json_array_end(&w);
        sl_json_object_end(&w);
        SL_TRY(put_chunk_end(&w, NULL, out));
    }
    return SL_DONE;
}

/* The running texts of a choice have ended. */
static sl_res end_texts(sl_answer *a, uint32_t choice, texts *t)
{
    SL_TRY(sl_answer_end(a, SL_CHANNEL_REASONING, choice, 0, &t->reasoning));
    SL_TRY(sl_answer_end(a, SL_CHANNEL_ANSWER, choice, 0, &t->content));
    return sl_answer_end(a, SL_CHANNEL_REFUSAL, choice, 0, &t->refusal);
}

/* Only words that the protocol knows leave. */
static const char *finish_word(const sl_json_node *reason)
{
    static const char *const words[] = { "length", "tool_calls", "content_filter" };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_json_text_is(reason, words[i])) {
            return words[i];
        }
    }
    return "stop";
}

static sl_res take_text(sl_answer *a, const sl_json_doc *doc, const sl_json_node *delta,
                        const char *name, sl_channel kind, uint32_t choice, sl_buf *out)
{
    bool has = false;
    sl_view text;
    SL_TRY(sl_ask_member_text(a, doc, delta, name, &has, &text));
    return has ? sl_answer_feed(a, kind, choice, 0, text, out) : SL_DONE;
}

static sl_res take_texts(sl_answer *a, const sl_json_doc *doc, const sl_json_node *delta,
                         uint32_t choice, texts *t)
{
    SL_TRY(
        take_text(a, doc, delta, "reasoning_content", SL_CHANNEL_REASONING, choice, &t->reasoning));
    SL_TRY(take_text(a, doc, delta, "reasoning", SL_CHANNEL_REASONING, choice, &t->reasoning));
    SL_TRY(take_text(a, doc, delta, "content", SL_CHANNEL_ANSWER, choice, &t->content));
    return take_text(a, doc, delta, "refusal", SL_CHANNEL_REFUSAL, choice, &t->refusal);
}

/* One piece of a tool call: the first of a number carries the name, all may carry arguments. */
static sl_res take_call(sl_answer *a, const sl_json_doc *doc, const sl_json_node *item,
                        uint32_t choice, uint32_t part)
{
    bool has = false;
    sl_view text = { 0 };
    const sl_json_node *function = sl_json_get_kind(doc, item, "function", SL_JSON_OBJECT);
    SL_TRY(sl_ask_member_text(a, doc, function, "name", &has, &text));
    if (part >= a->choices[choice].tools_n) {
        /* Numbers rise one by one: a gap would be a call nobody sees begin. */
        SL_NEED(part == a->choices[choice].tools_n && has, SL_E_SYNTAX);
        SL_TRY(sl_answer_tool(a, choice, part, text));
    }
    SL_TRY(sl_ask_member_text(a, doc, function, "arguments", &has, &text));
    return has ? sl_answer_feed(a, SL_CHANNEL_TOOL_ARGUMENTS, choice, part, text, NULL) : SL_DONE;
}

static sl_res take_calls(sl_answer *a, const sl_json_doc *doc, const sl_json_node *delta,
                         uint32_t choice, bool numbered)
{
    const sl_json_node *calls = NULL;
    sl_json_iter it = { 0 };
    uint32_t next = 0;
    SL_TRY(sl_ask_member_kind(doc, delta, "tool_calls", SL_JSON_ARRAY, &calls));
    while (sl_json_each(doc, calls, &it) && !a->choices[choice].ended) {
        uint64_t part = next++;
        const sl_json_node *index = NULL;
        SL_NEED(sl_json_is(it.value, SL_JSON_OBJECT), SL_E_TYPE);
        SL_TRY(sl_ask_member_kind(doc, it.value, "index", SL_JSON_NUMBER, &index));
        if (numbered && index != NULL) {
            SL_TRY(sl_json_u64(index, &part));
        }
        SL_NEED(part < SL_ASK_TOOLS_MAX, SL_E_RANGE);
        SL_TRY(take_call(a, doc, it.value, choice, (uint32_t)part));
    }
    return SL_DONE;
}

/* One choice of one chunk. */
static sl_res take_chunk_choice(sl_answer *a, const sl_json_doc *doc, const sl_json_node *node,
                                sl_buf *out)
{
    uint32_t choice = 0;
    SL_OWN(texts, t, texts_free) = TEXTS;
    SL_TRY(sl_ask_openai_choice(a, doc, node, &choice));
    sl_answer_choice *state = &a->choices[choice];
    if (state->ended) {
        return SL_DONE;
    }
    const sl_json_node *delta = NULL;
    const sl_json_node *reason = NULL;
    SL_TRY(sl_ask_member_kind(doc, node, "delta", SL_JSON_OBJECT, &delta));
    SL_TRY(sl_ask_member_kind(doc, node, "finish_reason", SL_JSON_STRING, &reason));
    bool first = (a->wire_state & SAID_ROLE << choice) == 0;
    a->wire_state |= SAID_ROLE << choice;
    SL_TRY(take_logprobs(a, doc, node, delta, choice));
    SL_TRY(take_texts(a, doc, delta, choice, &t));
    SL_TRY(take_calls(a, doc, delta, choice, true));
    if (reason != NULL) {
        SL_TRY(end_texts(a, choice, &t));
    }
    SL_TRY(put_delta(a, choice, first, &t, out));
    if (reason != NULL && !state->cut) {
        SL_TRY(put_tool_calls(a, choice, out));
    }
    if (state->cut) {
        return put_finish(a, choice, "content_filter", out);
    }
    if (reason != NULL) {
        state->ended = true;
        return put_finish(a, choice, finish_word(reason), out);
    }
    return SL_DONE;
}

static sl_res chat_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    if (doc == NULL) {
        a->done = true;
        return SL_DONE;
    }
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    sl_ask_openai_take_usage(a, doc);
    const sl_json_node *choices =
        sl_json_get_kind(doc, sl_json_root(doc), "choices", SL_JSON_ARRAY);
    SL_NEED(choices != NULL, SL_E_MISSING_FIELD);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, choices, &it)) {
        SL_TRY(take_chunk_choice(a, doc, it.value, out));
    }
    return SL_DONE;
}

/* What a choice still owes its reader when the stream closes. */
static sl_res close_choice(sl_answer *a, uint32_t choice, sl_buf *out)
{
    sl_answer_choice *state = &a->choices[choice];
    if ((a->wire_state & SAID_FINISH << choice) != 0) {
        return SL_DONE;
    }
    if (!state->ended) {
        /* The model server said [DONE] without a reason: what it said is taken as all. */
        SL_OWN(texts, t, texts_free) = TEXTS;
        SL_TRY(end_texts(a, choice, &t));
        SL_TRY(put_delta(a, choice, false, &t, out));
        SL_TRY(state->cut ? SL_DONE : put_tool_calls(a, choice, out));
        state->ended = true;
    }
    return put_finish(a, choice, state->cut ? "content_filter" : "stop", out);
}

static sl_res chat_close(sl_answer *a, sl_buf *out)
{
    for (uint32_t i = 0; i < a->options.request->choices; i++) {
        SL_TRY(close_choice(a, i, out));
    }
    if (a->options.request->usage_wanted && a->has_usage) {
        sl_json_writer w;
        SL_TRY(sl_buf_add_str(out, "data: "));
        sl_json_writer_init(&w, out);
        put_head(a, "chat.completion.chunk", &w);
        sl_json_key(&w, "choices");
        sl_json_array_begin(&w);
        sl_json_array_end(&w);
        sl_ask_openai_put_usage(a, &w);
        sl_json_object_end(&w);
        SL_TRY(sl_json_finish(&w));
        SL_TRY(sl_buf_add_str(out, "\n\n"));
    }
    return sl_buf_add_str(out, "data: [DONE]\n\n");
}

/* ---- whole answers ---- */

static sl_res put_whole_calls(sl_answer *a, uint32_t choice, sl_json_writer *w)
{
    SL_OWN(sl_buf, list, sl_buf_free) = { .max = 8 * SL_MIB };
    sl_json_writer lw;
    sl_json_writer_init(&lw, &list);
    sl_json_array_begin(&lw);
    for (uint32_t part = 0; part < a->choices[choice].tools_n; part++) {
        SL_OWN(sl_buf, arguments, sl_buf_free) = { .max = 4 * SL_MIB };
        SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, choice, part, &arguments));
        if (a->choices[choice].cut) {
            return SL_DONE;
        }
        SL_TRY(put_tool_call(a, choice, part, sl_buf_view(&arguments), false, &lw));
    }
    sl_json_array_end(&lw);
    SL_TRY(sl_json_finish(&lw));
    sl_json_key(w, "tool_calls");
    sl_json_raw(w, sl_buf_view(&list));
    return SL_DONE;
}

static void put_text_or_null(sl_json_writer *w, const char *name, const sl_buf *text, bool has)
{
    sl_json_key(w, name);
    if (has) {
        sl_json_string(w, sl_view_of(text->n == 0 ? (const void *)"" : text->p, text->n));
    } else {
        sl_json_null(w);
    }
}

static sl_res take_whole_choice(sl_answer *a, const sl_json_doc *doc, const sl_json_node *node,
                                sl_json_writer *w)
{
    uint32_t choice = 0;
    SL_OWN(texts, t, texts_free) = TEXTS;
    SL_TRY(sl_ask_openai_choice(a, doc, node, &choice));
    SL_NEED(!a->choices[choice].ended && !a->choices[choice].started, SL_E_DUPLICATE);
    const sl_json_node *says = sl_json_get_kind(doc, node, "message", SL_JSON_OBJECT);
    SL_NEED(says != NULL, SL_E_MISSING_FIELD);
    SL_TRY(take_logprobs(a, doc, node, says, choice));
    SL_TRY(take_texts(a, doc, says, choice, &t));
    SL_TRY(take_calls(a, doc, says, choice, false));
    SL_TRY(end_texts(a, choice, &t));
    sl_json_object_begin(w);
    sl_json_put_uint(w, "index", choice);
    sl_json_key(w, "message");
    sl_json_object_begin(w);
    sl_json_put_str(w, "role", "assistant");
    bool has = sl_json_get_kind(doc, says, "content", SL_JSON_STRING) != NULL;
    put_text_or_null(w, "content", &t.content, has);
    put_text_or_null(w, "refusal", &t.refusal, t.refusal.n != 0);
    put_text(w, "reasoning_content", &t.reasoning);
    if (a->choices[choice].tools_n != 0 && !a->choices[choice].cut) {
        SL_TRY(put_whole_calls(a, choice, w));
    }
    sl_json_object_end(w);
    size_t ready = logprobs_ready(a, choice);
    if (ready != 0) {
        put_logprobs(a, choice, ready, w);
    } else {
        sl_json_key(w, "logprobs");
        sl_json_null(w);
    }
    const sl_json_node *reason = NULL;
    SL_TRY(sl_ask_member_kind(doc, node, "finish_reason", SL_JSON_STRING, &reason));
    sl_json_put_str(w, "finish_reason",
                    a->choices[choice].cut ? "content_filter"
                    : reason == NULL       ? "stop"
                                           : finish_word(reason));
    sl_json_object_end(w);
    a->choices[choice].ended = true;
    return SL_DONE;
}

static sl_res chat_whole(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    SL_NEED(sl_json_is(root, SL_JSON_OBJECT), SL_E_TYPE);
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    const sl_json_node *choices = sl_json_get_kind(doc, root, "choices", SL_JSON_ARRAY);
    SL_NEED(choices != NULL && choices->count != 0, SL_E_MISSING_FIELD);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    put_head(a, "chat.completion", &w);
    sl_json_key(&w, "choices");
    sl_json_array_begin(&w);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, choices, &it)) {
        SL_TRY(take_whole_choice(a, doc, it.value, &w));
    }
    sl_json_array_end(&w);
    sl_ask_openai_take_usage(a, doc);
    sl_ask_openai_put_usage(a, &w);
    sl_json_object_end(&w);
    a->done = true;
    return sl_json_finish(&w);
}

const sl_ask_dialect sl_ask_openai_chat = {
    .name = "openai.chat",
    .path = "/v1/chat/completions",
    .method = "POST",
    .upstream_path = "/v1/chat/completions",
    .shape = &sl_ask_openai_chat_request,
    .history = "messages",
    .event = chat_event,
    .whole = chat_whole,
    .close = chat_close,
    .broken = sl_ask_openai_broken,
    .error = sl_ask_openai_error,
};
