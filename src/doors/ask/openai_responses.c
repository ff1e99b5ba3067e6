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
#include "doors/ask/dialect.h"

#include <stdlib.h>

#define ANY_TEXT (SL_TAKES_TEXT | SL_TAKES_NULL)
#define ANY_WORD (SL_TAKES_WORD | SL_TAKES_NULL)
#define NUMBER_OR_NULL (SL_TAKES_NUMBER | SL_TAKES_NULL)
#define INT_OR_NULL (SL_TAKES_INT | SL_TAKES_NULL)
#define BOOL_OR_NULL (SL_TAKES_BOOL | SL_TAKES_NULL)

/* ---- requests ---- */

/* A part of any other kind says so by its type, but what it holds is what needs the ability. */
static const sl_ask_member part_members[] = {
    { .name = "type",
      .takes = SL_TAKES_WORD,
      .words = "input_text|output_text|refusal|input_image|input_file|input_audio" },
    { .name = "text", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "refusal", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "annotations", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "logprobs", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "image_url",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
    { .name = "detail", .takes = ANY_WORD, .words = "low|high|auto|original" },
    { .name = "file_url",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
    { .name = "file_id", .takes = ANY_WORD, .act = SL_ACT_FEATURE, .feature = SL_FEATURE_FILE_IDS },
    { .name = "file_data",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "filename",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "input_audio",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
};
static const sl_ask_shape part_shape = { .name = "content",
                                         .members = part_members,
                                         .count = SL_COUNT_OF(part_members) };
static const sl_ask_member part_item = { .name = "content",
                                         .takes = SL_TAKES_OBJECT,
                                         .channel = SL_CHANNEL_OF_PLACE,
                                         .shape = &part_shape };

/* Ids of items name what the model server stored; nothing is stored. */
static const sl_ask_member item_members[] = {
    { .name = "type",
      .takes = SL_TAKES_WORD,
      .words = "message|function_call|function_call_output" },
    { .name = "role", .takes = SL_TAKES_WORD, .words = "system|developer|user|assistant" },
    { .name = "content",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_OF_PLACE,
      .items = &part_item },
    { .name = "id", .takes = ANY_WORD, .act = SL_ACT_STRIP, .feature = SL_FEATURE_STORED_STATE },
    { .name = "status", .takes = ANY_WORD, .words = "in_progress|completed|incomplete" },
    { .name = "phase", .takes = ANY_WORD, .words = "commentary|final_answer" },
    { .name = "call_id", .takes = SL_TAKES_WORD },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "arguments", .takes = SL_TAKES_JSON_TEXT, .channel = SL_CHANNEL_ASSISTANT },
    { .name = "output",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_TOOL_RESULT,
      .items = &part_item },
};
static const sl_ask_shape item_shape = { .name = "input",
                                         .members = item_members,
                                         .count = SL_COUNT_OF(item_members),
                                         .role_member = "role",
                                         .other_words = SL_FEATURE_STORED_STATE };
static const sl_ask_member input_item = {
    .name = "input", .takes = SL_TAKES_OBJECT, .channel = SL_CHANNEL_USER, .shape = &item_shape
};

static const sl_ask_member tool_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "name", .takes = SL_TAKES_WORD, .learn = SL_LEARN_TOOL_NAME },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "parameters", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "strict", .takes = BOOL_OR_NULL },
};
static const sl_ask_shape tool_shape = { .name = "tools",
                                         .members = tool_members,
                                         .count = SL_COUNT_OF(tool_members),
                                         .other_words = SL_FEATURE_HOSTED_TOOLS };
static const sl_ask_member tool_item = { .name = "tools",
                                         .takes = SL_TAKES_OBJECT,
                                         .shape = &tool_shape };

static const sl_ask_member allowed_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "name", .takes = SL_TAKES_WORD },
};
static const sl_ask_shape allowed_shape = { .name = "tool_choice",
                                            .members = allowed_members,
                                            .count = SL_COUNT_OF(allowed_members),
                                            .other_words = SL_FEATURE_HOSTED_TOOLS };
static const sl_ask_member allowed_item = { .name = "tools",
                                            .takes = SL_TAKES_OBJECT,
                                            .shape = &allowed_shape };
