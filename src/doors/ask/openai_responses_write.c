/* OpenAI responses, as they are written (openai_responses.h): every id, name and time is ours, every text one that was
 * released. Reference: OpenAI API, "Streaming events". */
#include "doors/ask/openai_responses.h"

static sl_view text_of(const sl_buf *text)
{
    return text->n == 0 ? sl_view_str("") : sl_buf_view(text);
}

static void put_list(sl_json_writer *w, const char *name, const sl_buf *list)
{
    sl_json_key(w, name);
    sl_json_array_begin(w);
    if (list != NULL && list->n != 0) {
        sl_json_raw(w, sl_buf_view(list));
    }
    sl_json_array_end(w);
}

static void put_null(sl_json_writer *w, const char *name)
{
    sl_json_key(w, name);
    sl_json_null(w);
}

/* Ids are ours: a prefix, the crossing and a number. */
static void put_id(const sl_answer *a, const char *name, const char *prefix, uint32_t number,
                   sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    if (sl_ok(sl_buf_addf(&id, "%s_%.16s_%u", prefix, a->options.id, number))) {
        sl_json_put_string(w, name, sl_buf_view(&id));
    }
}

void sl_responses_put_part(sl_responses_part kind, const sl_buf *text, const sl_buf *tokens,
                           sl_json_writer *w)
{
    sl_json_object_begin(w);
    if (kind == PART_TEXT) {
        sl_json_put_str(w, "type", "output_text");
        put_list(w, "annotations", NULL);
        put_list(w, "logprobs", tokens);
        sl_json_put_string(w, "text", text == NULL ? sl_view_str("") : text_of(text));
    } else {
        sl_json_put_str(w, "type", "refusal");
        sl_json_put_string(w, "refusal", text == NULL ? sl_view_str("") : text_of(text));
    }
    sl_json_object_end(w);
}

/* The open item, with the parts or arguments given. */
void sl_responses_put_item(const sl_answer *a, const sl_responses *m, const char *status,
                           const sl_buf *content, sl_json_writer *w)
{
    sl_json_object_begin(w);
    if (m->item == ITEM_MESSAGE) {
        put_id(a, "id", "msg", m->items_n, w);
        sl_json_put_str(w, "type", "message");
        sl_json_put_str(w, "status", status);
        sl_json_put_str(w, "role", "assistant");
        put_list(w, "content", content);
    } else {
        put_id(a, "id", "fc", m->items_n, w);
        sl_json_put_str(w, "type", "function_call");
        sl_json_put_str(w, "status", status);
        put_id(a, "call_id", "call", m->calls_n, w);
        sl_json_put_string(w, "name", sl_answer_tool_name(a, 0, m->calls_n));
        sl_json_put_string(w, "arguments", content == NULL ? sl_view_str("") : text_of(content));
    }
    sl_json_object_end(w);
}

static void put_usage(const sl_answer *a, sl_json_writer *w)
{
    sl_json_key(w, "usage");
    if (!a->has_usage) {
        sl_json_null(w);
        return;
    }
    sl_json_object_begin(w);
    sl_json_put_uint(w, "input_tokens", a->prompt_tokens);
    sl_json_key(w, "input_tokens_details");
    sl_json_object_begin(w);
    sl_json_put_uint(w, "cached_tokens", 0);
    sl_json_object_end(w);
    sl_json_put_uint(w, "output_tokens", a->completion_tokens);
    sl_json_key(w, "output_tokens_details");
    sl_json_object_begin(w);
    sl_json_put_uint(w, "reasoning_tokens", 0);
    sl_json_object_end(w);
    sl_json_put_uint(w, "total_tokens", a->prompt_tokens + a->completion_tokens);
    sl_json_object_end(w);
}

/* What clients' types require and the door has no word to say about. */
static void put_plain_settings(sl_json_writer *w)
{
    put_null(w, "instructions");
    put_null(w, "max_output_tokens");
    put_null(w, "previous_response_id");
    put_null(w, "temperature");
    put_null(w, "top_p");
    sl_json_put_bool(w, "background", false);
    sl_json_put_bool(w, "store", false);
    sl_json_put_bool(w, "parallel_tool_calls", true);
    sl_json_put_str(w, "tool_choice", "auto");
    put_list(w, "tools", NULL);
    sl_json_key(w, "metadata");
    sl_json_object_begin(w);
    sl_json_object_end(w);
}