static const sl_ask_member tool_choice_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function|allowed_tools" },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "mode", .takes = SL_TAKES_WORD, .words = "auto|required" },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &allowed_item },
};
static const sl_ask_shape tool_choice_shape = { .name = "tool_choice",
                                                .members = tool_choice_members,
                                                .count = SL_COUNT_OF(tool_choice_members),
                                                .other_words = SL_FEATURE_HOSTED_TOOLS };

static const sl_ask_member format_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text|json_object|json_schema" },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "schema", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "strict", .takes = BOOL_OR_NULL },
};
static const sl_ask_shape format_shape = { .name = "format",
                                           .members = format_members,
                                           .count = SL_COUNT_OF(format_members) };
static const sl_ask_member text_members[] = {
    { .name = "format", .takes = SL_TAKES_OBJECT, .shape = &format_shape },
    { .name = "verbosity", .takes = ANY_WORD, .words = "low|medium|high" },
};
static const sl_ask_shape text_shape = { .name = "text",
                                         .members = text_members,
                                         .count = SL_COUNT_OF(text_members) };

/* Reasoning never leaves, so its summary is not asked for. */
static const sl_ask_member reasoning_members[] = {
    { .name = "effort", .takes = ANY_WORD, .words = "none|minimal|low|medium|high|xhigh" },
    { .name = "summary", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "generate_summary", .takes = ANY_WORD, .act = SL_ACT_DROP },
};
static const sl_ask_shape reasoning_shape = { .name = "reasoning",
                                              .members = reasoning_members,
                                              .count = SL_COUNT_OF(reasoning_members) };
static const sl_ask_member stream_options_members[] = {
    { .name = "include_obfuscation", .takes = SL_TAKES_BOOL, .act = SL_ACT_DROP },
};
static const sl_ask_shape stream_options_shape = { .name = "stream_options",
                                                   .members = stream_options_members,
                                                   .count = SL_COUNT_OF(stream_options_members) };

static const sl_ask_member include_item = { .name = "include",
                                            .takes = SL_TAKES_WORD,
                                            .words = "message.output_text.logprobs" };

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "input",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_USER,
      .items = &input_item },
    { .name = "instructions", .takes = ANY_TEXT, .channel = SL_CHANNEL_SYSTEM },
    { .name = "stream", .takes = BOOL_OR_NULL, .learn = SL_LEARN_STREAM },
    { .name = "stream_options",
      .takes = SL_TAKES_OBJECT | SL_TAKES_NULL,
      .shape = &stream_options_shape },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &tool_item },
    { .name = "tool_choice",
      .takes = SL_TAKES_WORD | SL_TAKES_OBJECT,
      .words = "none|auto|required",
      .shape = &tool_choice_shape },
    { .name = "parallel_tool_calls", .takes = BOOL_OR_NULL },
    { .name = "max_tool_calls", .takes = INT_OR_NULL },
    { .name = "max_output_tokens", .takes = INT_OR_NULL, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "temperature", .takes = NUMBER_OR_NULL },
    { .name = "top_p", .takes = NUMBER_OR_NULL },
    { .name = "truncation", .takes = ANY_WORD, .words = "auto|disabled" },
    { .name = "text", .takes = SL_TAKES_OBJECT, .shape = &text_shape },
    { .name = "reasoning", .takes = SL_TAKES_OBJECT | SL_TAKES_NULL, .shape = &reasoning_shape },
    { .name = "user", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "safety_identifier", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "metadata", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "store", .takes = BOOL_OR_NULL, .act = SL_ACT_FALSE },
    { .name = "service_tier", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "prompt_cache_key", .takes = SL_TAKES_TEXT, .act = SL_ACT_DROP },
    { .name = "prompt_cache_retention", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "top_logprobs",
      .takes = INT_OR_NULL,
      .act = SL_ACT_STRIP,
      .feature = SL_FEATURE_LOGPROBS },
    /* What can be included besides is nothing that leaves. */
    { .name = "include",
      .takes = SL_TAKES_ITEMS | SL_TAKES_NULL,
      .items = &include_item,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "previous_response_id",
      .takes = ANY_WORD,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "conversation",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "prompt",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_USER,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "background",
      .takes = BOOL_OR_NULL,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_BACKGROUND },
};
static const sl_ask_shape request_shape = { .name = "request",
                                            .members = request_members,
                                            .count = SL_COUNT_OF(request_members),
                                            .force_false = "store" };

/* ---- answers: what is remembered ---- */

enum { ITEMS_MAX = 64, TEXTS_MAX = 64 };

typedef enum { ITEM_NONE, ITEM_MESSAGE, ITEM_CALL, ITEM_DROPPED } item_kind;
typedef enum { PART_NONE, PART_TEXT, PART_REFUSAL } part_kind;

typedef struct {
    item_kind item;     /* the open item */
    part_kind part;     /* the open part of the open message */
    bool fed;           /* the open part or call has been given text */
    bool started;       /* response.created was said */
    bool finished;      /* the last event was said */
    uint64_t theirs;    /* the model server's number of the open item */
    uint32_t items_n;   /* items shown and closed: the number of the open one */
    uint32_t parts_n;   /* likewise, of parts in the open message */
    uint32_t texts_n;   /* likewise, of parts in all messages */
    uint32_t calls_n;   /* likewise, of function calls */
    uint64_t sequence;  /* of the next event */
    uint64_t committed; /* of the first event that the door may still take back */
    /* Released text only. Closed parts and items are JSON, joined by commas. */
    sl_buf text;
    sl_buf tokens; /* log-probabilities of `text`, likewise JSON */
    sl_buf parts;
    sl_buf items;
} memory;

static void memory_free(void *wire)
{
    memory *m = wire;
    sl_buf_free(&m->text);
    sl_buf_free(&m->tokens);
    sl_buf_free(&m->parts);
    sl_buf_free(&m->items);
    free(m);
}

static sl_res memory_of(sl_answer *a, memory **ret_memory)
{
    if (a->wire == NULL) {
        memory *m = calloc(1, sizeof *m);
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

/* ---- answers: what is written ---- */

/* Ids are ours: a prefix, the crossing and a number. */
static void put_id(const sl_answer *a, const char *name, const char *prefix, uint32_t number,
                   sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    if (sl_ok(sl_buf_addf(&id, "%s_%.16s_%u", prefix, a->options.id, number))) {
        sl_json_put_string(w, name, sl_buf_view(&id));
    }
}

static void put_part(part_kind kind, const sl_buf *text, const sl_buf *tokens, sl_json_writer *w)
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
static void put_item(const sl_answer *a, const memory *m, const char *status, const sl_buf *content,
                     sl_json_writer *w)
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

typedef struct {
    const char *status;
    const char *reason;        /* of an incomplete response, or NULL */
    const sl_ask_error *error; /* of a failed one, or NULL */
    const sl_buf *items;       /* or NULL */
} response;

static void put_response(const sl_answer *a, const response *r, sl_json_writer *w)
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

static sl_res put_response_event(const sl_answer *a, uint64_t sequence, const char *type,
                                 const response *r, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin(sequence, type, out, &w));
    sl_json_key(&w, "response");
    put_response(a, r, &w);
    return sl_ask_event_end(out, &w);
}

/* An event about the open item, or about the open part when there is one. */
static sl_res place_begin(const sl_answer *a, memory *m, const char *type, sl_buf *out,
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
static sl_res put_text_event(const sl_answer *a, memory *m, const char *type, const char *member,
                             const sl_buf *text, const sl_buf *tokens, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(place_begin(a, m, type, out, &w));
    sl_json_put_string(&w, member, text_of(text));
    if (m->part == PART_TEXT) {
        put_list(&w, "logprobs", tokens);
    }
    return sl_ask_event_end(out, &w);
}

static sl_res put_part_event(const sl_answer *a, memory *m, const char *type, const sl_buf *text,
                             const sl_buf *tokens, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(place_begin(a, m, type, out, &w));
    sl_json_key(&w, "part");
    put_part(m->part, text, tokens, &w);
    return sl_ask_event_end(out, &w);
}

static sl_res put_item_event(const sl_answer *a, memory *m, const char *type, const char *status,
                             const sl_buf *content, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin(m->sequence++, type, out, &w));
    sl_json_put_uint(&w, "output_index", m->items_n);
    sl_json_key(&w, "item");
    put_item(a, m, status, content, &w);
    return sl_ask_event_end(out, &w);
}

/* ---- answers: the open item and its open part ---- */

static sl_res start(const sl_answer *a, memory *m, sl_buf *out)
{
    response r = { .status = "in_progress" };
    if (m->started) {
        return SL_DONE;
    }
    m->started = true;
    SL_TRY(put_response_event(a, m->sequence++, "response.created", &r, out));
    return put_response_event(a, m->sequence++, "response.in_progress", &r, out);
}

static sl_channel channel_of(part_kind kind)
{
    return kind == PART_TEXT ? SL_CHANNEL_ANSWER : SL_CHANNEL_REFUSAL;
}

/* The log-probabilities that may leave by now, as a list without its brackets. */
static sl_res ready_tokens(sl_answer *a, const memory *m, sl_buf *list)
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
static sl_res put_freed(sl_answer *a, memory *m, const sl_buf *freed, sl_buf *out)
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
    return put_text_event(a, m, type, "delta", freed, &tokens, out);
}