static void put_failure(const sl_ask_error *error, sl_json_writer *w)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1024 };
    if (error == NULL || !sl_ok(sl_buf_addf(&text, "stoplog: %s; %s (%s)", sl_res_text(error->res),
                                            sl_res_remedy(error->res), sl_res_name(error->res)))) {
        put_null(w, "error");
        return;
    }
    sl_json_key(w, "error");
    sl_json_object_begin(w);
    sl_json_put_str(w, "code", error->status == 429 ? "rate_limit_exceeded" : "server_error");
    sl_json_put_string(w, "message", sl_buf_view(&text));
    if (error->receipt != NULL) {
        sl_json_put_str(w, "receipt", error->receipt);
    }
    sl_json_object_end(w);
}

void sl_responses_put_response(const sl_answer *a, const sl_responses_whole *r, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    sl_json_object_begin(w);
    if (sl_ok(sl_buf_addf(&id, "resp_%s", a->options.id))) {
        sl_json_put_string(w, "id", sl_buf_view(&id));
    }
    sl_json_put_str(w, "object", "response");
    sl_json_put_int(w, "created_at", a->options.created_s);
    sl_json_put_string(w, "model", a->options.model);
    sl_json_put_str(w, "status", r->status);
    put_failure(r->error, w);
    sl_json_key(w, "incomplete_details");
    if (r->reason == NULL) {
        sl_json_null(w);
    } else {
        sl_json_object_begin(w);
        sl_json_put_str(w, "reason", r->reason);
        sl_json_object_end(w);
    }
    put_list(w, "output", r->items);
    put_usage(a, w);
    put_plain_settings(w);
    sl_json_object_end(w);
}

static sl_res event_begin(uint64_t sequence, const char *type, sl_buf *out, sl_json_writer *w)
{
    SL_TRY(sl_buf_addf(out, "event: %s\ndata: ", type));
    sl_json_writer_init(w, out);
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", type);
    sl_json_put_uint(w, "sequence_number", sequence);
    return SL_DONE;
}

sl_res sl_responses_put_response_event(const sl_answer *a, uint64_t sequence, const char *type,
                                       const sl_responses_whole *r, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin(sequence, type, out, &w));
    sl_json_key(&w, "response");
    sl_responses_put_response(a, r, &w);
    return sl_ask_event_end(out, &w);
}

/* An event about the open item, or about the open part when there is one. */
static sl_res place_begin(const sl_answer *a, sl_responses *m, const char *type, sl_buf *out,
                          sl_json_writer *w)
{
    SL_TRY(event_begin(m->sequence++, type, out, w));
    put_id(a, "item_id", m->item == ITEM_MESSAGE ? "msg" : "fc", m->items_n, w);
    sl_json_put_uint(w, "output_index", m->items_n);
    if (m->part != PART_NONE) {
        sl_json_put_uint(w, "content_index", m->parts_n);
    }
    return SL_DONE;
}

/* A delta or the whole of one text. */
sl_res sl_responses_put_text_event(const sl_answer *a, sl_responses *m, const char *type,
                                   const char *member, const sl_buf *text, const sl_buf *tokens,
                                   sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(place_begin(a, m, type, out, &w));
    sl_json_put_string(&w, member, text_of(text));
    if (m->part == PART_TEXT) {
        put_list(&w, "logprobs", tokens);
    }
    return sl_ask_event_end(out, &w);
}

sl_res sl_responses_put_part_event(const sl_answer *a, sl_responses *m, const char *type,
                                   const sl_buf *text, const sl_buf *tokens, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(place_begin(a, m, type, out, &w));
    sl_json_key(&w, "part");
    sl_responses_put_part(m->part, text, tokens, &w);
    return sl_ask_event_end(out, &w);
}

sl_res sl_responses_put_item_event(const sl_answer *a, sl_responses *m, const char *type,
                                   const char *status, const sl_buf *content, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin(m->sequence++, type, out, &w));
    sl_json_put_uint(&w, "output_index", m->items_n);
    sl_json_key(&w, "item");
    sl_responses_put_item(a, m, status, content, &w);
    return sl_ask_event_end(out, &w);
}