/* Tokens are counted within a text; where one of a text did not leave, none of those behind it does. */
static void end_tokens(sl_answer *a, memory *m)
{
    bool over = a->logprobs[0].over || a->logprobs[0].n != 0;
    sl_logprobs_free(&a->logprobs[0]);
    a->logprobs[0].over = over;
    sl_buf_clear(&m->tokens);
}

static sl_res end_part(sl_answer *a, memory *m, sl_buf *out)
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
    SL_TRY(put_text_event(a, m, text ? "response.output_text.done" : "response.refusal.done",
                          text ? "text" : "refusal", &m->text, &m->tokens, out));
    SL_TRY(put_part_event(a, m, "response.content_part.done", &m->text, &m->tokens, out));
    sl_json_writer_init(&w, &json);
    put_part(m->part, &m->text, &m->tokens, &w);
    SL_TRY(sl_json_finish(&w));
    SL_TRY(append(&m->parts, &json));
    sl_buf_clear(&m->text);
    end_tokens(a, m);
    m->part = PART_NONE;
    m->parts_n++;
    m->texts_n++;
    return SL_DONE;
}

static sl_res begin_part(sl_answer *a, memory *m, part_kind kind, sl_buf *out)
{
    SL_TRY(end_part(a, m, out));
    if (a->choices[0].ended) {
        return SL_DONE; /* the part before was cut at its end */
    }
    SL_NEED(m->item == ITEM_MESSAGE && m->texts_n < TEXTS_MAX, SL_E_SYNTAX);
    m->part = kind;
    m->fed = false;
    return put_part_event(a, m, "response.content_part.added", NULL, NULL, out);
}

/* `holder` has the text's log-probabilities, where they were granted and given. */
static sl_res feed_part(sl_answer *a, memory *m, part_kind kind, sl_view text,
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

static sl_res begin_item(sl_answer *a, memory *m, const sl_json_doc *doc, const sl_json_node *item,
                         sl_buf *out)
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
        return put_item_event(a, m, "response.output_item.added", "in_progress", NULL, out);
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

static sl_res feed_call(sl_answer *a, memory *m, sl_view text)
{
    m->fed = true;
    return sl_answer_feed(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, m->calls_n, text, NULL);
}

/* The item's last event, and the item among those that the response will repeat. */
static sl_res close_item(sl_answer *a, memory *m, const char *status, const sl_buf *content,
                         sl_buf *out)
{
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 64 * SL_MIB };
    sl_json_writer w;
    SL_TRY(put_item_event(a, m, "response.output_item.done", status, content, out));
    sl_json_writer_init(&w, &json);
    put_item(a, m, status, content, &w);
    SL_TRY(sl_json_finish(&w));
    SL_TRY(append(&m->items, &json));
    m->items_n++;
    m->item = ITEM_NONE;
    return SL_DONE;
}

/* A call is shown only when all of it was read, so that a cut call never was. */
static sl_res end_call(sl_answer *a, memory *m, sl_buf *out)
{
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, m->calls_n, &freed));
    if (a->choices[0].cut) {
        m->item = ITEM_NONE;
        return SL_DONE;
    }
    SL_TRY(put_item_event(a, m, "response.output_item.added", "in_progress", NULL, out));
    if (freed.n != 0) {
        SL_TRY(put_text_event(a, m, "response.function_call_arguments.delta", "delta", &freed, NULL,
                              out));
    }
    SL_TRY(put_text_event(a, m, "response.function_call_arguments.done", "arguments", &freed, NULL,
                          out));
    SL_TRY(close_item(a, m, "completed", &freed, out));
    m->calls_n++;
    return SL_DONE;
}

static sl_res end_item(sl_answer *a, memory *m, sl_buf *out)
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
static sl_res finish(sl_answer *a, memory *m, const char *reason, sl_buf *out)
{
    response r = { .status = reason == NULL ? "completed" : "incomplete",
                   .reason = reason,
                   .items = &m->items };
    if (m->finished) {
        return SL_DONE;
    }
    m->finished = true;
    return put_response_event(
        a, m->sequence++, reason == NULL ? "response.completed" : "response.incomplete", &r, out);
}

static sl_res finish_cut(sl_answer *a, memory *m, sl_buf *out)
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
    item_kind item;
    part_kind part;
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

static sl_res take_text(sl_answer *a, memory *m, const sl_json_doc *doc, const text_event *e,
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

static sl_res take_part(sl_answer *a, memory *m, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *part = sl_json_get_kind(doc, sl_json_root(doc), "part", SL_JSON_OBJECT);
    const sl_json_node *type = sl_json_get_kind(doc, part, "type", SL_JSON_STRING);
    SL_NEED(type != NULL, SL_E_MISSING_FIELD);
    if (sl_json_text_is(type, "output_text")) {
        return begin_part(a, m, PART_TEXT, out);
    }
    return sl_json_text_is(type, "refusal") ? begin_part(a, m, PART_REFUSAL, out) : SL_DONE;
}

static sl_res take_end(sl_answer *a, memory *m, const sl_json_doc *doc, bool complete, sl_buf *out)
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
static sl_res take_inside(sl_answer *a, memory *m, const sl_json_doc *doc, const sl_json_node *type,
                          sl_buf *out)
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

static sl_res take_event(sl_answer *a, memory *m, const sl_json_doc *doc, sl_buf *out)
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
static part_kind part_of(const sl_json_doc *doc, const sl_json_node *object)
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
        part_kind kind = part_of(doc, sl_json_get_kind(doc, root, "part", SL_JSON_OBJECT));
        ret_heard->what = kind == PART_NONE ? SL_HEARD_PASSING : SL_HEARD_BEGIN;
        ret_heard->kind = channel_of(kind);
    }
    return SL_DONE;
}

static sl_res responses_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    memory *m = NULL;
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
    memory *m = NULL;
    SL_TRY(memory_of(a, &m));
    SL_NEED(a->choices[0].ended, SL_E_UPSTREAM);
    return a->choices[0].cut ? finish_cut(a, m, out) : SL_DONE;
}

/* Numbered after what has left; without items, because the last of them may not have. */
static sl_res responses_broken(const sl_answer *a, const sl_ask_error *error, sl_buf *out)
{
    const memory *m = a->wire;
    response r = { .status = "failed", .error = error };
    return put_response_event(a, m == NULL ? 0 : m->committed, "response.failed", &r, out);
}

/* ---- whole answers: told as events to nobody, so that both ways say the same ---- */

static sl_res take_whole_message(sl_answer *a, memory *m, const sl_json_doc *doc,
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
            part_kind kind = part_of(doc, part.value);
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

static sl_res take_whole_item(sl_answer *a, memory *m, const sl_json_doc *doc,
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
    memory *m = NULL;
    SL_TRY(memory_of(a, &m));
    SL_TRY(hear_whole_output(a, doc, output));
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, output, &it) && !a->choices[0].cut) {
        SL_TRY(take_whole_item(a, m, doc, it.value));
    }
    take_usage(a, doc, root);
    bool cut = a->choices[0].cut;
    response r = { .status = complete && !cut ? "completed" : "incomplete",
                   .reason = cut        ? "content_filter"
                             : complete ? NULL
                                        : incomplete_word(doc, root),
                   .items = &m->items };
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    put_response(a, &r, &w);
    a->choices[0].ended = true;
    a->done = true;
    return sl_json_finish(&w);
}

const sl_ask_dialect sl_ask_openai_responses = {
    .name = "openai.responses",
    .path = "/v1/responses",
    .method = "POST",
    .upstream_path = "/v1/responses",
    .shape = &request_shape,
    .history = "input",
    .hear = responses_hear,
    .begin_ends = true,
    .event = responses_event,
    .whole = responses_whole,
    .close = responses_close,
    .broken = responses_broken,
    .error = sl_ask_openai_error,
};
